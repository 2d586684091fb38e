"""What needs a person about a run, each with its evidence and where it began.

Pure functions over a run's case. They say what was measured ("silent for 42 min,
usually every 3 s"), never a guess dressed as fact. `report.due` says which are told.
"""

import math
from collections.abc import Collection, Iterable
from functools import partial
from operator import itemgetter

from msgspec import Struct

from mlreport_batch.language.evidence import in_language
from mlreport_batch.language.figures import (
    duration_text,
    number,
    scalar_text,
    step_text,
)
from mlreport_batch.language.say import say
from mlreport_batch.read.summary import MetricSummary, began_to_fail
from mlreport_batch.report.case import Case, Course
from mlreport_batch.report.goals import is_rate, main_metrics
from mlreport_batch.report.model import Verdict
from mlreport_batch.report.news import Changes
from mlreport_batch.report.status import BROKEN

DIVERGED_FACTOR = 3.0
STILL_DIVERGED_FACTOR = 1.5
"""An alert that was told holds until its metric is nearer to its best than this."""
BUCKETS_FOR_COURSE = 8
NAMED_MAX = 3


class Alert(Struct, frozen=True):
    """Something that needs a person.

    Attributes:
        kind: ``failed killed out_of_time nan divergence stall plateau intent
            changed``.
        subject: What it is about, such as a metric's name; empty for the run.
        text: What happened, with evidence, in the report's language.
        is_brief: Whether it may be gone with the next value.
    """

    kind: str
    subject: str
    text: str
    is_brief: bool = False

    @property
    def key(self) -> str:
        """The same for the same trouble at a later time, however it is called then."""
        kind = "failed" if self.kind in BROKEN else self.kind
        return f"{kind}:{self.subject}"


def find_alerts(
    case: Case, changes: Changes, told: Collection[str] = ()
) -> list[Alert]:
    """Return the alerts that hold, worst first.

    Args:
        case: The run.
        changes: What is new in it.
        told: Keys of the alerts that were told and held then.
    """
    rules = case.rules
    alerts = _end_alerts(case)
    if rules.nan:
        alerts += _nan_alerts(case)
    if rules.divergence:
        alerts += _divergence_alerts(case, told)
    alerts += _stall_alerts(case)
    alerts += _plateau_alerts(case)
    alerts += _intent_alerts(case)
    alerts += _changed_alerts(case, changes)
    return alerts


def _end_alerts(case: Case) -> list[Alert]:
    status = case.status
    if not status.is_broken:
        return []
    return [Alert(status.word, "", end_text(case))]


def end_text(case: Case) -> str:
    """Return how the run ended, and where it stood then."""
    status, language = case.status, case.wishes.language
    said = said_of_end(case)
    if status.kind in ("memory", "cancelled", "preempted", "interrupted"):
        said = say(language, f"end_{status.kind}")
    if status.kind == "time_limit":
        said = say(language, "end_time_limit")
    if case.view.step is None:
        return said
    return say(language, "end_at", said=said, place=place_text(case, case.view.step))


def said_of_end(case: Case) -> str:
    """Return what is said of how the run ended: of its framework, or a quoted line."""
    said = case.status.said
    if case.status.kind == "framework":
        return in_language(said, case.wishes.language)
    return said


def place_text(case: Case, step: float) -> str:
    """Return a step as its log counts: ``epoch 23``, ``step 1,200``."""
    places = case.view.places
    kind = "place_epoch" if places and places[0].unit == "epoch" else "place_step"
    return say(case.wishes.language, kind, step=step_text(step))


def _nan_alerts(case: Case) -> list[Alert]:
    """Return one alert on all metrics that are no numbers: one cause, mostly."""
    names = []
    for name in main_metrics(case.view):
        summary = case.view.metrics[name]
        if math.isfinite(summary.last):
            # Some scores are NaN by definition now and then: one that recovered is
            # told as such.
            continue
        if summary.low is None and not _is_trained(name, case.goals[name]):
            # It never was a number: a score of a class that is not there, a reward
            # before the first episode ended (detectron2#1482, ray#10416).
            continue
        names.append(name)
    brief = [name for name in names if _is_brief(case.view.metrics[name])]
    trained = [name for name in names if case.goals[name] is not None]
    # A norm is infinite now and then: mixed precision looks for its scale by that.
    others = [
        name
        for name in names
        if name not in brief
        or case.view.metrics[name].low is None
        or (_is_trained(name, None) and math.isnan(case.view.metrics[name].last))
    ]
    for subject, found in (("", trained), ("norm", [] if trained else others)):
        if found:
            is_brief = all(name in brief for name in found)
            return [Alert("nan", subject, _nan_text(case, found), is_brief)]
    return []


def _is_brief(summary: MetricSummary) -> bool:
    """Return whether only the last value of a metric is no number."""
    return began_to_fail(summary) == summary.last_step


def _is_trained(name: str, goal: str | None) -> bool:
    """Return whether a metric is of the training itself: a loss, a norm."""
    return goal == "min" or "norm" in name.lower()


def _nan_text(case: Case, names: list[str]) -> str:
    language = case.wishes.language
    began = {name: began_to_fail(case.view.metrics[name]) or 0.0 for name in names}
    first = min(names, key=lambda name: began[name])
    shown = [first, *(name for name in names if name != first)][:NAMED_MAX]
    metrics = ", ".join(shown)
    if len(names) > NAMED_MAX:
        more = f"{len(names) - NAMED_MAX:,}"
        metrics = say(language, "and_more", names=metrics, more=more)
    place = place_text(case, began[first])
    goal = case.status.goal
    if goal is not None and case.view.places[:1] and _is_counted_in(case, goal.unit):
        place = say(language, "place_of", place=place, total=step_text(goal.total))
    value = case.said(first, case.view.metrics[first].last)
    return say(language, "alert_nan", metric=metrics, value=value, place=place)


def _is_counted_in(case: Case, unit: str) -> bool:
    return case.view.places[0].unit == unit


def _divergence_alerts(case: Case, told: Collection[str]) -> list[Alert]:
    """Return one alert on the metric that a reader asks for first of those that ran."""
    is_told = any(key.startswith("divergence:") for key in told)
    for name in main_metrics(case.view):
        summary, best = case.view.metrics[name], case.bests[name]
        if best is None or case.goals[name] != "min" or best[0] <= 0:
            continue
        factor = summary.last / best[0]
        if not factor >= (STILL_DIVERGED_FACTOR if is_told else DIVERGED_FACTOR):
            continue
        since = _diverged_since(case.course(name), summary)
        if since is None and not is_told:
            continue
        place = place_text(case, best[1] if since is None else since)
        text = say(
            case.wishes.language,
            "alert_divergence",
            metric=name,
            value=case.said(name, summary.last),
            place=place,
            factor=number(factor, 2),
            best=case.said(name, best[0]),
            best_place=place_text(case, best[1]),
        )
        return [Alert("divergence", "", text)]
    return []


def _diverged_since(course: Course, summary: MetricSummary) -> float | None:
    """Return the step since which a metric is above all of its early course."""
    points = [point for point in course if point[2] is not None]
    if len(points) < BUCKETS_FOR_COURSE or not math.isfinite(summary.last):
        return None
    early = max(map(itemgetter(2), points[: len(points) // 2]))
    if min(map(itemgetter(1), points[-2:])) <= early:
        return None
    since: float = points[-1][0]
    for step, low, _ in reversed(points):
        if low is None or low <= early:
            break
        since = step
    return since


def _stall_alerts(case: Case) -> list[Alert]:
    status, language = case.status, case.wishes.language
    if status.word != "stalled":
        return []
    fields = {
        "age": duration_text(status.silent_s, language),
        "since": case.moment(case.view.updated_ns / 1e9),
    }
    if status.usual_s is None:
        return [Alert("stall", "", say(language, "alert_stall", **fields))]
    usual = duration_text(max(1.0, status.usual_s), language)
    return [Alert("stall", "", say(language, "alert_stall_pace", pace=usual, **fields))]


def _plateau_alerts(case: Case) -> list[Alert]:
    least = case.rules.plateau
    if least is None:
        return []
    alerts = []
    for name, summary in case.view.metrics.items():
        best = case.bests[name]
        if best is None:
            continue
        since = _values_since(summary, case.course(name), best[1])
        if since >= least:
            text = say(
                case.wishes.language,
                "alert_plateau",
                metric=name,
                word=case.best_word(name),
                best=case.said(name, best[0]),
                best_place=place_text(case, best[1]),
                since=f"{since:,}",
            )
            alerts.append(Alert("plateau", name, text))
    return alerts


def _values_since(summary: MetricSummary, course: Course, step: float) -> int:
    """Return how many values came after *step*, to the width of one bucket."""
    before = sum(1 for bucket_step, _, _ in course if bucket_step <= step)
    return max(0, summary.count - before * summary.curve.width)


def _intent_alerts(case: Case) -> list[Alert]:
    tell = partial(say, case.wishes.language)
    return [
        Alert(
            "intent",
            item.key,
            tell(
                f"alert_intent_{item.verdict.value}",
                key=item.key,
                intended=scalar_text(item.intended),
                actual=scalar_text(item.actual),
            ),
        )
        for item in case.compared
        if item.verdict in (Verdict.wrong, Verdict.missing)
    ]


def _changed_alerts(case: Case, changes: Changes) -> list[Alert]:
    """Return an alert on each hyperparameter that changed; schedules change theirs."""
    return [
        Alert(
            "changed",
            key,
            say(
                case.wishes.language,
                "alert_changed",
                key=key,
                before=scalar_text(before),
                actual=scalar_text(actual),
            ),
        )
        for key, (before, actual) in changes.changed_hparams.items()
        if not is_rate(key)
    ]


def texts_of(alerts: Iterable[Alert]) -> tuple[str, ...]:
    """Return what some alerts say."""
    return tuple(alert.text for alert in alerts)
