"""Errors as the three APIs word them: one exception, three JSON shapes."""

from collections.abc import Mapping
from typing import Any

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
_REASON = {
    400: "badRequest",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    429: "rateLimitExceeded",
    500: "internalError",
    501: "notImplemented",
    503: "backendError",
}


class ApiError(Exception):
    """A refusal that is sent to the client as Google would send it."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        status: str | None = None,
        location: tuple[str, str] | None = None,
        details: list[Mapping[str, Any]] | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Remember everything that one of the shapes may show.

        Args:
            code: The HTTP status.
            message: The text for humans.
            reason: ``errors[].reason`` of Drive and Gmail.
            status: The canonical status name; default by code.
            location: ``(locationType, location)`` of Drive's errors.
            details: ``error.details`` of Docs.
            retry_after: Seconds for a ``Retry-After`` header.
        """
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or _REASON.get(code, "badRequest")
        self.status = status or _STATUS.get(code, "UNKNOWN")
        self.location = location
        self.details = details
        self.retry_after = retry_after


class NotModelledError(ApiError):
    """The real API can do this, the test server cannot: extend the server."""

    def __init__(self, what: str) -> None:
        super().__init__(501, f"The test server does not model {what}.")


def error_json(error: ApiError, api: str) -> dict[str, Any]:
    """Return the error document in the shape of *api* (docs, drive, gmail)."""
    inner: dict[str, Any] = {"code": error.code, "message": error.message}
    if api in {"drive", "gmail"}:
        item = {"message": error.message, "domain": "global", "reason": error.reason}
        if error.location is not None:
            item["locationType"], item["location"] = error.location
        if "imitExceeded" in error.reason:
            item["domain"] = "usageLimits"
        inner["errors"] = [item]
    if api != "drive":
        inner["status"] = error.status
    if error.details:
        inner["details"] = error.details
    return {"error": inner}


def invalid_credentials(api: str) -> ApiError:
    """Return the 401 for a missing, unknown or expired access token."""
    if api == "drive":
        return ApiError(
            401, "Invalid Credentials", location=("header", "Authorization")
        )
    return ApiError(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access "
        "token, login cookie or other valid authentication credential.",
    )


def insufficient_scopes(api: str) -> ApiError:
    """Return the 403 for a token that lacks every scope of the method."""
    if api == "docs":
        message = "Request had insufficient authentication scopes."
    else:
        message = "Insufficient Permission: Request had insufficient scopes."
    return ApiError(
        403,
        message,
        reason="insufficientPermissions",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
                "domain": "googleapis.com",
            }
        ],
    )
