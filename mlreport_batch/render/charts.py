"""Draw a `Chart` as SVG: quiet axes, honest bands, colours everyone can tell apart.

The picture holds lines and axes; title and legend stand beside it as text, where
they stay readable on a phone. Data reaches the SVG only as numbers and as escaped
text.

A dot marks the last value, a ring the best one, a red field what is no number, a grey
field what is planned and still to come. What is noisy is drawn faintly, with a smoothed
line over it.
"""

import html
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeGuard

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.render.axes import Axis, step_axis, value_axis
from mlreport_batch.render.captions import Track, caption
from mlreport_batch.report.drawn import Chart, DrawnCurve

WIDTH = 560
HEIGHT = 230
MAX_SERIES = 6
# Okabe and Ito, the two palest last; all are told apart with any colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("", "", "", "7 3", "7 3", "2 3")
FONT = "'IBM Plex Sans', NanumGothic, 'DejaVu Sans Mono', 'Noto Emoji', sans-serif"
_MAX_POINTS = 280  # more than one per two pixels cannot be seen
_TEXT_PX = 13
_EMPTY = "\N{EM DASH}"
_VISIBLE_PX = 0.5
_HUGE = 1e300  # so that differences stay finite
_CHAR_PX = 7.4
_BAD = "#b3261e"
_SOFT = "#5c6570"

_SMOOTHING = 0.8
_NOISY_POINTS = 24
_NOISY_TURNS = 0.4
"""Noise turns at two points of three, a schedule seldom."""
_NOISY_PX = 3.0


def svg(chart: Chart, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Return *chart* as an SVG element of *width* x *height* CSS pixels.

    At most `MAX_SERIES` series are drawn.
    """
    curves = [_Drawn(each, _thin(each)) for each in chart.series[:MAX_SERIES]]
    ys = [y for curve in curves for y in curve.values()]
    y_axis = value_axis(ys, is_log=is_log(chart), room=_room(chart))
    x_axis = step_axis(_steps(chart, curves))
    left = 16 + max((len(text) for _, text in y_axis.ticks), default=0) * _CHAR_PX
    box = _Box(left, 10, width - 16, height - 28)
    x_axis = replace(x_axis, start=box.left, length=box.right - box.left)
    y_axis = replace(y_axis, start=box.bottom, length=box.top - box.bottom)
    field = _Field(box, x_axis, y_axis)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{html.escape(_label(chart), quote=True)}" '
        f'font-family="{FONT}" font-size="{_TEXT_PX}">'
        f'<rect class="bg" width="{width}" height="{height}" fill="#ffffff"/>'
    )
    parts = [
        head,
        *_ahead(chart, field),
        *_no_number(chart, field),
        *_grid(field),
    ]
    for index, curve in enumerate(curves):
        parts.extend(_draw(curve, field, chart.smoothing, index))
    ringed = [
        (at, each.series) for at, each in enumerate(curves) if _is_ringed(each.series)
    ]
    tracks = (
        [track for each in curves for track in _tracks(each, field)] if ringed else []
    )
    for index, series in ringed:
        parts.extend(_best(series, field, index, tracks))
    if not ys:
        parts.append(
            _text((box.left + box.right) / 2, (box.top + box.bottom) / 2, _EMPTY)
        )
    parts.append("</svg>")
    return "".join(parts)


def is_log(chart: Chart) -> bool:
    """Whether the y axis is logarithmic: as wished, where all values are positive."""
    shown = chart.series[:MAX_SERIES]
    values = [v for series in shown for v in series.lows]
    values += [v for series in shown for _, v in _marks(series)]
    return chart.is_log and all(value is None or value > 0 for value in values)


_Point = tuple[float, float | None, float | None]  # x, low, high


class _Box(Struct, frozen=True):
    left: float
    top: float
    right: float
    bottom: float


class _Field(Struct, frozen=True):
    """Where on the picture values have their place."""

    box: _Box
    x_axis: Axis
    y_axis: Axis

    def place(self, at: tuple[float, float]) -> tuple[float, float]:
        """Return the pixels of a (step, value)."""
        return self.x_axis.place([at[0]])[0], self.y_axis.place([_tame(at[1])])[0]


class _Drawn(Struct, frozen=True):
    series: DrawnCurve
    points: Sequence[_Point]

    def values(self) -> list[float]:
        """Return all values that must have a place on the picture."""
        lows = [low for _, low, _ in self.points if low is not None]
        highs = [high for _, _, high in self.points if high is not None]
        return lows + highs + [_tame(value) for _, value in _marks(self.series)]


def _room(chart: Chart) -> tuple[bool, bool]:
    """Return whether figures of best values need room below and above."""
    goals = {each.goal for each in chart.series[:MAX_SERIES] if _is_ringed(each)}
    return "min" in goals, "max" in goals


def _steps(chart: Chart, curves: Sequence[_Drawn]) -> list[float]:
    """Return the steps that the x axis must have: it ends where the run does."""
    found = [x for curve in curves for x, low, _ in curve.points if low is not None]
    if not found:
        return []
    marks = [x for curve in curves for x, _ in _marks(curve.series)]
    ends = [end for end in (chart.until, chart.planned) if _is_finite(end)]
    return [*found, *marks, *ends]


def _is_finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _is_ringed(series: DrawnCurve) -> bool:
    """Return whether the best value has a mark of its own beside the last one's."""
    is_last = series.last and series.best and series.last[1] == series.best[1]
    return series.best in _marks(series) and not is_last


def _marks(series: DrawnCurve) -> list[tuple[float, float]]:
    """Return the (step, value) that are marked and have a place."""
    found = (series.last, series.best)
    return [mark for mark in found if mark and all(map(math.isfinite, mark))]


def _thin(series: DrawnCurve) -> list[_Point]:
    """Return the finite points, neighbours merged until they are few enough."""
    points: list[_Point] = []
    for x, low, high in zip(series.steps, series.lows, series.highs, strict=False):
        if not math.isfinite(x):
            continue
        if low is None or high is None or not math.isfinite(low + high):
            points.append((x, None, None))
        elif -_HUGE < low <= high < _HUGE:
            points.append((x, low, high))
        else:
            points.append((x, _tame(low), _tame(high)))
    while len(points) > _MAX_POINTS:
        points = [_merge(points[i : i + 2]) for i in range(0, len(points), 2)]
    return points


def _tame(value: float) -> float:
    return max(-_HUGE, min(_HUGE, value))


def _merge(pair: Sequence[_Point]) -> _Point:
    lows = [low for _, low, _ in pair if low is not None]
    highs = [high for _, _, high in pair if high is not None]
    return (
        pair[-1][0],
        min(lows) if lows else None,
        max(highs) if highs else None,
    )


def _label(chart: Chart) -> str:
    return f"{chart.title}: " + ", ".join(
        f"{s.key} {s.latest}" for s in chart.series[:MAX_SERIES]
    )


def _grid(field: _Field) -> Iterator[str]:
    box = field.box
    heights = field.y_axis.place([value for value, _ in field.y_axis.ticks])
    places = field.x_axis.place([value for value, _ in field.x_axis.ticks])
    rules = "".join([f"M{box.left:.1f} {y:.1f}H{box.right:.1f}" for y in heights])
    marks = "".join([f"M{x:.1f} {box.bottom:.1f}v4" for x in places])
    base = f"M{box.left:.1f} {box.bottom:.1f}H{box.right:.1f}"
    if rules:
        yield f'<path class="grid" d="{rules}" stroke="#e4e7eb"/>'
    yield f'<path class="axis" d="{base}{marks}" stroke="#9aa3ad"/>'
    for y, (_, text) in zip(heights, field.y_axis.ticks, strict=True):
        yield _text(box.left - 7, y + 4.5, text, anchor="end")
    for x, (_, text) in zip(places, field.x_axis.ticks, strict=True):
        half = len(text) * _CHAR_PX / 2
        at = min(max(x, half), box.right + 14 - half)
        yield _text(at, box.bottom + 19, text)


def _ahead(chart: Chart, field: _Field) -> Iterator[str]:
    """Yield what is planned and still to come."""
    if not (_is_finite(chart.planned) and _is_finite(chart.until)):
        return
    start, end = field.x_axis.place([chart.until, chart.planned])
    yield _shade(field.box, start, end, _SOFT)
    text = html.escape(chart.planned_text)
    if len(text) * _CHAR_PX < end - start - 8:
        yield _text(end - 4, field.box.top + 14, text, anchor="end")


def _no_number(chart: Chart, field: _Field) -> Iterator[str]:
    """Yield where the first of the curves that end in no number began to."""
    bad = [(each.bad_since, each.latest) for each in chart.series[:MAX_SERIES]]
    since, latest = min(
        ((at, text) for at, text in bad if _is_finite(at)), default=(math.nan, "")
    )
    until = max(since, chart.until) if _is_finite(chart.until) else since
    start, end = field.x_axis.place([since, until])
    box = field.box
    if not box.left - 1 <= start <= end <= box.right + 1:
        return
    yield _shade(box, start, end, _BAD)
    yield (
        f'<path d="M{start:.1f} {box.top:.1f}V{box.bottom:.1f}" stroke="{_BAD}" '
        f'stroke-dasharray="4 3"/>'
    )
    text = html.escape(latest)
    has_room = start + len(text) * _CHAR_PX + 10 < box.right
    at, anchor = (start + 5, "start") if has_room else (start - 5, "end")
    yield _text(at, box.top + 14, text, anchor=anchor, fill=_BAD)


def _shade(box: _Box, start: float, end: float, fill: str) -> str:
    return (
        f'<rect x="{start:.1f}" y="{box.top:.1f}" width="{end - start:.1f}" '
        f'height="{box.bottom - box.top:.1f}" fill="{fill}" fill-opacity="0.08"/>'
    )


def _draw(
    curve: _Drawn, field: _Field, smoothing: float | None, index: int
) -> Iterator[str]:
    colour, dash = COLOURS[index], DASHES[index]
    dash = f' stroke-dasharray="{dash}"' if dash else ""
    shown = curve.series.last
    last = field.place(shown) if shown in _marks(curve.series) and shown else None
    segments = list(_segments(curve.points))
    for number, segment in enumerate(segments, 1):
        xs = field.x_axis.place([x for x, _, _ in segment])
        lows = field.y_axis.place([low for _, low, _ in segment])
        highs = field.y_axis.place([high for _, _, high in segment])
        is_band = any(a - b > _VISIBLE_PX for a, b in zip(lows, highs, strict=True))
        if is_band:
            ring = _path([*xs, *reversed(xs)], [*lows, *reversed(highs)])
            yield f'<path d="{ring}Z" fill="{colour}" fill-opacity="0.16"/>'
        if len(segment) == 1:
            yield _dot((xs[0], (lows[0] + highs[0]) / 2), 3, colour)
            continue
        middle = [(a + b) / 2 for a, b in zip(lows, highs, strict=True)]
        if last is not None and number == len(segments) and xs[-1] <= last[0]:
            middle[-1] = last[1]
        smooth = _smoothed(middle, smoothing)
        if smooth is not None and not is_band:
            yield (
                f'<path d="{_path(xs, middle)}" fill="none" stroke="{colour}" '
                f'stroke-opacity="0.35" stroke-linejoin="round"/>'
            )
        yield (
            f'<path d="{_path(xs, smooth or middle)}" fill="none" stroke="{colour}" '
            f'stroke-width="2" stroke-linejoin="round"{dash}/>'
        )
    if last is not None:
        yield _dot(last, 3.5, colour)


def _smoothed(ys: Sequence[float], wish: float | None) -> list[float] | None:
    """Return a smoothed line, None for one that is drawn as it is.

    The mean of an exponential average from the left and one from the right has no lag.
    """
    weight = (_SMOOTHING if _is_noisy(ys) else 0.0) if wish is None else wish
    if not weight:
        return None
    there = _averaged(ys, weight)
    back = reversed(_averaged(ys[::-1], weight))
    return [(a + b) / 2 for a, b in zip(there, back, strict=True)]


def _averaged(ys: Sequence[float], weight: float) -> list[float]:
    total, share, found = 0.0, 0.0, []
    for y in ys:
        total = total * weight + y * (1 - weight)
        share = share * weight + 1 - weight
        found.append(total / share)
    return found


def _is_noisy(ys: Sequence[float]) -> bool:
    """Return whether a line goes up and down without a shape of its own.

    A schedule that goes up and down turns seldom; noise turns at each point.
    """
    if len(ys) < _NOISY_POINTS:
        return False
    ways = [b - a for a, b in pairwise(ys)]
    turns = [abs(b - a) for a, b in pairwise(ways) if a * b < 0]
    is_seen = sum(turns) > _NOISY_PX * len(ys)
    return is_seen and len(turns) > _NOISY_TURNS * len(ys)


def _tracks(curve: _Drawn, field: _Field) -> Iterator[Track]:
    """Yield where a curve is drawn."""
    for segment in _segments(curve.points):
        xs, lows, highs = zip(*segment, strict=True)
        yield Track(
            field.x_axis.place(xs), field.y_axis.place(lows), field.y_axis.place(highs)
        )


def _best(
    series: DrawnCurve, field: _Field, index: int, tracks: Sequence[Track]
) -> Iterator[str]:
    """Yield a ring around the best value, with its figure where no curve is."""
    if series.best is None:
        return
    x, y = field.place(series.best)
    yield (
        f'<circle class="bg" cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#ffffff" '
        f'stroke="{COLOURS[index]}" stroke-width="2"/>'
    )
    text = html.escape(series.best_text)
    box = field.box
    left, top, right, bottom = caption(
        len(text) * _CHAR_PX,
        (x, y),
        (box.left, box.top, box.right, box.bottom),
        tracks,
        is_low=series.goal == "min",
    )
    yield (
        f'<rect class="bg" x="{left:.1f}" y="{top:.1f}" height="{bottom - top:.0f}" '
        f'width="{right - left:.1f}" fill="#ffffff" fill-opacity="0.7"/>'
    )
    yield _text((left + right) / 2, bottom - 3, text)


def _text(
    x: float, y: float, text: str, *, anchor: str = "middle", fill: str = _SOFT
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">'
        f"{text}</text>"
    )


def _dot(at: tuple[float, float], radius: float, colour: str) -> str:
    return f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius}" fill="{colour}"/>'


def _segments(points: Sequence[_Point]) -> Iterator[list[tuple[float, float, float]]]:
    segment: list[tuple[float, float, float]] = []
    for x, low, high in points:
        if low is None or high is None:
            if segment:
                yield segment
            segment = []
        else:
            segment.append((x, low, high))
    if segment:
        yield segment


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    return "M" + " ".join([f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True)])
