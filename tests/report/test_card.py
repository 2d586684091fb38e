"""What the page over all runs shows of one run."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.formats import Progress
from mlreport_batch.read.beats import Beat, Beats
from mlreport_batch.report.card import (
    EXACT_MAX,
    SPARK_LEVELS,
    SPARK_POINTS,
    Card,
    card_of,
    spark_of,
)
from mlreport_batch.report.case import case_of
from mlreport_batch.report.model import AlertRules, Wishes
from views import view

HEIGHTS = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)


def card(
    metrics: Mapping[str, Sequence[float]] | None = None,
    wishes: Wishes | None = None,
    **others: Any,  # noqa: ANN401
) -> Card:
    case = case_of(
        view(metrics, **others),
        wishes or Wishes(),
        AlertRules(),
        now=1000.0,
        has_grown=False,
    )
    return card_of(case, [])


def test_a_card_leads_with_the_metric_that_the_headline_names():
    found = card({"lr": [0.1, 0.01], "loss": [3, 1, 2], "val_loss": [4, 2, 3]})
    assert found.main == "val_loss"
    assert next(iter(found.metrics)) == "val_loss"
    assert found.metrics["loss"] == (2, 1)
    assert found.metrics["lr"] == (0.01, None)
    assert found.step == 3


def test_what_the_user_chose_and_ordered_is_shown():
    wishes = Wishes(metrics=("acc", "loss"), hparams=("b*",))
    found = card({"loss": [1], "acc": [2]}, wishes, hparams={"lr": 1, "bs": 8})
    assert list(found.metrics) == ["acc", "loss"]
    assert found.main == "acc"
    assert found.hparams == {"bs": 8}


def test_what_is_no_number_is_called_by_its_name():
    found = card({"loss": [1.0, math.nan], "acc": [math.inf]}, hparams={"x": math.inf})
    assert found.metrics["loss"] == ("NaN", 1.0)
    assert found.metrics["acc"][0] == "inf"
    assert found.hparams == {"x": "inf"}
    assert found.curves[0].lows == (1.0, None)


def test_whole_numbers_stay_different_in_a_browser():
    hparams = {"a": EXACT_MAX, "b": EXACT_MAX + 1, "c": -(10**400), "d": True}
    found = card(hparams=hparams).hparams
    assert found == hparams | {"b": str(EXACT_MAX + 1), "c": "-1e400"}


def test_tags_are_words_of_a_hyperparameter():
    assert card(hparams={"tags": "['base', \"ema\"]"}).tags == ("base", "ema")
    assert card(hparams={"logger.tags": "a, b,,a"}).tags == ("a", "b")
    assert card(hparams={"stags": "a", "tag": 3}).tags == ()


def test_times_go_by_what_was_seen_and_only_forward():
    beats = Beats((Beat(100, 1, 1), Beat(90, 2, 2), Beat(160, 3, 3)))
    found = card({"loss": [3, 2, 1, 0]}, beats=beats, written_ns=200 * 10**9)
    assert found.times == ((1, 100), (3, 160), (4, 200))
    assert card({"loss": [1]}).times == ()
    assert card(progress=Progress(step=math.inf)).step is None


@settings(max_examples=30)
@given(st.lists(HEIGHTS, max_size=96))
def test_a_small_picture_has_its_ends_at_top_and_bottom(
    heights: list[float | None],
):
    spark = spark_of([(float(i), y, y) for i, y in enumerate(heights)])
    assert len(spark) <= SPARK_POINTS
    drawn = {SPARK_LEVELS.index(letter) for letter in spark if letter != " "}
    if len(drawn) > 1:
        assert (min(drawn), max(drawn)) == (0, len(SPARK_LEVELS) - 1)
    if len(heights) <= SPARK_POINTS and spark:
        blanks = [y is None for y in heights]
        assert [letter == " " for letter in spark] == blanks
