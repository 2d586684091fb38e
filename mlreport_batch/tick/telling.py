"""What a tick did, as JSON, as Markdown and in lines for a terminal."""

import math
import os
from collections.abc import Iterable, Iterator, Mapping

from msgspec.structs import asdict

from mlreport_batch.find.runs import told_path
from mlreport_batch.report.model import Comparison
from mlreport_batch.tick.summary import RunLine, TickSummary

MARK = "<!-- mlreport-batch -->"
"""Ends the Markdown, so that a comment is found again to be brought up to date."""

_ROWS_MAX = 200
_DETAILED_MAX = 20
_METRICS_MAX = 12
_BOARDS_MAX = 20
_COLUMNS_MAX = 8
_LINES_MAX = 15
_LINES_BOARDS_MAX = 3
_MARKDOWN = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_[]<>|#!~"} | {"\n": " ", "&": "&amp;"}
)


def as_json(summary: TickSummary) -> dict[str, object]:
    """Return what ``run --json`` prints; `commands.shapes` describes it."""
    return {
        "runs": [_run(run) for run in summary.runs],
        "sent": summary.sent,
        "owed": summary.owed,
        "dead": summary.dead,
        "problems": summary.problems,
        "seconds": {stage: round(s, 3) for stage, s in summary.seconds.items()},
        "version": 1,
        "alerted": summary.alerted,
        "outbox": summary.places.get("mails"),
        "index": summary.places.get("pages"),
        "exit_code": summary.exit_code,
    }


def _run(run: RunLine) -> dict[str, object]:
    pdf = os.path.join(os.path.dirname(run.page), "report.pdf")
    return {
        "name": run.name,
        "status": run.status,
        "news": list(run.news),
        "new_points": run.new_points,
        "rid": run.rid,
        "problems": list(run.problems),
        "alerts": list(run.alerts),
        "path": told_path(run.path),
        "headline": run.headline,
        "metrics": run.values,
        "page": run.page or None,
        "pdf": pdf if run.page and os.path.exists(pdf) else None,
        "position": None if run.position is None else asdict(run.position),
    }


def as_markdown(summary: TickSummary) -> str:
    """Return the summary for a CI job's page or a comment on a pull request.

    The same runs give the same text, but for the mails: nothing in it tells the time.
    """
    runs = sorted(summary.runs, key=lambda run: (not run.alerts, run.name))
    alerted = [run for run in runs if run.alerts]
    total = (
        f"{_count(len(runs), 'run')} with news, {len(alerted)} with alerts; "
        f"{_count(summary.sent, 'mail')} sent, {summary.owed} owed."
    )
    lines = ["## Training report", "", *_caution(alerted), total, ""]
    if runs:
        lines += ["| Run | Status | Report | Alerts |", "| --- | --- | --- | --- |"]
        lines += [_row(run) for run in runs[:_ROWS_MAX]]
        if len(runs) > _ROWS_MAX:
            lines += ["", f"{_ROWS_MAX} of {len(runs)} runs are shown."]
        lines.append("")
    for board in summary.boards[:_BOARDS_MAX]:
        lines += _board(board)
    for run in runs[:_DETAILED_MAX]:
        lines += _details(run)
    if summary.problems:
        lines += ["### Problems", "", "> [!WARNING]"]
        lines += [f"> - {_cell(problem)}" for problem in summary.problems[:_ROWS_MAX]]
        lines.append("")
    return "\n".join([*lines, MARK, ""])


def _caution(alerted: list[RunLine]) -> list[str]:
    if not alerted:
        return []
    lines = ["> [!CAUTION]", f"> {_count(len(alerted), 'run')} in need of a person:"]
    lines += [
        f"> - **{_cell(run.name)}**: {_cell('; '.join(run.alerts))}"
        for run in alerted[:_DETAILED_MAX]
    ]
    if (more := len(alerted) - _DETAILED_MAX) > 0:
        lines.append(f"> - and {more:,} more")
    return [*lines, ""]


def _details(run: RunLine) -> list[str]:
    """Return the metrics of a run, folded up."""
    if not run.values:
        return []
    shown = list(run.values.items())[:_METRICS_MAX]
    more = len(run.values) - len(shown)
    title = f"<details><summary>Metrics of {_cell(run.name)}</summary>"
    lines = [title, "", "| Metric | Course | Last | Step | Best | Step |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: |")
    for name, value in shown:
        keys = ("last", "last_step", "best", "best_step")
        figures = (_figure(value[key]) for key in keys)
        cells = (_cell(name), run.courses.get(name, ""), *figures)
        lines.append(f"| {' | '.join(cells)} |")
    if more:
        lines += ["", f"and {more:,} more"]
    return [*lines, "", "</details>", ""]


def _figure(value: object) -> str:
    if isinstance(value, float):
        return f"{value or 0.0:.6g}"  # minus zero is zero
    return "" if value is None else str(value)


def _board(board: Comparison) -> Iterator[str]:
    """Yield a leaderboard, with a column for each hyperparameter that differs."""
    columns = board.columns[:_COLUMNS_MAX]
    heads = ["Place", "Run", board.metric, "To the leader", *columns, "Status"]
    yield from (f"### {_cell(board.group or 'Runs')}", "", _cell(board.line), "")
    yield from (f"- {_cell(note)}" for note in board.notes)
    yield from ("", _line(heads), _line(["---"] * len(heads)))
    for row in board.rows:
        cells = row.cells[: len(columns)]
        yield _line([row.rank, row.run, row.value, row.gap, *cells, row.status])
    yield ""
    if len(board.rows) < board.total:
        yield from (f"{len(board.rows)} of {board.total:,} runs are shown.", "")


def _row(run: RunLine) -> str:
    return _line((run.name, run.status, run.headline, "; ".join(run.alerts)))


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _cell(text: str) -> str:
    return text.translate(_MARKDOWN)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def as_lines(
    summary: TickSummary, *, colours: Mapping[str, str], verbose: bool
) -> list[str]:
    """Return a short account for a terminal.

    Args:
        summary: The tick.
        colours: Escape sequences for ``bad``, ``good``, ``soft`` and ``end``; empty
            strings where colours are not wanted.
        verbose: Whether stages and problems are told too.
    """
    lines = []
    runs = summary.runs if verbose else summary.runs[:_LINES_MAX]
    for run in runs:
        colour = "bad" if run.alerts else "good"
        text = run.headline or ", ".join(run.news)
        lines.append(f"{colours[colour]}{run.name}{colours['end']}  {text}")
        if verbose:
            lines += [f"  {problem}" for problem in run.problems]
    if len(runs) < len(summary.runs):
        more = len(summary.runs) - len(runs)
        lines.append(f"{colours['soft']}… and {more:,} more{colours['end']}")
    lines += [board.line for board in summary.boards[:_LINES_BOARDS_MAX]]
    if summary.runs or summary.sent:
        waiting = f", {summary.owed} owed" if summary.owed else ""
        lines.append(
            f"{colours['soft']}{_count(len(summary.runs), 'run')} with news, "
            f"{_count(summary.sent, 'mail')} sent{waiting}{colours['end']}"
        )
        lines += [f"{what}: {place}" for what, place in summary.places.items()]
    if verbose:
        failures = [str(error) for error in summary.errors]  # which are told apart
        lines += [
            problem
            for problem in summary.problems
            if not any(problem in failure for failure in failures)
        ]
    if verbose and math.fsum(summary.seconds.values()):
        stages = ", ".join(f"{k} {v:.2f} s" for k, v in summary.seconds.items())
        lines.append(f"{colours['soft']}{stages}{colours['end']}")
    return lines
