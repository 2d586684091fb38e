"""The few calls that are made to Docs, Drive and Gmail, each by its own name.

google-api-python-client builds the requests from the discovery documents it ships;
`Carrier` sends them. Every call takes its place in the quota and knows whether it may
be repeated.
"""

import base64
import functools
import json
import threading
from collections.abc import Sequence
from typing import Any, Final

from mlreport_batch.config.channels import GoogleSettings
from mlreport_batch.google.api.account import load_account
from mlreport_batch.google.api.pace import Limiter, Pace, Patience
from mlreport_batch.google.api.transport import (
    FOREIGN,
    Carrier,
    GoogleError,
    from_answer,
    no_json,
)

DOCUMENT: Final = "application/vnd.google-apps.document"
FOLDER: Final = "application/vnd.google-apps.folder"
Json = dict[str, Any]
_VERSIONS: Final = {"docs": "v1", "drive": "v3", "gmail": "v1"}
_BUILDING = threading.Lock()
_RAW_MAX = 3_000_000  # beyond, base64 in JSON costs more than an upload
_NEWEST = 25  # mails looked at under Sent
_FILE = "id,name,webViewLink,createdTime"


class GoogleClient:
    """Calls the APIs for one account; used by several threads at once.

    Raises:
        MlreportError: There is no account for the scopes; nothing is contacted yet.
    """

    def __init__(
        self, settings: GoogleSettings, scopes: Sequence[str], pace: Pace
    ) -> None:
        self.pace = pace
        self.account = load_account(settings, scopes)
        self.patience = Patience(pace, Limiter(pace))
        self._endpoint = settings.api_endpoint
        self._carrier = Carrier(self.account, settings, pace.timeout_s)
        self.log_in = self._carrier.log_in
        self.close = self._carrier.close

    # -- Drive -------------------------------------------------------------------

    def file(self, file_id: str, fields: str) -> Json:
        """Return what Drive says about a file."""
        return self._drive("get", fileId=file_id, fields=fields)

    def address(self) -> str:
        """Return the account's own mail address; needs a scope of Drive's."""
        wanted = self._service("drive").about().get(fields="user(emailAddress)")
        return str(self._call(wanted)["user"].get("emailAddress", ""))

    def copy(self, file_id: str, body: Json) -> Json:
        """Copy a document; a lost answer is not repeated.

        Raises:
            GoogleError: ``is_lost`` when nobody knows whether there is a copy.
        """
        how: Json = {"may_repeat": False, "body": body, "fields": _FILE}
        return self._drive("copy", fileId=file_id, **how)

    def create(self, body: Json) -> Json:
        """Create a file; a lost answer is not repeated."""
        return self._drive("create", may_repeat=False, body=body, fields=_FILE)

    def find(self, rid: str) -> list[Json]:
        """Return our documents for the report *rid*, oldest first.

        The index lags: a document made seconds ago may be missing.
        """
        found = self._drive(
            "list",
            q=f"appProperties has {{ key='mlreport_rid' and value='{rid}' }}"
            " and trashed = false",
            fields=f"files({_FILE})",
            pageSize=100,
            includeItemsFromAllDrives=True,
        )
        return sorted(found.get("files", ()), key=lambda file: file["createdTime"])

    def trash(self, file_id: str) -> None:
        """Put a file into the trash, where it stays for 30 days."""
        self._drive("update", fileId=file_id, body={"trashed": True}, fields="id")

    def export(self, file_id: str, media_type: str) -> Any:  # noqa: ANN401
        """Return a new document in another format, as bytes."""
        files = self._service("drive").files()
        wanted = files.export(fileId=file_id, mimeType=media_type)
        return self._call(wanted, is_new=True)

    def _drive(self, method: str, *, may_repeat: bool = True, **options: Any) -> Json:  # noqa: ANN401
        call = getattr(self._service("drive").files(), method)
        return self._call(
            call(supportsAllDrives=True, **options), may_repeat=may_repeat
        )

    # -- Docs --------------------------------------------------------------------

    def document(self, document_id: str, *, is_new: bool = False) -> Json:
        """Return a document with all its tabs."""
        options: Json = {"includeTabsContent": True, "fields": "documentId,title,tabs"}
        documents = self._service("docs").documents()
        wanted = documents.get(documentId=document_id, **options)
        return self._call(wanted, is_new=is_new)

    def batch_update(self, document_id: str, requests: Sequence[Json]) -> None:
        """Apply *requests* to a new document, all or none; not repeated if lost."""
        options: Json = {"body": {"requests": list(requests)}, "fields": "documentId"}
        documents = self._service("docs").documents()
        made = documents.batchUpdate(documentId=document_id, **options)
        self._call(made, "docs.write", may_repeat=False, is_new=True)

    # -- Gmail -------------------------------------------------------------------

    def send(self, message: bytes, thread: str = "") -> Json:
        """Send a frozen mail once; return Gmail's ids for it and its conversation.

        It goes on with *thread*, a conversation by Gmail's id, if one is given.

        Raises:
            GoogleError: ``is_lost`` when nobody knows whether it was sent.
        """
        from googleapiclient.http import MediaInMemoryUpload

        body, media = {"threadId": thread} if thread else {}, None
        if len(message) <= _RAW_MAX:
            body["raw"] = base64.urlsafe_b64encode(message).decode("ascii")
        else:
            media = MediaInMemoryUpload(message, "message/rfc822", resumable=False)
        messages = self._service("gmail").users().messages()
        made = messages.send(
            userId="me", fields="id,threadId", body=body or None, media_body=media
        )
        return self._call(made, "gmail", may_repeat=False)

    def was_sent(self, rid: str) -> bool:
        """Return whether the mail of report *rid* is among the newest under Sent.

        Gmail may have replaced its Message-ID, and searches only for grants that may
        read mails; this header stays, and the scope gmail.metadata shows it.
        """
        messages = self._service("gmail").users().messages()
        newest: Json = {"maxResults": _NEWEST, "fields": "messages(id)"}
        found = self._call(messages.list(userId="me", labelIds=["SENT"], **newest))
        shown: Json = {"format": "metadata", "metadataHeaders": ["X-Mlreport-Id"]}
        for mail in found.get("messages", ()):
            wanted = messages.get(userId="me", id=mail["id"], fields="payload", **shown)
            headers = self._call(wanted).get("payload", {}).get("headers", ())
            if any(header["value"] == rid for header in headers):
                return True
        return False

    # -- all ---------------------------------------------------------------------

    def _call(self, built: Any, bucket: str = "", **how: bool) -> Json:  # noqa: ANN401
        """Return the answer to the request *built*, whose parameters were checked.

        It takes a place in the quota *bucket*; for *how*, see `Patience.call`.
        """
        from googleapiclient.errors import HttpError

        def once() -> Any:  # noqa: ANN401
            with self.patience.limiter.slot(bucket):
                try:
                    answer = built.execute(http=self._carrier)
                except HttpError as exc:
                    raise from_answer(exc) from exc
            if not isinstance(answer, dict | bytes):  # only an export has bytes
                # Whoever answers with a page has not passed the request on.
                was_sent = not str(answer).lstrip().startswith("<")
                raise GoogleError(200, FOREIGN, no_json(200), was_sent=was_sent)
            return answer

        found: Json = self.patience.call(once, **how)
        return found

    def _service(self, api: str) -> Any:  # noqa: ANN401
        with _BUILDING:
            return _built(api, self._endpoint)


def placed(settings: GoogleSettings) -> Json:
    """Return where ``google.folder`` puts what is made, if anywhere."""
    return {"parents": [settings.folder]} if settings.folder else {}


@functools.lru_cache(len(_VERSIONS))
def _built(api: str, endpoint: str | None) -> Any:  # noqa: ANN401
    """Return what makes requests; each is told later who carries it."""
    from googleapiclient.discovery import build_from_document
    from googleapiclient.discovery_cache import get_static_doc

    document = json.loads(get_static_doc(api, _VERSIONS[api]))
    if endpoint:
        document["rootUrl"] = endpoint.rstrip("/") + "/"
    return build_from_document(document, http=object())
