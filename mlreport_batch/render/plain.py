"""The plain-text twin: the same figures in columns, for terminals and old eyes.

Widths are counted as terminals count them: Hangul, kana, Han and most emoji take
two columns, combining marks none.
"""

import unicodedata
from collections.abc import Iterator, Sequence

from mlreport_batch.language.say import label, say
from mlreport_batch.render.budget import PDF, fit, worst_first
from mlreport_batch.render.placeholders import status_of
from mlreport_batch.report.model import (
    Digest,
    Fact,
    HparamRow,
    MetricRow,
    Report,
    Verdict,
)

COLUMNS = 78
_GAP = "  "
_LEAST_KEY = 20  # a name gets at least this much room beside its figures
_DIGEST_ROWS = 8


def write(report: Report | Digest) -> str:
    """Return *report* as plain text; lines end in a newline."""
    lines = _digest(report) if isinstance(report, Digest) else _report(report)
    text = "\n".join(line.rstrip() for line in lines)
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text.strip("\n") + "\n"


def width(text: str) -> int:
    """Return how many terminal columns *text* takes."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(c) or c in "\u200b\u200d\ufe0f"
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def _report(report: Report) -> Iterator[str]:
    language = report.language
    fitted = fit(report, PDF, where=say(language, "more.run"))
    report = fitted.report
    yield f"{report.date} {report.time}"
    yield from _fold(f"{report.project} / {report.run}")
    yield "=" * min(COLUMNS, max(20, width(f"{report.project} / {report.run}")))
    yield from _fold(f"{say(language, 'head.status')}: {status_of(report)}")
    yield ""
    yield from _fold(report.headline)
    yield ""
    if report.steps:
        left = f"; {report.left}" if report.left else ""
        yield from _fold(f"{say(language, 'head.steps')}: {report.steps}{left}")
    yield from _table([], [[fact.key, fact.value] for fact in report.facts], "ll")
    yield from _core(report, len(report.metrics))
    yield from _hparams(report)
    yield from _facts(say(language, "part.results"), report.results)
    yield from _checkpoints(report)
    yield from _lines(
        say(language, "part.samples"),
        [say(language, "sample.name", name=s.name, at=s.at) for s in report.samples],
    )
    for block in report.texts:
        yield from _head(block.title)
        yield from block.text.split("\n")
    yield from _lines(say(language, "part.problems"), report.problems)
    cuts = [*report.cuts, *fitted.notes.values()]
    yield from _lines(say(language, "part.cuts"), cuts)
    if report.link:
        yield from ("", f"{say(language, 'link.document')}: {report.link}")
    yield from _foot(report)


def _digest(digest: Digest) -> Iterator[str]:
    language = digest.language
    ranked = worst_first(digest.reports)
    yield digest.date
    yield from _fold(digest.headline)
    yield digest.time
    yield from _head(say(language, "part.runs"))
    names = ("run", "status", "main", "alerts")
    heads = [say(language, f"table.{name}") for name in names]
    yield from _table(
        heads,
        [
            [
                report.run,
                _status_word(report),
                f"{report.main_row.key} {report.main_row.value}"
                if report.main_row
                else "-",
                str(report.attention),
            ]
            for report in ranked
        ],
        "lllr",
    )
    for report in ranked[: PDF.runs]:
        yield from ("", "-" * COLUMNS)
        yield from _fold(report.run)
        yield from _fold(status_of(report))
        yield from _fold(report.headline)
        yield from _core(report, _DIGEST_ROWS)
    if len(ranked) > PDF.runs:
        shown, total = PDF.runs, f"{len(ranked):,}"
        yield from ("", say(language, "more.runs", shown=shown, total=total))
    yield from _lines(say(language, "part.cuts"), digest.cuts)
    yield from _foot(digest)


def _core(report: Report, most: int) -> Iterator[str]:
    """Yield what every reader needs: alerts, intent and metrics."""
    language = report.language
    if report.standing:
        yield from _fold(report.standing)
    if report.further_alerts:
        yield from _head(f"{say(language, 'part.alerts')}!")
        for alert in report.further_alerts:
            kind = label(language, "alert", alert.kind)
            yield from _fold(f"! {kind}: {alert.text}", "  ")
    yield from _intent(report)
    yield from _metrics(report, most)


def _intent(report: Report) -> Iterator[str]:
    language = report.language
    wrong = [h for h in report.hparams if h.verdict in (Verdict.wrong, Verdict.missing)]
    above = [text for text in (report.purpose, report.intent_text) if text]
    if above or wrong or report.unstated:
        yield from _head(say(language, "part.intent"))
    for text in above:
        yield from _fold(text)
    if wrong:
        yield from _table(
            [say(language, f"table.{n}") for n in ("hparam", "intended", "actual")],
            [[h.key, h.intended, _actual(language, h)] for h in wrong],
            "lll",
        )
    if report.unstated:
        yield from _fold(report.unstated)


def _metrics(report: Report, most: int) -> Iterator[str]:
    language = report.language
    yield from _head(say(language, "part.metrics"))
    if not report.metrics:
        yield say(language, "table.none")
        return
    names = ("metric", "now", "step", "delta", "best")
    rows = [_metric(language, row) for row in _together(report.metrics)[:most]]
    yield from _table(
        [*(say(language, f"table.{name}") for name in names), ""], rows, "lrrrrl"
    )
    if len(report.metrics) > most:
        yield say(
            language,
            "more.metrics",
            shown=most,
            total=f"{len(report.metrics):,}",
            where=say(language, "more.pdf"),
        )


def _together(rows: Sequence[MetricRow]) -> list[MetricRow]:
    """Return *rows*, those of one measure side by side."""
    places: dict[str, int] = {}
    for row in rows:
        places.setdefault(row.family or row.key, len(places))
    return sorted(rows, key=lambda row: places[row.family or row.key])


def _metric(language: str, row: MetricRow) -> list[str]:
    best = row.best
    if best and row.best_step:
        best = f"{best} {say(language, 'table.at', step=row.best_step)}"
    trend = say(language, f"trend.{row.trend}")
    if row.is_best_now:
        trend = label(language, "best_now", row.goal)
    return [row.key, row.value, row.step, row.delta, best, trend]


def _actual(language: str, row: HparamRow) -> str:
    value = row.value or say(language, "hparam.absent")
    if row.changed_from:
        value += f" ({say(language, 'hparam.was', value=row.changed_from)})"
    return value


def _hparams(report: Report) -> Iterator[str]:
    if not report.further_hparams:
        return
    language = report.language
    yield from _head(say(language, "part.hparams"))
    rows = [
        [
            h.key,
            _actual(language, h),
            h.intended,
            say(language, f"verdict.{h.verdict}") if h.verdict and h.intended else "",
        ]
        for h in report.further_hparams
    ]
    names = ("hparam", "actual", "intended")
    yield from _table([*(say(language, f"table.{n}") for n in names), ""], rows, "llll")


def _checkpoints(report: Report) -> Iterator[str]:
    if not report.checkpoints:
        return
    language = report.language
    yield from _head(say(language, "part.checkpoints"))
    names = ("file", "step", "size", "age")
    rows = []
    for c in report.checkpoints:
        mark = label(language, "mark", c.mark)
        new = say(language, "mark.new") if c.is_new else ""
        rows.append(
            [c.path, c.step, c.size, c.age, " ".join(filter(None, (mark, new)))]
        )
    yield from _table(
        [*(say(language, f"table.{n}") for n in names), ""], rows, "lrrrl"
    )


def _facts(title: str, facts: Sequence[Fact]) -> Iterator[str]:
    if facts:
        yield from _head(title)
        yield from _table([], [[f.key, f.value] for f in facts], "ll")


def _lines(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from _head(title)
        for line in lines:
            yield from _fold(f"- {line}", "  ")


def _foot(report: Report | Digest) -> Iterator[str]:
    made = say(report.language, "foot.made", host=report.host)
    yield from ("", "-- ", made, report.rid)


def _status_word(report: Report) -> str:
    return label(report.language, "status", report.status)


def _head(title: str) -> Iterator[str]:
    yield from ("", title, "-" * min(COLUMNS, width(title)))


def _fold(text: str, indent: str = "") -> Iterator[str]:
    """Yield *text* folded at spaces to `COLUMNS`; a longer word stays whole."""
    line = ""
    for token in text.split():
        if line.strip() and width(line) + 1 + width(token) > COLUMNS:
            yield line
            line = indent + token
        else:
            line = f"{line} {token}" if line else token
    yield line


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], sides: str
) -> Iterator[str]:
    """Yield aligned columns; *sides* has ``l`` or ``r`` for each.

    A first cell too wide for the screen gets a line of its own, so that one long
    name does not push every figure off it. Empty columns are left out.
    """
    used = [i for i in range(len(sides)) if any(row[i] for row in rows)]
    if not used:
        return
    table = [list(heads)] if heads else []
    table.extend(list(row) for row in rows)
    widths = {i: max(width(row[i]) for row in table) for i in used}
    first, *others = used
    rest = sum(widths[i] + len(_GAP) for i in others)
    room = max(_LEAST_KEY, COLUMNS - rest)
    widths[first] = max(
        (w for row in table if (w := width(row[first])) <= room), default=0
    )
    for row in table:
        cells = [_pad(row[i], widths[i], sides[i]) for i in used]
        if others and width(row[first]) > widths[first]:
            yield row[first]
            cells[0] = " " * widths[first]
        yield _GAP.join(cells)


def _pad(text: str, columns: int, side: str) -> str:
    space = " " * max(0, columns - width(text))
    return text + space if side == "l" else space + text
