"""What tests have workers do: imported by them, so it stands apart."""

import os
import signal
from concurrent.futures import Executor, ThreadPoolExecutor
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


def threads() -> Executor:
    return ThreadPoolExecutor(2)


def nothing() -> None:
    return


def ends() -> None:
    raise SystemExit(3)
