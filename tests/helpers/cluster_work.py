"""What tests have workers do: imported by them, so it stands apart."""

import os
import signal
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path


def double(batch: int, factor: int) -> int:
    return batch * factor


def kill_the_first(batch: int, flag: str) -> int:
    """Kill the worker, the first time that it is asked to."""
    if batch == 2:
        try:
            Path(flag).touch(exist_ok=False)
        except FileExistsError:
            pass
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    return batch * 3


def here_alone(batch: int, coordinator: int) -> int:
    """Fail everywhere but in one process."""
    if os.getpid() != coordinator:
        raise AttributeError(batch)
    return batch


_under_way: list[int] = []


def alone(batch: int, seconds: float) -> int:
    """Return how many others of this process were under way meanwhile, too."""
    _under_way.append(batch)
    time.sleep(seconds)
    beside = len(_under_way) - 1
    _under_way.remove(batch)
    return beside


def threads() -> Executor:
    return ThreadPoolExecutor(2)


class _Otherwise(ThreadPoolExecutor):
    """Brings back what the work did not return."""

    def submit(self, *_: object) -> "Future[str]":  # type: ignore[override]
        return super().submit(str)


def answers_otherwise() -> Executor:
    return _Otherwise(1)


class _Direct(ThreadPoolExecutor):
    """Gives a value in place of a future."""

    def submit(self, *_: object) -> int:  # type: ignore[override]
        return 1


def gives_no_future() -> Executor:
    return _Direct(1)


def nothing() -> None:
    return


def ends() -> None:
    raise SystemExit(3)


def variable(name: str, _: object) -> str | None:
    return os.environ.get(name)
