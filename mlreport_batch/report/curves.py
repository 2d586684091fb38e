"""Which curves a report draws, which of them together, and what is marked on them."""

import math
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

from mlreport_batch.language.figures import step_text
from mlreport_batch.language.say import say
from mlreport_batch.read.summary import MetricSummary, began_to_fail
from mlreport_batch.report.case import Case
from mlreport_batch.report.drawn import Chart, DrawnCurve
from mlreport_batch.report.goals import is_reward, kind_of
from mlreport_batch.report.names import chosen_names, family_of, is_held_out
from mlreport_batch.safety.clean import clean

SERIES_MAX = 4
LOG_SPAN = 50.0
"""From the highest value to the lowest, where a loss is drawn on a logarithm."""
LOG_SPAN_UNKNOWN = 1e3
ALIKE = 0.01
"""Curves that differ by less than this share of their range are drawn once."""
AHEAD_MAX = 0.5
"""A planned end that is further off than this share of the way so far is not drawn."""

Group = tuple[str, list[str]]


def chart_groups(case: Case, shown: Sequence[str], main: str | None) -> list[Group]:
    """Return (title, metrics) of all charts, those a reader asks for first.

    Train and val of one metric share a chart. What the user chose to see in charts
    comes in the user's order and whole; otherwise one of near-identical curves is
    drawn, and what stays the same all along only where it has a goal.

    Args:
        case: The run.
        shown: The metrics of the report, in their order.
        main: The one that the headline names.
    """
    globs = case.wishes.charts.metrics
    is_chosen = tuple(globs) != ("*",)
    names = chosen_names(list(case.view.metrics), globs) if is_chosen else shown
    names = [name for name in names if case.view.metrics[name].count > 1]
    families: dict[str, list[str]] = {}
    for name in names:
        families.setdefault(family_of(name), []).append(name)
    groups = list(families.items())
    if not is_chosen:
        if tuple(case.wishes.metrics) == ("*",):
            groups.sort(key=lambda group: _rank(case, group[1], main))
        groups = list(_told_apart(case, groups))
    return list(_titled(groups))


def _rank(
    case: Case, members: Sequence[str], main: str | None
) -> tuple[bool | int, ...]:
    """Return what sorts charts: what moves and has a goal comes first."""
    kind = min(map(kind_of, members))
    return (
        main not in members,
        all(_is_flat(case.view.metrics[name]) for name in members),
        max(1, kind),
        not any(map(is_reward, members)),
        not any(map(is_held_out, members)),
        kind,
    )


def _told_apart(case: Case, groups: Sequence[Group]) -> Iterator[Group]:
    """Yield *groups* without the curves that show what another chart does, or nothing.

    Train and val that are alike are told as such.
    """
    kept: list[str] = []
    for family, members in groups:
        own = []
        for name in members:
            summary = case.view.metrics[name]
            is_told = any(_are_alike(case, name, other) for other in kept)
            if not is_told and (case.goals[name] is not None or not _is_flat(summary)):
                own.append(name)
        kept += own
        if own:
            yield family, own


def _are_alike(case: Case, name: str, other: str) -> bool:
    """Return whether two metrics have nearly the same values at the same steps."""
    first, second = case.view.metrics[name], case.view.metrics[other]
    if (first.count, first.last_step) != (second.count, second.last_step):
        return False
    if case.goals[name] != case.goals[other]:
        return False
    lows = (first.low, second.low)
    if None in lows or first.low is None or first.high is None:
        return lows == (None, None)
    near = ALIKE * (first.high - first.low)
    pairs = zip(case.course(name), case.course(other), strict=False)
    return all(
        mine[0] == theirs[0] and _is_near(mine[1:], theirs[1:], near)
        for mine, theirs in pairs
    )


def _is_near(
    mine: tuple[float | None, ...], theirs: tuple[float | None, ...], near: float
) -> bool:
    return all(
        a == b or (a is not None and b is not None and abs(a - b) <= near)
        for a, b in zip(mine, theirs, strict=True)
    )


def _titled(groups: Sequence[Group]) -> Iterator[Group]:
    """Yield the charts of *groups*, each with a name of its own."""
    used: set[str] = set()
    for family, members in groups:
        for start in range(0, len(members), SERIES_MAX):
            part = members[start : start + SERIES_MAX]
            name = title = part[0] if len(part) == 1 else family
            number = 1
            while title in used:
                number += 1
                title = f"{name} ({number})"
            used.add(title)
            yield title, part


def chart_of(case: Case, title: str, members: Sequence[str]) -> Chart:
    """Return the chart of some metrics."""
    wishes = case.wishes.charts
    held_out = [name for name in members if is_held_out(name)]
    until = max(case.view.metrics[name].last_step for name in members)
    planned = _planned_end(case, members, until)
    return Chart(
        title=clean(title),
        series=tuple(
            _curve(case, name, has_best=name in (held_out or members))
            for name in members
        ),
        is_log=_is_log(case, members),
        smoothing=None if wishes.smoothing == "auto" else wishes.smoothing,
        until=until,
        planned=planned,
        planned_text=""
        if planned is None
        else say(case.wishes.language, "chart.planned", step=step_text(planned)),
    )


def _curve(case: Case, name: str, *, has_best: bool) -> DrawnCurve:
    summary, best = case.view.metrics[name], case.bests[name]
    points = case.course(name)
    is_number = math.isfinite(summary.last)
    return DrawnCurve(
        key=clean(name),
        steps=tuple(_places(summary, [step for step, _, _ in points])),
        lows=tuple(low for _, low, _ in points),
        highs=tuple(high for _, _, high in points),
        latest=case.said(name, summary.last),
        last=(summary.last_step, summary.last) if is_number else None,
        best=(best[1], best[0]) if best is not None and has_best else None,
        best_text="" if best is None else case.figure(name, best[0]),
        goal=case.goals[name] or "",
        bad_since=began_to_fail(summary),
    )


def _places(summary: MetricSummary, steps: Sequence[float]) -> list[float]:
    """Return where the buckets of a curve stand: in the middle of their steps.

    The first one stands at the first step and the last one at the last.
    """
    if summary.curve.width == 1 or len(steps) < 2:  # noqa: PLR2004
        return list(steps)
    bad_since = began_to_fail(summary)
    middles = [(a + b) / 2 for a, b in pairwise(steps[1:])]
    places = [steps[0], *middles, max(steps[-1], summary.last_step)]
    if bad_since is None:
        return places
    return [max(step, min(x, bad_since)) for step, x in zip(steps, places, strict=True)]


def _is_flat(summary: MetricSummary) -> bool:
    """Return whether a metric stays the same all along."""
    return summary.low == summary.high and math.isfinite(summary.last)


def _is_log(case: Case, members: Sequence[str]) -> bool:
    ends = [(case.view.metrics[n].low, case.view.metrics[n].high) for n in members]
    values = [value for pair in ends for value in pair if value is not None]
    goals = {case.goals[name] for name in members}
    return is_log(values, goals, case.wishes.charts.axis)


def is_log(values: Sequence[float], goals: AbstractSet[str | None], axis: str) -> bool:
    """Return whether a logarithm shows more: of a loss that falls from 125 to 1.

    What is zero, or negative, anywhere has none.

    Args:
        values: Finite ones, the lowest and highest among them.
        goals: Those of what is drawn together.
        axis: What the user wants: ``auto``, ``linear`` or ``log``.
    """
    if axis == "linear" or not values or min(values) <= 0:
        return False
    if axis == "log":
        return True
    if "max" in goals:
        return False
    is_loss = goals == {"min"}
    return max(values) / min(values) >= (LOG_SPAN if is_loss else LOG_SPAN_UNKNOWN)


def _planned_end(case: Case, members: Sequence[str], until: float) -> float | None:
    """Return the step at which the run is meant to end, if a chart has room for it.

    It is told by the longest log, so a metric of another count has none.
    """
    goal, places = case.status.goal, case.view.places
    if goal is None or goal.is_guess or not places or case.status.is_over:
        return None
    place = places[0]
    first = min(case.view.metrics[name].first_step for name in members)
    way = until - first
    counts_alike = (place.unit or "step") == goal.unit
    if not counts_alike or not abs(until - place.last) <= way * AHEAD_MAX / 10:
        return None
    ahead = goal.total - goal.done
    return place.last + ahead if 0 < ahead <= way * AHEAD_MAX else None
