"""Documents: tabs, segments, and the JSON that documents.get answers."""

import base64
import hashlib
import itertools
import random
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError
from .units import NO_STYLE, Kind, NamedRange, Segment, Style, Unit, join_units, newline

Json = dict[str, Any]
BODY = ""
_EMPTY_CELL: Style = {
    "rowSpan": 1,
    "columnSpan": 1,
    "backgroundColor": {},
    "paddingLeft": {"magnitude": 5, "unit": "PT"},
    "paddingRight": {"magnitude": 5, "unit": "PT"},
    "paddingTop": {"magnitude": 5, "unit": "PT"},
    "paddingBottom": {"magnitude": 5, "unit": "PT"},
    "contentAlignment": "TOP",
}
_SECTION: Style = {
    "columnSeparatorStyle": "NONE",
    "contentDirection": "LEFT_TO_RIGHT",
    "sectionType": "CONTINUOUS",
}
_PAGE: Json = {
    "background": {"color": {}},
    "pageNumberStart": 1,
    "marginTop": {"magnitude": 72, "unit": "PT"},
    "marginBottom": {"magnitude": 72, "unit": "PT"},
    "marginRight": {"magnitude": 72, "unit": "PT"},
    "marginLeft": {"magnitude": 72, "unit": "PT"},
    "pageSize": {
        "height": {"magnitude": 792, "unit": "PT"},
        "width": {"magnitude": 612, "unit": "PT"},
    },
}
NAMED_STYLES: Json = {
    "styles": [
        {
            "namedStyleType": "NORMAL_TEXT",
            "textStyle": {
                "bold": False,
                "weightedFontFamily": {"fontFamily": "Arial", "weight": 400},
                "fontSize": {"magnitude": 11, "unit": "PT"},
            },
            "paragraphStyle": {"alignment": "START", "lineSpacing": 115},
        },
        *(
            {
                "namedStyleType": name,
                "textStyle": {"fontSize": {"magnitude": size, "unit": "PT"}},
                "paragraphStyle": {"keepWithNext": True},
            }
            for name, size in (("TITLE", 26), ("HEADING_1", 20), ("HEADING_2", 16))
        ),
    ]
}
_random = random.Random(20191227)


def make_id(prefix: str = "", length: int = 12) -> str:
    """Return an id in Google's manner: opaque, unguessed, never reused."""
    letters = string.ascii_lowercase + string.digits
    return prefix + "".join(_random.choice(letters) for _ in range(length))


def body_start() -> Unit:
    """Return the section break at index 0 of every body."""
    return Unit(Kind.SECTION, style=_SECTION)


@dataclass(slots=True)
class Tab:
    """One tab: its segments by id; the body's id is empty."""

    tab_id: str
    title: str
    segments: dict[str, Segment]
    headers: list[str] = field(default_factory=list)
    footers: list[str] = field(default_factory=list)
    style: Json = field(default_factory=lambda: dict(_PAGE))
    inline_objects: Json = field(default_factory=dict)

    def copy(self) -> "Tab":
        """Return an independent copy with the same ids."""
        return Tab(
            self.tab_id,
            self.title,
            {key: segment.copy() for key, segment in self.segments.items()},
            list(self.headers),
            list(self.footers),
            dict(self.style),
            dict(self.inline_objects),
        )

    def segment(self, segment_id: str | None) -> Segment:
        """Return a segment by id; empty means the body."""
        found = self.segments.get(segment_id or BODY)
        if found is None:
            raise ApiError(400, f"Segment with ID {segment_id} was not found.")
        return found

    def to_json(self, *, run_length: int | None) -> Json:
        """Return what documents.get shows of this tab."""
        out: Json = {"body": {"content": self._content(BODY, run_length)}}
        for key, ids, id_name in (
            ("headers", self.headers, "headerId"),
            ("footers", self.footers, "footerId"),
        ):
            if ids:
                out[key] = {
                    i: {id_name: i, "content": self._content(i, run_length)}
                    for i in ids
                }
        out["documentStyle"] = self.style
        out["namedStyles"] = NAMED_STYLES
        if ranges := self._named_ranges():
            out["namedRanges"] = ranges
        if self.inline_objects:
            out["inlineObjects"] = self.inline_objects
        return out

    def _content(self, segment_id: str, run_length: int | None) -> list[Json]:
        units = self.segments[segment_id].units
        return _Renderer(units, run_length).content()

    def _named_ranges(self) -> Json:
        out: Json = {}
        for segment_id, segment in self.segments.items():
            for item in segment.ranges:
                group = out.setdefault(
                    item.name, {"name": item.name, "namedRanges": []}
                )
                group["namedRanges"].append(self._range_json(segment_id, item))
        return out

    def _range_json(self, segment_id: str, item: NamedRange) -> Json:
        where: Json = {"startIndex": item.start, "endIndex": item.end}
        if segment_id:
            where["segmentId"] = segment_id
        return {"namedRangeId": item.range_id, "name": item.name, "ranges": [where]}


@dataclass(slots=True)
class Document:
    """A document of one or more tabs.

    Attributes:
        run_length: When set, text runs are cut after so many units although their
            styles are equal, as the real service sometimes does.
        styles_by_cell: Whether one request may not style several cells.
        bares_rows: Whether inserted rows come without any style.
        replaces_in_headers: Whether replaceAllText reaches headers and footers
            (relied on by many, documented nowhere).
        images: Bytes of the inline images by object id.
    """

    document_id: str
    title: str
    tabs: list[Tab]
    revision: int = 1
    run_length: int | None = None
    replaces_in_headers: bool = True
    images: dict[str, bytes] = field(default_factory=dict)
    bares_rows: bool = False
    styles_by_cell: bool = False

    def copy(
        self, document_id: str | None = None, title: str | None = None
    ) -> "Document":
        """Return an independent copy with the same content and indices."""
        return Document(
            document_id or self.document_id,
            self.title if title is None else title,
            [tab.copy() for tab in self.tabs],
            self.revision,
            self.run_length,
            self.replaces_in_headers,
            dict(self.images),
            self.bares_rows,
            self.styles_by_cell,
        )

    def tab(self, tab_id: str | None = None) -> Tab:
        """Return the tab with *tab_id*, or the first."""
        if not tab_id:
            return self.tabs[0]
        for tab in self.tabs:
            if tab.tab_id == tab_id:
                return tab
        raise ApiError(400, f"Tab with ID {tab_id} was not found.")

    def segment(self, where: Mapping[str, Any]) -> Segment:
        """Return the segment that a Location or Range points into."""
        return self.tab(where.get("tabId")).segment(where.get("segmentId"))

    def revision_id(self, user: str) -> str:
        """Return the revision token; it differs between users."""
        text = f"{self.document_id}:{self.revision}:{user}"
        digest = hashlib.sha256(text.encode()).digest()
        return "ALBJ4L" + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def to_json(self, user: str, *, with_tabs: bool) -> Json:
        """Return the answer of documents.get, before its ``fields`` mask."""
        out: Json = {"title": self.title}
        if with_tabs:
            out["tabs"] = [
                {
                    "tabProperties": {
                        "tabId": tab.tab_id,
                        "title": tab.title,
                        "index": index,
                    },
                    "documentTab": tab.to_json(run_length=self.run_length),
                }
                for index, tab in enumerate(self.tabs)
            ]
        else:
            out.update(self.tabs[0].to_json(run_length=self.run_length))
        out["revisionId"] = self.revision_id(user)
        out["suggestionsViewMode"] = "SUGGESTIONS_INLINE"
        out["documentId"] = self.document_id
        return out

    def text(self, segment_id: str = BODY) -> str:
        """Return the plain text of a segment of the first tab, for assertions."""
        units = self.tabs[0].segments[segment_id].units
        return join_units(u.char for u in units if u.char)

    def table(self, number: int = 0) -> list[list[str]]:
        """Return the cells' text of a table of the body, without last newlines."""
        tables = [
            element["table"]
            for element in self.tabs[0].to_json(run_length=None)["body"]["content"]
            if "table" in element
        ]
        return [
            [_cell_text(cell) for cell in row["tableCells"]]
            for row in tables[number]["tableRows"]
        ]


def _cell_text(cell: Json) -> str:
    return "".join(
        part.get("textRun", {}).get("content", "")
        for element in cell["content"]
        for part in element.get("paragraph", {}).get("elements", ())
    ).removesuffix("\n")


def _suggested(unit: Unit) -> Style:
    """Return who suggested a piece of text that is not part of the document yet."""
    return unit.extra if unit.kind is Kind.TEXT else NO_STYLE


class _Renderer:
    """Turns a flat list of units into the nested JSON of the API."""

    def __init__(self, units: list[Unit], run_length: int | None) -> None:
        self._units = units
        self._at = 0
        self._run_length = run_length

    def content(self) -> list[Json]:
        """Return structural elements until the cell or the segment ends."""
        out = []
        ends = {Kind.ROW, Kind.CELL, Kind.CLOSE}
        while self._at < len(self._units):
            kind = self._units[self._at].kind
            if kind in ends:
                break
            start = self._at
            if kind is Kind.SECTION:
                inner = {"sectionBreak": {"sectionStyle": self._units[start].style}}
                self._at += 1
            elif kind is Kind.TABLE:
                inner = {"table": self._table()}
            else:
                inner = {"paragraph": self._paragraph()}
            out.append(self._span(start, inner))
        return out

    def _span(self, start: int, inner: Json) -> Json:
        # proto3: a start of 0 is not written
        head = {"startIndex": start} if start else {}
        return {**head, "endIndex": self._at, **inner}

    def _paragraph(self) -> Json:
        start = self._at
        while self._units[self._at].kind is not Kind.NEWLINE:
            self._at += 1
        last = self._units[self._at]
        self._at += 1
        end = self._at
        elements = []
        for begin, stop in self._runs(start, end):
            self._at = stop
            elements.append(self._span(begin, self._element(begin, stop)))
        return {"elements": elements, **last.extra}

    def _runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        begin = start
        for index in range(start + 1, end + 1):
            if index < end:
                a, b = self._units[index - 1], self._units[index]
                is_same = (
                    Kind.OBJECT not in {a.kind, b.kind}
                    and a.style == b.style
                    and _suggested(a) == _suggested(b)
                    and not (self._run_length and index - begin >= self._run_length)
                )
                if is_same:
                    continue
            yield begin, index
            begin = index

    def _element(self, begin: int, stop: int) -> Json:
        first = self._units[begin]
        if first.kind is Kind.OBJECT:
            ((name, value),) = first.extra.items()
            return {name: {**value, "textStyle": dict(first.style)}}
        content = join_units(unit.char for unit in self._units[begin:stop])
        run = {"content": content, "textStyle": dict(first.style)}
        return {"textRun": {**run, **_suggested(first)}}

    def _table(self) -> Json:
        style = self._units[self._at].style
        self._at += 1
        rows = []
        while self._units[self._at].kind is Kind.ROW:
            rows.append(self._row())
        self._at += 1  # the closing unit
        columns = max(
            sum(c["tableCellStyle"].get("columnSpan", 1) for c in r["tableCells"])
            for r in rows
        )
        widths = style.get(
            "tableColumnProperties",
            [{"widthType": "EVENLY_DISTRIBUTED"}] * columns,
        )
        return {
            "rows": len(rows),
            "columns": columns,
            "tableRows": rows,
            "tableStyle": {"tableColumnProperties": widths},
        }

    def _row(self) -> Json:
        start = self._at
        style = {"minRowHeight": {"unit": "PT"}, **self._units[start].style}
        self._at += 1
        cells = []
        while self._units[self._at].kind is Kind.CELL:
            begin = self._at
            cell_style = {**_EMPTY_CELL, **self._units[begin].style}
            self._at += 1
            inner = {"content": self.content(), "tableCellStyle": cell_style}
            cells.append(self._span(begin, inner))
        return self._span(start, {"tableCells": cells, "tableRowStyle": style})


_numbers = itertools.count(1)


def blank_document(title: str, document_id: str = "") -> Document:
    """Return a document with one empty paragraph."""
    body = Segment([body_start(), newline(style=NO_STYLE)])
    return Document(
        document_id or f"1{next(_numbers):04d}" + make_id(length=39),
        title,
        [Tab("t.0", "Tab 1", {BODY: body})],
    )
