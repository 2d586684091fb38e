"""The small state file: how it is opened, sealed, committed, upgraded and copied.

One SQLite file in ``TRUNCATE`` journal mode with ``synchronous=FULL``: no side
files that need a local disk, and a commit survives a power loss.

The table ``folders`` is laid out for the tick without news, which reads nothing
else: see `idle`.
"""

# ruff: noqa: SLF001 - copy_in_memory fills an object of its own class

import contextlib
import os
import secrets
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Self, TypeVar

import msgspec

from mlreport_batch.errors import DamagedStateError, NewerStateError
from mlreport_batch.safety.files import sync_folder
from mlreport_batch.state.folder import damaged, state_errors, unusable
from mlreport_batch.state.idle import DATABASE, open_read_only
from mlreport_batch.state.seal import Seal, Since, Statement
from mlreport_batch.state.spool import FOLDERS, spool_of

SCHEMA = 4
VERSIONS_MAX = 1000  # beyond: not a version, but damage
ADOPT = "adopt"
_PACKED_FROM = 512  # bytes; what is shorter hardly gets smaller
_T = TypeVar("_T")

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
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
    reported_at REAL, gone_at REAL
) WITHOUT ROWID;
CREATE INDEX runs_wake ON runs (wake_at) WHERE wake_at IS NOT NULL;
CREATE TABLE marks (path BLOB PRIMARY KEY, seen BLOB, reported BLOB);
CREATE TABLE owed (
    rid TEXT PRIMARY KEY, created_at REAL NOT NULL, sender TEXT NOT NULL,
    recipients TEXT NOT NULL, subject TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, unknowns INTEGER NOT NULL DEFAULT 0,
    next_at REAL NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
    why TEXT NOT NULL DEFAULT '', is_partial INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE owed_runs (
    rid TEXT NOT NULL, path BLOB NOT NULL, base BLOB, PRIMARY KEY (rid, path)
) WITHOUT ROWID;
CREATE INDEX owed_runs_path ON owed_runs (path);
CREATE TABLE frozen (
    rid TEXT PRIMARY KEY, digest TEXT NOT NULL, config BLOB NOT NULL
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
}


def encode(mark: object) -> bytes:
    """Return *mark* as MessagePack, compressed where that saves something."""
    data = msgspec.msgpack.encode(mark)
    return data if len(data) < _PACKED_FROM else zlib.compress(data, 1)


def decode(data: bytes, kind: type[_T], what: str) -> _T:
    """Return what `encode` was given.

    Raises:
        DamagedStateError: It is not what was encoded; *what* says whose it was.
    """
    try:
        # MessagePack never begins a map with the first byte of zlib.
        plain = zlib.decompress(data) if data.startswith(b"x") else data
        return msgspec.msgpack.decode(plain, type=kind)
    except (msgspec.DecodeError, ValueError, zlib.error) as exc:
        raise DamagedStateError(
            f"the state of {what} is damaged: {exc}",
            kept="What is owed stays owed",
            advice="The next tick mends it from the daily copy",
        ) from exc


class Database:
    """The state file of one folder, open for reading and writing.

    Args:
        folder: The state folder; the caller holds its `Lock` to write.

    Raises:
        StateError: It is damaged or cannot be opened.
        NewerStateError: A later version wrote it.
    """

    def __init__(self, folder: str) -> None:
        path = os.path.join(folder, DATABASE)
        self._begin(path, Since(f"{path}.since"))
        self._seal = Seal(self.path)
        is_new = not os.path.lexists(self.path)
        if not is_new and os.path.islink(self.path):
            raise NewerStateError(
                f"{self.path} is a symlink", kept="Nothing was changed"
            )
        if not is_new and os.path.getsize(self.path) == 0:
            # An empty file is what a crash before the first commit leaves, and also
            # what a damaged disk leaves; only a spool without traces tells them apart.
            is_new = not _has_traces(folder)
            if not is_new:
                raise damaged(self.path, "it is empty although reports were made")
        is_checked = is_new or self._is_as_sealed()
        previous = os.umask(0o077)
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=5.0)
        except sqlite3.Error as exc:
            raise unusable(self.path, exc) from exc
        finally:
            os.umask(previous)
        try:
            self._prepare(is_new=is_new, is_checked=is_checked)
        except sqlite3.DatabaseError as exc:
            self._db.close()
            if isinstance(exc, sqlite3.OperationalError):
                raise unusable(self.path, exc) from exc
            raise damaged(self.path, str(exc)) from exc
        except BaseException:
            self._db.close()
            raise

    def _begin(self, path: str, since: Since | None) -> None:
        self.path = path
        self._since = since
        self._statements: list[Statement] = []
        self._must_seal = False
        self._has_failed = False

    def _is_as_sealed(self) -> bool:
        """Return whether the file is known to be whole; False if it has no seal.

        Raises:
            NewerStateError: A later version wrote it, and seals in a way of its own.
            DamagedStateError: It is not what was sealed.
        """
        try:
            with open(self.path, "rb") as file:
                header = file.read(64)
            version = int.from_bytes(header[60:64], "big")
            if header.startswith(b"SQLite format 3\0") and version <= VERSIONS_MAX:
                self._refuse_newer(version)
            if not self._seal.is_there:
                self._must_seal = True
                return False
            journal = f"{self.path}-journal"
            if _is_hot(journal):
                raise damaged(self.path, f"{journal} is not its own")
            if self._seal.fits():
                return True
        except OSError as exc:
            raise unusable(self.path, exc) from exc
        raise damaged(self.path, "it is not as the last tick left it")

    def _refuse_newer(self, version: int) -> None:
        if version > SCHEMA:
            raise NewerStateError(
                f"{self.path} was written by a later version of mlreport-batch "
                f"(schema {version}, this one knows {SCHEMA})",
                kept="It was left untouched",
                advice="Update mlreport-batch",
            )

    def _prepare(self, *, is_new: bool, is_checked: bool) -> None:
        self._db.execute("PRAGMA journal_mode=TRUNCATE")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA cache_size=-8000")
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        self._refuse_newer(version)
        if not is_checked:
            found = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise sqlite3.DatabaseError(found)
        if version == 0:
            if (
                not is_new
                and self._db.execute("SELECT 1 FROM sqlite_master").fetchone()
            ):
                raise sqlite3.DatabaseError("no mlreport-batch state")
            with self.transaction():
                for statement in _statements_of(_TABLES):
                    self._db.execute(statement)
                self.set_meta("instance", secrets.token_hex(16))
                self.set_meta("created_at", repr(time.time()))
                self.set_meta(ADOPT, "1")
                self._db.execute(f"PRAGMA user_version={SCHEMA}")
        elif version < SCHEMA:
            with self.transaction():
                # Noted too: what comes after is about the tables as they are then.
                for earlier in range(version, SCHEMA):
                    for statement in _statements_of(_UPGRADES[earlier]):
                        self._write(statement, ())
                self._write(f"PRAGMA user_version={SCHEMA}", ())

    @classmethod
    def copy_in_memory(cls, folder: str) -> Self:
        """Return a copy of the state in *folder* that nothing is written back from."""
        state = cls.__new__(cls)
        state._begin(os.path.join(folder, DATABASE), None)
        state._db = sqlite3.connect(":memory:", isolation_level=None)
        with state_errors(folder):
            source = open_read_only(folder)
            if source is not None:
                with contextlib.closing(source):
                    source.backup(state._db)
            state._prepare(is_new=source is None, is_checked=source is None)
        return state

    def condemn(self) -> None:
        """Seal the file as one that is damaged, so that the next tick mends it."""
        with contextlib.suppress(OSError):
            self._seal.put_void()
        self._must_seal = False

    def close(self) -> None:
        """Close the file, and seal it."""
        self._db.close()
        if self._must_seal and not self._has_failed:
            # Without a seal the next tick checks the file in another way.
            with contextlib.suppress(OSError):
                self._seal.put()
            self._must_seal = False

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything inside one commit.

        Raises:
            StateError: It could not be committed; nothing of it is in the state.
        """
        self._break_seal()
        try:
            self._statements.clear()
            self._db.execute("BEGIN IMMEDIATE")
            yield
            if self._statements and self._since is not None:
                self._note_since()
            self._db.execute("COMMIT")
        except BaseException as exc:
            # SQLite may have to finish the way back when the file is next opened.
            self._has_failed = self._has_failed or isinstance(exc, sqlite3.Error)
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            self._forget_what_was_read()
            if isinstance(exc, sqlite3.Error):
                raise unusable(self.path, exc) from exc
            raise

    def _forget_what_was_read(self) -> None:
        """Read anew what was read in a transaction that came to nothing."""

    def _break_seal(self) -> None:
        if self._since is None:
            return
        try:
            self._seal.take_away()
        except OSError as exc:
            raise unusable(self.path, exc) from exc
        self._must_seal = True

    def _note_since(self) -> None:
        assert self._since is not None  # noqa: S101 - asked before
        try:
            self._since.add(self._statements)
        except OSError as exc:
            raise unusable(f"{self.path}.since", exc) from exc

    def _write(
        self, sql: str, values: Sequence[str | bytes | int | float | None]
    ) -> int:
        """Change what cannot be found out again by looking at the runs.

        Such statements are noted beside the daily copy; see `seal`.
        """
        self._statements.append((sql, values))
        return self._db.execute(sql, values).rowcount

    def meta(self, key: str, default: str = "") -> str:
        """Return a small value by its name."""
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return str(row[0]) if row else default

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small value."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    @property
    def since_bytes(self) -> int:
        """How much was committed since the last copy."""
        return 0 if self._since is None else self._since.size_bytes()

    def backup(self) -> None:
        """Copy the state to ``state.db.bak``, atomically.

        Raises:
            StateError: The copy could not be made; the old one may be left.
        """
        path = f"{self.path}.bak"
        temporary, seal = f"{path}.tmp", Seal(path)
        try:
            for stray in (temporary, f"{temporary}-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(stray)
            previous = os.umask(0o077)
            try:
                target = sqlite3.connect(temporary)
            finally:
                os.umask(previous)
            with contextlib.closing(target):
                self._db.backup(target)
            seal.take_away()
            os.rename(temporary, path)
            sync_folder(os.path.dirname(path))
            seal.put()
            if self._since is not None:
                self._since.clear()
        except (OSError, sqlite3.Error) as exc:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise unusable(path, exc) from exc


def _statements_of(script: str) -> list[str]:
    return [text for text in script.split(";") if text.strip()]


def _is_hot(journal: str) -> bool:
    """Return whether SQLite would play *journal* into the state.

    One whose writer was killed before it was synced begins with zeros and is ignored.
    """
    try:
        with open(journal, "rb") as file:
            return file.read(1) not in (b"", b"\0")
    except FileNotFoundError:
        return False


def _has_traces(folder: str) -> bool:
    for place in FOLDERS:
        with contextlib.suppress(OSError):
            if os.listdir(os.path.join(spool_of(folder), place)):
                return True
    return os.path.exists(os.path.join(folder, f"{DATABASE}.bak"))
