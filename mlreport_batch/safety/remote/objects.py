"""Objects of a bucket, read by place and size with few requests."""

import errno
import os
from collections.abc import Iterable

from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.remote.bucket import bytes_of, bytes_of_all
from mlreport_batch.safety.remote.tree import status_of

WHOLE_BELOW = 256 * 1024
AHEAD = 4 * 1024 * 1024
KEPT_MAX = 64 * 1024 * 1024


class RemoteFile:
    """An object, open for reading.

    A small one is fetched whole. Of a larger one the start is fetched as far as it is
    asked for, which is a log's header, and 4 MiB from any other place, which is what
    was appended behind the cursor.

    Args:
        path: Its address.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self.signature = Signature.of(status_of(path))
        self._start, self._held = 0, _kept.get(path, self.signature)

    def pread(self, size: int, offset: int, /) -> bytes:
        """Return what ``pread`` does.

        Raises:
            OSError: The bucket does not give it.
        """
        end = min(offset + size, self.signature.size)
        if offset >= end:
            return b""
        if not self._start <= offset <= end <= self._start + len(self._held):
            self._fetch(offset, end)
        return self._held[offset - self._start : end - self._start]

    def _fetch(self, start: int, end: int) -> None:
        whole = self.signature.size
        if whole <= WHOLE_BELOW:
            start, end = 0, whole
        elif start:
            end = min(max(end, start + AHEAD), whole)
        self._start, self._held = start, bytes_of(self._path, start, end)
        if whole <= WHOLE_BELOW:
            _kept.put(self._path, self.signature, self._held)

    def data_from(self, offset: int, /) -> int:  # noqa: ARG002
        """Raise: a bucket knows of no holes."""
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), self._path)

    def close(self) -> None:
        """Forget what was fetched."""
        self._held = b""


def fetch_together(files: Iterable[tuple[str, Signature]], head: int) -> None:
    """Fetch what a first look at *files* asks for, many at once.

    What does not come is asked for again, and told of, where it is opened.

    Args:
        files: Addresses, with what is known of the objects.
        head: So many bytes are looked at of one that is not fetched whole.
    """
    wanted = []
    left = KEPT_MAX
    for path, signature in files:
        size = signature.size if signature.size <= WHOLE_BELOW else head
        left -= size
        if left < 0:
            break
        if size and not _kept.get(path, signature):
            wanted.append((path, signature, size))
    found = bytes_of_all([(path, size) for path, _, size in wanted])
    for (path, signature, _), data in zip(wanted, found, strict=True):
        _kept.put(path, signature, data)


class _Kept:
    """Starts of objects that were fetched, 64 MiB in all; the oldest go first."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Signature], bytes] = {}
        self._size = 0

    def get(self, path: str, signature: Signature) -> bytes:
        """Return the bytes of one as far as they are here."""
        return self._found.get((path, signature), b"")

    def put(self, path: str, signature: Signature, data: bytes) -> None:
        """Keep the bytes of one."""
        self._size -= len(self._found.pop((path, signature), b""))
        self._found[path, signature] = data
        self._size += len(data)
        while self._size > KEPT_MAX:
            self._size -= len(self._found.pop(next(iter(self._found))))


_kept = _Kept()
