"""The cells of plain tables as numbers, a megabyte of rows in a few calls.

Every number of JSON is one of Python's `float`, and msgspec rounds it as that does.
So the rows are made an array of JSON where they stand: what ends a cell becomes a
comma, or a space behind a blank cell. Whatever is no such number is refused by it.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import MsgspecError, json, msgpack

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlreport_batch.formats import Floats, Places

_SLICE = 1 << 20  # more numbers at once leave the processor's cache as objects
_NEWLINE, _COMMA, _SPACE, _MINUS, _END = b"\n, -]"
_LEAST = ord("+")  # no letter of a number is smaller
_IN_TEXTS = (b'"', b"#", b"\0", b"\r")  # what makes more of a text than a cell


def cells_in(
    rows: Sequence[tuple[bytes, int]],
    layout: tuple[int, int, str],
    unused: Collection[int],
) -> "Floats | None":
    """Return the cells of *rows*, column by column, NaN where one is blank.

    Args:
        rows: Lines with their ends, and where in each text they begin.
        layout: How many rows there are, how many cells in each, and the letter
            between them.
        unused: Columns whose cells do not matter.

    Returns:
        An array of cells in a row by rows; None if a cell that matters is no plain
        number, or there are more or fewer cells.
    """
    import numpy as np

    count, width, separator = layout
    cells = np.empty((width, count))
    filled = 0
    for text in _slices(rows):
        table = _table(text, width, ord(separator), unused)
        if table is None or filled + len(table) > count:
            return None
        cells[:, filled : filled + len(table)] = table.T
        filled += len(table)
    return cells if filled == count else None


def _slices(rows: Sequence[tuple[bytes, int]]) -> Iterator[bytearray]:
    """Yield *rows* in slices of about a megabyte, each behind an open bracket."""
    parts: list[bytes | memoryview] = [b"["]
    size = 0
    for lines, begin in rows:
        start = begin
        while start < len(lines):
            end = lines.find(b"\n", start + _SLICE - size) + 1 or len(lines)
            parts.append(memoryview(lines)[start:end])
            size += end - start
            start = end
            if size >= _SLICE:
                yield bytearray().join(parts)
                parts, size = [b"["], 0
    if size:
        yield bytearray().join(parts)


def _table(
    text: bytearray, width: int, mark: int, unused: Collection[int]
) -> "Floats | None":
    """Return the cells in *text*, row by row; see `cells_in`. The text is used up."""
    import numpy as np

    letters = np.frombuffer(text, np.uint8)[1:]
    is_line_end = letters == _NEWLINE
    ends = np.flatnonzero((letters == mark) | is_line_end)
    lines = np.count_nonzero(is_line_end)
    if lines * width != len(ends) or not is_line_end[ends[width - 1 :: width]].all():
        return None
    is_blank = np.diff(ends, prepend=-1) == 1
    letters[ends] = _COMMA
    hidden = None
    if unused:
        if any(letter in text for letter in _IN_TEXTS):
            return None
        columns = sorted(unused)
        hidden = _inside(ends.reshape(-1, width), columns)
        is_blank.reshape(-1, width)[:, columns] = True
        letters[hidden] = _COMMA  # until none but these may be a space
    if letters.min() < _LEAST:
        return None
    if hidden is not None:
        letters[hidden] = _SPACE
    # To choose by places takes half as long as to choose by truth.
    letters[ends[np.flatnonzero(is_blank)]] = _SPACE
    filled = np.flatnonzero(~is_blank)
    cells = np.full(len(ends), np.nan)
    if len(filled):
        letters[ends[filled[-1]]] = _END
        numbers = _numbers(text)
        if numbers is None or len(numbers) != len(filled):
            return None
        zeros = filled[np.flatnonzero(numbers == 0)]
        if np.any(letters[ends[zeros] - 2] == _MINUS):
            return None  # read as an integer, -0 has no sign
        cells[filled] = numbers
    return cells.reshape(-1, width)


def _inside(ends: "Places", columns: list[int]) -> "npt.NDArray[np.bool_]":
    """Return of each letter whether it stands inside of a cell of *columns*.

    Args:
        ends: Where each cell ends, row by row.
        columns: Their indexes.
    """
    import numpy as np

    starts = np.concatenate(([0], ends.ravel()[:-1] + 1)).reshape(ends.shape)
    turns = np.zeros(ends[-1, -1] + 1, np.int8)
    turns[starts[:, columns]] += 1
    turns[ends[:, columns]] -= 1
    return np.cumsum(turns, dtype=np.int8).view(np.bool_)


def _numbers(text: bytearray) -> "Floats | None":
    """Return the numbers of an array of JSON, None if there is anything else in it."""
    import numpy as np

    try:
        numbers = json.decode(text, type=list[float])
    except MsgspecError:
        return None
    packed = msgpack.encode(numbers)  # nothing else makes an array of a list as fast
    record = np.dtype([("kind", "u1"), ("number", ">f8")])
    start = len(packed) - record.itemsize * len(numbers)
    return np.frombuffer(packed, record, offset=start)["number"].astype(np.float64)
