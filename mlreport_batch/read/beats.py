"""When a run was seen to grow: its pace, and the longest silence it came back from.

What is kept is a few sightings. They depend on when was looked, unlike all else that
is kept of a run.
"""

from collections.abc import Iterable
from statistics import median

from msgspec import Struct

from mlreport_batch.read.collect import LogState

BEATS_MAX = 16
SILENCE_MAX_S = 8 * 3600.0
"""A run that came back after longer was started again rather than busy."""


class Beat(Struct, frozen=True, array_like=True):
    """A run as it was seen once.

    Attributes:
        at: When its log was written to, seconds since the epoch.
        rows: Values of the metric that was written most often.
        step: The furthest step of a metric.
    """

    at: float
    rows: int
    step: float


class Beats(Struct, frozen=True, array_like=True):
    """What is kept of the sightings of a run.

    Attributes:
        recent: The last ones, the oldest first, since it last began anew.
        silence_s: The longest silence that it came back from beside its usual rows, in
            seconds.
    """

    recent: tuple[Beat, ...] = ()
    silence_s: float = 0.0

    def gap_s(self) -> float | None:
        """Return the usual seconds between two sightings, None before the second.

        Some write their rows by the hundred: so long, at most, they are silent.
        """
        pairs = zip(self.recent, self.recent[1:], strict=False)
        gaps = [later.at - earlier.at for earlier, later in pairs]
        return median(gaps) if gaps else None

    def row_s(self) -> float | None:
        """Return the usual seconds from row to row, None while nobody knows."""
        paces = [
            (later.at - earlier.at) / (later.rows - earlier.rows)
            for earlier, later in zip(self.recent, self.recent[1:], strict=False)
        ]
        return median(paces) if paces else None


def beats_after(before: Beats, logs: Iterable[LogState]) -> Beats:
    """Return the sightings with what *logs* say now; the same where nothing grew."""
    told = [log for log in logs if log.metrics and not log.is_continued]
    if not told:
        return before
    summaries = [summary for log in told for summary in log.metrics.values()]
    beat = Beat(
        max(log.signature.mtime_ns for log in told) / 1e9,
        max(summary.count for summary in summaries),
        max(summary.last_step for summary in summaries),
    )
    if not before.recent:
        return Beats((beat,), before.silence_s)
    last = before.recent[-1]
    if beat.rows == last.rows and beat.step == last.step:
        return before
    if beat.rows <= last.rows or beat.step < last.step or beat.at <= last.at:
        return Beats((beat,), before.silence_s)  # resumed, or its clock was
    gap, rows = beat.at - last.at, beat.rows - last.rows
    usual = before.row_s()
    # All rows but one came as usual; the rest of the time it was silent.
    silence = gap / rows if usual is None else max(gap / rows, gap - (rows - 1) * usual)
    if silence > SILENCE_MAX_S:
        silence = 0.0
    recent = (*before.recent, beat)[-BEATS_MAX:]
    return Beats(recent, max(before.silence_s, silence))
