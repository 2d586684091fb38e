"""What is in files, packed with gzip or not, as who tidies up leaves logs."""

import errno
import os
import time
import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from mlreport_batch.safety.files import Signature, is_racy
from mlreport_batch.safety.opened import LocalFile, Opened, opened, signature_of

DOCUMENT_MAX: Final = 64 * 1024 * 1024
UNPACKED_MAX: Final = 256 * 1024 * 1024
_ENDING: Final = ".gz"
_PIECE: Final = 1 << 20
_GZIP: Final = 16 + zlib.MAX_WBITS


def plain_name(name: str) -> str:
    """Return a file's name without the ending that says that it is packed."""
    return name[: -len(_ENDING)] if name.lower().endswith(_ENDING) else name


def is_packed(path: str) -> bool:
    """Return whether a file's name says that it is packed."""
    return plain_name(path) != path


def open_unpacked(path: str) -> tuple[Opened, Signature, int]:
    """Return what is in the regular file *path*, unpacked and open for reading.

    Also the signature of the file itself, and the size of what is in it. Of a packed
    one there are 256 MiB at most, and no more than up to where it is damaged or was
    not written yet.

    Raises:
        OSError: As `opened`, or there is no room to unpack it.
    """
    file = opened(path)
    if not is_packed(path):
        return file, file.signature, file.signature.size
    try:
        import tempfile

        with tempfile.TemporaryFile() as unpacked:
            for piece in _pieces(file, UNPACKED_MAX):
                unpacked.write(piece)
            unpacked.flush()
            plain = LocalFile(os.dup(unpacked.fileno()))
    finally:
        file.close()
    return plain, file.signature, plain.signature.size


def read_head(path: str, size: int = 8192, *, start: int = 0) -> bytes:
    """Return the first *size* bytes, from *start* on, of what is in a regular file.

    Raises:
        OSError: As `opened`.
    """
    file = opened(path)
    try:
        if is_packed(path):
            return b"".join(_pieces(file, start + size))[start:]
        return file.pread(size, start)
    finally:
        file.close()


def read_document(path: str) -> tuple[bytes, Signature]:
    """Return all that is in the regular file *path*, with the signature it had.

    Raises:
        OSError: As `opened`, or ``EFBIG`` beyond 64 MiB.
    """
    file, signature, size = open_unpacked(path)
    try:
        if size > DOCUMENT_MAX:
            raise OSError(errno.EFBIG, "larger than 64 MiB", path)
        parts = []
        left, at = DOCUMENT_MAX, 0
        while left > 0 and (part := file.pread(min(left, _PIECE), at)):
            parts.append(part)
            left -= len(part)
            at += len(part)
        return b"".join(parts), signature
    finally:
        file.close()


def read_store(path: str) -> tuple[bytes, Signature]:
    """Return what `read_document` does of a file that many runs lie in.

    It is asked for each of them in turn, so the last such file is kept in memory.

    Raises:
        OSError: As `read_document`.
    """
    signature = signature_of(path)
    if is_racy(signature.ctime_ns, time.time_ns()):
        return read_document(path)
    return _read_as(path, signature)


@lru_cache(maxsize=1)
def _read_as(path: str, signature: Signature) -> tuple[bytes, Signature]:  # noqa: ARG001
    return read_document(path)


def _pieces(file: Opened, most: int) -> Iterator[bytes]:
    """Yield what is packed in a file, *most* bytes of it."""
    unpacker = zlib.decompressobj(_GZIP)
    packed = file.pread(_PIECE, 0)
    at = len(packed)
    while packed and most > 0:
        try:
            piece = unpacker.decompress(packed, min(most, _PIECE))
        except zlib.error:
            return
        most -= len(piece)
        if piece:
            yield piece
        if unpacker.eof:  # what was packed later may follow
            packed, unpacker = unpacker.unused_data, zlib.decompressobj(_GZIP)
        else:
            packed = unpacker.unconsumed_tail
        if not packed:
            packed = file.pread(_PIECE, at)
            at += len(packed)
