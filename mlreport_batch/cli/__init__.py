"""The command line: what can be asked for, and the codes that the program ends with.

Each command is a module of `commands` with a ``main``, imported when it is asked for.
"""

import gc
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, NoReturn

from mlreport_batch.printing import (
    complain,
    open_standard_streams,
    tell,
    tell_no_more,
)

if TYPE_CHECKING:
    from argparse import Namespace

PlainRun = tuple[list[str], str | None, str | None, str | None, str]
"""Paths, ``--out``, ``--config``, ``--shard``; ``quiet``, ``verbose`` or neither."""


def entry(plain: PlainRun | None, changed: Sequence[bytes] | None) -> NoReturn:
    """Run the command line and leave with its exit code.

    Args:
        plain: What `start.plain_run` made of it.
        changed: The folders that a first look found changed, if that is all there is
            to do.
    """
    # What a tick keeps has no cycles to speak of; looking for them takes a tenth of
    # its time where there is much to read.
    gc.set_threshold(500_000, 20, 100)
    open_standard_streams()
    sys.exit(main(sys.argv[1:], plain, changed))


def main(
    argv: Sequence[str],
    plain: PlainRun | None = None,
    changed: Sequence[bytes] | None = None,
) -> int:
    """Run the command line *argv* and return its exit code; see `entry`."""
    for stream in (sys.stdout, sys.stderr):
        # Under cron the locale may be any; a name must not end in a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    args: Namespace | SimpleNamespace
    try:
        args = _parsed(argv) if plain is None else as_parsed(plain)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else 2
    args.has_news, args.changed = plain is not None, changed
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
        sends = args.command in ("run", "baseline", "retry", "drop")
        kept = "; what was not sent stays owed" if sends else ""
        complain(f"interrupted{kept}")
        return 75
    except Exception as exc:  # noqa: BLE001 - the last net: our bug, exit 70
        return _failed(exc)
    finally:
        os.umask(umask)
    return code


def _parsed(argv: Sequence[str]) -> "Namespace":
    from mlreport_batch.cli.parser import make_parser

    return make_parser().parse_args(argv)


def as_parsed(plain: PlainRun) -> SimpleNamespace:
    """Return what the parser makes of a plain ``run``, without loading a parser."""
    paths, out, config, shard, loudness = plain
    return SimpleNamespace(
        command="run",
        module="run",
        paths=paths,
        out=out,
        config=config,
        shard=shard,
        quiet=loudness == "quiet",
        verbose=loudness == "verbose",
        only="*",
        all=False,
        dry_run=False,
        fail_on=None,
        jobs=None,
        json=False,
        summary=None,
        junit=None,
        color="auto",
    )


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
        for line in (str(exc), *getattr(exc, "__notes__", ())):
            complain(line)
        return exc.exit_code
    import traceback

    from mlreport_batch.safety.masking.redact import redact_text

    complain(
        redact_text("".join(traceback.format_exception(exc)))
        + "This is a bug of mlreport-batch. What was not sent stays owed; please "
        "report the lines above."
    )
    return 70
