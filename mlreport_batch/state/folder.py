"""The state folder: whose it is, who may write, and what its errors say."""

import contextlib
import fcntl
import os
import re
import sqlite3
import stat
import time
from collections.abc import Iterator

from mlreport_batch.config.locate import OWNER, owner_of
from mlreport_batch.errors import (
    DamagedStateError,
    NewerStateError,
    StateError,
    reason_of,
)
from mlreport_batch.safety.files import replace_file
from mlreport_batch.state.idle import DATABASE


class LockedError(BlockingIOError):
    """Another live tick holds the lock.

    Attributes:
        running_for_s: How long it has run, as far as its note in the file can be
            trusted; 0.0 where it cannot.
        pid: Its process id, 0 if unknown.
    """

    def __init__(self, pid: int, running_for_s: float) -> None:
        super().__init__("another tick holds the lock")
        self.pid = pid
        self.running_for_s = running_for_s


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
            raise unusable(path, exc) from exc
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid, running_for_s = self._holder()
            os.close(self._descriptor)
            raise LockedError(pid, running_for_s) from None
        except OSError as exc:
            os.close(self._descriptor)
            raise unusable(path, exc) from exc
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


def claim(folder: str, config: str) -> None:
    """Note which config file a state folder belongs to, unless it is another's.

    Args:
        folder: The state folder; the caller holds its `Lock`.
        config: The file; empty for none.
    """
    if config and not owner_of(folder):
        replace_file(os.path.join(folder, OWNER), os.fsencode(config))


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
        raise unusable(folder, exc) from exc
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


# Whose locks or fsync may not hold what the state needs, by their names in mountinfo.
_NETWORK = frozenset(
    "nfs nfs4 cifs smb3 smbfs afs ceph glusterfs lustre beegfs gpfs panfs 9p "
    "ocfs2 gfs2 virtiofs davfs fuse.sshfs fuse.rclone fuse.glusterfs fuse.s3fs "
    "fuse.davfs fuse.gcsfuse fuse.mount_s3 fuse.juicefs fuse.ceph fuse.cephfs".split()
)


def network_of(folder: str, mounts: str = "/proc/self/mountinfo") -> str:
    """Return which network file system *folder* lies on, empty for none known.

    Args:
        folder: It need not exist yet.
        mounts: What the kernel says is mounted, see proc(5).
    """
    place = os.path.realpath(folder)
    nearest, kind = "", ""
    try:
        with open(mounts, encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                before, _, after = line.partition(" - ")
                point = before.split(" ")[4].encode("utf-8", "surrogateescape")
                # Blanks and backslashes are written as three octal digits.
                mount = re.sub(
                    rb"\\([0-7]{3})", lambda m: bytes([int(m[1], 8)]), point
                ).decode("utf-8", "surrogateescape")
                below = place == mount or place.startswith(mount.rstrip("/") + "/")
                if below and len(mount) >= len(nearest):
                    nearest, kind = mount, after.split(" ")[0]
    except (OSError, IndexError):
        return ""
    return kind if kind in _NETWORK else ""


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
        raise unusable(os.fspath(exc.filename or folder), exc) from exc
    except SQLITE_ERRORS as exc:
        raise failure(os.path.join(folder, DATABASE), exc) from exc


# What SQLite says of a disk, a lock or its memory: the file itself may be whole.
_PASSING = frozenset(
    (
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH,
    )
)  # fmt: skip


# A file so damaged that what SQLite says of it is no text breaks the module itself.
SQLITE_ERRORS = (sqlite3.Error, UnicodeDecodeError)


def failure(path: str, exc: sqlite3.Error | UnicodeDecodeError) -> StateError:
    """Return what an error of SQLite means: of the disk, or of a damaged file."""
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    return unusable(path, exc) if code in _PASSING else damaged(path, str(exc))


def unusable(path: str, exc: Exception) -> StateError:
    """Return the error of a file that cannot be read or written."""
    return StateError(
        f"{path}: {reason_of(exc)}",
        kept="The state is as it was; what is owed stays owed",
        advice="Free space or mend the permissions, then run again",
    )


def damaged(path: str, why: str) -> DamagedStateError:
    """Return the error of a state that is not what was written."""
    return DamagedStateError(
        f"{path} is damaged: {why}",
        kept="It was left as it is",
        advice="`mlreport-batch run` takes the daily copy in its place",
    )
