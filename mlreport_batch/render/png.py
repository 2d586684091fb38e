"""Pack pixels as PNG: opaque pictures, and one colour on nothing."""

import struct
import zlib

_LEVELS = 16
_TO_LEVEL = bytes((255 - value) * _LEVELS // 256 for value in range(256))


def pack_png(pixels: bytes, width: int, height: int) -> bytes:
    """Return *pixels* (B, G, R and an unused byte each) as an opaque PNG."""
    rgb = bytearray(3 * width * height)
    rgb[0::3] = pixels[2::4]
    rgb[1::3] = pixels[1::4]
    rgb[2::3] = pixels[0::4]
    return _packed(bytes(rgb), width, height, kind=2, samples=3)


def pack_ink(greys: bytes, width: int, height: int, ink: str) -> bytes:
    """Return what is drawn black on white as a PNG in one colour on nothing.

    It fits any ground, that of a dark mail as well.

    Args:
        greys: A byte each pixel, 0 for full ink.
        width: In pixels.
        height: In pixels.
        ink: The colour, as ``#rrggbb``.
    """
    colour = bytes.fromhex(ink.removeprefix("#"))
    palette = _part(b"PLTE", colour * _LEVELS)
    opacity = _part(
        b"tRNS", bytes(255 * level // (_LEVELS - 1) for level in range(_LEVELS))
    )
    levels = greys.translate(_TO_LEVEL)
    return _packed(levels, width, height, kind=3, samples=1, before=palette + opacity)


def _packed(
    data: bytes,
    width: int,
    height: int,
    *,
    kind: int,
    samples: int,
    before: bytes = b"",
) -> bytes:
    stride = samples * width
    # The filter byte in front of each row is the reason for the copy per row.
    rows = b"\0" + b"\0".join(
        [data[at : at + stride] for at in range(0, stride * height, stride)]
    )
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _part(b"IHDR", header),
            before,
            _part(b"IDAT", zlib.compress(rows, 1)),
            _part(b"IEND", b""),
        )
    )


def _part(kind: bytes, data: bytes) -> bytes:
    return (
        struct.pack(">I", len(data))
        + kind
        + data
        + struct.pack(">I", zlib.crc32(kind + data))
    )
