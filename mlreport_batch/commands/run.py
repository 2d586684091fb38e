"""``run`` and ``baseline``: one tick, and what is told of it."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mlreport_batch.commands.call import config_of
from mlreport_batch.config.locate import config_key, quick_key
from mlreport_batch.printing import (
    colours,
    complain,
    progress_shown,
    tell,
    tell_json,
    tell_no_more,
)

if TYPE_CHECKING:
    from argparse import Namespace

    from mlreport_batch.tick.summary import TickSummary

FAIL_ON = 4
NAMED_MAX = 5
MAX_RUN_S = 900.0  # a tick ends at the next safe point after so long
HOLDER_IS_OLD_S = 2700.0  # three times the 15 minutes between two ticks as shipped


def main(args: "Namespace") -> int:
    """Do one tick, or record all there is; return the exit code."""
    return _baseline(args) if args.command == "baseline" else _run(args)


def _run(args: "Namespace") -> int:
    now = time.time()
    key, folder = quick_key(args.paths, args.out, args.config, args.shard)
    wants_holding = bool(args.junit or args.fail_on == "alert")  # which is no news
    must_look = args.all or args.dry_run or args.json or args.summary or wants_holding
    plain = not must_look and args.only == "*"
    if plain and folder is not None and not args.has_news:
        from mlreport_batch.state.idle import glance

        args.changed = glance(folder, key, now)
        if args.changed == []:
            return 0
    from mlreport_batch.config.remembered import remember_state
    from mlreport_batch.state.folder import LockedError
    from mlreport_batch.tick.conduct import run_tick
    from mlreport_batch.tick.summary import Options

    config = config_of(args)
    if folder is None and key and not args.dry_run:
        remember_state(key, config)
    key = key or config_key(repr(config).encode())  # of one that was piped in
    options = Options(
        only=args.only,
        report_all=args.all,
        dry_run=args.dry_run,
        jobs=args.jobs,
        count_alerts=wants_holding,
        with_values=bool(args.json or args.summary or config.webhook.is_on),
        changed=None if args.changed is None else tuple(map(os.fsdecode, args.changed)),
    )
    try:
        with (
            _stop_on_signals() as stops,
            progress_shown(is_quiet=args.quiet) as progress,
        ):
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
        if exc.running_for_s > HOLDER_IS_OLD_S:
            minutes = exc.running_for_s / 60
            complain(
                f"another tick (process {exc.pid}) has been running for {minutes:.0f} "
                "minutes and holds the lock. What is owed stays owed. Look what it "
                "waits for, and end it if it hangs: the next tick goes on from there"
            )
            return 75
        if not args.quiet:
            complain("another tick is running; this one has nothing to do")
        return 0
    return _tell(args, summary, is_config=config.source is not None)


def _tell(args: "Namespace", summary: "TickSummary", *, is_config: bool) -> int:
    unwritten: list[str] = []
    try:
        unwritten = _write_files(args, summary)
        _show(args, summary, is_config=is_config)
    except BrokenPipeError:
        tell_no_more()
    finally:
        code = _tell_failures(summary)
    if unwritten:
        from mlreport_batch.errors import UsageError

        raise UsageError(
            "; ".join(unwritten),
            kept="The tick itself is done",
            advice="Name another file",
        )
    if code == 0 and args.fail_on and _is_met(args.fail_on, summary):
        by = f" by {_named_some(_alerted(summary))}" if args.fail_on == "alert" else ""
        complain(f"--fail-on {args.fail_on} is met{by}; all reports were made")
        return FAIL_ON
    return code


def _write_files(args: "Namespace", summary: "TickSummary") -> list[str]:
    """Write the files that are asked for; return why some cannot be written."""
    failures = []
    if args.summary and args.summary != "-":
        from mlreport_batch.tick.telling import as_markdown

        failures.append(_why_unwritten(args.summary, as_markdown(summary)))
    if args.junit:
        from mlreport_batch.tick.junit import as_junit

        failures.append(_why_unwritten(args.junit, as_junit(summary)))
    return list(filter(None, failures))


def _show(args: "Namespace", summary: "TickSummary", *, is_config: bool) -> None:
    from mlreport_batch.tick.telling import as_json, as_lines, as_markdown

    if args.json:
        tell_json(as_json(summary))
    if args.summary == "-":
        tell(as_markdown(summary))
    is_terminal = sys.stdout.isatty()
    # cron mails whatever is printed: with a config, a good tick has nothing to say.
    wants_lines = args.verbose or args.dry_run or is_terminal or not is_config
    if wants_lines and not args.quiet and not args.json and args.summary != "-":
        shades = colours(args.color)
        for line in as_lines(summary, colours=shades, verbose=args.verbose):
            tell(line)
    tell("", end="", is_last=True)


def _tell_failures(summary: "TickSummary") -> int:
    for notice in summary.notices:
        complain(notice)
    for error in summary.errors:
        complain(str(error))
    code = summary.exit_code
    if summary.is_cut:
        complain(
            "ended early, at a safe point; nothing is lost, the next tick does the rest"
        )
    elif code and not summary.errors:
        why = f" ({summary.waits_for})" if summary.waits_for else ""
        mails = f"{summary.owed} mail{'s' if summary.owed != 1 else ''}"
        complain(
            f"{mails} owed{why}: kept, and sent by a later tick; "
            "`mlreport-batch status` shows them"
        )
    return code


def _is_met(kind: str, summary: "TickSummary") -> bool:
    if kind == "alert":
        return bool(_alerted(summary))
    return bool(summary.problems) or any(run.problems for run in summary.runs)


def _alerted(summary: "TickSummary") -> list[str]:
    """Return the names of the runs of which an alert holds, with news or without."""
    with_news = [run.name for run in summary.runs if run.alerts]
    return list(dict.fromkeys([*with_news, *summary.alerted]))


def _named_some(names: list[str]) -> str:
    more = len(names) - NAMED_MAX
    return ", ".join(names[:NAMED_MAX]) + (f" and {more:,} more" if more > 0 else "")


def _why_unwritten(path: str, text: str) -> str:
    """Write a file; return why it cannot be written, or nothing."""
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as exc:
        return f"{path} cannot be written: {exc.strerror}"
    return ""


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


def _baseline(args: "Namespace") -> int:
    from mlreport_batch.state.folder import LockedError
    from mlreport_batch.tick.conduct import run_tick
    from mlreport_batch.tick.summary import Options

    args.paths, args.out = [], None
    key, _ = quick_key(args.paths, args.out, args.config, args.shard)
    config = config_of(args)
    key = key or config_key(repr(config).encode())
    try:
        summary = run_tick(
            config,
            Options(baseline=True, jobs=args.jobs),
            config_key=key,
            now=time.time(),
        )
    except LockedError:
        complain("another tick is running; try again when it is done")
        return 75
    for error in summary.errors:
        complain(str(error))
    with contextlib.suppress(BrokenPipeError):  # the code matters more
        tell("everything that is there now counts as reported", is_last=True)
    return summary.exit_code
