"""What the fuzzers call: per target a function of bytes that must not fail.

Used by tests/formats/test_fuzz_readers.py (hypothesis, in CI), fuzz/quick.py (a plain
mutator, millions of inputs) and fuzz/guided.py (atheris, guided by coverage).
"""

import atexit
import hashlib
import math
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import islice
from pathlib import Path

import msgspec

from disk import overwrite
from formats_reading import candidate, parse
from mlreport_batch.errors import StateError
from mlreport_batch.find.runs import RunFile
from mlreport_batch.formats import (
    Hparams,
    Intent,
    Item,
    LogFormat,
    Match,
    NotYetError,
    Point,
    Problem,
    Result,
    Role,
    Text,
)
from mlreport_batch.formats.kit.json_values import BadJsonError, load_document
from mlreport_batch.formats.registry import by_name, formats, recognise
from mlreport_batch.read.log import Reading, read_series
from mlreport_batch.read.run import RunState
from mlreport_batch.render import placeholders
from mlreport_batch.report.model import Report
from mlreport_batch.report.news import Snapshot
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.files import Signature
from mlreport_batch.safety.masking.redact import (
    redact_text,
    shown,
    shown_block,
    shown_tail,
)
from mlreport_batch.safety.yaml import load as yaml_load
from mlreport_batch.safety.yaml.values import YamlError
from mlreport_batch.state import idle
from mlreport_batch.state.folders import Listing
from mlreport_batch.state.rows import decode, encode, summed
from mlreport_batch.state.store import State
from places import RUNS
from sample_reports import hostile

Target = Callable[[bytes], None]

NAMES = (
    *("metrics.csv", "log.tsv", "x.jsonl", "x.json", "hparams.yaml", "train.log"),
    *("result.json", "progress.csv", "trainer_state.json", "metrics.json", "x.txt"),
    *("meta.yaml", "run.json", "mlflow.db", "events.out.tfevents.1.h.1.0"),
    *("intent.json", "monitor.csv", "wandb-summary.json", "summary.csv", "config.json"),
    *("metrics_epoch_3.json", "learn_error.tsv", "model.json", "error.txt", "loss"),
)
FOLDERS = ("run", "files", ".hydra", "metrics", "params", "plots", "version_0")


def _number(data: bytes) -> int:
    """Return a number that depends on all of *data*."""
    return int.from_bytes(data[:4], "big") + 31 * len(data) + sum(data[-64:])


def _said(items: Iterable[Item]) -> tuple[list[str], list[str]]:
    """Return items in order and problems in any: encodings are seen per chunk."""
    items = list(items)
    return (
        [repr(item) for item in items if not isinstance(item, Problem)],
        sorted(repr(item) for item in items if isinstance(item, Problem)),
    )


def _check(item: Item) -> None:
    """Fail where an item is not what the rest of the program relies on."""
    if isinstance(item, Point):
        assert type(item.step) is float or type(item.step) is int
        assert math.isfinite(item.step)
        assert isinstance(item.value, float | int)
        assert item.metric
        assert clean(item.metric, 700) == item.metric
    elif isinstance(item, Result):
        assert clean(item.name) == item.name
    elif isinstance(item, Hparams):
        for key in item.values:
            assert clean(key, 700) == key
    elif isinstance(item, Intent):
        assert clean(item.purpose, 2000) == item.purpose
    elif isinstance(item, Text):
        assert "\x1b" not in item.text


def read(log_format: LogFormat, data: bytes) -> None:
    """Read *data* at once and in pieces: no exception, and the same items."""
    number = _number(data)
    path = f"/top/{FOLDERS[number % len(FOLDERS)]}/{NAMES[number % len(NAMES)]}"
    try:
        whole = parse(log_format, data, path=path)
    except NotYetError:
        assert log_format.whole_file
        return
    for item in whole:
        _check(item)
    if not log_format.whole_file:
        cuts = sorted({number * k % (len(data) + 1) for k in (3, 7, 13)})
        assert _said(parse(log_format, data, cuts, path=path)) == _said(whole)


def recognised(data: bytes) -> None:
    """Ask every format whether a file is its own, under many names."""
    number = _number(data)
    for step in range(3):
        name = NAMES[(number + step) % len(NAMES)]
        folder = FOLDERS[(number // 7 + step) % len(FOLDERS)]
        beside = NAMES[: number % len(NAMES)]
        file = candidate(f"{folder}/{name}", data, beside=beside)
        claims = [each.name for each in formats() if each.matches(file)]
        claim = recognise(file)
        assert [claim[0].name] == claims[:1] if claim else not claims
        for known in claims:
            assert recognise(file, known) is not None


def yaml(data: bytes) -> None:
    """Load and flatten YAML; nothing but `YamlError` may come of it."""
    for marked in (False, True):
        try:
            value = yaml_load.load(data, marked=marked)
        except YamlError:
            continue
        flat = yaml_load.flatten(value)
        assert len(flat) <= 5001
        for item in flat.values():
            assert item is None or isinstance(item, str | int | float | bool)


def json(data: bytes) -> None:
    """Load a JSON document; nothing but its two errors may come of it."""
    try:
        load_document(data)
    except (NotYetError, BadJsonError):
        return


def text(data: bytes) -> None:
    """Mask and clean: what comes out is safe."""
    raw = data.decode("utf-8", "surrogateescape")
    redact_text(redact_text(raw))
    line = shown(raw)
    assert clean(line) == line
    for block in (shown_block(raw), shown_tail(raw)):
        assert "\x1b" not in block
        block.encode()


@cache
def _report() -> Report:
    return hostile("{{run}}<x-evil>{{metric:loss}}")


def template(data: bytes) -> None:
    """Fill any template: values are neither markup nor placeholders."""
    source = data.decode("utf-8", "replace").replace("x-evil", "")
    page = placeholders.fill_html(source, _report())
    assert "<x-evil" not in page
    placeholders.unknown(placeholders.parse(source))
    placeholders.fill(source, placeholders.values(_report()))


def marks(data: bytes) -> None:
    """Decode the state's blobs: a value, or a state that is called damaged."""
    for kind in (RunState, Snapshot, Listing):
        try:
            found = decode(summed(data, b"run"), kind, b"run", "a run")
        except StateError:
            continue
        assert decode(encode(found, b"run"), kind, b"run", "a run") is not None


_SPARE: dict[int, str] = {}


def _spare() -> Path:
    """Return a folder of this process alone, which its end removes."""
    found = _SPARE.get(os.getpid())
    if found is None:
        found = _SPARE[os.getpid()] = tempfile.mkdtemp(prefix="mlreport-fuzz-")
        atexit.register(shutil.rmtree, found, ignore_errors=True)
    return Path(found)


def database(data: bytes) -> None:
    """Look at any file as the state: never an exception, mostly not quiet."""
    overwrite(_spare() / "state.db", data)
    assert isinstance(idle.glance(str(_spare()), "key", 1e9), list | None)


def log(log_format: LogFormat, data: bytes) -> None:
    """Read *data* as a file of its own, as far as its state in bytes and back."""
    path = _spare() / "x.csv"
    overwrite(path, data)
    status = path.stat()
    file = RunFile(
        "x.csv", str(path), Signature.of(status), log_format.name, _MATCH, "by name"
    )
    logs = read_series([file], {}, Reading(status.st_mtime_ns + 10**13))
    kept = RunState(logs)
    assert decode(encode(kept, b"it"), RunState, b"it", "it") is not None


_MATCH = Match(Role.metrics)

TARGETS: dict[str, Target] = {
    **{
        f"read_{log_format.name}": partial(read, log_format) for log_format in formats()
    },
    **{
        f"log_{name}": partial(log, by_name()[name])
        for name in ("csv", "json_lines", "tensorboard", "hparams", "mlflow_database")
    },
    "recognise": recognised,
    "yaml": yaml,
    "json": json,
    "text": text,
    "template": template,
    "state_marks": marks,
    "state_database": database,
}

_TOKENS = rb"""step , ; | \t \n \r\n \0 \x1b[0m \xff\xfe \xef\xbb\xbf \xed\xa0\x80 nan
NaN inf -Infinity 1e400 -1e-400 9223372036854775808 99999999999999999999999999 0x10
1_000 true null [] {} [ { ] } " ' : - # & * << ! !! %TAG | > --- ... {{ }} {{run}}
{{key}} {% <tr> </tr> <table> <script> </script> <!-- --> password= token: ghp_ AKIA
eyJ ://a:b@ -----BEGIN epoch loss val_loss {"step":1,"loss":0.5} "a,b" r,l,t #{
[1]\ttrain-rmse:0.5 \xe2\x80\xae \xf0\x9f\x92\xa9 \\ud800 2026-01-01
!!python/object/apply:os.system"""
TOKENS = tuple(
    token.decode("unicode_escape").encode("latin-1") for token in _TOKENS.split()
)


EMPTY = (b"", b"\n")


@cache
def seeds() -> tuple[bytes, ...]:
    """Return what the small files of tests/runs and fuzz/corpus hold, once each.

    They come in an order of chance, the same each time, so that the first ones are of
    all kinds.
    """
    found = set(EMPTY)
    corpus = RUNS.parent.parent / "fuzz" / "corpus"
    for path in (*RUNS.rglob("*"), *corpus.rglob("*")):
        if path.is_file() and path.stat().st_size <= 16_000:
            data = path.read_bytes()
            found.add(data if len(data) < 2000 else data[:1200] + data[-800:])
    return tuple(sorted(found, key=lambda data: hashlib.sha256(data).digest()))


def seeds_of(target: str, most: int | None = None) -> tuple[bytes, ...]:
    """Return the seeds, *most* of them, that the reader of *target* makes something of.

    Without *most*, all of them: that is to read every seed.
    """
    if target.startswith("state_"):
        return (*EMPTY, *_state_seeds())
    log_format = by_name().get(target.partition("_")[2])
    if log_format is None:
        return seeds()
    read = (data for data in seeds() if _makes_something(log_format, data))
    found = tuple(islice(read, most))
    return (*found, *EMPTY) if found else seeds()


def _makes_something(log_format: LogFormat, data: bytes) -> bool:
    try:
        return any(not isinstance(i, Problem) for i in parse(log_format, data))
    except NotYetError:
        return False


def kept(target: str) -> list[bytes]:
    """Return the inputs that once broke *target* or led somewhere new."""
    folder = RUNS.parent.parent / "fuzz" / "corpus" / target
    return [path.read_bytes() for path in sorted(folder.glob("*"))]


def _state_seeds() -> list[bytes]:
    folder = Path(tempfile.mkdtemp())
    kept = State(str(folder))
    kept.close()
    database_bytes = (folder / "state.db").read_bytes()
    shutil.rmtree(folder)
    listing = Listing((), {}, {}, ())
    return [
        database_bytes,
        msgspec.msgpack.encode(RunState()),
        msgspec.msgpack.encode(listing),
    ]


def mutated(rng: random.Random, pool: tuple[bytes, ...]) -> bytes:
    """Return one of *pool*, changed in one to five places."""
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0:
                data[at:at] = rng.choice(TOKENS)
            case 1:
                data[at : at + rng.randint(1, 4)] = rng.choice(TOKENS)
            case 2:
                del data[at : at + rng.choice((1, 2, 8, 100))]
            case 3:
                data[at:at] = rng.randbytes(rng.choice((1, 2, 8)))
            case 4 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 5:
                end = at + rng.choice((1, 8, 60))
                data[at:at] = data[at:end] * rng.choice((1, 2, 30))
            case 6:
                other = rng.choice(pool)
                start = rng.randrange(len(other) + 1)
                data[at:at] = other[start : start + rng.choice((4, 40, 400))]
            case 7:
                del data[at:]
    return bytes(data[:20_000])
