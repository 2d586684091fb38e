"""Make a frozen mail lighter, for a server that takes none of its size.

First the PDF goes, then the pictures. The mail says so, in its text and its HTML; what
is left out is still among the pages, where there are pages. Only a mail that nobody has
may be changed: one Message-ID never has two contents.
"""

import binascii
import re

from mlreport_batch.language.say import say
from mlreport_batch.render.mail import noted, text_part

# As `mail.compose` puts parts together: a boundary ends in the number of its level.
_MIXED = re.compile(rb'Content-Type: multipart/mixed;\r\n boundary="(=_[^"\r\n]+_1)"')
_RELATED = re.compile(
    rb'Content-Type: multipart/related;\r\n type="text/html";'
    rb'\r\n boundary="(=_[^"\r\n]+_3)"'
)
_TEXT = re.compile(
    rb'Content-Type: text/(plain|html); charset="utf-8"\r\n'
    rb"Content-Transfer-Encoding: (base64|quoted-printable)\r\n\r\n(.*?)(?=\r\n--=_)",
    re.DOTALL,
)
_LANGUAGE = re.compile(rb"^Content-Language: (\w+)\r\n", re.MULTILINE)
_PICTURE = re.compile(r"""<img\b[^>]*\bsrc=["']cid:[^>]*>""", re.IGNORECASE)


def lighten(message: bytes) -> bytes | None:
    """Return a mail without its PDF, or else without its pictures.

    None means that it has neither, or is no mail of ours.
    """
    head = message.find(b"\r\n\r\n")
    found = _MIXED.search(message, 0, head)
    if found is not None:
        return _told(_first_alone(message, found), "left_out_pdf", keeps_pictures=True)
    found = _RELATED.search(message)
    if found is not None:
        lighter = _first_alone(message, found)
        return _told(lighter, "left_out_pictures", keeps_pictures=False)
    return None


def _first_alone(message: bytes, found: re.Match[bytes]) -> bytes | None:
    """Return *message* with the first part of a multipart in the multipart's place."""
    line = b"--" + found[1]
    start, _, rest = message[found.end() :].partition(line + b"\r\n")
    first, middle, _ = rest.partition(b"\r\n" + line + b"\r\n")
    _, last, after = rest.partition(b"\r\n" + line + b"--\r\n")
    if start.strip() or not middle or not last:
        return None
    return message[: found.start()] + first + after


def _told(message: bytes | None, key: str, *, keeps_pictures: bool) -> bytes | None:
    """Return *message* with a line more in its text and in its HTML."""
    if message is None:
        return None
    language = _LANGUAGE.search(message)
    note = say(language[1].decode() if language else "en", key)

    def with_note(part: re.Match[bytes]) -> bytes:
        subtype = part[1].decode()
        text = _decoded(part[3], part[2])
        if subtype == "plain":
            return text_part(subtype, f"{text.rstrip()}\n\n{note}\n")
        if not keeps_pictures:
            text = _PICTURE.sub("", text)
        return text_part(subtype, noted(text, note))

    lighter, count = _TEXT.subn(with_note, message)
    return lighter if count else None


def _decoded(data: bytes, encoding: bytes) -> str:
    decode = binascii.a2b_base64 if encoding == b"base64" else binascii.a2b_qp
    return decode(data).decode("utf-8", "replace").replace("\r\n", "\n")
