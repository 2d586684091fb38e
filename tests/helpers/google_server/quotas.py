"""Per-user rate limits as Google counts them; off until a test sets them."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import ApiError

_DRIVE_UNITS = {"get": 5, "list": 100, "download": 200, "export": 200}
_DRIVE_EDITS = {"copy", "create", "update", "delete"}
_GMAIL_UNITS = {"send": 100, "create": 10, "get": 20, "list": 5, "getProfile": 1}


@dataclass(slots=True)
class Quotas:
    """Limits per user and window; ``None`` is unlimited.

    ``style`` picks how Drive and Gmail say no: ``403`` (userRateLimitExceeded) or
    ``429``. Docs always answers 429.
    """

    docs_writes: int | None = None
    docs_reads: int | None = None
    drive_units: int | None = None
    gmail_units: int | None = None
    window_s: float = 60.0
    style: int = 403
    retry_after: float | None = None
    _spent: dict[tuple[str, str], deque[tuple[float, int]]] = field(
        default_factory=dict
    )

    def set_real(self) -> None:
        """Use the limits of new projects (2026)."""
        self.docs_writes, self.docs_reads = 60, 300
        self.drive_units, self.gmail_units = 325_000, 6_000

    def spend(self, method_id: str, user: str, now: Callable[[], float]) -> None:
        """Charge one call.

        Raises:
            ApiError: The user was too fast; the refused call costs nothing.
        """
        bucket, units = cost(method_id)
        limit = getattr(self, bucket)
        if limit is None:
            return
        spent = self._spent.setdefault((bucket, user), deque())
        moment = now()
        while spent and spent[0][0] <= moment - self.window_s:
            spent.popleft()
        if sum(amount for _, amount in spent) + units > limit:
            raise self._refusal(bucket)
        spent.append((moment, units))

    def _refusal(self, bucket: str) -> ApiError:
        if bucket.startswith("docs"):
            metric = "Write" if bucket == "docs_writes" else "Read"
            message = (
                f"Quota exceeded for quota metric '{metric} requests' and limit "
                f"'{metric} requests per minute per user' of service "
                "'docs.googleapis.com'."
            )
            return ApiError(429, message, retry_after=self.retry_after)
        return ApiError(
            self.style,
            "User Rate Limit Exceeded. Rate of requests for user exceed configured "
            "project quota.",
            reason="userRateLimitExceeded"
            if self.style != 429
            else "rateLimitExceeded",
            retry_after=self.retry_after,
        )


def cost(method_id: str) -> tuple[str, int]:
    """Return which limit a method counts against, and how much."""
    api, _, rest = method_id.partition(".")
    verb = rest.rpartition(".")[2]
    if api == "docs":
        return ("docs_reads" if verb == "get" else "docs_writes"), 1
    if api == "drive":
        return "drive_units", 50 if verb in _DRIVE_EDITS else _DRIVE_UNITS.get(verb, 5)
    return "gmail_units", _GMAIL_UNITS.get(verb, 5)
