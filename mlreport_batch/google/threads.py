"""Which of Gmail's conversations a run's mails are in, for the sender's own mailbox.

Gmail puts a mail into a conversation for its sender where it names Gmail's id of that,
refers to a mail in it and has its subject. Recipients see one by our References alone.
"""

import hashlib
import json
from typing import Final

from msgspec import Struct

from mlreport_batch.deliver.headers import fields, rewritten
from mlreport_batch.state.store import State

_KEY: Final = "gmail_threads"
_MOST: Final = 200  # conversations remembered; a forgotten one begins anew


class Thread(Struct, frozen=True):
    """A conversation.

    Attributes:
        key: What its mails have in common; empty for a mail that belongs to none.
        gmail_id: Gmail's id of it, empty before its first mail.
        first: Message-ID of its first mail.
    """

    key: str
    gmail_id: str = ""
    first: str = ""


class Threads:
    """The conversations of one state; without one, each mail begins its own."""

    def __init__(self, state: State | None) -> None:
        self._state = state
        self._is_new = False
        known = "{}" if state is None else state.meta(_KEY, "{}")
        self._known: dict[str, list[str]] = json.loads(known)

    def of(self, message: bytes) -> Thread:
        """Return the conversation that *message* belongs to."""
        said = fields(message, b"References|Subject")
        found = {name.lower(): value for name, value in said}
        if b"references" not in found:
            return Thread("")
        parts = found[b"references"], found.get(b"subject", b"")
        key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]
        return Thread(key, *self._known.get(key, ()))

    def keep(self, thread: Thread, gmail_id: str, message: bytes) -> None:
        """Keep that *message*, the first of *thread*, is in *gmail_id*."""
        if thread.key and gmail_id and thread.gmail_id != gmail_id:
            first = next((value for _, value in fields(message, b"Message-ID")), b"")
            self._known.pop(thread.key, None)  # to be the newest
            self._known[thread.key] = [gmail_id, first.decode("ascii", "replace")]
            self._is_new = True

    def close(self) -> None:
        """Write what was kept into the state."""
        if self._is_new and self._state is not None:
            newest = dict(list(self._known.items())[-_MOST:])
            with self._state.transaction():
                self._state.set_meta(_KEY, json.dumps(newest))


def going_on(message: bytes, thread: Thread) -> bytes:
    """Return *message* as one that answers the first mail of *thread*."""
    first = thread.first.encode()
    answering = b"In-Reply-To: %s\r\nReferences: %%s\r\n %s\r\n" % (first, first)
    return rewritten(
        message, b"In-Reply-To", b"References", lambda found: answering % found[2]
    )
