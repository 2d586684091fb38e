"""The command line: what can be asked for, and the codes that the program ends with.

Each command is a module of `commands` with a ``main``, imported when it is asked for.
"""

import argparse
import gc
import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from mlreport_batch import __version__
from mlreport_batch.config.locate import DEFAULT_OUT
from mlreport_batch.printing import (
    complain,
    open_standard_streams,
    printable,
    tell,
    tell_no_more,
)


class _Parser(argparse.ArgumentParser):
    """Says which option or command was meant."""

    def error(self, message: str) -> NoReturn:
        known: list[str] = []
        for action in self._actions:
            known += action.option_strings
            if isinstance(action.choices, Mapping):
                for name, command in action.choices.items():
                    known += [name, *command._option_string_actions]  # noqa: SLF001
        hint = ""
        for word in message.replace("'", " ").split():
            import difflib

            close = difflib.get_close_matches(word.rstrip(","), known, 1, 0.75)
            if close and close[0] != word.rstrip(","):
                hint = f"; did you mean {close[0]}?"
                break
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: {printable(message)}{hint}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mlreport-batch",
        description="Mails a report about every training run that has news.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, module: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(module=module)
        return command

    def with_config(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
        command.add_argument("-c", "--config", metavar="FILE", help="the config file")
        return command

    run = with_config(add("run", "run", "Report every run that has news."))
    run.add_argument("paths", nargs="*", metavar="PATH", help="folders of runs")
    run.add_argument("--out", metavar="DIR", help=f"where to (default {DEFAULT_OUT})")
    run.add_argument("--only", metavar="GLOB", default="*", help="only these runs")
    run.add_argument("--all", action="store_true", help="also runs without news")
    run.add_argument("--dry-run", action="store_true", help="say what, change nothing")
    run.add_argument("--json", action="store_true", help="print one JSON object")
    run.add_argument("--summary", metavar="FILE", help="write Markdown; - is stdout")
    run.add_argument("--fail-on", choices=("alert", "problem"), help="then exit with 4")
    run.add_argument("--jobs", type=int, metavar="N", help="work in N processes")
    loud = run.add_mutually_exclusive_group()
    loud.add_argument("-q", "--quiet", action="store_true", help="only failures")
    loud.add_argument("-v", "--verbose", action="store_true", help="problems, times")

    preview = with_config(
        add("preview", "preview", "Draw one run's report; send nothing.")
    )
    preview.add_argument("path", metavar="PATH")
    preview.add_argument(
        "--out", metavar="DIR", help=f"where to (default {DEFAULT_OUT})"
    )

    inspect = with_config(
        add("inspect", "inspect", "Say what was found and how it was read.")
    )
    inspect.add_argument("paths", nargs="+", metavar="PATH")
    inspect.add_argument("--json", action="store_true", help="print one JSON object")

    status = with_config(add("status", "owed", "Say what is known, owed and dead."))
    status.add_argument("--json", action="store_true", help="print one JSON object")
    status.add_argument("--out", metavar="DIR", help=argparse.SUPPRESS)

    check = with_config(
        add("check", "check", "Check config, folders, fonts and servers.")
    )
    check.add_argument("--send-test", action="store_true", help="also send a test mail")
    check.add_argument("--live", action="store_true", help="prove the Google API facts")

    init = add("init", "init", "Write a commented config.")
    init.add_argument("file", nargs="?", metavar="FILE", default="mlreport.yaml")

    baseline = with_config(add("baseline", "run", "Mark everything as reported."))
    baseline.add_argument("--jobs", type=int, metavar="N", help=argparse.SUPPRESS)

    schedule = with_config(
        add("schedule", "schedule", "Print a crontab line or units.")
    )
    schedule.add_argument("kind", choices=("cron", "systemd"))
    schedule.add_argument("--every", type=int, default=15, metavar="MIN")

    retry = with_config(add("retry", "owed", "Send dead, held or waiting mails."))
    retry.add_argument("rids", nargs="*", metavar="RID")
    retry.add_argument("--out", metavar="DIR", help=argparse.SUPPRESS)
    drop = with_config(add("drop", "owed", "Give up a mail."))
    drop.add_argument("rid", metavar="RID")
    drop.add_argument("--out", metavar="DIR", help=argparse.SUPPRESS)

    template = add("template", "google", "Work with Google Docs templates.")
    login = add("login", "google", "Log in with a Google user account.")
    _name_google(with_config(template), with_config(login))
    return parser


def _name_google(
    template: argparse.ArgumentParser, login: argparse.ArgumentParser
) -> None:
    template.add_argument("action", choices=("create",))
    template.add_argument("--folder", metavar="NAME", help="make a folder for it too")
    login.add_argument("--client", metavar="FILE", help="the OAuth client's JSON file")


def entry(
    *, has_news: bool = False, changed: Sequence[bytes] | None = None
) -> NoReturn:
    """Run the command line and leave with its exit code.

    Args:
        has_news: Whether a first look at the known files found that there is
            something to do.
        changed: The folders it found changed, if that is all there is to do.
    """
    # What a tick keeps has no cycles to speak of; looking for them takes a tenth of
    # its time where there is much to read.
    gc.set_threshold(500_000, 20, 100)
    open_standard_streams()
    sys.exit(main(sys.argv[1:], has_news=has_news, changed=changed))


def main(
    argv: Sequence[str],
    *,
    has_news: bool = False,
    changed: Sequence[bytes] | None = None,
) -> int:
    """Run the command line *argv* and return its exit code; see `entry`."""
    for stream in (sys.stdout, sys.stderr):
        # Under cron the locale may be any; a name must not end in a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        looked = argparse.Namespace(has_news=has_news, changed=changed)
        args = _parser().parse_args(argv, looked)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 2
    code = 0
    umask = os.umask(0o077)
    os.umask(umask | 0o022)  # nobody else may write to what we write
    try:
        command = import_module(f"mlreport_batch.commands.{args.module}")
        code = int(command.main(args))
        tell("", end="", is_last=True)
    except BrokenPipeError:
        # The reader of our output went away; what we did is done.
        tell_no_more()
    except KeyboardInterrupt:
        complain("interrupted; what was not sent stays owed")
        return 75
    except Exception as exc:  # noqa: BLE001 - the last net: our bug, exit 70
        return _failed(exc)
    finally:
        os.umask(umask)
    return code


def _failed(exc: Exception) -> int:
    from mlreport_batch.errors import (
        DISK_ERRORS,
        MlreportError,
        StateError,
        reason_of,
    )

    if isinstance(exc, OSError) and exc.errno in DISK_ERRORS:
        # Even the disk that Python's own modules lie on may fail.
        exc = StateError(
            f"{exc.filename or 'a file'}: {reason_of(exc)}",
            kept="What was not sent stays owed",
            advice="The next tick goes on from there",
        )
    if isinstance(exc, MlreportError):
        complain(str(exc))
        return exc.exit_code
    import traceback

    from mlreport_batch.safety.masking.redact import redact_text

    complain(
        redact_text("".join(traceback.format_exception(exc)))
        + "This is a bug of mlreport-batch. What was not sent stays owed; please "
        "report the lines above."
    )
    return 70
