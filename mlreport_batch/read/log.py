"""Read one log, or one series of logs that continue one another.

A log that was only appended to is read from its cursor on. Any doubt reads it from
zero; a step that went back reads it twice, once to find every restart and once to
leave the overtaken points out.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.find.runs import ABOVE, RunFile
from mlreport_batch.find.tail import LogReader
from mlreport_batch.formats import (
    COUNTS,
    HINT,
    Chunk,
    LogFormat,
    NotYetError,
    Problem,
    ProblemKind,
)
from mlreport_batch.formats.registry import format_of
from mlreport_batch.read.bulk.ahead import Bulk, Unread, kind_of
from mlreport_batch.read.collect import (
    ITEMS_MAX,
    PROBLEMS_MAX,
    REVISION,
    Doubted,
    LogState,
    beyond,
    collect,
)
from mlreport_batch.read.fold import LogFold, RestartPlan
from mlreport_batch.safety.clean import Scalar, clean
from mlreport_batch.safety.contents import plain_name, read_document, read_store
from mlreport_batch.safety.files import Signature

STILL_S = 2.0
"""A log that lost rows is believed once nothing was written to it for so long:
frameworks truncate and rewrite, and half a rewrite is no news."""

FINAL_S = 3600.0
"""A last line without a newline is used, and a document that ends in the middle given
up, once nothing was written for so long: until then its writer may live."""

RETRY_S = 3600.0
"""A file that cannot be read is tried again so often, unless it changes before."""

PASSES_MAX = 4


class Reading(Struct, frozen=True):
    """When and how logs are read.

    Attributes:
        now_ns: Nanoseconds since the epoch.
        redact: The user's globs on names of secrets.
        bulk: What reads logs ahead, where there is much to read.
    """

    now_ns: int
    redact: tuple[str, ...] = ()
    bulk: Bulk | None = None

    def is_still(self, signature: Signature, seconds: float = STILL_S) -> bool:
        """Return whether a file was not written to for *seconds*."""
        return self.now_ns - signature.mtime_ns >= seconds * 1e9

    def ends(self, log_format: LogFormat, file: RunFile) -> bool:
        """Return whether a last line without a newline counts as a line."""
        return log_format.split is None and self.is_still(file.signature, FINAL_S)


class _Pass(Struct, frozen=True):
    """One reading of one file: ``why`` says why from zero, if it was read before."""

    log: LogState
    why: str


def look_again_at(log: LogState, now: float) -> float | None:
    """Return when *log* may say more even if it does not change, None for never.

    Args:
        log: What it said.
        now: Seconds since the epoch.
    """
    if log.doubted is not None:
        return now + STILL_S
    if not log.waits:
        return None
    kinds = {problem.kind for problem in log.problems}
    if ProblemKind.more_comes in kinds:
        return 0.0
    if ProblemKind.unreadable in kinds:
        # The same until it comes, so that waiting costs no write.
        return (now // RETRY_S + 1) * RETRY_S
    ripe = log.signature.mtime_ns / 1e9 + FINAL_S + 1
    if ripe > now:
        return ripe
    # What is kept of a half document is older than the half: that is asked each tick.
    return now + STILL_S if log.cursor is None else None


def read_series(
    files: Sequence[RunFile], known: Mapping[str, LogState], reading: Reading
) -> dict[str, LogState]:
    """Return what *files* say, reading only what is new since *known*.

    Args:
        files: Files of one series in their order; mostly one file.
        known: What they said before, by path.
        reading: When and how.
    """
    states: dict[str, LogState] = {}
    whys: dict[str, str] = {}
    earlier: LogState | None = None
    must_reread = went_back = False
    for file in files:
        said = _said(file, known)
        before = _usable(said)
        # An earlier file came, or is taken for one only now.
        must_reread = must_reread or (earlier is not None and not earlier.is_continued)
        if before is not None and not must_reread and _is_settled(before, file):
            states[file.path] = earlier = before
            continue
        done, fold = _read_file(
            file, None if must_reread else before, said, earlier, None, reading
        )
        states[file.path] = done.log
        whys[file.path] = done.why
        went_back = went_back or fold.is_anew or bool(fold.restarts)
        must_reread = True  # what follows continues from other values now
        earlier = done.log
    if went_back:
        states = {
            path: replace(log, restarts=known[path].restarts if path in known else 0)
            for path, log in _from_zero(files, reading).items()
        }
    for file in files:
        before = _said(file, known)
        if before is not None and whys.get(file.path):
            log = states[file.path]
            states[file.path] = _believe(before, log, whys[file.path], reading, file)
    return {
        path: log
        if log.is_continued == (index < len(files) - 1)
        else replace(log, is_continued=index < len(files) - 1)
        for index, (path, log) in enumerate(states.items())
    }


def unread_log(
    file: RunFile, known: Mapping[str, LogState], reading: Reading
) -> Unread | None:
    """Return what `read_series` would read of a log that is a series by itself."""
    log_format = format_of(file.format)
    before = _usable(_said(file, known))
    is_settled = before is not None and _is_settled(before, file)
    if is_settled or kind_of(log_format) is None:
        return None
    since = before.cursor if before is not None else None
    return Unread(
        path=file.full_path,
        log_format=log_format,
        size=max(0, file.signature.size - (since.offset if since else 0)),
        since=since,
        use_open_line=reading.ends(log_format, file),
        memory=before.memory if before else {},
        metrics=before.metrics if before else {},
        prefix=file.match.prefix if file.match else "",
    )


def _said(file: RunFile, known: Mapping[str, LogState]) -> LogState | None:
    """Return what a file said before, in the format that it still has."""
    before = known.get(file.path)
    return before if before is not None and before.format == file.format else None


def _usable(said: LogState | None) -> LogState | None:
    """Return what a file said if reading may go on from there."""
    if said is None or (said.revision != REVISION and said.problems):
        return None
    return said


def _is_settled(before: LogState, file: RunFile) -> bool:
    if file.path.startswith(ABOVE) and before.cursor is None and not before.waits:
        return True  # another configuration may be the next run's
    if file.signature.ctime_ns == 0 or before.signature != file.signature:
        return False
    return not before.waits and before.doubted is None


def _from_zero(files: Sequence[RunFile], reading: Reading) -> dict[str, LogState]:
    """Read all *files* from zero until every restart is known and left out."""
    plan = RestartPlan({})
    hints: dict[str, dict[str, Scalar]] = {}
    states: dict[str, LogState] = {}
    for _ in range(PASSES_MAX):
        fold = LogFold(plan=plan)
        earlier: LogState | None = None
        for file in files:
            done, _ = _read_file(
                file, None, None, earlier, fold, reading, hints.get(file.path)
            )
            states[file.path] = earlier = done.log
        found = {path: _hints(log.memory) for path, log in states.items()}
        if fold.plan() == plan and found == hints:
            break
        plan = RestartPlan({}) if fold.is_anew else fold.plan()
        hints = found
    return states


def _begun(
    earlier: LogState | None, hints: Mapping[str, Scalar] | None
) -> dict[str, Scalar]:
    """Return the memory that a reader of a file begins with."""
    memory = earlier.memory if earlier else {}
    counts = {key: value for key, value in memory.items() if key.startswith(COUNTS)}
    if "row" in memory and "step" not in memory:  # nothing else counts its rows
        counts["row"] = memory["row"]
    return counts | dict(hints or {})


def _hints(memory: Mapping[str, Scalar]) -> dict[str, Scalar]:
    return {key: value for key, value in memory.items() if key.startswith(HINT)}


def _read_file(
    file: RunFile,
    before: LogState | None,
    said: LogState | None,
    earlier: LogState | None,
    shared: LogFold | None,
    reading: Reading,
    hints: Mapping[str, Scalar] | None = None,
) -> tuple[_Pass, LogFold]:
    """Read one file; one that cannot be read keeps what it said before.

    Args:
        file: The file.
        before: Where the reading goes on; None reads it from zero.
        said: What it said before.
        earlier: What the file before it in its series said.
        shared: The fold of a series that is read from zero as a whole.
        reading: When and how.
        hints: What the file is to be taken for, as an earlier reading found out.
    """
    log_format = format_of(file.format)
    fold = shared or LogFold(earlier.metrics if earlier else None)
    try:
        if log_format.whole_file:
            return _read_document(log_format, file, said, reading, fold), fold
        return _read_log(
            log_format, file, before, said, earlier, shared, reading, hints
        )
    except OSError as exc:
        base = said or LogState(
            file.format, file.signature, metrics=fold.metrics(), revision=REVISION
        )
        if isinstance(exc, FileNotFoundError):
            # It vanished after its folder was listed; the next tick lists it anew.
            return _Pass(replace(base, waits=True), why=""), fold
        why = f"cannot be read: {exc.strerror or exc}"
        problem = Problem(file.path, None, why, ProblemKind.unreadable)
        problems = [p for p in base.problems if p != problem][: PROBLEMS_MAX - 1]
        log = replace(base, problems=(*problems, problem), waits=True)
        return _Pass(log, why=""), fold


def _read_document(
    log_format: LogFormat,
    file: RunFile,
    said: LogState | None,
    reading: Reading,
    fold: LogFold,
) -> _Pass:
    member = file.match.member if file.match else ""
    data, signature = (read_store if member else read_document)(file.full_path)
    path = plain_name(file.full_path)
    known_by = file.signature if member else signature
    empty = LogState(log_format.name, known_by, revision=REVISION)
    chunk = Chunk(path, data.partition(b"\n")[0], data, 0, 1, member)
    memory: dict[str, Scalar] = {}
    try:
        # All of it first: half a document must leave no trace in the fold.
        items = list(islice(log_format.parse(chunk, memory), ITEMS_MAX))
    except NotYetError as exc:
        if not reading.is_still(signature, FINAL_S) or not data:
            # Still being written: what it said before stays true until it is whole.
            return _Pass(replace(said or empty, waits=True), why="")
        problem = Problem(file.path, None, clean(f"ends in the middle: {exc}"))
        kept = replace(said or empty, signature=known_by, problems=(problem,))
        return _Pass(replace(kept, waits=False), why="")
    collected = collect(file, reading.redact, None, fold)
    orphans_before = fold.orphans  # of the earlier files of its series
    collected.take(items)
    if len(items) == ITEMS_MAX:
        note = f"more than {ITEMS_MAX:,} values; the rest is left out"
        collected.complain(Problem(file.path, None, note))
    orphans = fold.orphans - orphans_before
    log = collected.state(empty, memory=memory, orphans=orphans)
    return _Pass(log, why="")


def _read_log(
    log_format: LogFormat,
    file: RunFile,
    before: LogState | None,
    said: LogState | None,
    earlier: LogState | None,
    shared: LogFold | None,
    reading: Reading,
    hints: Mapping[str, Scalar] | None,
) -> tuple[_Pass, LogFold]:
    since = before.cursor if before is not None else None
    use_open_line = reading.ends(log_format, file)
    bulk = reading.bulk
    ahead = bulk and bulk.reader(file.full_path, since, use_open_line=use_open_line)
    with ahead or LogReader(
        file.full_path, since, use_open_line=use_open_line, split=log_format.split
    ) as reader:
        base = None if reader.is_from_zero else before
        since_then = base or earlier
        fold = shared or LogFold(since_then.metrics if since_then else None)
        collected = collect(file, reading.redact, base, fold)
        memory = dict(base.memory) if base else _begun(earlier, hints)
        orphans_before = fold.orphans
        for chunk in reader.chunks():
            prefix = collected.prefix
            at_once = (
                bulk.fold(log_format, chunk, memory, fold, prefix) if bulk else None
            )
            items = log_format.parse(chunk, memory) if at_once is None else at_once
            if earlier and file.match and file.match.extends:
                items = beyond(items, earlier.metrics)
            collected.take(items)
        for line in reader.skipped_lines:
            collected.complain(Problem(file.path, line, "line over 1 MiB, passed over"))
        for note, kind in reader.notes:
            collected.complain(Problem(file.path, None, note, kind))
        if fold.left_out and not (base and base.has_left_out):
            note = f"{len(fold.left_out):,} more metrics; only the first 2,000 are kept"
            collected.complain(Problem(file.path, None, note))
        if memory.get("row") and collected.is_silent:
            why = "rows, but no column of numbers"
            collected.complain(Problem(file.path, None, why, ProblemKind.no_metric))
        log = collected.state(
            LogState(log_format.name, reader.signature, revision=REVISION),
            cursor=reader.cursor,
            memory=memory,
            orphans=fold.orphans - orphans_before + (base.orphans if base else 0),
            restarts=said.restarts if said else 0,
            waits=reader.has_open_line,
            has_left_out=bool(fold.left_out)
            or (base is not None and base.has_left_out),
        )
        return _Pass(log, reader.rewritten), fold


def _believe(
    before: LogState, new: LogState, why: str, reading: Reading, file: RunFile
) -> LogState:
    """Return *new*, or *before* while the log may be in the middle of a rewrite."""
    cursor, since = new.cursor, before.cursor
    if cursor is None or since is None:
        return new
    shorter = cursor.lines < since.lines
    broken = len(new.problems) > len(before.problems)
    if not shorter and not broken:
        # Rewritten with all rows, as when a column was added.
        return replace(new, restarts=before.restarts)
    if not reading.is_still(new.signature):
        doubted = before.doubted
        if (
            doubted is None
            or not doubted.cursor.offset
            or not _only_grew(doubted, file)
        ):
            return replace(before, doubted=Doubted(cursor, reading.now_ns), waits=True)
        if reading.now_ns - doubted.since_ns < STILL_S * 1e9:
            return replace(before, waits=True)
    if shorter and why != "continued":
        return replace(new, restarts=before.restarts + 1)
    return replace(new, restarts=before.restarts)


def _only_grew(doubted: Doubted, file: RunFile) -> bool:
    """Return whether the version doubted back was only appended to since."""
    try:
        with LogReader(file.full_path, doubted.cursor) as reader:
            return not reader.rewritten
    except OSError:
        return False
