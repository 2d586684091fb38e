"""Fuzz every reader for a bounded time; fuzz/README.md tells how to do it for long."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fuzz_targets
from lengths import examples

pytestmark = pytest.mark.no_cover

_TOKENS = st.sampled_from(fuzz_targets.TOKENS)
SOUP = st.lists(_TOKENS | st.binary(max_size=12), max_size=60).map(b"".join)


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_a_reader_survives_soup(name: str):
    target = fuzz_targets.TARGETS[name]

    @given(SOUP)
    @settings(
        max_examples=examples(40),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def survives(data: bytes) -> None:
        target(data)

    survives()


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_a_reader_survives_mutated_files(name: str):
    survive_mutated(name, 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_a_reader_survives_many_mutated_files(name: str):
    survive_mutated(name, 3000)


def survive_mutated(name: str, inputs: int) -> None:
    target, pool = fuzz_targets.TARGETS[name], fuzz_targets.seeds_of(name, inputs)
    rng = random.Random(name)
    for _ in range(inputs):
        data = fuzz_targets.mutated(rng, pool)
        try:
            target(data)
        except Exception:
            print(f"input: {data!r}")  # noqa: T201 - to be kept in fuzz/corpus
            raise


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_kept_inputs_are_survived(name: str):
    for data in fuzz_targets.kept(name):
        fuzz_targets.TARGETS[name](data)
