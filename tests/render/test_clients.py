"""Mails against what Gmail, Outlook, Apple Mail, Yahoo and Samsung Email can show.

``caniemail.json`` is made by ``tools/caniemail.py``.
"""

import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

import sample_reports
from mlreport_batch.render.local import LocalRenderer

KNOWN = json.loads(Path(__file__).with_name("caniemail.json").read_text("utf-8"))

# What some program does not show, and why nothing is lost there.
GRACEFUL = {
    "css-at-media": "what it changes fits 375 pixels without it as well",
    "css-at-media-prefers-color-scheme": "programs without it stay light",
    "css-border-radius": "corners are square",
    "css-border-spacing": "cells have none to begin with",
    "css-box-sizing": "a chart is a few pixels wider",
    "css-clear": "only on a phone, where the table stays a table without it",
    "css-color-scheme": "programs without it stay light",
    "css-display": "a pill has no height of its own, charts stand in cells of a table",
    "css-display-none": "the first line of the inbox also stands above the mail",
    "css-filter": "charts stay light, and so do the colours of their legends",
    "css-float": "only on a phone, where the table stays a table without it",
    "css-height": "the bar of progress is as high as its line",
    "css-important": "only in the rules for phones and the dark",
    "css-max-height": "as display: none",
    "css-max-width": "Outlook has tables of a fixed width instead",
    "css-min-height": "only on a phone, an empty cell is lower",
    "css-min-width": "only on a phone, names break sooner",
    "css-overflow": "as display: none; on a phone a line closes under its floats",
    "css-overflow-wrap": "names have places to break (wbr)",
    "css-white-space": "figures may break, a text in fixed width loses its columns",
    "css-word-break": "names have places to break (wbr)",
    "html-anchor-links": "the details of a digest are found by reading on",
    "html-body": "what it sets is set at the table in it as well",
    "html-role": "a screen reader tells that there is a table",
    "html-style": "what is needed to read stands at the elements",
    "html-valign": "figures stand lower beside a name of two lines",
    "html-wbr": "a long name is a line of its own length",
    "html-lang": "only the choice of fonts",
}
# Of no feature the data tell, but each is a hint that may go unheard.
HINTS = frozenset(
    "font-variant-numeric mso-hide -webkit-text-size-adjust border-bottom-color "
    "supported-color-schemes".split()
)

LONGHANDS = {
    "border-(top|bottom|left|right)(-(color|width|style))?|border-color": "border",
    "(margin|padding)-(top|bottom|left|right)": r"\1",
    "font-family|font-style|font-weight": "font",
    "color": "background-color",  # as old as that, of which the data do tell
}
TAGS = {
    **dict.fromkeys(("tr", "td", "th", "tbody", "thead"), "table"),
    **dict.fromkeys(("h1", "h2"), "h1-h6"),
    **dict.fromkeys(("ul", "li"), "lists"),
    **dict.fromkeys(("b",), "strong"),
    "a": "anchor-links",
}
PLAIN_TAGS = {"html", "head", "meta", "title", "br"}
PLAIN_ATTRIBUTES = {"class", "style", "src", "alt", "http-equiv", "content", "name"}
PLAIN_ATTRIBUTES |= {"charset", "href", "id", "data-css-inline"}


class Uses(HTMLParser):
    """The features of HTML and CSS that a mail uses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.sheets: list[str] = []
        self.open = ""
        self.feed(text)
        for sheet in self.sheets:
            for rule in re.findall(r"@media[^{]*", sheet):
                self.found.add("css-at-media")
                if "prefers-color-scheme" in rule:
                    self.found.add("css-at-media-prefers-color-scheme")
            for body in re.findall(r"\{([^{}]*)\}", sheet):
                self.declare(body)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open = tag
        if tag not in PLAIN_TAGS:
            self.found.add(f"html-{TAGS.get(tag, tag)}")
        for name, value in attrs:
            if name == "style":
                self.declare(value or "")
            elif name not in PLAIN_ATTRIBUTES:
                self.found.add(f"html-{name}")

    def handle_data(self, data: str) -> None:
        if self.open == "style":
            self.sheets.append(re.sub(r"/\*.*?\*/", "", data, flags=re.DOTALL))

    def declare(self, body: str) -> None:
        for part in re.split(r";(?![^(]*\))", body):
            name, _, value = part.partition(":")
            if not name.strip():
                continue
            self.found.add(css(name.strip().lower()))
            if name.strip() == "display" and value.strip().startswith("none"):
                self.found.add("css-display-none")
            if "!important" in value:
                self.found.add("css-important")


def css(name: str) -> str:
    for pattern, whole in LONGHANDS.items():
        if f"css-{name}" not in KNOWN["features"] and re.fullmatch(pattern, name):
            name = re.sub(pattern, whole, name)
    return f"css-{name}"


@cache
def used() -> frozenset[str]:
    found: set[str] = set()
    for make in ("fine", "alarming", "korean", "long_names", "digest"):
        report = getattr(sample_reports, make)()
        found |= Uses(LocalRenderer().render(report).mail_html).found
    return frozenset(found - {f"css-{name}" for name in HINTS})


def test_of_every_feature_it_is_known_who_shows_it():
    assert used() - KNOWN["features"].keys() - GRACEFUL.keys() == set()


def test_nothing_is_lost_where_a_feature_is_not_shown():
    unshown = {
        name for name in used() if set("nu") & set(KNOWN["features"].get(name, ""))
    }
    assert unshown - GRACEFUL.keys() == set()


def test_no_reason_is_given_for_what_is_not_used():
    assert GRACEFUL.keys() - used() == set()


@pytest.mark.parametrize(
    "name", ["html-img", "css-padding", "html-table", "css-border"]
)
def test_what_carries_the_mail_is_shown_by_all(name: str):
    assert name in used()
    assert set(KNOWN["features"][name]) <= set("ya")
