"""One run as its owner thinks of it: what its files say, put together."""

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.find.checkpoints import Checkpoint
from mlreport_batch.formats import PLACE, Intent, Outcome, Problem, Progress, Text
from mlreport_batch.formats.hparams import is_shared
from mlreport_batch.read.beats import Beats
from mlreport_batch.read.collect import LogState
from mlreport_batch.read.endings import Ending
from mlreport_batch.read.run import RunState
from mlreport_batch.read.summary import MetricSummary
from mlreport_batch.safety.clean import Scalar, natural_key

DISPUTES_MAX = 3
"""Pairs of files that are said to disagree on hyperparameters, and names of each."""


class Place(Struct, frozen=True):
    """How far a log is.

    Attributes:
        unit: What its steps count: ``epoch``, ``step`` or nothing known.
        first: Its first step.
        last: Its last step.
        rows: Values of the metric that was written most often.
        first_epoch: The epoch stated first beside the steps, None without one.
        epoch: The epoch stated last, likewise.
    """

    unit: str
    first: float
    last: float
    rows: int
    first_epoch: float | None = None
    epoch: float | None = None


class RunView(Struct, frozen=True):
    """What a run's files say together.

    Attributes:
        metrics: By name, in the order of their logs.
        hparams: Hyperparameters, secrets masked.
        expect: Intended hyperparameters, by the run's own statement.
        purpose: What the run is for.
        to: Who wants its reports, by the run's own statement.
        results: Values without history whose name is no metric's.
        progress: Step reached and step to reach, as far as known.
        outcome: How the run ended, by its framework's word.
        texts: Texts to show.
        checkpoints: Checkpoints.
        problems: What could not be read.
        orphans: Values left out because a resume overtook them.
        restarts: How often a log began anew.
        rows: Values of the metric that was written most often.
        started_ns: Oldest modification time met, nanoseconds since the epoch.
        updated_ns: Newest modification time met.
        written_ns: Newest modification time of a log of metrics.
        places: How far each log of metrics is, the longest first.
        endings: What the ends of its captured output say, by path.
        beats: When it was seen to grow.
    """

    metrics: Mapping[str, MetricSummary]
    hparams: Mapping[str, Scalar]
    expect: Mapping[str, Scalar]
    purpose: str
    to: tuple[str, ...]
    results: Mapping[str, Scalar]
    progress: Progress
    outcome: Outcome | None
    texts: tuple[Text, ...]
    checkpoints: tuple[Checkpoint, ...]
    problems: tuple[Problem, ...]
    orphans: int
    restarts: int
    rows: int
    started_ns: int
    updated_ns: int
    written_ns: int = 0
    places: tuple[Place, ...] = ()
    endings: Mapping[str, Ending] = field(default_factory=dict)
    beats: Beats = Beats()

    @property
    def step(self) -> float | None:
        """The furthest step any source tells of."""
        steps = [summary.last_step for summary in self.metrics.values()]
        if self.progress.step is not None:
            return self.progress.step
        return max(steps, default=None)


def view_of(state: RunState) -> RunView:
    """Return the view of *state*."""
    logs = sorted(state.logs.items(), key=lambda item: natural_key(item[0]))
    metrics = _merge_metrics(logs)
    expect: dict[str, Scalar] = {}
    results: dict[str, Scalar] = {}
    texts: dict[str, Text] = {}
    purpose = ""
    to: tuple[str, ...] = ()
    progress, outcome = Progress(), None
    problems = list(state.problems)
    for _, log in logs:
        for intent in log.intents:
            purpose, to = _merge_intent(intent, expect, purpose, to)
        for key, value in log.results.items():
            if key not in metrics:
                results.setdefault(key, value)
        if log.progress is not None:
            progress = _further(progress, log.progress)
        outcome = _worse(outcome, log.outcome)
        for text in log.texts:
            texts.setdefault(text.kind, text)
        problems += log.problems
        if log.more_problems:
            path = log.problems[0].path
            problems.append(Problem(path, None, f"{log.more_problems:,} more problems"))
    hparams = _merge_hparams(logs, problems)
    return RunView(
        metrics=metrics,
        hparams=hparams,
        expect=expect,
        purpose=purpose,
        to=to,
        results=results,
        progress=progress,
        outcome=outcome,
        texts=tuple(texts.values()),
        checkpoints=state.checkpoints,
        problems=tuple(problems),
        orphans=sum(log.orphans for _, log in logs),
        restarts=sum(log.restarts for _, log in logs),
        rows=max((m.count for m in metrics.values()), default=0),
        started_ns=state.started_ns,
        updated_ns=state.updated_ns,
        written_ns=max(
            (log.signature.mtime_ns for _, log in logs if log.metrics), default=0
        ),
        places=_places([log for _, log in logs]),
        endings=state.endings,
        beats=state.beats,
    )


def _places(logs: Sequence[LogState]) -> tuple[Place, ...]:
    """Return how far each log is, those of the most rows first."""
    found = [_place(log) for log in logs if log.metrics and not log.is_continued]
    return tuple(sorted(found, key=lambda place: -place.rows))


def _place(log: LogState) -> Place:
    unit, *epochs = str(log.memory.get(PLACE) or "-").split()
    summaries = log.metrics.values()
    first_epoch, epoch = map(float, epochs) if epochs else (None, None)
    return Place(
        unit="" if unit == "-" else unit,
        # A first row may hold only what was measured before the training began.
        first=max(s.first_step for s in summaries if s.first_step <= 1)
        if any(s.first_step <= 1 for s in summaries)
        else min(s.first_step for s in summaries),
        last=max(summary.last_step for summary in summaries),
        rows=max(summary.count for summary in summaries),
        first_epoch=first_epoch,
        epoch=epoch,
    )


def _merge_hparams(
    logs: Sequence[tuple[str, LogState]], problems: list[Problem]
) -> dict[str, Scalar]:
    """Return the first word on each; what only events say comes last.

    ``add_hparams`` joins names with ``/`` and makes text of what it cannot hold.
    """
    told: dict[str, Scalar] = {}
    repeated: dict[str, Scalar] = {}
    sources: dict[str, tuple[str, LogState]] = {}
    disputes: dict[tuple[str, str], list[str]] = {}
    for path, log in sorted(logs, key=_authority):
        into = repeated if log.format == "tensorboard" else told
        for key, value in log.hparams.items():
            if key not in into:
                into[key] = value
                sources[key] = path, log
            elif into is told and _differ(value, told[key]):
                first, first_log = sources[key]
                if _are_peers((first, first_log), (path, log)):
                    disputes.setdefault((first, path), []).append(key)
    for (first, path), keys in list(disputes.items())[:DISPUTES_MAX]:
        names = ", ".join(keys[:DISPUTES_MAX])
        more = len(keys) - DISPUTES_MAX
        names = f"{names} and {more:,} more" if more > 0 else names
        text = f"{names}: not as in {first}, which is used"
        problems.append(Problem(path, None, text))
    known = {key.replace("/", ".") for key in told}
    more_told = {k: v for k, v in repeated.items() if k.replace("/", ".") not in known}
    return told | more_told


def _authority(item: tuple[str, LogState]) -> tuple[object, ...]:
    """Return what logs are sorted by, the surest about hyperparameters first.

    A data set or a checkpoint below the run may have a configuration of its own.
    """
    path, log = item
    folders = [name for name in path.split("/")[:-1] if name not in _TRANSPARENT]
    return is_shared(log.format, path), len(folders), natural_key(path)


def _are_peers(first: tuple[str, LogState], second: tuple[str, LogState]) -> bool:
    """Return whether both files are the run's own word, so that one of them errs."""
    both = (first, second)
    are_own = all("/" not in path and log.format == "hparams" for path, log in both)
    return are_own and _authority(first)[0] == _authority(second)[0]


def _differ(first: Scalar, second: Scalar) -> bool:
    """Return whether two values disagree, however each was written."""
    texts = [str(value).strip().lower() for value in (first, second)]
    if texts[0] == texts[1]:
        return False
    try:
        return not math.isclose(*map(float, texts), rel_tol=1e-9)
    except ValueError:
        texts = ["null" if text in _NOTHING else text for text in texts]
        # Tuples and lists are told apart by how a framework writes them, too.
        return texts[0] != texts[1] and not any(t.startswith(_BRACKETS) for t in texts)


_TRANSPARENT = (".hydra", "files")  # what Hydra and W&B keep apart in a run's folder
_NOTHING = ("none", "null", "~", "")
_BRACKETS = ("(", "[", "{")


def _merge_intent(
    intent: Intent, expect: dict[str, Scalar], purpose: str, to: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    expect.update(intent.expect)
    return purpose or intent.purpose, to or intent.to


def _further(first: Progress, second: Progress) -> Progress:
    steps = [p.step for p in (first, second) if p.step is not None]
    totals = [p.total for p in (first, second) if p.total is not None]
    return Progress(max(steps, default=None), max(totals, default=None))


_GRAVITY = {"finished": 1, "killed": 2, "out_of_time": 2, "failed": 3}


def _worse(first: Outcome | None, second: Outcome | None) -> Outcome | None:
    if first is None or second is None:
        return first or second
    return max(first, second, key=lambda outcome: _GRAVITY.get(outcome.status, 0))


def _merge_metrics(logs: list[tuple[str, LogState]]) -> dict[str, MetricSummary]:
    """Put the metrics of all logs under names of their own.

    The same name in two logs is one metric when both hold the same values (a
    framework that writes CSV and JSON), else it is told apart by the log's name. The
    main one keeps its name when others appear beside it.
    """
    logs = [(path, log) for path, log in logs if log.metrics and not log.is_continued]
    if len(logs) == 1:
        return dict(logs[0][1].metrics)
    by_name: dict[str, dict[object, tuple[str, MetricSummary]]] = {}
    stems: dict[str, str] = {}
    for path, log in logs:
        stems[path] = _stem(path, log.format)
        for name, summary in log.metrics.items():
            by_name.setdefault(name, {}).setdefault(_kin(summary), (path, summary))
    merged: dict[str, MetricSummary] = {}
    for name, rivals in by_name.items():
        labels = _labels([path for path, _ in rivals.values()], stems)
        for (path, summary), label in zip(rivals.values(), labels, strict=True):
            is_apart = len(rivals) > 1 and label
            full = f"{label}/{name}" if is_apart else name
            if full in merged:
                full = f"{path}/{name}"
            while full in merged:
                full += "'"
            merged[full] = summary
    return merged


def _labels(paths: Sequence[str], stems: Mapping[str, str]) -> Sequence[str]:
    """Return what tells each log from the others, nothing for the main one."""
    long = [stems[path] for path in paths]
    main = next((path for path in paths if _is_main(path, paths)), None)
    if main is not None:
        # `eval/metrics.csv` beside `metrics.csv` is what `eval` says.
        end = "/" + stems[main].rpartition("/")[2]
        long = [
            "" if path == main else stem.removesuffix(end)
            for path, stem in zip(paths, long, strict=True)
        ]
    # Of `train/metrics` and `val/metrics` the folders tell.
    while all("/" in stem for stem in long) and len({*map(_name_in, long)}) == 1:
        long = [stem.rpartition("/")[0] for stem in long]
    short = [_name_in(stem) for stem in long]
    return short if len(set(short)) == len(short) else long


def _name_in(path: str) -> str:
    return path.rpartition("/")[2]


def _is_main(path: str, paths: Sequence[str]) -> bool:
    """Return whether a log lies above the others, which are copies where they do not.

    Copies are known by their names: ``metrics_backup.csv`` beside ``metrics.csv``.
    """
    folder, _, name = path.rpartition("/")
    for other in paths:
        their_folder, _, their_name = other.rpartition("/")
        is_above = path.count("/") < other.count("/") or _is_put_away(other)
        is_copy = folder == their_folder and their_name.startswith(name.split(".")[0])
        if other != path and not is_above and not is_copy:
            return False
    return not _is_put_away(path)


def _is_put_away(path: str) -> bool:
    """Return whether a file is an artifact, which a run wrote beside its log."""
    return "artifacts" in path.split("/")[:-1]


def _kin(summary: MetricSummary) -> object:
    """Return what two summaries share that hold the same values.

    Scores often end alike, at 1 or at NaN: the whole course is compared.
    """
    last = None if math.isnan(summary.last) else summary.last
    return replace(summary, last=0.0), last


def _stem(path: str, form: str) -> str:
    """Return what tells a log from another: of event files only the folder does."""
    folder, slash, name = path.rpartition("/")
    if form == "tensorboard":
        return folder
    return folder + slash + (name.split(".")[0] or name)
