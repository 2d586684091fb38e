"""Fold columns of numbers into summaries with NumPy: many logs, one column at a time.

What comes out is what `read.fold.LogFold` makes of the same values one by one, to the
last bit; where that is not sure, nothing comes out and the log is read line by line.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct, field

from mlreport_batch.formats import Chunk, Column, Item, Memory
from mlreport_batch.read.summary import FLOAT32_MAX, Curve, MetricSummary, width_for

if TYPE_CHECKING:
    from mlreport_batch.formats import Floats, Places

_TINY = 1.5e-45  # what is smaller may be zero as float32


class Piece(Struct, frozen=True):
    """Rows of one log that stand together in the columns.

    Attributes:
        rows: How many.
        first_row: Number of the first one in its log.
        metrics: What was folded from the rows before them.
        prefix: Put before every metric name, with ``/`` between.
    """

    rows: int
    first_row: int
    metrics: Mapping[str, MetricSummary]
    prefix: str = ""


class Folded(Struct, frozen=True):
    """What a chunk holds, folded.

    Attributes:
        start: Where the chunk begins in its log.
        counts: How many values each metric was thought to have before.
        parts: What `LogFold.join` takes.
        rest: What it says that is no point.
    """

    start: int
    counts: Mapping[str, int]
    parts: Mapping[str, MetricSummary]
    rest: tuple[Item, ...]

    def goes_on(self, memory: Memory) -> bool:  # noqa: ARG002
        """Return whether its format would read it the same after what it remembers."""
        return True

    def remember(self, memory: Memory, chunk: Chunk, prefix: str) -> None:
        """Put into *memory* what its format would put there."""


def counts_of(metrics: Mapping[str, MetricSummary]) -> dict[str, int]:
    """Return how many values each metric has."""
    return {name: summary.count for name, summary in metrics.items()}


class FoldedPiece(Struct, frozen=True):
    """The rows of a `Piece`, folded: ``parts`` is what `LogFold.join` takes.

    ``steps`` and ``epochs`` are what `StepCounter.pass_over` takes, ``alone`` and
    ``strict`` what `StepCounter.goes_on_at` does.
    """

    parts: Mapping[str, MetricSummary]
    steps: tuple[float, float, float]
    epochs: tuple[float, float, float]
    alone: int
    strict: int


class Gathered(Struct):
    """Parts of one piece with the place at which each begins."""

    found: list[tuple[int, str, MetricSummary]] = field(default_factory=list)
    is_plain: bool = True

    def parts(self) -> dict[str, MetricSummary]:
        """Return the parts in order of first appearance, as points would come."""
        return {name: part for _, name, part in sorted(self.found, key=_place)}


def _place(found: tuple[int, str, MetricSummary]) -> int:
    return found[0]


def fold_pieces(
    pieces: Sequence[Piece],
    columns: Sequence[tuple[str, "Floats"]],
    steps: "Floats | None",
    epochs: "Floats | None" = None,
) -> list[FoldedPiece | None]:
    """Return each of *pieces* folded, None for those that are not plain.

    Args:
        pieces: In the order in which their rows stand in the columns.
        columns: Metric and values of each column; NaN where a cell is blank.
        steps: Step of each row; None where the number of the row is its step.
        epochs: Epoch of each row, where a column beside the steps has them.
    """
    import numpy as np

    sizes = np.array([piece.rows for piece in pieces])
    bounds = np.concatenate(([0], np.cumsum(sizes)))
    if steps is None:
        firsts = np.array([piece.first_row for piece in pieces])
        steps = np.arange(bounds[-1]) - np.repeat(bounds[:-1] - firsts, sizes)
        steps = steps.astype(np.float64)
    gathered = [Gathered() for _ in pieces]
    for index in unordered(steps, bounds):
        gathered[index].is_plain = False
    for name, values in columns:
        filled = np.flatnonzero(values == values)  # noqa: PLR0124 - NaN is a blank cell
        column = Column(name, filled, steps[filled], values[filled])
        fold_column(column, bounds, pieces, gathered)
    return [
        FoldedPiece(
            one.parts(),
            _bounds_of(steps[start:end]),
            *_counts_of(steps, epochs, slice(start, end)),
        )
        if one.is_plain
        else None
        for one, start, end in zip(
            gathered, bounds[:-1].tolist(), bounds[1:].tolist(), strict=True
        )
    ]


def _bounds_of(steps: "Floats") -> tuple[float, float, float]:
    """Return the first of rising *steps*, the first above it, and the last."""
    import numpy as np

    above = int(np.searchsorted(steps, steps[0], side="right"))
    second = float(steps[above]) if above < len(steps) else math.nan
    return float(steps[0]), second, float(steps[-1])


def _counts_of(
    steps: "Floats", epochs: "Floats | None", rows: slice
) -> tuple[tuple[float, float, float], int, int]:
    """Return what a `FoldedPiece` says of *epochs* and how both rise in some *rows*."""
    import numpy as np

    if epochs is None:
        return (math.nan, math.nan, math.nan), 0, 0
    steps, epochs = steps[rows], epochs[rows]
    stated = np.flatnonzero(np.isfinite(epochs))
    first, last = epochs[stated[[0, -1]]] if len(stated) else (math.nan, math.nan)
    alone = _rising(epochs)
    # How far the steps rise matters only as far as the epochs do.
    return (
        (float(epochs[0]), float(first), float(last)),
        alone,
        _rising(steps[: alone + 2]),
    )


def _rising(values: "Floats") -> int:
    """Return how many values after the first are each above the one before."""
    import numpy as np

    stops = np.flatnonzero(~(values[1:] > values[:-1]))
    return int(stops[0]) if len(stops) else len(values) - 1


def unordered(steps: "Floats", bounds: "Places") -> list[int]:
    """Return the pieces with a step that is missing, infinite or goes back.

    Args:
        steps: Of all pieces.
        bounds: Where each piece begins in them, and the last ends.
    """
    import numpy as np

    wrong = ~np.isfinite(steps)
    # NaN compares as False, and was found above.
    back = np.flatnonzero(steps[1:] < steps[:-1]) + 1
    back = back[~np.isin(back, bounds)]
    places = np.concatenate((np.flatnonzero(wrong), back))
    found = np.searchsorted(bounds, places, side="right") - 1
    return np.unique(found).tolist()  # type: ignore[no-any-return]


def fold_column(
    column: Column,
    bounds: "Places",
    pieces: Sequence[Piece],
    gathered: Sequence[Gathered],
) -> None:
    """Fold one metric of all *pieces*, and add what comes out to *gathered*.

    Args:
        column: Its finite or infinite values; a piece with infinite ones is not plain.
        bounds: Where each piece begins, as the places count, and the last ends.
        pieces: What was folded before.
        gathered: Where to; one for each piece.
    """
    import numpy as np

    name, steps, values = column.metric, column.steps, column.values
    cuts = np.searchsorted(column.places, bounds)
    counts = np.diff(cuts)
    chosen = np.flatnonzero(counts)
    if not len(chosen):
        return
    names = [
        f"{pieces[at].prefix}/{name}" if pieces[at].prefix else name
        for at in chosen.tolist()
    ]
    before = [
        pieces[at].metrics.get(full) if pieces[at].metrics else None
        for at, full in zip(chosen.tolist(), names, strict=True)
    ]
    starts, counts = cuts[:-1][chosen], counts[chosen]
    have = [0 if one is None else one.count for one in before]
    widths = np.array(
        [
            width_for(more + count, 1 if one is None else one.curve.width)
            for more, count, one in zip(have, counts.tolist(), before, strict=True)
        ]
    )
    heads = np.array(have) % widths
    buckets = (heads + counts + widths - 1) // widths
    ends = np.cumsum(buckets)
    firsts = ends - buckets
    inside = np.arange(ends[-1]) - np.repeat(firsts, buckets)
    places = inside * np.repeat(widths, buckets) - np.repeat(heads, buckets)
    places = np.maximum(places, 0) + np.repeat(starts, buckets)
    lows = np.minimum.reduceat(values, places)
    highs = np.maximum.reduceat(values, places)
    lowest, highest = (
        np.minimum.reduceat(lows, firsts),
        np.maximum.reduceat(highs, firsts),
    )
    lows32 = np.clip(lows, -FLOAT32_MAX, FLOAT32_MAX).astype(np.float32)
    highs32 = np.clip(highs, -FLOAT32_MAX, FLOAT32_MAX).astype(np.float32)
    packed = steps[places].tobytes(), lows32.tobytes(), highs32.tobytes()
    zeros = np.logical_or.reduceat((lows32 == 0) | (highs32 == 0), firsts)
    infinite = np.isinf(lowest) | np.isinf(highest)
    tail = starts + counts - 1
    table = zip(
        chosen.tolist(), names, counts.tolist(), widths.tolist(),
        starts.tolist(), steps[starts].tolist(), firsts.tolist(), ends.tolist(),
        column.places[starts].tolist(), values[tail].tolist(), steps[tail].tolist(),
        _first_places(values, lowest, starts, counts).tolist(),
        _first_places(values, highest, starts, counts).tolist(),
        zeros.tolist(), infinite.tolist(),
        strict=True,
    )  # fmt: skip
    for (
        at, full, count, width, start, first_step, first, end, place, last, last_step,
        low, high, has_zero, is_infinite,
    ) in table:  # fmt: skip
        one = gathered[at]
        if is_infinite or (has_zero and _has_minus_zero(values[start : start + count])):
            one.is_plain = False
            continue
        curve = Curve(
            width,
            packed[0][8 * first : 8 * end],
            packed[1][4 * first : 4 * end],
            packed[2][4 * first : 4 * end],
        )
        one.found.append(
            (
                place,
                full,
                MetricSummary(
                    count, 0, 0, first_step, last, last_step,
                    float(values[low]), float(steps[low]),
                    float(values[high]), float(steps[high]), curve,
                ),
            )
        )  # fmt: skip


def _first_places(
    values: "Floats",
    wanted: "Floats",
    starts: "Places",
    counts: "Places",
) -> "Places":
    """Return where each piece first holds the value that is wanted of it."""
    import numpy as np

    equal = np.flatnonzero(values == np.repeat(wanted, counts))
    return equal[np.searchsorted(equal, starts)]


def _has_minus_zero(values: "Floats") -> bool:
    """Return whether a curve could show -0.0, which NumPy does not order."""
    import numpy as np

    return bool(np.any(np.signbit(values) & (values > -_TINY)))
