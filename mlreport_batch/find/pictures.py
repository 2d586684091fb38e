"""Sample pictures that a run saved: the newest few below its folder."""

import os
from collections.abc import Iterator
from heapq import nlargest
from operator import attrgetter

from msgspec import Struct

PICTURES_MAX = 3
SIZE_MAX = 8_000_000
_DEPTH_MAX = 5
_ENTRIES_MAX = 5_000
_SUFFIXES = (".png", ".jpg", ".jpeg")
_DATA = frozenset(["data", "dataset", "datasets"])


class FoundPicture(Struct, frozen=True):
    """A picture file: ``path`` is relative to the run."""

    path: str
    full_path: str
    size_bytes: int
    mtime_ns: int


def newest_pictures(folder: str, since_ns: int) -> list[FoundPicture]:
    """Return the newest pictures below *folder* that are no older than its run.

    Hidden folders, data sets, symlinks, empty files and large ones are passed over, as
    is what comes after the first thousands of entries.

    Args:
        folder: The run's directory.
        since_ns: Modification time of the run's oldest log.
    """
    found = (each for each in _pictures(folder) if each.mtime_ns >= since_ns)
    return nlargest(PICTURES_MAX, found, key=attrgetter("mtime_ns", "path"))


def _pictures(folder: str) -> Iterator[FoundPicture]:
    waiting, left = [(folder, 0)], _ENTRIES_MAX
    while waiting and left > 0:
        path, depth = waiting.pop(0)
        try:
            with os.scandir(path) as entries:
                listed = [entry for entry, _ in zip(entries, range(left), strict=False)]
        except OSError:
            continue
        left -= len(listed)
        for entry in sorted(listed, key=attrgetter("name")):
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                if depth < _DEPTH_MAX and entry.name.lower() not in _DATA:
                    waiting.append((entry.path, depth + 1))
            elif entry.name.lower().endswith(_SUFFIXES):
                yield from _picture(entry, folder)


def _picture(entry: os.DirEntry[str], folder: str) -> Iterator[FoundPicture]:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return
    is_fit = 0 < status.st_size <= SIZE_MAX
    if is_fit and entry.is_file(follow_symlinks=False):
        path = os.path.relpath(entry.path, folder)
        yield FoundPicture(path, entry.path, status.st_size, status.st_mtime_ns)
