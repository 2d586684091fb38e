"""Read runs in bulk and one by one, and compare."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from msgspec.structs import replace

from lengths import examples
from mlreport_batch.find.listing import walk
from mlreport_batch.find.runs import RunDir, group_runs
from mlreport_batch.read.bulk import ahead
from mlreport_batch.read.bulk.ahead import Bulk
from mlreport_batch.read.run import RunState, plan_of, read_run, unread_logs

NOW_NS = 4_000_000_000_000_000_000

common = settings(
    deadline=None,
    max_examples=examples(60),
    suppress_health_check=[
        HealthCheck.function_scoped_fixture, HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)  # fmt: skip


def everything_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be too little to be read in bulk."""
    for name in ("ROWS", "RECORDS"):
        kind = replace(getattr(ahead, name), alone_bytes=0)
        monkeypatch.setattr(ahead, name, kind)


def runs_in(root: Path) -> list[RunDir]:
    folders = list(walk(str(root), root=str(root)))
    return group_runs(folders, str(root))


def read_all(
    root: Path, before: dict[str, RunState], *, in_bulk: bool, now_ns: int = NOW_NS
) -> dict[str, RunState]:
    runs = runs_in(root)
    if not in_bulk:
        return {
            run.name: read_run(run, before.get(run.name), now_ns=now_ns) for run in runs
        }
    unread = [unread_logs(plan_of(run), before.get(run.name), now_ns) for run in runs]
    with Bulk({ahead.ROWS, ahead.RECORDS}) as bulk:
        return {
            run.name: read_run(run, before.get(run.name), now_ns=now_ns, bulk=bulk)
            for run in bulk.ahead(zip(runs, unread, strict=True))
        }


def orders(states: dict[str, RunState]) -> list[list[str]]:
    return [
        list(log.metrics) for state in states.values() for log in state.logs.values()
    ]


def assert_same(root: Path, *parts: dict[str, bytes]) -> None:
    """Append *parts* one after the other and compare both ways after each."""
    slow: dict[str, RunState] = {}
    fast: dict[str, RunState] = {}
    for number, part in enumerate(parts):
        for name, data in part.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(data)
        now_ns = NOW_NS + number
        slow = read_all(root, slow, in_bulk=False, now_ns=now_ns)
        fast = read_all(root, fast, in_bulk=True, now_ns=now_ns)
        assert repr(fast) == repr(slow)
        assert fast == slow or "nan" in repr(slow)
        assert orders(fast) == orders(slow)
