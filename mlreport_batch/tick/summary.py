"""What a tick is asked to do, and what it did."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mlreport_batch.errors import MlreportError


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to the config.

    Attributes:
        only: Glob on run names; other runs keep their news for another tick.
        report_all: Report every run whether or not it has news.
        dry_run: Say what would be reported and change nothing.
        baseline: Record everything as reported without sending.
        jobs: Processes to use; None leaves it to the config.
    """

    only: str = "*"
    report_all: bool = False
    dry_run: bool = False
    baseline: bool = False
    jobs: int | None = None


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run in a tick's summary."""

    name: str
    status: str
    news: tuple[str, ...]
    new_points: int
    rid: str | None
    problems: tuple[str, ...]
    alerts: tuple[str, ...]
    headline: str = ""


@dataclass(slots=True)
class TickSummary:
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
