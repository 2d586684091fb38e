"""Draw a `Chart` as SVG: quiet axes, honest bands, colours everyone can tell apart.

The picture holds lines and axes; title and legend stand beside it as text, where
they stay readable on a phone. Data reaches the SVG only as numbers and as escaped
text.
"""

import html
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.report.model import Chart, DrawnCurve

WIDTH = 560
HEIGHT = 230
MAX_SERIES = 6
# Okabe and Ito, the two palest last; all are told apart with any colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
DASHES = ("", "", "", "7 3", "7 3", "2 3")
FONT = "NanumGothic, 'DejaVu Sans Mono', 'Noto Emoji', sans-serif"
_MAX_POINTS = 280  # more than one per two pixels cannot be seen
_LOG_SPAN = 1e3
_TEXT_PX = 13
_EMPTY = "\N{EM DASH}"
_LARGEST = 1e15  # with a unit letter
_VISIBLE_PX = 0.5
_LEAST_POWER = -307  # below, powers of ten are no longer exact
_CHAR_PX = 7.4


def svg(chart: Chart, *, width: int = WIDTH, height: int = HEIGHT) -> str:
    """Return *chart* as an SVG element of *width* x *height* CSS pixels.

    At most `MAX_SERIES` series are drawn. The y axis is logarithmic when every
    value is positive and they span more than three decades.
    """
    shown = [_thin(series) for series in chart.series[:MAX_SERIES]]
    top = 10
    xs = [x for s in shown for x, low, _ in s if low is not None]
    ys = [y for s in shown for _, low, high in s for y in (low, high) if y is not None]
    y_axis = _scale(ys, log=is_log(chart))
    x_axis = _scale(xs, log=False, pad=0.0, count=5)
    left = 16 + max((len(text) for _, text in y_axis.ticks), default=0) * _CHAR_PX
    box = _Box(left, top, width - 16, height - 28)
    x_axis = replace(x_axis, start=box.left, length=box.right - box.left)
    y_axis = replace(y_axis, start=box.bottom, length=box.top - box.bottom)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{html.escape(_label(chart), quote=True)}" '
        f'font-family="{FONT}" font-size="{_TEXT_PX}">'
        f'<rect class="bg" width="{width}" height="{height}" fill="#ffffff"/>'
    )
    parts = [head, *_grid(box, x_axis, y_axis)]
    for index, points in enumerate(shown):
        parts.extend(_draw(points, x_axis, y_axis, index))
    if not ys:
        parts.append(
            f'<text x="{(box.left + box.right) / 2:.0f}" '
            f'y="{(box.top + box.bottom) / 2:.0f}" '
            f'text-anchor="middle" fill="#5c6570">{_EMPTY}</text>'
        )
    parts.append("</svg>")
    return "".join(parts)


def is_log(chart: Chart) -> bool:
    """Whether the y axis is logarithmic."""
    values = [
        value
        for series in chart.series[:MAX_SERIES]
        for value in (*series.lows, *series.highs)
        if value is not None and math.isfinite(value)
    ]
    return bool(values) and min(values) > 0 and max(values) / min(values) > _LOG_SPAN


_Point = tuple[float, float | None, float | None]  # x, low, high


class _Box(Struct, frozen=True):
    left: float
    top: float
    right: float
    bottom: float


class _Axis(Struct, frozen=True):
    """From values to pixels: *start* shows *low*, *start* + *length* the far end."""

    low: float
    span: float
    ticks: tuple[tuple[float, str], ...]
    start: float
    length: float
    log: bool = False

    def place(self, values: Sequence[float]) -> list[float]:
        """Return the pixel of each of *values*."""
        per_unit = self.length / self.span
        if self.log:
            values = [math.log10(value) for value in values]
        return [self.start + (value - self.low) * per_unit for value in values]


def _thin(series: DrawnCurve) -> list[_Point]:
    """Return the finite points, neighbours merged until they are few enough."""
    points: list[_Point] = []
    for x, low, high in zip(series.steps, series.lows, series.highs, strict=False):
        if not math.isfinite(x):
            continue
        if low is None or high is None or not math.isfinite(low + high):
            points.append((x, None, None))
        else:
            points.append((x, _tame(low), _tame(high)))
    while len(points) > _MAX_POINTS:
        points = [_merge(points[i : i + 2]) for i in range(0, len(points), 2)]
    return points


def _tame(value: float) -> float:
    return max(-1e300, min(1e300, value))  # so that differences stay finite


def _merge(pair: Sequence[_Point]) -> _Point:
    lows = [low for _, low, _ in pair if low is not None]
    highs = [high for _, _, high in pair if high is not None]
    return (
        pair[-1][0],
        min(lows) if lows else None,
        max(highs) if highs else None,
    )


def _scale(
    values: Sequence[float], *, log: bool, pad: float = 0.05, count: int = 4
) -> _Axis:
    """Return an axis for *values* that has no place on the picture yet."""
    if not values:
        return _Axis(0.0, 1.0, (), 0.0, 0.0)
    low, high = min(values), max(values)
    if log:
        return _log_scale(math.log10(low), math.log10(high))
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        low, high = (low, high + margin) if pad == 0 else (low - margin, high + margin)
    margin = (high - low) * pad
    low, high = low - margin, high + margin
    ticks = _nice(low, high, count)
    marks = tuple(zip(ticks, labels(ticks), strict=True))
    return _Axis(low, high - low, marks, 0.0, 0.0)


def _log_scale(low: float, high: float) -> _Axis:
    margin = (high - low) * 0.04
    low, high = low - margin, high + margin
    first, last = max(math.ceil(low), _LEAST_POWER), math.floor(high)
    stride = max(1, math.ceil((last - first + 1) / 6))
    powers = [10.0**e for e in range(first, last + 1, stride)]
    ticks = tuple((power, labels([power])[0]) for power in powers)
    return _Axis(low, high - low, ticks, 0.0, 0.0, log=True)


def _nice(low: float, high: float, count: int) -> list[float]:
    """Return round numbers between *low* and *high*, about *count* of them."""
    raw = (high - low) / count
    if raw <= 0 or not math.isfinite(raw):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    if power == 0:
        return [low]
    step = min((1, 2, 2.5, 5, 10), key=lambda m: abs(math.log(m * power / raw))) * power
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    if last - first > 4 * count:  # differences below the precision of a float
        return [low]
    return [n * step for n in range(first, last + 1)]


def labels(ticks: Sequence[float]) -> list[str]:
    """Return one short label per tick, all in the same unit and precision.

    >>> labels([0, 5000, 10000])
    ['0', '5k', '10k']
    >>> labels([0.0, 0.0001, 0.0002])
    ['0', '1e-4', '2e-4']
    >>> labels([0.25, 0.5, 0.75])
    ['0.25', '0.50', '0.75']
    """
    top = max((abs(tick) for tick in ticks), default=0.0)
    if top == 0:
        return ["0" for _ in ticks]
    gaps = [abs(b - a) for a, b in pairwise(ticks) if a != b]
    step = min(gaps, default=top)
    scale, unit = _unit(top)
    if not unit:
        return [_fixed(tick, step) for tick in ticks]
    if unit == "e":
        return [_scientific(tick, step) for tick in ticks]
    return [
        "0" if tick == 0 else _fixed(tick / scale, step / scale) + unit
        for tick in ticks
    ]


def _unit(top: float) -> tuple[float, str]:
    if top < 1e-3 * (1 - 1e-9) or top >= _LARGEST:
        return 1.0, "e"
    for scale, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if top >= scale:
            return scale, unit
    return 1.0, ""


def _fixed(value: float, step: float) -> str:
    for places in range(10):
        if abs(round(step, places) - step) <= step * 1e-6:
            return f"{value:.{places}f}".replace("-", "\u2212")
    return f"{value:.6g}".replace("-", "\u2212")


def _scientific(value: float, step: float) -> str:
    if value == 0:
        return "0"
    text = repr(value)
    for digits in range(10):
        text = f"{value:.{digits}e}"
        if abs(float(text) - value) <= step * 1e-3:
            break
    mantissa, _, power = text.partition("e")
    return f"{mantissa}e{int(power)}".replace("-", "\u2212", value < 0)


def _label(chart: Chart) -> str:
    return f"{chart.title}: " + ", ".join(
        f"{s.key} {s.latest}" for s in chart.series[:MAX_SERIES]
    )


def _grid(box: _Box, x_axis: _Axis, y_axis: _Axis) -> Iterator[str]:
    for value, text in y_axis.ticks:
        (y,) = y_axis.place([value])
        yield (
            f'<path class="grid" d="M{box.left:.1f} {y:.1f}H{box.right:.1f}" '
            f'stroke="#e4e7eb"/><text x="{box.left - 7:.1f}" y="{y + 4.5:.1f}" '
            f'text-anchor="end" fill="#5c6570">{text}</text>'
        )
    for value, text in x_axis.ticks:
        (x,) = x_axis.place([value])
        half = len(text) * _CHAR_PX / 2
        x_text = min(max(x, half), box.right + 14 - half)
        yield (
            f'<path class="axis" d="M{x:.1f} {box.bottom:.1f}v4" stroke="#9aa3ad"/>'
            f'<text x="{x_text:.1f}" y="{box.bottom + 19:.1f}" text-anchor="middle" '
            f'fill="#5c6570">{text}</text>'
        )
    yield (
        f'<path class="axis" d="M{box.left:.1f} {box.bottom:.1f}H{box.right:.1f}" '
        f'stroke="#9aa3ad"/>'
    )


def _draw(
    points: Sequence[_Point], x_axis: _Axis, y_axis: _Axis, index: int
) -> Iterator[str]:
    colour, dash = COLOURS[index], DASHES[index]
    dash = f' stroke-dasharray="{dash}"' if dash else ""
    last: tuple[float, float] | None = None
    for segment in _segments(points):
        xs = x_axis.place([x for x, _, _ in segment])
        lows = y_axis.place([low for _, low, _ in segment])
        highs = y_axis.place([high for _, _, high in segment])
        last = xs[-1], (lows[-1] + highs[-1]) / 2
        if any(a - b > _VISIBLE_PX for a, b in zip(lows, highs, strict=True)):
            ring = _path([*xs, *reversed(xs)], [*lows, *reversed(highs)])
            yield f'<path d="{ring}Z" fill="{colour}" fill-opacity="0.16"/>'
        if len(segment) == 1:
            yield _dot(last, 3, colour)
            continue
        middle = [(a + b) / 2 for a, b in zip(lows, highs, strict=True)]
        yield (
            f'<path d="{_path(xs, middle)}" fill="none" stroke="{colour}" '
            f'stroke-width="2" stroke-linejoin="round"{dash}/>'
        )
    if last is not None:
        yield _dot(last, 3.5, colour)


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
