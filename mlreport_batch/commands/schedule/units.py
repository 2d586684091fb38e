"""A systemd user's service and timer: printed, installed, taken out."""

import os
import subprocess
import zlib

from mlreport_batch.commands.schedule.call import Call, home_file
from mlreport_batch.commands.schedule.when import When
from mlreport_batch.errors import StateError, UsageError
from mlreport_batch.safety.files import write_durably

UNIT = "mlreport-batch"

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
Description=Look {words} for training runs that have news

[Timer]
{calendar}
RandomizedDelaySec=60
# After sleep or shutdown, one tick reports everything since.
Persistent=true

[Install]
WantedBy=timers.target
"""
_BY_HAND = "systemctl --user daemon-reload && systemctl --user enable --now"


def systemd_units(call: Call, when: When, name: str = UNIT) -> dict[str, str]:
    """Return the content of a user's service and timer by file name.

    Args:
        call: What is started; the program needs its full path.
        when: When.
        name: Of the units.

    Raises:
        UsageError: A path holds a line break.
    """
    folders = " ".join(_quoted(str(folder)) for folder in call.writable)
    service = _ANYWHERE + _SETGID_NOTE + _USER_NOTE.format(writable=folders)
    lines = "\n".join(f"OnCalendar={each}" for each in when.calendar())
    return {
        f"{name}.service": _SERVICE.format(
            exec_start=_exec_start(call), service=service
        ),
        f"{name}.timer": _TIMER.format(words=when.words, calendar=lines),
    }


def _exec_start(call: Call) -> str:
    program, *arguments = call.arguments()
    # `$` starts a variable everywhere but in the program's own path.
    rest = (_quoted(each).replace("$", "$$") for each in arguments)
    return " ".join([_quoted(program), *rest])


def _quoted(text: str) -> str:
    """Return *text* as one word of a unit file; ``%`` would be a specifier."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    plain = escaped == text.replace("%", "%%") and not set(text) & set(" \t';")
    return escaped if plain else f'"{escaped}"'


def units_folder() -> str:
    """Return the folder of a user's own units."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(home):
        home = home_file(".config")
    return os.path.join(home, "systemd", "user")


def print_units(call: Call, when: When) -> str:
    """Return both units, each below its path."""
    return "\n".join(
        f"# ~/.config/systemd/user/{name}\n{text}"
        for name, text in systemd_units(call, when).items()
    )


def install(call: Call, when: When) -> list[str]:
    """Write both units and start the timer; return what is told.

    A second time, only what differs is written.

    Raises:
        UsageError: There is no systemd of the user here; the units are written.
        StateError: They cannot be written.
    """
    name = _name_of(call)
    written = [
        path
        for file, text in systemd_units(call, when, name).items()
        if _write(path := os.path.join(units_folder(), file), text)
    ]
    timer = f"{name}.timer"
    kept = f"The units are in {units_folder()}"
    _systemctl("daemon-reload", kept=kept, timer=timer)
    _systemctl("enable", "--now", timer, kept=kept, timer=timer)
    if any(path.endswith(timer) for path in written):
        _systemctl("restart", timer, kept=kept, timer=timer)
    state = "installed" if written else "in place already"
    return [
        f"{timer}: {state} ({when.words}); `systemctl --user list-timers` shows it",
        *_linger(),
    ]


def remove(call: Call) -> list[str]:
    """Stop the timer and remove both units; return what is told.

    Raises:
        StateError: They cannot be removed.
    """
    name = _name_of(call)
    paths = [
        path
        for kind in ("timer", "service")
        if os.path.exists(path := os.path.join(units_folder(), f"{name}.{kind}"))
    ]
    if not paths:
        return [f"{name}.timer: not installed for {call.config}"]
    _run("systemctl", "--user", "disable", "--now", f"{name}.timer")
    for path in paths:
        try:
            os.unlink(path)
        except OSError as exc:
            raise StateError(
                f"{path} cannot be removed: {exc.strerror}",
                advice="Mend the permissions, or remove it by hand",
            ) from exc
    _run("systemctl", "--user", "daemon-reload")
    return [f"{name}.timer: removed"]


def _name_of(call: Call) -> str:
    """Return the name of this config's units: no other config loses its own."""
    wanted = _quoted(str(call.config)).replace("$", "$$")
    try:
        with open(os.path.join(units_folder(), f"{UNIT}.service"), "rb") as file:
            lines = os.fsdecode(file.read()).splitlines()
    except OSError:
        return UNIT
    starts = [line for line in lines if line.startswith("ExecStart=")]
    if all(line.endswith(f" -c {wanted}") for line in starts):
        return UNIT
    return f"{UNIT}-{zlib.crc32(os.fsencode(call.config)):08x}"


def _write(path: str, text: str) -> bool:
    """Write a unit unless it is there already; return whether it was not."""
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return False
    except OSError:
        pass
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_durably(path, text.encode(), 0o644)
    except OSError as exc:
        raise StateError(
            f"{path} cannot be written: {exc.strerror}",
            advice="Mend the permissions, or take `schedule cron`",
        ) from exc
    return True


def _systemctl(*arguments: str, kept: str, timer: str) -> None:
    done = _run("systemctl", "--user", *arguments)
    if done is None or done.returncode:
        why = done.stderr.strip()[:300] if done else "there is no systemctl here"
        raise UsageError(
            f"systemctl --user {' '.join(arguments)} failed: {why}",
            kept=kept,
            advice=f"In a session of your own: {_BY_HAND} {timer}. Or take "
            "`schedule cron --install`",
        )


def _linger() -> list[str]:
    """Say what happens to a user's timer after logging out."""
    user = str(os.getuid())
    done = _run("loginctl", "show-user", user, "--property=Linger", "--value")
    if done is not None and done.stdout.strip() == "yes":
        return []
    note = "It runs only while you are logged in. So that it goes on afterwards:"
    return [f"{note} loginctl enable-linger"]


def _run(*command: str) -> "subprocess.CompletedProcess[str] | None":
    try:
        return subprocess.run(  # noqa: S603 - programs of the system
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError:
        return None
