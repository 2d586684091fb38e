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
