"""Keras' CSVLogger: any name, any separator, ``epoch`` first."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from mlreport_batch.formats import BulkLayout, Candidate, Item, Match, Memory, Role
from mlreport_batch.formats.kit.columns import Header, build_header, bulk_layout
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines
from mlreport_batch.read.tail import Chunk

_SUFFIXES = (".csv", ".tsv", ".txt", ".log")


@dataclass(frozen=True, slots=True)
class KerasCsv:
    """``epoch,accuracy,loss,…``: the other columns are sorted.

    Validation columns are guessed and filled with ``NA`` while there is no
    validation; with ``append=True`` the epochs start again at 0.
    """

    name: ClassVar[str] = "keras"
    whole_file: ClassVar[bool] = False

    def matches(self, candidate: Candidate) -> Match | None:
        """Claim a log with ``epoch`` first and the other columns in order."""
        if not candidate.name.lower().endswith(_SUFFIXES):
            return None
        header = build_header(
            next(filled(head_lines(candidate.head, candidate.size)), "")
        )
        if header is None or not _is_keras(header):
            return None
        return Match(Role.metrics, note="Keras CSV logger")

    def parse(self, chunk: Chunk, memory: Memory) -> Iterable[Item]:
        """Yield the points of each epoch."""
        return read_rows(chunk, memory)

    def bulk_layout(self, header: bytes) -> BulkLayout | None:
        """Return how the rows below *header* can be read in bulk."""
        return bulk_layout(header)


def _is_keras(header: Header) -> bool:
    names = header.names[1:]
    first = [name for name in names if not name.startswith("val_")]
    guessed = names[len(first) :]
    in_order = list(names) == sorted(names) or (
        first == sorted(first) and all(name.startswith("val_") for name in guessed)
    )
    return header.names[0] == "epoch" and "loss" in names and in_order
