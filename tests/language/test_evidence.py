"""What is found in files, far below the reports, is told in the reader's language."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import mlreport_batch
from mlreport_batch.language.evidence import OF_OTHERS, QUOTED, SAID, in_language

PACKAGE = Path(mlreport_batch.__file__).parent
FINDERS = (
    "formats find read safety/yaml safety/child.py safety/files.py"
    " safety/contents.py safety/remote/failures.py report/view.py"
).split()
"""Where what is said of files comes from; elsewhere it stands in a ``Problem``."""
HOLE = "\x1a"
NO_SENTENCES = {
    f"turns of {HOLE}",  # a key of a reader's memory
    "CSV with a step column",  # `inspect` alone shows these three
    "CSV with decimal commas",
    "captured output; its end tells how the run ended",
    f"is longer than {HOLE} characters",  # of a wrong config
    f"is no regular expression: {HOLE}",
}
SQL = r"\b(?:SELECT|CREATE|PRAGMA|GROUP BY)\b"


def template(node: ast.AST) -> str | None:
    """Return a text, its fields as holes."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(template(part) or HOLE for part in parts)
    return None


def texts_in(node: ast.AST) -> Iterator[str]:
    """Yield the texts in *node* that may be sentences: no patterns, notes, word lists.

    ``inspect`` alone shows the notes on what a file was recognised by, in English.
    """
    text = template(node)
    match node:
        case _ if text is not None:
            yield text
        case ast.Expr(value=ast.Constant()):
            pass
        case ast.Call(func=ast.Attribute(attr="split")):
            pass
        case ast.Call(func=ast.Name(id="_sign") | ast.Attribute(attr="compile")):
            pass
        case ast.keyword(arg="note"):
            pass
        case _:
            for child in ast.iter_child_nodes(node):
                yield from texts_in(child)


def is_sentence(text: str) -> bool:
    """Return whether *text* is said: small at first, of words; quotations are not."""
    words = re.findall(r"[\w`']+", text.replace(HOLE, ""))
    if re.search(rf"[\\^$|<\n]|{SQL}", text) or re.match("[A-Z][a-z]", text):
        return False
    return " " in text and (len(words) >= 3 or (HOLE in text and len(words) > 1))


@cache
def told() -> dict[str, str]:
    """Return all that is said of files, and the module that says it."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).as_posix()
        tree = ast.parse(path.read_text("utf-8"))
        is_finder = module.startswith(tuple(FINDERS))
        nodes = [tree] if is_finder else [
            each
            for each in ast.walk(tree)
            if isinstance(each, ast.Call)
            and isinstance(each.func, ast.Name)
            and each.func.id == "Problem"
        ]  # fmt: skip
        for node in nodes:
            found |= {text: module for text in texts_in(node) if is_sentence(text)}
    return {text: at for text, at in found.items() if text not in NO_SENTENCES}


def test_whatever_is_said_of_a_file_is_there_in_korean():
    foreign = {
        text: module
        for text, module in told().items()
        if in_language(text.replace(HOLE, "7"), "ko").startswith(
            OF_OTHERS.partition("{")[0]
        )
    }
    assert foreign == {}
    assert len(told()) > 80


def test_no_sentence_stands_there_that_nobody_says():
    said = {re.sub(r"\{\w+\}", HOLE, text) for text in SAID}
    unsaid = {text for text in said if not any(_fits(text, other) for other in told())}
    assert unsaid == set()


def _fits(text: str, said: str) -> bool:
    """Return whether a sentence is *said*: a field may stand for a fixed word."""
    shape = ".+".join(map(re.escape, text.split(HOLE)))
    return re.fullmatch(shape, said, re.DOTALL) is not None


@pytest.mark.parametrize("english", sorted({**SAID, **QUOTED}))
def test_a_sentence_keeps_its_fields_and_is_korean(english: str):
    korean = {**SAID, **QUOTED}[english]
    fields = sorted(re.findall(r"\{(\w+)\}", english))
    assert sorted(re.findall(r"\{(\w+)\}", korean)) == fields
    assert re.search("[가-힣]", korean)
    filled = english.format_map({name: f"<{name}>" for name in fields})
    expected = korean.format_map({name: f"<{name}>" for name in fields})
    assert in_language(filled, "ko") == expected
    assert in_language(filled, "en") == filled


@pytest.mark.parametrize(
    ("english", "korean"),
    [
        ("cannot be read: Permission denied", "읽을 수 없음: 권한 없음"),
        (
            "no JSON (Expecting value); such lines are left out",
            "JSON이 아님 (값이 와야 함), 이런 줄은 제외함",
        ),
        (
            "lr, wd and 3 more: not as in a.yaml, which is used",
            "lr, wd 외 3개: a.yaml에 적힌 값과 달라 그 값을 씀",
        ),
        ("did not find expected key", "오류 원문: did not find expected key"),
    ],
)
def test_fields_are_said_too_and_what_others_say_is_quoted(english: str, korean: str):
    assert in_language(english, "ko") == korean


def test_what_a_field_holds_is_never_a_pattern():
    name = "a{count}(.*)"
    assert name in in_language(
        f"'x' for {name} is no number; such cells are left out", "ko"
    )
