"""``init``: from nothing to a config, a tried mail route and a schedule."""

import argparse
import os
import time
from collections.abc import Callable

from mlreport_batch.commands.setup import write
from mlreport_batch.commands.setup.answers import (
    Answers,
    language_here,
    settle,
    without_blanks,
)
from mlreport_batch.commands.setup.asker import Asker
from mlreport_batch.commands.setup.look import look
from mlreport_batch.config.services import SERVICES
from mlreport_batch.config.settings import Config
from mlreport_batch.errors import CredentialError, MlreportError
from mlreport_batch.printing import can_ask, complain, tell

_ANSWERS = (
    "runs to through sender host port security username password_file password_env "
    "password_stdin language timezone every schedule"
).split()
_SHOWN_MAX = 10
_TRIES = 3


def main(args: argparse.Namespace) -> int:
    """Write a commented config, with all that belongs to it; return the exit code."""
    asks = can_ask() and not args.no_input
    if not asks and not any(getattr(args, name) for name in _ANSWERS):
        return _only_config(args.file or "mlreport.yaml")
    file = args.file or write.default_file()
    write.refuse_existing(file)
    asker = Asker(args.language or language_here(), can_ask=asks)
    if asks:
        asker.tell("hello")
    answers = settle(args, asker)
    config = _written(file, answers, asker)
    no_route = _route_failures(config, answers, asker, is_tested=not args.no_test)
    _show_first_tick(config, asker)
    no_start = _schedule_failures(config, answers, asker)
    asker.tell("no_route" if no_route else "no_start" if no_start else "done")
    failures = no_route + no_start
    return failures[0].exit_code if failures else 0


def _only_config(file: str) -> int:
    from mlreport_batch.config.reference import init_text

    write.write_new(file, init_text())
    tell(
        f"{file} is written; set `runs` in it, then: mlreport-batch check. On a "
        "terminal, `mlreport-batch init` asks for all that belongs in it"
    )
    return 0


def _written(file: str, answers: Answers, asker: Asker) -> Config:
    """Write the config and the password; return the settings."""
    from mlreport_batch.config.load import load

    text = write.config_text(answers, file)
    if answers.route.password:
        place = write.password_place(file)
        write.write_password(place, answers.route.password)
        asker.tell("wrote_password", path=place)
    write.write_new(file, text)
    asker.tell("wrote", path=file)
    return load(file)


def _route_failures(
    config: Config, answers: Answers, asker: Asker, *, is_tested: bool
) -> list[MlreportError]:
    """Try the way of the mails, and send a sample; return what went wrong."""
    from mlreport_batch.commands.sample import send_sample
    from mlreport_batch.tick.from_config import make_channel

    try:
        if answers.route.host:
            asker.tell("trying", place=f"{config.smtp.host}:{config.smtp.port}")
        tell(_tried(lambda: make_channel(config).check(), config, answers, asker))
        if not is_tested:
            return []
        addresses = send_sample(config)
    except MlreportError as exc:
        complain(str(exc))
        return [exc]
    if config.mail.via == "outbox":
        asker.tell("sample_laid", folder=config.outbox.dir)
    else:
        asker.tell("sample_sent", names=", ".join(addresses))
    return []


def _tried(
    check: Callable[[], str], config: Config, answers: Answers, asker: Asker
) -> str:
    """Return what *check* says; a refused password may be typed again."""
    for _ in range(_TRIES):
        try:
            return check()
        except CredentialError as exc:
            if not answers.route.password or config.smtp.password_file is None:
                raise
            complain(exc.message)
            password = asker.try_again("again")
            if not password:
                raise
            service = SERVICES[answers.route.through]
            place = os.fspath(config.smtp.password_file)
            write.write_password(place, without_blanks(password, service))
    return check()


def _show_first_tick(config: Config, asker: Asker) -> None:
    """Show what the first tick would report."""
    from mlreport_batch.tick.conduct import run_tick
    from mlreport_batch.tick.summary import Options

    try:
        summary = run_tick(
            config, Options(dry_run=True), config_key="", now=time.time()
        )
    except MlreportError as exc:
        complain(str(exc))
        return
    asker.tell("first_tick" if summary.runs else "first_none")
    for run in summary.runs[:_SHOWN_MAX]:
        tell(f"  {run.name}  {run.headline}")
    if (more := len(summary.runs) - _SHOWN_MAX) > 0:
        tell("  " + asker.say("first_more", more=f"{more:,}"))
    quiet = sum(len(look(root.path).names) for root in config.runs) - len(summary.runs)
    if quiet > 0:
        asker.tell("first_quiet", count=f"{quiet:,}")


def _schedule_failures(
    config: Config, answers: Answers, asker: Asker
) -> list[MlreportError]:
    """Have ticks started as was answered; return what went wrong."""
    from mlreport_batch.commands.schedule import install
    from mlreport_batch.commands.schedule.call import call_of

    if answers.schedule == "none":
        asker.tell("scheduled_not")
        return []
    try:
        for line in install(answers.schedule, call_of(config), answers.when):
            tell(line)
    except MlreportError as exc:
        complain(str(exc))
        return [exc]
    return []
