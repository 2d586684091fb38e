"""Send what is owed, so that no crash loses a mail or gives it a second name.

For each mail: ``new`` -> ``cur`` (rename), send, and at the server's yes ``cur`` ->
``sent`` (rename), before anything else. What happened otherwise is kept in the
state: see the table in ``docs/reliability.md``.
"""

import contextlib
from collections.abc import Callable

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.deliver import Channel, Envelope, Receipt, Session
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
from mlreport_batch.state.spool import Spool
from mlreport_batch.state.store import State

BACKOFF_MAX_S = 3600.0
GIVE_UP_AFTER_S = 5 * 86400.0
GIVE_UP_ATTEMPTS = 5
UNKNOWNS_MAX = 3
CREDENTIAL_WAIT_S = 3600.0


class Policy(Struct, frozen=True):
    """How the sending is done.

    Attributes:
        backoff_s: First wait after a refusal; it doubles up to an hour.
        on_unknown: ``resend`` or ``hold``.
    """

    backoff_s: float = 60.0
    on_unknown: str = "resend"


class Dispatched(Struct):
    """How the sending went.

    Attributes:
        sent: Ids of the mails that were accepted.
        errors: What went wrong, one entry a mail or one for all.
        vanished: Ids whose bytes are gone from the spool.
    """

    sent: list[str] = field(default_factory=list)
    errors: list[MlreportError] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)


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
        self._should_stop = should_stop
        self._lighten = lighten
        self._result = Dispatched()
        self._told: set[str] = set()

    def send_all(self) -> Dispatched:
        """Send every mail that is due, and keep what became of each.

        Raises:
            StateError: Spool or state failed; nothing more was sent.
        """
        due = self._settle_and_choose()
        if due and self._may_connect():
            self._send(due)
        self._remind()
        return self._result

    def _settle_and_choose(self) -> list[Owed]:
        """Forget what is settled; return what is due, oldest first."""
        due: list[Owed] = []
        settled: list[str] = []
        held: list[Owed] = []
        for owed in self._state.owed():
            place = self._spool.place(owed.rid)
            if place == "sent":
                settled.append(owed.rid)
            elif place is None:
                self._result.vanished.append(owed.rid)
            elif owed.held or place == "dead":
                if not owed.held:  # a tick died between the move and this note
                    held.append(replace(owed, held=True))
                    self._result.errors.append(_dead([owed]))
                    self._told.add(owed.rid)
            elif place == "cur" and self._must_hold(owed):
                held.append(replace(owed, held=True, why=owed.why or "outcome unknown"))
                self._result.errors.append(_held(owed))
                self._told.add(owed.rid)
            elif self._is_time(owed.next_at):
                due.append(owed)
        if settled or held:
            self._note(settled, held)
        return due

    def _note(self, settled: list[str], held: list[Owed]) -> None:
        for rid in settled:
            for stray in ("new", "cur"):  # a power loss may bring a name back
                self._spool.discard(rid, stray)
        with self._state.transaction():
            self._state.settle(settled)
            for owed in held:
                self._state.update_owed(owed)

    def _remind(self) -> None:
        """Say once a day that mails are dead or held, until somebody decides."""
        told_at = float(self._state.meta(TOLD_AT, "0"))
        held = [owed for owed in self._state.owed() if owed.held]
        if not held and not told_at:
            return
        is_due = told_at and not told_at <= self._now < told_at + DAY_S
        untold = [owed for owed in held if owed.rid not in self._told]
        if held and told_at and not is_due:
            return
        if untold:
            self._result.errors.append(_dead(untold))
        with self._state.transaction():
            self._state.set_meta(TOLD_AT, repr(self._now) if held else "0")

    def _must_hold(self, owed: Owed) -> bool:
        return self._policy.on_unknown == "hold" or owed.unknowns >= UNKNOWNS_MAX

    def _is_time(self, at: float) -> bool:
        """Return whether a wait until *at* is over.

        No wait is longer than an hour: one that seems so was noted before the clock
        was set back.
        """
        return not self._now < at <= self._now + BACKOFF_MAX_S

    def _may_connect(self) -> bool:
        return self._is_time(float(self._state.meta("channel_next_at", "0")))

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
                self._channel_failed(exc)
                return
            # It took others: this is about the one mail, which waits by itself.
            self._result.errors.append(exc)
        if self._state.meta("channel_next_at", "0") != "0":
            with self._state.transaction():
                self._state.set_meta("channel_next_at", "0")
                self._state.set_meta("channel_failures", "0")
                self._state.set_meta("channel_why", "")

    def _channel_failed(self, exc: MlreportError) -> None:
        self._result.errors.append(exc)
        failures = int(self._state.meta("channel_failures", "0")) + 1
        wait = _wait(self._policy.backoff_s, failures)
        if isinstance(exc, CredentialError):
            wait = CREDENTIAL_WAIT_S  # servers lock accounts after repeated failures
        with self._state.transaction():
            self._state.set_meta("channel_failures", str(failures))
            self._state.set_meta("channel_why", exc.message)
            self._state.set_meta("channel_next_at", repr(self._now + wait))

    def _send_one(self, session: Session, owed: Owed) -> None:
        rid, spool = owed.rid, self._spool
        was_unknown = spool.place(rid) == "cur"
        try:
            message = spool.read(rid, "cur" if was_unknown else "new")
        except StateError as exc:  # the others may be readable
            self._keep(owed, exc, unknowns=owed.unknowns)
            return
        if was_unknown:
            # Whatever becomes of it now, an earlier try may have arrived. A death
            # while it is sent again counts as one more.
            owed = replace(owed, is_partial=True)
            with self._state.transaction():
                self._state.update_owed(replace(owed, unknowns=owed.unknowns + 1))
        else:
            spool.move(rid, "new", "cur")
        try:
            receipt = self._hand_over(session, owed, message)
        except UnknownOutcomeError as exc:
            self._keep(owed, exc, unknowns=owed.unknowns + 1)
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

    def _hand_over(self, session: Session, owed: Owed, message: bytes) -> Receipt:
        """Send a mail, lighter if the server takes none of its size.

        Size alone makes no mail dead: the server's limit, or a mailbox, may change.
        """
        envelope = Envelope(owed.rid, owed.sender, owed.recipients)
        while True:
            try:
                return session.send(message, envelope)
            except TooLargeError as exc:
                # What somebody may have stays as it is.
                lighter = None if owed.is_partial else self._lighten(message)
                if lighter is None:
                    raise DeliveryError(
                        exc.message, kept=exc.kept, advice=exc.advice
                    ) from exc
                self._spool.put(owed.rid, lighter, "cur")
                message = lighter

    def _accepted(self, owed: Owed, receipt: Receipt) -> None:
        left = tuple(r for r in owed.recipients if r in receipt.refused)
        if not left:
            self._spool.move(owed.rid, "cur", "sent")
            self._result.sent.append(owed.rid)
            self._settle(owed.rid)
            return
        refusals = [receipt.refused[r] for r in left]
        for_good = all(refusal.permanent for refusal in refusals)
        why = "; ".join(f"{r.recipient}: {r.answer}" for r in refusals)
        # First the note of who still waits, then the move: whoever was accepted must
        # not get the mail again if this process dies in between.
        rest = replace(
            owed,
            recipients=left,
            attempts=owed.attempts + 1,
            next_at=self._now + _wait(self._policy.backoff_s, owed.attempts + 1),
            held=for_good,
            why=why,
            is_partial=True,
        )
        with self._state.transaction():
            self._state.update_owed(rest)
        self._spool.move(owed.rid, "cur", "dead" if for_good else "new")
        self._result.sent.append(owed.rid)
        if for_good:
            self._told.add(owed.rid)
        kind = RefusedError if for_good else DeliveryError
        self._result.errors.append(
            kind(
                f"mail {owed.rid} ({owed.subject}) was refused for {why}",
                kept="The others have it; it is kept for the refused",
                advice="`mlreport-batch retry` sends it to them again, "
                f"`mlreport-batch drop {owed.rid}` gives up"
                if for_good
                else "It is tried again by itself",
            )
        )

    def _settle(self, rid: str) -> None:
        # The tombstone is the truth; forgetting the debt may fail without harm.
        with contextlib.suppress(StateError), self._state.transaction():
            self._state.settle([rid])
            self._spool.bury_tombstone(rid)

    def _keep(self, owed: Owed, exc: MlreportError, *, unknowns: int) -> None:
        kept = replace(
            owed,
            unknowns=unknowns,
            attempts=owed.attempts + 1,
            next_at=self._now + _wait(self._policy.backoff_s, owed.attempts + 1),
            why=exc.message,
        )
        with self._state.transaction():
            self._state.update_owed(kept)
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
            next_at=self._now + _wait(self._policy.backoff_s, owed.attempts + 1),
            why=exc.message,
        )
        with self._state.transaction():
            self._state.update_owed(kept)

    def _refused(self, owed: Owed, exc: MlreportError) -> None:
        self._spool.move(owed.rid, "cur", "dead")
        with self._state.transaction():
            self._state.update_owed(replace(owed, held=True, why=exc.message))
        self._told.add(owed.rid)
        self._result.errors.append(
            RefusedError(
                f"mail {owed.rid} ({owed.subject}) will not be sent: {exc.message}",
                kept=f"It is kept as {self._spool.path('dead', owed.rid)}",
                advice=f"`mlreport-batch retry {owed.rid}` sends it again, "
                f"`mlreport-batch drop {owed.rid}` gives it up",
            )
        )


def _wait(first_s: float, attempts: int) -> float:
    return float(min(BACKOFF_MAX_S, first_s * 2 ** min(attempts - 1, 20)))


def _dead(mails: list[Owed]) -> RefusedError:
    oldest = mails[0]
    which = f"mail {oldest.rid} ({oldest.subject})"
    if len(mails) > 1:
        which += f" and {len(mails) - 1} more"
    why = oldest.why or "nobody knows whether it was taken"
    return RefusedError(
        f"{which} will not be sent: {why}",
        kept="Kept until you decide; this is said once a day",
        advice="`mlreport-batch status` lists them, `mlreport-batch retry` sends them "
        "again, `mlreport-batch drop RID` gives one up",
    )


def _held(owed: Owed) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"nobody knows whether mail {owed.rid} ({owed.subject}) was taken",
        kept="It is held",
        advice=f"Look whether it arrived, then `mlreport-batch drop {owed.rid}` or "
        f"`mlreport-batch retry {owed.rid}`",
    )
