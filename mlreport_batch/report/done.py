"""A group whose runs are all over: how they ended, which is best, what they took."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.language.dates import moment_text
from mlreport_batch.language.figures import duration_text
from mlreport_batch.language.say import label, say
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.comparison import chart_of_best, comparison_of
from mlreport_batch.report.describe import describe_digest
from mlreport_batch.report.model import Digest, Report, Wishes
from mlreport_batch.report.ranking import Ranking
from mlreport_batch.report.status import COPIED_S

LEAST = 3
"""Of two runs, the report of one says all that there is to say."""
GAP_S = 600.0
"""A sweep that runs its trials one after another begins the next within this."""
SILENT_S = 3600.0
SILENT_SHARE = 0.5
"""A run that is silent for longer than this, and than this share of its age, may be
over without a word: others do not wait for it."""


class Done(Struct, frozen=True):
    """A group that is done.

    Attributes:
        ranking: Those of its runs that can be compared.
        batch: Those of them that went on together last, or one after another.
        everyone: All its runs.
    """

    ranking: Ranking
    batch: tuple[Brief, ...]
    everyone: tuple[Brief, ...]

    @property
    def began(self) -> float:
        """When the first of the batch began, seconds since the epoch."""
        return min(map(_began, self.batch))

    @property
    def ended(self) -> float:
        """When the last of the batch wrote last, likewise."""
        return max(run.written for run in self.batch)


def done_of(ranking: Ranking, now: float) -> Done | None:
    """Return the group of *ranking* if it is done, None while one of its runs goes on.

    Whoever makes runs one by one, each by hand, has no group that is ever done.

    Args:
        ranking: The runs that can be compared.
        now: Seconds since the epoch.
    """
    if any(goes_on(run, now) for run in ranking.members):
        return None
    batch = tuple(_batch(ranking.members))
    return Done(ranking, batch, ranking.members) if len(batch) >= LEAST else None


def goes_on(run: Brief, now: float) -> bool:
    """Return whether a run may still write, as far as its silence tells by *now*."""
    if run.is_over or run.status == "quiet":
        return False
    patience_s = max(SILENT_S, SILENT_SHARE * (run.written - run.oldest))
    return now - run.written < patience_s


def _batch(runs: Iterable[Brief]) -> list[Brief]:
    """Return the last run, and those that each came up to the next ones."""
    last_first = sorted(runs, key=lambda run: -run.written)
    batch = last_first[:1]
    began = _began(batch[0])
    for run in last_first[1:]:
        if run.written + GAP_S < began:
            break
        batch.append(run)
        began = min(began, _began(run))
    return batch


def _began(run: Brief) -> float:
    return run.oldest if run.started is None else run.started


def describe_done(
    done: Done, group: str, reports: Sequence[Report], *, rid: str, wishes: Wishes
) -> Digest:
    """Return one digest over the *reports* of a group that is done.

    Args:
        done: The group.
        group: What to call it.
        reports: Those of its runs.
        rid: The digest's id.
        wishes: The language, and which hyperparameters are shown.
    """
    language = wishes.language
    board = comparison_of(done.ranking, wishes, most=len(reports))
    board = replace(
        board,
        notes=(
            *_worth_keeping(board.rows[0].run, done, reports, language),
            *board.notes,
        ),
        chart=chart_of_best(done.ranking, wishes),
    )
    best, total = board.rows[0], f"{len(done.everyone):,}"
    return replace(
        describe_digest(reports, rid=rid, language=language, boards=[board]),
        headline=say(
            language, "done_headline", total=total, group=group, run=best.run,
            metric=board.metric, value=best.value,
        ),
        subject=(group, say(language, "done_subject", total=total)),
        done="; ".join(_what(done, reports[0], language)),
    )  # fmt: skip


def _worth_keeping(
    name: str, done: Done, reports: Sequence[Report], language: str
) -> Iterable[str]:
    """Yield which checkpoint the best run has, if it has one."""
    leader = done.ranking.leader.name
    files = [c for each in reports if each.run == leader for c in each.checkpoints]
    files.sort(key=lambda each: each.mark != "best")
    for each in files[:1]:
        path, size = each.path, each.size
        yield say(language, "done_checkpoint", run=name, path=path, size=size)


def _what(done: Done, first: Report, language: str) -> Iterable[str]:
    """Yield how the runs ended, and how long they took where that is known."""
    counts = Counter(run.status for run in done.everyone).most_common()
    yield ", ".join(
        say(language, "done_count", count=n, status=label(language, "status", word))
        for word, n in counts
    )
    took_s = done.ended - done.began
    if took_s < COPIED_S:
        return
    is_all = len(done.batch) == len(done.everyone)
    yield say(
        language,
        "done_took" if is_all else "done_took_last",
        count=len(done.batch),
        took=duration_text(took_s, language),
        began=moment_text(done.began, first.at, language),
        ended=moment_text(done.ended, first.at, language),
    )
