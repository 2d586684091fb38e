"""documents.create, documents.get and the atomic documents.batchUpdate."""

import ipaddress
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from . import docs_tables as tables
from . import docs_text as text
from .docs_model import Document, blank_document, make_id
from .drive_store import Caller, DriveStore
from .errors import ApiError, NotModelledError
from .units import Kind, Unit

Edit = Callable[[Document, Mapping[str, Any]], Mapping[str, Any] | None]
_EDITS: Mapping[str, Edit] = {
    "replaceAllText": text.replace_all_text,
    "insertText": text.insert_text,
    "deleteContentRange": text.delete_content_range,
    "updateTextStyle": text.update_text_style,
    "updateParagraphStyle": text.update_paragraph_style,
    "createNamedRange": text.create_named_range,
    "deleteNamedRange": text.delete_named_range,
    "createHeader": text.create_header_or_footer("header"),
    "createFooter": text.create_header_or_footer("footer"),
    "insertPageBreak": text.insert_page_break,
    "updateDocumentStyle": text.update_document_style,
    "insertTable": tables.insert_table,
    "insertTableRow": tables.insert_table_row,
    "deleteTableRow": tables.delete_table_row,
    "updateTableCellStyle": tables.update_table_cell_style,
    "updateTableRowStyle": tables.update_table_row_style,
    "updateTableColumnProperties": tables.update_table_column_properties,
    "pinTableHeaderRows": tables.pin_table_header_rows,
}
_LONGEST_URI = 2048
_BAD_IMAGE = (
    "There was a problem retrieving the image. The provided image should be "
    "publicly accessible, within size limit, and in supported formats."
)


class DocsApi:
    """The three methods of the Docs API over the files of a `DriveStore`.

    Attributes:
        public_images: URL to image bytes that insertInlineImage can "fetch".
        answers_write_control: Whether batchUpdate's answer names the revision.
    """

    def __init__(self, store: DriveStore) -> None:
        self._store = store
        self.public_images: dict[str, bytes] = {}
        self.answers_write_control = True

    def _open(self, caller: Caller, document_id: str, *, to_write: bool) -> Document:
        try:
            file = self._store.visible(caller, document_id, any_drive=True, api="docs")
        except ApiError:
            raise ApiError(404, "Requested entity was not found.") from None
        if file.document is None:
            raise ApiError(
                400,
                "This operation is not supported for this document",
                status="FAILED_PRECONDITION",
            )
        if to_write and not self._store.can_write(caller, file):
            raise ApiError(403, "The caller does not have permission")
        return file.document

    def create(self, caller: Caller, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a blank document in the caller's My Drive."""
        if caller.is_service_account:
            raise ApiError(403, "The caller does not have permission")
        made = blank_document(body.get("title") or "Untitled document")
        self._store.add(made, owner=caller.email, app=caller.client_id)
        return made.to_json(caller.email, with_tabs=False)

    def get(
        self, caller: Caller, document_id: str, *, with_tabs: bool
    ) -> dict[str, Any]:
        """Return the whole document."""
        opened = self._open(caller, document_id, to_write=False)
        answer = opened.to_json(caller.email, with_tabs=with_tabs)
        file = self._store.files[document_id]
        if not self._store.can_write(caller, file):
            del answer["revisionId"]  # only editors get it
        return answer

    def batch_update(
        self, caller: Caller, document_id: str, body: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Apply all requests in order, or none."""
        opened = self._open(caller, document_id, to_write=True)
        self._check_revision(opened, caller, body.get("writeControl") or {})
        requests = body.get("requests") or []
        if not requests:
            raise ApiError(400, "Must specify at least one request.")
        replies = self.edit(opened, requests)
        draft = self._store.files[document_id].document or opened
        answer: dict[str, Any] = {"replies": replies}
        if self.answers_write_control:
            answer["writeControl"] = {
                "requiredRevisionId": draft.revision_id(caller.email)
            }
        answer["documentId"] = document_id
        return answer

    def edit(
        self, document: Document, requests: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Apply *requests* to a copy and store it, or raise and store nothing."""
        draft = document.copy()
        replies = [
            self._apply(draft, number, request)
            for number, request in enumerate(requests)
        ]
        draft.revision += 1
        self._store.put_document(draft)
        return replies

    def _check_revision(
        self, document: Document, caller: Caller, control: Mapping[str, Any]
    ) -> None:
        if control.get("writeMode") == "SUGGEST":
            raise NotModelledError("writeControl.writeMode SUGGEST")
        required = control.get("requiredRevisionId")
        target = control.get("targetRevisionId")
        latest = document.revision_id(caller.email)
        if required and target:
            raise ApiError(400, "oneof field 'control' is already set.")
        if required and required != latest:
            raise ApiError(
                400,
                f"The required revision ID '{required}' does not match the latest "
                "revision.",
                status="FAILED_PRECONDITION",
            )
        if target and target != latest:
            raise NotModelledError("targetRevisionId of an older revision")

    def _apply(
        self, draft: Document, number: int, request: Mapping[str, Any]
    ) -> dict[str, Any]:
        named = [name for name, value in request.items() if value is not None]
        if not named:
            raise ApiError(400, f"Invalid requests[{number}]: No request set.")
        if len(named) > 1:
            raise ApiError(
                400,
                f"Invalid value at 'requests[{number}]' (oneof), oneof field 'request' "
                f"is already set. Cannot set '{named[1]}'",
            )
        (name,) = named
        edit = self._insert_image if name == "insertInlineImage" else _EDITS.get(name)
        if edit is None:
            raise NotModelledError(f"the Docs request {name}")
        try:
            reply = edit(draft, request[name])
        except NotModelledError:
            raise
        except ApiError as error:
            error.message = f"Invalid requests[{number}].{name}: {error.message}"
            raise
        return {name: dict(reply)} if reply is not None else {}

    def _insert_image(
        self, document: Document, payload: Mapping[str, Any]
    ) -> dict[str, Any]:
        uri = payload.get("uri") or ""
        parsed = urllib.parse.urlsplit(uri)
        is_public = parsed.scheme in {"http", "https"} and not _is_private(parsed)
        if not is_public or len(uri) > _LONGEST_URI or uri not in self.public_images:
            raise ApiError(400, _BAD_IMAGE)
        segment, index = text.location(document, payload)
        object_id = make_id("kix.")
        size = payload.get("objectSize") or {
            "height": {"magnitude": 200, "unit": "PT"},
            "width": {"magnitude": 300, "unit": "PT"},
        }
        document.tab().inline_objects[object_id] = {
            "objectId": object_id,
            "inlineObjectProperties": {
                "embeddedObject": {
                    "imageProperties": {"contentUri": uri, "sourceUri": uri},
                    "size": size,
                }
            },
        }
        document.images[object_id] = self.public_images[uri]
        style = segment.insertion_style(index)
        element = {"inlineObjectElement": {"inlineObjectId": object_id}}
        segment.splice(index, index, [Unit(Kind.OBJECT, "", style, element)])
        return {"objectId": object_id}


def _is_private(parsed: urllib.parse.SplitResult) -> bool:
    host = parsed.hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host in {"", "localhost"}
