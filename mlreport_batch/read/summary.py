"""What is kept of a metric: a bounded summary and a bounded course."""

import math
from array import array
from operator import itemgetter

from msgspec import Struct

CURVE_BUCKETS = 96


class Curve(Struct, frozen=True):
    """The course of a metric in at most 96 buckets of equal length.

    Bucket *i* covers points ``i * width`` up to ``(i + 1) * width`` in writing
    order. While ``width`` is 1, every point is in it.

    Attributes:
        width: Points in a full bucket, a power of two.
        steps: First step of each bucket, packed float64.
        lows: Lowest finite value of each bucket, packed float32; NaN if none.
        highs: Highest finite value of each bucket, likewise.
    """

    width: int
    steps: bytes
    lows: bytes
    highs: bytes

    def points(self) -> list[tuple[float, float | None, float | None]]:
        """Return (step, low, high) of each bucket, by step; None for nothing finite."""
        steps, lows, highs = array("d"), array("f"), array("f")
        steps.frombytes(self.steps)
        lows.frombytes(self.lows)
        highs.frombytes(self.highs)
        found: list[tuple[float, float | None, float | None]]
        found = list(zip(steps, lows, highs, strict=True))
        if any(map(math.isnan, lows)):
            found = [
                point if point[1] == point[1] else (point[0], None, None)
                for point in found
            ]
        found.sort(key=itemgetter(0))  # some logs are not written in order
        return found


class MetricSummary(Struct, frozen=True, omit_defaults=True):
    """What is known of one metric of one log.

    Attributes:
        count: Values written, NaN and infinities included, orphans left out.
        nans: How many of them are NaN.
        infinities: How many of them are infinite.
        first_step: The least step.
        last: The value at the highest step; of several, the one written last.
        last_step: Its step.
        low: Lowest finite value, None where there is none.
        low_step: The step it was first reached at.
        high: Highest finite value, likewise.
        high_step: The step it was first reached at.
        curve: The bounded course.
        bad_since: The step of the first of the values, none of them finite, that the
            metric ends in; None where its last value is finite. States of earlier
            versions have none: see `began_to_fail`.
    """

    count: int
    nans: int
    infinities: int
    first_step: float
    last: float
    last_step: float
    low: float | None
    low_step: float | None
    high: float | None
    high_step: float | None
    curve: Curve
    bad_since: float | None = None


FLOAT32_MAX = 3.4028234663852886e38


def began_to_fail(summary: MetricSummary) -> float | None:
    """Return the step since which no value of a metric is finite, None if one is.

    What an earlier version kept tells it to the width of one bucket.
    """
    if summary.bad_since is not None or math.isfinite(summary.last):
        return summary.bad_since
    since = summary.last_step
    for step, low, _ in reversed(summary.curve.points()):
        if low is not None:
            break
        since = step
    return since


class MetricFold:
    """The mutable twin of a `MetricSummary`, used while a log is read."""

    __slots__ = (
        "bad_since", "count", "first_step", "high", "high_step", "highs", "infinities",
        "last", "last_step", "low", "low_step", "lows", "nans", "open_points", "steps",
        "width",
    )  # fmt: skip

    def __init__(self, summary: MetricSummary | None) -> None:
        self.steps, self.lows, self.highs = array("d"), array("f"), array("f")
        if summary is None:
            self.count = self.nans = self.infinities = 0
            self.first_step = self.last_step = self.last = math.nan
            self.low: float | None = None
            self.high: float | None = None
            self.low_step: float | None = None
            self.high_step: float | None = None
            self.bad_since: float | None = None
            self.width, self.open_points = 1, 0
            return
        self.count, self.nans = summary.count, summary.nans
        self.infinities = summary.infinities
        self.first_step, self.last_step = summary.first_step, summary.last_step
        self.last, self.bad_since = summary.last, began_to_fail(summary)
        self.low, self.low_step = summary.low, summary.low_step
        self.high, self.high_step = summary.high, summary.high_step
        self.width = summary.curve.width
        self.steps.frombytes(summary.curve.steps)
        self.lows.frombytes(summary.curve.lows)
        self.highs.frombytes(summary.curve.highs)
        self.open_points = self.count - (len(self.steps) - 1) * self.width
        if not self.steps:
            self.open_points = 0

    def add(self, step: float, value: float) -> None:  # noqa: C901, PLR0912 - hot
        """Fold one value in."""
        if not self.count:
            self.first_step = self.last_step = step
        self.count += 1
        finite = value - value == 0
        if step >= self.last_step:
            self.last, self.last_step = value, step
            if finite:
                self.bad_since = None
            elif self.bad_since is None:
                self.bad_since = step
        else:
            self._note_late(step, value)
        if finite:
            if self.low is None or value < self.low:
                self.low, self.low_step = value, step
            if self.high is None or value > self.high:
                self.high, self.high_step = value, step
            shown = max(-FLOAT32_MAX, min(FLOAT32_MAX, value))
        else:
            if value != value:  # noqa: PLR0124
                self.nans += 1
            else:
                self.infinities += 1
            shown = math.nan
        if self.steps and self.open_points < self.width:
            self.open_points += 1
            if finite:
                if not self.lows[-1] <= shown:
                    self.lows[-1] = shown
                if not self.highs[-1] >= shown:
                    self.highs[-1] = shown
            return
        if len(self.steps) == CURVE_BUCKETS:
            self._halve()
        self.steps.append(step)
        self.lows.append(shown)
        self.highs.append(shown)
        self.open_points = 1

    def _note_late(self, step: float, value: float) -> None:
        """Note what a value says that belongs before others."""
        self.first_step = min(step, self.first_step)
        if value == self.low and self.low_step is not None:
            self.low_step = min(step, self.low_step)
        if value == self.high and self.high_step is not None:
            self.high_step = min(step, self.high_step)

    def _halve(self) -> None:
        steps, lows, highs = self.steps, self.lows, self.highs
        self.steps = steps[::2]
        self.lows = array("f", map(_lower, lows[::2], lows[1::2]))
        self.highs = array("f", map(_higher, highs[::2], highs[1::2]))
        self.width *= 2

    def summary(self) -> MetricSummary:
        """Return what was folded so far."""
        curve = Curve(
            self.width, self.steps.tobytes(), self.lows.tobytes(), self.highs.tobytes()
        )
        return MetricSummary(
            self.count, self.nans, self.infinities, self.first_step,
            self.last, self.last_step, self.low, self.low_step,
            self.high, self.high_step, curve, self.bad_since,
        )  # fmt: skip


def _lower(first: float, second: float) -> float:
    return second if first != first or second < first else first  # noqa: PLR0124


def _higher(first: float, second: float) -> float:
    return second if first != first or second > first else first  # noqa: PLR0124


def width_for(count: int, width: int = 1) -> int:
    """Return how many points a bucket holds once a curve has *count* of them."""
    while count > width * CURVE_BUCKETS:
        width *= 2
    return width


def join_summaries(before: MetricSummary, after: MetricSummary) -> MetricSummary:
    """Return the summary of what was written first and what was written next.

    The buckets of *after* go on where those of *before* stop: their width is that of
    the whole, and the first one holds what is left of the last one of *before*.
    """
    low, low_step = before.low, before.low_step
    if low is None or (after.low is not None and after.low < low):
        low, low_step = after.low, after.low_step
    bad_since = after.bad_since
    if after.low is None and before.bad_since is not None:
        bad_since = before.bad_since
    high, high_step = before.high, before.high_step
    if high is None or (after.high is not None and after.high > high):
        high, high_step = after.high, after.high_step
    return MetricSummary(
        before.count + after.count, before.nans + after.nans,
        before.infinities + after.infinities, before.first_step,
        after.last, after.last_step, low, low_step, high, high_step,
        _join_curves(before.curve, after.curve, before.count), bad_since,
    )  # fmt: skip


def _join_curves(before: Curve, after: Curve, count: int) -> Curve:
    steps, lows, highs = array("d"), array("f"), array("f")
    more_lows, more_highs = array("f"), array("f")
    steps.frombytes(before.steps)
    lows.frombytes(before.lows)
    highs.frombytes(before.highs)
    more_lows.frombytes(after.lows)
    more_highs.frombytes(after.highs)
    width = before.width
    while width < after.width:
        steps = steps[::2]
        lows = array("f", map(_lower, lows[::2], [*lows[1::2], lows[-1]]))
        highs = array("f", map(_higher, highs[::2], [*highs[1::2], highs[-1]]))
        width *= 2
    left = 1 if count % width else 0
    if left:
        lows[-1] = _lower(lows[-1], more_lows[0])
        highs[-1] = _higher(highs[-1], more_highs[0])
    return Curve(
        width,
        steps.tobytes() + after.steps[8 * left :],
        lows.tobytes() + after.lows[4 * left :],
        highs.tobytes() + after.highs[4 * left :],
    )
