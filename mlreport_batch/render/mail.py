"""Put a rendered report into one frozen mail.

Equal input gives equal bytes: boundaries come from the report's id, the date is
given, nothing is drawn at random. The bytes are pure 7-bit ASCII with CRLF line
ends and short lines, so no server needs 8BITMIME or SMTPUTF8 to carry them, unless
an address itself has other letters before its @: those have no form in ASCII.

The parts are put together here and not by `email.message`: CPython folds long
references into encoded words and has refolded addresses wrongly
(CVE-2025-1795), and a frozen mail should not depend on the patch level.
"""

import base64
import binascii
import hashlib
import html
import os
import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.language.say import say
from mlreport_batch.render import Image, Rendered
from mlreport_batch.safety.address import ATEXT, DOMAIN, mail_domain, parse_address
from mlreport_batch.safety.clean import REPLACEMENT, clean

MAX_MAIL_BYTES = 25_000_000

_WORDS = re.compile(rf"{ATEXT}(?: {ATEXT})*")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]+@[!-;=?A-~]+>")  # printable, no <, >, @
_RID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CID = re.compile(r"[A-Za-z0-9._@-]{1,80}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+")

_UNSAFE_IN_BODY = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")

_LINE_MAX = 76
_NAME_MAX = 80
_WIDE_MAX = 40  # a syllable of Hangul takes nine bytes there
_SUBJECT_MAX = 120
_VALUE_MAX = 600  # characters of one header value; a line may have 998
_WORD_BYTES = 42  # 56 in base64, 68 with its frame, 77 after "Subject: "
_ASCII = bytes(range(128))


class MailHeader(Struct, frozen=True):
    """What a mail says about itself, as plain values.

    Attributes:
        rid: The report's id; boundaries are made from it.
        message_id: As `message_id` makes it, with its angle brackets.
        date: When the report was made; aware.
        sender: ``Name <address>`` or a bare address.
        recipients: Likewise, for the To line. Only from the config.
        cc: Likewise, for the Cc line.
        reply_to: Where answers go, or None.
        subject: Any text; as `subject` or `digest_subject` make it.
        thread_root: As `thread_root_id` makes it, or None outside a thread.
        list_id: As `list_id` makes it, or empty.
        report_name: Names the PDF; what is no letter or digit is replaced.
        language: ``en`` or ``ko``.
    """

    rid: str
    message_id: str
    date: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    thread_root: str | None = None
    list_id: str = ""
    report_name: str = "report"
    language: str = "en"
    cc: tuple[str, ...] = ()
    reply_to: str | None = None


def compose(
    rendered: Rendered, *, header: MailHeader, max_bytes: int = MAX_MAIL_BYTES
) -> bytes:
    """Return the finished mail, equal for equal arguments.

    A PDF that would make the mail larger than *max_bytes* is left out, and the
    mail says so. A note of the renderer that its text does not show is shown too.

    Raises:
        ValueError: A header value is malformed; config and tick prevent that.
    """
    rendered = _with_notice(rendered, rendered.note)
    message = _message(rendered, header)
    if rendered.pdf is not None and len(message) > max_bytes:
        notice = say(
            header.language,
            "pdf_too_large",
            size=f"{len(rendered.pdf) / 1e6:.1f} MB",
            limit=f"{max_bytes / 1e6:.0f} MB",
        )
        message = _message(_with_notice(replace(rendered, pdf=None), notice), header)
    return message


def message_id(rid: str, sender: str) -> str:
    """Return the Message-ID of report *rid* sent by *sender*."""
    return f"<{rid}@{mail_domain(sender)}>"


def thread_root_id(instance: str, run_path: str, domain: str) -> str:
    """Return the id that all mails about one run refer to.

    No mail bears it; mail programs group by it all the same.
    """
    key = instance.encode() + b"\0" + os.fsencode(run_path)
    return f"<run-{hashlib.sha256(key).hexdigest()[:26]}@{domain}>"


def list_id(run: str, domain: str) -> str:
    """Return the List-Id of a run's mails, for filters (RFC 2919)."""
    label = re.sub(r"[^A-Za-z0-9]+", "-", run).strip("-")[-40:].strip("-")
    mark = hashlib.sha256(run.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return ".".join(("-".join(filter(None, (label, mark))), "mlreport", domain))


def subject(run: str, told: str = "") -> str:
    """Return the subject of a mail about *run*.

    That of a mail on its progress never changes: Gmail splits a thread where the
    subject does. What somebody must know at once stands in it.

    Args:
        run: Its name.
        told: What somebody must know at once, or empty.
    """
    name = _short(run)
    return f"[mlreport] {name}: {_short(told)}" if told else f"[mlreport] {name}"


def digest_subject(runs: int, language: str, told: Sequence[tuple[str, str]]) -> str:
    """Return the subject of one mail about several runs.

    Args:
        runs: How many.
        language: Of the subject.
        told: What somebody must know at once: (run, what), the gravest first.
    """
    if not told:
        return f"[mlreport] {say(language, 'digest_subject')}"
    first = subject(*told[0])
    if runs == 1:
        return first
    return say(language, "digest_subject_more", first=first, more=f"{runs - 1:,}")


def _short(text: str) -> str:
    text = clean(text, _VALUE_MAX)
    if len(text) > _SUBJECT_MAX:
        text = f"{text[:40]}…{text[41 - _SUBJECT_MAX :]}"
    return text


def _message(rendered: Rendered, header: MailHeader) -> bytes:
    body = _multipart(
        "alternative",
        f"=_{header.rid}_2",
        [text_part("plain", rendered.text), _html_part(rendered, header.rid)],
    )
    if rendered.pdf is not None:
        twin, name = _names(header.report_name)
        pdf = _file_part(
            "application/pdf", rendered.pdf, f"attachment;\r\n {name}", twin=twin
        )
        body = _multipart("mixed", f"=_{header.rid}_1", [body, pdf])
    return _headers(header).encode() + body + b"\r\n"


def _headers(header: MailHeader) -> str:
    from email.utils import format_datetime

    if not _RID.fullmatch(header.rid):
        raise ValueError(f"{header.rid!r} cannot be a report's id")
    if header.date.tzinfo is None:
        raise ValueError("a mail's date needs a time zone")
    if not header.recipients:
        raise ValueError("a mail needs a recipient")
    thread = header.thread_root
    for ref in (header.message_id, thread):
        if ref is not None and not _MESSAGE_ID.fullmatch(ref):
            raise ValueError(f"{ref!r} is not a message id")
    lines = [
        f"Date: {format_datetime(header.date)}",
        f"From: {_mailbox(header.sender)}",
        _addresses("To", header.recipients),
        *([_addresses("Cc", header.cc)] if header.cc else []),
        *([_addresses("Reply-To", [header.reply_to])] if header.reply_to else []),
        f"Subject: {_unstructured(header.subject, used=len('Subject: '))}",
        f"Message-ID: {header.message_id}",
    ]
    if thread:
        lines += [
            f"In-Reply-To: {thread}",
            f"References: {thread}",
        ]
    if header.list_id:
        if not DOMAIN.fullmatch(header.list_id):
            raise ValueError(f"{header.list_id!r} cannot be a List-Id")
        lines.append(f"List-Id: <{header.list_id}>")
    lines += [
        # RFC 3834. The second is Exchange's; non-delivery reports stay wanted.
        "Auto-Submitted: auto-generated",
        "X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply",
        # Gmail may replace the Message-ID; this one stays.
        f"X-Mlreport-Id: {header.rid}",
        f"Content-Language: {'ko' if header.language == 'ko' else 'en'}",
        "MIME-Version: 1.0",
    ]
    return "\r\n".join(lines) + "\r\n"


def _addresses(field: str, texts: Sequence[str]) -> str:
    return f"{field}: " + ",\r\n ".join(map(_mailbox, texts))


def _mailbox(text: str) -> str:
    name, address = parse_address(text)
    if not name:
        return address
    if not name.isascii() or "=?" in name:
        name = _encoded_words(name)
    elif not _WORDS.fullmatch(name):
        name = '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return f"{name}\r\n <{address}>"


def _unstructured(text: str, *, used: int) -> str:
    """Return *text* for a header, folded; *used* is the length of its name."""
    words = clean(text, _VALUE_MAX).split()
    value = " ".join(words)
    # A run called "=?utf-8?..." must not be decoded by whoever reads the mail.
    if not value.isascii() or "=?" in value or any(len(w) > _LINE_MAX for w in words):
        return _encoded_words(value)
    folded = ""
    for word in words:
        if folded and used + 1 + len(word) > _LINE_MAX:
            folded, used = f"{folded}\r\n {word}", 1 + len(word)
        else:
            folded, used = f"{folded} {word}", used + 1 + len(word)
    return folded.lstrip(" ")


def _encoded_words(text: str) -> str:
    """Return *text* as RFC 2047 words of at most 75 characters, one a line."""
    chunks = [b""]
    for character in text:
        data = character.encode()
        if len(chunks[-1]) + len(data) > _WORD_BYTES:
            chunks.append(b"")
        chunks[-1] += data
    return "\r\n ".join(
        f"=?utf-8?B?{base64.b64encode(chunk).decode('ascii')}?=" for chunk in chunks
    )


def _multipart(
    kind: str, boundary: str, parts: Sequence[bytes], more: str = ""
) -> bytes:
    # "=_" occurs neither in base64 nor in quoted-printable, so no body holds it.
    head = f'Content-Type: multipart/{kind};{more}\r\n boundary="{boundary}"\r\n\r\n'
    line = f"--{boundary}\r\n".encode("ascii")
    inner = b"".join(line + part + b"\r\n" for part in parts)
    return head.encode("ascii") + inner + f"--{boundary}--\r\n".encode("ascii")


def _html_part(rendered: Rendered, rid: str) -> bytes:
    page = text_part("html", rendered.mail_html)
    if not rendered.images:
        return page
    images = [_image_part(image) for image in rendered.images]
    more = '\r\n type="text/html";'  # RFC 2387 asks for it
    return _multipart("related", f"=_{rid}_3", [page, *images], more)


def text_part(subtype: str, text: str) -> bytes:
    """Return *text* as a MIME part of 7-bit lines; a line break is LF or CRLF."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    data = _UNSAFE_IN_BODY.sub(REPLACEMENT, lines).encode()
    foreign = len(data.translate(None, _ASCII))
    # Quoted-printable triples a foreign byte, base64 adds a third to everything.
    if foreign * 6 > len(data):
        encoding, body = "base64", _base64(data.replace(b"\n", b"\r\n"))
    else:
        encoding = "quoted-printable"
        body = binascii.b2a_qp(data, istext=True).replace(b"\n", b"\r\n")
    head = (
        f'Content-Type: text/{subtype}; charset="utf-8"\r\n'
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return head.encode("ascii") + body


def _image_part(image: Image) -> bytes:
    if not _CID.fullmatch(image.cid):
        raise ValueError(f"{image.cid!r} cannot name a picture")
    suffix = image.media_type.rpartition("/")[2].partition("+")[0]
    name = _file_name(image.cid.partition("@")[0], suffix=f".{suffix}")
    disposition = f'inline;\r\n filename="{name}"\r\nContent-ID: <{image.cid}>'
    return _file_part(image.media_type, image.data, disposition)


def _file_part(
    media_type: str, data: bytes, disposition: str, *, twin: str = ""
) -> bytes:
    if not _MEDIA_TYPE.fullmatch(media_type):
        raise ValueError(f"{media_type!r} is not a media type")
    head = (
        f"Content-Type: {media_type}{twin}\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: {disposition}\r\n\r\n"
    )
    return head.encode("ascii") + _base64(data)


def _base64(data: bytes) -> bytes:
    text = binascii.b2a_base64(data, newline=False)
    # One call and slices: `base64.encodebytes` makes a call a line, at thrice the cost.
    return b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def _names(text: str) -> tuple[str, str]:
    """Return the parameters that name a PDF, of its media type and its disposition.

    A name beyond ASCII stands in the second by RFC 2231, as its twin in the first for
    programs that do not know it; twice in one header is once too often.
    """
    from urllib.parse import quote

    plain = _file_name(text)
    whole = re.sub(r"[^\w.-]+", "-", text.removesuffix(".pdf"))[:_WIDE_MAX].strip("-.")
    if whole.isascii() or not whole:
        return "", f'filename="{plain}"'
    wide = quote(whole, errors="replace")
    return f';\r\n name="{plain}"', f"filename*=utf-8''{wide}.pdf"


def _file_name(text: str, *, suffix: str = ".pdf") -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text.removesuffix(suffix)).strip("-.")
    return (name[: _NAME_MAX - len(suffix)] or "report") + suffix


def _with_notice(rendered: Rendered, notice: str) -> Rendered:
    if not notice:
        return rendered
    text, page = rendered.text, rendered.mail_html
    if notice not in text:
        text = f"{text.rstrip()}\n\n{notice}\n"
    if html.escape(notice) not in page and notice not in page:
        page = noted(page, notice)
    return replace(rendered, text=text, mail_html=page)


def noted(page: str, note: str) -> str:
    """Return an HTML *page* of any template with a line more at its end."""
    style = "margin:12px;font-size:13px;line-height:18px;color:#5c6570"
    line = f'<p style="{style}">{html.escape(note)}</p>'
    before, end, after = page.rpartition("</body>")
    return f"{before}{line}{end}{after}" if end else f"{page}{line}"
