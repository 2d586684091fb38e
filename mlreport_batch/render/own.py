"""The user's own HTML template: the placeholder vocabulary, no charts."""

import functools
import html
from pathlib import Path

from mlreport_batch.errors import ConfigError
from mlreport_batch.language.say import say
from mlreport_batch.render import Rendered, budget, layout, pdf, placeholders, plain
from mlreport_batch.report.model import Report
from mlreport_batch.safety.masking.redact import shown


def read_template(path: str) -> str:
    """Return the user's template at *path*.

    Raises:
        ConfigError: It is missing, unreadable or not UTF-8.
    """
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"template {path} cannot be read: {exc}",
            kept="Nothing was sent",
            advice="Correct render.template in the config",
        ) from exc


def render_own(report: Report, template: str) -> Rendered:
    """Draw *report* in the user's template: no charts, the same PDF engine."""
    said = functools.partial(say, report.language)
    if "charset" not in template.lower():
        template = f'<meta charset="utf-8">{template}'
    notes = []

    def mail(limits: budget.Limits) -> tuple[str, None]:
        page = _own(report, template, limits, said("more.pdf"))
        return layout.inline(page, keep_at_rules=True), None

    try:
        printed = pdf.write_pdf(
            _own(report, template, budget.PDF, said("more.run")),
            title=layout.safe(report.run),
            made_at=pdf.iso_date(report.at),
        )
    except pdf.FAILURES as exc:
        printed = None
        notes.append(f"{said('note.pdf')}: {shown(str(exc))}")
    return Rendered(
        mail_html=budget.fullest(mail)[0],
        page_html=_own(report, template, budget.PAGE, said("more.run")),
        text=layout.safe(plain.write(report)),
        pdf=printed,
        note="; ".join(notes),
    )


def _own(report: Report, template: str, limits: budget.Limits, where: str) -> str:
    """Return the user's template filled; what was cut is said at its end."""
    names = placeholders.parse(template)
    fitted, cuts = placeholders.fitted(report, limits, names, where=where)
    said = "".join(f"<p>{html.escape(note)}</p>" for note in cuts)
    head, end, tail = template.rpartition("</body>")
    whole = f"{head}{said}{end}{tail}" if end else template + said
    return layout.safe(placeholders.fill_html(whole, fitted))
