"""Who gets mails, and how many: the table ``mail`` of the config."""

from typing import Literal

from msgspec import Struct

from mlreport_batch.config.builder import setting
from mlreport_batch.config.digests import TIMES
from mlreport_batch.config.kinds import (
    Flag,
    FlagOr,
    ListOf,
    OneOf,
    OrNull,
    Seconds,
    Text,
    Whole,
)
from mlreport_batch.config.places import Address, AddressOrDomain


class MailSettings(Struct, frozen=True):
    """Who gets mails, and how many."""

    via: Literal["outbox", "smtp", "sendmail", "gmail"] = setting(
        OneOf(("outbox", "smtp", "sendmail", "gmail")),
        "outbox",
        help="The way out; `outbox` lays `.eml` files into a folder",
    )
    sender: str = setting(
        Address(),
        "ML reports <ml-reports@localhost>",
        key="from",
        help="The sender; needed unless `via` is `outbox`",
        example="ML reports <ml@lab.example>",
    )
    to: tuple[str, ...] = setting(
        ListOf(Address(), at_least=1),
        ["me@localhost"],
        help="The recipients; needed unless `via` is `outbox` or all `runs` have their"
        " own",
        example="[me@lab.example]",
    )
    allow_to: tuple[str, ...] = setting(
        ListOf(AddressOrDomain()),
        [],
        help="Whom a run's own `intent.yaml` may add as recipients, beside the domains"
        " of `from` and `to` in which not everybody can have an address",
        example="[lab.example, kim@gmail.com]",
    )
    cc: tuple[str, ...] = setting(
        ListOf(Address()),
        [],
        help="Who gets a copy of every mail, whoever it is to",
        example="[lab@lab.example]",
    )
    reply_to: str | None = setting(
        OrNull(Address()),
        None,
        help="Where answers go; null is the sender",
        example="kim@lab.example",
    )
    digest: bool | str = setting(
        FlagOr(Text(TIMES, "daily HH:MM or weekly DAY HH:MM")),
        default=False,
        help="One mail for all runs of a tick; or at set times of `report.timezone`,"
        " with alerts and ends at once in between",
        example="daily 07:00",
    )
    group_done: bool = setting(
        Flag(),
        default=True,
        help="One mail when all runs of a group are over, in place of that about the"
        " last one",
    )
    max_per_tick: int = setting(
        Whole(1, 10_000),
        20,
        help="Most mails of one tick; the runs beyond share one digest",
    )
    backoff_s: float = setting(
        Seconds(1, 3600),
        60,
        help="First wait after a refusal; it doubles up to an hour",
    )
    on_unknown: Literal["resend", "hold"] = setting(
        OneOf(("resend", "hold")),
        "resend",
        help="What to do when the line broke and nobody knows whether a mail was taken:"
        " send the same bytes again, or hold the mail for `retry` and `drop`",
    )
