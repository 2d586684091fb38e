"""What a training leaves behind, read without its framework.

One module per family of files. A format says which files are its own (by name
first, then by content) and turns bytes into `Item`s. Nothing found in a run
directory is imported, unpickled or run.

To add a format: write one module that ends in a `LogFormat`, and name that in
`formats.registry`.
"""

from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING

from msgspec import Struct, field

from mlreport_batch.safety.clean import Scalar

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Places = npt.NDArray[np.int64]

Memory = MutableMapping[str, Scalar]
"""What a reader of one log keeps between chunks and ticks; starts empty."""


class Role(StrEnum):
    """What a file means for the folder it lies in.

    ``metrics``, ``hparams`` and ``intent`` make their folder a run; ``context``
    (a model description, evaluation results, a config that others have too)
    belongs to a run but does not make one.
    """

    metrics = "metrics"
    hparams = "hparams"
    intent = "intent"
    context = "context"


class Candidate(Struct, frozen=True):
    """A file that a format may recognise.

    Attributes:
        path: The file.
        parents: Names of the folders above it, nearest first, down to the root
            of the search.
        name: The file's own name.
        head: Its first 8 KiB, empty while the file is.
        size: Its size in bytes.
        siblings: Names of the files and folders beside it, itself included.
        above: Names of the candidates in the folder above, where they are known.
    """

    path: str
    parents: tuple[str, ...]
    name: str
    head: bytes
    size: int
    siblings: frozenset[str]
    above: frozenset[str] = frozenset()


class Chunk(Struct, frozen=True):
    """Whole lines of a log.

    Attributes:
        path: The file.
        header: The log's first line, without its line end.
        data: The lines, each ending in a newline; NUL bytes are still in it.
        start: Offset of ``data`` in the file, in bytes.
        first_line: Number of the first line in ``data``, counted from 1.
        member: Which of several runs in the file is wanted; see `LogFormat.members`.
        lines: How many lines it has; 0 where nobody counted them.
    """

    path: str
    header: bytes
    data: bytes
    start: int
    first_line: int
    member: str = ""
    lines: int = 0


class Member(Struct, frozen=True):
    """One of several runs that one file tells of.

    Attributes:
        name: Its path below the file, as if that were a folder; the run's identity.
        size: How many values the file holds of it.
        time_ns: When it last said something, nanoseconds since the epoch; None if
            the file does not say.
        version: 32 bits that are others when it says something else.
    """

    name: str
    size: int
    time_ns: int | None
    version: int


class Match(Struct, frozen=True):
    """A format's claim on a file.

    Attributes:
        role: What the file means for its run.
        levels_up: How many folders above the file's own the run lies.
        closed: Whether everything below that run folder belongs to it, however
            much it looks like a run of its own.
        twin: Files of one run with the same twin key hold the same rows; only
            the one with the lowest ``rank`` is used.
        rank: See ``twin`` and ``fallback``.
        fallback: Whether the file is used only where no other file of the run
            holds points: TensorBoard events mostly repeat what a log beside them
            says, under other names. Of such files those of the lowest ``rank`` are
            used: what is printed mostly repeats the events.
        series: Files with the same series that speak for the same folder continue
            one another, in natural order of their names: a later one whose steps go
            back overtakes what the earlier ones wrote from there on. Of lower ``rank``,
            they come first.
        extends: Whether of a later file of a series only the metrics count that the
            earlier ones have, where they go on beyond those.
        is_deleted: Whether this file says that its framework deleted the run.
        prefix: Put before every metric name, with ``/`` between.
        note: What it was recognised by, for ``inspect``.
        member: Which of the runs in the file it is about; empty for a file of one.
    """

    role: Role
    levels_up: int = 0
    closed: bool = False
    twin: str = ""
    rank: int = 0
    fallback: bool = False
    series: str = ""
    is_deleted: bool = False
    prefix: str = ""
    note: str = ""
    extends: bool = False
    member: str = ""


class Point(Struct, frozen=True):
    """One written value: ``step`` is the framework's own, or the row's number."""

    metric: str
    step: float
    value: float


class Restart(Struct, frozen=True):
    """Every metric of this log begins again at ``step``: later points are void."""

    step: float


HINT = "hint "
"""How those keys of a reader's memory begin that it is given when it begins anew."""


COUNTS = "counter "
"""How those keys of a reader's memory begin that count steps over epochs: the next
file of a series goes on from them."""

PLACE = "place"
"""The key of a reader's memory under which stands what the log's steps count, as
``epoch`` or ``step``, and behind it the first and the last epoch stated beside them."""


class Anew(Struct, frozen=True):
    """What was read so far was taken for something else: read it from its start.

    The memory says under keys that begin with `HINT` what it is to be taken for.
    """


class Hparams(Struct, frozen=True):
    """Hyperparameters the run works with, flattened with ``.``."""

    values: Mapping[str, Scalar]


class Intent(Struct, frozen=True):
    """What the run's owner said it should be.

    Attributes:
        expect: Intended hyperparameters.
        purpose: What the run is for.
        to: Who wants its reports; used only where the config allows it.
    """

    expect: Mapping[str, Scalar] = field(default_factory=dict)
    purpose: str = ""
    to: tuple[str, ...] = ()


class Result(Struct, frozen=True):
    """A single value without history, such as a final evaluation."""

    name: str
    value: Scalar


class Progress(Struct, frozen=True):
    """How far the training is: the step reached and the step it will end at."""

    step: float | None = None
    total: float | None = None


class Outcome(Struct, frozen=True):
    """The framework says how the run ended, or that it goes on.

    Attributes:
        status: ``running``, ``finished``, ``failed``, ``killed`` or ``out_of_time``.
        evidence: Where that stands, such as ``run.json says FAILED``.
    """

    status: str
    evidence: str


class Text(Struct, frozen=True):
    """A text of a run.

    Attributes:
        kind: ``model``, ``error`` or ``environment`` of one that is shown as it is;
            ``note`` of what somebody said of the run; ``commit`` of the program's, see
            `kit.commits`.
    """

    kind: str
    text: str


class ProblemKind(StrEnum):
    """What becomes of a problem when its file is read again.

    A ``lasting`` one stays with what was read. The others hold no longer then:
    ``unreadable`` (the file could not be opened or read), ``more_comes`` (too much for
    one tick) and ``no_metric`` (rows, but none with a number so far).
    """

    lasting = ""
    unreadable = "unreadable"
    more_comes = "more_comes"
    no_metric = "no_metric"


class Problem(Struct, frozen=True, order=True):
    """Something in a run directory that could not be read as meant.

    Attributes:
        path: The file, relative to its run directory with ``/`` between parts.
        line: The first line it concerns, counted from 1, or None for the file.
        message: What is wrong and what was done about it; already cleaned.
        kind: Whether it holds when the file is read again.
    """

    path: str
    line: int | None
    message: str
    kind: ProblemKind = ProblemKind.lasting

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message}"


Item = (
    Point | Restart | Anew | Hparams | Intent | Result | Progress | Outcome | Text
    | Problem
)  # fmt: skip


class NotYetError(ValueError):
    """A document ends too early: it is still being written."""


class BulkLayout(Struct, frozen=True):
    """How to read a plain CSV log without its format, for bulk readers.

    Attributes:
        separator: Between cells; a space stands for any run of blanks.
        width: Cells in a row.
        step: Index of the step column; None counts data rows from 0.
        metrics: (index, metric) of each column that may be a metric. A column
            whose first filled cell is text is none.
        epoch: Index of a column of epochs, or of another count, beside the steps; None
            where there is none.
        begins_again: Whether the steps may begin again with each epoch.
        unit: What the steps count: ``epoch``, ``step`` or nothing known.
        outer_unit: What the column of epochs counts, likewise.
    """

    separator: str
    width: int
    step: int | None
    metrics: tuple[tuple[int, str], ...]
    epoch: int | None = None
    begins_again: bool = True
    unit: str = ""
    outer_unit: str = ""


class Column(Struct, frozen=True):
    """The points of one metric, in file order.

    Attributes:
        metric: Its name.
        places: Where each point stands, in bytes from the start of the first chunk;
            rising.
        steps: The step of each.
        values: The value of each.
    """

    metric: str
    places: "Places"
    steps: "Floats"
    values: "Floats"


class Columns(Struct, frozen=True):
    """What several chunks say, read at once.

    Attributes:
        bounds: Where each chunk begins, as ``Column.places`` count, and the last ends.
        columns: The points of all that could be read so.
        rest: The other items of each chunk; None where it takes ``parse`` to read it.
    """

    bounds: "Places"
    columns: tuple[Column, ...]
    rest: tuple[tuple[Item, ...] | None, ...]


class LogFormat(Struct, frozen=True):
    """A family of files, and how to read them.

    Attributes:
        name: Short name, shown by ``inspect`` and kept in the state.
        matches: Returns the claim on a candidate, or None if it is another's.
        parse: Yields what a chunk says, in file order. The memory is this reader's
            own and outlives the tick: small scalars only. Cutting the same bytes
            into other chunks must yield the same items. Lines that cannot be read
            become `Problem`s; no exception may leave a reader but `NotYetError`, for
            a document that is cut off at its end.
        whole_file: True for documents that are rewritten whole (one JSON, YAML);
            they are read again from the start whenever they change. False for
            logs that grow by lines; ``parse`` gets only the new ones.
        is_sole: Whether it keeps no claim of another beside its own: a file that
            another format knew by its header becomes this one by its rows.
        split: For logs that grow by records of their own kind instead of lines:
            returns how many bytes at the start of its argument, which begins where a
            record begins, are whole records. 0 asks for more bytes.
        bulk_layout: For a plain CSV that can also be read without its format, in
            bulk: returns the layout of the rows below a header; None if there is
            none.
        members: For documents that tell of several runs, which none of them owns:
            yields these, and `Problem`s. It may raise `NotYetError`, as ``parse`` may,
            which gets one member at a time.
        columns: For logs of records that can also be read many chunks at once: returns
            what ``parse`` would, of chunks whose memory is empty.
    """

    name: str
    matches: Callable[[Candidate], Match | None]
    parse: Callable[[Chunk, Memory], Iterable[Item]]
    whole_file: bool = False
    is_sole: bool = False
    split: Callable[[bytes], int] | None = None
    bulk_layout: Callable[[bytes], BulkLayout | None] | None = None
    members: Callable[[bytes], Iterable[Member | Problem]] | None = None
    columns: Callable[[Sequence[Chunk]], Columns] | None = None
