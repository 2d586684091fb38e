"""How far a run is against its own plan: ``max_epochs``, ``total_timesteps`` and so on.

A plan counts only against a log that counts the same. Frameworks count from 0 or from
1; where a log does not tell, or where its last row may not be its end, the plan is
*nearly* reached, and silence has to say the rest.
"""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

from msgspec import Struct

from mlreport_batch.language.figures import percent_text
from mlreport_batch.report.goals import goal_of
from mlreport_batch.report.view import Place, RunView
from mlreport_batch.safety.clean import Scalar

OVERSHOT_MAX = 1.05
"""A run that is further than this beyond a plan does not go by it."""
ROWS_MIN = 3
"""What a step log shows in its first rows may be no plan: the length of a rollout."""

_WORD = re.compile(r"[A-Za-z]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COUNTED = {
    "epoch": "epoch", "epochs": "epoch", "step": "step", "steps": "step",
    "timesteps": "step", "iter": "step", "iters": "step", "iteration": "step",
    "iterations": "step", "updates": "step", "rounds": "step", "round": "step",
    "estimators": "step",
}  # fmt: skip
_PLANNED = frozenset(
    "max maximum num number no n nb of total train training trainer boost boosting "
    "global optimizer env".split()
)
_ALONE = frozenset("epochs iterations iters timesteps updates".split())
_ROLLOUTS = (["n", "steps"], ["env", "steps"])


class Goal(Struct, frozen=True):
    """How far a run is against its plan.

    Attributes:
        unit: What is counted: ``epoch`` or ``step``.
        done: How many are done.
        total: How many are planned.
        is_reached: Whether its log shows that all are done.
        is_near: Whether they may be: one that falls silent now has ended.
        is_guess: Whether it is not even known that the log counts what is planned.
    """

    unit: str
    done: float
    total: float
    is_reached: bool = False
    is_near: bool = False
    is_guess: bool = False

    @property
    def share(self) -> float:
        """How much is done, 0 to 1."""
        return max(0.0, min(1.0, self.done / self.total))

    @property
    def percent(self) -> str:
        """How much is done, as text."""
        return percent_text(self.share)


def plans_in(hparams: Mapping[str, Scalar]) -> dict[str, float]:
    """Return what is planned, by what it counts; of several plans the largest."""
    found: dict[str, float] = {}
    for key, value in hparams.items():
        unit = _planned_unit(key)
        total = _amount(value) if unit else None
        if total is not None:
            found[unit] = max(total, found.get(unit, 0.0))
    return found


@lru_cache(maxsize=4096)
def _planned_unit(key: str) -> str:
    """Return what a hyperparameter of that name plans, or nothing.

    ``max_epochs`` and ``num_train_steps`` plan a training; ``warmup_steps`` and
    ``n_steps``, the length of an agent's rollout, do not.
    """
    name = key.replace(".", "/").rpartition("/")[2]
    words = [word.lower() for word in _WORD.findall(_HUMP.sub("_", name))]
    counted = [word for word in words if word in _COUNTED]
    others = [word for word in words if word not in _COUNTED]
    if len(counted) != 1 or not _PLANNED.issuperset(others):
        return ""
    is_plan = others or counted[0] in _ALONE
    return _COUNTED[counted[0]] if is_plan and words not in _ROLLOUTS else ""


def _amount(value: Scalar) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 < number < float("inf") else None


def goal_of_run(view: RunView) -> Goal | None:
    """Return how far a run is against its plan, None where nothing is planned.

    What a framework itself says comes first; then the log and the plan that are
    furthest.
    """
    step, total = view.progress.step, view.progress.total
    if step is not None and total is not None and total > 0:
        return Goal("step", step, total, is_reached=total <= step)
    plans = plans_in(view.hparams)
    goals = [goal for place in view.places for goal in _goals(view, place, plans)]
    return max(
        (goal for goal in goals if goal.done <= goal.total * OVERSHOT_MAX + 1),
        key=lambda goal: (not goal.is_guess, goal.is_reached, goal.is_near, goal.done),
        default=None,
    )


def _goals(view: RunView, place: Place, plans: Mapping[str, float]) -> Iterator[Goal]:
    """Yield how far one log is against each of the plans that it can be held to."""
    for unit, total in plans.items():
        if place.unit == unit:
            yield _counted(place, unit, total)
        elif unit == "epoch" and place.epoch is not None:
            yield _entered(view, place, total)
        elif _stops_at(place, unit, total):
            yield Goal(unit, total, total, is_near=True, is_guess=True)


def _stops_at(place: Place, unit: str, total: float) -> bool:
    """Return whether a log that may count anything stands just where the plan ends.

    Epochs are called steps by many; steps end with the rollout that reaches the plan.
    """
    if place.unit == "epoch" or place.epoch is not None:
        return False
    if unit == "epoch":
        return place.last in (total - 1, total)
    return total - 1 <= place.last <= total * OVERSHOT_MAX


def _counted(place: Place, unit: str, total: float) -> Goal:
    """Return how far a log is whose steps count what is planned."""
    done = place.last
    if place.first == 0 and (unit == "epoch" or done == total - 1):
        done += 1
    is_sure = unit == "epoch" or place.rows >= ROWS_MIN
    # The last of few rows, and a first one far from 0 or 1, do not tell.
    spacing = (place.last - place.first) / max(1, place.rows - 1)
    slack = spacing if unit == "step" else float(place.first > 1)
    return Goal(
        unit,
        done,
        total,
        is_reached=is_sure and done >= total,
        is_near=is_sure and done + slack >= total,
    )


def _entered(view: RunView, place: Place, total: float) -> Goal:
    """Return how far a log of steps is that states its epoch in each row.

    An epoch that was entered is over where a measure has one value for each epoch, or
    where the epoch is given with its fraction.
    """
    first, epoch = place.first_epoch or 0.0, place.epoch or 0.0
    from_zero = first == 0
    has_fractions = epoch != int(epoch) or first != int(first)
    entered = epoch + 1 if from_zero and not has_fractions else epoch
    spacing = (epoch - first) / max(1, place.rows - 1) if has_fractions else 0.0
    is_complete = any(
        summary.count == total and goal_of(name, {}) is not None
        for name, summary in view.metrics.items()
    )
    is_reached = (is_complete or has_fractions) and entered >= total
    done = epoch if from_zero or has_fractions else epoch - 1
    return Goal(
        "epoch",
        total if is_reached else done,
        total,
        is_reached=is_reached,
        is_near=entered + spacing >= total,
    )
