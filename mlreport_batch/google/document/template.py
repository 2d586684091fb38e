"""Find in a Docs template what a report will fill: placeholders and rows.

Indices of the Docs API count UTF-16 code units within a segment (the body, a header,
a footer, a footnote). Here a paragraph's text is a string with one character per
unit, so an offset plus the paragraph's start is an index.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
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
        text: Its text without the last newline.
        ends: Offset at which each run ends, in units.
        styles: The runs' text styles.
        look: The paragraph's style.
        is_suggested: Whether some of it is only suggested, or to be deleted.
    """

    start: int
    text: str
    ends: tuple[int, ...]
    styles: tuple[dict[str, Any], ...]
    look: dict[str, Any]
    is_suggested: bool = False

    def style_at(self, offset: int) -> dict[str, Any]:
        """Return the text style of the unit at *offset*."""
        for end, style in zip(self.ends, self.styles, strict=True):
            if offset < end:
                return style
        return self.styles[-1] if self.styles else {}


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


def units(text: str) -> str:
    """Return *text* with one character for each UTF-16 code unit."""
    if text.isascii():
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(data[i] | data[i + 1] << 8) for i in range(0, len(data), 2))


def text_of(unit_text: str) -> str:
    """Return the text that *unit_text* stands for."""
    if unit_text.isascii():
        return unit_text
    data = unit_text.encode("utf-16-le", "surrogatepass")
    return data.decode("utf-16-le", "replace")


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
    tables: int = 0
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
        for above, element in zip([{}, *content], content, strict=False):
            if "paragraph" in element:
                self._line(line_of(element))
            elif "table" in element:
                self._table(element, _heading(above), depth=depth)
            elif "tableOfContents" in element:
                inner = element["tableOfContents"].get("content", ())
                for line in _lines(inner):
                    self.fixed += len(PLACEHOLDER.findall(units(line.text)))
                    self.braces += braces_in(line.text)

    def _line(self, line: Line) -> None:
        if self._named(line):
            self.lines.append(line)
        else:
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
        self.tables += 1
        before = len(self.lines), self.tables, len(self.rows)
        for number, row in enumerate(rows):
            kind = self._kind(row)
            if kind and not self._problem(kind, element, row, depth=depth):
                made = _row(kind, element, number)
                self.rows.append(made)
                for line in (line for cell in made.cells for line in cell):
                    self._named(line)
                continue
            for cell in row.get("tableCells", ()):
                self._content(cell.get("content", ()), depth=depth + 1)
        # Only a plain heading above the one row that is repeated goes with it.
        is_alone = (len(self.lines), self.tables, len(self.rows) - 1) == before
        if is_alone and self.rows[-1].number == len(rows) - 1:
            self.rows[-1] = replace(self.rows[-1], of=len(rows), heading=heading)

    def _kind(self, row: Json) -> str:
        cells = row.get("tableCells", ())
        lines = (line for cell in cells for line in _lines(cell.get("content", ())))
        names = (name for line in lines for name in placeholders.parse(line.text))
        return next((name for name in names if name in placeholders.ROWS), "")

    def _problem(self, kind: str, element: Json, row: Json, *, depth: int) -> bool:
        """Note why the row cannot be repeated, if so."""
        cells = row["tableCells"]
        rows = element["table"].get("tableRows", ())
        problem = ""
        if depth:
            problem = "its table stands inside another table"
        elif any(_is_merged(cell) for other in rows for cell in other["tableCells"]):
            problem = "its table has merged cells"
        elif any("table" in inner for cell in cells for inner in cell["content"]):
            problem = "it holds another table"
        elif any(_has_object(cell) for cell in cells):
            problem = "it holds a picture or a chip"
        if problem:
            what = f"the row with {{{{{kind}}}}} cannot be repeated"
            self.problems.append(f"{what}: {problem}")
        return bool(problem)


def _has_object(cell: Json) -> bool:
    return any(_OBJECT in line.text for line in _lines(cell["content"]))


def _is_merged(cell: Json) -> bool:
    style = cell.get("tableCellStyle", {})
    return max(int(style.get("rowSpan", 1)), int(style.get("columnSpan", 1))) > 1


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
    parts = paragraph.get("elements", ())
    sizes = [part["endIndex"] - part.get("startIndex", 0) for part in parts]
    runs = [part.get("textRun") or {"content": ""} for part in parts]
    texts = [
        run.get("content") or _OBJECT * size
        for run, size in zip(runs, sizes, strict=True)
    ]
    return Line(
        element.get("startIndex", 0),  # a start of 0 is left out
        "".join(texts).removesuffix("\n"),
        tuple(accumulate(sizes)),
        tuple(dict(run.get("textStyle", {})) for run in runs),
        _look(paragraph.get("paragraphStyle", {})),
        any(_SUGGESTED & {*run} for run in runs),
    )


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
