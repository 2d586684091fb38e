"""Turn a YAML mapping into a frozen struct and say all that is wrong at once.

Each field is declared with `setting`: what kind of value it takes, its default as
a user would write it, and what it is for. Reading, the JSON Schema, the commented
config and the reference page all follow from that one declaration.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from msgspec import Struct, field

from mlreport_batch.safety.yaml.values import MarkedMap

REQUIRED: Any = object()
INVALID: Any = object()

_SHOWN_MAX = 40
_SECRETS = frozenset(
    ["password", "passwd", "pass", "passphrase", "token", "secret", "api_key"]
)
_FEW_SHOWN = 4

T = TypeVar("T")


class Problems(Struct):
    """Everything wrong with one config file.

    Attributes:
        file: The file's name, as the user gave it.
        found: (line, key path, message).
    """

    file: str
    found: list[tuple[int, str, str]] = []

    def add(self, line: int, key: str, message: str) -> None:
        """Note one more problem."""
        self.found.append((line, key, message))

    def concerns(self, key: str) -> bool:
        """Whether *key*, or anything below it, is known to be wrong."""
        below = (f"{key}.", f"{key}[")
        return any(k == key or k.startswith(below) for _, k, _ in self.found)

    def lines(self) -> list[str]:
        """Return one line per problem, in the order of the file."""
        return [
            f"{self.file}:{line} {key}: {text}" if key else f"{self.file}:{line} {text}"
            for line, key, text in sorted(self.found)
        ]


class Place(Struct, frozen=True):
    """Where a value stands: its file, key path and line."""

    problems: Problems
    key: str
    line: int

    def below(self, name: str, line: int) -> "Place":
        """Return the place of the value under *name*."""
        return Place(self.problems, f"{self.key}.{name}" if self.key else name, line)

    def item(self, number: int, line: int) -> "Place":
        """Return the place of the list item with this *number*, from 0."""
        return Place(self.problems, f"{self.key}[{number}]", line)

    def wrong(self, message: str) -> Any:  # noqa: ANN401 - stands for any value
        """Note a problem here and return the mark of a value that has one."""
        self.problems.add(self.line, self.key, message)
        return INVALID

    def expected(self, what: str, value: object) -> Any:  # noqa: ANN401
        """Note that *value* should have been *what*."""
        hint = ""
        if what == "text" and isinstance(value, bool | int | float):
            hint = "; put it in quotes"
        return self.wrong(f"expected {what}, got {quoted(value)}{hint}")


def quoted(value: object) -> str:
    """Return *value* as a message shows it: short, in the words of the file.

    Of an address only how it begins is shown: what follows may be a token.
    """
    if isinstance(value, Mapping):
        return "a table of keys"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    scheme, is_address, _ = str(value).partition("://")
    text = repr(f"{scheme}://…" if is_address else value)
    return text if len(text) <= _SHOWN_MAX else f"{text[: _SHOWN_MAX - 1]}…"


class Kind(Struct, frozen=True, eq=False):
    """What a setting may be; the kinds inherit from it.

    Attributes:
        takes_null: Whether null is a value of its own.
        blank: What stands for a required setting that is missing.
    """

    takes_null: ClassVar[bool] = False
    blank: ClassVar[Any] = INVALID

    def read(self, value: Any, place: Place) -> Any:  # noqa: ANN401
        """Return the setting made of *value*, or note problems: `INVALID`."""
        raise NotImplementedError

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the values that are accepted."""
        raise NotImplementedError

    def words(self) -> str:
        """Return what is accepted, as the reference page says it."""
        raise NotImplementedError


class _Declared(Struct, frozen=True, eq=False):
    """What a setting is declared as; called, it makes its default."""

    kind: Kind
    default: Any
    help: str
    example: str
    key: str

    def __call__(self) -> Any:  # noqa: ANN401
        if self.default is REQUIRED:
            raise TypeError(f"a required setting is missing: {self.help}")
        return default_of(self.kind, self.default)


def setting(
    kind: Kind,
    default: object = REQUIRED,
    *,
    help: str,  # noqa: A002 - reads well where settings are declared
    example: str = "",
    key: str = "",
) -> Any:  # noqa: ANN401 - as `msgspec.field`
    """Declare one setting as a field of a struct.

    Args:
        kind: What it may be.
        default: As a user would write it in YAML; none for a required setting.
        help: What it is for; full sentences, no period at the end.
        example: YAML text of a telling value.
        key: Its name in the file where that is not the field's name.
    """
    return field(default_factory=_Declared(kind, default, help, example, key))


def default_of(kind: Kind, default: object) -> Any:  # noqa: ANN401
    """Return the parsed form of a default as declared."""
    problems = Problems("default")
    value = kind.read(default, Place(problems, "", 0))
    if problems.found:
        raise ValueError("; ".join(problems.lines()))
    return value


class Setting(Struct, frozen=True):
    """One declared setting of a table."""

    key: str
    field: str
    kind: Kind
    default: Any
    help: str
    example: str

    @property
    def is_required(self) -> bool:
        """Whether the file must name it."""
        return self.default is REQUIRED


def settings_of(table: type[Struct]) -> Iterator[Setting]:
    """Yield the settings that the struct *table* declares, in order."""
    names, defaults = table.__struct_fields__, table.__struct_defaults__
    for name, default in zip(names[-len(defaults) :], defaults, strict=True):
        declared = getattr(default, "factory", None)
        if isinstance(declared, _Declared):
            yield Setting(
                key=declared.key or name,
                field=name,
                kind=declared.kind,
                default=declared.default,
                help=declared.help,
                example=declared.example,
            )


class Table(Kind, frozen=True):
    """A mapping with fixed keys, read into a struct.

    Attributes:
        cls: The struct; its fields are declared with `setting`.
        hints: Key -> where it belongs, for keys that stand in the wrong table.
        short: The key that a single value in place of the table stands for, or empty.
    """

    cls: type[Struct]
    hints: Callable[[], Mapping[str, str]] = dict
    short: str = ""

    def read(self, value: Any, place: Place) -> Any:  # noqa: ANN401
        """Return the struct; invalid settings have their defaults in it."""
        node = MarkedMap(place.line) if value is None else value
        settings = {each.key: each for each in settings_of(self.cls)}
        if self.short and not isinstance(node, Mapping | list):
            node = {self.short: node}
        if not isinstance(node, Mapping):
            keys = ", ".join(list(settings)[:_FEW_SHOWN])
            return place.expected(f"a table with keys such as {keys}", value)
        lines = node.lines if isinstance(node, MarkedMap) else {}
        for key in node:
            if key not in settings:
                unknown = place.below(key, lines.get(key, place.line))
                unknown.wrong(self._unknown(key, place.key, list(settings)))
        values: dict[str, Any] = {}
        for key, each in settings.items():
            here = place.below(key, lines.get(key, place.line))
            given = node.get(key)
            if given is None and each.is_required:
                here.wrong("is missing")
                values[each.field] = each.kind.blank
            elif key in node and (given is not None or each.kind.takes_null):
                values[each.field] = each.kind.read(given, here)
            else:
                values[each.field] = default_of(each.kind, each.default)
        if any(values[s.field] is INVALID for s in settings.values() if s.is_required):
            return INVALID
        return self.cls(**{k: v for k, v in values.items() if v is not INVALID})

    def _unknown(self, key: str, table: str, valid: list[str]) -> str:
        from difflib import get_close_matches

        if key.lower() in _SECRETS:
            return (
                f"'{key}' does not belong into this file; name an environment variable"
                " (password_env) or a file of mode 0600 (password_file)"
            )
        near = get_close_matches(key, valid, n=1, cutoff=0.6)
        if near:
            return f"unknown key '{key}'; did you mean '{near[0]}'?"
        elsewhere = self.hints().get(key, "")
        if elsewhere and elsewhere.rpartition(".")[0] != table:
            return f"unknown key '{key}'; did you mean '{elsewhere}'?"
        return f"unknown key '{key}'; valid here: {', '.join(valid)}"

    def schema(self) -> dict[str, Any]:
        """Return the schema of the table, with a description for each key."""
        settings = list(settings_of(self.cls))
        properties = {}
        for each in settings:
            described = {"description": each.help, **each.kind.schema()}
            if not isinstance(each.default, Mapping) and not each.is_required:
                described["default"] = each.default
            properties[each.key] = described
        found: dict[str, Any] = {
            "type": "object",
            "additionalProperties": False,
            "properties": properties,
        }
        required = [each.key for each in settings if each.is_required]
        found |= {"required": required} if required else {}
        if not self.short:
            return found
        [single] = (each.kind for each in settings if each.key == self.short)
        return {"anyOf": [found, single.schema()]}

    def words(self) -> str:
        """Return that it is a table, or what may stand in its place."""
        singles = (e.kind for e in settings_of(self.cls) if e.key == self.short)
        return ", ".join([*(kind.words() for kind in singles), "table"])
