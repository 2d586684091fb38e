"""What the run's owner meant it to be: ``intent.yaml`` or ``intent.json``."""

from collections.abc import Iterable

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Intent,
    Item,
    LogFormat,
    Match,
    Memory,
    Problem,
    Role,
)
from mlreport_batch.formats.kit.documents import flatten, load_mapping, stem_of, texts
from mlreport_batch.safety.clean import clean, shorten
from mlreport_batch.safety.masking.redact import redact_text, shown

_KEYS = frozenset(["purpose", "expect", "to"])
_PURPOSE_MAX = 2000
_LONG = 20_000
_TO_MAX = 5


def _matches(candidate: Candidate) -> Match | None:
    """Claim ``intent.yaml``, ``intent.yml`` and ``intent.json``."""
    stem, suffix = stem_of(candidate.name)
    if stem == "intent" and suffix in (".yaml", ".yml", ".json"):
        return Match(Role.intent, note="named intent")
    return None


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the intent and name the keys that have no meaning."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    for key in document:
        if key not in _KEYS:
            told = shorten(shown(key), 60)
            text = f"unknown key '{told}'; known are expect, purpose, to"
            problems.append(Problem(chunk.path, None, text))
    expect = document.get("expect")
    if expect is not None and not isinstance(expect, dict):
        text = "expect must be names with values; it is passed over"
        problems.append(Problem(chunk.path, None, text))
    purpose = document.get("purpose")
    addresses = list(texts(document.get("to")))
    if len(addresses) > _TO_MAX:
        text = f"to: only the first {_TO_MAX} of {len(addresses):,} addresses count"
        problems.append(Problem(chunk.path, None, text))
    yield from problems
    if document:
        yield Intent(
            flatten(expect if isinstance(expect, dict) else {}),
            clean(redact_text(" ".join(purpose[:_LONG].split())), _PURPOSE_MAX)
            if isinstance(purpose, str)
            else "",
            tuple(clean(address) for address in addresses[:_TO_MAX]),
        )


INTENT_FILE = LogFormat(
    name="intent",
    matches=_matches,
    parse=_parse,
    whole_file=True,
)
"""``purpose``, ``expect`` (intended hparams) and ``to``, each optional."""
