"""The tables of the state, and how those of an earlier version become them."""

import contextlib
import json
import os
import sqlite3

from mlreport_batch.state.idle import SCHEMA, sum_of
from mlreport_batch.state.rows import summed
from mlreport_batch.state.spool import NOTE, spool_of

_RECORDED = 5
"""Since this version each mail has its record in the spool."""

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
_BRIEFS = """
CREATE TABLE briefs (
    path BLOB PRIMARY KEY, grp TEXT NOT NULL, metric TEXT NOT NULL, score REAL,
    brief BLOB NOT NULL
);
CREATE INDEX briefs_grp ON briefs (grp, metric, score);
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
    # Rows carry sums; what was told before a mail is in its record in the spool.
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
    # As after a change of the config, the next tick looks at all runs.
    5: _BRIEFS  # noqa: S608
    + "UPDATE meta SET value = '', sum = sum_of(key, '') WHERE key = 'config_key';",
    # What is written from now on is packed as earlier versions cannot read it.
    6: "",
}


def create(db: sqlite3.Connection) -> None:
    """Make the tables, in a transaction of the caller."""
    _execute(db, _TABLES + _BRIEFS)
    db.execute(f"PRAGMA user_version={SCHEMA}")


def upgrade(db: sqlite3.Connection, version: int, folder: str) -> None:
    """Bring the tables of *version* up to `SCHEMA`, in a transaction of the caller.

    Before there were records, a mail that waits has none: it goes out as it is, and
    nothing supersedes it.

    Args:
        db: The state.
        version: Of its tables.
        folder: The state folder.
    """
    if version < _RECORDED:
        _take_over_notes(db, folder)
        runs: dict[str, list[bytes]] = {}
        for rid, path in db.execute("SELECT rid, path FROM owed_runs ORDER BY path"):
            runs.setdefault(rid, []).append(path)
        db.create_function("joined", 1, lambda rid: b"\0".join(runs.get(rid, ())))
    db.create_function("sum_of", -1, sum_of)
    db.create_function("summed", 2, summed)
    for earlier in range(version, SCHEMA):
        _execute(db, _UPGRADES[earlier])
    db.execute(f"PRAGMA user_version={SCHEMA}")


def _take_over_notes(db: sqlite3.Connection, folder: str) -> None:
    """Keep who still waits for a mail, as earlier versions noted it beside the mail."""
    for rid, known in db.execute("SELECT rid, recipients FROM owed").fetchall():
        note = os.path.join(spool_of(folder), "cur", f"{rid}{NOTE}")
        with contextlib.suppress(FileNotFoundError, ValueError):
            with open(note, "rb") as file:
                noted = json.loads(file.read())
            left = [r for r in json.loads(known) if r in noted]
            if left:
                db.execute(
                    "UPDATE owed SET recipients=?, is_partial=1 WHERE rid=?",
                    (json.dumps(left), rid),
                )


def _execute(db: sqlite3.Connection, script: str) -> None:
    for statement in script.split(";"):
        if statement.strip():
            db.execute(statement)


TYPE_CHECKING = False
if TYPE_CHECKING:
    pass
