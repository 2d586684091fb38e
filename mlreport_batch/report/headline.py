"""The run in one sentence that a person would say."""

import math
from collections.abc import Sequence

from mlreport_batch.language.figures import signed, step_text
from mlreport_batch.language.say import say
from mlreport_batch.report.alerts import Alert, end_text, place_text
from mlreport_batch.report.case import Case
from mlreport_batch.report.news import Changes, Snapshot
from mlreport_batch.report.timing import Timing
from mlreport_batch.safety.clean import clean

STOPPING = ("failed", "killed", "out_of_time", "nan", "divergence", "stall")
"""Alerts beside which nobody asks how much better the run got."""


class Headline:
    """What there is to say of a run first.

    Args:
        case: The run.
        reported: What its last report showed.
        name: The metric to name, None for none.
        timing: Its times.
    """

    def __init__(
        self, case: Case, reported: Snapshot | None, name: str | None, timing: Timing
    ) -> None:
        self._case, self._reported, self._name = case, reported, name
        self._timing = timing

    def _say(self, key: str, /, **fields: object) -> str:
        return say(self._case.wishes.language, key, **fields)

    def _led(self, kind: str, text: str) -> str:
        """Return what is said behind its word, unless it begins with that itself."""
        word = self._say(f"lead.{kind}")
        is_said = text.lower().startswith(word.lower())
        return text if is_said else f"{word}: {text}"

    def of_alerts(self, alerts: Sequence[Alert]) -> str:
        """Return the first of some alerts, and how many more there are."""
        line = self._led(alerts[0].kind, alerts[0].text)
        if len(alerts) > 1:
            line = self._say("headline_alert", first=line, more=str(len(alerts) - 1))
        return clean(line)

    def of_end(self) -> str:
        """Return that the run is over, how, and with what."""
        status, goal = self._case.status, self._case.status.goal
        if status.is_broken:
            return clean(self._led(status.word, end_text(self._case)))
        line = self._say("lead.finished")
        if status.kind == "early_stop" and self._case.view.step is not None:
            place = place_text(self._case, self._case.view.step)
            line = self._say("finished_early", place=place)
        elif goal is not None and goal.done >= goal.total:
            total = step_text(goal.total)
            line = self._say("finished_of", done=total, total=total)
        best = self._best()
        return clean(f"{line}: {best}" if best else line)

    def of_recovery(self, keys: Sequence[str]) -> str:
        """Return that alerts are over."""
        kinds = dict.fromkeys(key.partition(":")[0] for key in keys)
        words = ", ".join(self._say(f"over.{kind}") for kind in kinds)
        return clean(words)

    def of_progress(self, changes: Changes) -> str:
        """Return how far the run is, and whether it got better."""
        if self._name is None:
            return clean(self._without_metric(changes))
        summary = self._case.view.metrics[self._name]
        parts = [self._change(self._name), self._against_best()]
        goal = self._case.status.goal
        if goal is None:
            parts.append(place_text(self._case, summary.last_step))
        line = ", ".join(filter(None, parts))
        if goal is not None and not self._case.status.is_over:
            line += f"; {goal.percent}"
        if self._timing.ends is not None:
            at = self._case.moment(self._timing.ends)
            line += ", " + self._say("headline_ends", at=at)
        return clean(line)

    def _without_metric(self, changes: Changes) -> str:
        if not changes.new_checkpoints:
            return self._say("headline_no_metrics")
        count = len(changes.new_checkpoints)
        kind = "headline_new_checkpoint" if count == 1 else "headline_new_checkpoints"
        path = min(changes.new_checkpoints)
        return self._say(kind, path=path, count=f"{count:,}")

    def _best(self) -> str:
        if self._name is None:
            return ""
        best, last = self._case.best(self._name), self._case.view.metrics[self._name]
        if best is None:
            return f"{self._name} {self._case.said(self._name, last.last)}"
        place = place_text(self._case, best[1])
        return self._say(
            "finished_best",
            word=self._case.best_word(self._name),
            metric=self._name,
            best=self._case.said(self._name, best[0]),
            place=place,
        )

    def _against_best(self) -> str:
        name = self._name or ""
        best, summary = self._case.best(name), self._case.view.metrics[name]
        if best is None:
            return ""
        if summary.last == best[0]:
            return self._say(f"best_now.{self._case.goals[name]}")
        place = place_text(self._case, best[1])
        return self._say(
            "headline_best_was",
            word=self._case.best_word(name),
            best=self._case.said(name, best[0]),
            place=place,
        )

    def _change(self, name: str) -> str:
        last = self._case.view.metrics[name].last
        value = self._case.said(name, last)
        shown = self._reported.metrics.get(name) if self._reported else None
        if (
            self._reported is None
            or shown is None
            or not (math.isfinite(shown.last) and math.isfinite(last))
        ):
            return f"{name} {value}"
        since = self._case.moment(self._reported.at)
        change = last - shown.last
        fields = {"metric": name, "value": value, "since": since}
        if change == 0:
            return self._say("headline_same", **fields)
        goal = self._case.goals[name]
        word = ""
        if goal is not None:
            good = (change < 0) == (goal == "min")
            word = self._say("lead.better" if good else "lead.worse") + ": "
        share = abs(change / shown.last) * 100 if shown.last else math.inf
        # Of a negative value, "4 % less" would be read the wrong way round.
        if share > 1000 or shown.last < 0:  # noqa: PLR2004
            return word + self._say(
                "headline_by", delta=signed(change, self._case.places(name)), **fields
            )
        percent = f"{share:.1f} %" if share >= 0.05 else "< 0.1 %"  # noqa: PLR2004
        kind = "headline_down" if change < 0 else "headline_up"
        return word + self._say(kind, percent=percent, **fields)


def lead_of(
    case: Case, changes: Changes, alerts: Sequence[Alert], recovered: Sequence[str]
) -> str:
    """Return what is said first: of ``alerts``, an ``end``, ``recovery``, progress."""
    if alerts:
        return "alerts"
    if "status" in changes.kinds and case.status.is_over:
        return "end"
    return "recovery" if recovered else ""


def told_first(
    headline: Headline,
    lead: str,
    changes: Changes,
    alerts: Sequence[Alert],
    recovered: Sequence[str],
) -> tuple[str, str]:
    """Return the headline, and what of it stands in the subject."""
    progress = headline.of_progress(changes)
    if lead == "end":
        first = headline.of_end()
        return f"{first}.", first
    if lead == "recovery":
        first = headline.of_recovery(recovered)
        return f"{first}. {progress}.", first
    if lead == "alerts":
        first = headline.of_alerts(alerts)
        is_all = alerts[0].kind in STOPPING
        return f"{first}." if is_all else f"{first}. {progress}.", first
    return f"{progress}.", ""
