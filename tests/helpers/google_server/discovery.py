"""Routes and checks requests by the discovery documents Google ships.

The documents come from google-api-python-client; nothing here is written by hand
from memory, so a request that the client library would not build is refused.
"""

import importlib.util
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from .errors import ApiError

Json = Mapping[str, Any]
INT_RANGES = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
_FILES = {"docs": "docs.v1.json", "drive": "drive.v3.json", "gmail": "gmail.v1.json"}


@dataclass(frozen=True, slots=True)
class Method:
    """One API method as the discovery document describes it."""

    api: str
    id: str
    spec: Json
    pattern: re.Pattern[str]
    upload_pattern: re.Pattern[str] | None

    @property
    def scopes(self) -> frozenset[str]:
        """Scopes of which the caller needs one."""
        return frozenset(self.spec.get("scopes", ()))

    @property
    def request_schema(self) -> str | None:
        """Name of the body's schema, if the method takes a body."""
        request: str | None = self.spec.get("request", {}).get("$ref")
        return request

    @property
    def response_schema(self) -> str | None:
        """Name of the answer's schema, if it answers JSON."""
        response: str | None = self.spec.get("response", {}).get("$ref")
        return response


@dataclass(frozen=True, slots=True)
class Route:
    """A matched request line."""

    method: Method
    params: Mapping[str, str]
    is_upload: bool


@cache
def api_document(api: str) -> Json:
    """Return the shipped discovery document of *api* (docs, drive or gmail)."""
    spec = importlib.util.find_spec("googleapiclient")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("google-api-python-client is not installed")
    folder = Path(spec.submodule_search_locations[0]) / "discovery_cache/documents"
    document: Json = json.loads((folder / _FILES[api]).read_text(encoding="utf-8"))
    return document


@cache
def schema_properties(api: str, schema: str) -> frozenset[str]:
    """Return the property names of one schema."""
    return frozenset(api_document(api)["schemas"][schema]["properties"])


def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\+?\w+\})", template)
    out = ""
    for part in parts:
        if part.startswith("{+"):
            out += f"(?P<{part[2:-1]}>.+)"
        elif part.startswith("{"):
            out += f"(?P<{part[1:-1]}>[^/]+)"
        else:
            out += re.escape(part)
    return re.compile(out)


def _walk(api: str, node: Json, base: str) -> list[Method]:
    found = []
    for spec in node.get("methods", {}).values():
        upload = spec.get("mediaUpload", {}).get("protocols", {}).get("simple")
        found.append(
            Method(
                api=api,
                id=spec["id"] if spec["id"].startswith(api) else f"{api}.{spec['id']}",
                spec=spec,
                pattern=_pattern("/" + base + spec["path"]),
                upload_pattern=_pattern(upload["path"]) if upload else None,
            )
        )
    for child in node.get("resources", {}).values():
        found.extend(_walk(api, child, base))
    return found


@cache
def all_methods() -> tuple[Method, ...]:
    """Return every method of the three APIs, literal paths before templates."""
    found: list[Method] = []
    for api in _FILES:
        document = api_document(api)
        found.extend(_walk(api, document, document["servicePath"]))
    return tuple(sorted(found, key=lambda m: m.spec["path"].count("{")))


def api_of_path(path: str) -> str:
    """Return the API whose error shape answers *path*."""
    for marker, api in (("/drive/", "drive"), ("/gmail/", "gmail")):
        if marker in path:
            return api
    return "docs"


def find_route(http_method: str, path: str) -> Route:
    """Return the method that *http_method* *path* calls.

    Raises:
        ApiError: 404 when no path fits, 405 when only the verb differs.
    """
    is_known_path = False
    for method in all_methods():
        for pattern, is_upload in (
            (method.pattern, False),
            (method.upload_pattern, True),
        ):
            match = pattern.fullmatch(path) if pattern else None
            if match is None:
                continue
            if method.spec["httpMethod"] == http_method:
                return Route(method, match.groupdict(), is_upload)
            is_known_path = True
    if is_known_path:
        raise ApiError(405, f"The method {http_method} is not allowed for {path}.")
    raise ApiError(404, f"The requested URL {path} was not found on this server.")


def check_query(method: Method, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the typed query parameters of *method*; refuse all others."""
    declared = {
        **api_document(method.api)["parameters"],
        **{
            name: spec
            for name, spec in method.spec.get("parameters", {}).items()
            if spec["location"] == "query"
        },
    }
    typed: dict[str, Any] = {}
    for name, values in query.items():
        spec = declared.get(name)
        if spec is None:
            raise ApiError(
                400,
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind '
                f"query parameter. Field '{name}' could not be found in request "
                "message.",
                reason="invalidParameter",
                location=("parameter", name),
            )
        if len(values) > 1 and not spec.get("repeated"):
            raise _bad_parameter(name, values)
        parsed = [_parse_parameter(name, spec, value) for value in values]
        typed[name] = parsed if spec.get("repeated") else parsed[0]
    for name, spec in declared.items():
        if spec.get("required") and name not in typed:
            raise ApiError(
                400,
                f"Required parameter: {name}",
                reason="required",
                location=("parameter", name),
            )
    return typed


def _bad_parameter(name: str, value: object) -> ApiError:
    return ApiError(
        400,
        f"Invalid value at '{name}', {value!r}",
        reason="invalidParameter",
        location=("parameter", name),
    )


def _parse_parameter(name: str, spec: Json, value: str) -> Any:  # noqa: ANN401
    kind = spec["type"]
    if "enum" in spec and value not in spec["enum"]:
        raise _bad_parameter(name, value)
    if kind == "boolean":
        if value not in {"true", "false"}:
            raise _bad_parameter(name, value)
        return value == "true"
    if kind == "integer":
        if not re.fullmatch(r"-?\d{1,10}", value):
            raise _bad_parameter(name, value)
        low, high = INT_RANGES[spec.get("format", "int32")]
        low = max(low, int(spec.get("minimum", low)))
        high = min(high, int(spec.get("maximum", high)))
        if not low <= int(value) <= high:
            raise _bad_parameter(name, value)
        return int(value)
    return value


def check_json(api: str, schema: str, value: object, *, root: str = "") -> None:
    """Check *value* against a schema, recursively.

    Raises:
        ApiError: 400 naming the first unknown or wrongly typed field.
    """
    _check(api, {"$ref": schema}, value, root)


def _bad_value(where: str, expected: str, value: object) -> ApiError:
    shown = json.dumps(value, default=str)[:80]
    return ApiError(400, f"Invalid value at '{where}' ({expected}), {shown}")


def _check(api: str, spec: Json, value: object, where: str) -> None:
    if "$ref" in spec:
        spec = api_document(api)["schemas"][spec["$ref"]]
    kind = spec.get("type", "any")
    if value is None or kind == "any":
        return  # null means "not set" in proto3 JSON
    if kind == "object":
        _check_object(api, spec, value, where)
    elif kind == "array":
        if not isinstance(value, list):
            raise _bad_value(where, "ARRAY", value)
        for index, item in enumerate(value):
            _check(api, spec["items"], item, f"{where}[{index}]")
    else:
        _check_scalar(kind, spec, value, where)


def _check_object(api: str, spec: Json, value: object, where: str) -> None:
    if not isinstance(value, dict):
        raise _bad_value(where, spec.get("id", "OBJECT"), value)
    properties = spec.get("properties", {})
    extra = spec.get("additionalProperties")
    for name, item in value.items():
        child = properties.get(name, extra)
        if child is None:
            at = f" at '{where}'" if where else ""
            raise ApiError(
                400,
                f'Invalid JSON payload received. Unknown name "{name}"{at}: '
                "Cannot find field.",
                reason="invalid",
            )
        _check(api, child, item, f"{where}.{name}" if where else name)


def _check_scalar(kind: str, spec: Json, value: object, where: str) -> None:
    form = spec.get("format", "")
    if kind == "boolean":
        ok = isinstance(value, bool)
    elif kind == "number":
        ok = isinstance(value, (int, float)) and not isinstance(value, bool)
    elif kind == "integer" or form in {"int64", "uint64"}:
        ok = _is_integer(value, form or "int32", is_text=kind == "string")
    else:
        ok = isinstance(value, str)
        if ok and form in {"date-time", "google-datetime"}:
            ok = _is_datetime(str(value))
        if ok and "enum" in spec:
            ok = value in spec["enum"]
    if not ok:
        raise _bad_value(where, form or kind, value)


def _is_integer(value: object, form: str, *, is_text: bool) -> bool:
    if is_text and isinstance(value, str) and re.fullmatch(r"-?\d{1,20}", value):
        value = int(value)
    low, high = INT_RANGES[form]
    return (
        isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    )


def _is_datetime(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
