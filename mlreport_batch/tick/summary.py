"""What a tick is asked to do, and what it did."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct, field

from mlreport_batch.errors import MlreportError
from mlreport_batch.report.model import Comparison
from mlreport_batch.report.ranking import Position
from mlreport_batch.safety.clean import Scalar

if TYPE_CHECKING:
    from mlreport_batch.report.notice import Notice


class Options(Struct, frozen=True):
    """What the command line adds to the config.

    Attributes:
        only: Glob on run names; other runs keep their news for another tick.
        report_all: Report every run whether or not it has news.
        dry_run: Say what would be reported and change nothing.
        baseline: Record everything as reported without sending.
        jobs: Processes to use; None leaves it to the config.
        count_alerts: Whether alerts of runs without news are wanted too.
        with_values: Whether the values of the runs' metrics are wanted too.
        changed: The known folders that a look just before the tick found changed;
            None if there was none.
    """

    only: str = "*"
    report_all: bool = False
    dry_run: bool = False
    baseline: bool = False
    jobs: int | None = None
    count_alerts: bool = False
    with_values: bool = False
    changed: tuple[str, ...] | None = None


class RunLine(Struct, frozen=True):
    """One run in a tick's summary.

    Attributes:
        name: Its name.
        status: Its status word.
        news: What is news.
        new_points: Values not reported before.
        rid: Its report, None where none was made.
        problems: What could not be read.
        alerts: Texts of the alerts that hold.
        headline: The report's first line.
        path: The run directory.
        page: Its page as HTML, empty where none was laid down; the PDF lies beside it.
        values: Its metrics, as `report.values` gives them, if they were asked for.
        courses: Those of the metrics that its report shows, as block characters.
    """

    name: str
    status: str
    news: tuple[str, ...]
    new_points: int
    rid: str | None
    problems: tuple[str, ...]
    alerts: tuple[str, ...]
    headline: str = ""
    path: str = ""
    page: str = ""
    values: Mapping[str, Mapping[str, Scalar | None]] = field(default_factory=dict)
    position: Position | None = None
    courses: Mapping[str, str] = field(default_factory=dict)


class TickSummary(Struct):
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
        places: Where ``mails`` and ``pages`` were laid.
        alerted: Names of the runs of which an alert holds, if that was asked for.
        boards: Who leads in the groups that have news.
        told: What is told of its reports in a few words, where that is wanted.
        statuses: How many runs there are by their status, where that is wanted.
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
    places: dict[str, str] = field(default_factory=dict)
    alerted: list[str] = field(default_factory=list)
    boards: list[Comparison] = field(default_factory=list)
    told: list["Notice"] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

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
