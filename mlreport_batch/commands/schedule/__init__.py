"""``schedule``: have ticks started by cron, systemd, launchd, SLURM or Kubernetes."""

import argparse

from mlreport_batch.commands.call import config_of
from mlreport_batch.commands.schedule.call import Call, call_of
from mlreport_batch.commands.schedule.when import When, when_of
from mlreport_batch.config.settings import Config
from mlreport_batch.errors import UsageError
from mlreport_batch.printing import tell


def main(args: argparse.Namespace) -> int:
    """Print a schedule, install it or take it out; return the exit code."""
    config = config_of(args)
    when, call = when_of(args.every), call_of(config)
    if args.install:
        lines = install(args.kind, call, when)
    elif args.remove:
        lines = remove(args.kind, call)
    else:
        tell(schedule_text(args.kind, config, call, when), end="")
        return 0
    for line in lines:
        tell(line)
    return 0


def schedule_text(kind: str, config: Config, call: Call, when: When) -> str:
    """Return what makes *kind* start ticks, as text.

    Raises:
        UsageError: A path cannot stand there.
    """
    match kind:
        case "cron":
            from mlreport_batch.commands.schedule.cron import crontab_text

            return crontab_text(call, when)
        case "slurm":
            from mlreport_batch.commands.schedule.cron import scrontab_text

            return scrontab_text(call, when)
        case "systemd":
            from mlreport_batch.commands.schedule.units import print_units

            return print_units(call, when)
        case "launchd":
            from mlreport_batch.commands.schedule.launchd import agent_text

            return agent_text(call, when)
        case _:
            from mlreport_batch.commands.schedule.kubernetes import manifest

            return manifest(config, call, when)


def install(kind: str, call: Call, when: When) -> list[str]:
    """Have ticks started by *kind* from now on; return what is told.

    Raises:
        UsageError: This machine has no such thing, or it refuses.
        StateError: A file cannot be written.
    """
    match kind:
        case "cron" | "slurm":
            from mlreport_batch.commands.schedule import cron

            return cron.install(kind, call, when)
        case "systemd":
            from mlreport_batch.commands.schedule import units

            return units.install(call, when)
        case "launchd":
            from mlreport_batch.commands.schedule import launchd

            return launchd.install(call, when)
        case _:
            raise _by_kubectl("apply")


def remove(kind: str, call: Call) -> list[str]:
    """Take out what `install` put in; return what is told.

    Raises:
        UsageError: This machine has no such thing, or it refuses.
        StateError: A file cannot be removed.
    """
    match kind:
        case "cron" | "slurm":
            from mlreport_batch.commands.schedule import cron

            return cron.remove(kind, call)
        case "systemd":
            from mlreport_batch.commands.schedule import units

            return units.remove(call)
        case "launchd":
            from mlreport_batch.commands.schedule import launchd

            return launchd.remove(call)
        case _:
            raise _by_kubectl("delete")


def _by_kubectl(word: str) -> UsageError:
    return UsageError(
        "a CronJob has values that only you know: image and claims",
        kept="Nothing was changed",
        advice="mlreport-batch schedule kubernetes > cronjob.yaml; set them there; "
        f"then: kubectl {word} -f cronjob.yaml",
    )
