"""TensorBoard: ``events.out.tfevents.*``, read without TensorFlow."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Columns,
    Hparams,
    Item,
    LogFormat,
    Match,
    Memory,
    Point,
    Problem,
    Restart,
    Role,
)
from mlreport_batch.formats.kit import events
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping
from mlreport_batch.formats.kit.event_columns import columns_of
from mlreport_batch.formats.kit.moved import is_moved
from mlreport_batch.safety.masking.redact import shown_name

_NAME = re.compile(r"(?:.*\.)?events\.out\.tfevents(?:\.(?P<rest>.*))?")
_WRITER = re.compile(r"\d{10,}\.(?P<host>.+)\.(?P<pid>\d+)\.\d+(?:\.\w+)*")
_TENSORBOARDX = re.compile(r"\d{10,}\.(?!.*\.\d+\.\d+$).+")
_HPARAMS_FOLDER = re.compile(r"\d{10}\.\d+")
_NOT_SCALARS = frozenset([4, 5, 6])  # image, histogram, audio
VALUES_MAX = 100_000  # of one record; a step has a few


def _matches(candidate: Candidate) -> Match | None:
    """Claim event files; those of ``add_scalars`` for the folder above."""
    named = _NAME.fullmatch(candidate.name)
    if named is None or not _is_event_file(candidate.head):
        return None
    folder = candidate.parents[0] if candidate.parents else ""
    levels_up, prefix, part = 0, "", ""
    if _HPARAMS_FOLDER.fullmatch(folder) or is_moved(candidate):
        levels_up = 1
    elif _is_allennlp(candidate.parents, named["rest"] or ""):
        levels_up, part = 2, folder  # its tags say train/ or validation/
    elif _has_writer_above(candidate) or (
        folder in ("train", "validation") and candidate.name.endswith(".v2")
    ):
        levels_up, prefix = 1, folder
    return Match(
        Role.metrics,
        levels_up=levels_up,
        fallback=True,
        series=f"tensorboard {prefix or part}",
        prefix=prefix,
        note="TensorBoard events",
    )


def _split(data: bytes) -> int:
    """Return how many bytes at the start of *data* are whole records."""
    return events.complete(data)


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the scalars of each record; a damaged record is passed over."""
    data = chunk.data
    at = 0
    while at < len(data) and not memory.get("broken"):
        try:
            size = events.record_size(data, at)
        except events.BadRecordError:
            memory["broken"] = True
            text = f"no record at byte {chunk.start + at:,}; the rest is left out"
            yield Problem(chunk.path, None, text)
            return
        record = data[at : at + size]
        if not size or len(record) < size:
            return
        try:
            found = _said(record)
        except events.BadRecordError:
            count = memory["bad_rows"] = int(memory.get("bad_rows") or 0) + 1
            if count == 1:
                text = f"damaged record at byte {chunk.start + at:,}; left out"
                yield Problem(chunk.path, None, text)
        else:
            yield from found[:VALUES_MAX]
            if len(found) > VALUES_MAX and not memory.get("too_many"):
                memory["too_many"] = True
                text = (
                    f"more than {VALUES_MAX:,} values in the record at byte "
                    f"{chunk.start + at:,}; the rest of it is left out"
                )
                yield Problem(chunk.path, None, text)
        at += size


def _said(record: bytes) -> list[Item]:
    """Return what one record says, as far as it is read."""
    found = list(islice(_items(record), VALUES_MAX + 1))
    if found and len(record) <= events.CHECKED_MAX and not events.is_sound(record):
        raise events.BadRecordError
    return found


def _columns(chunks: Sequence[Chunk]) -> Columns:
    """Return what *chunks* say, much of it at once."""
    return columns_of(chunks, _said, VALUES_MAX)


EVENT_FILE = LogFormat(
    name="tensorboard",
    matches=_matches,
    split=_split,
    parse=_parse,
    columns=_columns,
)
"""Scalars and hparams; text, images, histograms and graphs are passed over.

The files are mostly a second copy of what a log beside them says, so they are
used only where there is none.
"""


def _is_event_file(head: bytes) -> bool:
    """Return whether a file starts like a record, or is still empty."""
    try:
        return bool(head) and events.record_size(head, 0) > 0
    except events.BadRecordError:
        return False


def _is_allennlp(parents: tuple[str, ...], rest: str) -> bool:
    """Return whether a file of tensorboardX lies where AllenNLP lets it write."""
    is_there = parents[:2] in {("train", "log"), ("validation", "log")}
    return is_there and _TENSORBOARDX.fullmatch(rest) is not None


def _has_writer_above(candidate: Candidate) -> bool:
    """Return whether the process that wrote it writes to the folder above, too."""
    own = _writer(candidate.name)
    return own is not None and any(_writer(name) == own for name in candidate.above)


def _writer(name: str) -> tuple[str, str] | None:
    named = _NAME.fullmatch(name)
    rest = _WRITER.fullmatch(named["rest"] or "") if named else None
    return (rest["host"], rest["pid"]) if rest else None


def _items(record: bytes) -> Iterator[Item]:
    step = 0
    for number, _, value in events.fields(events.data_of(record)):
        if number == events.STEP:
            step = events.signed(value)
        elif number == events.SUMMARY:
            for field, _, item in events.fields(events.message(value)):
                if field == 1:
                    yield from _value(events.message(item), float(step))
        elif number == events.SESSION and _is_start(events.message(value)):
            yield Restart(float(step))


def _is_start(session: bytes) -> bool:
    return any(
        number == 1 and value == 1 for number, _, value in events.fields(session)
    )


def _value(data: bytes, step: float) -> Iterator[Item]:
    tag = ""
    value: float | None = None
    plugin = content = b""
    for number, _, item in events.fields(data):
        if number == events.TAG:
            tag = events.message(item).decode("utf-8", "replace")
        elif number == events.SIMPLE:
            value = events.float32(item)
        elif number == events.TENSOR:
            value = events.tensor_value(events.message(item))
        elif number == events.METADATA:
            plugin, content = _plugin(events.message(item))
        elif number in _NOT_SCALARS:
            return
    if plugin == b"hparams":
        found = events.session_hparams(content)
        if found:
            yield Hparams({shown_name(key): item for key, item in found.items()})
    elif value is not None and plugin in (b"", b"scalars") and (name := _metric(tag)):
        yield Point(name, step, value)


def _plugin(metadata: bytes) -> tuple[bytes, bytes]:
    for number, _, value in events.fields(metadata):
        if number == 1:
            parts = {key: item for key, _, item in events.fields(events.message(value))}
            return events.message(parts.get(1, b"")), events.message(parts.get(2, b""))
    return b"", b""


def _metric(tag: str) -> str:
    return "" if is_bookkeeping(tag) else shown_name(tag)
