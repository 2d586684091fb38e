"""Picture files for tests: tiny, whole and broken."""

import base64
import struct
import zlib

from mlreport_batch.render.png import pack_png

JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////"
    "////////////////////////////////////////////2wBDAVVaWnhpeOuCguv/////////////"
    "////////////////////////////////////////////////////////////wAARCAAQABgDASIA"
    "AhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAH/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEB"
    "AQAAAAAAAAAAAAAAAAAAAAP/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCAIrAA"
    "P//Z"
)
"""24 x 16 pixels, all orange."""


def png(width: int = 30, height: int = 20, *, note: bytes = b"") -> bytes:
    """Return a PNG whose left half is red; *note* stands in it as a text."""
    row = b"\x00\x00\xff\x00" * (width // 2) + b"\xff" * 4 * (width - width // 2)
    plain = pack_png(row * height, width, height)
    body = b"tEXtComment\x00" + note
    text = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return plain[:33] + (text if note else b"") + plain[33:]


def stating(width: int, height: int) -> bytes:
    """Return a PNG that states a size which it has not."""
    head = b"IHDR" + struct.pack(">II", width, height)
    made = png()
    rest = head + made[24:29]
    return made[:12] + rest + struct.pack(">I", zlib.crc32(rest)) + made[33:]


def pixels_of(data: bytes) -> tuple[int, int, list[bytes]]:
    """Return width, height and rows (R, G, B) of an opaque PNG without filters."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, parts = 8, {}
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        part = data[at + 8 : at + 8 + length]
        (crc,) = struct.unpack(">I", data[at + 8 + length : at + 12 + length])
        assert crc == zlib.crc32(kind + part)
        parts[kind] = part
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert depth == 8
    assert colour in (2, 3)
    assert b"tRNS" not in parts
    raw = zlib.decompress(parts[b"IDAT"])
    stride = 1 + width * (3 if colour == 2 else 1)
    assert len(raw) == stride * height
    assert not any(raw[::stride])
    rows = [raw[y * stride + 1 : (y + 1) * stride] for y in range(height)]
    if colour == 3:
        palette = parts[b"PLTE"]
        colours = [palette[at : at + 3] for at in range(0, len(palette), 3)]
        rows = [b"".join([colours[index] for index in row]) for row in rows]
    return width, height, rows
