"""Write what was answered: the config, and the password beside it."""

import os
import zlib

from mlreport_batch.commands.setup.answers import Answers, Route
from mlreport_batch.commands.setup.look import shortened
from mlreport_batch.config.channels import SMTP_PORTS
from mlreport_batch.config.load import parse
from mlreport_batch.config.locate import user_folder
from mlreport_batch.config.reference import init_text
from mlreport_batch.errors import StateError, UsageError
from mlreport_batch.safety.files import write_durably


def default_file() -> str:
    """Return the config file that is found from every folder."""
    return os.path.join(user_folder(), "config.yaml")


def refuse_existing(file: str) -> None:
    """Refuse to write over a config.

    Raises:
        UsageError: There is one.
    """
    if os.path.lexists(file):
        raise UsageError(
            f"{file} is there already",
            kept="It was not touched",
            advice="Edit it, then `mlreport-batch check --send-test`; or name another "
            "file, or move it away",
        )


def write_new(file: str, text: str, mode: int = 0o644) -> None:
    """Write a file that is not there yet, and its folder.

    Raises:
        UsageError: It is there, or cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(os.path.abspath(file)), exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as exc:
        raise UsageError(
            f"{file} is there already", advice="Name another file"
        ) from exc
    except OSError as exc:
        raise UsageError(
            f"{file} cannot be written: {exc.strerror}",
            advice="Name a file in a folder of your own",
        ) from exc
    with open(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)


def config_text(answers: Answers, file: str) -> str:
    """Return the commented config with what was answered.

    Raises:
        ConfigError: The answers do not fit together; nothing is written yet.
    """
    route = answers.route
    is_smtp = bool(route.host)
    password_file = route.password_file or (
        password_place(file) if route.password else ""
    )
    given: dict[str, object] = {
        "runs.path": answers.runs[0],
        "report.language": None if answers.language == "en" else answers.language,
        "report.timezone": answers.timezone or None,
        "mail.via": "smtp" if is_smtp else route.through,
        "mail.from": _sender(route),
        "mail.to": list(answers.to) or None,
        "smtp.host": route.host or None,
        "smtp.port": _port(route),
        "smtp.security": route.security if is_smtp else None,
        "smtp.username": route.username or None,
        "smtp.password_env": route.password_env or None,
        "smtp.password_file": shortened(password_file) if password_file else None,
    }
    text = init_text(given=given, more_runs=answers.runs[1:])
    parse(text.encode(), file)
    return text


def _sender(route: Route) -> str | None:
    if not route.sender:
        return None
    return route.sender if "<" in route.sender else f"ML reports <{route.sender}>"


def _port(route: Route) -> int | None:
    usual = SMTP_PORTS[route.security]
    return route.port if route.host and route.port != usual else None


def password_place(file: str) -> str:
    """Return where the password of the config *file* lies.

    Not beside it: a config may lie in a repository, where a password never belongs.
    """
    own = os.path.realpath(file)
    name = "smtp-password"
    if own != os.path.realpath(default_file()):
        name = f"{name}-{zlib.crc32(os.fsencode(own)):08x}"
    return os.path.join(user_folder(), name)


def write_password(path: str, password: str) -> None:
    """Write a password that its owner alone can read.

    Raises:
        StateError: It cannot be written.
    """
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        write_durably(path, f"{password}\n".encode(), 0o600)
    except OSError as exc:
        raise StateError(
            f"{path} cannot be written: {exc.strerror}",
            kept="The config was not written either",
            advice="Mend the permissions, or name a --password-file of yours",
        ) from exc
