"""The kinds of values that settings take: texts, numbers, durations, lists."""

# ruff: noqa: ANN401, D102 - `Kind` says what each method is for

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from mlreport_batch.config.builder import INVALID, Kind, Place
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.yaml.values import MarkedList, MarkedMap

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[smhdw])+\Z")
_PART = re.compile(r"([0-9.]+)([smhdw])")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_CENTURY_S = 36_525 * 86_400
_GLOB = frozenset("*?[")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


class Text(Kind, frozen=True):
    """Any text of one line.

    Attributes:
        pattern: What it must match in full, or empty.
        what: What messages call it.
        is_private: Whether messages leave out what was given.
    """

    pattern: str = ""
    what: str = "text"
    is_private: bool = False

    def read(self, value: Any, place: Place) -> Any:
        is_fine = isinstance(value, str) and value != ""
        if is_fine and clean(value, len(value)) != value:
            return place.wrong(f"expected {self.what}, got control characters")
        if is_fine and re.fullmatch(self.pattern or ".*", value):
            return value
        if self.is_private:
            return place.wrong(f"expected {self.what}")
        return place.expected(self.what, value)

    def schema(self) -> dict[str, Any]:
        found = {"type": "string", "minLength": 1}
        return found | ({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})

    def words(self) -> str:
        return self.what


def env_name() -> Text:
    """Return the kind of names of environment variables."""
    what = "the name of an environment variable, such as SMTP_PASSWORD"
    return Text(_ENV_NAME.pattern.removesuffix(r"\Z"), what, is_private=True)


class Flag(Kind, frozen=True):
    """true or false."""

    def read(self, value: Any, place: Place) -> Any:
        return value if type(value) is bool else place.expected("true or false", value)

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}

    def words(self) -> str:
        return "true, false"


class FlagOr(Kind, frozen=True):
    """true, false, or another kind in between."""

    kind: Kind

    def read(self, value: Any, place: Place) -> Any:
        if isinstance(value, str) and value.lower() in ("yes", "no", "on", "off"):
            return place.expected(f"true, false or {self.kind.words()}", value)
        return value if type(value) is bool else self.kind.read(value, place)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"type": "boolean"}, self.kind.schema()]}

    def words(self) -> str:
        return f"true, false, {self.kind.words()}"


class Whole(Kind, frozen=True):
    """A whole number within bounds."""

    low: int
    high: int

    def read(self, value: Any, place: Place) -> Any:
        if type(value) is not int:
            return place.expected("int", value)
        if not self.low <= value <= self.high:
            return place.expected(f"an int from {self.low} to {self.high}", value)
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def words(self) -> str:
        return f"{self.low} to {self.high}"


class Seconds(Kind, frozen=True):
    """A number of seconds within bounds, for keys that end in ``_s``."""

    low: float
    high: float

    def read(self, value: Any, place: Place) -> Any:
        if type(value) not in (int, float):
            return place.expected("a number of seconds", value)
        if not self.low <= value <= self.high:
            wish = f"seconds from {self.low:g} to {self.high:g}"
            return place.expected(wish, value)
        return float(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "number", "minimum": self.low, "maximum": self.high}

    def words(self) -> str:
        return f"{self.low:g} to {self.high:g} seconds"


class Share(Kind, frozen=True):
    """A number from 0 up to, but not, 1, or a word.

    Attributes:
        word: The word.
    """

    word: str

    def read(self, value: Any, place: Place) -> Any:
        if isinstance(value, str) and value == self.word:
            return value
        if type(value) not in (int, float) or not 0 <= value < 1:
            return place.expected(f"a number from 0 to below 1 or {self.word}", value)
        return float(value)

    def schema(self) -> dict[str, Any]:
        number = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
        return {"anyOf": [number, {"const": self.word}]}

    def words(self) -> str:
        return f"0 to below 1, {self.word}"


class OneOf(Kind, frozen=True):
    """One of a few words."""

    values: tuple[str, ...]

    def read(self, value: Any, place: Place) -> Any:
        if isinstance(value, str) and value in self.values:
            return value
        return place.expected(f"one of {', '.join(self.values)}", value)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.values)}

    def words(self) -> str:
        return ", ".join(self.values)


class Duration(Kind, frozen=True):
    """A time span such as ``90s``, ``15m``, ``1h30m``, ``7d``; read as seconds.

    Attributes:
        word: A word that is accepted too and kept, or empty.
    """

    word: str = ""

    def read(self, value: Any, place: Place) -> Any:
        if isinstance(value, str) and self.word and value == self.word:
            return value
        if value == 0 and type(value) is int:
            return 0.0
        also = f" or {self.word}" if self.word else ""
        if not isinstance(value, str) or not _DURATION.match(value):
            return place.expected(f"a duration such as 15m, 6h or 7d{also}", value)
        seconds = sum(float(n) * _UNIT_S[unit] for n, unit in _PART.findall(value))
        if seconds > _CENTURY_S:
            return place.expected("a duration of at most 36525d", value)
        return seconds

    def schema(self) -> dict[str, Any]:
        pattern = "^" + _DURATION.pattern.removesuffix(r"\Z") + "$"
        found: list[dict[str, Any]] = [{"type": "string", "pattern": pattern}]
        found.append({"const": 0})
        return {"anyOf": found + ([{"const": self.word}] if self.word else [])}

    def words(self) -> str:
        return f"duration{f', {self.word}' if self.word else ''}"


class OrNull(Kind, frozen=True):
    """Another kind, or ``null`` for none; also ``false`` where that reads well."""

    kind: Kind
    is_switch: bool = False
    takes_null: ClassVar[bool] = True

    def read(self, value: Any, place: Place) -> Any:
        if value is None or (self.is_switch and value is False):
            return None
        return self.kind.read(value, place)

    def schema(self) -> dict[str, Any]:
        off: list[dict[str, Any]] = [{"type": "null"}]
        if self.is_switch:
            off.append({"const": False})
        return {"anyOf": [self.kind.schema(), *off]}

    def words(self) -> str:
        return f"{self.kind.words()}, null{' or false' if self.is_switch else ''}"


class ListOf(Kind, frozen=True):
    """A list; a single value counts as a list of one. Wrong items are left out."""

    kind: Kind
    at_least: int = 0
    blank: ClassVar[tuple[()]] = ()

    def read(self, value: Any, place: Place) -> Any:
        items = value if isinstance(value, list) else [value]
        lines = value.lines if isinstance(value, MarkedList) else []
        if len(items) < self.at_least:
            return place.wrong("is empty; at least one is needed")
        read = []
        for number, item in enumerate(items):
            line = lines[number] if lines else place.line
            is_single = not isinstance(value, list)
            read.append(
                self.kind.read(item, place if is_single else place.item(number, line))
            )
        return tuple(item for item in read if item is not INVALID)

    def schema(self) -> dict[str, Any]:
        item = self.kind.schema()
        several: dict[str, Any] = {"type": "array", "items": item}
        if self.at_least:
            several["minItems"] = self.at_least
        return {"anyOf": [several, item]}

    def words(self) -> str:
        return f"list of {self.kind.words()}"


class MapOf(Kind, frozen=True):
    """A mapping with free keys and values of one kind."""

    kind: Kind

    def read(self, value: Any, place: Place) -> Any:
        if not isinstance(value, Mapping):
            return place.expected(f"a table of {self.kind.words()}", value)
        lines = value.lines if isinstance(value, MarkedMap) else {}
        read = {
            key: self.kind.read(item, place.below(key, lines.get(key, place.line)))
            for key, item in value.items()
        }
        return INVALID if INVALID in read.values() else read

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.kind.schema()}

    def words(self) -> str:
        return f"name: {self.kind.words()}"


class LinePattern(Kind, frozen=True):
    """A regular expression with named groups, for the lines of a log."""

    def read(self, value: Any, place: Place) -> Any:
        from mlreport_batch.formats.own_lines import fault_of

        if not isinstance(value, str) or not value:
            return place.expected("a regular expression", value)
        fault = fault_of(value)
        return place.wrong(fault) if fault else value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def words(self) -> str:
        return "regular expression"


class Hparams(Kind, frozen=True):
    """Any hyperparameters, nested or not; read flat, keys joined with a dot."""

    def read(self, value: Any, place: Place) -> Any:
        from mlreport_batch.safety.yaml.load import flatten

        if not isinstance(value, Mapping):
            return place.expected("a table of hyperparameters", value)
        return flatten(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}

    def words(self) -> str:
        return "name: value"


class Expectations(Kind, frozen=True):
    """Hyperparameters as `Hparams` has them; a glob on run names leads to more.

    Read as glob -> values, the values for all runs under ``*``.
    """

    def read(self, value: Any, place: Place) -> Any:
        from mlreport_batch.safety.yaml.load import flatten

        if not isinstance(value, Mapping):
            return place.expected("a table of hyperparameters", value)
        found: dict[str, dict[str, Any]] = {}
        for key, item in value.items():
            if isinstance(item, Mapping) and not _GLOB.isdisjoint(str(key)):
                found.setdefault(key, {}).update(flatten(item))
            else:
                found.setdefault("*", {}).update(flatten({key: item}))
        return found

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}

    def words(self) -> str:
        return "name: value; glob: {name: value}"
