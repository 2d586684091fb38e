"""A launchd agent, for macOS: printed, installed, taken out."""

import os
import plistlib
import subprocess
import zlib

from mlreport_batch.commands.schedule.call import Call, home_file
from mlreport_batch.commands.schedule.when import When
from mlreport_batch.errors import StateError, UsageError
from mlreport_batch.safety.files import write_durably

_LABEL = "mlreport-batch"
_DAY_MIN = 1440


def agent_text(call: Call, when: When) -> str:
    """Return the agent's property list.

    A Mac that sleeps makes up for one tick when it wakes.

    Raises:
        UsageError: A path holds a line break.
    """
    agent: dict[str, object] = {
        "Label": _label(call),
        "ProgramArguments": call.arguments(),
        "ProcessType": "Background",
        "Nice": 10,
        "Umask": 0o077,
    }
    if call.writable:
        agent["StandardErrorPath"] = os.path.join(call.writable[0], "launchd.log")
    if when.every_min == _DAY_MIN:
        hour, minute = divmod(when.first_min, 60)
        agent["StartCalendarInterval"] = {"Hour": hour, "Minute": minute}
    else:
        agent["StartInterval"] = when.every_min * 60
    return plistlib.dumps(agent).decode()


def install(call: Call, when: When) -> list[str]:
    """Write the agent and load it; return what is told.

    Raises:
        UsageError: There is no launchd here; the agent is written.
        StateError: It cannot be written.
    """
    path, text = _path(call), agent_text(call, when).encode()
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.makedirs(call.writable[0], mode=0o700, exist_ok=True)
        write_durably(path, text, 0o644)
    except OSError as exc:
        raise StateError(
            f"{path} cannot be written: {exc.strerror}",
            advice="Mend the permissions, or take `schedule cron`",
        ) from exc
    _launchctl("bootout", f"gui/{os.getuid()}/{_label(call)}")
    failed = _launchctl("bootstrap", f"gui/{os.getuid()}", path)
    if failed:
        raise UsageError(
            f"launchctl could not load it: {failed}",
            kept=f"It is written to {path}",
            advice=f"In a session of your own: launchctl load {path}",
        )
    return [f"{path}: installed ({when.words})"]


def remove(call: Call) -> list[str]:
    """Unload the agent and remove its file; return what is told.

    Raises:
        StateError: It cannot be removed.
    """
    path = _path(call)
    if not os.path.exists(path):
        return [f"{path}: not installed"]
    _launchctl("bootout", f"gui/{os.getuid()}/{_label(call)}")
    try:
        os.unlink(path)
    except OSError as exc:
        raise StateError(
            f"{path} cannot be removed: {exc.strerror}",
            advice="Mend the permissions, or remove it by hand",
        ) from exc
    return [f"{path}: removed"]


def _label(call: Call) -> str:
    return f"{_LABEL}.{zlib.crc32(os.fsencode(call.config)):08x}"


def _path(call: Call) -> str:
    return home_file("Library", "LaunchAgents", f"{_label(call)}.plist")


def _launchctl(*arguments: str) -> str:
    """Return why it failed, empty where it did not."""
    try:
        done = subprocess.run(  # noqa: S603
            ["launchctl", *arguments],  # noqa: S607 - wherever the system has it
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as exc:
        return exc.strerror or str(exc)
    return (done.stderr.strip() or f"exit {done.returncode}") if done.returncode else ""
