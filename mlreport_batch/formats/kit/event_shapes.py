"""Where in a record of an event file its time, step and values stand."""

from msgspec import Struct

from mlreport_batch.formats.kit import events

_STEP_MAX = 9
"""Bytes of a step: those of ten are negative."""
_VALUES_MAX = 64
_CONTENT = 4
_DTYPES = {1: ("<f4", 5), 2: ("<f8", 6)}
"""Of a tensor's dtype: how its value is written, and the field of a single one."""
_FREE, _FIXED, _LAST_BIT = 0x00, 0xFF, 0x80


class Shape(Struct, frozen=True):
    """Where in the data of a record that stands which differs within its kind.

    Attributes:
        wall: First byte of the time, -1 where there is none.
        step: First byte of the step and the first after it, twice 0 for none.
        values: First byte of each value, and how it is written.
    """

    wall: int
    step: tuple[int, int]
    values: tuple[tuple[int, str], ...]

    def masks(self, length: int) -> list[int]:
        """Return which bits of each byte are the same within a kind of *length*."""
        masks = [_FIXED] * length
        if self.wall >= 0:
            masks[self.wall : self.wall + 8] = [_FREE] * 8
        first, end = self.step
        masks[first:end] = [_LAST_BIT] * (end - first)
        for at, written in self.values:
            size = int(written[-1])
            masks[at : at + size] = [_FREE] * size
        return masks


def shape_of(data: bytes) -> Shape | None:
    """Return the shape of the data of a record that holds plain scalars, else None.

    Plain is what every writer writes: each field once, and in the order of numbers.
    """
    wall, step = -1, (0, 0)
    values: list[tuple[int, str]] = []
    try:
        for number, wire, start, stop, _ in _rising(data, 0, len(data)):
            if (number, wire) == (events.WALL, events.EIGHT_BYTES):
                wall = start
            elif (number, wire) == (events.STEP, events.VARINT):
                step = start, stop
            elif (number, wire) == (events.SUMMARY, events.BYTES):
                values = _values(data, start, stop)
            else:
                return None
    except events.BadRecordError:
        return None
    if not values or step[1] - step[0] > _STEP_MAX:
        return None
    return Shape(wall, step, tuple(values))


def _rising(data: bytes, at: int, end: int) -> events.Spans:
    last = 0
    for span in events.spans(data, at, end):
        if span[0] <= last:
            raise events.BadRecordError
        last = span[0]
        yield span


def _values(data: bytes, at: int, end: int) -> list[tuple[int, str]]:
    values: list[tuple[int, str]] = []
    for number, wire, start, stop, _ in events.spans(data, at, end):
        if (number, wire) != (1, events.BYTES) or len(values) == _VALUES_MAX:
            raise events.BadRecordError
        values.append(_value(data, start, stop))
    return values


def _value(data: bytes, at: int, end: int) -> tuple[int, str]:
    found = []
    for number, wire, start, stop, _ in _rising(data, at, end):
        if (number, wire) == (events.SIMPLE, events.FOUR_BYTES):
            found.append((start, "<f4"))
        elif (number, wire) == (events.TENSOR, events.BYTES):
            found.append(_tensor(data, start, stop))
        elif number not in (events.TAG, events.METADATA) or wire != events.BYTES:
            raise events.BadRecordError
    if len(found) != 1:
        raise events.BadRecordError
    return found[0]


def _tensor(data: bytes, at: int, end: int) -> tuple[int, str]:
    written, single = "", 0
    found = []
    for number, wire, start, stop, value in _rising(data, at, end):
        if number == 1 and value in _DTYPES:
            written, single = _DTYPES[value]
        elif number in (_CONTENT, single) and wire and stop - start == int(written[-1]):
            found.append((start, written))
        elif number != 2:  # noqa: PLR2004 - its shape
            raise events.BadRecordError
    if len(found) != 1:
        raise events.BadRecordError
    return found[0]
