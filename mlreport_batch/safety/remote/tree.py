"""What the last listing said of all objects below a root, as folders of entries.

A bucket is asked once a tick and root. What it said is kept in this process, so that
opening a file asks for nothing but its bytes; another process asks for each file.
"""

import errno
import os
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

from msgspec import Struct

from mlreport_batch.safety.files import is_below
from mlreport_batch.safety.remote.bucket import object_at, objects_below
from mlreport_batch.safety.remote.failures import nothing_at

_VERSIONS: Final = ("ETag", "etag", "generation", "md5Hash", "CRC")
_TIMES: Final = (
    "LastModified",
    "last_modified",
    "updated",
    "mtime",
    "created",
    "date_time",
)
_NO_CTIME: Final = 1


class Status(Struct, frozen=True):
    """What there is in a bucket of what ``stat`` says of a file.

    The inode is made of the object's version, so that another version is another
    file; of a folder the time is made of the names in it, which are all that it is.
    """

    st_size: int
    st_mtime_ns: int
    st_ino: int
    st_ctime_ns: int = _NO_CTIME


class RemoteEntry(Struct, frozen=True):
    """An entry of a folder, as `os.DirEntry` has it; ``status`` is None of a folder."""

    name: str
    status: Status | None
    newest_ns: int = 0

    def is_symlink(self) -> bool:
        """Return that there are none."""
        return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002
        """Return whether it is a folder."""
        return self.status is None

    def is_file(self, *, follow_symlinks: bool = True) -> bool:  # noqa: ARG002
        """Return whether it is an object."""
        return self.status is not None

    def stat(self, *, follow_symlinks: bool = True) -> Status:  # noqa: ARG002
        """Return its status; a folder is as old as the newest object right in it."""
        return self.status or Status(0, self.newest_ns, 1)


class Tree:
    """All objects below one root.

    Args:
        root: Its address.
        objects: What the bucket says of each, by its path below the root.
    """

    def __init__(self, root: str, objects: Mapping[str, Mapping[str, Any]]) -> None:
        self.root = root
        self._folders: dict[str, dict[str, Status | None]] = {root: {}}
        for path, info in objects.items():
            *above, name = path.split("/")
            if all(map(_is_name, (*above, name))):
                folder = self._made([root, *above])
                folder.setdefault(name, _status_of(info))

    def _made(self, parts: list[str]) -> dict[str, Status | None]:
        path = "/".join(parts)
        if path not in self._folders:
            self._folders[path] = {}
            self._made(parts[:-1])[parts[-1]] = None
        return self._folders[path]

    def entries(self, path: str) -> tuple[Status, Iterator[RemoteEntry]]:
        """Return the status of a folder, and what lies in it.

        Raises:
            FileNotFoundError: There is no such folder.
        """
        found = self._folder(path)
        return _of_folder(found), (
            RemoteEntry(name, status, self._newest(path, name))
            for name, status in found.items()
        )

    def folders(self) -> Iterator[str]:
        """Yield the paths of all folders."""
        return iter(self._folders)

    def names(self, path: str) -> list[str]:
        """Return the names in a folder.

        Raises:
            FileNotFoundError: There is no such folder.
        """
        return list(self._folder(path))

    def lstat(self, path: str) -> Status:
        """Return the status of a folder or an object.

        Raises:
            FileNotFoundError: There is neither.
        """
        if path in self._folders:
            return _of_folder(self._folders[path])
        above, _, name = path.rpartition("/")
        status = self._folders.get(above, {}).get(name)
        if status is None:
            raise _not_there(path)
        return status

    def _folder(self, path: str) -> dict[str, Status | None]:
        if path not in self._folders:
            raise _not_there(path)
        return self._folders[path]

    def _newest(self, above: str, name: str) -> int:
        below = self._folders.get(f"{above}/{name}", {})
        return max((each.st_mtime_ns for each in below.values() if each), default=0)


_trees: dict[str, Tree] = {}
"""What was listed by this process, by root."""


def list_anew(root: str) -> None:
    """Ask the bucket what lies below *root*.

    Raises:
        OSError: It does not say, or nothing lies there: what is known is kept then.
    """
    for known in [each for each in _trees if _overlap(each, root)]:
        del _trees[known]
    objects = objects_below(root)
    if not objects:
        raise nothing_at(root)
    _trees[root] = Tree(root, objects)


def tree_at(path: str) -> Tree | None:
    """Return the tree that *path* was listed in, None for none."""
    return next(
        (tree for root, tree in _trees.items() if path == root or is_below(path, root)),
        None,
    )


def listed_at(path: str) -> Tree:
    """Return the tree that *path* was listed in.

    Raises:
        FileNotFoundError: There is none.
    """
    tree = tree_at(path)
    if tree is None:
        raise _not_there(path)
    return tree


def entries_of(path: str) -> tuple[Status, Iterator[RemoteEntry]]:
    """Return what `Tree.entries` does, of a folder that was listed or is listed now.

    Raises:
        OSError: As `list_anew`.
    """
    if tree_at(path) is None:
        list_anew(path)
    return listed_at(path).entries(path)


def status_of(path: str) -> Status:
    """Return the status of an object, asked for unless it was listed.

    Raises:
        OSError: The bucket does not say, or there is none.
    """
    tree = tree_at(path)
    return _status_of(object_at(path)) if tree is None else tree.lstat(path)


def _overlap(one: str, other: str) -> bool:
    return one == other or is_below(one, other) or is_below(other, one)


def _is_name(part: str) -> bool:
    return part not in ("", ".", "..") and "\0" not in part


def _of_folder(entries: Mapping[str, Status | None]) -> Status:
    listing = zlib.crc32(b"\0".join(sorted(map(os.fsencode, entries))))
    return Status(0, listing + 1, 1)


def _status_of(info: Mapping[str, Any]) -> Status:
    said = [str(info[key]) for key in (*_VERSIONS, *_TIMES) if info.get(key)]
    version = blake2b(repr(said).encode(), digest_size=8).digest()
    time = next((info[key] for key in _TIMES if info.get(key)), None)
    return Status(
        int(info.get("size") or 0), _nanoseconds(time), int.from_bytes(version) >> 1
    )


def _nanoseconds(time: object) -> int:
    """Return a time of a bucket in nanoseconds since the epoch, 0 for none."""
    if isinstance(time, str):
        try:
            time = datetime.fromisoformat(time)
        except ValueError:
            return 0
    if isinstance(time, tuple):
        try:
            time = datetime(*time).astimezone()  # an archive tells of no zone
        except (TypeError, ValueError, OverflowError):
            return 0
    if isinstance(time, datetime):
        aware = time if time.tzinfo else time.replace(tzinfo=UTC)
        time = aware.timestamp()
    return int(time * 1e9) if isinstance(time, int | float) else 0


def _not_there(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
