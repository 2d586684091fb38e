"""Metrics that are one measure, taken on training, validation and test data."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from mlreport_batch.report.names import family_of, split_of

PARTS: Final = ("train", "val", "test")
"""Parts of the data, in the order that a reader expects."""


class Member(Struct, frozen=True):
    """A metric's place among those that measure the same.

    Attributes:
        family: What is measured; empty for a metric that stands alone.
        part: The part of the data, one of `PARTS`, or empty.
    """

    family: str = ""
    part: str = ""


def families(counts: Mapping[str, int]) -> dict[str, Member]:
    """Return the place of each metric.

    ``loss`` beside ``val_loss`` is that of the training. Of two that claim one place,
    such as ``loss`` and the ``train_loss`` that Hugging Face writes once at the end,
    the one with a course has it, and the other stands alone. Where nothing is measured
    on two parts, all stand alone.

    Args:
        counts: How many values each metric has.
    """
    places: dict[str, dict[str, str]] = {}
    for name in counts:
        seats = places.setdefault(family_of(name), {})
        part = split_of(name) or PARTS[0]
        rival = seats.setdefault(part, name)
        if _rank(name, counts) > _rank(rival, counts):
            seats[part] = name
    found = dict.fromkeys(counts, Member())
    if all(len(seats) == 1 for seats in places.values()):
        return found
    for family, seats in places.items():
        label = _as_written(family, next(iter(seats.values())))
        for part, name in seats.items():
            if len(seats) > 1 or split_of(name):
                found[name] = Member(label, part)
    return found


def _rank(name: str, counts: Mapping[str, int]) -> tuple[bool, bool, bool]:
    is_of_steps = name.lower().endswith("step")
    return (counts[name] > 1, not is_of_steps, bool(split_of(name)))


def _as_written(family: str, name: str) -> str:
    """Return *family* with the capitals that it has in *name*."""
    at = name.lower().find(family)
    return family if at < 0 else name[at : at + len(family)]
