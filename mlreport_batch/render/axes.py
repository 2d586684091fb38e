"""Axes of charts: from values to pixels, with ticks on round numbers."""

import math
from collections.abc import Sequence
from itertools import pairwise

from msgspec import Struct

LEAST_POWER = -307  # below, powers of ten are no longer exact
_LARGEST = 1e9  # with a unit letter
_DECADES_MANY = 3
_MARGINS = (0.05, 0.17)
_LEAST_OF_UNIT = 0.5


class Axis(Struct, frozen=True):
    """From values to pixels: *start* shows *low*, *start* + *length* the far end."""

    low: float
    span: float
    ticks: tuple[tuple[float, str], ...]
    start: float
    length: float
    is_log: bool = False

    def place(self, values: Sequence[float]) -> list[float]:
        """Return the pixel of each of *values*."""
        per_unit = self.length / self.span
        if self.is_log:
            values = [math.log10(value) for value in values]
        return [self.start + (value - self.low) * per_unit for value in values]


def value_axis(
    values: Sequence[float], *, is_log: bool, room: tuple[bool, bool] = (False, False)
) -> Axis:
    """Return the axis of *values*, which has no place on the picture yet.

    Args:
        values: What must have a place.
        is_log: Whether it is logarithmic; then all values are positive.
        room: Whether a figure needs room below the lowest and above the highest one.
    """
    if not values:
        return Axis(0.0, 1.0, (), 0.0, 0.0)
    low, high = min(values), max(values)
    if is_log:
        low, high = math.log10(low), math.log10(high)
    spare = (high - low) or (0.5 if is_log else abs(low) or 1.0)
    low -= spare * _MARGINS[room[0]]
    high += spare * _MARGINS[room[1]]
    if is_log:
        return _log_axis(low, high)
    return Axis(low, high - low, _marks(nice(low, high, 4)), 0.0, 0.0)


def step_axis(steps: Sequence[float]) -> Axis:
    """Return the axis of *steps*: it begins and ends where they do."""
    if not steps:
        return Axis(0.0, 1.0, (), 0.0, 0.0)
    low, high = min(steps), max(steps)
    if low == high:
        return Axis(low, abs(low) * 0.1 or 1.0, _marks([low]), 0.0, 0.0)
    are_whole = all(step == int(step) for step in (low, high))
    ticks = nice(low, high, 5, are_whole=are_whole)
    return Axis(low, high - low, _marks(ticks), 0.0, 0.0)


def _marks(ticks: Sequence[float]) -> tuple[tuple[float, str], ...]:
    return tuple(zip(ticks, labels(ticks), strict=True))


def _log_axis(low: float, high: float) -> Axis:
    first, last = max(math.ceil(low), LEAST_POWER), math.floor(high)
    stride = max(1, math.ceil((last - first + 1) / 6))
    ticks = [10.0**e for e in range(first, last + 1, stride)]
    if len(ticks) < _DECADES_MANY and first > LEAST_POWER:
        between = [m * 10.0**e for e in range(first - 1, last + 1) for m in (1, 2, 5)]
        ticks = [tick for tick in between if low <= math.log10(tick) <= high]
    marks = tuple((tick, labels([tick])[0]) for tick in ticks)
    return Axis(low, high - low, marks, 0.0, 0.0, is_log=True)


def nice(
    low: float, high: float, count: int, *, are_whole: bool = False
) -> list[float]:
    """Return round numbers between *low* and *high*, about *count* of them.

    Args:
        low: Where they begin.
        high: Where they end.
        count: How many.
        are_whole: Whether only whole numbers are wanted.
    """
    raw = (high - low) / count
    if raw <= 0 or not math.isfinite(raw):
        return [low]
    power = 10.0 ** math.floor(math.log10(raw))
    if power == 0:
        return [low]
    steps = [m * power for m in (1, 2, 2.5, 5, 10)]
    if are_whole:
        steps = [each for each in steps if each >= 1 and each == int(each)] or [1.0]
    step = min(steps, key=lambda each: abs(math.log(each / raw)))
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
    scale, unit = _unit(top, step)
    if not unit:
        return [_fixed(tick, step) for tick in ticks]
    if unit == "e":
        return [_scientific(tick, step) for tick in ticks]
    return [
        "0" if tick == 0 else _fixed(tick / scale, step / scale) + unit
        for tick in ticks
    ]


def _unit(top: float, step: float) -> tuple[float, str]:
    if top < 1e-3 * (1 - 1e-9) or top >= _LARGEST:
        return 1.0, "e"
    for scale, unit in ((1e6, "M"), (1e3, "k")):
        if top >= scale and step >= scale * _LEAST_OF_UNIT:
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
