"""The catalogues of fixed words say the same things in every language."""

import re

import pytest

from mlreport_batch.language import say as words
from mlreport_batch.report.model import Trend, Verdict


def fields(text: str):
    return set(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", sorted(words.CATALOGUES))
def test_every_language_has_the_same_keys_with_the_same_fields(language: str):
    catalogue = words.CATALOGUES[language]
    assert set(catalogue) == set(words.ENGLISH)
    for key, text in catalogue.items():
        assert fields(text) == fields(words.ENGLISH[key]), key


def test_every_trend_and_verdict_has_a_word():
    for kind in Trend:
        assert f"trend.{kind}" in words.ENGLISH
    for kind in Verdict:
        assert f"verdict.{kind}" in words.ENGLISH


def test_a_fields_value_is_never_a_pattern():
    assert words.say("en", "table.at", step="{0} {step}") == "@ {0} {step}"


def test_an_unknown_language_gets_english_and_an_unknown_key_raises():
    assert words.say("tlh", "table.value") == "Value"
    with pytest.raises(KeyError):
        words.say("en", "no.such.key")


def test_a_label_without_a_word_is_shown_as_it_is():
    assert words.label("ko", "alert", "stall") == "멈춤"
    assert words.label("ko", "alert", "<new kind>") == "<new kind>"
