"""Fuzz every reader for a bounded time; fuzz/README.md tells how to do it for long."""

import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuzz_targets

_TOKENS = st.sampled_from(fuzz_targets.TOKENS)
SOUP = st.lists(_TOKENS | st.binary(max_size=12), max_size=60).map(b"".join)


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_a_reader_survives_soup(name: str):
    target = fuzz_targets.TARGETS[name]

    @given(SOUP)
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def survives(data: bytes) -> None:
        target(data)

    survives()


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_a_reader_survives_mutated_files(name: str):
    target, pool = fuzz_targets.TARGETS[name], fuzz_targets.seeds_of(name)
    rng = random.Random(name)
    end = time.monotonic() + 0.6
    for _ in range(300):
        data = fuzz_targets.mutated(rng, pool)
        start = time.process_time()
        try:
            target(data)
        except Exception:
            print(f"input: {data!r}")  # noqa: T201 - to be kept in fuzz/corpus
            raise
        assert time.process_time() - start < 5, data
        if time.monotonic() > end:
            break


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_kept_inputs_are_survived(name: str):
    for data in fuzz_targets.kept(name):
        fuzz_targets.TARGETS[name](data)
