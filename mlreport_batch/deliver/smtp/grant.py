"""Tokens for a login by OAuth2 instead of a password.

The grant of a user lies in a file. RFC 6749 (section 6) says how a token is got for
it, and Microsoft and Google both do as it says, so the library of neither is needed.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.errors import ChannelDownError, ConfigError, CredentialError
from mlreport_batch.safety.address import is_loopback
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.private import read_private

KEPT = "All mails are kept"
_AGAIN = "Run `mlreport-batch login --smtp` again"
_BYTES_MAX = 100_000
_BUSY, _BROKEN = 429, 500

Json = Mapping[str, object]


class Grant(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the file holds; Google's files of a user's consent have these keys, too.

    Attributes:
        client_id: The application to which the user consented.
        refresh_token: What tokens are got for.
        token_uri: Where.
        client_secret: The application's own, where it has one.
        scope: What tokens are asked for; empty for all that was consented to.
        made_at: When the user consented, seconds since the epoch.
    """

    client_id: str
    refresh_token: str
    token_uri: str
    client_secret: str = ""
    scope: str = ""
    made_at: float = 0.0

    @property
    def mark(self) -> str:
        """What changes when a user consents anew, and not when a token is got."""
        return repr(self.made_at) if self.made_at else self.refresh_token


def grant_of(server: SmtpSettings) -> Grant:
    """Return the grant that ``smtp.grant_file`` holds.

    Raises:
        CredentialError: It cannot be read.
        ConfigError: It is none, or others can read it.
    """
    path = _path(server)
    data = read_private(path, "smtp.grant_file", kept=KEPT, advice=_AGAIN)
    try:
        grant = msgspec.json.decode(data, type=Grant)
        uri = urlsplit(grant.token_uri)
        is_safe = uri.scheme == "https" or is_loopback(uri.hostname or "")
    except ValueError as exc:  # msgspec's errors are some
        raise _damaged(path, clean(str(exc), 200)) from exc
    if not is_safe:
        raise _damaged(path, "its token_uri is not https")
    return grant


def token_of(server: SmtpSettings) -> str:
    """Return a token to log in with; keep the new grant where the old one is changed.

    Raises:
        CredentialError: The grant is missing or refused.
        ConfigError: Its file is none, or others can read it.
        ChannelDownError: Nobody who gives tokens answers now.
    """
    grant = grant_of(server)
    form = {
        "grant_type": "refresh_token",
        "client_id": grant.client_id,
        "client_secret": grant.client_secret,
        "refresh_token": grant.refresh_token,
        "scope": grant.scope,
    }
    given = {key: value for key, value in form.items() if value}
    said = ask(grant.token_uri, given, server.timeout_s)
    token, changed = said.get("access_token"), said.get("refresh_token")
    if not isinstance(token, str) or not token:
        why = why_of(said).replace(grant.refresh_token, "***")
        raise CredentialError(
            f"{place_of(grant.token_uri)} gives no token for the grant in"
            f" {_path(server)}: {why}",
            kept=KEPT,
            advice=_AGAIN,
        )
    if isinstance(changed, str) and changed not in ("", grant.refresh_token):
        # The old one is still good: a folder that cannot be written stops no mail.
        with suppress(OSError):
            store(server, msgspec.structs.replace(grant, refresh_token=changed))
    return token


def store(server: SmtpSettings, grant: Grant) -> Path:
    """Write *grant* for its owner alone, old or new at any time; return where it is.

    Raises:
        OSError: It cannot be written; the old one stands.
    """
    from mlreport_batch.safety.files import write_durably

    path = _path(server)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_durably(os.fspath(path), msgspec.json.encode(grant), 0o600)
    return path


def ask(uri: str, form: Mapping[str, str], timeout_s: float) -> Json:
    """Return what an OAuth server answers to *form*, a refusal as well.

    Raises:
        ChannelDownError: It cannot be reached, is busy, or answers something else.
    """
    from requests import RequestException

    from mlreport_batch.deliver.web import posted

    try:
        with posted(uri, form, timeout_s=timeout_s) as answer:
            data = b""
            for piece in answer.iter_content(_BYTES_MAX):
                data = (data + piece)[:_BYTES_MAX]
                if len(data) == _BYTES_MAX:
                    break
            status = answer.status_code
        if status != _BUSY and status < _BROKEN:
            said = json.loads(data)
            if isinstance(said, dict):
                return said
        why = f"answered {status}"
    except ValueError:
        why = "answered what is no JSON"
    except (RequestException, OSError) as exc:
        why = f"cannot be reached ({type(exc).__name__})"
    raise ChannelDownError(
        f"{place_of(uri)}, which gives the tokens to log in with, {why}",
        kept=f"{KEPT} and tried again in the next tick",
        advice="If this lasts, look whether this machine reaches it",
    )


def why_of(said: Json) -> str:
    """Return why an OAuth server says no."""
    texts = (said.get("error"), said.get("error_description"))
    told = ": ".join(text for text in texts if isinstance(text, str) and text)
    return clean(told or "it does not say why", 300)


def place_of(uri: str) -> str:
    """Return the host of *uri*, as messages name it."""
    return clean(urlsplit(uri).hostname or "", 100)


def _path(server: SmtpSettings) -> Path:
    return Path(server.grant_file or "").expanduser()


def _damaged(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"smtp.grant_file: {path} holds no grant: {why}", kept=KEPT, advice=_AGAIN
    )
