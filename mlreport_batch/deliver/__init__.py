"""Hand a frozen mail to whoever carries it: one module per channel.

A channel is made from its config table (`config.channels`). It is opened once a tick
and sends many mails:

    with channel.open() as session:
        receipt = session.send(message, envelope)

``send`` returns only when the mail was accepted. Everything else is an
exception of `mlreport_batch.errors`: `DeliveryError` (surely not accepted, try
again), `RefusedError` (refused for good), `UnknownOutcomeError` (the connection
was lost after the last byte), `ChannelDownError` (no mail can go out now) and
`CredentialError` (a person must act).
"""

import hashlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct, field


class Envelope(Struct, frozen=True):
    """Who a mail is from and to, apart from its headers.

    Attributes:
        rid: The report's id, for messages and file names.
        sender: The bare address of the sender.
        recipients: Bare addresses; only those still owed a copy.
        was_tried: Whether nobody knows what became of an earlier try.
    """

    rid: str
    sender: str
    recipients: tuple[str, ...]
    was_tried: bool = False


class Refusal(Struct, frozen=True):
    """Why one recipient did not get a mail that others got."""

    recipient: str
    permanent: bool
    answer: str


class Receipt(Struct, frozen=True):
    """A mail was accepted, for all recipients but the refused ones."""

    answer: str = ""
    refused: Mapping[str, Refusal] = field(default_factory=dict)


class Session(Protocol):
    """An open way out, used for the mails of one tick."""

    def send(self, message: bytes, envelope: Envelope) -> Receipt:
        """Return when *message* was accepted.

        Raises:
            DeliveryError: Not accepted; the subclass says what is known.
            CredentialError: The credential was refused.
            ConfigError: What carries the mails cannot be used as configured.
        """


class Channel(Protocol):
    """Port: how mails leave this machine."""

    def open(self) -> AbstractContextManager[Session]:
        """Connect and log in.

        Raises:
            ChannelDownError: Nobody answers, or the server refuses us now.
            CredentialError: The credential was refused.
            ConfigError: The server cannot be trusted as configured.
        """

    def credential(self) -> str:
        """Return what changes when somebody renews the credential, or empty."""

    def check(self) -> str:
        """Say in one line that the channel works, without sending anything.

        Raises:
            MlreportError: It does not; the message says what to do.
        """


def fingerprint(*parts: object) -> str:
    """Return what is kept of *parts* to see that one of them changed.

    A password may be among them: 16 bits tell a new one, and nothing of the old.
    """
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:4]


class Policy(Struct, frozen=True):
    """How the sending is done.

    Attributes:
        backoff_s: First wait after a refusal; it doubles up to an hour.
        on_unknown: ``resend`` or ``hold``.
        config: The config file whose mails are sent, empty for no file.
    """

    backoff_s: float = 60.0
    on_unknown: str = "resend"
    config: str = ""
