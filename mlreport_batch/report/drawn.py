"""The pictures of a report, as what is drawn: charts and samples."""

from msgspec import Struct


class DrawnCurve(Struct, frozen=True):
    """The bounded course of one metric, to be drawn.

    Attributes:
        key: The metric's name.
        steps: x of each bucket, ascending; length n.
        lows: Lowest finite value of each bucket or None where it has none.
        highs: Highest finite value of each bucket, likewise; equal to ``lows``
            while every bucket holds one point.
        latest: The latest value as text, for the legend.
        last: (step, value) of the latest value, None where that is no number.
        best: (step, value) of the best value, None where it is not marked.
        best_text: That value as text.
        goal: ``min``, ``max`` or empty.
        bad_since: The step since which no value is finite, None where the last one is.
    """

    key: str
    steps: tuple[float, ...]
    lows: tuple[float | None, ...]
    highs: tuple[float | None, ...]
    latest: str
    last: tuple[float, float] | None = None
    best: tuple[float, float] | None = None
    best_text: str = ""
    goal: str = ""
    bad_since: float | None = None


class Chart(Struct, frozen=True):
    """One picture: metrics that belong together, such as train and val loss.

    Attributes:
        title: Its name; no other chart of the report has it.
        series: The curves.
        is_log: Whether its values, all positive, are drawn on a logarithm.
        smoothing: The weight of what came before, from 0, for none, up to 1; None
            smooths what is noisy.
        until: The step that the run reached; None where the curves tell it.
        planned: The step at which the run is meant to end, None where it is not drawn.
        planned_text: What is said of that.
    """

    title: str
    series: tuple[DrawnCurve, ...]
    is_log: bool = False
    smoothing: float | None = None
    until: float | None = None
    planned: float | None = None
    planned_text: str = ""


class Sample(Struct, frozen=True):
    """A picture that a run saved, drawn anew.

    Attributes:
        name: Its path below the run.
        at: When it was saved.
        data: A PNG of our own making.
        width: Its pixels.
        height: Likewise.
    """

    name: str
    at: str
    data: bytes
    width: int
    height: int
