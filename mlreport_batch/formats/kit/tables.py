"""Which files are tables: separated values by name, or plain text by what is in it."""

import re
from collections.abc import Sequence
from functools import lru_cache

from mlreport_batch.formats import Candidate
from mlreport_batch.formats.kit.bookkeeping import has_sure_step, is_measure
from mlreport_batch.formats.kit.columns import (
    Header,
    build_header,
    is_rule,
    split_cells,
)
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.numbers import BLANK, to_number
from mlreport_batch.formats.kit.text import filled, head_lines
from mlreport_batch.formats.kit.underlined import names_above

_SUFFIXES = (".csv", ".tsv")
_WORD = re.compile(r"[^\s,;|]+")
_TEXT_SUFFIXES = (".txt", ".out", ".log", ".dat", "")


def is_table(candidate: Candidate) -> bool:
    """Return whether a file may be a table of a header and rows.

    One of separated values is by its name. A text is where its first line has names
    and nine in ten of those below, the first one included, are rows of numbers.
    """
    suffix = stem_of(candidate.name)[1]
    if suffix in _SUFFIXES:
        return True
    return suffix in _TEXT_SUFFIXES and _is_plain(candidate.head, candidate.size)


def header_in(line: str) -> Header | None:
    """Return the header in *line*, which NumPy's savetxt marks with ``#``."""
    if not line.startswith("#"):
        return build_header(line)
    found = build_header(line.lstrip("# "))
    if found is None or found.layout.step is None or not found.layout.metrics:
        return None
    return Header(line, found.names, found.layout)


def table_lines(candidate: Candidate) -> list[str]:
    """Return the first lines of a table, those above its header left out."""
    return _lines(candidate.head, candidate.size)


def _lines(head: bytes, size: int) -> list[str]:
    lines = list(filled(head_lines(head, size)))
    lines = [line for line in lines if not is_rule(line)]
    while lines and lines[0].startswith("#") and header_in(lines[0]) is None:
        del lines[0]
    return lines


def printed_header_in(line: str) -> Header | None:
    """Return the header in a *line* among others, which takes a sure step."""
    if not has_sure_step(_WORD.findall(line)):
        return None  # most lines, and at little cost
    header = header_in(line)
    if header is None or not header.layout.metrics or not _has_words(header.names):
        return None
    return header if has_sure_step(header.names) else None


def is_printed(candidate: Candidate) -> bool:
    """Return whether a table begins below other lines of a text.

    The first line that can be a header is; nine in ten of those below are rows.
    """
    if stem_of(candidate.name)[1] not in (*_TEXT_SUFFIXES, ".err"):
        return False
    lines = _lines(candidate.head, candidate.size)
    headers = enumerate(map(printed_header_in, lines))
    at, header = next((found for found in headers if found[1]), (0, None))
    return header is not None and _are_rows(header, lines[at + 1 :])


def _are_rows(header: Header, lines: Sequence[str]) -> bool:
    """Return whether nine in ten of *lines*, the first one included, are rows."""
    commas = Commas({}, header.layout.separator)
    if not lines or not _fits(header, lines[0], commas):
        return False
    odd = sum(not _fits(header, line, commas) for line in lines)
    return 10 * odd <= len(lines)


# Every format of tables asks for the same file.
@lru_cache(maxsize=2)
def _is_plain(head: bytes, size: int) -> bool:
    lines = _lines(head, size)
    header = header_in(lines[0]) if len(lines) > 1 else None
    if (
        header is not None
        and header.layout.separator == " "
        and _is_underlined(head, size)
    ):
        return False
    if header is None or not header.layout.metrics or not _has_words(header.names):
        return False
    return _are_rows(header, lines[1:])


def _is_underlined(head: bytes, size: int) -> bool:
    """Return whether the first line has a rule below each of its names.

    The rules say more than blanks do; `kit.underlined` reads by them.
    """
    lines = [line for line in head_lines(head, size) if line and not line.isspace()]
    return len(lines) > 1 and bool(names_above(lines[0], lines[1]))


def _has_words(names: Sequence[str]) -> bool:
    # A frame of marks leaves blank names at both ends.
    inner = names[not names[0] : len(names) - (not names[-1])]
    if any(not name or to_number(name) is not None for name in inner):
        return False
    return len(inner) > 1 or any(map(is_measure, inner))


def _fits(header: Header, line: str, commas: Commas) -> bool:
    """Return whether *line* is a row of numbers; beside a step it may have texts."""
    if line == header.line or line.startswith("#"):
        return True
    layout = header.layout
    cells = split_cells(line, layout.separator)
    if len(cells) != layout.width:
        return False
    known = [cell in BLANK or commas.number(cell) is not None for cell in cells]
    if layout.step is None:
        return all(known[at] for at, _ in layout.metrics)
    has_number = any(commas.number(cells[at]) is not None for at, _ in layout.metrics)
    is_told = any(is_measure(header.names[at]) for at, _ in layout.metrics)
    return to_number(cells[layout.step]) is not None and (has_number or is_told)
