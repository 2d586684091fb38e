"""Pictures of few colours keep them, others come close."""

import random

from mlreport_batch.render.palette import COLOURS_MAX, reduced


def shown(pixels: bytes) -> list[tuple[int, ...]]:
    """Return the colours (R, G, B) of a reduced picture, pixel by pixel."""
    indices, colours = reduced(pixels)
    return [tuple(colours[3 * index : 3 * index + 3]) for index in indices]


def pixels_of(colours: list[tuple[int, int, int]]) -> bytes:
    return b"".join(bytes((blue, green, red, 7)) for red, green, blue in colours)


def test_few_colours_stay_as_they_are():
    colours = [(value, 255 - value, 3) for value in range(COLOURS_MAX)] * 2
    assert shown(pixels_of(colours)) == colours


def test_many_colours_become_ones_that_are_near():
    dice = random.Random(1)
    colours = [(x % 256, dice.randrange(40), x // 32) for x in range(8000)]
    found = shown(pixels_of(colours))
    assert len(set(found)) == COLOURS_MAX
    far = [max(abs(a - b) for a, b in zip(*each, strict=True))
           for each in zip(colours, found, strict=True)]  # fmt: skip
    assert max(far) <= 32
    assert sum(far) / len(far) <= 10


def test_a_picture_in_which_hardly_anything_differs_has_fewer():
    colours = [(x % 7, x // 7 % 7, x // 49 % 7) for x in range(343)]
    assert len(set(shown(pixels_of(colours)))) == 1
