"""Bring what is known of a run up to date with what lies in its directory.

A pure function of the files and of what was known before: reading in many ticks
and reading once at the end give the same `RunState`.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.find.checkpoints import Checkpoint
from mlreport_batch.find.runs import RunDir, RunFile
from mlreport_batch.formats import Problem, Role
from mlreport_batch.formats.kit.moved import turn_of
from mlreport_batch.read.beats import Beats, beats_after
from mlreport_batch.read.bulk.ahead import Bulk, Unread
from mlreport_batch.read.collect import LogState
from mlreport_batch.read.endings import Ending, read_endings
from mlreport_batch.read.log import Reading, read_series, unread_log
from mlreport_batch.safety.clean import natural_key
from mlreport_batch.safety.files import is_racy

# Single values: beside them, event files still hold the only history there is.
WITHOUT_HISTORY = frozenset(["dvclive_summary", "hf_results", "hydra_sweep", "json"])


NAMES_MAX = 20_000
"""Metrics, hyperparameters and results of one run, from which on no file is read."""

AHEAD_MAX = 64
"""Logs of one run that are read ahead; of the others it is not known who needs them."""


class RunState(Struct, frozen=True, omit_defaults=True):
    """All that is known of a run: the *seen* mark.

    Attributes:
        logs: By path relative to the run.
        checkpoints: Checkpoints that are there now.
        started_ns: Oldest modification time met in the run.
        updated_ns: Newest modification time of a file that was read.
        problems: What could not be listed.
        endings: What the ends of its captured output say, by path.
        beats: When it was seen to grow, and how far it was.
    """

    logs: dict[str, LogState] = field(default_factory=dict)
    checkpoints: tuple[Checkpoint, ...] = field(
        default=(),
        name="weights",  # as states have it
    )
    started_ns: int = 0
    updated_ns: int = 0
    problems: tuple[Problem, ...] = ()
    endings: dict[str, Ending] = field(default_factory=dict)
    beats: Beats = Beats()


def read_run(
    run: RunDir,
    before: RunState | None,
    *,
    now_ns: int | None = None,
    redact: Sequence[str] = (),
    bulk: Bulk | None = None,
    plan: Sequence[Sequence[RunFile]] | None = None,
) -> RunState:
    """Return the state of *run*, reading only what is new since *before*.

    Files that vanished take what they said with them; the reported mark still
    knows what was last shown.

    Args:
        run: What was found of it.
        before: What was known; None reads everything.
        now_ns: Nanoseconds since the epoch; the clock's time if left out.
        redact: The user's globs on names of secrets.
        bulk: What reads logs ahead.
        plan: As `plan_of` gives it, where that was asked already.
    """
    now_ns = time.time_ns() if now_ns is None else now_ns
    reading = Reading(now_ns, tuple(redact), bulk)
    known: Mapping[str, LogState] = before.logs if before else {}
    logs: dict[str, LogState] = {}
    problems = list(run.problems)
    names = 0
    wanted = plan_of(run) if plan is None else plan
    for done, files in enumerate(wanted):
        if names >= NAMES_MAX:
            left = sum(map(len, wanted[done:]))
            note = (
                f"more than {NAMES_MAX:,} metrics and hyperparameters in the files "
                f"before; {left:,} more files are left out"
            )
            problems.append(Problem(files[0].path, None, note))
            break
        for path, log in read_series(files, known, reading).items():
            if is_racy(log.signature.ctime_ns, now_ns):
                # A later write may carry the same time: look again next tick.
                unsure = replace(log.signature, ctime_ns=0)
                logs[path] = replace(log, signature=unsure)
            else:
                logs[path] = log
            names += len(log.metrics) + len(log.hparams) + len(log.results)
    endings = read_endings(run.files, before.endings if before else {}, redact)
    # What another program logs beside a training is no sign of its life.
    of_others = {path for path, ending in endings.items() if not ending.is_sure}
    times = [
        file.signature.mtime_ns
        for file in run.files
        if file.match or (file.is_output and file.path not in of_others)
    ]
    updated = max(times, default=0)
    started = min([*times, *([before.started_ns] if before else [])], default=0)
    return RunState(
        logs,
        run.checkpoints,
        started,
        updated,
        tuple(problems),
        endings,
        beats_after(before.beats if before else Beats(), logs.values()),
    )


def plan_of(run: RunDir) -> list[list[RunFile]]:
    """Return the files to read, those of one series together and in their order."""
    return series(chosen(run.files))


def files_with_news(
    plan: Iterable[Iterable[RunFile]], before: RunState | None
) -> Iterator[RunFile]:
    """Yield the files that are not as they were when they were read last."""
    known: Mapping[str, LogState] = before.logs if before else {}
    for files in plan:
        for file in files:
            log = known.get(file.path)
            if log is None or log.signature != file.signature:
                yield file


def unread_logs(
    plan: Sequence[Sequence[RunFile]], before: RunState | None, now_ns: int
) -> list[Unread]:
    """Return the logs that `read_run` will read, but for those in several files."""
    known: Mapping[str, LogState] = before.logs if before else {}
    reading = Reading(now_ns)
    found = [
        unread_log(files[0], known, reading)
        for files in plan[:AHEAD_MAX]
        if len(files) == 1
    ]
    return [log for log in found if log is not None]


def series(files: Iterable[RunFile]) -> list[list[RunFile]]:
    """Return *files* in groups: those of one series together, in their order."""
    groups: dict[str, list[RunFile]] = {}
    for file in files:
        match = file.match
        if match is not None and match.series:
            # A run may hold several folders of event files, such as one per writer.
            folder = file.full_path.rsplit("/", match.levels_up + 1)[0]
            group = f"series {match.series} {folder}"
        else:
            group = f"file {file.path}"
        groups.setdefault(group, []).append(file)
    return [sorted(group, key=_age) for group in groups.values()]


def _age(file: RunFile) -> tuple[object, ...]:
    """Return what files of one series are sorted by, the earliest first.

    A resume may have moved the earlier files into a folder of their own.
    """
    name, turn = turn_of(file.path.rpartition("/")[2])
    rank = file.match.rank if file.match else 0
    return rank, natural_key(name), -turn, -file.path.count("/"), natural_key(file.path)


def chosen(files: Iterable[RunFile]) -> list[RunFile]:
    """Return the files to read: of twins that hold the same rows, only the best.

    Files that only repeat what a log says in another way are left out where there
    is such a log.
    """
    files = [file for file in files if file.match is not None]
    best: dict[str, RunFile] = {}
    has_log = False
    least = min(
        (
            _rank(file)[0]
            for file in files
            if _is_fallback(file) and file.signature.size
        ),
        default=0,
    )
    for file in files:
        match = file.match
        if match is None:
            continue
        if match.role is Role.metrics and not match.fallback and file.signature.size:
            has_log = has_log or file.format not in WITHOUT_HISTORY
        if match.twin and file.signature.size:
            rival = best.get(match.twin)
            if rival is None or _rank(file) < _rank(rival):
                best[match.twin] = file
    return [
        file
        for file in files
        if file.match is not None
        and (not file.match.twin or best.get(file.match.twin, file) is file)
        and not (file.match.fallback and (has_log or file.match.rank > least))
    ]


def _is_fallback(file: RunFile) -> bool:
    return file.match is not None and file.match.fallback


def _rank(file: RunFile) -> tuple[int, int]:
    return (file.match.rank if file.match else 0, file.path.count("/"))
