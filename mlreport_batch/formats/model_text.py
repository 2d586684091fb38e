"""Descriptions of the model: a printed summary, or Keras' ``model.json``."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlreport_batch.formats import (
    Candidate,
    Chunk,
    Item,
    LogFormat,
    Match,
    Memory,
    Role,
    Text,
)
from mlreport_batch.formats.kit.documents import load_mapping, stem_of
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.masking.redact import shown_block

_STEMS = frozenset([
    "model_summary", "summary", "model", "architecture", "network",
    "model_architecture", "arch", "net_summary", "modelsummary", "model_structure",
])  # fmt: skip
_MARKS = (b"Layer (type", b"param", b"Param", b"Linear(", b"Conv", b"Sequential(")
_HEAD_BYTES = 400_000
_TREES = (
    b"tree\n",
    b"tree\r\n",
    b"booster",
)  # LightGBM and XGBoost save models as text


def _matches(candidate: Candidate) -> Match | None:
    """Claim a text that is named after a model and looks like one."""
    stem, suffix = stem_of(candidate.name)
    head = candidate.head
    if stem not in _STEMS or b"\0" in head:
        return None
    if suffix == ".json":
        is_keras = b'"class_name"' in head and b'"config"' in head
        return Match(Role.context, note="Keras model") if is_keras else None
    if suffix not in (".txt", ".md", ".log") or head.startswith(_TREES):
        return None
    if not any(mark in head for mark in _MARKS):
        return None
    return Match(Role.context, note="model description")


def _parse(chunk: Chunk, memory: Memory) -> Iterable[Item]:  # noqa: ARG001
    """Yield the description, cut to a size that can be shown."""
    if stem_of(chunk.path)[1] == ".json":
        document = load_mapping(chunk, [])
        lines = list(_keras_lines(document))
    else:
        lines = [chunk.data[:_HEAD_BYTES].decode("utf-8", "replace")]
    text = shown_block("\n".join(lines).strip("\n"))
    if text:
        yield Text("model", text)


MODEL_TEXT = LogFormat(
    name="model_text",
    matches=_matches,
    parse=_parse,
    whole_file=True,
)
"""``model_summary.txt`` and its like, and Keras' ``model.json``."""


def _keras_lines(document: Mapping[str, Any]) -> Iterable[str]:
    config = document.get("config")
    layers = config.get("layers") if isinstance(config, dict) else config
    name = config.get("name", "") if isinstance(config, dict) else ""
    yield clean(f"{document.get('class_name', 'Model')} {name}".rstrip())
    for layer in layers if isinstance(layers, list) else []:
        if isinstance(layer, dict):
            own = layer.get("config")
            yield "  " + clean(
                _keras_layer(layer, own if isinstance(own, dict) else {})
            )


def _keras_layer(layer: dict[str, Any], config: dict[str, Any]) -> str:
    told = ("units", "filters", "kernel_size", "rate", "activation", "batch_shape")
    details = [
        f"{key}={config[key]}"
        for key in told
        if isinstance(config.get(key), str | int | float | list)
    ]
    name = f"{layer.get('class_name', 'Layer')}({', '.join(details)})"
    return f"{name}  {config.get('name', '')}".rstrip()
