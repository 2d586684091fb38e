"""Figures as people read them: numbers, sizes, durations, small curves."""

import math

from mlreport_batch.language.say import say
from mlreport_batch.safety.clean import Scalar, clean

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")


_BLOCKS = "▁▂▃▄▅▆▇█"


def number(value: float, digits: int = 5) -> str:  # noqa: PLR0911
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
    if value == int(value) and size < 1e7:  # noqa: PLR2004
        return str(int(value))
    if size >= 1e7 or size < 1e-4:  # noqa: PLR2004
        return _trim(f"{value:.{digits - 1}e}")
    for wanted in range(digits, 17):
        text = f"{value:.{wanted}g}"
        if "e" not in text and ("." in text or wanted >= 16):  # noqa: PLR2004
            short = float(text)
            if short != int(short) or value == int(value):
                return text
    return repr(value)


def _power(value: int) -> str:
    """Return a whole number that no float can hold: ``1.5e+400``."""
    exponent = math.log10(abs(value))
    sign = "-" if value < 0 else ""
    return sign + _trim(f"{10 ** (exponent % 1):.4f}e+{int(exponent)}")


def _trim(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}e{exponent}"


def signed(value: float) -> str:
    """Return *value* with its sign always shown, as for a change."""
    if math.isnan(value):
        return "NaN"
    if value == 0:
        return "±0"
    text = number(value, 4)
    return text if text.startswith("-") else "+" + text


def step_text(step: float | None) -> str:
    """Return a step with thousands separators: ``12,000``, ``5.5``."""
    if step is None:
        return ""
    if not math.isfinite(step) or abs(step) >= 1e15:  # noqa: PLR2004
        return number(step)
    if step == int(step):
        return f"{int(step):,}"
    text = f"{step:,.4f}".rstrip("0")
    # Like a value, a step that is not whole never reads as a whole number.
    return number(step) if text.endswith(".") else text


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
    if len(values) > width:
        values = [
            _mean(values[i * len(values) // width : (i + 1) * len(values) // width])
            for i in range(width)
        ]
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


def _mean(values: list[float | None]) -> float | None:
    finite = [value for value in values if value is not None]
    return sum(finite) / len(finite) if finite else None


def scalar_text(value: Scalar, limit: int = 200) -> str:
    """Return a hyperparameter as its owner would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{int(value)}.0" if _is_small_whole(value) else repr(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**18 else number(value)
    return clean(value, limit)


def _is_small_whole(value: float) -> bool:
    return math.isfinite(value) and value == int(value) and abs(value) < 1e15  # noqa: PLR2004
