"""Mailboxes: messages.send, drafts, messages.list and get, getProfile."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .docs_model import make_id
from .drive_store import Caller
from .errors import ApiError, NotModelledError

Json = Mapping[str, Any]
MAX_UPLOAD_BYTES = 36_700_160
_SCOPE = "https://www.googleapis.com/auth/gmail."
_FULL = {"https://mail.google.com/", _SCOPE + "modify", _SCOPE + "readonly"}


@dataclass(slots=True)
class Mail:
    """One message in a mailbox.

    Attributes:
        raw: The bytes as they were received from the client.
        stored: The bytes as Gmail keeps and delivers them.
    """

    id: str
    thread_id: str
    user: str
    raw: bytes
    stored: bytes
    labels: list[str]
    received: float

    def header(self, name: str) -> str:
        """Return a header of the stored message, unfolded, or ''."""
        return headers_of(self.stored).get(name.lower(), "")

    @property
    def message_id(self) -> str:
        """The Message-ID as stored."""
        return self.header("Message-ID")


@dataclass(slots=True)
class Mailbox:
    """Everything of one user."""

    messages: dict[str, Mail] = field(default_factory=dict)
    drafts: dict[str, Mail] = field(default_factory=dict)


def headers_of(raw: bytes) -> dict[str, str]:
    """Return the headers of a message by lower-case name (the first wins)."""
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0].decode("utf-8", "replace")
    out: dict[str, str] = {}
    for line in re.sub(r"\r?\n[ \t]+", " ", head).splitlines():
        name, colon, value = line.partition(":")
        if colon:
            out.setdefault(name.strip().lower(), value.strip())
    return out


class GmailApi:
    """The Gmail methods over one mailbox per user.

    Attributes:
        sent: Every mail that was really sent, in order.
        replaces_message_ids: Whether Gmail puts its own Message-ID in, keeping the
            client's as X-Google-Original-Message-ID.
        list_lag_s: Seconds until searches find a new message or draft.
        daily_limit: Messages a user may send per day.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.mailboxes: dict[str, Mailbox] = {}
        self.sent: list[Mail] = []
        self.replaces_message_ids = False
        self.list_lag_s = 0.0
        self.daily_limit: int | None = None

    def mailbox(self, user: str) -> Mailbox:
        """Return the mailbox of *user*, made when missing."""
        return self.mailboxes.setdefault(user, Mailbox())

    def check_user(self, caller: Caller, user_id: str) -> str:
        """Return the mailbox owner; service accounts have no mailbox."""
        if user_id not in {"me", caller.email}:
            raise ApiError(
                403, f"Delegation denied for {caller.email}", reason="forbidden"
            )
        if caller.is_service_account:
            raise ApiError(
                400,
                "Precondition check failed.",
                reason="failedPrecondition",
                status="FAILED_PRECONDITION",
            )
        return caller.email

    # -- sending --------------------------------------------------------------

    def send(self, user: str, body: Json, media: bytes | None) -> dict[str, Any]:
        """Answer messages.send."""
        raw = _raw(body, media)
        self._check_sendable(user, raw)
        return self._deliver(user, raw, self._thread(user, raw, body.get("threadId")))

    def create_draft(
        self, user: str, body: Json, media: bytes | None
    ) -> dict[str, Any]:
        """Answer drafts.create."""
        message = body.get("message") or {}
        raw = _raw(message, media)
        thread_id = self._thread(user, raw, message.get("threadId"))
        mail = self._store(user, raw, thread_id, ["DRAFT"])
        draft_id = (
            "r" + str(10**17 + len(self.mailbox(user).drafts)) + make_id(length=3)
        )
        self.mailbox(user).drafts[draft_id] = mail
        self.mailbox(user).messages[mail.id] = mail
        return _draft(draft_id, mail)

    def send_draft(self, user: str, body: Json, media: bytes | None) -> dict[str, Any]:
        """Answer drafts.send: the draft disappears."""
        box = self.mailbox(user)
        draft_id = body.get("id", "")
        mail = box.drafts.get(draft_id)
        if mail is None:
            raise _unknown()
        message = body.get("message") or {}
        raw = _raw(message, media) if media or message.get("raw") else mail.raw
        self._check_sendable(user, raw)
        del box.drafts[draft_id]
        del box.messages[mail.id]
        return self._deliver(user, raw, mail.thread_id)

    def delete_draft(self, user: str, draft_id: str) -> None:
        """Answer drafts.delete."""
        box = self.mailbox(user)
        if draft_id not in box.drafts:
            raise _unknown()
        del box.messages[box.drafts.pop(draft_id).id]

    def _check_sendable(self, user: str, raw: bytes) -> None:
        headers = headers_of(raw)
        recipients = " ".join(headers.get(name, "") for name in ("to", "cc", "bcc"))
        if not recipients.strip():
            raise ApiError(400, "Recipient address required", reason="invalidArgument")
        if "@" not in recipients:
            raise ApiError(400, "Invalid To header", reason="invalidArgument")
        since = self._now() - 86_400
        today = sum(m.user == user and m.received > since for m in self.sent)
        if self.daily_limit is not None and today >= self.daily_limit:
            raise ApiError(429, "User-rate limit exceeded.", reason="rateLimitExceeded")

    def _thread(self, user: str, raw: bytes, wanted: str | None) -> str:
        if not wanted:
            return ""
        thread = [
            m for m in self.mailbox(user).messages.values() if m.thread_id == wanted
        ]
        if not thread:
            raise _unknown()
        headers = headers_of(raw)
        linked = headers.get("references", "") + headers.get("in-reply-to", "")
        has_reference = any(
            mail.message_id and mail.message_id in linked for mail in thread
        )
        same_subject = _subject(headers) == _subject(headers_of(thread[0].stored))
        return wanted if has_reference and same_subject else ""

    def _deliver(self, user: str, raw: bytes, thread_id: str) -> dict[str, Any]:
        mail = self._store(user, raw, thread_id, ["SENT"])
        self.mailbox(user).messages[mail.id] = mail
        self.sent.append(mail)
        return {"id": mail.id, "threadId": mail.thread_id, "labelIds": mail.labels}

    def _store(self, user: str, raw: bytes, thread_id: str, labels: list[str]) -> Mail:
        mail_id = "19" + make_id(length=14)
        stored = raw
        if self.replaces_message_ids and "SENT" in labels:
            stored = _with_new_message_id(raw)
        return Mail(
            mail_id, thread_id or mail_id, user, raw, stored, labels, self._now()
        )

    # -- looking --------------------------------------------------------------

    def list_messages(self, user: str, caller: Caller, query: Json) -> dict[str, Any]:
        """Answer messages.list."""
        if "q" in query and not caller.scopes & _FULL:
            raise ApiError(
                403,
                "Metadata scope does not support 'q' parameter",
                reason="forbidden",
            )
        found = self._search(self.mailbox(user).messages.values(), query)
        out: dict[str, Any] = {"resultSizeEstimate": len(found)}
        if found:
            size = query.get("maxResults", 100)
            out["messages"] = [
                {"id": m.id, "threadId": m.thread_id} for m in found[:size]
            ]
        return out

    def list_drafts(self, user: str, query: Json) -> dict[str, Any]:
        """Answer drafts.list."""
        drafts = self.mailbox(user).drafts
        hits = {id(mail) for mail in self._search(drafts.values(), query)}
        found = [_draft(key, mail) for key, mail in drafts.items() if id(mail) in hits]
        for item in found:
            item["message"].pop("labelIds")
        out: dict[str, Any] = {"resultSizeEstimate": len(found)}
        return out | ({"drafts": found} if found else {})

    def get_draft(self, user: str, draft_id: str, query: Json) -> dict[str, Any]:
        """Answer drafts.get."""
        mail = self.mailbox(user).drafts.get(draft_id)
        if mail is None:
            raise _unknown()
        return {"id": draft_id, "message": _message(mail, query.get("format", "full"))}

    def get_message(
        self, user: str, caller: Caller, message_id: str, query: Json
    ) -> dict[str, Any]:
        """Answer messages.get."""
        form = query.get("format", "full")
        if form in {"full", "raw"} and not caller.scopes & _FULL:
            raise ApiError(
                403,
                f"Metadata scope doesn't allow format {form.upper()}",
                reason="forbidden",
            )
        mail = self.mailbox(user).messages.get(message_id)
        if mail is None:
            raise _unknown()
        out = _message(mail, form)
        wanted = {name.lower() for name in query.get("metadataHeaders", ())}
        if form == "metadata" and wanted:
            headers = out["payload"]["headers"]
            out["payload"]["headers"] = [
                h for h in headers if h["name"].lower() in wanted
            ]
        return out

    def profile(self, user: str) -> dict[str, Any]:
        """Answer getProfile."""
        messages = self.mailbox(user).messages.values()
        return {
            "emailAddress": user,
            "messagesTotal": len(messages),
            "threadsTotal": len({mail.thread_id for mail in messages}),
            "historyId": "1",
        }

    def _search(self, mails: Any, query: Json) -> list[Mail]:  # noqa: ANN401
        visible = [m for m in mails if m.received + self.list_lag_s <= self._now()]
        for term in re.findall(r'(?:[\w]+:)?(?:"[^"]*"|\S+)', query.get("q", "")):
            visible = [mail for mail in visible if _matches(mail, term)]
        for label in query.get("labelIds", ()):
            visible = [mail for mail in visible if label in mail.labels]
        return sorted(visible, key=lambda mail: mail.received, reverse=True)


def _matches(mail: Mail, term: str) -> bool:
    operator, colon, value = term.partition(":")
    if not colon:
        operator, value = "", term
    value = value.strip('"')
    if operator == "rfc822msgid":
        return mail.message_id.strip("<>") == value.strip("<>")
    if operator == "subject":
        return value.casefold() in mail.header("Subject").casefold()
    if operator in {"in", "label", "is"}:
        return value.upper().rstrip("S") in {x.rstrip("S") for x in mail.labels}
    if operator in {"to", "from"}:
        return value.casefold() in mail.header(operator).casefold()
    if operator:
        raise NotModelledError(f"the Gmail search operator {operator}:")
    return value.casefold() in mail.stored.decode("utf-8", "replace").casefold()


def _subject(headers: Mapping[str, str]) -> str:
    return re.sub(
        r"^(\s*(re|fwd?)\s*:)+\s*", "", headers.get("subject", ""), flags=re.IGNORECASE
    )


def _raw(message: Json, media: bytes | None) -> bytes:
    if media is not None:
        raw = media
    elif not message.get("raw"):
        raise ApiError(
            400,
            "'raw' RFC822 payload message string or uploading message via "
            "/upload/* URL required",
            reason="invalidArgument",
        )
    else:
        text = message["raw"]
        if not re.fullmatch(r"[A-Za-z0-9_-]*={0,2}", text):
            raise ApiError(
                400, f"Invalid value for ByteString: {text[:40]}", reason="invalid"
            )
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (ValueError, binascii.Error):
            raise ApiError(
                400, "Invalid value for ByteString", reason="invalid"
            ) from None
    if len(raw) > MAX_UPLOAD_BYTES:
        raise ApiError(413, "Request Entity Too Large", reason="uploadTooLarge")
    return raw


def _with_new_message_id(raw: bytes) -> bytes:
    made = f"<CA{make_id(length=20)}@mail.gmail.com>".encode()
    renamed = re.sub(
        rb"(?im)^message-id:", b"X-Google-Original-Message-ID:", raw, count=1
    )
    return b"Message-ID: " + made + b"\r\n" + renamed


def _message(mail: Mail, form: str) -> dict[str, Any]:
    out: dict[str, Any] = {
        "id": mail.id,
        "threadId": mail.thread_id,
        "labelIds": mail.labels,
        "historyId": "1",
        "internalDate": str(int(mail.received * 1000)),
        "sizeEstimate": len(mail.stored),
    }
    if form == "raw":
        out["raw"] = base64.urlsafe_b64encode(mail.stored).decode()
    if form in {"full", "metadata"}:
        head = re.split(rb"\r?\n\r?\n", mail.stored, maxsplit=1)[0]
        lines = re.sub(r"\r?\n[ \t]+", " ", head.decode("utf-8", "replace"))
        pairs = [line.partition(":") for line in lines.splitlines() if ":" in line]
        out["payload"] = {
            "mimeType": headers_of(mail.stored).get("content-type", "").split(";")[0],
            "headers": [{"name": n.strip(), "value": v.strip()} for n, _, v in pairs],
        }
    return out


def _draft(draft_id: str, mail: Mail) -> dict[str, Any]:
    message = {"id": mail.id, "threadId": mail.thread_id, "labelIds": mail.labels}
    return {"id": draft_id, "message": message}


def _unknown() -> ApiError:
    return ApiError(404, "Requested entity was not found.", reason="notFound")
