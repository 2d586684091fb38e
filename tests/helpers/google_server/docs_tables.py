"""The table requests of documents.batchUpdate."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .docs_model import Document
from .docs_text import location, merged_style
from .errors import ApiError, NotModelledError
from .units import (
    CHIP_MARK,
    IN_PARAGRAPH,
    Kind,
    Segment,
    Style,
    Unit,
    newline,
    text_units,
)

Payload = Mapping[str, Any]
_BAD_START = "Invalid table start location. Must specify the start index of the table."
_NARROWEST_COLUMN_PT = 5


@dataclass(frozen=True, slots=True)
class Grid:
    """Where a table's rows and cells stand in its segment.

    ``rows`` holds (start, end) of each row, ``cells[r]`` those of its cells.
    """

    segment: Segment
    start: int
    end: int
    rows: list[tuple[int, int]]
    cells: list[list[tuple[int, int]]]

    def check_cell(self, row: int, column: int) -> None:
        """Refuse a cell that the table does not have."""
        if not 0 <= row < len(self.rows):
            raise ApiError(
                400,
                f"Invalid table cell location. Row index {row} must be less than "
                f"the number of rows in the table, {len(self.rows)}.",
            )
        if not 0 <= column < len(self.cells[row]):
            raise ApiError(
                400,
                f"Invalid table cell location. Column index {column} must be less "
                f"than the number of columns in the table, {len(self.cells[row])}.",
            )

    @property
    def has_merged_cells(self) -> bool:
        """Tell whether any cell spans more than itself."""
        units = self.segment.units
        return any(
            units[start].style.get(span, 1) != 1
            for row in self.cells
            for start, _ in row
            for span in ("rowSpan", "columnSpan")
        )


def find_table(document: Document, where: Mapping[str, Any] | None) -> Grid:
    """Return the table that starts exactly at *where*."""
    if where is None:
        raise ApiError(400, _BAD_START)
    segment = document.segment(where)
    start = where.get("index", 0)
    units = segment.units
    if not 0 <= start < len(units) or units[start].kind is not Kind.TABLE:
        raise ApiError(400, _BAD_START)
    end = segment.table_end(start)
    marks: list[tuple[Kind, int]] = []
    depth = 0
    for index in range(start, end):
        kind = units[index].kind
        depth += (kind is Kind.TABLE) - (kind is Kind.CLOSE)
        if depth == 1 and kind in {Kind.ROW, Kind.CELL}:
            marks.append((kind, index))
    return _grid(segment, start, end, marks)


def _grid(
    segment: Segment, start: int, end: int, marks: list[tuple[Kind, int]]
) -> Grid:
    starts: list[tuple[int, list[int]]] = []  # of each row: its start, its cells'
    for kind, index in marks:
        if kind is Kind.ROW:
            starts.append((index, []))
        else:
            starts[-1][1].append(index)
    ends = [*(row_start for row_start, _ in starts[1:]), end - 1]
    rows, cells = [], []
    for (row_start, cell_starts), row_end in zip(starts, ends, strict=True):
        rows.append((row_start, row_end))
        cell_ends = [*cell_starts[1:], row_end]
        cells.append(list(zip(cell_starts, cell_ends, strict=True)))
    return Grid(segment, start, end, rows, cells)


def _cell_location(document: Document, payload: Payload) -> tuple[Grid, int, int]:
    where = payload.get("tableCellLocation")
    if where is None:
        raise ApiError(400, "Must specify a table cell location.")
    grid = find_table(document, where.get("tableStartLocation"))
    row, column = where.get("rowIndex", 0), where.get("columnIndex", 0)
    grid.check_cell(row, column)
    return grid, row, column


def insert_table(document: Document, payload: Payload) -> None:
    """Insert a newline and an empty table after it."""
    rows, columns = payload.get("rows", 0), payload.get("columns", 0)
    if rows < 1 or columns < 1:
        raise ApiError(400, "The table must have at least one row and one column.")
    segment, index = location(document, payload)
    # cells take the text style of the paragraph that is split
    style = segment.insertion_style(index)
    before = replace(segment.units[segment.paragraph_end(index)], style=style)
    row = [Unit(Kind.ROW)]
    for _ in range(columns):
        row += [Unit(Kind.CELL), newline(style=style)]
    table = [Unit(Kind.TABLE), *(row * rows), Unit(Kind.CLOSE)]
    segment.splice(index, index, [before, *table])


def insert_table_row(document: Document, payload: Payload) -> None:
    """Insert an empty row that copies the styles of the reference row."""
    grid, row, _ = _cell_location(document, payload)
    if grid.has_merged_cells:
        raise NotModelledError("insertTableRow in a table with merged cells")
    start, end = grid.rows[row]
    index = end if payload.get("insertBelow", False) else start
    if document.bares_rows:
        cells = [Unit(Kind.CELL), newline()] * len(grid.cells[row])
        grid.segment.splice(index, index, [Unit(Kind.ROW), *cells])
        return
    units = grid.segment.units
    row_style = {k: v for k, v in units[start].style.items() if k != "tableHeader"}
    made = [replace(units[start], style=row_style)]
    for cell_start, cell_end in grid.cells[row]:
        made += _empty_like(units[cell_start:cell_end])
    grid.segment.splice(index, index, made)


def _empty_like(cell: list[Unit]) -> list[Unit]:
    """Return a cell without text in the styles of *cell*.

    A smart chip leaves its mark behind, as it was seen to do on the live service.
    """
    first = next(unit for unit in cell[1:] if unit.kind in IN_PARAGRAPH)
    last = next(unit for unit in cell[1:] if unit.kind is Kind.NEWLINE)
    end = replace(last, style=first.style)
    has_chip = any(
        unit.kind is Kind.OBJECT
        and not {"pageBreak", "inlineObjectElement"} & {*unit.extra}
        for unit in cell
    )
    mark = text_units(CHIP_MARK, first.style, end) if has_chip else []
    return [cell[0], *mark, end]


def delete_table_row(document: Document, payload: Payload) -> None:
    """Delete a row; without rows the table goes too."""
    grid, row, _ = _cell_location(document, payload)
    if grid.has_merged_cells:
        raise NotModelledError("deleteTableRow in a table with merged cells")
    if len(grid.rows) == 1:
        grid.segment.splice(grid.start, grid.end, [])
    else:
        grid.segment.splice(*grid.rows[row], [])


def update_table_cell_style(document: Document, payload: Payload) -> None:
    """Restyle a rectangle of cells or the whole table."""
    span, whole = payload.get("tableRange"), payload.get("tableStartLocation")
    if (span is None) == (whole is None):
        raise ApiError(400, "Exactly one of the cells fields must be set.")
    style = payload.get("tableCellStyle", {})
    for side in ("Top", "Bottom", "Left", "Right"):
        border = style.get(f"border{side}")
        if border is not None and not border.get("color", {}).get("color"):
            raise ApiError(400, "The color of a border cannot be transparent.")
    if span is None:
        grid = find_table(document, whole)
        rows, columns = range(len(grid.rows)), range(len(grid.cells[0]))
    else:
        grid, row, column = _cell_location(document, span)
        height, width = span.get("rowSpan", 0), span.get("columnSpan", 0)
        if height < 1 or width < 1:
            raise ApiError(400, "The row span and column span must be at least 1.")
        grid.check_cell(row + height - 1, column + width - 1)
        rows, columns = range(row, row + height), range(column, column + width)
    for row in rows:
        for column in columns:
            _restyle(
                grid.segment,
                grid.cells[row][column][0],
                style,
                payload.get("fields", ""),
                "TableCellStyle",
            )


def _restyle(
    segment: Segment, index: int, new: Style, fields: str, schema: str
) -> None:
    unit = segment.units[index]
    style = merged_style(
        unit.style, new, fields, schema, read_only=["rowSpan", "columnSpan"]
    )
    segment.units[index] = replace(unit, style=style)


def update_table_row_style(document: Document, payload: Payload) -> None:
    """Restyle rows."""
    grid = find_table(document, payload.get("tableStartLocation"))
    wanted = payload.get("rowIndices") or range(len(grid.rows))
    for row in wanted:
        grid.check_cell(row, 0)
        _restyle(
            grid.segment,
            grid.rows[row][0],
            payload.get("tableRowStyle", {}),
            payload.get("fields", ""),
            "TableRowStyle",
        )


def update_table_column_properties(document: Document, payload: Payload) -> None:
    """Change the widths of columns."""
    grid = find_table(document, payload.get("tableStartLocation"))
    columns = len(grid.cells[0])
    new = payload.get("tableColumnProperties", {})
    width = new.get("width", {}).get("magnitude")
    if width is not None and width < _NARROWEST_COLUMN_PT:
        raise ApiError(400, "The column width must be at least 5 points.")
    unit = grid.segment.units[grid.start]
    old = list(
        unit.style.get(
            "tableColumnProperties", [{"widthType": "EVENLY_DISTRIBUTED"}] * columns
        )
    )
    for column in payload.get("columnIndices") or range(columns):
        grid.check_cell(0, column)
        old[column] = merged_style(
            old[column], new, payload.get("fields", ""), "TableColumnProperties"
        )
    style = {**unit.style, "tableColumnProperties": old}
    grid.segment.units[grid.start] = replace(unit, style=style)


def pin_table_header_rows(document: Document, payload: Payload) -> None:
    """Mark the first rows as repeated on every page."""
    grid = find_table(document, payload.get("tableStartLocation"))
    count = payload.get("pinnedHeaderRowsCount", 0)
    if not 0 <= count <= len(grid.rows):
        raise ApiError(400, "The pinned header rows count is out of bounds.")
    for number, (start, _) in enumerate(grid.rows):
        unit = grid.segment.units[start]
        style = {k: v for k, v in unit.style.items() if k != "tableHeader"}
        if number < count:
            style["tableHeader"] = True
        grid.segment.units[start] = replace(unit, style=style)
