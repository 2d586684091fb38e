"""Work on batches elsewhere: on a dask cluster, or where an executor of yours does.

Only this process touches state, spool and channels. What a worker does not bring is
done here, so a worker that is lost, stopped or out of memory costs time and nothing
else.
"""

import os
import pickle
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import ClassVar, Final, TypeVar, cast

from msgspec import Struct

from mlreport_batch import __version__
from mlreport_batch.errors import ConfigError
from mlreport_batch.safety.remote.address import is_remote

_Result = TypeVar("_Result")
_Made = tuple[Executor, Callable[[], object]]

SCHEME: Final = "dask://"
WAIT_S: Final = 600.0
"""So long a batch is waited for before it is done here."""
CONNECT_S: Final = 30
IN_FLIGHT: Final = 16
_ONE_BATCH: Final = threading.Lock()
"""Held by a batch: the threads of one process would share what it keeps for itself."""


class RefusedError(Exception):
    """A worker cannot do what is asked; holds one text, since it is sent back."""

    advice: ClassVar[str] = "Give all workers the same version and the same folders"


class ForeignError(RefusedError):
    """What an executor gives is not what it was asked for."""

    advice: ClassVar[str] = (
        "Have its `submit` return a future of what it calls, or set executor: inline"
    )


class Brought(Struct, frozen=True):
    """What a worker made; whatever else comes back is foreign."""

    result: object


def elsewhere(name: str, roots: Sequence[str]) -> Callable[[], Executor]:
    """Return what makes the executor called *name*, for runs below *roots*.

    Args:
        name: ``dask://host:port``, or ``module:function`` for a function that returns
            a `concurrent.futures.Executor`.
        roots: What every worker must see.
    """
    make = _dask if name.startswith(SCHEME) else _own
    return lambda: _Checked(*make(name), roots)


def is_lost(note: Callable[[str], None], exc: Exception) -> bool:
    """Note and return that a batch is to be done here: a worker did not bring it.

    Args:
        note: Told why not.
        exc: What came of it.

    Raises:
        ConfigError: No worker would.
    """
    refused = exc
    if isinstance(exc, ImportError | AttributeError):
        refused = RefusedError(f"a worker has no mlreport-batch {__version__}")
    if isinstance(refused, RefusedError):
        raise ConfigError(
            f"executor: {refused}",
            kept="What was read is kept, and what is owed stays owed",
            advice=refused.advice,
        ) from exc
    note(f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__)
    return True


def do_there(version: str, roots: Sequence[str], packed: bytes) -> Brought:
    """Do a piece of work on a worker, one at a time in a process.

    Args:
        version: Of who asks; another one may read the rest as something else.
        roots: Folders that must be seen here, lest runs seem to be gone.
        packed: The function and its arguments, pickled.

    Raises:
        RefusedError: The worker is of another version, or does not see the runs.
    """
    place = os.uname().nodename
    if version != __version__:
        text = f"the worker on {place} has mlreport-batch {__version__}, not {version}"
        raise RefusedError(text)
    for root in roots:
        if not is_remote(root) and not os.path.isdir(root):
            raise RefusedError(f"the worker on {place} does not see {root}")
    work, arguments = pickle.loads(packed)  # noqa: S301 - from our own coordinator
    try:
        with _ONE_BATCH:
            return Brought(work(*arguments))
    except Exception as exc:  # who asks does it again, and sees it for itself
        raise RuntimeError(type(exc).__name__) from exc


class _Checked(Executor):
    """Has workers check what they are before they work.

    Args:
        there: Where they work.
        close: Gives that up.
        roots: What they must see.
    """

    def __init__(
        self, there: Executor, close: Callable[[], object], roots: Sequence[str]
    ) -> None:
        self._there = there
        self._close = close
        self._roots = tuple(roots)

    def submit(  # type: ignore[override]
        self, work: Callable[..., _Result], /, *arguments: object
    ) -> "Future[_Result]":
        """Send a piece of work."""
        packed = pickle.dumps((work, arguments))
        sent = self._there.submit(do_there, __version__, self._roots, packed)
        if not callable(getattr(sent, "result", None)):
            raise ForeignError(f"{_kind(sent)} was submitted, which is no future")
        return cast("Future[_Result]", _Sent(sent))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Wait for nothing: what is still under way is done or not wanted."""
        self._close()


class _Sent:
    """A future whose result is unpacked.

    Args:
        there: What the executor gave.
    """

    def __init__(self, there: "Future[Brought]") -> None:
        self._there = there

    def result(self, timeout: float | None = None) -> object:
        """Return what the work returned.

        Raises:
            ForeignError: It is of another make.
        """
        found = self._there.result(timeout)
        if not isinstance(found, Brought):
            raise ForeignError(f"{_kind(found)} came back, which no worker made")
        return found.result


def _kind(value: object) -> str:
    return f"a value of type {type(value).__name__}"


def _dask(name: str) -> _Made:
    address = "tcp://" + name.removeprefix(SCHEME)
    try:
        from distributed import Client
    except ImportError as exc:
        raise ConfigError(
            f"executor: {name} needs the `cluster` extra",
            kept="Nothing was read or sent",
            advice="pip install 'mlreport-batch[cluster]'",
        ) from exc
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except OSError as exc:
        raise ConfigError(
            f"executor: no scheduler answers at {address}: {exc}",
            kept="Nothing was read or sent",
            advice="Start it, or set executor: inline",
        ) from exc
    return client.get_executor(), client.close


def _own(name: str) -> _Made:
    """Return what the function *name* makes, as ``module:function``."""
    from importlib import import_module

    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)()
    except (Exception, SystemExit) as exc:  # a script ends when it is imported
        raise ConfigError(
            f"executor: {name} cannot be used: {type(exc).__name__}: {exc}",
            kept="Nothing was read or sent",
            advice="Install the module where this Python finds it, or set executor: "
            "inline",
        ) from exc
    if not callable(getattr(found, "submit", None)):
        raise ConfigError(
            f"executor: {name} returns no concurrent.futures.Executor",
            kept="Nothing was read or sent",
            advice="Return one from it, or set executor: inline",
        )
    return found, lambda: found.shutdown(wait=False)
