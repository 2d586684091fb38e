"""The tick without news: nothing but ``stat`` calls on what is known.

This module is all that such a tick runs. It imports no other of the package, and
reads the table ``folders``, one row a folder::

    path BLOB, names BLOB (tracked files, separated by NUL),
    stats BLOB (little-endian int64: mtime_ns, inode, CRC-32 of the listing, then
                size, mtime_ns, ctime_ns, inode of each tracked file; of a
                checkpoint, the last two are -1 and count for nothing)

An append changes a file's size, not its folder's mtime; a new, removed or renamed
file changes the folder's mtime. One folder in seventeen is listed all the same,
another seventeenth each minute, since network file systems keep old times.
"""

import os
import sqlite3
import struct
import zlib
from collections.abc import Iterator

SLICES = 17
_DAY_S = 86400.0
ANY = -1
_SIGN = 1 << 63


def open_read_only(folder: str) -> sqlite3.Connection | None:
    """Return the state of *folder* opened for reading, or None if there is none."""
    path = os.path.join(folder, "state.db")
    if not os.path.exists(path):
        return None
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{quoted}?mode=ro", uri=True, timeout=1.0)


def is_quiet(folder: str, key: str, now: float) -> bool:
    """Return whether a tick has surely nothing to do.

    Args:
        folder: The state folder.
        key: What the config was when the state was written (see `quick`).
        now: Seconds since the epoch.
    """
    try:
        database = open_read_only(folder)
        if database is None:
            return False
        try:
            meta = dict(database.execute("SELECT key, value FROM meta"))
            if meta.get("config_key") != key or meta.get("incomplete", ""):
                return False
            if database.execute("SELECT 1 FROM owed WHERE held = 0 LIMIT 1").fetchone():
                return False
            told_at = float(meta.get("dead_told_at", "0"))
            must_remind = told_at and not told_at <= now < told_at + _DAY_S
            due = "SELECT 1 FROM runs WHERE wake_at <= ? LIMIT 1"
            if must_remind or database.execute(due, (now,)).fetchone():
                return False
            return next(changed(database, now), None) is None
        finally:
            database.close()
    except Exception:  # noqa: BLE001 - whatever a damaged state makes of it
        return False  # the full tick finds out what is wrong, and says it


def changed(database: sqlite3.Connection, now: float) -> Iterator[bytes]:
    """Yield the path of every known folder that is not as it was."""
    lstat, unpack = os.lstat, struct.unpack
    turn = int(now // 60) % SLICES
    rows = database.execute("SELECT path, names, stats FROM folders")
    for number, (path, names, stats) in enumerate(rows):
        known = unpack(f"<{len(stats) // 8}q", stats)
        try:
            status = lstat(path)
            if status.st_mtime_ns != known[0] or _signed(status.st_ino) != known[1]:
                yield path
                continue
            if number % SLICES == turn and _listing(path) != known[2]:
                yield path
                continue
            if names:
                place = 3
                base = path + b"/"
                for name in names.split(b"\0"):
                    status = lstat(base + name)
                    if (
                        status.st_size != known[place]
                        or status.st_mtime_ns != known[place + 1]
                        or known[place + 2] not in (status.st_ctime_ns, ANY)
                        or known[place + 3] not in (_signed(status.st_ino), ANY)
                    ):
                        yield path
                        break
                    place += 4
        except OSError:
            yield path


def _signed(inode: int) -> int:
    return inode if inode < _SIGN else inode - (1 << 64)


def _listing(path: bytes) -> int:
    return zlib.crc32(b"\0".join(sorted(os.listdir(path))))
