"""The page over all runs: what a browser shows before, or without, its scripts."""

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from urllib.parse import quote

from msgspec import Struct

from mlreport_batch.language.english import ENGLISH
from mlreport_batch.language.say import say
from mlreport_batch.render.pages import Pages
from mlreport_batch.render.run_rows import (
    VERSION,
    PageIndex,
    PageRow,
    RowFiles,
    sum_of,
)

STATIC_ROWS = 50
"""Runs that are shown without scripts; the table of all of them would be megabytes."""
_STYLES = ("chart.css", "index.css")
_CURVES = ("base.js", "chart.js", "curves.js")
_SCRIPTS = (*_CURVES, "runs.js", "table.js", "compare.js", "index.js")
_ON_A_RUN = (*_CURVES, "run.js")
_FOLDER = os.path.join(os.path.dirname(__file__), "web")
# `file:` is what 'self' means for a page that was opened from the disk.
_POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file:; "
    "img-src 'self' file:; base-uri 'none'; form-action 'none'"
)
_REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline';"
_RUN_POLICY = (
    "default-src 'none'; script-src 'self' file:; "
    "style-src 'self' file: 'unsafe-inline';"
)
_GROUPS = ("page.", "status.", "time.", "head.", "table.", "part.")
_BAD = ("failed", "killed", "out_of_time", "stalled")


class Shown(Struct, frozen=True):
    """What is on the page without scripts.

    Attributes:
        rows: Some of the runs, those reported last.
        total: How many runs there are.
        at: When the page is made, in the reader's time zone; aware.
        language: Of its words.
    """

    rows: Sequence[PageRow]
    total: int
    at: datetime
    language: str


def put_page(
    pages: Pages, files: RowFiles, sums: tuple[str, ...], shown: Shown
) -> None:
    """Write the page over all runs, once the files of its runs are there.

    Args:
        pages: Where to.
        files: Of the runs.
        sums: Theirs.
        shown: What a browser without scripts shows.

    Raises:
        OSError: It could not be written.
    """
    language = shown.language
    made = shown.at.timestamp()
    files.put_index(PageIndex(VERSION, language, made, sums, words_of(language)))
    for name, data in assets().items():
        pages.put(f"assets/{name}", data)
    pages.put("index.html", index_html(shown).encode("utf-8", "replace"))


@cache
def assets() -> Mapping[str, bytes]:
    """Return the files that the page needs beside its data, by name."""
    found = {}
    for name in {*_STYLES, *_SCRIPTS, *_ON_A_RUN}:
        with open(os.path.join(_FOLDER, name), "rb") as stream:
            found[name] = stream.read()
    return found


def words_of(language: str) -> dict[str, str]:
    """Return what the page's scripts say."""
    keys = [key for key in ENGLISH if key.startswith(_GROUPS)]
    return {key: say(language, key) for key in keys}


def index_html(shown: Shown) -> str:
    """Return the page over all runs, those that need a person first."""
    language = shown.language

    def text(key: str, **fields: object) -> str:
        return html.escape(say(language, key, **fields))

    ordered = sorted(
        shown.rows,
        key=lambda row: (row.status not in _BAD, -(row.reported or 0.0), row.name),
    )
    lines = "\n".join(_line(row, shown.at, language) for row in ordered)
    heads = "".join(
        f'<th scope="col">{text(key)}</th>'
        for key in ("head.run", "head.status", "head.report", "head.date")
    )
    count, more = f"{shown.total:,}", ""
    if shown.total > len(ordered):
        part = text("page.static", shown=f"{len(ordered):,}", total=count)
        more = f'<p class="more">{part}</p>\n'
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{text('part.runs')}</title>\n"
        f"{_links(_STYLES, _SCRIPTS)}"
        f'<script defer src="data/index.js?{shown.at.timestamp():.0f}"></script>\n'
        f"</head>\n<body>\n<main>\n<h1>{text('part.runs')} <small>{count}</small></h1>"
        f'\n<table class="static">\n<thead><tr>{heads}</tr></thead>\n'
        f"<tbody>\n{lines}\n</tbody>\n</table>\n{more}</main>\n"
        f"<footer>mlreport-batch · {shown.at:%Y-%m-%d %H:%M %Z}</footer>\n"
        "</body>\n</html>\n"
    )


def _links(styles: Iterable[str], scripts: Iterable[str], above: str = "") -> str:
    """Return the elements that load assets, by another address for each version."""

    def address(name: str) -> str:
        return f"{above}assets/{name}?{sum_of(assets()[name])}"

    return "".join(
        [f'<link rel="stylesheet" href="{address(name)}">\n' for name in styles]
        + [f'<script defer src="{address(name)}"></script>\n' for name in scripts]
    )


def with_curves(page: str) -> str:
    """Return the page of one run with scripts that draw its curves above its pictures.

    A report allows no scripts: the folder of pages, which has them, lets in its own.
    Where a page has another policy, as one from a template of the user's, it stays.
    """
    if _REPORT_POLICY not in page.partition("</head>")[0]:
        return page
    links = _links(["chart.css"], _ON_A_RUN, "../../")
    page = page.replace(_REPORT_POLICY, _RUN_POLICY, 1)
    return page.replace("</head>", f"{links}</head>", 1)


def _line(row: PageRow, at: datetime, language: str) -> str:
    name = html.escape(row.name)
    for mark in "/_":
        name = name.replace(mark, f"{mark}<wbr>")
    base = f"reports/{quote(row.slug)}"
    if row.page:
        name = f'<a href="{base}/report.html">{name}</a>'
    links = f' <a href="{base}/report.pdf">PDF</a>' if row.pdf else ""
    status = say(language, f"status.{row.status}") if row.status else ""
    when = ""
    if row.reported:
        when = f"{datetime.fromtimestamp(row.reported, at.tzinfo):%Y-%m-%d %H:%M}"
    return (
        f'<tr><th scope="row">{name}</th>'
        f'<td class="s-{html.escape(row.status)}">{html.escape(status)}</td>'
        f"<td>{html.escape(row.headline)}{links}</td><td>{when}</td></tr>"
    )
