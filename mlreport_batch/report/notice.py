"""A report in a few words, for a chat or the lock screen of a phone."""

import re
from collections.abc import Sequence

from msgspec import Struct

from mlreport_batch.language.say import label, say
from mlreport_batch.report.drawn import Chart
from mlreport_batch.report.model import Digest, Report

LINES_MAX = 8
_LINE_MAX = 300
# What a chat takes for a call to everybody: @channel, <!here>, <@U123>.
_CALL = re.compile(r"([@<])(?=[\w!@#&])")


class Notice(Struct, frozen=True):
    """What is told of a report, or of several.

    Attributes:
        title: One line.
        text: A few lines.
        is_bad: Whether somebody should look.
        link: The address of the page, or empty.
        chart: The main metrics, where there is a picture of them.
        picture: That picture as PNG, once it is drawn.
    """

    title: str
    text: str
    is_bad: bool
    link: str = ""
    chart: Chart | None = None
    picture: bytes = b""


def of_report(report: Report, *, title: str, link: str) -> Notice:
    """Return what is told of one report.

    Args:
        report: The report.
        title: As its mail's subject.
        link: The address of its page, or empty.
    """
    alerts = [
        f"{label(report.language, 'alert', alert.kind)}: {alert.text}"
        for alert in report.further_alerts
    ]
    chart = report.charts[0] if report.charts else None
    return Notice(
        _quiet(title),
        _lines([report.headline, *alerts], report.language),
        bool(report.alerts),
        link,
        chart,
    )


def of_digest(digest: Digest, *, title: str, link: str) -> Notice:
    """Return what is told of a digest: those of its runs that need somebody first."""
    runs = sorted(digest.reports, key=lambda report: not report.attention)
    lines = [f"{report.run}: {report.headline}" for report in runs]
    is_bad = any(report.alerts for report in runs)
    text = _lines([digest.headline, *lines], digest.language)
    return Notice(_quiet(title), text, is_bad, link)


def of_rest(titles: Sequence[str], *, language: str, link: str) -> Notice:
    """Return what is told instead of many more notices."""
    title = f"[mlreport] {say(language, 'notices_more', count=len(titles))}"
    return Notice(title, _lines(titles, language), is_bad=True, link=link)


def of_test(*, language: str) -> Notice:
    """Return a notice that only shows that notices arrive."""
    return Notice("[mlreport] test", say(language, "notice_test"), is_bad=False)


def _lines(lines: Sequence[str], language: str) -> str:
    shown = [_quiet(line[:_LINE_MAX]) for line in lines[:LINES_MAX]]
    if (more := len(lines) - len(shown)) > 0:
        shown.append(say(language, "notice_more", count=more))
    return "\n".join(shown)


def _quiet(text: str) -> str:
    """Return a text that calls nobody: a run's name may hold anything."""
    return _CALL.sub("\\1\u200b", text)
