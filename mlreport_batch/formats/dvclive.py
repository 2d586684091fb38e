"""DVCLive: one TSV per metric, and a summary that is rewritten at every step."""

from collections.abc import Iterable, Iterator
from functools import partial

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Problem,
    Result,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping
from mlreport_batch.formats.kit.columns import Header, bulk_layout, header_of
from mlreport_batch.formats.kit.documents import load_mapping
from mlreport_batch.formats.kit.json_values import leaves
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import head_lines
from mlreport_batch.safety.masking.redact import shown_name


def _header(line: str) -> Header | None:
    cells = line.split("\t")
    if cells[0].strip() != "step" or len(cells) < 2 or not cells[-1].strip():  # noqa: PLR2004
        return None
    # The value column repeats the last part of the metric's name, the file says all.
    return header_of(line, "\t", step=0, keep=cells[-1:])


def _matches_dvclive_tsv(candidate: Candidate) -> Match | None:
    """Claim TSV files below ``plots/metrics`` for the folder that holds that."""
    if not candidate.name.endswith(".tsv"):
        return None
    depth = next(_metrics_folders(candidate.parents), None)
    lines = head_lines(candidate.head, candidate.size)
    if depth is None or (lines and _header(lines[0]) is None):
        return None
    return Match(
        Role.metrics,
        levels_up=depth + 2,
        closed=True,
        prefix="/".join(reversed(candidate.parents[:depth])),
        note="DVCLive",
    )


def _parse_dvclive_tsv(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the one metric's points."""
    return read_rows(chunk, memory, _header)


DVCLIVE_TSV = LogFormat(
    name="dvclive",
    matches=_matches_dvclive_tsv,
    parse=_parse_dvclive_tsv,
    bulk_layout=partial(bulk_layout, build=_header),
)
"""``plots/metrics/train/loss.tsv`` holds the metric ``train/loss``.

The prefix of its match is the folder (``train``); the column's own name is the
last part. A ``timestamp`` column is bookkeeping.
"""


def _metrics_folders(parents: tuple[str, ...]) -> Iterator[int]:
    for depth in range(len(parents) - 1):
        if parents[depth] == "metrics" and parents[depth + 1] == "plots":
            yield depth


def _matches_dvclive_summary(candidate: Candidate) -> Match | None:
    """Claim a ``metrics.json`` that has DVCLive's ``plots`` folder beside it."""
    if candidate.name != "metrics.json" or "plots" not in candidate.siblings:
        return None
    if not candidate.head.lstrip().startswith(b"{"):
        return None
    return Match(Role.metrics, note="DVCLive summary")


def _parse_dvclive_summary(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield all values as results; those with a history are dropped later."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    for key, item in leaves(document):
        value = value_of(item)
        if value is not None and not is_bookkeeping(key):
            yield Result(shown_name(key), value)


DVCLIVE_SUMMARY = LogFormat(
    name="dvclive_summary",
    matches=_matches_dvclive_summary,
    parse=_parse_dvclive_summary,
    whole_file=True,
)
"""``metrics.json`` beside ``plots/``: the last values, some without a history."""
