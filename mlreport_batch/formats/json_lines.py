"""JSON lines: one object a line, whatever the file is called."""

import re
from collections.abc import Iterable

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import (
    has_sure_step,
    is_bookkeeping,
    is_log_name,
)
from mlreport_batch.formats.kit.documents import stem_of
from mlreport_batch.formats.kit.labels import is_shared, training_in
from mlreport_batch.formats.kit.lines import (
    numbers_in,
    object_in,
    read_json_lines,
    step_in,
)
from mlreport_batch.formats.kit.text import filled, head_lines
from mlreport_batch.formats.kit.trainings import (
    may_lack_steps,
)

_TIME = re.compile(r"(?<!\d)20\d{6}[_T-]?\d{6}(?!\d)")
_SUFFIXES = (".jsonl", ".ndjson", ".jsonlines", ".json", ".log", ".txt")


def _matches_training_lines(candidate: Candidate) -> Match | None:
    """Claim a log in which the steps of one training come again in another."""
    match = _matches_json_lines(candidate)
    if match is None:
        return None
    lines = filled(head_lines(candidate.head, candidate.size))
    first = object_in(next(lines))
    if first is None or training_in(first) is None:
        return None
    rows = (row for line in lines if (row := object_in(line)) is not None)
    told = ((training_in(row), step_in(row)) for row in (first, *rows))
    if not is_shared((name[1], step) for name, step in told if name is not None):
        return None
    return Match(Role.metrics, note="JSON lines of several trainings")


def _parse_training_lines(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row, under the name of its training."""
    return read_json_lines(chunk, memory, is_labelled=True, is_shared=True)


TRAINING_LINES = LogFormat(
    name="training_lines",
    matches=_matches_training_lines,
    parse=_parse_training_lines,
    is_sole=True,
)
"""JSON lines of several trainings: ``{"fold": 0, "epoch": 1, "loss": 0.5}``."""


def _matches_json_lines(candidate: Candidate) -> Match | None:
    """Claim a file whose first line is an object with numbers, no data set."""
    suffix = stem_of(candidate.name)[1]
    if suffix not in _SUFFIXES:
        return None
    lines = list(filled(head_lines(candidate.head, candidate.size)))
    names = _names_in(lines, is_log=is_log_name(candidate.name))
    if names is None:
        return None
    if suffix == ".json" and not _goes_on(lines, names):
        return None
    if all(is_bookkeeping(name) for name in names):
        return None
    if not has_sure_step(names) and not may_lack_steps(candidate.name, names):
        return None
    return Match(Role.metrics, series=_series(candidate.name), note="JSON lines")


def _parse_json_lines(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row."""
    return read_json_lines(chunk, memory, is_labelled=True)


JSON_LINES = LogFormat(
    name="json_lines",
    matches=_matches_json_lines,
    parse=_parse_json_lines,
)
"""Any file of JSON objects, one a line, that has steps or metric names in it."""


def _series(name: str) -> str:
    """Return what is equal in the names of logs that continue one another.

    mmcv begins another one, named by the time, at each resume.
    """
    series, times = _TIME.subn("*", name)
    return series if times == 1 else ""


def _names_in(lines: list[str], *, is_log: bool) -> list[str] | None:
    """Return the names of the numbers in the first row; None if it is no object."""
    names = numbers_in(lines[0]) if lines and lines[0][0] == "{" else None
    # mmcv's log begins with a line about the machine and the configuration.
    if names is not None and is_log and len(lines) > 1 and not has_sure_step(names):
        second = numbers_in(lines[1])
        return second if not names or has_sure_step(second or ()) else names
    return names


def _goes_on(lines: list[str], names: list[str]) -> bool:
    """Return whether a ``.json`` file holds lines rather than one document."""
    if len(lines) > 1:
        return lines[1].startswith("{")
    return has_sure_step(names)
