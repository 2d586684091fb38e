"""Text that is safe to show."""

import re
from functools import lru_cache

from mlreport_batch.safety.patterns import late

Scalar = str | int | float | bool | None
"""A hyperparameter or other single value read from a run directory."""

REPLACEMENT = "\ufffd"
ELLIPSIS = "…"

# C0 and C1 controls, line and paragraph separators, bidirectional overrides and
# isolates, the deprecated format characters beside them, lone surrogates,
# non-characters, and invisible tag characters.
_UNSAFE = late(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_UNSAFE_IN_BLOCK = late(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_ANSI = late(r"\x1b\[[0-?]*[ -/]*[@-~]")
_UNSEEN = (
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufeff\U000e0000-\U000e007f]"
)
_HAS_UNSEEN = late(_UNSEEN)
_HIDDEN = late(rf"(?:\x1b\[[0-?]*[ -/]*[@-~]|{_UNSEEN})+")


def clean(text: str, limit: int = 300) -> str:
    """Return *text* as one line that is safe in any output, at most *limit* long.

    Characters that could break out of a line, hide or reorder text, or that no
    encoder takes become U+FFFD. Escaping for HTML, CSV or headers is still the
    business of whoever writes those.
    """
    if text.isascii() and text.isprintable() and len(text) <= limit:
        return text
    return shorten(_UNSAFE.sub(REPLACEMENT, _ANSI.sub("", text)), limit)


def without_hidden(text: str, mark: str = "") -> str:
    """Return *text* with *mark* for colours, controls and all that takes no room."""
    if text.replace("\n", "").isprintable() or not _HAS_UNSEEN.search(text):
        return text
    return _HIDDEN.sub(mark, text)


def escape_unsafe(text: str) -> str:
    """Return *text*, which is JSON, with what is unsafe in a terminal as escapes."""
    if text.isascii() and text.isprintable():
        return text
    import json

    return _UNSAFE.sub(lambda match: json.dumps(match[0])[1:-1], text)


def clean_block(text: str, *, max_lines: int = 40, max_columns: int = 160) -> str:
    """Return *text* with its lines kept, safe to show in fixed width."""
    whole = _UNSAFE_IN_BLOCK.sub(
        REPLACEMENT, _ANSI.sub("", text.replace("\r\n", "\n")).expandtabs(4)
    )
    lines = [shorten(line.rstrip(), max_columns) for line in whole.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) > max_lines:
        hidden = len(lines) - max_lines
        lines = [*lines[:max_lines], f"{ELLIPSIS} ({hidden} more lines)"]
    return "\n".join(lines)


def shorten(text: str, limit: int) -> str:
    """Return *text* cut to *limit* characters, with an ellipsis where it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


@lru_cache(maxsize=1024)
def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Return a sort key that puts ``checkpoint-96`` before ``checkpoint-108``."""
    return tuple(
        (0, int(part), "") if part.isdigit() and part.isascii() else (1, 0, part)
        for part in re.split(r"(\d{1,18})", text)
        if part
    )
