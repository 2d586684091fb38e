"""Fold points into bounded summaries, one after the other.

The fold is pure and sequential: cutting a log into other chunks gives the same
summaries, so a tick that reads a kilobyte and one that reads everything agree.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping

from msgspec import Struct

from mlreport_batch.read.summary import MetricFold, MetricSummary, join_summaries

METRICS_MAX = 2000
RESTARTS_MAX = 500
LEFT_OUT_MAX = 100_000
STEPS_HELD_MAX = 1_000_000
"""So many steps of a log are held to find out which were written twice; where there
are more, all that go back count as a resume."""


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


class _Steps:
    """The steps of one metric, to tell a resume from rows that are not in order.

    Attributes:
        before: Those written before the step last went back.
        since: Those written since.
        doubt: (number of the point, its step) where the step last went back, None
            once it is known what that was.
        high: The highest since all metrics of the log last began again.
    """

    __slots__ = ("before", "doubt", "high", "since")

    def __init__(self) -> None:
        self.before: set[float] = set()
        self.since: list[float] = []
        self.doubt: tuple[int, float] | None = None
        self.high = -math.inf


class LogFold:
    """Fold the points of one log.

    Without a plan, a step that goes back is noted in ``restarts`` and the caller
    reads the log from zero once more, with `plan`, to leave the orphans out. Then only
    what writes a step again is a restart: rows that are not in the order of their
    steps, as those of two writers, overtake nothing.

    Args:
        metrics: Summaries of the part already read.
        plan: The restarts of this log when it is read from zero, as far as they are
            known.
    """

    def __init__(
        self,
        metrics: Mapping[str, MetricSummary] | None = None,
        plan: RestartPlan | None = None,
    ) -> None:
        self._known = dict(metrics or {})
        self._folds: dict[str, MetricFold] = {}
        self._total = len(self._known)
        self._plan = plan
        self._limits: dict[str, tuple[list[int], list[float]]] = {}
        self._written: dict[str, int] = {}
        self._last_written: dict[str, float] = {}
        self._steps: dict[str, _Steps] = {}
        self._held = 0
        self.restarts: dict[str, list[tuple[int, float]]] = {}
        self.orphans = 0
        self.is_anew = False
        """Whether the log must be read from its start: it was taken for another."""
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
            fold = self._folds[metric] = MetricFold(known)
            self._written[metric] = fold.count
            self._last_written[metric] = fold.last_step
            if self._plan is not None:
                self._limits[metric] = self._plan.limits(metric)
        written = self._written[metric]
        self._written[metric] = written + 1
        if self._plan is not None:
            self._watch(metric, written, step)
        elif step < self._last_written[metric]:
            self._note_restart(metric, written, step)
        self._last_written[metric] = step
        if self._plan is not None:
            ordinals, least = self._limits[metric]
            later = bisect_right(ordinals, written)
            if later < len(least) and step >= least[later]:
                self.orphans += 1
                return
        fold.add(step, value)

    def _watch(self, metric: str, written: int, step: float) -> None:
        """Note a restart once a step is written again after it went back."""
        steps = self._steps.get(metric)
        if steps is None:
            steps = self._steps[metric] = _Steps()
        steps.high = max(steps.high, step)
        if step < self._last_written[metric]:
            steps.before.update(steps.since)
            steps.since.clear()
            steps.doubt = (written, step)
        if steps.doubt and (step in steps.before or self._held >= STEPS_HELD_MAX):
            self._note_restart(metric, *steps.doubt)
            steps.doubt = None
        if self._held < STEPS_HELD_MAX:
            self._held += 1
            steps.since.append(step)

    def restart_all(self, step: float) -> None:
        """Note that every metric begins again at *step*."""
        for metric in {*self._known, *self._folds}:
            if metric not in self._folds:
                known = self._known[metric]
                fold = self._folds[metric] = MetricFold(known)
                self._written[metric] = known.count
                self._last_written[metric] = fold.last_step
                if self._plan is not None:
                    self._limits[metric] = self._plan.limits(metric)
            steps = self._steps.get(metric)
            high = self._folds[metric].last_step if steps is None else steps.high
            if high >= step:
                self._note_restart(metric, self._written[metric], step)
                self._last_written[metric] = -math.inf
                if steps is not None:
                    steps.high = -math.inf

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

    def join(self, parts: Mapping[str, MetricSummary]) -> bool:
        """Take over values that were folded elsewhere, unless a step goes back.

        Args:
            parts: What comes next, as `join_summaries` wants it.
        """
        known = self.folded()
        if known is None or len(known.keys() | parts.keys()) > METRICS_MAX:
            return False
        for metric, part in parts.items():
            last = self._last_written.get(metric)
            if last is None and metric in known:
                last = known[metric].last_step
            if last is not None and part.first_step < last:
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
