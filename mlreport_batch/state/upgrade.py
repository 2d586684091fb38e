"""The tables of the state, and how those of an earlier version become them."""

import json
import os
import sqlite3
from typing import Any

from mlreport_batch.state.idle import sum_of
from mlreport_batch.state.rows import summed

SCHEMA = 5

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER)
    WITHOUT ROWID;
CREATE TABLE folders (
    path BLOB PRIMARY KEY, names BLOB NOT NULL, stats BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE listings (
    path BLOB PRIMARY KEY, root BLOB NOT NULL, run BLOB, claims BLOB, closed INTEGER,
    listing BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX listings_run ON listings (run);
CREATE INDEX listings_root ON listings (root);
CREATE INDEX listings_claims ON listings (claims) WHERE claims IS NOT NULL;
CREATE TABLE runs (
    path BLOB PRIMARY KEY, root BLOB NOT NULL, name TEXT NOT NULL,
    seq INTEGER NOT NULL DEFAULT 0, grown INTEGER NOT NULL DEFAULT 0,
    wake_at REAL, rid TEXT, status TEXT NOT NULL DEFAULT '',
    headline TEXT NOT NULL DEFAULT '', slug TEXT NOT NULL DEFAULT '',
    reported_at REAL, gone_at REAL, sum INTEGER
) WITHOUT ROWID;
CREATE INDEX runs_wake ON runs (wake_at) WHERE wake_at IS NOT NULL;
CREATE TABLE marks (path BLOB PRIMARY KEY, seen BLOB, reported BLOB);
CREATE TABLE owed (
    rid TEXT PRIMARY KEY, created_at REAL NOT NULL, sender TEXT NOT NULL,
    recipients TEXT NOT NULL, subject TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, unknowns INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '', is_partial INTEGER NOT NULL DEFAULT 0,
    digest TEXT, config BLOB, runs BLOB, sum INTEGER
) WITHOUT ROWID;
CREATE TABLE documents (
    rid TEXT PRIMARY KEY, run TEXT NOT NULL, document TEXT NOT NULL,
    made_at REAL NOT NULL, doubt INTEGER NOT NULL, sent INTEGER NOT NULL
) WITHOUT ROWID;
"""

# What brings the tables of an earlier version up to the next one.
_UPGRADES = {
    # Without row ids, a mark of more than a kilobyte took whole pages of its own.
    1: """
CREATE TABLE marks_2 (path BLOB PRIMARY KEY, seen BLOB, reported BLOB);
INSERT INTO marks_2 SELECT path, seen, reported FROM marks;
DROP TABLE marks;
ALTER TABLE marks_2 RENAME TO marks;
""",
    # More is kept of what folders say of runs: all of them are listed anew.
    2: """
UPDATE folders SET stats = CAST(zeroblob(8) || substr(stats, 9) AS BLOB);
UPDATE meta SET value = '' WHERE key = 'config_key';
""",
    # Of mails that were owed before it is not known what was written and by whom.
    3: """
CREATE TABLE IF NOT EXISTS frozen (
    rid TEXT PRIMARY KEY, digest TEXT NOT NULL, config BLOB NOT NULL
) WITHOUT ROWID;
""",
    # Rows carry sums; what a waiting mail is about is in its record in the spool.
    4: """
ALTER TABLE owed ADD COLUMN digest TEXT;
ALTER TABLE owed ADD COLUMN config BLOB;
ALTER TABLE owed ADD COLUMN runs BLOB;
ALTER TABLE owed ADD COLUMN sum INTEGER;
UPDATE owed SET digest = COALESCE((SELECT digest FROM frozen WHERE rid = owed.rid), ''),
    config = COALESCE((SELECT config FROM frozen WHERE rid = owed.rid), x''),
    runs = joined(rid);
UPDATE owed SET sum = sum_of(rid, created_at, sender, recipients, subject, attempts,
    unknowns, next_at, held, why, is_partial, digest, config, runs);
DROP TABLE owed_runs;
DROP TABLE frozen;
ALTER TABLE meta ADD COLUMN sum INTEGER;
UPDATE meta SET sum = sum_of(key, value);
ALTER TABLE runs ADD COLUMN sum INTEGER;
UPDATE runs SET sum = sum_of(path, root, name, seq, grown, wake_at, rid, status,
    headline, slug, reported_at, gone_at);
UPDATE marks SET seen = summed(seen, path), reported = summed(reported, path);
UPDATE listings SET listing = summed(listing, path);
""",
}


def create(db: sqlite3.Connection) -> None:
    """Make the tables, in a transaction of the caller."""
    _execute(db, _TABLES)
    db.execute(f"PRAGMA user_version={SCHEMA}")


def upgrade(db: sqlite3.Connection, version: int, folder: str | None) -> None:
    """Bring the tables of *version* up to `SCHEMA`, in a transaction of the caller.

    Args:
        db: The state.
        version: Of its tables.
        folder: The state folder, whose spool gets the records of what is owed; None
            for a copy that nothing is sent from.
    """
    waiting: dict[str, dict[bytes, bytes | None]] = {}
    rows = db.execute("SELECT rid, path, base FROM owed_runs ORDER BY rid, path")
    for rid, path, base in rows:
        waiting.setdefault(rid, {})[path] = base
    db.create_function("joined", 1, lambda rid: b"\0".join(waiting.get(rid, ())))
    db.create_function("sum_of", -1, sum_of)
    db.create_function("summed", 2, summed)
    for earlier in range(version, SCHEMA):
        _execute(db, _UPGRADES[earlier])
    if folder is not None:
        _put_records(db, folder, waiting)
    db.execute(f"PRAGMA user_version={SCHEMA}")


def _put_records(
    db: sqlite3.Connection, folder: str, waiting: dict[str, dict[bytes, bytes | None]]
) -> None:
    """Tell the spool what the mails in it are about."""
    from mlreport_batch.report.news import Snapshot
    from mlreport_batch.state.record import Record, Told, put_record
    from mlreport_batch.state.rows import decode
    from mlreport_batch.state.spool import Spool, spool_of

    def mark(data: bytes | None, path: bytes) -> Snapshot | None:
        if data is None:
            return None
        return decode(data, Snapshot, path, os.fsdecode(path))

    spool = Spool(spool_of(folder))
    [(instance,)] = db.execute("SELECT value FROM meta WHERE key='instance'")
    for *owed, _ in db.execute("SELECT * FROM owed").fetchall():
        told: list[Told] = []
        for path, base in waiting.get(owed[0], {}).items():
            before = mark(summed(base, path), path)
            row: Any = None
            after = None
            query = (
                "SELECT m.reported, r.* FROM runs r JOIN marks m USING (path) "
                "WHERE path=? AND rid=?"  # its last report
            )
            for reported, *values, _ in db.execute(query, (path, owed[0])):
                row, after = tuple(values), mark(reported, path)
            told.append(Told(path, row, after, before))
        _note_left(spool, owed)
        put_record(spool, Record(tuple(owed), instance, tuple(told)))
    spool.sync("told")


def _note_left(spool: "Spool", owed: list[Any]) -> None:
    """Take over who still waits for a mail, as noted in a file of its own."""
    from mlreport_batch.state.spool import NOTE

    try:
        with open(os.path.join(spool.folder, "cur", owed[0] + NOTE), "rb") as file:
            left = json.loads(file.read())
    except (FileNotFoundError, ValueError):
        return  # the state's word stands
    known = left if isinstance(left, list) else []
    if recipients := [r for r in json.loads(owed[3]) if r in known]:
        owed[3], owed[10] = json.dumps(recipients), 1


def _execute(db: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from mlreport_batch.state.spool import Spool
