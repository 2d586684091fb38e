"""One run as it is judged: what its files say, and what follows from that at once."""

from collections.abc import Mapping

from msgspec import Struct, field

from mlreport_batch.report.goals import best_of, goal_of
from mlreport_batch.report.intended import Compared, compare_intent
from mlreport_batch.report.model import AlertRules, Wishes
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
    """

    view: RunView
    wishes: Wishes
    rules: AlertRules
    now: float
    has_grown: bool
    goals: Mapping[str, str | None]
    bests: Mapping[str, tuple[float, float] | None]
    compared: tuple[Compared, ...]
    _courses: dict[str, Course] = field(default_factory=dict)

    def course(self, name: str) -> Course:
        """Return the curve of a metric."""
        found = self._courses.get(name)
        if found is None:
            found = self._courses[name] = self.view.metrics[name].curve.points()
        return found


def case_of(
    view: RunView,
    wishes: Wishes,
    rules: AlertRules,
    *,
    now: float,
    has_grown: bool,
) -> Case:
    """Return the case of a run; see `Case` for the arguments."""
    goals = {name: goal_of(name, wishes.goals) for name in view.metrics}
    bests = {name: best_of(view.metrics[name], goal) for name, goal in goals.items()}
    compared = compare_intent({**wishes.expect, **view.expect}, view.hparams)
    return Case(view, wishes, rules, now, has_grown, goals, bests, tuple(compared))
