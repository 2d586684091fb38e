"""Describe a run in one `Report`: choose, order, word and format; draw nothing."""

import math
import socket
from collections.abc import Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from mlreport_batch.language.dates import date_text
from mlreport_batch.language.evidence import in_language
from mlreport_batch.language.figures import (
    number,
    scalar_text,
    signed,
    size_text,
    sparkline,
    step_text,
    thinned,
    with_unit,
)
from mlreport_batch.language.say import say
from mlreport_batch.report.alerts import Alert, place_text
from mlreport_batch.report.case import Case
from mlreport_batch.report.curves import chart_groups, chart_of
from mlreport_batch.report.families import Member, families
from mlreport_batch.report.goals import asked_first, importance
from mlreport_batch.report.grids import grids_of
from mlreport_batch.report.head import (
    age_text,
    facts_of,
    left_text,
    standing_text,
    status_text,
    steps_text,
    texts_of,
)
from mlreport_batch.report.headline import Headline, lead_of, told_first
from mlreport_batch.report.model import (
    AlertRow,
    CheckpointRow,
    Comparison,
    Digest,
    Fact,
    HparamRow,
    MetricRow,
    Occasion,
    Report,
    Trend,
    Verdict,
)
from mlreport_batch.report.names import chosen_names, unit_of
from mlreport_batch.report.news import Changes, Earlier, Snapshot, history_of
from mlreport_batch.report.timing import timing_of
from mlreport_batch.safety.clean import Scalar, clean
from mlreport_batch.safety.masking.redact import redact_text

METRICS_MAX = 300
HPARAMS_MAX = 100
CHECKPOINTS_MAX = 12
PROBLEMS_MAX = 20
RESULTS_MAX = 60
SMALL_POINTS = 40
"""Values of a small curve: about one a pixel and a half."""


def host_name() -> str:
    """Return this machine's name, cleaned."""
    return clean(socket.gethostname(), 80)


def describe(
    case: Case,
    reported: Snapshot | None,
    changes: Changes,
    alerts: Sequence[Alert],
    *,
    standing: Sequence[Alert] = (),
    recovered: Sequence[str] = (),
    occasion: Occasion,
) -> Report:
    """Return the report about a run.

    Args:
        case: The run.
        reported: What its last accepted report showed.
        changes: What is new since.
        alerts: Alerts that are told now, worst first.
        standing: Alerts that were told before and hold.
        recovered: Keys of those that were told and are over.
        occasion: Where and when.
    """
    view, wishes = case.view, case.wishes
    language = wishes.language
    cuts: list[str] = []

    def cut(kind: str, shown: int, total: int) -> int:
        if total > shown:
            cuts.append(
                say(language, f"cut_{kind}", shown=f"{shown:,}", total=f"{total:,}")
            )
        return shown

    names = chosen_names(sorted(view.metrics, key=importance), wishes.metrics)
    shown = names[: cut("metrics", METRICS_MAX, len(names))]
    main = asked_first(shown, wishes.metrics)
    history = history_of(reported, changes, step=view.step, at=case.now)
    hparams, intent_text, unstated, intent_ok = _hparam_rows(case, history)
    members = families({name: view.metrics[name].count for name in shown})
    groups = chart_groups(case, shown, main)
    most = wishes.charts.most
    checkpoints = sorted(view.checkpoints, key=lambda each: each.mtime_ns, reverse=True)
    problems = [
        str(replace(problem, message=in_language(problem.message, language)))
        for problem in view.problems
    ]
    grids, others = grids_of(view.results, language)
    results = [
        Fact(clean(name), _result_text(name, value)) for name, value in others.items()
    ]
    now_s = occasion.now.timestamp()
    timing = timing_of(view, case.status, now_s)
    lead = lead_of(case, changes, alerts, recovered)
    headline, subject = told_first(
        Headline(case, reported, main, timing), lead, changes, alerts, recovered
    )
    return Report(
        rid=occasion.rid,
        language=language,
        run=clean(occasion.run),
        project=clean(redact_text(occasion.project)),
        status=case.status.word,
        status_text=clean(status_text(case, is_told=lead in ("alerts", "end"))),
        at=occasion.now,
        date=date_text(occasion.now, language),
        time=occasion.now.strftime("%H:%M %Z"),
        host=host_name(),
        headline=headline,
        purpose=clean(view.purpose, 400),
        steps=steps_text(case),
        share=case.status.goal.share if case.status.goal else None,
        left=left_text(case, timing, headline),
        facts=facts_of(case, changes, timing),
        hparams=tuple(hparams[: cut("hparams", HPARAMS_MAX, len(hparams))]),
        intent_text=intent_text,
        intent_ok=intent_ok,
        unstated=unstated,
        alerts=tuple(AlertRow(alert.kind, clean(alert.text)) for alert in alerts),
        metrics=tuple(
            _metric_row(case, name, reported, members[name]) for name in shown
        ),
        charts=tuple(
            chart_of(case, title, names)
            for title, names in groups[: cut("charts", most, most and len(groups))]
        ),
        results=tuple(results[: cut("results", RESULTS_MAX, len(results))]),
        grids=grids,
        counted=_counted(case),
        checkpoints=tuple(
            CheckpointRow(
                path=each.path,
                size=size_text(each.size) if each.size else "",
                age=say(language, "ago", age=age_text(case, each.mtime_ns / 1e9)),
                at=case.moment(each.mtime_ns / 1e9),
                step=_place_text(each.place, language),
                mark=each.mark,
                is_new=reported is not None and each.path in changes.new_checkpoints,
            )
            for each in checkpoints[
                : cut("checkpoints", CHECKPOINTS_MAX, len(checkpoints))
            ]
        ),
        texts=texts_of(case),
        problems=tuple(problems[: cut("problems", PROBLEMS_MAX, len(problems))]),
        cuts=tuple(cuts),
        main="" if main is None else clean(main),
        is_led=lead == "alerts",
        standing=standing_text(case, standing, reported),
        subject=subject,
        holding=len(alerts) + len(standing),
    )


def _counted(case: Case) -> str:
    """Return what the steps of all logs count, or nothing where that differs."""
    units = {place.unit for place in case.view.places}
    return units.pop() if len(units) == 1 else ""


def describe_digest(
    reports: Sequence[Report],
    *,
    rid: str,
    language: str,
    boards: Sequence[Comparison] = (),
) -> Digest:
    """Return one digest over *reports*, those with alerts first.

    Args:
        reports: Those of the runs.
        rid: The digest's id.
        language: Of its words.
        boards: Who leads in the groups of the runs.
    """
    ordered = sorted(reports, key=lambda report: not report.attention)
    with_alerts = sum(1 for report in reports if report.attention)
    kind = "digest_headline" if with_alerts else "digest_headline_fine"
    return Digest(
        rid=rid,
        language=language,
        at=reports[0].at,
        date=reports[0].date,
        time=reports[0].time,
        host=reports[0].host,
        headline=say(
            language, kind, runs=f"{len(reports):,}", alerts=f"{with_alerts:,}"
        ),
        reports=tuple(ordered),
        boards=tuple(boards),
    )


def _place_text(place: tuple[str, int] | None, language: str) -> str:
    if place is None:
        return ""
    unit, count = place
    return say(language, f"place_{unit}", step=step_text(count))


def _result_text(name: str, value: Scalar) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return with_unit(number(value), unit_of(name))
    return scalar_text(value)


def _hparam_rows(
    case: Case, history: Mapping[str, Sequence[Earlier]]
) -> tuple[list[HparamRow], str, str, bool | None]:
    view, wishes, compared = case.view, case.wishes, case.compared
    rows = [
        HparamRow(
            key=clean(item.key),
            value="" if item.verdict is Verdict.missing else scalar_text(item.actual),
            intended=scalar_text(item.intended),
            verdict=item.verdict,
            changed_from=_changed_from(item.key, case, history),
        )
        for item in compared
        if item.verdict is not Verdict.unstated
    ]
    named = {item.key for item in compared}
    rows += [
        HparamRow(
            key=clean(name),
            value=scalar_text(view.hparams[name]),
            intended="",
            verdict=Verdict.extra if compared else None,
            changed_from=_changed_from(name, case, history),
        )
        for name in chosen_names(list(view.hparams), wishes.hparams)
        if name not in named
    ]
    stated = [item for item in compared if item.verdict is not Verdict.unstated]
    bad = sum(1 for item in stated if item.verdict is not Verdict.right)
    unstated = [clean(item.key) for item in compared if item not in stated]
    text = unstated_text = ""
    if stated and not bad:
        kind = "intent_one" if len(stated) == 1 else "intent_all"
        text = say(wishes.language, kind, count=str(len(stated)))
    if unstated:
        keys = ", ".join(unstated)
        unstated_text = say(wishes.language, "intent_unstated", keys=keys)
    return rows, text, unstated_text, bad == 0 if stated else None


def _changed_from(
    key: str, case: Case, history: Mapping[str, Sequence[Earlier]]
) -> str:
    """Return the values that a hyperparameter had, the last first, and until when."""
    told = []
    for earlier in reversed(history.get(key, ())):
        value, at = scalar_text(earlier.value), case.moment(earlier.at)
        if earlier.step is None:
            told.append(say(case.wishes.language, "until", value=value, at=at))
        else:
            place = place_text(case, earlier.step)
            told.append(
                say(
                    case.wishes.language, "until_place", value=value, at=at, place=place
                )
            )
    return "; ".join(told)


def _metric_row(
    case: Case, name: str, reported: Snapshot | None, member: Member
) -> MetricRow:
    summary = case.view.metrics[name]
    best = case.best(name)
    delta, trend = _delta(case, name, reported)
    figure = partial(case.figure, name)
    middle = [
        None if low is None or high is None else (low + high) / 2
        for _, low, high in case.course(name)
    ]
    return MetricRow(
        key=clean(name),
        value=case.said(name, summary.last),
        step=step_text(summary.last_step),
        delta=delta,
        trend=trend,
        best="" if best is None else figure(best[0]),
        best_step="" if best is None else step_text(best[1]),
        low="" if summary.low is None else figure(summary.low),
        high="" if summary.high is None else figure(summary.high),
        spark=sparkline(middle) if summary.count > 1 else "",
        is_best_now=best is not None and summary.last == best[0],
        points=f"{summary.count:,}",
        family=clean(member.family),
        part=member.part,
        curve=tuple(thinned(middle, SMALL_POINTS)),
        goal=case.goals[name] or "",
    )


def _delta(case: Case, name: str, reported: Snapshot | None) -> tuple[str, Trend]:
    summary, goal = case.view.metrics[name], case.goals[name]
    shown = reported.metrics.get(name) if reported else None
    if (
        shown is None
        or not math.isfinite(shown.last)
        or not math.isfinite(summary.last)
    ):
        return "", Trend.unknown
    change = summary.last - shown.last
    if change == 0:
        return signed(0.0), Trend.same
    told = signed(change, case.places(name))
    if goal is None:
        return told, Trend.unknown
    good = (change < 0) == (goal == "min")
    return told, Trend.better if good else Trend.worse
