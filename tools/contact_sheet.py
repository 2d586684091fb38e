"""Draw reports in every form and lay them side by side, to be looked at.

    python tools/contact_sheet.py OUT [FOLDER ...]

Without folders: the sample runs, every run under ``tests/``, and the made-up reports of
the tests. Each is drawn as a mail (375 and 800 px wide, light and dark), as a page and
as a PDF; ``OUT/sheet.html`` shows all. Needs a Chromium and pdftoppm.
"""

import html
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "helpers")]

import sample_reports  # noqa: E402
from browser import Browser, lay  # noqa: E402
from mlreport_batch.commands.inspect import look_at  # noqa: E402
from mlreport_batch.render import Rendered  # noqa: E402
from mlreport_batch.render.local import LocalRenderer  # noqa: E402
from mlreport_batch.report.case import case_of  # noqa: E402
from mlreport_batch.report.judge import judge, report_of  # noqa: E402
from mlreport_batch.report.model import AlertRules, Report, Wishes  # noqa: E402

FORMS = [
    ("mail", 375, False),
    ("mail", 375, True),
    ("mail", 800, False),
    ("mail", 800, True),
    ("page", 375, False),
    ("page", 1000, False),
    ("page", 1000, True),
]
MADE_UP = "fine alarming korean many bare long_names".split()
PAGES_MAX = 4
STYLE = """body{font:13px sans-serif;background:#888;margin:12px}
div{display:flex;gap:10px;align-items:flex-start;margin:0 0 24px}
img{max-height:1400px;border:1px solid #555}img.full{max-height:none}"""


def main(out: Path, folders: list[str]) -> None:
    """Draw all, and the page that shows them."""
    out.mkdir(parents=True, exist_ok=True)
    lines = []
    browser = Browser(out / "profile")
    try:
        for number, report in enumerate(reports(folders)):
            folder = out / f"{number:03}"
            folder.mkdir(exist_ok=True)
            names = pictures(LocalRenderer().render(report), browser, folder)
            shown = "".join(f'<img src="{folder.name}/{name}">' for name in names)
            lines.append(f"<h2>{html.escape(report.run)}</h2><div>{shown}</div>")
            sys.stdout.write(f"{folder}  {report.status:10} {report.run}\n")
    finally:
        browser.close()
    text = f'<meta charset="utf-8"><style>{STYLE}</style>{"".join(lines)}'
    (out / "sheet.html").write_text(text, encoding="utf-8")


def reports(folders: list[str]) -> Iterator[Report]:
    """Yield the reports to draw."""
    wanted = folders or [str(ROOT / each) for each in ("sample_runs", "tests")]
    for item in look_at(wanted):
        changed = item.view.updated_ns / 1e9
        case = case_of(
            item.view, Wishes(), AlertRules(), now=changed + 60, has_grown=True
        )
        yield report_of(
            judge(case, None),
            rid="sheet",
            run=item.run.name,
            project=os.path.basename(item.run.root),
        )
    if not folders:
        for name in MADE_UP:
            yield getattr(sample_reports, name)()


def pictures(made: Rendered, browser: Browser, folder: Path) -> list[str]:
    """Draw one report in all its forms; return the files' names."""
    names = []
    for form, width, is_dark in FORMS:
        browser.show(lay(made, form, folder), width=width, dark=is_dark)
        name = f"{form}-{width}-{'dark' if is_dark else 'light'}.png"
        (folder / name).write_bytes(browser.picture())
        names.append(name)
    (folder / "report.pdf").write_bytes(made.pdf or b"")
    subprocess.run(
        [
            *("pdftoppm", "-r", "75", "-png", "-l", str(PAGES_MAX)),
            *(str(folder / "report.pdf"), str(folder / "paper")),
        ],
        check=True,
    )
    return names + sorted(path.name for path in folder.glob("paper*.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
