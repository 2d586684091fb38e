"""The plain-text twin: the same figures in columns, for terminals and old eyes."""

from collections.abc import Iterator, Sequence

from mlreport_batch.language.say import label, say
from mlreport_batch.render.boards import FittedBoard, fit_board
from mlreport_batch.render.budget import PDF, fit
from mlreport_batch.render.columns import COLUMNS, table, width
from mlreport_batch.render.digest import FittedDigest, fit_digest
from mlreport_batch.render.placeholders import status_of
from mlreport_batch.render.tables import TERMINAL, bands
from mlreport_batch.report.model import (
    Digest,
    HparamRow,
    MetricRow,
    Report,
    Verdict,
)

_BOARD_COLUMNS = 4


def write(report: Report | Digest) -> str:
    """Return *report* as plain text; lines end in a newline."""
    lines = _digest(report) if isinstance(report, Digest) else _report(report)
    text = "\n".join(line.rstrip() for line in lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip("\n") + "\n"


def _report(report: Report) -> Iterator[str]:
    language = report.language
    fitted = fit(report, PDF, where=say(language, "more.run"))
    report = fitted.report
    yield f"{report.date} {report.time}"
    yield from _fold(f"{report.project} / {report.run}")
    yield "=" * min(COLUMNS, max(20, width(f"{report.project} / {report.run}")))
    yield from _fold(f"{say(language, 'head.status')}: {status_of(report)}")
    yield ""
    yield from _fold(report.headline)
    yield ""
    if report.steps:
        left = f"; {report.left}" if report.left else ""
        yield from _fold(f"{say(language, 'head.steps')}: {report.steps}{left}")
    yield from table([], [[fact.key, fact.value] for fact in report.facts], "ll")
    yield from _needs(report)
    yield from _metrics(report)
    if report.comparison is not None:
        board = fit_board(
            report.comparison, PDF.cell, language, rows=10, columns=_BOARD_COLUMNS
        )
        yield from _board(language, board, say(language, "part.board"))
    yield from _hparams(report)
    yield from _results(report)
    yield from _checkpoints(report)
    yield from _lines(
        say(language, "part.samples"),
        [say(language, "sample.name", name=s.name, at=s.at) for s in report.samples],
    )
    for block in report.texts:
        yield from _head(block.title)
        yield from block.text.split("\n")
    yield from _lines(say(language, "part.problems"), report.problems)
    cuts = [*report.cuts, *fitted.notes.values()]
    yield from _lines(say(language, "part.cuts"), cuts)
    if report.link:
        yield from ("", f"{say(language, 'link.document')}: {report.link}")
    yield from _foot(report)


def _digest(digest: Digest) -> Iterator[str]:
    language = digest.language
    fitted = fit_digest(digest, PDF, where=say(language, "more.run"), is_mail=True)
    yield f"{digest.date} {digest.time}"
    yield from _fold(digest.headline)
    if digest.done:
        yield from _fold(digest.done)
    if fitted.troubles:
        yield from _head(f"{say(language, 'part.alerts')}!")
        for trouble in fitted.troubles:
            names = ", ".join(named.run for named in trouble.runs)
            names = f"{names} {trouble.more}" if trouble.more else names
            yield from _fold(f"! {names}: {trouble.text}", "  ")
    for board in fitted.boards:
        yield from _board(language, board, say(language, "part.boards"))
    if fitted.lines:
        yield from _runs(fitted)
    for section in fitted.sections:
        report = section.fitted.report
        yield from ("", "-" * COLUMNS)
        yield from _fold(report.run)
        yield from _fold(status_of(report))
        yield from _fold(report.headline)
        yield from _needs(report)
    if fitted.notes["runs"]:
        yield from ("", fitted.notes["runs"])
    yield from _lines(say(language, "part.cuts"), digest.cuts)
    yield from _foot(digest)


def _runs(fitted: FittedDigest) -> Iterator[str]:
    """Yield a line a run."""
    language = fitted.digest.language
    title = (say(language, "part.runs"), fitted.group, fitted.metric)
    yield from _head(" · ".join(filter(None, title)))
    yield from table(
        [],
        [
            [
                *(line.rank, line.run, line.state, line.metric),
                *(line.value, line.delta, line.spark),
            ]
            for line in fitted.lines
        ],
        "rlllrrl",
    )
    if fitted.notes["rows"]:
        yield from ("", fitted.notes["rows"])


def _board(language: str, fitted: FittedBoard, title: str) -> Iterator[str]:
    """Yield a leaderboard: what is said of it, then the runs."""
    board = fitted.board
    yield from _head(f"{title}: {board.group}" if board.group else title)
    yield from _fold(board.line)
    for note in board.notes:
        yield from _fold(f"- {note}", "  ")
    yield ""
    columns = board.columns[:_BOARD_COLUMNS]
    heads = [say(language, f"table.{name}") for name in ("rank", "run")]
    rows = [
        [
            f"{'>' if row.is_this else ' '}{row.rank}",
            f"{row.run} ({label(language, 'mark', row.note)})" if row.note else row.run,
            row.value,
            row.gap,
            *row.cells[: len(columns)],
            label(language, "status", row.status),
        ]
        for row in board.rows
    ]
    yield from table(
        [*heads, board.metric, say(language, "table.gap"), *columns, ""],
        rows,
        "rlrr" + "r" * len(columns) + "l",
    )
    if fitted.more:
        yield fitted.more


def _needs(report: Report) -> Iterator[str]:
    """Yield what needs a person: alerts, and what is not as intended."""
    language = report.language
    if report.standing:
        yield from _fold(report.standing)
    if report.further_alerts:
        yield from _head(f"{say(language, 'part.alerts')}!")
        for alert in report.further_alerts:
            kind = label(language, "alert", alert.kind)
            yield from _fold(f"! {kind}: {alert.text}", "  ")
    yield from _intent(report)


def _intent(report: Report) -> Iterator[str]:
    language = report.language
    wrong = [h for h in report.hparams if h.verdict in (Verdict.wrong, Verdict.missing)]
    above = [text for text in (report.purpose, report.intent_text) if text]
    if above or wrong or report.unstated:
        yield from _head(say(language, "part.intent"))
    for text in above:
        yield from _fold(text)
    if wrong:
        yield from table(
            [say(language, f"table.{n}") for n in ("hparam", "intended", "actual")],
            [[h.key, h.intended, _actual(language, h)] for h in wrong],
            "lll",
        )
    if report.unstated:
        yield from _fold(report.unstated)


def _metrics(report: Report) -> Iterator[str]:
    language = report.language
    yield from _head(say(language, "part.metrics"))
    if not report.metrics:
        yield say(language, "table.none")
        return
    names = ("metric", "now", "step", "delta", "best")
    rows = [_metric(language, row) for row in _together(report.metrics)]
    yield from table(
        [*(say(language, f"table.{name}") for name in names), ""], rows, "lrrrrl"
    )


def _together(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Return *rows*, those of one measure side by side."""
    places: dict[str, int] = {}
    for row in rows:
        places.setdefault(row.family or row.key, len(places))
    return sorted(rows, key=lambda row: places[row.family or row.key])


def _metric(language: str, row: MetricRow) -> list[str]:
    best = row.best
    if best and row.best_step:
        best = f"{best} {say(language, 'table.at', step=row.best_step)}"
    trend = say(language, f"trend.{row.trend}")
    if row.is_best_now:
        trend = label(language, "best_now", row.goal)
    return [row.key, row.value, row.step, row.delta, best, trend]


def _actual(language: str, row: HparamRow) -> str:
    value = row.value or say(language, "hparam.absent")
    if row.changed_from:
        value += f" ({say(language, 'hparam.was', value=row.changed_from)})"
    return value


def _hparams(report: Report) -> Iterator[str]:
    if not report.further_hparams:
        return
    language = report.language
    yield from _head(say(language, "part.hparams"))
    rows = [
        [
            h.key,
            _actual(language, h),
            h.intended,
            say(language, f"verdict.{h.verdict}") if h.verdict and h.intended else "",
        ]
        for h in report.further_hparams
    ]
    names = ("hparam", "actual", "intended")
    yield from table([*(say(language, f"table.{n}") for n in names), ""], rows, "llll")


def _checkpoints(report: Report) -> Iterator[str]:
    if not report.checkpoints:
        return
    language = report.language
    yield from _head(say(language, "part.checkpoints"))
    names = ("file", "step", "size", "age")
    rows = []
    for c in report.checkpoints:
        mark = label(language, "mark", c.mark)
        new = say(language, "mark.new") if c.is_new else ""
        rows.append(
            [c.path, c.step, c.size, c.written, " ".join(filter(None, (mark, new)))]
        )
    yield from table([*(say(language, f"table.{n}") for n in names), ""], rows, "lrrrl")


def _results(report: Report) -> Iterator[str]:
    if report.grids or report.results:
        yield from _head(say(report.language, "part.results"))
    for grid in report.grids:
        for columns, rows in bands(grid, TERMINAL):
            lines = [[row.key, *row.cells] for row in rows]
            yield from table([grid.title, *columns], lines, "l" + "r" * len(columns))
            yield ""
    yield from table([], [[f.key, f.value] for f in report.results], "ll")


def _lines(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from _head(title)
        for line in lines:
            yield from _fold(f"- {line}", "  ")


def _foot(report: Report | Digest) -> Iterator[str]:
    made = say(report.language, "foot.made", host=report.host)
    yield from ("", "-- ", made, report.rid)


def _head(title: str) -> Iterator[str]:
    yield from ("", title, "-" * min(COLUMNS, width(title)))


def _fold(text: str, indent: str = "") -> Iterator[str]:
    """Yield *text* folded at spaces to `COLUMNS`; a longer word stays whole."""
    line = ""
    for token in text.split():
        if line.strip() and width(line) + 1 + width(token) > COLUMNS:
            yield line
            line = indent + token
        else:
            line = f"{line} {token}" if line else token
    yield line
