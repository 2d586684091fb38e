"""Hyperparameters in files that are neither YAML nor JSON."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats_reading import claim, hparams_of, problems, read
from lengths import examples
from mlreport_batch.formats import Role

VALUES = (
    st.integers(-(10**9), 10**9)
    | st.floats(-1e6, 1e6, allow_nan=False)
    | st.booleans()
    | st.sampled_from(["adam", "resnet 50", "data/train", "코사인"])
)
TABLES = st.dictionaries(
    st.sampled_from(
        ["lr", "batch_size", "optimizer", "model.depth", "use-amp", "seed"]
    ),
    VALUES,
    min_size=1,
    max_size=5,
)


def as_text(kind: str, values: dict[str, Any]) -> str:
    """Return a file of that kind with *values*."""
    told = {key: json.dumps(item, ensure_ascii=False) for key, item in values.items()}
    if kind == "toml":
        return "".join(f'"{key}" = {item}\n' for key, item in told.items())
    if kind == "Namespace":
        pairs = ", ".join(f"{key}={item!r}" for key, item in values.items())
        return f"Namespace({pairs})\n"
    between = {"ini": " = ", "colon": ": ", "equal": "=", "tab": "\t"}[kind]
    text = "".join(
        f"{key}{between}{item if isinstance(item, str) else told[key]}\n"
        for key, item in values.items()
    )
    return f"[train]\n{text}" if kind == "ini" else text


@given(
    values=TABLES,
    kind=st.sampled_from(["toml", "ini", "colon", "equal", "tab", "Namespace"]),
    stem=st.sampled_from(["config", "train_args", "my_params", "hparams", "opt"]),
)
@settings(max_examples=examples(100), deadline=None)
def test_settings_in_any_dress_say_the_same(
    values: dict[str, Any], kind: str, stem: str
):
    if kind == "Namespace":
        values = {key: item for key, item in values.items() if key.isidentifier()}
        values["epochs"] = 3
    suffix = {"toml": ".toml", "ini": ".ini"}.get(kind, ".txt")
    text = as_text(kind, values)
    found = claim(f"run/{stem}{suffix}", text)
    assert found is not None
    assert found[0] == "hparams"
    seen = hparams_of(read("hparams", text, f"/top/run/{stem}{suffix}"))
    prefix = "train." if kind == "ini" else ""
    assert seen == {f"{prefix}{key}": item for key, item in values.items()}


def test_options_as_pix2pix_prints_them():
    text = (
        "----------------- Options ---------------\n"
        "               batch_size: 1                             \n"
        "                      lr: 0.0002                        \t[default: 0.1]\n"
        "                 gpu_ids: 0,1                           \n"
        "----------------- End -------------------\n"
    )
    assert claim("run/train_opt.txt", text)[1].role is Role.context
    assert hparams_of(read("hparams", text, "/top/run/train_opt.txt")) == {
        "batch_size": 1,
        "lr": 0.0002,
        "gpu_ids": "0,1",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.txt", "This run was made on Monday.\nIt is the second one.\n"),
        ("args.txt", "python train.py --lr 0.1\n"),
        ("args.txt", ""),
        ("setup.cfg", "[metadata]\nname = x\n"),
        ("pyproject.toml", "[project]\nname = 'x'\n"),
        ("requirements.txt", "numpy==1.0\n"),
    ],
)
def test_texts_that_are_no_settings(name: str, text: str):
    assert claim(f"run/{name}", text) is None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config.toml", "lr = \n"),
        ("config.ini", "[a\nlr = 1\n"),
        ("args.txt", "Namespace(lr=0.1,\n"),
        ("args.txt", "lr: 1\n" * 60 + "and so on\n"),
        ("args.txt", "Namespace(" + "(" * 5000 + "a=1"),
        ("config.toml", "a = " + "[" * 100_000),
    ],
)
def test_broken_settings_are_said_and_not_guessed(name: str, text: str):
    assert problems(read("hparams", text, f"/top/run/{name}"))
