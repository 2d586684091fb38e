"""What a real browser makes of mails and pages, on a phone and in the dark."""

from functools import cache
from pathlib import Path

import pytest

import sample_reports
from browser import CONTRASTS, Browser, lay
from mlreport_batch.render import Rendered
from mlreport_batch.render.local import LocalRenderer

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PHONE, DESKTOP = 375, 800

OVERFLOWING = """
JSON.stringify({
  wide: document.documentElement.scrollWidth,
  room: document.documentElement.clientWidth,
  out: [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right
      > document.documentElement.clientWidth + 1)
    .map(e => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 60)),
  broken: [...document.images].filter(i => !i.naturalWidth).length,
})
"""

WRAPPED = """
JSON.stringify([...document.querySelectorAll('td.n > b, td.n > span, .num')]
  .filter(e => e.getClientRects().length > 1).map(e => e.textContent))
"""

RIGHT_EDGES = """
JSON.stringify([...document.querySelector('.history').tBodies[0].rows]
  .map(r => { const b = r.querySelector('td.n:last-child b'); const range =
    document.createRange(); range.selectNodeContents(b);
    return Math.round(range.getBoundingClientRect().right); }))
"""

CASES = {
    "fine": sample_reports.fine,
    "alarming": sample_reports.alarming,
    "korean": sample_reports.korean,
    "many": sample_reports.many,
    "bare": sample_reports.bare,
    "long_names": sample_reports.long_names,
    "digest": sample_reports.digest,
    "digest_ko": lambda: sample_reports.digest("ko"),
}


@cache
def rendered(name: str) -> Rendered:
    return LocalRenderer().render(CASES[name]())


def laid(name: str, form: str, folder: Path) -> Path:
    return lay(rendered(name), form, folder)


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("form", ["mail", "page"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_nothing_overflows_and_no_figure_wraps(
    browser: Browser, tmp_path: Path, name: str, form: str, width: int
):
    browser.show(laid(name, form, tmp_path), width=width, dark=False)
    seen = browser.run(OVERFLOWING)
    assert seen["out"] == []
    assert seen["wide"] <= seen["room"] == width
    assert seen["broken"] == 0
    assert browser.run(WRAPPED) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("form", ["mail", "page"])
@pytest.mark.parametrize("name", ["alarming", "fine", "digest"])
def test_every_text_has_contrast(
    browser: Browser, tmp_path: Path, name: str, form: str, dark: bool
):
    browser.show(laid(name, form, tmp_path), width=DESKTOP, dark=dark)
    assert browser.run(CONTRASTS) == []


def test_the_dark_mail_is_dark_and_its_charts_stay_white(
    browser: Browser, tmp_path: Path
):
    browser.show(laid("fine", "mail", tmp_path), width=DESKTOP, dark=True)
    colours = browser.run(
        "JSON.stringify(['.card', 'img.chart'].map(s => getComputedStyle("
        "document.querySelector(s)).backgroundColor))"
    )
    assert colours == ["rgb(26, 29, 33)", "rgb(255, 255, 255)"]


def test_values_of_one_part_of_the_data_end_in_one_line(
    browser: Browser, tmp_path: Path
):
    browser.show(laid("fine", "mail", tmp_path), width=DESKTOP, dark=False)
    assert len(set(browser.run(RIGHT_EDGES))) == 1


def test_a_mail_is_at_most_640_wide(browser: Browser, tmp_path: Path):
    browser.show(laid("many", "mail", tmp_path), width=1400, dark=False)
    wide = browser.run(
        "JSON.stringify(document.querySelector('.card').getBoundingClientRect().width)"
    )
    assert wide == 640


@pytest.mark.parametrize(("width", "columns"), [(375, 2), (800, 2), (1000, 5)], ids=str)
def test_the_page_shows_as_many_figures_as_fit(
    browser: Browser, tmp_path: Path, width: int, columns: int
):
    browser.show(laid("fine", "page", tmp_path), width=width, dark=False)
    shown = browser.run(
        "JSON.stringify([...document.querySelectorAll('.history.gap tbody td.n')]"
        ".filter(e => e.getClientRects().length).length)"
    )
    assert shown == columns
