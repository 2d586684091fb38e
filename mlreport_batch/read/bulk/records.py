"""The records of many logs, decoded by their format at once and folded by NumPy."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.formats import Chunk, LogFormat, Memory
from mlreport_batch.read.bulk.fold import (
    Folded,
    Gathered,
    Piece,
    counts_of,
    fold_column,
    unordered,
)
from mlreport_batch.read.summary import MetricSummary


class Records(Struct, frozen=True):
    """A chunk of whole records, and what was folded before it."""

    log_format: LogFormat
    chunk: Chunk
    piece: Piece

    @property
    def kin(self) -> str:
        """Which records may be read together."""
        return self.log_format.name


def records_of(
    log_format: LogFormat,
    chunk: Chunk,
    memory: Memory,
    metrics: Mapping[str, MetricSummary],
    prefix: str,
) -> Records | None:
    """Return the records of *chunk*, or None where it takes its format to read them."""
    if memory or not chunk.data:
        return None
    return Records(log_format, chunk, Piece(0, 0, metrics, prefix))


def fold_records(group: Sequence[Records]) -> list[Folded | None]:
    """Return what each of *group* holds; None where its format must read it."""
    import numpy as np

    columns_of = group[0].log_format.columns
    if columns_of is None:
        return [None for _ in group]
    found = columns_of([records.chunk for records in group])
    pieces = [records.piece for records in group]
    gathered = [Gathered(is_plain=rest is not None) for rest in found.rest]
    for column in found.columns:
        cuts = np.searchsorted(column.places, found.bounds)
        nans = np.isnan(column.values)
        odd = unordered(np.where(nans, np.nan, column.steps), cuts)
        for index in odd:
            gathered[index].is_plain = False
        known = ~nans
        plain = replace(
            column,
            places=column.places[known],
            steps=column.steps[known],
            values=column.values[known],
        )
        fold_column(plain, found.bounds, pieces, gathered)
    return [
        Folded(records.chunk.start, counts_of(records.piece.metrics), one.parts(), rest)
        if one.is_plain and rest is not None
        else None
        for records, one, rest in zip(group, gathered, found.rest, strict=True)
    ]
