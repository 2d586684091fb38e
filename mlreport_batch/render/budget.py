"""Cut a report to what a medium can carry, least important rows first.

Gmail clips a mail at 102 KB; a page or a PDF carries far more. A cut never goes
unsaid: every part that lost rows gets a line such as "Showing 40 of 312 metrics;
the rest is in the PDF".
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.language.say import say
from mlreport_batch.report.grids import Grid, GridRow
from mlreport_batch.report.model import (
    HparamRow,
    MetricRow,
    Report,
    TextBlock,
    Verdict,
)
from mlreport_batch.safety.clean import shorten

_Row = TypeVar("_Row")


MAIL_BYTES: Final = 90_000
"""Gmail clips the body at 102 KB and hides what follows."""


class Limits(Struct, frozen=True):
    """How many rows of each part, and how many characters of a text, fit."""

    metrics: int
    hparams: int
    checkpoints: int
    results: int
    texts: int
    problems: int
    alerts: int
    charts: int
    runs: int
    cell: int
    samples: int = 0


MAIL: Final[Sequence[Limits]] = (
    Limits(120, 40, 30, 60, 9000, 30, 40, 12, 40, 300, 3),
    Limits(100, 40, 12, 30, 3000, 15, 30, 12, 25, 240, 3),
    Limits(60, 30, 8, 20, 1200, 10, 20, 8, 15, 200, 2),
    Limits(40, 16, 5, 10, 400, 6, 12, 6, 8, 160, 1),
    Limits(20, 8, 3, 5, 0, 4, 8, 4, 4, 120),
    Limits(8, 4, 2, 3, 0, 2, 4, 2, 2, 80),
)
"""Sizes to try for a mail, the fullest first; the last always fits."""

PAGE: Final = Limits(2000, 1000, 300, 500, 60_000, 300, 200, 40, 300, 600, 12)
PDF: Final = Limits(600, 400, 150, 200, 24_000, 150, 100, 24, 150, 300, 12)


def fullest(draw: Callable[[Limits], tuple[str, _Row]]) -> tuple[str, _Row]:
    """Return the first of the mails that *draw* makes within `MAIL_BYTES`.

    A report that no limits make small enough gets the smallest.
    """
    *tries, least = MAIL
    for limits in tries:
        drawn = draw(limits)
        if len(drawn[0].encode()) <= MAIL_BYTES:
            return drawn
    return draw(least)


class Fitted(Struct, frozen=True):
    """A report within limits, and per part the line that says what was cut."""

    report: Report
    notes: Mapping[str, str]


def fit(report: Report, limits: Limits, *, where: str) -> Fitted:
    """Return *report* cut to *limits*; *where* says where the rest is."""
    notes: dict[str, str] = defaultdict(str)

    def note(part: str, shown: int, total: int) -> None:
        if total > shown:
            notes[part] = say(
                report.language,
                f"more.{part}",
                shown=shown,
                total=f"{total:,}",
                where=where,
            )

    def cut(part: str, rows: Sequence[_Row], most: int) -> tuple[_Row, ...]:
        note(part, min(most, len(rows)), len(rows))
        return tuple(rows[:most])

    room = limits.cell
    grids = tuple(_fit_grids(report.grids, limits))
    results = report.results[: limits.results]
    note(
        "results",
        _figures_in(grids) + len(results),
        _figures_in(report.grids) + len(report.results),
    )
    texts = tuple(_fit_texts(report, limits.texts))
    if texts != report.texts:
        notes["texts"] = say(report.language, "more.texts", where=where)
    fitted = replace(
        report,
        run=shorten(report.run, room),
        project=shorten(report.project, room),
        status_text=shorten(report.status_text, room),
        headline=shorten(report.headline, 2 * room),
        standing=shorten(report.standing, 4 * room),
        purpose=shorten(report.purpose, 2 * room),
        steps=shorten(report.steps, 2 * FIGURE),
        intent_text=shorten(report.intent_text, 2 * room),
        unstated=shorten(report.unstated, 2 * room),
        facts=tuple(
            replace(f, key=shorten(f.key, room), value=shorten(f.value, room))
            for f in cut("facts", report.facts, limits.results)
        ),
        hparams=tuple(
            replace(
                h,
                key=shorten(h.key, room),
                value=shorten(h.value, room),
                intended=shorten(h.intended, room),
                changed_from=shorten(h.changed_from, room),
            )
            for h in cut("hparams", sorted(report.hparams, key=_need), limits.hparams)
        ),
        alerts=tuple(
            replace(a, kind=shorten(a.kind, room), text=shorten(a.text, 2 * room))
            for a in cut("alerts", report.alerts, limits.alerts)
        ),
        metrics=tuple(
            _figures(m, room) for m in cut("metrics", report.metrics, limits.metrics)
        ),
        charts=cut("charts", report.charts, limits.charts),
        samples=cut("samples", report.samples, limits.samples),
        date=shorten(report.date, 2 * FIGURE),
        time=shorten(report.time, 2 * FIGURE),
        results=tuple(
            replace(r, key=shorten(r.key, room), value=shorten(r.value, room))
            for r in results
        ),
        grids=grids,
        checkpoints=tuple(
            replace(
                c,
                path=shorten(c.path, room),
                size=shorten(c.size, FIGURE),
                age=shorten(c.age, FIGURE),
                at=shorten(c.at, FIGURE),
                step=shorten(c.step, FIGURE),
                mark=shorten(c.mark, FIGURE),
            )
            for c in cut("checkpoints", report.checkpoints, limits.checkpoints)
        ),
        texts=texts,
        problems=tuple(
            shorten(p, room) for p in cut("problems", report.problems, limits.problems)
        ),
        cuts=tuple(shorten(c, room) for c in cut("cuts", report.cuts, limits.problems)),
    )
    return Fitted(fitted, notes)


_STATUS_RANK = {"failed": 0, "killed": 0, "out_of_time": 0, "stalled": 1, "quiet": 4}


def worst_first(reports: Sequence[Report]) -> Sequence[Report]:
    """Return *reports* with those that need a person in front."""
    return sorted(reports, key=_rank)


def _rank(report: Report) -> tuple[int, int]:
    """Return what sorts the runs that need a person to the front."""
    rank = _STATUS_RANK.get(report.status, 5)
    if report.attention:
        rank = min(rank, 2)
    if report.intent_ok is False:
        rank = min(rank, 3)
    return rank, -report.attention


_NEED = {Verdict.wrong: 0, Verdict.missing: 1, Verdict.right: 2}


def _need(row: HparamRow) -> int:
    if row.verdict is None:
        return 3
    return _NEED.get(row.verdict, 3)


FIGURE = 24  # longer than any number; figures never wrap
GRID_SHARE = 2  # a figure of a table takes less room than a line


def _figures(row: MetricRow, room: int) -> MetricRow:
    return replace(
        row,
        key=shorten(row.key, room),
        value=shorten(row.value, FIGURE),
        step=shorten(row.step, FIGURE),
        delta=shorten(row.delta, FIGURE),
        best=shorten(row.best, FIGURE),
        best_step=shorten(row.best_step, FIGURE),
        low=shorten(row.low, FIGURE),
        high=shorten(row.high, FIGURE),
        points=shorten(row.points, FIGURE),
        spark=row.spark[-2 * FIGURE :],
    )


def _fit_grids(grids: Sequence[Grid], limits: Limits) -> Iterator[Grid]:
    """Yield grids cut to `GRID_SHARE` figures for each result that fits."""
    most, room = limits.results, limits.cell
    figures = GRID_SHARE * most
    for grid in grids:
        columns = grid.columns[: min(most, figures)]
        rows = grid.rows[: figures // len(columns) if columns else 0]
        figures -= len(rows) * len(columns)
        if rows:
            yield Grid(
                shorten(grid.title, room),
                tuple(shorten(column, room) for column in columns),
                tuple(
                    GridRow(
                        shorten(row.key, room),
                        tuple(shorten(c, FIGURE) for c in row.cells[: len(columns)]),
                    )
                    for row in rows
                ),
            )


def _figures_in(grids: Iterable[Grid]) -> int:
    return sum(bool(cell) for grid in grids for row in grid.rows for cell in row.cells)


def _fit_texts(report: Report, room: int) -> Iterator[TextBlock]:
    """Yield the texts shortened in their middle to *room* characters in all."""
    if not room:
        return
    share = max(200, room // max(1, len(report.texts)))
    for block in report.texts[: max(1, room // 200)]:
        title = shorten(block.title, 200)
        if len(block.text) <= share:
            yield block if title == block.title else replace(block, title=title)
            continue
        lines = block.text.split("\n")
        head = _take(lines, share // 2)
        tail = _take(lines[len(head) :][::-1], share // 2)[::-1]
        left = len(lines) - len(head) - len(tail)
        gap = [say(report.language, "more.lines", lines=left)] if left else []
        yield TextBlock(title, "\n".join([*head, *gap, *tail]))


def _take(lines: Sequence[str], room: int) -> list[str]:
    taken: list[str] = []
    for line in lines:
        if taken and len(line) + 1 > room:
            break
        taken.append(shorten(line, max(room, 20)))
        room -= len(line) + 1
    return taken
