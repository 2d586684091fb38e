"""Let a user consent that mails are sent for them, on any device (RFC 8628).

Only with Microsoft: Google gives no grant for SMTP this way, and through its own API
(``via: gmail``) asks for less than all of the mailbox.
"""

import time
from collections.abc import Iterator
from urllib.parse import quote

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.deliver.smtp.grant import Grant, Json, ask, store, why_of
from mlreport_batch.errors import CredentialError, MlreportError, UsageError, reason_of
from mlreport_batch.safety.clean import clean

MICROSOFT = "https://login.microsoftonline.com"
SCOPE = "https://outlook.office.com/SMTP.Send offline_access"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_SLOWER_S = 5.0  # RFC 8628, 3.5


def consent(
    server: SmtpSettings, client: str | None, tenant: str, *, host: str = MICROSOFT
) -> Iterator[str]:
    """Wait for a user's consent and keep the grant; yields lines to show.

    Args:
        server: Its ``grant_file`` gets mode 0600.
        client: The application's id.
        tenant: The directory that knows the user, or ``common``.
        host: Where to ask.

    Raises:
        UsageError: Something was not named.
        CredentialError: The consent was not given.
        ChannelDownError: The host does not answer now.
    """
    if server.grant_file is None:
        raise UsageError(
            "login needs to know where to keep the grant",
            advice="Set smtp.grant_file in the config",
        )
    if (server.host or "").endswith((".gmail.com", ".googlemail.com")):
        raise UsageError(
            "login --smtp is for Microsoft's servers",
            advice="Set `mail.via: gmail`, and log in without --smtp",
        )
    if not client:
        raise UsageError(
            "login --smtp needs an application's id",
            advice="docs/microsoft.md says how to register one: then"
            " mlreport-batch login --smtp --client ID",
        )
    base = f"{host}/{quote(tenant, safe='')}/oauth2/v2.0"
    asked = ask(
        f"{base}/devicecode", {"client_id": client, "scope": SCOPE}, server.timeout_s
    )
    code, page = asked.get("user_code"), asked.get("verification_uri")
    if not isinstance(code, str) or not isinstance(page, str):
        raise _declined(asked)
    yield f"Open {clean(page, 200)} and enter the code {clean(code, 40)}"
    said = _wait(f"{base}/token", client, asked, server.timeout_s)
    if not isinstance(said.get("refresh_token"), str):
        raise _declined(said)
    grant = Grant(
        client, str(said["refresh_token"]), f"{base}/token", scope=SCOPE,
        made_at=time.time(),
    )  # fmt: skip
    try:
        yield f"The grant is kept in {store(server, grant)} (0600)"
    except OSError as exc:
        raise MlreportError(
            f"{server.grant_file} cannot be written: {reason_of(exc)}",
            advice="Mend the permissions or free space, then log in again",
        ) from exc


def _wait(uri: str, client: str, asked: Json, timeout_s: float) -> Json:
    """Return the last answer: what was granted, or why it was not."""
    form = {
        "grant_type": _DEVICE,
        "client_id": client,
        "device_code": str(asked.get("device_code")),
    }
    pause_s = _seconds(asked.get("interval"), 5.0)
    ends = time.monotonic() + _seconds(asked.get("expires_in"), 900.0)
    while True:
        time.sleep(pause_s)
        said = ask(uri, form, timeout_s)
        error = said.get("error")
        if error == "slow_down":
            pause_s += _SLOWER_S
        elif error != "authorization_pending":
            return said
        if time.monotonic() > ends:
            return {"error": "expired_token"}


def _seconds(value: object, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) else default


def _declined(said: Json) -> CredentialError:
    return CredentialError(
        f"The login was not finished: {why_of(said)}",
        kept="The grant of the last login is as it was",
        advice="Run it again; docs/microsoft.md says what the application needs",
    )
