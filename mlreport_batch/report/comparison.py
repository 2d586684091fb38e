"""A run against the others of its group, in words and figures."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mlreport_batch.language.figures import number, scalar_text, signed
from mlreport_batch.language.say import say
from mlreport_batch.report.alike import differing
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.curves import is_log
from mlreport_batch.report.drawn import Chart, DrawnCurve
from mlreport_batch.report.model import (
    BoardRow,
    Comparison,
    Wishes,
)
from mlreport_batch.report.names import chosen_names
from mlreport_batch.report.needless import place_text
from mlreport_batch.report.ranking import (
    Link,
    Ranking,
    Seeds,
    at_step,
    baseline_of,
    links,
    one_before,
    seeds,
)
from mlreport_batch.safety.clean import Scalar, clean

ROWS_MAX = 10
COLUMNS_MAX = 12
DIFFERENCES_MAX = 4
LINKS_MAX = 3
SEEDS_MAX = 4
DRAWN_MAX = 3
VALUE_MAX = 40
DIGITS, DIGITS_MAX = 5, 9
"""What a sweep drew at random is shown with so many digits, if it has more."""
NOT_STATED = "\N{EN DASH}"


def comparison_of(
    ranking: Ranking, wishes: Wishes, run: Brief | None = None, *, most: int = ROWS_MAX
) -> Comparison:
    """Return a leaderboard of the *most* best, told from *run* if one is given."""
    words = _Words(ranking, wishes)
    baseline = baseline_of(ranking, run, wishes.baseline) if run else None
    columns = chosen_names(ranking.columns, wishes.hparams)[:COLUMNS_MAX]
    shown = _shown(ranking, run, baseline, most)
    return Comparison(
        group=clean(ranking.group),
        metric=ranking.metric,
        line=clean(words.leads() if run is None else words.stands(run)),
        notes=tuple(clean(note) for note in _notes(words, run, baseline)),
        columns=tuple(clean(key) for key in columns),
        rows=tuple(words.row(each, columns, run, baseline) for each in shown),
        total=ranking.total,
        chart=None if run is None else _chart(words, ranking, run),
    )


def _shown(
    ranking: Ranking, run: Brief | None, baseline: Brief | None, most: int
) -> Sequence[Brief]:
    """Return the best runs, with *run* and its *baseline* among them."""
    wanted = {each.name for each in (run, baseline) if each is not None}
    best = {each.name for each in ranking.members[: most - len(wanted)]}
    return [each for each in ranking.members if each.name in best | wanted]


def _notes(words: "_Words", run: Brief | None, baseline: Brief | None) -> Iterator[str]:
    ranking = words.ranking
    if run is None:
        yield from words.differences()
    else:
        yield from words.same_step(run)
        if baseline is not None:
            yield words.against(run, baseline)
    for each in seeds(ranking)[:SEEDS_MAX]:
        yield words.seeds(each)
    for link in links(ranking)[:LINKS_MAX]:
        yield words.link(link)


def _chart(words: "_Words", ranking: Ranking, run: Brief) -> Chart | None:
    """Return the courses of the leader, *run* and the one before it."""
    wanted = {
        each.name: each
        for each in (ranking.leader, run, one_before(ranking, run))
        if each is not None
    }
    title = words.say("board_chart", metric=ranking.metric)
    return words.drawn(title, wanted.values())


def chart_of_best(ranking: Ranking, wishes: Wishes) -> Chart | None:
    """Return the courses of the best runs."""
    words, best = _Words(ranking, wishes), ranking.members[:DRAWN_MAX]
    title = words.say("best_chart", metric=ranking.metric, count=len(best))
    return words.drawn(title, best)


class _Words:
    """What is said of a ranking."""

    def __init__(self, ranking: Ranking, wishes: Wishes) -> None:
        self.ranking = ranking
        self._language, self._axis = wishes.language, wishes.charts.axis

    def say(self, key: str, /, **fields: object) -> str:
        return say(self._language, key, **fields)

    def name(self, run: Brief) -> str:
        """Return a run's name within the group."""
        return clean(run.name.removeprefix(f"{self.ranking.group}/"))

    def leads(self) -> str:
        """Return who leads, and by how much."""
        ranking, leader = self.ranking, self.ranking.leader
        fields = {
            "run": self.name(leader),
            "total": f"{ranking.total:,}",
            "metric": ranking.metric,
            "value": _figure(leader.best),
        }
        if ranking.ranked < 2:  # noqa: PLR2004
            return self.say("board_only", **fields)
        second = ranking.members[1]
        fields["second"] = self.name(second)
        if second.score == leader.score:
            return self.say("board_level", **fields)
        return self.say("board_leads", gap=_gap(leader, second), **fields)

    def stands(self, run: Brief) -> str:
        """Return where *run* stands, and how far from the leader."""
        ranking, place = self.ranking, self.ranking.place(run.name)
        total, metric = f"{ranking.total:,}", ranking.metric
        leader = ranking.leader
        theirs = {"leader": self.name(leader), "best": _figure(leader.best)}
        if place is None:
            return self.say("stands_without", total=total, metric=metric, **theirs)
        fields = {"total": total, "metric": metric, "value": _figure(run.best)}
        if place > 1:
            gap = _gap(leader, run)
            return self.say("stands_at", place=place, gap=gap, **fields, **theirs)
        if ranking.ranked < 2:  # noqa: PLR2004
            return self.say("stands_alone", **fields)
        other = next(each for each in ranking.members if each.name != run.name)
        if other.score == run.score:
            return self.say("stands_level", other=self.name(other), **fields)
        gap = _gap(run, other)
        return self.say("stands_first", other=self.name(other), gap=gap, **fields)

    def same_step(self, run: Brief) -> Iterator[str]:
        """Yield how *run* stands against where the others were at its step."""
        found = at_step(self.ranking, run)
        if found is None or run.last_step is None or run.is_over:
            return
        place = 1 + sum(1 for _, v in found if run.is_better(v, run.best or 0.0))
        best, value = found[0]
        others = [(o, v) for o, v in found if o.name != run.name]
        if best.name == run.name:
            best, value = others[0]
        yield self.say(
            "same_step",
            at=place_text(run, run.last_step, self._language),
            place=place,
            total=f"{len(found):,}",
            run=self.name(best),
            value=number(value),
        )

    def against(self, run: Brief, baseline: Brief) -> str:
        """Return *run* against the run that it is to be compared with."""
        differences = self._differences(run, baseline)
        fields = {"run": self.name(baseline), "differences": differences}
        if run.best is None or baseline.best is None:
            return self.say("against_none", **fields)
        change = run.best - baseline.best
        trend = "same"
        if change:
            better = run.is_better(run.best, baseline.best)
            trend = "better" if better else "worse"
        return self.say(
            "against",
            metric=self.ranking.metric,
            value=number(run.best),
            best=number(baseline.best),
            change=signed(change),
            trend=self.say(f"trend.{trend}"),
            **fields,
        )

    def differences(self) -> Iterator[str]:
        """Yield what the leader has that the next one has not."""
        if self.ranking.ranked > 1:
            leader, second = self.ranking.members[:2]
            run, other = self.name(leader), self.name(second)
            differences = self._differences(leader, second)
            yield self.say("board_differs", run=run, other=other, what=differences)

    def _differences(self, run: Brief, other: Brief) -> str:
        keys = differing(run.hparams, other.hparams)
        if not keys:
            return self.say("differs_nothing")
        told = [
            self.say("differs_one", key=key, value=value, other=others)
            for key in keys[:DIFFERENCES_MAX]
            for value, others in [_two(run.hparams, other.hparams, key)]
        ]
        more = len(keys) - len(told)
        text = ", ".join(told)
        return self.say("and_more", names=text, more=more) if more > 0 else text

    def seeds(self, found: Seeds) -> str:
        """Return the mean and spread of runs that only differ by their seeds."""
        run = self.ranking.find(found.names[0])
        what = _settings(run, self.ranking.columns) if run else ""
        return self.say(
            "seeds",
            count=len(found.names),
            metric=self.ranking.metric,
            mean=number(found.mean),
            spread=number(found.spread, 2),
            what=what or self.say("seeds_same"),
        )

    def link(self, link: Link) -> str:
        """Return what goes with better results, and of how many runs that is known."""
        if link.rho is not None:
            kind = "link_higher" if link.rho > 0 else "link_lower"
            rho = f"{link.rho:+.2f}".replace("-", "\N{MINUS SIGN}")
            return self.say(
                kind, key=link.key, rho=rho, n=link.runs, metric=self.ranking.metric
            )
        medians = ", ".join(
            self.say("link_one", value=clean(value, VALUE_MAX), median=number(m), n=n)
            for value, m, n in link.medians
        )
        metric = self.ranking.metric
        return self.say("link_medians", key=link.key, metric=metric, medians=medians)

    def row(
        self,
        run: Brief,
        columns: Sequence[str],
        this: Brief | None,
        baseline: Brief | None,
    ) -> BoardRow:
        """Return a row of the leaderboard."""
        place = self.ranking.place(run.name)
        is_behind = place is not None and place > 1
        return BoardRow(
            rank="" if place is None else str(place),
            run=self.name(run),
            value=_figure(run.best),
            gap=_signed_gap(self.ranking.leader, run) if is_behind else "",
            status=run.status,
            note="baseline" if baseline and run.name == baseline.name else "",
            cells=tuple(_cell(run.hparams, key) for key in columns),
            settings=clean(_settings(run, columns)),
            is_this=this is not None and run.name == this.name,
        )

    def drawn(self, title: str, runs: Iterable[Brief]) -> Chart | None:
        """Return the courses of *runs*, None where there are not two of them."""
        curves = tuple(c for c in map(self._curve, runs) if len(c.steps) > 1)
        values = [v for curve in curves for v in curve.lows if v is not None]
        log = is_log(values, {self.ranking.goal}, self._axis)
        return Chart(title, curves, is_log=log) if len(curves) > 1 else None

    def _curve(self, run: Brief) -> DrawnCurve:
        """Return a run's course, as far as it was kept."""
        points = run.course()
        values = tuple(v if math.isfinite(v) else None for _, v in points)
        steps = tuple(step for step, _ in points)
        return DrawnCurve(self.name(run), steps, values, values, _figure(run.last))


def _figure(value: float | None) -> str:
    return "" if value is None else number(value)


def _gap(first: Brief, second: Brief) -> str:
    return number(abs((first.best or 0.0) - (second.best or 0.0)), 3)


def _signed_gap(leader: Brief, run: Brief) -> str:
    return signed((run.best or 0.0) - (leader.best or 0.0))


def _settings(run: Brief, keys: Sequence[str]) -> str:
    """Return the first of the hyperparameters *keys* that a run states."""
    stated = [key for key in keys if key in run.hparams][:DIFFERENCES_MAX]
    return " · ".join(f"{key} {_cell(run.hparams, key)}" for key in stated)


def _two(
    first: Mapping[str, Scalar], second: Mapping[str, Scalar], key: str
) -> tuple[str, str]:
    """Return a hyperparameter that two runs do not share.

    It is told with all its digits where the first ones are the same.
    """
    cells = _cell(first, key), _cell(second, key)
    if cells[0] == cells[1]:
        cells = _whole(first, key), _whole(second, key)
    return cells[0] or NOT_STATED, cells[1] or NOT_STATED


def _whole(hparams: Mapping[str, Scalar], key: str) -> str:
    return scalar_text(hparams[key]) if key in hparams else ""


def _cell(hparams: Mapping[str, object], key: str) -> str:
    """Return a hyperparameter as briefly as it can be compared with others."""
    if key not in hparams:
        return ""
    value = hparams[key]
    if isinstance(value, float) and len(repr(value)) > DIGITS_MAX:
        return number(value, DIGITS)
    if isinstance(value, str | int | float) or value is None:
        return clean(scalar_text(value, VALUE_MAX), VALUE_MAX)
    return ""
