"""A segment of a document as a flat list with one entry per index.

Every UTF-16 code unit, section break, table, row, cell and table end is one entry,
so an index of the Docs API *is* a list position and the arithmetic cannot be wrong
by construction. Paragraphs have no entry: a paragraph is what ends with a newline.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, auto
from typing import Any

from .errors import ApiError

Style = Mapping[str, Any]
NO_STYLE: Style = {}
NORMAL_PARAGRAPH: Style = {
    "namedStyleType": "NORMAL_TEXT",
    "direction": "LEFT_TO_RIGHT",
}
CHIP_MARK = "\ue907"  # what Docs shows where an element is no text


class Kind(IntEnum):
    """What stands at an index."""

    SECTION = auto()
    TABLE = auto()
    ROW = auto()
    CELL = auto()
    CLOSE = auto()
    TEXT = auto()
    NEWLINE = auto()
    OBJECT = auto()


IN_PARAGRAPH = frozenset({Kind.TEXT, Kind.NEWLINE, Kind.OBJECT})


@dataclass(frozen=True, slots=True)
class Unit:
    """What stands at one index.

    ``style`` is the text style (or the style of the table, row, cell or section);
    ``extra`` is the paragraph of a newline or the element of an object.
    """

    kind: Kind
    char: str = ""
    style: Style = field(default_factory=dict)
    extra: Style = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NamedRange:
    """A named stretch that moves with the text."""

    range_id: str
    name: str
    start: int
    end: int


def newline(paragraph: Style = NORMAL_PARAGRAPH, style: Style = NO_STYLE) -> Unit:
    """Return the end of a paragraph; it carries the paragraph's style."""
    return Unit(Kind.NEWLINE, "\n", style, {"paragraphStyle": paragraph})


def code_units(text: str) -> list[str]:
    """Split *text* into UTF-16 code units."""
    data = text.encode("utf-16-le", "surrogatepass")
    return [chr(data[i] | data[i + 1] << 8) for i in range(0, len(data), 2)]


def join_units(chars: Iterable[str]) -> str:
    """Join UTF-16 code units to text again."""
    joined = "".join(chars)
    return joined.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def strip_forbidden(text: str) -> str:
    """Drop the characters that Docs drops silently on insertion."""
    return "".join(
        c
        for c in text
        if not (c <= "\x08" or "\x0c" <= c <= "\x1f" or "\ue000" <= c <= "\uf8ff")
    )


def text_units(text: str, style: Style, paragraph: Unit) -> list[Unit]:
    """Return *text* as units; its newlines are copies of *paragraph*."""
    ends = replace(paragraph, style=style)
    return [
        ends if char == "\n" else Unit(Kind.TEXT, char, style)
        for char in code_units(text)
    ]


def is_high(unit: Unit) -> bool:
    """Tell whether *unit* is the first half of a surrogate pair."""
    return unit.kind is Kind.TEXT and "\ud800" <= unit.char <= "\udbff"


def is_low(unit: Unit) -> bool:
    """Tell whether *unit* is the second half of a surrogate pair."""
    return unit.kind is Kind.TEXT and "\udc00" <= unit.char <= "\udfff"


@dataclass(slots=True)
class Segment:
    """The body, one header or one footer."""

    units: list[Unit]
    ranges: list[NamedRange] = field(default_factory=list)

    def copy(self) -> "Segment":
        """Return a copy; units and ranges are immutable and shared."""
        return Segment(list(self.units), list(self.ranges))

    def splice(self, start: int, end: int, units: list[Unit]) -> None:
        """Replace [start, end) and move the named ranges along."""
        self.units[start:end] = units
        added, delta = len(units), len(units) - (end - start)
        moved = []
        for item in self.ranges:
            if start == end:
                first = item.start + (added if start <= item.start else 0)
                last = item.end + (added if start < item.end else 0)
            else:
                first = _moved(item.start, start, end, delta, start + added)
                last = _moved(item.end, start, end, delta, start)
            if first < last:
                moved.append(replace(item, start=first, end=last))
        self.ranges = moved

    def table_end(self, start: int) -> int:
        """Return the index after the table that starts at *start*."""
        depth = 0
        for index in range(start, len(self.units)):
            kind = self.units[index].kind
            depth += (kind is Kind.TABLE) - (kind is Kind.CLOSE)
            if depth == 0:
                return index + 1
        raise AssertionError("table without an end")

    def paragraph_end(self, index: int) -> int:
        """Return the index of the newline that ends the paragraph at *index*."""
        while self.units[index].kind is not Kind.NEWLINE:
            index += 1
        return index

    def is_paragraph_start(self, index: int) -> bool:
        """Tell whether *index* is the first position of a paragraph."""
        if index == 0:
            return True
        return self.units[index - 1].kind not in {Kind.TEXT, Kind.OBJECT}

    def insertion_style(self, index: int) -> Style:
        """Return the style that text inserted at *index* takes.

        The text before decides; at a paragraph's start, the text there. A link is
        not continued.
        """
        at = index if self.is_paragraph_start(index) else index - 1
        style = self.units[at].style
        return {key: value for key, value in style.items() if key != "link"}

    def insertion_index(self, index: int) -> int:
        """Check an insertion point; return it, moved out of a surrogate pair."""
        if index < 0:
            raise ApiError(400, "Index must be greater than or equal to zero.")
        if index >= len(self.units):
            raise ApiError(
                400,
                f"Index {index} must be less than the end index of the referenced "
                f"segment, {len(self.units)}.",
            )
        if self.units[index].kind not in IN_PARAGRAPH:
            raise ApiError(
                400,
                "The insertion index must be inside the bounds of an existing "
                "paragraph. You can still create new paragraphs by inserting "
                "newlines.",
            )
        if is_low(self.units[index]) and is_high(self.units[index - 1]):
            return index - 1
        return index

    def check_range(self, start: int, end: int) -> None:
        """Refuse a range that is empty or reaches out of the segment."""
        if start >= end:
            raise ApiError(400, "The range should not be empty.")
        if start < 0:
            raise ApiError(400, "Index must be greater than or equal to zero.")
        if end > len(self.units):
            raise ApiError(
                400,
                f"Index {end} must be less than or equal to the end index of the "
                f"referenced segment, {len(self.units)}.",
            )


def _moved(point: int, start: int, end: int, delta: int, inside: int) -> int:
    if point <= start:
        return point
    return point + delta if point >= end else inside


_MAY_FOLLOW: Mapping[Kind, frozenset[Kind | None]] = {
    Kind.SECTION: frozenset({None, Kind.NEWLINE}),
    Kind.TABLE: frozenset({Kind.NEWLINE}),
    Kind.ROW: frozenset({Kind.TABLE, Kind.NEWLINE}),
    Kind.CELL: frozenset({Kind.ROW, Kind.NEWLINE}),
    Kind.CLOSE: frozenset({Kind.NEWLINE}),
    **dict.fromkeys(
        IN_PARAGRAPH,
        frozenset(Kind) - {Kind.TABLE, Kind.ROW} | {None},
    ),
}


def is_well_formed(units: list[Unit]) -> bool:
    """Tell whether *units* are a segment that Docs could hold.

    Tables stand after a paragraph, every cell and the segment end with a newline,
    no surrogate is alone.
    """
    before: Kind | None = None
    depth = 0
    for index, unit in enumerate(units):
        if before not in _MAY_FOLLOW[unit.kind]:
            return False
        depth += (unit.kind is Kind.TABLE) - (unit.kind is Kind.CLOSE)
        if depth < 0 or (depth == 0 and unit.kind in {Kind.ROW, Kind.CELL}):
            return False
        has_partner = index + 1 < len(units) and is_low(units[index + 1])
        if is_high(unit) != has_partner:
            return False
        before = unit.kind
    return depth == 0 and before is Kind.NEWLINE
