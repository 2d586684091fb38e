"""What trainings print: lines in captured output that hold metrics.

Such a file is used only where a run has no log that is written for machines.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Hparams,
    Item,
    LogFormat,
    Match,
    Memory,
    Point,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import has_sure_step, is_bookkeeping
from mlreport_batch.formats.kit.documents import flatten, stem_of
from mlreport_batch.formats.kit.json_values import leaves, load_document
from mlreport_batch.formats.kit.lines import object_in, read_json_lines
from mlreport_batch.formats.kit.numbers import to_number, value_of
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.tables import is_printed, printed_header_in
from mlreport_batch.formats.kit.text import head_lines, lines_of
from mlreport_batch.safety.masking.redact import shown_name

_SUFFIXES = (".log", ".txt", ".out", ".err", "")
_XGBOOST = re.compile(r"(?:.*\s)?\[(?P<step>\d{1,9})\]\t(?P<pairs>\S.*)")
_PAIR = re.compile(r"(?P<name>[^\t:]+?) ?: ?(?P<value>[^\s+]+)(?: ?\+ ?\S+)?")
# Without its prefix, LightGBM repeats the best iteration's lines after an early stop.
_LIGHTGBM = re.compile(
    r"\[LightGBM\] \[Info\] Iteration:(?P<step>\d{1,9}), "
    r"(?P<name>.+?) : (?P<value>\S+)"
)
_COMPOSER = re.compile(
    r"\[metric\]\[(?:batch|epoch|step|iteration)=(?P<step>\d{1,12})\]: "
    r"(?P<name>[^:]+(?::[^: ]+)*): (?P<value>\S+)"
)
_COMPOSER_HPARAM = re.compile(r"\[hyperparameter\]: (?P<name>[^:]+): (?P<value>.*)")
# LightGBM's early_stopping() says so, and repeats that iteration's line below.
_REPEATS_NEXT = ("Early stopping, best iteration is:", "Best iteration is:")
# fairseq prints its configuration, then the model: the first row comes late.
_FAIRSEQ_JSON = re.compile(rb"\blog_format(?:': |=)'json'")
_FAIRSEQ_STEPS = ("num_updates", "train_num_updates", "valid_num_updates")


def _values(line: str) -> Iterator[tuple[str, float, float]]:
    """Yield (metric, step, value) of a line of XGBoost, LightGBM or Composer."""
    found = _COMPOSER.fullmatch(line) or _LIGHTGBM.fullmatch(line)
    if found is not None:
        value = to_number(found["value"])
        if value is not None:
            yield found["name"], float(found["step"]), value
        return
    found = _XGBOOST.fullmatch(line)
    if found is None:
        return
    for part in found["pairs"].split("\t"):
        pair = _PAIR.fullmatch(part.strip())
        value = to_number(pair["value"]) if pair else None
        if pair is not None and value is not None:
            yield pair["name"], float(found["step"]), value


def _matches_printed_metrics(candidate: Candidate) -> Match | None:
    """Claim a text with such a line in its first 8 KiB."""
    if stem_of(candidate.name)[1] not in _SUFFIXES:
        return None
    lines = head_lines(candidate.head, candidate.size)
    if not any(any(_values(line.rstrip())) for line in lines):
        return None
    return Match(Role.metrics, fallback=True, note="metrics in printed lines")


def _parse_printed_metrics(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points, and Composer's hyperparameters."""
    items: list[Item] = []
    lines = lines_of(chunk, memory, items)
    yield from items
    for line in lines:
        text = line.rstrip()
        if memory.pop("is_repeated", False):
            continue
        if text.endswith(_REPEATS_NEXT):
            memory["is_repeated"] = True
        for name, step, value in _values(text):
            if not is_bookkeeping(name):
                yield Point(shown_name(name), step, value)
        if text.startswith("[hyperparameter]"):
            told = _COMPOSER_HPARAM.fullmatch(text)
            if told is not None:
                yield Hparams(flatten({told["name"]: _plain(told["value"])}))


PRINTED_METRICS = LogFormat(
    name="printed",
    matches=_matches_printed_metrics,
    parse=_parse_printed_metrics,
)
"""Lines of XGBoost, LightGBM and Composer; all others are passed over."""


def _matches_json_in_text(candidate: Candidate) -> Match | None:
    """Claim a text with an object that counts steps in its first 8 KiB.

    fairseq's needs none there: its configuration tells that they will come.
    """
    if stem_of(candidate.name)[1] not in _SUFFIXES:
        return None
    if _FAIRSEQ_JSON.search(candidate.head):
        return Match(Role.metrics, fallback=True, note="fairseq log")
    for line in head_lines(candidate.head, candidate.size):
        at = line.find("{")
        entry = object_in(line[at:]) if at >= 0 else None
        if entry is not None and has_sure_step(entry) and _has_metric(entry):
            return Match(Role.metrics, fallback=True, note="JSON in printed lines")
    return None


def _parse_json_in_text(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each object."""
    return read_json_lines(chunk, memory, is_mixed=True, steps=_FAIRSEQ_STEPS)


JSON_IN_TEXT = LogFormat(
    name="json_in_text",
    matches=_matches_json_in_text,
    parse=_parse_json_in_text,
)
"""JSON objects at the end of printed lines, as fairseq's ``log_format=json``."""


def _matches_printed_table(candidate: Candidate) -> Match | None:
    """Claim a text in which a table with a step column begins below other lines."""
    if not is_printed(candidate):
        return None
    return Match(Role.metrics, fallback=True, note="a table in printed lines")


def _parse_printed_table(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row; what stands above the header says nothing."""
    memory.setdefault("headless", True)
    return read_rows(chunk, memory, printed_header_in)


PRINTED_TABLE = LogFormat(
    name="printed_table",
    matches=_matches_printed_table,
    parse=_parse_printed_table,
)
"""``Using cuda``, then ``epoch loss acc`` and rows of numbers."""


def _plain(text: str) -> object:
    """Return a value that Composer printed as JSON."""
    try:
        return load_document(text.encode())
    except ValueError:
        return text


def _has_metric(entry: Mapping[str, object]) -> bool:
    return any(
        value_of(item) is not None and not is_bookkeeping(key)
        for key, item in leaves(entry)
    )
