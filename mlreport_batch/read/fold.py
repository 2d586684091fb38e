"""Fold points into bounded summaries, one after the other.

The fold is pure and sequential: cutting a log into other chunks gives the same
summaries, so a tick that reads a kilobyte and one that reads everything agree.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Mapping

from msgspec import Struct

CURVE_BUCKETS = 96
METRICS_MAX = 2000
RESTARTS_MAX = 500
LEFT_OUT_MAX = 100_000


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
        """Return (step, low, high) of each bucket; None where nothing was finite."""
        steps, lows, highs = array("d"), array("f"), array("f")
        steps.frombytes(self.steps)
        lows.frombytes(self.lows)
        highs.frombytes(self.highs)
        return [
            (step, None, None) if low != low else (step, low, high)  # noqa: PLR0124
            for step, low, high in zip(steps, lows, highs, strict=True)
        ]


class MetricSummary(Struct, frozen=True):
    """What is known of one metric of one log.

    Attributes:
        count: Values written, NaN and infinities included, orphans left out.
        nans: How many of them are NaN.
        infinities: How many of them are infinite.
        first_step: Step of the first value.
        last: The last value.
        last_step: Its step.
        low: Lowest finite value, None where there is none.
        low_step: The step it was first reached at.
        high: Highest finite value, likewise.
        high_step: The step it was first reached at.
        curve: The bounded course.
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


FLOAT32_MAX = 3.4028234663852886e38


class _Fold:
    """The mutable twin of a `MetricSummary`, used while a log is read."""

    __slots__ = (
        "count", "first_step", "high", "high_step", "highs", "infinities", "last",
        "last_step", "low", "low_step", "lows", "nans", "open_points", "steps", "width",
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
            self.width, self.open_points = 1, 0
            return
        self.count, self.nans = summary.count, summary.nans
        self.infinities = summary.infinities
        self.first_step, self.last_step = summary.first_step, summary.last_step
        self.last = summary.last
        self.low, self.low_step = summary.low, summary.low_step
        self.high, self.high_step = summary.high, summary.high_step
        self.width = summary.curve.width
        self.steps.frombytes(summary.curve.steps)
        self.lows.frombytes(summary.curve.lows)
        self.highs.frombytes(summary.curve.highs)
        self.open_points = self.count - (len(self.steps) - 1) * self.width
        if not self.steps:
            self.open_points = 0

    def add(self, step: float, value: float) -> None:  # noqa: C901 - the hot loop
        if not self.count:
            self.first_step = step
        self.count += 1
        self.last, self.last_step = value, step
        finite = value - value == 0
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

    def _halve(self) -> None:
        steps, lows, highs = self.steps, self.lows, self.highs
        self.steps = steps[::2]
        self.lows = array("f", map(_lower, lows[::2], lows[1::2]))
        self.highs = array("f", map(_higher, highs[::2], highs[1::2]))
        self.width *= 2

    def summary(self) -> MetricSummary:
        curve = Curve(
            self.width, self.steps.tobytes(), self.lows.tobytes(), self.highs.tobytes()
        )
        return MetricSummary(
            self.count, self.nans, self.infinities, self.first_step,
            self.last, self.last_step, self.low, self.low_step,
            self.high, self.high_step, curve,
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
    high, high_step = before.high, before.high_step
    if high is None or (after.high is not None and after.high > high):
        high, high_step = after.high, after.high_step
    return MetricSummary(
        before.count + after.count, before.nans + after.nans,
        before.infinities + after.infinities, before.first_step,
        after.last, after.last_step, low, low_step, high, high_step,
        _join_curves(before.curve, after.curve, before.count),
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


class RestartPlan(Struct, frozen=True):
    """Which points of a log are orphans, found by reading it once.

    ``restarts`` holds per metric (number of the first point after the restart,
    its step), in order. A point is an orphan when a later restart of its metric
    begins at or before its step.
    """

    restarts: Mapping[str, tuple[tuple[int, float], ...]]

    def limits(self, metric: str) -> tuple[list[int], list[float]]:
        """Return ordinals of the restarts and, for each, the least step from it on."""
        found = self.restarts.get(metric, ())
        ordinals = [ordinal for ordinal, _ in found]
        least: list[float] = []
        lowest = math.inf
        for _, step in reversed(found):
            lowest = min(lowest, step)
            least.append(lowest)
        return ordinals, least[::-1]


class LogFold:
    """Fold the points of one log.

    Without a plan, a step that goes back is noted in ``restarts`` and the caller
    reads the log from zero once more, with `plan`, to leave the orphans out.

    Args:
        metrics: Summaries of the part already read.
        plan: The restarts of this log when it is read from zero.
    """

    def __init__(
        self,
        metrics: Mapping[str, MetricSummary] | None = None,
        plan: RestartPlan | None = None,
    ) -> None:
        self._known = dict(metrics or {})
        self._folds: dict[str, _Fold] = {}
        self._total = len(self._known)
        self._plan = plan
        self._limits: dict[str, tuple[list[int], list[float]]] = {}
        self._written: dict[str, int] = {}
        self._last_written: dict[str, float] = {}
        self.restarts: dict[str, list[tuple[int, float]]] = {}
        self.orphans = 0
        self.left_out: set[str] = set()

    def add(self, metric: str, step: float, value: float) -> None:
        """Fold one value in; *step* must not be NaN."""
        fold = self._folds.get(metric)
        if fold is None:
            known = self._known.get(metric)
            if known is None:
                if self._total >= METRICS_MAX:
                    if len(self.left_out) < LEFT_OUT_MAX:
                        self.left_out.add(metric)
                    return
                self._total += 1
            fold = self._folds[metric] = _Fold(known)
            self._written[metric] = fold.count
            self._last_written[metric] = fold.last_step
            if self._plan is not None:
                self._limits[metric] = self._plan.limits(metric)
        written = self._written[metric]
        self._written[metric] = written + 1
        if step < self._last_written[metric]:
            self._note_restart(metric, written, step)
        self._last_written[metric] = step
        if self._plan is not None:
            ordinals, least = self._limits[metric]
            later = bisect_right(ordinals, written)
            if later < len(least) and step >= least[later]:
                self.orphans += 1
                return
        fold.add(step, value)

    def restart_all(self, step: float) -> None:
        """Note that every metric begins again at *step*."""
        for metric in {*self._known, *self._folds}:
            if metric not in self._folds:
                known = self._known[metric]
                fold = self._folds[metric] = _Fold(known)
                self._written[metric] = known.count
                self._last_written[metric] = fold.last_step
                if self._plan is not None:
                    self._limits[metric] = self._plan.limits(metric)
            if self._last_written[metric] >= step:
                self._note_restart(metric, self._written[metric], step)
                self._last_written[metric] = -math.inf

    def _note_restart(self, metric: str, written: int, step: float) -> None:
        """Note a restart; an earlier one at the same or a later step is void by it."""
        noted = self.restarts.setdefault(metric, [])
        while noted and noted[-1][1] >= step:
            noted.pop()
        if len(noted) >= RESTARTS_MAX:
            del noted[0]
        noted.append((written, step))

    def folded(self) -> dict[str, MetricSummary] | None:
        """Return what was folded so far, None where orphans are being left out."""
        if self._plan is not None or self.left_out:
            return None
        return self.metrics()

    def join(self, parts: Mapping[str, MetricSummary], first_step: float) -> bool:
        """Take over values that were folded elsewhere, unless a step goes back.

        Args:
            parts: What comes next, as `join_summaries` wants it.
            first_step: The least step in it.
        """
        known = self.folded()
        if known is None or len(known.keys() | parts.keys()) > METRICS_MAX:
            return False
        for metric, summary in known.items():
            if first_step < self._last_written.get(metric, summary.last_step):
                return False
        for metric, part in parts.items():
            before = known.get(metric)
            known[metric] = part if before is None else join_summaries(before, part)
        self._known = known
        self._total = len(known)
        self._folds.clear()
        self._last_written.clear()
        return True

    @property
    def is_empty(self) -> bool:
        """Return whether no metric had a value so far."""
        return not self._known and not self._folds

    def plan(self) -> RestartPlan:
        """Return the plan for reading this log again, after a complete reading."""
        return RestartPlan(
            {name: tuple(found) for name, found in self.restarts.items()}
        )

    def metrics(self) -> dict[str, MetricSummary]:
        """Return the summaries of all metrics, in order of first appearance."""
        merged = dict(self._known)
        for name, fold in self._folds.items():
            if fold.count:
                merged[name] = fold.summary()
        return merged
