"""Keras' CSVLogger: any name, any separator, ``epoch`` first."""

from collections.abc import Iterable

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.columns import Header, build_header, bulk_layout
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines

_SUFFIXES = (".csv", ".tsv", ".txt", ".log")


def _matches(candidate: Candidate) -> Match | None:
    """Claim a log with ``epoch`` first and the other columns in order."""
    if not candidate.name.lower().endswith(_SUFFIXES):
        return None
    header = build_header(next(filled(head_lines(candidate.head, candidate.size)), ""))
    if header is None or not _is_keras(header):
        return None
    return Match(Role.metrics, note="Keras CSV logger")


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each epoch."""
    return read_rows(chunk, memory)


KERAS_CSV = LogFormat(
    name="keras",
    matches=_matches,
    parse=_parse,
    bulk_layout=bulk_layout,
)
"""``epoch,accuracy,loss,…``: the other columns are sorted.

Validation columns are guessed and filled with ``NA`` while there is no
validation; with ``append=True`` the epochs start again at 0.
"""


def _is_keras(header: Header) -> bool:
    names = header.names[1:]
    first = [name for name in names if not name.startswith("val_")]
    guessed = names[len(first) :]
    in_order = list(names) == sorted(names) or (
        first == sorted(first) and all(name.startswith("val_") for name in guessed)
    )
    return header.names[0] == "epoch" and "loss" in names and in_order
