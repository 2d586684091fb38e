"""The page over all runs in a real browser, from the disk and under a strict policy."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import sample_reports
from browser import CONTRASTS, Browser
from hostile import PAYLOADS
from mlreport_batch.render.local import LocalRenderer
from mlreport_batch.render.pages import Pages, id_of
from mlreport_batch.render.run_index import STATIC_ROWS, Shown, put_page, with_curves
from mlreport_batch.render.run_rows import PageCurves, PageRow, RowFiles
from mlreport_batch.report.card import CardCurve
from waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

POLICY = "default-src 'self'"
AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
STEPS = tuple(float(step) for step in range(1, 41))

# What went wrong in the page, from its first line on.
WATCH = """
window.wrong = [];
document.addEventListener('securitypolicyviolation',
  e => wrong.push(e.violatedDirective));
window.addEventListener('error', e => wrong.push(e.message || e.target.src), true);
window.addEventListener('unhandledrejection', e => wrong.push(String(e.reason)));
"""


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder under a policy that allows nothing but its own files."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def name(number: int) -> str:
    """Return what a run is called."""
    return f"sweep/group-{number % 3}/run-{number:05}"


def run(number: int, **more: Any) -> PageRow:  # noqa: ANN401
    """Return a run: the higher its number, the lower its loss and the older it is."""
    key = id_of(str(number))
    row = {
        "id": key,
        "slug": f"run-{key}",
        "name": name(number),
        "group": f"sweep/group-{number % 3}",
        "status": "failed" if number % 5 == 1 else "running",
        "headline": f"loss {1 / (number + 1):.4f}",
        "alerts": ("CUDA out of memory",) if number % 5 == 1 else (),
        "tags": ("base",) if number % 2 else (),
        "main": "loss",
        "metrics": {
            "loss": (1 / (number + 1), 0.5 / (number + 1)),
            "acc": ("NaN", 0.5),
        },
        "hparams": {"lr": 10.0 ** -(number % 4), "seed": number, "opt": "adam"},
        "progress": number / 10_000,
        "written": AT.timestamp() - number,
        "spark": "_Z9 0",
        "page": True,
        "drawn": number < 6,
    }
    return PageRow(**(row | more))


@cache
def rendered_page() -> str:
    return LocalRenderer().render(sample_reports.fine()).page_html


def lay(folder: Path, rows: list[PageRow], language: str = "en") -> Path:
    """Write a page over some runs."""
    pages, files = Pages(str(folder)), RowFiles(str(folder))
    for number, row in enumerate(rows):
        if row.drawn:
            values = tuple(1 / (number + step) for step in STEPS)
            curves = tuple(
                CardCurve(n, "min", STEPS, values, ()) for n in ("loss", "acc")
            )
            times = ((1.0, 1000.0), (40.0, 5000.0))
            pages.put_curves(row.slug, row.id, PageCurves(curves, times))
            page = with_curves(rendered_page())
            (folder / "reports" / row.slug / "report.html").write_text(page)
    sums = files.make(rows, len(rows))
    put_page(pages, files, sums, Shown(rows[:STATIC_ROWS], len(rows), AT, language))
    return folder / "index.html"


@dataclass
class Reader:
    """Somebody who reads the page."""

    browser: Browser

    def open(self, place: Path | str, *, width: int = 1200, dark: bool = False) -> None:
        self.browser.show("about:blank", width=width, dark=dark)
        self.browser.show(place, width=width, dark=dark)
        self.wait("document.documentElement.classList.contains('js')")

    def ask(self, script: str) -> Any:  # noqa: ANN401
        return self.browser.run(f"JSON.stringify({script})")

    def do(self, script: str) -> None:
        self.browser.run(f"(() => {{ {script} }})(), '0'")

    def wait(self, script: str) -> None:
        self.browser.wait(script)

    def click(self, selector: str) -> None:
        self.do(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, text: str) -> None:
        self.do(
            "const box = document.querySelector('input[type=search]');"
            f"box.value = {json.dumps(text)}; box.dispatchEvent(new Event('input'))"
        )

    def names(self) -> list[str]:
        return self.ask(
            "[...document.querySelectorAll('.runs .run .name')].map(e => e.textContent)"
        )

    def count(self) -> str:
        return self.ask("document.querySelector('.count').textContent")

    def lines(self) -> list[str]:
        return self.ask(
            "[...document.querySelectorAll('.plot .line')]"
            ".map(e => e.getAttribute('d'))"
        )

    def wrong(self) -> list[str]:
        return self.ask("window.wrong")

    def drag(self, start: float, end: float) -> None:
        """Drag over the picture of the curves, from and to some part of its width."""
        box = self.ask("document.querySelector('.plot').getBoundingClientRect()")
        for kind, share in (("Pressed", start), ("Moved", end), ("Released", end)):
            self.browser.ask(
                "Input.dispatchMouseEvent",
                type=f"mouse{kind}",
                button="left",
                clickCount=1,
                x=box["x"] + share * box["width"],
                y=box["y"] + box["height"] / 2,
            )


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Reader]:
    watch = browser.ask("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    yield Reader(browser)
    browser.ask("Page.removeScriptToEvaluateOnNewDocument", **watch)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, str]]:
    """Pages over 6 and over 10,000 runs, each on a server with a strict policy."""
    found, servers = {}, []
    for count in (6, 10_000):
        folder = tmp_path_factory.mktemp(f"runs{count}")
        lay(folder, [run(number) for number in range(count)])
        handler = partial(Handler, directory=str(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        found[count] = f"http://127.0.0.1:{server.server_port}/index.html"
    yield found
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("count", [6, 10_000])
def test_a_reader_sorts_filters_searches_and_compares(
    reader: Reader, places: dict[int, str], count: int
):
    reader.open(places[count])
    assert reader.count() == f"{count:,} of {count:,} runs"
    # What needs attention comes first.
    alerted = 2 if count > 6 else 1
    assert reader.names()[:alerted] == [name(1), name(6)][:alerted]
    if count == 6:
        assert reader.names()[1] == name(0)
    reader.click("[data-focus='head main']")
    assert reader.names()[0] == name(count - 1)
    assert reader.ask(
        "document.querySelector('[aria-sort=ascending]').textContent.trim()"
    ).startswith("Main metric")
    reader.click("[data-focus='head main']")
    assert reader.names()[0] == name(0)
    reader.click(".chip[data-status=failed]")
    assert reader.count() == f"{(count + 3) // 5:,} of {count:,} runs"
    reader.type("seed=1 LR=0.1")
    assert reader.names()[0] == name(1)
    reader.type("no such run")
    assert reader.names() == []
    reader.click(".chip[data-status=failed]")
    reader.type("run-0000")
    for number in (0, 1):
        reader.click(f"[data-focus='pick {id_of(str(number))}']")
    reader.wait("document.querySelectorAll('.plot .line').length === 2")
    whole = reader.lines()
    assert all(line.startswith("M") for line in whole)
    differing = "[...document.querySelectorAll('.differences tbody tr')]"
    assert reader.ask(f"{differing}.map(e => e.textContent)") == ["lr10.1", "seed01"]
    reader.drag(0.3, 0.6)
    reader.wait("mlreport.page.compare.curves.chart.zoom !== null")
    zoomed = reader.lines()
    assert zoomed != whole
    reader.click(".field input[type=checkbox]")
    assert "log=true" in reader.ask("location.hash")
    eventually(lambda: reader.lines() != zoomed)
    address = reader.ask("location.href")
    reader.open(address)  # the same view, from the link alone
    assert (
        reader.ask("document.querySelector('input[type=search]').value") == "run-0000"
    )
    reader.wait("document.querySelectorAll('.plot .line').length === 2")
    reader.open(places[count])  # and without it, as this browser left it
    assert (
        reader.ask("document.querySelector('input[type=search]').value") == "run-0000"
    )
    assert reader.ask("document.querySelectorAll('.plot .line').length") == 0
    assert reader.wrong() == []
    reader.click("[data-focus='head run']")
    reader.do("document.querySelector('.runs a').click()")
    reader.wait("location.pathname.endsWith('/report.html')")


def test_only_rows_in_sight_are_elements(reader: Reader, places: dict[int, str]):
    reader.open(places[10_000])
    reader.do("mlreport.page.reset()")
    rows = "document.querySelectorAll('.runs tbody tr').length"
    assert reader.ask(rows) < 60
    reader.do("document.querySelector('.scroller').scrollTop = 1e9")
    reader.wait("document.querySelector('.runs [aria-rowindex=\"10001\"]')")
    assert reader.ask(rows) < 60
    assert (
        reader.ask("document.querySelector('.runs').getAttribute('aria-rowcount')")
        == "10001"
    )


def test_curves_stand_over_time_and_are_smoothed(
    reader: Reader, places: dict[int, str]
):
    reader.open(f"{places[6]}#sel={id_of('0')}&x=elapsed&smooth=0.9")
    reader.wait("document.querySelectorAll('.plot .line').length === 1")
    points = "mlreport.page.compare.curves.chart.curves[0].points"
    assert reader.ask(f"[{points}[0].x, {points}[39].x]") == [0, 4000]
    assert reader.ask(f"{points}[39].y") > reader.ask(f"{points}[39].raw")
    assert reader.ask(f"{points}[0].y") == reader.ask(f"{points}[0].raw")
    assert reader.ask("document.querySelectorAll('.plot .raw').length") == 1


@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_from_the_disk_fits_and_can_be_read(
    reader: Reader, tmp_path: Path, width: int, dark: bool
):
    page = lay(tmp_path, [run(number) for number in range(6)], "ko")
    reader.open(page, width=width, dark=dark)
    assert len(reader.names()) == 6
    for selected in ("", id_of("1")):
        reader.do(f"mlreport.page.change({{sel: {json.dumps(selected.split())}}})")
        if selected:
            reader.wait("document.querySelectorAll('.plot .line').length === 1")
        assert reader.ask("document.documentElement.scrollWidth") <= width
        assert reader.browser.run(CONTRASTS) == []
    assert reader.browser.faults() == []
    assert reader.wrong() == []


def test_what_a_run_says_stays_text(reader: Reader, tmp_path: Path):
    texts = [*PAYLOADS, "</script>", "음성/한국어", "__proto__", "constructor"]
    rows = [
        run(
            number, name=text, headline=text, alerts=(text,), tags=(text,), group=text,
            main=text, metrics={text: (1.0, None)}, hparams={text: text, "x": number},
        )
        for number, text in enumerate(texts)
    ]  # fmt: skip
    page = lay(tmp_path, rows)
    before = "[...document.querySelectorAll('script, img, iframe, svg a, base')].length"
    reader.open(page)
    columns = [f"h:{texts[0]}", "h:__proto__"]
    reader.do(f"mlreport.page.change({{cols: {json.dumps(columns)}}})")
    assert set(reader.ask("mlreport.page.rows.map(row => row.name)")) == set(texts)
    assert {name.strip() for name in reader.names()} <= {text.strip() for text in texts}
    assert reader.ask(before) == reader.ask(
        "document.querySelectorAll('head script').length"
    )
    values = (
        "[...document.querySelectorAll('.runs tr:not(.space) td:last-child')]"
        ".map(e => e.textContent)"
    )
    assert set(reader.ask(values)) == {""}
    reader.type("__proto__")
    assert reader.ask(values) == ["__proto__"]
    assert reader.wrong() == []


def test_the_page_of_a_run_draws_its_curves_above_their_pictures(
    reader: Reader, tmp_path: Path
):
    rows = [run(0)]
    lay(tmp_path, rows)
    folder = tmp_path / "reports" / rows[0].slug
    reader.browser.show(folder / "report.html", width=375, dark=True)
    reader.wait("document.querySelector('.plot .line')")
    assert reader.ask(
        "document.querySelector('.curves ~ :is(.fig, .figs) svg') !== null"
    )
    first = reader.lines()
    assert first[0].count("L") == len(STEPS) - 1
    reader.click(".field input[type=checkbox]")
    eventually(lambda: reader.lines() != first)
    assert reader.ask("document.documentElement.scrollWidth") == 375
    assert reader.browser.run(CONTRASTS) == []
    assert reader.browser.faults() == []
    assert reader.wrong() == []


def test_the_page_of_a_run_lets_in_scripts_of_its_folder_alone():
    report = rendered_page()
    page = with_curves(report)
    assert "script" not in report
    assert page.count("<script") == page.count('<script defer src="../../assets/') > 0
    assert "script-src 'self' file:;" in page
    assert "<h1>" in page
    own = "<html><head></head><body>default-src 'none'</body></html>"
    assert with_curves(own) == own


def test_without_scripts_there_is_a_table(reader: Reader, places: dict[int, str]):
    browser = reader.browser
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.show(places[10_000], width=375, dark=False)
        root = browser.ask("DOM.getDocument")["root"]["nodeId"]
        found = browser.ask(
            "DOM.querySelectorAll", nodeId=root, selector=".static tbody tr"
        )
        assert len(found["nodeIds"]) == STATIC_ROWS
    finally:
        browser.ask("Emulation.setScriptExecutionDisabled", value=False)
