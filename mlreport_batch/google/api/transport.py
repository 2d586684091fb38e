"""Carry one request to Google, once, and say exactly what is known of its outcome.

httplib2 sends a POST again by itself when the server hangs up without an answer, so
one copy becomes two below anything that could notice. `Carrier` stands in its place:
google-api-python-client builds the requests and reads the answers, google-auth's
session carries each exactly once.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.errors import ChannelDownError, ConfigError
from mlreport_batch.google.api.account import KEPT, Account
from mlreport_batch.safety.address import is_loopback
from mlreport_batch.safety.clean import clean

if TYPE_CHECKING:
    import requests
    from googleapiclient.errors import HttpError

CONNECT_S: Final = 10.0
TIMEOUT_S: Final = 90.0  # an export of a long document takes its time
BROKEN: Final = "connection"
"""The reason when the line broke, before or within the answer."""
FOREIGN: Final = "no answer of Google's"
"""The reason when something else answered, such as the login page of a network."""
NOT_FOR_NOW: Final = frozenset({"dailyLimitExceeded", "quotaExceeded"})
_CONNECTIONS = 16
_RATE_REASONS = frozenset(
    {"userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded"}
)


@dataclass(eq=False)
class GoogleError(Exception):
    """One call did not succeed.

    Attributes:
        status: The HTTP status, or 0 when no answer came.
        reason: Google's word for it, such as ``storageQuotaExceeded``.
        message: Google's text, cleaned.
        retry_after_s: What the server asked for, or None.
        was_sent: Whether the request may have reached the server.
    """

    status: int
    reason: str
    message: str
    _: KW_ONLY
    retry_after_s: float | None = None
    was_sent: bool = True

    def __str__(self) -> str:
        return f"{self.status or 'no answer'} {self.reason}: {self.message}"

    @property
    def said(self) -> str:
        """Google's text, or else its word."""
        return self.message or self.reason

    @property
    def is_lost(self) -> bool:
        """Whether nobody knows if the call took effect."""
        return self.was_sent and not 300 <= self.status < 500  # noqa: PLR2004

    @property
    def is_accepted(self) -> bool:
        """Whether the server said yes, though the answer was cut short."""
        return 0 < self.status < 300 and self.reason == BROKEN  # noqa: PLR2004

    @property
    def is_busy(self) -> bool:
        """Whether Google refused only because we were too fast."""
        # Docs gives no reason, only words.
        is_said = self.status == 403 and "rate limit" in self.message.lower()  # noqa: PLR2004
        is_rate = self.status == 429 or self.reason in _RATE_REASONS or is_said  # noqa: PLR2004
        return is_rate and self.reason not in NOT_FOR_NOW

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed in a moment."""
        is_cut = self.reason in (BROKEN, FOREIGN)
        return self.is_busy or self.is_lost or is_cut or not self.was_sent


class _Shared:
    """Credentials whose token one thread renews for all."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._credentials = account.credentials
        self._lock = threading.Lock()
        self._borne = threading.local()

    def before_request(self, request: Any, *call: Any) -> None:  # noqa: ANN401
        with self._lock, _refusals(self._account):
            self._credentials.before_request(request, *call)
            self._borne.token = self._credentials.token

    def refresh(self, request: Any) -> None:  # noqa: ANN401
        with self._lock, _refusals(self._account):
            if self._credentials.token == self._borne.token:
                self._credentials.refresh(request)


class Carrier:
    """Stands for ``httplib2.Http``; several threads use it at once."""

    def __init__(
        self, account: Account, settings: GoogleSettings, timeout_s: float = 0.0
    ) -> None:
        import requests
        from google.auth.transport.requests import AuthorizedSession, Request

        tokens = dressed(requests.Session(), settings, timeout_s)
        tokens.hooks["response"].append(only_json)
        self._tokens = Request(tokens)
        self._credentials = _Shared(account)
        session = AuthorizedSession(  # type: ignore[no-untyped-call]
            self._credentials, max_refresh_attempts=1, auth_request=self._tokens
        )
        self._session = dressed(session, settings, timeout_s)

    def close(self) -> None:
        """Close all connections."""
        self._session.close()
        self._tokens.session.close()

    def log_in(self) -> str:
        """Return a token; it is fetched unless there is a fresh one.

        Raises:
            CredentialError: The grant is refused for good.
            ChannelDownError: The token endpoint does not answer now.
        """
        headers: dict[str, str] = {}
        self._credentials.before_request(self._tokens, "GET", "", headers)
        return headers["authorization"]

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: dict[str, str] | None = None,
        **_: object,
    ) -> tuple[Any, bytes]:
        """Send one request and return the answer as httplib2 would.

        A 401 is answered by one fresh token; nothing else is ever sent again.

        Raises:
            GoogleError: No whole answer came.
            MlreportError: As of `log_in`.
        """
        import httplib2
        from requests import RequestException, TooManyRedirects

        begun = [0]  # the status is known before the rest is read
        note = {"response": lambda answer, **_: begun.append(answer.status_code)}
        try:
            response = self._session.request(
                method, uri, data=body, headers=headers, hooks=note
            )
        except RequestException as exc:
            reason = FOREIGN if isinstance(exc, TooManyRedirects) else BROKEN
            raise GoogleError(
                begun[-1], reason, in_words(exc), was_sent=not _is_unsent(exc)
            ) from exc
        except OSError as exc:
            raise _no_trust(exc) from exc
        found = {**response.headers, "status": str(response.status_code)}
        return httplib2.Response(found), response.content


@contextmanager
def _refusals(account: Account) -> Iterator[None]:
    """Turn what goes wrong about a token into our errors."""
    from google.auth.exceptions import GoogleAuthError, RefreshError

    try:
        yield
    except RefreshError as exc:
        # Whatever else comes with a mapping is an answer without a token.
        said = next((p for p in exc.args if isinstance(p, Mapping)), {"error": ""})
        if exc.retryable or "error" not in said:
            raise silent(exc) from exc
        text = f"{said['error']}: {said.get('error_description', '')}".strip(": .")
        raise account.refused(clean(text or str(exc), 300)) from exc
    except OSError as exc:
        raise _no_trust(exc) from exc
    except (GoogleAuthError, ValueError, TypeError) as exc:
        raise silent(exc) from exc


def _no_trust(exc: OSError) -> ConfigError:
    """Return the error for a CA file that is gone; requests wraps all else."""
    return ConfigError(f"google.ca_file: {clean(str(exc), 300)}")


def silent(exc: Exception) -> ChannelDownError:
    """Return the error for a token endpoint that does not answer as it should."""
    return ChannelDownError(
        f"Google's token endpoint cannot be used now: {in_words(exc)}",
        kept=KEPT,
        advice="It is tried again by the next tick",
    )


def dressed(session: Any, settings: GoogleSettings, timeout_s: float = 0.0) -> Any:  # noqa: ANN401
    """Return *session* with our time limits and trust, whoever uses it."""
    from requests.adapters import HTTPAdapter

    class Limited(HTTPAdapter):
        def send(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401
            limits = CONNECT_S, timeout_s or TIMEOUT_S
            return super().send(*args, **{**options, "timeout": limits})

    for scheme in ("https://", "http://"):
        session.mount(scheme, Limited(pool_maxsize=_CONNECTIONS))
    # Without this, requests takes a password from ~/.netrc instead of ours.
    session.auth = lambda request: request
    session.max_redirects = 0  # Google leads nowhere; the page of a network does
    endpoint = urlsplit(settings.api_endpoint or "").hostname or ""
    session.trust_env = not is_loopback(endpoint)
    if settings.ca_file is not None:
        session.verify = str(settings.ca_file)
    return session


def only_json(response: "requests.Response", **_: object) -> None:
    """Take nothing for a token endpoint's answer but a JSON object.

    Raises:
        RequestException: It is a page, or empty. Names of hosts and the like are read
            with GET, and may be texts.
    """
    from requests.exceptions import InvalidJSONError

    if response.request.method != "POST" or response.is_redirect:
        return
    with suppress(ValueError):
        if isinstance(json.loads(response.content), dict):
            return
    raise InvalidJSONError(no_json(response.status_code))


def no_json(status: int) -> str:
    """Return what is said of an answer that Google does not give."""
    return f"a {status} without JSON: the login page of a network?"


def _is_unsent(exc: Exception) -> bool:
    """Return whether the request surely never left, or never reached Google."""
    from requests import exceptions
    from urllib3.exceptions import NewConnectionError

    inner = getattr(exc.args[0] if exc.args else None, "reason", None)
    return isinstance(inner, NewConnectionError) or isinstance(
        exc,
        exceptions.TooManyRedirects
        | exceptions.ConnectTimeout
        | exceptions.SSLError
        | exceptions.ProxyError
        | exceptions.InvalidURL,
    )


def from_answer(error: "HttpError") -> GoogleError:
    """Return what an answer of 300 and above means."""
    from urllib3 import Retry
    from urllib3.exceptions import InvalidHeader

    status, wait_s = int(error.resp.status), None
    with suppress(InvalidHeader, ValueError, OverflowError):
        wait_s = Retry().parse_retry_after(error.resp.get("retry-after", ""))
    try:
        inner = json.loads(error.content)["error"]
        named = [*inner.get("errors", ()), *inner.get("details", ())]
        reasons = [item["reason"] for item in named if item.get("reason")]
        reason = str(next(iter(reasons), inner.get("status", "")))
        message = str(inner.get("message", ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        reason, message = FOREIGN, no_json(status)
    reason, message = clean(reason, 80), clean(message, 300)
    return GoogleError(status, reason, message, retry_after_s=wait_s)


def in_words(exc: BaseException) -> str:
    """Return what *exc* comes from, without addresses of calls or in memory."""
    from requests import TooManyRedirects

    # However its library keeps what it wraps.
    wrapped = (getattr(exc, "reason", None), *exc.args, exc.__cause__, exc.__context__)
    for inner in wrapped:
        if isinstance(inner, BaseException):
            return in_words(inner)
    if isinstance(exc, TooManyRedirects):
        return "the answer leads elsewhere: to the login page of a network?"
    return clean(str(getattr(exc, "strerror", None) or exc), 300)
