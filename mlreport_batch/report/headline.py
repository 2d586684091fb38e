"""The run in one line of words and figures."""

import math
from collections.abc import Sequence

from mlreport_batch.language.figures import number, signed, step_text
from mlreport_batch.language.say import say
from mlreport_batch.read.summary import MetricSummary
from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.case import Case
from mlreport_batch.report.news import Changes, Snapshot
from mlreport_batch.safety.clean import clean


def headline_of(
    case: Case,
    reported: Snapshot | None,
    name: str | None,
    alerts: Sequence[Alert],
    changes: Changes,
) -> str:
    """Return what a person would ask first: what is wrong, and how far it got."""
    language = case.wishes.language
    parts = []
    if name is not None:
        summary = case.view.metrics[name]
        parts.append(_change_phrase(name, summary, reported, language))
        best = case.bests[name]
        if best is not None and summary.count > 1:
            if summary.last == best[0]:
                parts.append(say(language, "headline_best"))
            else:
                parts.append(
                    say(
                        language,
                        "headline_best_was",
                        best=number(best[0]),
                        step=step_text(best[1]),
                    )
                )
        parts.append(say(language, "headline_step", step=step_text(summary.last_step)))
    elif changes.new_checkpoints:
        count = len(changes.new_checkpoints)
        first = min(changes.new_checkpoints)
        kind = "headline_new_checkpoint" if count == 1 else "headline_new_checkpoints"
        parts.append(say(language, kind, path=first, count=f"{count:,}"))
    else:
        parts.append(say(language, "headline_no_metrics"))
    line = ", ".join(parts)
    if alerts:
        first_alert = alerts[0].text
        if len(alerts) > 1:
            first_alert = say(
                language, "headline_alert", first=first_alert, more=str(len(alerts) - 1)
            )
        line = f"{first_alert}. {line}"
    return clean(line)


def _change_phrase(
    name: str, summary: MetricSummary, reported: Snapshot | None, language: str
) -> str:
    value = number(summary.last)
    shown = reported.metrics.get(name) if reported else None
    if shown is None or not (math.isfinite(shown.last) and math.isfinite(summary.last)):
        return say(language, "headline_first", metric=name, value=value)
    change = summary.last - shown.last
    if change == 0:
        return say(language, "headline_same", metric=name, value=value)
    share = abs(change / shown.last) * 100 if shown.last else math.inf
    if share > 1000:  # noqa: PLR2004
        return say(
            language, "headline_by", metric=name, value=value, delta=signed(change)
        )
    percent = f"{share:.1f} %" if share >= 0.05 else "< 0.1 %"  # noqa: PLR2004
    # Of a negative value, "down 4 %" would be read the wrong way round.
    if shown.last < 0:
        return say(
            language, "headline_by", metric=name, value=value, delta=signed(change)
        )
    kind = "headline_down" if change < 0 else "headline_up"
    return say(language, kind, metric=name, value=value, percent=percent)
