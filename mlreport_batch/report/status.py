"""What became of a run, by its evidence: docs/status.md says which gives which word.

What a framework or a launcher says of the end comes first, then the run's own plan,
then silence. A word on the end holds while the run did not go on after it.
"""

import re

from msgspec import Struct

from mlreport_batch.formats.captured import KINDS
from mlreport_batch.read.endings import Ending
from mlreport_batch.report.model import AlertRules
from mlreport_batch.report.plan import Goal, goal_of_run
from mlreport_batch.report.view import RunView

OVER = ("finished", "failed", "killed", "out_of_time")
BROKEN = ("failed", "killed", "out_of_time")
DOUBT_FACTOR = 3
"""So many rows must be missing before doubtful words count."""
DOUBT_UNKNOWN_S = 7200.0
WENT_ON_S = 60.0
"""What is written so long after a run's last words is written by a run that goes on."""
STALL_LEAST_S = 600.0
STALL_YOUNG_S = 1200.0
YOUNG_S = 3600.0
"""So young, a run may not have come to its first evaluation."""
STALL_UNKNOWN_S = 1800.0
STALL_FACTOR = 20
STALL_SHARE = 0.1
STALL_SHARE_MAX_S = 3600.0
SILENCE_FACTOR = 1.5
ROWS_FOR_PACE = 3
COPIED_S = 60.0
"""Files that are all younger than this against each other may just have been copied."""


_FINAL = re.compile(r"(?i)(?:^|[^a-z])final(?![a-z])[^/]*$")


class Status(Struct, frozen=True):
    """What became of a run.

    Attributes:
        word: ``running finished failed killed out_of_time quiet stalled empty``.
        kind: What tells of an end, as `Ending` has it, or ``framework``, ``final``,
            ``plan`` or ``silence``; empty for none.
        said: What was said, in the words of who said it.
        source: Path of the file that says so, or empty.
        tail: The last lines of that file, or empty.
        silent_s: Seconds since anything was written.
        usual_s: The usual seconds from row to row, None while nobody knows.
        goal: How far it is against its plan, None without one.
    """

    word: str
    kind: str = ""
    said: str = ""
    source: str = ""
    tail: str = ""
    silent_s: float = 0.0
    usual_s: float | None = None
    goal: Goal | None = None

    @property
    def is_over(self) -> bool:
        """Whether the run came to an end, good or bad."""
        return self.word in OVER

    @property
    def is_broken(self) -> bool:
        """Whether it came to a bad end."""
        return self.word in BROKEN


def row_s(view: RunView) -> float | None:
    """Return the usual seconds between two rows, None while it cannot be known.

    Until a run was seen to grow, its files tell when it began and ended.
    """
    seen = view.beats.row_s()
    if seen is not None:
        return seen
    took_s = (view.updated_ns - view.started_ns) / 1e9
    if view.rows < ROWS_FOR_PACE or took_s < COPIED_S:
        return None
    return took_s / view.rows


def patience_s(view: RunView, rules: AlertRules) -> float:
    """Return how long a silence of the run means nothing, in seconds.

    It goes by the run's own pace, by how it was seen to write, by its age, and by the
    longest silence that it came back from, as for an evaluation each night.
    """
    if rules.stall_s not in (None, "auto"):
        return float(rules.stall_s)
    pace = row_s(view)
    if pace is None:
        return STALL_UNKNOWN_S
    age_s = (view.updated_ns - view.started_ns) / 1e9
    gap_s = view.beats.gap_s()
    return max(
        STALL_LEAST_S if age_s >= YOUNG_S else STALL_YOUNG_S,
        STALL_FACTOR * pace,
        min(STALL_SHARE * age_s, STALL_SHARE_MAX_S),
        # Seen once, it may write all that it has at once.
        SILENCE_FACTOR * (age_s if gap_s is None else gap_s),
        SILENCE_FACTOR * view.beats.silence_s,
    )


def status_of(
    view: RunView, rules: AlertRules, *, now: float, has_grown: bool = False
) -> Status:
    """Return what became of a run.

    Args:
        view: The run.
        rules: How long a silence means nothing.
        now: Seconds since the epoch.
        has_grown: Whether an earlier tick saw it grow: only then a silence is told.
    """
    silent_s = max(0.0, now - view.updated_ns / 1e9)
    goal = goal_of_run(view)
    is_silent = silent_s > patience_s(view, rules)
    found = _end_of(view, goal, now, is_silent=is_silent)
    if found is None:
        is_empty = not view.metrics and not view.results and not view.hparams
        stalls = is_silent and has_grown and rules.stall_s is not None
        word = "stalled" if stalls else "quiet" if is_silent else "running"
        found = Status("empty" if is_empty else word, "silence" if stalls else "")
    if goal is not None and goal.is_guess and found.kind != "plan":
        goal = None  # of a run that goes on it says nothing
    return Status(
        found.word, found.kind, found.said, found.source, found.tail,
        silent_s=silent_s, usual_s=row_s(view), goal=goal,
    )  # fmt: skip


def _end_of(
    view: RunView, goal: Goal | None, now: float, *, is_silent: bool
) -> Status | None:
    """Return how the run ended, None where nothing says that it did."""
    lacks_rows = now > believed_at(view)
    outcome = view.outcome
    holding = [
        (path, ending)
        for path, ending in view.endings.items()
        if ending.status and _holds(view, ending, is_silent=is_silent)
    ]
    broken = [
        (path, ending)
        for path, ending in holding
        if ending.status in BROKEN and (ending.is_sure or lacks_rows)
    ]
    if broken:
        return _told_by(broken)
    if outcome is not None and outcome.status in OVER:
        return Status(outcome.status, "framework", outcome.evidence)
    done = [
        (path, ending)
        for path, ending in holding
        if ending.status == "finished" and (is_silent or _fits(ending, goal))
    ]
    if done:
        return _told_by(done)
    final = _final_checkpoint(view)
    if final:
        return Status("finished", "final", source=final)
    if goal is not None and (goal.is_reached or (goal.is_near and is_silent)):
        return Status("finished", "plan")
    return None


def believed_at(view: RunView) -> float:
    """Return from when on words count that may be another program's, as in a log.

    By then rows are missing; a run without rows has none to miss.
    """
    if not view.rows:
        return 0.0
    pace = row_s(view)
    missing_s = DOUBT_UNKNOWN_S if pace is None else DOUBT_FACTOR * pace
    return view.written_ns / 1e9 + missing_s


def _fits(ending: Ending, goal: Goal | None) -> bool:
    """Return whether words on a good end agree with the plan: a stage may be done."""
    if goal is None or goal.is_guess:
        return True
    return goal.is_near or ending.kind == "early_stop"


def _holds(view: RunView, ending: Ending, *, is_silent: bool) -> bool:
    """Return whether the run did not go on after the last words of a file.

    Of one that ended well, a last evaluation may be written much later.
    """
    outputs = [
        other.signature.mtime_ns for other in view.endings.values() if other.is_sure
    ]
    said_ns = ending.signature.mtime_ns + WENT_ON_S * 1e9
    if ending.status == "finished" and is_silent:
        return max(outputs, default=0) <= said_ns
    return max([view.written_ns, *outputs]) <= said_ns


def _final_checkpoint(view: RunView) -> str:
    """Return a checkpoint that is named as the final one and is no older than the log.

    Detectron2 ends with ``model_final.pth``, others with ``final.pt``.
    """
    oldest = view.written_ns - WENT_ON_S * 1e9
    return next(
        (
            each.path
            for each in view.checkpoints
            if each.mtime_ns >= oldest and _FINAL.search(each.path)
        ),
        "",
    )


def _told_by(words: list[tuple[str, Ending]]) -> Status:
    """Return what the gravest of some last words say."""
    path, ending = min(words, key=lambda word: KINDS.index(word[1].kind))
    return Status(ending.status, ending.kind, ending.said, path, ending.tail)
