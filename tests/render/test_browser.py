"""What a real browser makes of mails and pages, on a phone and in the dark."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import sample_reports
from mlreport_batch.render import Rendered
from mlreport_batch.render.local import LocalRenderer
from waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-component-update",
    "--disable-background-networking",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
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
JSON.stringify([...document.querySelectorAll('.history tbody tr')]
  .map(r => { const b = r.querySelector('td.n b'); const range =
    document.createRange(); range.selectNodeContents(b);
    return Math.round(range.getBoundingClientRect().right); }))
"""

# Contrast of every visible text with the nearest opaque background behind it.
CONTRASTS = """
(() => {
  const rgb = s => s.match(/[\\d.]+/g).map(Number);
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => { v /= 255;
    return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
    return .2126 * r + .7152 * g + .0722 * b; };
  const behind = e => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] === 1) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    if (!own || !e.getClientRects().length || e.closest('svg')
        || e.classList.contains('sw')) continue;
    const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) bad.push([e.className, e.textContent.slice(0, 40), ratio]);
  }
  return JSON.stringify(bad);
})()
"""


class Browser:
    """A headless Chromium, spoken to through its debugging pipe."""

    def __init__(self, folder: Path) -> None:
        assert CHROMIUM
        theirs_in, self._to = os.pipe()
        self._from, theirs_out = os.pipe()
        # The shell gives the pipes the numbers 3 and 4, which Chromium expects.
        script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
        arguments = [CHROMIUM, *QUIET, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", script, "chromium", *arguments],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._pending = b""
        self._asked = 0
        self._session = ""
        pages: list[str] = []
        eventually(lambda: bool(pages.extend(self._pages()) or pages))
        attached = self.ask("Target.attachToTarget", targetId=pages[0], flatten=True)
        self._session = attached["sessionId"]
        self.ask("Page.enable")

    def _pages(self) -> list[str]:
        """Return the pages; for a moment after its start there may be none."""
        found = self.ask("Target.getTargets")["targetInfos"]
        return [target["targetId"] for target in found if target["type"] == "page"]

    def ask(self, method: str, **parameters: object) -> dict:
        self._asked += 1
        request = {"id": self._asked, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._to, json.dumps(request).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._asked:
                assert "error" not in answer, answer
                return answer["result"]

    def _read(self) -> dict:
        while b"\0" not in self._pending:
            data = os.read(self._from, 1 << 20)
            assert data, "the browser ended"
            self._pending += data
        message, _, self._pending = self._pending.partition(b"\0")
        return json.loads(message)

    def show(self, path: Path, *, width: int, dark: bool) -> None:
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.ask("Page.navigate", url=path.as_uri())
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def run(self, script: str):
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return json.loads(answer["result"]["value"])

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


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


def lay(name: str, form: str, folder: Path) -> Path:
    """Write a report as a file that a browser can show; cids become data."""
    made = rendered(name)
    text = made.mail_html if form == "mail" else made.page_html
    for image in made.images:
        data = base64.b64encode(image.data).decode()
        text = text.replace(f"cid:{image.cid}", f"data:image/png;base64,{data}")
    path = folder / f"{form}.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("form", ["mail", "page"])
@pytest.mark.parametrize("name", sorted(CASES))
def test_nothing_overflows_and_no_figure_wraps(
    browser: Browser, tmp_path: Path, name: str, form: str, width: int
):
    browser.show(lay(name, form, tmp_path), width=width, dark=False)
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
    browser.show(lay(name, form, tmp_path), width=DESKTOP, dark=dark)
    assert browser.run(CONTRASTS) == []


def test_the_dark_mail_is_dark_and_its_charts_stay_white(
    browser: Browser, tmp_path: Path
):
    browser.show(lay("fine", "mail", tmp_path), width=DESKTOP, dark=True)
    colours = browser.run(
        "JSON.stringify(['.card', 'img.chart'].map(s => getComputedStyle("
        "document.querySelector(s)).backgroundColor))"
    )
    assert colours == ["rgb(26, 29, 33)", "rgb(255, 255, 255)"]


def test_values_of_the_history_table_end_in_one_line(browser: Browser, tmp_path: Path):
    browser.show(lay("fine", "mail", tmp_path), width=DESKTOP, dark=False)
    assert len(set(browser.run(RIGHT_EDGES))) == 1


def test_a_mail_is_at_most_640_wide(browser: Browser, tmp_path: Path):
    browser.show(lay("many", "mail", tmp_path), width=1400, dark=False)
    wide = browser.run(
        "JSON.stringify(document.querySelector('.card').getBoundingClientRect().width)"
    )
    assert wide == 640


@pytest.mark.parametrize(("width", "columns"), [(375, 3), (800, 3), (1000, 6)], ids=str)
def test_the_page_shows_as_many_figures_as_fit(
    browser: Browser, tmp_path: Path, width: int, columns: int
):
    browser.show(lay("fine", "page", tmp_path), width=width, dark=False)
    shown = browser.run(
        "JSON.stringify([...document.querySelectorAll('.history tbody tr:first-child"
        " td.n')].filter(e => e.getClientRects().length).length)"
    )
    assert shown == columns
