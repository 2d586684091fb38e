"""What is said of mails that were not taken."""

from collections.abc import Sequence

from mlreport_batch.errors import DeliveryError, RefusedError, UnknownOutcomeError
from mlreport_batch.state.owed import Owed


def not_for_all(owed: Owed, why: str, *, for_good: bool) -> DeliveryError:
    """Return what is said of a mail that some recipients have and some have not."""
    kind = RefusedError if for_good else DeliveryError
    return kind(
        f"mail {owed.rid} ({owed.subject}) was refused for {why}",
        kept="The others have it; it is kept for the refused",
        advice="`mlreport-batch retry` sends it to them again, "
        f"`mlreport-batch drop {owed.rid}` gives up"
        if for_good
        else "It is tried again by itself",
    )


def refused(owed: Owed, why: str, path: str) -> RefusedError:
    """Return what is said of a mail that is dead from now on, kept at *path*."""
    return RefusedError(
        f"mail {owed.rid} ({owed.subject}) will not be sent: {why}",
        kept=f"It is kept as {path}",
        advice=f"`mlreport-batch retry {owed.rid}` sends it again, "
        f"`mlreport-batch drop {owed.rid}` gives it up",
    )


def dead(mails: Sequence[Owed]) -> RefusedError:
    """Return what is said of mails that wait for a person."""
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


def held_back(owed: Owed) -> UnknownOutcomeError:
    """Return what is said of a mail that somebody may have."""
    return UnknownOutcomeError(
        f"nobody knows whether mail {owed.rid} ({owed.subject}) was taken",
        kept="It is held",
        advice=f"Look whether it arrived, then `mlreport-batch drop {owed.rid}` or "
        f"`mlreport-batch retry {owed.rid}`",
    )


def of_others(mails: Sequence[Owed]) -> DeliveryError:
    """Return what is said of mails that another config must send."""
    count = "1 mail waits" if len(mails) == 1 else f"{len(mails):,} mails wait"
    return DeliveryError(
        f"{count} here for {mails[0].config}, which uses the same state",
        kept="Kept for it: only that config knows how they are to be sent",
        advice="Run that config, or hand them over with `mlreport-batch retry`; better "
        "give each config a `state` of its own",
    )
