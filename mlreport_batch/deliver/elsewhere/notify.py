"""Short notices to whom Apprise reaches: chats, phones, about a hundred services."""

import re
import time
from typing import Any

from msgspec import Struct

from mlreport_batch.deliver.elsewhere import KEPT, place_of
from mlreport_batch.errors import ConfigError
from mlreport_batch.report.notice import Notice
from mlreport_batch.safety.clean import clean

TRIES = 3
_STATUS = re.compile(r"error=(\d{3})")


class Notices(Struct, frozen=True):
    """What is to be told to whom.

    Attributes:
        urls: As Apprise has them; they hold tokens.
        notices: What.
        timeout_s: Longest time for all of them.
    """

    urls: tuple[str, ...]
    notices: tuple[Notice, ...]
    timeout_s: float


def check_extra() -> None:
    """Make sure that Apprise is there, without loading it.

    Raises:
        ConfigError: It is not.
    """
    from importlib.util import find_spec

    if find_spec("apprise") is None:
        raise ConfigError(
            "notify needs the `notify` extra",
            kept=KEPT,
            advice="pip install 'mlreport-batch[notify]'",
        )


def tell_all(notices: Notices) -> str:
    """Tell notices; return who did not take them, or empty.

    Each service is told by itself, and asked again where it says no: it may have
    taken a notice all the same.
    """
    import apprise

    ends = time.monotonic() + notices.timeout_s
    failed = []
    for number, url in enumerate(notices.urls, 1):
        name = f"address {number} ({clean(place_of(url).partition(':')[0], 40)})"
        service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if service is None:
            failed.append(f"{name} is none that Apprise knows")
            continue
        reasons = [_tell(service, notice, ends) for notice in notices.notices]
        if refused := [reason for reason in reasons if reason]:
            count = f"{len(refused)} of {len(reasons)}"
            failed.append(f"{name} did not take {count} ({refused[0]})")
    return "; ".join(failed)


def _tell(service: Any, notice: Notice, ends: float) -> str:  # noqa: ANN401
    from tenacity import (
        Retrying,
        retry_if_result,
        stop_after_attempt,
        stop_before_delay,
        wait_exponential,
    )

    reasons: list[str] = []
    tries = Retrying(
        stop=stop_after_attempt(TRIES) | stop_before_delay(_left(ends)),
        wait=wait_exponential(multiplier=0.5),
        retry=retry_if_result(bool),
        retry_error_callback=lambda _: reasons[-1],
    )

    def once() -> str:
        reasons.append(_once(service, notice, ends))
        return reasons[-1]

    return str(tries(once))


def _left(ends: float) -> float:
    return max(0.0, ends - time.monotonic())


def _once(service: Any, notice: Notice, ends: float) -> str:  # noqa: ANN401
    import apprise
    from apprise.attachment.memory import AttachMemory

    if _left(ends) <= 0:
        return "no time was left"
    caller = apprise.Apprise()
    caller.add(service)
    attach = None
    if notice.picture and service.attachment_support:
        attach = AttachMemory(notice.picture, name="curve.png", mimetype="image/png")
    kind = apprise.NotifyType.WARNING if notice.is_bad else apprise.NotifyType.INFO
    text = "\n".join(part for part in (notice.text, notice.link) if part)
    result = caller.notify(
        text,
        title=notice.title,
        notify_type=kind,
        body_format=apprise.NotifyFormat.TEXT,
        attach=attach,
    )
    if result:
        return ""
    # Of what it says, only the number holds no token.
    said = " ".join(entry.message for entry in result.logs())
    found = _STATUS.search(said)
    return f"it answered {found[1]}" if found else "it could not be reached"
