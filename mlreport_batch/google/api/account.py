"""Who we are towards Google: credential files, and what they are good for.

Three kinds of account: a service-account key (with ``subject`` it acts for a user of
its Workspace), the file that `login.login` writes after a user's consent, and
application default credentials. Nothing else ever writes to a credential file.
"""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.config.settings import Config
from mlreport_batch.deliver import fingerprint
from mlreport_batch.errors import ConfigError, CredentialError
from mlreport_batch.safety.address import is_loopback, parse_address
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.private import read_private

_SCOPE = "https://www.googleapis.com/auth/"
DRIVE_FILE: Final = _SCOPE + "drive.file"
DRIVE: Final = _SCOPE + "drive"
GMAIL_SEND: Final = _SCOPE + "gmail.send"
GMAIL_METADATA: Final = _SCOPE + "gmail.metadata"
_MAIL = "https://mail.google.com/"
_READING = frozenset({_SCOPE + "gmail.readonly", _SCOPE + "gmail.modify", _MAIL})
LOOK_SCOPES: Final = frozenset({GMAIL_METADATA, *_READING})
"""With one of these, "was it sent?" can be asked."""
_COVERED_BY: Final[Mapping[str, frozenset[str]]] = {
    DRIVE_FILE: frozenset({DRIVE}),
    GMAIL_METADATA: _READING,
    GMAIL_SEND: frozenset({_MAIL, _SCOPE + "gmail.modify", _SCOPE + "gmail.compose"}),
}
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
KEPT: Final = "What was not sent stays owed"
_AGAIN = "Download the key again, or log in again"


def drive_scope(settings: GoogleSettings) -> str:
    """Return the scope for documents that ``google.scope`` chooses."""
    return _SCOPE + settings.scope


def mail_scopes(settings: GoogleSettings) -> list[str]:
    """Return the scopes for sending that *settings* asks for."""
    return [GMAIL_SEND, GMAIL_METADATA] if settings.find_sent else [GMAIL_SEND]


def scopes_of(config: Config) -> list[str]:
    """Return the scopes that *config* needs, and no other."""
    wanted = []
    if config.render.engine == "google":
        wanted.append(drive_scope(config.google))
    if config.mail.via == "gmail":
        wanted += mail_scopes(config.google)
    return wanted


class Account(Struct, frozen=True):
    """Whose credentials we use.

    Attributes:
        credentials: Made by google-auth; they fetch and renew their token.
        name: Whom they stand for, in messages.
        advice: What to do when Google refuses them.
        scopes: What they may do, as far as we know.
        is_robot: Whether it is a service account that acts for itself.
    """

    credentials: Any
    name: str
    advice: str
    scopes: frozenset[str]
    is_robot: bool = False

    def refused(self, why: str) -> CredentialError:
        """Return the error that says what a person must do."""
        said = f"Google refuses {self.name}: {why}"
        return CredentialError(said, kept=KEPT, advice=self.advice)


def credential_of(settings: GoogleSettings) -> str:
    """Return what changes when somebody renews the credential of *settings*."""
    path = settings.credentials or os.environ.get("GOOGLE_APPLICATION_CREDENTIALS")
    if path is None:
        config = os.environ.get("CLOUDSDK_CONFIG", "~/.config/gcloud")
        path = os.path.join(config, "application_default_credentials.json")
    try:
        status: object = Signature.of(Path(path).expanduser().stat())
    except OSError:
        status = None
    return fingerprint(settings, status)


def load_account(settings: GoogleSettings, scopes: Sequence[str]) -> Account:
    """Return the account of *settings* for *scopes*; nothing is contacted yet.

    A user's file has the scopes of the consent, whatever is asked for.

    Raises:
        ConfigError: The file is wrong, or others can read it.
        CredentialError: There is no credential, or it does not cover *scopes*.
    """
    if settings.credentials is None:
        return _default_account(settings, scopes)
    path = Path(settings.credentials).expanduser()
    info = _read(path)
    kind = "OAuth client" if {"installed", "web"} & {*info} else info.get("type")
    if kind not in ("service_account", "authorized_user"):
        raise ConfigError(
            f"google.credentials: {path} is neither a service-account key nor a"
            f" file of `mlreport-batch login` (its type is {clean(str(kind), 40)!r})",
            advice="An OAuth client's file goes to `mlreport-batch login --client`;"
            " other kinds work through GOOGLE_APPLICATION_CREDENTIALS, with"
            " google.credentials left out",
        )
    parts = urlsplit(str(info.setdefault("token_uri", _TOKEN_URI)))
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"google.credentials: the token_uri of {path} is not https", advice=_AGAIN
        )
    try:
        make = _service_account if kind == "service_account" else _user
        return make(settings, scopes, info, path)
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"google.credentials: {path} is damaged: {clean(str(exc), 200)}",
            advice=_AGAIN,
        ) from exc


def _read(path: Path) -> dict[str, Any]:
    data = read_private(
        path,
        "google.credentials",
        kept=KEPT,
        advice="Put the service-account key there (chmod 600), or run"
        " `mlreport-batch login --client FILE`; docs/google.md says what works where"
        " keys are forbidden",
    )
    with suppress(ValueError):
        if isinstance(info := json.loads(data), dict):
            return info
    raise ConfigError(
        f"google.credentials: {path} is not the JSON file that Google hands out",
        advice=_AGAIN,
    )


def _service_account(
    settings: GoogleSettings, scopes: Sequence[str], info: dict[str, Any], path: Path
) -> Account:
    from google.oauth2.service_account import Credentials

    subject = parse_address(settings.subject)[1] if settings.subject else None
    credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        info, scopes=list(scopes), subject=subject
    )
    name = f"service account {clean(str(info['client_email']), 200)}"
    advice = f"Look whether the key in {path} still exists in the Cloud console"
    if subject:
        client = info.get("client_id")
        name += f" acting for {settings.subject}"
        advice += f", and whether the Admin console lists client id {client}"
        advice += f" under domain-wide delegation with exactly: {', '.join(scopes)}"
    granted = frozenset(scopes)
    return Account(credentials, name, advice, granted, is_robot=not subject)


def _user(
    settings: GoogleSettings, scopes: Sequence[str], info: dict[str, Any], path: Path
) -> Account:
    from google.oauth2.credentials import Credentials

    if settings.subject:
        raise ConfigError(
            "google.subject is for service accounts; google.credentials is a user's",
            advice="Leave google.subject out",
        )
    # Not from_authorized_user_info: it always puts Google's token_uri in. Without
    # scopes the token has those of the consent; asking for others is refused.
    keys = ("refresh_token", "token_uri", "client_id", "client_secret")
    quota = info.get("quota_project_id")
    credentials = Credentials(  # type: ignore[no-untyped-call]
        None, **{key: info[key] for key in keys}, quota_project_id=quota
    )
    said = info.get("scopes") or ()
    granted = frozenset(map(str, said.split() if isinstance(said, str) else said))
    advice = "Run `mlreport-batch login --client FILE` again (apps in publishing status"
    advice += " Testing lose it every 7 days)"
    account = Account(credentials, f"the login in {path}", advice, granted)
    lacking = [s for s in scopes if not granted & {s, *_COVERED_BY.get(s, ())}]
    if granted and lacking:
        short = ", ".join(scope.removeprefix(_SCOPE) for scope in lacking)
        raise account.refused(f"its grant does not cover {short}")
    return account


def _default_account(settings: GoogleSettings, scopes: Sequence[str]) -> Account:
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.oauth2.credentials import Credentials  # a user's

    if settings.subject:
        raise ConfigError(
            "google.subject needs a service-account key in google.credentials",
            advice="Name the key file, or leave google.subject out",
        )
    try:
        credentials, _ = google.auth.default(scopes=list(scopes))
    except GoogleAuthError as exc:
        raise CredentialError(
            f"There are no application default credentials: {clean(str(exc), 200)}",
            kept=KEPT,
            advice="Set google.credentials, or run `gcloud auth application-default"
            " login --client-id-file=client.json"
            f" --scopes={','.join(scopes)},{_SCOPE}cloud-platform`: gcloud's own client"
            " may not ask for these",
        ) from exc
    return Account(
        credentials,
        "the application default credentials",
        "Run `gcloud auth application-default login` again, or set google.credentials",
        frozenset(scopes),
        is_robot=not isinstance(credentials, Credentials),
    )
