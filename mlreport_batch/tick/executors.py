"""Where batches of runs are worked on: here, in processes, or on a cluster."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, Self, TypeVar

_Task = TypeVar("_Task")
_Settings = TypeVar("_Settings")
_Result = TypeVar("_Result")


class Executor(Protocol):
    """Maps a pure, picklable function over batches, keeping their order."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(self, *_: object) -> None:
        """Stop, and give up what was not begun."""

    def map(
        self,
        work: Callable[[_Task, _Settings], _Result],
        batches: Iterable[_Task],
        settings: _Settings,
        rescue: Callable[[_Task, _Settings], _Result] | None = None,
    ) -> Iterator[_Result]:
        """Yield ``work(batch, settings)`` for each batch, in order.

        Args:
            work: The function.
            batches: What it is called with, one after the other.
            settings: The same for all.
            rescue: Called here in its place for a batch whose worker died.
        """


class Inline:
    """Works in this process, one batch after the other, as results are taken."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def map(
        self,
        work: Callable[[_Task, _Settings], _Result],
        batches: Iterable[_Task],
        settings: _Settings,
        rescue: Callable[[_Task, _Settings], _Result] | None = None,  # noqa: ARG002
    ) -> Iterator[_Result]:
        """Yield each result when it is asked for."""
        for batch in batches:
            yield work(batch, settings)


class Pool:
    """Works in processes or on a cluster, through `concurrent.futures`.

    At most ``width + 1`` batches are in flight, so memory stays bounded however
    many runs there are.

    Args:
        make: Makes the `concurrent.futures` executor.
        width: How many batches it works on at once.
        is_lost: Tells whether what came of a batch means that its worker is lost;
            None where only a broken pool does.
        wait_s: How long a batch is waited for before it counts as lost.
    """

    def __init__(
        self,
        make: Callable[[], "FuturesExecutor"],
        width: int,
        is_lost: Callable[[Exception], bool] | None = None,
        wait_s: float | None = None,
    ) -> None:
        self._make = make
        self._width = width
        self._is_lost = is_lost or (lambda _: False)
        self._wait_s = wait_s
        self._pool: FuturesExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def map(
        self,
        work: Callable[[_Task, _Settings], _Result],
        batches: Iterable[_Task],
        settings: _Settings,
        rescue: Callable[[_Task, _Settings], _Result] | None = None,
    ) -> Iterator[_Result]:
        """Yield the results in order; workers start with the first batch."""
        from collections import deque

        flying: deque[tuple[_Task, Future[_Result]]] = deque()

        def take() -> _Result:
            from concurrent.futures import BrokenExecutor

            batch, future = flying.popleft()
            try:
                return future.result(self._wait_s)
            except BrokenExecutor:
                # A worker was killed, as for want of memory: the pool is lost, and
                # all that was under way in it.
                self._pool = None
            except Exception as exc:
                if not self._is_lost(exc):
                    raise
            return (rescue or work)(batch, settings)

        for batch in batches:
            if self._pool is None:
                self._pool = self._make()
            flying.append((batch, self._submit(self._pool, work, batch, settings)))
            if len(flying) > self._width:
                yield take()
        while flying:
            yield take()

    def _submit(
        self,
        pool: "FuturesExecutor",
        work: Callable[[_Task, _Settings], _Result],
        batch: _Task,
        settings: _Settings,
    ) -> "Future[_Result]":
        from concurrent.futures import BrokenExecutor, Future

        try:
            return pool.submit(work, batch, settings)
        except Exception as exc:
            if not isinstance(exc, BrokenExecutor) and not self._is_lost(exc):
                raise
            failed: Future[_Result] = Future()
            failed.set_exception(exc)
            return failed


def executor_of(
    name: str,
    jobs: int | None = None,
    roots: Sequence[str] = (),
    note_lost: Callable[[str], None] = lambda _: None,
) -> Executor:
    """Return the executor called *name* in the config.

    Args:
        name: ``inline``, ``processes``, or one that `cluster` knows.
        jobs: Processes to use; more than one means ``processes``.
        roots: Where the runs lie.
        note_lost: Told why a worker elsewhere did not bring a batch, of each.

    Raises:
        ConfigError: It cannot be used.
    """
    if ":" in name:
        from mlreport_batch.tick import cluster

        make = cluster.elsewhere(name, roots)
        is_lost = partial(cluster.is_lost, note_lost)
        return Pool(make, cluster.IN_FLIGHT, is_lost, cluster.WAIT_S)
    if (jobs is not None and jobs < 2) or (jobs is None and name != "processes"):  # noqa: PLR2004
        return Inline()
    width = jobs or len(os.sched_getaffinity(0))
    return Pool(lambda: _processes(width), width)


def _processes(width: int) -> "FuturesExecutor":
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # The server forks from what the environment was when the first pool was made.
    return ProcessPoolExecutor(
        width, get_context("forkserver"), _take_environment, (dict(os.environ),)
    )


def _take_environment(given: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(given)


TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Executor as FuturesExecutor
    from concurrent.futures import Future
