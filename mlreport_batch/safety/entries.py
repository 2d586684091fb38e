"""Folders as they are listed, on this machine or in a bucket."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from mlreport_batch.safety.files import Status, opened_folder
from mlreport_batch.safety.remote.address import is_remote


class Entry(Protocol):
    """What of `os.DirEntry` is asked for."""

    @property
    def name(self) -> str:
        """In its folder."""

    def is_symlink(self) -> bool:
        """Return whether it only leads elsewhere."""

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether it is a folder."""

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        """Return whether it is a regular file."""

    def stat(self, *, follow_symlinks: bool = True) -> Status:
        """Return its status."""


@contextmanager
def listed(path: str) -> Iterator[tuple[Status, Iterable[Entry]]]:
    """Give the status of the folder *path*, and what lies in it.

    Raises:
        OSError: As `opened_folder`, or the bucket says why not.
    """
    if is_remote(path):
        from mlreport_batch.safety.remote.tree import entries_of

        yield entries_of(path)
        return
    with opened_folder(path) as descriptor:
        status = os.fstat(descriptor)
        with os.scandir(descriptor) as entries:
            yield status, entries


def look_anew(root: str) -> None:
    """Make sure that *root* can be listed; a bucket is asked for all that is in it.

    Raises:
        OSError: It cannot.
    """
    if is_remote(root):
        from mlreport_batch.safety.remote.tree import list_anew

        list_anew(root)
        return
    with os.scandir(root) as entries:
        next(entries, None)


def status_at(path: bytes) -> Status:
    """Return what ``lstat`` does; of what lies in a bucket, what it was listed as.

    Raises:
        OSError: It is not there.
    """
    place = os.fsdecode(path)
    if not is_remote(place):
        return os.lstat(path)
    from mlreport_batch.safety.remote.tree import listed_at

    return listed_at(place).lstat(place)


def names_at(path: bytes) -> list[bytes]:
    """Return what ``listdir`` does, as `status_at`.

    Raises:
        OSError: It is not there.
    """
    place = os.fsdecode(path)
    if not is_remote(place):
        return os.listdir(path)
    from mlreport_batch.safety.remote.tree import listed_at

    return list(map(os.fsencode, listed_at(place).names(place)))
