"""The text that makes cron or systemd start a tick."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from mlreport_batch.commands.call import config_of
from mlreport_batch.errors import UsageError
from mlreport_batch.printing import tell

UNIT = "mlreport-batch"

_HOUR_MIN = 60

_CRON_HEAD = """\
# Add this to your crontab (crontab -e). A tick without news prints nothing; what a
# failing tick prints, cron mails to you. Where this machine cannot mail, put
#     MAILTO=""
# above the line (it holds for all lines below) and look at: mlreport-batch status
# Two ticks never run at once; no flock is needed.
"""
_CRON_ENV = """\
# cron does not pass {name} on: name a password_file in the config instead.
"""

_SERVICE = """\
[Unit]
Description=Mail reports about training runs that have news
Documentation=man:systemd.service(5)

[Service]
Type=oneshot
ExecStart={exec_start}
# 75: something is kept and will be retried by itself.
SuccessExitStatus=75
TimeoutStartSec=35min
MemoryMax=1G
Nice=10
UMask=0077
{service}"""

# Seccomp and rlimits only: these hold in user units too.
_ANYWHERE = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""
_USER_NOTE = """\
# A user unit cannot have DynamicUser=, StateDirectory= below /var or
# CapabilityBoundingSet=. What follows needs unprivileged user namespaces, which some
# distributions switch off (the start then fails with 226/NAMESPACE): remove the "#"
# where they are on. The folders must exist.
#ProtectSystem=strict
#ProtectHome=read-only
#PrivateTmp=yes
#ReadWritePaths={writable}
"""
_SETGID_NOTE = """\
# With via: sendmail, a setgid sendmail (Postfix has one) cannot work under
# NoNewPrivileges=; use via: smtp with host: localhost instead.
"""
_TIMER = """\
[Unit]
Description=Look every {every_min} minutes for training runs that have news

[Timer]
OnCalendar={calendar}
RandomizedDelaySec=60
# After sleep or shutdown, one tick reports everything since.
Persistent=true

[Install]
WantedBy=timers.target
"""


def cron_line(command: Sequence[str], config: Path, *, every_min: int = 15) -> str:
    """Return the crontab line that starts a tick every *every_min* minutes.

    Args:
        command: How the program is called, such as ``[sys.executable, "-m", ...]``.
        config: The config file; an absolute path, since cron starts at home.
        every_min: A divisor of 60.

    Raises:
        UsageError: A path holds a line break, or the minutes do not divide an hour.
    """
    minutes = _minutes(every_min)
    call = shlex.join(_arguments(command, config))
    # cron takes a bare % for a line break, in quotes as well.
    escaped = call.replace("%", r"\%")
    return f"{minutes} * * * * {escaped}"


def crontab_text(
    command: Sequence[str],
    config: Path,
    *,
    every_min: int = 15,
    password_env: str | None = None,
) -> str:
    """Return the crontab line with what to know about it.

    Args:
        command: As in `cron_line`.
        config: As in `cron_line`.
        every_min: As in `cron_line`.
        password_env: The variable that the config reads the password from, if any.

    Raises:
        UsageError: As in `cron_line`.
    """
    head = _CRON_HEAD
    if password_env:
        head += _CRON_ENV.format(name=password_env)
    return f"{head}{cron_line(command, config, every_min=every_min)}\n"


def systemd_units(
    command: Sequence[str],
    config: Path,
    *,
    writable: Sequence[Path],
    every_min: int = 15,
) -> dict[str, str]:
    """Return the content of a user's service and timer by file name.

    Args:
        command: As in `cron_line`; the program needs its full path.
        config: The config file, absolute.
        writable: The folders that a tick writes to: state and outbox.
        every_min: A divisor of 60.

    Raises:
        UsageError: As in `cron_line`.
    """
    folders = " ".join(_quoted(str(folder)) for folder in writable)
    service = _ANYWHERE + _SETGID_NOTE + _USER_NOTE.format(writable=folders)
    arguments = _arguments(command, config)
    # `$` starts a variable everywhere but in the program's own path.
    rest = (_quoted(each).replace("$", "$$") for each in arguments[1:])
    exec_start = " ".join([_quoted(arguments[0]), *rest])
    _minutes(every_min)
    calendar = "hourly" if every_min == _HOUR_MIN else f"*:0/{every_min}"
    return {
        f"{UNIT}.service": _SERVICE.format(exec_start=exec_start, service=service),
        f"{UNIT}.timer": _TIMER.format(every_min=every_min, calendar=calendar),
    }


def _arguments(command: Sequence[str], config: Path) -> list[str]:
    arguments = [*command, "run", "-q", "-c", str(config)]
    for each in arguments:
        if not each.isprintable():
            raise UsageError(
                f"{each!r} cannot stand in a crontab or unit file",
                advice="Rename it without line breaks and control characters",
            )
    return arguments


def _minutes(every_min: int) -> str:
    if every_min < 1 or _HOUR_MIN % every_min:
        raise UsageError(
            f"every {every_min} minutes does not divide an hour",
            advice="Take 1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30 or 60",
        )
    if every_min == _HOUR_MIN:
        return "0"
    return "*" if every_min == 1 else f"*/{every_min}"


def _quoted(text: str) -> str:
    """Return *text* as one word of a unit file; ``%`` would be a specifier."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    plain = escaped == text.replace("%", "%%") and not set(text) & set(" \t';")
    return escaped if plain else f'"{escaped}"'


def main(args: argparse.Namespace) -> int:
    """Print a crontab line or unit files; return the exit code."""
    from pathlib import Path

    config = config_of(args)
    command = [sys.executable, "-m", "mlreport_batch"]
    source = config.source or Path("mlreport.yaml").absolute()
    if args.kind == "cron":
        text = crontab_text(
            command,
            source,
            every_min=args.every,
            password_env=config.smtp.password_env
            if config.mail.via == "smtp"
            else None,
        )
        tell(text, end="")
        return 0
    folders = [config.state]
    if config.mail.via == "outbox":
        folders.append(config.outbox.dir)
    units = systemd_units(command, source, writable=folders, every_min=args.every)
    for name, text in units.items():
        tell(f"# ~/.config/systemd/user/{name}\n{text}")
    return 0
