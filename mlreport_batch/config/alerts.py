"""What is worth an alert: the table ``alerts`` of the config."""

from typing import Literal

from msgspec import Struct

from mlreport_batch.config.builder import setting
from mlreport_batch.config.kinds import Duration, Flag, OrNull, Whole


class AlertSettings(Struct, frozen=True):
    """What is worth an alert."""

    stall: float | Literal["auto"] | None = setting(
        OrNull(Duration("auto"), is_switch=True),
        "auto",
        help="Silence that counts as a stall; `auto` goes by each run's own pace, its"
        " age and the silences that it came back from",
        example="2h",
    )
    nan: bool = setting(Flag(), default=True, help="A metric became NaN or infinite")
    divergence: bool = setting(
        Flag(), default=True, help="A metric with a goal runs away from it"
    )
    plateau: int | None = setting(
        OrNull(Whole(2, 1_000_000), is_switch=True),
        None,
        help="So many values without a new best count as a plateau",
        example="20",
    )
    repeat: bool = setting(
        Flag(),
        default=True,
        help="A run has the hyperparameters of an earlier one of its group; places,"
        " devices, workers and times do not count, and another seed is no repeat",
    )
    behind: bool = setting(
        Flag(),
        default=True,
        help="A run is behind all finished ones of its group at the same step, by more"
        " than these differ",
    )
    remind: float | None = setting(
        OrNull(Duration(), is_switch=True),
        "1d",
        help="How long until NaN or a divergence that a run goes on with is told again;"
        " null never does",
    )
