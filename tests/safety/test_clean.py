"""Text that is safe to show."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlreport_batch.safety.clean import (
    REPLACEMENT,
    clean,
    clean_block,
    escape_unsafe,
    natural_key,
    shorten,
)

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


def test_names_with_numbers_sort_as_people_do():
    names = ["checkpoint-108", "checkpoint-96", "checkpoint-9", "a²", "a10", "a9"]
    assert sorted(names, key=natural_key) == [
        "a9", "a10", "a²", "checkpoint-9", "checkpoint-96", "checkpoint-108",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_names_can_be_sorted(names: list[str]):
    assert len(sorted(names, key=natural_key)) == len(names)
