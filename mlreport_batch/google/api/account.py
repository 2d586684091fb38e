"""Who we are towards Google: credential files, and what they are good for.

Three kinds of account: a service-account key (with ``subject`` it acts for a user of
its Workspace), the file that `login.login` writes after a user's consent, and
application default credentials. Nothing else ever writes to a credential file.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.config.settings import Config
from mlreport_batch.deliver import fingerprint
from mlreport_batch.errors import ChannelDownError, ConfigError, CredentialError
from mlreport_batch.google.api.words import in_words
from mlreport_batch.safety.address import is_loopback, parse_address
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.private import read_private

_SCOPE = "https://www.googleapis.com/auth/"
DRIVE_FILE: Final = _SCOPE + "drive.file"
DRIVE: Final = _SCOPE + "drive"
GMAIL_SEND: Final = _SCOPE + "gmail.send"
_MAIL = "https://mail.google.com/"
# With one of these, "was it sent?" can be asked. They are never asked for.
SEARCH_SCOPES: Final = frozenset(
    {_SCOPE + "gmail.readonly", _SCOPE + "gmail.modify", _MAIL}
)
_COVERED_BY: Final[Mapping[str, frozenset[str]]] = {
    DRIVE_FILE: frozenset({DRIVE}),
    GMAIL_SEND: frozenset({_MAIL, _SCOPE + "gmail.modify", _SCOPE + "gmail.compose"}),
}
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_KEPT = "What was not sent stays owed"
_LOGIN = "Run `mlreport-batch login --client FILE` again"


def drive_scope(settings: GoogleSettings) -> str:
    """Return the scope for documents that ``google.scope`` chooses."""
    return _SCOPE + settings.scope


def scopes_of(config: Config) -> list[str]:
    """Return the scopes that *config* needs, and no other."""
    wanted = []
    if config.render.engine == "google":
        wanted.append(drive_scope(config.google))
    if config.mail.via == "gmail":
        wanted.append(GMAIL_SEND)
    return wanted


class Account:
    """Credentials for ``AuthorizedSession`` that several threads use at once.

    Args:
        credentials: Made by google-auth.
        name: Whom they stand for, in messages.
        advice: What to do when Google refuses them.
        scopes: What they may do, as far as we know.
        is_robot: Whether it is a service account that acts for itself.
    """

    def __init__(
        self,
        credentials: Any,  # noqa: ANN401 - google-auth's classes share no useful type
        name: str,
        *,
        advice: str,
        scopes: frozenset[str] = frozenset(),
        is_robot: bool = False,
    ) -> None:
        self.name = name
        self.is_robot = is_robot
        self.advice = advice
        self.scopes = scopes
        self._credentials = credentials
        self._lock = threading.Lock()
        self._borne = threading.local()

    def before_request(
        self,
        request: Callable[..., Any],
        _method: str,
        _url: str,
        headers: dict[str, str],
    ) -> None:
        """Put a token into *headers*; fetch one where none is fresh.

        Raises:
            CredentialError: The grant is refused for good.
            ChannelDownError: The token endpoint does not answer now.
        """
        with self._lock:
            if not self._credentials.valid:
                self._renew(request)
            self._credentials.apply(headers)
            self._borne.token = self._credentials.token

    def refresh(self, request: Callable[..., Any]) -> None:
        """Fetch a token after a 401, unless another thread has done so."""
        with self._lock:
            if self._credentials.token == self._borne.token:
                self._renew(request)

    def _renew(self, request: Callable[..., Any]) -> None:
        from google.auth.exceptions import GoogleAuthError, RefreshError

        try:
            self._credentials.refresh(request)
        except RefreshError as exc:
            # Whatever else comes with a mapping is an answer without a token.
            said = next((p for p in exc.args if isinstance(p, Mapping)), {"error": ""})
            if exc.retryable or "error" not in said:
                raise silent(exc) from exc
            raise self.refused(_words(exc, said)) from exc
        except OSError as exc:
            raise ConfigError(f"google.ca_file: {clean(str(exc), 300)}") from exc
        except (GoogleAuthError, ValueError, TypeError) as exc:
            raise silent(exc) from exc
        if not isinstance(self._credentials.token, str):
            self._credentials.token = None
            raise silent(ValueError("its answer holds no token"))

    def refused(self, why: str) -> CredentialError:
        """Return the error that says what a person must do."""
        return CredentialError(
            f"Google refuses {self.name}: {why}", kept=_KEPT, advice=self.advice
        )


def _words(exc: Exception, said: Mapping[str, Any]) -> str:
    """Return Google's words, such as ``invalid_grant: Token has been revoked``."""
    text = f"{said['error']}: {said.get('error_description', '')}".strip(": .")
    return clean(text or str(exc.args[0] if exc.args else exc), 300)


def silent(exc: Exception) -> ChannelDownError:
    """Return the error for a token endpoint that does not answer as it should."""
    return ChannelDownError(
        f"Google's token endpoint cannot be used now: {in_words(exc)}",
        kept=_KEPT,
        advice="It is tried again by the next tick",
    )


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

    Args:
        settings: The config table ``google``.
        scopes: What is asked for. A user's file has the scopes of the consent.

    Raises:
        ConfigError: The file is wrong, or others can read it.
        CredentialError: There is no credential, or it does not cover *scopes*.
    """
    if settings.credentials is None:
        return _default_account(settings, scopes)
    path = Path(settings.credentials).expanduser()
    info = _read(path)
    kind = info.get("type")
    if kind not in ("service_account", "authorized_user"):
        raise ConfigError(
            f"google.credentials: {path} is neither a service-account key nor a"
            f" file of `mlreport-batch login` (its type is {clean(str(kind), 40)!r})",
            advice="An OAuth client's file goes to `mlreport-batch login --client`;"
            " other kinds work through GOOGLE_APPLICATION_CREDENTIALS, with"
            " google.credentials left out",
        )
    uri = str(info.setdefault("token_uri", _TOKEN_URI))
    parts = urlsplit(uri)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"google.credentials: the token_uri of {path} is not https",
            advice="Download the key again",
        )
    try:
        make = _service_account if kind == "service_account" else _user
        return make(settings, scopes, info, path)
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"google.credentials: {path} is damaged: {clean(str(exc), 200)}",
            advice="Download the key again, or log in again",
        ) from exc


def _read(path: Path) -> dict[str, Any]:
    data = read_private(
        path,
        "google.credentials",
        kept=_KEPT,
        advice="Put the service-account key there (chmod 600), or run"
        " `mlreport-batch login --client FILE`",
    )
    try:
        info = json.loads(data)
    except ValueError:
        info = None
    if not isinstance(info, dict):
        raise ConfigError(
            f"google.credentials: {path} is not the JSON file that Google hands out",
            advice="Download the key again, or log in again",
        )
    if "installed" in info or "web" in info:
        info["type"] = "OAuth client"
    return info


def _service_account(
    settings: GoogleSettings, scopes: Sequence[str], info: dict[str, Any], path: Path
) -> Account:
    from google.oauth2.service_account import Credentials

    subject = parse_address(settings.subject)[1] if settings.subject else None
    credentials = Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        info, scopes=list(scopes), subject=subject
    )
    email = clean(str(info["client_email"]), 200)
    acting = f" acting for {settings.subject}" if subject else ""
    advice = f"Look whether the key in {path} still exists in the Cloud console"
    if subject:
        advice += (
            f", and whether the Admin console lists client id {info.get('client_id')}"
            f" under domain-wide delegation with exactly: {', '.join(scopes)}"
        )
    return Account(
        credentials,
        f"service account {email}{acting}",
        advice=advice,
        scopes=frozenset(scopes),
        is_robot=not subject,
    )


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
    credentials = Credentials(  # type: ignore[no-untyped-call]
        None,
        refresh_token=info["refresh_token"],
        token_uri=info["token_uri"],
        client_id=info["client_id"],
        client_secret=info["client_secret"],
        quota_project_id=info.get("quota_project_id"),
    )
    said = info.get("scopes") or ()
    granted = frozenset(map(str, said.split() if isinstance(said, str) else said))
    account = Account(
        credentials,
        f"the login in {path}",
        advice=f"{_LOGIN} (apps in publishing status Testing lose it every 7 days)",
        scopes=granted,
    )
    lacking = [each for each in scopes if not _is_covered(each, granted)]
    if granted and lacking:
        short = ", ".join(each.removeprefix(_SCOPE) for each in lacking)
        raise account.refused(f"its grant does not cover {short}")
    return account


def _is_covered(scope: str, granted: frozenset[str]) -> bool:
    return scope in granted or bool(_COVERED_BY.get(scope, frozenset()) & granted)


def _default_account(settings: GoogleSettings, scopes: Sequence[str]) -> Account:
    import google.auth
    from google.auth.exceptions import GoogleAuthError

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
            kept=_KEPT,
            advice="Set google.credentials, or run `gcloud auth application-default"
            f" login --scopes={','.join(scopes)},{_SCOPE}cloud-platform`",
        ) from exc
    return Account(
        credentials,
        "the application default credentials",
        advice="Run `gcloud auth application-default login` again, or set"
        " google.credentials",
        scopes=frozenset(scopes),
    )
