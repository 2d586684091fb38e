"""A run's values as JSON holds them: exact, unlike the rounded ones of a report."""

import json
import math
from collections.abc import Mapping

from mlreport_batch.read.summary import MetricSummary
from mlreport_batch.report.goals import goal_of
from mlreport_batch.safety.clean import Scalar


def plain(value: Scalar) -> Scalar:
    """Return *value* as JSON can hold it: non-finite numbers become their names."""
    if isinstance(value, float):
        if math.isnan(value):
            return "NaN"
        if math.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return value


def hparam(value: Scalar) -> object:
    """Return a hyperparameter; a list, kept as its JSON text, is a list again."""
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        try:
            return _plain_list(json.loads(value))
        except (ValueError, RecursionError):  # a text that only looks like a list
            return value
    return plain(value)


def _plain_list(value: object) -> object:
    if isinstance(value, list):
        return [_plain_list(item) for item in value]
    return plain(value) if isinstance(value, float) else value


def step(value: float | None) -> Scalar | None:
    """Return a step: a whole number where it is one."""
    if value is None:
        return None
    whole = math.isfinite(value) and value == int(value) and abs(value) < 1 << 53
    return int(value) if whole else plain(value)


def metric(summary: MetricSummary) -> dict[str, Scalar | None]:
    """Return what is known of a metric; count holds NaN and infinities too."""
    return {
        "count": summary.count,
        "nans": summary.nans,
        "last": plain(summary.last),
        "last_step": step(summary.last_step),
        "min": plain(summary.low),
        "max": plain(summary.high),
    }


def judged_metric(
    name: str, summary: MetricSummary, goals: Mapping[str, str]
) -> dict[str, Scalar | None]:
    """Return what is known of a metric, with its best value by its goal.

    Args:
        name: The metric.
        summary: What is known of it.
        goals: The user's globs, as `goal_of` takes them.
    """
    goal = goal_of(name, goals)
    best, at = {
        "min": (summary.low, summary.low_step),
        "max": (summary.high, summary.high_step),
    }.get(goal or "", (None, None))
    return {
        **metric(summary),
        "goal": goal,
        "best": plain(best),
        "best_step": step(at),
    }
