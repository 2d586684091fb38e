"""Ask a bucket, a server or an archive, through fsspec: the one module that knows how.

Credentials are the business of the bucket's own library: it takes them from the
environment, its files or the machine's role. Nothing of them is kept or told.
"""

import errno
import logging
import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from mlreport_batch.errors import ConfigError
from mlreport_batch.safety.remote.address import SEPARATOR
from mlreport_batch.safety.remote.failures import NoCredentialsError, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fsspec import AbstractFileSystem

CONNECT_S: Final = 10
READ_S: Final = 30
AT_ONCE: Final = 32
TRIES: Final = 3
"""So often a request is made at most, by the library below s3fs, with growing waits."""

_LIBRARIES: Final = {
    "s3": ("s3fs", "'mlreport-batch[remote]'"),
    "gs": ("gcsfs", "gcsfs"),
    **dict.fromkeys(("az", "abfs", "abfss"), ("adlfs", "adlfs")),
    **dict.fromkeys(("sftp", "ssh"), ("paramiko", "fsspec paramiko")),
}
"""Of each scheme: what reads it, and what pip is told to install."""
_WALKED: Final = ("sftp:", "ssh:")
_ARCHIVE: Final = re.compile(r"(?is)zip://(/.*?\.zip)(?:/(.*))?")


def bucket_of(path: str) -> "AbstractFileSystem":
    """Return what talks to the server, or reads the archive, that *path* names.

    Raises:
        ConfigError: Its library is not installed.
        OSError: There is no such server or archive.
    """
    scheme = path.partition(SEPARATOR)[0]
    if scheme == "zip":
        archive, _ = _in_archive(path)
        status = os.stat(archive)
        if not stat.S_ISREG(status.st_mode):  # to open another may never end
            raise OSError(errno.EINVAL, "it is no file", path)
        version = status.st_ino, status.st_size, status.st_mtime_ns
        return _opened(scheme, (("fo", archive),), version, os.getpid())
    kind = _kind(scheme)
    head, _ = _split(path)
    given = kind._get_kwargs_from_urls(head)  # noqa: SLF001 - has no other name
    place = tuple(sorted((k, v) for k, v in given.items() if v is not None))
    return _opened(scheme, place, (), os.getpid())


def _kind(scheme: str) -> Any:  # noqa: ANN401
    try:
        if scheme in ("sftp", "ssh"):
            from mlreport_batch.safety.remote.sftp import known_hosts

            return known_hosts()
        import fsspec

        # Else gcsfs asks another of Google's services what kind each bucket is of.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        return fsspec.get_filesystem_class(scheme)
    except ImportError as exc:
        library, package = _LIBRARIES.get(scheme, ("fsspec", "fsspec"))
        raise ConfigError(
            f"{scheme}{SEPARATOR} needs {library}, which is not installed",
            kept="Nothing was read, sent or changed",
            advice=f"pip install {package}",
        ) from exc


@lru_cache(maxsize=8)
def _opened(
    scheme: str,
    place: tuple[tuple[str, Any], ...],
    version: tuple[int, ...],  # noqa: ARG001 - another archive is opened anew
    process: int,  # noqa: ARG001 - no two processes may talk through one connection
) -> "AbstractFileSystem":
    if not logging.getLogger().handlers:  # what fails is told, in our words
        logging.getLogger().addHandler(logging.NullHandler())
    settings = {**dict(place), **_settings_of(scheme)}
    try:
        found = _kind(scheme)(skip_instance_cache=True, **settings)
    except ValueError as exc:
        if _LIBRARIES.get(scheme, "")[:1] != ("adlfs",):
            raise
        raise NoCredentialsError from exc  # its text may hold a key
    if scheme == "s3":
        found.retries = 1  # botocore tries again by itself
        found.batch_size = AT_ONCE
    return found


@lru_cache(maxsize=1)
def _member(archive: "AbstractFileSystem", key: str) -> Any:  # noqa: ANN401
    """Return a file in an archive, open: to go back in one is to unpack it anew."""
    return archive.open(key)


def forget() -> None:
    """Close no connection, but make all anew: the environment may be another."""
    _opened.cache_clear()
    _member.cache_clear()


def _settings_of(scheme: str) -> dict[str, Any]:
    if scheme in ("sftp", "ssh"):
        return dict.fromkeys(("timeout", "banner_timeout", "auth_timeout"), CONNECT_S)
    settings: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "s3":
        tries = {"mode": "standard", "total_max_attempts": TRIES}
        limits = {"connect_timeout": CONNECT_S, "read_timeout": READ_S}
        settings["config_kwargs"] = {**limits, "retries": tries}
    elif scheme == "gs":
        from aiohttp import ClientTimeout

        limit = ClientTimeout(sock_connect=CONNECT_S, sock_read=READ_S)
        settings["requests_timeout"] = limit
    elif scheme in ("az", "abfs", "abfss"):
        settings |= {"connection_timeout": CONNECT_S, "read_timeout": READ_S}
    return settings


def _split(path: str) -> tuple[str, str]:
    """Return the service or host that an address begins with, and the place there.

    A name in it is never read as a part of an address, whatever it looks like.
    """
    scheme, _, rest = path.partition(SEPARATOR)
    host, slash, place = rest.partition("/")
    return f"{scheme}{SEPARATOR}{host}", slash + place


def _in_archive(path: str) -> tuple[str, str]:
    """Return the archive that *path* leads into, and the place in it."""
    match = _ARCHIVE.fullmatch(path)
    if match is None:
        raise FileNotFoundError(errno.ENOENT, "it names no .zip file", path)
    return match[1], match[2] or ""


def objects_below(root: str) -> dict[str, Mapping[str, Any]]:
    """Return what is said of each object below *root*, by its path below that.

    Raises:
        OSError: The bucket does not say.
        ConfigError: As `bucket_of`.
    """
    with _errors(root):
        bucket, path = _asked(root)
        found = (_walk if root.startswith(_WALKED) else _find)(bucket, path)
    return {
        key.removeprefix(path).lstrip("/"): info
        for key, info in found.items()
        if info.get("type") == "file" and not key.endswith("/")  # no link, no folder
    }


def _find(bucket: "AbstractFileSystem", path: str) -> dict[str, Mapping[str, Any]]:
    return dict(bucket.find(path, detail=True))


def _walk(bucket: "AbstractFileSystem", path: str) -> dict[str, Mapping[str, Any]]:
    """Return what `_find` does, or fail: fsspec leaves out what it cannot list."""
    found, folders = {}, [path]
    while folders:
        for info in bucket.ls(folders.pop(), detail=True):
            if info["type"] == "directory":
                folders.append(info["name"])
            else:
                found[info["name"]] = info
    return found


def object_at(path: str) -> Mapping[str, Any]:
    """Return what is said of one object.

    Raises:
        OSError: As `objects_below`, or there is none.
    """
    with _errors(path):
        bucket, key = _asked(path)
        return dict(bucket.info(key))


def bytes_of(path: str, start: int, end: int) -> bytes:
    """Return the bytes of an object from *start* up to *end*, as far as there are any.

    Raises:
        OSError: As `object_at`.
    """
    with _errors(path):
        bucket, key = _asked(path)
        if path.startswith("zip:"):
            member = _member(bucket, key)
            member.seek(start)
            return bytes(member.read(end - start))
        return bytes(bucket.cat_file(key, start=start, end=end))


def bytes_of_all(wanted: Sequence[tuple[str, int]]) -> list[bytes]:
    """Return the first bytes of many objects, some of them at once.

    Args:
        wanted: Addresses, all in one scheme, with how many bytes of each.

    Returns:
        What came, in their order; nothing of those that did not come.
    """
    if not wanted:
        return []
    try:
        keys = [_asked(path)[1] for path, _ in wanted]
        bucket = bucket_of(wanted[0][0])
        found = bucket.cat_ranges(keys, [0] * len(keys), [size for _, size in wanted])
    except Exception:  # noqa: BLE001 - whoever opens one is told why
        found = []
    came = [data if isinstance(data, bytes) else b"" for data in found]
    return came or [b""] * len(wanted)


def _asked(path: str) -> "tuple[AbstractFileSystem, str]":
    bucket = bucket_of(path)
    if path.startswith("zip:"):
        return bucket, _in_archive(path)[1]
    if path.startswith(_WALKED):
        return bucket, _split(path)[1] or "/"
    return bucket, str(bucket._strip_protocol(path))  # noqa: SLF001 - has no other name


@contextmanager
def _errors(path: str) -> "Iterator[None]":
    """Turn what any library says into an `OSError` that says it in our words."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as exc:
        raise told(exc, path) from exc
