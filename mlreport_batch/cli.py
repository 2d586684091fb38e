"""The command line: the one module that prints.

A tick without news must stay cheap, so nothing but `quick` and `glance` is imported
before it is known that there is something to do.
"""

import argparse
import contextlib
import gc
import io
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from mlreport_batch import __version__
from mlreport_batch.config.locate import DEFAULT_OUT, find_config, quick_key

if TYPE_CHECKING:
    from mlreport_batch.config.load import Config
    from mlreport_batch.tick.summary import TickSummary

FAIL_ON = 4
MAX_RUN_S = 900.0  # a tick ends at the next safe point after so long
HOLDER_IS_OLD_S = 2700.0  # three times the 15 minutes between two ticks as shipped


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
        self.exit(2, f"{self.prog}: {_safe(message)}{hint}\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mlreport-batch",
        description="Mails a report about every training run that has news.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(
        name: str, does: Callable[[argparse.Namespace], int], text: str
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(does=does)
        return command

    def with_config(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
        command.add_argument("-c", "--config", metavar="FILE", help="the config file")
        return command

    run = with_config(add("run", _run, "Report every run that has news."))
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
        add("preview", _preview, "Draw one run's report; send nothing.")
    )
    preview.add_argument("path", metavar="PATH")
    preview.add_argument(
        "--out", metavar="DIR", help=f"where to (default {DEFAULT_OUT})"
    )

    inspect = add("inspect", _inspect, "Say what was found and how it was read.")
    inspect.add_argument("paths", nargs="+", metavar="PATH")
    inspect.add_argument("--json", action="store_true", help="print one JSON object")

    status = with_config(add("status", _status, "Say what is known, owed and dead."))
    status.add_argument("--json", action="store_true", help="print one JSON object")
    status.add_argument("--out", metavar="DIR", help=argparse.SUPPRESS)

    check = with_config(
        add("check", _check, "Check config, folders, fonts and servers.")
    )
    check.add_argument("--send-test", action="store_true", help="also send a test mail")
    check.add_argument("--live", action="store_true", help="prove the Google API facts")

    init = add("init", _init, "Write a commented config.")
    init.add_argument("file", nargs="?", metavar="FILE", default="mlreport.yaml")

    baseline = with_config(add("baseline", _baseline, "Mark everything as reported."))
    baseline.add_argument("--jobs", type=int, metavar="N", help=argparse.SUPPRESS)

    schedule = with_config(add("schedule", _schedule, "Print a crontab line or units."))
    schedule.add_argument("kind", choices=("cron", "systemd"))
    schedule.add_argument("--every", type=int, default=15, metavar="MIN")

    retry = with_config(add("retry", _retry, "Send dead or held mails again."))
    retry.add_argument("rids", nargs="*", metavar="RID")
    retry.add_argument("--out", metavar="DIR", help=argparse.SUPPRESS)
    drop = with_config(add("drop", _drop, "Give up a mail."))
    drop.add_argument("rid", metavar="RID")
    drop.add_argument("--out", metavar="DIR", help=argparse.SUPPRESS)

    template = with_config(
        add("template", _template, "Work with Google Docs templates.")
    )
    template.add_argument("action", choices=("create",))
    login = with_config(add("login", _login, "Log in with a Google user account."))
    login.add_argument("--client", metavar="FILE", help="the OAuth client's JSON file")
    return parser


def entry(*, has_news: bool = False) -> NoReturn:
    """Run the command line and leave with its exit code.

    Args:
        has_news: Whether a first glance at the known files found that there is
            something to do.
    """
    # What a tick keeps has no cycles to speak of; looking for them takes a tenth of
    # its time where there is much to read.
    gc.set_threshold(500_000, 20, 100)
    _open_standard_streams()
    sys.exit(main(sys.argv[1:], has_news=has_news))


def _open_standard_streams() -> None:
    """Make sure that no file of ours becomes standard output by its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # noqa: PLR2004
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def main(argv: Sequence[str], *, has_news: bool = False) -> int:
    """Run the command line *argv* and return its exit code; see `entry`."""
    for stream in (sys.stdout, sys.stderr):
        # Under cron the locale may be any; a name must not end in a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        args = _parser().parse_args(argv, argparse.Namespace(has_news=has_news))
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 2
    code = 0
    try:
        code = int(args.does(args))
        _say("", end="", is_last=True)
    except BrokenPipeError:
        # The reader of our output went away; what we did is done.
        _print_no_more()
    except KeyboardInterrupt:
        _complain("interrupted; what was not sent stays owed")
        return 75
    except Exception as exc:  # noqa: BLE001 - the last net: our bug, exit 70
        return _failed(exc)
    return code


def _say_json(value: object) -> None:
    """Print *value* as JSON.

    Bytes of a path that are no UTF-8 become escapes, and so does what a terminal
    would obey instead of showing it.
    """
    import json

    from mlreport_batch.safety.clean import escape_unsafe

    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    _say(escape_unsafe(json.dumps(value, ensure_ascii=not is_utf8)))


def _say(text: str, end: str = "\n", *, is_last: bool = False) -> None:
    """Print to standard output.

    Raises:
        BrokenPipeError: Nobody reads it.
        StateError: It cannot be written, as on a full disk.
    """
    try:
        print(text, end=end, flush=is_last)
    except BrokenPipeError:
        raise
    except OSError as exc:
        from mlreport_batch.errors import StateError, reason_of

        _print_no_more()
        raise StateError(
            f"standard output cannot be written: {reason_of(exc)}",
            kept="The work itself is done",
        ) from exc


def _print_no_more() -> None:
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
        _complain(str(exc))
        return exc.exit_code
    import traceback

    from mlreport_batch.safety.masking.redact import redact_text

    _complain(
        redact_text("".join(traceback.format_exception(exc)))
        + "This is a bug of mlreport-batch. What was not sent stays owed; please "
        "report the lines above."
    )
    return 70


def _complain(text: str) -> None:
    text = _safe(text)
    with contextlib.suppress(OSError, ValueError):
        print(f"mlreport-batch: {text}", file=sys.stderr)


def _safe(text: str) -> str:
    """Return *text* without what a terminal obeys: a path may hold anything."""
    if text.isascii() and text.isprintable():
        return text
    from mlreport_batch.safety.clean import clean

    return "\n".join(clean(line, len(line)) for line in text.split("\n"))


# -- run ---------------------------------------------------------------------------


def _run(args: argparse.Namespace) -> int:
    now = time.time()
    key, folder = quick_key(args.paths, args.out, args.config)
    plain = not (args.all or args.dry_run or args.json or args.summary)
    if plain and folder is not None and args.only == "*" and not args.has_news:
        from mlreport_batch.state.idle import is_quiet

        if is_quiet(folder, key, now):
            return 0
    from mlreport_batch.state.folder import LockedError
    from mlreport_batch.tick.conduct import run_tick
    from mlreport_batch.tick.summary import Options

    config = _config(args)
    _check_paths_only(config)
    options = Options(
        only=args.only, report_all=args.all, dry_run=args.dry_run, jobs=args.jobs
    )
    try:
        with _stop_on_signals() as stops, _progress(args) as progress:
            summary = run_tick(
                config,
                options,
                config_key=key,
                now=now,
                progress=progress,
                should_stop=stops[0],
                must_stop=stops[1],
            )
    except LockedError as exc:
        if exc.held_for_s > HOLDER_IS_OLD_S:
            minutes = exc.held_for_s / 60
            _complain(
                f"another tick (process {exc.pid}) has been running for {minutes:.0f} "
                "minutes and holds the lock. What is owed stays owed. Look what it "
                "waits for, and end it if it hangs: the next tick goes on from there"
            )
            return 75
        if not args.quiet:
            _complain("another tick is running; this one has nothing to do")
        return 0
    return _tell(args, summary, is_config=config.source is not None)


def _config(args: argparse.Namespace) -> "Config":
    """Return the settings of this call.

    Raises:
        ConfigError: The config is wrong.
        UsageError: There is none, or a path is no folder.
    """
    from dataclasses import replace
    from pathlib import Path

    from mlreport_batch.config.load import from_paths, load
    from mlreport_batch.errors import UsageError

    paths = getattr(args, "paths", [])
    out = getattr(args, "out", None)
    if paths and not args.config:
        return from_paths(paths, out or DEFAULT_OUT)
    file = find_config(args.config)
    if file is None:
        raise UsageError(
            "there is no config file and no PATH was named",
            advice="`mlreport-batch run PATH` needs no config; `mlreport-batch init` "
            "writes one",
        )
    config = load(file)
    if paths:
        config = replace(config, runs=from_paths(paths, out or DEFAULT_OUT).runs)
    if out:
        folder = Path(out).expanduser().absolute()
        config = replace(config, out=folder, never_enter=(*config.never_enter, folder))
    return config


def _check_paths_only(config: "Config") -> None:
    from mlreport_batch.errors import ConfigError

    remote = [root.path for root in config.runs if root.is_remote]
    if remote:
        raise ConfigError(
            f"runs: {remote[0]} lies in a bucket, which this version cannot read",
            advice="Mount it (for example with rclone) and name the folder",
        )


def _tell(args: argparse.Namespace, summary: "TickSummary", *, is_config: bool) -> int:
    try:
        _show(args, summary, is_config=is_config)
    except BrokenPipeError:
        _print_no_more()
    finally:
        code = _tell_failures(summary)
    if code == 0 and args.fail_on and _is_met(args.fail_on, summary):
        _complain(f"--fail-on {args.fail_on} is met; all reports were made")
        return FAIL_ON
    return code


def _show(args: argparse.Namespace, summary: "TickSummary", *, is_config: bool) -> None:
    from mlreport_batch.tick import summaries

    if args.json:
        _say_json(summaries.as_json(summary))
    if args.summary:
        text = summaries.as_markdown(summary)
        if args.summary == "-":
            _say(text)
        else:
            _write_text(args.summary, text)
    is_terminal = sys.stdout.isatty()
    # cron mails whatever is printed: with a config, a good tick has nothing to say.
    wants_lines = args.verbose or args.dry_run or is_terminal or not is_config
    if wants_lines and not args.quiet and not args.json and args.summary != "-":
        colours = _COLOURS if is_terminal and "NO_COLOR" not in os.environ else _PLAIN
        for line in summaries.as_lines(summary, colours=colours, verbose=args.verbose):
            _say(line)
    _say("", end="", is_last=True)


def _tell_failures(summary: "TickSummary") -> int:
    for notice in summary.notices:
        _complain(notice)
    for error in summary.errors:
        _complain(str(error))
    code = summary.exit_code
    if summary.is_cut:
        _complain(
            "ended early, at a safe point; nothing is lost, the next tick does the rest"
        )
    elif code and not summary.errors:
        why = f" ({summary.waits_for})" if summary.waits_for else ""
        mails = f"{summary.owed} mail{'s' if summary.owed != 1 else ''}"
        _complain(
            f"{mails} owed{why}: kept, and sent by a later tick; "
            "`mlreport-batch status` shows them"
        )
    return code


def _is_met(kind: str, summary: "TickSummary") -> bool:
    if kind == "alert":
        return any(run.alerts for run in summary.runs)
    return bool(summary.problems) or any(run.problems for run in summary.runs)


_COLOURS = {"bad": "\033[31;1m", "good": "\033[1m", "soft": "\033[2m", "end": "\033[0m"}
_PLAIN = dict.fromkeys(_COLOURS, "")


def _write_text(path: str, text: str) -> None:
    from mlreport_batch.errors import UsageError

    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        raise UsageError(
            f"{path} cannot be written: {exc.strerror}",
            kept="The tick itself is done",
            advice="Name another file",
        ) from exc


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[tuple[Callable[[], bool], Callable[[], bool]]]:
    """Turn SIGTERM, the first Ctrl-C and a too long run into questions.

    The tick asks them at safe points: the first between batches and reports; the
    second, whether there was a signal, between mails.
    """
    import signal
    import threading

    ends = time.monotonic() + MAX_RUN_S
    is_asked = False

    def must_stop() -> bool:
        return is_asked

    def should_stop() -> bool:
        return is_asked or time.monotonic() > ends

    def ask(number: int, _frame: object) -> None:
        nonlocal is_asked
        if is_asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        is_asked = True

    if threading.current_thread() is not threading.main_thread():
        yield should_stop, must_stop
        return
    before = {n: signal.signal(n, ask) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield should_stop, must_stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(args: argparse.Namespace) -> Iterator[Callable[[str, int, int], None]]:
    """Show how far long work is, on a terminal only."""
    if args.quiet or not sys.stderr.isatty():
        yield lambda *_: None
        return
    started = time.monotonic()
    shown = False

    def show(stage: str, done: int, total: int) -> None:
        nonlocal shown
        if time.monotonic() - started < 0.5:  # noqa: PLR2004
            return
        shown = True
        filled = 24 * done // max(1, total)
        bar = "█" * filled + "·" * (24 - filled)
        print(f"\r\033[K{stage} {bar} {done:,}/{total:,}", end="", file=sys.stderr)
        sys.stderr.flush()

    try:
        yield show
    finally:
        if shown:
            print("\r\033[K", end="", file=sys.stderr)
            sys.stderr.flush()


# -- looking -----------------------------------------------------------------------


def _inspect(args: argparse.Namespace) -> int:
    from mlreport_batch.commands import inspect as look

    now = time.time()
    looked = look.look_at(args.paths)
    if args.json:
        _say_json(look.as_json(looked, now))
    elif looked:
        _say(look.as_text(looked, now))
    else:
        _say("\n".join(["no runs found", *look.left_alone(args.paths)]))
    return 0


def _preview(args: argparse.Namespace) -> int:
    from mlreport_batch.commands.preview import preview

    config = None
    file = find_config(args.config)
    if file is not None:
        config = _config(args)
    for path in preview(args.path, args.out or DEFAULT_OUT, config, time.time()):
        _say(path)
    return 0


def _status(args: argparse.Namespace) -> int:
    from mlreport_batch.commands import owed as tending

    found = tending.status(_state_folder(args), time.time())
    if args.json:
        _say_json(found)
    else:
        _say("\n".join(tending.status_lines(found)))
    return 0


def _state_folder(args: argparse.Namespace) -> str:
    """Return the state folder of the config, or of ``--out``."""
    if args.config is None and find_config(None) is None:
        out = os.path.abspath(os.path.expanduser(args.out or DEFAULT_OUT))
        if os.path.exists(os.path.join(out, "state.db")):
            return out
    elif getattr(args, "out", None):
        return str(os.path.abspath(os.path.expanduser(args.out)))
    return os.fspath(_config(args).state)


def _retry(args: argparse.Namespace) -> int:
    from mlreport_batch.commands import owed as tending

    for line in tending.retry(_state_folder(args), args.rids):
        _say(line)
    return 0


def _drop(args: argparse.Namespace) -> int:
    from mlreport_batch.commands import owed as tending

    for line in tending.drop(_state_folder(args), args.rid):
        _say(line)
    return 0


def _baseline(args: argparse.Namespace) -> int:
    from mlreport_batch.tick.conduct import run_tick
    from mlreport_batch.tick.summary import Options

    args.paths, args.out = [], None
    key, _ = quick_key(args.paths, args.out, args.config)
    config = _config(args)
    try:
        summary = run_tick(
            config,
            Options(baseline=True, jobs=args.jobs),
            config_key=key,
            now=time.time(),
        )
    except BlockingIOError:
        _complain("another tick is running; try again when it is done")
        return 75
    for error in summary.errors:
        _complain(str(error))
    with contextlib.suppress(BrokenPipeError):  # the code matters more
        _say("everything that is there now counts as reported", is_last=True)
    return summary.exit_code


# -- setting up --------------------------------------------------------------------


def _init(args: argparse.Namespace) -> int:
    from mlreport_batch.config.reference import init_text
    from mlreport_batch.errors import UsageError

    try:
        os.makedirs(os.path.dirname(os.path.abspath(args.file)), exist_ok=True)
        descriptor = os.open(args.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError as exc:
        raise UsageError(
            f"{args.file} is there already", advice="Name another file"
        ) from exc
    except OSError as exc:
        raise UsageError(f"{args.file} cannot be written: {exc.strerror}") from exc
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(init_text())
    _say(f"{args.file} is written; set `runs` in it, then: mlreport-batch check")
    return 0


def _schedule(args: argparse.Namespace) -> int:
    from pathlib import Path

    from mlreport_batch.commands import schedule

    config = _config(args)
    command = [sys.executable, "-m", "mlreport_batch"]
    source = config.source or Path("mlreport.yaml").absolute()
    if args.kind == "cron":
        text = schedule.crontab_text(
            command,
            source,
            every_min=args.every,
            password_env=config.smtp.password_env
            if config.mail.via == "smtp"
            else None,
        )
        _say(text, end="")
        return 0
    folders = [config.state]
    if config.mail.via == "outbox":
        folders.append(config.outbox.dir)
    units = schedule.systemd_units(
        command, source, writable=folders, every_min=args.every
    )
    for name, text in units.items():
        _say(f"# ~/.config/systemd/user/{name}\n{text}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from mlreport_batch.commands.check import check

    config = _config(args)
    code = 0
    for line, error in check(config, send_test=args.send_test, live=args.live):
        _say(f"{'ok  ' if error is None else 'FAIL'}  {line}")
        if error is not None:
            code = code or error.exit_code
    return code


def _template(args: argparse.Namespace) -> int:
    from mlreport_batch.google.setup import create_template

    config = _config(args)
    _say(create_template(config.google, config.report.language))
    return 0


def _login(args: argparse.Namespace) -> int:
    from mlreport_batch.google.setup import login

    config = _config(args)
    for line in login(args.client, config.google.credentials):
        _say(line)
    return 0
