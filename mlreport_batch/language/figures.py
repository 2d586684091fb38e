"""Figures as people read them: numbers, sizes, durations, small curves."""

import math
from collections.abc import Iterable

from mlreport_batch.language.say import say
from mlreport_batch.safety.clean import Scalar, clean

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


_BLOCKS = "▁▂▃▄▅▆▇█"


_LARGE = 1e7
_SMALL = 1e-4
_FAR = 1e3
_EXACT = 100.0
_PLACES_MAX = 15


def number(value: float, digits: int = 5) -> str:
    """Return *value* for a table cell: *digits* significant digits, no separators.

    A value that is not whole never reads as a whole number: 0.999999 is not 1.
    """
    try:
        size = abs(float(value))
    except OverflowError:
        return _power(int(value))
    if math.isnan(size):
        return "NaN"
    if math.isinf(size):
        return "inf" if value > 0 else "-inf"
    places = places_of([value], digits)
    return _scientific(value, digits) if places is None else _fixed(value, places)


def places_of(values: Iterable[float], digits: int = 4) -> int | None:
    """Return with how many decimals *values* are written side by side.

    The least of them gets *digits* significant ones, less what would be zeros for all.

    Returns:
        None where no one number of decimals fits them: each is written by itself.
    """
    known = [value for value in values if math.isfinite(value)]
    sizes = [abs(value) for value in known if value]
    if not sizes or (max(sizes) < _LARGE and all(v == int(v) for v in sizes)):
        return 0
    least, most = min(sizes), max(sizes)
    if most >= _LARGE or least < _SMALL or most > least * _FAR:
        return None
    places = max(1, digits - 1 - math.floor(math.log10(least)))
    while places > 1 and all(round(v, places - 1) == round(v, places) for v in known):
        places -= 1
    while places < _PLACES_MAX and any(_reads_whole(value, places) for value in known):
        places += 1
    return places


def _reads_whole(value: float, places: int) -> bool:
    """Return whether a value that is nearly whole would read as if it were."""
    short = round(value, places)
    return abs(value) < _EXACT and value != int(value) and short == int(short)


def figure(value: float, places: int | None) -> str:
    """Return *value* with *places* decimals, see `places_of`, where they fit it."""
    if places is None or not math.isfinite(value) or abs(value) >= _LARGE:
        return number(value)
    is_fit = not value or abs(value) >= 10.0 ** (1 - places)
    return _fixed(value, places) if is_fit else number(value, 4)


def with_unit(text: str, unit: str) -> str:
    """Return a number with its unit, if it has one and is a number."""
    is_number = text[-1:].isdigit()
    return f"{text} {unit}" if unit and is_number else text


def _fixed(value: float, places: int) -> str:
    return f"{value + 0.0:.{places}f}"


def _scientific(value: float, digits: int) -> str:
    return _trim(f"{value:.{digits - 1}e}")


def _power(value: int) -> str:
    """Return a whole number that no float can hold: ``1.5e400``."""
    exponent = math.log10(abs(value))
    sign = "-" if value < 0 else ""
    return sign + _trim(f"{10 ** (exponent % 1):.4f}e{int(exponent)}")


def _short(text: str) -> str:
    return _trim(text) if "e" in text else text


def _trim(text: str) -> str:
    """Return a power of ten in its one form: ``3e-5`` for ``3.0000e-05``."""
    mantissa, _, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{int(exponent)}"


def signed(value: float, places: int | None = None) -> str:
    """Return *value* with its sign always shown, as for a change.

    Args:
        value: The change.
        places: The decimals of what changed; a change too small for them has its own.
    """
    if math.isnan(value):
        return "NaN"
    if value == 0:
        return "±0"
    text = number(value, 4)
    if places is not None and round(value, places):
        text = figure(value, places)
    return text if text.startswith("-") else "+" + text


def step_text(step: float | None) -> str:
    """Return a step with thousands separators: ``12,000``, ``5.5``."""
    if step is None:
        return ""
    if not math.isfinite(step) or abs(step) >= 1e15:  # noqa: PLR2004
        return number(step)
    if step == int(step):
        return f"{int(step):,}"
    # Like a value, a step that is not whole never reads as a whole number.
    text = f"{step:,.4f}".rstrip("0")
    return _short(f"{step:,.9g}") if text.endswith(".") else text


def size_text(size_bytes: int) -> str:
    """Return a file size with three digits at most: ``41.2 MB`` (powers of 1000)."""
    value = float(size_bytes)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:  # noqa: PLR2004
            if unit == "B" or value >= 100:  # noqa: PLR2004
                return f"{value:.0f} {unit}"
            return f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def duration_text(seconds: float, language: str = "en") -> str:
    """Return a length of time in its two largest units: ``2 d 3 h``, ``45 s``."""
    units = [
        say(language, f"time.{unit}") for unit in ("day", "hour", "minute", "second")
    ]
    left = int(max(0.0, seconds))
    parts = []
    for unit, length in zip(units, (86400, 3600, 60, 1), strict=True):
        amount, left = divmod(left, length)
        if amount:
            parts.append(f"{amount}{unit}")
        elif parts:
            break
        if len(parts) == 2:  # noqa: PLR2004
            break
    return " ".join(parts) or f"0{units[-1]}"


def sparkline(values: list[float | None], width: int = 16) -> str:
    """Return *values* as block characters, oldest first, at most *width* long.

    Gaps (None) are shown as ``·``; a constant course is a line of middle blocks.
    """
    values = thinned(values, width)
    finite = [value for value in values if value is not None]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return "".join("·" if value is None else _BLOCKS[3] for value in values)
    return "".join(
        "·" if value is None else _BLOCKS[min(7, int((value - low) / span * 8))]
        for value in values
    )


def thinned(values: list[float | None], width: int) -> list[float | None]:
    """Return *values* as at most *width* means of neighbours, gaps left out of them."""
    if len(values) <= width:
        return values
    return [
        _mean(values[i * len(values) // width : (i + 1) * len(values) // width])
        for i in range(width)
    ]


def _mean(values: list[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return sum(finite) / len(finite) if finite else None


def percent_text(share: float) -> str:
    """Return a share of a whole, 0 to 1: ``29 %``."""
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 or not percent else "< 1 %"


def scalar_text(value: Scalar, limit: int = 200) -> str:
    """Return a hyperparameter as its owner would write it; never nothing."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        text = f"{int(value)}.0" if _is_small_whole(value) else repr(value)
        return _short(text)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else number(value)
    return clean(value, limit) or '""'


def _is_small_whole(value: float) -> bool:
    return math.isfinite(value) and value == int(value) and abs(value) < 1e15  # noqa: PLR2004
