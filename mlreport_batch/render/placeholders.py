"""The vocabulary of every template, local or Google: names and their values.

A template holds ``{{name}}``; `values` has the text for each name of a report,
`rows` the texts for table rows that are repeated. Values are never scanned for
placeholders again. docs/placeholders.md is the reference for people.
"""

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mlreport_batch.errors import Checked, ConfigError, failed
from mlreport_batch.language.say import label, say
from mlreport_batch.render.budget import Limits, fit
from mlreport_batch.report.model import Report, Verdict
from mlreport_batch.safety.clean import clean

MISSING: Final = "—"
"""What a placeholder shows that has no value."""

PLAIN: Final = frozenset(
    {
        *("date", "time", "run", "project", "status", "notification", "purpose"),
        "standing",
        *("steps", "host", "progress", "eta", "rank", "leader"),
    }
)
FACETS: Final = ("best", "min", "max", "step", "delta", "spark")
"""What may stand behind a metric's name."""

ROWS: Final[Mapping[str, Sequence[str]]] = {
    "key": (
        *("key", "value", "best", "delta", "step", "trend"),
        *("spark", "best_step", "min", "max", "points"),
    ),
    "hparam": ("hparam", "value", "intended", "verdict", "was"),
    "checkpoint": ("checkpoint", "size", "age", "step", "mark"),
    "alert": ("alert", "text"),
}
"""Per kind of row, named after the placeholder that marks it: its columns."""
_PARTS: Final = {
    "key": "metrics",
    "hparam": "hparams",
    "checkpoint": "checkpoints",
    "alert": "alerts",
}
"""Per kind of row: what `fit` calls them."""

PLACEHOLDER: Final = re.compile(r"\{\{[ \t]*([^{}\r\n]{1,300}?)[ \t]*\}\}")


def parse(text: str) -> list[str]:
    """Return the names of the placeholders in *text*, in order, each once."""
    return list(dict.fromkeys(m[1] for m in PLACEHOLDER.finditer(text)))


def unknown(names: Sequence[str]) -> list[str]:
    """Return those of *names* that no report can ever fill.

    ``metric:`` and ``hparam:`` names are known whatever follows, since only the
    run decides which there are.
    """
    columns = {column for row in ROWS.values() for column in row}
    return [
        name
        for name in names
        if name not in PLAIN
        and name not in columns
        and not re.fullmatch(r"(metric|hparam):.+", name)
    ]


def check(template: str, names: Sequence[str]) -> Iterator[Checked]:
    """Yield how many *names* a *template* has, and those that no report ever fills."""
    yield f"{template}: {len(names)} placeholders", None
    for name in unknown(names):
        text = f"{template}: no report fills {{{{{clean(name, 80)}}}}}"
        yield failed(ConfigError(text, advice="docs/placeholders.md lists the names"))


def fitted(
    report: Report, limits: Limits, names: Sequence[str], *, where: str
) -> tuple[Report, list[str]]:
    """Return *report* cut to *limits*, and what is said of that.

    Only of what a template with the placeholders *names* can show; the other parts are
    not missing from it.
    """
    found = fit(report, limits, where=where)
    shown = {part for kind, part in _PARTS.items() if kind in names}
    return found.report, [note for part, note in found.notes.items() if part in shown]


def status_of(report: Report) -> str:
    """Return the status in words, with its evidence."""
    spoken, text = label(report.language, "status", report.status), report.status_text
    if text.lower().startswith(spoken.lower()):
        return text
    return f"{spoken} {text}".strip()


def values(report: Report) -> Mapping[str, str]:
    """Return the text of every placeholder that stands outside repeated rows."""
    found = {
        "date": report.date,
        "time": report.time,
        "run": report.run,
        "project": report.project,
        "status": status_of(report),
        "standing": report.standing,
        "notification": report.headline,
        "purpose": report.purpose,
        "steps": report.steps,
        "host": report.host,
        "progress": ""
        if report.share is None
        else f"{math.floor(100 * report.share)} %",
        "eta": report.left,
        **_place(report),
    }
    for row in report.metrics:
        facets = (row.best, row.low, row.high, row.step, row.delta, row.spark)
        for facet, text in zip(FACETS, facets, strict=True):
            found.setdefault(f"metric:{row.key}:{facet}", text)
    for hparam in report.hparams:
        found.setdefault(f"hparam:{hparam.key}:intended", hparam.intended)
    # Whole names last: a metric may really be called "loss:best".
    found.update((f"metric:{row.key}", row.value) for row in report.metrics)
    found.update((f"hparam:{row.key}", row.value) for row in report.hparams)
    return {name: text or MISSING for name, text in found.items()}


def _place(report: Report) -> dict[str, str]:
    """Return where the run stands in its group, and who leads that."""
    board = report.comparison.rows if report.comparison else ()
    total = report.comparison.total if report.comparison else 0
    place = next((row.rank for row in board if row.is_this and row.rank), "")
    leader = next((row.run for row in board if row.rank == "1"), "")
    return {"rank": place and f"{place} / {total}", "leader": leader}


def rows(report: Report) -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Return, per kind of row, the columns of each row of *report*."""
    language = report.language
    cells: dict[str, list[tuple[str, ...]]] = {
        "key": [
            (
                *(m.key, m.value, m.best, m.delta, m.step),
                *(say(language, f"trend.{m.trend}"), m.spark, m.best_step),
                *(m.low, m.high, m.points),
            )
            for m in report.metrics
        ],
        "hparam": [
            (
                *(h.key, h.value, h.intended),
                # Beside what nobody intended, there is nothing to compare.
                say(language, f"verdict.{h.verdict}")
                if h.verdict not in (None, Verdict.extra)
                else "",
                h.changed_from,
            )
            for h in report.hparams
        ],
        "checkpoint": [
            (c.path, c.size, c.written, c.step, label(language, "mark", c.mark))
            for c in report.checkpoints
        ],
        "alert": [(label(language, "alert", a.kind), a.text) for a in report.alerts],
    }
    return {
        kind: [
            {n: text or MISSING for n, text in zip(ROWS[kind], row, strict=True)}
            for row in table
        ]
        for kind, table in cells.items()
    }


def fill(text: str, found: Mapping[str, str]) -> str:
    """Return *text* with its placeholders replaced by plain values, in one pass."""
    return PLACEHOLDER.sub(lambda match: found.get(match[1], MISSING), text)


# Where a browser does not read text, a value could become code or an address.
_NOT_TEXT = re.compile(
    r"<!--.*?(?:-->|\Z)"
    r"|<(script|style|template|iframe|noscript|xmp|noembed|noframes)"
    r"\b.*?(?:</\1\s*>|\Z)"
    r"|<[a-z/!?](?:\"[^\"]*\"|'[^']*'|[^'\">])*(?:>|[\"'].*\Z|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_ROW_TAG = re.compile(r"<(/?)(tr|table|tbody|thead|tfoot)\b[^>]*>", re.IGNORECASE)


def fill_html(template: str, report: Report) -> str:
    """Return the HTML *template* filled from *report*, values escaped.

    The innermost ``<tr>`` that holds ``{{key}}``, ``{{hparam}}``,
    ``{{checkpoint}}`` or ``{{alert}}`` is repeated for each of them and vanishes
    when there are none.
    """
    singles, tables = values(report), rows(report)
    parts: list[str] = []
    done = 0
    for start, end, kind in _row_spans(template):
        parts.append(_fill_text(template[done:start], singles))
        parts.extend(
            _fill_text(template[start:end], {**singles, **row}) for row in tables[kind]
        )
        done = end
    parts.append(_fill_text(template[done:], singles))
    return "".join(parts)


def _fill_text(part: str, found: Mapping[str, str]) -> str:
    def escaped(match: re.Match[str]) -> str:
        return html.escape(found.get(match[1], MISSING), quote=True)

    pieces: list[str] = []
    done = 0
    for match in _NOT_TEXT.finditer(part):
        pieces.append(PLACEHOLDER.sub(escaped, part[done : match.start()]))
        pieces.append(PLACEHOLDER.sub(MISSING, match[0]))
        done = match.end()
    pieces.append(PLACEHOLDER.sub(escaped, part[done:]))
    return "".join(pieces)


def _row_spans(template: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and kind of each row that is to be repeated, in order."""
    last_end = 0
    text = _blank_non_text(template)
    for start, end in sorted(_innermost_rows(text)):
        names = parse(text[start:end])
        kind = next((name for name in names if name in ROWS), None)
        if kind is not None and start >= last_end:
            yield start, end, kind
            last_end = end


def _blank_non_text(template: str) -> str:
    """Return *template*, as long as before, with comments and scripts blanked."""

    def blank(match: re.Match[str]) -> str:
        tag = _ROW_TAG.match(match[0])
        return match[0] if tag else " " * len(match[0])

    return _NOT_TEXT.sub(blank, template)


def _innermost_rows(template: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of rows without a table inside; ``</tr>`` may be left out."""
    open_rows: list[int | None] = []  # per open table: where its open row starts
    for tag in _ROW_TAG.finditer(template):
        closing, name = bool(tag[1]), tag[2].lower()
        if name == "table" and not closing:
            open_rows = [None] * len(open_rows)  # they hold a table: not innermost
            open_rows.append(None)
            continue
        if not open_rows:
            open_rows.append(None)
        start = open_rows[-1]
        if start is not None:
            own_end = name == "tr" and closing
            yield start, tag.end() if own_end else tag.start()
            open_rows[-1] = None
        if name == "tr" and not closing:
            open_rows[-1] = tag.start()
        if name == "table":
            open_rows.pop()
