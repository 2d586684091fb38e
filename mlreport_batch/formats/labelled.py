"""Rows that say in a cell what they are about: a metric's name, or a data split.

Without this, the values of several metrics would be taken for one curve.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from mlreport_batch.formats import Candidate, Item, Match, Memory, Point, Result, Role
from mlreport_batch.formats._columns import Header, build_header
from mlreport_batch.formats._documents import stem_of
from mlreport_batch.formats._labels import labelled, named_column, split_column
from mlreport_batch.formats._rows import read_rows
from mlreport_batch.formats._text import filled, first_text, head_lines
from mlreport_batch.formats.bookkeeping import has_sure_step, is_log_name
from mlreport_batch.redact import shown_name
from mlreport_batch.tail import Chunk

_SUFFIXES = (".csv", ".tsv")


def _first_header(candidate: Candidate) -> Header | None:
    if stem_of(candidate.name)[1] not in _SUFFIXES:
        return None
    return build_header(next(filled(head_lines(candidate.head, candidate.size)), ""))


@dataclass(frozen=True, slots=True)
class NamedRows:
    """``step,metric,value``: one value a row, and its name in a cell."""

    name: ClassVar[str] = "named_rows"
    whole_file: ClassVar[bool] = False

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim a table with a column of names and one of values."""
        header = _first_header(candidate)
        if header is None or named_column(header.names) is None:
            return None
        if header.layout.step is not None:
            return Match(Role.metrics, note="a metric's name and value in each row")
        stem = stem_of(candidate.name)[0]
        if not is_log_name(stem):
            return None
        role = Role.metrics if stem in ("metrics", "results") else Role.context
        return Match(role, note="a result's name and value in each row")

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:
        """Yield the points; results where nothing counts steps."""
        header = build_header(first_text(chunk.header))
        has_step = header is None or header.layout.step is not None
        for item in read_rows(chunk, memory, rename=_by_name):
            if isinstance(item, Point) and not has_step:
                yield Result(item.metric, item.value)
            else:
                yield item


@dataclass(frozen=True, slots=True)
class SplitRows:
    """``epoch,phase,loss``: rows of training and validation take turns."""

    name: ClassVar[str] = "split_rows"
    whole_file: ClassVar[bool] = False

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim a log with a step column and a column named after splits."""
        header = _first_header(candidate)
        if header is None or split_column(header.names) is None:
            return None
        if not has_sure_step(header.names) or len(header.layout.metrics) < 2:  # noqa: PLR2004
            return None
        return Match(Role.metrics, note="CSV with a step column and a split")

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:
        """Yield the points of each row, under the name of its split."""
        return read_rows(chunk, memory, rename=_by_split)


def _by_name(header: Header, cells: list[str], name: str) -> str:
    """Return the metric that a row names, or nothing for its other columns."""
    found = named_column(header.names)
    if found is None:
        return name
    of_name, of_value = found
    if name != header.names[of_value]:
        return ""
    metric = shown_name(cells[of_name])
    at = split_column(header.names)
    return labelled(cells[at], metric) if metric and at is not None else metric


def _by_split(header: Header, cells: list[str], name: str) -> str:
    at = split_column(header.names)
    return name if at is None else labelled(cells[at], name)
