"""What a tick costs as its work grows, as a table and a plot: it should be a line.

    python -m benchmarks.growth [--rounds N] [--write docs/performance.md]

Each point is the least CPU time of a few whole processes, children included. With
``--write``, the table between the marks in the file is written anew, and the plot
beside it, ``img/growth.svg``.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import run
from benchmarks.trees import append_rows, lightning_runs, scratch, settle, small_runs
from benchmarks.works import Desk

BEGIN, END = "<!-- growth: begin -->\n", "<!-- growth: end -->\n"
WIDTH, HEIGHT, EDGE = 300, 190, 36
DIGEST = """runs: [{{path: {0.root}}}]
state: {0.state}
mail: {{digest: true}}
outbox: {{dir: {0.outbox}}}
"""
Points = list[tuple[int, float]]


def runs_without_news(rounds: int) -> Iterator[tuple[int, float]]:
    """Yield (runs, CPU seconds of a tick that finds nothing)."""
    for count in (100, 1_000, 10_000):
        with scratch() as folder:
            desk = Desk(folder)
            small_runs(desk.root, count)
            settle()
            desk.first()
            run(desk.tick())
            yield count, min(run(desk.tick()).cpu for _ in range(rounds))


def changed_runs(rounds: int) -> Iterator[tuple[int, float]]:
    """Yield (runs of 1,000 that grew by 1 KB, CPU seconds of one mail about them)."""
    with scratch() as folder:
        desk = Desk(folder, DIGEST)
        lightning_runs(desk.root, 1_000, 5_000_000)
        settle()
        desk.first()
        run(desk.tick())
        logs = sorted(desk.root.rglob("metrics.csv"))
        seeds = iter(range(1, 1_000))

        def grown(count: int) -> float:
            seed = next(seeds)
            for log in logs[:count]:
                append_rows(log, 1000, seed=seed)
            settle()
            return run(desk.tick()).cpu

        for count in (1, 10, 100, 1_000):
            yield count, min(grown(count) for _ in range(rounds))


def metrics_of_a_run(rounds: int) -> Iterator[tuple[int, float]]:
    """Yield (metrics of a run that grew by a row, CPU seconds of its report)."""
    for count in (10, 100, 1_000, 5_000, 20_000):
        with scratch() as folder:
            yield count, _report_of(Desk(folder), count, rounds)


def _report_of(desk: Desk, metrics: int, rounds: int) -> float:
    chance = random.Random(metrics)

    def row(step: int) -> str:
        return f"{step}" + "".join(f",{chance.random():.4f}" for _ in range(metrics))

    log = desk.root / "run" / "metrics.csv"
    log.parent.mkdir(parents=True)
    names = ",".join(f"layer_{n:05d}/norm" for n in range(metrics))
    log.write_text("\n".join([f"step,{names}", *map(row, range(20)), ""]))
    settle()
    desk.first()
    run(desk.tick())
    costs = []
    for step in range(20, 20 + rounds):
        with log.open("a") as file:
            file.write(row(step) + "\n")
        settle()
        costs.append(run(desk.tick()).cpu)
    return min(costs)


SERIES: dict[str, Callable[[int], Iterator[tuple[int, float]]]] = {
    "runs, none with news": runs_without_news,
    "runs of 1,000 that grew, one mail": changed_runs,
    "metrics of a run that grew, its report": metrics_of_a_run,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="FILE")
    args = parser.parse_args()
    found: dict[str, Points] = {}
    for title, measure in SERIES.items():
        found[title] = list(measure(args.rounds))
        print(title, *(f"{count:,}: {cpu:.2f} s" for count, cpu in found[title]))
    if args.write:
        text = args.write.read_text()
        head, _, rest = text.partition(BEGIN)
        _, _, tail = rest.partition(END)
        args.write.write_text(f"{head}{BEGIN}{_table(found)}{END}{tail}")
        (args.write.parent / "img" / "growth.svg").write_text(_plots(found))


def _table(found: dict[str, Points]) -> str:
    rows = [
        f"| {title} | "
        + ", ".join(f"{count:,}: {cpu:.2f} s" for count, cpu in points)
        + f" | {_each(points)} |\n"
        for title, points in found.items()
    ]
    return "| what grows | CPU of a tick | each more |\n|---|---|---|\n" + "".join(rows)


def _each(points: Points) -> str:
    """Return what one more costs, between the two largest."""
    (few, less), (many, more) = points[-2:]
    return f"{(more - less) / (many - few) * 1e3:.3g} ms"


def _plots(found: dict[str, Points]) -> str:
    """Return the series side by side, from nothing to their largest, as SVG."""
    parts = [
        f'<g transform="translate({number * WIDTH},0)">{_plot(title, points)}</g>'
        for number, (title, points) in enumerate(found.items())
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(found)}" '
        f'height="{HEIGHT}" font-family="sans-serif" font-size="12" fill="#5c6570">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>{"".join(parts)}</svg>\n'
    )


def _plot(title: str, points: Points) -> str:
    most, longest = points[-1][0], max(cpu for _, cpu in points)
    left, right, top, bottom = EDGE, WIDTH - 24, EDGE, HEIGHT - EDGE
    places = [
        (
            left + (right - left) * count / most,
            bottom - (bottom - top) * cpu / longest,
        )
        for count, cpu in points
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#0072b2"/>' for x, y in places
    )
    return (
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#9aa3ad"/>'
        f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="2"/>'
        f'{dots}<text x="{left}" y="18">{title}</text>'
        f'<text x="{left}" y="{bottom + 16}" text-anchor="middle">0</text>'
        f'<text x="{right}" y="{bottom + 16}" text-anchor="middle">{most:,}</text>'
        f'<text x="{left - 4}" y="{top + 4}" text-anchor="end">{longest:.1f}s</text>'
    )


if __name__ == "__main__":
    main()
