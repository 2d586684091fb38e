"""What scikit-learn's ``classification_report`` prints, saved as a text.

::

                  precision    recall  f1-score   support

             cat       0.91      0.88      0.89       100
         big dog       0.88      0.91      0.90       100

        accuracy                           0.90       200
       macro avg       0.90      0.90      0.90       200

Names of classes may have blanks in them. Its results are named as those of the same
report as a dictionary: ``cat/precision``, ``accuracy``.
"""

import re
from collections.abc import Iterable
from typing import Final

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Result,
    Role,
)
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.numbers import to_number
from mlreport_batch.formats.kit.text import PRINTED, head_lines, lines_of
from mlreport_batch.safety.masking.redact import shown_name

_HEADER = re.compile(r"\s+precision\s+recall\s+f1-score\s+support\s*")
_COLUMNS: Final = ("precision", "recall", "f1-score")
_ACCURACY: Final = "accuracy"  # stands where the others have their f1-score
_CLASSES_MAX: Final = 200


def _matches(candidate: Candidate) -> Match | None:
    """Claim a text with the header of a report in it, and rows below."""
    if stem_of(candidate.name)[1] not in PRINTED:
        return None
    if b"f1-score" not in candidate.head:
        return None
    lines = [
        line for line in head_lines(candidate.head, candidate.size) if line.strip()
    ]
    rows = sum(bool(_HEADER.fullmatch(line) or _row_in(line)) for line in lines)
    if 2 * rows <= len(lines) or not _results_in(lines):
        return None  # what else is printed tells more
    return Match(Role.context, note="scikit-learn's report on classes")


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the results of the last report in the text."""
    items: list[Item] = []
    lines = lines_of(chunk, memory, items)
    yield from items
    for name, value in _results_in(lines).items():
        yield Result(shown_name(name), value)


def _results_in(lines: Iterable[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    is_inside = False
    for line in lines:
        if _HEADER.fullmatch(line):
            found, is_inside = {}, True
        elif is_inside and line.strip():
            row = _row_in(line)
            is_inside = bool(row)
            if len(found) < len(_COLUMNS) * _CLASSES_MAX:
                found |= row
    return found


def _row_in(line: str) -> dict[str, float]:
    """Return what a row says; nothing where it is none."""
    cells = line.rsplit(None, len(_COLUMNS) + 1)
    numbers = [to_number(cell) for cell in cells[1:]]
    if len(numbers) == len(_COLUMNS) + 1 and None not in numbers:
        pairs = zip(_COLUMNS, numbers[:-1], strict=True)
        return {
            f"{cells[0].strip()}/{name}": value
            for name, value in pairs
            if value is not None
        }
    name, *rest = line.split()
    value = to_number(rest[0]) if rest else None
    is_one = name == _ACCURACY and len(rest) == 2 and value is not None  # noqa: PLR2004
    return {name: value} if is_one and value is not None else {}


SKLEARN_REPORT = LogFormat(
    name="sklearn_report",
    matches=_matches,
    parse=_parse,
    whole_file=True,
)
"""Precision, recall and F1 of each class, the averages over them, and the accuracy."""
