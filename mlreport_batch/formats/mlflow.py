"""MLflow's file store: ``mlruns/<experiment>/<32 hex digits>/``."""

import re
from collections.abc import Iterable, Iterator

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Hparams,
    Intent,
    Item,
    LogFormat,
    Match,
    Memory,
    Outcome,
    Point,
    Problem,
    Role,
    Text,
)
from mlreport_batch.formats.kit.commits import commit_text
from mlreport_batch.formats.kit.documents import load_mapping
from mlreport_batch.formats.kit.numbers import to_number
from mlreport_batch.formats.kit.text import filled, head_lines, lines_of
from mlreport_batch.safety.clean import clean_block
from mlreport_batch.safety.masking.redact import shown, shown_block, shown_name

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_KEY = re.compile(r".*?/[0-9a-f]{32}/(?:metrics|params)/(?P<key>.+)", re.DOTALL)
_STATUS = {
    1: ("running", "RUNNING"), 2: ("running", "SCHEDULED"), 3: ("finished", "FINISHED"),
    4: ("failed", "FAILED"), 5: ("killed", "KILLED"),
}  # fmt: skip
STATUS_BY_NAME = {name: status for status, name in _STATUS.values()}
_VALUE_MAX, _NOTE_MAX = 6000, 100_000
KIND_OF_TAG = {"mlflow.source.git.commit": "commit", "mlflow.note.content": "note"}
"""Tags that are told, and as what kind of text."""
_FIELDS = (2, 3, 5)  # time, value [step [name and digest of a data set]]


def _depth_below(candidate: Candidate, part: str) -> int | None:
    """Return how deep below a run's folder *part* the candidate lies, or None."""
    parents = candidate.parents
    for depth in range(len(parents) - 1):
        if parents[depth] == part and _RUN_ID.fullmatch(parents[depth + 1]):
            return depth
    return None


def _key_of(path: str) -> str:
    found = _KEY.fullmatch(path)
    return shown_name(found["key"] if found else path.rpartition("/")[2])


def _matches_mlflow_metric(candidate: Candidate) -> Match | None:
    """Claim any file below ``metrics`` in the folder of a run."""
    depth = _depth_below(candidate, "metrics")
    if depth is None:
        return None
    first = next(filled(head_lines(candidate.head, candidate.size)), "")
    if _row(first) is None:
        return None
    return Match(Role.metrics, levels_up=depth + 1, closed=True, note="MLflow metric")


def _parse_mlflow_metric(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the one metric's points; two fields mean step 0.

    What was measured on which data set (MLflow 3 adds its name and digest) is one
    history, as in MLflow itself.
    """
    items: list[Item] = []
    lines = lines_of(chunk, memory, items)
    yield from items
    metric = _key_of(chunk.path)
    for number, line in enumerate(lines, chunk.first_line):
        if not line or line.isspace():
            continue
        row = _row(line)
        if row is not None:
            yield Point(metric, *row)
            continue
        count = memory["bad_rows"] = int(memory.get("bad_rows") or 0) + 1
        if count == 1:
            text = "not time, value and step; such lines are left out"
            yield Problem(chunk.path, number, text)


MLFLOW_METRIC = LogFormat(
    name="mlflow_metric",
    matches=_matches_mlflow_metric,
    parse=_parse_mlflow_metric,
)
"""``metrics/train/loss`` holds lines of time, value and step, maybe of a data set."""


def _row(line: str) -> tuple[float, float] | None:
    cells = line.split()
    if len(cells) not in _FIELDS or not cells[0].isdigit():
        return None
    value = to_number(cells[1])
    step = to_number(cells[2]) if len(cells) > 2 else 0.0  # noqa: PLR2004
    if value is None or step is None or step - step != 0:
        return None
    return step, value


def _matches_mlflow_param(candidate: Candidate) -> Match | None:
    """Claim any file below ``params`` in the folder of a run."""
    depth = _depth_below(candidate, "params")
    if depth is None or b"\0" in candidate.head:
        return None
    return Match(Role.context, levels_up=depth + 1, note="MLflow parameter")


def _parse_mlflow_param(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the parameter, as the text it is stored as."""
    text = chunk.data[: 4 * _VALUE_MAX].decode("utf-8", "replace")
    value = clean_block(text, max_lines=100, max_columns=_VALUE_MAX)
    yield Hparams({_key_of(chunk.path): value})


MLFLOW_PARAM = LogFormat(
    name="mlflow_param",
    matches=_matches_mlflow_param,
    parse=_parse_mlflow_param,
    whole_file=True,
)
"""``params/lr`` holds the value as text, on one line or several."""


def _matches_mlflow_tag(candidate: Candidate) -> Match | None:
    """Claim the tags that MLflow itself gives a run, as far as they are told."""
    is_told = candidate.name in KIND_OF_TAG and _depth_below(candidate, "tags") == 0
    return Match(Role.context, levels_up=1, note="MLflow tag") if is_told else None


def _parse_mlflow_tag(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the commit of the program, or what somebody noted about the run."""
    text = chunk.data[:_NOTE_MAX].decode("utf-8", "replace")
    yield from told_tag(chunk.path.rpartition("/")[2], text)


def told_tag(name: str, text: str) -> Iterator[Text]:
    """Yield what a tag says, if it is one that is told and says anything."""
    kind, text = KIND_OF_TAG.get(name), text.strip()
    if kind is not None and text:
        yield commit_text(text) if kind == "commit" else Text(kind, shown_block(text))


MLFLOW_TAG = LogFormat(
    name="mlflow_tag",
    matches=_matches_mlflow_tag,
    parse=_parse_mlflow_tag,
    whole_file=True,
)
"""``tags/mlflow.note.content`` holds the value as text."""


def _matches_mlflow_meta(candidate: Candidate) -> Match | None:
    """Claim the ``meta.yaml`` in a folder named by a run's id."""
    folder = candidate.parents[0] if candidate.parents else ""
    if candidate.name != "meta.yaml" or not _RUN_ID.fullmatch(folder):
        return None
    if b"run_id:" not in candidate.head and b"run_uuid:" not in candidate.head:
        return None
    return Match(
        Role.hparams,
        closed=True,
        is_deleted=b"lifecycle_stage: deleted" in candidate.head,
        note="MLflow run",
    )


def _parse_mlflow_meta(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield how the run stands, and its name as what it is for."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    status = document.get("status")
    if isinstance(status, int) and status in _STATUS:
        outcome, name = _STATUS[status]
        yield Outcome(outcome, f"meta.yaml says {name}")
    run_name = document.get("run_name")
    if isinstance(run_name, str) and run_name:
        yield Intent(purpose=shown(run_name))


MLFLOW_META = LogFormat(
    name="mlflow_meta",
    matches=_matches_mlflow_meta,
    parse=_parse_mlflow_meta,
    whole_file=True,
)
"""``meta.yaml`` of a run: its name and status, and whether it was deleted."""
