"""Send what is owed, so that no crash loses a mail or gives it a second name.

For each mail: ``new`` -> ``cur`` (rename), send, and at the server's yes ``cur`` ->
``sent`` (rename), before anything else. What happened otherwise is kept in the
state: see the table in ``docs/reliability.md``.
"""

import contextlib
from collections.abc import Callable

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.deliver import Channel, Envelope, Policy, Receipt, Session
from mlreport_batch.deliver.messages import (
    dead,
    held_back,
    not_for_all,
    of_others,
    refused,
)
from mlreport_batch.deliver.waits import Waits, is_refusal
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    DeliveryError,
    MlreportError,
    RefusedError,
    StateError,
    TooLargeError,
    UnknownOutcomeError,
)
from mlreport_batch.state.idle import DAY_S, TOLD_AT
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.record import amend, left_of
from mlreport_batch.state.spool import Spool, digest_of
from mlreport_batch.state.store import State

GIVE_UP_AFTER_S = 5 * 86400.0
GIVE_UP_ATTEMPTS = 5
UNKNOWNS_MAX = 3


class Dispatched(Struct):
    """How the sending went.

    Attributes:
        sent: Ids of the mails that were accepted.
        errors: What went wrong, one entry a mail or one for all.
        vanished: What became of mails whose bytes are not in the spool, by their ids.
    """

    sent: list[str] = field(default_factory=list)
    errors: list[MlreportError] = field(default_factory=list)
    vanished: dict[str, str] = field(default_factory=dict)


class Dispatcher:
    """Sends the owed mails of one state over one channel.

    Args:
        state: Knows what is owed; its lock is held by the caller.
        spool: Holds the bytes.
        channel: The way out.
        policy: How the sending is done.
        now: Seconds since the epoch.
        should_stop: Asked before each mail; true after SIGTERM.
        lighten: Returns a mail without a part that it can do without, or None.
    """

    def __init__(
        self,
        state: State,
        spool: Spool,
        channel: Channel,
        policy: Policy,
        now: float,
        should_stop: Callable[[], bool] = lambda: False,
        lighten: Callable[[bytes], bytes | None] = lambda _: None,
    ) -> None:
        self._state = state
        self._spool = spool
        self._channel = channel
        self._policy = policy
        self._now = now
        self._waits = Waits(state, channel, first_s=policy.backoff_s, now=now)
        self._should_stop = should_stop
        self._lighten = lighten
        self._result = Dispatched()
        self._told: set[str] = set()
        self._settled: list[str] = []

    def send_all(self) -> Dispatched:
        """Send every mail that is due, and keep what became of each.

        Raises:
            StateError: Spool or state failed; nothing more was sent.
        """
        due = self._settle_and_choose()
        may_open, refused_still = self._waits.may_open(len(due))
        if due and may_open:
            self._send(due)
        elif due and refused_still is not None:
            self._result.errors.append(refused_still)
        self._remind()
        return self._result

    def _settle_and_choose(self) -> list[Owed]:
        """Forget what is settled; return what is due, oldest first."""
        due: list[Owed] = []
        settled: list[str] = []
        held: list[Owed] = []
        others: list[Owed] = []
        missing: list[Owed] = []
        for owed in self._state.owed():
            place = self._spool.place(owed.rid)
            if place == "sent":
                settled.append(owed.rid)
            elif not owed.is_of(self._policy.config):
                others.append(owed)
            elif place is None:
                self._result.vanished[owed.rid] = "is gone from the spool"
                missing.append(owed)
            else:
                self._choose(owed, place, due, held)
        if settled or held:
            self._note(settled, held)
        if others:
            self._result.errors.append(of_others(others))
        # What is lost is told anew from before it, with what was told since.
        lost = {path for mail in missing for path in mail.runs}
        return [mail for mail in due if mail.is_partial or lost.isdisjoint(mail.runs)]

    def _choose(
        self, owed: Owed, place: str, due: list[Owed], held: list[Owed]
    ) -> None:
        """Add a mail to those that are *due*, or that are *held* from now on."""
        if place == "cur":
            try:
                left = left_of(self._spool, owed)
            except StateError as exc:  # some may have it; the others can be sent
                self._result.errors.append(exc)
                return
            if left != owed.recipients:
                owed, place = self._recalled(owed, left), "new"
        if owed.held or place == "dead":
            if not owed.held:  # a tick died between the move and this note
                held.append(replace(owed, held=True))
                self._result.errors.append(dead([owed]))
                self._told.add(owed.rid)
        elif place == "cur" and (
            self._policy.on_unknown == "hold" or owed.unknowns >= UNKNOWNS_MAX
        ):
            held.append(replace(owed, held=True, why=owed.why or "outcome unknown"))
            self._result.errors.append(held_back(owed))
            self._told.add(owed.rid)
        elif self._waits.is_over(owed.next_at):
            due.append(owed)

    def _recalled(self, owed: Owed, left: tuple[str, ...]) -> Owed:
        """Return *owed* with what a tick could not note that ended after the send.

        It is known how the send ended: who is not *left* has the mail.
        """
        owed = replace(owed, recipients=left, is_partial=True)
        with self._state.transaction():
            self._state.owe(owed)
        self._spool.move(owed.rid, "cur", "new")
        return owed

    def _note(self, settled: list[str], held: list[Owed]) -> None:
        for stray in ("new", "cur"):  # a power loss may bring a name back
            self._spool.discard(settled, stray)
        with self._state.transaction():
            self._state.settle(settled)
            for owed in held:
                self._state.owe(owed)
        for owed in held:
            amend(self._spool, owed)
        for rid in settled:
            self._spool.bury_tombstone(rid)

    def _remind(self) -> None:
        """Say once a day that mails are dead or held, until somebody decides."""
        told_at = float(self._state.meta(TOLD_AT, "0"))
        held = [owed for owed in self._state.owed() if owed.held]
        if not held and not told_at:
            return
        if held and told_at and told_at <= self._now < told_at + DAY_S:
            return
        if untold := [owed for owed in held if owed.rid not in self._told]:
            self._result.errors.append(dead(untold))
        with self._state.transaction():
            self._state.set_meta(TOLD_AT, repr(self._now) if held else "0")

    def _send(self, due: list[Owed]) -> None:
        try:
            with self._channel.open() as session:
                # One that takes the server down must not be first for ever.
                for owed in sorted(due, key=lambda owed: owed.attempts):
                    if self._should_stop():
                        break
                    self._send_one(session, owed)
        except (ChannelDownError, CredentialError, ConfigError) as exc:
            if not self._result.sent:
                self._result.errors.append(self._waits.failed(exc, len(due)))
                return
            # It took others: this is about the one mail, which waits by itself.
            self._result.errors.append(exc)
        self._settle()

    def _send_one(self, session: Session, owed: Owed) -> None:
        rid, spool = owed.rid, self._spool
        was_unknown = spool.place(rid) == "cur"
        try:
            message = spool.read(rid, "cur" if was_unknown else "new")
        except StateError as exc:  # the others may be readable
            self._keep(owed, exc, unknowns=owed.unknowns)
            return
        if owed.digest and digest_of(message) != owed.digest:
            self._damaged(owed, "cur" if was_unknown else "new")
            return
        if was_unknown:
            # Whatever becomes of it now, an earlier try may have arrived. A death
            # while it is sent again counts as one more.
            owed = replace(owed, is_partial=True)
            with self._state.transaction():
                self._state.owe(replace(owed, unknowns=owed.unknowns + 1))
        else:
            spool.move(rid, "new", "cur")
        self._hand_over(session, owed, message, was_unknown=was_unknown)

    def _hand_over(
        self, session: Session, owed: Owed, message: bytes, *, was_unknown: bool
    ) -> None:
        """Send a mail, and keep what became of it."""
        recipients = owed.recipients
        envelope = Envelope(owed.rid, owed.sender, recipients, was_tried=was_unknown)
        try:
            receipt = session.send(message, envelope)
        except UnknownOutcomeError as exc:
            self._keep(owed, exc, unknowns=owed.unknowns + 1)
        except TooLargeError as exc:
            # What somebody may have stays as it is.
            lighter = None if owed.is_partial else self._lighten(message)
            if lighter is None:
                # Size alone makes no mail dead: the server's limit may change.
                why = DeliveryError(exc.message, kept=exc.kept, advice=exc.advice)
                self._back(owed, why, was_unknown=was_unknown)
                self._result.errors.append(why)
                return
            owed = self._lightened(owed, lighter)
            self._hand_over(session, owed, lighter, was_unknown=was_unknown)
        except RefusedError as exc:
            self._refused(owed, exc)
        except (ChannelDownError, CredentialError, ConfigError) as exc:
            self._back(owed, exc, was_unknown=was_unknown)
            raise
        except DeliveryError as exc:
            self._back(owed, exc, was_unknown=was_unknown)
            self._result.errors.append(exc)
        else:
            self._accepted(owed, receipt)

    def _lightened(self, owed: Owed, message: bytes) -> Owed:
        """Keep that a mail goes out as another *message*."""
        owed = replace(owed, digest=digest_of(message))
        with self._state.transaction():
            self._state.owe(owed)
        amend(self._spool, owed)
        self._spool.put(owed.rid, message, "cur")
        self._spool.sync("cur")
        return owed

    def _damaged(self, owed: Owed, place: str) -> None:
        """Never send what was not written; its runs, if known, are told anew."""
        found = "was damaged on the disk"
        if owed.runs:
            self._spool.discard([owed.rid], place)
            self._result.vanished[owed.rid] = found
            return
        if place == "new":
            self._spool.move(owed.rid, "new", "cur")
        self._refused(owed, StateError(found))

    def _accepted(self, owed: Owed, receipt: Receipt) -> None:
        left = tuple(r for r in owed.recipients if r in receipt.refused)
        if not left:
            self._spool.move(owed.rid, "cur", "sent")
            self._result.sent.append(owed.rid)
            self._settled.append(owed.rid)
            return
        refusals = [receipt.refused[r] for r in left]
        for_good = all(refusal.permanent for refusal in refusals)
        why = "; ".join(f"{r.recipient}: {r.answer}" for r in refusals)
        # First its record of who still waits, then the move: whoever was accepted must
        # not get the mail again if this process dies in between, or if the state
        # cannot be written.
        rest = replace(
            owed,
            recipients=left,
            attempts=owed.attempts + 1,
            next_at=self._waits.after(owed.attempts + 1),
            held=for_good,
            why=why,
            is_partial=True,
        )
        try:
            amend(self._spool, rest)
        finally:  # one of the two is enough
            with self._state.transaction():
                self._state.owe(rest)
        self._spool.move(owed.rid, "cur", "dead" if for_good else "new")
        self._result.sent.append(owed.rid)
        if for_good:
            self._told.add(owed.rid)
        self._result.errors.append(not_for_all(owed, why, for_good=for_good))

    def _settle(self) -> None:
        """Forget the debts of what was sent, and that the channel was down."""
        was_down = self._waits.has_failed
        if not self._settled and not was_down:
            return
        # The tombstones are the truth; forgetting the debts may fail without harm.
        with contextlib.suppress(StateError), self._state.transaction():
            self._state.settle(self._settled)
            if was_down:
                self._waits.end()
        for rid in self._settled:
            self._spool.bury_tombstone(rid)

    def _keep(self, owed: Owed, exc: MlreportError, *, unknowns: int) -> None:
        kept = replace(
            owed,
            unknowns=unknowns,
            attempts=owed.attempts + 1,
            next_at=self._waits.after(owed.attempts + 1),
            why=exc.message,
        )
        with self._state.transaction():
            self._state.owe(kept)
        self._result.errors.append(exc)

    def _back(self, owed: Owed, exc: MlreportError, *, was_unknown: bool) -> None:
        """Keep a mail that was surely not accepted this time."""
        # Attempts count too: a clock that was set forward makes no mail old.
        is_old = self._now - owed.created_at > GIVE_UP_AFTER_S
        has_tried = owed.attempts + 1 >= GIVE_UP_ATTEMPTS
        if is_old and has_tried and isinstance(exc, DeliveryError):
            self._refused(owed, exc)
            return
        if not was_unknown:
            self._spool.move(owed.rid, "cur", "new")
        kept = replace(
            owed,
            attempts=owed.attempts + 1,
            # A refusal is the channel's, which waits for all of them.
            next_at=0.0 if is_refusal(exc) else self._waits.after(owed.attempts + 1),
            why=exc.message,
        )
        with self._state.transaction():
            self._state.owe(kept)

    def _refused(self, owed: Owed, exc: MlreportError) -> None:
        self._spool.move(owed.rid, "cur", "dead")
        with self._state.transaction():
            self._state.owe(replace(owed, held=True, why=exc.message))
        self._told.add(owed.rid)
        path = self._spool.path("dead", owed.rid)
        self._result.errors.append(refused(owed, exc.message, path))
