"""AllenNLP: a ``metrics_epoch_N.json`` after every epoch."""

import re
from collections.abc import Iterable

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Outcome,
    Point,
    Problem,
    Result,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping
from mlreport_batch.formats.kit.documents import load_mapping
from mlreport_batch.formats.kit.json_values import leaves
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.safety.masking.redact import shown_name

_NAME = re.compile(r"metrics_epoch_(\d{1,9})\.json")


def _matches_allennlp_epoch(candidate: Candidate) -> Match | None:
    """Claim it by its name."""
    if not _NAME.fullmatch(candidate.name):
        return None
    return Match(Role.metrics, series="allennlp", note="AllenNLP epoch")


def _parse_allennlp_epoch(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield one point per number."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    named = _NAME.fullmatch(chunk.path.rpartition("/")[2])
    epoch = float(named[1]) if named else 0.0
    for key, item in leaves(document):
        value = value_of(item)
        hidden = key.startswith(("best_", "training_start", "training_epochs"))
        if value is not None and not hidden and not is_bookkeeping(key):
            yield Point(shown_name(key), epoch, value)


ALLENNLP_EPOCH = LogFormat(
    name="allennlp",
    matches=_matches_allennlp_epoch,
    parse=_parse_allennlp_epoch,
    whole_file=True,
)
"""Each file is one row; the epoch is in its name.

``best_*`` repeats an earlier row, and ``metrics.json``, which ends the run, is
read as results.
"""


def _matches_allennlp_summary(candidate: Candidate) -> Match | None:
    """Claim a ``metrics.json`` that names the best epoch, beside the epochs."""
    if candidate.name != "metrics.json" or b'"best_epoch"' not in candidate.head:
        return None
    if not any(map(_NAME.fullmatch, candidate.siblings)):
        return None
    return Match(Role.context, note="AllenNLP summary")


def _parse_allennlp_summary(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the values as results, and that the run is over."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    for key, item in leaves(document):
        value = value_of(item)
        if value is not None and not is_bookkeeping(key):
            yield Result(shown_name(key), value)
    if document:
        yield Outcome("finished", "metrics.json is there")


ALLENNLP_SUMMARY = LogFormat(
    name="allennlp_summary",
    matches=_matches_allennlp_summary,
    parse=_parse_allennlp_summary,
    whole_file=True,
)
"""``metrics.json``, which is written when the training is over."""
