"""Tables of a report: its metrics, and the columns of results that fit side by side.

What was measured on several parts of the data is one line.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.render.columns import COLUMNS, width
from mlreport_batch.report.families import PARTS
from mlreport_batch.report.grids import Grid, GridRow
from mlreport_batch.report.model import MetricRow
from mlreport_batch.report.names import split_of

_HEAD: Final = 16
"""Characters of the head of a column that are sure to stand in one line."""
GridColumns: TypeAlias = tuple[str, ...]

_SPEAKS_FOR = ("val", "test", "train", "")


class Medium(Struct, frozen=True):
    """How much fits side by side: pixels, or characters of a terminal.

    Attributes:
        room: For the columns beside the names of the rows.
        figure: Of a character in a cell.
        head: Of one in the head of a column, which may break.
        gap: Between columns.
    """

    room: int
    figure: int
    head: int
    gap: int


PHONE: Final = Medium(room=204, figure=9, head=5, gap=8)
PAPER: Final = Medium(room=540, figure=7, head=6, gap=8)
TERMINAL: Final = Medium(room=COLUMNS - 20, figure=1, head=1, gap=2)


class Line(Struct, frozen=True):
    """One line of the table.

    Attributes:
        label: What is measured.
        cells: By part of the data; under an empty one what has no parts.
    """

    label: str
    cells: Mapping[str, MetricRow]

    @property
    def row(self) -> MetricRow:
        """The row that speaks for the line: of data that was not trained on."""
        return next(self.cells[part] for part in _SPEAKS_FOR if part in self.cells)

    @property
    def names(self) -> Sequence[str]:
        """The metrics that are not called as their line and column say."""
        return [
            row.key
            for part, row in self.cells.items()
            if part and not _is_told(row.key, self.label, part)
        ]

    @property
    def curves(self) -> Sequence[Sequence[float | None]]:
        """The courses to draw, that of `row` last."""
        others = [row.curve for row in self.cells.values() if row is not self.row]
        return [curve for curve in (*others, self.row.curve) if len(curve) > 1]


class Table(Struct, frozen=True):
    """All metrics of a report, as lines.

    Attributes:
        parts: The parts of the data that have a column.
        families: Lines of one cell for each of some parts.
        singles: Lines of one metric.
    """

    parts: Sequence[str]
    families: Sequence[Line]
    singles: Sequence[Line]

    def line_of(self, row: MetricRow) -> Line:
        """Return the line that *row* is on."""
        lines = (*self.families, *self.singles)
        return next(line for line in lines if row in line.cells.values())


def tabulated(rows: Sequence[MetricRow]) -> Table:
    """Return *rows* as a table; a line stands where its first row would."""
    cells: dict[str, dict[str, MetricRow]] = {}
    singles = []
    for row in rows:
        if row.part and row.part not in cells.get(row.family, {}):
            cells.setdefault(row.family, {})[row.part] = row
        else:
            singles.append(Line(row.key, {"": row}))
    families = [Line(label, parts) for label, parts in cells.items()]
    used = {part for parts in cells.values() for part in parts}
    return Table([part for part in PARTS if part in used], families, singles)


def bands(
    grid: Grid, medium: Medium
) -> Iterator[tuple[GridColumns, Sequence[GridRow]]]:
    """Yield the columns of *grid* in parts that fit side by side, with their rows."""
    cells = list(zip(*(row.cells for row in grid.rows), strict=True))
    begin = used = 0
    for at, name in enumerate(grid.columns):
        head = medium.head * min(width(name), _HEAD)
        wide = medium.gap + max(head, medium.figure * max(map(width, cells[at])))
        if used and used + wide > medium.room:
            yield _band(grid, begin, at)
            begin, used = at, 0
        used += wide
    yield _band(grid, begin, len(grid.columns))


def _band(grid: Grid, begin: int, end: int) -> tuple[GridColumns, Sequence[GridRow]]:
    rows = [replace(row, cells=row.cells[begin:end]) for row in grid.rows]
    return grid.columns[begin:end], rows


def _is_told(name: str, label: str, part: str) -> bool:
    """Return whether a column and a label say all that a name does."""
    return split_of(name) in (part, "") and name.endswith(label)
