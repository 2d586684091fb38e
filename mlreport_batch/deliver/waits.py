"""How long is waited after a failure, and when a wait is over.

A wait after a refusal is its credential's: it is over once that is another.
"""

from collections.abc import Callable

from mlreport_batch.deliver import Channel
from mlreport_batch.errors import ConfigError, CredentialError, MlreportError
from mlreport_batch.state.store import State

WAIT_MAX_S = 3600.0
CREDENTIAL_WAIT_S = 3600.0
ENGINE_REFUSED = "engine_refused"
"""Where the state keeps a refusal of the engine's; the channel's is beside it."""
_REFUSED = "channel_refused"


class Waits:
    """The waits of one channel, and of its mails.

    Args:
        state: Keeps them.
        channel: The way out.
        first_s: The first wait; it doubles up to an hour.
        now: Seconds since the epoch.
    """

    def __init__(
        self, state: State, channel: Channel, *, first_s: float, now: float
    ) -> None:
        self._state = state
        self._channel = channel
        self._first_s = first_s
        self._now = now

    def after(self, attempts: int) -> float:
        """Return when a mail is tried again that was tried so often."""
        return self._now + self._seconds(attempts)

    def is_over(self, at: float) -> bool:
        """Return whether a wait until *at* is over.

        No wait is longer than an hour: one that seems so was noted before the clock
        was set back.
        """
        return not self._now < at <= self._now + WAIT_MAX_S

    def may_open(self, count: int) -> tuple[bool, MlreportError | None]:
        """Return whether the channel is tried, and the refusal that holds if not.

        Args:
            count: How many mails wait for it.
        """
        if self.is_over(float(self._state.meta("channel_next_at", "0"))):
            return True, None
        if not (found := self._state.meta(_REFUSED)):
            return False, None
        code, credential, why = found.split(" ", 2)
        if credential != self._channel.credential():
            return True, None
        return False, still_refused(f"{_mails(count)}: {why}", int(code))

    def failed(self, exc: MlreportError, count: int) -> MlreportError:
        """Keep that the channel failed while *count* mails wait; return what to say."""
        said, mark = exc, ""
        if is_refusal(exc):
            mark = refusal(exc, self._channel.credential())
            if is_told(self._state.meta, mark):
                said = still_refused(f"{_mails(count)}: {exc.message}", exc.exit_code)
        failures = int(self._state.meta("channel_failures", "0")) + 1
        wait = self._seconds(failures)
        if isinstance(exc, CredentialError):
            wait = CREDENTIAL_WAIT_S  # servers lock accounts after repeated failures
        self._set(failures, exc.message, mark, self._now + wait)
        return said

    @property
    def has_failed(self) -> bool:
        """Whether the channel failed when it was last opened."""
        return bool(self._state.meta("channel_why"))

    def end(self) -> None:
        """Forget that the channel failed; a transaction is the caller's."""
        self._set(0, "", "", 0.0)

    def _set(self, failures: int, why: str, mark: str, next_at: float) -> None:
        with self._state.transaction():
            self._state.set_meta("channel_failures", str(failures))
            self._state.set_meta("channel_why", why)
            self._state.set_meta(_REFUSED, mark)
            self._state.set_meta("channel_next_at", repr(next_at) if next_at else "0")

    def _seconds(self, attempts: int) -> float:
        return float(min(WAIT_MAX_S, self._first_s * 2 ** min(attempts - 1, 20)))


def is_refusal(exc: MlreportError) -> bool:
    """Whether *exc* holds until a person renews or mends something."""
    return isinstance(exc, CredentialError | ConfigError)


def refusal(exc: MlreportError, credential: str) -> str:
    """Return what is kept of a refusal: its exit code, the credential, its words."""
    return f"{exc.exit_code} {credential} {exc.message}"


def is_told(meta: Callable[[str], str], mark: str) -> bool:
    """Whether an earlier tick has told the refusal *mark*, channel or engine."""
    return mark in (meta(_REFUSED), meta(ENGINE_REFUSED))


def still_refused(text: str, code: int) -> MlreportError:
    """Return what is said of a refusal that an earlier tick has told in full."""
    kind = CredentialError if code == CredentialError.exit_code else ConfigError
    return kind(text, advice="`mlreport-batch check` says what to do")


def _mails(count: int) -> str:
    return "1 mail waits" if count == 1 else f"{count:,} mails wait"
