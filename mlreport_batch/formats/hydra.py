"""Hydra: ``.hydra/`` in a job's folder says what was composed and what was asked."""

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
    Problem,
    Result,
    Role,
)
from mlreport_batch.formats.kit.documents import flatten, load, load_mapping, texts
from mlreport_batch.formats.kit.numbers import value_of
from mlreport_batch.safety.clean import Scalar, clean
from mlreport_batch.safety.masking.redact import redact_text

_FOLDER = ".hydra"
# What the sweepers of Ax and Nevergrad, and that of Optuna, call what they found.
_BEST = (
    ("best_evaluated_params", "best_evaluated_result"),
    ("best_params", "best_value"),
)
_SWEEP_WORDS = (b"best_evaluated_result", b"best_value", b"solutions")
_OVERRIDE = re.compile(
    r"(?P<mark>\+{0,2})(?P<key>[^=~+][^=]*)=(?P<value>.*)", re.DOTALL
)


def _is_hydra(candidate: Candidate) -> bool:
    return bool(candidate.parents) and candidate.parents[0] == _FOLDER


def _matches_hydra_folder(candidate: Candidate) -> Match | None:
    """Claim ``.hydra/config.yaml`` for the folder above."""
    if _is_hydra(candidate) and candidate.name == "config.yaml":
        return Match(Role.hparams, levels_up=1, closed=True, note="Hydra config")
    return None


def _parse_hydra_folder(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the composed configuration."""
    problems: list[Problem] = []
    values = flatten(load_mapping(chunk, problems))
    yield from problems
    if values:
        yield Hparams(values)


HYDRA_FOLDER = LogFormat(
    name="hydra",
    matches=_matches_hydra_folder,
    parse=_parse_hydra_folder,
    whole_file=True,
)
"""``.hydra/config.yaml``: what the job really works with.

Interpolations such as ``${model.lr}`` and ``???`` are shown as written.
"""


def _matches_hydra_overrides(candidate: Candidate) -> Match | None:
    """Claim both files for the folder above; the better one is used."""
    if not _is_hydra(candidate):
        return None
    ranks = {"hydra.yaml": 0, "overrides.yaml": 1}
    if candidate.name not in ranks:
        return None
    return Match(
        Role.hparams,
        levels_up=1,
        closed=True,
        twin="hydra_overrides",
        rank=ranks[candidate.name],
        note="Hydra overrides",
    )


def _parse_hydra_overrides(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the overrides as the run's intent."""
    problems: list[Problem] = []
    document = load(chunk, problems)
    groups: set[str] = set()
    if isinstance(document, dict):
        hydra = _mapping(document.get("hydra"))
        document = _mapping(hydra.get("overrides")).get("task")
        groups = set(_mapping(_mapping(hydra.get("runtime")).get("choices")))
    expect = dict(_expected(texts(document), groups))
    yield from problems
    if expect:
        yield Intent(expect)


HYDRA_OVERRIDES = LogFormat(
    name="hydra_overrides",
    matches=_matches_hydra_overrides,
    parse=_parse_hydra_overrides,
    whole_file=True,
)
"""``.hydra/hydra.yaml`` or ``overrides.yaml``: what was typed to start the job.

Only ``hydra.yaml`` knows which overrides choose a config group (``model=big``)
and so are no hyperparameter; it goes first.
"""


def _matches_hydra_sweep(candidate: Candidate) -> Match | None:
    """Claim what a sweeper says at the end of a sweep, in the folder of its jobs."""
    head = candidate.head
    if candidate.name != "optimization_results.yaml" or b"name:" not in head:
        return None
    if not any(word in head for word in _SWEEP_WORDS):
        return None
    return Match(Role.metrics, note="results of a Hydra sweep")


def _parse_hydra_sweep(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the best result and the parameters that led to it."""
    problems: list[Problem] = []
    document = load_mapping(chunk, problems)
    yield from problems
    for params, result in _BEST:
        best = flatten(_mapping(document.get(params)))
        if best:
            yield Hparams(best)
        number = value_of(document.get(result))
        if number is not None:
            yield Result(result, number)
    for at, found in enumerate(document.get("solutions") or ()):
        values = _mapping(found).get("values")
        for which, item in enumerate(values if isinstance(values, list) else ()):
            if (value := value_of(item)) is not None:
                yield Result(f"solutions/{at}/{which}", value)
    if document:
        yield Outcome("finished", "optimization_results.yaml is there")


HYDRA_SWEEP = LogFormat(
    name="hydra_sweep",
    matches=_matches_hydra_sweep,
    parse=_parse_hydra_sweep,
    whole_file=True,
)
"""``optimization_results.yaml`` of Optuna's, Ax's and Nevergrad's sweepers.

The folder of the sweep is a run of its own; so are its jobs, by their ``.hydra``.
"""


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _expected(
    overrides: Iterable[str], groups: set[str]
) -> Iterator[tuple[str, Scalar]]:
    from mlreport_batch.safety.yaml.load import load
    from mlreport_batch.safety.yaml.values import YamlError

    for override in overrides:
        match = _OVERRIDE.fullmatch(override)
        if match is None:  # `~key` takes something away; nothing is expected then
            continue
        key = match["key"].partition("@")[0].strip()
        if key in groups or match["key"] in groups:
            continue
        try:
            value = load(match["value"].encode())
        except YamlError:
            value = match["value"]
        for name, item in flatten({key: value}).items():
            is_text = isinstance(item, str)
            yield name, clean(redact_text(str(item)), 1000) if is_text else item
