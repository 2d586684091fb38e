"""``ls``: the runs of a state as a table, without looking at their files."""

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final

from mlreport_batch.commands.call import state_folder
from mlreport_batch.errors import UsageError
from mlreport_batch.language.dates import utc_text
from mlreport_batch.language.figures import duration_text, number, step_text
from mlreport_batch.printing import tell, tell_json
from mlreport_batch.render.columns import table
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.values import hparam, plain, step
from mlreport_batch.safety.clean import natural_key
from mlreport_batch.state.folder import state_errors
from mlreport_batch.state.store import State

SORTS: Final[Mapping[str, Callable[["Listed"], object]]] = {
    "name": lambda run: natural_key(run[1].name),
    "group": lambda run: (run[0], run[1].score is None, run[1].score or 0.0),
    "status": lambda run: (run[1].status, natural_key(run[1].name)),
    "metric": lambda run: (run[1].metric, natural_key(run[1].name)),
    "best": lambda run: (run[1].score is None, run[1].score or 0.0),
    "last": lambda run: (run[1].last is None, run[1].last or 0.0),
    "step": lambda run: -(run[1].last_step or 0.0),
    "progress": lambda run: -_share(run[1]),
    "written": lambda run: -run[1].written,
}
Listed = tuple[str, Brief]
"""A run's group, and its brief."""


def main(args: argparse.Namespace) -> int:
    """Print the table, or the same as JSON."""
    folder = state_folder(args)
    with state_errors(folder), contextlib.closing(State.read(folder)) as state:
        found = listed(state, args.glob)
    if not found and args.glob != "*":
        raise UsageError(f"no run is called {args.glob}")
    found.sort(key=SORTS[args.sort])  # type: ignore[arg-type]
    if args.json:
        tell_json({"runs": [as_json(*run) for run in found], "version": 1})
        return 0
    for line in as_lines(found, time.time()):
        tell(line)
    return 0


def listed(state: State, glob: str) -> list[Listed]:
    """Return the runs whose name, or a folder above them, *glob* takes."""
    return [
        (group, brief)
        for _, group, brief in state.briefs()
        if fnmatchcase(brief.name, glob) or fnmatchcase(brief.name, f"{glob}/*")
    ]


def as_json(group: str, run: Brief) -> dict[str, object]:
    """Return what ``ls --json`` says of one run."""
    return {
        "name": run.name,
        "group": group,
        "status": run.status,
        "progress": None if run.total is None else round(_share(run), 4),
        "metric": run.metric or None,
        "goal": run.goal or None,
        "best": plain(run.best),
        "best_step": step(run.best_step),
        "last": plain(run.last),
        "last_step": step(run.last_step),
        "written_at": utc_text(run.written),
        "hparams": {key: hparam(value) for key, value in run.hparams.items()},
        "metrics": {name: plain(value) for name, value in run.metrics.items()},
    }


def as_lines(runs: Sequence[Listed], now: float) -> Iterator[str]:
    """Yield the table for people."""
    heads = ["run", "status", "progress", "metric", "best", "at", "last", "written"]
    rows = [
        [
            run.name,
            run.status,
            "" if run.total is None else f"{_share(run):.0%}",
            run.metric,
            _figure(run.best),
            step_text(run.best_step) if run.best is not None else "",
            _figure(run.last),
            f"{duration_text(now - run.written)} ago",
        ]
        for _, run in runs
    ]
    yield from table(heads, rows, "llrlrrrr")


def _share(run: Brief) -> float:
    """Return how much of its plan a run has done, 0 without one."""
    return min(1.0, (run.done or 0.0) / run.total) if run.total else 0.0


def _figure(value: float | None) -> str:
    return "" if value is None else number(value)
