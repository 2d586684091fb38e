"""Settings in texts: TOML, INI, lines of names and values, a printed ``Namespace``."""

import ast
import re
from collections.abc import Mapping

from mlreport_batch.formats.kit.numbers import to_number
from mlreport_batch.safety.encoding import to_text

SIZE_MAX = 1_000_000
_LINE = re.compile(r"\s*([A-Za-z_][\w.\-/]{0,100})(?:\s*[:=]\s*|\t+| {2,})(\S.*?)?\s*")
_DEFAULT = re.compile(r"\s*\[default: .*\]$")  # pix2pix
_CALL = re.compile(r"\s*[A-Za-z_][\w.]*\(")
_PASSED_OVER = re.compile(r"\s*(?:#.*|;.*|[-=*_~ ]*(?:\w+[\w ]*[-=*_~ ]+)?)")
_WORDS = {"none": None, "null": None, "true": True, "false": False}


class BadSettingsError(ValueError):
    """A text that is none of these, or broken.

    Attributes:
        line: Where, counted from 1.
    """

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def load_settings(data: bytes, suffix: str) -> Mapping[str, object]:
    """Return the names and values in *data*, nested where the text nests them.

    Raises:
        BadSettingsError: It cannot be read as what its *suffix* says.
    """
    if len(data) > SIZE_MAX:
        raise BadSettingsError(f"larger than {SIZE_MAX // 1000:,} kB")
    text = to_text(data).removeprefix("\ufeff").replace("\0", "")
    if suffix == ".toml":
        return _toml(text)
    if suffix in (".ini", ".cfg"):
        return _ini(text)
    return _called(text) if _CALL.match(text) else _lines(text)


def are_settings(text: str) -> bool:
    """Return whether *text* begins a ``.txt`` of settings: all lines name a value."""
    if _CALL.match(text):
        return "=" in text.partition("\n")[0]
    lines = text.splitlines()[:50]
    told = [line for line in lines if not _PASSED_OVER.fullmatch(line)]
    matches = [_LINE.fullmatch(line) for line in told]
    return bool(told) and all(matches) and any(match and match[2] for match in matches)


def _toml(text: str) -> Mapping[str, object]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadSettingsError(str(error)) from error
    except RecursionError as error:
        raise BadSettingsError("nested too deeply") from error


def _ini(text: str) -> Mapping[str, object]:
    import configparser

    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.MissingSectionHeaderError:
        return _lines(text)
    except configparser.Error as error:
        raise BadSettingsError(str(error).splitlines()[0]) from error
    return {
        section: {key: _value(item) for key, item in parser.items(section)}
        for section in parser.sections()
    }


def _lines(text: str) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if _PASSED_OVER.fullmatch(line):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadSettingsError("no name and value", number)
        found[match[1]] = _value(_DEFAULT.sub("", match[2] or ""))
    return found


def _called(text: str) -> Mapping[str, object]:
    """Return the keywords of a printed ``Namespace(lr=0.1)``; it is parsed, not run."""
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadSettingsError("no printed object that can be read") from error
    if not isinstance(call, ast.Call):
        raise BadSettingsError("no printed object that can be read")
    return {
        keyword.arg: _literal(keyword.value) for keyword in call.keywords if keyword.arg
    }


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return ast.unparse(node)


def _value(text: str) -> object:
    """Return a value as it was meant: a number, yes or no, nothing, or a text."""
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    number = to_number(text)
    if number is None:
        return text
    is_whole = text.lstrip("+-").isdigit() and len(text) < 300  # noqa: PLR2004
    return int(text) if is_whole else number
