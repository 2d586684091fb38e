"""Fill the default templates: escaping, line breaks in long names, styles.

``templates/*.j2`` are internal. Everything from a run is escaped by Jinja; a last
wall (`safe`) takes out what the libraries behind it could choke on.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from mlreport_batch.config.locate import cache_folder
from mlreport_batch.language.english import ENGLISH
from mlreport_batch.language.say import label, say
from mlreport_batch.render.compiled import code_cache
from mlreport_batch.render.sparks import HERO, ROW, spark
from mlreport_batch.render.tables import (
    PAPER,
    PHONE,
    GridColumns,
    Line,
    bands,
    tabulated,
)
from mlreport_batch.report.grids import Grid, GridRow
from mlreport_batch.report.model import Digest, Report

_TEMPLATES = Path(__file__).with_name("templates")
_STYLES: Final[Mapping[str, Sequence[tuple[str, bool]]]] = {
    # file, and whether it is kept as it is instead of being inlined
    "mail": (
        ("base.css", False),
        ("board.css", False),
        ("board-keep.css", True),
        ("mail.css", False),
        ("mail-keep.css", True),
    ),
    "document": (
        ("base.css", False),
        ("mail.css", False),
        ("document-keep.css", True),
    ),
    "page": (
        ("base.css", False),
        ("board.css", False),
        ("board-keep.css", True),
        ("page.css", False),
    ),
    "print": (
        ("base.css", False),
        ("board.css", False),
        ("board-keep.css", True),
        ("print.css", False),
    ),
}
# What no encoder or parser takes, and what reorders text. Reports are clean
# already; this is the last wall before libraries written in C.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u206f"
    "\ud800-\udfff\ufffe\uffff]"
)
# Where a long name may break: after / _ = : and after a point between letters, and
# in what has none of these every 20 characters. Never inside a number.
_BREAK = re.compile(r"(?<=[/_=:])(?=[^\s/_=:])|(?<=[a-z]\.)(?=[a-z])", re.IGNORECASE)
_LONG_WORD = re.compile(r"\S{20}(?=\S{4})")
_RULE_MAX = 36
_RULE = re.compile(rf"(?m)^([-=_*#~─━═])\1{{{_RULE_MAX},}}$")
_SHORT = 16
_SHORT_VALUE = 12
_NUMBER = re.compile(r"[-+\d.,e]{1,26}")


class _Style(Struct, frozen=True):
    text: str
    keep: bool


def fill(name: str, report: Report | Digest, form: str, **parts: object) -> str:
    """Return the template *name* filled in for *form*: mail, document, page, print."""
    template = _environment().get_template(name)
    return safe(
        template.render(
            r=report,
            form=form,
            language=report.language,
            w=functools.partial(say, report.language),
            label=functools.partial(label, report.language),
            styles=_styles(form),
            **parts,
        )
    )


@functools.cache
def _styles(form: str) -> Sequence[_Style]:
    shared = {f"{name.upper()}\n": _css(f"{name}.css") for name in ("dark", "narrow")}
    found = []
    for name, keep in _STYLES[form]:
        text = _css(name)
        for mark, rules in shared.items():
            text = text.replace(mark, rules)
        found.append(_Style(markup(text), keep))
    return found


def _css(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def markup(text: str) -> str:
    """Return *text*, a stylesheet or picture of our own making, as safe markup."""
    from markupsafe import Markup

    return Markup(text)  # noqa: S704 - charts.svg escapes every name it is given


@functools.cache
def _environment() -> Any:  # noqa: ANN401
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=code_cache(cache_folder()),
    )
    environment.filters.update(
        wrap=_wrap,
        cell=_cell,
        kind=_kind,
        evidence=_evidence,
        tabulated=tabulated,
        bands=_bands,
        ruled=_ruled,
        spark=_spark,
    )
    return environment


def inline(page: str, *, keep_at_rules: bool = False) -> str:
    """Return *page* with its styles moved to the elements, as mail needs it.

    Our own stylesheet keeps its media queries by itself; a user's needs
    *keep_at_rules*.
    """
    return str(_inliner(keep_at_rules).inline(page))


@functools.cache
def _inliner(keep_at_rules: bool) -> Any:  # noqa: ANN401
    import css_inline

    return css_inline.CSSInliner(
        load_remote_stylesheets=False,
        keep_link_tags=True,
        keep_at_rules=keep_at_rules,
        minify_css=True,
    )


def _wrap(text: str) -> str:
    """Return *text* escaped, with places where a long name may break."""
    from markupsafe import Markup, escape

    if len(text) <= _SHORT:
        return escape(text)
    pieces: list[str] = []
    for piece in _BREAK.split(text):
        done = 0
        for match in _LONG_WORD.finditer(piece):
            pieces.append(piece[done : match.end()])
            done = match.end()
        pieces.append(piece[done:])
    return Markup("<wbr>").join(pieces)


def _cell(value: str) -> str:
    """Return the classes of a value's cell; a number or short word never breaks."""
    whole = len(value) <= _SHORT_VALUE or _NUMBER.fullmatch(value)
    return "v nw" if whole else "v"


def _ruled(text: str) -> str:
    """Return a text whose drawn lines are no wider than a phone shows."""
    return _RULE.sub(lambda match: match[1] * _RULE_MAX, text)


def _bands(grid: Grid, form: str) -> Iterator[tuple[GridColumns, Sequence[GridRow]]]:
    """Return the columns of results that fit side by side, with their rows."""
    return bands(grid, PAPER if form == "print" else PHONE)


def _spark(line: Line, size: str) -> str:
    """Return the small curve of a line of the table, as markup."""
    return (
        markup(spark(line.curves, HERO if size == "hero" else ROW))
        if line.curves
        else ""
    )


def _kind(status: str) -> str:
    return status if f"status.{status}" in ENGLISH else "quiet"


def _evidence(report: Report) -> str:
    """Return the status text without the word that the pill already says."""
    spoken = say(report.language, f"status.{_kind(report.status)}")
    text = report.status_text
    if text.lower().startswith(spoken.lower()):
        text = text[len(spoken) :].lstrip(" ,;:·-\N{EN DASH}\N{EM DASH}")
    return text


def safe(text: str) -> str:
    """Return *text* without anything a parser or encoder could choke on."""
    return _UNSAFE.sub("\ufffd", text)
