"""Lightning's CSVLogger: ``version_N/metrics.csv`` with ``hparams.yaml`` beside it."""

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
from mlreport_batch.formats.kit.columns import build_header, bulk_layout
from mlreport_batch.formats.kit.moved import is_moved, is_nemo
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines


def _matches(candidate: Candidate) -> Match | None:
    """Claim a ``metrics.csv`` with a ``step`` or ``epoch`` column."""
    if candidate.name != "metrics.csv":
        return None
    first = next(filled(head_lines(candidate.head, candidate.size)), "")
    header = build_header(first)
    if header is None or header.layout.separator != ",":
        return None
    if not {"step", "epoch"}.intersection(header.names):
        return None
    return Match(
        Role.metrics,
        levels_up=int(is_moved(candidate)),
        series="lightning" if is_nemo(candidate) else "",
        note="Lightning CSV logger",
    )


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row."""
    return read_rows(chunk, memory)


LIGHTNING_CSV = LogFormat(
    name="lightning",
    matches=_matches,
    parse=_parse,
    bulk_layout=bulk_layout,
)
"""``metrics.csv``: train and validation values stand in rows of their own.

The file is rewritten when a key appears, which the tail notices. NeMo moves it
into ``run_N/`` when a training is resumed; the new one continues it.
"""
