"""Pictures from run directories, drawn anew: never the bytes that a run wrote.

The engine that draws charts decodes them too, so that no other library is needed. It
works on bytes of anybody's: call `drawn_anew` in a child process with limits only.
"""

import base64
import struct
from collections.abc import Iterator

from mlreport_batch.render import pdf, png

SIDE_MAX = 480
"""Pixels of the longer side of what is shown."""
PNG_MAX = 150_000
"""Bytes of what is shown."""
_PIXELS_MAX = 20_000_000
_LEAST_SIDE = 60
_HEADER_BYTES = 33
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})


def drawn_anew(data: bytes) -> tuple[bytes, int, int] | None:
    """Return a PNG or JPEG as a small PNG of our own, with its width and height.

    None stands for what is no such picture, is not written whole, has too many pixels
    or shows nothing.
    """
    size = size_of(data)
    if size is None or not 0 < size[0] * size[1] <= _PIXELS_MAX:
        return None
    kind = "png" if data.startswith(_PNG) else "jpeg"
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    for width, height in _sizes(*size):
        style = f"display:block;width:{width}px;height:{height}px"
        page = f'<img src="{source}" style="{style}">'
        drawn = pdf.write_picture(page, width=width, height=height)
        if len(drawn) <= PNG_MAX:
            return None if _is_blank(drawn, width, height) else (drawn, width, height)
    return None


def _sizes(width: int, height: int) -> Iterator[tuple[int, int]]:
    """Yield sizes to try, the largest first; a small picture keeps its own."""
    side = min(SIDE_MAX, max(width, height))
    share = side / max(width, height)
    while side >= min(_LEAST_SIDE, width, height):
        yield max(1, round(width * share)), max(1, round(height * share))
        side, share = side * 2 // 3, share * 2 / 3


def _is_blank(drawn: bytes, width: int, height: int) -> bool:
    """Return whether a picture is all white, as one that could not be decoded is."""
    return drawn == png.pack_indexed(
        bytes(width * height), width, height, b"\xff\xff\xff"
    )


def size_of(data: bytes) -> tuple[int, int] | None:
    """Return the width and height that a whole PNG or JPEG states, else None."""
    if data.startswith(_PNG):
        is_whole = b"IEND" in data[-16:] and data[12:16] == b"IHDR"
        is_whole = is_whole and len(data) > _HEADER_BYTES
        return struct.unpack(">II", data[16:24]) if is_whole else None
    if data.startswith(_JPEG) and b"\xff\xd9" in data[-64:]:
        return _jpeg_size(data)
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """Return the size in the first frame header; segments before it are jumped over."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:  # noqa: PLR2004
        kind = data[at + 1]
        if kind == 0xFF or kind in _ALONE:  # noqa: PLR2004
            at += 1 if kind == 0xFF else 2  # noqa: PLR2004
            continue
        if kind in _FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
