"""Small curves beside figures: a line without axes, in a colour for light and dark."""

import functools
import math
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

INK: Final = "#2b7bc4"
"""Told apart (3:1) from white as well as from the ground of a dark mail."""

_MARGIN = 3.0
_FAINT = 0.45
_SHADE = 0.13

Course = Sequence[float | None]


class Size(Struct, frozen=True):
    """Of a small curve, in CSS pixels."""

    width: int
    height: int


ROW: Final = Size(72, 20)
HERO: Final = Size(150, 52)


def spark(curves: Sequence[Course], size: Size, ink: str = INK) -> str:
    """Return the last of *curves*, the others faint behind it, as an SVG element.

    Each goes over the whole width, oldest value first; all share their height. A gap
    stays a gap. A large one has its ground shaded.
    """
    return _spark(tuple(map(tuple, curves)), size).replace(INK, ink)


@functools.lru_cache(maxsize=64)
def _spark(curves: tuple[tuple[float | None, ...], ...], size: Size) -> str:
    """Return it in `INK`: mail, page and PDF of a report show the same ones."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="spark" aria-hidden="true" '
        f'width="{size.width}" height="{size.height}" '
        f'viewBox="0 0 {size.width} {size.height}">{strokes(curves, size, INK)}</svg>'
    )


def strokes(curves: Sequence[Course], size: Size, ink: str, top: float = 0.0) -> str:
    """Return what is drawn of a small curve whose upper edge is at *top*."""
    if not curves:
        return ""
    known = [v for curve in curves for v in curve if v is not None and math.isfinite(v)]
    if not known:
        return ""
    low, high = min(known), max(known)
    span = high - low
    is_flat = not math.isfinite(span) or span <= 0
    room = size.height - 2 * _MARGIN

    def place(curve: Course) -> list[tuple[float, float] | None]:
        step = (size.width - 2 * _MARGIN) / max(1, len(curve) - 1)
        return [
            None
            if v is None or not math.isfinite(v)
            else (
                _MARGIN + i * step,
                top + _MARGIN + room * (0.5 if is_flat else (high - v) / span),
            )
            for i, v in enumerate(curve)
        ]

    *others, main = map(place, curves)
    parts = [_line(points, ink, 1.2, _FAINT) for points in others]
    if size.height > ROW.height:
        parts.append(_ground(main, ink, top + size.height))
    parts.append(_line(main, ink, 1.8 if size.height > ROW.height else 1.5, 1.0))
    end = next((point for point in reversed(main) if point is not None), None)
    if end is not None:
        parts.append(
            f'<circle cx="{end[0]:.1f}" cy="{end[1]:.1f}" r="2" fill="{ink}"/>'
        )
    return "".join(parts)


def _line(
    points: Sequence[tuple[float, float] | None], ink: str, width: float, opacity: float
) -> str:
    path = " ".join(_moves(points))
    if not path:
        return ""
    return (
        f'<path d="{path}" fill="none" stroke="{ink}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}" stroke-linejoin="round" stroke-linecap="round"/>'
    )


def _moves(points: Sequence[tuple[float, float] | None]) -> Iterator[str]:
    is_drawn = False
    for point in points:
        if point is not None:
            yield f"{'L' if is_drawn else 'M'}{point[0]:.1f} {point[1]:.1f}"
        is_drawn = point is not None


def _ground(
    points: Sequence[tuple[float, float] | None], ink: str, bottom: float
) -> str:
    known = [point for point in points if point is not None]
    if len(known) < len(points) or len(known) < 2:  # noqa: PLR2004 - a gap has no ground
        return ""
    path = " ".join(_moves(known))
    return (
        f'<path d="{path}L{known[-1][0]:.1f} {bottom:.1f}'
        f'L{known[0][0]:.1f} {bottom:.1f}Z" fill="{ink}" fill-opacity="{_SHADE}"/>'
    )
