"""Every shape of a secret is masked in every form it comes in, and innocents stay."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import secret_shapes as shapes
from mlreport_batch.formats.kit.documents import flatten
from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.masking.redact import redact_all, redact_lines, redact_text
from mlreport_batch.safety.yaml.load import load


def block(value: object, indent: int = 0) -> str:
    """Return *value* as YAML in blocks, as people write it."""
    pad = "  " * indent
    lines = []
    items = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
    for key, item in items:
        head = f"{pad}{key}:" if isinstance(value, dict) else f"{pad}-"
        if isinstance(item, dict | list) and isinstance(value, list):
            lines.append(f"{head} {block(item, indent + 1).lstrip()}")
        elif isinstance(item, dict | list):
            lines.append(f"{head}\n{block(item, indent + 1)}")
        else:
            is_plain = not isinstance(item, str) or not set(item) & set("\n:#{}[]")
            lines.append(
                f"{head} {item if is_plain else json.dumps(item, ensure_ascii=False)}"
            )
    return "\n".join(lines)


def forms_of_values(values: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Yield *values* masked, as hyperparameters and in all kinds of texts."""
    plain = json.dumps(values, ensure_ascii=False)
    yield "hparams", json.dumps(redact_all(flatten(values)), ensure_ascii=False)
    yield "printed", json.dumps(redact_all({"config": repr(values)}))
    yield "json", redact_lines(plain)
    yield "indented", redact_lines(json.dumps(values, indent=2, ensure_ascii=False))
    yield "block", redact_lines(block(values))
    yield "rows", redact_lines("\n".join(f"{k}: {v!r}" for k, v in values.items()))


def forms_of_text(text: str) -> Iterator[tuple[str, str]]:
    """Yield *text* masked, alone, among lines, as a value and in a list."""
    yield "text", redact_text(text)
    yield "lines", redact_lines(f"first line\n{text}\nlast: 3\n")
    yield "value", str(redact_all({"note": text})["note"])
    listed = json.dumps(["train.py", text], ensure_ascii=False)
    yield "listed", str(redact_all({"items": listed})["items"])


def leaks(needles: tuple[str, ...], forms: Iterator[tuple[str, str]]) -> list[str]:
    """Return the forms in which a needle, or most of one, is found."""
    return [
        form
        for form, masked in forms
        if any(n[: max(8, len(n) * 2 // 3)] in masked for n in needles)
    ]


@pytest.mark.no_cover
@pytest.mark.parametrize("name", [*shapes.NAMES, *shapes.KOREAN_NAMES])
def test_what_a_secret_name_holds_is_masked_whatever_it_looks_like(name: str):
    [word] = needles = shapes.filled("$w", name).needles
    values: object = word
    for part in reversed(name.split(".")):
        values = {part: values}
    assert isinstance(values, dict)
    assert leaks(needles, forms_of_values(values)) == []
    option = name.replace("_", "-")
    for text in (f"{name}={word}", f"x --{option} {word}", f"f(a=1, {name}='{word}')"):
        assert leaks(needles, forms_of_text(text)) == [], text


@pytest.mark.no_cover
@pytest.mark.parametrize("line", shapes.lines(shapes.MAPPINGS))
def test_a_secret_is_masked_whose_place_says_so(line: str):
    shape = shapes.filled(line)
    values = load(shape.text.encode())
    assert isinstance(values, dict)
    assert leaks(shape.needles, forms_of_values(values)) == []


@pytest.mark.parametrize(
    "line", [*shapes.lines(shapes.COMMANDS), *shapes.lines(shapes.TEXTS)]
)
def test_a_secret_in_a_command_or_a_text_is_masked(line: str):
    shape = shapes.filled(line)
    assert leaks(shape.needles, forms_of_text(shape.text)) == []


@pytest.mark.parametrize("token", shapes.TOKENS)
def test_a_token_is_known_by_its_shape(token: str):
    shape = shapes.filled(token)
    for text in (shape.text, f"use {shape.text} now", f"run_{shape.text}/x"):
        assert leaks(shape.needles, forms_of_text(text)) == []


@pytest.mark.parametrize("line", shapes.lines(shapes.INNOCENT_VALUES))
def test_innocent_values_stay(line: str):
    values = load(line.encode())
    assert isinstance(values, dict)
    flat = flatten(values)
    assert redact_all(flat) == flat
    for text in (json.dumps(values, ensure_ascii=False), repr(values), block(values)):
        assert redact_text(text) == text
        assert redact_lines(text) == text


@pytest.mark.parametrize("line", shapes.lines(shapes.INNOCENT_TEXTS))
def test_innocent_texts_stay(line: str):
    text = line.replace("\\n", "\n")
    assert redact_text(text) == text
    assert redact_lines(text) == text
    assert redact_all({"note": text}) == {"note": text}


def test_there_are_enough_shapes_and_innocents():
    groups = (
        *(shapes.NAMES, shapes.KOREAN_NAMES, shapes.TOKENS),
        *map(shapes.lines, (shapes.MAPPINGS, shapes.COMMANDS, shapes.TEXTS)),
    )
    assert all(len(set(group)) == len(group) for group in groups)
    assert sum(map(len, groups)) >= 500
    innocents = map(shapes.lines, (shapes.INNOCENT_VALUES, shapes.INNOCENT_TEXTS))
    assert sum(map(len, innocents)) >= 150


def test_what_another_value_names_by_the_users_globs_is_masked():
    values = {"env.0.name": "my_codeword", "env.0.value": "swordfish", "x.value": "b"}
    assert redact_all(values, ["*codeword"]) == values | {"env.0.value": "***"}
    text = "- name: my_codeword\n  value: swordfish\n- name: lr\n  value: 1"
    assert "swordfish" not in redact_text(text, ["*codeword"])
    assert redact_text(text, ["*codeword"]).endswith("- name: lr\n  value: 1")


_SAFE_WORDS = st.sampled_from(
    "model data train eval lr loss layer hidden size batch epoch path name kind".split()
)
_SECRET_WORDS = st.sampled_from(
    "password passwd passphrase pwd secret credentials api_key access_key "
    "private_key auth_token access_token 비밀번호 패스워드 인증키 암호".split()
)
_STYLES = (
    "_".join,
    "-".join,
    ".".join,
    lambda parts: "_".join(parts).upper(),
    lambda parts: parts[0] + "".join(part.title() for part in parts[1:]),
)
_NAMES = st.builds(
    lambda before, word, style: style([*before, *word.split("_")]),
    st.lists(_SAFE_WORDS, max_size=3),
    _SECRET_WORDS,
    st.sampled_from(_STYLES),
)
_INNOCENT_NAMES = st.builds(
    lambda parts, style: style(parts),
    st.lists(_SAFE_WORDS, min_size=1, max_size=4),
    st.sampled_from(_STYLES),
)
# Numbers are kept in texts under names such as `auth_token`.
_WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789!@#%^*+~", min_size=8).map(
    "w".__add__
)
_NOTHINGS = st.sampled_from([None, True, False, "", "none", "null", "***", "없음"])


@pytest.mark.no_cover
@given(_NAMES, _WORDS)
def test_any_value_is_masked_under_a_name_that_ends_with_a_secret_word(
    name: str, value: str
):
    assert redact_all({name: value}) == {name: "***"}
    assert redact_all({f"x.{name}.value": value}) == {f"x.{name}.value": "***"}
    named = {"env.0.name": name, "env.0.value": value}
    assert redact_all(named) == named | {"env.0.value": "***"}
    printed = json.dumps({"lr": 0.1, name: value, "z": 1}, ensure_ascii=False)
    assert json.dumps(value) not in redact_text(printed)
    assert redact_lines(f"lr: 0.1\n{name}: {value}") == f"lr: 0.1\n{name}: ***"


@given(_NAMES, _NOTHINGS)
def test_where_there_is_no_secret_nothing_is_masked(name: str, value: Scalar):
    assert redact_all({name: value}) == {name: value}


@given(_INNOCENT_NAMES, st.text("abcdefgh _-/.", max_size=30))
def test_words_under_names_that_say_nothing_stay(name: str, value: str):
    assert redact_all({name: value}) == {name: value}
    assert redact_text(f"{name}={value}") == f"{name}={value}"
