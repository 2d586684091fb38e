"""The works that the budgets are about, each beside another program that does it."""

import shutil
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import (
    Cost,
    bytes_read,
    compare,
    memory_mb,
    mlreport,
    run,
    system_calls,
)
from benchmarks.trees import (
    append_rows,
    event_runs,
    huge_log,
    lightning_runs,
    scratch,
    settle,
    small_runs,
)

HERE = Path(__file__).parent
CHANGED, MORE = 10, 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured.

    Attributes:
        work: What was done.
        what: What ``value`` says: a ratio of CPU to another program's, or a unit.
        value: What was measured.
        budget: What it should be at most.
        ours: What we took.
        theirs: What the other took, where there is another.
    """

    work: str
    what: str
    value: float
    budget: float
    ours: Cost | None = None
    theirs: Cost | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """How it is measured: rounds, how much of the full size, Python of the peers."""

    rounds: int
    share: float
    peers: str

    def of(self, size: int) -> int:
        return max(1, round(size * self.share))

    def peer(self, script: str, root: Path) -> list[str]:
        return [self.peers, str(HERE / script), str(root)]


class Desk:
    """A tree, a config over it, and a state."""

    def __init__(self, folder: Path, config: str = "") -> None:
        self.root, self.state = folder / "runs", folder / "state"
        self.outbox = folder / "outbox"
        self.config = folder / "mlreport.yaml"
        text = config or "runs: [{{path: {0.root}}}]\nstate: {0.state}\nmail: "
        text += "" if config else "{{max_per_tick: 100}}\noutbox: {{dir: {0.outbox}}}\n"
        self.config.write_text(text.format(self))

    def tick(self, *more: str) -> list[str]:
        return mlreport("run", "-c", self.config, *more)

    def first(self) -> Cost:
        shutil.rmtree(self.state, ignore_errors=True)
        return run(mlreport("baseline", "-c", self.config))


def against(
    work: str,
    name: str,
    budget: float,
    sides: tuple[Callable[[], Cost], Callable[[], Cost]],
    rounds: int,
) -> Figure:
    ours, theirs = compare(*sides, rounds)
    return Figure(work, f"x CPU of {name}", ours.cpu / theirs.cpu, budget, ours, theirs)


def idle(folder: Path, terms: Terms) -> Iterator[Figure]:
    yield from _idle(Desk(folder), terms, 10_000)


def idle_100k(folder: Path, terms: Terms) -> Iterator[Figure]:
    yield from _idle(Desk(folder), terms, 100_000)


def idle_flow(folder: Path, terms: Terms) -> Iterator[Figure]:
    config = '{{"runs": [{{"path": "{0.root}"}}], "state": "{0.state}"}}'
    yield from _idle(Desk(folder, config), terms, 10_000, 0.8, ", config in JSON")


def _idle(
    desk: Desk, terms: Terms, runs: int, budget: float = 0.7, how: str = ""
) -> Iterator[Figure]:
    runs = terms.of(runs)
    small_runs(desk.root, runs)
    settle()
    desk.first()
    run(desk.tick())  # what is left to settle is settled now
    work = f"tick without news, {runs:,} runs x 3 files{how}"
    find = ["find", desk.root, "-type", "f", "-printf", "%i %s %T@ %p\n"]
    sides = (lambda: run(desk.tick())), (lambda: run(find))
    yield against(work, "find -printf", budget, sides, terms.rounds)
    yield Figure(work, "MB in all processes", memory_mb(desk.tick()), 60)
    calls = system_calls(desk.tick()) / system_calls(find)
    yield Figure(work, "x system calls of find -printf", calls, 1)
    size = (desk.state / "state.db").stat().st_size / runs / 1024
    yield Figure(work, "KiB of state a run", size, 2)


def rows_first(folder: Path, terms: Terms) -> Iterator[Figure]:
    desk = Desk(folder)
    runs, size = terms.of(1000), terms.of(175_000_000)
    written = lightning_runs(desk.root, runs, size)
    settle()
    work = f"first read, {runs:,} Lightning runs, {written / 1e6:.0f} MB"
    pandas = terms.peer("read_with_pandas.py", desk.root)
    polars = terms.peer("read_with_polars.py", desk.root)
    sides = desk.first, (lambda: run(polars))
    yield against(work, "polars, every file", 1, sides, terms.rounds)
    sides = desk.first, (lambda: run(pandas))
    yield against(work, "pandas, every file", 0.4, sides, terms.rounds)
    run(desk.tick())
    logs = sorted(desk.root.rglob("metrics.csv"))[:: max(1, runs // CHANGED)][:CHANGED]
    seeds = iter(range(1, 1000))

    def news() -> Cost:
        seed = next(seeds)
        for log in logs:
            append_rows(log, 1000, seed=seed)
        settle()
        return run(desk.tick())

    work = f"1 KB more in {len(logs)} of {runs:,} runs, {len(logs)} reports"
    yield against(
        work, "pandas, every file", 0.2, (news, lambda: run(pandas)), terms.rounds
    )


def events_first(folder: Path, terms: Terms) -> Iterator[Figure]:
    desk = Desk(folder)
    runs, scalars = terms.of(1000), terms.of(1_100_000)
    event_runs(desk.root, runs, scalars)
    settle()
    multiplexer = terms.peer("read_with_multiplexer.py", desk.root)
    work = f"first read, {scalars / 1e6:.1f} M TensorBoard scalars, {runs:,} runs"
    sides = desk.first, (lambda: run(multiplexer))
    yield against(work, "EventMultiplexer", 0.05, sides, max(1, terms.rounds // 3))


def small_first(folder: Path, terms: Terms) -> Iterator[Figure]:
    desk = Desk(folder)
    runs = terms.of(10_000)
    small_runs(desk.root, runs)
    settle()
    cpu = statistics.median(desk.first().cpu for _ in range(min(3, terms.rounds)))
    work = f"first read, {runs:,} small runs"
    yield Figure(work, "ms of CPU a run", cpu / runs * 1e3, 3)


def report(folder: Path, terms: Terms) -> Iterator[Figure]:
    """Measure a tick that reports 21 runs against a tick that reports one.

    So starting up and the first report, which loads fonts and templates, do not count.
    """
    desk = Desk(folder)
    lightning_runs(desk.root, MORE + 1, (MORE + 1) * 20_000)
    settle()
    run(desk.tick("--all"))
    one, many = compare(
        lambda: run(desk.tick("--all", "--only", "*/run_00000")),
        lambda: run(desk.tick("--all")),
        terms.rounds,
    )
    each = (many.cpu - one.cpu) / MORE * 1e3
    yield Figure("one more report (12 metrics)", "ms of CPU", each, 45)


def one_log(folder: Path, terms: Terms) -> Iterator[Figure]:
    desk = Desk(folder)
    log = desk.root / "run" / "metrics.csv"
    written = huge_log(log, terms.of(1_000_000_000))
    settle()
    work = f"first read, one log of {written / 1e6:.0f} MB"
    pandas = terms.peer("read_with_pandas.py", desk.root)
    sides = desk.first, (lambda: run(pandas))
    yield against(work, "pandas", 1, sides, min(3, terms.rounds))
    shutil.rmtree(desk.state)
    baseline = mlreport("baseline", "-c", desk.config)
    yield Figure(work, "MB in all processes", memory_mb(baseline), 250)
    run(desk.tick())
    append_rows(log, 1000)
    settle()
    read = bytes_read(desk.root, desk.tick())
    yield Figure("1 KB more on it", "bytes read of it", read, 1_000_000)


WORKS: Mapping[str, Callable[[Path, Terms], Iterator[Figure]]] = {
    "idle": idle,
    "idle-flow": idle_flow,
    "idle-100k": idle_100k,
    "rows": rows_first,
    "events": events_first,
    "small": small_first,
    "report": report,
    "one-log": one_log,
}


def measured(name: str, terms: Terms) -> Iterator[Figure]:
    """Do one of `WORKS` in a tree of its own, which is removed afterwards."""
    with scratch() as folder:
        yield from WORKS[name](folder, terms)


if __name__ == "__main__":
    sys.exit("python -m benchmarks")
