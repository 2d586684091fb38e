"""Reduce a picture to 256 colours: a quarter of the bytes, and hardly seen.

A picture of few colours keeps them. Of others the colours, in steps of 8, are cut into
boxes, at the median of what spreads most, and each box becomes its mean (Heckbert's
median cut).
"""

import heapq
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Whole = NDArray[np.int64]
    Real = NDArray[np.float64]

COLOURS_MAX: Final = 256
_SHARP: Final = 3
"""Bits of a colour's parts that are passed over."""
_BITS: Final = 8 - _SHARP


def reduced(pixels: bytes) -> tuple[bytes, bytes]:
    """Return a picture as a byte each pixel, and the colours that these stand for.

    Args:
        pixels: B, G, R and an unused byte each.

    Returns:
        The index of each pixel's colour, and R, G, B of each colour.
    """
    import numpy as np

    parts = np.frombuffer(pixels, np.uint8).reshape(-1, 4)[:, 2::-1].astype(np.int64)
    exact, indices = np.unique(parts @ (1 << 16, 1 << 8, 1), return_inverse=True)
    if len(exact) <= COLOURS_MAX:
        colours = np.stack([exact >> 16, exact >> 8, exact], axis=1)
        return _bytes(indices), _bytes(colours & 0xFF)
    codes = (parts >> _SHARP) @ (1 << 2 * _BITS, 1 << _BITS, 1)
    counts = np.bincount(codes)
    used = np.flatnonzero(counts)
    sums = [np.bincount(codes, part)[used] for part in parts.T]
    means = np.stack(sums, axis=1) / counts[used][:, None]
    boxes = _boxes(means, counts[used])
    lookup = np.zeros(len(counts), np.int64)
    colours = np.zeros((len(boxes), 3))
    for number, box in enumerate(boxes):
        lookup[used[box]] = number
        colours[number] = np.average(means[box], axis=0, weights=counts[used[box]])
    return _bytes(lookup[codes]), _bytes(colours.round())


def _bytes(numbers: "Whole | Real") -> bytes:
    return numbers.astype("uint8").tobytes()


def _boxes(means: "Real", counts: "Whole") -> "list[Whole]":
    """Return the places of the colours of each box.

    Args:
        means: The colours.
        counts: How many pixels have each.
    """
    import numpy as np

    boxes = [np.arange(len(means))]
    heap = [(*_spread(means, counts), 0)]
    while heap and len(boxes) < COLOURS_MAX:
        spread, part, number = heapq.heappop(heap)
        box = boxes[number]
        if not spread or len(box) == 1:
            continue
        box = box[np.argsort(means[box, part], kind="stable")]
        before = np.cumsum(counts[box])
        half = int(np.searchsorted(before, before[-1] / 2))
        half = min(max(half, 1), len(box) - 1)
        boxes[number] = box[:half]
        boxes.append(box[half:])
        for each in (number, len(boxes) - 1):
            near = boxes[each]
            heapq.heappush(heap, (*_spread(means[near], counts[near]), each))
    return boxes


def _spread(means: "Real", counts: "Whole") -> tuple[float, int]:
    """Return minus how far some colours are apart, and in which part of them."""
    import numpy as np

    middle = np.average(means, axis=0, weights=counts)
    spreads = counts @ (means - middle) ** 2
    part = int(spreads.argmax())
    return -float(spreads[part]), part
