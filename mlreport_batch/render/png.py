"""Pack pixels as PNG: pictures, drawings in a few inks, and one ink on nothing."""

import functools
import struct
import zlib
from bisect import bisect
from collections.abc import Iterable
from itertools import pairwise, product
from math import prod

_LEVELS = 16
_TO_LEVEL = bytes((255 - value) * _LEVELS // 256 for value in range(256))

_CUTS = (
    (69, 152, 201, 224, 247),
    (102, 127, 188, 212, 239, 253),
    (85, 121, 176, 211, 236),
)
"""Where red, green and blue are cut into levels, closer near white, where tints are.

Searched for with charts: what is left of their colours differs from what it was by less
than is seen, and their levels together fit into a byte.
"""
_WEIGHTS = tuple(prod(len(cuts) + 1 for cuts in _CUTS[at + 1 :]) for at in range(3))
_TO_INDEX = tuple(
    bytes(weight * bisect(cuts, value) for value in range(256))
    for weight, cuts in zip(_WEIGHTS, _CUTS, strict=True)
)
_SHADES = 64
_INKS_MAX = 9
"""Of a drawing whose mixtures so few levels tell apart."""

Ink = tuple[str, float]
"""A colour, as ``#rrggbb``, and its opacity on white."""


def pack_png(pixels: bytes, width: int, height: int) -> bytes:
    """Return *pixels* (B, G, R and an unused byte each) as an opaque PNG."""
    rgb = bytearray(3 * width * height)
    rgb[0::3] = pixels[2::4]
    rgb[1::3] = pixels[1::4]
    rgb[2::3] = pixels[0::4]
    return _packed(bytes(rgb), width, height, kind=2, samples=3)


def pack_drawing(pixels: bytes, width: int, height: int, inks: Iterable[Ink]) -> bytes:
    """Return a drawing as an opaque PNG, of a byte each pixel where inks are few.

    Args:
        pixels: B, G, R and an unused byte each.
        width: In pixels.
        height: In pixels.
        inks: What it is drawn with. They stay as they are; mixtures of them come close.
    """
    inks = frozenset(inks)
    if len(inks) > _INKS_MAX:
        return pack_png(pixels, width, height)
    red, green, blue = (
        int.from_bytes(pixels[at::4].translate(to_index), "little")
        for at, to_index in zip((2, 1, 0), _TO_INDEX, strict=True)
    )
    # Whole numbers as long as the picture: no sum of three bytes is more than a byte.
    indices = (red + green + blue).to_bytes(width * height, "little")
    palette = _part(b"PLTE", _palette(inks))
    return _packed(indices, width, height, kind=3, samples=1, before=palette)


def pack_indexed(indices: bytes, width: int, height: int, colours: bytes) -> bytes:
    """Return an opaque PNG of a byte each pixel: which of *colours* (R, G, B) it has.

    It is packed as small as can be: it is made once, and mailed.
    """
    palette = _part(b"PLTE", colours)
    return _packed(indices, width, height, kind=3, samples=1, before=palette, level=9)


@functools.cache
def _palette(inks: frozenset[Ink]) -> bytes:
    """Return the colour of each index: where it can be one, a shade of an ink."""
    shades: dict[int, list[bytes]] = {}
    for (ink, _), part in product(sorted(inks), range(_SHADES)):
        shade = _on_white((ink, part / _SHADES))
        shades.setdefault(_index(shade), []).append(shade)
    pure = [_on_white(ink) for ink in (("#ffffff", 1.0), *sorted(inks))]
    shades |= {_index(ink): [ink] for ink in pure}
    middles = [[(a + b) // 2 for a, b in pairwise((0, *cuts, 256))] for cuts in _CUTS]
    return b"".join(
        bytes(sum(values) // len(values) for values in zip(*near, strict=True))
        for near in (
            shades.get(index, [bytes(middle)])
            for index, middle in enumerate(product(*middles))
        )
    )


def _on_white(ink: Ink) -> bytes:
    colour, opacity = ink
    return bytes(
        round(255 - (255 - value) * opacity) for value in bytes.fromhex(colour[1:])
    )


def _index(colour: Iterable[int]) -> int:
    return sum(
        to_index[value] for to_index, value in zip(_TO_INDEX, colour, strict=True)
    )


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
    level: int = 1,
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
            _part(b"IDAT", zlib.compress(rows, level)),
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
