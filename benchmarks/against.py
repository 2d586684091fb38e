"""This commit against another one, whose environment is named, in turn in one run.

    git worktree add /tmp/other COMMIT
    python -m venv /tmp/other/.venv  # and install /tmp/other into it
    python -m benchmarks.against /tmp/other/.venv/bin/python [ROUNDS] [WORK ...]

A ratio above 1.05 in CPU is a figure to look at. Each side has its own tree and state.
"""

import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Cost, compare, run
from benchmarks.trees import (
    HEADER,
    append_rows,
    body,
    event_runs,
    lightning_runs,
    line_runs,
    scratch,
    settle,
    small_runs,
)

Side = Callable[[], Cost]


class Desk:
    """A tree, a config over it, and the program of one environment."""

    def __init__(self, python: str, folder: Path) -> None:
        self.python, self.folder = python, folder
        self.root, self.state = folder / "runs", folder / "state"
        self.outbox = folder / "outbox"
        self.config = folder / "mlreport.yaml"
        folder.mkdir()
        self.config.write_text(
            f"runs:\n  - path: {self.root}\nstate: {self.state}\n"
            f"outbox: {{dir: {self.outbox}}}\n"
        )

    def call(self, command: str, *more: str) -> Cost:
        program = [self.python, "-P", "-m", "mlreport_batch", command]
        return run([*program, "-c", str(self.config), *more])

    def baseline(self) -> Cost:
        shutil.rmtree(self.state, ignore_errors=True)
        return self.call("baseline")

    def news(self) -> Cost:
        """Measure a tick over ten runs that grew by a few rows."""
        self.count = getattr(self, "count", 0) + 1
        logs = sorted(self.root.rglob("metrics.csv"))
        for log in logs[:: max(1, len(logs) // 10)][:10]:
            append_rows(log, 1000, seed=self.count)
        settle()
        return self.call("run")


def idle(desk: Desk) -> Side:
    small_runs(desk.root, 10_000)
    settle()
    desk.baseline()
    desk.call("run")
    return lambda: desk.call("run")


def first_read(desk: Desk) -> Side:
    lightning_runs(desk.root, 500, 100_000_000)
    settle()
    return desk.baseline


def small_first(desk: Desk) -> Side:
    small_runs(desk.root, 2_000)
    settle()
    return desk.baseline


def lines_first(desk: Desk) -> Side:
    line_runs(desk.root, 100, 4_000)
    settle()
    return desk.baseline


def events_first(desk: Desk) -> Side:
    event_runs(desk.root, 200, 220_000)
    settle()
    return desk.baseline


def ten_reports(desk: Desk) -> Side:
    lightning_runs(desk.root, 200, 4_000_000)
    settle()
    desk.baseline()
    desk.call("run")
    return desk.news


def one_report(desk: Desk) -> Side:
    log = desk.root / "a" / "metrics.csv"
    log.parent.mkdir(parents=True)
    log.write_text(HEADER + body(50_000))
    settle()
    desk.baseline()
    desk.call("run")
    return desk.news


def one_of_many(desk: Desk, *, pages: bool = False) -> Side:
    small_runs(desk.root, 10_000)
    settle()
    out = ["--out", str(desk.folder / "out")] if pages else []
    desk.baseline()
    log = desk.root / "group_42" / "run_004242" / "metrics.csv"

    def news() -> Cost:
        append_rows(log, 400, seed=log.stat().st_size)
        settle()
        return desk.call("run", *out)

    news()
    return news


WORKS = {
    "no news, 10,000 runs": idle,
    "first read, 500 runs, 100 MB": first_read,
    "first read, 2,000 small runs": small_first,
    "first read, 100 runs of JSON lines": lines_first,
    "first read, 220,000 TensorBoard scalars": events_first,
    "ten reports among 200 runs": ten_reports,
    "one report": one_report,
    "one report of 10,000 runs": one_of_many,
    "one report of 10,000 runs and their pages": partial(one_of_many, pages=True),
}


def main(other: str, rounds: int, wanted: list[str]) -> None:
    for title, work in WORKS.items():
        if wanted and not any(word in title for word in wanted):
            continue
        with scratch() as folder:
            ours = work(Desk(sys.executable, folder / "ours"))
            theirs = work(Desk(other, folder / "theirs"))
            here, there = compare(ours, theirs, rounds)
            print(
                f"{title}\n  CPU {here.cpu:.3f} s against {there.cpu:.3f} s, "
                f"ratio {here.cpu / there.cpu:.3f}   peak {here.peak_mb:.0f} MB "
                f"against {there.peak_mb:.0f} MB"
            )


if __name__ == "__main__":
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    main(sys.argv[1], rounds, sys.argv[3:])
