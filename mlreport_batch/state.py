"""The small state file: what was seen, what was reported, what is owed.

One SQLite file in ``TRUNCATE`` journal mode with ``synchronous=FULL``: no side
files that need a local disk, and a commit survives a power loss.

The table ``folders`` is laid out for the tick without news, which reads nothing
else: see `glance`.
"""

# ruff: noqa: SLF001 - copy_in_memory fills an object of its own class

import contextlib
import fcntl
import json
import os
import secrets
import sqlite3
import stat
import struct
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from mlreport_batch.changes import Snapshot
from mlreport_batch.discover import MODEL_DIRS, Folder, FoundFile
from mlreport_batch.errors import (
    DamagedStateError,
    NewerStateError,
    Problem,
    StateError,
    reason_of,
)
from mlreport_batch.glance import ANY, changed, open_read_only
from mlreport_batch.reader import RunState
from mlreport_batch.safekeep import Seal, Since, Statement
from mlreport_batch.spool import sync_folder
from mlreport_batch.tail import Signature

SCHEMA = 2
VERSIONS_MAX = 1000  # beyond: not a version, but damage
DATABASE = "state.db"
ADOPT = "adopt"
TRACKED_BELOW = 8192
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
}


@dataclass(frozen=True, slots=True)
class RunRow:
    """What the state knows of a run besides its marks.

    Attributes:
        path: The run directory.
        root: The root it was found under.
        name: Its name.
        seq: How many reports were made of it.
        grown: Whether a tick saw it grow.
        wake_at: When it must be looked at again even if no file changed, seconds
            since the epoch; None for never, 0 for news not reported yet, infinite
            while the config leaves it out.
        rid: Its last report.
        status: As last told.
        headline: As last told.
        slug: Its folder under ``reports/``.
        reported_at: When its last report was made.
    """

    path: str
    root: str
    name: str
    seq: int = 0
    grown: bool = False
    wake_at: float | None = None
    rid: str | None = None
    status: str = ""
    headline: str = ""
    slug: str = ""
    reported_at: float | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """A mail that is owed.

    Attributes:
        rid: Its id.
        created_at: When it was committed, seconds since the epoch.
        sender: Bare address.
        recipients: Bare addresses still owed a copy.
        subject: For messages.
        attempts: Sends that were not accepted.
        unknowns: Sends of which nobody knows.
        next_at: Not before, seconds since the epoch.
        held: Whether a person must decide.
        why: The last answer.
        is_partial: Whether somebody has it already, or may have it; no other mail
            takes its place then.
        runs: The runs it tells about.
    """

    rid: str
    created_at: float
    sender: str
    recipients: tuple[str, ...]
    subject: str
    attempts: int = 0
    unknowns: int = 0
    next_at: float = 0.0
    held: bool = False
    why: str = ""
    is_partial: bool = False
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A Google document that something is still to be done about.

    Attributes:
        rid: Its report.
        run: Whose report, as ``project/name``.
        document: Its id, empty while nobody knows whether there is one.
        made_at: When it was begun, seconds since the epoch.
        has_doubt: Whether another copy may show up.
        is_sent: Whether the mail about it was accepted.
    """

    rid: str
    run: str
    document: str
    made_at: float
    has_doubt: bool = False
    is_sent: bool = False


@dataclass(frozen=True, slots=True)
class _Listing:
    """The slow half of a `Folder`; names are kept byte-exact as Latin-1."""

    folders: tuple[str, ...]
    files: dict[str, FoundFile]
    weights: dict[str, tuple[int, int]]
    problems: tuple[Problem, ...]


def _to_text(name: str) -> str:
    return os.fsencode(name).decode("latin-1")


def _from_text(text: str) -> str:
    return os.fsdecode(text.encode("latin-1"))


def _encode(mark: RunState | Snapshot) -> bytes:
    """Return *mark* as MessagePack, compressed where that saves something."""
    data = msgspec.msgpack.encode(mark)
    return data if len(data) < _PACKED_FROM else zlib.compress(data, 1)


def _decode(data: bytes, kind: type[_T], what: str) -> _T:
    try:
        # MessagePack never begins a map with the first byte of zlib.
        plain = zlib.decompress(data) if data.startswith(b"x") else data
        return msgspec.msgpack.decode(plain, type=kind)
    except (msgspec.DecodeError, ValueError, zlib.error) as exc:
        raise StateError(
            f"the state of {what} is damaged: {exc}",
            kept="Nothing was changed",
            advice="Restore state.db from state.db.bak, or move it away and run "
            "`mlreport-batch baseline`",
        ) from exc


class LockedError(BlockingIOError):
    """Another live tick holds the lock.

    Attributes:
        held_for_s: How long it has run, as far as its note in the file can be
            trusted; 0.0 where it cannot.
        pid: Its process id, 0 if unknown.
    """

    def __init__(self, pid: int, held_for_s: float) -> None:
        super().__init__("another tick holds the lock")
        self.pid = pid
        self.held_for_s = held_for_s


class Lock:
    """The state's lock: held by the kernel, so a killed tick never leaves it.

    The file holds when its holder began, by the wall clock and by the time since
    boot: the age of a tick is the lesser of both, so that no clock jump ages it.

    Raises:
        LockedError: Another live tick holds it.
        StateError: The folder cannot be used.
    """

    def __init__(self, folder: str) -> None:
        secure_folder(folder)
        path = os.path.join(folder, "lock")
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as exc:
            raise _unusable(path, exc) from exc
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, held_for_s = self._holder()
            os.close(self._descriptor)
            raise LockedError(pid, held_for_s) from None
        except OSError as exc:
            os.close(self._descriptor)
            raise _unusable(path, exc) from exc
        with contextlib.suppress(OSError):  # a note for others, nothing we need
            note = f"{os.getpid()} {time.time():.0f} {_since_boot_s():.0f}\n".encode()
            os.pwrite(self._descriptor, note, 0)
            os.ftruncate(self._descriptor, len(note))

    def _holder(self) -> tuple[int, float]:
        try:
            pid, began, booted = map(int, os.pread(self._descriptor, 200, 0).split())
        except (OSError, ValueError):
            return 0, 0.0
        age_s = min(time.time() - began, _since_boot_s() - booted)
        return pid, max(0.0, age_s)

    def release(self) -> None:
        """Give the lock free."""
        os.close(self._descriptor)


def _since_boot_s() -> float:
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def secure_folder(folder: str) -> None:
    """Make *folder* with mode 0700, or refuse one that is not ours alone.

    Raises:
        StateError: It cannot be made, or is a symlink, or another's.
    """
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        status = os.lstat(folder)
    except OSError as exc:
        raise _unusable(folder, exc) from exc
    problem = ""
    if not stat.S_ISDIR(status.st_mode):
        problem = "is a symlink or no folder"
    elif status.st_uid != os.geteuid():
        problem = f"belongs to another user (uid {status.st_uid})"
    if problem:
        raise NewerStateError(
            f"the state folder {folder} {problem}",
            kept="Nothing was changed",
            advice="Name a folder of your own under `state:`",
        )
    if status.st_mode & 0o077:
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)


@contextlib.contextmanager
def state_errors(folder: str) -> Iterator[None]:
    """Turn what the disk or SQLite raises below *folder* into errors with advice.

    Raises:
        StateError: Instead of an `OSError` or `sqlite3.Error`.
    """
    try:
        yield
    except LockedError:
        raise
    except OSError as exc:
        raise _unusable(os.fspath(exc.filename or folder), exc) from exc
    except sqlite3.OperationalError as exc:
        raise _unusable(os.path.join(folder, DATABASE), exc) from exc
    except sqlite3.DatabaseError as exc:
        raise _damaged(os.path.join(folder, DATABASE), str(exc)) from exc


def _unusable(path: str, exc: Exception) -> StateError:
    return StateError(
        f"{path}: {reason_of(exc)}",
        kept="The state is as it was; what is owed stays owed",
        advice="Free space or mend the permissions, then run again",
    )


class State:
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
                raise _damaged(self.path, "it is empty although reports were made")
        is_checked = is_new or self._is_as_sealed()
        previous = os.umask(0o077)
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=5.0)
        except sqlite3.Error as exc:
            raise _unusable(self.path, exc) from exc
        finally:
            os.umask(previous)
        try:
            self._prepare(is_new=is_new, is_checked=is_checked)
        except sqlite3.DatabaseError as exc:
            self._db.close()
            if isinstance(exc, sqlite3.OperationalError):
                raise _unusable(self.path, exc) from exc
            raise _damaged(self.path, str(exc)) from exc
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
                raise _damaged(self.path, f"{journal} is not its own")
            if self._seal.fits():
                return True
        except OSError as exc:
            raise _unusable(self.path, exc) from exc
        raise _damaged(self.path, "it is not as the last tick left it")

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
                self._run_all(_TABLES)
                self.set_meta("instance", secrets.token_hex(16))
                self.set_meta("created_at", repr(time.time()))
                self.set_meta(ADOPT, "1")
                self._db.execute(f"PRAGMA user_version={SCHEMA}")
        elif version < SCHEMA:
            with self.transaction():
                for earlier in range(version, SCHEMA):
                    self._run_all(_UPGRADES[earlier])
                self._db.execute(f"PRAGMA user_version={SCHEMA}")

    def _run_all(self, script: str) -> None:
        for statement in script.split(";"):
            if statement.strip():
                self._db.execute(statement)

    @classmethod
    def copy_in_memory(cls, folder: str) -> "State":
        """Return a copy of the state in *folder* that nothing is written back from."""
        state = cls.__new__(cls)
        state._begin(":memory:", None)
        state._db = sqlite3.connect(":memory:", isolation_level=None)
        with state_errors(folder):
            source = open_read_only(folder)
            if source is not None:
                with contextlib.closing(source):
                    source.backup(state._db)
            state._prepare(is_new=source is None, is_checked=source is None)
        return state

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
            if isinstance(exc, sqlite3.Error):
                raise _unusable(self.path, exc) from exc
            raise

    def _break_seal(self) -> None:
        if self._since is None:
            return
        try:
            self._seal.take_away()
        except OSError as exc:
            raise _unusable(self.path, exc) from exc
        self._must_seal = True

    def _note_since(self) -> None:
        assert self._since is not None  # noqa: S101 - asked before
        try:
            self._since.add(self._statements)
        except OSError as exc:
            raise _unusable(f"{self.path}.since", exc) from exc

    def _write(
        self, sql: str, values: Sequence[str | bytes | int | float | None]
    ) -> int:
        """Change what cannot be found out again by looking at the runs.

        Such statements are noted beside the daily copy; see `safekeep`.
        """
        self._statements.append((sql, values))
        return self._db.execute(sql, values).rowcount

    # -- meta ------------------------------------------------------------------

    def meta(self, key: str, default: str = "") -> str:
        """Return a small value by its name."""
        row = self._db.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return str(row[0]) if row else default

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small value."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # -- folders ---------------------------------------------------------------

    def folder(self, path: str) -> Folder | None:
        """Return what is known of one folder."""
        key = os.fsencode(path)
        row = self._db.execute(
            "SELECT f.stats, l.listing FROM folders f JOIN listings l USING (path) "
            "WHERE path=?",
            (key,),
        ).fetchone()
        return None if row is None else _folder(path, row[0], row[1])

    def changed_folders(self, now: float) -> list[str]:
        """Return the known folders that are not as they were (see `glance`)."""
        return [os.fsdecode(path) for path in changed(self._db, now)]

    def folders_below(self, path: str) -> Iterator[str]:
        """Yield the paths of the known folders below *path*, itself left out."""
        key = os.fsencode(path)
        query = "SELECT path FROM listings WHERE path > ? AND path < ?"
        rows = self._db.execute(query, (key + b"/", key + b"0")).fetchall()
        for (found,) in rows:
            yield os.fsdecode(found)

    def folders_of_run(self, run: str) -> list[Folder]:
        """Return the folders that belong to *run*."""
        rows = self._db.execute(
            "SELECT path, f.stats, l.listing FROM listings l "
            "JOIN folders f USING (path) WHERE l.run=? ORDER BY path",
            (os.fsencode(run),),
        )
        return [_folder(os.fsdecode(p), s, listing) for p, s, listing in rows]

    def folder_paths_of_run(self, run: str) -> list[str]:
        """Return the paths of the folders that belong to *run*."""
        rows = self._db.execute(
            "SELECT path FROM listings WHERE run=?", (os.fsencode(run),)
        )
        return [os.fsdecode(row[0]) for row in rows]

    def put_folder(
        self,
        folder: Folder,
        *,
        root: str,
        run: str | None,
        claim: tuple[str, bool] | None,
    ) -> None:
        """Keep what was found in a folder, and whom it belongs to."""
        key = os.fsencode(folder.path)
        tracked = [
            (name, found.signature)
            for name, found in folder.files.items()
            if found.format or found.signature.size < TRACKED_BELOW
        ]
        # A checkpoint that is written over in place moves no folder's time.
        tracked += [
            (name, Signature(size, mtime_ns, ANY, ANY))
            for name, (size, mtime_ns) in folder.weights.items()
            if name not in MODEL_DIRS
        ]
        stats = struct.pack(
            f"<{3 + 4 * len(tracked)}q",
            folder.mtime_ns,
            _signed(folder.inode),
            folder.listing,
            *(
                value
                for _, s in tracked
                for value in (s.size, s.mtime_ns, s.ctime_ns, _signed(s.inode))
            ),
        )
        names = b"\0".join(os.fsencode(name) for name, _ in tracked)
        listing = _Listing(
            tuple(map(_to_text, folder.folders)),
            {_to_text(name): found for name, found in folder.files.items()},
            {_to_text(name): value for name, value in folder.weights.items()},
            folder.problems,
        )
        self._db.execute(
            "INSERT OR REPLACE INTO folders VALUES (?, ?, ?)", (key, names, stats)
        )
        self._db.execute(
            "INSERT OR REPLACE INTO listings VALUES (?, ?, ?, ?, ?, ?)",
            (
                key,
                os.fsencode(root),
                None if run is None else os.fsencode(run),
                None if claim is None else os.fsencode(claim[0]),
                None if claim is None else int(claim[1]),
                msgspec.msgpack.encode(listing),
            ),
        )

    def set_owner(self, path: str, run: str | None) -> None:
        """Say which run a known folder belongs to."""
        self._db.execute(
            "UPDATE listings SET run=? WHERE path=?",
            (None if run is None else os.fsencode(run), os.fsencode(path)),
        )

    def owner_of(self, path: str) -> tuple[str | None, str | None]:
        """Return (run the folder belongs to, run it claims), each may be None."""
        row = self._db.execute(
            "SELECT run, claims FROM listings WHERE path=?", (os.fsencode(path),)
        ).fetchone()
        if row is None:
            return None, None
        return tuple(None if v is None else os.fsdecode(v) for v in row)  # type: ignore[return-value]

    def drop_folder(self, path: str) -> None:
        """Forget one folder."""
        key = os.fsencode(path)
        self._db.execute("DELETE FROM folders WHERE path=?", (key,))
        self._db.execute("DELETE FROM listings WHERE path=?", (key,))

    def claims_on(self, path: str) -> tuple[bool, bool]:
        """Return whether any folder says that *path* is a run, and a closed one."""
        row = self._db.execute(
            "SELECT COUNT(*), MAX(closed) FROM listings WHERE claims=?",
            (os.fsencode(path),),
        ).fetchone()
        return bool(row[0]), bool(row[1])

    def roots(self) -> list[str]:
        """Return all roots that folders are known of."""
        # From one root to the next by the index: DISTINCT would read every folder.
        rows = self._db.execute(
            "WITH RECURSIVE found(root) AS (SELECT MIN(root) FROM listings UNION ALL "
            "SELECT (SELECT MIN(root) FROM listings WHERE root > found.root) "
            "FROM found WHERE root IS NOT NULL) "
            "SELECT root FROM found WHERE root IS NOT NULL"
        )
        return [os.fsdecode(row[0]) for row in rows]

    # -- runs ------------------------------------------------------------------

    def runs_below(self, root: str) -> list[str]:
        """Return the paths of the runs found under *root*."""
        rows = self._db.execute(
            "SELECT path FROM runs WHERE root=? AND gone_at IS NULL",
            (os.fsencode(root),),
        )
        return [os.fsdecode(row[0]) for row in rows]

    def runs(self) -> Iterator[RunRow]:
        """Yield all runs by path."""
        for row in self._db.execute(
            f"SELECT {_RUN_COLUMNS} FROM runs WHERE gone_at IS NULL "  # noqa: S608
            "ORDER BY path"
        ):
            yield _run_row(row)

    def run_paths(self) -> list[str]:
        """Return the paths of all runs that folders belong to, wanted or not."""
        query = "SELECT DISTINCT run FROM listings WHERE run IS NOT NULL"
        return [os.fsdecode(row[0]) for row in self._db.execute(query)]

    def run_count(self) -> int:
        """Return how many runs are known."""
        query = "SELECT COUNT(*) FROM runs WHERE gone_at IS NULL"
        return int(self._db.execute(query).fetchone()[0])

    def run(self, path: str) -> RunRow | None:
        """Return one run."""
        row = self._db.execute(
            f"SELECT {_RUN_COLUMNS} FROM runs WHERE path=?",  # noqa: S608
            (os.fsencode(path),),
        ).fetchone()
        return None if row is None else _run_row(row)

    def put_run(self, row: RunRow) -> None:
        """Keep what is known of a run; it is there again if it was gone."""
        self._write(
            "INSERT OR REPLACE INTO runs (path, root, name, seq, grown, wake_at, rid, "
            "status, headline, slug, reported_at, gone_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                os.fsencode(row.path), os.fsencode(row.root), row.name, row.seq,
                int(row.grown), row.wake_at, row.rid, row.status, row.headline,
                row.slug, row.reported_at,
            ),
        )  # fmt: skip

    def mark_gone(self, path: str, now: float) -> None:
        """Note that a run vanished; it is kept for 30 days."""
        self._write(
            "UPDATE runs SET gone_at=?, wake_at=NULL WHERE path=?",
            (now, os.fsencode(path)),
        )

    def forget_gone(self, before: float) -> int:
        """Forget runs that vanished before a time; return how many."""
        gone = "SELECT path FROM runs WHERE gone_at < ?"
        marks = f"DELETE FROM marks WHERE path IN ({gone})"  # noqa: S608
        self._write(marks, (before,))
        return self._write("DELETE FROM runs WHERE gone_at < ?", (before,))

    def wake(self, path: str) -> None:
        """Have a run looked at by the next tick, unless it is gone."""
        self._write(
            "UPDATE runs SET wake_at=0 WHERE path=? AND gone_at IS NULL",
            (os.fsencode(path),),
        )

    def due_runs(self, now: float) -> list[str]:
        """Return the runs that must be looked at although no file changed."""
        rows = self._db.execute("SELECT path FROM runs WHERE wake_at <= ?", (now,))
        return [os.fsdecode(row[0]) for row in rows]

    def seen(self, path: str) -> RunState | None:
        """Return the *seen* mark of a run."""
        data = self._mark(path, "seen")
        return None if data is None else _decode(data, RunState, path)

    def reported(self, path: str) -> Snapshot | None:
        """Return the *reported* mark of a run."""
        data = self._mark(path, "reported")
        return None if data is None else _decode(data, Snapshot, path)

    def _mark(self, path: str, column: str) -> bytes | None:
        row = self._db.execute(
            f"SELECT {column} FROM marks WHERE path=?",  # noqa: S608
            (os.fsencode(path),),
        ).fetchone()
        return None if row is None else row[0]

    def put_seen(self, path: str, state: RunState) -> None:
        """Keep the *seen* mark of a run."""
        self._put_mark(path, "seen", _encode(state))

    def put_reported(self, path: str, snapshot: Snapshot | None) -> None:
        """Keep the *reported* mark of a run."""
        data = None if snapshot is None else _encode(snapshot)
        self._put_mark(path, "reported", data)

    def _put_mark(self, path: str, column: str, data: bytes | None) -> None:
        sql = (
            f"INSERT INTO marks (path, {column}) VALUES (?, ?) "  # noqa: S608
            f"ON CONFLICT (path) DO UPDATE SET {column}=excluded.{column}"
        )
        values = (os.fsencode(path), data)
        if column == "seen":
            self._db.execute(sql, values)  # large, and in the logs anyway
        else:
            self._write(sql, values)

    # -- owed ------------------------------------------------------------------

    def owed(self) -> list[Owed]:
        """Return the mails that are owed, oldest first."""
        runs: dict[str, list[str]] = {}
        for rid, path in self._db.execute(
            "SELECT rid, path FROM owed_runs ORDER BY path"
        ):
            runs.setdefault(rid, []).append(os.fsdecode(path))
        rows = self._db.execute(
            "SELECT rid, created_at, sender, recipients, subject, attempts, unknowns, "
            "next_at, held, why, is_partial FROM owed ORDER BY created_at, rid"
        )
        return [
            Owed(
                row[0], row[1], row[2], tuple(json.loads(row[3])), row[4], row[5],
                row[6], row[7], bool(row[8]), row[9], bool(row[10]),
                tuple(runs.get(row[0], ())),
            )
            for row in rows
        ]  # fmt: skip

    def owed_of_run(self, path: str) -> list[str]:
        """Return the owed mails about a run that nobody has, oldest first."""
        rows = self._db.execute(
            "SELECT rid FROM owed_runs JOIN owed USING (rid) "
            "WHERE path=? AND is_partial=0 ORDER BY created_at, rid",
            (os.fsencode(path),),
        )
        return [row[0] for row in rows]

    def base_of(self, rid: str, path: str) -> Snapshot | None:
        """Return what was reported of a run before the owed mail *rid*."""
        row = self._db.execute(
            "SELECT base FROM owed_runs WHERE rid=? AND path=?",
            (rid, os.fsencode(path)),
        ).fetchone()
        if row is None or row[0] is None:
            return None
        return _decode(row[0], Snapshot, path)

    def owe(self, owed: Owed, bases: Mapping[str, Snapshot | None]) -> None:
        """Note that a mail is owed, and what its runs had reported before it."""
        self.update_owed(owed)
        for path, base in bases.items():
            data = None if base is None else _encode(base)
            self._write(
                "INSERT OR REPLACE INTO owed_runs VALUES (?, ?, ?)",
                (owed.rid, os.fsencode(path), data),
            )

    def update_owed(self, owed: Owed) -> None:
        """Keep how the sending of a mail stands."""
        self._write(
            "INSERT OR REPLACE INTO owed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                owed.rid, owed.created_at, owed.sender, json.dumps(owed.recipients),
                owed.subject, owed.attempts, owed.unknowns, owed.next_at,
                int(owed.held), owed.why, int(owed.is_partial),
            ),
        )  # fmt: skip

    def settle(self, rids: Iterable[str]) -> None:
        """Forget mails that are owed no longer."""
        for rid in rids:
            self._write("DELETE FROM owed WHERE rid=?", (rid,))
            self._write("DELETE FROM owed_runs WHERE rid=?", (rid,))

    # -- documents -------------------------------------------------------------

    def documents(self) -> list[DocumentRow]:
        """Return the Google documents that are not settled, oldest first."""
        rows = self._db.execute(
            "SELECT rid, run, document, made_at, doubt, sent FROM documents "
            "ORDER BY made_at, rid"
        )
        return [
            DocumentRow(rid, run, document, made_at, bool(doubt), bool(sent))
            for rid, run, document, made_at, doubt, sent in rows
        ]

    def put_documents(self, rows: Iterable[DocumentRow]) -> None:
        """Keep how documents stand."""
        for r in rows:
            self._write(
                "INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?, ?)",
                (r.rid, r.run, r.document, r.made_at, int(r.has_doubt), int(r.is_sent)),
            )

    def drop_documents(self, rids: Iterable[str]) -> None:
        """Forget documents: they are settled."""
        for rid in rids:
            self._write("DELETE FROM documents WHERE rid=?", (rid,))

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
            raise _unusable(path, exc) from exc


_RUN_COLUMNS = (
    "path, root, name, seq, grown, wake_at, rid, status, headline, slug, reported_at"
)


def _run_row(row: tuple[Any, ...]) -> RunRow:
    path, root, name, seq, grown, *rest = row
    return RunRow(os.fsdecode(path), os.fsdecode(root), name, seq, bool(grown), *rest)


def _folder(path: str, stats: bytes, listing: bytes) -> Folder:
    mtime_ns, inode, crc = struct.unpack_from("<3q", stats)
    found = _decode(listing, _Listing, path)
    return Folder(
        path=path,
        mtime_ns=mtime_ns,
        inode=inode,
        listing=crc,
        folders=tuple(map(_from_text, found.folders)),
        files={_from_text(name): file for name, file in found.files.items()},
        weights={_from_text(name): value for name, value in found.weights.items()},
        problems=found.problems,
    )


def _is_hot(journal: str) -> bool:
    """Return whether SQLite would play *journal* into the state.

    One whose writer was killed before it was synced begins with zeros and is ignored.
    """
    try:
        with open(journal, "rb") as file:
            return file.read(1) not in (b"", b"\0")
    except FileNotFoundError:
        return False


def _signed(inode: int) -> int:
    return inode if inode < 1 << 63 else inode - (1 << 64)


def _has_traces(folder: str) -> bool:
    for place in ("new", "cur", "sent", "dead"):
        with contextlib.suppress(OSError):
            if os.listdir(os.path.join(folder, "spool", place)):
                return True
    return os.path.exists(os.path.join(folder, f"{DATABASE}.bak"))


def _damaged(path: str, why: str) -> DamagedStateError:
    return DamagedStateError(
        f"{path} is damaged: {why}",
        kept="It was left as it is",
        advice=f"Run `mv {path} {path}.damaged && mlreport-batch baseline` to begin "
        "anew without a flood of mails; mails that wait in spool/ are still sent",
    )
