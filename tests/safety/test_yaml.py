import json
import math
import pickle
import subprocess
import sys
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlreport_batch.safety.yaml.load import flatten, load
from mlreport_batch.safety.yaml.values import MarkedMap, YamlError


def one(text: str) -> object:
    value = load(f"key: {text}\n".encode())
    assert isinstance(value, dict)
    return value["key"]


def refusal(data: bytes, **limits: int) -> YamlError:
    with pytest.raises(YamlError) as caught:
        load(data, **limits)
    return caught.value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("1e5", 100_000.0),
        (".5e-2", 0.005),
        ("-2.5E+3", -2500.0),
        ("1.", 1.0),
        ("3", 3),
        ("-0", 0),
        ("+7", 7),
        ("1_000_000", 1_000_000),
        ("0x1F", 31),
        ("0o17", 15),
        ("0b101", 5),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        (".inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_plain_scalars_are_what_a_person_means(text: str, expected: object):
    value = one(text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    "text",
    [
        *("1:30", "190:20:30", "2024-01-02", "2024-01-02T03:04:05Z", "no", "yes"),
        *("on", "off", "y", "0755", "007", "1e", "e5", "-a", ".", "1__0", "0x"),
        *("1e400", "1.2.3", "9223372036854775808", "9" * 5000, "nan", "inf", "="),
        *("0x" + "f" * 100, "1_", "+-1", "١٢", "1e٣"),
    ],
)
def test_what_only_looks_like_a_number_stays_text(text: str):
    assert one(text) == text


def test_nan_is_a_number():
    value = one(".nan")
    assert isinstance(value, float)
    assert math.isnan(value)


def test_quoted_numbers_stay_text():
    assert one("'1e-3'") == "1e-3"
    assert one('"true"') == "true"
    assert one("! 12") == "12"
    assert one("!!str 12") == "12"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("!!python/tuple [1, 2]", [1, 2]),
        ("!!python/name:torch.relu ''", "torch.relu"),
        ("!!python/module:os", "os"),
        ("!!python/complex 1+2j", "1+2j"),
        ("!!python/none None", None),
        ("!!python/long 5", 5),
        ("!!python/unicode x", "x"),
        ("!!float 3", 3.0),
        ("!!binary aGVsbG8=", "<5 bytes>"),
        ("!!binary '%'", "<0 bytes>"),
        ("!!binary a", "<binary data>"),
        ("!!python/bytes aGVsbG8=", "<5 bytes>"),
        ("!!timestamp 2024-01-02", "2024-01-02"),
        ("!!set {a: null, b: null}", ["a", "b"]),
        ("!!omap [a: 1, b: 2]", {"a": 1, "b": 2}),
        ("!!omap [1]", [1]),
        ("!Foo bar", "bar"),
        ("!Foo 0.1", 0.1),
        ("!Foo", "!Foo"),
        ("!include /etc/passwd", "/etc/passwd"),
        ("!Foo {a: 1}", {"a": 1}),
        ("!Foo [1]", [1]),
        ("!!python/object:argparse.Namespace {a: 1}", {"a": 1}),
        ("!!python/object/apply:pathlib.PosixPath [/, data, x]", "/data/x"),
        ("!!python/object/apply:pathlib.PosixPath [data, x]", "data/x"),
        ("!!python/object/apply:os.system [rm -rf x]", "os.system(rm -rf x)"),
        ("!!python/object/apply:a.Enum [2]", "a.Enum(2)"),
        ("!!python/object/apply:a.b []", "a.b()"),
        ("!!python/object/apply:a.b {args: [[1], x]}", [[1], "x"]),
        ("!!python/object/apply:a.b {}", {}),
        ("!!python/object/apply:a.b {args: null}", "a.b"),
        ("!!python/object/apply:a.b {kwds: {x: 1}}", {"x": 1}),
        ("!!python/object/new:a.List {listitems: [1, 2]}", [1, 2]),
        ("!!python/object/new:a.Dict {dictitems: {x: 1}, state: {y: 2}}", {"x": 1}),
        ("!!python/object/apply:collections.OrderedDict [x]", "x"),
        ("!!python/object/apply:a.b {other: 1}", {"other": 1}),
        ("!!python/object/apply:a.b [[1], !!binary aGk=]", [[1], "<2 bytes>"]),
        (
            "!!python/object/apply:numpy._core.multiarray.scalar [f8, aaa]",
            "aaa",
        ),
        (
            "!!python/object/apply:numpy._core.multiarray.scalar [f8, !!binary aGk=]",
            "<2 bytes>",
        ),
    ],
)
def test_tags_become_plain_values_and_nothing_runs(text: str, expected: object):
    value = one(text)
    assert value == expected
    assert json.dumps(value) == json.dumps(expected)


def test_what_python_dumps_reads_as_its_values():
    np = pytest.importorskip("numpy")
    from collections import OrderedDict, defaultdict
    from pathlib import PurePosixPath

    hparams = {
        "lr": np.float64(0.001),
        "lr_low": np.float64(0.0001),
        "half": np.float32(0.5),
        "big_endian": np.array([2.5], dtype=">f8")[0],
        "steps": np.int64(-3),
        "flag": np.bool_(True),
        "huge": np.uint64(2**64 - 1),
        "betas": (0.9, 0.999),
        "path": PurePosixPath("/data/x"),
        "ordered": OrderedDict(a=1, b=2),
        "lists": defaultdict(list, {"x": [1]}),
        "text": "한국어 " * 40,
        "none": None,
        "looks": ["1e-4", "no", "12", "2020-01-01"],
    }
    read = load(yaml.dump(hparams).encode())
    assert read == hparams | {
        "big_endian": 2.5,
        "betas": [0.9, 0.999],
        "path": "/data/x",
        "huge": "18446744073709551615",
        # PyYAML leaves 1e-4 unquoted: to every other reader it is a number.
        "looks": [0.0001, "no", "12", "2020-01-01"],
    }
    assert isinstance(read, dict)
    assert all(type(v).__module__ == "builtins" for v in read.values())


def test_keys_are_text_and_the_last_of_equal_keys_wins():
    value = load(b"1: a\n1e-3: b\ntrue: c\n~: d\n? [x, 1]\n: e\nk: 1\nk: 2\n")
    expected = {"1": "a", "1e-3": "b", "true": "c", "~": "d", '["x", 1]': "e", "k": 2}
    assert value == expected


def test_aliases_and_merge_keys_are_followed():
    value = load(
        b"base: &b {lr: 1, wd: 2}\nother: &o {wd: 3, x: 4}\n"
        b"one: {<<: *b, lr: 5}\ntwo:\n  lr: 6\n  <<: [*b, *o]\n"
        b"text: {<<: plain}\nquoted: {'<<': *b}\n"
    )
    assert isinstance(value, dict)
    assert value["one"] == {"lr": 5, "wd": 2}
    assert value["two"] == {"lr": 6, "wd": 2, "x": 4}
    assert value["text"] == {"<<": "plain"}
    assert value["quoted"] == {"<<": {"lr": 1, "wd": 2}}


@pytest.mark.parametrize("mark", ["[", "{a: ", "- ", "? ", "[{"])
@pytest.mark.parametrize("times", [65, 50_000])
def test_deep_nesting_is_refused_and_never_crashes(mark: str, times: int):
    assert "deeper than 64" in refusal((mark * times).encode()).message


def test_fifty_thousand_brackets_leave_the_process_alive():
    code = (
        "from mlreport_batch.safety.yaml.load import load, YamlError\n"
        "try:\n    load(b'[' * 900_000)\nexcept YamlError as e:\n    print(e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "line 1: nested deeper than 64 levels\n"


def test_depth_counts_what_aliases_unfold():
    rows = ["a0: &a0 [[[[[[[[[[1]]]]]]]]]]"]
    rows += [f"a{i}: &a{i} [[[[[[[[[*a{i - 1}]]]]]]]]]" for i in range(1, 8)]
    error = refusal("\n".join(rows).encode())
    assert error.message == "nested deeper than 64 levels"
    assert error.line == 7


def test_sixty_four_levels_are_allowed():
    value = load(b"[" * 64 + b"]" * 64)
    for _ in range(63):
        assert isinstance(value, list)
        (value,) = value
    assert value == []


def test_billion_laughs_is_refused_quickly():
    rows = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    names = "abcdefghij"
    for before, name in pairwise(names):
        rows.append(f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]")
    error = refusal("\n".join(rows).encode(), max_aliases=10_000)
    assert error.message == "more than 20,000 values"
    assert error.line == 5  # of ten: nothing was made of those below


def test_quadratic_alias_blowup_is_refused():
    data = b"a: &a [" + b"x," * 5_000 + b"]\nb: [" + b"*a," * 60 + b"]\n"
    assert refusal(data).message == "more than 20,000 values"


def test_more_aliases_than_allowed_are_refused():
    data = b"a: &a 1\n" + b"".join(b"k%d: *a\n" % i for i in range(65))
    assert refusal(data).message == "more than 64 aliases"
    assert refusal(data).line == 66


@pytest.mark.parametrize(
    "data", [b"a: &a [*a]", b"&a {b: *a}", b"&a [&b [*a, *b]]", b"&a {<<: *a}"]
)
def test_a_value_inside_itself_is_refused(data: bytes):
    assert "contains itself" in refusal(data).message


def test_too_many_values_or_bytes_are_refused():
    assert refusal(b"a: 1\n" * 10_001).message == "more than 20,000 values"
    assert refusal(b"#" * 1_000_001).message == "more than 1,000,000 bytes"
    assert load(b"#" * 1_000_000) is None


def test_thousands_of_tag_directives_are_refused_quickly(
    monkeypatch: pytest.MonkeyPatch,
):
    data = "".join(f"%TAG !a{i}! x\n" for i in range(50_000)) + "--- a\n"
    # Before any parser sees them, which would compare each with all before it.
    monkeypatch.setattr("mlreport_batch.safety.yaml.build.LOADER", None)
    assert "%TAG" in refusal(data.encode()).message


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (b"a: 1\nb: [1, 2\nc: 3\n", 3, "did not find expected ',' or ']'"),
        (b"a: 1\n\tb: 2\n", 2, "found a tab character that violates indentation"),
        (b"a: b: c\n", 1, "mapping values are not allowed in this context"),
        (b"a: *nowhere\n", 1, "the alias *nowhere is defined nowhere above"),
        (b"a: 1\n---\nb: 2\n", 2, "a second document begins here"),
        (b"a: 1\nb: \0\n", 2, "a NUL byte; this is not a text file"),
        ("a: 1\n".encode("utf-16-le"), 1, "a NUL byte; this is not a text file"),
        (b'a: "\\ud800"\n', 1, "found invalid Unicode character escape code"),
        (b"a: 'x\n", 2, "found unexpected end of stream"),
    ],
)
def test_broken_yaml_is_named_with_its_line(data: bytes, line: int, message: str):
    error = refusal(data)
    assert error.line == line
    assert error.message.startswith(message)
    assert str(error) == f"line {line}: {error.message}"


def test_errors_survive_the_way_between_processes():
    error = pickle.loads(pickle.dumps(refusal(b"a: *b")))
    assert (error.line, error.message) == (1, refusal(b"a: *b").message)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "ascii"]
)
def test_every_byte_order_mark_is_understood(encoding: str):
    text = "a: 1\n" if encoding == "ascii" else "a: 1\n# 한국어\n"
    assert load(text.encode(encoding)) == {"a": 1}
    assert load("\ufeffa: 1\n".encode("utf-16-be")) == {"a": 1}


def test_bad_bytes_and_control_characters_become_replacement_marks():
    value = load(b"a: x\xffy\nb: x\x1b[31m\nc: \xef\xbf\xbe\n")
    assert value == {"a": "x\ufffdy", "b": "x\ufffd[31m", "c": "\ufffd"}


@pytest.mark.parametrize("data", [b"", b"\n", b"# only a comment\n", b"---\n", b"~"])
def test_an_empty_document_is_none(data: bytes):
    assert load(data) is None


def test_marked_values_know_their_lines_and_problems():
    value = load(
        b"# head\nmail:\n  to: [a,\n    b]\n  to: c\nx: !!python/name:os.system ''\n"
        b"y: &y {p: 1}\nz:\n  <<: *y\n",
        marked=True,
    )
    assert isinstance(value, MarkedMap)
    assert value.lines == {"mail": 2, "x": 6, "y": 7, "z": 8}
    assert value["mail"].line == 3
    assert value["z"].lines == {"p": 7}
    assert value.problems == [
        (5, "'to' is already set in line 3"),
        (6, "the tag !!python/name:os.system has no meaning here"),
    ]
    listed = load(b"- a\n- - b\n", marked=True)
    assert listed.lines == [1, 2]


scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text()
# YAML looks for the colon of a key within 1,024 characters; an escape takes 12.
names = st.text(max_size=80)
documents = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(names, inner),
    max_leaves=20,
)


@pytest.mark.no_cover
@given(documents)
def test_json_is_read_as_json_reads_it(document: object):
    text = json.dumps(document, ensure_ascii=True).replace("\\ud", "\\\\ud")
    assert load(text.encode()) == json.loads(text)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_value_or_a_refusal(data: bytes):
    try:
        json.dumps(load(data))
    except YamlError:
        return


def test_nested_mappings_flatten_with_dots_and_lists_become_json():
    value = {
        "optim": {"lr": 0.1, "betas": [0.9, 0.999], "deep": {"er": {}}},
        "layers": [{"n": 1}, {"n": 2, "act": None}, 3],
        "empty": [],
        "nested": [[1], ["한"]],
        "holds": [[{"a": 1}]],
        "hollow": [{}, []],
        7: True,
        "tuple": (1, 2),
        "big": 2**70,
        "huge": 2**16_000,
        "path": {"p": type("P", (), {"__str__": lambda _: "shown"})()},
        "nan": [math.nan],
    }
    assert flatten(value) == {
        "optim.lr": 0.1,
        "optim.betas": "[0.9, 0.999]",
        "optim.deep.er": "{}",
        "layers.0.n": 1,
        "layers.1.n": 2,
        "layers.1.act": None,
        "layers.2": 3,
        "empty": "[]",
        "nested": '[[1], ["한"]]',
        "holds.0.0.a": 1,
        "hollow": "[{}, []]",
        "7": True,
        "tuple": "[1, 2]",
        "big": str(2**70),
        "huge": hex(2**16_000),
        "path.p": "shown",
        "nan": "[NaN]",
    }


def test_a_list_on_top_flattens_by_index_and_a_scalar_to_nothing():
    assert flatten(["a=1", "b=2"]) == {"0": "a=1", "1": "b=2"}
    assert flatten(None) == {}
    assert flatten("text") == {}
    assert flatten({"a": {"b": 1}}, sep="/") == {"a/b": 1}


def test_a_cut_is_said():
    flat = flatten({str(i): {"x": i} for i in range(10)}, max_items=3)
    assert flat == {"0.x": 0, "1.x": 1, "2.x": 2, "…": "cut after 3 values"}


@pytest.mark.no_cover
def test_pyyaml_without_libyaml_is_guarded_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("mlreport_batch.safety.yaml.build.LOADER", yaml.SafeLoader)
    assert load(b"a: &x [1e-3, !!python/tuple [1]]\nb: *x\n") == {
        "a": [0.001, [1]],
        "b": [0.001, [1]],
    }
    assert "deeper than 64" in refusal(b"[" * 50_000).message
    assert "not YAML" in refusal(b'"\\UFFFFFFFF"').message
