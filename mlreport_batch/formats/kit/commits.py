"""Of which commit a program was, as a text of its run."""

import re

from mlreport_batch.formats import Text
from mlreport_batch.safety.masking.redact import shown_block

_DIRTY = ", changed"
_SAID = re.compile(rf"(?m)^\s*(?:git\.)?commit: ([0-9a-f]{{7,64}})({_DIRTY})?\s*$")


def commit_text(commit: str, *, is_dirty: bool = False) -> Text:
    """Return the text that says of which *commit* a program was.

    The word before it says that it is no secret.

    Args:
        commit: Its hash.
        is_dirty: Whether the program differed from it.
    """
    dirty = _DIRTY if is_dirty else ""
    return Text("commit", shown_block(f"commit: {commit[:100]}{dirty}"))


def commit_in(text: str) -> tuple[str, bool]:
    """Return the commit that a text names, or nothing, and whether it was changed."""
    found = _SAID.search(text)
    return (found[1], bool(found[2])) if found else ("", False)
