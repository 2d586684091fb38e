"""TensorBoard's event files: records, checksums and the fields that are read.

A record is a little-endian length (8 bytes), its masked CRC-32C (4), the data and
the data's masked CRC-32C (4). The data is an ``Event`` of protocol buffers; field
numbers are those of tensorflow/core/util/event.proto and summary.proto, and of
tensorboard/plugins/hparams/plugin_data.proto.
"""

import struct
from collections.abc import Iterator
from functools import cache, lru_cache

from mlreport_batch.safety.clean import Scalar

HEAD_SIZE = 12
TAIL_SIZE = 4
WALL, STEP, SUMMARY, SESSION = 1, 2, 5, 7
"""Fields of an ``Event``."""
TAG, SIMPLE, TENSOR, METADATA = 1, 2, 8, 9
"""Fields of a value in a summary."""
VARINT, EIGHT_BYTES, BYTES, FOUR_BYTES = 0, 1, 2, 5
"""Wire types."""
CHECKED_MAX = 4096
"""Bytes of a record up to which its checksum is looked at: blobs are not used."""
_SIZES_KEPT = 4096
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_FLOAT = struct.Struct("<f")
_DOUBLE = struct.Struct("<d")
_VARINT_MAX = 10

Fields = Iterator[tuple[int, int, int | bytes]]
"""(field number, wire type, value): an int for varints, else the bytes."""
Spans = Iterator[tuple[int, int, int, int, int]]
"""(field number, wire type, start and stop of the value, value of a varint)."""


class BadRecordError(ValueError):
    """Bytes that are no record, or a record that is no protocol buffer."""


@cache
def crc_table() -> tuple[int, ...]:
    """Return what the lowest byte of a CRC-32C does to it, by its value."""
    table = []
    for number in range(256):
        crc = number
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
        table.append(crc)
    return tuple(table)


def masked_crc(data: bytes) -> int:
    """Return the CRC-32C of *data*, rotated as the record format wants it."""
    table = crc_table()
    crc = 0xFFFFFFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record_size(data: bytes, at: int) -> int:
    """Return the size of the record at *at*, or 0 where its head is not complete.

    Raises:
        BadRecordError: The length's checksum is wrong: no record starts here.
    """
    return _size_of(data[at : at + HEAD_SIZE])


@lru_cache(_SIZES_KEPT)  # most records of a file are of a few lengths
def _size_of(head: bytes) -> int:
    if len(head) < HEAD_SIZE:
        return 0
    if masked_crc(head[:8]) != _CRC.unpack_from(head, 8)[0]:
        raise BadRecordError
    return int(_LENGTH.unpack_from(head)[0]) + HEAD_SIZE + TAIL_SIZE


def starts_of(data: bytes) -> list[int]:
    """Return where the whole records at the start of *data* begin, and the last ends.

    Raises:
        BadRecordError: A wrong length comes after them: no record starts there.
    """
    starts = [0]
    at, end, size_of = 0, len(data), _size_of
    while size := size_of(data[at : at + HEAD_SIZE]):
        at += size
        if at > end:
            break
        starts.append(at)
    return starts


def complete(data: bytes) -> int:
    """Return how many bytes at the start of *data* are whole records.

    From a wrong length on everything counts: nothing behind it can be found.
    """
    try:
        return starts_of(data)[-1]
    except BadRecordError:
        return len(data)


def data_of(record: bytes) -> bytes:
    """Return the data in a whole *record*."""
    return record[HEAD_SIZE:-TAIL_SIZE]


def is_sound(record: bytes) -> bool:
    """Return whether the checksum of the data in a whole *record* is right."""
    return masked_crc(data_of(record)) == int(_CRC.unpack(record[-TAIL_SIZE:])[0])


def fields(data: bytes) -> Fields:
    """Yield the fields of one message.

    Raises:
        BadRecordError: The bytes are no message.
    """
    for number, wire, start, stop, value in spans(data, 0, len(data)):
        yield number, wire, data[start:stop] if wire else value


def spans(data: bytes, at: int, end: int) -> Spans:
    """Yield where the fields of one message stand.

    Args:
        data: Bytes that hold the message.
        at: Where it starts in them.
        end: Where it stops.

    Raises:
        BadRecordError: The bytes are no message.
    """
    while at < end:
        key, at = _varint(data, at, end)
        wire = key & 7
        start, value = at, 0
        if wire == VARINT:
            value, at = _varint(data, at, end)
        else:
            if wire == BYTES:
                length, start = _varint(data, at, end)
            elif wire in (EIGHT_BYTES, FOUR_BYTES):
                length = 8 if wire == EIGHT_BYTES else 4
            else:
                raise BadRecordError
            at = start + length
            if at > end:
                raise BadRecordError
        yield key >> 3, wire, start, at, value


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at < end and data[at] < 0x80:  # noqa: PLR2004 - most are of one byte
        return data[at], at + 1
    value = 0
    for count, byte in enumerate(data[at : min(end, at + _VARINT_MAX)]):
        value |= (byte & 0x7F) << 7 * count
        if byte < 0x80:  # noqa: PLR2004
            return value, at + count + 1
    raise BadRecordError


def signed(value: int | bytes) -> int:
    """Return a varint as the int64 it stands for.

    Raises:
        BadRecordError: It is no varint.
    """
    if isinstance(value, bytes):
        raise BadRecordError
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >> 63 else value


def message(value: int | bytes) -> bytes:
    """Return the bytes of an embedded message or text.

    Raises:
        BadRecordError: The field holds a number.
    """
    if isinstance(value, int):
        raise BadRecordError
    return value


def float32(value: int | bytes) -> float:
    """Return a fixed 32-bit field as a float.

    Raises:
        BadRecordError: The field is not 4 bytes long.
    """
    if isinstance(value, int) or len(value) != _FLOAT.size:
        raise BadRecordError
    return float(_FLOAT.unpack(value)[0])


def float64(value: int | bytes) -> float:
    """Return a fixed 64-bit field as a float.

    Raises:
        BadRecordError: The field is not 8 bytes long.
    """
    if isinstance(value, int) or len(value) != _DOUBLE.size:
        raise BadRecordError
    return float(_DOUBLE.unpack(value)[0])


# TensorProto's dtype -> struct format of tensor_content, field of single values.
_TYPES = {
    1: ("f", 5), 2: ("d", 6), 3: ("i", 7), 4: ("B", 7), 5: ("h", 7), 6: ("b", 7),
    9: ("q", 10), 10: ("?", 11), 17: ("H", 7), 19: ("e", 13), 22: ("I", 16),
    23: ("Q", 17),
}  # fmt: skip
_BFLOAT16 = 14


def tensor_value(data: bytes) -> float | None:
    """Return the number in a TensorProto; None if it holds none or several.

    Raises:
        BadRecordError: The bytes are no tensor.
    """
    dtype = 0
    content = b""
    single: dict[int, tuple[int, int | bytes]] = {}
    for number, wire, value in fields(data):
        if number == 1:
            dtype = signed(value)
        elif number == 2:  # noqa: PLR2004
            if any(field == 2 for field, _, _ in fields(message(value))):  # noqa: PLR2004
                return None  # it has dimensions
        elif number == 4:  # noqa: PLR2004
            content = message(value)
        else:
            single[number] = wire, value
    if dtype == _BFLOAT16:
        half = content[:2] if content else _packed(single.get(13), "H")
        return None if len(half) != 2 else _FLOAT.unpack(b"\0\0" + half)[0]  # noqa: PLR2004
    if dtype not in _TYPES:
        return None
    layout, field = _TYPES[dtype]
    raw = content or _packed(single.get(field), layout)
    if len(raw) != struct.calcsize("<" + layout):
        return None
    return float(struct.unpack("<" + layout, raw)[0])


def _packed(found: tuple[int, int | bytes] | None, layout: str) -> bytes:
    """Return a repeated field's only value as little-endian bytes."""
    size = struct.calcsize("<" + layout)
    if found is None:
        return bytes(size)  # the default: a zero is not written
    wire, value = found
    if wire == BYTES and layout not in "fd":
        content = message(value)
        value, _ = _varint(content, 0, len(content))
    if isinstance(value, bytes):
        return value
    return (value & (1 << 8 * size) - 1).to_bytes(size, "little")


def session_hparams(data: bytes) -> dict[str, Scalar] | None:
    """Return the hparams in an HParamsPluginData, None if it starts no session.

    Raises:
        BadRecordError: The bytes are no such message.
    """
    start = [message(value) for number, _, value in fields(data) if number == 3]  # noqa: PLR2004
    if not start:
        return None
    found: dict[str, Scalar] = {}
    for number, _, entry in fields(start[0]):
        if number == 1:
            parts = {key: value for key, _, value in fields(message(entry))}
            key = message(parts.get(1, b"")).decode("utf-8", "replace")
            found[key] = _plain(message(parts.get(2, b"")))
    return found


def _plain(data: bytes) -> Scalar:
    """Return a ``google.protobuf.Value`` that is a number, a text or a boolean."""
    for number, _, value in fields(data):
        if number == 2 and isinstance(value, bytes):  # noqa: PLR2004
            plain = float64(value)
            # The format knows only doubles; 3.0 was most likely written as 3.
            return int(plain) if plain.is_integer() and abs(plain) < 2**53 else plain
        if number == 3:  # noqa: PLR2004
            return message(value).decode("utf-8", "replace")
        if number == 4:  # noqa: PLR2004
            return bool(signed(value))
    return None
