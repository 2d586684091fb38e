"""Open and write files that others may swap, cut or hold open meanwhile."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

TEMPORARY = ".tmp"
_TRIES = 3


def storable_ns(time_ns: int) -> int:
    """Return a time of a file as 64 bits hold it; ext4 goes beyond, to 2446."""
    return max(-(1 << 63), min(time_ns, (1 << 63) - 1))


class Status(Protocol):
    """What of `os.stat_result` tells one writing of a file from another."""

    @property
    def st_size(self) -> int:
        """In bytes."""

    @property
    def st_mtime_ns(self) -> int:
        """When it was written."""

    @property
    def st_ctime_ns(self) -> int:
        """When it or what is said of it was changed."""

    @property
    def st_ino(self) -> int:
        """Which file it is."""


class Signature(Struct, frozen=True):
    """What ``stat`` says of a file; two equal ones mean that nothing was written.

    ctime is part of it because a rewrite can restore size and mtime, not ctime.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, status: Status) -> "Signature":
        """Return the signature in *status*."""
        return cls(
            status.st_size,
            storable_ns(status.st_mtime_ns),
            storable_ns(status.st_ctime_ns),
            status.st_ino,
        )


class NotRegularError(OSError):
    """The path is a directory, FIFO, socket, device or symlink."""


def open_regular(path: str) -> int:
    """Return a descriptor of the regular file *path*, without following symlinks.

    ``O_NONBLOCK`` keeps a FIFO from hanging the tick. Type and place are checked after
    opening, so nothing can be swapped in between, a folder above it included.

    Args:
        path: Without symlinks, as `os.path.realpath` of a root gives it.

    Raises:
        OSError: Not there, not readable, or no regular file.
    """
    for _ in range(_TRIES):
        descriptor = _open_file(path)
        if _lies_at(descriptor, path):
            return descriptor
        # Often another file has just taken its name, as a writer's atomic rename does.
        os.close(descriptor)
    raise NotRegularError(errno.ELOOP, "a folder above it is a symlink", path)


def _open_file(path: str) -> int:
    try:
        descriptor = os.open(
            path,
            os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY,
        )
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO):
            raise NotRegularError(exc.errno, "not a regular file", path) from exc
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRegularError(errno.EINVAL, "not a regular file", path)
    return descriptor


@contextlib.contextmanager
def opened_folder(path: str) -> Iterator[int]:
    """Give a descriptor of the folder *path*, opened as by `open_regular`.

    Raises:
        OSError: Not there, not readable, or no folder.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags)
    try:
        if not _lies_at(descriptor, path):
            raise NotADirectoryError(errno.ENOTDIR, "a folder above it is a link", path)
        yield descriptor
    finally:
        os.close(descriptor)


def _lies_at(descriptor: int, path: str) -> bool:
    """Return whether what was opened lies at *path* and was reached by no symlink."""
    try:
        # Where the kernel has it, whatever was renamed before it was opened.
        if os.readlink(f"/proc/self/fd/{descriptor}") == path:
            return True
    except OSError:
        pass  # no /proc here
    opened = os.fstat(descriptor)
    try:
        found = _stat_without_links(path)
    except OSError:
        return False
    return (opened.st_dev, opened.st_ino) == (found.st_dev, found.st_ino)


def _stat_without_links(path: str) -> os.stat_result:
    """Return the status of *path*, by one folder after the other from the root."""
    access = getattr(os, "O_PATH", os.O_RDONLY)
    flags = access | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open("/", flags)
    try:
        *above, name = [part for part in os.path.abspath(path).split("/") if part]
        for part in above:
            below = os.open(part, flags, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    finally:
        os.close(folder)


def write_durably(path: str, data: bytes, mode: int = 0o600) -> None:
    """Write *data* to *path* so that a crash leaves the old file or the new one.

    Raises:
        OSError: The old file or the new one stands; the temporary file is gone.
    """
    replace_file(path, data, mode)
    sync_folder(os.path.dirname(path))


def replace_file(
    path: str, data: bytes, mode: int = 0o600, *, is_synced: bool = True
) -> None:
    """Write *data* to *path*; its name is durable once its folder is synced.

    Args:
        path: Where to.
        data: What.
        mode: Its permissions.
        is_synced: Whether a power loss leaves the old file or the new one, too;
            without it what is left may be empty.

    Raises:
        OSError: The old file or the new one stands; the temporary file is gone.
    """
    temporary = path + TEMPORARY
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        descriptor = os.open(temporary, flags, mode)
    except FileExistsError:
        # Left by a tick that was killed; a link there must not be followed.
        os.unlink(temporary)
        descriptor = os.open(temporary, flags, mode)
    try:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(descriptor, left) :]
            if is_synced:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def sync_folder(path: str) -> None:
    """Make the names in the folder *path* survive a power loss."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_below(path: str, folder: str) -> bool:
    """Return whether *path* lies somewhere in *folder*, by its name alone."""
    return path.startswith(folder.rstrip("/") + "/")


def is_racy(mtime_ns: int, now_ns: int) -> bool:
    """Return whether a later write could carry the same timestamp.

    Kernels stamp files at a tick of some milliseconds; file systems without
    fractions of seconds stamp at whole (FAT: even) ones. Times in the future say
    nothing and count as racy for two seconds only.
    """
    age = now_ns - mtime_ns
    return abs(age) < (2_000_000_000 if mtime_ns % 1_000_000_000 == 0 else 50_000_000)
