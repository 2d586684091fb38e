"""Turn a template and a report into one batchUpdate, and check what came of it.

All requests are written against the template's indices, from the end of each segment
to its start, so no request moves what a later one points at. Values are put where a
placeholder stands, by index; nothing searches the text, so a value that looks like a
placeholder stays what it is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, product
from typing import Any

from msgspec import Struct, field

from mlreport_batch.google.document.template import (
    Line,
    Part,
    Row,
    Template,
    braces_in,
    length,
)
from mlreport_batch.language.say import say
from mlreport_batch.render import placeholders
from mlreport_batch.render.budget import Limits
from mlreport_batch.render.placeholders import MISSING, PLACEHOLDER
from mlreport_batch.report.model import Report

Json = dict[str, Any]
# One batch has no documented limit; a few thousand requests are known to work.
LIMITS = Limits(200, 200, 60, 60, 0, 30, 60, 12, 40, 400)
# Docs drops these on insertion, which would shift every index behind them; a line
# end becomes a soft one, so that no value adds a paragraph.
_DROPPED = re.compile("[\x00-\x08\x0c-\x1f\ue000-\uf8ff]")
_LINE_END = re.compile("\r\n|[\r\n\u2028\u2029]")
_LONE = re.compile("[\ud800-\udfff]")
_BODY: Mapping[str, str] = {}


class Plan(Struct, frozen=True):
    """One report, ready to be merged into a copy of its template.

    Attributes:
        requests: The batch, in order.
        leftovers: What looks like a placeholder in the merged text and is none.
        braces: How many braces the merged text holds. A request that hit the wrong
            place leaves some of a placeholder's.
        cuts: What the document leaves out, one line each.
    """

    requests: tuple[Json, ...]
    leftovers: int
    braces: int
    cuts: tuple[str, ...]

    def unstyled(self) -> tuple[Json, ...]:
        """Return the batch without what only styles: that moves nothing."""
        return tuple(r for r in self.requests if not next(iter(r)).startswith("update"))


def plan(template: Template, report: Report) -> Plan:
    """Return how *report* is merged into a copy of *template*."""
    where = say(report.language, "more.run")
    fitted, cuts = placeholders.fitted(report, LIMITS, template.names, where=where)
    return filled(
        template, placeholders.values(fitted), placeholders.rows(fitted), tuple(cuts)
    )


def filled(
    template: Template,
    values: Mapping[str, str],
    rows: Mapping[str, Sequence[Mapping[str, str]]],
    cuts: tuple[str, ...] = (),
) -> Plan:
    """Return how texts are merged into a copy of *template*.

    The *values* of placeholders are those outside repeated rows; the *rows* have
    theirs, by kind. The *cuts* tell what is left out.
    """
    singles = _clean(values)
    tables = {
        kind: [{**singles, **_clean(row)} for row in table]
        for kind, table in rows.items()
    }
    fillings = [_Filling(part, singles, tables) for part in template.parts]
    requests = tuple(each for filling in fillings for each in filling.requests())
    merged = [text for filling in fillings for text in filling.texts]
    return Plan(
        requests,
        template.fixed + sum(len(PLACEHOLDER.findall(text)) for text in merged),
        template.braces + sum(map(braces_in, merged)),
        cuts,
    )


def _clean(found: Mapping[str, str]) -> dict[str, str]:
    return {
        name: _LONE.sub("\ufffd", _DROPPED.sub("", _LINE_END.sub("\x0b", text)))
        for name, text in found.items()
    }


class _Filling(Struct):
    """Fills one segment; *texts* are its paragraphs as they read after the merge."""

    part: Part
    singles: Mapping[str, str]
    tables: Mapping[str, Sequence[Mapping[str, str]]]
    texts: list[str] = field(default_factory=list)

    def requests(self) -> Iterator[Json]:
        """Yield the requests, from the segment's end to its start."""
        steps: list[tuple[int, Iterator[Json]]] = [
            (line.start, self._line(line, self.singles)) for line in self.part.lines
        ]
        steps += [(row.end - 1, self._row(row)) for row in self.part.rows]
        for _, requests in sorted(steps, key=lambda step: -step[0]):
            yield from requests

    def _line(self, line: Line, values: Mapping[str, str]) -> Iterator[Json]:
        """Yield what fills the placeholders of one paragraph, the last one first."""
        text = line.text
        self.texts.append(placeholders.fill(text, values))
        for match in reversed(list(PLACEHOLDER.finditer(text))):
            value = values.get(match[1], MISSING)
            # Inserted text looks like what stands before it: the name's first letter.
            model = line.style_at(match.start(1))
            is_plain = all(style == model for _, style in line.cut(*match.span()))
            offsets = match.start(), match.end() if is_plain else match.start(1) + 1
            start, at, end = (
                line.start + length(text[:offset]) for offset in (*offsets, match.end())
            )
            if not value:
                yield self._delete(start, end)
                continue
            yield insert(at, value, self._where())
            if at < end:
                yield self._delete(at + length(value), end + length(value))
            yield self._delete(start, at)

    def _row(self, row: Row) -> Iterator[Json]:
        """Yield what repeats a row and fills all its copies, the last cell first."""
        table, more = self.tables[row.kind], len(self.tables[row.kind]) - 1
        if not table:
            # A table goes with its last row; its own range need not be deletable.
            for number in range(row.of - 1, -1, -1) if row.of else (row.number,):
                yield {"deleteTableRow": self._cell_of(row, number)}
            if row.heading >= 0:
                yield self._delete(row.heading, row.table)
            return
        for _ in range(more):
            model = self._cell_of(row, row.number)
            yield {"insertTableRow": {**model, "insertBelow": True}}
        if more:
            yield from self._dressed(row, more)
        for number in range(more, 0, -1):
            for column in range(len(row.cells) - 1, -1, -1):
                index, lines = _place(row, number, column), row.cells[column]
                yield from self._cell(index, lines, table[number])
        for lines in reversed(row.cells):
            for line in reversed(lines):
                yield from self._line(line, table[0])

    def _dressed(self, row: Row, more: int) -> Iterator[Json]:
        """Yield what gives *more* empty rows the style of *row*.

        Docs gives new rows that of the row they are made from, though not everywhere.
        """
        for look, left, right in _alike(row.looks):
            span = {"rowSpan": more, "columnSpan": right - left + 1}
            place = {**self._cell_of(row, row.number + 1, left), **span}
            yield from restyle("TableCell", {"tableRange": place}, look)
        for what, styles in (
            ("Paragraph", [cell[0].look for cell in row.cells]),
            ("Text", [cell[0].style_at(0) for cell in row.cells]),
        ):
            # First all rows as if they were all like the first cell, then the others.
            end = _place(row, more, len(styles) - 1) + 1
            yield from restyle(what, self._span(row.end + 2, end), styles[0])
            others = [each for each in _alike(styles) if each[0] != styles[0]]
            for number, (style, left, right) in product(range(1, more + 1), others):
                start, end = _place(row, number, left), _place(row, number, right) + 1
                yield from restyle(what, self._span(start, end), style, styles[0])

    def _cell(
        self, index: int, lines: Sequence[Line], values: Mapping[str, str]
    ) -> Iterator[Json]:
        """Yield what fills one empty cell of a new row."""
        pieces = list(_pieces(lines, values))
        text = "".join(piece for piece, _ in pieces)
        self.texts.append(text)
        if not text:
            return  # empty insertions are refused
        yield insert(index, text, self._where())
        # The new cell has the style that its model begins with.
        base = lines[0].style_at(0)
        for piece, style in pieces:
            end = index + length(piece)
            if piece and style != base:
                yield from restyle("Text", self._span(index, end), style, base)
            index = end

    def _where(self) -> dict[str, str]:
        found = {"tabId": self.part.tab, "segmentId": self.part.segment}
        return {key: value for key, value in found.items() if value}

    def _cell_of(self, row: Row, number: int, column: int = 0) -> Json:
        start = {"tableStartLocation": {"index": row.table, **self._where()}}
        return {
            "tableCellLocation": {**start, "rowIndex": number, "columnIndex": column}
        }

    def _span(self, start: int, end: int) -> Json:
        return {"range": {"startIndex": start, "endIndex": end, **self._where()}}

    def _delete(self, start: int, end: int) -> Json:
        return {"deleteContentRange": self._span(start, end)}


def _place(row: Row, number: int, column: int) -> int:
    """Return where an empty cell of the new row *number* begins, counted from 1."""
    # A row costs one index, each of its empty cells two.
    return row.end + (number - 1) * (2 * len(row.cells) + 1) + 2 * column + 2


def _alike(styles: Sequence[Json]) -> Iterator[tuple[Json, int, int]]:
    """Yield each style with the first and last column of those beside each other."""
    for style, group in groupby(enumerate(styles), key=lambda each: each[1]):
        columns = [column for column, _ in group]
        yield style, columns[0], columns[-1]


def _pieces(
    lines: Sequence[Line], values: Mapping[str, str]
) -> Iterator[tuple[str, Json]]:
    """Yield the filled text of a cell in stretches of one style."""
    for number, line in enumerate(lines):
        if number:
            yield "\n", line.style_at(0)
        done = 0
        for match in PLACEHOLDER.finditer(line.text):
            yield from line.cut(done, match.start())
            yield values.get(match[1], MISSING), line.style_at(match.start(1))
            done = match.end()
        yield from line.cut(done, len(line.text))


def restyle(
    what: str, place: Json, style: Json, before: Iterable[str] = ()
) -> Iterator[Json]:
    """Yield what gives a *place* a *style*; what else stands in *before* is unset."""
    if fields := ",".join(sorted({*style, *before})):
        key = f"{what[0].lower()}{what[1:]}Style"
        yield {f"update{what}Style": {**place, key: style, "fields": fields}}


def insert(index: int, text: str, where: Mapping[str, str] = _BODY) -> Json:
    """Return a request that inserts *text*."""
    return {"insertText": {"location": {"index": index, **where}, "text": text}}
