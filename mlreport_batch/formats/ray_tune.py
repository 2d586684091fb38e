"""Ray Tune and RLlib: ``result.json``, ``progress.csv``, ``error.txt`` of a trial."""

from collections.abc import Iterable
from functools import partial

from mlreport_batch.formats import (
    BulkLayout,
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Outcome,
    Role,
    Text,
)
from mlreport_batch.formats.kit.columns import Header, bulk_layout, header_of
from mlreport_batch.formats.kit.lines import read_json_lines
from mlreport_batch.formats.kit.rows import read_rows
from mlreport_batch.formats.kit.text import filled, head_lines
from mlreport_batch.safety.masking.redact import shown_tail

_STEP = "training_iteration"
_TWIN = "ray_tune"
_NO_METRICS = frozenset([
    "pid", "iterations_since_restore", "timesteps_since_restore", "done", "node_ip",
    "hostname", "trial_id", "experiment_id", "experiment_tag", "date", "warmup_time",
])  # fmt: skip
_TAIL_BYTES = 400_000


def _matches_ray_result(candidate: Candidate) -> Match | None:
    """Claim a ``result.json`` that counts training iterations."""
    head = candidate.head.lstrip()
    if candidate.name != "result.json" or not head.startswith(b"{"):
        return None
    # A row can be longer than the head: the config is in it.
    is_ray = f'"{_STEP}"'.encode() in head or "progress.csv" in candidate.siblings
    return Match(Role.metrics, twin=_TWIN, note="Ray Tune") if is_ray else None


def _parse_ray_result(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points and the config, and that the trial is done."""
    return read_json_lines(chunk, memory, steps=(_STEP,), leave_out=_NO_METRICS)


RAY_RESULT = LogFormat(
    name="ray_result",
    matches=_matches_ray_result,
    parse=_parse_ray_result,
)
"""``result.json``: JSON lines with every metric and the config in each row."""


def _header(line: str) -> Header | None:
    header = header_of(line, ",")
    if header is None or _STEP not in header.names:
        return None
    layout = header.layout
    metrics = tuple(pair for pair in layout.metrics if pair[1] not in _NO_METRICS)
    step = header.names.index(_STEP)
    layout = BulkLayout(",", layout.width, step, metrics, unit="step")
    return Header(line, header.names, layout)


def _matches_ray_progress(candidate: Candidate) -> Match | None:
    """Claim a ``progress.csv`` that counts training iterations."""
    first = next(filled(head_lines(candidate.head, candidate.size)), "")
    if candidate.name != "progress.csv" or _header(first) is None:
        return None
    return Match(Role.metrics, twin=_TWIN, rank=1, note="Ray Tune")


def _parse_ray_progress(chunk: Chunk, memory: Memory) -> Iterable[Item]:
    """Yield the points of each row."""
    return read_rows(chunk, memory, _header)


RAY_PROGRESS = LogFormat(
    name="ray_progress",
    matches=_matches_ray_progress,
    parse=_parse_ray_progress,
    bulk_layout=partial(bulk_layout, build=_header),
)
"""``progress.csv``: lacks every metric that the first row had not."""


def _matches_ray_error(candidate: Candidate) -> Match | None:
    """Claim an ``error.txt`` beside the other files of a trial."""
    others = {"result.json", "params.json", "progress.csv"}
    if candidate.name != "error.txt" or len(others & candidate.siblings) < 2:  # noqa: PLR2004
        return None
    return Match(Role.context, note="Ray Tune error")


def _parse_ray_error(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the failure and the end of its traceback."""
    if chunk.data.strip():
        yield Outcome("failed", "error.txt is there")
        text = chunk.data[-_TAIL_BYTES:].decode("utf-8", "replace")
        yield Text("error", shown_tail(text))


RAY_ERROR = LogFormat(
    name="ray_error",
    matches=_matches_ray_error,
    parse=_parse_ray_error,
    whole_file=True,
)
"""``error.txt``: a trial has it only when it failed."""
