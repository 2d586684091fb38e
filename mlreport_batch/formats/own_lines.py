"""Lines as the user says they are written: a pattern of the config, by file names.

A pattern may take a time that grows with the power of a line's length, or that never
ends; what fits it is no guarantee. Python's engine knows no limit, so it works in a
child process with one, and is given no very long line. Where that is not enough, the
file is left alone and its run's report says so.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from mlreport_batch.formats import (
    Anew,
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Point,
    Problem,
    ProblemKind,
    Role,
)
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping, step_rank
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.lines import step_of
from mlreport_batch.formats.kit.named_numbers import states_of
from mlreport_batch.formats.kit.steps import StepCounters
from mlreport_batch.formats.kit.text import lines_of
from mlreport_batch.formats.kit.values import Values

if TYPE_CHECKING:
    from mlreport_batch.safety.child import BoundedChild

LENGTH_MAX: Final = 10_000
"""Longer lines are passed over, in characters."""

PATTERN_MAX: Final = 1_000
CPU_S: Final = 10
"""For the new lines of one file, up to 4 MiB at once."""

_NAME: Final = "line "
_Found = list[tuple[int, dict[str, str]]]


class OwnFormat(Struct, frozen=True):
    """What the user says of some files.

    Attributes:
        files: Globs on a file's name, or, with ``/``, on its path below the root.
        line: A pattern with named groups: steps and metrics.
    """

    files: tuple[str, ...]
    line: str

    def is_of(self, name: str, parents: Sequence[str]) -> bool:
        """Return whether the file *name* in the folders *parents* is meant."""
        path = "/".join((*reversed(parents[:-1]), name))
        return any(fnmatchcase(path if "/" in g else name, g) for g in self.files)


def fault_of(line: str) -> str:
    """Return what is wrong with a pattern, or nothing."""
    if len(line) > PATTERN_MAX:
        return f"is longer than {PATTERN_MAX:,} characters"
    try:
        groups = re.compile(line).groupindex
    except (re.error, OverflowError, RecursionError) as error:
        return f"is no regular expression: {error}"
    if not any(not is_bookkeeping(name) for name in groups):
        return "names no metric; write one as a named group: loss (?P<loss>\\S+)"
    return ""


def own_match(
    candidate: Candidate, own: Iterable[OwnFormat]
) -> tuple[LogFormat, Match] | None:
    """Return the format that the user says a file has, and its claim."""
    for each in own:
        if each.is_of(candidate.name, candidate.parents):
            match = Match(Role.metrics, note="`formats` in the config")
            return own_format(_NAME + each.line), match
    return None


@lru_cache(maxsize=256)
def own_format(name: str) -> LogFormat:
    """Return the format of a *name*, which tells the pattern.

    So another pattern is another format, and its files are read anew.
    """
    line = name.removeprefix(_NAME)
    return LogFormat(
        name=name, matches=lambda _: None, parse=partial(_parse, line=line)
    )


def is_own(name: str) -> bool:
    """Return whether a format's *name* is one of a pattern."""
    return name.startswith(_NAME)


@lru_cache(maxsize=16)
def _child(line: str) -> "BoundedChild[Sequence[str], _Found]":
    from mlreport_batch.safety.child import BoundedChild

    return BoundedChild(partial(_fitting, line), cpu_s=CPU_S)


def _fitting(line: str, lines: Sequence[str]) -> _Found:
    """Return the places of the *lines* that fit, with their groups."""
    pattern = re.compile(line)
    return [
        (at, {name: part for name, part in found.groupdict().items() if part})
        for at, text in enumerate(lines)
        if (found := pattern.search(text)) is not None
    ]


def _parse(chunk: Chunk, memory: Memory, *, line: str) -> Iterator[Item]:
    """Yield the points of the lines that fit."""
    from mlreport_batch.safety.child import ChildFailedError

    items: list[Item] = []
    lines = [_shown(text) for text in lines_of(chunk, memory, items)]
    yield from items
    if memory.get("is_slow"):
        return
    try:
        found = _child(line).call(lines)
    except ChildFailedError as error:
        memory["is_slow"] = True
        why = f"the pattern of `formats` {error}; no more of this file is read"
        yield Problem(chunk.path, None, why)
        return
    yield from _points(found, chunk, memory)
    if not memory.get("row"):
        why = "no line so far fits the pattern of `formats`"
        yield Problem(chunk.path, None, why, ProblemKind.no_metric)


def _shown(line: str) -> str:
    """Return a line as a terminal shows it in the end."""
    if "\r" in line:
        line = next((state for state in reversed(states_of(line)) if state), "")
    return line if len(line) <= LENGTH_MAX else ""


def _points(
    found: Iterable[tuple[int, Mapping[str, str]]], chunk: Chunk, memory: Memory
) -> Iterator[Item]:
    row = int(memory.get("row") or 0)
    stood = memory.get("step")
    last = stood if isinstance(stood, float) else None
    counters = StepCounters(memory)
    values = Values(chunk, memory, has_lists=False)
    commas = Commas(memory)
    for at, groups in found:
        stated = step_of(_counted(groups, commas), counters)
        if counters.is_anew:
            counters.is_anew = False
            yield Anew()
        last = last if stated is None else stated
        step = float(row) if last is None else last
        row += 1
        for metric, value in values.of(groups, chunk.first_line + at):
            yield Point(metric, step, value)
        yield from values.problems()
    memory["row"] = row
    if last is not None:
        memory["step"] = last
    counters.remember()


def _counted(groups: Mapping[str, str], commas: Commas) -> dict[str, object]:
    """Return the numbers in *groups* that count, ``1,000`` as a thousand."""
    counts = {
        name: commas.count(text)
        for name, text in groups.items()
        if step_rank(name) is not None
    }
    return {name: number for name, number in counts.items() if number is not None}
