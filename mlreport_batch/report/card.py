"""A run as the page over all runs shows it: one line of figures, and its curves."""

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from mlreport_batch.language.figures import number
from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.case import Case, Course
from mlreport_batch.report.goals import headline_metric, main_metrics
from mlreport_batch.report.names import chosen_names
from mlreport_batch.report.timing import timing_of
from mlreport_batch.safety.clean import Scalar, clean

METRICS_MAX = 20
HPARAMS_MAX = 40
TAGS_MAX = 8
ALERTS_MAX = 8
TEXT_MAX = 80
CURVES_MAX = 12
SPARK_POINTS = 24
SPARK_LEVELS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"
"""One letter a height, the lowest first; a blank stands for nothing finite."""
EXACT_MAX = 2**53
"""Whole numbers beyond this are not the same in a browser, which has only floats."""
_LONG = 10**TEXT_MAX
_DIGITS = 6

Figure = float | str
"""A finite number, or how any other one is called."""


class CardCurve(Struct, frozen=True):
    """The course of one metric.

    Attributes:
        name: The metric.
        goal: ``min``, ``max`` or nothing.
        steps: First step of each bucket, ascending.
        lows: Lowest finite value of each bucket, None where it has none.
        highs: Highest ones likewise; empty where all are the lowest ones too.
    """

    name: str
    goal: str
    steps: tuple[float, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]


class Card(Struct, frozen=True):
    """What the page over all runs shows of one run.

    Attributes:
        tags: What its hyperparameter ``tags`` says.
        alerts: What needs a person about it, told or not, the worst first.
        main: The metric that is named first, or nothing.
        metrics: (latest value, best value or None without a goal), by metric.
        hparams: Its hyperparameters.
        progress: How much of its plan is done, 0 to 1, None without a plan.
        step: Its furthest step.
        started: When it began, seconds since the epoch, None where nobody knows.
        written: When it wrote last.
        spark: The course of the main metric in letters of `SPARK_LEVELS`.
        curves: The courses of the first metrics.
        times: Where it was when: (step, seconds since the epoch), ascending.
    """

    tags: tuple[str, ...]
    alerts: tuple[str, ...]
    main: str
    metrics: Mapping[str, tuple[Figure, Figure | None]]
    hparams: Mapping[str, Scalar]
    progress: float | None
    step: float | None
    started: float | None
    written: float
    spark: str
    curves: tuple[CardCurve, ...]
    times: tuple[tuple[float, float], ...]


def card_of(case: Case, alerts: Sequence[Alert]) -> Card:
    """Return the card of a run.

    Args:
        case: The run.
        alerts: The alerts that hold.
    """
    view, wishes = case.view, case.wishes
    names = chosen_names(main_metrics(view), wishes.metrics)
    shown = names[:METRICS_MAX]
    main = next(iter(shown), None)
    if tuple(wishes.metrics) == ("*",):
        main = headline_metric(names)
        shown = [main, *(name for name in shown if name != main)] if main else shown
    hparams = chosen_names(list(view.hparams), wishes.hparams)[:HPARAMS_MAX]
    goal = case.status.goal
    timing = timing_of(view, case.status, case.now)
    return Card(
        tags=_tags(view.hparams),
        alerts=tuple(clean(alert.text) for alert in alerts[:ALERTS_MAX]),
        main=clean(main or ""),
        metrics={clean(name): _figures(case, name) for name in shown},
        hparams={clean(key): _value(view.hparams[key]) for key in hparams},
        progress=None if goal is None else min(1.0, goal.done / goal.total),
        step=_finite(view.step),
        started=timing.started,
        written=timing.written,
        spark="" if main is None else spark_of(case.course(main)),
        curves=tuple(_curve(case, name) for name in _drawn(case, shown)),
        times=_times(case, timing.started),
    )


def spark_of(course: Course) -> str:
    """Return a course as `SPARK_POINTS` heights at most."""
    middles = [
        None if low is None or high is None else low / 2 + high / 2
        for _, low, high in course
    ]
    size = max(1, math.ceil(len(middles) / SPARK_POINTS))
    thinned = [_mean(middles[at : at + size]) for at in range(0, len(middles), size)]
    known = [value for value in thinned if value is not None]
    if len(known) <= 1:
        return ""
    low, high = min(known), max(known)
    top = len(SPARK_LEVELS) - 1

    def level(value: float | None) -> str:
        if value is None:
            return " "
        # Halved, since the range of what is finite may not be.
        span = high / 2 - low / 2
        return SPARK_LEVELS[round((value / 2 - low / 2) / span * top) if span else 0]

    return "".join(map(level, thinned))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(value / len(known) for value in known) if known else None


def _figures(case: Case, name: str) -> tuple[Figure, Figure | None]:
    best = case.bests[name]
    return _figure(case.view.metrics[name].last), best and _figure(best[0])


def _figure(value: float) -> Figure:
    return value if math.isfinite(value) else number(value)


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _value(value: Scalar) -> Scalar:
    """Return a hyperparameter as a browser can compare it."""
    if isinstance(value, str):
        return clean(value, TEXT_MAX)
    if isinstance(value, bool) or value is None:
        return value
    if abs(value) <= EXACT_MAX:
        return value
    # Beyond, two may be one in a browser; a seed is told whole.
    is_told = isinstance(value, int) and abs(value) < _LONG
    return str(value) if is_told else number(value)


def _tags(hparams: Mapping[str, Scalar]) -> tuple[str, ...]:
    """Return the words of a hyperparameter called ``tag`` or ``tags``, however deep."""
    found: dict[str, None] = {}
    for key, value in hparams.items():
        is_tags = key.lower().replace("/", ".").rpartition(".")[2] in ("tag", "tags")
        if is_tags and isinstance(value, str):
            words = (word.strip(" \t'\"") for word in value.strip("[]()").split(","))
            found.update((clean(word, TEXT_MAX), None) for word in words if word)
    return tuple(found)[:TAGS_MAX]


def _drawn(case: Case, names: Sequence[str]) -> list[str]:
    return [name for name in names if case.view.metrics[name].count > 1][:CURVES_MAX]


def _curve(case: Case, name: str) -> CardCurve:
    course = case.course(name)
    lows = tuple(_rounded(low) for _, low, _ in course)
    highs = tuple(_rounded(high) for _, _, high in course)
    return CardCurve(
        name=clean(name),
        goal=case.goals[name] or "",
        steps=tuple(step for step, _, _ in course),
        lows=lows,
        highs=() if highs == lows else highs,
    )


def _rounded(value: float | None) -> float | None:
    """Return what a curve shows of a value: a screen has no more digits."""
    return None if value is None else float(f"{value:.{_DIGITS}g}")


def _times(case: Case, started: float | None) -> tuple[tuple[float, float], ...]:
    """Return where the run was when, as far as it was seen; empty if hardly."""
    view = case.view
    first = min((metric.first_step for metric in view.metrics.values()), default=None)
    seen = [(beat.step, beat.at) for beat in view.beats.recent]
    if first is not None and started is not None:
        seen.insert(0, (first, started))
    if view.step is not None and view.written_ns:
        seen.append((view.step, view.written_ns / 1e9))
    kept: list[tuple[float, float]] = []
    for step, at in seen:
        is_later = not kept or (step > kept[-1][0] and at > kept[-1][1])
        if math.isfinite(step) and is_later:
            kept.append((step, at))
    return tuple(kept) if len(kept) > 1 else ()
