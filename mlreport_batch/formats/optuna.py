"""Optuna: a study's trials, saved from ``trials_dataframe()``."""

from collections.abc import Iterable

from msgspec.structs import replace

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.columns import (
    Header,
    header_of,
    separator_of,
    split_cells,
)
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines

_ALWAYS = {"number", "datetime_start", "state"}
_METRICS = ("value", "user_attrs_", "intermediate_values_")


def _matches(candidate: Candidate) -> Match | None:
    """Claim a CSV with the columns that every study has."""
    if not candidate.name.lower().endswith((".csv", ".tsv")):
        return None
    first = next(filled(head_lines(candidate.head, candidate.size)), "")
    if _header(first) is None:
        return None
    return Match(Role.metrics, note="Optuna's trials")


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the values of each trial at its number."""
    return read_rows(chunk, memory, _header)


OPTUNA_TRIALS = LogFormat(
    name="optuna",
    matches=_matches,
    parse=_parse,
)
"""``number,value,datetime_start,…,params_lr,state``: the values of each trial."""


def _header(line: str) -> Header | None:
    """Return the columns; what was tried (``params_…``) is no metric."""
    names = split_cells(line, separator_of(line))
    if not names or not _ALWAYS.issubset(names):
        return None
    header = header_of(line, separator_of(line), step=names.index("number"))
    if header is None:
        return None
    metrics = tuple(
        (at, name) for at, name in header.layout.metrics if name.startswith(_METRICS)
    )
    return replace(header, layout=replace(header.layout, metrics=metrics))
