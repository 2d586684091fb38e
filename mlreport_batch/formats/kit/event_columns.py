"""The scalars of event files as columns, by NumPy instead of record by record.

Records of one length that agree in all bytes but those of their time, step and value
say the same of another step. So one record of each kind is read as any other, and the
rest of its kind by where step and value stand in it.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from mlreport_batch.formats import Chunk, Column, Columns, Item, Point, Restart
from mlreport_batch.formats.kit import events
from mlreport_batch.formats.kit.checksums import checksums, masked
from mlreport_batch.formats.kit.event_shapes import Shape, shape_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from mlreport_batch.formats import Floats, Places
    from mlreport_batch.formats.kit.checksums import Bytes

_MANY = 24
"""Records of one length, from which on it pays to read them together."""
_SHAPES_MAX = 4


def columns_of(
    chunks: Sequence[Chunk],
    read: Callable[[bytes], Sequence[Item]],
    values_max: int,
) -> Columns:
    """Return what *chunks* say, but for those with anything damaged in them.

    Left out are also those in which a training begins anew.

    Args:
        chunks: Of whole records.
        read: Returns what one record says; raises `events.BadRecordError`.
        values_max: How much one record may say.
    """
    reader = _Reader(chunks, read, values_max)
    for size, starts in reader.by_size():
        odd = starts
        if size <= events.CHECKED_MAX:
            odd = reader.read_alike(starts, size)
        for start in odd.tolist():
            reader.read_one(start, size)
    return reader.columns()


class _Reader:
    def __init__(
        self,
        chunks: Sequence[Chunk],
        read: Callable[[bytes], Sequence[Item]],
        values_max: int,
    ) -> None:
        import numpy as np

        self._chunks, self._read, self._values_max = chunks, read, values_max
        self._data = b"".join(chunk.data for chunk in chunks)
        self._letters = np.frombuffer(self._data, np.uint8)
        self._bounds = np.cumsum([0, *(len(chunk.data) for chunk in chunks)])
        self._points: dict[str, list[tuple[Places, Floats, Floats]]] = {}
        self._rest: list[tuple[int, Item]] = []
        self._spoiled: set[int] = set()

    def by_size(self) -> Iterator[tuple[int, "Places"]]:
        """Yield (size, where the records of that size start) for each size."""
        import numpy as np

        starts, sizes = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for chunk, begin in zip(self._chunks, self._bounds.tolist(), strict=False):
            try:
                places = np.array(events.starts_of(chunk.data)) + begin
            except events.BadRecordError:
                self._spoil(begin)
                continue
            starts.append(places[:-1])
            sizes.append(np.diff(places))
        all_starts, all_sizes = np.concatenate(starts), np.concatenate(sizes)
        for same in _groups(all_sizes):
            yield int(all_sizes[same[0]]), all_starts[same]

    def read_alike(self, starts: "Places", size: int) -> "Places":
        """Read records of one size, kind by kind; return the starts of the others."""
        import numpy as np

        odd = []
        for _ in range(_SHAPES_MAX):
            if len(starts) < _MANY:
                break
            shape = shape_of(events.data_of(self._record(int(starts[0]), size)))
            if shape is None:
                odd.append(starts[:1])
                starts = starts[1:]
            else:
                starts = self._read_shape(shape, starts, size)
        return np.concatenate([*odd, starts])

    def read_one(self, start: int, size: int) -> None:
        """Read one record by itself."""
        import numpy as np

        try:
            items = self._read(self._record(start, size))
        except events.BadRecordError:
            items = ()
            self._spoil(start)
        if len(items) > self._values_max:
            self._spoil(start)
        for item in items:
            if isinstance(item, Point):
                one = np.array([start]), np.array([item.step]), np.array([item.value])
                self._points.setdefault(item.metric, []).append(one)
            elif isinstance(item, Restart):
                self._spoil(start)
            else:
                self._rest.append((start, item))

    def columns(self) -> Columns:
        """Return all that was read."""
        rest: list[list[Item]] = [[] for _ in self._chunks]
        for start, item in sorted(self._rest, key=lambda found: found[0]):
            rest[self._chunk_at(start)].append(item)
        return Columns(
            self._bounds,
            tuple(_column(metric, parts) for metric, parts in self._points.items()),
            tuple(
                None if number in self._spoiled else tuple(items)
                for number, items in enumerate(rest)
            ),
        )

    def _record(self, start: int, size: int) -> bytes:
        return self._data[start : start + size]

    def _chunk_at(self, start: int) -> int:
        return int(self._bounds.searchsorted(start, "right")) - 1

    def _spoil(self, start: int) -> None:
        self._spoiled.add(self._chunk_at(start))

    def _read_shape(self, shape: Shape, starts: "Places", size: int) -> "Places":
        """Read what is of *shape*; return the starts of the others."""
        import numpy as np

        length = size - events.HEAD_SIZE - events.TAIL_SIZE
        block = self._letters[starts + np.arange(events.HEAD_SIZE, size)[:, np.newaxis]]
        data = block[:length]
        masks = np.array(shape.masks(length), np.uint8)
        fixed = masks == np.uint8(0xFF)
        keys = checksums(data, fixed)
        sums = masked(keys ^ checksums(data, ~fixed))
        _, firsts, kinds = np.unique(keys, return_index=True, return_inverse=True)
        alike = np.ones(len(starts), bool)
        for row in np.flatnonzero(masks).tolist():
            letters = data[row] & masks[row]
            alike &= letters == letters[firsts][kinds]
        is_sound = sums == _numbers(block, length, "<u4")
        steps = _steps(data, shape)
        values = [
            _numbers(data, at, written).astype(np.float64)
            for at, written in shape.values
        ]
        is_odd = ~alike
        for kind in _groups(kinds):
            same = kind[alike[kind]]
            first = same[0]
            said = [(float(steps[first]), float(column[first])) for column in values]
            metrics = self._metrics(self._record(int(starts[first]), size), shape, said)
            if metrics is None:
                is_odd[same] = True
                continue
            if metrics and not is_sound[same].all():
                for start in starts[same][~is_sound[same]].tolist():
                    self._spoil(start)
            for metric, (at, _), column in zip(
                metrics, shape.values, values, strict=False
            ):
                part = starts[same] + at, steps[same], column[same]
                self._points.setdefault(metric, []).append(part)
        return starts[is_odd]

    def _metrics(
        self, record: bytes, shape: Shape, points: Sequence[tuple[float, float]]
    ) -> list[str] | None:
        """Return whose values stand in records such as *record*, none for nobody's.

        None is what only reading each of them can tell.
        """
        try:
            items = self._read(record)
        except events.BadRecordError:
            return None
        if not items:
            return []
        found = [item for item in items if isinstance(item, Point)]
        is_plain = (
            len(found) == len(items) and shape_of(events.data_of(record)) == shape
        )
        # As texts: NaN is not equal to itself.
        read = [f"{item.step!r} {item.value!r}" for item in found]
        if not is_plain or read != [f"{step!r} {value!r}" for step, value in points]:
            return None
        return [item.metric for item in found]


def _steps(data: "Bytes", shape: Shape) -> "Floats":
    import numpy as np

    first, end = shape.step
    steps = np.zeros(data.shape[1], np.int64)
    for place, row in enumerate(range(first, end)):
        steps |= (data[row] & np.uint8(0x7F)).astype(np.int64) << 7 * place
    return steps.astype(np.float64)


def _numbers(block: "Bytes", at: int, written: str) -> "npt.NDArray[np.generic]":
    """Return the numbers that stand in some rows of *block* from *at* on."""
    import numpy as np

    return np.ascontiguousarray(block[at : at + int(written[-1])].T).view(written)[:, 0]


def _groups(keys: "Places") -> Iterator["Places"]:
    """Yield the indices of equal *keys*, rising, group by group."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    for start, end in pairwise((0, *cuts.tolist(), len(order))):
        if start < end:
            yield order[start:end]


def _column(metric: str, parts: list[tuple["Places", "Floats", "Floats"]]) -> Column:
    import numpy as np

    places, steps, values = map(np.concatenate, zip(*parts, strict=True))
    order = np.argsort(places, kind="stable")
    return Column(metric, places[order], steps[order], values[order])
