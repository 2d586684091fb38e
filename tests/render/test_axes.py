"""Axes: round ticks, labels that fit, ends where the values end."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.render import axes


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([0, 5000, 10000], ["0", "5k", "10k"]),
        ([0, 2500, 5000], ["0", "2.5k", "5.0k"]),
        ([1e6, 2e6], ["1M", "2M"]),
        ([3e9], ["3e9"]),
        ([0, 200, 1000], ["0", "200", "1000"]),
        ([0, 1e10], ["0", "1e10"]),
        ([0, 0.0001, 0.0002], ["0", "1e-4", "2e-4"]),
        ([1e-4, 1.5e-4], ["1e-4", "1.5e-4"]),
        ([0.25, 0.5, 0.75], ["0.25", "0.50", "0.75"]),
        ([-1, 0, 1], ["\u22121", "0", "1"]),
        ([1e20, 2e20], ["1e20", "2e20"]),
        ([0.99991, 0.99992], ["0.99991", "0.99992"]),
        ([], []),
        ([0.0], ["0"]),
    ],
)
def test_labels_are_short_and_in_one_precision(ticks: list[float], expected: list[str]):
    assert axes.labels(ticks) == expected


@pytest.mark.parametrize("low", [-3.7, 0.0, 1e-9, 12345.0, -1e12])
@pytest.mark.parametrize("span", [1e-6, 0.37, 9.0, 4321.0, 1e15])
def test_labels_say_the_value_of_their_tick(low: float, span: float):
    ticks = axes.nice(low, low + span, 4)
    assert 1 <= len(ticks) <= 8
    units = {"k": 1e3, "M": 1e6}
    for tick, label in zip(ticks, axes.labels(ticks), strict=True):
        plain = label.replace("\u2212", "-")
        unit = units.get(plain[-1], 1)
        said = float(plain.rstrip("kM")) * unit
        assert said == pytest.approx(tick, rel=1e-6, abs=span * 1e-6)


def test_an_axis_of_steps_begins_and_ends_where_they_do():
    axis = axes.step_axis([3.0, 1234.0])
    assert (axis.low, axis.low + axis.span) == (3.0, 1234.0)
    assert [text for _, text in axes.step_axis([1.0, 3.0]).ticks] == ["1", "2", "3"]
    epochs = [text for _, text in axes.step_axis([7.0, 23.0]).ticks]
    assert epochs == ["10", "15", "20"]
    assert axes.step_axis([5.0]).ticks == ((5.0, "5"),)
    assert axes.step_axis([]).ticks == axes.value_axis([], is_log=False).ticks == ()


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1e-4, 1.0, ["1e-4", "0.001", "0.01", "0.1", "1"]),
        (1.0, 125.0, ["1", "10", "100"]),
        (0.05, 2.5, ["0.05", "0.1", "0.2", "0.5", "1", "2"]),
        (1e-12, 1e6, ["1e-12", "1e-8", "1e-4", "1"]),
    ],
)
def test_a_logarithm_has_ticks_that_tell_its_decades(
    low: float, high: float, ticks: list[str]
):
    found = [text for _, text in axes.value_axis([low, high], is_log=True).ticks]
    assert [text for text in ticks if text in found] == ticks
    assert len(found) <= 8


VALUES = st.floats(1e-12, 1e12) | st.floats(-1e12, -1e-12) | st.just(0.0)


@given(VALUES, VALUES, st.booleans(), st.booleans())
@settings(max_examples=40)
def test_every_value_has_a_place_between_the_ends(
    one: float, other: float, below: bool, above: bool
):
    for is_log in {False, one > 0 < other}:
        room = (below, above)
        axis = axes.value_axis([one, other], is_log=is_log, room=room)
        ends = [math.log10(v) if is_log else v for v in (one, other)]
        assert axis.low < min(ends)
        assert max(ends) < axis.low + axis.span
        texts = [text for _, text in axis.ticks]
        assert len(texts) == len(set(texts))
