"""A tick with two mails, killed or starved at each of its state-changing calls.

``strace -e inject`` stops the real process in the real system call. Afterwards ticks
run in peace, and the mails that arrived must tell every value once, under one
Message-ID each. A second, byte-identical copy is allowed only where the server had
said 250 and the mail still lay in ``cur/``: between that answer and one rename.
"""

# ruff: noqa: T201 - figures for docs/reliability.md

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crash_tools import (
    CALLS,
    ERRORS,
    HAS_STRACE,
    NO_STRACE,
    Lab,
    Zygote,
    check_told,
    laboratory,
    mails_of,
)
from smtp_server import ScriptedServer

if not HAS_STRACE:
    print(f"\n*** {NO_STRACE} ***\n", file=sys.stderr)

pytestmark = pytest.mark.skipif(not HAS_STRACE, reason=NO_STRACE)

# Around these a mail changes hands; the short form takes every one of them.
DELICATE = {"rename": range(1, 40), "sendto": range(1, 40)}


@dataclass
class Figures:
    """What a sweep did, for docs/reliability.md."""

    points: int = 0
    hits: int = 0
    copies: int = 0
    codes: Counter[int | None] = field(default_factory=Counter)


@dataclass
class Sweep:
    """Ticks of one lab that all begin alike."""

    lab: Lab
    server: ScriptedServer
    zygote: Zygote
    start: Path
    figures: Figures = field(default_factory=Figures)

    def prepare(self, *, is_first: bool) -> None:
        """Lay out two runs with news, seen for the first time or not."""
        for run in ("a", "b"):
            self.lab.grow(run, 3)
        if not is_first:
            assert self.zygote.run(self.lab.argv).code == 0
            for run in ("a", "b"):
                self.lab.grow(run, 2)
        self.lab.saved(self.start)
        self.before = list(self.server.mails)

    def counts(self) -> dict[str, int]:
        """Return how often one process makes each call in such a tick."""
        self._begin()
        trace = self.start.with_suffix(".trace")
        options = ["-e", f"trace={','.join(CALLS)}", "-o", str(trace)]
        assert self.zygote.run_traced(self.lab.argv, options).code == 0
        found: Counter[tuple[str, str]] = Counter()
        for line in trace.read_text("utf-8", "replace").splitlines():
            if match := re.match(r"(\d+) +(\w+)\(", line):
                found[match[1], match[2]] += 1
        return {
            call: max(n for (_, name), n in found.items() if name == call)
            for call in CALLS
            if any(name == call for _, name in found)
        }

    def _begin(self) -> None:
        self.lab.restored(self.start)
        self.server.mails[:] = self.before

    def kill(self, call: str, number: int) -> None:
        """Kill the tick at a call, then look what peace makes of it."""
        self._begin()
        inject = f"inject={call}:signal=KILL:when={number}"
        options = ["-e", f"trace={call}", "-e", inject, "-o", os.devnull]
        ended = self.zygote.run_traced(self.lab.argv, options)
        places = self.lab.places()
        taken = self._taken()
        peace = self.zygote.run(self.lab.argv)
        where = f"killed at {call} {number}: {ended}, then {peace}"
        assert (peace.code, peace.output) == (0, ""), where
        self._check(where, places, taken)
        self.figures.points += 1
        self.figures.hits += ended.killed

    def starve(self, call: str, number: int, error: str, *, for_ever: bool) -> None:
        """Let a call fail, once or from then on, then look what peace makes of it."""
        self._begin()
        inject = f"inject={call}:error={error}:when={number}{'+' * for_ever}"
        options = ["-e", f"trace={call}", "-e", inject, "-o", os.devnull]
        ended = self.zygote.run_traced(self.lab.argv, options)
        where = f"{call} {number}{'+' * for_ever} {error}: {ended}"
        is_root = ended.code == 78 and "root cannot be read" in ended.output
        assert ended.code in (0, 74, 75) or is_root, where
        assert "Traceback" not in ended.output, where
        is_mute = call == "write" and for_ever  # not even standard error works
        if ended.code == 74 and not is_mute:
            assert re.search(
                rf"(/.*|standard output .*): .*\((\[?{error}|SQLITE_\w+)\)",
                ended.output,
            ), where
        places = self.lab.places()
        if ended.code == 0:
            # A log that could not be read is told later; no mail may be owed.
            assert (places["new"], places["cur"]) == ([], []), where
        taken = self._taken()
        for n in range(1, 5):
            peace = self.zygote.run(self.lab.argv, shift_s=30.0 * n)
            if peace.code == 0:
                break
        assert peace.code == 0, f"{where}, then {peace}"
        # A log that could not be read is tried again within the hour.
        peace = self.zygote.run(self.lab.argv, shift_s=4000.0)
        assert peace.code == 0, f"{where}, then {peace}"
        self._check(where, places, taken)
        self.figures.points += 1
        self.figures.codes[ended.code] += 1

    def _taken(self) -> Counter[str]:
        self.server.settle()
        return Counter(mail.rid for mail in mails_of(self.server.mails))

    def _check(
        self, where: str, places: dict[str, list[str]], taken: Counter[str]
    ) -> None:
        try:
            copies = check_told(self.server.mails, self.lab.steps)
        except AssertionError as exc:
            raise AssertionError(f"{where}: {exc}") from exc
        doubled = [rid for rid, count in copies.items() if count > 1]
        assert len(doubled) <= 1, where
        for rid in doubled:
            assert copies[rid] == 2, where
            assert rid in places["cur"], where
            assert taken[rid] == 1, where
        self.figures.copies += len(doubled)
        again = self.zygote.run([*self.lab.argv, "--json"], shift_s=4100.0)
        assert again.code == 0, f"{where}, at last {again}"
        assert json.loads(again.output)["runs"] == [], f"{where}, at last {again}"
        left = self.lab.places()
        assert (left["new"], left["cur"], left["dead"]) == ([], [], []), where
        assert self.lab.stray() == [], where


@pytest.fixture(params=["first tick", "later tick"])
def sweep(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sweep]:
    with laboratory(tmp_path) as (lab, server, zygote):
        made = Sweep(lab, server, zygote, tmp_path / "start")
        made.prepare(is_first=request.param == "first tick")
        yield made
        print(f"\n{request.node.name}: {made.figures}")


def _points(counts: dict[str, int], every: int) -> list[tuple[str, int]]:
    """Return the points of a sweep; those between which a mail changes hands always."""
    points = [
        (call, number)
        for call, count in counts.items()
        for number in range(1, count + 1)
    ]
    return points[::every]


def test_a_killed_tick_loses_and_doubles_nothing(sweep: Sweep):
    counts = sweep.counts()
    points = _points(counts, 60)
    points += [
        (call, number)
        for call, count in counts.items()
        if call in DELICATE
        for number in range(max(1, count - 4), count + 1)
    ]
    for call, number in dict.fromkeys(points):
        sweep.kill(call, number)


def test_a_disk_that_fails_loses_and_doubles_nothing(sweep: Sweep):
    points = _points(sweep.counts(), 67)
    for index, (call, number) in enumerate(points):
        error = ERRORS[index % len(ERRORS)]
        sweep.starve(call, number, error, for_ever=bool(index // len(ERRORS) % 2))


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_every_kill_point(sweep: Sweep):
    for call, count in sweep.counts().items():
        for number in range(1, count + 1):
            sweep.kill(call, number)


@pytest.mark.slow
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", ERRORS)
def test_every_failing_call(sweep: Sweep, error: str, for_ever: bool):
    faults = []
    for call, number in _points(sweep.counts(), int(os.environ.get("EVERY", "1"))):
        try:
            sweep.starve(call, number, error, for_ever=for_ever)
        except AssertionError as exc:  # a sweep of an hour is worth all it finds
            faults.append(str(exc))
    assert not faults, "\n".join(faults)
