# ruff: noqa: INP001  (a script beside its picture, no package)
"""Take the pictures of the docs: mails of the sample runs, a sweep, paper in Korean.

    python docs/img/take_picture.py [mails] [sweep] [korean]

Needs a Chromium, pdftoppm and, for few colours, Pillow. The mails are read from the
``.eml`` files that a tick lays into the outbox, so the pictures show what people get.
"""

import base64
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy  # noqa: TID253
from io import BytesIO
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "helpers")]

from browser import Browser  # noqa: E402
from mlreport_batch.render.pages import id_of  # noqa: E402

HERE = Path(__file__).parent
MAILS = (
    ("resnet50-cifar10", 660, False),
    ("vit-lr-sweep", 375, False),
    ("detr-coco", 375, True),
)
"""Run, width in CSS pixels, and whether the reader's screen is dark."""
SWEEP = ROOT / "tests/runs/optuna_sweep/tree/spirals"
SWEEP_S = 0.95
"""So far into the recorded sweep most of its runs go on."""
LEADERS = ("trial_02", "trial_15", "trial_24")
GAP, GROUND = 14, "#d5dae0"
SCALE = 2
Shot = tuple[str, int, bool]
"""An address, a width in CSS pixels, and whether the screen is dark."""


def main() -> None:
    """Take the pictures, or those that are named."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        show_hangul(folder)
        browser = Browser(folder / "profile", scale=SCALE)
        for make, height in ((mails, 980), (sweep, 860), (korean, 920)):
            title = make.__name__
            if title in (sys.argv[1:] or [title]):
                shots = list(make(folder / title))
                take(browser, HERE / f"{title}.png", shots, height)
        browser.close()


def show_hangul(folder: Path) -> None:
    """Lend the browser the fonts of the reports, where the machine has none."""
    fonts = ROOT / "mlreport_batch/render/fonts"
    file = folder / "fonts.conf"
    file.write_text(
        "<fontconfig><include>/etc/fonts/fonts.conf</include>"
        f"<dir>{fonts}</dir><cachedir>{folder}</cachedir></fontconfig>"
    )
    os.environ["FONTCONFIG_FILE"] = str(file)


def take(browser: Browser, picture: Path, shots: Sequence[Shot], height: int) -> None:
    """Put the first *height* rows of what is seen at some addresses side by side."""
    wide = sum(width + GAP for _, width, _ in shots) + GAP
    whole = Image.new("RGB", (wide * SCALE, (height + 2 * GAP) * SCALE), GROUND)
    left = GAP
    for address, width, is_dark in shots:
        browser.show(address, width=width, dark=is_dark)
        if "#" in address:
            browser.wait("document.querySelector('.plot .line')")
        shot = Image.open(BytesIO(browser.picture(height=height))).convert("RGB")
        whole.paste(shot, (left * SCALE, GAP * SCALE))
        left += width + GAP
    few = whole.quantize(128, dither=Image.Dither.NONE)
    few.save(picture, optimize=True)
    sys.stdout.write(f"{picture}: {picture.stat().st_size} bytes\n")


def mails(folder: Path) -> Iterator[Shot]:
    """Yield some mails of a tick over the sample runs."""
    shutil.copytree(
        ROOT / "sample_runs", folder / "sample_runs", copy_function=shutil.copyfile
    )
    tick(str(folder / "sample_runs"), "--out", str(folder / "out"))
    for run, width, is_dark in MAILS:
        (mail,) = (folder / "out/outbox").glob(f"*-{run}-*.eml")
        yield as_page(mail), width, is_dark


def sweep(folder: Path) -> Iterator[Shot]:
    """Yield the digest of a sweep that goes on, and the page over its runs."""
    for run in SWEEP.glob("trial_*"):
        place = folder / "runs" / "spirals" / run.name
        place.mkdir(parents=True)
        shutil.copyfile(run / "hparams.json", place / "hparams.json")
        head, *rows = (run / "metrics.csv").read_text().splitlines(keepends=True)
        here = [row for row in rows if float(row.split(",")[1]) <= SWEEP_S]
        (place / "metrics.csv").write_text("".join([head, *here]))
        if here == rows and (run / "train.log").exists():
            shutil.copyfile(run / "train.log", place / "train.log")
    config = folder / "mlreport.yaml"
    config.write_text(
        f"runs: {{path: {folder}/runs}}\nstate: {folder}/state\n"
        f"outbox: {{dir: {folder}/outbox}}\npages: {{dir: {folder}/pages}}\n"
        "mail: {digest: true}\n"
    )
    tick("-c", str(config))
    (mail,) = (folder / "outbox").glob("*.eml")
    yield as_page(mail), 375, False
    chosen = "+".join(
        id_of(str(folder.resolve() / "runs/spirals" / name)) for name in LEADERS
    )
    index = (folder / "pages/index.html").as_uri()
    yield f"{index}#log=true&sel={chosen}", 1280, False


def korean(folder: Path) -> Iterator[Shot]:
    """Yield a mail in Korean on a dark phone, and the PDF of another run."""
    shutil.copytree(
        ROOT / "sample_runs", folder / "sample_runs", copy_function=shutil.copyfile
    )
    config = folder / "mlreport.yaml"
    config.write_text(
        f"runs: {{path: {folder}/sample_runs}}\nstate: {folder}/state\n"
        f"outbox: {{dir: {folder}/outbox}}\npages: {{dir: {folder}/pages}}\n"
        "report: {language: ko, first_seen_max_age: 9999d}\n"
    )
    tick("-c", str(config))
    (mail,) = (folder / "outbox").glob("*-vit-lr-sweep-*.eml")
    yield as_page(mail), 375, True
    # A name in Hangul alone is none for a folder, which is called run then.
    (pdf,) = (folder / "pages/reports").glob("run-*/report.pdf")
    sheet = folder / "sheet"
    paper = ["pdftoppm", "-png", "-r", "150", "-f", "1", "-singlefile"]
    subprocess.run([*paper, str(pdf), str(sheet)], check=True)  # noqa: S603
    page = folder / "sheet.html"
    page.write_text("<body style='margin:0'><img src='sheet.png' style='width:100%'>")
    yield page.as_uri(), 650, False


def tick(*arguments: str) -> None:
    """Run a tick."""
    program = [sys.executable, "-m", "mlreport_batch", "run", "-q"]
    subprocess.run([*program, *arguments], check=True)  # noqa: S603


def as_page(mail: Path) -> str:
    """Return the address of a page that shows a mail."""
    page = mail.with_suffix(".html")
    page.write_text(body_of(mail), encoding="utf-8")
    return page.as_uri()


def body_of(mail: Path) -> str:
    """Return the HTML of a mail with its pictures inside."""
    message = message_from_bytes(mail.read_bytes(), policy=policy.default)
    body = message.get_body(("html",))
    if body is None:
        raise SystemExit(f"{mail} has no HTML")
    html: str = body.get_content()
    for part in message.walk():
        cid = part.get("Content-ID", "").strip("<>")
        data = part.get_payload(decode=True)
        if cid and isinstance(data, bytes):
            encoded = base64.b64encode(data).decode()
            url = f"data:{part.get_content_type()};base64,{encoded}"
            html = html.replace(f"cid:{cid}", url)
    return html


if __name__ == "__main__":
    main()
