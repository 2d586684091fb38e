"""What is kept of a run so that others are compared with it without loading it."""

import math
import zlib
from array import array
from collections.abc import Mapping
from operator import itemgetter

from msgspec import Struct

from mlreport_batch.report.case import Case, Course
from mlreport_batch.report.goals import asked_first, main_metrics
from mlreport_batch.report.names import chosen_names
from mlreport_batch.report.status import OVER
from mlreport_batch.report.timing import timing_of
from mlreport_batch.safety.clean import Scalar, clean

POINTS = 32
HPARAMS_MAX = 300
METRICS_MAX = 8
TEXT_MAX = 120
_LOW, _HIGH = itemgetter(1), itemgetter(2)


class Brief(Struct, frozen=True, array_like=True):
    """A run in a few hundred bytes.

    Attributes:
        name: The run's name.
        status: Its status word.
        written: When it wrote last, seconds since the epoch.
        oldest: The oldest time of its files, likewise: by it runs are put in order.
        started: When it began; None where nobody knows.
        unit: What its steps count: ``epoch``, ``step`` or nothing known.
        done: How far it is, in the unit of its plan; None without a plan.
        total: How far it is meant to go, likewise.
        metric: The metric it is ranked by, empty for none.
        goal: ``min`` or ``max``; empty where nobody knows.
        best: That metric's best finite value, None without one.
        best_step: Its step.
        last: That metric's latest value.
        last_step: Its step.
        hparams: Hyperparameters, secrets masked.
        metrics: Latest values of its first metrics.
        kin: The same for runs whose metrics have the same names.
        steps: Of its course, packed float64.
        values: Of its course, packed float32: of each bucket the value that is
            nearest to the goal; NaN where none is finite.
        is_exact: Whether each point of the course is one value that was written.
    """

    name: str
    status: str
    written: float
    oldest: float
    started: float | None
    unit: str
    done: float | None
    total: float | None
    metric: str
    goal: str
    best: float | None
    best_step: float | None
    last: float | None
    last_step: float | None
    hparams: dict[str, Scalar]
    metrics: dict[str, float]
    kin: int
    steps: bytes
    values: bytes
    is_exact: bool

    @property
    def is_over(self) -> bool:
        """Whether the run came to an end, good or bad."""
        return self.status in OVER

    @property
    def order(self) -> tuple[float, str]:
        """What sorts runs by when they were begun."""
        return self.oldest, self.name

    @property
    def score(self) -> float | None:
        """The best value, lower for better; None where runs cannot be ranked by it."""
        if self.best is None or not self.goal:
            return None
        return self.best if self.goal == "min" else -self.best

    def course(self) -> list[tuple[float, float]]:
        """Return (step, value) of each bucket, by step."""
        steps, values = array("d"), array("f")
        steps.frombytes(self.steps)
        values.frombytes(self.values)
        return list(zip(steps, values, strict=True))

    def best_by(self, step: float) -> float | None:
        """Return the best value that was surely written up to *step*, None for none.

        A bucket of several values counts once the next one has begun by then.
        """
        found: float | None = None
        points = self.course()
        for place, (_, value) in enumerate(points):
            ends = points[place][0] if self.is_exact else _end(points, place, self)
            if ends > step:
                break
            if math.isfinite(value) and (found is None or self.is_better(value, found)):
                found = value
        return found

    def is_better(self, value: float, than: float) -> bool:
        """Return whether one value is nearer to the goal than another."""
        return value > than if self.goal == "max" else value < than


def _end(points: list[tuple[float, float]], place: int, brief: Brief) -> float:
    if place + 1 < len(points):
        return points[place + 1][0]
    return math.inf if brief.last_step is None else brief.last_step


def brief_of(case: Case, name: str) -> Brief:
    """Return the brief of the run called *name*."""
    view, status, wishes = case.view, case.status, case.wishes
    names = chosen_names(main_metrics(view), wishes.metrics)
    metric = asked_first(names, wishes.metrics)
    goal = (case.goals[metric] if metric else None) or ""
    best = case.bests[metric] if metric else None
    summary = view.metrics[metric] if metric else None
    steps, values, is_exact = b"", b"", True
    if metric is not None:
        steps, values, width = _packed(case.course(metric), goal)
        is_exact = width == 1 == view.metrics[metric].curve.width
    return Brief(
        name=name,
        status=status.word,
        written=view.updated_ns / 1e9,
        oldest=(view.started_ns or view.updated_ns) / 1e9,
        started=timing_of(view, status, case.now).started,
        unit=view.places[0].unit if view.places else "",
        done=status.goal.done if status.goal else None,
        total=status.goal.total if status.goal else None,
        metric=clean(metric or ""),
        goal=goal,
        best=best[0] if best else None,
        best_step=best[1] if best else None,
        last=summary.last if summary else None,
        last_step=summary.last_step if summary else None,
        hparams=_bounded(view.hparams),
        metrics={clean(key): view.metrics[key].last for key in names[:METRICS_MAX]},
        kin=zlib.crc32("\0".join(sorted(view.metrics)).encode("utf-8", "replace")),
        steps=steps,
        values=values,
        is_exact=is_exact,
    )


def _bounded(hparams: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {
        clean(key): clean(value, TEXT_MAX) if isinstance(value, str) else value
        for key, value in list(hparams.items())[:HPARAMS_MAX]
    }


def _packed(course: Course, goal: str) -> tuple[bytes, bytes, int]:
    """Return the steps and values of a course, and how many buckets each joins."""
    width = max(1, math.ceil(len(course) / POINTS))
    steps, values = array("d"), array("f")
    for start in range(0, len(course), width):
        steps.append(course[start][0])
        values.append(_nearest(course[start : start + width], goal))
    return steps.tobytes(), values.tobytes(), width


def _nearest(buckets: Course, goal: str) -> float:
    finite = [bucket for bucket in buckets if bucket[1] is not None]
    if not finite:
        return math.nan
    if goal:
        nearest = min(map(_LOW, finite)) if goal == "min" else max(map(_HIGH, finite))
        return float(nearest)
    return float(_LOW(finite[-1]) + _HIGH(finite[-1])) / 2
