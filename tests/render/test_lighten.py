# ruff: noqa: TID253 - only the product loads it late
"""A mail without its PDF, then without its pictures, is still a whole mail."""

import re
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlreport_batch.language.say import say
from mlreport_batch.render import Rendered
from mlreport_batch.render.lighten import lighten
from mlreport_batch.render.mail import MailHeader, compose
from sample_mails import HEADER, HTML, PDF, RENDERED, TEXT, body, parse

KEPT = ("Message-ID", "Date", "From", "To", "Subject", "References", "List-Id")


def test_first_the_pdf_goes_then_the_pictures_then_nothing():
    whole = compose(RENDERED, header=HEADER)
    without_pdf = _lighter(whole)
    without_pictures = _lighter(without_pdf)
    assert _types(parse(without_pdf)) == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/svg+xml",
    ]
    assert _types(parse(without_pictures)) == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert lighten(without_pictures) is None
    assert len(without_pictures) < len(without_pdf) < len(whole)
    assert len(without_pdf) < len(whole) - len(PDF)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_mail_says_what_is_left_out(language: str):
    mail = compose(RENDERED, header=replace(HEADER, language=language))
    for keys in (["left_out_pdf"], ["left_out_pdf", "left_out_pictures"]):
        mail = _lighter(mail)
        for kind in ("plain", "html"):
            text = body(parse(mail), kind)
            for key in keys:
                assert text.count(say(language, key)) == 1
    assert "<img" not in text
    assert "cid:" not in text
    assert text.index(say(language, "left_out_pdf")) < text.index("</body>")


def test_nothing_else_changes():
    mail = compose(RENDERED, header=HEADER)
    lighter = _lighter(_lighter(mail))
    for name in KEPT:
        assert parse(lighter)[name] == parse(mail)[name]
    assert body(parse(lighter), "plain").startswith(TEXT.rstrip())
    assert HTML.partition("<img")[0] in body(parse(lighter), "html")


def test_equal_mails_stay_equal():
    mail = compose(RENDERED, header=HEADER)
    assert lighten(mail) == lighten(mail)


@pytest.mark.parametrize("mail", [b"", b"mail", b"\r\n\r\n", b"a: b\r\n\r\nc"])
def test_what_is_no_mail_of_ours_is_left_as_it_is(mail: bytes):
    assert lighten(mail) is None


def test_a_mail_that_is_torn_is_left_as_it_is():
    mail = compose(RENDERED, header=HEADER)
    last = mail.rindex(b"--=_")
    assert lighten(mail[:last]) is None


_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=400)


@pytest.mark.no_cover
@given(text=_TEXTS, page=_TEXTS, language=st.sampled_from(["en", "ko"]))
def test_whatever_a_mail_says_it_still_says(text: str, page: str, language: str):
    rendered = Rendered(
        mail_html=f"<html><body>{page}</body></html>\n",
        page_html="",
        text=text,
        pdf=PDF,
        images=RENDERED.images,
    )
    header: MailHeader = replace(HEADER, language=language)
    lighter = _lighter(compose(rendered, header=header))
    shown = body(parse(lighter), "plain")
    assert shown == f"{text.rstrip()}\n\n{say(language, 'left_out_pdf')}\n"
    assert page in body(parse(lighter), "html")
    assert all(len(line) <= 78 for line in lighter.split(b"\r\n"))
    assert lighter.isascii()
    assert not re.search(rb"(?<!\r)\n", lighter)


def _lighter(mail: bytes) -> bytes:
    lighter = lighten(mail)
    assert lighter is not None
    return lighter


def _types(mail: EmailMessage) -> list[str]:
    return [part.get_content_type() for part in mail.walk()]
