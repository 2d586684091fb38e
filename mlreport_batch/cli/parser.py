"""What can be asked for on the command line.

Each command names the module of `commands` that does it.
"""

import argparse

from mlreport_batch.cli.helpful import HIDDEN, PROGRAM, Parser, Version
from mlreport_batch.config.locate import CONFIG_NAME, DEFAULT_OUT

SCHEDULERS = ("cron", "systemd", "launchd", "slurm", "kubernetes")
_SEARCHED = (
    f"the config file; without it the first that is there of $MLREPORT_CONFIG, "
    f"./{CONFIG_NAME}, ~/.config/mlreport-batch/config.yaml"
)
_COLUMNS = (
    "name", "group", "status", "metric", "best", "last", "step", "progress", "written"
)  # fmt: skip


class _Commands:
    """Adds commands to a parser, each with the module that does it."""

    def __init__(self, parser: Parser) -> None:
        self._added = parser.add_subparsers(
            dest="command", metavar="COMMAND", required=True
        )

    def add(self, name: str, module: str, text: str, **more: bool) -> Parser:
        """Return the parser of a new command.

        Args:
            name: Of the command.
            module: In `commands`.
            text: What it does, in a few words.
            more: ``config``: takes ``-c``; ``color``: takes ``--color``.
        """
        command: Parser = self._added.add_parser(name, help=text, description=text)
        command.set_defaults(module=module)
        if more.get("config"):
            command.add_argument("-c", "--config", metavar="FILE", help=_SEARCHED)
        if more.get("color"):
            command.add_argument(
                "--color",
                choices=("auto", "always", "never"),
                default="auto",
                help="colours: on a terminal unless NO_COLOR is set (auto, the "
                "default), always or never",
            )
        return command


def make_parser() -> Parser:
    """Return the parser of the whole command line."""
    parser = Parser(
        prog=PROGRAM, description="Mails a report about every training run with news."
    )
    parser.add_argument(
        "--version",
        action=Version,
        nargs=0,
        help="print the versions of the program, Python and key libraries",
    )
    commands = _Commands(parser)
    _add_run(commands)
    _add_looks(commands)
    _add_setup(commands)
    _add_debts(commands)
    _add_google(commands)
    completion = commands.add(
        "completion", "completion", "Print what completes commands in your shell."
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish"))
    completion.set_defaults(parser=parser)
    return parser


def _add_run(commands: _Commands) -> None:
    run = commands.add(
        "run", "run", "Report every run that has news.", config=True, color=True
    )
    run.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="folders of runs, instead of those in the config",
    )
    _add_out(run, "the folder for mails, pages and state where PATHs are named")
    which = run.add_argument_group("which runs")
    which.add_argument(
        "--only", metavar="GLOB", default="*", help="only runs whose name fits"
    )
    which.add_argument("--all", action="store_true", help="also runs without news")
    _add_shard(
        which, "only the groups of the K-th of N shards, with a state of its own"
    )
    what = run.add_argument_group("what is done")
    what.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be reported; write, send and remember nothing",
    )
    what.add_argument(
        "--fail-on",
        choices=("alert", "problem"),
        help="end with exit code 4 where a run needs a person (alert) or something "
        "could not be read (problem); the reports are made all the same",
    )
    what.add_argument(
        "--jobs", type=int, metavar="N", help="read and draw in N processes"
    )
    told = run.add_argument_group("what is printed")
    told.add_argument("--json", action="store_true", help="one JSON object")
    told.add_argument(
        "--summary",
        metavar="FILE",
        help="write Markdown for a CI job or a pull request into FILE; - is stdout",
    )
    told.add_argument(
        "--junit",
        metavar="FILE",
        help="write JUnit XML into FILE: a test case a run, which fails where an alert "
        "holds",
    )
    loud = told.add_mutually_exclusive_group()
    loud.add_argument("-q", "--quiet", action="store_true", help="only failures")
    loud.add_argument(
        "-v", "--verbose", action="store_true", help="problems and times too"
    )
    baseline = commands.add(
        "baseline", "run", "Mark all there is as reported; send nothing.", config=True
    )
    baseline.add_argument("--jobs", type=int, metavar="N", help=HIDDEN)
    _add_shard(baseline, "only what `run --shard K/N` would report")


def _add_looks(commands: _Commands) -> None:
    """Add the commands that only look."""
    preview = commands.add(
        "preview", "preview", "Draw one run's report; send nothing.", config=True
    )
    preview.add_argument("path", metavar="PATH", help="one run directory")
    _add_out(preview, "the folder that takes the report, below `preview/`")
    inspect = commands.add(
        "inspect",
        "inspect",
        "Say what was found and how it was read.",
        config=True,
        color=True,
    )
    inspect.add_argument(
        "paths", nargs="+", metavar="PATH", help="folders of runs, or run directories"
    )
    loud = inspect.add_mutually_exclusive_group()
    loud.add_argument("--json", action="store_true", help="print one JSON object")
    loud.add_argument(
        "-v", "--verbose", action="store_true", help="all of every run, however many"
    )
    status = commands.add(
        "status",
        "status",
        "Say what is known, and what waits.",
        config=True,
        color=True,
    )
    status.add_argument("--json", action="store_true", help="print one JSON object")
    _add_state(status)
    _add_runs(commands)


def _add_runs(commands: _Commands) -> None:
    """Add the commands that tell of runs out of the state."""
    ls = commands.add("ls", "ls", "List the runs that are known.", config=True)
    ls.add_argument(
        "glob", nargs="?", metavar="GLOB", default="*", help="only these runs"
    )
    ls.add_argument(
        "--sort",
        metavar="COL",
        choices=_COLUMNS,
        default="name",
        help=f"by {', '.join(_COLUMNS)}",
    )
    compare = commands.add(
        "compare", "compare", "Say what differs between runs.", config=True
    )
    compare.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run's name, its end, or a glob"
    )
    for command in (ls, compare):
        command.add_argument(
            "--json", action="store_true", help="print one JSON object"
        )
        _add_state(command)
    pages = commands.add(
        "pages", "pages", "Make one page over the runs of all shards.", config=True
    )
    pages.add_argument(
        "folders", nargs="*", metavar="FOLDER", help="pages of shards, wherever they"
        " lie (default those below pages.dir, or --out)",
    )  # fmt: skip
    pages.add_argument(
        "--merge", action="store_true", required=True, help="what is done with them"
    )
    _add_out(pages, "the folder for the pages of all, instead of pages.dir")


def _add_out(command: Parser, text: str) -> None:
    command.add_argument("--out", metavar="DIR", help=f"{text} (default {DEFAULT_OUT})")


def _add_state(command: Parser) -> None:
    _add_out(command, "look at the state that `run PATH --out DIR` keeps there")
    _add_shard(command, "look at the state of `run --shard K/N`")


def _add_shard(command: argparse._ActionsContainer, text: str) -> None:
    command.add_argument("--shard", metavar="K/N", help=text)


def _add_setup(commands: _Commands) -> None:
    """Add the commands of the first day."""
    init = commands.add(
        "init", "init", "Set all up: config, mail route, test mail, schedule."
    )
    init.add_argument(
        "file", nargs="?", metavar="FILE", help="the config file that is written"
    )
    _add_answers(init)
    check = commands.add(
        "check",
        "check",
        "Check config, folders, fonts and servers.",
        config=True,
        color=True,
    )
    check.add_argument(
        "--send-test", action="store_true", help="also mail a sample report"
    )
    check.add_argument(
        "--live", action="store_true", help="also prove what is said of Google's APIs"
    )
    schedule = commands.add(
        "schedule", "schedule", "Have ticks started by themselves.", config=True
    )
    schedule.add_argument("kind", choices=SCHEDULERS)
    _add_every(schedule)
    where = schedule.add_mutually_exclusive_group()
    where.add_argument(
        "--install", action="store_true", help="install it; again is the same as once"
    )
    where.add_argument("--remove", action="store_true", help="take it out again")


def _add_every(command: argparse._ActionsContainer) -> None:
    command.add_argument(
        "--every",
        metavar="WHEN",
        help='minutes between two ticks, or "daily HH:MM" (default 15)',
    )


def _add_answers(init: Parser) -> None:
    """Add an option for each thing that ``init`` asks."""
    init.add_argument(
        "--no-input",
        action="store_true",
        help="ask nothing; without further options only a commented config is written",
    )
    asked = init.add_argument_group("answers, so that they are not asked")
    asked.add_argument(
        "--runs", action="append", metavar="DIR", help="a folder of runs; may be given"
        " several times",
    )  # fmt: skip
    asked.add_argument(
        "--to", action="append", metavar="ADDRESS", help="who gets mail; likewise"
    )
    asked.add_argument(
        "--through",
        metavar="SERVICE",
        help="gmail, outlook, microsoft365, naver, daum, kakao, icloud, fastmail, "
        "zoho, smtp (any other server), sendmail, or outbox (a folder)",
    )
    asked.add_argument("--from", dest="sender", metavar="ADDRESS", help="the sender")
    asked.add_argument("--host", help="the mail server, with --through smtp")
    asked.add_argument("--port", type=int, help="its port (default by --security)")
    asked.add_argument(
        "--security", choices=("starttls", "tls", "none"), help="default starttls"
    )
    asked.add_argument("--username", help="who logs in there (default the sender)")
    secret = asked.add_mutually_exclusive_group()
    secret.add_argument(
        "--password-file", metavar="FILE", help="a file of mode 0600 that holds it"
    )
    secret.add_argument(
        "--password-env", metavar="NAME", help="a variable that holds it"
    )
    secret.add_argument(
        "--password-stdin", action="store_true", help="read it from standard input"
    )
    asked.add_argument("--language", choices=("en", "ko"), help="of reports and mails")
    asked.add_argument("--timezone", metavar="ZONE", help="such as Asia/Seoul")
    _add_every(asked)
    asked.add_argument(
        "--schedule",
        choices=("cron", "systemd", "none"),
        help="what shall start the ticks (default none)",
    )
    asked.add_argument(
        "--no-test", action="store_true", help="do not mail a sample report"
    )


def _add_debts(commands: _Commands) -> None:
    """Add the commands that settle what is owed."""
    retry = commands.add(
        "retry", "owed", "Send dead, held or waiting mails again.", config=True
    )
    retry.add_argument(
        "rids", nargs="*", metavar="RID", help="as `status` shows them (default all)"
    )
    retry.add_argument("--out", metavar="DIR", help=HIDDEN)
    _add_shard(retry, "those of `run --shard K/N`")
    drop = commands.add("drop", "owed", "Give up a mail.", config=True)
    drop.add_argument("rid", metavar="RID", help="as `status` shows it")
    drop.add_argument("--out", metavar="DIR", help=HIDDEN)
    _add_shard(drop, "of `run --shard K/N`")


def _add_google(commands: _Commands) -> None:
    template = commands.add(
        "template", "google", "Make a Google Docs template.", config=True
    )
    template.add_argument("action", choices=("create",))
    template.add_argument("--folder", metavar="NAME", help="make a folder for it too")
    login = commands.add(
        "login", "google", "Log in with a Google or Microsoft account.", config=True
    )
    login.add_argument(
        "--client",
        metavar="FILE",
        help="the OAuth client's JSON file; with --smtp the application's id",
    )
    login.add_argument(
        "--smtp", action="store_true", help="with Microsoft, to send through smtp.host"
    )
    login.add_argument(
        "--tenant",
        metavar="ID",
        default="common",
        help="the directory of the Microsoft account (default common)",
    )
