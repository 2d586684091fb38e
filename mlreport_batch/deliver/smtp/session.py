"""The mails of one tick on their way to an SMTP server.

What matters is when something fails: before the final dot a mail was surely not
taken; after it nobody knows, unless the server says so.
"""

import contextlib
import logging
import re

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.deliver import Envelope, Receipt, Refusal
from mlreport_batch.deliver.smtp.connect import ALL_KEPT, Link, connect, down
from mlreport_batch.deliver.smtp.server import place_of
from mlreport_batch.deliver.smtp.wire import Answer, Wire, WireError
from mlreport_batch.errors import (
    CredentialError,
    DeliveryError,
    MlreportError,
    RefusedError,
    TooLargeError,
    UnknownOutcomeError,
)
from mlreport_batch.language.figures import size_text
from mlreport_batch.safety.clean import clean

log = logging.getLogger(__name__)

_KEPT = "The mail is kept and tried again in the next tick"
_DEAD = "The mail is kept under dead/"
# Printable, no blank, < or >; other letters only before the @.
_ADDRESS = re.compile(r"[^\s\x00-\x1f<>\x7f-\x9f\ud800-\udfff]+@[!-;=?-~]+")
_LOGIN_WANTED = frozenset({530, 534, 535, 538})
_SEND_IT = 354
_TOO_LARGE = 552  # RFC 1870; also what a full mailbox answers
_QUIT_S = 5.0


class SmtpSession:
    """A connection for the mails of a tick, renewed when the server ends it."""

    def __init__(self, server: SmtpSettings) -> None:
        self._server = server
        self._link: Link | None = connect(server)
        self._is_used = False

    def send(self, message: bytes, envelope: Envelope) -> Receipt:
        """Return as soon as the server has taken *message*.

        Raises:
            DeliveryError: It was surely not taken.
            RefusedError: Refused for good, by the server or for all recipients.
            UnknownOutcomeError: The server fell silent after the final dot.
            ChannelDownError: No mail can go out now.
            CredentialError: The server wants a login, or another one.
            ConfigError: It had to be reached anew and is not trusted any more.
        """
        wire = self._begin(message, envelope)
        refused = self._name_recipients(wire, envelope)
        answer = self._ask(wire, "DATA", envelope)
        if answer.code != _SEND_IT:
            raise self._refusal(answer, "DATA", envelope)
        return Receipt(str(self._hand_over(wire, message, envelope)), refused)

    def describe(self) -> str:
        """Return one line about the connection."""
        parts = [f"smtp {place_of(self._server)}"]
        if self._link is not None:
            parts.append(self._link.wire.protection)
            if self._server.username:
                parts.append(f"logged in as {clean(self._server.username, 100)}")
            if limit := self._link.size_limit:
                parts.append(f"takes mails up to {size_text(limit)}")
        return ", ".join(parts)

    def close(self) -> None:
        """Say goodbye. Nothing that happens here matters to any mail."""
        if self._link is not None:
            with contextlib.suppress(WireError):
                self._link.wire.send(b"QUIT\r\n")
                self._link.wire.read(min(_QUIT_S, self._server.timeout_s))
        self._drop()

    def _begin(self, message: bytes, envelope: Envelope) -> Wire:
        """Open a transaction, over a new connection if the old one has ended."""
        self._check_addresses(envelope)
        while True:
            link, was_used = self._ready(envelope)
            if 0 < link.size_limit < len(message):
                raise TooLargeError(
                    f"Mail {envelope.rid} is a message of {len(message)} bytes,"
                    f" server {place_of(self._server)} takes {link.size_limit}",
                    kept=_KEPT,
                    advice="Report fewer metrics, or use a server that takes more",
                )
            size = f" SIZE={len(message)}" if "SIZE" in link.features else ""
            wide = self._wide(link, message, envelope)
            try:
                line = f"MAIL FROM:<{envelope.sender}>{size}{wide}"
                answer = self._ask(link.wire, line, envelope)
            except DeliveryError:
                if was_used:
                    continue  # a server may hang up after so many mails
                raise
            self._is_used = True
            if not answer.is_yes:
                raise self._refusal(answer, "MAIL", envelope)
            return link.wire

    def _wide(self, link: Link, message: bytes, envelope: Envelope) -> str:
        """Return what to ask for where an address is not plain ASCII (RFC 6531)."""
        addresses = (envelope.sender, *envelope.recipients)
        if message.isascii() and all(map(str.isascii, addresses)):
            return ""
        if "SMTPUTF8" not in link.features:
            raise RefusedError(
                f"{place_of(self._server)} carries no addresses with other letters"
                f" than ASCII (SMTPUTF8), and mail {envelope.rid} has one",
                kept=_DEAD,
                advice="Name an ASCII alias in the config, or another server; then"
                f" mlreport-batch retry {envelope.rid}",
            )
        return " BODY=8BITMIME SMTPUTF8"

    def _check_addresses(self, envelope: Envelope) -> None:
        for address in (envelope.sender, *envelope.recipients):
            if not _ADDRESS.fullmatch(address):
                raise RefusedError(
                    f"{clean(address)!r} cannot be mailed to (mail {envelope.rid})",
                    kept=_DEAD,
                    advice="Correct the address in the config",
                )

    def _ready(self, envelope: Envelope) -> tuple[Link, bool]:
        """Return a connection without a transaction, and whether it had one before."""
        if self._link is not None and self._is_used:
            with contextlib.suppress(DeliveryError):
                if self._ask(self._link.wire, "RSET", envelope).is_no:
                    self._drop()
        if self._link is None:
            self._is_used = False
            self._link = connect(self._server)
        return self._link, self._is_used

    def _name_recipients(self, wire: Wire, envelope: Envelope) -> dict[str, Refusal]:
        """Return the refused recipients; at least one is not among them."""
        refused: dict[str, Refusal] = {}
        codes: list[int] = []
        recipients = dict.fromkeys(envelope.recipients)
        for address in recipients:
            answer = self._ask(wire, f"RCPT TO:<{address}>", envelope)
            if answer.is_go_on or answer.code in _LOGIN_WANTED:
                raise self._refusal(answer, "RCPT", envelope)
            if not answer.is_yes:
                # A mail that is too large for one may get smaller, or its box emptier.
                is_never = answer.is_never and answer.code != _TOO_LARGE
                refused[address] = Refusal(address, is_never, str(answer))
                codes.append(answer.code)
        if len(refused) < len(recipients):
            return refused
        answers = "; ".join(f"{r.recipient}: {r.answer}" for r in refused.values())
        what = f"{place_of(self._server)} refused all recipients of mail {envelope.rid}"
        if all(code == _TOO_LARGE for code in codes):
            raise TooLargeError(f"{what}: {clean(answers, 600)}", kept=_KEPT)
        if all(refusal.permanent for refusal in refused.values()):
            raise RefusedError(
                f"{what}: {clean(answers, 600)}",
                kept=_DEAD,
                advice=f"Correct the addresses, or mlreport-batch retry {envelope.rid}",
            )
        raise DeliveryError(f"{what}: {clean(answers, 600)}", kept=_KEPT)

    def _hand_over(self, wire: Wire, message: bytes, envelope: Envelope) -> Answer:
        stuffed = re.sub(rb"^\.", b"..", message, flags=re.MULTILINE)
        if not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
        try:
            wire.send(stuffed)
            # The last moment at which a lost connection surely means "not taken".
            wire.expect_silence()
        except WireError as exc:
            self._drop()
            if exc.answer is not None and exc.answer.is_no:
                raise self._refusal(exc.answer, "the text", envelope) from exc
            raise self._cut(exc, "the text", envelope) from exc
        place, seconds = place_of(self._server), self._server.final_timeout_s
        log.info("Waiting up to %g s for %s to take %s", seconds, place, envelope.rid)
        try:
            wire.send(b".\r\n")
            answer = wire.read(seconds)
        except WireError as exc:
            raise self._lost(str(exc), envelope) from exc
        if answer.is_go_on:
            raise self._lost(f"answered {answer}", envelope)
        if not answer.is_yes:
            raise self._refusal(answer, "the final dot", envelope)
        return answer

    def _ask(self, wire: Wire, line: str, envelope: Envelope) -> Answer:
        stage = line.partition(" ")[0]
        try:
            answer = wire.command(line)
        except WireError as exc:
            raise self._cut(exc, stage, envelope) from exc
        if answer.is_goodbye:
            raise self._refusal(answer, stage, envelope)
        return answer

    def _refusal(self, answer: Answer, stage: str, envelope: Envelope) -> MlreportError:
        """Return what *answer* means for a mail that was not taken."""
        if answer.is_goodbye:
            self._drop()
            return down(self._server, f"answered {answer}", stage)
        what = f"{place_of(self._server)} answered {answer}"
        what = f"{what} (at {stage} of mail {envelope.rid})"
        if answer.code in _LOGIN_WANTED:
            advice = "Set smtp.username and its password, or renew them"
            return CredentialError(what, kept=ALL_KEPT, advice=advice)
        if answer.code == _TOO_LARGE:
            return TooLargeError(what, kept=_KEPT)
        if answer.is_never:
            advice = f"mlreport-batch retry {envelope.rid}, or drop {envelope.rid}"
            return RefusedError(what, kept=_DEAD, advice=advice)
        if not answer.is_no:
            self._drop()  # an answer to no question of ours: start anew
        return DeliveryError(what, kept=_KEPT)

    def _cut(self, exc: WireError, stage: str, envelope: Envelope) -> DeliveryError:
        """Return the error for a dialogue that broke before the mail was taken."""
        self._drop()
        if exc.answer is not None and exc.answer.is_goodbye:
            return down(self._server, str(exc), stage)
        what = f"{place_of(self._server)} {exc} (at {stage} of mail {envelope.rid})"
        return DeliveryError(what, kept=_KEPT)

    def _lost(self, reason: str, envelope: Envelope) -> UnknownOutcomeError:
        self._drop()
        return UnknownOutcomeError(
            f"{place_of(self._server)} {reason} after the whole of mail {envelope.rid}"
            " was sent, so nobody knows whether it was taken",
            kept="It is kept; mail.on_unknown says whether it is sent again",
            advice="Look whether it arrived; a second copy has the same Message-ID",
        )

    def _drop(self) -> None:
        if self._link is not None:
            self._link.wire.close()
            self._link = None
