"""Tables among printed lines whose header is underlined, a rule below each name.

spaCy prints one while it trains, tabulate and others draw the same::

    E    #       LOSS NER  ENTS_F  SCORE
    ---  ------  --------  ------  ------
      0     200   1573.47   38.61    0.39

Names may have blanks in them: the rules tell where each begins and ends, and so which
cells of a row are blank, as skorch leaves those of ``cp`` where it kept no checkpoint.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from mlreport_batch.formats import Memory
from mlreport_batch.formats.kit.bookkeeping import (
    inner_rank,
    is_bookkeeping,
    is_measure,
    is_outcome,
    step_rank,
)
from mlreport_batch.formats.kit.boxes import NOTHING, Box
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.numbers import BLANK
from mlreport_batch.safety.masking.redact import redact_text

_ABOVE: Final = "above"
_TABLE: Final = "underlined"
_ENDS: Final = "underlined at"
_LINE_MAX: Final = 2000
_RULES = re.compile(r"\s*-{1,80}(?:\s{1,4}-{1,80}){2,99}\s*")
_SPACY: Final = {"E": "epoch", "#": "step"}  # as it calls them
_BETWEEN: Final = "\t"
_CELL = re.compile(r"\S+")


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
        ends = [int(at) for at in str(memory.get(_ENDS) or "").split()]
        row = _row_of(str(names).split(_BETWEEN), ends, line, commas)
        if row is not None or line.isspace() or not line:
            return row
        del memory[_TABLE]
    if above is not None and (found := names_above(str(above), line)):
        memory[_TABLE] = _BETWEEN.join(found)
        memory[_ENDS] = " ".join(map(str, _ends(line)))
        return NOTHING
    if "  " in line and len(line) <= _LINE_MAX and _is_header(line):
        memory[_ABOVE] = line
    return None


def names_above(header: str, line: str) -> Sequence[str]:
    """Return the names in *header* if *line* underlines those of a log."""
    if not line.startswith((" ", "-")) or _RULES.fullmatch(line) is None:
        return ()
    names = _cells(header, line)
    return names if _is_log(names) else ()


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


def _ends(rules: str) -> list[int]:
    """Return where each column ends: midway between its rule and the next one."""
    spans = [found.span() for found in re.finditer(r"-+", rules)]
    return [(end + start + 1) // 2 for (_, end), (start, _) in pairwise(spans)]


def _row_of(
    names: Sequence[str], ends: Sequence[int], line: str, commas: Commas
) -> Box | None:
    """Return the values of a row by *names*, None where it is none of the table's."""
    cells = line.split()
    if len(cells) != len(names) and ends:
        cells = _placed(line, ends)
    if len(cells) != len(names):
        return None
    ranked: dict[float, float] = {}
    values: dict[str, float] = {}
    for name, cell in zip(names, cells, strict=True):
        number = commas.number(cell)
        rank = step_rank(name)
        if number is None:
            if rank is not None or (is_measure(name) and cell not in BLANK):
                return None
        elif rank is not None:
            ranked.setdefault(rank, number)
        elif not is_bookkeeping(name):
            values.setdefault(name, number)
    best = inner_rank(ranked)
    step = None if best is None else ranked[best]
    if step is None or step - step != 0:
        return NOTHING
    return Box(step, tuple(values.items()))


def _placed(line: str, ends: Sequence[int]) -> list[str]:
    """Return the cells of a row by where they stand; of two in a column, both."""
    cells = [""] * (len(ends) + 1)
    for found in _CELL.finditer(line):
        middle = (found.start() + found.end()) // 2
        at = bisect_right(ends, middle)
        cells[at] = f"{cells[at]} {found[0]}".lstrip()
    return cells
