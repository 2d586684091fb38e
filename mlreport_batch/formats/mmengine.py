"""MMEngine: ``<work_dir>/<timestamp>/vis_data/scalars.json``."""

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
from mlreport_batch.formats.kit.lines import read_json_lines

_TIME = re.compile(r"\d{8}_\d{6}")


def _matches(candidate: Candidate) -> Match | None:
    """Claim both copies for the folder named by the time of the start."""
    parents = candidate.parents
    if len(parents) < 2 or parents[0] != "vis_data":  # noqa: PLR2004
        return None
    if not _TIME.fullmatch(parents[1]) or not candidate.head.startswith(b"{"):
        return None
    if candidate.name not in ("scalars.json", f"{parents[1]}.json"):
        return None
    return Match(
        Role.metrics,
        levels_up=1,
        closed=True,
        twin="mmengine",
        rank=0 if candidate.name == "scalars.json" else 1,
        note="MMEngine",
    )


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row."""
    return read_json_lines(chunk, memory, steps=("step",))


MMENGINE_SCALARS = LogFormat(
    name="mmengine",
    matches=_matches,
    parse=_parse,
)
"""JSON lines, written twice: ``scalars.json`` and ``<timestamp>.json``.

Validation rows count epochs where training rows count iterations; no metric
stands in both. ``config.py`` is Python and never read.
"""
