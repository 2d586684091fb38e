"""Settings that name a place: paths, roots, addresses, URLs, time zones."""

# ruff: noqa: ANN401, D102 - `Kind` says what each method is for

import re
from pathlib import Path
from typing import Any

from mlreport_batch.config.builder import INVALID, Kind, Place, quoted
from mlreport_batch.config.locate import resolved
from mlreport_batch.errors import UsageError
from mlreport_batch.safety.address import is_loopback
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.remote.address import is_remote, without_file

_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?(/\S*)?\Z")
_DRIVE = re.compile(
    r"([A-Za-z0-9_-]+)"
    r"|https://(?:docs|drive)\.google\.com/(?:[^?#\s]*/)?(?:d|folders)/([A-Za-z0-9_-]+)"
    r"(?:[/?#]\S*)?"
    r"|https://(?:docs|drive)\.google\.com/[^?#\s]*\?(?:\S*&)?id=([A-Za-z0-9_-]+)"
    r"(?:[&#]\S*)?"
)
_REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_BUCKET = re.compile(
    r"(?:(?:s3|gs|az|memory)://[A-Za-z0-9._-]+(?:/[^?#]*)?"
    r"|abfss?://[A-Za-z0-9.-]+(?:@[A-Za-z0-9.-]+)?(?:/[^?#]*)?"
    r"|(?:sftp|ssh)://(?:[^:@/]+@)?[A-Za-z0-9.-]+(?::[0-9]+)?/[^?#]*"
    r"|zip:///.*\.(?i:zip)(?:/.*)?)\Z",
    re.DOTALL,
)


def is_address(value: str) -> bool:
    """Return whether runs can be read from *value*, which is no path here.

    A password has no place in it: whoever may read the config could read the runs.
    """
    return bool(_BUCKET.match(value)) and clean(value, len(value)) == value


def place_of(path: str) -> str:
    """Return a path that a command names: on this machine, or an address.

    Raises:
        UsageError: It is an address that runs are not read from.
    """
    path = without_file(path)
    if is_remote(path) and not is_address(path):
        raise UsageError(
            f"{quoted(path)} is no address to read from",
            advice="docs/scaling.md lists them; none has a password in it",
        )
    return path


class PathTo(Kind, frozen=True):
    """A path: ``~`` is the home, relative to the folder of the config file.

    Attributes:
        what: What messages call it.
        must_exist: Whether it must be a file that is there.
    """

    what: str = "a path"
    must_exist: bool = False

    def read(self, value: Any, place: Place) -> Any:
        found = self._read(value, place)
        if found is INVALID:
            return INVALID
        if self.must_exist and not Path(found).is_file():
            return place.wrong(f"there is no file {found}")
        return Path(found)

    def _read(self, value: Any, place: Place) -> Any:
        if not isinstance(value, str) or not value:
            return place.expected(self.what, value)
        if clean(value, len(value)) != value:
            return place.wrong(f"expected {self.what}, got control characters")
        if value.startswith(("$", "%")):
            return place.wrong(
                f"{value!r}: variables are not replaced; write ~ or the full path"
            )
        if _REMOTE.match(value):
            return place.expected(f"{self.what} on this machine", value)
        try:
            Path(value).expanduser()
        except RuntimeError:
            return place.wrong(f"{value!r}: there is no such home folder")
        return resolved(value, place.problems.file)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def words(self) -> str:
        return "path"


class RunsPath(Kind, frozen=True):
    """A folder with runs on this machine, or elsewhere; read as text."""

    def read(self, value: Any, place: Place) -> Any:
        what = "a folder, or s3://…, gs://…, az://…, sftp://HOST/… or zip:///….zip"
        value = without_file(value) if isinstance(value, str) else value
        if isinstance(value, str) and _REMOTE.match(value):
            if not is_address(value):
                return place.expected(what, value)
            return value.rstrip("/")
        found = PathTo(what).read(value, place)
        return found if found is INVALID else str(found)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def words(self) -> str:
        return "folder, s3://…, gs://…, az://…, sftp://…, zip://…"


class Address(Kind, frozen=True):
    """A mail address, bare or with a name; kept as written."""

    def read(self, value: Any, place: Place) -> Any:
        from mlreport_batch.safety.address import parse_address

        if not isinstance(value, str):
            return place.expected("an address such as me@lab.example", value)
        try:
            parse_address(value)
        except ValueError as error:
            return place.wrong(str(error))
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "@"}

    def words(self) -> str:
        return "address"


class AddressOrDomain(Address, frozen=True):
    """A mail address, or the part after the @ of many."""

    def read(self, value: Any, place: Place) -> Any:
        from mlreport_batch.safety.address import DOMAIN

        if isinstance(value, str) and DOMAIN.fullmatch(value):
            return value.lower()
        return super().read(value, place)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def words(self) -> str:
        return "address or domain"


class Url(Kind, frozen=True):
    """An https address; plain http only towards this machine."""

    def read(self, value: Any, place: Place) -> Any:
        match = _URL.match(value) if isinstance(value, str) else None
        if match is None:
            if isinstance(value, str) and "@" in value:
                return place.wrong("expected an https:// address without credentials")
            return place.expected("an address such as https://apis.example", value)
        if match[1] == "http" and not is_loopback(match[2]):
            return place.wrong("plain http is accepted only towards this machine")
        return match[0].rstrip("/")

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": "^https?://"}

    def words(self) -> str:
        return "https:// address"


class InDrive(Kind, frozen=True):
    """A thing in Google Drive, by its id or its link; read as the id.

    Attributes:
        what: What messages call it.
    """

    what: str

    def read(self, value: Any, place: Place) -> Any:
        match = _DRIVE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            return place.expected(f"the id of {self.what}, or its link", value)
        return match[match.lastindex or 0]

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^(?:{_DRIVE.pattern})$"}

    def words(self) -> str:
        return f"the id of {self.what}, or its link"


class Zone(Kind, frozen=True):
    """The name of a time zone."""

    def read(self, value: Any, place: Place) -> Any:
        from mlreport_batch.language.dates import zone

        if not isinstance(value, str) or not value:
            return place.expected("a time zone such as Asia/Seoul", value)
        try:
            zone(value)
        except ValueError as error:
            return place.wrong(f"{error}; expected one such as Asia/Seoul")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}

    def words(self) -> str:
        return "time zone"
