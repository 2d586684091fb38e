"""Tables among printed lines whose header is underlined, a rule below each name.

spaCy prints one while it trains, tabulate and others draw the same::

    E    #       LOSS NER  ENTS_F  SCORE
    ---  ------  --------  ------  ------
      0     200   1573.47   38.61    0.39

Names may have blanks in them: the rules tell where each begins and ends.
"""

import re
from collections.abc import Sequence
from typing import Final

from mlreport_batch.formats import Memory
from mlreport_batch.formats.kit.bookkeeping import (
    inner_rank,
    is_bookkeeping,
    is_outcome,
    step_rank,
)
from mlreport_batch.formats.kit.boxes import NOTHING, Box
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.safety.masking.redact import redact_text

_ABOVE: Final = "above"
_TABLE: Final = "underlined"
_LINE_MAX: Final = 2000
_RULES = re.compile(r"\s*-{1,80}(?:\s{1,4}-{1,80}){2,99}\s*")
_SPACY: Final = {"E": "epoch", "#": "step"}  # as it calls them
_BETWEEN: Final = "\t"


def row_in(line: str, memory: Memory, commas: Commas) -> Box | None:
    """Return what a row below an underlined header says; None of any other line.

    Args:
        line: The next line of the log.
        memory: See `LogFormat`; the header, and a line that may be one, are kept there.
        commas: Reads the cells.
    """
    above = memory.pop(_ABOVE, None)
    names = memory.get(_TABLE)
    if names is not None:
        row = _row_of(str(names).split(_BETWEEN), line.split(), commas)
        if row is not None or line.isspace() or not line:
            return row
        del memory[_TABLE]
    if line.startswith((" ", "-")) and above is not None and _RULES.fullmatch(line):
        cells = _cells(str(above), line)
        if _is_log(cells):
            memory[_TABLE] = _BETWEEN.join(cells)
            return NOTHING
    elif "  " in line and len(line) <= _LINE_MAX and _is_header(line):
        memory[_ABOVE] = line
    return None


def _is_header(line: str) -> bool:
    """Return whether *line* may be the header of a table, at little cost."""
    first = line.split(None, 1)[:1]
    if not first or (len(first[0]) > 1 and step_rank(first[0]) is None):
        return False
    return redact_text(line) == line  # it is kept


def _cells(header: str, rules: str) -> list[str]:
    """Return the part of *header* above each rule, up to where the next one begins."""
    starts = [found.start() for found in re.finditer(r"-+", rules)]
    ends = [*starts[1:], max(len(header), len(rules))]
    names = [header[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    return [_SPACY.get(name, name) for name in names] if "#" in names else names


def _is_log(names: Sequence[str]) -> bool:
    has_step = any(step_rank(name) is not None for name in names)
    return has_step and all(names) and any(map(is_outcome, names))


def _row_of(names: Sequence[str], cells: list[str], commas: Commas) -> Box | None:
    """Return the values of a row by *names*, None where it is none of the table's."""
    numbers = [commas.number(cell) for cell in cells]
    if len(numbers) != len(names) or None in numbers:
        return None
    ranked: dict[float, float] = {}
    values: dict[str, float] = {}
    for name, number in zip(names, numbers, strict=True):
        rank = step_rank(name)
        if number is None:
            continue
        if rank is not None:
            ranked.setdefault(rank, number)
        elif not is_bookkeeping(name):
            values.setdefault(name, number)
    best = inner_rank(ranked)
    step = None if best is None else ranked[best]
    if step is None or step - step != 0:
        return NOTHING
    return Box(step, tuple(values.items()))
