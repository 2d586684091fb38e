"""Say it in the reader's language.

`english` and `korean` hold every word and sentence that reports and mails speak. What
is filled in is only ever a field's value, never a key or a pattern.
"""

from collections.abc import Mapping
from typing import Final

from mlreport_batch.language.english import ENGLISH
from mlreport_batch.language.korean import KOREAN

CATALOGUES: Final[Mapping[str, Mapping[str, str]]] = {"en": ENGLISH, "ko": KOREAN}


def say(language: str, key: str, /, **fields: object) -> str:
    """Return the text called *key*, its fields filled in.

    A language without a catalogue gets English. Fields are never read as
    patterns, so they may hold anything.

    Raises:
        KeyError: No such key, or a field of the text was not given.
    """
    text = CATALOGUES.get(language, ENGLISH)[key]
    return text.format_map(fields) if fields else text


def label(language: str, group: str, kind: str) -> str:
    """Return the word for *kind* of *group*, or *kind* itself where there is none."""
    key = f"{group}.{kind}"
    return say(language, key) if key in ENGLISH else kind
