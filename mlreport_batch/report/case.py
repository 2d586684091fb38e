"""One run as it is judged: what its files say, and what follows from that at once."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.language.dates import local_now, moment_text, zone
from mlreport_batch.language.figures import figure, places_of, with_unit
from mlreport_batch.language.say import say
from mlreport_batch.report.goals import best_of, goal_of, is_rate
from mlreport_batch.report.intended import Compared, compare_intent, same_value
from mlreport_batch.report.model import AlertRules, Verdict, Wishes
from mlreport_batch.report.names import unit_of
from mlreport_batch.report.status import Status, status_of
from mlreport_batch.report.view import RunView

Course = list[tuple[float, float | None, float | None]]
"""(step, lowest, highest value) of each bucket of a metric's curve."""


class Case(Struct, frozen=True):
    """A run's view with what is found in it once, for alerts, report and mark alike.

    Attributes:
        view: What its files say.
        wishes: What the user wants to see.
        rules: Which alerts are wanted.
        now: Seconds since the epoch.
        has_grown: Whether an earlier tick saw the run grow.
        goals: ``min``, ``max`` or None, by metric.
        bests: (best finite value, its step) by metric; None without a goal or value.
        compared: Intended against actual hyperparameters, wrong and missing ones
            first.
        status: What became of the run.
        timezone: Name of the zone of the times that are told; empty for the machine's.
    """

    view: RunView
    wishes: Wishes
    rules: AlertRules
    now: float
    has_grown: bool
    goals: Mapping[str, str | None]
    bests: Mapping[str, tuple[float, float] | None]
    compared: tuple[Compared, ...]
    status: Status
    timezone: str = ""
    _places: dict[str, int | None] = field(default_factory=dict)
    _courses: dict[str, Course] = field(default_factory=dict)
    _here: list[datetime] = field(default_factory=list)

    def here(self) -> datetime:
        """Return the time in the zone of the report."""
        if not self._here:
            self._here.append(local_now(zone(self.timezone), self.now))
        return self._here[0]

    def moment(self, at_s: float) -> str:
        """Return a time, seconds since the epoch, as the report tells it."""
        return moment_text(at_s, self.here(), self.wishes.language)

    def places(self, name: str) -> int | None:
        """Return the decimals of a metric's values, so that they agree in a report."""
        if name not in self._places:
            best = self.bests[name]
            values = [self.view.metrics[name].last, *(best[:1] if best else ())]
            self._places[name] = places_of(values)
        return self._places[name]

    def figure(self, name: str, value: float) -> str:
        """Return a value of a metric as text."""
        return figure(value, self.places(name))

    def said(self, name: str, value: float) -> str:
        """Return a value of a metric as text with its unit."""
        return with_unit(self.figure(name, value), unit_of(name))

    def best(self, name: str) -> tuple[float, float] | None:
        """Return a metric's best value and its step, if others were not as good."""
        summary = self.view.metrics[name]
        is_flat = summary.low == summary.high == summary.last
        return None if is_flat else self.bests[name]

    def best_word(self, name: str) -> str:
        """Return what the best value of a metric is called: lowest or highest."""
        return say(self.wishes.language, f"best.{self.goals[name] or 'max'}")

    def course(self, name: str) -> Course:
        """Return the curve of a metric."""
        found = self._courses.get(name)
        if found is None:
            found = self._courses[name] = self.view.metrics[name].curve.points()
        return found


def _is_scheduled(item: Compared, view: RunView) -> bool:
    """Return whether a learning rate is another only since a schedule goes down it.

    Then the log has the intended one as its highest.
    """
    if item.verdict is not Verdict.wrong or not is_rate(item.key):
        return False
    return any(
        summary.high is not None
        and summary.count > 1
        and same_value(item.intended, summary.high)
        for name, summary in view.metrics.items()
        if is_rate(name)
    )


def case_of(
    view: RunView,
    wishes: Wishes,
    rules: AlertRules,
    *,
    now: float,
    has_grown: bool,
    timezone: str = "",
) -> Case:
    """Return the case of a run; see `Case` for the arguments."""
    goals = {name: goal_of(name, wishes.goals) for name in view.metrics}
    bests = {name: best_of(view.metrics[name], goal) for name, goal in goals.items()}
    compared = [
        replace(item, verdict=Verdict.right) if _is_scheduled(item, view) else item
        for item in compare_intent(view.expect, wishes.expect, view.hparams)
    ]
    status = status_of(view, rules, now=now, has_grown=has_grown)
    return Case(
        view,
        wishes,
        rules,
        now,
        has_grown,
        goals,
        bests,
        tuple(compared),
        status,
        timezone,
    )
