"""Read fixtures with the formats alone: no tail, no state, one file at a time."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from folding import fold_points
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import RunDir, group_runs
from mlreport_batch.formats import (
    HINT,
    Anew,
    Candidate,
    Chunk,
    Hparams,
    Item,
    LogFormat,
    Match,
    Member,
    NotYetError,
    Point,
    Problem,
)
from mlreport_batch.formats.registry import by_name, recognise
from mlreport_batch.read.collect import beyond
from mlreport_batch.read.log import PASSES_MAX
from mlreport_batch.read.run import series
from mlreport_batch.read.summary import MetricSummary
from mlreport_batch.safety.clean import Scalar

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def split_at(log_format: LogFormat, data: bytes) -> int:
    """Return how many bytes of *data* a reader would be given."""
    if log_format.whole_file:
        return len(data)
    split = log_format.split
    return split(data) if split else data.rfind(b"\n") + 1


def parse(
    log_format: LogFormat,
    data: bytes,
    cuts: Sequence[int] = (),
    path: str = "/run/x.csv",
    memory: dict[str, Scalar] | None = None,
    member: str = "",
) -> list[Item]:
    """Return the items in *data*, read in the pieces that *cuts* make of it.

    Of a file of many runs they are those of all, one after another, or of a *member*.
    """
    if log_format.members is not None and not member:
        return [
            item
            for each in log_format.members(data)
            for item in (
                parse(log_format, data, path=path, member=each.name)
                if isinstance(each, Member)
                else [each]
            )
        ]
    memory = {} if memory is None else memory
    items: list[Item] = []
    header = data.partition(b"\n")[0]
    lines = position = 0
    for end in (*sorted(cuts), len(data)):
        taken = position + split_at(log_format, data[position:end])
        piece = data[position:taken]
        if piece or not position:
            chunk = Chunk(path, header, piece, position, lines + 1, member)
            items += log_format.parse(chunk, memory)
        lines += piece.count(b"\n")
        position = taken
    return items


def found_runs(tree: Path) -> dict[str, RunDir]:
    """Return the runs below *tree* by their path below it."""
    root = str(tree)
    runs = group_runs(walk(root, root=root), root)
    return {run.path.removeprefix(root).lstrip("/"): run for run in runs}


def items_by_file(run: RunDir) -> dict[str, list[Item]]:
    """Return what each used log of *run* says; a series is one log."""
    files = [file for group in series(run.files) for file in group]
    matched = [(file, file.match) for file in files if file.match is not None]
    best: dict[str, int] = {}
    for _, match in matched:
        best[match.twin] = min(best.get(match.twin, match.rank), match.rank)
    is_alone = all(match.fallback or match.role != "metrics" for _, match in matched)
    items: dict[str, list[Item]] = {}
    for file, match in matched:
        if match.twin and match.rank != best[match.twin]:
            continue
        if match.fallback and not is_alone:
            continue
        data = Path(file.full_path).read_bytes()
        try:
            log_format = by_name()[file.format]
            found = parse(log_format, data, path=file.full_path, member=match.member)
        except NotYetError:
            continue
        log = items.setdefault(match.series or file.path, [])
        if log and match.extends:
            found = list(beyond(found, metrics_of(log)))
        log += [_prefixed(item, match.prefix) for item in found]
    return items


def _prefixed(item: Item, prefix: str) -> Item:
    if prefix and isinstance(item, Point):
        return Point(f"{prefix}/{item.metric}", item.step, item.value)
    return item


def metrics_of(items: Iterable[Item]) -> dict[str, MetricSummary]:
    """Return the folded points among *items*."""
    return fold_points(
        (item.metric, item.step, item.value)
        for item in items
        if isinstance(item, Point)
    )


def hparams_of(items: Iterable[Item]) -> dict[str, Scalar]:
    """Return the hyperparameters among *items*."""
    values: dict[str, Scalar] = {}
    for item in items:
        if isinstance(item, Hparams):
            values.update(item.values)
    return values


def is_same(found: object, wanted: object) -> bool:
    """Return whether a value is the one in a truth file."""
    wanted = WORDS.get(wanted, wanted) if isinstance(wanted, str) else wanted
    if isinstance(found, float) and isinstance(wanted, float | int):
        both_nan = math.isnan(found) and math.isnan(wanted)
        return both_nan or found == wanted or math.isclose(found, wanted, rel_tol=1e-4)
    return found == wanted


def candidate(
    path: str, data: bytes, *, beside: Iterable[str] = (), above: Iterable[str] = ()
) -> Candidate:
    """Return the candidate that a file at *path* (below the root) would be."""
    *folders, name = path.split("/")
    parents = tuple(reversed(["root", *folders]))
    siblings = frozenset([name, *beside])
    return Candidate(
        "/top/" + path,
        parents,
        name,
        data[:8192],
        len(data),
        siblings,
        frozenset(above),
    )


def claim(
    path: str,
    data: bytes | str,
    *,
    beside: Iterable[str] = (),
    above: Iterable[str] = (),
) -> tuple[str, Match] | None:
    """Return the first format that claims a file, and its claim."""
    raw = data.encode() if isinstance(data, str) else data
    claim = recognise(candidate(path, raw, beside=beside, above=above))
    return None if claim is None else (claim[0].name, claim[1])


def read(name: str, data: bytes | str, path: str = "/top/run/x.csv") -> list[Item]:
    """Return the items that the format *name* reads in *data*."""
    return parse(
        by_name()[name], data.encode() if isinstance(data, str) else data, path=path
    )


def reread(name: str, data: bytes | str, path: str = "/top/run/x.csv") -> list[Item]:
    """Return the items that the format *name* reads, from zero as often as it asks."""
    raw = data.encode() if isinstance(data, str) else data
    items: list[Item] = []
    memory: dict[str, Scalar] = {}
    for _ in range(PASSES_MAX):
        items = parse(by_name()[name], raw, path=path, memory=memory)
        memory = {key: item for key, item in memory.items() if key.startswith(HINT)}
        if not any(isinstance(item, Anew) for item in items):
            break
    return items


def points(items: Iterable[Item]) -> dict[str, list[tuple[float, float]]]:
    """Return (step, value) of each metric's points."""
    found: dict[str, list[tuple[float, float]]] = {}
    for item in items:
        if isinstance(item, Point):
            found.setdefault(item.metric, []).append((item.step, item.value))
    return found


def problems(items: Iterable[Item]) -> list[tuple[int | None, str]]:
    """Return line and message of each problem."""
    return [(item.line, item.message) for item in items if isinstance(item, Problem)]
