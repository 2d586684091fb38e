"""What goes to the work on one run, and what comes back of it."""

from collections.abc import Mapping

from msgspec import Struct, field

from mlreport_batch.find.runs import RunDir
from mlreport_batch.read.run import RunState
from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.card import Card
from mlreport_batch.report.model import AlertRules, Report, Wishes
from mlreport_batch.report.news import Snapshot
from mlreport_batch.safety.clean import Scalar


class ReadSettings(Struct, frozen=True):
    """What reading and judging a run needs to know.

    Attributes:
        wishes: What the user wants in reports.
        rules: Which alerts are wanted.
        redact: The user's globs on names of secrets.
        timezone: Name of the zone of dates, or empty for the machine's.
        now: When the tick began, seconds since the epoch.
        every_s: Least time between two reports of a run.
        first_seen_max_age_s: Runs that were quiet for longer when first seen are
            only recorded; None reports them all.
        runs: How many runs this tick reads, in all batches.
        with_values: Whether the values of metrics are wanted beside the reports.
        held_until: When what does not hurry is told, seconds since the epoch; 0 for
            now.
        has_pages: Whether there is a page over all runs, which wants their cards.
    """

    wishes: Wishes
    rules: AlertRules
    redact: tuple[str, ...]
    timezone: str
    now: float
    every_s: float = 0.0
    first_seen_max_age_s: float | None = None
    runs: int = 0
    with_values: bool = False
    held_until: float = 0.0
    has_pages: bool = False


class RunTask(Struct, frozen=True):
    """One run to read.

    Attributes:
        run: The directory.
        seen: Its state at the last tick.
        reported: What its last report showed, delivered or still owed.
        base: What its last report showed that may have been delivered; changes are
            told against it. The same as ``reported`` unless a mail is superseded.
        rid_seed: What the id of its next report is made from.
        project: Name of the root folder.
        has_grown: Whether an earlier tick saw it grow.
        is_wanted: Whether it is reported even without news.
        record_only: Whether what is there now counts as reported without a report.
        is_gone: Whether the directory is gone, so that nothing can be read any more.
        expect: What the config means the runs of its root, or of its name, to have.
        needless: What the other runs of its group say of it.
    """

    run: RunDir
    seen: RunState | None
    reported: Snapshot | None
    base: Snapshot | None
    rid_seed: str
    project: str
    has_grown: bool = False
    is_wanted: bool = False
    record_only: bool = False
    is_gone: bool = False
    expect: Mapping[str, Scalar] = field(default_factory=dict)
    needless: tuple[Alert, ...] = ()


class Finding(Struct, frozen=True):
    """What reading a run brought.

    Attributes:
        path: The run directory.
        name: Its name.
        state: Its state now, None where it could not be read.
        is_changed: Whether the state must be kept anew.
        has_grown: Whether values were added since the state before.
        kinds: What is news; empty for none.
        new_points: Values not reported yet.
        status: Its status word.
        report: The report, if one is due.
        snapshot: What that report shows; without a report, what counts as reported.
        alerts: Texts of the alerts that hold.
        problems: What could not be read.
        recipients: Who asks for its reports, by the run's own intent.
        wake_at: When to look again even if no file changes.
        error: Why the run could not be worked on.
        is_passing: Whether that was the machine's fault and not ours.
        is_gone: Whether the directory is gone: this is the last that is told of it.
        values: Its metrics, as `report.values` gives them, where they are wanted.
        brief: What other runs are compared with; None where it could not be read.
        needless: Keys of what the other runs of its group said of it.
        has_ended: Whether its report tells that it is over, which nobody knew before.
        is_first: Whether nothing was told of it before, nor recorded.
        card: What the page over all runs shows of it, where there is such a page.
    """

    path: str
    name: str
    state: RunState | None = None
    is_changed: bool = False
    has_grown: bool = False
    kinds: tuple[str, ...] = ()
    new_points: int = 0
    status: str = ""
    report: Report | None = None
    snapshot: Snapshot | None = None
    alerts: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    wake_at: float | None = None
    error: str = ""
    is_passing: bool = False
    is_gone: bool = False
    values: Mapping[str, Mapping[str, Scalar | None]] = field(default_factory=dict)
    brief: Brief | None = None
    needless: tuple[str, ...] = ()
    has_ended: bool = False
    is_first: bool = False
    card: Card | None = None


def told_report(finding: Finding) -> Report:
    """Return the report of a finding that has one."""
    if finding.report is None:
        raise AssertionError(finding.name)
    return finding.report
