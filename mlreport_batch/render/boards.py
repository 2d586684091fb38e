"""Cut leaderboards to what a medium can carry; see `budget`."""

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.language.say import say
from mlreport_batch.render.budget import FIGURE
from mlreport_batch.report.model import BoardRow, Comparison
from mlreport_batch.safety.clean import shorten

NOTES_MAX = 8
PHONE_COLUMNS = 4
_PHONE_NOTES = 5


class FittedBoard(Struct, frozen=True):
    """A leaderboard within limits, and the line that says what was cut."""

    board: Comparison
    more: str


def fit_board(
    board: Comparison, room: int, language: str, *, rows: int, columns: int | None
) -> FittedBoard:
    """Return *board* cut to *rows* and *columns*, each text to *room* characters."""
    kept = _kept(board.rows, rows)
    notes = NOTES_MAX if columns is None else _PHONE_NOTES
    more = ""
    if len(kept) < board.total:
        total = f"{board.total:,}"
        more = say(language, "board_more", shown=len(kept), total=total)
    fitted = replace(
        board,
        group=shorten(board.group, room),
        metric=shorten(board.metric, room),
        line=shorten(board.line, 3 * room),
        notes=tuple(shorten(note, 3 * room) for note in board.notes[:notes]),
        columns=tuple(shorten(key, FIGURE) for key in board.columns[:columns]),
        rows=tuple(
            replace(
                row,
                run=shorten(row.run, room),
                settings=shorten(row.settings, room),
                cells=tuple(shorten(cell, FIGURE) for cell in row.cells[:columns]),
            )
            for row in kept
        ),
    )
    return FittedBoard(fitted, more)


def _kept(rows: Sequence[BoardRow], most: int) -> Sequence[BoardRow]:
    """Return the best *rows* and those that the report is about or compares with."""
    named = sum(1 for row in rows[most:] if row.is_this or row.note)
    best = rows[: max(1, most - named)]
    return [*best, *(row for row in rows[len(best) :] if row.is_this or row.note)]
