"""The search language of files.list, as far as a report tool may need it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

from .drive_store import DriveFile
from .errors import ApiError, NotModelledError

Test = Callable[[DriveFile], bool]
_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:\\.|[^'\\])*')|(?P<op>!=|<=|>=|[=<>{}()])|(?P<word>\w+))"
)


def _invalid() -> ApiError:
    return ApiError(400, "Invalid Value", reason="invalid", location=("parameter", "q"))


def parse_query(query: str, client_id: str) -> Test:
    """Return the test that *query* means for the app *client_id*."""
    tokens = []
    position = 0
    while position < len(query.rstrip()):
        match = _TOKEN.match(query, position)
        if match is None:
            raise _invalid()
        tokens.append(match.group().strip())
        position = match.end()
    parser = _Parser(tokens, client_id)
    test = parser.either()
    if parser.tokens:
        raise _invalid()
    return test


class _Parser:
    def __init__(self, tokens: list[str], client_id: str) -> None:
        self.tokens = tokens
        self._client_id = client_id

    def _take(self, wanted: str | None = None) -> str:
        if not self.tokens or (wanted is not None and self.tokens[0] != wanted):
            raise _invalid()
        return self.tokens.pop(0)

    def _text(self) -> str:
        token = self._take()
        if not token.startswith("'"):
            raise _invalid()
        return re.sub(r"\\(.)", r"\1", token[1:-1])

    def either(self) -> Test:
        tests = [self._both()]
        while self.tokens and self.tokens[0] == "or":
            self._take()
            tests.append(self._both())
        return lambda file: any(test(file) for test in tests)

    def _both(self) -> Test:
        tests = [self._term()]
        while self.tokens and self.tokens[0] == "and":
            self._take()
            tests.append(self._term())
        return lambda file: all(test(file) for test in tests)

    def _term(self) -> Test:
        if not self.tokens:
            raise _invalid()
        if self.tokens[0] == "not":
            self._take()
            inner = self._term()
            return lambda file: not inner(file)
        if self.tokens[0] == "(":
            self._take()
            test = self.either()
            self._take(")")
            return test
        if self.tokens[0].startswith("'"):
            return self._member()
        return self._comparison()

    def _member(self) -> Test:
        value = self._text()
        self._take("in")
        field = self._take()
        if field == "parents":
            return lambda file: file.parent == value
        if field == "owners":
            return lambda file: file.owner == value
        raise NotModelledError(f"files.list q … in {field}")

    def _comparison(self) -> Test:
        field, operator = self._take(), self._take()
        if field in {"appProperties", "properties"}:
            if operator != "has":
                raise _invalid()
            return self._property(field)
        if field == "trashed":
            return self._trashed(operator)
        value = self._text()
        if field in {"createdTime", "modifiedTime"}:
            return _time_test(field, operator, value)
        if field in {"name", "mimeType"}:
            return _text_test(field, operator, value)
        raise NotModelledError(f"files.list q {field}")

    def _trashed(self, operator: str) -> Test:
        wanted = {"true": True, "false": False}.get(self._take())
        if wanted is None or operator not in {"=", "!="}:
            raise _invalid()
        return lambda file: (file.trashed == wanted) == (operator == "=")

    def _property(self, field: str) -> Test:
        self._take("{")
        self._take("key")
        self._take("=")
        key = self._text()
        self._take("and")
        self._take("value")
        self._take("=")
        value = self._text()
        self._take("}")
        if field == "properties":
            return lambda file: file.properties.get(key) == value
        mine = self._client_id
        return lambda file: file.app_properties.get(mine, {}).get(key) == value


def _text_test(field: str, operator: str, value: str) -> Test:
    def read(file: DriveFile) -> str:
        return file.name if field == "name" else file.mime_type

    if operator == "=":
        return lambda file: read(file) == value
    if operator == "!=":
        return lambda file: read(file) != value
    if operator == "contains":  # for names, Drive matches prefixes of words
        prefix = re.compile(r"\b" + re.escape(value), re.IGNORECASE)
        return lambda file: bool(prefix.search(read(file)))
    raise _invalid()


def _time_test(field: str, operator: str, value: str) -> Test:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise _invalid() from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    limit = moment.timestamp()
    compare = {
        "<": lambda a: a < limit,
        "<=": lambda a: a <= limit,
        "=": lambda a: a == limit,
        "!=": lambda a: a != limit,
        ">": lambda a: a > limit,
        ">=": lambda a: a >= limit,
    }.get(operator)
    if compare is None:
        raise _invalid()
    return lambda file: compare(
        file.created if field == "createdTime" else file.modified
    )
