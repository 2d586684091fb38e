"""The SMTP server that the config names: how messages call it, and its password."""

import os
import stat
from pathlib import Path

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.errors import ConfigError, CredentialError
from mlreport_batch.safety.clean import clean


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
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(4096)
    except OSError as exc:
        raise CredentialError(
            f"smtp.password_file: {path} cannot be read: {exc.strerror}",
            kept="All mails are kept",
            advice="Put the password there, readable by you alone (chmod 600)",
        ) from exc
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigError(
            f"smtp.password_file: others can read {path}",
            kept="All mails are kept",
            advice=f"Run: chmod 600 {path}",
        )
    return data.decode("utf-8", "replace").rstrip("\r\n")
