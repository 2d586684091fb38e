"""Send mails through the Gmail API.

``messages.send`` has no key that makes a second call harmless, so every mail is sent
by one request that nothing repeats. What Google surely refused is tried again; what
nobody knows is told as such, after a look under Sent where the grant allows it.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress

from msgspec import Struct, field

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.deliver import Envelope, Receipt
from mlreport_batch.deliver.headers import addressed
from mlreport_batch.errors import (
    ChannelDownError,
    DeliveryError,
    MlreportError,
    RefusedError,
    UnknownOutcomeError,
)
from mlreport_batch.google.api.account import LOOK_SCOPES, credential_of, mail_scopes
from mlreport_batch.google.api.client import GoogleClient, Json
from mlreport_batch.google.api.explain import common_error
from mlreport_batch.google.api.pace import Pace
from mlreport_batch.google.api.transport import NOT_FOR_NOW, GoogleError
from mlreport_batch.google.threads import Threads, going_on
from mlreport_batch.state.store import State

_KEPT = "The mail is kept and tried again"
_LAGS = (1, 2, 4)  # waits before each look under Sent, in ``settle_s``
# Longer waits are the dispatcher's: a tick does not sit out an hour.
_PACE = Pace(budget_s=45.0)


class GmailChannel(Struct, frozen=True):
    """The config table ``google``, for ``mail.via: gmail``.

    Its *state*, if any, keeps the conversations; tests scale the *pace*.
    """

    settings: GoogleSettings
    pace: Pace = field(default_factory=lambda: _PACE)
    state: State | None = None

    @contextmanager
    def open(self) -> Iterator["GmailSession"]:
        """Read the credential; Google is asked with the first mail."""
        client = GoogleClient(self.settings, mail_scopes(self.settings), self.pace)
        threads = Threads(self.state)
        with closing(client), closing(threads):
            yield GmailSession(client, threads)

    def credential(self) -> str:
        """Return what changes with the account or its credential file."""
        return credential_of(self.settings)

    def check(self) -> str:
        """Return one line when Google grants a token for sending."""
        from mlreport_batch.google.setup import token_line

        return token_line(self.settings, mail_scopes(self.settings))


class GmailSession:
    """Sends mails for one account."""

    def __init__(self, client: GoogleClient, threads: Threads) -> None:
        self._client = client
        self._threads = threads

    def send(self, message: bytes, envelope: Envelope) -> Receipt:
        """Return when Google took *message*.

        Google takes a mail for all recipients or for none. It reads them from the
        mail; where only some are still owed, the header is cut to them.
        """
        data = addressed(message, envelope.recipients)
        if envelope.was_tried and self._was_sent(envelope.rid):
            return Receipt("Gmail, found under Sent")
        try:
            made = self._sent(data)
        except GoogleError as exc:
            if exc.is_accepted:
                return Receipt("Gmail, the answer was cut short")
            if exc.is_lost and self._was_sent(envelope.rid, _LAGS):
                return Receipt("Gmail, found under Sent")
            raise self._explained(exc, envelope.rid) from exc
        return Receipt(f"Gmail {made.get('id', '')}".rstrip())

    def _sent(self, data: bytes) -> Json:
        """Send a mail into the conversation of its run; without it, if that is gone."""
        thread = self._threads.of(data)
        made: Json | None = None
        if thread.gmail_id:
            try:
                made = self._client.send(going_on(data, thread), thread.gmail_id)
            except GoogleError as exc:
                if exc.status not in (400, 404):
                    raise
        if made is None:
            made = self._client.send(data)
        self._threads.keep(thread, str(made.get("threadId", "")), data)
        return made

    def _was_sent(self, rid: str, lags: Sequence[int] = (0,)) -> bool:
        """Look under Sent after each of *lags*, if the grant allows to."""
        if self._client.account.scopes & LOOK_SCOPES:
            with suppress(GoogleError):
                for lag in lags:
                    time.sleep(lag * self._client.pace.settle_s)
                    if self._client.was_sent(rid):
                        return True
        return False

    def _explained(self, error: GoogleError, rid: str) -> MlreportError:
        account, said = self._client.account, error.said
        if error.is_lost:
            return UnknownOutcomeError(
                f"nobody knows whether Gmail took mail {rid}: {error}",
                kept="It is kept; mail.on_unknown decides what becomes of it",
            )
        if error.is_busy or error.reason in NOT_FOR_NOW:
            return ChannelDownError(
                f"Gmail's sending limit is reached: {said}",
                kept="All mails are kept and tried again",
                advice="A personal account may send about 500 mails a day, a Workspace"
                " account 2,000",
            )
        if error.may_pass:
            return ChannelDownError(
                f"Gmail cannot be reached: {said}", kept=_KEPT, advice="See the network"
            )
        found = common_error(error, account)
        if found is None and error.status in (400, 413):
            found = RefusedError(f"Gmail refuses mail {rid}: {said}")
        if found is None and error.status == 403:  # noqa: PLR2004
            found = account.refused(said)
        return found or DeliveryError(
            f"Gmail did not take mail {rid}: {error}", kept=_KEPT
        )
