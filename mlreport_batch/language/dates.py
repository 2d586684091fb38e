"""Time zones by name, the machine's own, and dates as reports show them."""

import os
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from mlreport_batch.language.say import say

_LOCALTIME = Path("/etc/localtime")
_ZONES = "zoneinfo/"


def zone(name: str) -> tzinfo:
    """Return the zone called *name*, or the machine's own where it is empty.

    Raises:
        ValueError: There is no such zone.
    """
    if not name:
        return local_zone()

    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        # A folder of the database, such as "Asia", is an IsADirectoryError.
        raise ValueError(f"there is no time zone {name!r}") from error


def local_zone(localtime: Path = _LOCALTIME) -> tzinfo:
    """Return the machine's zone: ``$TZ``, else what ``/etc/localtime`` is.

    Anything unreadable gives UTC: a wrong clock on a report beats no report.
    """
    import zoneinfo

    wish = os.environ.get("TZ", "").removeprefix(":")
    if wish and not wish.startswith("/"):
        try:
            return zone(wish)
        except ValueError:
            pass  # a POSIX rule such as KST-9, or nonsense
    file = Path(wish) if wish.startswith("/") else localtime
    _, found, name = os.path.realpath(file).rpartition(_ZONES)
    if found:
        name = name.removeprefix("posix/").removeprefix("right/")
        try:
            return zone(name)
        except ValueError:
            pass
    try:
        with file.open("rb") as stream:  # a copy instead of a link
            return zoneinfo.ZoneInfo.from_file(stream)
    except (OSError, ValueError):
        return UTC


def date_text(now: datetime, language: str) -> str:
    """Return the date of *now* as reports show it."""
    month = say(language, "months").split()[now.month - 1]
    return say(language, "date", year=now.year, month=month, day=now.day)


def moment_text(at_s: float, now: datetime, language: str) -> str:
    """Return a time with its zone, and with its day unless that is the day of *now*.

    Args:
        at_s: Seconds since the epoch.
        now: When it is read, aware; in its zone the time is told.
        language: Of the text.
    """
    at = local_now(now.tzinfo, at_s)
    clock = f"{at:%H:%M} {at:%Z}"
    if at.date() == now.date():
        return clock
    month = say(language, "months").split()[at.month - 1]
    key = "moment" if at.year == now.year else "moment_of_year"
    return say(language, key, year=at.year, month=month, day=at.day, clock=clock)


def utc_text(at_s: float) -> str:
    """Return a time, seconds since the epoch, as machines read it: ISO 8601, in UTC."""
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")


def local_now(zone: tzinfo | None, now_s: float) -> datetime:
    """Return *now_s* (seconds since the epoch) in *zone*, or the machine's zone."""
    return datetime.fromtimestamp(now_s, zone).astimezone(zone)
