"""Find in a Docs template what a report will fill: placeholders and rows.

Indices of the Docs API count UTF-16 code units within a segment (the body, a header,
a footer, a footnote); `length` has them for a text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.render import placeholders
from mlreport_batch.render.placeholders import PLACEHOLDER

Json = Mapping[str, Any]
# What may be written into a table: the others are read-only, or refused there.
_LOOK = re.compile(
    "namedStyleType|alignment|direction|lineSpacing|space.*|indent.*"
    "|backgroundColor|contentAlignment|padding.*|border(Top|Bottom|Left|Right)"
)
_SUGGESTED = frozenset({"suggestedInsertionIds", "suggestedDeletionIds"})
_OBJECT = "\ufffc"  # an image, a chip or a break


class Line(Struct, frozen=True):
    """A paragraph that holds a placeholder, or one of a repeated cell.

    Attributes:
        start: Index of its first unit.
        runs: Its text without the last newline, in stretches of one text style.
        look: The paragraph's style.
        is_suggested: Whether some of it is only suggested, or to be deleted.
    """

    start: int
    runs: tuple[tuple[str, dict[str, Any]], ...]
    look: dict[str, Any]
    is_suggested: bool = False

    @property
    def text(self) -> str:
        """The text."""
        return "".join(text for text, _ in self.runs)

    def cut(self, start: int, end: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the stretches between two offsets, in characters."""
        for text, style in self.runs:
            if piece := text[max(0, start) : max(0, end)]:
                yield piece, style
            start, end = start - len(text), end - len(text)

    def style_at(self, offset: int) -> dict[str, Any]:
        """Return the text style of the character at *offset*."""
        last = self.runs[-1][1] if self.runs else {}
        return next((style for _, style in self.cut(offset, offset + 1)), last)


class Row(Struct, frozen=True):
    """A table row that is repeated.

    Attributes:
        kind: ``key``, ``hparam``, ``checkpoint`` or ``alert``.
        table: Index at which its table starts.
        number: Which row of the table it is, from 0.
        end: Index after it.
        cells: The paragraphs of each cell.
        looks: The style of each cell.
        of: How many rows its table has, where the others only head it: they go with
            the last copy. 0 where they stay.
        heading: Index at which the heading above such a table starts, or -1.
    """

    kind: str
    table: int
    number: int
    end: int
    cells: tuple[tuple[Line, ...], ...]
    looks: tuple[dict[str, Any], ...]
    of: int = 0
    heading: int = -1


class Part(Struct, frozen=True):
    """A segment with something to fill."""

    tab: str
    segment: str
    lines: tuple[Line, ...]
    rows: tuple[Row, ...]


class Template(Struct, frozen=True):
    """What a template asks for.

    Attributes:
        parts: The segments with something to fill.
        names: All placeholders, each once.
        fixed: Placeholders where nothing can be filled; they stay as they are.
        braces: How many braces stand outside what is filled.
        problems: What makes the template unusable.
    """

    parts: tuple[Part, ...]
    names: tuple[str, ...]
    fixed: int = 0
    braces: int = 0
    problems: tuple[str, ...] = ()


def length(text: str) -> int:
    """Return how many indices *text* takes."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def braces_in(text: str) -> int:
    """Return how many braces *text* holds."""
    return text.count("{") + text.count("}")


def analyse(document: Json) -> Template:
    """Return what *document*, an answer of documents.get with tabs, asks for."""
    tabs = list(_tabs(document.get("tabs", ())))
    reader = _Reader()
    for tab in tabs:
        # A copy's tab ids need not be those of the template: name them only if needed.
        tab_id = tab["tabProperties"]["tabId"] if len(tabs) > 1 else ""
        inner = tab.get("documentTab", {})
        reader.part(tab_id, "", inner.get("body", {}))
        for kind in ("headers", "footers", "footnotes"):
            for segment_id, segment in sorted(inner.get(kind, {}).items()):
                reader.part(tab_id, segment_id, segment)
    return Template(
        tuple(reader.parts),
        tuple(dict.fromkeys(reader.names)),
        reader.fixed,
        reader.braces,
        tuple(reader.problems),
    )


def tables_in(document: Json) -> Iterator[Json]:
    """Yield the tables of all bodies of *document* that stand in no other."""
    for tab in _tabs(document.get("tabs", ())):
        for element in tab.get("documentTab", {}).get("body", {}).get("content", ()):
            if "table" in element:
                yield element["table"]


def _tabs(tabs: Sequence[Json]) -> Iterator[Json]:
    for tab in tabs:
        yield tab
        yield from _tabs(tab.get("childTabs", ()))


class _Reader(Struct):
    parts: list[Part] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    fixed: int = 0
    braces: int = 0
    lines: list[Line] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def part(self, tab: str, segment: str, content: Json) -> None:
        """Read one segment."""
        self.lines, self.rows = [], []
        self._content(content.get("content", ()), depth=0)
        if self.lines or self.rows:
            self.parts.append(Part(tab, segment, tuple(self.lines), tuple(self.rows)))

    def _content(self, content: Sequence[Json], *, depth: int) -> None:
        for above, element in pairwise([{}, *content]):
            if "paragraph" in element:
                line = line_of(element)
                if self._named(line):
                    self.lines.append(line)
                else:
                    self.braces += braces_in(line.text)
            elif "table" in element:
                self._table(element, _heading(above), depth=depth)
            elif "tableOfContents" in element:
                for line in _lines(element["tableOfContents"].get("content", ())):
                    self.fixed += len(PLACEHOLDER.findall(line.text))
                    self.braces += braces_in(line.text)

    def _named(self, line: Line) -> bool:
        """Note the placeholders of *line*; return whether there are any."""
        found = placeholders.parse(line.text)
        self.names += found
        if found and line.is_suggested:
            what = f"{{{{{found[0]}}}}} stands among suggestions"
            self.problems.append(f"{what}: accept or reject them")
        return bool(found)

    def _table(self, element: Json, heading: int, *, depth: int) -> None:
        rows = element["table"].get("tableRows", ())
        for number, row in enumerate(rows):
            names = _names(row)
            kind = next((name for name in names if name in placeholders.ROWS), "")
            problem = kind and _problem(element, row, depth=depth)
            if problem:
                what = f"the row with {{{{{kind}}}}} cannot be repeated"
                self.problems.append(f"{what}: {problem}")
            if not kind or problem:
                for cell in row.get("tableCells", ()):
                    self._content(cell.get("content", ()), depth=depth + 1)
                continue
            made = _row(kind, element, number)
            for line in (line for cell in made.cells for line in cell):
                self._named(line)
            # Only a plain heading above the one row that is repeated goes with it.
            *heads, last = rows
            if row is last and not any(_names(r) or _has_table(r) for r in heads):
                made = replace(made, of=len(rows), heading=heading)
            self.rows.append(made)


def _names(row: Json) -> list[str]:
    """Return the placeholders that stand in the cells of *row* themselves."""
    lines = (line for cell in row["tableCells"] for line in _lines(cell["content"]))
    return [name for line in lines for name in placeholders.parse(line.text)]


def _problem(element: Json, row: Json, *, depth: int) -> str:
    """Return why *row* of a table cannot be repeated, or nothing."""
    rows = element["table"]["tableRows"]
    styles = [c.get("tableCellStyle", {}) for each in rows for c in each["tableCells"]]
    spans = {style.get(way, 1) for style in styles for way in ("rowSpan", "columnSpan")}
    lines = (line for cell in row["tableCells"] for line in _lines(cell["content"]))
    found = {
        "its table stands inside another table": depth > 0,
        "its table has merged cells": max(spans, default=1) > 1,
        "it holds another table": _has_table(row),
        "it holds a picture or a chip": any(_OBJECT in line.text for line in lines),
    }
    return next((why for why, is_so in found.items() if is_so), "")


def _has_table(row: Json) -> bool:
    return any(
        "table" in inner for cell in row["tableCells"] for inner in cell["content"]
    )


def _heading(element: Json) -> int:
    """Return where *element* starts if it is a heading without placeholders, or -1."""
    paragraph = element.get("paragraph", {})
    style = str(paragraph.get("paragraphStyle", {}).get("namedStyleType", ""))
    if not style.startswith("HEADING") or placeholders.parse(line_of(element).text):
        return -1
    return int(element.get("startIndex", 0))


def _row(kind: str, element: Json, number: int) -> Row:
    row = element["table"]["tableRows"][number]
    return Row(
        kind,
        element.get("startIndex", 0),
        number,
        row["endIndex"],
        tuple(tuple(_lines(cell["content"])) for cell in row["tableCells"]),
        tuple(_look(cell.get("tableCellStyle", {})) for cell in row["tableCells"]),
    )


def _lines(content: Sequence[Json]) -> Iterator[Line]:
    """Yield the paragraphs that stand in *content* itself."""
    for element in content:
        if "paragraph" in element:
            yield line_of(element)


def line_of(element: Json) -> Line:
    """Return the paragraph *element* as a `Line`."""
    paragraph = element["paragraph"]
    runs, is_suggested = [], False
    for part in paragraph.get("elements", ()):
        run = part.get("textRun", {})
        text = run.get("content") or _OBJECT * (
            part["endIndex"] - part.get("startIndex", 0)
        )
        runs.append((text.removesuffix("\n"), dict(run.get("textStyle", {}))))
        is_suggested |= bool(_SUGGESTED & {*run})
    start = element.get("startIndex", 0)  # 0 is left out
    look = _look(paragraph.get("paragraphStyle", {}))
    return Line(start, tuple(runs), look, is_suggested)


def _look(style: Json) -> dict[str, Any]:
    """Return what a new cell needs of *style*."""
    return {
        name: value
        for name, value in style.items()
        if _LOOK.fullmatch(name) and _is_whole(value)
    }


def _is_whole(value: object) -> bool:
    """Return whether *value* can be written; a border has a colour and a width."""
    if not isinstance(value, Mapping):
        return True
    is_size = "unit" not in value or "magnitude" in value
    return bool(value) and is_size and all(map(_is_whole, value.values()))
