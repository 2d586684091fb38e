"""Boxes that loggers of reinforcement learning print: a name and a value in each line.

OpenAI Baselines, Stable-Baselines3 and Spinning Up draw one at each step::

    -----------------------------
    | rollout/           |      |
    |    ep_rew_mean     | 22.1 |
    | time/              |      |
    |    total_timesteps | 2048 |
    -----------------------------
"""

import re
from typing import Final

from msgspec import Struct

from mlreport_batch.formats import Memory
from mlreport_batch.formats.kit.bookkeeping import (
    is_bookkeeping,
    is_outcome,
    step_rank,
)
from mlreport_batch.formats.kit.dressed import bare
from mlreport_batch.formats.kit.numbers import to_number

_BOX: Final = "box"
_SIZE_MAX: Final = 16 * 1024
_RULE = re.compile(r"\s*-{8,}\s*")
_LINE = re.compile(r"\s*\|(?P<name>[^|]{1,200})\|(?P<value>\s*[^|\s]{0,60}\s*)\|\s*")


class Box(Struct, frozen=True):
    """What a box says: its step, and the values at it; none where it is no news."""

    step: float = 0.0
    values: tuple[tuple[str, float], ...] = ()


NOTHING = Box()


def box_in(line: str, memory: Memory) -> Box | None:
    """Return the box that *line* ends, an empty one for a part of one, else None.

    Args:
        line: The next line of the log.
        memory: See `LogFormat`; a box that is still open is kept there.
    """
    inside = memory.get(_BOX)
    if inside is None and "---" not in line:
        return None
    if _RULE.fullmatch(line):
        memory[_BOX] = ""
        return _box_of(str(inside)) if inside else None
    found = _LINE.fullmatch(line)
    if inside is None or found is None:
        memory.pop(_BOX, None)
        return None
    before = str(inside)
    if len(before) < _SIZE_MAX:
        memory[_BOX] = f"{before}{found['name']}|{found['value']}\n"
    return NOTHING


def _box_of(inside: str) -> Box:
    """Return what the lines *inside* a box say, each a name and a value.

    A box of settings, or without a step, says nothing.
    """
    section, depth = "", 0
    values: dict[str, float] = {}
    best: tuple[float, float] | None = None
    for line in inside.splitlines():
        name, _, told = line.partition("|")
        indent = len(name) - len(name.lstrip())
        name = name.strip()
        if not told.strip() and name.endswith("/"):
            section, depth = name, indent
            continue
        value = to_number(bare(told.strip()))
        if value is None:
            continue
        rank = step_rank(name.rpartition("/")[2])
        if rank is not None and value - value == 0 and (best is None or rank < best[0]):
            best = rank, value
        name = f"{section}{name}" if section and indent > depth else name
        if rank is None and not is_bookkeeping(name):
            values[name] = value
    if best is None or not any(map(is_outcome, values)):
        return NOTHING
    return Box(best[1], tuple(values.items()))
