"""Cut a digest to what a medium can carry: bad news, who leads, a line a run."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.language.figures import percent_text
from mlreport_batch.language.say import label, say
from mlreport_batch.render.boards import PHONE_COLUMNS, FittedBoard, fit_board
from mlreport_batch.render.budget import FIGURE, Fitted, Limits, fit, worst_first
from mlreport_batch.report.model import Digest, Report
from mlreport_batch.safety.clean import shorten

BOARDS_MAX = 5
CHARTED_RUNS_MAX = 40
_FEW_RUNS = 3
_BOARD_ROWS = 5
_CHARTS = 2
_MAIL_METRICS = 3
_MAIL_TROUBLES = 6
_ALIKE = 3
"""So many runs that need a person for one reason are told together."""
_NAMES_MAX = 3
_SPARK = 10
_BAD: Final = frozenset(["failed", "killed", "out_of_time", "stalled"])


class Named(Struct, frozen=True):
    """A run's name, and where its section is; empty for none."""

    run: str
    link: str


class Trouble(Struct, frozen=True):
    """What needs a person, in one line.

    Attributes:
        runs: Of which runs, the first ones.
        more: How many more there are, in words; empty for none.
        text: What it is, and how much more there is.
    """

    runs: Sequence[Named]
    more: str
    text: str


class DigestLine(Struct, frozen=True):
    """One run of a digest.

    Attributes:
        rank: Its place in its group, empty without one.
        run: Its name, without its group where there is but one.
        state: Its status word, its progress, and the best of its main metric.
        is_bad: Whether that word is bad news.
        metric: Its main metric, where that is not the one of most runs.
        value: That one's latest value.
        delta: Its change since the last report.
        trend: Whether that is good.
        spark: Its course as block characters.
        link: Where its section is, empty for none.
    """

    rank: str
    run: str
    state: str
    is_bad: bool
    metric: str = ""
    value: str = ""
    delta: str = ""
    trend: str = ""
    spark: str = ""
    link: str = ""


class Section(Struct, frozen=True):
    """The details of one run of a digest, within limits."""

    link: str
    fitted: Fitted


class FittedDigest(Struct, frozen=True):
    """A digest within limits, bad news first.

    Attributes:
        digest: The digest.
        troubles: What needs a person.
        boards: Who leads.
        group: The group of all lines whose names leave it out.
        metric: The main metric of most of the lines.
        lines: A line a run.
        sections: The details of some.
        notes: By part the line that says what was cut.
    """

    digest: Digest
    troubles: Sequence[Trouble]
    boards: Sequence[FittedBoard]
    group: str
    metric: str
    lines: Sequence[DigestLine]
    sections: Sequence[Section]
    notes: Mapping[str, str]


def fit_digest(
    digest: Digest, limits: Limits, *, where: str, is_mail: bool
) -> FittedDigest:
    """Return *digest* cut to *limits*, the worst run first.

    A mail tells details only of runs that need somebody, of those that need it for
    one reason of the first; the PDF those of all. The leaderboard of a group that is
    done has all of its runs, and needs no line a run beside it.
    """
    language, room = digest.language, limits.cell
    ranked = worst_first(sorted(digest.reports, key=_place))
    needy = [
        each for each in ranked if needs_somebody(each, only_new=bool(digest.done))
    ]
    alike = list(_alike(needy))
    notes: dict[str, str] = defaultdict(str)
    wanted = [reports[0] for reports in alike] if is_mail else ranked
    detailed = wanted[: limits.runs]
    if len(detailed) < len(needy if is_mail else ranked):
        notes["runs"] = say(
            language, "more.runs", shown=len(detailed), total=f"{len(ranked):,}"
        )
    links = {report.rid: f"run{number}" for number, report in enumerate(detailed, 1)}
    shown = [] if digest.done else ranked[: limits.runs * 5]
    if shown and len(shown) < len(ranked):
        total = f"{len(ranked):,}"
        notes["rows"] = say(
            language, "more.rows", shown=len(shown), total=total, where=where
        )
    most = min(limits.alerts, _MAIL_TROUBLES) if is_mail else limits.alerts
    if most < len(alike):
        count, told = f"{len(needy):,}", sum(map(len, alike[:most]))
        notes["troubles"] = say(language, "more.troubles", shown=told, total=count)
    charted = _FEW_RUNS if is_mail else CHARTED_RUNS_MAX
    charts = limits.charts if digest.done and not is_mail else _CHARTS
    each = replace(
        limits,
        metrics=min(_MAIL_METRICS if is_mail else 8, limits.metrics),
        alerts=min(5, limits.alerts),
        charts=charts if len(ranked) <= charted else 0,
        problems=min(3, limits.problems),
        texts=0,
        samples=0,
    )
    columns = PHONE_COLUMNS if is_mail else None
    rows = limits.runs * 5 if digest.done else _BOARD_ROWS
    group = digest.boards[0].group if len(digest.boards) == 1 else ""
    metric, lines = _lines(shown, links, group, room)
    return FittedDigest(
        digest=replace(
            digest,
            headline=shorten(digest.headline, 2 * room),
            done=shorten(digest.done, 2 * room),
        ),
        troubles=[_trouble(reports, links, group, room) for reports in alike[:most]],
        boards=[
            fit_board(board, room, language, rows=rows, columns=columns)
            for board in digest.boards[:BOARDS_MAX]
        ],
        group=shorten(group, room),
        metric=metric,
        lines=lines,
        sections=[
            Section(links[report.rid], fit(report, each, where=where))
            for report in detailed
        ],
        notes=notes,
    )


def needs_somebody(report: Report, *, only_new: bool) -> bool:
    """Return whether a person should look at a run of a digest.

    Of a run of a group that is done, what was told before is no matter any more.
    """
    if only_new:
        return bool(report.alerts)
    return bool(report.attention or report.intent_ok is False or report.status in _BAD)


def _rank(report: Report) -> str:
    """Return the place of a run in its group, empty without one."""
    rows = report.comparison.rows if report.comparison else ()
    return next((row.rank for row in rows if row.is_this), "")


def _place(report: Report) -> tuple[bool, str, int]:
    """Return what sorts runs by group and place."""
    rank = _rank(report)
    group = report.comparison.group if report.comparison else ""
    return not rank, group, int(rank or 0)


def _alike(reports: Sequence[Report]) -> Iterator[Sequence[Report]]:
    """Yield the reports that are told in one line: many that need one thing."""
    groups: dict[str, list[Report]] = {}
    for report in reports:
        kind = report.alerts[0].kind if report.alerts else f"is {report.status}"
        groups.setdefault(kind, []).append(report)
    for group in groups.values():
        if len(group) < _ALIKE:
            yield from ([report] for report in group)
        else:
            yield group


def _trouble(
    reports: Sequence[Report], links: Mapping[str, str], group: str, room: int
) -> Trouble:
    """Return what some runs need a person for."""
    named = [
        Named(_short_name(report, group, room), links.get(report.rid, ""))
        for report in reports[:_NAMES_MAX]
    ]
    kind, text = _need(reports[0])
    if len({_need(report)[1] for report in reports}) > 1:
        text = f"{kind}; {named[0].run}: {text}"
    elif kind:
        text = f"{kind}: {text}" if text else kind
    more = len(reports) - len(named)
    told = say(reports[0].language, "trouble_more", more=more) if more else ""
    return Trouble(named, told, shorten(text, 2 * room))


def _need(report: Report) -> tuple[str, str]:
    """Return the kind of the first alert, and what it says.

    Of one that was told before: nothing, and what holds since then.
    """
    language = report.language
    if report.alerts:
        first, more = report.alerts[0], len(report.alerts) - 1
        text = first.text
        if more:
            text = say(language, "headline_alert", first=text, more=str(more))
        return label(language, "alert", first.kind), text
    if report.standing:
        return "", report.standing
    if report.intent_ok is False:
        return say(language, "alert.intent"), ""
    return label(language, "status", report.status), ""


def _short_name(report: Report, group: str, room: int) -> str:
    name = report.run.removeprefix(f"{group}/") if group else report.run
    return shorten(name, room)


def _lines(
    reports: Sequence[Report], links: Mapping[str, str], group: str, room: int
) -> tuple[str, Sequence[DigestLine]]:
    """Return a line a run, and the main metric of most of them, which is told once."""
    lines = [
        _line(report, links.get(report.rid, ""), group, room) for report in reports
    ]
    usual = Counter(line.metric for line in lines if line.metric).most_common(1)
    metric = usual[0][0] if usual else ""
    return metric, [
        replace(line, metric="") if line.metric == metric else line for line in lines
    ]


def _line(report: Report, link: str, group: str, room: int) -> DigestLine:
    line = DigestLine(
        rank=_rank(report),
        run=_short_name(report, group, room),
        state=shorten(" · ".join(filter(None, _states(report))), room),
        is_bad=report.status in _BAD or bool(report.attention),
        link=link,
    )
    main = report.main_row
    if main is None:
        return line
    return replace(
        line,
        metric=shorten(main.key, FIGURE),
        value=shorten(main.value, FIGURE),
        delta=shorten(main.delta, FIGURE),
        trend=main.trend,
        spark=_thinned(main.spark),
    )


def _thinned(spark: str) -> str:
    """Return a small curve that leaves room for a name on a phone."""
    count = min(len(spark), _SPARK)
    return "".join(spark[(n + 1) * len(spark) // count - 1] for n in range(count))


def _states(report: Report) -> Iterator[str]:
    """Yield the status, the first alert that says more, progress, and the best.

    By its best value a run is ranked; beside its place, the latest alone misleads.
    """
    language, status = report.language, report.status
    yield label(language, "status", status)
    others = (a.kind for a in report.alerts if not status.startswith(a.kind))
    yield next((label(language, "alert", kind) for kind in others), "")
    if status != "finished":
        share = report.share
        yield report.steps if share is None else percent_text(share)
    main = report.main_row
    if main is not None and main.best and not main.is_best_now:
        yield f"{label(language, 'best', main.goal)} {main.best}"
