"""Header lines of separated values: their columns and what each is."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from mlreport_batch.formats import BulkLayout
from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    is_bookkeeping,
    outer_column,
    sounds_like_metrics,
    step_column,
    units_of,
)
from mlreport_batch.formats.kit.dressed import bare
from mlreport_batch.formats.kit.numbers import BLANK, to_number
from mlreport_batch.formats.kit.text import first_text, is_utf16
from mlreport_batch.safety.masking.redact import shown_name

_SEPARATORS = ",\t;|"
_BRACKETED = re.compile(r"\([^()]*\)|\[[^\[\]]*\]")
_RULE = re.compile(r"[-=+|:_*\s]+")
_UNSEEN = "\ufeff\u200b\u2060"  # without width: no part of a name, as blanks are
_REMEMBERED_MAX = 4096
COLUMNS_MAX = 10_000


class Header(Struct, frozen=True):
    """A header line and what its columns are."""

    line: str
    names: tuple[str, ...]
    layout: BulkLayout


Build = Callable[[str], Header | None]
"""Turns a log's first line into a `Header`, or None if it cannot be one."""


def split_cells(line: str, separator: str) -> list[str]:
    """Return the cells of *line*, stripped; quotes are honoured where there are any."""
    if separator == " ":
        return line.split()
    if '"' in line:
        try:
            (cells,) = csv.reader([line], delimiter=separator, skipinitialspace=True)
        except (csv.Error, ValueError):
            cells = line.split(separator)
    else:
        cells = line.split(separator)
    return [cell.strip() for cell in cells]


def is_rule(line: str) -> bool:
    """Return whether *line* is only drawn: ``-----+-----`` below a header."""
    return ("--" in line or "==" in line) and _RULE.fullmatch(line) is not None


def says_nothing(line: str) -> bool:
    """Return whether *line* is blank, a comment or drawn."""
    is_blank = not line or line.isspace()
    return is_blank or line.lstrip().startswith("#") or is_rule(line)


def is_open(line: str, separator: str) -> bool:
    """Return whether a quoted cell goes on in the next line."""
    if line.count('"') % 2 == 0:
        return False
    # `5" screen` opens nothing: only a quote at the start of a cell does.
    return any(cell.lstrip().startswith('"') for cell in line.split(separator))


def is_all_names(cells: list[str], width: int) -> bool:
    """Return whether a row can only be names, whatever the header above it says."""
    if len(cells) < 2:  # noqa: PLR2004
        return False
    if any(cell in BLANK or to_number(cell) is not None for cell in cells):
        return False
    if any(to_number(bare(cell)) is not None for cell in cells):
        return False
    return has_sure_step(cells) or (len(cells) == width and sounds_like_metrics(cells))


def joined(cells: list[str], mark: str) -> list[str]:
    """Return *cells* with those put together that a *mark* in brackets took apart."""
    found: list[str] = []
    depth = 0
    for cell in cells:
        if depth > 0:
            found[-1] += mark + cell
        else:
            found.append(cell)
        depth += cell.count("(") + cell.count("[") - cell.count(")") - cell.count("]")
    return found


def separator_of(line: str) -> str:
    """Return what separates the cells of a header *line*; a space is any blanks.

    Names may hold other marks. The one that leaves a step column counts; else the
    one that stands most often outside brackets: ``epoch;loss (a,b)``.
    """
    plain = line
    if '"' in line:
        plain = '""'.join(line.split('"')[::2])
    found = [mark for mark in _SEPARATORS if mark in plain]
    if len(found) < 2:  # noqa: PLR2004
        return found[0] if found else " "
    bare = _BRACKETED.sub("", plain)

    def sureness(mark: str) -> tuple[bool, int, int]:
        has_step = step_column(split_cells(line, mark)) is not None
        return has_step, bare.count(mark), plain.count(mark)

    return max(found, key=sureness)


def build_header(line: str) -> Header | None:
    """Return the columns of a header *line*, or None if it holds numbers or nothing."""
    return _known_header(line) if len(line) <= _REMEMBERED_MAX else _any_header(line)


def _any_header(line: str) -> Header | None:
    return header_of(line, separator_of(line))


# The logs of one project mostly have the same few headers.
_known_header = lru_cache(maxsize=256)(_any_header)


def header_of(
    line: str,
    separator: str,
    *,
    names: Sequence[str] | None = None,
    step: int | None = None,
    outer: int | None = None,
    keep: Iterable[str] = (),
) -> Header | None:
    """Return the header in *line*.

    Args:
        line: The line as it stands in the log.
        separator: See `BulkLayout`.
        names: The columns' names, where they are not simply its cells.
        step: Index of the step column, where its name does not say it.
        outer: Index of another count beside it, likewise.
        keep: Names that are metrics although they sound like bookkeeping.
    """
    cells = split_cells(line, separator) if names is None else list(names)
    cells = [cell.strip(_UNSEEN) for cell in cells]
    epoch, begins_again = outer, True
    if step is None:
        step = step_column(cells)
        epoch, begins_again = outer_column(cells, step)
    # Without a step column, a number in it means that this is a row of data.
    if step is None and any(to_number(cell) is not None for cell in cells):
        return None
    if not any(cells):
        return None
    free = FreeNames(map(shown_name, cells))
    metrics: list[tuple[int, str]] = []
    for index, cell in enumerate(cells):
        if index in (step, outer) or (is_bookkeeping(cell) and cell not in keep):
            continue
        name = shown_name(cell)
        if not name:  # nothing but colours
            continue
        if len(metrics) == COLUMNS_MAX:
            break
        metrics.append((index, free.name_like(name)))
    layout = BulkLayout(
        separator, len(cells), step, tuple(metrics), epoch, begins_again,
        *units_of(cells, step, epoch),
    )  # fmt: skip
    return Header(line, tuple(cells), layout)


class FreeNames:
    """Numbers equal names, past those that others of a header have already."""

    def __init__(self, names: Iterable[str]) -> None:
        self._written = set(names)
        self._counts: dict[str, int] = {}

    def name_like(self, name: str) -> str:
        """Return *name*, from the second time on ``name.1`` and so on."""
        count = self._counts.get(name, -1) + 1
        while count and f"{name}.{count}" in self._written:
            count += 1
        self._counts[name] = count
        return f"{name}.{count}" if count else name


def bulk_layout(header: bytes, build: Build = build_header) -> BulkLayout | None:
    """Return how the rows below a log's first line can be read in bulk."""
    found = None if is_utf16(header) else build(first_text(header))
    return found.layout if found else None
