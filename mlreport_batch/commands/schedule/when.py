"""When ticks start: every so many minutes, or once a day."""

import re

from msgspec import Struct

from mlreport_batch.errors import UsageError

DEFAULT = "15"
_HOUR_MIN = 60
_DAY_MIN = 24 * _HOUR_MIN
_EVERY = re.compile(r"(\d{1,4}) ?(m|min|minutes|h|hours?|)")
_DAILY = re.compile(r"(?:daily )?([01]?\d|2[0-3]):([0-5]\d)")
_ADVICE = 'Take minutes such as 15 or 90, hours such as 2h, or "daily 07:00"'


class When(Struct, frozen=True):
    """When ticks start.

    Attributes:
        every_min: Minutes between two ticks, a divisor of a day.
        first_min: The first tick of a day, in minutes after midnight.
    """

    every_min: int = 15
    first_min: int = 0

    @property
    def divides_an_hour(self) -> bool:
        """Whether all hours are alike."""
        return _HOUR_MIN % self.every_min == 0

    @property
    def words(self) -> str:
        """How a person says it."""
        if self.every_min == _DAY_MIN:
            return f"daily at {self.first_min // 60:02}:{self.first_min % 60:02}"
        return (
            f"every {self.every_min} minutes" if self.every_min > 1 else "every minute"
        )

    def rules(self) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """Return (minutes, hours) that together are all starts of a day, a pair each.

        Hours that are alike stand together.
        """
        of_hours: dict[int, list[int]] = {}
        for start in range(self.first_min, _DAY_MIN, self.every_min):
            of_hours.setdefault(start // _HOUR_MIN, []).append(start % _HOUR_MIN)
        alike: dict[tuple[int, ...], list[int]] = {}
        for hour, minutes in of_hours.items():
            alike.setdefault(tuple(minutes), []).append(hour)
        return [(minutes, tuple(hours)) for minutes, hours in alike.items()]

    def cron_fields(self) -> list[str]:
        """Return the five fields of each crontab line."""
        return [
            f"{_field(minutes, _HOUR_MIN)} {_field(hours, 24)} * * *"
            for minutes, hours in self.rules()
        ]

    def calendar(self) -> list[str]:
        """Return the ``OnCalendar`` of each line of a systemd timer."""
        if self.every_min == _HOUR_MIN:
            return ["hourly"]
        if self.divides_an_hour:
            return [f"*:0/{self.every_min}"]
        return [
            f"*-*-* {','.join(map(str, hours))}:{','.join(map(str, minutes))}:00"
            for minutes, hours in self.rules()
        ]


def when_of(text: str | None) -> When:
    """Return when ticks start by what a person wrote.

    Args:
        text: ``15``, ``90 min``, ``2h``, ``daily 07:00`` or ``07:00``; None is the
            default.

    Raises:
        UsageError: It is none of these, or does not divide a day.
    """
    words = " ".join((DEFAULT if text is None else text).lower().split())
    if match := _DAILY.fullmatch(words):
        return When(_DAY_MIN, int(match[1]) * _HOUR_MIN + int(match[2]))
    match = _EVERY.fullmatch(words)
    if match is None:
        raise UsageError(f"{text!r} is no time to start at", advice=_ADVICE)
    every_min = int(match[1]) * (_HOUR_MIN if match[2].startswith("h") else 1)
    if every_min < 1 or _DAY_MIN % every_min:
        divisors = [each for each in range(1, _DAY_MIN + 1) if _DAY_MIN % each == 0]
        near = sorted(divisors, key=lambda each: abs(each - every_min))[:2]
        raise UsageError(
            f"every {every_min} minutes does not divide a day",
            advice=f"Take {min(near)} or {max(near)}",
        )
    return When(every_min)


def _field(values: tuple[int, ...], count: int) -> str:
    """Return *values* out of ``range(count)`` as a field of a crontab line."""
    first, step = values[0], values[1] - values[0] if len(values) > 1 else count
    if values != tuple(range(first, count, step)) or first >= step:
        return ",".join(map(str, values))
    if step == 1:
        return "*"
    if step == count:
        return str(first)
    return f"*/{step}" if first == 0 else f"{first}-{count - 1}/{step}"
