"""Runs against each other, in numbers: places, seeds, what goes with what."""

import math
import statistics
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mlreport_batch.report.alike import Settings, seeds_of, settings_of, varying
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.intended import as_number

CLAIM_LEAST = 8
"""Of fewer runs nothing is said of what goes with better results."""
CATEGORY_LEAST = 2
CATEGORIES_MAX = 6
STRONG = 0.5
"""A weaker correlation by ranks is not told."""


class Seeds(Struct, frozen=True):
    """Runs that differ by their seeds alone.

    Attributes:
        names: Of the runs, the best first.
        mean: Of their best values.
        spread: The sample standard deviation of these.
    """

    names: tuple[str, ...]
    mean: float
    spread: float


class Link(Struct, frozen=True):
    """A hyperparameter that goes with better or worse results.

    Attributes:
        key: Its name.
        rho: Spearman's correlation of it with being better, over all runs that are
            done; None for categories.
        runs: How many runs that is.
        medians: (value, median of the best values, runs) of each category, the best
            first; empty for numbers.
    """

    key: str
    rho: float | None
    runs: int
    medians: tuple[tuple[str, float, int], ...] = ()


class Position(Struct, frozen=True):
    """Where a run stands, in numbers.

    Attributes:
        group: The group's label, empty for the root.
        metric: What its runs are ranked by.
        goal: ``min`` or ``max``.
        rank: The run's place, None without a value.
        of: How many runs the group has.
        best: The run's best value.
        leader: The best run's name.
        leader_best: Its best value.
    """

    group: str
    metric: str
    goal: str
    rank: int | None
    of: int
    best: float | None
    leader: str
    leader_best: float | None


class Ranking(Struct, frozen=True):
    """The runs of a group that can be compared.

    Attributes:
        group: The group's label.
        metric: What they are ranked by.
        goal: ``min`` or ``max``.
        members: Those that have a value, the best first, then those that have none.
        ranked: How many have a value.
        total: How many there are, where not all were looked at.
        columns: The hyperparameters that differ among them.
    """

    group: str
    metric: str
    goal: str
    members: tuple[Brief, ...]
    ranked: int
    total: int
    columns: tuple[str, ...]

    @property
    def leader(self) -> Brief:
        """The best run."""
        return self.members[0]

    def place(self, name: str) -> int | None:
        """Return the rank of a run, from 1, None without a value; equals share one."""
        own = self.find(name)
        if own is None or own.score is None:
            return None
        return 1 + sum(
            1 for m in self.members[: self.ranked] if _score(m) < _score(own)
        )

    def position(self, run: Brief) -> Position:
        """Return where a run stands."""
        return Position(
            group=self.group,
            metric=self.metric,
            goal=self.goal,
            rank=self.place(run.name),
            of=self.total,
            best=run.best,
            leader=self.leader.name,
            leader_best=self.leader.best,
        )

    def find(self, name: str) -> Brief | None:
        """Return the member called *name*, None for none."""
        return next((member for member in self.members if member.name == name), None)


def rank(group: str, peers: Iterable[Brief], total: int = 0) -> Ranking | None:
    """Return the ranking of *peers*, None where there is none to compare with."""
    members = sorted(peers, key=lambda run: (run.score is None, _score(run), run.name))
    ranked = sum(1 for run in members if run.score is not None)
    if len(members) < 2 or not ranked:  # noqa: PLR2004
        return None
    return Ranking(
        group=group,
        metric=members[0].metric,
        goal=members[0].goal,
        members=tuple(members),
        ranked=ranked,
        total=max(total, len(members)),
        columns=varying({run.name: run.hparams for run in members}),
    )


def _score(run: Brief) -> float:
    return math.inf if run.score is None else run.score


def at_step(ranking: Ranking, run: Brief) -> list[tuple[Brief, float]] | None:
    """Return the members with the best value each had when it was where *run* is.

    Those that were not there yet are left out. The best comes first; None where no
    other was there, or *run* has nothing to compare.
    """
    if run.best is None or run.last_step is None:
        return None
    found = [(run, run.best)]
    for other in ranking.members:
        if other.name != run.name and (other.last_step or -math.inf) >= run.last_step:
            value = other.best_by(run.last_step)
            if value is not None:
                found.append((other, value))
    sign = -1 if ranking.goal == "max" else 1
    found.sort(key=lambda item: sign * item[1])
    return found if len(found) > 1 else None


def baseline_of(ranking: Ranking, run: Brief, wanted: str | None) -> Brief | None:
    """Return the run to compare *run* with: the one that is *wanted*, by name or end.

    Without one it is the best that is finished.
    """
    others = [other for other in ranking.members if other.name != run.name]
    if wanted is not None:
        ends = [o for o in others if o.name == wanted or o.name.endswith(f"/{wanted}")]
        return ends[0] if ends else None
    done = (o for o in others if o.status == "finished" and o.score is not None)
    return next(done, None)


def one_before(ranking: Ranking, run: Brief) -> Brief | None:
    """Return the run that was begun just before *run*."""
    earlier = [other for other in ranking.members if other.order < run.order]
    return max(earlier, key=lambda other: other.order, default=None)


def seeds(ranking: Ranking) -> list[Seeds]:
    """Return the runs that only differ by their seeds, the best first."""
    groups: dict[Settings, list[Brief]] = {}
    for run in ranking.members[: ranking.ranked]:
        if seeds_of(run.hparams):
            groups.setdefault(settings_of(run.hparams), []).append(run)
    found = [_seeds(runs) for runs in groups.values() if _is_seeded(runs)]
    sign = -1 if ranking.goal == "max" else 1
    return sorted(found, key=lambda each: sign * each.mean)


def _is_seeded(runs: Sequence[Brief]) -> bool:
    return len({seeds_of(run.hparams) for run in runs}) > 1


def _seeds(runs: Sequence[Brief]) -> Seeds:
    values = [run.best for run in runs if run.best is not None]
    return Seeds(
        tuple(run.name for run in runs), _mean(values), statistics.stdev(values)
    )


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def links(ranking: Ranking) -> list[Link]:
    """Return what goes with better results among the runs that are done.

    A run that goes on, or broke, is not held against the others. Of fewer than eight
    runs, and of weak correlations, nothing is said.
    """
    done = [
        run
        for run in ranking.members[: ranking.ranked]
        if run.status in ("finished", "quiet")
    ]
    found = (_link(key, done) for key in ranking.columns)
    kept = [each for each in found if each is not None]
    return sorted(kept, key=lambda each: -abs(each.rho or 0.0))


def _link(key: str, done: Sequence[Brief]) -> Link | None:
    stating = [run for run in done if key in run.hparams]
    if len(stating) < CLAIM_LEAST:
        return None
    values = [as_number(run.hparams[key]) for run in stating]
    goodness = [-_score(run) for run in stating]
    numbers = [value for value in values if value is not None and math.isfinite(value)]
    if len(numbers) == len(stating) and len(set(numbers)) > 2:  # noqa: PLR2004
        rho = spearman(numbers, goodness)
        is_told = rho is not None and abs(rho) >= STRONG
        return Link(key, rho, len(stating)) if is_told else None
    return _categories(key, stating)


def _categories(key: str, runs: Sequence[Brief]) -> Link | None:
    groups: dict[str, list[float]] = {}
    for run in runs:
        if run.best is not None:
            groups.setdefault(str(run.hparams[key]), []).append(run.best)
    if not 1 < len(groups) <= CATEGORIES_MAX:
        return None
    if min(map(len, groups.values())) < CATEGORY_LEAST:
        return None
    medians = [(v, statistics.median(best), len(best)) for v, best in groups.items()]
    medians.sort(key=lambda each: each[1], reverse=runs[0].goal == "max")
    return Link(key, None, len(runs), tuple(medians))


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, None where one of the two is constant."""
    ranks = [_ranks(first), _ranks(second)]
    try:
        return statistics.correlation(*ranks)
    except statistics.StatisticsError:
        return None


def _ranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value; equal ones share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and values[order[stop]] == values[order[start]]:
            stop += 1
        for place in order[start:stop]:
            ranks[place] = (start + stop - 1) / 2
        start = stop
    return ranks
