"""What stands in a row of the state, and the sum that says it is what was written.

SQLite finds damage only where it stumbles over it. A sum a row finds every wrong bit
where one would lose a report, send it twice, or change what it says. It covers the
row's key: an index that leads to another row is noticed too.
"""

import zlib
from typing import TypeVar

import msgspec

from mlreport_batch.errors import DamagedStateError
from mlreport_batch.state.alike import ALIKE

Value = str | bytes | int | float | None
_PACKED_FROM = 64  # bytes; what is shorter hardly gets smaller
_LEVEL = 3  # of zlib; more takes longer and saves little
_LONG, _LONG_LEVEL = 8192, 1  # bytes; most of a long one are numbers
_SUM_BYTES = 4
_T = TypeVar("_T")


def damaged_row(what: str, why: str = "its sum does not fit") -> DamagedStateError:
    """Return the error of a row that is not what was written."""
    return DamagedStateError(
        f"the state of {what} is damaged: {why}", kept="What is owed stays owed"
    )


def encode(mark: object, key: bytes) -> bytes:
    """Return *mark* as MessagePack, compressed where that saves something.

    Args:
        mark: What can be encoded.
        key: Of its row; `decode` must be given the same.
    """
    data = msgspec.msgpack.encode(mark)
    if len(data) >= _PACKED_FROM:
        level = _LEVEL if len(data) < _LONG else _LONG_LEVEL
        packer = zlib.compressobj(level, zdict=ALIKE)
        data = packer.compress(data) + packer.flush()
    return _sum(data, key) + data


def summed(data: bytes | None, key: bytes) -> bytes | None:
    """Return what `encode` of an earlier version made, with its sum."""
    return None if data is None else _sum(data, key) + data


def decode(data: object, kind: type[_T], key: bytes, what: str) -> _T:
    """Return what `encode` was given.

    Raises:
        DamagedStateError: It is not what was encoded; *what* says whose it was.
    """
    if not isinstance(data, bytes) or not is_whole(data, key):
        raise damaged_row(what)
    plain = data[_SUM_BYTES:]
    try:
        # MessagePack never begins a map or an array with the first byte of zlib.
        if plain.startswith(b"x"):
            plain = _unpacked(plain)
        return msgspec.msgpack.decode(plain, type=kind)
    except (msgspec.DecodeError, ValueError, zlib.error) as exc:
        raise damaged_row(what, str(exc)) from exc


def _unpacked(data: bytes) -> bytes:
    # Before version 7 nothing was packed with what rows have in common.
    packer = zlib.decompressobj(zdict=ALIKE)
    plain = packer.decompress(data)
    if not packer.eof or packer.unused_data:
        raise ValueError("it is cut off or too long")
    return plain


def is_whole(data: bytes, key: bytes) -> bool:
    """Return whether *data* is as `encode` left it for the row of *key*."""
    return data[:_SUM_BYTES] == _sum(data[_SUM_BYTES:], key)


def _sum(data: bytes, key: bytes) -> bytes:
    return zlib.crc32(data, zlib.crc32(key)).to_bytes(_SUM_BYTES, "little")
