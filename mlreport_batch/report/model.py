"""One report about one run, in words and figures, for every engine alike.

A `Report` holds only finished text: numbers are formatted, times are local,
names are clean and secrets are masked. Renderers lay it out and decide nothing.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Literal

from msgspec import Struct, field

from mlreport_batch.report.drawn import Chart, Sample
from mlreport_batch.report.grids import Grid
from mlreport_batch.safety.clean import Scalar


class Verdict(StrEnum):
    """How an actual hyperparameter compares with the intended one."""

    right = "right"
    wrong = "wrong"
    missing = "missing"
    unstated = "unstated"
    extra = "extra"


class Trend(StrEnum):
    """Which way a value went since the last report, in view of its goal."""

    better = "better"
    worse = "worse"
    same = "same"
    unknown = "unknown"


class MetricRow(Struct, frozen=True):
    """What is said of one metric.

    Attributes:
        key: The metric's name.
        value: Its latest value.
        step: The step of that value.
        delta: Change since the last report, signed, or empty in a first report.
        trend: Whether that change is good.
        best: The best finite value by the metric's goal; empty without goal, and where
            all values are the same.
        best_step: The step of the best value.
        low: The lowest finite value.
        high: The highest finite value.
        spark: The course as block characters, oldest first.
        is_best_now: Whether the latest value is the best so far.
        points: How many values were written.
        family: What is measured, of a metric that shares a line of the table.
        part: The part of the data it was measured on, of ``families.PARTS``, or empty.
        curve: The course, oldest first, to be drawn small; None for a gap.
        goal: ``min``, ``max`` or empty.
    """

    key: str
    value: str
    step: str
    delta: str
    trend: Trend
    best: str
    best_step: str
    low: str
    high: str
    spark: str
    is_best_now: bool
    points: str
    family: str = ""
    part: str = ""
    curve: tuple[float | None, ...] = ()
    goal: str = ""


class HparamRow(Struct, frozen=True):
    """One hyperparameter: what was intended and what the run says."""

    key: str
    value: str
    intended: str
    verdict: Verdict | None
    changed_from: str = ""


class CheckpointRow(Struct, frozen=True):
    """One file of weights. ``mark`` is ``best``, ``last`` or empty."""

    path: str
    size: str
    age: str
    step: str
    mark: str
    is_new: bool
    at: str = ""

    @property
    def written(self) -> str:
        """How long ago it was written, and when: a mail is read hours later."""
        return f"{self.age} ({self.at})" if self.at else self.age


class AlertRow(Struct, frozen=True):
    """Something that needs a person, with its evidence."""

    kind: str
    text: str


class BoardRow(Struct, frozen=True):
    """One run of a leaderboard.

    Attributes:
        rank: Its place, empty without a value.
        run: Its name within the group.
        value: Its best value.
        gap: How far that is from the leader's, signed; empty for the leader.
        status: Its status word.
        note: ``baseline`` or empty.
        cells: What it states of the hyperparameters that differ.
        settings: The first of these in one line.
        is_this: Whether it is the run that the report is about.
    """

    rank: str
    run: str
    value: str
    gap: str
    status: str
    note: str
    cells: tuple[str, ...]
    settings: str
    is_this: bool


class Comparison(Struct, frozen=True):
    """Runs of a group, whose name is empty for the root, against each other.

    Attributes:
        metric: What they are ranked by.
        line: Where the run stands, or who leads; one sentence.
        notes: What else is known, a sentence each.
        columns: The hyperparameters that differ.
        rows: The leaderboard, the best first.
        total: How many runs there are.
        chart: The courses of the leader, this run and the one before it; of a group
            that is done those of the best; or None.
    """

    group: str
    metric: str
    line: str
    notes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[BoardRow, ...]
    total: int
    chart: Chart | None = None


class Fact(Struct, frozen=True):
    """A labelled value of the report's head or of its results table."""

    key: str
    value: str


class TextBlock(Struct, frozen=True):
    """A trimmed text from the run directory, shown in fixed width."""

    title: str
    text: str


class Report(Struct, frozen=True):
    """Everything a report says, ready to be laid out.

    Attributes:
        rid: The report's id; also names the mail.
        language: ``en`` or ``ko``.
        run: The run's name.
        project: The name of the root folder it was found under.
        status: One of ``running finished failed killed out_of_time quiet stalled
            empty``.
        status_text: The status in the report's language, with its evidence.
        at: When it was made, in the reader's time zone; aware.
        date: That day, such as ``2019 December 27``.
        time: That time with its zone.
        host: The machine that made the report.
        headline: The run in one line of words and figures.
        purpose: What the run's owner says it is for, or empty.
        steps: ``12,000 of 50,000`` or ``step 12,000``; empty when unknown.
        facts: Further facts for the head, in reading order.
        hparams: Chosen hyperparameters; those with a verdict come first.
        intent_text: One line about intended against actual, or empty.
        intent_ok: True, False, or None when nothing was intended.
        alerts: What needs a person and was not told yet, worst first.
        metrics: One row a metric, in the chosen order.
        charts: Charts of the main metrics.
        results: Evaluation results that have no history and are in none of `grids`.
        checkpoints: Newest first.
        texts: Model structure, error tail and the like.
        problems: What could not be read, one line each.
        cuts: What was left out for size, one line each.
        link: Address of the Google document, or empty.
        main: Key of the metric that the headline names, or empty.
        is_led: Whether the headline tells the first alert.
        standing: What was told before and still holds, in one line, or empty.
        subject: What the mail's subject says beside the run's name: only where
            somebody must know at once.
        holding: How many alerts hold, those told before included.
        unstated: What the config means runs to have and this one does not state, in
            one line, or empty.
        share: How much of its plan the run has done, 0 to 1; None without a plan.
        left: How long it will go on, where the headline tells its end, or empty.
        samples: Pictures that the run saved, newest first.
        comparison: The run against the others of its group, None where it is alone.
        grids: Evaluation results that are a matrix.
        counted: What the steps of all charts count, ``epoch`` or ``step``, or empty.
    """

    rid: str
    language: str
    run: str
    project: str
    status: str
    status_text: str
    at: datetime
    date: str
    time: str
    host: str
    headline: str
    purpose: str
    steps: str
    facts: tuple[Fact, ...]
    hparams: tuple[HparamRow, ...]
    intent_text: str
    intent_ok: bool | None
    alerts: tuple[AlertRow, ...]
    metrics: tuple[MetricRow, ...]
    charts: tuple[Chart, ...]
    results: tuple[Fact, ...]
    checkpoints: tuple[CheckpointRow, ...]
    texts: tuple[TextBlock, ...]
    problems: tuple[str, ...]
    cuts: tuple[str, ...]
    link: str = ""
    main: str = ""
    is_led: bool = False
    standing: str = ""
    subject: str = ""
    holding: int = 0
    unstated: str = ""
    share: float | None = None
    left: str = ""
    samples: tuple[Sample, ...] = ()
    comparison: Comparison | None = None
    grids: tuple[Grid, ...] = ()
    counted: str = ""

    @property
    def further_alerts(self) -> tuple[AlertRow, ...]:
        """The alerts that neither the headline nor the intended values tell."""
        others = self.alerts[1:] if self.is_led else self.alerts
        return tuple(alert for alert in others if alert.kind != "intent")

    @property
    def further_hparams(self) -> tuple[HparamRow, ...]:
        """The hyperparameters that stand not among those that are not as intended."""
        told = (Verdict.wrong, Verdict.missing)
        return tuple(row for row in self.hparams if row.verdict not in told)

    @property
    def attention(self) -> int:
        """How many alerts hold, whether they were told before or not."""
        return max(self.holding, len(self.alerts))

    @property
    def main_row(self) -> MetricRow | None:
        """The row of the metric that the headline names, or the first one."""
        named = (row for row in self.metrics if row.key == self.main)
        return next(named, self.metrics[0] if self.metrics else None)


class Digest(Struct, frozen=True):
    """One mail about several runs of a tick, or about a group that is done.

    Attributes:
        reports: Those of its runs, the ones with alerts first.
        cuts: What was left out for size, one line each.
        boards: Who leads in the groups of its runs.
        done: How the runs of a group that is done ended, and how long they took;
            empty for any other digest.
        subject: What the mail's subject says where nothing is wrong: (of what, what);
            None for what is usual.
    """

    rid: str
    language: str
    at: datetime
    date: str
    time: str
    host: str
    headline: str
    reports: tuple[Report, ...]
    cuts: tuple[str, ...] = ()
    boards: tuple[Comparison, ...] = ()
    done: str = ""
    subject: tuple[str, str] | None = None


class ChartWishes(Struct, frozen=True):
    """How the user wants charts.

    Attributes:
        most: How many a report has at most.
        metrics: Globs on the names of the metrics that they show.
        smoothing: As `Chart` has it; ``auto`` for what is noisy.
        axis: Whether values are drawn on a logarithm; ``auto`` goes by what they are.
    """

    most: int = 4
    metrics: tuple[str, ...] = ("*",)
    smoothing: float | Literal["auto"] = "auto"
    axis: Literal["auto", "linear", "log"] = "auto"


class Wishes(Struct, frozen=True):
    """What the user wants in reports; globs on names, in the user's order."""

    metrics: tuple[str, ...] = ("*",)
    hparams: tuple[str, ...] = ("*",)
    goals: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, Scalar] = field(default_factory=dict)
    language: str = "en"
    charts: ChartWishes = ChartWishes()
    baseline: str | None = None


class Occasion(Struct, frozen=True):
    """Where and when a report is made.

    Attributes:
        rid: The report's id.
        run: The run's name.
        project: Name of the root folder.
        now: Local time, aware.
    """

    rid: str
    run: str
    project: str
    now: datetime


class AlertRules(Struct, frozen=True):
    """Which alerts are wanted.

    Attributes:
        stall_s: Seconds of silence that count as a stall, None for never, ``auto``
            for what is long against the run's own pace.
        nan: Whether NaN and infinities are told.
        divergence: Whether a metric far above its course is told.
        plateau: Values without a new best that are told, None for never.
        repeat, behind: Whether what `report.needless` finds is told.
        remind_s: Seconds until an alert that still holds, of a run that goes on, is
            told again, None for never.
    """

    stall_s: float | Literal["auto"] | None = "auto"
    nan: bool = True
    divergence: bool = True
    plateau: int | None = None
    repeat: bool = True
    behind: bool = True
    remind_s: float | None = 86400.0
