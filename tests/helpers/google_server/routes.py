"""Which model method answers which API method."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .docs_api import DocsApi
from .drive_api import DriveApi
from .drive_store import Caller
from .drive_view import about_json
from .fields import parse_mask
from .gmail import GmailApi

Json = Mapping[str, Any]


@dataclass(slots=True)
class Request:
    """A call that passed every check."""

    caller: Caller
    params: Mapping[str, str]
    query: Json
    body: Json
    media: tuple[bytes, str] | None = None

    @property
    def raw_media(self) -> bytes | None:
        """The uploaded bytes."""
        return self.media[0] if self.media else None


def make_routes(
    docs: DocsApi, drive: DriveApi, gmail: GmailApi
) -> Mapping[str, Callable[[Request], Any]]:
    """Return the handlers by method id."""

    def user(r: Request) -> str:
        return gmail.check_user(r.caller, r.params["userId"])

    def file(r: Request) -> str:
        return r.params["fileId"]

    return {
        "docs.documents.create": lambda r: docs.create(r.caller, r.body),
        "docs.documents.get": lambda r: docs.get(
            r.caller, r.params["documentId"], with_tabs=_wants_tabs(r.query)
        ),
        "docs.documents.batchUpdate": lambda r: docs.batch_update(
            r.caller, r.params["documentId"], r.body
        ),
        "drive.about.get": lambda r: about_json(r.caller, r.query),
        "drive.files.copy": lambda r: drive.copy(r.caller, file(r), r.query, r.body),
        "drive.files.create": lambda r: drive.create(
            r.caller, r.query, r.body, r.media
        ),
        "drive.files.delete": lambda r: drive.delete(r.caller, file(r), r.query),
        "drive.files.export": lambda r: drive.export(r.caller, file(r), r.query),
        "drive.files.generateIds": lambda r: drive.generate_ids(r.query),
        "drive.files.get": lambda r: drive.get(r.caller, file(r), r.query),
        "drive.files.list": lambda r: drive.list_files(r.caller, r.query),
        "drive.files.update": lambda r: drive.update(
            r.caller, file(r), r.query, r.body
        ),
        "drive.permissions.create": lambda r: drive.share(
            r.caller, file(r), r.query, r.body
        ),
        "gmail.users.getProfile": lambda r: gmail.profile(user(r)),
        "gmail.users.messages.send": lambda r: gmail.send(user(r), r.body, r.raw_media),
        "gmail.users.messages.list": lambda r: gmail.list_messages(
            user(r), r.caller, r.query
        ),
        "gmail.users.messages.get": lambda r: gmail.get_message(
            user(r), r.caller, r.params["id"], r.query
        ),
        "gmail.users.drafts.create": lambda r: gmail.create_draft(
            user(r), r.body, r.raw_media
        ),
        "gmail.users.drafts.send": lambda r: gmail.send_draft(
            user(r), r.body, r.raw_media
        ),
        "gmail.users.drafts.get": lambda r: gmail.get_draft(
            user(r), r.params["id"], r.query
        ),
        "gmail.users.drafts.list": lambda r: gmail.list_drafts(user(r), r.query),
        "gmail.users.drafts.delete": lambda r: gmail.delete_draft(
            user(r), r.params["id"]
        ),
    }


def _wants_tabs(query: Json) -> bool:
    in_mask = "fields" in query and "tabs" in parse_mask(query["fields"])
    return bool(query.get("includeTabsContent")) or in_mask
