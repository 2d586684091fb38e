"""Fold points at once, as small inputs are."""

from collections.abc import Iterable

from mlreport_batch.read.fold import LogFold, RestartPlan
from mlreport_batch.read.summary import MetricSummary


def fold_points(points: Iterable[tuple[str, float, float]]) -> dict[str, MetricSummary]:
    """Fold (metric, step, value) triples, orphans left out; for small inputs."""
    points = list(points)
    first = LogFold()
    for point in points:
        first.add(*point)
    if not first.restarts:
        return first.metrics()
    plan = RestartPlan({})
    while True:
        fold = LogFold(plan=plan)
        for point in points:
            fold.add(*point)
        if fold.plan() == plan:
            return fold.metrics()
        plan = fold.plan()
