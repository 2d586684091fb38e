"""Files as they are read: by place and size, on this machine or in a bucket."""

import os
from typing import Protocol

from mlreport_batch.safety.files import Signature, open_regular
from mlreport_batch.safety.remote.address import is_remote


class Opened(Protocol):
    """A file that is open for reading; ``signature`` is what it was when opened."""

    signature: Signature

    def pread(self, size: int, offset: int, /) -> bytes:
        """Return up to *size* bytes from *offset* on; none stand behind its end.

        Raises:
            OSError: They cannot be read now.
        """

    def data_from(self, offset: int, /) -> int:
        """Return where the next bytes stand that are no hole.

        Raises:
            OSError: There are none, or nobody knows of holes.
        """

    def close(self) -> None:
        """Give it free."""


class LocalFile:
    """A file of this machine.

    Args:
        descriptor: Belongs to this from now on.
    """

    __slots__ = ("_descriptor", "signature")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.signature = Signature.of(os.fstat(descriptor))

    def pread(self, size: int, offset: int, /) -> bytes:
        """Return what ``pread`` does."""
        return os.pread(self._descriptor, size, offset)

    def data_from(self, offset: int, /) -> int:
        """Return what the file system says of holes."""
        return os.lseek(self._descriptor, offset, os.SEEK_DATA)

    def close(self) -> None:
        """Close it, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def opened(path: str) -> Opened:
    """Return the regular file or object *path*, open for reading.

    Raises:
        OSError: As `open_regular`, or the bucket says why not.
    """
    if is_remote(path):
        from mlreport_batch.safety.remote.objects import RemoteFile

        return RemoteFile(path)
    return LocalFile(open_regular(path))


def signature_of(path: str) -> Signature:
    """Return the signature of a file without opening it.

    Raises:
        OSError: It is gone.
    """
    if is_remote(path):
        from mlreport_batch.safety.remote.tree import status_of

        return Signature.of(status_of(path))
    return Signature.of(os.lstat(path))
