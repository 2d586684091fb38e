"""Calls over HTTP: pings and the webhook."""

from typing import Final

from msgspec import Struct

from mlreport_batch.deliver import web
from mlreport_batch.deliver.elsewhere import Bounded, place_of

TRIES: Final = 3
_BUSY: Final = frozenset({429, 500, 502, 503, 504})
_TAKEN_BELOW = 300


class Call(Struct, frozen=True):
    """One POST.

    Attributes:
        url: Where to; may hold a token.
        body: What.
        kind: Its content type.
        timeout_s: Longest time for all tries together.
        is_repeatable: Whether a second one does no harm, so that it is tried again
            although the first may have arrived.
    """

    url: str
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    timeout_s: float = 10.0
    is_repeatable: bool = False


class _Answer(Struct, frozen=True):
    why: str = ""
    may_repeat: bool = False


class Caller:
    """Makes calls in a child process that lives on between them.

    Args:
        timeout_s: Longest time for one of them.
    """

    def __init__(self, timeout_s: float) -> None:
        self._bounded = Bounded(timeout_s, made)

    def post(self, call: Call) -> str:
        """Make a call; return why it was not taken, or empty."""
        why = self._bounded.do(call)
        return f"{place_of(call.url)} {why}" if why else ""

    def close(self) -> None:
        """End the child."""
        self._bounded.close()


def made(call: Call) -> str:
    """Make a call; return why it was not taken, or empty.

    It is made again after what surely did not arrive, and where the server is busy.
    """
    from tenacity import (
        RetryCallState,
        Retrying,
        retry_if_result,
        stop_after_attempt,
        stop_after_delay,
        wait_exponential,
    )

    def last(state: RetryCallState) -> _Answer:
        answer = state.outcome.result() if state.outcome else _Answer("was not asked")
        return answer if isinstance(answer, _Answer) else _Answer("was not asked")

    each_s = call.timeout_s / TRIES
    tries = Retrying(
        stop=stop_after_attempt(TRIES) | stop_after_delay(call.timeout_s - each_s),
        wait=wait_exponential(multiplier=0.5, max=each_s),
        retry=retry_if_result(lambda answer: answer.may_repeat),
        retry_error_callback=last,
    )
    answer: _Answer = tries(_post, call, each_s)
    return answer.why


def _post(call: Call, timeout_s: float) -> _Answer:
    import requests

    headers = {"Content-Type": call.kind}
    try:
        with web.posted(
            call.url, call.body, timeout_s=timeout_s, headers=headers
        ) as answer:
            status = answer.status_code
    except requests.exceptions.SSLError:
        return _Answer("is not trusted: its certificate does not fit")
    except requests.exceptions.ReadTimeout:
        why = f"took the call and did not answer in {timeout_s:.0f} s"
        return _Answer(why, may_repeat=call.is_repeatable)
    except requests.RequestException as exc:
        # What it says holds the address, with all that is secret in it.
        return _Answer(f"cannot be reached ({type(exc).__name__})", may_repeat=True)
    if status < _TAKEN_BELOW:
        return _Answer()
    return _Answer(f"answered {status}", may_repeat=status in _BUSY)
