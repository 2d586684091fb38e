"""What is told beside the mails: notices, pings, calls, figures.

None of it holds up a mail or changes an exit code, and none of it is owed: what a
service does not take within a few tries is said in one line, and gone. What talks to
others runs in a child process, which ends when its time is over.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from mlreport_batch.config.channels import (
    NotifySettings,
    PingSettings,
    WebhookSettings,
)
from mlreport_batch.errors import ConfigError, CredentialError
from mlreport_batch.safety.address import is_loopback
from mlreport_batch.safety.private import secret_of

KEPT = "The mails are as they were"

_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/\S*)?")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_GRACE_S = 5.0

_Task = TypeVar("_Task")


def address_of(settings: PingSettings | WebhookSettings, key: str) -> str:
    """Return the address that *settings* lead to.

    Args:
        settings: The table of the config.
        key: Its name.

    Raises:
        CredentialError: There is none.
        ConfigError: It is no address, or others can read its file.
    """
    url, where = _secret(settings.url_env, settings.url_file, key, "url")
    match = _URL.fullmatch(url.strip())
    if match is None or (match[1] == "http" and not is_loopback(match[2])):
        raise ConfigError(
            f"{key}: {where} holds no https:// address (http: only towards"
            " this machine)",
            kept=KEPT,
            advice="Put the address alone there",
        )
    return match[0].rstrip("/")


def addresses_of(settings: NotifySettings) -> tuple[str, ...]:
    """Return the addresses of all who get notices, as Apprise has them.

    Raises:
        CredentialError: There is none.
        ConfigError: One is no address, or others can read the file.
    """
    text, where = _secret(settings.urls_env, settings.urls_file, "notify", "urls")
    lines = (line.strip() for line in text.splitlines())
    found = [part for line in lines if line[:1] != "#" for part in line.split()]
    for number, url in enumerate(found, 1):
        if _SCHEME.match(url) is None:
            raise ConfigError(
                f"notify: address {number} in {where} is none, such as ntfys://TOPIC",
                kept=KEPT,
                advice="Apprise's documentation lists the services and their addresses",
            )
    if not found:
        raise _none("notify", where)
    return tuple(found)


def _secret(env: str | None, path: Path | None, key: str, name: str) -> tuple[str, str]:
    advice = "Put the address there, readable by you alone (chmod 600)"
    secret, where = secret_of(env, path, f"{key}.{name}_file", kept=KEPT, advice=advice)
    if not secret.strip():
        raise _none(key, where)
    return secret, where


def _none(key: str, where: str) -> CredentialError:
    return CredentialError(
        f"{key}: there is no address in {where}",
        kept=KEPT,
        advice=f"Put it where cron sees it, or take `{key}` out of the config",
    )


def place_of(url: str) -> str:
    """Return what messages may say of an address: all behind it may be a token."""
    match = _URL.match(url)
    if match is not None:
        return "".join(part or "" for part in (match[1], "://", match[2], match[3]))
    scheme = _SCHEME.match(url)
    return scheme[1] if scheme else "?"


class Bounded(Generic[_Task]):
    """Does work in a child process of its own: whatever it does, it ends in time.

    The child lives on between tasks, so that what it imports is paid once.

    Args:
        timeout_s: Seconds that *work* gives itself; a little later it is ended.
        work: Returns one line, empty where all went well.
    """

    def __init__(self, timeout_s: float, work: Callable[[_Task], str]) -> None:
        from mlreport_batch.safety.child import BoundedChild

        self._child = BoundedChild(partial(_guarded, work), wall_s=timeout_s + _GRACE_S)

    def do(self, task: _Task) -> str:
        """Return ``work(task)``, or why it did not end."""
        from mlreport_batch.safety.child import ChildFailedError

        try:
            return self._child.call(task)
        except ChildFailedError as exc:
            return f"the process that does it {exc}"

    def close(self) -> None:
        """End the child."""
        self._child.close()


def within(timeout_s: float, work: Callable[[_Task], str], task: _Task) -> str:
    """Return what *work* returns for one *task*; see `Bounded`."""
    bounded = Bounded(timeout_s, work)
    try:
        return bounded.do(task)
    finally:
        bounded.close()


def _guarded(work: Callable[[_Task], str], task: _Task) -> str:
    try:
        return work(task)
    except Exception as exc:  # noqa: BLE001 - what it says may hold an address
        return f"could not be done ({type(exc).__name__})"
