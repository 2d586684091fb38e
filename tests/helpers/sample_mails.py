# ruff: noqa: TID253 - only the product loads it late
"""A rendered report with all parts of a mail, and mails read back."""

import email
import email.policy
from datetime import datetime, timedelta, timezone
from email.message import EmailMessage

from mlreport_batch.render import Image, Rendered, mail
from mlreport_batch.render.mail import MailHeader

RID = "0123456789abcdef0123456789"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
PDF = b"%PDF-1.7\r\n.\r\n..\nFrom here\n" + bytes(range(256)) * 300
TEXT = "val_acc 0.98\n.\n..dots\nFrom here  \n= equals\n\ttab\n" + "x" * 3000 + "\n"
HTML = f"<html><body><p>{'y' * 2000}</p>\n<img src='cid:loss'></body></html>\n"
RENDERED = Rendered(
    mail_html=HTML,
    page_html="<html></html>",
    text=TEXT,
    pdf=PDF,
    images=(
        Image("loss", "image/png", PNG, "loss"),
        Image("acc", "image/svg+xml", b"<svg/>", "accuracy"),
    ),
)
HEADER = MailHeader(
    rid=RID,
    message_id=mail.message_id(RID, "ML reports <ml@lab.example>"),
    date=datetime(2019, 12, 27, 9, 30, 0, 123456, timezone(timedelta(hours=9))),
    sender="ML reports <ml@lab.example>",
    recipients=("Kim <kim@lab.example>", "lee@lab.example"),
    subject=mail.subject("gan/seed-1"),
    thread_root=mail.thread_root_id("i1", "/data/gan/seed-1", "lab.example"),
    list_id=mail.list_id("gan/seed-1", "lab.example"),
    report_name="gan-seed-1",
)


def parse(message: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert not [d for part in parsed.walk() for d in part.defects]
    for part in parsed.walk():
        assert not [d for h in part.values() for d in getattr(h, "defects", ())]
    return parsed


def body(parsed: EmailMessage, kind: str) -> str:
    part = parsed.get_body((kind,))
    assert part is not None
    if part.get_content_type() == "multipart/related":
        part = next(iter(part.iter_parts()))  # type: ignore[assignment]
    return part.get_content().replace("\r\n", "\n")
