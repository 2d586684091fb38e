"""Text in columns, as terminals and plain mails have it.

Widths are counted as terminals count them: Hangul, kana, Han and most emoji take
two columns, combining marks none.
"""

import unicodedata
from collections.abc import Iterator, Sequence

COLUMNS = 78
_GAP = "  "
_LEAST_KEY = 20  # a name gets at least this much room beside its figures


def width(text: str) -> int:
    """Return how many terminal columns *text* takes."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(c) or c in "\u200b\u200d\ufe0f"
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], sides: str
) -> Iterator[str]:
    """Yield aligned columns; *sides* has ``l`` or ``r`` for each.

    A first cell too wide for the screen gets a line of its own, so that one long
    name does not push every figure off it. Empty columns are left out.
    """
    used = [i for i in range(len(sides)) if any(row[i] for row in rows)]
    if not used:
        return
    lines = [list(heads)] if heads else []
    lines.extend(list(row) for row in rows)
    widths = {i: max(width(row[i]) for row in lines) for i in used}
    first, *others = used
    rest = sum(widths[i] + len(_GAP) for i in others)
    room = max(_LEAST_KEY, COLUMNS - rest)
    widths[first] = max(
        (w for row in lines if (w := width(row[first])) <= room), default=0
    )
    for row in lines:
        cells = [_pad(row[i], widths[i], sides[i]) for i in used]
        if others and width(row[first]) > widths[first]:
            yield row[first]
            cells[0] = " " * widths[first]
        yield _GAP.join(cells)


def _pad(text: str, columns: int, side: str) -> str:
    space = " " * max(0, columns - width(text))
    return text + space if side == "l" else space + text
