"""What more and more runs cost on one machine: CPU, memory and place on the disk.

    python -m benchmarks.sizes [--write docs/scaling.md] RUNS...

Each run has two small files. The first tick records them all without a report, as it
does where they are old; before the last one, ten logs grew by 1 KB. Time is CPU, memory
the peak of the largest process. 100,000 runs take 2 GB in the temporary folder.
"""

import argparse
import os
from pathlib import Path

from benchmarks.measure import Cost, run
from benchmarks.trees import append_rows, scratch, settle, small_runs
from benchmarks.works import Desk

BEGIN, END = "<!-- sizes: begin -->\n", "<!-- sizes: end -->\n"
HEAD = (
    "| runs | first tick | no news | ten logs grew | state | pages |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)
CONFIG = """runs: [{{path: {0.root}}}]
state: {0.state}
outbox: {{dir: {0.outbox}}}
pages: {{dir: {0.state}.pages}}
report: {{first_seen_max_age: 0s}}
"""
GREW = 10


def row_of(runs: int) -> str:
    """Return what *runs* runs cost, as a row of the table."""
    with scratch() as folder:
        desk = Desk(folder, CONFIG)
        small_runs(desk.root, runs)
        settle()
        first = run(desk.tick())
        run(desk.tick())  # what was as new as the tick is looked at once more
        idle = run(desk.tick())
        for number in range(GREW):
            log = desk.root / f"group_{number:02d}" / f"run_{number:06d}/metrics.csv"
            append_rows(log, 1000)
        settle()
        grown = run(desk.tick())
        sizes = (_megabytes(desk.state), _megabytes(Path(f"{desk.state}.pages")))
    return (
        " | ".join(
            [f"| {runs:,}", *map(_told, (first, idle, grown)), *map(_size, sizes)]
        )
        + " |\n"
    )


def _told(cost: Cost) -> str:
    seconds = f"{cost.cpu:.0f}" if cost.cpu >= 10 else f"{cost.cpu:.2f}"
    return f"{seconds} s, {cost.peak_mb:,.0f} MB"


def _size(megabytes: float) -> str:
    return f"{megabytes:,.0f} MB"


def _megabytes(folder: Path) -> float:
    """Return the bytes of all files in *folder*, or of the file that it is."""
    if not folder.is_dir():
        return folder.stat().st_size / 1e6 if folder.exists() else 0
    files = (Path(each, name) for each, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=int)
    parser.add_argument("--write", type=Path, metavar="FILE")
    args = parser.parse_args()
    table = HEAD
    for runs in args.runs:
        table += row_of(runs)
        print(table.splitlines()[-1], flush=True)
    if args.write:
        before, _, rest = args.write.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        args.write.write_text(before + BEGIN + table + END + after)


if __name__ == "__main__":
    main()
