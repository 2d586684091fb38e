"""The cells of plain tables as numbers, a megabyte of rows in a few calls.

Every number of JSON is one of Python's `float`, and msgspec rounds it as that does.
So the rows are made an array of JSON where they stand: what ends a cell becomes a
comma, or a space behind a blank cell. Whatever is no such number is refused by it.
"""

from collections.abc import Collection, Sequence
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
    rows: Sequence[bytes | memoryview],
    width: int,
    separator: str,
    unused: Collection[int],
) -> "Floats | None":
    """Return the cells of *rows*, column by column, NaN where one is blank.

    Args:
        rows: Lines with their ends, in pieces.
        width: Cells in a row.
        separator: Between them, one letter.
        unused: Columns whose cells do not matter.

    Returns:
        An array of *width* by the number of rows; None if a cell that matters is no
        plain number, or a row has more or fewer cells.
    """
    import numpy as np

    tables = []
    for text in _slices(rows):
        table = _table(text, width, ord(separator), unused)
        if table is None:
            return None
        tables.append(table.T)
    return np.concatenate(tables, axis=1)


def _slices(rows: Sequence[bytes | memoryview]) -> list[bytearray]:
    """Return *rows* in slices of about a megabyte, each behind an open bracket."""
    slices = [bytearray(b"[")]
    for piece in rows:
        lines, start = bytes(piece), 0
        while start < len(lines):
            if len(slices[-1]) > _SLICE:
                slices.append(bytearray(b"["))
            end = lines.find(b"\n", start + _SLICE) + 1 or len(lines)
            slices[-1] += memoryview(lines)[start:end]
            start = end
    return slices


def _table(
    text: bytearray, width: int, mark: int, unused: Collection[int]
) -> "Floats | None":
    """Return the cells in *text*, row by row; see `cells_in`. The text is used up."""
    import numpy as np

    letters = np.frombuffer(text, np.uint8)[1:]
    is_line_end = letters == _NEWLINE
    ends = np.flatnonzero((letters == mark) | is_line_end)
    line_ends = ends[width - 1 :: width]
    lines = np.count_nonzero(is_line_end)
    if lines * width != len(ends) or not is_line_end[line_ends].all():
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
    letters[ends[is_blank]] = _SPACE
    filled = np.flatnonzero(~is_blank)
    cells = np.full(len(ends), np.nan)
    if len(filled):
        letters[ends[filled[-1]]] = _END
        numbers = _numbers(text)
        if numbers is None or len(numbers) != len(filled):
            return None
        zeros = ends[filled[numbers == 0]]
        if np.any(letters[zeros - 2] == _MINUS):  # read as an integer, -0 has no sign
            return None
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
