"""What a schedule starts: the program and its config, and what both need."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from mlreport_batch.config.settings import Config
from mlreport_batch.errors import UsageError


class Call(Struct, frozen=True):
    """A tick as others start it.

    Attributes:
        command: How the program is called, such as ``[sys.executable, "-m", ...]``.
        config: The config file; an absolute path, since others start elsewhere.
        writable: The folders that a tick writes to, the state first.
        variables: Those that the config reads secrets from.
        timezone: That of the config, empty for the machine's.
    """

    command: tuple[str, ...]
    config: Path
    writable: tuple[Path, ...] = ()
    variables: tuple[str, ...] = ()
    timezone: str = ""

    def arguments(self) -> list[str]:
        """Return the whole call.

        Raises:
            UsageError: A path holds a line break or the like.
        """
        arguments = [*self.command, "run", "-q", "-c", str(self.config)]
        for each in arguments:
            if not each.isprintable():
                raise UsageError(
                    f"{each!r} cannot stand in a crontab or unit file",
                    advice="Rename it without line breaks and control characters",
                )
        return arguments


def call_of(config: Config, command: Sequence[str] = ()) -> Call:
    """Return how a tick with *config* is started.

    Args:
        config: All settings.
        command: How the program is called; by default with the Python that runs now.
    """
    folders = [config.state]
    if config.mail.via == "outbox":
        folders.append(config.outbox.dir)
    if config.pages.dir is not None:
        folders.append(config.pages.dir)
    if config.prometheus.file is not None:
        folders.append(config.prometheus.file.parent)
    return Call(
        tuple(command) or (sys.executable, "-m", "mlreport_batch"),
        config.source or Path("mlreport.yaml").absolute(),
        tuple(folders),
        _variables(config),
        config.report.timezone or "",
    )


def _variables(config: Config) -> tuple[str, ...]:
    named = [
        config.smtp.password_env if config.mail.via == "smtp" else None,
        config.notify.urls_env,
        config.ping.url_env,
        config.webhook.url_env,
    ]
    return tuple(dict.fromkeys(name for name in named if name))


def home_file(*parts: str) -> str:
    """Return a file below the home folder."""
    return os.path.join(os.path.expanduser("~"), *parts)
