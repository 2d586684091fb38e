"""All that is promised about cost, measured beside other programs, in one command.

    python -m benchmarks [--rounds N] [--peers PYTHON] [--write FILE] [WORK ...]

Each work has a tree of its own in the temporary folder. Both sides are whole processes
and run in turn; what is compared is the median of their CPU time, children included.
The peers are installed into a virtual environment of their own, unless one is named.
With ``--write``, the table between the marks in FILE is written anew and its history
goes on by a line.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import ROOT, Cost
from benchmarks.works import WORKS, Figure, Terms, measured

PEERS = ("pandas", "polars", "tensorboard")
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"
HISTORY = "<!-- history: new lines above -->\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("works", nargs="*", metavar="WORK", help=", ".join(WORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="of the full sizes")
    parser.add_argument(
        "--peers", metavar="PYTHON", help="one that has " + ", ".join(PEERS)
    )
    parser.add_argument("--write", type=Path, metavar="FILE")
    args = parser.parse_args()
    if unknown := set(args.works).difference(WORKS):
        parser.error(f"no such work: {', '.join(sorted(unknown))}")
    os.chdir(ROOT)
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="mlreport-peers-") as folder:
        terms = Terms(args.rounds, args.share, args.peers or _with_peers(folder))
        for name in args.works or WORKS:
            for figure in measured(name, terms):
                print(_row(figure), flush=True)
                figures.append(figure)
    if args.write:
        text = args.write.read_text()
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        text = f"{head}{BEGIN}{_about(args.rounds)}\n{_table(figures)}{END}{tail}"
        args.write.write_text(text.replace(HISTORY, _history(figures) + HISTORY))


def _with_peers(folder: str) -> str:
    """Return the Python of a new environment that has the peers."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = f"{folder}/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    return python


def _about(rounds: int) -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%Y-%m-%d')}, commit {commit or 'unknown'}, "
        f"{os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, medians of {rounds} rounds, of what takes long "
        f"of fewer; load average at the end {load:.1f}.\n"
    )


def _table(figures: Sequence[Figure]) -> str:
    head = "| work | measured | budget | | ours: CPU, wall, peak | theirs |\n"
    rows = "".join(_row(figure) + "\n" for figure in figures)
    return f"{head}|---|---|---|---|---|---|\n{rows}"


def _row(figure: Figure) -> str:
    holds = "holds" if figure.value <= figure.budget else "**missed**"
    return (
        f"| {figure.work} | {_number(figure.value)} {figure.what} | {figure.budget:,} "
        f"| {holds} | {_cost(figure.ours)} | {_cost(figure.theirs)} |"
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _cost(cost: Cost | None) -> str:
    if cost is None:
        return ""
    return f"{cost.cpu:.2f} s, {cost.wall:.2f} s, {cost.peak_mb:.0f} MB"


def _history(figures: Sequence[Figure]) -> str:
    ratios = [figure for figure in figures if figure.theirs is not None]
    told = ", ".join(f"{figure.work}: {_number(figure.value)}" for figure in ratios)
    return f"- {_about(0).partition(', Python')[0]}: {told}\n"


if __name__ == "__main__":
    main()
