"""Partial answers: the ``fields`` parameter of every Google API."""

import re
from collections.abc import Mapping
from typing import Any

from .discovery import api_document
from .errors import ApiError

# name -> mask of the children; an empty mask means everything below
Mask = dict[str, "Mask"]
_TOKEN = re.compile(r"\s*([A-Za-z0-9_$*-]+|[(),/.])")


def parse_mask(text: str) -> Mask:
    """Parse ``a,b(c,d/e),f.g`` into a tree."""
    tokens = []
    position = 0
    while position < len(text.rstrip()):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _invalid(text)
        tokens.append(match.group(1))
        position = match.end()
    mask, rest = _parse_list(tokens, text)
    if rest or not mask:
        raise _invalid(text)
    return mask


def _parse_list(tokens: list[str], text: str) -> tuple[Mask, list[str]]:
    mask: Mask = {}
    while True:
        node = mask
        while True:
            if not tokens or tokens[0] in "(),/.":
                raise _invalid(text)
            node = node.setdefault(tokens[0], {})
            tokens = tokens[1:]
            if tokens and tokens[0] in "/.":
                tokens = tokens[1:]
                continue
            break
        if tokens and tokens[0] == "(":
            inner, tokens = _parse_list(tokens[1:], text)
            if not tokens or tokens[0] != ")":
                raise _invalid(text)
            node.update(inner)
            tokens = tokens[1:]
        if tokens and tokens[0] == ",":
            tokens = tokens[1:]
            continue
        return mask, tokens


def _invalid(field: str) -> ApiError:
    return ApiError(
        400,
        f"Invalid field selection {field}",
        reason="invalidParameter",
        location=("parameter", "fields"),
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [
                    {
                        "field": field,
                        "description": "Error expanding 'fields' parameter. Cannot "
                        f"find matching fields for path '{field}'.",
                    }
                ],
            }
        ],
    )


def check_mask(api: str, schema: str, mask: Mask) -> None:
    """Refuse a mask that names fields the schema does not have."""
    _check(api, {"$ref": schema}, mask)


def _check(api: str, spec: Mapping[str, Any], mask: Mask) -> None:
    if "$ref" in spec:
        spec = api_document(api)["schemas"][spec["$ref"]]
    if spec.get("type") == "array":
        _check(api, spec["items"], mask)
        return
    properties = spec.get("properties", {})
    extra = spec.get("additionalProperties")
    for name, inner in mask.items():
        child = properties.get(name, extra)
        if name == "*":
            continue
        if child is None:
            raise _invalid(name)
        if inner:
            _check(api, child, inner)


def apply_mask(mask: Mask, value: Any) -> Any:  # noqa: ANN401
    """Return the part of *value* that *mask* selects."""
    if not mask:
        return value
    if isinstance(value, list):
        return [apply_mask(mask, item) for item in value]
    if not isinstance(value, Mapping):
        return value
    out = {}
    for name, item in value.items():
        inner = mask.get(name, mask.get("*"))
        if inner is None:
            continue
        kept = apply_mask(inner, item)
        if inner and item and not kept:
            continue  # nothing selected below: Google leaves the key out
        out[name] = kept
    return out
