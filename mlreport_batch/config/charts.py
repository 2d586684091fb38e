"""Which charts a report has: the table ``report.charts`` of the config."""

from typing import Literal

from msgspec import Struct

from mlreport_batch.config.builder import setting
from mlreport_batch.config.kinds import (
    ListOf,
    OneOf,
    Share,
    Text,
    Whole,
)

_GLOBS = ListOf(Text(what="text"))


class ChartSettings(Struct, frozen=True):
    """Which charts a report has, and how they are drawn."""

    most: int = setting(
        Whole(0, 24), 4, help="How many charts a report has at most", example="8"
    )
    metrics: tuple[str, ...] = setting(
        _GLOBS,
        ["*"],
        help="Which metrics they show, in this order; `*` chooses and orders them by"
        " what they tell, one of nearly equal ones",
        example='["val_*", lr]',
    )
    smoothing: float | Literal["auto"] = setting(
        Share("auto"),
        "auto",
        help="The weight of what came before in a line that is drawn over the values,"
        " as in TensorBoard but without its lag; 0 draws the values alone, `auto`"
        " smooths what is noisy",
        example="0.6",
    )
    axis: Literal["auto", "linear", "log"] = setting(
        OneOf(("auto", "linear", "log")),
        "auto",
        help="Whether values are drawn on a logarithm; `auto` does where a loss falls"
        " to a fiftieth, and nothing that reaches zero is",
    )
