"""What a tick is asked to do, what it did, and that as JSON, Markdown and lines."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from msgspec import Struct, field

from mlreport_batch.errors import MlreportError

_ROWS_MAX = 200

_MARKDOWN = str.maketrans(
    {char: f"\\{char}" for char in "\\`*_[]<>|#!~"} | {"\n": " ", "&": "&amp;"}
)


class Options(Struct, frozen=True):
    """What the command line adds to the config.

    Attributes:
        only: Glob on run names; other runs keep their news for another tick.
        report_all: Report every run whether or not it has news.
        dry_run: Say what would be reported and change nothing.
        baseline: Record everything as reported without sending.
        jobs: Processes to use; None leaves it to the config.
        count_alerts: Whether alerts of runs without news are wanted too.
        changed: The known folders that a look just before the tick found changed;
            None if there was none.
    """

    only: str = "*"
    report_all: bool = False
    dry_run: bool = False
    baseline: bool = False
    jobs: int | None = None
    count_alerts: bool = False
    changed: tuple[str, ...] | None = None


class RunLine(Struct, frozen=True):
    """One run in a tick's summary."""

    name: str
    status: str
    news: tuple[str, ...]
    new_points: int
    rid: str | None
    problems: tuple[str, ...]
    alerts: tuple[str, ...]
    headline: str = ""


class TickSummary(Struct):
    """What a tick did.

    Attributes:
        runs: The runs that were looked at and have something to say.
        sent: Mails that were accepted.
        owed: Mails that wait.
        dead: Mails that were refused for good or are held.
        problems: What could not be read or done, one line each.
        errors: Failures that decide the exit code.
        notices: What a person should know although nothing failed, one line each.
        seconds: Wall time by stage.
        is_cut: Whether the tick was asked to end before all was done.
        waits_for: Why mails wait, as far as known.
        places: Where mails and pages were laid.
        alerted: Names of the runs of which an alert holds, if that was asked for.
    """

    runs: list[RunLine] = field(default_factory=list)
    sent: int = 0
    owed: int = 0
    dead: int = 0
    problems: list[str] = field(default_factory=list)
    errors: list[MlreportError] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    is_cut: bool = False
    waits_for: str = ""
    places: list[str] = field(default_factory=list)
    alerted: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """The process's exit code: the gravest failure decides."""
        codes = {error.exit_code for error in self.errors}
        for code in (74, 70, 78, 77, 75):
            if code in codes:
                return code
        return 75 if self.owed or self.is_cut else 0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage of the tick."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = self.seconds.get(name, 0.0) + time.perf_counter() - start
            self.seconds[name] = round(spent, 6)


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
