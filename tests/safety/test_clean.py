"""Text that is safe to show, and numbers that read right."""

import json
import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlreport_batch.language.figures import (
    duration_text,
    number,
    scalar_text,
    signed,
    size_text,
    sparkline,
    step_text,
)
from mlreport_batch.safety.clean import (
    REPLACEMENT,
    clean,
    clean_block,
    escape_unsafe,
    natural_key,
    shorten,
)


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
        (9999999.0, "9999999"),
        (1e7, "1e+07"),
        (-12345678.5, "-1.2346e+07"),
        (0.0001, "0.0001"),
        (0.00001234567, "1.2346e-05"),
        (5e-324, "4.9407e-324"),
        (math.nan, "NaN"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (12, "12"),
        pytest.param(10**400, "1e+400", id="400 digits"),
        pytest.param(-(10**400) * 7, "-7e+400", id="minus 400 digits"),
    ],
)
def test_number_shows(value: float, text: str):
    assert number(value) == text


UNSAFE = "\u202e\u2066\u206a\u206f\x9b\x85\u2028\x7f\ufeff\U000e0041\ud800"


def test_json_holds_nothing_that_a_terminal_obeys_and_says_the_same():
    value = {"키": f"값 {UNSAFE} \x1b[31m é 😀"}
    text = escape_unsafe(json.dumps(value, ensure_ascii=False))
    assert not set(UNSAFE) & set(text)
    assert "키" in text
    assert "😀" in text
    assert json.loads(text) == value
    assert escape_unsafe('{"a": 1}') == '{"a": 1}'


@pytest.mark.parametrize("char", [*UNSAFE, "\x1b", "\n"])
def test_no_unsafe_character_is_left(char: str):
    assert char not in clean(f"a{char}b")
    assert char == "\n" or char not in clean_block(f"a{char}b")


@given(st.floats(-1e308, 1e308))
def test_a_number_reads_back_close_and_never_turns_whole(value: float):
    text = number(value)
    shown = float(text)
    assert math.isclose(shown, value, rel_tol=6e-5, abs_tol=1e-323)
    if value != int(value) and "e" not in text:
        assert shown != int(shown)
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
        (0.00001, "1e-05"),
        (1234.00001, "1234.00001"),
        (math.inf, "inf"),
        (1e300, "1e+300"),
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
        (10**18, "1e+18"),
        pytest.param(10**5000, "1e+5000", id="5000 digits"),
        (1.0, "1.0"),
        (1e-3, "0.001"),
        (1e16, "1e+16"),
        (math.nan, "nan"),
        ("adam\n<b>", f"adam{REPLACEMENT}<b>"),
    ],
)
def test_a_hyperparameter_shows(value: object, text: str):
    assert scalar_text(value) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "hostile",
    [
        "a\nSubject: x",
        "a\r\nb",
        "a\u2028b",
        "a\u202eb",
        "a\ud800b",
        "a\x00b",
        "a\x7fb",
        "a\x85b",
        "a\ufeffb",
        "a\U000e0041b",
    ],
)
def test_clean_replaces_what_could_break_out(hostile: str):
    text = clean(hostile)
    assert REPLACEMENT in text
    assert text.startswith("a")
    assert text.isprintable()


def test_clean_keeps_every_script():
    for text in ("학습률", "ÄÖÜ ß", "👩‍🔬 loss", "loss <b>&amp;"):
        assert clean(text) == text


def test_clean_takes_terminal_colours_away():
    assert clean("\x1b[31;1mred\x1b[0m") == "red"


@given(st.text(st.characters(), max_size=400), st.integers(1, 300))
def test_clean_is_one_short_line_that_every_encoder_takes(text: str, limit: int):
    cleaned = clean(text, limit)
    assert len(cleaned) <= limit
    assert len(cleaned.splitlines()) <= 1
    cleaned.encode()
    assert clean(cleaned, limit) == cleaned


def test_a_block_keeps_its_lines_and_says_what_it_cut():
    text = clean_block("a\tb\r\n\x1b[1mbold\x1b[0m\x07\n\n", max_lines=5)
    assert text == f"a   b\nbold{REPLACEMENT}"
    many = clean_block("\n".join(map(str, range(50))), max_lines=10)
    assert many.splitlines()[-1] == "… (40 more lines)"
    assert clean_block("x" * 500, max_columns=20) == "x" * 19 + "…"


def test_shorten_shows_where_it_cut():
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"


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


def test_names_with_numbers_sort_as_people_do():
    names = ["checkpoint-108", "checkpoint-96", "checkpoint-9", "a²", "a10", "a9"]
    assert sorted(names, key=natural_key) == [
        "a9", "a10", "a²", "checkpoint-9", "checkpoint-96", "checkpoint-108",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_names_can_be_sorted(names: list[str]):
    assert len(sorted(names, key=natural_key)) == len(names)
