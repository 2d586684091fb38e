"""What one log said: its items collected, masked and bounded."""

import math
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from mlreport_batch.find.runs import RunFile
from mlreport_batch.find.tail import Cursor
from mlreport_batch.formats import (
    Anew,
    Hparams,
    Intent,
    Item,
    Outcome,
    Point,
    Problem,
    ProblemKind,
    Progress,
    Restart,
    Result,
    Text,
)
from mlreport_batch.language.figures import scalar_text
from mlreport_batch.read.fold import LogFold
from mlreport_batch.read.summary import MetricSummary
from mlreport_batch.safety.clean import Scalar, clean, shorten
from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.masking.redact import (
    is_secret_metric,
    redact_all,
    redact_lines,
    redact_text,
)

PROBLEMS_MAX = 20
VALUES_MAX = 5_000  # hyperparameters of one file, and its results
TEXT_MAX = 10_000  # characters of one of them
NAMES_MAX = 10  # of metrics that are left out
ITEMS_MAX = 1_500_000  # of one document
REVISION = 2
"""Of how logs are read. A log with problems that an earlier revision had with it is
read anew, from zero."""


class Doubted(Struct, frozen=True):
    """A shorter version of a log, seen but not believed yet."""

    cursor: Cursor
    since_ns: int


class LogState(Struct, frozen=True, omit_defaults=True):
    """All that one file said so far.

    Attributes:
        format: Name of the format it was read with.
        revision: The `REVISION` that read it.
        signature: What ``stat`` said when it was read.
        cursor: How far it was read; None for documents.
        memory: What the format's reader keeps.
        metrics: Summaries by metric name, those of earlier files of its series
            included.
        points: Values written, orphans left out.
        orphans: Values of this file left out because a resume overtook them.
        restarts: How often the file began anew.
        hparams: Hyperparameters, secrets masked.
        intents: What the owner said it should be.
        results: Values without history.
        progress: Step reached and step to reach.
        outcome: How the run ended, by the framework's own word.
        texts: Texts to show.
        problems: What could not be read; at most 20.
        more_problems: How many more there were.
        doubted: A shorter version that is not believed yet.
        waits: Whether the file ends in the middle of something.
        is_continued: Whether a later file of its series holds its metrics too.
        has_left_out: Whether it had more metrics than are kept.
        secret_names: Metrics and results that are left out for their names.
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
    doubted: Doubted | None = field(default=None, name="held")  # as states have it
    waits: bool = False
    is_continued: bool = False
    has_left_out: bool = False
    revision: int = 0
    secret_names: tuple[str, ...] = ()


class Collected(Struct):
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
    is_full: bool = False
    secret_names: set[str] = field(default_factory=set)
    is_told: bool = False  # that there are such names

    def take(self, items: Iterable[Item]) -> None:
        """Take what a reader yields."""
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
        self,
        item: Restart | Anew | Hparams | Intent | Result | Progress | Outcome | Text,
    ) -> None:
        match item:
            case Anew():
                self.fold.is_anew = True
            case Restart():
                self.fold.restart_all(item.step)
            case Hparams():
                self._add(self.hparams, redact_all(item.values, self.redact))
            case Intent():
                expect = _kept(redact_all(item.expect, self.redact))
                purpose = redact_text(item.purpose, self.redact)
                self.intents.append(replace(item, expect=expect, purpose=purpose))
            case Result():
                if is_secret_metric(item.name, self.redact):
                    self.secret_names.add(item.name)
                else:
                    self._add(self.results, {item.name: item.value})
            case Progress():
                old = self.progress or Progress()
                self.progress = Progress(
                    old.step if item.step is None else item.step,
                    old.total if item.total is None else item.total,
                )
            case Outcome():
                self.outcome = item
            case Text():
                text = _encodable(redact_lines(item.text, self.redact))
                self.texts[item.kind] = replace(item, text=text)

    def _add(self, known: dict[str, Scalar], more: Mapping[str, Scalar]) -> None:
        for key, value in _kept(more).items():
            if key in known or len(known) < VALUES_MAX:
                known[key] = value
            elif not self.is_full:
                self.is_full = True
                note = f"more than {VALUES_MAX:,} values; the rest is left out"
                self.complain(Problem(self.path, None, note))

    def complain(self, problem: Problem) -> None:
        """Take a problem, masked and cleaned; only the first few are kept."""
        problem = replace(
            problem,
            path=self.path,
            message=clean(redact_text(problem.message, self.redact)),
        )
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(problem)
        else:
            self.more_problems += 1

    @property
    def is_silent(self) -> bool:
        """Return whether nothing was said, not even what is wrong."""
        values = self.hparams or self.results or self.texts or self.intents
        ends = self.progress or self.outcome
        return self.fold.is_empty and not (values or ends or self.problems)

    def _tell_secret_names(self) -> None:
        """Say first, and once, which metrics are left out for their names."""
        if self.is_told:
            if self.problems:
                self.problems.pop(0)
        elif len(self.problems) == PROBLEMS_MAX:
            self.problems.pop()
            self.more_problems += 1
        names = sorted(self.secret_names)
        told = ", ".join(names[:NAMES_MAX]) + ", …" * (len(names) > NAMES_MAX)
        note = (
            f"1 metric is left out, as its name looks like that of a secret ({told})"
            if len(names) == 1
            else f"{len(names):,} metrics are left out, as their names look like those "
            f"of secrets ({told})"
        )
        problem = Problem(self.path, None, clean(redact_text(note, self.redact)))
        self.problems.insert(0, problem)

    def state(self, base: LogState, **changes: object) -> LogState:
        """Return *base* with all that was taken, and other *changes*."""
        metrics = self.fold.metrics()
        secret = {n for n in metrics if is_secret_metric(n, self.redact)}
        self.secret_names |= secret
        if self.secret_names:
            self._tell_secret_names()
        fields: dict[str, object] = {
            # A password of digits is read as a number: its name says what it is.
            "metrics": {n: found for n, found in metrics.items() if n not in secret},
            "secret_names": tuple(sorted(self.secret_names)),
            "hparams": self.hparams,
            "intents": tuple(self.intents),
            "results": self.results,
            "progress": self.progress,
            "outcome": self.outcome,
            "texts": tuple(self.texts.values()),
            "problems": tuple(self.problems),
            "more_problems": self.more_problems,
        }
        state = replace(base, **fields, **changes)
        return replace(state, points=sum(m.count for m in state.metrics.values()))


def _kept(values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return *values* as the state file can hold them."""
    return {_encodable(key): _storable(value) for key, value in values.items()}


def _storable(value: Scalar) -> Scalar:
    if isinstance(value, str):
        return shorten(_encodable(value), TEXT_MAX)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return scalar_text(value)
    return value


def _encodable(text: str) -> str:
    r"""Return *text* without the lone surrogates that JSON's ``\ud800`` makes."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def collect(
    file: RunFile, redact: tuple[str, ...], base: LogState | None, fold: LogFold
) -> Collected:
    """Return where to collect what *file* says, with what *base* said already."""
    collected = Collected(file.path, redact, fold)
    if file.match is not None:
        collected.prefix = file.match.prefix
    if base is not None:
        collected.hparams = dict(base.hparams)
        collected.intents = list(base.intents)
        collected.results = dict(base.results)
        collected.progress, collected.outcome = base.progress, base.outcome
        collected.texts = {text.kind: text for text in base.texts}
        collected.problems = [p for p in base.problems if p.kind is ProblemKind.lasting]
        collected.more_problems = base.more_problems
        collected.secret_names = set(base.secret_names)
        collected.is_told = bool(base.secret_names)
    return collected


def beyond(
    items: Iterable[Item], metrics: Mapping[str, MetricSummary]
) -> Iterator[Item]:
    """Yield *items*, but of points only those that go on where *metrics* end."""
    ends = {name: summary.last_step for name, summary in metrics.items()}
    for item in items:
        if not isinstance(item, Point) or item.step > ends.get(item.metric, math.inf):
            yield item
