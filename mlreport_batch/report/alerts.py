"""What matters about a run, each with its evidence.

Pure functions over a run's view. They say what was measured ("no new rows for
6 h, usually every 2 min"), never a guess dressed as fact.
"""

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from mlreport_batch.language.figures import (
    duration_text,
    number,
    scalar_text,
    step_text,
)
from mlreport_batch.language.say import say
from mlreport_batch.read.summary import MetricSummary
from mlreport_batch.report.case import Case, Course
from mlreport_batch.report.model import AlertRules, Verdict
from mlreport_batch.report.news import Changes
from mlreport_batch.report.view import RunView

STALL_LEAST_S = 1800.0
STALL_FACTOR = 20
ROWS_FOR_PACE = 3
DIVERGED_FACTOR = 3.0
BUCKETS_FOR_COURSE = 8


class Alert(Struct, frozen=True):
    """Something that needs a person.

    Attributes:
        kind: ``failed nan divergence stall plateau intent changed``.
        subject: What it is about, such as a metric's name.
        text: What happened, with evidence, in the report's language.
    """

    kind: str
    subject: str
    text: str

    @property
    def key(self) -> str:
        """The same for the same trouble at a later time."""
        return f"{self.kind}:{self.subject}"


def pace_s(view: RunView) -> float | None:
    """Return the usual seconds between two rows, None while it cannot be known."""
    if view.rows < ROWS_FOR_PACE or view.updated_ns <= view.started_ns:
        return None
    return (view.updated_ns - view.started_ns) / 1e9 / view.rows


def stall_after_s(view: RunView, rules: AlertRules) -> float | None:
    """Return after how many seconds without new rows a run counts as stalled."""
    if rules.stall_s is None or is_over(view):
        return None
    if rules.stall_s != "auto":
        return rules.stall_s
    pace = pace_s(view)
    return STALL_LEAST_S if pace is None else max(STALL_LEAST_S, STALL_FACTOR * pace)


def is_over(view: RunView) -> bool:
    """Return whether the run has come to its end, by its own evidence."""
    if view.outcome is not None and view.outcome.status in ("finished", "failed"):
        return True
    step, total = view.progress.step, view.progress.total
    return step is not None and total is not None and 0 < total <= step


def status_of(
    view: RunView,
    rules: AlertRules,
    *,
    now: float,
    language: str,
    alerts: Sequence[Alert] = (),
) -> tuple[str, str]:
    """Return the status and a sentence with its evidence.

    Args:
        view: The run.
        rules: When a run counts as stalled.
        now: Seconds since the epoch.
        language: Of the sentence.
        alerts: Alerts that hold: only they know whether the run was seen alive.
    """
    if view.outcome is not None and view.outcome.status in ("finished", "failed"):
        return view.outcome.status, view.outcome.evidence
    if is_over(view):
        return "finished", say(
            language, "reached_end", step=step_text(view.progress.total)
        )
    if not view.metrics and not view.results and not view.hparams:
        return "empty", say(language, "nothing_yet")
    age = max(0.0, now - view.updated_ns / 1e9)
    limit = stall_after_s(view, rules)
    written = say(language, "last_written", age=duration_text(age, language))
    if any(alert.kind == "stall" for alert in alerts):
        return "stalled", written
    if limit is not None and age > limit:
        return "quiet", written
    return "running", written


def find_alerts(case: Case, changes: Changes) -> list[Alert]:
    """Return the alerts that hold, worst first; *changes* are what is new.

    A run that was never seen alive does not stall.
    """
    view, rules = case.view, case.rules
    speak = _Sayer(case.wishes.language)
    alerts: list[Alert] = []
    if view.outcome is not None and view.outcome.status == "failed":
        alerts.append(
            Alert("failed", "", speak("failed", evidence=view.outcome.evidence))
        )
    if rules.nan:
        alerts += _nan_alerts(case, speak)
    if rules.divergence:
        alerts += _divergence_alerts(case, speak)
    alerts += _stall_alerts(case, speak)
    alerts += _plateau_alerts(case, speak)
    alerts += [
        Alert("intent", item.key, speak(f"intent_{item.verdict.value}", key=item.key,
              intended=scalar_text(item.intended), actual=scalar_text(item.actual)))
        for item in case.compared
        if item.verdict in (Verdict.wrong, Verdict.missing)
    ]  # fmt: skip
    alerts += [
        Alert("changed", key, speak("changed", key=key, before=scalar_text(before),
              actual=scalar_text(actual)))
        for key, (before, actual) in changes.changed_hparams.items()
    ]  # fmt: skip
    return alerts


class _Sayer:
    def __init__(self, language: str) -> None:
        self.language = language

    def __call__(self, kind: str, /, **values: str) -> str:
        return say(self.language, f"alert_{kind}", **values)


def _nan_alerts(case: Case, speak: _Sayer) -> list[Alert]:
    alerts = []
    for name, summary in case.view.metrics.items():
        bad = summary.nans + summary.infinities
        if not bad:
            continue
        if summary.low is None and not _is_trained(name, case.goals[name]):
            # It never was a number: a score of a class that is not there, a reward
            # before the first episode ended (detectron2#1482, ray#10416).
            continue
        if math.isfinite(summary.last):
            # Some scores are NaN by definition now and then; only a present one is
            # an alert, and one that recovered is told as such.
            continue
        alerts.append(
            Alert(
                "nan",
                name,
                speak(
                    "nan",
                    metric=name,
                    value=number(summary.last),
                    step=step_text(summary.last_step),
                    bad=f"{bad:,}",
                    count=f"{summary.count:,}",
                ),
            )
        )
    return alerts


def _is_trained(name: str, goal: str | None) -> bool:
    """Return whether a metric is of the training itself: a loss, a norm."""
    return goal == "min" or "norm" in name.lower()


def _divergence_alerts(case: Case, speak: _Sayer) -> list[Alert]:
    alerts = []
    for name, summary in case.view.metrics.items():
        best = case.bests[name]
        if best is None or case.goals[name] != "min" or best[0] <= 0:
            continue
        factor = summary.last / best[0]
        if not factor >= DIVERGED_FACTOR:
            continue
        points = [p for p in case.course(name) if p[2] is not None]
        if len(points) < BUCKETS_FOR_COURSE or not math.isfinite(summary.last):
            continue
        early = max(
            high for _, _, high in points[: len(points) // 2] if high is not None
        )
        late = [low for _, low, _ in points[-2:] if low is not None]
        if min(late) > early:
            alerts.append(
                Alert(
                    "divergence",
                    name,
                    speak(
                        "divergence",
                        metric=name,
                        value=number(summary.last),
                        step=step_text(summary.last_step),
                        factor=number(factor, 2),
                        best=number(best[0]),
                        best_step=step_text(best[1]),
                    ),
                )
            )
    return alerts


def _stall_alerts(case: Case, speak: _Sayer) -> list[Alert]:
    limit = stall_after_s(case.view, case.rules)
    age = case.now - case.view.updated_ns / 1e9
    if limit is None or not case.has_grown or age <= limit:
        return []
    pace = pace_s(case.view)
    silence = duration_text(age, speak.language)
    if pace is None:
        return [Alert("stall", "", speak("stall", age=silence))]
    usual = duration_text(max(1.0, pace), speak.language)
    return [Alert("stall", "", speak("stall_pace", age=silence, pace=usual))]


def _plateau_alerts(case: Case, speak: _Sayer) -> list[Alert]:
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
            alerts.append(
                Alert(
                    "plateau",
                    name,
                    speak(
                        "plateau",
                        metric=name,
                        best=number(best[0]),
                        best_step=step_text(best[1]),
                        since=f"{since:,}",
                    ),
                )
            )
    return alerts


def _values_since(summary: MetricSummary, course: Course, step: float) -> int:
    """Return how many values came after *step*, to the width of one bucket."""
    before = sum(1 for bucket_step, _, _ in course if bucket_step <= step)
    return max(0, summary.count - before * summary.curve.width)


def due_alerts(
    alerts: Sequence[Alert], told: Mapping[str, float], rules: AlertRules, now: float
) -> list[Alert]:
    """Return the alerts that are news: never told, or told too long ago.

    A stall is told once: a finished run that says nothing of its end would remind
    for ever.
    """
    return [
        alert
        for alert in alerts
        if alert.key not in told
        or (
            rules.remind_s is not None
            and alert.kind in ("nan", "divergence")
            and now - told[alert.key] >= rules.remind_s
        )
    ]
