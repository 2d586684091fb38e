"""Weights & Biases' own log, ``run-<id>.wandb``: what was logged, online or offline.

The file is a LevelDB log: blocks of 32 KiB with pieces of records, each with its
CRC-32, length (2 bytes) and kind (whole, first, middle, last). A record is a
``Record`` of protocol buffers; field numbers are those of wandb_internal.proto.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Iterator

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Hparams,
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
from mlreport_batch.formats.kit import events
from mlreport_batch.formats.kit.bookkeeping import TRAINING_STEPS, is_bookkeeping
from mlreport_batch.formats.kit.documents import flatten
from mlreport_batch.formats.kit.json_values import (
    BadJsonError,
    check_depth,
    check_size,
    decode,
    leaves,
)
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.formats.wandb import RUN_FOLDER, purpose_of
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.contents import DOCUMENT_MAX
from mlreport_batch.safety.masking.redact import shown_name

_MAGIC = b":W&B"
_BLOCK = 32 * 1024
_HEAD = struct.Struct("<IHB")
_WHOLE, _FIRST, _LAST = 1, 2, 4
_HISTORY, _SUMMARY, _CONFIG, _RUN, _EXIT = 2, 3, 5, 17, 18
_ITEM, _STEP = 1, 2
_KEY, _NESTED_KEY, _INTEGER, _NUMBER, _VALUE_JSON = 1, 2, 5, 6, 16
_RUN_CONFIG, _RUN_NAME, _RUN_NOTES = 4, 8, 9


def _matches_wandb_log(candidate: Candidate) -> Match | None:
    """Claim the log of a run's folder, before its summary."""
    if not _is_log(candidate) or candidate.size > DOCUMENT_MAX:
        return None
    return Match(Role.metrics, closed=True, twin="wandb", rank=-1, note="W&B log")


def _parse_wandb_log(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield what each record says; damaged records are passed over."""
    damaged: list[int] = []
    bad: list[str] = []
    metrics: set[str] = set()
    summary: dict[str, Result] = {}
    for record in _records(chunk.data, damaged):
        try:
            items = list(_items(record, bad))
        except events.BadRecordError:
            damaged.append(0)
            continue
        for item in items:
            if isinstance(item, Result):
                summary[item.name] = item
                continue
            if isinstance(item, Point):
                metrics.add(item.metric)
            yield item
    yield from (item for name, item in summary.items() if name not in metrics)
    if damaged:
        text = f"{len(damaged):,} damaged records; they are left out"
        yield Problem(chunk.path, None, text)
    if bad:
        yield Problem(chunk.path, None, bad[0])


WANDB_LOG = LogFormat(
    name="wandb",
    matches=_matches_wandb_log,
    parse=_parse_wandb_log,
    whole_file=True,
)
"""The history with the configuration, and how the run ended."""


def _matches_wandb_large_log(candidate: Candidate) -> Match | None:
    """Claim the log of a run's folder; its summary is no twin of it."""
    if not _is_log(candidate) or candidate.size <= DOCUMENT_MAX:
        return None
    return Match(Role.metrics, closed=True, note="W&B log, too large to be read")


def _parse_wandb_large_log(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield nothing: the reader of documents refuses such a file, and says it."""
    return ()


WANDB_LARGE_LOG = LogFormat(
    name="wandb_large",
    matches=_matches_wandb_large_log,
    parse=_parse_wandb_large_log,
    whole_file=True,
)
"""A log larger than any document that is read: it makes a run, and is a problem.

It has a name of its own, so that what was read of it while it was smaller does not
stand beside the summary, which is read from now on.
"""


def _is_log(candidate: Candidate) -> bool:
    folder = candidate.parents[0] if candidate.parents else ""
    if not candidate.name.endswith(".wandb") or not RUN_FOLDER.fullmatch(folder):
        return False
    return candidate.head.startswith(_MAGIC)


def _records(data: bytes, damaged: list[int]) -> Iterator[bytes]:
    """Yield the whole records in *data*; offsets of damage go to *damaged*.

    The last one is left out while it is being written.
    """
    at = _HEAD.size  # the file's own header is as long as a piece's
    end = len(data.rstrip(b"\0"))
    parts: list[bytes] = []
    while at + _HEAD.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEAD.size:
            at += left
            continue
        crc, length, kind = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        piece = data[start : start + length]
        if start + length > len(data):
            return
        if zlib.crc32(piece, zlib.crc32(bytes([kind]))) != crc:
            if at < end:
                damaged.append(at)
            parts = []
            at += left
            continue
        at = start + length
        if kind in (_WHOLE, _FIRST):
            parts = []
        elif not parts:
            continue  # its beginning was damaged
        parts.append(piece)
        if kind in (_WHOLE, _LAST):
            yield b"".join(parts)
            parts = []


def _items(record: bytes, bad: list[str]) -> Iterator[Item]:
    for number, _, value in events.fields(record):
        if number == _HISTORY:
            yield from _history(events.message(value), bad)
        elif number == _SUMMARY:
            yield from _summary(events.message(value), bad)
        elif number == _CONFIG:
            yield from _config(events.message(value), bad)
        elif number == _RUN:
            yield from _run(events.message(value), bad)
        elif number == _EXIT:
            codes = [
                events.signed(code)
                for field, _, code in events.fields(events.message(value))
                if field == 1
            ]
            code = codes[-1] if codes else 0
            status = "failed" if code else "finished"
            yield Outcome(status, f"W&B noted exit code {code}")


def _history(data: bytes, bad: list[str]) -> Iterator[Item]:
    values: dict[str, float] = {}
    step: float | None = None
    for number, _, value in events.fields(data):
        if number == _ITEM:
            values.update(_numbers(events.message(value), bad))
        elif number == _STEP:
            step = 0.0
            for field, _, stated in events.fields(events.message(value)):
                if field == 1:
                    step = float(events.signed(stated))
    own: float = values.get("_step", 0.0) if step is None else step
    # W&B counts its own calls; integrations state the step of the training.
    counts = [values[name] for name in TRAINING_STEPS if name in values]
    at = next((count for count in (*counts, own) if count - count == 0), 0.0)
    for name, found in values.items():
        if not is_bookkeeping(name):
            yield Point(shown_name(name), at, found)


def _summary(data: bytes, bad: list[str]) -> Iterator[Item]:
    """Yield the values of the summary, which is noted again at every step."""
    for number, _, value in events.fields(data):
        if number == _ITEM:
            for name, found in _numbers(events.message(value), bad):
                if not is_bookkeeping(name) and not name.startswith("_wandb"):
                    yield Result(shown_name(name), found)


def _numbers(data: bytes, bad: list[str]) -> Iterator[tuple[str, float]]:
    """Yield the numbers in one item of a history; media and text have none."""
    keys, found = _key_and_value(data, bad)
    name = "/".join(keys)
    if isinstance(found, dict):
        if "_type" not in found:
            for key, item in leaves(found):
                number = None if isinstance(item, str) else value_of(item)
                if number is not None:
                    yield f"{name}/{key}", number
    elif not isinstance(found, str) and (number := value_of(found)) is not None:
        yield name, number


def _key_and_value(data: bytes, bad: list[str]) -> tuple[list[str], object]:
    """Return the keys and the value of an item; what cannot be read goes to *bad*."""
    keys: list[str] = []
    found: object = None
    for number, _, value in events.fields(data):
        if number in (_KEY, _NESTED_KEY):
            key = events.message(value).decode("utf-8", "replace")
            keys += [key] if key else []
        elif number == _INTEGER:
            coded = events.signed(value) & 0xFFFFFFFFFFFFFFFF
            found = coded >> 1 ^ -(coded & 1)  # zigzag
        elif number == _NUMBER:
            found = events.float64(value)
        elif number == _VALUE_JSON:
            text = events.message(value).decode("utf-8", "replace")
            try:
                found = _decoded(text)
            except BadJsonError as error:
                name = clean("/".join(keys), 80)
                why = f"{name}: {error.message}; such values are left out"
                bad += [] if bad else [why]
    return keys, found


def _decoded(text: str) -> object:
    check_size(text)
    check_depth(text)
    try:
        return decode(text)
    except json.JSONDecodeError as error:
        raise BadJsonError(f"no JSON ({error.msg})", 1) from error


def _config(data: bytes, bad: list[str]) -> Iterator[Item]:
    for number, _, value in events.fields(data):
        if number == _ITEM:
            keys, found = _key_and_value(events.message(value), bad)
            if keys and keys[0] != "_wandb":
                yield Hparams(flatten({".".join(keys): found}))


def _run(data: bytes, bad: list[str]) -> Iterator[Item]:
    texts = {_RUN_NAME: "", _RUN_NOTES: ""}
    for number, _, value in events.fields(data):
        if number == _RUN_CONFIG:
            yield from _config(events.message(value), bad)
        elif number in texts:
            texts[number] = events.message(value).decode("utf-8", "replace")
    purpose = purpose_of(texts[_RUN_NOTES], texts[_RUN_NAME])
    if purpose is not None:
        yield purpose
