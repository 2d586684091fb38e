"""When a run began, how fast it is, how far, and when it will end at that pace.

Nothing is told that the data do not bear: a run that was first seen late has no start,
and one without a plan, or without a pace, no end.
"""

from msgspec import Struct

from mlreport_batch.report.plan import Goal
from mlreport_batch.report.status import COPIED_S, Status, row_s
from mlreport_batch.report.view import Place, RunView

PACES_ALIKE = 3.0
ROWS_MIN = 10
"""Of fewer rows the first one, which often takes long, tells too much."""
EPOCHS_MIN = 3
"""From so many epochs on it is known how many steps one has."""
AHEAD_MAX_S = 366 * 86400.0


class Timing(Struct, frozen=True):
    """The times of a run, seconds since the epoch; None for what nobody knows.

    Attributes:
        started: When it began.
        written: When it wrote last.
        row_s: The usual seconds from row to row.
        ends: When it will end at its present pace.
    """

    started: float | None
    written: float
    row_s: float | None
    ends: float | None


def timing_of(view: RunView, status: Status, now: float) -> Timing:
    """Return the times of a run."""
    started = _started(view)
    goes_on = status.word in ("running", "quiet")
    ends = _ends(view, status.goal, started) if goes_on else None
    if ends is not None and not now < ends < now + AHEAD_MAX_S:
        ends = None
    return Timing(started, view.updated_ns / 1e9, row_s(view), ends)


def _started(view: RunView) -> float | None:
    """Return when a run began, by its oldest file, if its rows agree.

    A run that was first seen late, or was copied, has too young a file; one whose
    settings were written long before, or that was stopped for a while, too old a one.
    """
    started, rows = view.started_ns / 1e9, view.rows
    took = view.updated_ns / 1e9 - started
    if not rows or not view.started_ns or took < COPIED_S:
        return None
    pace = view.beats.row_s()
    if pace is not None and not pace / PACES_ALIKE <= took / rows <= pace * PACES_ALIKE:
        return None
    return started


def _ends(view: RunView, goal: Goal | None, started: float | None) -> float | None:
    """Return when a run reaches its goal, as fast as it was seen to go of late."""
    if goal is None or not 0 < goal.done < goal.total:
        return None
    recent = view.beats.recent
    written = view.written_ns / 1e9
    place = next((p for p in view.places if recent and p.last == recent[-1].step), None)
    if place is None or place.last <= place.first:
        return None
    share = _share(view, goal, place)
    if not share:
        return None
    first, last = recent[0], recent[-1]
    if last.step > first.step:
        speed = (last.step - first.step) / (last.at - first.at) * share
    elif started is not None and view.rows >= ROWS_MIN:
        speed = goal.done / (written - started)
    else:
        return None
    return written + (goal.total - goal.done) / speed


def _share(view: RunView, goal: Goal, place: Place) -> float:
    """Return how much of the goal one step of a log is, 0 where that is not sure."""
    if place.unit == goal.unit or view.progress.total is not None:
        return 1.0
    if goal.done < EPOCHS_MIN:
        return 0.0
    return goal.done / (place.last - place.first)
