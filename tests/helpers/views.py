"""Views of runs, made of a few values."""

from collections.abc import Mapping, Sequence
from typing import Any

from folding import fold_points
from mlreport_batch.formats import Progress
from mlreport_batch.report.view import RunView

EMPTY: dict[str, Any] = {
    "metrics": {}, "hparams": {}, "expect": {}, "purpose": "", "to": (),
    "results": {}, "progress": Progress(), "outcome": None, "texts": (),
    "checkpoints": (),
    "problems": (), "orphans": 0, "restarts": 0, "rows": 0, "started_ns": 0,
    "updated_ns": 0,
}  # fmt: skip


def view(
    metrics: Mapping[str, Sequence[float]] | None = None,
    **others: Any,  # noqa: ANN401
) -> RunView:
    """Return a view of a run whose *metrics* had these values at steps 1, 2, ..."""
    points = [
        (name, float(step), value)
        for name, values in (metrics or {}).items()
        for step, value in enumerate(values, 1)
    ]
    found = fold_points(points)
    rows = max((summary.count for summary in found.values()), default=0)
    return RunView(**(EMPTY | {"metrics": found, "rows": rows} | others))
