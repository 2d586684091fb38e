"""Read a whole document, such as YAML or JSON, as a mapping, its faults as problems."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlreport_batch.formats import Chunk, NotYetError, Problem
from mlreport_batch.formats.kit.json_values import BadJsonError, load_document
from mlreport_batch.safety.clean import Scalar, clean, shorten
from mlreport_batch.safety.masking.redact import shown_name

YAML_SUFFIXES = (".yaml", ".yml")
SETTINGS_SUFFIXES = (".toml", ".ini", ".cfg", ".txt")
_TEXT_MAX = 20_000


def stem_of(name: str) -> tuple[str, str]:
    """Return a file name's stem and suffix, both in lower case."""
    stem, dot, suffix = name.lower().rpartition(".")
    return (stem, dot + suffix) if dot else (suffix, "")


def load(chunk: Chunk, problems: list[Problem]) -> object:
    """Return the document in *chunk*; None, and a problem, where it is broken.

    Raises:
        NotYetError: It is empty or ends too early.
    """
    if not chunk.data.strip():
        raise NotYetError("empty so far")
    suffix = stem_of(chunk.path)[1]
    opened = (b"{", b"[") if suffix == ".txt" else (b"{",)
    if suffix in SETTINGS_SUFFIXES and not chunk.data.lstrip().startswith(opened):
        from mlreport_batch.formats.kit.settings_text import (
            BadSettingsError,
            load_settings,
        )

        try:
            return load_settings(chunk.data, suffix)
        except BadSettingsError as error:
            problems.append(Problem(chunk.path, error.line, clean(str(error))))
            return None
    if suffix not in YAML_SUFFIXES:
        try:
            return load_document(chunk.data)
        except BadJsonError as error:
            problems.append(Problem(chunk.path, error.line, clean(error.message)))
            return None
    from mlreport_batch.safety.yaml.load import load
    from mlreport_batch.safety.yaml.values import YamlError

    try:
        return load(chunk.data)
    except YamlError as error:
        problems.append(Problem(chunk.path, error.line, clean(error.message)))
        return None


def load_mapping(chunk: Chunk, problems: list[Problem]) -> Mapping[str, Any]:
    """Return the mapping in *chunk*; an empty one where there is none.

    Raises:
        NotYetError: It is empty or ends too early.
    """
    return mapping_of(load(chunk, problems), chunk, problems)


def mapping_of(
    value: object, chunk: Chunk, problems: list[Problem]
) -> Mapping[str, Any]:
    """Return *value* if it is a mapping; else an empty one, and say so."""
    if isinstance(value, dict):
        return value
    if value is not None and not problems:
        text = (
            "a list where names with values were expected"
            if isinstance(value, list)
            else "a single value where names with values were expected"
        )
        problems.append(Problem(chunk.path, 1, text))
    return {}


def flatten(value: object) -> dict[str, Scalar]:
    """Return nested values as one level, names joined with ``.`` and cleaned."""
    from mlreport_batch.safety.yaml.load import flatten

    return {shown_name(key): _cut(item) for key, item in flatten(value).items()}


def _cut(item: Scalar) -> Scalar:
    return shorten(item, _TEXT_MAX) if isinstance(item, str) else item


def texts(value: object) -> Iterator[str]:
    """Yield the texts in *value*, which is one or a list of them."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item
