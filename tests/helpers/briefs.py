"""Briefs of runs, made of a few values."""

from array import array
from collections.abc import Mapping, Sequence

from mlreport_batch.report.brief import Brief
from mlreport_batch.safety.clean import Scalar


def brief(
    name: str,
    values: Sequence[float] = (),
    *,
    goal: str = "min",
    status: str = "finished",
    oldest: float = 0.0,
    hparams: Mapping[str, Scalar] | None = None,
    metric: str = "val_loss",
    kin: int = 1,
) -> Brief:
    """Return the brief of a run whose metric had *values* at steps 1, 2, ..."""
    pick = max if goal == "max" else min
    best = pick(values) if values else None
    return Brief(
        name=name,
        status=status,
        written=oldest + 100,
        oldest=oldest,
        started=oldest,
        unit="step",
        done=None,
        total=None,
        metric=metric,
        goal=goal,
        best=best,
        best_step=None if best is None else 1.0 + list(values).index(best),
        last=values[-1] if values else None,
        last_step=float(len(values)) if values else None,
        hparams=dict(hparams or {}),
        metrics={},
        kin=kin,
        steps=array("d", range(1, len(values) + 1)).tobytes(),
        values=array("f", values).tobytes(),
        is_exact=True,
    )
