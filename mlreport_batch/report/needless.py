"""Experiments that may not be needed: evidence from the other runs, never a verdict."""

import math
from collections.abc import Iterable

from mlreport_batch.language.figures import number, step_text
from mlreport_batch.language.say import say
from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.alike import Settings, seeds_of, settings_of
from mlreport_batch.report.brief import Brief
from mlreport_batch.report.model import AlertRules
from mlreport_batch.report.status import BROKEN
from mlreport_batch.safety.clean import clean

KEYS_LEAST = 2
"""Runs that state fewer hyperparameters may differ in what they do not state."""
REPEATS_MAX = 2
"""Who has made the same run more often means to."""
FINISHED_LEAST = 3
"""Of fewer finished runs nobody knows how much they differ."""


class Experience:
    """What the runs of a group tell of further ones, put in order once.

    Args:
        members: The runs of the group.
    """

    def __init__(self, members: Iterable[Brief]) -> None:
        self._alike: dict[tuple[Settings, Settings], list[Brief]] = {}
        self._finished: dict[tuple[str, str, str], list[Brief]] = {}
        for run in members:
            key = settings_of(run.hparams), seeds_of(run.hparams)
            self._alike.setdefault(key, []).append(run)
            if run.status == "finished" and run.score is not None:
                kind = run.metric, run.goal, run.unit
                self._finished.setdefault(kind, []).append(run)

    def needless(
        self, run: Brief, rules: AlertRules, language: str
    ) -> tuple[Alert, ...]:
        """Return what says that a run may not be needed, if it goes on.

        Args:
            run: It may be one of the members.
            rules: What is wanted.
            language: Of the texts.
        """
        if run.is_over:
            return ()
        found = (
            self._repeat(run, language) if rules.repeat else None,
            self._behind(run, language) if rules.behind else None,
        )
        return tuple(alert for alert in found if alert is not None)

    def _repeat(self, run: Brief, language: str) -> Alert | None:
        """Return that an earlier run has the same hyperparameters, and its result.

        One that broke is made again for good reason; one with another seed is no
        repeat.
        """
        own, seeds = settings_of(run.hparams), seeds_of(run.hparams)
        if len(own) < KEYS_LEAST:
            return None
        equal = [
            other
            for other in self._alike.get((own, seeds), ())
            if other.order < run.order and other.status not in (*BROKEN, "empty")
        ]
        if not 1 <= len(equal) <= REPEATS_MAX:
            return None
        first = min(equal, key=lambda other: (other.score is None, other.score or 0.0))
        return Alert("repeat", "", clean(_same_as(first, len(own), language)))

    def _behind(self, run: Brief, language: str) -> Alert | None:
        """Return that all finished runs were better when they were where *run* is."""
        done = self._finished.get((run.metric, run.goal, run.unit), [])
        if len(done) < FINISHED_LEAST or run.best is None or run.last_step is None:
            return None
        if any(
            run.best == each.best or run.is_better(run.best, each.best or 0.0)
            for each in done
        ):
            return None  # what they had by then was no better than what they have now
        values = [
            value
            for other in done
            if (other.last_step or -math.inf) >= run.last_step
            and (value := other.best_by(run.last_step)) is not None
        ]
        if len(values) < FINISHED_LEAST:
            return None
        low, high = min(values), max(values)
        lag = low - run.best if run.goal == "max" else run.best - high
        if not lag > high - low > 0:
            return None
        text = say(
            language,
            "alert_behind",
            metric=run.metric,
            value=number(run.best),
            place=place_text(run, run.last_step, language),
            count=f"{len(values):,}",
            low=number(low),
            high=number(high),
        )
        return Alert("behind", "", clean(text))


def _same_as(other: Brief, count: int, language: str) -> str:
    status = say(language, f"status.{other.status}")
    result = status
    if other.best is not None and other.best_step is not None:
        place = place_text(other, other.best_step, language)
        best = f"{other.metric} {number(other.best)}"
        result = say(language, "repeat_result", status=status, best=best, place=place)
    return say(
        language,
        "alert_repeat",
        count=f"{count:,}",
        run=other.name,
        result=result,
    )


def place_text(run: Brief, step: float, language: str) -> str:
    """Return a step as the run's log counts: ``epoch 23``, ``step 1,200``."""
    kind = "place_epoch" if run.unit == "epoch" else "place_step"
    return say(language, kind, step=step_text(step))
