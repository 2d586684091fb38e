"""Cut leaderboards and digests to what a medium can carry; see `budget`."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.language.say import label, say
from mlreport_batch.render.budget import FIGURE, Fitted, Limits, fit, worst_first
from mlreport_batch.report.model import BoardRow, Comparison, Digest, Report
from mlreport_batch.safety.clean import shorten

NOTES_MAX = 8
BOARDS_MAX = 5
CHARTED_RUNS_MAX = 40
_FEW_RUNS = 3
_BOARD_ROWS = 5
_MAIL_METRICS = 3
PHONE_COLUMNS = 4
_PHONE_NOTES = 5
_BAD: Final = frozenset(["failed", "killed", "out_of_time", "stalled"])


class Trouble(Struct, frozen=True):
    """What needs a person about one run, in one line.

    Attributes:
        run: Its name.
        text: What it is, and how much more there is.
        link: Where its section is, empty for none.
    """

    run: str
    text: str
    link: str


class DigestLine(Struct, frozen=True):
    """One run of a digest.

    Attributes:
        run: Its name.
        state: Its status word and its progress.
        is_bad: Whether that word is bad news.
        metric: Its main metric, empty for none.
        value: That one's latest value.
        delta: Its change since the last report.
        trend: Whether that is good.
        spark: Its course as block characters.
        link: Where its section is, empty for none.
    """

    run: str
    state: str
    is_bad: bool
    metric: str = ""
    value: str = ""
    delta: str = ""
    trend: str = ""
    spark: str = ""
    link: str = ""


class Section(Struct, frozen=True):
    """The details of one run of a digest, within limits."""

    link: str
    fitted: Fitted


class FittedBoard(Struct, frozen=True):
    """A leaderboard within limits, and the line that says what was cut."""

    board: Comparison
    more: str


class FittedDigest(Struct, frozen=True):
    """A digest within limits, bad news first."""

    digest: Digest
    troubles: Sequence[Trouble]
    boards: Sequence[FittedBoard]
    lines: Sequence[DigestLine]
    sections: Sequence[Section]
    notes: Mapping[str, str]


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


def fit_digest(
    digest: Digest, limits: Limits, *, where: str, is_mail: bool
) -> FittedDigest:
    """Return *digest* cut to *limits*, the worst run first.

    A mail tells details only of runs that need somebody; the PDF those of all.
    """
    language, room = digest.language, limits.cell
    ranked = worst_first(digest.reports)
    needy = [report for report in ranked if needs_somebody(report)]
    notes: dict[str, str] = defaultdict(str)
    wanted = needy if is_mail else ranked
    detailed = wanted[: limits.runs]
    if len(detailed) < len(wanted):
        notes["runs"] = say(
            language, "more.runs", shown=len(detailed), total=f"{len(ranked):,}"
        )
    links = {report.rid: f"run{number}" for number, report in enumerate(detailed, 1)}
    shown = ranked[: limits.runs * 5]
    if len(shown) < len(ranked):
        total = f"{len(ranked):,}"
        notes["rows"] = say(
            language, "more.rows", shown=len(shown), total=total, where=where
        )
    troubled = needy[: limits.alerts]
    if len(troubled) < len(needy):
        count = f"{len(needy):,}"
        notes["troubles"] = say(
            language, "more.troubles", shown=len(troubled), total=count
        )
    each = replace(
        limits,
        metrics=min(_MAIL_METRICS if is_mail else 8, limits.metrics),
        alerts=min(5, limits.alerts),
        charts=2 if len(ranked) <= (_FEW_RUNS if is_mail else CHARTED_RUNS_MAX) else 0,
        problems=min(3, limits.problems),
        texts=0,
        samples=0,
    )
    columns = PHONE_COLUMNS if is_mail else None
    return FittedDigest(
        replace(digest, headline=shorten(digest.headline, 2 * room)),
        [_trouble(report, links.get(report.rid, ""), room) for report in troubled],
        [
            fit_board(board, room, language, rows=_BOARD_ROWS, columns=columns)
            for board in digest.boards[:BOARDS_MAX]
        ],
        _lines(shown, links, room),
        [
            Section(links[report.rid], fit(report, each, where=where))
            for report in detailed
        ],
        notes,
    )


def needs_somebody(report: Report) -> bool:
    """Return whether a person should look at a run of a digest."""
    return bool(report.attention or report.intent_ok is False or report.status in _BAD)


def _trouble(report: Report, link: str, room: int) -> Trouble:
    """Return what needs a person: the first alert, or what holds since it was told."""
    language = report.language
    texts = [
        f"{label(language, 'alert', alert.kind)}: {alert.text}"
        for alert in report.alerts
    ]
    text = texts[0] if texts else report.standing
    if len(texts) > 1:
        more = str(len(texts) - 1)
        text = say(language, "headline_alert", first=text, more=more)
    if not text:
        text = label(language, "status", report.status)
        if report.intent_ok is False:
            text = say(language, "alert.intent")
    return Trouble(shorten(report.run, room), shorten(text, 2 * room), link)


def _lines(
    reports: Sequence[Report], links: Mapping[str, str], room: int
) -> Sequence[DigestLine]:
    """Return a line a run; a metric that is the main one of all is named once."""
    lines = [_line(report, links.get(report.rid, ""), room) for report in reports]
    if len({line.metric for line in lines if line.metric}) > 1:
        return lines
    return [lines[0], *(replace(line, metric="") for line in lines[1:])]


def _line(report: Report, link: str, room: int) -> DigestLine:
    status = label(report.language, "status", report.status)
    steps = "" if report.status == "finished" else report.steps
    kinds = (label(report.language, "alert", alert.kind) for alert in report.alerts)
    line = DigestLine(
        run=shorten(report.run, room),
        state=shorten(" · ".join(filter(None, (status, next(kinds, ""), steps))), room),
        is_bad=report.status in _BAD or bool(report.attention),
        link=link,
    )
    main = report.main_row
    if main is None:
        return line
    return replace(
        line,
        metric=shorten(main.key, FIGURE),
        value=shorten(main.value, FIGURE),
        delta=shorten(main.delta, FIGURE),
        trend=main.trend,
        spark=main.spark[-FIGURE:],
    )
