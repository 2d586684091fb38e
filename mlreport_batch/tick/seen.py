"""What is said of runs by what is kept of them, without a look at their files."""

import os
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from mlreport_batch.find.runs import RunDir
from mlreport_batch.report.card import Card
from mlreport_batch.tick.executors import Executor
from mlreport_batch.tick.finding import Finding, ReadSettings, RunTask
from mlreport_batch.tick.scope import Scope
from mlreport_batch.tick.work import card_batch, rid_of, seen_batch

BATCH = 256


class SeenRuns:
    """The runs of a state as the last tick saw them.

    Args:
        scope: The tick.
        settings: How its runs are read.
    """

    def __init__(self, scope: Scope, settings: ReadSettings) -> None:
        self._scope, self._state = scope, scope.state
        self._settings = settings

    def cards(
        self, paths: Sequence[str], executor: Executor
    ) -> Iterator[tuple[str, Card]]:
        """Yield path and card of the runs at *paths*."""
        batches = (paths[i : i + BATCH] for i in range(0, len(paths), BATCH))
        tasks = (self._tasks(batch) for batch in batches)
        for cards in executor.map(card_batch, tasks, self._settings):
            yield from cards

    def findings(self, paths: Sequence[str]) -> list[Finding]:
        """Return the runs at *paths* with a report each, whatever was told before."""
        found = seen_batch(self._tasks(paths), self._settings)
        return [replace(each, state=None, snapshot=None, card=None) for each in found]

    def _tasks(self, paths: Iterable[str]) -> list[RunTask]:
        tasks = []
        for row in filter(None, map(self._state.run, paths)):
            if row.root in self._scope.roots:
                reported = self._state.reported(row.path)
                task = RunTask(
                    run=RunDir(row.name, row.path, row.root, (), (), ()),
                    seen=self._state.seen(row.path),
                    reported=reported,
                    base=reported,
                    rid_seed=rid_of(os.fsencode(row.path)),
                    project=os.path.basename(row.root),
                    has_grown=row.grown,
                    is_wanted=True,
                    expect=self._scope.roots[row.root].expected_of(row.name),
                )
                tasks.append(task)
        return tasks
