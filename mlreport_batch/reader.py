"""Bring what is known of a run up to date with what lies in its directory.

A pure function of the files and of what was known before: reading in many ticks
and reading once at the end give the same `RunState`.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlreport_batch.discover import RunDir, RunFile, is_racy
from mlreport_batch.errors import Problem
from mlreport_batch.formats import (
    Hparams,
    Intent,
    Item,
    LogFormat,
    NotYetError,
    Outcome,
    Point,
    Progress,
    Restart,
    Result,
    Text,
)
from mlreport_batch.formats.registry import by_name
from mlreport_batch.metrics import LogFold, MetricSummary, RestartPlan
from mlreport_batch.redact import redact_all, redact_text
from mlreport_batch.tail import (
    Chunk,
    Cursor,
    LogReader,
    Signature,
    read_document,
)
from mlreport_batch.text import Scalar, clean
from mlreport_batch.weights import Weights

QUIET_S = 2.0
"""A log that lost rows is believed once nothing was written to it for so long:
frameworks truncate and rewrite, and half a rewrite is no news."""

FINAL_S = 3600.0
"""A last line without a newline is used once nothing was written for so long."""

PROBLEMS_MAX = 20
PASSES_MAX = 4


@dataclass(frozen=True, slots=True)
class Held:
    """A shorter version of a log, seen but not believed yet."""

    cursor: Cursor
    since_ns: int


@dataclass(frozen=True, slots=True)
class LogState:
    """All that one file said so far.

    Attributes:
        format: Name of the format it was read with.
        signature: What ``stat`` said when it was read.
        cursor: How far it was read; None for documents.
        memory: What the format's reader keeps.
        metrics: Summaries by metric name.
        points: Values written, orphans left out.
        orphans: Values left out because a resume overtook them.
        restarts: How often the file began anew.
        hparams: Hyperparameters, secrets masked.
        intents: What the owner said it should be.
        results: Values without history.
        progress: Step reached and step to reach.
        outcome: How the run ended, by the framework's own word.
        texts: Texts to show.
        problems: What could not be read; at most 20.
        more_problems: How many more there were.
        held: A shorter version that is not believed yet.
        waits: Whether the file ends in the middle of something.
    """

    format: str
    signature: Signature
    cursor: Cursor | None = None
    memory: dict[str, Scalar] = field(default_factory=dict)
    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    points: int = 0
    orphans: int = 0
    restarts: int = 0
    hparams: dict[str, Scalar] = field(default_factory=dict)
    intents: tuple[Intent, ...] = ()
    results: dict[str, Scalar] = field(default_factory=dict)
    progress: Progress | None = None
    outcome: Outcome | None = None
    texts: tuple[Text, ...] = ()
    problems: tuple[Problem, ...] = ()
    more_problems: int = 0
    held: Held | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class RunState:
    """All that is known of a run: the *seen* mark.

    Attributes:
        logs: By path relative to the run.
        weights: Checkpoints that are there now.
        started_ns: Oldest modification time met in the run.
        updated_ns: Newest modification time of a file that was read.
        problems: What could not be listed.
    """

    logs: dict[str, LogState] = field(default_factory=dict)
    weights: tuple[Weights, ...] = ()
    started_ns: int = 0
    updated_ns: int = 0
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Collected:
    """Items of one reading, before they are frozen into a `LogState`."""

    path: str
    redact: tuple[str, ...]
    fold: LogFold
    hparams: dict[str, Scalar] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    results: dict[str, Scalar] = field(default_factory=dict)
    progress: Progress | None = None
    outcome: Outcome | None = None
    texts: dict[str, Text] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    more_problems: int = 0
    prefix: str = ""

    def take(self, items: Iterable[Item]) -> None:
        prefix, add = self.prefix, self.fold.add
        for item in items:
            if isinstance(item, Point):
                name = f"{prefix}/{item.metric}" if prefix else item.metric
                add(name, item.step, item.value)
            elif isinstance(item, Problem):
                self.complain(item)
            else:
                self._take_rare(item)

    def _take_rare(
        self, item: Restart | Hparams | Intent | Result | Progress | Outcome | Text
    ) -> None:
        match item:
            case Restart():
                self.fold.restart_all(item.step)
            case Hparams():
                self.hparams.update(redact_all(item.values, self.redact))
            case Intent():
                expect = redact_all(item.expect, self.redact)
                self.intents.append(replace(item, expect=expect))
            case Result():
                self.results[item.name] = item.value
            case Progress():
                old = self.progress or Progress()
                self.progress = Progress(
                    old.step if item.step is None else item.step,
                    old.total if item.total is None else item.total,
                )
            case Outcome():
                self.outcome = item
            case Text():
                self.texts[item.kind] = replace(item, text=redact_text(item.text))

    def complain(self, problem: Problem) -> None:
        problem = replace(
            problem,
            path=self.path,
            message=clean(redact_text(problem.message)),
        )
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
        else:
            self.more_problems += 1

    def state(self, base: LogState, **changes: object) -> LogState:
        fields: dict[str, object] = {
            "metrics": self.fold.metrics(),
            "hparams": self.hparams,
            "intents": tuple(self.intents),
            "results": self.results,
            "progress": self.progress,
            "outcome": self.outcome,
            "texts": tuple(self.texts.values()),
            "problems": tuple(self.problems),
            "more_problems": self.more_problems,
        }
        state = replace(base, **fields, **changes)  # type: ignore[arg-type]
        return replace(state, points=sum(m.count for m in state.metrics.values()))


def _collect(
    file: RunFile, redact: tuple[str, ...], base: LogState | None, fold: LogFold
) -> _Collected:
    collected = _Collected(file.path, redact, fold)
    if file.match is not None:
        collected.prefix = file.match.prefix
    if base is not None:
        collected.hparams = dict(base.hparams)
        collected.intents = list(base.intents)
        collected.results = dict(base.results)
        collected.progress, collected.outcome = base.progress, base.outcome
        collected.texts = {text.kind: text for text in base.texts}
        collected.problems = list(base.problems)
        collected.more_problems = base.more_problems
    return collected


def read_log(
    file: RunFile,
    before: LogState | None,
    *,
    now_ns: int | None = None,
    redact: Sequence[str] = (),
) -> LogState:
    """Return what *file* says, reading only what is new since *before*.

    A file that cannot be read keeps what it said before, with a problem.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    member = by_name()[file.format]
    if before is not None and before.format != member.name:
        before = None
    try:
        if member.whole_file:
            return _read_document(member, file, before, now_ns, tuple(redact))
        return _read_lines(member, file, before, now_ns, tuple(redact))
    except OSError as exc:
        problem = Problem(file.path, None, f"cannot be read: {exc.strerror or exc}")
        base = before or LogState(member.name, file.signature)
        problems = tuple(p for p in base.problems if p != problem)
        return replace(
            base, problems=(*problems[: PROBLEMS_MAX - 1], problem), waits=True
        )


def _is_quiet(signature: Signature, now_ns: int, seconds: float = QUIET_S) -> bool:
    return now_ns - signature.mtime_ns >= seconds * 1e9


def _read_document(
    member: LogFormat,
    file: RunFile,
    before: LogState | None,
    now_ns: int,
    redact: tuple[str, ...],
) -> LogState:
    data, signature = read_document(file.full_path)
    empty = LogState(member.name, signature)
    chunk = Chunk(file.full_path, data.partition(b"\n")[0], data, 0, 1)
    plan: RestartPlan | None = None
    memory: dict[str, Scalar] = {}
    collected = _collect(file, redact, None, LogFold())
    for _ in range(PASSES_MAX):
        memory = {}
        collected = _collect(file, redact, None, LogFold(plan=plan))
        try:
            collected.take(member.parse(chunk, memory))
        except NotYetError as exc:
            if not _is_quiet(signature, now_ns) or not data:
                # Still being written: what it said before stays true until it is whole.
                return replace(before or empty, waits=True)
            problem = Problem(file.path, None, f"ends in the middle: {exc}")
            kept = before or empty
            return replace(kept, signature=signature, problems=(problem,), waits=False)
        found = collected.fold.plan()
        if found == (plan or RestartPlan({})):
            break
        plan = found
    return collected.state(empty, memory=memory, orphans=collected.fold.orphans)


def _read_lines(
    member: LogFormat,
    file: RunFile,
    before: LogState | None,
    now_ns: int,
    redact: tuple[str, ...],
) -> LogState:
    since = before.cursor if before is not None else None
    state = _one_pass(member, file, before, since, now_ns, redact, None)
    plan = state.plan
    from_zero = state.from_zero
    for _ in range(PASSES_MAX):
        if not plan.restarts:
            break
        if not from_zero:
            # A step went back: read from zero, once to find every restart, ...
            state = _one_pass(member, file, None, None, now_ns, redact, None)
            plan, from_zero = state.plan, True
            continue
        # ... and once more to leave the overtaken points out.
        state = _one_pass(member, file, None, None, now_ns, redact, plan)
        if state.plan == plan:
            break
        plan = state.plan
    new = state.log
    if before is None or not state.from_zero or since is None:
        return new
    return _believe(before, since, new, state.why, now_ns, file)


@dataclass(frozen=True, slots=True)
class _Pass:
    log: LogState
    plan: RestartPlan
    from_zero: bool
    why: str


def _one_pass(
    member: LogFormat,
    file: RunFile,
    before: LogState | None,
    since: Cursor | None,
    now_ns: int,
    redact: tuple[str, ...],
    plan: RestartPlan | None,
) -> _Pass:
    use_open_line = _is_quiet(file.signature, now_ns, FINAL_S)
    with LogReader(file.full_path, since, use_open_line=use_open_line) as reader:
        base = None if reader.is_from_zero else before
        fold = LogFold(base.metrics if base else None, plan)
        collected = _collect(file, redact, base, fold)
        memory = dict(base.memory) if base else {}
        skipped = 0
        for chunk in reader.chunks():
            collected.take(member.parse(chunk, memory))
        for line in reader.skipped_lines[skipped:]:
            collected.complain(Problem(file.path, line, "line over 1 MiB, passed over"))
        if reader.stopped_early:
            collected.complain(
                Problem(file.path, None, "over 2 GiB of new lines; the rest comes next")
            )
        log = collected.state(
            LogState(member.name, reader.signature),
            cursor=reader.cursor,
            memory=memory,
            orphans=fold.orphans + (base.orphans if base else 0),
            restarts=before.restarts if before else 0,
            waits=reader.has_open_line,
        )
        if fold.left_out:
            note = f"{len(fold.left_out):,} more metrics; only the first 2,000 are kept"
            if not any(
                problem.message.endswith("are kept") for problem in log.problems
            ):
                problem = Problem(file.path, None, note)
                log = replace(log, problems=(*log.problems, problem))
        return _Pass(log, fold.plan(), reader.is_from_zero, reader.rewritten)


def _believe(
    before: LogState,
    since: Cursor,
    new: LogState,
    why: str,
    now_ns: int,
    file: RunFile,
) -> LogState:
    """Return *new*, or *before* while the log may be in the middle of a rewrite."""
    cursor = new.cursor
    if cursor is None or not why:
        return new
    shorter = cursor.lines < since.lines
    broken = len(new.problems) > len(before.problems)
    if not shorter and not broken:
        # Rewritten with all rows, as when a column was added.
        return replace(new, restarts=before.restarts)
    if not _is_quiet(new.signature, now_ns):
        held = before.held
        if held is None or held.cursor.offset > cursor.offset or not _grew(held, file):
            return replace(before, held=Held(cursor, now_ns), waits=True)
        if now_ns - held.since_ns < QUIET_S * 1e9:
            return replace(before, waits=True)
    if shorter and why != "continued":
        return replace(new, restarts=before.restarts + 1)
    return new


def _grew(held: Held, file: RunFile) -> bool:
    """Return whether the version held back was only appended to since."""
    with LogReader(file.full_path, held.cursor) as reader:
        return not reader.rewritten


def read_run(
    run: RunDir,
    before: RunState | None,
    *,
    now_ns: int | None = None,
    redact: Sequence[str] = (),
) -> RunState:
    """Return the state of *run*, reading only what is new since *before*.

    Files that vanished take what they said with them; the reported mark still
    knows what was last shown.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    known: Mapping[str, LogState] = before.logs if before else {}
    logs: dict[str, LogState] = {}
    for file in chosen(run.files):
        old = known.get(file.path)
        if (
            old is not None
            and old.format == file.format
            and old.signature == file.signature
            and not old.waits
            and old.held is None
        ):
            logs[file.path] = old
            continue
        log = read_log(file, old, now_ns=now_ns, redact=redact)
        if is_racy(log.signature.ctime_ns, now_ns):
            # A later write may carry the same time: look again next tick.
            log = replace(log, signature=replace(log.signature, ctime_ns=0))
        logs[file.path] = log
    times = [f.signature.mtime_ns for f in run.files if f.format]
    updated = max(times, default=0)
    started = min([*times, *([before.started_ns] if before else [])], default=0)
    return RunState(logs, run.weights, started, updated, run.problems)


def chosen(files: Iterable[RunFile]) -> list[RunFile]:
    """Return the files to read: of twins that hold the same rows, only the best."""
    best: dict[str, RunFile] = {}
    for file in files:
        if file.match is not None and file.match.twin and file.signature.size:
            rival = best.get(file.match.twin)
            if rival is None or _rank(file) < _rank(rival):
                best[file.match.twin] = file
    return [
        file
        for file in files
        if file.match is not None
        and (not file.match.twin or best.get(file.match.twin, file) is file)
    ]


def _rank(file: RunFile) -> tuple[int, int]:
    return (file.match.rank if file.match else 0, file.path.count("/"))
