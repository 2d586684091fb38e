"""What trainings print for machines: objects and tables in captured output.

Such a file is used only where a run has no log that is written for machines.
"""

import re
from collections.abc import Iterable, Mapping

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import has_sure_step, is_bookkeeping
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.json_values import leaves
from mlreport_batch.formats.kit.lines import object_in, read_json_lines
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.tables import is_printed, printed_header_in
from mlreport_batch.formats.kit.text import PRINTED, head_lines

# fairseq prints its configuration, then the model: the first row comes late.
_FAIRSEQ_JSON = re.compile(rb"\blog_format(?:': |=)'json'")
_FAIRSEQ_STEPS = ("num_updates", "train_num_updates", "valid_num_updates")


def _matches_json_in_text(candidate: Candidate) -> Match | None:
    """Claim a text with an object that counts steps in its first 8 KiB.

    fairseq's needs none there: its configuration tells that they will come.
    """
    if stem_of(candidate.name)[1] not in PRINTED:
        return None
    if _FAIRSEQ_JSON.search(candidate.head):
        return Match(Role.metrics, fallback=True, rank=1, note="fairseq log")
    for line in head_lines(candidate.head, candidate.size):
        at = line.find("{")
        entry = object_in(line[at:]) if at >= 0 else None
        if entry is not None and has_sure_step(entry) and _has_metric(entry):
            return Match(
                Role.metrics, fallback=True, rank=1, note="JSON in printed lines"
            )
    return None


def _parse_json_in_text(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each object."""
    return read_json_lines(chunk, memory, is_mixed=True, steps=_FAIRSEQ_STEPS)


JSON_IN_TEXT = LogFormat(
    name="json_in_text",
    matches=_matches_json_in_text,
    parse=_parse_json_in_text,
)
"""JSON objects at the end of printed lines, as fairseq's ``log_format=json``."""


def _matches_printed_table(candidate: Candidate) -> Match | None:
    """Claim a text in which a table with a step column begins below other lines."""
    if not is_printed(candidate):
        return None
    return Match(Role.metrics, fallback=True, rank=1, note="a table in printed lines")


def _parse_printed_table(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row; what stands above the header says nothing."""
    memory.setdefault("headless", True)
    return read_rows(chunk, memory, printed_header_in)


PRINTED_TABLE = LogFormat(
    name="printed_table",
    matches=_matches_printed_table,
    parse=_parse_printed_table,
)
"""``Using cuda``, then ``epoch loss acc`` and rows of numbers."""


def _has_metric(entry: Mapping[str, object]) -> bool:
    return any(
        value_of(item) is not None and not is_bookkeeping(key)
        for key, item in leaves(entry)
    )
