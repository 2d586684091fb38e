"""Ask a bucket, through fsspec: the one module that knows how.

Credentials are the business of the bucket's own library: it takes them from the
environment, its files or the machine's role. Nothing of them is kept or told.
"""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from mlreport_batch.errors import ConfigError
from mlreport_batch.safety.remote.address import SEPARATOR
from mlreport_batch.safety.remote.failures import told

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
}
"""Of each scheme: what reads it, and what pip is told to install."""


@lru_cache(maxsize=8)
def bucket_of(scheme: str) -> "AbstractFileSystem":
    """Return what talks to the buckets of *scheme*, such as ``s3``.

    Raises:
        ConfigError: Its library is not installed.
    """
    try:
        import fsspec

        kind = fsspec.get_filesystem_class(scheme)
    except ImportError as exc:
        library, package = _LIBRARIES.get(scheme, ("a library of fsspec", "fsspec"))
        raise ConfigError(
            f"{scheme}{SEPARATOR} needs {library}, which is not installed",
            kept="Nothing was read, sent or changed",
            advice=f"pip install {package}",
        ) from exc
    found = kind(
        skip_instance_cache=True, use_listings_cache=False, **_settings_of(scheme)
    )
    if scheme == "s3":
        found.retries = 1  # botocore tries again by itself
        found.batch_size = AT_ONCE
    return found


def _settings_of(scheme: str) -> dict[str, Any]:
    if scheme != "s3":
        return {}
    tries = {"mode": "standard", "total_max_attempts": TRIES}
    limits = {"connect_timeout": CONNECT_S, "read_timeout": READ_S, "retries": tries}
    return {"config_kwargs": limits}


def objects_below(root: str) -> dict[str, Mapping[str, Any]]:
    """Return what is said of each object below *root*, by its path below that.

    Raises:
        OSError: The bucket does not say.
        ConfigError: As `bucket_of`.
    """
    bucket, path = _asked(root)
    with _errors(root):
        found = bucket.find(path, detail=True)
    return {
        key.removeprefix(path).lstrip("/"): info
        for key, info in found.items()
        if info.get("type") != "directory" and not key.endswith("/")
    }


def object_at(path: str) -> Mapping[str, Any]:
    """Return what is said of one object.

    Raises:
        OSError: As `objects_below`, or there is none.
    """
    bucket, key = _asked(path)
    with _errors(path):
        return dict(bucket.info(key))


def bytes_of(path: str, start: int, end: int) -> bytes:
    """Return the bytes of an object from *start* up to *end*, as far as there are any.

    Raises:
        OSError: As `object_at`.
    """
    bucket, key = _asked(path)
    with _errors(path):
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
    bucket, _ = _asked(wanted[0][0])
    keys = [_asked(path)[1] for path, _ in wanted]
    try:
        found = bucket.cat_ranges(keys, [0] * len(keys), [size for _, size in wanted])
    except Exception:  # noqa: BLE001 - whoever opens one is told why
        found = []
    came = [data if isinstance(data, bytes) else b"" for data in found]
    return came or [b""] * len(wanted)


def _asked(path: str) -> "tuple[AbstractFileSystem, str]":
    bucket = bucket_of(path.partition(SEPARATOR)[0])
    return bucket, str(bucket._strip_protocol(path))  # noqa: SLF001 - has no other name


@contextmanager
def _errors(path: str) -> "Iterator[None]":
    """Turn what any library says into an `OSError` that says it in our words."""
    try:
        yield
    except Exception as exc:
        raise told(exc, path) from exc
