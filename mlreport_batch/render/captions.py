"""Where a figure stands beside its mark, so that it lies over no curve."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

_HIGH: Final = 15
_SLACK: Final = 3
"""Pixels of a figure's area without ink."""
Area = tuple[float, float, float, float]
"""Left, top, right, bottom, in pixels."""


class Track(Struct, frozen=True):
    """An unbroken piece of a drawn curve, in pixels.

    Attributes:
        xs: Ascending.
        lows: The lower edge at each of them.
        highs: The upper edge, which is no lower; y grows downwards.
    """

    xs: Sequence[float]
    lows: Sequence[float]
    highs: Sequence[float]


def caption(
    wide: float,
    at: tuple[float, float],
    room: Area,
    tracks: Sequence[Track],
    *,
    is_low: bool,
) -> Area:
    """Return where the figure of a mark stands: where no curve is, if there is a place.

    Args:
        wide: The figure's width.
        at: The mark.
        room: Where figures may stand.
        tracks: The curves.
        is_low: Whether it stands below the mark rather than above it.
    """
    x, y = at
    left, top, right, bottom = room
    middle = min(max(x - wide / 2, left), right - wide)
    corners = [(middle, y + 5), (middle, y - 21)]
    if not is_low:
        corners.reverse()
    corners += [(x + 8, y - 7), (x - 8 - wide, y - 7)]
    areas = [(a, b, a + wide, b + _HIGH) for a, b in corners]
    fitting = [
        area
        for area in areas
        if area[0] >= left
        and area[2] <= right
        and area[1] >= top - _SLACK
        and area[3] <= bottom + _SLACK
    ]
    clear = (a for a in fitting if not any(_meets(track, a) for track in tracks))
    return next(clear, (fitting or areas)[0])


def _meets(track: Track, area: Area) -> bool:
    """Return whether a curve goes through an area."""
    left, top, right, bottom = area
    begin = max(0, bisect_left(track.xs, left) - 1)
    end = min(len(track.xs), bisect_right(track.xs, right) + 1)
    for at in range(begin, end):
        after = min(at + 1, end - 1)
        start, wide = track.xs[at], track.xs[after] - track.xs[at]
        if start + wide < left or start > right:
            continue
        shares = (0.0, 1.0)
        if wide:
            shares = max(0.0, (left - start) / wide), min(1.0, (right - start) / wide)
        highest = min(_between(track.highs, at, after, share) for share in shares)
        lowest = max(_between(track.lows, at, after, share) for share in shares)
        if highest <= bottom and lowest >= top:
            return True
    return False


def _between(ys: Sequence[float], at: int, after: int, share: float) -> float:
    """Return the height at a share of the way from one point to the next."""
    return ys[at] + (ys[after] - ys[at]) * share
