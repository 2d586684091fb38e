"""Every reader survives every file, and where it is cut makes no difference."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats_reading import parse
from lengths import examples
from mlreport_batch.formats import Item, NotYetError, Problem
from mlreport_batch.formats.registry import by_name, formats
from places import RUNS

pytestmark = pytest.mark.no_cover

TAILED = [member.name for member in formats() if not member.whole_file]
WHOLE = [member.name for member in formats() if member.whole_file]
SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".yaml", ".txt", ".log")
SAMPLES = sorted(
    path
    for path in RUNS.rglob("*")
    if path.is_file()
    and (path.suffix in SUFFIXES or "tfevents" in path.name)
    and path.name != "truth.json"
    and path.stat().st_size < 20_000
)
UNLIKE = sorted({path.read_bytes(): path for path in reversed(SAMPLES)}.values())
"""The samples of which no earlier one holds the same bytes."""

PIECES = st.sampled_from(
    [
        b"epoch,step,loss,acc", b"\n", b"\r\n", b"0,1,0.5,", b",,,", b"1,2,nan,inf",
        b"epoch;loss", b"step\tloss", b"r,l,t", b'#{"t_start": 1}', b"\0\0", b'"a,b",1',
        b"\xff\xfe", b"\xef\xbb\xbf", b"\xff", b"1_000", b"0x10", b"9" * 400, b"# x",
        b'{"step": 1, "loss": 0.5}', b'{"step": 2, "a": {"b": NaN}}', b"[" * 70, b"{",
        b"}", b'{"epoch": "x", "loss": "1e-3"}', b"time/total_timesteps,rollout/x",
        b"00:05", b"2026-01-01", b"True", "손실".encode(), b" ", b"12", b"-", b"a: 1",
        b"[1]\ttrain-rmse:0.5", b"[LightGBM] [Info] Iteration:10, valid_1 auc : 0.5",
        b"[metric][batch=3]: loss: 0.5\n", b"| INFO | train | ", b"iter\tLogloss",
        b"1700000000000 0.5 3\n", b'"', b"|", b"epoch  train_loss  time\n",
    ]
)  # fmt: skip
SOUP = st.lists(PIECES, max_size=40).map(b"".join) | st.binary(max_size=300)


def said(items: list[Item]) -> str:
    """Return items in order and problems in any: encodings are seen per chunk."""
    problems = sorted(repr(item) for item in items if isinstance(item, Problem))
    return repr([item for item in items if not isinstance(item, Problem)]) + repr(
        problems
    )


def cuts_for(data: bytes, numbers: list[int]) -> list[int]:
    return sorted({number % (len(data) + 1) for number in numbers})


@pytest.mark.parametrize("name", TAILED)
@given(data=SOUP, numbers=st.lists(st.integers(0, 10_000), max_size=6))
@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck)
)
def test_any_bytes_read_alike_wherever_they_are_cut(
    name: str, data: bytes, numbers: list[int]
):
    member = by_name()[name]
    whole = parse(member, data)
    assert said(parse(member, data, cuts_for(data, numbers))) == said(whole)


@pytest.mark.parametrize("name", WHOLE)
@given(data=SOUP, suffix=st.sampled_from([".json", ".yaml", ".txt", ""]))
@settings(
    max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck)
)
def test_any_document_yields_items_or_is_not_there_yet(
    name: str, data: bytes, suffix: str
):
    try:
        parse(by_name()[name], data, path=f"/run/x{suffix}")
    except NotYetError:
        assert True


@given(
    sample=st.sampled_from(SAMPLES),
    name=st.sampled_from([*TAILED, *WHOLE]),
    at=st.integers(0, 20_000),
    gone=st.integers(0, 200),
    put=SOUP,
    numbers=st.lists(st.integers(0, 20_000), max_size=4),
)
@settings(
    max_examples=examples(600), deadline=None, suppress_health_check=list(HealthCheck)
)
def test_mutated_real_files_are_survived_and_read_alike(
    *, sample: Path, name: str, at: int, gone: int, put: bytes, numbers: list[int]
):
    data = sample.read_bytes()
    at %= len(data) + 1
    data = data[:at] + put + data[at + gone :]
    member = by_name()[name]
    try:
        whole = parse(member, data, path=str(sample))
        if not member.whole_file:
            pieces = parse(member, data, cuts_for(data, numbers), path=str(sample))
            assert said(pieces) == said(whole)
    except NotYetError:
        assert member.whole_file


@pytest.mark.parametrize("sample", UNLIKE, ids=lambda path: str(path.relative_to(RUNS)))
def test_real_logs_read_alike_at_every_line_border(sample: Path):
    data = sample.read_bytes()
    for name in TAILED:
        member = by_name()[name]
        borders = [at + 1 for at, byte in enumerate(data) if byte == 10][:40]
        assert said(parse(member, data, borders)) == said(parse(member, data))
