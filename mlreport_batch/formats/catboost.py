"""CatBoost: ``catboost_info/learn_error.tsv`` and ``test_error.tsv``."""

from collections.abc import Iterable
from functools import partial

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.columns import Header, bulk_layout, header_of
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines

_PREFIXES = {"learn_error.tsv": "learn", "test_error.tsv": "test"}


def _header(line: str) -> Header | None:
    if not line.startswith("iter\t"):
        return None
    return header_of(line, "\t", step=0)


def _matches(candidate: Candidate) -> Match | None:
    """Claim both files, for all that lies in the folder."""
    first = next(filled(head_lines(candidate.head, candidate.size)), "")
    if candidate.name not in _PREFIXES or _header(first) is None:
        return None
    return Match(
        Role.metrics, closed=True, prefix=_PREFIXES[candidate.name], note="CatBoost"
    )


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each iteration."""
    return read_rows(chunk, memory, _header)


CATBOOST_TSV = LogFormat(
    name="catboost",
    matches=_matches,
    parse=_parse,
    bulk_layout=partial(bulk_layout, build=_header),
)
"""The two files have different columns, so the set goes before the name.

The event files and ``catboost_training.json`` beside them hold the same rows.
"""
