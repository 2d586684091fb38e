"""No number that a file states is absent from both what is read and its problems."""

import csv
import json
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from formats_reading import found_runs, reread
from mlreport_batch.formats import (
    Hparams,
    Item,
    NotYetError,
    Point,
    Problem,
    Progress,
    Result,
    Text,
)
from mlreport_batch.formats.kit.bookkeeping import is_bookkeeping
from mlreport_batch.formats.kit.numbers import to_number, value_of
from places import ROOT

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson")
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")

# What is passed over on purpose, by format: docs/formats.md says so.
PASSED_OVER = {
    "allennlp": {"best_epoch", "best_validation_loss"},  # of an earlier row
    "json_lines": {"seed"},  # mmcv's line about the machine
    "keras_tuner": {"values", "default", "best_step"},  # of what else was tried
    "llamafactory": {"percentage"},  # of a plan
    # Settings that differ from trial to trial, and the numbers of those without value.
    "optuna": {"number", "params_lr", "params_momentum", "params_width"},
    "ray_progress": {"pid"},
    "ray_result": {"pid"},
    "sb3_monitor": {"t"},  # a clock
    "trainer_state": {"num_input_tokens_seen", "total_flos"},  # of the state itself
    "wandb_history": {"size"},  # of media
    "wandb_metadata": {"cpu_count", "exitcode"},
    "wandb_summary": {"size", "ncols", "nrows"},  # of media
}


def files() -> Iterator[tuple[str, Path, str]]:
    """Yield (name, file, format) of what is read in the fixtures."""
    cases = [*(ROOT / "tests/runs").iterdir(), *(ROOT / "tests/field").iterdir()]
    for case in sorted(filter(Path.is_dir, cases)):
        tree = case / "tree" if (case / "tree").exists() else case
        for run in found_runs(tree).values():
            for file in run.files:
                if file.match and file.full_path.endswith(SUFFIXES):
                    path = Path(file.full_path)
                    yield str(path.relative_to(ROOT / "tests")), path, file.format


def told(items: Iterable[Item]) -> set[object]:
    """Return all numbers in what was read."""
    numbers: set[object] = set()
    for item in items:
        match item:
            case Point():
                numbers |= {item.value, item.step}
            case Result():
                numbers.add(value_of(item.value))
            case Progress():
                numbers |= {item.step, item.total}
            case Hparams():
                numbers |= set(map(value_of, item.values.values()))
                texts = (value for value in item.values.values() if type(value) is str)
                numbers |= {float(n) for text in texts for n in NUMBER.findall(text)}
            case Text():
                numbers |= set(map(float, NUMBER.findall(item.text)))
    return {key(number) for number in numbers if number is not None}


def key(number: object) -> object:
    return "nan" if isinstance(number, float) and math.isnan(number) else number


def stated(path: Path, text: str) -> Iterator[tuple[str, float]]:
    """Yield (name, number) of all numbers in a file that are no steps or clocks."""
    found = _in_table(text) if path.suffix in (".csv", ".tsv") else _in_json(text)
    for name, number in found:
        if not is_bookkeeping(name):
            yield name, number


def _in_table(text: str) -> Iterator[tuple[str, float]]:
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    separator = max(",;\t|", key=lines[0].count) if lines else ","
    header, *rows = csv.reader(lines, delimiter=separator) if lines else [[]]
    if any(to_number(name) is not None for name in header):
        return  # no header: all of it is told, or nothing
    for row in rows:
        if len(row) == len(header):
            for name, cell in zip(header, row, strict=True):
                if (number := to_number(cell.strip())) is not None:
                    yield name.strip(), number


def _in_json(text: str) -> Iterator[tuple[str, float]]:
    try:
        yield from _leaves(json.loads(text), "")
    except ValueError:
        for line in text.splitlines():
            try:
                yield from _leaves(json.loads(line), "")
            except ValueError:
                continue


def _leaves(value: object, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for inner, item in value.items():
            yield from _leaves(item, str(inner))
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, name)
    elif not isinstance(value, str) and (number := value_of(value)) is not None:
        yield name, number


def lost_in(path: Path, form: str) -> set[str]:
    """Return what a file states and nobody tells."""
    try:
        text = path.read_text("utf-8-sig")
        items = reread(form, path.read_bytes(), str(path))
    except (UnicodeDecodeError, NotYetError):
        return set()  # said as a problem, or read once it is whole
    if any(isinstance(item, Problem) for item in items):
        return set()
    known, passed_over = told(items), PASSED_OVER.get(form, set())
    return {
        f"{where} = {number}"
        for where, number in stated(path, text)
        if key(number) not in known and where not in passed_over
    }


def test_no_number_of_a_file_is_lost_in_silence():
    found = list(files())
    assert len(found) > 200
    lost = {name: lost_in(path, form) for name, path, form in found}
    assert {name: numbers for name, numbers in lost.items() if numbers} == {}
