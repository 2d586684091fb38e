# ruff: noqa: INP001  (a script beside its picture, no package)
"""Take ``mails.png``, the README's picture: two mails made from the sample runs.

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
PICTURE = Path(__file__).with_name("mails.png")
RUNS = ("gan", "vit-lr-sweep")
WIDTH, HEIGHT, GAP = 660, 1060, 12
SCALE = 2
PAGE = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; display: flex; gap: {gap}px; background: #fff }}
iframe {{ border: 0; width: {width}px; height: {height}px }}
</style>{frames}"""


def main() -> None:
    """Run a tick, put two of its mails side by side, and take the picture."""
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
        frames = ""
        for run in RUNS:
            (mail,) = (folder / "out/outbox").glob(f"*-{run}-*.eml")
            (folder / f"{run}.html").write_text(body_of(mail), encoding="utf-8")
            frames += f'<iframe src="{run}.html" scrolling="no"></iframe>'
        page = folder / "page.html"
        page.write_text(
            PAGE.format(frames=frames, width=WIDTH, height=HEIGHT, gap=GAP),
            encoding="utf-8",
        )
        take(page, folder / "picture.png")
        picture = Image.open(folder / "picture.png").convert("RGB")
        few = picture.quantize(192, dither=Image.Dither.NONE)
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


def take(page: Path, picture: Path) -> None:
    """Let Chromium draw *page* into *picture*."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is not here")
    subprocess.run(  # noqa: S603
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu"),
            *("--disable-background-networking", "--hide-scrollbars"),
            f"--user-data-dir={page.parent / 'profile'}",
            f"--force-device-scale-factor={SCALE}",
            f"--window-size={2 * WIDTH + GAP},{HEIGHT}",
            *(f"--screenshot={picture}", page.as_uri()),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )


if __name__ == "__main__":
    main()
