"""Which time zone the machine is in, and zones by name."""

import os
from datetime import UTC, tzinfo
from pathlib import Path

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
