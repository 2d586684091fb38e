"""Faults that tests plan for the n-th call of a method."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .errors import ApiError


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one call.

    Attributes:
        name: Shown in the call log.
        applied: Whether the call takes effect before it goes wrong.
        error: Answered instead of the real answer.
        hang_s: Wait so long before anything else.
        cut: ``close`` (FIN without an answer), ``reset`` (RST) or ``truncate``
            (half of the body), after the call was applied or not.
        body: Answered literally with the status of ``error`` (HTML error pages).
        location: Where that answer leads.
        mime_type: What that answer claims to be.
        hook: Called before the call is handled.
    """

    name: str
    applied: bool = False
    error: ApiError | None = None
    hang_s: float = 0.0
    cut: str = ""
    body: bytes | None = None
    location: str = ""
    mime_type: str = "text/html; charset=UTF-8"
    hook: Callable[[], Any] | None = None


def drop(*, applied: bool = False, reset: bool = False) -> Fault:
    """Close the connection without an answer, before or after applying the call."""
    name = f"drop-{'after' if applied else 'before'}"
    return Fault(name, applied=applied, cut="reset" if reset else "close")


def truncate() -> Fault:
    """Apply the call and send only half of the answer's body."""
    return Fault("truncate", applied=True, cut="truncate")


def hang(seconds: float, *, applied: bool = False) -> Fault:
    """Say nothing for *seconds*, then close; ``applied`` first, or never."""
    return Fault("hang", applied=applied, hang_s=seconds, cut="close")


def slow(seconds: float) -> Fault:
    """Answer correctly, but only after *seconds*."""
    return Fault("slow", applied=True, hang_s=seconds)


def refuse(
    code: int,
    reason: str | None = None,
    message: str = "",
    *,
    applied: bool = False,
    retry_after: float | None = None,
) -> Fault:
    """Answer an error of *code* (``applied``: although the call took effect)."""
    text = message or f"Injected {code}" + (f" {reason}" if reason else "")
    error = ApiError(code, text, reason=reason, retry_after=retry_after)
    return Fault(f"{code}" + (f"-{reason}" if reason else ""), applied, error)


def html_error(code: int = 502) -> Fault:
    """Answer a front end's HTML page instead of JSON."""
    page = b"<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title></html>"
    return replace(refuse(code), name=f"html-{code}", body=page)


def portal(
    code: int = 200, body: bytes = b"<html>Log in to this network</html>"
) -> Fault:
    """Answer as a network does that wants somebody to log in first."""
    location = "/login" if 300 <= code < 400 else ""
    return replace(refuse(code), name=f"portal-{code}", body=body, location=location)


def unauthorized() -> Fault:
    """Answer 401 although the token is good."""
    return refuse(401, "authError", "Invalid Credentials")


def rate_limited(retry_after: float | None = None) -> Fault:
    """Answer 429, with ``Retry-After`` when given."""
    return refuse(
        429,
        "rateLimitExceeded",
        "Quota exceeded for quota metric.",
        retry_after=retry_after,
    )


def user_rate_limited() -> Fault:
    """Answer Drive's and Gmail's 403 for going too fast."""
    return refuse(403, "userRateLimitExceeded", "User Rate Limit Exceeded.")


def not_found() -> Fault:
    """Answer 404."""
    return refuse(404, "notFound", "File not found.")


def storage_full() -> Fault:
    """Answer 403 storageQuotaExceeded."""
    return refuse(
        403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded."
    )


def export_too_large() -> Fault:
    """Answer 403 exportSizeLimitExceeded."""
    return refuse(
        403, "exportSizeLimitExceeded", "This file is too large to be exported."
    )


def invalid_grant(message: str = "Token has been expired or revoked.") -> Fault:
    """Refuse a token request for good (use with method id ``token``)."""
    return refuse(400, "invalid_grant", message)


@dataclass(slots=True)
class _Plan:
    fault: Fault
    skip: int
    times: int


class FaultBook:
    """The planned faults by method id; ``*`` means every method."""

    def __init__(self) -> None:
        self._plans: dict[str, list[_Plan]] = {}
        self._lock = threading.Lock()

    def add(
        self, method_id: str, fault: Fault, *, nth: int = 1, times: int = 1
    ) -> None:
        """Let *fault* happen from the *nth* call from now on, *times* times.

        ``times=-1`` means for ever. Several plans for a method count the same calls
        and the first that is due wins.
        """
        with self._lock:
            self._plans.setdefault(method_id, []).append(_Plan(fault, nth - 1, times))

    def clear(self) -> None:
        """Forget every plan."""
        with self._lock:
            self._plans.clear()

    def take(self, method_id: str) -> Fault | None:
        """Count one call and return what goes wrong with it."""
        with self._lock:
            due: Fault | None = None
            for plan in [*self._plans.get(method_id, ()), *self._plans.get("*", ())]:
                if plan.skip > 0:
                    plan.skip -= 1
                elif plan.times and due is None:
                    plan.times -= 1
                    due = plan.fault
            return due
