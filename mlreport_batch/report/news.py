"""What is new: seen against reported.

*Seen* is the state of a run's files; *reported* is the `Snapshot` that its last
accepted report showed. News is the difference, so a report that failed, waited
or went into a digest loses nothing.
"""

from collections.abc import Mapping

from msgspec import Struct, field

from mlreport_batch.report.view import RunView
from mlreport_batch.safety.clean import Scalar


class MetricMark(Struct, frozen=True, omit_defaults=True):
    """A metric as a report showed it."""

    count: int
    last: float
    last_step: float
    best: float | None = None


HISTORY_MAX = 6
"""So many earlier values of a hyperparameter are kept, the last ones."""


class Earlier(Struct, frozen=True, array_like=True):
    """A value that a hyperparameter had.

    Attributes:
        value: The value, masked where it is a secret.
        step: Where the run was when another was found, None where nobody knows.
        at: When that was, seconds since the epoch.
    """

    value: Scalar
    step: float | None
    at: float


class Snapshot(Struct, frozen=True, omit_defaults=True):
    """What a report showed: the *reported* mark.

    Attributes:
        metrics: By name.
        hparams: Masked hyperparameters.
        expect: Intended hyperparameters.
        results: Values without history.
        checkpoints: Checkpoints by path: (size, mtime_ns).
        outcome: How the run ended, as `Status` words it, or empty.
        problems: Their texts.
        alerts: When alerts were last told, by their keys, seconds since the epoch:
            those that held, and as ``was KEY`` those that were over.
        restarts: How often a log had begun anew.
        at: When the report was made, seconds since the epoch.
        history: The values that hyperparameters had before, the oldest first.
    """

    metrics: dict[str, MetricMark] = field(default_factory=dict)
    hparams: dict[str, Scalar] = field(default_factory=dict)
    expect: dict[str, Scalar] = field(default_factory=dict)
    results: dict[str, Scalar] = field(default_factory=dict)
    checkpoints: dict[str, tuple[int, int]] = field(
        default_factory=dict,
        name="weights",  # as states have it
    )
    outcome: str = ""
    problems: tuple[str, ...] = ()
    alerts: dict[str, float] = field(default_factory=dict)
    restarts: int = 0
    at: float = 0.0
    history: dict[str, tuple[Earlier, ...]] = field(default_factory=dict)


class Changes(Struct, frozen=True):
    """What a run has that its last report did not show.

    Attributes:
        new_points: New values by metric; all of them where a log began anew.
        kinds: What is new: ``metrics hparams results checkpoints status problems
            alerts``, in this order.
        new_checkpoints: Paths of checkpoints that are new or rewritten.
        changed_hparams: Hyperparameters that changed: (before, now).
    """

    new_points: Mapping[str, int]
    kinds: tuple[str, ...]
    new_checkpoints: frozenset[str]
    changed_hparams: Mapping[str, tuple[Scalar, Scalar]]

    @property
    def total_points(self) -> int:
        """New values over all metrics."""
        return sum(self.new_points.values())


def compare(view: RunView, reported: Snapshot | None, outcome: str = "") -> Changes:
    """Return what *view* has that *reported* did not show, alerts left aside.

    Args:
        view: The run.
        reported: What its last report showed.
        outcome: How it ended, or empty while it goes on.
    """
    old = reported or Snapshot()
    new_points = {}
    for name, summary in view.metrics.items():
        shown = old.metrics.get(name)
        if shown is None:
            new_points[name] = summary.count
        elif (summary.count, summary.last_step) != (shown.count, shown.last_step) or (
            summary.last != shown.last and summary.last == summary.last
        ):
            gained = summary.count - shown.count
            new_points[name] = gained if gained > 0 else summary.count
    changed = {
        key: (old.hparams[key], value)
        for key, value in view.hparams.items()
        if key in old.hparams and not _equal(old.hparams[key], value)
    }
    added = set(view.hparams) - set(old.hparams)
    new_checkpoints = frozenset(
        each.path
        for each in view.checkpoints
        if old.checkpoints.get(each.path) != (each.size, each.mtime_ns)
    )
    problems = {str(problem) for problem in view.problems}
    tests = {
        "metrics": bool(new_points),
        "hparams": bool(changed or added or not _all_equal(view.expect, old.expect)),
        "results": any(
            key not in old.results or not _equal(old.results[key], value)
            for key, value in view.results.items()
        ),
        "checkpoints": bool(new_checkpoints),
        "status": outcome not in ("", old.outcome),
        "problems": bool(problems - set(old.problems)),
    }
    return Changes(
        new_points,
        tuple(kind for kind, holds in tests.items() if holds),
        new_checkpoints,
        changed,
    )


def history_of(
    reported: Snapshot | None, changes: Changes, *, step: float | None, at: float
) -> dict[str, tuple[Earlier, ...]]:
    """Return the values that hyperparameters had, with those that just *changes*.

    Args:
        reported: What was told last.
        changes: What is new since.
        step: Where the run is now, None where nobody knows.
        at: Seconds since the epoch.
    """
    history = dict(reported.history) if reported else {}
    for key, (before, _) in changes.changed_hparams.items():
        earlier = (*history.get(key, ()), Earlier(before, step, at))
        history[key] = earlier[-HISTORY_MAX:]
    return history


def _all_equal(first: Mapping[str, Scalar], second: Mapping[str, Scalar]) -> bool:
    return first.keys() == second.keys() and all(
        _equal(value, second[key]) for key, value in first.items()
    )


def _equal(first: Scalar, second: Scalar) -> bool:
    return first == second or (first != first and second != second)  # noqa: PLR0124


def snapshot_of(
    view: RunView,
    *,
    best: Mapping[str, float | None],
    alerts: dict[str, float],
    at: float,
    outcome: str = "",
    history: dict[str, tuple[Earlier, ...]] | None = None,
) -> Snapshot:
    """Return what a report made of *view* shows."""
    return Snapshot(
        metrics={
            name: MetricMark(s.count, s.last, s.last_step, best.get(name))
            for name, s in view.metrics.items()
        },
        hparams=dict(view.hparams),
        expect=dict(view.expect),
        results=dict(view.results),
        checkpoints={
            each.path: (each.size, each.mtime_ns) for each in view.checkpoints
        },
        outcome=outcome,
        problems=tuple(str(problem) for problem in view.problems),
        alerts=alerts,
        restarts=view.restarts,
        at=at,
        history=history or {},
    )
