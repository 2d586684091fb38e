"""Sample pictures that a run saved: the newest few below its folder."""

from collections.abc import Iterator
from heapq import nlargest
from itertools import islice
from operator import attrgetter

from msgspec import Struct

from mlreport_batch.find.folder import below
from mlreport_batch.safety.entries import Entry, listed

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
        folders: list[str] = []
        try:
            with listed(path) as (_, entries):
                for entry in islice(entries, left):
                    left -= 1
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.name)
                    elif entry.name.lower().endswith(_SUFFIXES):
                        yield from _picture(entry, f"{path}/{entry.name}", folder)
        except OSError:
            continue
        if depth < _DEPTH_MAX:
            waiting += [
                (f"{path}/{name}", depth + 1)
                for name in sorted(folders)
                if name.lower() not in _DATA
            ]


def _picture(entry: Entry, path: str, folder: str) -> Iterator[FoundPicture]:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return
    is_fit = 0 < status.st_size <= SIZE_MAX
    if is_fit and entry.is_file(follow_symlinks=False):
        name = below(path, folder)
        yield FoundPicture(name, path, status.st_size, status.st_mtime_ns)
