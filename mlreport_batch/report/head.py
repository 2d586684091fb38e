"""The head of a report: the status with its evidence, the times, what still holds."""

import re
from collections.abc import Sequence

from mlreport_batch.formats.kit.commits import commit_in
from mlreport_batch.language.figures import duration_text, step_text
from mlreport_batch.language.say import say
from mlreport_batch.report.alerts import Alert, place_text, said_of_end
from mlreport_batch.report.case import Case
from mlreport_batch.report.due import told_at
from mlreport_batch.report.model import Fact, TextBlock
from mlreport_batch.report.news import Changes, Snapshot
from mlreport_batch.report.timing import Timing
from mlreport_batch.report.view import RunView
from mlreport_batch.safety.clean import clean, clean_block

COMMIT_SHOWN = 10
NOTE_SHOWN = 300

_COMMIT = re.compile(
    r"(?i)(?<![a-z])(?:git|vcs)[._/-]?(?:sha|hash|rev(?:ision)?)$"
    r"|(?<![a-z])commit(?:[._-]?(?:hash|sha|id))?$"
)
_HASH = re.compile(r"[0-9a-f]{7,64}")


def status_text(case: Case, *, is_told: bool) -> str:
    """Return the evidence of the status, but what the headline says of it."""
    status, language = case.status, case.wishes.language
    if status.source:
        return say(language, "told_in", file=status.source)
    if status.is_over:
        return "" if is_told and status.is_broken else said_of_end(case)
    if status.word == "stalled" and is_told:
        return ""
    if not case.view.updated_ns:
        return say(language, "nothing_yet")
    at_s = case.view.updated_ns / 1e9
    # A mail is read hours later.
    at, age = case.moment(at_s), age_text(case, at_s)
    return say(language, "last_written", age=age, at=at)


def age_text(case: Case, at_s: float) -> str:
    """Return how long ago something was."""
    return duration_text(max(0.0, case.now - at_s), case.wishes.language)


def steps_text(case: Case) -> str:
    """Return how far the run is, of how much where that is known."""
    step, goal = case.view.step, case.status.goal
    if goal is None:
        return "" if step is None else place_text(case, step)
    return say(
        case.wishes.language,
        "epochs_of" if goal.unit == "epoch" else "steps_of",
        step=step_text(goal.done),
        total=step_text(goal.total),
        percent=goal.percent,
    )


def left_text(case: Case, timing: Timing, headline: str) -> str:
    """Return how long the run will go on, and until when if *headline* does not say."""
    if timing.ends is None:
        return ""
    language, at = case.wishes.language, case.moment(timing.ends)
    left = duration_text(timing.ends - case.now, language)
    return say(language, "left" if at in headline else "ends", at=at, left=left)


def facts_of(case: Case, changes: Changes, timing: Timing) -> tuple[Fact, ...]:
    """Return the times of a run, and what happened to its logs."""
    view, language = case.view, case.wishes.language
    facts = []
    if timing.started is not None:
        started = case.moment(timing.started)
        facts.append(Fact(say(language, "fact_started"), started))
        took = duration_text(timing.written - timing.started, language)
        facts.append(Fact(say(language, "fact_elapsed"), took))
    if timing.row_s is not None:
        pace = duration_text(max(1.0, timing.row_s), language)
        facts.append(Fact(say(language, "fact_pace"), say(language, "pace", pace=pace)))
    if changes.total_points:
        count = say(language, "all_new", count=f"{changes.total_points:,}")
        facts.append(Fact(say(language, "fact_rows"), count))
    if view.orphans:
        text = say(language, "orphans", count=f"{view.orphans:,}")
        facts.append(Fact(say(language, "fact_orphans"), text))
    if view.restarts:
        text = say(language, "restarts", count=f"{view.restarts:,}")
        facts.append(Fact(say(language, "fact_restarts"), text))
    commit, is_dirty = commit_of(view)
    if commit:
        told = say(language, "commit_dirty", commit=commit) if is_dirty else commit
        facts.append(Fact(say(language, "fact_commit"), told))
    note = _text(view, "note")
    if note:
        line = clean(" ".join(note.split()), NOTE_SHOWN)
        facts.append(Fact(say(language, "fact_note"), line))
    return tuple(facts)


def _text(view: RunView, kind: str) -> str:
    return next((text.text for text in view.texts if text.kind == kind), "")


def commit_of(view: RunView) -> tuple[str, bool]:
    """Return the start of the commit that a run says it was made of, or nothing.

    It stands in a hyperparameter such as ``git_sha``, or in what a framework noted, as
    MLflow and Sacred do, or W&B of the environment. Whether the program differed from
    it is the other value.
    """
    for key, value in view.hparams.items():
        if _COMMIT.search(key) and _HASH.fullmatch(str(value)):
            return str(value)[:COMMIT_SHOWN], False
    noted = _text(view, "commit") or _text(view, "environment")
    commit, is_dirty = commit_in(noted)
    return commit[:COMMIT_SHOWN], is_dirty


def texts_of(case: Case) -> tuple[TextBlock, ...]:
    """Return the texts of a report; a broken run's last lines come first."""
    language = case.wishes.language
    blocks = [
        TextBlock(say(language, f"text_{text.kind}"), clean_block(text.text))
        for text in case.view.texts
        if text.kind not in ("commit", "note")  # they are facts
    ]
    has_error = any(text.kind == "error" for text in case.view.texts)
    if case.status.is_broken and case.status.tail and not has_error:
        title = say(language, "text_error")
        blocks.insert(0, TextBlock(title, clean_block(case.status.tail)))
    return tuple(blocks)


def standing_text(
    case: Case, standing: Sequence[Alert], reported: Snapshot | None
) -> str:
    """Return what was told before and holds, in one line.

    What is not as intended is marked where the intended values stand.
    """
    told = reported.alerts if reported else {}
    parts = []
    for alert in standing:
        at = told_at(alert, told)
        if alert.kind == "intent" or at is None:
            continue
        parts.append(
            say(
                case.wishes.language,
                "standing_one",
                text=alert.text,
                at=case.moment(at),
            )
        )
    if not parts:
        return ""
    return clean(say(case.wishes.language, "standing", alerts="; ".join(parts)), 600)
