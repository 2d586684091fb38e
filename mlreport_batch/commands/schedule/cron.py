"""Crontab lines, and those of SLURM's scrontab: printed, put in, taken out."""

import os
import re
import shlex
import subprocess
import tempfile

from mlreport_batch.commands.schedule.call import Call
from mlreport_batch.commands.schedule.when import When
from mlreport_batch.errors import UsageError

_CRON_HEAD = """\
# Add this to your crontab (crontab -e). A tick without news prints nothing; what a
# failing tick prints, cron mails to you. Where this machine cannot mail, put
#     MAILTO=""
# above the line (it holds for all lines below) and look at: mlreport-batch status
# Two ticks never run at once; no flock is needed.
"""
_CRON_ENV = """\
# cron does not pass {names} on: name a file in the config instead.
"""
_SLURM_HEAD = """\
# Add this to your scrontab (scrontab -e). The config, its state folder and the runs
# must be seen from the node that the job gets; add --partition or --account lines
# where your cluster wants them.
"""
# 35 minutes are the longest that a tick can take: reading, sending, a server's word.
_SCRON = "#SCRON --job-name=mlreport-batch --time=00:35:00 --cpus-per-task=1 --mem=1G"
_SCRON_LOG = "#SCRON --output={log} --open-mode=append"
_PROGRAMS = {"cron": "crontab", "slurm": "scrontab"}


def crontab_text(call: Call, when: When) -> str:
    """Return the crontab lines with what to know about them.

    Raises:
        UsageError: A path holds a line break.
    """
    return (
        _CRON_HEAD
        + _not_passed(call)
        + "".join(f"{line}\n" for line in cron_lines(call, when))
    )


def _not_passed(call: Call) -> str:
    names = ", ".join(call.variables)
    return _CRON_ENV.format(names=names) if names else ""


def cron_lines(call: Call, when: When) -> list[str]:
    """Return the crontab lines that start ticks; one where all hours are alike.

    Raises:
        UsageError: A path holds a line break.
    """
    # cron takes a bare % for a line break, in quotes as well.
    command = shlex.join(call.arguments()).replace("%", r"\%")
    return [f"{fields} {command}" for fields in when.cron_fields()]


def scrontab_text(call: Call, when: When) -> str:
    """Return the scrontab entries with what to know about them.

    Raises:
        UsageError: A path holds a line break.
    """
    return _SLURM_HEAD + "".join(f"{line}\n" for line in scron_lines(call, when))


def scron_lines(call: Call, when: When) -> list[str]:
    """Return the scrontab entries; each has options of its own.

    Raises:
        UsageError: A path holds a line break.
    """
    command = shlex.join(call.arguments()).replace("%", r"\%")
    lines = [_SCRON]
    if call.writable:
        log = os.path.join(call.writable[0], "scrontab.log")
        lines.append(_SCRON_LOG.format(log=shlex.quote(log)))
    return [
        line
        for fields in when.cron_fields()
        for line in (*lines, f"{fields} {command}")
    ]


def install(kind: str, call: Call, when: When) -> list[str]:
    """Put the lines into the user's crontab or scrontab; return what is told.

    They stand between two marks that name the config, so that they are found again:
    other lines are left alone, and a second time changes only what differs.

    Args:
        kind: ``cron`` or ``slurm``.
        call: What is started.
        when: When.

    Raises:
        UsageError: There is no such program here, or it refuses.
    """
    lines = cron_lines(call, when) if kind == "cron" else scron_lines(call, when)
    program = _PROGRAMS[kind]
    before = _read(program)
    begin, end = _marks(call)
    kept, was_there = _without(before, begin, end)
    after = "".join(f"{line}\n" for line in [*kept, begin, *lines, end])
    if after == before:
        return [f"{program}: in place already ({when.words})"]
    _write(program, after)
    told = [f"{program}: {'changed' if was_there else 'installed'} ({when.words})"]
    if any(str(call.config) in line for line in kept if not line.startswith("#")):
        told.append(
            f"{program}: another line of yours starts this config too; two ticks never "
            "run at once, but one line is enough (crontab -e)"
        )
    if kind == "cron" and call.variables:
        told.append(_not_passed(call).strip("# \n"))
    return told


def remove(kind: str, call: Call) -> list[str]:
    """Take out what `install` put in; return what is told.

    Raises:
        UsageError: There is no such program here, or it refuses.
    """
    program = _PROGRAMS[kind]
    kept, was_there = _without(_read(program), *_marks(call))
    if not was_there:
        return [f"{program}: nothing of {call.config} stands between our marks"]
    _write(program, "".join(f"{line}\n" for line in kept))
    return [f"{program}: removed"]


def _marks(call: Call) -> tuple[str, str]:
    return tuple(  # type: ignore[return-value]
        f"# mlreport-batch {word} {call.config}" for word in ("begin", "end")
    )


def _without(text: str, begin: str, end: str) -> tuple[list[str], bool]:
    """Return the lines of *text* outside of the marks, and whether there were any."""
    lines = text.splitlines()
    if begin not in lines or end not in lines[lines.index(begin) :]:
        return [line for line in lines if line not in (begin, end)], False
    start = lines.index(begin)
    stop = lines.index(end, start)
    return lines[:start] + lines[stop + 1 :], True


def _read(program: str) -> str:
    done = _call(program, "-l")
    if done.returncode == 0:
        return done.stdout
    # Vixie's cron and its heirs, SLURM; BusyBox.
    if re.search("(?i)no crontab|no such file", done.stderr):
        return ""
    raise UsageError(
        f"{program} -l failed: {done.stderr.strip()[:300]}",
        kept="Nothing was changed",
        advice="Without --install it is printed, for you to put where it belongs",
    )


def _write(program: str, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".cron") as file:
        file.write(text)
        file.flush()
        done = _call(program, file.name)
    if done.returncode:
        raise UsageError(
            f"{program} refused the new lines: {done.stderr.strip()[:300]}",
            kept="Nothing was changed",
            advice="Without --install they are printed",
        )


def _call(program: str, argument: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(  # noqa: S603 - one of two programs of the system
            [program, argument],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as exc:
        raise UsageError(
            f"{program} cannot be started here: {exc.strerror}",
            kept="Nothing was changed",
            advice="Install it, take another kind of schedule, or leave out --install "
            "to have it printed",
        ) from exc
