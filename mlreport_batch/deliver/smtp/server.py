"""The SMTP server that the config names: how messages call it, and its password."""

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.errors import CredentialError
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.private import secret_of


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
    secret, where = secret_of(
        server.password_env,
        server.password_file,
        "smtp.password_file",
        kept="All mails are kept",
        advice="Put the password there, readable by you alone (chmod 600)",
    )
    if not secret:
        raise CredentialError(
            f"No password for {server.username} at {place_of(server)}:"
            f" {where} is empty",
            kept="All mails are kept",
            advice="Set it where cron sees it, or use smtp.password_file",
        )
    return secret
