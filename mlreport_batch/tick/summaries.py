"""A tick's summary as JSON, as Markdown for a CI job, and as lines for people."""

import math
from collections.abc import Mapping

from mlreport_batch.tick.summary import RunLine, TickSummary

_ROWS_MAX = 200


def as_json(summary: TickSummary) -> dict[str, object]:
    """Return what ``run --json`` prints."""
    return {
        "runs": [
            {
                "name": run.name,
                "status": run.status,
                "news": list(run.news),
                "new_points": run.new_points,
                "rid": run.rid,
                "problems": list(run.problems),
                "alerts": list(run.alerts),
            }
            for run in summary.runs
        ],
        "sent": summary.sent,
        "owed": summary.owed,
        "dead": summary.dead,
        "problems": summary.problems,
        "seconds": {stage: round(s, 3) for stage, s in summary.seconds.items()},
    }


def as_markdown(summary: TickSummary) -> str:
    """Return the summary for a CI job's page."""
    runs = summary.runs
    alerts = sum(1 for run in runs if run.alerts)
    total = (
        f"{_count(len(runs), 'run')} with news, {alerts} with alerts; "
        f"{_count(summary.sent, 'mail')} sent, {summary.owed} owed."
    )
    lines = ["## Training report", "", total, ""]
    if runs:
        lines += ["| Run | Status | Report | Alerts |", "| --- | --- | --- | --- |"]
        lines += [_row(run) for run in runs[:_ROWS_MAX]]
        if len(runs) > _ROWS_MAX:
            lines += ["", f"{_ROWS_MAX} of {len(runs)} runs are shown."]
        lines.append("")
    if summary.problems:
        lines += ["### Problems", ""]
        lines += [f"- {_cell(problem)}" for problem in summary.problems[:_ROWS_MAX]]
        lines.append("")
    return "\n".join(lines)


def _row(run: RunLine) -> str:
    cells = (run.name, run.status, run.headline, "; ".join(run.alerts))
    return "| " + " | ".join(map(_cell, cells)) + " |"


_MARKDOWN = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_[]<>|#!~"} | {"\n": " ", "&": "&amp;"}
)


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
    for run in summary.runs:
        colour = "bad" if run.alerts else "good"
        text = run.headline or ", ".join(run.news)
        lines.append(f"{colours[colour]}{run.name}{colours['end']}  {text}")
        if verbose:
            lines += [f"  {problem}" for problem in run.problems]
    if summary.runs or summary.sent:
        waiting = f", {summary.owed} owed" if summary.owed else ""
        lines.append(
            f"{colours['soft']}{_count(len(summary.runs), 'run')} with news, "
            f"{_count(summary.sent, 'mail')} sent{waiting}{colours['end']}"
        )
        lines += summary.places
    if verbose and math.fsum(summary.seconds.values()):
        stages = ", ".join(f"{k} {v:.2f} s" for k, v in summary.seconds.items())
        lines.append(f"{colours['soft']}{stages}{colours['end']}")
    return lines
