"""What a bucket's failure is told as."""

import errno
import os
from collections.abc import Mapping
from typing import Final

_SAID: Final[tuple[tuple[int, str, tuple[str, ...]], ...]] = (
    (errno.ENOENT, "the bucket is not there", ("NoSuchBucket", "ContainerNotFound")),
    (
        errno.EACCES,
        "the credentials are refused",
        (
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidToken",
            "AuthenticationFailed",
        ),
    ),
    (errno.EACCES, "the credentials have expired", ("ExpiredToken", "TokenRefresh")),
    (errno.EACCES, "there are no credentials", ("NoCredentials", "PartialCredentials")),
    (errno.EACCES, "this machine's clock is wrong", ("RequestTimeTooSkewed",)),
    (errno.EAGAIN, "the bucket asks for fewer requests", ("SlowDown", "429", "503")),
    (
        errno.EIO,
        "the service has an error of its own",
        ("InternalError", "ProxyError", "500", "502", "504"),
    ),
    (
        errno.EACCES,
        "the credentials do not allow it",
        ("AccessDenied", "Forbidden", "401", "403"),
    ),
    (errno.EACCES, "the host's key is none that ssh knows", ("HostKey",)),
    (errno.EACCES, "ssh finds no key to log in with", ("SSHException",)),
    (errno.EINVAL, "it is no whole zip archive", ("BadZipFile",)),
    (errno.ETIMEDOUT, "no answer in time", ("Timeout", "RequestTimeout")),
    (
        errno.EHOSTUNREACH,
        "the service cannot be reached",
        ("Connect", "DNS", "gaierror", "NoValidConnections"),
    ),
)
"""What a failure is told as, by a part of its code or status, or its class's name."""


class NoCredentialsError(Exception):
    """A library has nothing to log in with."""


def told(exc: Exception, path: str) -> OSError:
    """Return what a library raised about *path*, in our words.

    Its own text may hold addresses that are signed, so it is left out.
    """
    code, why = _reason(exc)
    return OSError(code, why, path)


def nothing_at(path: str) -> OSError:
    """Return the error of a root without an object: in a bucket, it is not there."""
    return OSError(errno.ENOENT, "nothing lies there", path)


def _reason(exc: Exception) -> tuple[int, str]:
    cause = exc.__cause__ or exc
    marks = _marks(cause) + _marks(exc)
    for code, why, signs in _SAID:
        if any(sign in mark for sign in signs for mark in marks):
            return code, why
    if isinstance(exc, FileNotFoundError):
        return errno.ENOENT, os.strerror(errno.ENOENT)
    return errno.EPROTO, f"its library says {type(cause).__name__}"


def _marks(exc: BaseException) -> list[str]:
    """Return the names by which an error can be known."""
    response = getattr(exc, "response", None)
    found = [kind.__name__ for kind in type(exc).__mro__]
    if type(exc) is OSError:
        found.append(str(exc).partition(":")[0])  # as of gcsfs, which has no code in it
    said = (getattr(exc, name, None) for name in ("error_code", "status_code", "code"))
    found += [str(each) for each in said if isinstance(each, str | int)]
    if isinstance(response, Mapping):
        error = response.get("Error", {})
        meta = response.get("ResponseMetadata", {})
        found += [str(error.get("Code")), str(meta.get("HTTPStatusCode"))]
    return found
