"""Pack pixels as PNG: pictures, drawings in a few inks, and one ink on nothing."""

import functools
import struct
import zlib
from bisect import bisect
from collections.abc import Iterable
from itertools import chain, pairwise, permutations, product

_LEVELS = 16
_TO_LEVEL = bytes((255 - value) * _LEVELS // 256 for value in range(256))

_CUTS = (24, 50, 76, 100, 122, 143, 162, 179, 195, 209, 221, 231, 239, 246, 252)
"""Where red and green are cut into levels, closer near white, where tints are."""
_OF_GREEN = bytes(bisect(_CUTS, value) for value in range(256))
_OF_RED = bytes(16 * level for level in _OF_GREEN)
_SHADES = 32
_INKS_MAX = 9
"""Of a drawing whose mixtures so few levels tell apart."""

Ink = tuple[str, float]
"""A colour, as ``#rrggbb``, and its opacity on white."""
_Colour = tuple[int, int, int]
_WHITE = (255, 255, 255)


def pack_png(pixels: bytes, width: int, height: int) -> bytes:
    """Return *pixels* (B, G, R and an unused byte each) as an opaque PNG."""
    rgb = bytearray(3 * width * height)
    rgb[0::3] = pixels[2::4]
    rgb[1::3] = pixels[1::4]
    rgb[2::3] = pixels[0::4]
    return _packed(bytes(rgb), width, height, kind=2, samples=3)


def pack_drawing(pixels: bytes, width: int, height: int, inks: Iterable[Ink]) -> bytes:
    """Return a drawing as an opaque PNG, of a byte each pixel where inks are few.

    Red and green tell which ink a pixel has and how much of it; blue, for which eyes
    are least keen, follows from that.

    Args:
        pixels: B, G, R and an unused byte each.
        width: In pixels.
        height: In pixels.
        inks: What it is drawn with. They stay as they are; mixtures of them come close.
    """
    inks = frozenset(inks)
    if len(inks) > _INKS_MAX:
        return pack_png(pixels, width, height)
    red = int.from_bytes(pixels[2::4].translate(_OF_RED), "little")
    green = int.from_bytes(pixels[1::4].translate(_OF_GREEN), "little")
    # Whole numbers as long as the picture; no sum of two bytes is more than a byte.
    indices = (red + green).to_bytes(width * height, "little")
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
    """Return the colour of each index: an ink, a shade of one, a mixture of two."""
    drawn = sorted({_rgb(colour) for colour, _ in inks})
    shades = {
        ink: [_over(_WHITE, ink, part / _SHADES) for part in range(1, _SHADES + 1)]
        for ink in drawn
    }
    mixtures = [
        _over(shade, ink, part)
        for ink, other in permutations(drawn, 2)
        for shade in shades[other][4::9]
        for part in (0.12, 0.3, 0.6)
    ]
    pure = [_over(_WHITE, _rgb(colour), share) for colour, share in sorted(inks)]
    middles = [(a + b) // 2 for a, b in pairwise((0, *_CUTS, 256))]
    found = {
        _index((r, g, 0)): (r, g, (r + g) // 2) for r, g in product(middles, middles)
    }
    for colours in (mixtures, chain(*shades.values()), [*pure, _WHITE]):
        found |= _means(colours)
    return bytes(chain.from_iterable(found[index] for index in range(256)))


def _means(colours: Iterable[_Colour]) -> dict[int, _Colour]:
    """Return the mean of those *colours* that have the same index."""
    near: dict[int, list[_Colour]] = {}
    for colour in colours:
        near.setdefault(_index(colour), []).append(colour)
    return {
        index: (
            sum(red for red, _, _ in each) // len(each),
            sum(green for _, green, _ in each) // len(each),
            sum(blue for _, _, blue in each) // len(each),
        )
        for index, each in near.items()
    }


def _rgb(colour: str) -> _Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:], 16)


def _over(under: _Colour, ink: _Colour, part: float) -> _Colour:
    (r, g, b), (red, green, blue) = under, ink
    return (
        round(r + (red - r) * part),
        round(g + (green - g) * part),
        round(b + (blue - b) * part),
    )


def _index(colour: _Colour) -> int:
    return _OF_RED[colour[0]] + _OF_GREEN[colour[1]]


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
