# ruff: noqa: INP001  (a script beside its picture, no package)
"""Take ``mails.png``, the README's picture: mails made from the sample runs.

    python docs/img/take_picture.py

Needs a Chromium and, for few colours, Pillow. The mails are read from the ``.eml``
files that a tick lays into the outbox, so the picture shows what people get.
"""

import base64
import shutil
import subprocess
import sys
import tempfile
from email import message_from_bytes, policy  # noqa: TID253
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "tests" / "helpers")]

from browser import Browser  # noqa: E402

PICTURE = Path(__file__).with_name("mails.png")
SHOTS = (
    ("resnet50-cifar10", 660, False),
    ("vit-lr-sweep", 375, False),
    ("detr-coco", 375, True),
)
"""Run, width in CSS pixels, and whether the reader's screen is dark."""
HEIGHT, GAP, GROUND = 980, 14, "#d5dae0"
SCALE = 2


def main() -> None:
    """Run a tick, show some of its mails, and put what is seen side by side."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(
            ROOT / "sample_runs", folder / "sample_runs", copy_function=shutil.copyfile
        )
        subprocess.run(  # noqa: S603
            [
                *(sys.executable, "-m", "mlreport_batch", "run", "-q"),
                *(str(folder / "sample_runs"), "--out", str(folder / "out")),
            ],
            check=True,
        )
        wide = sum(width + GAP for _, width, _ in SHOTS) + GAP
        whole = Image.new("RGB", (wide * SCALE, (HEIGHT + 2 * GAP) * SCALE), GROUND)
        left = GAP
        browser = Browser(folder / "profile", scale=SCALE)
        for run, width, is_dark in SHOTS:
            (mail,) = (folder / "out/outbox").glob(f"*-{run}-*.eml")
            page = folder / f"{run}.html"
            page.write_text(body_of(mail), encoding="utf-8")
            browser.show(page, width=width, dark=is_dark)
            page.with_suffix(".png").write_bytes(browser.picture(height=HEIGHT))
            shot = Image.open(page.with_suffix(".png")).convert("RGB")
            whole.paste(shot, (left * SCALE, GAP * SCALE))
            left += width + GAP
        browser.close()
        few = whole.quantize(192, dither=Image.Dither.NONE)
        few.save(PICTURE, optimize=True)
    sys.stdout.write(f"{PICTURE}: {PICTURE.stat().st_size} bytes\n")


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
