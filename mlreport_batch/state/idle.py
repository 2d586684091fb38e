"""The tick without news: nothing but ``stat`` calls on what is known.

This module is all that such a tick runs. It imports no other of the package, and
reads the table ``folders``, one row a folder::

    path BLOB, names BLOB (tracked files, separated by NUL),
    stats BLOB (little-endian int64: mtime_ns, inode, CRC-32 of the listing, then
                size, mtime_ns, ctime_ns, inode of each tracked file; of a
                checkpoint, the last two are -1 and count for nothing)

An append changes a file's size, not its folder's mtime; a new, removed or renamed
file changes the folder's mtime. One folder in 61 is listed all the same, others each
minute, since network file systems keep old times.
"""

import itertools
import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Iterable, Iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from mlreport_batch.safety.files import Status

    _Row = tuple[bytes, bytes, bytes]
    _Numbered = tuple[int, _Row]
    _Look = Callable[[Iterable[_Numbered]], Iterator[bytes]]

DATABASE = "state.db"
SCHEMA = 7
"""The version of its tables."""
# What a tick compares before it does anything, by the keys of the table ``meta``.
CONFIG_KEY = "config_key"
OWN_FORMATS = "own_formats"  # of the config, by which files were known
INCOMPLETE = "incomplete"
EVERY_TICK = "every_tick"  # that each must be told of, whatever it finds
ADOPT = "adopt"
LAST_NEWS_AT = "last_news_at"
RECORDED_AT = "recorded_at"
BELIEVED = (LAST_NEWS_AT, RECORDED_AT)
"""Times by which it is seen that the clock was set back."""
TOLD_AT = "dead_told_at"
DIGEST_DUE = "digest_due"  # of one at set times that something waits for
DAY_S = 86400.0

HELD = 8
"""Where a row of the table ``owed`` says whether its mail waits for a person."""
SLICES = 61
SHARED_FROM = 5000
TRIED = 16
"""Folders by which it is seen how long the file system takes to answer."""
SLOW_S = 2e-4
"""Seconds for a folder and its files from which on many are asked at once: a disk of
this machine's own that has them in memory takes a tenth of it."""
AT_ONCE = 24
ANY = -1
INSIDE = -1
"""The time of what is no folder, but a run inside a file of the folder above."""
_SIGN = 1 << 63


def open_read_only(folder: str) -> sqlite3.Connection | None:
    """Return the state of *folder* opened for reading, or None if there is none."""
    path = os.path.join(folder, DATABASE)
    if not os.path.exists(path):
        return None
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=1.0)


def glance(folder: str, key: str, now: float) -> list[bytes] | None:
    """Look, without the lock, whether a tick has something to do.

    Args:
        folder: The state folder.
        key: What the config was when the state was written (see `config.locate`).
        now: Seconds since the epoch.

    Returns:
        The known folders that are not as they were, if that is all there is to do: a
        tick without any is over. None if there is more, or nobody knows.
    """
    try:
        database = open_read_only(folder)
        if database is None:
            return None
        try:
            [(version,)] = database.execute("PRAGMA user_version")
            meta = dict(database.execute("SELECT key, value FROM meta"))
            # Roots, or mails in the spool, that could not be read.
            is_unread = meta.get(INCOMPLETE, "") or meta.get(ADOPT) == "1"
            is_known = version == SCHEMA and meta.get(CONFIG_KEY) == key
            if not is_known or is_unread or meta.get(EVERY_TICK):
                return None
            if not all(map(_is_held, database.execute("SELECT * FROM owed"))):
                return None
            told_at = float(meta.get(TOLD_AT, "0"))
            must_remind = told_at and not told_at <= now < told_at + DAY_S
            due = "SELECT 1 FROM runs WHERE wake_at <= ? LIMIT 1"
            # A clock that was set back: no wait can be believed.
            is_ahead = any(float(meta.get(key, "0")) > now for key in BELIEVED)
            if must_remind or is_ahead or database.execute(due, (now,)).fetchone():
                return None
            return _changed_now(database, folder, now)
        finally:
            database.close()
    except Exception:  # noqa: BLE001 - whatever a damaged state makes of it
        return None  # the full tick finds out what is wrong, and says it


def _is_held(row: tuple[object, ...]) -> bool:
    """Return whether a mail waits for a person, and is surely not to be sent."""
    *values, found = row
    return values[HELD] == 1 and sum_of(*values) == found


def sum_of(*values: object) -> int:
    """Return the CRC-32 of a row's values, as they come back from SQLite."""
    return zlib.crc32(repr(values).encode("utf-8", "surrogatepass"))


def _changed_now(database: sqlite3.Connection, folder: str, now: float) -> list[bytes]:
    """Look at all known folders; at many of them with the help of a child process."""
    (count,) = database.execute("SELECT COUNT(*) FROM folders").fetchone()
    child = _fork() if count >= SHARED_FROM and (os.cpu_count() or 1) > 1 else None
    if child is None:
        return list(changed(database, now))
    process, pipe = child
    if process == 0:
        code = 1
        try:
            own = open_read_only(folder)  # SQLite connections do not survive a fork
            if own is not None:
                found = b"\0".join(_changed_half(own, "DESC", count // 2, now))
                with open(pipe, "wb") as out:
                    out.write(found)
                code = 0
        finally:
            os._exit(code)
    try:
        here = list(_changed_half(database, "ASC", count - count // 2, now))
        with open(pipe, "rb") as told:
            there = told.read()
    finally:
        status = os.waitpid(process, 0)[1]
    if status:
        raise ChildProcessError(status)
    return here + there.split(b"\0") * bool(there)


def _changed_half(
    database: sqlite3.Connection, order: str, count: int, now: float
) -> Iterator[bytes]:
    query = f"SELECT path, names, stats FROM folders ORDER BY path {order} LIMIT ?"  # noqa: S608
    rows = database.execute(query, (count,))
    return _changed_of(rows, int(now // 60) % SLICES)


def _fork() -> tuple[int, int] | None:
    """Return (process, or 0 in the child; pipe from it or to its parent)."""
    reading, writing = os.pipe()
    try:
        process = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        return None  # no room for another process: alone it only takes longer
    os.close(reading if process == 0 else writing)
    return process, writing if process == 0 else reading


def changed(
    database: sqlite3.Connection,
    now: float,
    lstat: "Callable[[bytes], Status]" = os.lstat,
    listdir: "Callable[[bytes], list[bytes]]" = os.listdir,
) -> Iterator[bytes]:
    """Yield the path of every known folder that is not as it was.

    Args:
        database: The state.
        now: Seconds since the epoch.
        lstat: Asks for a status, and *listdir* for names, where that is not the
            system's business.
        listdir: As *lstat*.
    """
    rows = database.execute("SELECT path, names, stats FROM folders")
    return _changed_of(rows, int(now // 60) % SLICES, lstat, listdir)


def _changed_of(
    rows: "Iterable[_Row]",
    turn: int,
    lstat: "Callable[[bytes], Status]" = os.lstat,
    listdir: "Callable[[bytes], list[bytes]]" = os.listdir,
) -> Iterator[bytes]:
    structs = _Structs()

    def look(numbered: "Iterable[_Numbered]") -> Iterator[bytes]:
        for number, (path, names, stats) in numbered:
            known = structs[len(stats)].unpack(stats)
            try:
                status = lstat(path)
                if status.st_mtime_ns != known[0] or signed(status.st_ino) != known[1]:
                    yield path
                    continue
                if number % SLICES == turn and _crc(listdir(path)) != known[2]:
                    yield path
                    continue
                if names:
                    place = 3
                    base = path + b"/"
                    for name in names.split(b"\0"):
                        status = lstat(base + name)
                        size, mtime_ns, ctime_ns, inode = known[place : place + 4]
                        if (
                            status.st_size != size
                            or status.st_mtime_ns != mtime_ns
                            or (status.st_ctime_ns != ctime_ns != ANY)
                            or (signed(status.st_ino) != inode != ANY)
                        ):
                            yield path
                            break
                        place += 4
            except OSError:
                if known[0] != INSIDE:
                    yield path

    return _looked(enumerate(rows), look)


def _looked(numbered: "Iterator[_Numbered]", look: "_Look") -> Iterator[bytes]:
    """Look at some folders, and at all others as their file system deserves."""
    took = []
    for one in itertools.islice(numbered, TRIED):
        began = time.perf_counter()
        yield from look([one])
        took.append(time.perf_counter() - began)
    # The one in the middle: a first one may take long on any disk.
    if not took or sorted(took)[len(took) // 2] <= SLOW_S:
        yield from look(numbered)
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(AT_ONCE) as pool:
        while some := list(itertools.islice(numbered, AT_ONCE * TRIED)):
            parts = (some[at::AT_ONCE] for at in range(AT_ONCE))
            for found in pool.map(lambda part: list(look(part)), parts):
                yield from found


class _Structs(dict[int, struct.Struct]):
    """How to unpack what is known of a folder, by its length."""

    def __missing__(self, length: int) -> struct.Struct:
        found = self[length] = struct.Struct(f"<{length // 8}q")
        return found


def signed(inode: int) -> int:
    """Return an inode number as the 64 bits that SQLite and the stats hold."""
    return inode if inode < _SIGN else inode - (1 << 64)


def _crc(names: list[bytes]) -> int:
    return zlib.crc32(b"\0".join(sorted(names)))
