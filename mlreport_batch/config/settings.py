"""Every setting there is: one frozen struct per table of the config file.

A stage gets the values it needs out of these, never the whole `Config`.
"""

from collections.abc import Mapping
from datetime import tzinfo
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from msgspec import Struct

from mlreport_batch.config.alerts import AlertSettings
from mlreport_batch.config.builder import Table, setting, settings_of
from mlreport_batch.config.channels import (
    GoogleSettings,
    NotifySettings,
    OutboxSettings,
    PagesSettings,
    PingSettings,
    PrometheusSettings,
    SendmailSettings,
    SmtpSettings,
    WebhookSettings,
)
from mlreport_batch.config.charts import ChartSettings
from mlreport_batch.config.kinds import (
    Duration,
    Expectations,
    Hparams,
    LinePattern,
    ListOf,
    MapOf,
    OneOf,
    OrNull,
    Text,
)
from mlreport_batch.config.locate import DEFAULT_STATE
from mlreport_batch.config.mails import MailSettings
from mlreport_batch.config.places import (
    Address,
    PathTo,
    RunsPath,
    Zone,
)
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.remote.address import is_remote

_GLOBS = ListOf(Text(what="text"))


class RunsRoot(Struct, frozen=True):
    """A folder below which runs are looked for."""

    path: str = setting(
        RunsPath(),
        help="The folder; every run below it is found. It may also be a bucket, a"
        " server or an archive: docs/scaling.md",
        example="~/experiments",
    )
    include: tuple[str, ...] = setting(
        _GLOBS,
        ["*"],
        help="Which runs: globs on a run's name, which is its path below the folder",
        example='["resnet*"]',
    )
    exclude: tuple[str, ...] = setting(
        _GLOBS, [], help="Which of them not", example='["*/debug/*"]'
    )
    to: tuple[str, ...] = setting(
        ListOf(Address()),
        [],
        help="Who gets the reports on these runs, instead of `mail.to`",
        example="[team@lab.example]",
    )
    expect: Mapping[str, Mapping[str, Scalar]] = setting(
        Expectations(),
        {},
        help="The hyperparameters you mean these runs to have, beside `report.expect`;"
        " a glob on run names leads to those of some of them",
        example='{optimizer.lr: 0.001, "vit-*": {warmup: 500}}',
    )

    group: tuple[str, ...] = setting(
        _GLOBS,
        ["{parent}"],
        help="Which runs are compared with each other: a text, in which `{parent}` is"
        " the folder above a run; or globs on run names, each of which is a group",
        example='["resnet*/seed-*", "vit*"]',
    )

    def expected_of(self, name: str) -> dict[str, Scalar]:
        """Return what the run called *name* is meant to have; later globs go first."""
        found: dict[str, Scalar] = {}
        for glob, values in self.expect.items():
            if fnmatchcase(name, glob):
                found.update(values)
        return found

    @property
    def is_remote(self) -> bool:
        """Whether the folder lies in a bucket."""
        return is_remote(self.path)


class FormatSettings(Struct, frozen=True):
    """How the lines of some files are written."""

    files: tuple[str, ...] = setting(
        ListOf(Text(what="text"), at_least=1),
        help="Which files: globs on a file's name, or, with `/`, on its path below the"
        " folder of `runs`",
        example='["*.log"]',
    )
    line: str = setting(
        LinePattern(),
        help="A regular expression that is looked for in each line; its named groups"
        " are steps and metrics",
        example=r"'ep (?P<epoch>\d+) loss (?P<loss>\S+)'",
    )


class ReportSettings(Struct, frozen=True):
    """What stands in a report, and when one is due."""

    metrics: tuple[str, ...] = setting(
        _GLOBS,
        ["*"],
        help="Which metrics, in this order",
        example='["val_*", "*loss*"]',
    )
    hparams: tuple[str, ...] = setting(
        _GLOBS, ["*"], help="Which hyperparameters, in this order", example="[optim.*]"
    )
    goals: Mapping[str, Literal["min", "max"]] = setting(
        MapOf(OneOf(("min", "max"))),
        {},
        help="Whether less or more is better, by globs on metric names; they go before"
        " the built-in rules for common names",
        example='{"*loss*": min, "*acc*": max}',
    )
    expect: Mapping[str, Scalar] = setting(
        Hparams(),
        {},
        help="The hyperparameters you mean all runs to have; what differs is marked,"
        " and what a run does not state is told in one line. `runs[].expect` and a"
        " run's own `intent.yaml` add to it",
        example="{optimizer.lr: 0.001}",
    )
    charts: ChartSettings = setting(
        Table(ChartSettings, short="most"),
        4,
        help="How many charts; or a table of `most`, `metrics`, `smoothing`, `axis`",
        example="{most: 6, smoothing: 0, axis: log}",
    )
    baseline: str | None = setting(
        OrNull(Text(what="the name of a run")),
        None,
        help="The run that the others of its group are compared with, by its name or"
        " the end of it; null is the best finished one",
        example="resnet50-plain",
    )
    every: float = setting(
        Duration(),
        "0s",
        help="Least time between two reports of a run; alerts and ends do not wait",
        example="6h",
    )
    language: Literal["en", "ko"] = setting(
        OneOf(("en", "ko")), "en", help="The language of reports and mails"
    )
    timezone: str | None = setting(
        OrNull(Zone()),
        None,
        help="Zone of dates and times; null is the machine's",
        example="Asia/Seoul",
    )
    first_seen_max_age: float | None = setting(
        OrNull(Duration()),
        "7d",
        help="Runs that have been quiet for longer when first seen are recorded, not"
        " reported; null reports them all",
    )

    def zone(self) -> tzinfo:
        """Return the zone of dates and times."""
        from mlreport_batch.language.dates import zone

        return zone(self.timezone or "")


class RenderSettings(Struct, frozen=True):
    """How a report is drawn."""

    engine: Literal["local", "google"] = setting(
        OneOf(("local", "google")),
        "local",
        help="`local` draws on this machine; `google` fills a Google Docs template",
    )
    template: Path | None = setting(
        OrNull(PathTo("a template file", must_exist=True)),
        None,
        help="Your own HTML template for the local engine; null is the built-in one",
        example="report.html",
    )


def table_of_keys() -> dict[str, str]:
    """Return key -> ``table.key`` for the keys that only one table knows."""
    found: dict[str, str] = {}
    for each in settings_of(Config):
        if isinstance(each.kind, Table):
            for inner in settings_of(each.kind.cls):
                path = f"{each.key}.{inner.key}"
                found[inner.key] = "" if inner.key in found else path
    return found


def _table(cls: type[Struct]) -> Table:
    return Table(cls, table_of_keys)


class Config(Struct, frozen=True):
    """All settings of one config, or of a call that names paths.

    Attributes:
        source: The config file, or None.
        out: Folder that `--out` names for pages; None without it.
        never_enter: Folders that belong to us; they are not looked into.
        shard: Which of the groups this tick is for: those of the K-th of N shards;
            None for all.
    """

    runs: tuple[RunsRoot, ...] = setting(
        ListOf(_table(RunsRoot), at_least=1),
        help="Where the runs are; at least one folder",
    )
    state: Path = setting(
        PathTo("a folder"),
        DEFAULT_STATE,
        help="Folder for what was seen and what is owed; not below a folder of runs",
    )
    report: ReportSettings = setting(
        _table(ReportSettings), {}, help="What stands in a report, and when one is due"
    )
    render: RenderSettings = setting(
        _table(RenderSettings), {}, help="How a report is drawn"
    )
    pages: PagesSettings = setting(
        _table(PagesSettings),
        {},
        help="Where the reports lie as pages, with a page over all runs",
    )
    mail: MailSettings = setting(_table(MailSettings), {}, help="Who gets mails")
    outbox: OutboxSettings = setting(
        _table(OutboxSettings), {}, help="For `via: outbox`"
    )
    smtp: SmtpSettings = setting(_table(SmtpSettings), {}, help="For `via: smtp`")
    sendmail: SendmailSettings = setting(
        _table(SendmailSettings), {}, help="For `via: sendmail`"
    )
    google: GoogleSettings = setting(
        _table(GoogleSettings), {}, help="For `engine: google` and `via: gmail`"
    )
    notify: NotifySettings = setting(
        _table(NotifySettings), {}, help="Short notices in chats and on phones"
    )
    ping: PingSettings = setting(
        _table(PingSettings), {}, help="Tells a watching service of each tick"
    )
    webhook: WebhookSettings = setting(
        _table(WebhookSettings), {}, help="Posts what `run --json` prints"
    )
    prometheus: PrometheusSettings = setting(
        _table(PrometheusSettings), {}, help="Figures for node_exporter"
    )
    alerts: AlertSettings = setting(
        _table(AlertSettings), {}, help="What is worth an alert"
    )
    formats: tuple[FormatSettings, ...] = setting(
        ListOf(_table(FormatSettings)),
        [],
        help="What the program does not read by itself: files, and how their lines are"
        " written",
    )
    redact: tuple[str, ...] = setting(
        _GLOBS,
        [],
        help="Globs on names whose values are masked, beside the built-in rules, in"
        " hyperparameters and texts; metrics and results of such a name are left out",
        example='["*my_secret*"]',
    )
    executor: str = setting(
        Text(
            r"inline|processes|dask://[A-Za-z0-9.-]+:[0-9]+"
            r"|[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*",
            "inline, processes, dask://host:8786 or module:function",
        ),
        "inline",
        help="Where runs are read and reports drawn: in this process, in several, on a"
        " dask cluster (with the `cluster` extra), or where a"
        " `concurrent.futures.Executor` does that the function makes",
        example="processes",
    )
    source: Path | None = None
    out: Path | None = None
    never_enter: tuple[Path, ...] = ()
    shard: tuple[int, int] | None = None

    @property
    def pages_folder(self) -> Path | None:
        """The folder of pages, None for no pages."""
        return self.pages.dir if self.out is None else self.out

    @property
    def tells_every_tick(self) -> bool:
        """Whether a tick that finds nothing must be told of, too."""
        return self.ping.is_on or self.prometheus.is_on

    @property
    def tells_elsewhere(self) -> bool:
        """Whether anything but mails and pages is made of a tick."""
        return self.tells_every_tick or self.notify.is_on or self.webhook.is_on

    def recipients_of(self, root: RunsRoot) -> tuple[str, ...]:
        """Return who gets the reports on runs below *root*, as written."""
        return root.to or self.mail.to
