"""What is owed: mails that nobody has yet, and what takes their place.

A report's frozen mail is on disk before the commit that owes it. A mail that was
surely not accepted is superseded by the next one that covers all of its news.
"""

from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from mlreport_batch.errors import StateError
from mlreport_batch.report.news import Snapshot
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.spool import Spool, digest_of
from mlreport_batch.state.store import RunRow, State


class Debts:
    """The owed mails of one state.

    Args:
        state: Takes what was reported, and what is owed.
        spool: Takes the mails; None for a dry run, which owes nothing.
        config: The config file that owes, empty for no file.
    """

    def __init__(self, state: State, spool: Spool | None, config: str) -> None:
        self.config = config
        self._state = state
        self._spool = spool

    @property
    def spool(self) -> Spool:
        """The spool.

        Raises:
            StateError: It is a dry run.
        """
        if self._spool is None:
            raise StateError("a dry run has no spool")
        return self._spool

    def superseded(self, path: str) -> list[str]:
        """Return the owed mails about a run that were surely not accepted yet."""
        if self._spool is None:
            return []
        found = self._state.owed_of_run(path)
        if not found:
            return []
        others = {m.rid for m in self._state.owed() if not m.is_of(self.config)}
        return [
            rid
            for rid in found
            if rid not in others and self._spool.place(rid) == "new"
        ]

    def replaced_by(self, paths: Collection[str]) -> frozenset[str]:
        """Return the owed mails all of whose runs are told about anew.

        A digest about a run that is not among *paths*, such as a deleted one, must
        still go out: nothing else would tell its news.
        """
        told = frozenset(paths)
        return frozenset(
            mail.rid for mail in self._state.owed() if told.issuperset(mail.runs)
        )

    def owe(
        self,
        owed: Owed,
        message: bytes,
        told: Sequence[tuple[RunRow, Snapshot | None]],
        replaced: Collection[str],
    ) -> None:
        """Keep a frozen mail, then commit that it is owed.

        Args:
            owed: The mail.
            message: Its bytes.
            told: The runs it tells about, as they are from now on, and what it shows
                of each.
            replaced: The waiting mails whose news this tick tells anew.
        """
        superseded: dict[str, None] = {}
        bases: dict[str, Snapshot | None] = {}
        for row, _ in told:
            old = [rid for rid in self.superseded(row.path) if rid in replaced]
            superseded.update(dict.fromkeys(old))
            bases[row.path] = (
                self._state.base_of(old[0], row.path)
                if old
                else self._state.reported(row.path)
            )
        self.spool.put(owed.rid, message)
        with self._state.transaction():
            for row, snapshot in told:
                self._state.put_reported(row.path, snapshot)
                self._state.put_run(row)
            for mail in self._state.owed() if superseded else ():
                if mail.rid in superseded:
                    self._give_back(
                        mail, [path for path in mail.runs if path not in bases]
                    )
            frozen = replace(owed, digest=digest_of(message), config=self.config)
            self._state.owe(frozen, bases)
            self._state.settle(superseded)
        for old_rid in superseded:
            self.spool.discard(old_rid, "new")

    def owe_again(self, rid: str) -> Owed:
        """Put the runs of a mail whose bytes are gone back to what was reported."""
        owed = next(mail for mail in self._state.owed() if mail.rid == rid)
        with self._state.transaction():
            self._give_back(owed, owed.runs)
            self._state.settle([rid])
        return owed

    def _give_back(self, mail: Owed, paths: Iterable[str]) -> None:
        """Make the news that *mail* told of some runs news again."""
        for path in paths:
            if self._state.run(path) is not None:
                base = self._state.base_of(mail.rid, path)
                self._state.put_reported(path, base)
                # A later mail that still waits is superseded by what comes next.
                self._state.put_base(path, base)
                self._state.wake(path)
