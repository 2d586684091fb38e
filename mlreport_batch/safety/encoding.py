"""Bytes as text: UTF-8, or the code page of Korean Windows."""

_HANGUL = "\uac00", "\ud7a3"


def to_text(data: bytes) -> str:
    """Return *data* as text, each of its lines by itself.

    A line is UTF-8. One that is not may be code page 949, in which programs on Korean
    Windows write by default, if that makes Hangul of it. Else its wrong bytes become
    U+FFFD.
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "\n".join(map(_of_line, data.split(b"\n")))


def _of_line(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        pass
    try:
        text = line.decode("cp949")
    except UnicodeDecodeError:
        return line.decode("utf-8", "replace")
    others = [letter for letter in text if not letter.isascii()]
    hangul = sum(_HANGUL[0] <= letter <= _HANGUL[1] for letter in others)
    return text if 2 * hangul > len(others) else line.decode("utf-8", "replace")
