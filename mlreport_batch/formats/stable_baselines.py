"""Stable-Baselines3: ``progress.json``, ``progress.csv`` and ``monitor.csv``.

All three tell of the same training; the JSON lines are the soundest, since the CSV
is rewritten in place at every new key and does not quote names with commas.
"""

import re
from collections.abc import Iterable
from functools import partial

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
)
from mlreport_batch.formats.kit.columns import Header, bulk_layout, header_of
from mlreport_batch.formats.kit.lines import read_json_lines
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines

_STEP = "time/total_timesteps"
_TWIN = "sb3"
_MONITORED = re.compile(r"#\s*\{")  # Baselines and Stable-Baselines 2 put a blank


def _matches_progress_json(candidate: Candidate) -> Match | None:
    """Claim a ``progress.json`` whose first line counts time steps."""
    if candidate.name != "progress.json":
        return None
    first = next(filled(head_lines(candidate.head, candidate.size)), "")
    if f'"{_STEP}"' not in first:
        return None
    return Match(Role.metrics, twin=_TWIN, rank=0, note="Stable-Baselines3")


def _parse_progress_json(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each dump."""
    return read_json_lines(chunk, memory)


PROGRESS_JSON = LogFormat(
    name="sb3_json",
    matches=_matches_progress_json,
    parse=_parse_progress_json,
)
"""``progress.json``: JSON lines, in spite of the name."""


def _progress_header(line: str) -> Header | None:
    header = header_of(line, ",")
    if header is None or _STEP not in header.names:
        return None
    return header


def _mended(header: Header, cells: list[str]) -> list[str] | None:
    """Spread a short row under a header that unquoted commas made longer.

    Names are ``group/name``, so a piece without ``/`` belongs to the one before.
    """
    pieces = [at for at, name in enumerate(header.names) if at and "/" not in name]
    if len(header.names) - len(pieces) != len(cells):
        return None
    rest = iter(cells)
    return ["" if at in pieces else next(rest) for at in range(len(header.names))]


def _matches_progress_csv(candidate: Candidate) -> Match | None:
    """Claim a ``progress.csv`` with a column of time steps."""
    first = next(filled(head_lines(candidate.head, candidate.size)), "")
    if candidate.name != "progress.csv" or _progress_header(first) is None:
        return None
    return Match(Role.metrics, twin=_TWIN, rank=1, note="Stable-Baselines3")


def _parse_progress_csv(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each dump."""
    return read_rows(chunk, memory, _progress_header, repair=_mended)


PROGRESS_CSV = LogFormat(
    name="sb3_csv",
    matches=_matches_progress_csv,
    parse=_parse_progress_csv,
    bulk_layout=partial(bulk_layout, build=_progress_header),
)
"""``progress.csv``: columns in the order of a Python set."""


def _monitor_header(line: str) -> Header | None:
    if line.startswith("#") or not line.startswith("r,l,t"):
        return None
    # `t` is seconds since the start of the environment.
    return header_of(line, ",", names=["r", "l", "time", *line.split(",")[3:]])


def _matches_monitor_csv(candidate: Candidate) -> Match | None:
    """Claim a file that starts with ``#{`` or ``# {`` and goes on with ``r,l,t``."""
    lines = head_lines(candidate.head, candidate.size)
    if not candidate.name.endswith("monitor.csv") or len(lines) < 2:  # noqa: PLR2004
        return None
    if not _MONITORED.match(lines[0]) or _monitor_header(lines[1]) is None:
        return None
    number, dot, _ = candidate.name.rpartition(".monitor.csv")
    return Match(
        Role.metrics,
        twin="" if dot else _TWIN,
        rank=2,
        prefix=number,
        note="Stable-Baselines3 Monitor",
    )


def _parse_monitor_csv(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the episodes, stepped by their number."""
    return read_rows(chunk, memory, _monitor_header)


MONITOR_CSV = LogFormat(
    name="sb3_monitor",
    matches=_matches_monitor_csv,
    parse=_parse_monitor_csv,
)
"""``monitor.csv`` or ``N.monitor.csv``: reward and length of each episode.

OpenAI Baselines and Stable-Baselines 2 write the same below ``# {``.
"""
