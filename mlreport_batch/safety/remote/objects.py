"""Objects of a bucket, read by place and size with few requests."""

import errno
import os
from collections.abc import Iterable
from itertools import islice

from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.remote.bucket import bytes_of, bytes_of_all
from mlreport_batch.safety.remote.tree import status_of, tree_at

WHOLE_BELOW = 256 * 1024
AHEAD = 4 * 1024 * 1024
KEPT_MAX = 64 * 1024 * 1024
TOGETHER = 256
TOGETHER_BYTES = 16 * 1024 * 1024


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
        self.signature = _signature_of(path)
        self._start, self._held = 0, _ahead.take(path, self.signature)

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
            _ahead.keep(self._path, self.signature, self._held)

    def data_from(self, offset: int, /) -> int:  # noqa: ARG002
        """Raise: a bucket knows of no holes."""
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP), self._path)

    def close(self) -> None:
        """Forget what was fetched."""
        self._held = b""


def plan(files: Iterable[tuple[str, Signature]], head: int) -> None:
    """Say which objects will be opened; the first that is brings many others along.

    One after the other, each would take the time of a request.

    Args:
        files: Addresses, with what is known of the objects.
        head: So many bytes are looked at of one that is not fetched whole.
    """
    for path, signature in files:
        size = signature.size if signature.size <= WHOLE_BELOW else head
        if size:
            _ahead.plan(path, signature, size)


def _signature_of(path: str) -> Signature:
    """Return what an object was listed as, here or by who asked for the work."""
    told = _ahead.signature(path) if tree_at(path) is None else None
    return told or Signature.of(status_of(path))


class _Ahead:
    """What will be asked for, and starts of objects that were fetched.

    Of these there are 64 MiB in all; the oldest go first.
    """

    def __init__(self) -> None:
        self._planned: dict[str, tuple[Signature, int]] = {}
        self._signatures: dict[str, Signature] = {}
        self._kept: dict[tuple[str, Signature], bytes] = {}
        self._size = 0

    def plan(self, path: str, signature: Signature, size: int) -> None:
        """Note that the first *size* bytes of an object will be asked for."""
        self._signatures[path] = signature
        if (path, signature) not in self._kept:
            self._planned[path] = signature, size

    def signature(self, path: str) -> Signature | None:
        """Return what was known of an object that was planned."""
        return self._signatures.get(path)

    def take(self, path: str, signature: Signature) -> bytes:
        """Return the start of an object, fetched with others if that was planned.

        What does not come is asked for again, and told of, where it is read.
        """
        if path in self._planned:
            self._fetch(path)
        return self._kept.get((path, signature), b"")

    def _fetch(self, path: str) -> None:
        found = {path: self._planned.pop(path)}
        left = TOGETHER_BYTES
        for other in list(islice(self._planned, TOGETHER)):
            left -= self._planned[other][1]
            if left < 0:
                break
            found[other] = self._planned.pop(other)
        came = bytes_of_all([(each, size) for each, (_, size) in found.items()])
        for (each, (signature, _)), data in zip(found.items(), came, strict=True):
            if data:
                self.keep(each, signature, data)

    def keep(self, path: str, signature: Signature, data: bytes) -> None:
        """Keep the start of an object."""
        self._size -= len(self._kept.pop((path, signature), b""))
        self._kept[path, signature] = data
        self._size += len(data)
        while self._size > KEPT_MAX:
            self._size -= len(self._kept.pop(next(iter(self._kept))))


_ahead = _Ahead()
