"""The SMTP server that the config names: how messages call it, and its password."""

import os
from pathlib import Path

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.errors import CredentialError
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.private import read_private


def place_of(server: SmtpSettings) -> str:
    """Return the server as messages name it."""
    return f"{clean(server.host or '', 100)}:{server.port}"


def password_of(server: SmtpSettings) -> str:
    """Return the password, empty where nobody logs in.

    Raises:
        CredentialError: There is none.
        ConfigError: Others can read its file.
    """
    if not server.username:
        return ""
    if server.password_env:
        secret = os.environ.get(server.password_env) or _systemd(server.password_env)
        where = f"the environment variable {server.password_env}"
    else:
        path = Path(server.password_file or "").expanduser()
        secret, where = _from_file(path), str(path)
    if not secret:
        raise CredentialError(
            f"No password for {server.username} at {place_of(server)}:"
            f" {where} is empty",
            kept="All mails are kept",
            advice="Set it where cron sees it, or use smtp.password_file",
        )
    return secret


def _systemd(name: str) -> str:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if not folder or "/" in name:
        return ""
    try:
        return (Path(folder) / name).read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeError):
        return ""


def _from_file(path: Path) -> str:
    data = read_private(
        path,
        "smtp.password_file",
        kept="All mails are kept",
        advice="Put the password there, readable by you alone (chmod 600)",
    )
    return data[:4096].decode("utf-8", "replace").rstrip("\r\n")
