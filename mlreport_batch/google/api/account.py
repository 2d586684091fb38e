"""Who we are towards Google: credential files, and the tokens that they are good for.

Three kinds of account: a service-account key (with ``subject`` it acts for a user of
its Workspace), the file that `login.login` writes after a user's consent, and
application default credentials. Nothing else ever writes to a credential file.
"""

import json
import os
import stat
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.deliver import fingerprint
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
)
from mlreport_batch.safety.address import is_loopback
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.files import Signature

if TYPE_CHECKING:
    import requests

_SCOPE = "https://www.googleapis.com/auth/"
DRIVE_FILE: Final = _SCOPE + "drive.file"
DRIVE: Final = _SCOPE + "drive"
GMAIL_SEND: Final = _SCOPE + "gmail.send"
# With one of these, "was it sent?" can be asked. They are never asked for.
SEARCH_SCOPES: Final = frozenset(
    {_SCOPE + "gmail.readonly", _SCOPE + "gmail.modify", "https://mail.google.com/"}
)
_TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_KEPT = "What was not sent stays owed"
_LOGIN = "Run `mlreport-batch login --client FILE` again"
_BYTES_MAX = 100_000


class Account:
    """Credentials that several threads use at once.

    Args:
        credentials: Made by google-auth.
        name: Whom they stand for, in messages.
        advice: What to do when Google refuses them.
        scopes: What they may do, as far as we know.
        wider: Makes credentials with the scope ``drive``, or None where the scopes
            are fixed.
        is_robot: Whether it is a service account that acts for itself.
    """

    def __init__(
        self,
        credentials: Any,  # noqa: ANN401 - google-auth's classes share no useful type
        name: str,
        *,
        advice: str,
        scopes: frozenset[str] = frozenset(),
        wider: Callable[[], Any] | None = None,
        is_robot: bool = False,
    ) -> None:
        self.name = name
        self.is_robot = is_robot
        self.advice = advice
        self.scopes = scopes
        self._credentials = credentials
        self._wider = wider
        self._lock = threading.Lock()

    def headers(self, session: "requests.Session", timeout_s: float) -> dict[str, str]:
        """Return what a request bears; fetches a token where none is fresh.

        Raises:
            CredentialError: The grant is refused for good.
            ChannelDownError: The token endpoint does not answer now.
        """
        with self._lock:
            if not self._credentials.valid:
                self._refresh(session, timeout_s)
            found: dict[str, str] = {}
            self._credentials.apply(found)
            return found

    def discard(self, headers: Mapping[str, str]) -> None:
        """Forget the token in *headers*, unless another thread has renewed it."""
        with self._lock:
            if headers.get("authorization") == f"Bearer {self._credentials.token}":
                self._credentials.token = None

    @property
    def can_widen(self) -> bool:
        """Whether `widen` would bring anything."""
        return self._wider is not None

    def widen(self) -> None:
        """Use the scope ``drive`` from now on."""
        with self._lock:
            if self._wider is not None:
                self._credentials, self._wider = self._wider(), None
                self.scopes = frozenset({DRIVE})

    def _refresh(self, session: "requests.Session", timeout_s: float) -> None:
        from google.auth.exceptions import GoogleAuthError, RefreshError
        from google.auth.transport.requests import Request

        def request(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            kwargs["timeout"] = timeout_s
            return carrier(*args, **kwargs)

        carrier = Request(session)
        try:
            self._credentials.refresh(request)
        except RefreshError as exc:
            if exc.retryable:
                raise _silent(exc) from exc
            raise self.refused(_reason(exc)) from exc
        except (GoogleAuthError, OSError) as exc:
            raise _silent(exc) from exc
        finally:
            # It would close the session when it is collected.
            vars(carrier)["session"] = None

    def refused(self, why: str) -> CredentialError:
        """Return the error that says what a person must do."""
        return CredentialError(
            f"Google refuses {self.name}: {why}", kept=_KEPT, advice=self.advice
        )


def _reason(exc: Exception) -> str:
    """Return Google's words, such as ``invalid_grant: Token has been revoked``."""
    for part in reversed(exc.args):
        if isinstance(part, Mapping) and "error" in part:
            text = f"{part['error']}: {part.get('error_description', '')}"
            return clean(text.rstrip(": ."), 300)
    return clean(str(exc.args[0] if exc.args else exc), 300)


def _silent(exc: Exception) -> ChannelDownError:
    return ChannelDownError(
        f"Google's token endpoint cannot be used now: {clean(str(exc), 200)}",
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
        CredentialError: There is no credential.
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
    uri = str(info.get("token_uri") or _TOKEN_URI)
    parts = urlsplit(uri)
    if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
        raise ConfigError(
            f"google.credentials: the token_uri of {path} is not https",
            advice="Download the key again",
        )
    try:
        if kind == "service_account":
            return _service_account(settings, scopes, info, path)
        return _user(settings, info, path, uri)
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigError(
            f"google.credentials: {path} is damaged: {clean(str(exc), 200)}",
            advice="Download the key again, or log in again",
        ) from exc


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            data = file.read(_BYTES_MAX)
    except OSError as exc:
        raise CredentialError(
            f"google.credentials: {path} cannot be read: {exc.strerror}",
            kept=_KEPT,
            advice="Put the service-account key there (chmod 600), or run"
            " `mlreport-batch login --client FILE`",
        ) from exc
    if stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigError(
            f"google.credentials: others can read {path}",
            kept=_KEPT,
            advice=f"Run: chmod 600 {path}",
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

    def make(wanted: Sequence[str]) -> Any:  # noqa: ANN401
        return Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            info, scopes=list(wanted), subject=_subject(settings)
        )

    email = clean(str(info["client_email"]), 200)
    acting = f" acting for {settings.subject}" if settings.subject else ""
    advice = f"Look whether the key in {path} still exists in the Cloud console"
    if settings.subject:
        wishes = ", ".join(scopes)
        advice += (
            f", and whether the Admin console lists client id {info.get('client_id')}"
            f" under domain-wide delegation with exactly: {wishes}"
        )
    return Account(
        make(scopes),
        f"service account {email}{acting}",
        advice=advice,
        scopes=frozenset(scopes),
        wider=(lambda: make([DRIVE])) if DRIVE_FILE in scopes else None,
        is_robot=not settings.subject,
    )


def _subject(settings: GoogleSettings) -> str | None:
    from mlreport_batch.safety.address import parse_address

    return parse_address(settings.subject)[1] if settings.subject else None


def _user(
    settings: GoogleSettings, info: dict[str, Any], path: Path, uri: str
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
        token_uri=uri,
        client_id=info["client_id"],
        client_secret=info["client_secret"],
        quota_project_id=info.get("quota_project_id"),
    )
    scopes = info.get("scopes") or ()
    known = scopes.split() if isinstance(scopes, str) else scopes
    return Account(
        credentials,
        f"the login in {path}",
        advice=f"{_LOGIN} (apps in publishing status Testing lose it every 7 days)",
        scopes=frozenset(map(str, known)),
    )


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

    def wider() -> Any:  # noqa: ANN401
        return google.auth.default(scopes=[DRIVE])[0]

    return Account(
        credentials,
        "the application default credentials",
        advice="Run `gcloud auth application-default login` again, or set"
        " google.credentials",
        scopes=frozenset(scopes),
        wider=wider if DRIVE_FILE in scopes else None,
    )
