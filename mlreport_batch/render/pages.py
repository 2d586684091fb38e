"""Lay the newest report of each run, and an index over all runs, into a folder.

::

    index.html
    reports/<slug>/report.html
    reports/<slug>/report.pdf
"""

import hashlib
import html
import os
import re
from collections.abc import Iterable
from datetime import datetime
from urllib.parse import quote

from msgspec import Struct

from mlreport_batch.errors import StateError, reason_of
from mlreport_batch.language.say import say
from mlreport_batch.safety.files import write_durably
from mlreport_batch.state.store import RunRow

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def slug_of(name: str, path: str) -> str:
    """Return a folder name for a run: safe characters of its name plus a short hash."""
    safe = _UNSAFE.sub("-", name).strip("-.")[-60:].strip("-.") or "run"
    mark = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
    return f"{safe}-{mark}"


class Pages(Struct, frozen=True):
    """The folder that takes the pages."""

    folder: str

    def report_path(self, slug: str) -> str:
        """Return where a run's newest report lies as HTML."""
        return os.path.join(self.folder, "reports", slug, "report.html")

    def put_report(self, slug: str, page_html: str, pdf: bytes | None) -> None:
        """Keep a run's newest report.

        Raises:
            StateError: It could not be written.
        """
        folder = os.path.join(self.folder, "reports", slug)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            write_durably(
                os.path.join(folder, "report.html"),
                page_html.encode("utf-8", "replace"),
                0o644,
            )
            if pdf is not None:
                write_durably(os.path.join(folder, "report.pdf"), pdf, 0o644)
        except OSError as exc:
            raise _unusable(folder, exc) from exc

    def put_index(self, rows: Iterable[RunRow], now: datetime, language: str) -> None:
        """Write ``index.html`` over all runs.

        Raises:
            StateError: It could not be written.
        """
        path = os.path.join(self.folder, "index.html")
        try:
            write_durably(path, index_html(rows, now, language).encode(), 0o644)
        except OSError as exc:
            raise _unusable(path, exc) from exc


def index_html(rows: Iterable[RunRow], now: datetime, language: str) -> str:
    """Return the page over all runs, those reported last first."""
    ordered = sorted(rows, key=lambda row: (-(row.reported_at or 0.0), row.name))
    lines = "\n".join(_line(row, now, language) for row in ordered)
    title = html.escape(say(language, "part.runs"))
    heads = "".join(
        f"<th>{html.escape(say(language, key))}</th>"
        for key in ("head.run", "head.status", "head.report", "head.date")
    )
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n"
        f"<h1>{title} <small>{len(ordered):,}</small></h1>\n"
        f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n"
        f"</table>\n<p>mlreport-batch · {now:%Y-%m-%d %H:%M %Z}</p>\n</body>\n</html>\n"
    )


def _line(row: RunRow, now: datetime, language: str) -> str:
    name = html.escape(row.name)
    for mark in "/_":
        name = name.replace(mark, f"{mark}<wbr>")
    status = say(language, f"status.{row.status}") if row.status else ""
    links = when = ""
    if row.slug and row.reported_at:
        base = f"reports/{quote(row.slug)}"
        name = f'<a href="{base}/report.html">{name}</a>'
        links = f' <a href="{base}/report.pdf">PDF</a>'
        made = datetime.fromtimestamp(row.reported_at, now.tzinfo)
        when = f"{made:%Y-%m-%d %H:%M}"
    return (
        f'<tr><td class="run">{name}</td>'
        f'<td class="{html.escape(row.status)}">{html.escape(status)}</td>'
        f"<td>{html.escape(row.headline)}{links}</td>"
        f'<td class="when">{when}</td></tr>'
    )


_CSS = """
:root{color-scheme:light dark;--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--bad:#b42318;
--good:#1a7f37;--link:#0a58ca}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--line:#3d444d;
--bad:#ff8b80;--good:#56d364;--link:#79b8ff}body{background:#0d1117}}
body{margin:0 auto;max-width:1100px;padding:24px 16px;color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans KR",NanumGothic,sans-serif}
h1{font-size:22px;margin:0 0 16px}h1 small{color:var(--soft);font-weight:400}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-size:13px;color:var(--soft);font-weight:600}
th,td{padding:8px 12px 8px 0;border-bottom:1px solid var(--line);vertical-align:top}
td{overflow-wrap:anywhere}.run{min-width:9em;font-weight:600}
.when{white-space:nowrap;color:var(--soft);font-variant-numeric:tabular-nums}
.failed,.stalled{color:var(--bad);font-weight:600}.finished{color:var(--good)}
a{color:var(--link)}p{color:var(--soft);font-size:13px}
@media (max-width:600px){thead{display:none}tr{display:block;padding:10px 0;
border-bottom:1px solid var(--line)}td{display:block;border:0;padding:1px 0}}
""".strip()


def _unusable(path: str, exc: OSError) -> StateError:
    return StateError(
        f"{path}: {reason_of(exc)}",
        kept="The report stays owed",
        advice="Free space or mend the permissions, then run again",
    )
