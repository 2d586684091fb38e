"""A headless Chromium for tests and tools, started once for many pages."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mlreport_batch.render import Rendered
from waiting import eventually

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


# What axe-core finds that keeps somebody from reading: [impact, rule, where].
FAULTS = """
window.faults = null;
axe.run(document, {resultTypes: ['violations']}).then(found => {
  window.faults = found.violations
    .filter(each => ['serious', 'critical'].includes(each.impact))
    .map(each => [each.impact, each.id, each.nodes.slice(0, 3).map(e => e.html)]);
}, error => { window.faults = [['critical', String(error), []]]; }), '0'
"""


# What Chromium answers while one page gives way to the next.
LEAVING = ("navigated or closed", "Cannot find default execution context")


class PageLeftError(AssertionError):
    """The page that was asked has been left for another."""


class Browser:
    """A headless Chromium, spoken to through its debugging pipe."""

    def __init__(self, folder: Path, *, scale: int = 1) -> None:
        self._scale = scale
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
                if "error" in answer:
                    said = str(answer["error"])
                    left = any(words in said for words in LEAVING)
                    raise (PageLeftError if left else AssertionError)(said)
                return answer["result"]

    def _read(self) -> dict:
        while b"\0" not in self._pending:
            data = os.read(self._from, 1 << 20)
            assert data, "the browser ended"
            self._pending += data
        message, _, self._pending = self._pending.partition(b"\0")
        return json.loads(message)

    def show(self, place: Path | str, *, width: int, dark: bool) -> None:
        """Open a file or an address, and wait until it is loaded."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=self._scale,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        url = place if isinstance(place, str) else place.as_uri()
        self.ask("Page.navigate", url=url)
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def picture(self, *, height: int = 0) -> bytes:
        """Return what is shown as a PNG: the whole page, or its first *height* rows."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "scale": 1, **size}
        clip["height"] = min(height or size["height"], size["height"])
        taken = self.ask(
            "Page.captureScreenshot", clip=clip, captureBeyondViewport=True
        )
        return base64.b64decode(taken["data"])

    def run(self, script: str):
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return json.loads(answer["result"]["value"])

    def wait(self, script: str) -> None:
        """Wait until a script holds, on this page or the one it leads to."""

        def holds() -> bool:
            try:
                return self.run(f"JSON.stringify(Boolean({script}))")
            except PageLeftError:
                return False

        eventually(holds)

    def faults(self) -> list[list]:
        """Return what axe-core finds serious in the page: [impact, rule, where]."""
        axe = pytest.importorskip("axe_core_python", reason="no axe-core")
        script = Path(axe.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
        self.run(f"{script}\n'0'")
        self.run(FAULTS)
        self.wait("window.faults !== null")
        return self.run("JSON.stringify(faults)")

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)


def lay(made: Rendered, form: str, folder: Path) -> Path:
    """Write a report as a file that a browser can show; cids become data."""
    text = made.mail_html if form == "mail" else made.page_html
    for image in made.images:
        data = base64.b64encode(image.data).decode()
        text = text.replace(f"cid:{image.cid}", f"data:image/png;base64,{data}")
    path = folder / f"{form}.html"
    path.write_text(text, encoding="utf-8")
    return path
