"""Look at runs without state: for ``inspect`` and ``preview``."""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from mlreport_batch.config.load import load
from mlreport_batch.config.locate import find_config
from mlreport_batch.config.places import place_of
from mlreport_batch.errors import UsageError
from mlreport_batch.find.candidates import linked_folders
from mlreport_batch.find.folder import Folder, below
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import RunDir, group_runs
from mlreport_batch.formats.own_lines import OwnFormat
from mlreport_batch.language.figures import scalar_text, step_text
from mlreport_batch.printing import (
    colours,
    columns_of,
    fitted,
    painted,
    tell,
    tell_json,
)
from mlreport_batch.read.run import RunState, chosen, read_run
from mlreport_batch.report import values
from mlreport_batch.report.model import AlertRules
from mlreport_batch.report.status import status_of
from mlreport_batch.report.view import RunView, view_of
from mlreport_batch.safety.clean import Scalar, clean
from mlreport_batch.safety.entries import look_anew
from mlreport_batch.safety.masking.redact import shown
from mlreport_batch.safety.remote.address import is_remote, real_path
from mlreport_batch.tick.from_config import own_formats_of

_LISTED_MAX = 50
_IN_FULL_MAX = 10
_NAME_MAX = 48


class Looked(Struct, frozen=True):
    """A run as it is now."""

    run: RunDir
    state: RunState
    view: RunView


class Rest(Struct, frozen=True):
    """What was found below a root and belongs to no run.

    Attributes:
        root: The root.
        files: Files that were looked into, and why none of them makes a run.
        problems: What could not be listed or opened, one line each.
    """

    root: str
    files: list[tuple[str, str]]
    problems: list[str]


def look_at(
    paths: Iterable[str],
    *,
    never_enter: Sequence[Path] = (),
    redact: Sequence[str] = (),
    own: tuple[OwnFormat, ...] = (),
    rest: list[Rest] | None = None,
) -> list[Looked]:
    """Return every run below *paths*, read from scratch.

    Args:
        paths: Roots, or run directories.
        never_enter: Folders that are not looked into.
        redact: The user's globs on names of secrets.
        own: What the user says of some files.
        rest: Takes what belongs to no run, by root.

    Raises:
        UsageError: A path is no folder or cannot be listed.
    """
    never = frozenset(os.path.realpath(path) for path in never_enter)
    found = []
    for named in dict.fromkeys(real_path(place_of(path)) for path in paths):
        path = _folder_of(named)
        try:
            look_anew(path)
            folders = list(walk(path, root=path, never_enter=never, own=own))
        except OSError as exc:
            raise UsageError(
                f"{path} cannot be read: {exc.strerror or exc}",
                advice="Name a folder of runs, or one run directory",
            ) from exc
        runs = group_runs(folders, path)
        if path != named:
            runs = [run for run in runs if f"{run.path}/".startswith(f"{named}/")]
        for run in runs:
            state = read_run(run, None, redact=redact)
            found.append(Looked(run, state, view_of(state)))
        if rest is not None:
            rest.append(_rest_of(path, folders, runs))
    return found


def _folder_of(path: str) -> str:
    """Return *path*, or the folder of the file that it names, or a run inside."""
    if is_remote(path):
        return path
    above = path
    while not os.path.lexists(above):
        above = os.path.dirname(above)
    return os.path.dirname(above) if os.path.isfile(above) else path


def _rest_of(root: str, folders: Iterable[Folder], runs: Iterable[RunDir]) -> Rest:
    used = {file.full_path for run in runs for file in run.files}
    owners = tuple(f"{run.path}/" for run in runs)
    files: list[tuple[str, str]] = []
    problems: list[str] = []
    for folder in folders:
        for name, found in sorted(folder.files.items()):
            path = folder.path_of(name)
            if path not in used:
                more = "; makes no run by itself" if found.match else ""
                why = f"{found.format or '-'} ({found.why}{more})"
                files.append((clean(below(path, root), 4096), why))
        if not f"{folder.path}/".startswith(owners):
            for problem in folder.problems:
                if problem.path in folder.files:
                    continue  # told with the file
                inside = os.path.join(below(folder.path, root), problem.path)
                place = clean(os.path.normpath(inside), 4096)
                problems.append(f"{place}: {problem.message}")
    return Rest(root, files, problems)


def as_json(
    looked: Sequence[Looked], rest: Sequence[Rest], now: float
) -> dict[str, object]:
    """Return what ``inspect --json`` prints."""
    return {
        "runs": [_run(item, now) for item in looked],
        "left_alone": [
            {"root": each.root, "path": path, "why": why}
            for each in rest
            for path, why in each.files
        ],
        "version": 1,
    }


def left_alone(rest: Sequence[Rest]) -> list[str]:
    """Return a line for each thing that belongs to no run, and why it does not."""
    lines: list[str] = []
    for each in rest:
        found = [f"  file        {path}: {why}" for path, why in each.files]
        more = len(found) - _LISTED_MAX
        if more > 0:
            found[_LISTED_MAX:] = [f"  and {more:,} more files"]
        found += [f"  problem     {problem}" for problem in each.problems[:_LISTED_MAX]]
        more = len(each.problems) - _LISTED_MAX
        if more > 0:
            found.append(f"  and {more:,} more problems")
        found = [*_links(each.root), *found]
        if found and len(rest) > 1:
            lines.append(f"below {clean(each.root, 4096)}, and of no run:")
        lines += found
    return lines


def _run(item: Looked, now: float) -> dict[str, object]:
    run, view = item.run, item.view
    used = {file.path for file in chosen(run.files)}
    status = status_of(view, AlertRules(), now=now).word
    formats = sorted({file.format for file in run.files if file.path in used})
    return {
        "name": run.name,
        "path": run.path,
        "formats": formats,
        "status": status,
        "metrics": {
            name: values.metric(summary) for name, summary in view.metrics.items()
        },
        "hparams": {key: values.hparam(item) for key, item in view.hparams.items()},
        "checkpoints": [checkpoint.path for checkpoint in run.checkpoints],
        "files": [
            {
                "path": file.path,
                "format": file.format if file.path in used else None,
                "why": file.why
                if file.path in used
                else _why_not(file.format, file.why),
            }
            for file in run.files
        ],
        "problems": [
            {"path": problem.path, "line": problem.line, "message": problem.message}
            for problem in view.problems
        ],
        "results": {key: values.hparam(item) for key, item in view.results.items()},
        "intended": {key: values.hparam(item) for key, item in view.expect.items()},
    }


def _why_not(kind: str, why: str) -> str:
    return f"holds the same rows as another file ({kind})" if kind else why


def as_text(looked: Sequence[Looked], now: float) -> str:
    """Return what ``inspect`` prints for people."""
    lines: list[str] = []
    for item in looked:
        data = _run(item, now)
        place = clean(item.run.path, 4096)
        lines.append(f"{item.run.name}  [{data['status']}]  {place}")
        for name, summary in item.view.metrics.items():
            lines.append(
                f"  metric      {name} = {summary.last:.6g} at step "
                f"{summary.last_step:g} ({summary.count:,} values)"
            )
        for label, named in (
            ("hparam", item.view.hparams),
            ("intended", item.view.expect),
            ("result", item.view.results),
        ):
            lines += _listed(label, named)
        lines += [f"  checkpoint  {each.path}" for each in item.run.checkpoints]
        files = data["files"]
        assert isinstance(files, list)  # noqa: S101
        lines += [
            f"  file        {file['path']}: {file['format'] or '-'}"
            + (f" ({file['why']})" if file["why"] else "")
            for file in files
        ]
        lines += [f"  problem     {problem}" for problem in item.view.problems]
    return "\n".join(lines)


def _links(root: str) -> list[str]:
    """Return a line for each link that may stand for a run; none is followed."""
    names = linked_folders(root)
    lines = [
        f"  link        {shown(name)}: a symlink to a folder elsewhere; not followed"
        for name in names[:_LISTED_MAX]
    ]
    more = len(names) - _LISTED_MAX
    return [*lines, f"  and {more:,} more links"] if more > 0 else lines


def _listed(label: str, named: Mapping[str, Scalar]) -> list[str]:
    return [
        f"  {label:<11} {clean(key)} = {scalar_text(value, 1000)}"
        for key, value in named.items()
    ]


def as_table(looked: Sequence[Looked], now: float, shades: Mapping[str, str]) -> str:
    """Return what ``inspect`` prints of many runs: a line each, then how many of each.

    Args:
        looked: The runs.
        now: Seconds since the epoch.
        shades: Escape sequences, as `printing.colours` gives them.
    """
    rows = [_row(item, now) for item in looked]
    wide = min(_NAME_MAX, max(columns_of(row[0]) for row in rows))
    kinds = max(len(row[2]) for row in rows)
    lines = []
    for name, status, formats, told, has_problem in rows:
        end = painted(told, shades, is_bad=has_problem)
        lines.append(f"{fitted(name, wide)}  {status:<11}  {formats:<{kinds}}  {end}")
    counts = Counter(row[1] for row in rows)
    words = ", ".join(f"{count:,} {word}" for word, count in counts.most_common())
    troubled = sum(row[4] for row in rows)
    lines += ["", f"{len(rows):,} runs: {words}"]
    if troubled:
        lines.append(f"{troubled:,} with problems")
    lines.append("`inspect` of one of them tells all of it; -v and --json do of all")
    return "\n".join(lines)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _row(item: Looked, now: float) -> tuple[str, str, str, str, bool]:
    """Return name, status, formats, the rest in words, and whether it has problems."""
    view, run = item.view, item.run
    used = {file.path for file in chosen(run.files)}
    formats = sorted({file.format for file in run.files if file.path in used})
    last = max((each.last_step for each in view.metrics.values()), default=None)
    told = [
        _counted(len(view.metrics), "metric")
        + (f" to step {step_text(last)}" if last is not None else "")
    ]
    if run.checkpoints:
        told.append(_counted(len(run.checkpoints), "checkpoint"))
    if view.problems:
        told.append(_counted(len(view.problems), "problem"))
    status = status_of(view, AlertRules(), now=now).word
    return run.name, status, ",".join(formats), ", ".join(told), bool(view.problems)


def main(args: argparse.Namespace) -> int:
    """Say what was found in folders and how it was read; return the exit code."""
    now = time.time()
    rest: list[Rest] = []
    own: tuple[OwnFormat, ...] = ()
    if (file := find_config(args.config)) is not None:
        own = own_formats_of(load(file))
    looked = look_at(args.paths, own=own, rest=rest)
    if args.json:
        tell_json(as_json(looked, rest, now))
        return 0
    told = left_alone(rest)
    if not looked:
        tell("\n".join(["no runs found", *told]))
        return 0
    if len(looked) > _IN_FULL_MAX and not args.verbose:
        tell(as_table(looked, now, colours(args.color)))
    else:
        tell(as_text(looked, now))
    if told:
        of_no_run = ["of no run:"] if len(rest) == 1 else []
        tell("\n".join([*of_no_run, *told]))
    return 0
