"""What the config wants of reports, as the stages take it."""

from mlreport_batch.config.load import Config
from mlreport_batch.report.alerts import AlertRules
from mlreport_batch.report.model import Wishes

AUTO = -1.0


def wishes_of(config: Config) -> Wishes:
    """Return what the user wants to see in reports."""
    report = config.report
    return Wishes(
        metrics=report.metrics,
        hparams=report.hparams,
        goals=report.goals,
        expect=report.expect,
        language=report.language,
    )


def rules_of(config: Config) -> AlertRules:
    """Return which alerts the user wants."""
    alerts = config.alerts
    return AlertRules(
        stall_s=AUTO if alerts.stall == "auto" else alerts.stall,
        nan=alerts.nan,
        divergence=alerts.divergence,
        plateau=alerts.plateau,
        remind_s=alerts.remind,
    )
