"""What a real browser makes of mails and pages, on a phone and in the dark."""

import re
from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

import sample_reports
from browser import CONTRASTS, Browser, lay
from mlreport_batch.render import Rendered
from mlreport_batch.render.local import LocalRenderer
from mlreport_batch.report.model import HparamRow

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

NARROW, PHONE, DESKTOP = 320, 375, 800
TEXT_PX_MIN = 11

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

# Visible texts too small to be read. The letters of a chart shrink with it.
SMALL = """
JSON.stringify([...document.querySelectorAll('body *')].flatMap(e => {
  const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
  if (!own || !e.getClientRects().length) return [];
  const svg = e.closest('svg');
  const scale = svg ? svg.getBoundingClientRect().width / svg.viewBox.baseVal.width : 1;
  const size = parseFloat(getComputedStyle(e).fontSize) * scale;
  return size < LEAST ? [[e.className, e.textContent.slice(0, 40), size]] : [];
}))
"""

# Pairs of texts that lie over each other by more than the room around letters.
OVERLAPS = """
(() => {
  const boxes = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, range = document.createRange();
    if (!node.data.trim()) continue;
    range.selectNodeContents(node);
    for (const r of range.getClientRects()) if (r.width > 1) boxes.push([r, node.data]);
  }
  boxes.sort((a, b) => a[0].top - b[0].top);
  const found = [];
  boxes.forEach(([r, text], i) => {
    for (let j = i + 1; j < boxes.length && boxes[j][0].top < r.bottom - 4; j++) {
      const o = boxes[j][0];
      const wide = Math.min(r.right, o.right) - Math.max(r.left, o.left);
      if (wide > 2) found.push([text.slice(0, 40), boxes[j][1].slice(0, 40), wide]);
    }
  });
  return JSON.stringify(found);
})()
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


@pytest.mark.parametrize("form", ["mail", "page"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_nothing_overflows_or_overlaps_and_all_can_be_read(
    browser: Browser, tmp_path: Path, name: str, form: str
):
    path = laid(name, form, tmp_path)
    for width in (NARROW, PHONE, DESKTOP):
        browser.show(path, width=width, dark=width == PHONE)
        seen = browser.run(OVERFLOWING)
        assert seen["out"] == []
        assert seen["wide"] <= seen["room"] == width
        assert seen["broken"] == 0
        assert browser.run(OVERLAPS) == []
        assert browser.run(CONTRASTS) == []
        if width > NARROW:
            assert browser.run(SMALL.replace("LEAST", str(TEXT_PX_MIN))) == []
            assert browser.run(WRAPPED) == []
    browser.show(path, width=DESKTOP, dark=True)
    assert browser.run(CONTRASTS) == []


@pytest.mark.parametrize(("name", "form"), [("alarming", "page"), ("digest", "mail")])
def test_nothing_keeps_anybody_from_reading_whatever_they_read_with(
    browser: Browser, tmp_path: Path, name: str, form: str
):
    browser.show(laid(name, form, tmp_path), width=PHONE, dark=False)
    browser.run("document.body.append(document.createElement('button')), '0'")
    assert [rule for _, rule, _ in browser.faults()] == ["button-name"]


@pytest.mark.parametrize("name", ["fine", "alarming", "korean"])
def test_the_first_screen_of_a_phone_tells_what_matters(
    browser: Browser, tmp_path: Path, name: str
):
    browser.show(laid(name, "mail", tmp_path), width=PHONE, dark=False)
    bottoms = browser.run(
        "JSON.stringify(['.lead', '.bar', '.far', '.hero'].map(s =>"
        " document.querySelector(s).getBoundingClientRect().bottom))"
    )
    assert max(bottoms) <= 667


@pytest.mark.parametrize("name", ["fine", "alarming", "korean"])
def test_a_mail_fits_a_phone_whose_program_drops_style_sheets(
    browser: Browser, tmp_path: Path, name: str
):
    path = laid(name, "mail", tmp_path)
    bare = re.sub(r"(?s)<style.*?</style>", "", path.read_text("utf-8"))
    path.write_text(bare, "utf-8")
    browser.show(path, width=PHONE, dark=False)
    wide = browser.run("JSON.stringify(document.documentElement.scrollWidth)")
    assert wide <= PHONE + 5


@pytest.mark.parametrize("form", ["mail", "page"])
def test_in_the_dark_charts_and_legends_change_colours_alike(
    browser: Browser, tmp_path: Path, form: str
):
    browser.show(laid("fine", form, tmp_path), width=DESKTOP, dark=True)
    filters = browser.run(
        "JSON.stringify([...document.querySelectorAll('.chart, .sw')].map("
        "e => getComputedStyle(e).filter))"
    )
    assert set(filters) == {"invert(0.9) hue-rotate(180deg)"}
    ground = "document.querySelector('.card, main')"
    colour = f"getComputedStyle({ground}).backgroundColor"
    assert browser.run(f"JSON.stringify({colour})") == "rgb(26, 29, 33)"


def test_a_digest_of_eight_runs_is_short_on_a_phone(browser: Browser, tmp_path: Path):
    made = LocalRenderer().render(sample_reports.digest(count=8))
    browser.show(lay(made, "mail", tmp_path), width=PHONE, dark=False)
    assert browser.run("JSON.stringify(document.body.scrollHeight)") < 2000


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


@pytest.mark.parametrize(("width", "columns"), [(375, 1), (800, 1), (1000, 2)], ids=str)
def test_many_hyperparameters_stand_in_two_columns_where_there_is_room(
    browser: Browser, tmp_path: Path, width: int, columns: int
):
    rows = [HparamRow(f"part_{i}", "0.1", "", None) for i in range(13)]
    report = replace(sample_reports.fine(), hparams=tuple(rows))
    page = lay(LocalRenderer().render(report), "page", tmp_path)
    browser.show(page, width=width, dark=False)
    lefts = browser.run(
        "JSON.stringify([...document.querySelectorAll('.many td.k')]"
        ".map(e => e.getBoundingClientRect().left))"
    )
    assert len(lefts) == 13
    assert len(set(lefts)) == columns
    assert browser.run(OVERFLOWING)["out"] == []
