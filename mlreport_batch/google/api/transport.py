"""Carry one request to Google, once, and say exactly what is known of its outcome.

httplib2 sends a POST again by itself when the server hangs up without an answer, so
one copy becomes two below anything that could notice. `Carrier` stands in its place:
google-api-python-client builds the requests and reads the answers, `requests` carries
each exactly once.
"""

import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from msgspec import Struct

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.errors import ConfigError
from mlreport_batch.google.api.account import Account
from mlreport_batch.safety.address import is_loopback
from mlreport_batch.safety.clean import clean

if TYPE_CHECKING:
    import requests

CONNECT_S: Final = 10.0
TIMEOUT_S: Final = 90.0  # an export of a long document takes its time
BROKEN: Final = "connection"
"""The reason when the line broke, before or within the answer."""

_UNAUTHORIZED = 401
_FORBIDDEN = 403
_TOO_MANY = 429
_OK_BELOW = 300
_SERVER_ERROR = 500
_RATE_REASONS = frozenset(
    {"userRateLimitExceeded", "rateLimitExceeded", "sharingRateLimitExceeded"}
)
_NOT_FOR_NOW = frozenset({"dailyLimitExceeded", "quotaExceeded"})


class GoogleError(Exception):
    """One call did not succeed.

    Attributes:
        status: The HTTP status, or 0 when no answer came.
        reason: Google's word for it, such as ``storageQuotaExceeded``.
        message: Google's text, cleaned.
        retry_after_s: What the server asked for, or None.
        was_sent: Whether the request may have reached the server.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        retry_after_s: float | None = None,
        was_sent: bool = True,
    ) -> None:
        super().__init__(f"{status or 'no answer'} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s
        self.was_sent = was_sent

    @property
    def is_lost(self) -> bool:
        """Whether nobody knows if the call took effect."""
        if not self.was_sent:
            return False
        return self.status < _OK_BELOW or self.status >= _SERVER_ERROR

    @property
    def is_accepted(self) -> bool:
        """Whether the server said yes, though the answer was cut short."""
        return 0 < self.status < _OK_BELOW

    @property
    def is_busy(self) -> bool:
        """Whether Google refused only because we were too fast."""
        if self.reason in _NOT_FOR_NOW:
            return False
        # Docs gives no reason, only words.
        is_said = self.status == _FORBIDDEN and "rate limit" in self.message.lower()
        return self.status == _TOO_MANY or self.reason in _RATE_REASONS or is_said

    @property
    def may_pass(self) -> bool:
        """Whether the same call may succeed in a moment."""
        is_cut = self.reason == BROKEN
        return self.is_busy or self.is_lost or is_cut or not self.was_sent


class Answer(Struct, frozen=True):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Carrier:
    """Stands for ``httplib2.Http``; every thread has a connection of its own."""

    def __init__(
        self, account: Account, *, settings: GoogleSettings, timeout_s: float = 0.0
    ) -> None:
        self.account = account
        self._timeout_s = timeout_s or TIMEOUT_S
        self._ca_file = settings.ca_file
        endpoint = urlsplit(settings.api_endpoint or "")
        self._is_here = is_loopback(endpoint.hostname or "")
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()
            self._local = threading.local()

    def request(
        self,
        uri: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        redirections: int = 0,  # noqa: ARG002
        connection_type: object = None,  # noqa: ARG002
    ) -> tuple[Any, bytes]:
        """Send one request and return the answer as httplib2 would.

        A 401 is answered by one fresh token; nothing else is ever sent again.

        Raises:
            GoogleError: No whole answer came.
            CredentialError: The grant is refused for good.
            ChannelDownError: The token endpoint does not answer now.
        """
        import httplib2

        session = self._session()
        data = body.encode() if isinstance(body, str) else body
        bearer = self.account.headers(session, self._timeout_s)
        answer = self._once(session, uri, method, data, {**(headers or {}), **bearer})
        if answer.status == _UNAUTHORIZED:
            self.account.discard(bearer)
            session = self._session()
            bearer = self.account.headers(session, self._timeout_s)
            sent = {**(headers or {}), **bearer}
            answer = self._once(session, uri, method, data, sent)
        found = {name.lower(): value for name, value in answer.headers.items()}
        return httplib2.Response(
            {**found, "status": str(answer.status)}
        ), answer.content

    def _session(self) -> "requests.Session":
        import requests

        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            # Without this, requests takes a password from ~/.netrc instead of ours.
            session.auth = _unchanged
            session.trust_env = not self._is_here
            if self._ca_file is not None:
                session.verify = str(self._ca_file)
            self._local.session = session
            with self._lock:
                self._sessions.append(session)
        return session

    def _once(
        self,
        session: "requests.Session",
        uri: str,
        method: str,
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> Answer:
        from requests import RequestException

        status = 0
        try:
            with session.request(
                method,
                uri,
                data=data,
                headers=dict(headers),
                timeout=(CONNECT_S, self._timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                status = response.status_code
                content = response.content
                return Answer(status, response.headers, content)
        except RequestException as exc:
            self._drop(session)
            raise GoogleError(
                status, BROKEN, _in_words(exc), was_sent=not _is_unsent(exc)
            ) from exc
        except OSError as exc:  # a CA file that is gone
            raise ConfigError(f"google.ca_file: {clean(str(exc), 300)}") from exc

    def _drop(self, session: "requests.Session") -> None:
        """Use a new connection next time; this one may be half-read."""
        session.close()
        with self._lock:
            if session in self._sessions:
                self._sessions.remove(session)
        self._local.session = None


def _unchanged(request: Any) -> Any:  # noqa: ANN401
    return request


def _is_unsent(exc: Exception) -> bool:
    """Return whether the request surely never left."""
    import requests
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    if isinstance(exc, (requests.ConnectTimeout, requests.exceptions.SSLError)):
        return True
    if isinstance(exc, requests.exceptions.ProxyError | requests.exceptions.InvalidURL):
        return True
    inner = exc.args[0] if exc.args else None
    return isinstance(inner, MaxRetryError) and isinstance(
        inner.reason, NewConnectionError
    )


def _in_words(exc: Exception) -> str:
    text = clean(str(exc), 300)
    return f"{type(exc).__name__}: {text}"


def from_answer(status: int, headers: Mapping[str, str], content: bytes) -> GoogleError:
    """Return the error that an answer of *status* means."""
    reason, message = "", ""
    try:
        inner = json.loads(content)["error"]
        message = str(inner.get("message", ""))
        reasons = [str(item.get("reason", "")) for item in inner.get("errors", ())]
        details = [
            str(item["reason"])
            for item in inner.get("details", ())
            if isinstance(item, dict) and "reason" in item
        ]
        reason = next(filter(None, reasons), "") or next(filter(None, details), "")
        reason = reason or str(inner.get("status", ""))
    except (ValueError, TypeError, KeyError, AttributeError):
        message = "the answer is no JSON"
    return GoogleError(
        status,
        clean(reason, 80),
        clean(message, 300),
        retry_after_s=_seconds(headers.get("retry-after", "")),
    )


def _seconds(text: str) -> float | None:
    """Return a ``Retry-After`` in seconds; it may also be a date."""
    import time
    from email.utils import parsedate_to_datetime

    if not text:
        return None
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
