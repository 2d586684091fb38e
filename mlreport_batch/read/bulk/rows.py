"""The rows of plain CSV logs, parsed in few calls and folded by NumPy.

What is no plain number is left to the log's format: see `ahead`.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from mlreport_batch.find.tail import HEADER_MAX
from mlreport_batch.formats import BulkLayout, Chunk, LogFormat, Memory
from mlreport_batch.formats.kit.steps import StepCounter, note_place
from mlreport_batch.read.bulk.cells import cells_in
from mlreport_batch.read.bulk.fold import Folded, Piece, counts_of, fold_pieces
from mlreport_batch.read.summary import MetricSummary


class Rows(Struct, frozen=True):
    """The rows of one chunk, and how to read them.

    Attributes:
        start: Where the chunk begins in its log.
        layout: Of each row.
        piece: Which rows they are.
        data: The rows, behind ``begin`` bytes that are none.
        begin: See ``data``.
    """

    start: int
    layout: BulkLayout
    piece: Piece
    data: bytes
    begin: int

    @property
    def kin(self) -> BulkLayout:
        """Which rows may be parsed together."""
        return self.layout


class FoldedRows(Folded, frozen=True):
    """Rows of a plain CSV log, and how their steps and epochs go on."""

    layout: BulkLayout
    rows: int
    steps: tuple[float, float, float]
    epochs: tuple[float, float, float]
    alone: int
    strict: int

    def goes_on(self, memory: Memory) -> bool:
        """Return whether reading line by line would leave the steps as they stand."""
        return self.layout.epoch is None or StepCounter(memory).goes_on_at(
            self.steps[0], self.epochs[0], self.alone, self.strict
        )

    def remember(self, memory: Memory, chunk: Chunk, prefix: str) -> None:
        """Put into *memory* what reading the rows line by line would put there."""
        layout = self.layout
        if chunk.first_line == 1:
            memory["header"] = True
            undecided = {at for at, _ in layout.metrics}
        else:
            undecided = {int(part) for part in str(memory.get("open") or "").split()}
        memory["row"] = int(memory.get("row") or 0) + self.rows
        if layout.step is not None:
            memory["step"] = self.steps[-1]
        counter = StepCounter(memory)
        if layout.epoch is not None:
            is_alone = self.alone == self.rows - 1
            counter.pass_over(self.steps, self.epochs, is_alone=is_alone)
            counter.remember(memory)
        note_place(memory, counter.place(layout.unit, layout.outer_unit))
        undecided -= {
            at
            for at, name in layout.metrics
            if (f"{prefix}/{name}" if prefix else name) in self.parts
        }
        if undecided or "open" in memory:
            memory["open"] = " ".join(map(str, sorted(undecided)))


def rows_of(
    log_format: LogFormat,
    chunk: Chunk,
    memory: Memory,
    metrics: Mapping[str, MetricSummary],
    prefix: str,
) -> Rows | None:
    """Return the rows of *chunk*, or None where it takes its format to read them."""
    layout = _layout_of(log_format, chunk.header)
    start = _first_row(chunk, memory)
    lines = chunk.lines - (chunk.first_line == 1)
    if layout is None or start < 0 or not lines:
        return None
    data = chunk.data
    first = data[start : data.index(b"\n", start)].split(layout.separator.encode())
    if len(first) != layout.width:
        return None
    if chunk.header.endswith(b"\r"):
        data, start = data[start:].replace(b"\r\n", b"\n"), 0
    row = memory.get("row")
    piece = Piece(lines, int(row or 0), metrics, prefix)
    return Rows(chunk.start, layout, piece, data, start)


def _layout_of(log_format: LogFormat, header: bytes) -> BulkLayout | None:
    layout_of = log_format.bulk_layout
    if layout_of is None or len(header) >= HEADER_MAX - 1:
        return None
    layout: BulkLayout | None = layout_of(header)
    if layout is None or layout.width < 2 or layout.separator == " ":  # noqa: PLR2004
        return None
    names = {name for _, name in layout.metrics}
    return layout if names and len(names) == len(layout.metrics) else None


def _first_row(chunk: Chunk, memory: Memory) -> int:
    """Return where the rows begin in *chunk*, or -1 where only its format knows."""
    header = chunk.header
    if chunk.first_line == 1:
        # A byte order mark or NUL bytes in it are the format's business.
        odd = header.startswith(b"\xef") or b"\0" in header
        start = len(header) + 1
        return -1 if memory or odd or chunk.data[: start - 1] != header else start
    if memory.get("header") is not True:
        return -1
    odd = any(memory.get(key) for key in ("refused", "text", "pending"))
    return -1 if odd else 0


def fold_rows(group: Sequence[Rows]) -> list[FoldedRows | None]:
    """Return what each of *group* holds; None where its format must read it."""
    layout = group[0].layout
    used = {at for at, _ in layout.metrics} | {layout.step, layout.epoch}
    unused = set(range(layout.width)) - used
    count = sum(rows.piece.rows for rows in group)
    cells = cells_in(
        [(rows.data, rows.begin) for rows in group],
        (count, layout.width, layout.separator),
        unused,
    )
    if cells is None:
        if len(group) == 1:
            return [None]
        return [found for rows in group for found in fold_rows([rows])]
    columns = [(name, cells[at]) for at, name in layout.metrics]
    steps = None if layout.step is None else cells[layout.step]
    epochs = None if layout.epoch is None else cells[layout.epoch]
    found = fold_pieces([rows.piece for rows in group], columns, steps, epochs)
    return [
        None
        if one is None
        else FoldedRows(
            rows.start, counts_of(rows.piece.metrics), one.parts, (), layout,
            rows.piece.rows, one.steps, one.epochs, one.alone, one.strict,
        )
        for rows, one in zip(group, found, strict=True)
    ]  # fmt: skip
