"""Trainings over simulated days: what each writes and when, and a tick over all.

No clock is real but the one of the disk: files get the times that they would have.
Nothing is drawn and nothing sent; what would be mailed is kept.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import RunDir, group_runs
from mlreport_batch.read.run import RunState
from mlreport_batch.report.model import AlertRules, Report, Wishes
from mlreport_batch.report.news import Snapshot
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.tick.finding import ReadSettings, RunTask
from mlreport_batch.tick.work import read_batch

START = 1_700_000_000.0 // 86400 * 86400 + 9 * 3600  # nine in the morning, UTC
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

Write = tuple[float, str, str]
"""(seconds since the start, file below the root, text to append; after \0 anew)."""


@dataclass
class Mail:
    """One report that would be mailed."""

    at: float
    run: str
    report: Report

    @property
    def what(self) -> str:
        """What somebody must know at once, or nothing: kinds of alerts, or the end."""
        if self.report.alerts:
            return "+".join(sorted({alert.kind for alert in self.report.alerts}))
        if not self.report.subject:
            return ""
        return self.report.status if "Finished" in self.report.subject else "over"


@dataclass
class Fleet:
    """Trainings below one root, and what is known of them."""

    root: Path
    settings: ReadSettings
    writes: list[Write] = field(default_factory=list)
    expect: dict[str, dict[str, Scalar]] = field(default_factory=dict)
    mails: list[Mail] = field(default_factory=list)
    _seen: dict[str, RunState] = field(default_factory=dict)
    _grown: dict[str, bool] = field(default_factory=dict)
    _reported: dict[str, Snapshot] = field(default_factory=dict)
    _wakes: dict[str, float | None] = field(default_factory=dict)
    _looked: dict[str, RunDir] = field(default_factory=dict)

    def add(self, name: str, writes: Iterable[tuple[float, str, str]]) -> None:
        """Add a training: its writes, their files relative to its folder."""
        for at, file, text in writes:
            path = os.path.normpath(f"{name}/{file}")
            self.writes.append((at, path, text))

    def run(self, until: float, every: float) -> None:
        """Write and tick until some seconds after the start."""
        self.writes.sort(key=lambda write: write[0])
        waiting = iter(self.writes)
        following = next(waiting, None)
        now = every
        while now <= until:
            while following is not None and following[0] <= now:
                self._write(*following)
                following = next(waiting, None)
            self.tick(now)
            now += every

    def _write(self, at: float, file: str, text: str) -> None:
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = "w" if text.startswith("\0") else "a"
        with path.open(mode) as stream:
            stream.write(text.removeprefix("\0"))
        ns = int((START + at) * 1e9)
        os.utime(path, ns=(ns, ns))

    def tick(self, at: float) -> None:
        """Look at the runs that changed or whose time has come."""
        now = START + at
        tasks = [self._task(run) for run in self._runs() if self._is_due(run, now)]
        for finding in read_batch(tasks, replaced(self.settings, now)):
            assert not finding.error, finding.error
            assert finding.state is not None
            name = finding.name
            self._seen[name] = finding.state
            self._grown[name] = self._grown.get(name, False) or finding.has_grown
            self._wakes[name] = finding.wake_at
            if finding.snapshot is not None:
                self._reported[name] = finding.snapshot
            if finding.report is not None:
                self.mails.append(Mail(at, name, finding.report))

    def _runs(self) -> list[RunDir]:
        root = os.fspath(self.root)
        return group_runs(walk(root, root=root), root)

    def _is_due(self, run: RunDir, now: float) -> bool:
        before, self._looked[run.name] = self._looked.get(run.name), run
        wake = self._wakes.get(run.name)
        if wake is not None and wake <= now:
            return True
        return before is None or _times(before) != _times(run)

    def _task(self, run: RunDir) -> RunTask:
        reported = self._reported.get(run.name)
        return RunTask(
            run=run,
            seen=self._seen.get(run.name),
            reported=reported,
            base=reported,
            rid_seed=run.name,
            project="fleet",
            has_grown=self._grown.get(run.name, False),
            expect=self.expect.get(run.name, {}),
        )

    def of(self, name: str) -> list[Mail]:
        """Return the mails about one run."""
        return [mail for mail in self.mails if mail.run == name]

    def urgent(self, name: str) -> list[tuple[float, str]]:
        """Return (when, what) of the mails about a run that could not wait."""
        return [(mail.at, mail.what) for mail in self.of(name) if mail.what]


def _times(run: RunDir) -> object:
    return [(f.path, f.signature.size, f.signature.mtime_ns) for f in run.files]


def replaced(settings: ReadSettings, now: float) -> ReadSettings:
    from msgspec.structs import replace

    return replace(settings, now=now)


def settings(
    language: str = "en", expect: dict[str, Scalar] | None = None
) -> ReadSettings:
    """Return settings under which only what is urgent is mailed within six hours."""
    return ReadSettings(
        wishes=Wishes(language=language, expect=expect or {}),
        rules=AlertRules(),
        redact=(),
        timezone="UTC",
        now=0.0,
        every_s=6 * HOUR,
    )


def rows(
    header: str,
    row: Callable[[int], str],
    times: Iterable[float],
    *,
    file: str = "metrics.csv",
    first: int = 0,
) -> Iterator[Write]:
    """Yield the writes of a CSV log: its header, and row *first* on at each time."""
    is_new = first == 0
    for number, at in enumerate(times, first):
        text = f"{row(number)}\n"
        yield at, file, f"{header}\n{text}" if is_new else text
        is_new = False


def at_pace(count: int, pace: float, start: float = MINUTE) -> list[float]:
    """Return the times of *count* rows at one pace."""
    return [start + pace * number for number in range(count)]
