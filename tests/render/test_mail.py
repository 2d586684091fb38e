"""A mail is parsed back by the standard library and holds what was put in."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from mlreport_batch.render import Image, mail
from mlreport_batch.render.mail import compose
from mlreport_batch.safety.address import parse_address
from sample_mails import HEADER, HTML, PDF, PNG, RENDERED, RID, TEXT, body, parse


def assert_fit_for_any_server(message: bytes) -> None:
    assert message.isascii()
    assert b"\0" not in message
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message)
    assert message.endswith(b"\r\n")
    assert max(map(len, message.split(b"\r\n"))) <= 998


def test_the_parts_come_back_as_they_were():
    parsed = parse(compose(RENDERED, header=HEADER))
    assert parsed.get_content_type() == "multipart/mixed"
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "image/svg+xml",
        "application/pdf",
    ]
    assert body(parsed, "plain") == TEXT
    assert body(parsed, "related") == HTML
    images = {
        part["Content-ID"]: part.get_content()
        for part in parsed.walk()
        if part.get_content_maintype() == "image"
    }
    assert images == {"<loss>": PNG, "<acc>": b"<svg/>"}
    (pdf,) = parsed.iter_attachments()
    assert pdf.get_content() == PDF
    assert pdf.get_filename() == "gan-seed-1.pdf"
    assert pdf.get_content_disposition() == "attachment"


def test_the_headers_come_back_as_they_were():
    parsed = parse(compose(RENDERED, header=HEADER))
    assert parsed["From"] == "ML reports <ml@lab.example>"
    assert parsed["To"] == "Kim <kim@lab.example>, lee@lab.example"
    assert parsed["Subject"] == "[mlreport] gan/seed-1"
    assert parsed["Message-ID"] == f"<{RID}@lab.example>"
    assert parsed["Date"].datetime == HEADER.date.replace(microsecond=0)
    assert parsed["References"] == parsed["In-Reply-To"] == HEADER.thread_root
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(
        r"<gan-seed-1-[0-9a-f]{8}\.mlreport\.lab\.example>", parsed["List-Id"]
    )
    assert parsed["X-Mlreport-Id"] == RID
    assert parsed["MIME-Version"] == "1.0"


def test_equal_input_gives_equal_bytes_fit_for_any_server():
    first = compose(RENDERED, header=HEADER)
    assert first == compose(RENDERED, header=HEADER)
    assert_fit_for_any_server(first)
    assert first != compose(RENDERED, header=replace(HEADER, rid="f" * 26))


def test_a_report_without_pdf_and_pictures_is_a_plain_alternative():
    bare = replace(RENDERED, pdf=None, images=())
    parsed = parse(compose(bare, header=HEADER))
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_korean_names_are_folded_and_come_back_whole():
    run = "실험/생성적 적대 신경망/" + "배치 크기 열여섯 " * 12
    header = replace(
        HEADER,
        subject=mail.subject(run),
        sender='"김, 연구원" <ml@lab.example>',
        recipients=("이 연구원 <lee@lab.example>", "me@lab.example"),
        report_name=run,
        language="ko",
    )
    korean = replace(RENDERED, text="정확도 0.98\n.\n" * 50, mail_html="<p>정확도</p>")
    message = compose(korean, header=header)
    assert_fit_for_any_server(message)
    head = message.partition(b"\r\n\r\n")[0]
    assert max(map(len, head.split(b"\r\n"))) <= 78
    parsed = parse(message)
    assert parsed["Subject"] == " ".join(mail.subject(run).split())
    assert len(parsed["Subject"]) < 140
    (sender,) = parsed["From"].addresses
    assert (sender.display_name, sender.addr_spec) == ("김, 연구원", "ml@lab.example")
    assert [a.addr_spec for a in parsed["To"].addresses] == [
        "lee@lab.example",
        "me@lab.example",
    ]
    assert body(parsed, "plain") == korean.text
    assert body(parsed, "related") == korean.mail_html
    assert parsed["Content-Language"] == "ko"
    (pdf,) = parsed.iter_attachments()
    assert (
        pdf.get_filename()
        == "실험-생성적-적대-신경망-배치-크기-열여섯-배치-크기-열여섯-배치-크기.pdf"
    )
    assert pdf.get_param("name") == "report.pdf"


@pytest.mark.parametrize(
    ("run", "twin", "whole"),
    [
        ("실험/시드 3", "3.pdf", "실험-시드-3.pdf"),
        ("모델_v2.1", "_v2.1.pdf", "모델_v2.1.pdf"),
        ("정확도", "report.pdf", "정확도.pdf"),
        ("가" * 500, "report.pdf", "가" * 40 + ".pdf"),
        ("naïve", "na-ve.pdf", "naïve.pdf"),
        ("plain/run", "plain-run.pdf", "plain-run.pdf"),
    ],
)
def test_a_pdf_keeps_its_name_and_has_an_ascii_twin(run: str, twin: str, whole: str):
    message = compose(RENDERED, header=replace(HEADER, report_name=run))
    assert_fit_for_any_server(message)
    (pdf,) = parse(message).iter_attachments()
    assert pdf.get_filename() == whole
    named = pdf.get_param("name") or pdf.get_filename()
    assert named == twin


@pytest.mark.parametrize(
    "run",
    [
        "x\r\nBcc: evil@evil.example\r\n\r\n<html>",
        "x\nBcc: evil@evil.example",
        "x\x85y\u2028Bcc: evil@evil.example",
        "a\u202egnp.exe\x00\x1b[31m\udc80",
        '../../etc/a"; name=b.exe',
        "=?utf-8?q?=0D=0ABcc:_evil=40evil.example?=",
        "=?utf-8?b?DQpCY2M6IGU=?=",
        "z" * 5000,
        "가" * 5000,
        "",
        " ",
        "💥" * 90,
    ],
)
def test_a_hostile_run_name_stays_inside_the_subject(run: str):
    header = replace(
        HEADER,
        subject=mail.subject(run),
        list_id=mail.list_id(run, "lab.example"),
        report_name=run,
        thread_root=mail.thread_root_id("i1", run, "lab.example"),
    )
    message = compose(RENDERED, header=header)
    assert_fit_for_any_server(message)
    parsed = parse(message)
    plain = parse(compose(RENDERED, header=HEADER))
    assert parsed.keys() == plain.keys()
    assert parsed["Subject"].startswith("[mlreport]")
    assert not re.search(
        "[\x00-\x1f\x7f-\x9f\u2028\u202e\ud800-\udfff]", parsed["Subject"]
    )
    (pdf,) = parsed.iter_attachments()
    assert re.fullmatch(r"[\w.-]{1,80}", pdf.get_filename() or "")
    if run.startswith("=?"):
        assert run in parsed["Subject"]


@pytest.mark.no_cover
@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=200))
def test_any_text_gives_a_mail_that_parses(run: str, text: str, page: str):
    header = replace(
        HEADER,
        subject=mail.subject(run),
        report_name=run,
        list_id=mail.list_id(run, "lab.example"),
    )
    rendered = replace(RENDERED, text=text, mail_html=page, note=run)
    message = compose(rendered, header=header)
    assert_fit_for_any_server(message)
    parsed = parse(message)
    assert len(list(parsed.walk())) == 8


def test_a_subject_from_elsewhere_is_cleaned_too():
    header = replace(HEADER, subject="x\r\nBcc: evil@evil.example\x1b[0m\u202e\udc80")
    message = compose(RENDERED, header=header)
    assert b"\r\nBcc" not in message
    subject = parse(message)["Subject"]
    assert subject == "x\ufffd\ufffdBcc: evil@evil.example\ufffd\ufffd"


def test_control_characters_never_reach_a_body():
    odd = replace(RENDERED, text="a\x00b\x1b[1m\udc80\r\nc\rd", mail_html="\ud800\x0c")
    parsed = parse(compose(odd, header=HEADER))
    assert body(parsed, "plain") == "a\ufffdb\ufffd[1m\ufffd\nc\nd"
    assert body(parsed, "related") == "\ufffd\ufffd"


def test_a_pdf_over_the_cap_is_left_out_and_said():
    for language, words in (("en", "is not attached"), ("ko", "첨부하지 않았습니다")):
        header = replace(HEADER, language=language)
        parsed = parse(compose(RENDERED, header=header, max_bytes=60_000))
        assert not list(parsed.iter_attachments())
        assert words in body(parsed, "plain")
        line = rf"<p style=[^<]*{words}[^<]*</p></body>"
        assert re.search(line, body(parsed, "related"))
        assert "0.1 MB" in body(parsed, "plain")
    whole = compose(RENDERED, header=HEADER, max_bytes=10**9)
    assert compose(RENDERED, header=HEADER, max_bytes=len(whole)) == whole
    assert compose(RENDERED, header=HEADER, max_bytes=len(whole) - 1) != whole


def test_a_note_is_shown_once_and_escaped():
    parsed = parse(compose(replace(RENDERED, note="no <PDF>"), header=HEADER))
    assert body(parsed, "plain").endswith("\n\nno <PDF>\n")
    assert ">no &lt;PDF&gt;</p></body>" in body(parsed, "related")
    shown = replace(RENDERED, note="y", mail_html="<p>y</p>", text="y")
    assert body(parse(compose(shown, header=HEADER)), "plain") == "y"


def test_long_references_are_never_turned_into_encoded_words():
    domain = ".".join(["very-long-label-of-a-domain"] * 4) + ".example"
    root = mail.thread_root_id("i", "/r", domain)
    header = replace(HEADER, thread_root=root)
    message = compose(RENDERED, header=header)
    assert f"References: {root}\r\n".encode() in message
    assert f"In-Reply-To: {root}\r\n".encode() in message
    parse(message)


@pytest.mark.parametrize(
    "change",
    [
        {"rid": "a\r\nb"},
        {"rid": ""},
        {"message_id": "no brackets"},
        {"message_id": "<a@b>\r\nBcc: x@y>"},
        {"thread_root": "<a b@c>"},
        {"thread_root": "<a@b@c>"},
        {"date": datetime(2019, 12, 27)},  # noqa: DTZ001
        {"recipients": ()},
        {"recipients": ("a@b.example\r\nBcc: c@d.example",)},
        {"sender": "nobody"},
        {"list_id": "a b"},
    ],
)
def test_a_malformed_header_value_is_refused(change: dict[str, object]):
    with pytest.raises(ValueError, match=r"."):
        compose(RENDERED, header=replace(HEADER, **change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image",
    [
        Image("a\r\nb", "image/png", b"", ""),
        Image("a>b", "image/png", b"", ""),
        Image("a", "image/png\r\nX: y", b"", ""),
    ],
)
def test_a_malformed_picture_is_refused(image: Image):
    with pytest.raises(ValueError, match=r"."):
        compose(replace(RENDERED, images=(image,)), header=HEADER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("me@lab.example", ("", "me@lab.example")),
        (" me@lab.example ", ("", "me@lab.example")),
        ("<me@lab.example>", ("", "me@lab.example")),
        ("Me <me@lab.example>", ("Me", "me@lab.example")),
        ('"Doe, \\"J\\"" <j.d+ml@lab.example>', ('Doe, "J"', "j.d+ml@lab.example")),
        ("root@localhost", ("", "root@localhost")),
        ("김 <kim@연구.example>", ("김", "kim@xn--2e0bx87b.example")),
        ("김 <김.수@연구.example>", ("김", "김.수@xn--2e0bx87b.example")),
    ],
)
def test_addresses_are_taken_apart(text: str, expected: tuple[str, str]):
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not an address"),
        ("nobody", "not an address"),
        ("@lab.example", "not an address"),
        ("me@", "not an address"),
        ("Me <me@lab.example> you", "after the address"),
        ("김\u3000수@lab.example", "before the @"),
        (f"{'김' * 22}@lab.example", "before the @"),
        ("a b@lab.example", "before the @"),
        ("a@b@lab.example", "before the @"),
        ("a..b@lab.example", "before the @"),
        ("a@b.example, c@d.example", "before the @"),
        (f"{'a' * 65}@lab.example", "before the @"),
        ("a@lab..example", "not a domain"),
        ("a@-lab.example", "not a domain"),
        ("a@lab_1.example", "not a domain"),
        (f"a@{'b.' * 130}example", "not a domain"),
        ("a@lab.example\nBcc: b@c.example", "no address may hold"),
        ("x\u202ey <a@lab.example>", "no address may hold"),
        ("x" * 1000 + " <a@lab.example>", "too long"),
    ],
)
def test_what_cannot_be_mailed_to_is_refused_with_a_reason(text: str, why: str):
    with pytest.raises(ValueError, match=why) as caught:
        parse_address(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sender", "domain"),
    [
        ("ML <ml@Lab.Example>", "lab.example"),
        ("ml@localhost", "mlreport.invalid"),
        ("broken", "mlreport.invalid"),
        ("ml@연구.example", "xn--2e0bx87b.example"),
    ],
)
def test_ids_have_a_dotted_domain(sender: str, domain: str):
    assert mail.mail_domain(sender) == domain
    assert mail.message_id("r", sender) == f"<r@{domain}>"


def test_one_run_has_one_thread_and_another_run_another():
    root = mail.thread_root_id("i1", "/a", "lab.example")
    assert root == mail.thread_root_id("i1", "/a", "lab.example")
    others = {
        mail.thread_root_id("i2", "/a", "lab.example"),
        mail.thread_root_id("i1", "/b", "lab.example"),
        mail.thread_root_id("i1", "/a\udc80", "lab.example"),
    }
    assert len(others | {root}) == 4


def test_names_that_differ_only_in_odd_characters_are_different_lists():
    assert mail.list_id("a/b", "x.example") != mail.list_id("a-b", "x.example")
    assert mail.list_id("한글", "x.example").endswith(".mlreport.x.example")


def test_subjects_stay_the_same_unless_somebody_must_know():
    assert mail.subject("a/b") == "[mlreport] a/b"
    assert mail.subject("a/b", "Failed: x") == "[mlreport] a/b: Failed: x"
    assert len(mail.subject("a" * 500, "b" * 500)) < 300
    assert mail.digest_subject(12, "en", []) == "[mlreport] Runs with news"
    told = [("a/b", "Failed: x"), ("c", "Stalled: y")]
    assert mail.digest_subject(1, "en", told) == "[mlreport] a/b: Failed: x"
    assert mail.digest_subject(12, "en", told) == (
        "[mlreport] a/b: Failed: x (and 11 more runs)"
    )
    assert "11" in mail.digest_subject(12, "ko", told)


def test_a_quoted_sender_and_a_utc_date_survive():
    header = replace(
        HEADER,
        sender='"Lab; (ML)" <ml@lab.example>',
        recipients=('"=?utf-8?q?x?=" <a@lab.example>',),
        date=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    parsed = parse(compose(RENDERED, header=header))
    assert parsed["From"].addresses[0].display_name == "Lab; (ML)"
    assert parsed["To"].addresses[0].display_name == "=?utf-8?q?x?="
    assert parsed["Date"].datetime == header.date


def test_an_address_beyond_ascii_stands_as_it_is_and_nothing_else_does():
    head = replace(HEADER, recipients=("김 <김@lab.example>",), cc=("b@lab.example",))
    message = compose(RENDERED, header=head)
    wide = [line for line in message.split(b"\r\n") if not line.isascii()]
    assert wide == [" <김@lab.example>".encode()]
