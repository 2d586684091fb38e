"""What the config says, as the stages take it: wishes, rules, the channel."""

import os

from mlreport_batch.config.settings import Config
from mlreport_batch.deliver import Channel
from mlreport_batch.formats.own_lines import OwnFormat
from mlreport_batch.report.model import AlertRules, ChartWishes, Wishes
from mlreport_batch.state.store import State


def wishes_of(config: Config) -> Wishes:
    """Return what the user wants to see in reports."""
    report = config.report
    return Wishes(
        metrics=report.metrics,
        hparams=report.hparams,
        goals=report.goals,
        expect=report.expect,
        language=report.language,
        charts=ChartWishes(
            most=report.charts.most,
            metrics=report.charts.metrics,
            smoothing=report.charts.smoothing,
            axis=report.charts.axis,
        ),
        baseline=report.baseline,
    )


def rules_of(config: Config) -> AlertRules:
    """Return which alerts the user wants."""
    alerts = config.alerts
    return AlertRules(
        stall_s=alerts.stall,
        nan=alerts.nan,
        divergence=alerts.divergence,
        plateau=alerts.plateau,
        repeat=alerts.repeat,
        behind=alerts.behind,
        remind_s=alerts.remind,
    )


def own_formats_of(config: Config) -> tuple[OwnFormat, ...]:
    """Return what the user says of some files."""
    return tuple(OwnFormat(each.files, each.line) for each in config.formats)


def make_channel(config: Config, state: State | None = None) -> Channel:
    """Return the channel of ``mail.via``, made from its config table.

    Each is imported only where it is used: a tick uses one of them. *state* keeps what
    a channel remembers of one tick for the next.
    """
    match config.mail.via:
        case "outbox":
            from mlreport_batch.deliver.outbox import OutboxChannel

            return OutboxChannel(os.fspath(config.outbox.dir))
        case "smtp":
            from mlreport_batch.deliver.smtp.channel import SmtpChannel

            return SmtpChannel(config.smtp)
        case "sendmail":
            from mlreport_batch.deliver.sendmail import SendmailChannel

            return SendmailChannel(config.sendmail.command, config.sendmail.timeout_s)
        case "gmail":
            from mlreport_batch.google.gmail import GmailChannel

            return GmailChannel(config.google, state=state)
