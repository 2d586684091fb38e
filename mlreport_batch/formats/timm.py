"""timm's ``train.py``: ``summary.csv``."""

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
from mlreport_batch.formats.kit.columns import Header, build_header
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines


def _matches(candidate: Candidate) -> Match | None:
    """Claim a ``summary.csv`` of timm's columns."""
    first = next(filled(head_lines(candidate.head, candidate.size)), "")
    header = build_header(first) if candidate.name == "summary.csv" else None
    if header is None or not {"epoch", "train_loss"} <= set(header.names):
        return None
    return Match(Role.metrics, note="timm")


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each epoch."""
    return read_rows(chunk, memory, repair=_without_eval)


TIMM_SUMMARY = LogFormat(
    name="timm",
    matches=_matches,
    parse=_parse,
)
"""``epoch,train_loss,eval_loss,…,lr``; the header is written again on resume.

The columns of a row are those that it has: without an evaluation it is shorter.
"""


def _without_eval(header: Header, cells: list[str]) -> list[str] | None:
    """Put a row without an evaluation under the header."""
    is_eval = [name.startswith("eval_") for name in header.names]
    if len(cells) != is_eval.count(False):
        return None
    rest = iter(cells)
    return ["" if left_out else next(rest) for left_out in is_eval]
