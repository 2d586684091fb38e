"""The small state file: how it is opened, checked, committed and copied.

One SQLite file in ``TRUNCATE`` journal mode with ``synchronous=FULL``: no side
files that need a local disk, and a commit survives a power loss.

Each row that cannot be found out again by looking at the runs carries a sum (see
`rows`), compared when it is read. The whole file is checked after a tick that was
killed within a commit, and before the daily copy is made of it.

The table ``folders`` is laid out for the tick without news, which reads nothing
else: see `idle`.
"""

# ruff: noqa: SLF001 - copy_in_memory fills an object of its own class

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

from mlreport_batch.errors import NewerStateError
from mlreport_batch.safety.files import sync_folder
from mlreport_batch.state.folder import (
    SQLITE_ERRORS,
    damaged,
    failure,
    state_errors,
    unusable,
)
from mlreport_batch.state.idle import (
    ADOPT,
    DATABASE,
    SCHEMA,
    open_read_only,
    sum_of,
)
from mlreport_batch.state.rows import Value, damaged_row, is_whole
from mlreport_batch.state.spool import has_traces
from mlreport_batch.state.upgrade import create, upgrade

VERSIONS_MAX = 1000  # beyond: not a version, but damage
BACKUP_AT = "backup_at"


class Database:
    """The state file of one folder, open for reading and writing.

    Args:
        folder: The state folder; the caller holds its `Lock` to write.
        name: Of the file in it.

    Raises:
        StateError: It is damaged or cannot be opened.
        NewerStateError: A later version wrote it.
    """

    def __init__(self, folder: str, name: str = DATABASE) -> None:
        self._begin(folder, name)
        if os.path.islink(self.path):
            raise NewerStateError(
                f"{self.path} is a symlink", kept="Nothing was changed"
            )
        journal = f"{self.path}-journal"
        try:
            is_new = not os.path.exists(self.path)
            if is_new and os.path.exists(journal):
                os.unlink(journal)  # SQLite would play it into another file
            # What a tick leaves that was killed within a commit.
            is_unclean = not is_new and _size(journal) > 0
        except OSError as exc:
            raise unusable(self.path, exc) from exc
        self._db = _connect(self.path)
        try:
            self._prepare(is_new=is_new)
            if is_unclean:
                self.check()
        except SQLITE_ERRORS as exc:
            self._db.close()
            raise failure(self.path, exc) from exc
        except BaseException:
            self._db.close()
            raise

    def _begin(self, folder: str, name: str = DATABASE) -> None:
        self._folder = folder
        self.path = os.path.join(folder, name)
        self._is_new = False
        self._sound: set[str] = set()
        self._meta: dict[str, str] = {}

    def _prepare(self, *, is_new: bool) -> None:
        self._db.execute("PRAGMA journal_mode=TRUNCATE")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute("PRAGMA cache_size=-8000")
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        if SCHEMA < version <= VERSIONS_MAX:
            raise NewerStateError(
                f"{self.path} was written by a later version of mlreport-batch "
                f"(schema {version}, this one knows {SCHEMA})",
                kept="It was left untouched",
                advice="Update mlreport-batch",
            )
        if not 0 <= version <= SCHEMA:
            raise damaged(self.path, f"there is no version {version}")
        if version == SCHEMA:
            return
        if version > 0:
            self._check_pages()
            with self.transaction():
                upgrade(self._db, version, self._folder)
                # The copy of the earlier version has no records to bring it up to date.
                self.set_meta(BACKUP_AT, "0")
            return
        # An empty file is what a crash before the first commit leaves, and a damaged
        # disk too; a spool without traces tells them apart.
        is_copied = os.path.exists(f"{self.path}.bak")
        if not is_new and (is_copied or has_traces(self._folder)):
            raise damaged(self.path, "it is empty although reports were made")
        if self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
            raise damaged(self.path, "it is no state of mlreport-batch")
        self._is_new = True
        with self.transaction():
            create(self._db)
            self.set_meta("instance", secrets.token_hex(16))
            self.set_meta("created_at", repr(time.time()))
            self.set_meta(ADOPT, "1")

    @classmethod
    def copy_in_memory(cls, folder: str) -> Self:
        """Return a copy of the state in *folder* that nothing is written back from."""
        state = cls.__new__(cls)
        state._begin(folder)
        state._db = sqlite3.connect(":memory:", isolation_level=None)
        with state_errors(folder):
            source = open_read_only(folder)
            if source is not None:
                with contextlib.closing(source):
                    source.backup(state._db)
            elif os.path.lexists(f"{state.path}.bak"):
                raise damaged(state.path, "it is gone")
            state._prepare(is_new=source is None)
        return state

    @classmethod
    def read(cls, folder: str) -> Self:
        """Return the state in *folder* to be looked at, without its lock.

        That of an earlier version is copied first.

        Raises:
            StateError: It is damaged or cannot be opened.
        """
        source = open_read_only(folder)
        if source is None:
            return cls.copy_in_memory(folder)
        if source.execute("PRAGMA user_version").fetchone()[0] != SCHEMA:
            source.close()
            return cls.copy_in_memory(folder)
        state = cls.__new__(cls)
        state._begin(folder)
        state._db = source
        return state

    def close(self) -> None:
        """Close the file; what was not committed is undone."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self, *, stays_open: bool = False) -> Iterator[None]:
        """Make everything inside one commit.

        Args:
            stays_open: Whether the next transaction shares this one's commit. A tick
                that dies before it, or fails in it, undoes both.

        Raises:
            StateError: It could not be committed; nothing of it is in the state.
        """
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            yield
            if not stays_open:
                self._db.execute("COMMIT")
        except BaseException as exc:
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            self._meta.clear()
            self._forget_what_was_read()
            if isinstance(exc, sqlite3.Error):
                raise failure(self.path, exc) from exc
            raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Have all that is read inside share one look at the file and its lock.

        Without it each query locks the file, looks for a journal and reads whether
        the file is as it was: eight system calls.
        """
        is_alone = not self._db.in_transaction
        if is_alone:
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            if is_alone and self._db.in_transaction:
                self._db.execute("END")

    def commit(self) -> None:
        """Commit what was left open, if anything was.

        Raises:
            StateError: It could not be committed; nothing of it is in the state.
        """
        if self._db.in_transaction:
            with self.transaction():
                pass

    def _forget_what_was_read(self) -> None:
        """Read anew what was read in a transaction that came to nothing."""

    def _write(self, table: str, values: Sequence[Value]) -> None:
        """Put a row with its sum into *table*, in place of that with the same key."""
        places = ", ".join("?" * (len(values) + 1))
        self._db.execute(
            f"INSERT OR REPLACE INTO {table} VALUES ({places})",  # noqa: S608
            (*values, sum_of(*values)),
        )

    def meta(self, key: str, default: str = "") -> str:
        """Return a small value by its name.

        Raises:
            DamagedStateError: It is not what was kept.
        """
        if not self._meta:
            self._lacks("meta")
            self._meta = {str(key): str(value) for key, value in self._rows("meta")}
        return self._meta.get(key, default)

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small value."""
        self._meta.clear()
        self._write("meta", (key, value))

    def _lacks(self, table: str) -> None:
        """Make sure that a row is not in *table*, and not only unreachable.

        Raises:
            DamagedStateError: The table is damaged.
        """
        if not self._is_new and table not in self._sound:
            self._check_pages(table)
            for _ in self._rows(table):
                pass
            self._sound.add(table)

    def _rows(self, table: str) -> Iterator[Sequence[Any]]:
        for row in self._db.execute(f"SELECT * FROM {table}"):  # noqa: S608
            yield checked(row, self.path)

    def _check_pages(self, table: str = "") -> None:
        of = f"('{table}')" if table else "(1)"
        found = self._db.execute(f"PRAGMA integrity_check{of}").fetchone()[0]
        if found != "ok":
            raise damaged(self.path, found)

    def check(self) -> None:
        """Look at all of the file.

        Raises:
            DamagedStateError: Something in it is not what was written.
        """
        try:
            self._check_all()
        except SQLITE_ERRORS as exc:
            raise failure(self.path, exc) from exc

    def _check_all(self) -> None:
        self._check_pages()
        for table in ("meta", "runs", "owed"):
            for _ in self._rows(table):
                pass
        for key, *marks in self._db.execute("SELECT path, seen, reported FROM marks"):
            if not all(mark is None or is_whole(mark, key) for mark in marks):
                raise damaged_row(os.fsdecode(key))
        # A folder that is in one of the two alone would never be looked at again.
        lonely = (
            "SELECT (SELECT COUNT(*) FROM folders) - COUNT(*), COUNT(*) - "
            "COUNT(f.path) FROM listings l LEFT JOIN folders f USING (path)"
        )
        if self._db.execute(lonely).fetchone() != (0, 0):
            raise damaged(self.path, "folders are missing")

    def backup(self) -> None:
        """Copy the state to ``state.db.bak``, atomically, if all of it is whole.

        Raises:
            DamagedStateError: It is not; the old copy is left.
            StateError: The copy could not be made; the old one is left.
        """
        path = f"{self.path}.bak"
        temporary = f"{path}.tmp"
        self.check()
        try:
            for stray in (temporary, f"{temporary}-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(stray)
            with contextlib.closing(_connect(temporary)) as target:
                self._db.backup(target)
            os.rename(temporary, path)
            sync_folder(os.path.dirname(path))
        except (OSError, sqlite3.Error) as exc:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise unusable(path, exc) from exc


def checked(row: Sequence[Any], what: str) -> Sequence[Any]:
    """Return a row without its sum.

    Raises:
        DamagedStateError: It is not what was written.
    """
    *values, found = row
    if sum_of(*values) != found:
        raise damaged_row(what)
    return values


def _connect(path: str) -> sqlite3.Connection:
    """Open or make a file that nobody else may read."""
    previous = os.umask(0o077)
    try:
        return sqlite3.connect(path, isolation_level=None, timeout=5.0)
    except sqlite3.Error as exc:
        raise failure(path, exc) from exc
    finally:
        os.umask(previous)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0
