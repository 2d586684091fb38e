"""What the place of a value says: the names above it, and a name beside it.

``{name: DB_PASSWORD, value: x}`` names its value in another value, and
``api: {key: x}`` in the name above. Hyperparameters have their places in their names
(``env.0.value``); in a text they are found as far as it looks like YAML, JSON, INI or
Python.
"""

from collections.abc import Mapping
from functools import lru_cache

from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.masking.names import Secrecy, ends_secret, is_named, secrecy
from mlreport_batch.safety.patterns import late

_NAMING = (
    *("name", "key", "variable", "var", "param", "parameter", "option", "field"),
    *("header", "label", "setting", "property", "attribute", "attr", "title", "arg"),
    *("argument", "flag", "이름", "변수", "변수명", "항목", "키"),
)
_NAMING_ALONE = ("id", "env", "k")
_HOLDING = r"(?:value|val|default|content|data|text|current|값|내용|v(?![a-z]))"
_HOLDER = late(_HOLDING)
_HOLDERS = late(rf"(?im)(?:^|[./]){_HOLDING}")
_NAME_MAX = 100
_PATH_MAX = 400
_DEPTH_MAX = 64
_LINE_MAX = 2000

_QUOTED = r"\\{0,7}\"[^\"\\\n]{0,999}\\{0,7}\"|\\{0,7}'[^'\\\n]{0,999}\\{0,7}'"
_PIECE = late(
    r"(?P<open>[\[{(])|(?P<close>[\]})])"
    rf"|(?P<name>{_QUOTED}|[\w.-]{{1,100}}+)[ \t]{{0,60}}(?:=>|[:=])\s{{0,60}}"
    rf"(?P<value>{_QUOTED}|[^\s,;\[\]{{}}()\"'\\]+)?"
    rf"|(?P<item>{_QUOTED})|(?P<called>[A-Z]\w{{0,60}}+(?=\())|[\w.-]+"
)
_LINE = late(
    r"(?P<indent>[ \t]*(?:- +){0,3})(?!self\.)"
    r"(?P<name>[\"']?[\w./-]{1,100}[\"']?)[ \t]{0,60}"
    r"(?:=|:(?=\s|\Z))[ \t]*(?P<value>[^\s#][^\n]*)?"
)
_BLOCKS = ("|", ">", "|-", ">-", "|+", ">+")
_SECTION = late(r"\[{1,2}([\w.-]{1,100})\]{1,2}[ \t]*")


# `name="x" value="y"`, `<name>x</name><value>y</value>`, `<setting name="x">y<`
_PAIR = late(
    r"(?i)(?<![\w.-])(?:name|key|id|var(?:iable)?|param(?:eter)?)(?:=|>|:[ ]?)[\"']?"
    r"(?P<name>[\w.-]{1,100}+)[\"']?(?:</\w{1,30}>)?[\s,;]{0,60}"
    r"(?:<?(?:value|val|default|content)(?:=|>|:[ ]?)|>)[\"']?"
    r"(?P<value>[^\s\"'<>,;]{1,2000})"
)
_TAG = late(  # `<password value="y"/>`
    r"<(?P<name>[\w.-]{1,100})[^<>\n]{0,200}?\bvalue=[\"'](?P<value>[^\"'\n]{1,2000})"
)


def named_beside(
    values: Mapping[str, Scalar], globs: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return under which names of secrets values stand that another value names.

    Args:
        values: Flattened: ``env.0.name`` is DB_PASSWORD, and ``env.0.value`` its value.
        globs: The user's own on names of secrets.

    Returns:
        ``env.0.DB_PASSWORD`` for ``env.0.value``.
    """
    if not _HOLDERS.search("\n".join(values)):
        return {}
    said = {}
    for key, value in values.items():
        if not isinstance(value, str) or len(value) > _NAME_MAX:
            continue
        group, last = _split(key)
        is_name = last.endswith(_NAMING) or last in _NAMING_ALONE
        if is_name and (_names_secret(value) or is_named(value, globs)):
            said[group] = value
    if not said:
        return {}
    found = {}
    for key in values:
        group, last = _split(key)
        while last:
            if group in said and _HOLDER.match(last):
                rest = key[len(group) + 1 + len(last) :] if group else key[len(last) :]
                found[key] = f"{group}.{said[group]}{rest}".lstrip(".")
                break
            group, last = _split(group)
    return found


def _split(key: str) -> tuple[str, str]:
    """Return the group that *key* is in, and its last part in lower case."""
    at = max(key.rfind("."), key.rfind("/"))
    return key[: max(at, 0)], key[at + 1 :].lower()


def _names_secret(text: str) -> bool:
    # `Password strength` is said of a value, too.
    return ends_secret(text) if " " in text else secrecy(text) >= Secrecy.text


def places_in(text: str, globs: tuple[str, ...] = ()) -> list[tuple[int, int, str]]:
    """Return where in *text* values stand whose place may say that they are secrets.

    Args:
        text: Any text.
        globs: The user's own on names of secrets.

    Returns:
        Start and end of each, and the flattened name that says so; a name that says it
        by itself is left out.
    """
    leaves = _Leaves()
    if any(bracket in text for bracket in "{[("):
        _walk_brackets(text, leaves)
    if "\n" in text or ": " in text:
        _walk_lines(text, leaves)
    values: dict[str, Scalar] = {
        name: _bare(text[start:end]) for name, (start, end) in leaves.spans.items()
    }
    beside = named_beside(values, globs)
    found = []
    for name, (start, end) in leaves.spans.items():
        if name in beside:
            found.append((start, end, beside[name]))
            continue
        # Without what was counted, names of many values are the same.
        plain = ".".join(part for part in name.split(".") if not part.isdigit())
        if _is_placed(plain, is_item=name.rpartition(".")[2].isdigit()):
            found.append((start, end, plain))
    for pattern in (_PAIR, _TAG) if "=" in text or ">" in text or ":" in text else ():
        found += [
            (*match.span("value"), match["name"]) for match in pattern.finditer(text)
        ]
    return found


@lru_cache(maxsize=4096)
def _is_placed(name: str, *, is_item: bool) -> bool:
    """Return whether names above have a part in what *name* says.

    Args:
        name: Without what was counted.
        is_item: Whether the value has no name of its own, as in a list.
    """
    at = max(name.rfind("."), name.rfind("/"))
    is_own = at < 0 or secrecy(name[at + 1 :]) is Secrecy.sure
    return (is_item or not is_own) and secrecy(name) is not Secrecy.none


def _bare(value: str) -> str:
    return value.strip(" \t\\\"'")


class _Leaves:
    """Values by their flattened names."""

    def __init__(self) -> None:
        self.spans: dict[str, tuple[int, int]] = {}
        self._turn = 0

    def put(self, path: list[str], start: int, end: int) -> None:
        name = ".".join(part for part in path if part)
        if len(name) > _PATH_MAX:
            return
        # A name that comes again begins another mapping.
        if f"{self._turn}.{name}" in self.spans:
            self._turn += 1
        self.spans[f"{self._turn}.{name}"] = (start, end)


def _walk_brackets(text: str, leaves: _Leaves) -> None:
    """Find the values in braces, brackets and calls, as in JSON and Python."""
    path: list[str] = []
    pending, count = "", 0
    for match in _PIECE.finditer(text):
        if match["open"]:
            if len(path) >= _DEPTH_MAX:
                return
            count += 1  # the mappings of a list are not one mapping
            path.append(f"{pending}.{count}" if pending else str(count))
        elif match["close"] and path:
            path.pop()
        elif match["value"] and path:
            leaves.put([*path, _bare(match["name"])], *match.span("value"))
        elif match["item"] and path:
            count += 1
            leaves.put([*path, str(count)], *match.span("item"))
        is_open = match["name"] is not None and match["value"] is None
        pending = _bare(match["name"]) if is_open else match["called"] or ""


def _walk_lines(text: str, leaves: _Leaves) -> None:
    """Find the values in lines that are indented under names, as in YAML and INI."""
    path: list[tuple[int, str]] = []  # how far in, and the name
    section, at, count = "", 0, 0
    for line in text.split("\n"):
        start, at = at, at + len(line) + 1
        bare = line.strip()
        if not bare or len(line) > _LINE_MAX:
            continue
        if line[0] == "[" and (head := _SECTION.fullmatch(line)):
            section, path = head[1], []
            continue
        match = _LINE.fullmatch(line)
        indent = len(match["indent"]) if match else len(line) - len(line.lstrip())
        count += 1
        if bare[0] == "-":
            dash = len(line) - len(line.lstrip())
            while path and path[-1][0] > dash:
                path.pop()
            path.append((dash + 1, str(count)))
            indent = max(indent, dash + 2)
        while path and path[-1][0] >= indent:
            path.pop()
        names = [section, *(part for _, part in path)]
        value = match["value"] if match else bare.lstrip("- ")
        if value is None or value.rstrip() in _BLOCKS:
            if match and len(path) < _DEPTH_MAX:
                path.append((indent, _bare(match["name"])))
        elif value and value[0] not in "[{(" and (match or path):
            end = start + len(line.rstrip())
            begin = start + (match.start("value") if match else line.index(value))
            leaves.put(
                [*names, _bare(match["name"]) if match else str(count)], begin, end
            )
