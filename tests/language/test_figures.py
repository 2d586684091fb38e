"""Figures read right: numbers, changes, steps, sizes, durations, small curves."""

import math
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.language.figures import (
    duration_text,
    figure,
    number,
    places_of,
    scalar_text,
    signed,
    size_text,
    sparkline,
    step_text,
    with_unit,
)
from mlreport_batch.safety.clean import REPLACEMENT


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (0.231, "0.231"),
        (0.99999, "0.99999"),
        (0.999999, "0.999999"),
        (99999.5, "99999.5"),
        (1.0000001, "1.0000001"),
        (123456.7, "123456.7"),
        (1234.56789, "1234.6"),
        (18252.997, "18253.0"),
        (3e-5, "3e-5"),
        (9999999.0, "9999999"),
        (1e7, "1e7"),
        (-12345678.5, "-1.2346e7"),
        (0.0001, "0.0001"),
        (0.00001234567, "1.2346e-5"),
        (5e-324, "4.9407e-324"),
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (12, "12"),
        pytest.param(10**400, "1e400", id="400 digits"),
        pytest.param(-(10**400) * 7, "-7e400", id="minus 400 digits"),
    ],
)
def test_number_shows(value: float, text: str):
    assert number(value) == text


@given(st.floats(-1e308, 1e308))
def test_a_number_reads_back_close_and_never_turns_whole(value: float):
    text = number(value)
    assert math.isclose(float(text), value, rel_tol=6e-5, abs_tol=1e-323)
    if value != int(value) and "e" not in text:
        assert "." in text
        assert abs(value) >= 100 or float(text) != int(float(text))
    assert len(text) <= 25


@given(st.floats(min_value=-1e7, max_value=1e7))
def test_a_change_always_has_a_sign(value: float):
    text = signed(value)
    assert text[0] in "+-±"
    assert (text == "±0") == (value == 0)


def test_a_change_that_is_no_number_has_no_sign():
    assert signed(math.nan) == "NaN"
    assert signed(math.inf) == "+inf"


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (None, ""),
        (0.0, "0"),
        (12000.0, "12,000"),
        (5.5, "5.5"),
        (0.25, "0.25"),
        (1234.5, "1,234.5"),
        (0.00001, "1e-5"),
        (1234.00001, "1,234.00001"),
        (math.inf, "inf"),
        (1e300, "1e300"),
        (1.7e9, "1,700,000,000"),
    ],
)
def test_step_shows(step: float | None, text: str):
    assert step_text(step) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (10**17, "100000000000000000"),
        (10**18, "1e18"),
        pytest.param(10**5000, "1e5000", id="5000 digits"),
        (1.0, "1.0"),
        (1e-3, "0.001"),
        (1e16, "1e16"),
        (3e-5, "3e-5"),
        (math.nan, "nan"),
        ("", '""'),
        ("adam\n<b>", f"adam{REPLACEMENT}<b>"),
    ],
)
def test_a_hyperparameter_shows(value: object, text: str):
    assert scalar_text(value) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (41_200_000, "41.2 MB"),
        (999_600, "1.0 MB"),
        (123_456_789, "123 MB"),
        (7 * 10**15, "7.0 PB"),
        (7 * 10**18, "7000 PB"),
    ],
)
def test_size_shows(size: int, text: str):
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (45.9, "45 s"),
        (60, "1 min"),
        (3661, "1 h 1 min"),
        (86400 * 2 + 3600 * 3 + 59, "2 d 3 h"),
        (86400 + 59, "1 d"),
    ],
)
def test_duration_shows(seconds: float, text: str):
    assert duration_text(seconds) == text


def test_sparkline_shows_the_course():
    assert sparkline([0.0, 1.0]) == "▁█"
    assert sparkline([0.0, None, 1.0]) == "▁·█"
    assert sparkline([2.0, 2.0]) == "▄▄"
    assert sparkline([None]) == ""
    assert sparkline([]) == ""
    big = sys.float_info.max
    assert sparkline([-big, big]) == "▄▄"


@given(
    st.lists(
        st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32),
        max_size=200,
    )
)
def test_a_sparkline_is_never_longer_than_asked_for(values: list[float | None]):
    assert len(sparkline(values, 16)) <= 16


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ((18252.997, 15562.1), ("18253.0", "15562.1")),
        ((0.231, 0.0912), ("0.2310", "0.0912")),
        ((0.99999, 0.5), ("0.99999", "0.50000")),
        ((1.0, 0.9312), ("1.0000", "0.9312")),
        ((3.0, 5000.0), ("3", "5000")),
        ((0.3, 5e-5), ("0.3", "5e-5")),
        ((2e9, 1.5), ("2e9", "1.5")),
        ((0.25, math.nan), ("0.25", "NaN")),
        ((0.0, 0.5), ("0.0", "0.5")),
        ((math.inf, 0.0), ("inf", "0")),
    ],
)
def test_values_of_one_metric_agree_in_their_decimals(
    values: tuple[float, ...], texts: tuple[str, ...]
):
    places = places_of(values)
    assert tuple(figure(value, places) for value in values) == texts


USUAL = st.floats(0.02, 5e4) | st.floats(-5e4, -0.02)


@given(USUAL, st.floats(0.01, 100.0), USUAL)
@settings(max_examples=50)
def test_value_best_and_change_have_the_same_decimals(
    value: float, ratio: float, change: float
):
    places = places_of((value, value * ratio))
    assert places is not None
    texts = [figure(value, places), figure(value * ratio, places)]
    assert len({len(text.partition(".")[2]) for text in texts}) == 1
    for text, exact in zip(texts, (value, value * ratio), strict=True):
        assert float(text) == pytest.approx(exact, rel=6e-3)
    changed = signed(change, places)
    assert float(changed) == pytest.approx(change, abs=0.5001 * 10**-places, rel=6e-3)


@given(st.floats(min_value=1e-300, max_value=1e300))
@settings(max_examples=30)
def test_a_power_of_ten_is_written_in_one_way(value: float):
    for text in (number(value), scalar_text(value), signed(value), step_text(value)):
        assert "e+" not in text
        assert "e0" not in text
        assert "e-0" not in text


def test_a_change_too_small_for_the_decimals_has_its_own():
    assert signed(-0.01019, 4) == "-0.0102"
    assert signed(0.000012, 4) == "+1.2e-5"
    assert signed(0.0004, 3) == "+0.0004"


def test_only_a_number_has_a_unit():
    assert with_unit("12.5", "tokens/s") == "12.5 tokens/s"
    assert with_unit("NaN", "s") == "NaN"
    assert with_unit("3", "") == "3"
