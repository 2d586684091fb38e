"""Whatever a training does to its files, ticks end where one fresh reading does."""

import math
import os
import random
import shutil
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import fields, replace

from mlreport_batch.commands.inspect import look_at
from mlreport_batch.config.load import from_paths
from mlreport_batch.config.settings import Config
from mlreport_batch.read.run import RunState, read_run
from mlreport_batch.report.view import view_of
from mlreport_batch.state.store import State
from mlreport_batch.tick.conduct import run_tick
from mlreport_batch.tick.summary import Options, TickSummary

QUICK_S, SETTLED_S = 0.2, 10.0
VALUES = ("0.5", "0.25", "1e-3", "-2", "nan", "inf", "")

Row = tuple[int, dict[str, str]]


class Training:
    """A training that writes ``metrics.csv`` as frameworks do, and worse."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "metrics.csv"
        self.columns = ["loss"]
        self.rows: list[Row] = []
        self.bad = 0
        self.partial = ""
        self.lines: list[str] = []
        self.random = random.Random(1)

    def next_step(self) -> int:
        return self.rows[-1][0] + 1 if self.rows else 0

    def row(self, step: int) -> Row:
        return step, {name: self.random.choice(VALUES) for name in self.columns}

    def line(self, row: Row) -> str:
        cells = [str(row[0]), *(row[1].get(name, "") for name in self.columns)]
        return ",".join(cells) + "\n"

    def header(self) -> str:
        return ",".join(["step", *self.columns]) + "\n"

    def whole(self) -> str:
        return self.header() + "".join(self.lines) + self.partial

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.lines.append(self.line(row))

    def wanted(self) -> dict[str, list[tuple[int, float]]]:
        """Return, naively, the values that no resume overtook."""
        found: dict[str, list[tuple[int, float]]] = {}
        for step, cells in self.rows:
            for name, text in cells.items():
                if text:
                    kept = found.get(name, [])
                    if kept and step < kept[-1][0]:
                        kept = [p for p in kept if p[0] < step]
                    found[name] = [*kept, (step, float(text))]
        return found


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.base = Path(tempfile.mkdtemp(prefix="machine-"))
        self.training = Training(self.base / "runs" / "one")
        self.training.folder.mkdir(parents=True)
        other = self.base / "runs" / "other"
        other.mkdir()
        (other / "log.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
        self.config: Config = from_paths(
            [str(self.base / "runs")], str(self.base / "out")
        )
        self.now = float(int(time.time())) + 1e6
        self.lr = 0.1
        self.is_settled = False

    def teardown(self) -> None:
        shutil.rmtree(self.base)

    # -- what is done to the files ------------------------------------------------

    def touch(self, seconds: float = 1.0) -> None:
        self.now += seconds
        at = int(self.now * 1e9) + 1
        for folder, _, names in os.walk(self.base / "runs"):
            for name in names:
                path = Path(folder, name)
                if path.stat().st_mtime > self.now - 5e5 and path not in self.fresh:
                    continue
                os.utime(path, ns=(at, at))
        self.is_settled = False

    fresh: tuple[Path, ...] = ()

    def write(self, text: str, path: Path | None = None) -> None:
        path = path or self.training.path
        path.parent.mkdir(exist_ok=True)
        with path.open("r+" if path.exists() else "w") as file:
            file.truncate(0)
            file.write(text)
        self.fresh = (path,)
        self.touch()

    @initialize()
    def start(self) -> None:
        self.write(self.training.header())

    @rule(count=st.integers(1, 4))
    def append(self, count: int) -> None:
        training = self.training
        self.finish()
        for _ in range(count):
            training.add(training.row(training.next_step()))
        self.write(training.whole())

    @rule()
    def half_line(self) -> None:
        training = self.training
        if not training.partial:
            row = training.row(training.next_step())
            training.partial = training.line(row)[:-1]
            self.pending = row
            self.write(training.whole())

    @rule()
    def finish(self) -> None:
        training = self.training
        if training.partial:
            training.partial = ""
            training.add(self.pending)
            self.write(training.whole())

    @rule(back=st.integers(1, 5))
    def resume(self, back: int) -> None:
        training = self.training
        self.finish()
        training.add(training.row(max(0, training.next_step() - back)))
        self.write(training.whole())

    @rule()
    def garbage(self) -> None:
        self.finish()
        self.training.lines.append("what,is,this,here,now,then,so\n")
        self.write(self.training.whole())

    @rule(cut=st.floats(0, 1), ticks=st.booleans())
    def new_column(self, cut: float, ticks: bool) -> None:
        """Rewrite the file with one more column, seen in the middle of it."""
        training = self.training
        training.partial = ""
        if len(training.columns) > 4:
            return
        before = self.shown()
        training.columns.append(f"val_{len(training.columns)}")
        training.lines = [training.line(row) for row in training.rows]
        whole = training.whole()
        self.write(whole[: int(cut * len(whole))])
        if ticks:
            self.tick(QUICK_S)
            if before is not None:
                after = self.shown()
                assert after is not None
                assert all(
                    name in after and after[name] >= count
                    for name, count in before.items()
                )
        self.write(whole)

    @rule()
    def truncate(self) -> None:
        training = self.training
        training.partial, training.lines, training.rows = "", [], []
        self.write(training.header())

    @rule(ticks=st.booleans())
    def recreate(self, ticks: bool) -> None:
        training = self.training
        shutil.rmtree(training.folder)
        if ticks:
            self.tick(QUICK_S)
        training.partial, training.lines, training.rows = "", [], []
        training.add(training.row(0))
        self.write(training.whole())

    @rule(lr=st.sampled_from([0.1, 0.2, math.nan, math.inf]))
    def hparams(self, lr: float) -> None:
        text = f"lr: {str(lr).replace('nan', '.nan').replace('inf', '.inf')}\n"
        self.write(text, self.training.folder / "hparams.yaml")

    # -- what is looked at ----------------------------------------------------------

    def tick(self, seconds: float) -> TickSummary:
        self.now += seconds
        return run_tick(self.config, Options(), config_key="k", now=self.now)

    def seen(self) -> dict[str, RunState | None]:
        state = State(str(self.base / "out"))
        try:
            return {row.name: state.seen(row.path) for row in state.runs()}
        finally:
            state.close()

    def shown(self) -> dict[str, int] | None:
        if not (self.base / "out" / "state.db").exists():
            return None
        seen = self.seen().get("one")
        if seen is None:
            return None
        return {name: m.count for name, m in view_of(seen).metrics.items()}

    @rule()
    def quick_tick(self) -> None:
        self.tick(QUICK_S)

    @rule()
    def settled_tick(self) -> None:
        summary = self.tick(SETTLED_S)
        assert not summary.errors
        self.is_settled = True

    @invariant()
    def state_is_that_of_a_fresh_reading(self) -> None:
        if not self.is_settled:
            return
        seen = self.seen()
        now_ns = int(self.now * 1e9)
        looked = look_at([str(self.base / "runs")])
        fresh = {
            item.run.name: read_run(item.run, None, now_ns=now_ns) for item in looked
        }
        assert seen.keys() == fresh.keys()
        for name, state in seen.items():
            assert state is not None
            known, wanted = bare(state), bare(fresh[name])
            differing = [
                pair for pair in zip(known, wanted, strict=True) if pair[0] != pair[1]
            ]
            assert not differing

    @invariant()
    def values_are_those_of_a_naive_count(self) -> None:
        if not self.is_settled:
            return
        state = self.seen()["one"]
        assert state is not None
        metrics = view_of(state).metrics
        wanted = self.training.wanted()
        assert set(metrics) == set(wanted)
        for name, points in wanted.items():
            found = metrics[name]
            finite = [value for _, value in points if math.isfinite(value)]
            steps = [step for step, _ in points]
            assert steps == sorted(steps)
            assert found.count == len(points)
            assert found.low == min(finite, default=None)
            assert found.high == max(finite, default=None)
            assert found.last_step == steps[-1]
            assert repr(found.last) == repr(points[-1][1])

    @invariant()
    def a_second_tick_has_nothing_to_say(self) -> None:
        if not self.is_settled:
            return
        summary = self.tick(0)
        assert not summary.runs
        assert summary.sent == summary.owed == 0


def bare(state: RunState) -> list[str]:
    """Return what two readings must agree on."""
    parts = [repr((state.checkpoints, state.problems, list(state.logs)))]
    for log in state.logs.values():
        signature = replace(log.signature, ctime_ns=0, inode=0)
        memory = {key: value for key, value in sorted(log.memory.items()) if value}
        plain = replace(log, signature=signature, restarts=0, memory=memory)
        parts += [f"{f.name}={getattr(plain, f.name)!r}" for f in fields(plain)]
    return parts


Machine.TestCase.settings = settings(
    max_examples=20,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestTicks = Machine.TestCase
