"""What every part of one tick needs to know."""

import os
from collections.abc import Callable
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import blake2b

from mlreport_batch.config.settings import Config, RunsRoot
from mlreport_batch.report.groups import group_of
from mlreport_batch.safety.remote.address import real_path
from mlreport_batch.state.store import State
from mlreport_batch.tick.company import Company
from mlreport_batch.tick.debts import Debts
from mlreport_batch.tick.summary import Options, TickSummary


class Scope:
    """One tick: its settings, its state, and who is told of it.

    Args:
        config: All settings.
        options: What the command line adds.
        state: What is known, and what is kept.
        debts: What is owed.
        now: Seconds since the epoch.
        progress: Told (stage, done, total) on long work.
        is_asked_to_stop: True once the tick shall end at the next safe point.
    """

    def __init__(
        self,
        config: Config,
        options: Options,
        state: State,
        debts: Debts,
        now: float,
        progress: Callable[[str, int, int], None],
        is_asked_to_stop: Callable[[], bool],
    ) -> None:
        self.config = config
        self.options = options
        self.state = state
        self.debts = debts
        self.now = now
        self.progress = progress
        self.summary = TickSummary()
        self.company = Company(state, self.roots)
        self._is_asked_to_stop = is_asked_to_stop

    def should_stop(self) -> bool:
        """Return whether to end at this safe point, and note it for the exit code."""
        if self._is_asked_to_stop():
            self.summary.is_cut = True
        return self.summary.is_cut

    @cached_property
    def roots(self) -> dict[str, RunsRoot]:
        """The roots of the config by their real paths."""
        return {real_path(root.path): root for root in self.config.runs}

    def accepts(self, root: str, name: str) -> bool:
        """Return whether the run *name* below *root* is one that the config wants."""
        found = self.roots.get(root)
        return (
            found is not None
            and any(fnmatchcase(name, glob) for glob in found.include)
            and not any(fnmatchcase(name, glob) for glob in found.exclude)
            and self._is_of_shard(found, name)
        )

    def _is_of_shard(self, root: RunsRoot, name: str) -> bool:
        """Return whether the group of a run is one of this tick's.

        Whole groups are dealt out, so that runs are compared as in one tick over all.
        Where a root is mounted differs between machines: only its own name counts.
        """
        if self.config.shard is None:
            return True
        number, count = self.config.shard
        key = f"{os.path.basename(root.path)}/{group_of(name, root.group)}"
        found = blake2b(os.fsencode(key), digest_size=8).digest()
        return int.from_bytes(found) % count == number - 1
