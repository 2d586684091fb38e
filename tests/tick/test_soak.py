"""Five weeks of ticks in a row: nothing lost, nothing doubled, nothing grows.

Ticks run in this process on a made-up clock, with mails drawn as plain text (the
renderer is pure and has tests of its own) and taken by a channel in memory; files,
state and spool are real.
"""

# ruff: noqa: T201 - figures for docs/reliability.md

import hashlib
import os
import random
import resource
import sqlite3
import statistics
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from counting import counted
from crash_tools import mails_of
from mlreport_batch.config.load import load
from mlreport_batch.config.settings import Config
from mlreport_batch.deliver import Envelope, Receipt
from mlreport_batch.errors import DeliveryError
from mlreport_batch.render import draw
from mlreport_batch.tick.conduct import run_tick
from mlreport_batch.tick.summary import Options

pytestmark = pytest.mark.no_cover

RUNS = 50
EVERY_S = 300.0
DAY_S = 86400.0
COUNT_EVERY = 5
"""How many ticks have one whose calls are counted, which makes it slower."""


@dataclass
class Recorder:
    """A channel that keeps what each mail says, and refuses some for now."""

    rng: random.Random
    told: Counter[str] = field(default_factory=Counter)
    raws: dict[str, bytes] = field(default_factory=dict)
    copies: int = 0

    @contextmanager
    def open(self) -> Iterator["Recorder"]:
        yield self

    def send(self, message: bytes, envelope: Envelope) -> Receipt:
        if self.rng.random() < 0.02:
            raise DeliveryError("later", kept="kept")
        digest = hashlib.sha256(message).digest()
        if envelope.rid in self.raws:
            assert self.raws[envelope.rid] == digest
            self.copies += 1
            return Receipt()
        self.raws[envelope.rid] = digest
        [mail] = mails_of([message])
        self.told[mail.run] += mail.new_values
        return Receipt()


class Hasty(sqlite3.Connection):
    """Commits without waiting for the disk."""

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        return super().execute(
            sql.replace("synchronous=FULL", "synchronous=OFF"), *values
        )


class Soak:
    """Fifty runs that grow by turns, and the ticks that look at them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.rng = random.Random(8)
        self.channel = Recorder(self.rng)
        self.written: Counter[str] = Counter()
        # Beyond the real clock, since no program can set a file's change time.
        self.now = datetime(2027, 3, 10, tzinfo=UTC).timestamp()
        monkeypatch.setattr(
            "mlreport_batch.tick.conduct.make_channel", lambda *_: self.channel
        )
        monkeypatch.setattr(
            draw, "_draw_bounded", lambda task, _: draw.draw_plainly(task, "soak")
        )
        # No machine loses its power here, and disks are slow at making sure.
        monkeypatch.setattr(os, "fsync", lambda _: None)
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Hasty))
        self.config = self._config()
        for number in range(RUNS):
            self.grow(f"run{number:02}")

    def _config(self) -> Config:
        file = self.folder / "mlreport.yaml"
        file.write_text(
            f"runs: [{{path: {self.folder}/runs}}]\nstate: {self.folder}/state\n"
            "report: {timezone: Europe/Berlin}\nalerts: {stall: null}\n"
            "mail: {via: outbox, from: a@b.example, to: [a@b.example], "
            "max_per_tick: 100}\n"
        )
        return load(str(file))

    def grow(self, run: str) -> None:
        log = self.folder / "runs" / run / "metrics.csv"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            if not self.written[run]:
                file.write("step,loss\n")
            file.write(f"{self.written[run]},{self.rng.random():.6f}\n")
        self.written[run] += 1
        os.utime(log, (self.now, self.now))

    def tick(self) -> None:
        summary = run_tick(self.config, Options(), config_key="k", now=self.now)
        assert summary.exit_code in (0, 75), summary.errors

    def state_bytes(self) -> int:
        return (self.folder / "state" / "state.db").stat().st_size


def _soak(soak: Soak, ticks: int, window: int, jumps: dict[int, float]) -> list[float]:
    spent = []
    soak.tick()
    early = soak.state_bytes()
    for number in range(ticks):
        soak.now += EVERY_S + jumps.get(number, 0.0)
        soak.grow(f"run{soak.rng.randrange(RUNS):02}")
        if number % COUNT_EVERY:
            soak.tick()
        else:
            spent.append(counted(soak.tick)[0])
        if number == window:
            early = soak.state_bytes()
    for _ in range(5):
        soak.now += 4000.0
        soak.tick()
    assert soak.channel.told == soak.written
    assert soak.channel.copies == 0
    state = soak.folder / "state"
    late = soak.state_bytes()
    names = {p.name for p in state.iterdir()}
    assert names <= {
        "lock", "config", "spool", "state.db", "state.db-journal", "state.db.bak",
    }  # fmt: skip
    assert list((state / "spool").rglob("*.eml")) == []
    sent = len(list((state / "spool" / "sent").iterdir()))
    many = window // COUNT_EVERY
    first, last = spent[1:many], spent[-many:]
    ratio = statistics.median(last) / statistics.median(first)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    records = list((state / "spool" / "told").iterdir())
    print(
        f"\n{ticks} ticks: {len(soak.channel.raws)} mails, last/first {ratio:.3f}, "
        f"{statistics.median(last):.0f} calls a tick, state {late} bytes = "
        f"{late / RUNS / 1024:.2f} KiB a run (early {early}), {len(records)} "
        f"records, {sent} tombstones, {rss} MiB"
    )
    return [ratio, early, late]


def test_n7_three_hundred_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    jumps = {60: -DAY_S, 120: 365 * DAY_S, 180: -365 * DAY_S, 240: 18 * DAY_S}
    soak = Soak(tmp_path, monkeypatch)
    ratio, early, late = _soak(soak, 300, 100, jumps)
    assert ratio < 1.2
    assert late < early * 1.4
    assert late < RUNS * 6 * 1024


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_n7_ten_thousand_ticks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Over the DST change of March 2027, and by a jump over that of October."""
    jumps = {
        2000: -DAY_S,
        3000: 365 * DAY_S,
        3500: -365 * DAY_S,
        6000: 200 * DAY_S,
    }
    soak = Soak(tmp_path, monkeypatch)
    ratio, early, late = _soak(soak, 10_000, 1000, jumps)
    assert ratio < 1.1
    # Marks are compressed: digits that differ more take more, but only so much.
    assert late < early * 1.4
    assert late < RUNS * 6 * 1024
