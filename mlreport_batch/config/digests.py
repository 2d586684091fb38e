"""When a digest that comes at set times is due."""

import re
from datetime import datetime, timedelta
from typing import Final

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TIMES: Final = rf"(?:daily|weekly (?:{'|'.join(DAYS)})) (?:[01][0-9]|2[0-3]):[0-5][0-9]"
_WHEN = re.compile(r"(?:daily|weekly (\w+)) (\d\d):(\d\d)")


def next_digest(when: str, after: datetime) -> datetime:
    """Return the first time after *after* that a digest is due.

    Args:
        when: ``daily HH:MM`` or ``weekly DAY HH:MM``, by the clock of the zone of
            *after*. A time that the clock leaves out in spring is taken an hour later.
        after: Aware.

    Raises:
        ValueError: *when* names no times.
    """
    match = _WHEN.fullmatch(when)
    if match is None:
        raise ValueError(f"{when!r} names no times of a digest")
    day, hour, minute = match.groups()
    at = after.replace(hour=int(hour), minute=int(minute), second=0, microsecond=0)
    if day is not None:
        at += timedelta(days=(DAYS.index(day) - at.weekday()) % 7)
    if at.timestamp() <= after.timestamp():
        at += timedelta(days=1 if day is None else 7)
    return at
