"""Text of Korean Windows is read, and no other bytes are taken for it."""

import json
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlreport_batch.commands.inspect import look_at
from mlreport_batch.safety.encoding import to_text

HANGUL = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1)


@given(words=st.lists(HANGUL, min_size=1, max_size=5), mark=st.sampled_from(",:\t "))
def test_hangul_is_read_in_both_encodings(words: list[str], mark: str):
    text = "\n".join(f"loss{mark}{word}" for word in words)
    assert to_text(text.encode()) == text
    lines = text.encode("cp949").split(b"\n")
    assume(not any(map(is_utf8, lines)))  # as a single letter of many is
    assert to_text(b"\n".join(lines)) == text


def is_utf8(line: bytes) -> bool:
    try:
        return bool(line.decode())
    except UnicodeDecodeError:
        return False


@given(st.binary())
def test_other_bytes_are_what_they_were(data: bytes):
    found = to_text(data)
    if not any("\uac00" <= letter <= "\ud7a3" for letter in found):
        lines = (line.decode("utf-8", "replace") for line in data.split(b"\n"))
        assert found == "\n".join(lines)


@pytest.mark.parametrize("text", ["café crème", "Größe: 5 µm", "naïve £5"])
def test_latin_letters_are_no_hangul(text: str):
    data = text.encode("latin-1")
    assert to_text(data) == data.decode("utf-8", "replace")


def test_logs_and_settings_of_korean_windows_are_read(tmp_path: Path):
    files = {
        "train_log.csv": "에폭,손실,정확도\n1,0.5,0.6\n2,0.4,0.7\n",
        "config.yaml": "학습률: 0.1\n모델: 레스넷\n",
        "args.json": json.dumps({"모델": "나"}, ensure_ascii=False),
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode("cp949"))
    [looked] = look_at([str(tmp_path)])
    assert {n: m.last for n, m in looked.view.metrics.items()} == {
        "손실": 0.4,
        "정확도": 0.7,
    }
    assert looked.view.hparams == {"모델": "나", "학습률": 0.1}
