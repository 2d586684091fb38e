"""``compare``: what differs between runs, and their metrics side by side."""

import argparse
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from msgspec import Struct

from mlreport_batch.commands.call import state_folder
from mlreport_batch.errors import UsageError
from mlreport_batch.language.figures import number, scalar_text, step_text
from mlreport_batch.printing import tell, tell_json
from mlreport_batch.render.columns import table
from mlreport_batch.report.alike import varying
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.goals import main_metrics
from mlreport_batch.report.needless import place_text
from mlreport_batch.report.values import hparam, metric
from mlreport_batch.report.view import RunView, view_of
from mlreport_batch.safety.clean import Scalar, clean
from mlreport_batch.state.folder import state_errors
from mlreport_batch.state.store import State

CELL_MAX = 40
METRICS_MAX = 40


class Compared(Struct, frozen=True):
    """A run that is compared: its brief, and what its files say."""

    brief: Brief
    view: RunView

    @property
    def name(self) -> str:
        """Its name."""
        return self.brief.name


def main(args: argparse.Namespace) -> int:
    """Print the runs side by side, or the same as JSON."""
    folder = state_folder(args)
    with state_errors(folder), contextlib.closing(State.read(folder)) as state:
        runs = found_runs(state, args.runs)
    if args.json:
        tell_json(as_json(runs))
        return 0
    for line in as_lines(runs):
        tell(line)
    return 0


def found_runs(state: State, wanted: Sequence[str]) -> list[Compared]:
    """Return the runs that are *wanted*, by name, by the end of it, or by a glob.

    Raises:
        UsageError: One is not known, or they are fewer than two.
    """
    known = [(path, brief) for path, _, brief in state.briefs()]
    chosen: dict[str, Brief] = {}
    for name in wanted:
        found = [each for each in known if each[1].name == name] or [
            each
            for each in known
            if each[1].name.endswith(f"/{name}") or fnmatchcase(each[1].name, name)
        ]
        if not found:
            raise UsageError(
                f"no run is called {name}", advice="`mlreport-batch ls` lists them"
            )
        chosen.update(found)
    if len(chosen) < 2:  # noqa: PLR2004
        raise UsageError(f"{len(chosen)} run is named, two or more are compared")
    runs = []
    for path, brief in chosen.items():
        seen = state.seen(path)
        if seen is not None:
            runs.append(Compared(brief, view_of(seen)))
    return runs


def as_json(runs: Sequence[Compared]) -> dict[str, object]:
    """Return what ``compare --json`` prints."""
    return {
        "runs": [{"name": run.name, "status": run.brief.status} for run in runs],
        "hparams": {
            key: {run.name: hparam(run.view.hparams.get(key)) for run in runs}
            for key in varying(_hparams(runs))
        },
        "metrics": {
            name: {
                run.name: metric(summary)
                for run in runs
                if (summary := run.view.metrics.get(name)) is not None
            }
            for name in _metrics(runs)
        },
        "version": 1,
    }


def as_lines(runs: Sequence[Compared]) -> Iterator[str]:
    """Yield the runs side by side, a column each."""
    sides = "l" + "r" * len(runs)
    heads = ["", *(run.name for run in runs)]
    yield from table(heads, [["status", *(run.brief.status for run in runs)]], sides)
    keys = varying(_hparams(runs))
    yield ""
    yield "hyperparameters that differ" if keys else "the same hyperparameters"
    rows = [[key, *(_cell(run.view.hparams, key) for run in runs)] for key in keys]
    yield from table(heads, rows, sides)
    yield ""
    yield "metrics: last value"
    names = _metrics(runs)[:METRICS_MAX]
    rows = [[name, *(_last(run.view, name) for run in runs)] for name in names]
    yield from table(heads, rows, sides)
    yield from _best(runs, heads, sides)


def _best(runs: Sequence[Compared], heads: list[str], sides: str) -> Iterator[str]:
    """Yield the best values of the metric that all are ranked by, if there is one."""
    kinds = {(run.brief.metric, run.brief.goal) for run in runs}
    steps = [run.brief.last_step for run in runs if run.brief.last_step is not None]
    if len(kinds) > 1 or not runs[0].brief.goal or len(steps) < len(runs):
        return
    step = min(steps)
    at = place_text(runs[0].brief, step, "en")
    yield ""
    yield f"best {runs[0].brief.metric} ({runs[0].brief.goal})"
    rows = [
        ["so far", *(_figure(run.brief.best) for run in runs)],
        ["at", *(step_text(run.brief.best_step) for run in runs)],
        [f"by {at}", *(_figure(run.brief.best_by(step)) for run in runs)],
    ]
    yield from table(heads, rows, sides)


def _hparams(runs: Sequence[Compared]) -> Mapping[str, Mapping[str, Scalar]]:
    return {run.name: run.view.hparams for run in runs}


def _metrics(runs: Sequence[Compared]) -> list[str]:
    names: dict[str, None] = {}
    for run in runs:
        names.update(dict.fromkeys(main_metrics(run.view)))
    return list(names)


def _cell(hparams: Mapping[str, Scalar], key: str) -> str:
    return scalar_text(hparams[key], CELL_MAX) if key in hparams else ""


def _last(view: RunView, name: str) -> str:
    summary = view.metrics.get(name)
    if summary is None:
        return ""
    return clean(f"{number(summary.last)} @ {step_text(summary.last_step)}")


def _figure(value: float | None) -> str:
    return "" if value is None else number(value)
