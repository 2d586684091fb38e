"""What is owed: mails that nobody has yet, and what takes their place.

A report's frozen mail is on disk before the commit that owes it. A mail that was
surely not accepted is superseded by the next one that covers all of its news.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.errors import StateError
from mlreport_batch.report.news import Snapshot
from mlreport_batch.state.owed import Owed, owed_values
from mlreport_batch.state.record import Record, Told, put_record, read_record
from mlreport_batch.state.spool import Spool, digest_of
from mlreport_batch.state.store import RunRow, State, run_values


class Frozen(Struct, frozen=True):
    """A finished mail that is to be owed.

    Attributes:
        owed: The mail.
        message: Its bytes.
        told: The runs it tells about, as they are from now on, and what it shows of
            each.
    """

    owed: Owed
    message: bytes
    told: Sequence[tuple[RunRow, Snapshot | None]]


class Debts:
    """The owed mails of one state.

    Args:
        state: Takes what was reported, and what is owed.
        spool: Takes the mails; None for a dry run, which owes nothing.
        config: The config file that owes, empty for no file.

    Attributes:
        errors: Why records could not be read; their mails are not superseded.
    """

    def __init__(self, state: State, spool: Spool | None, config: str) -> None:
        self.config = config
        self.errors: list[StateError] = []
        self._state = state
        self._spool = spool
        self._records: dict[str, Record | None] = {}

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
        return [mail.rid for mail in self._superseded(path)]

    def _superseded(self, path: str) -> list[Owed]:
        if self._spool is None:
            return []
        return [
            mail
            for mail in self._state.owed_of_run(path)
            if mail.is_of(self.config)
            and self._spool.place(mail.rid) == "new"
            # Without its record nobody knows from where its news would be told anew.
            and self._record(mail.rid) is not None
        ]

    def _record(self, rid: str) -> Record | None:
        if rid not in self._records:
            self._records[rid] = None
            try:
                self._records[rid] = read_record(self.spool, rid)
            except StateError as exc:  # the other runs are reported all the same
                self.errors.append(exc)
        return self._records[rid]

    def base_of(self, rid: str, path: str) -> Snapshot | None:
        """Return what was reported of a run before the owed mail *rid*."""
        record = self._record(rid)
        told = record.told if record else ()
        return next((each.base for each in told if each.is_about(path)), None)

    def replaced_by(self, paths: Collection[str]) -> frozenset[str]:
        """Return the owed mails all of whose runs are told about anew.

        A digest about a run that is not among *paths*, such as a deleted one, must
        still go out: nothing else would tell its news.
        """
        told = frozenset(paths)
        return frozenset(
            mail.rid for mail in self._state.owed() if told.issuperset(mail.runs)
        )

    def owe(self, mails: Sequence[Frozen], replaced: Collection[str]) -> None:
        """Keep frozen mails, then commit that they are owed.

        Args:
            mails: What is to be owed.
            replaced: The waiting mails whose news this tick tells anew.

        Raises:
            StateError: None of them is owed; their news are told by the next tick.
        """
        # Asked once: after a write, all that is owed is read anew.
        waiting = {
            row.path: [old for old in self._superseded(row.path) if old.rid in replaced]
            for mail in mails
            for row, _ in mail.told
        }
        superseded: dict[str, Owed] = {}
        with self._state.transaction():
            for mail in mails:
                superseded |= self._owe(mail, waiting, superseded)
            self.spool.sync("told", "new")
        self.spool.discard(superseded, "new")

    def _owe(
        self,
        mail: Frozen,
        waiting: Mapping[str, Sequence[Owed]],
        settled: Collection[str],
    ) -> dict[str, Owed]:
        """Owe one mail; return those it supersedes of what is *waiting* by runs.

        The runs of what was *settled* just before have their base back.
        """
        superseded: dict[str, Owed] = {}
        told = []
        for row, mark in mail.told:
            old = [each for each in waiting[row.path] if each.rid not in settled]
            superseded.update((each.rid, each) for each in old)
            base = (
                self.base_of(old[0].rid, row.path)
                if old
                else self._state.reported(row.path)
            )
            told.append(Told(run_values(row), mark, base))
        digest = digest_of(mail.message)
        owed = replace(
            mail.owed,
            digest=digest,
            config=self.config,
            runs=tuple(row.path for row, _ in mail.told),
        )
        values, instance = owed_values(owed), self._state.meta("instance")
        self._put(Record(values, instance, tuple(told), tuple(superseded)))
        self.spool.put(owed.rid, mail.message, "new")
        here = {row.path for row, _ in mail.told}
        self._state.settle(superseded)
        for old_mail in superseded.values():
            self._give_back(old_mail, set(old_mail.runs) - here)
        for row, mark in mail.told:
            self._state.put_reported(row.path, mark)
            self._state.put_run(row)
        self._state.owe(owed)
        return superseded

    def _put(self, record: Record) -> None:
        put_record(self.spool, record)
        self._records[record.values[0]] = record

    def owe_again(self, rid: str) -> Owed:
        """Put the runs of a mail whose bytes are gone back to what was reported."""
        owed = next(mail for mail in self._state.owed() if mail.rid == rid)
        with self._state.transaction():
            self._state.settle([rid])
            self._give_back(owed, owed.runs)
        return owed

    def _give_back(self, mail: Owed, paths: Iterable[str]) -> None:
        """Make the news that *mail* told of some runs news again."""
        for path in paths:
            row = self._state.run(path)
            if row is not None:
                base = self.base_of(mail.rid, path)
                self._state.put_reported(path, base)
                self._state.put_run(replace(row, rid=None))
                self._state.wake(path)
                self._rebase(path, base)

    def _rebase(self, path: str, base: Snapshot | None) -> None:
        """Have the mails about a run that still wait superseded from *base* on."""
        for mail in self._state.owed_of_run(path):
            record = self._record(mail.rid)
            if record is not None:
                told = tuple(
                    replace(each, base=base) if each.is_about(path) else each
                    for each in record.told
                )
                self._put(replace(record, told=told))
                self.spool.sync("told")
