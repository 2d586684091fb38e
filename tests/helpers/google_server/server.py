"""The loopback server: HTTP, tokens, checks, quotas, faults and the call log."""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from .auth import AuthServer, TokenError
from .discovery import (
    Method,
    Route,
    api_of_path,
    check_json,
    check_query,
    find_route,
)
from .docs_api import DocsApi
from .docs_model import Document
from .drive_api import DriveApi
from .drive_store import DriveStore
from .errors import (
    ApiError,
    NotModelledError,
    error_json,
    insufficient_scopes,
    invalid_credentials,
)
from .faults import Fault, FaultBook
from .fields import apply_mask, check_mask, parse_mask
from .gmail import GmailApi
from .http_layer import Answer, Incoming, LoopbackServer, parse_media
from .quotas import Quotas
from .routes import Request, make_routes

Json = Mapping[str, Any]
_DEFAULT_FIELDS = {
    "drive.files.list": (
        "kind,incompleteSearch,nextPageToken,"
        "files(kind,id,name,mimeType,driveId,teamDriveId)"
    ),
}
_FILE_FIELDS = "kind,id,name,mimeType,driveId,teamDriveId"


@dataclass(slots=True)
class Call:
    """One line of the call log.

    ``status`` is 0 when no answer was sent; ``applied`` tells whether the call
    reached the model and was accepted there.
    """

    at: float
    method_id: str
    http_method: str
    path: str
    query: Json
    body: Any
    user: str = ""
    status: int = 0
    fault: str = ""
    applied: bool = False
    error: str = ""


class GoogleServer:
    """Docs, Drive and Gmail on a loopback port; use it as a context manager.

    Attributes:
        auth: Accounts, tokens and credential files.
        store: Files and shared drives; add templates here.
        docs: Switches of the Docs API.
        drive: Switches of the Drive API.
        gmail: Mailboxes and what was sent.
        quotas: Rate limits, off by default.
        faults: Planned faults; see `faults`.
        calls: The log of all calls.
    """

    def __init__(self) -> None:
        self._offset = 0.0
        self._lock = threading.RLock()
        self.closing = threading.Event()
        self.auth = AuthServer(self.now, lambda: self.url + "/token")
        self.store = DriveStore(self.now)
        self.docs = DocsApi(self.store)
        self.drive = DriveApi(self.store, self.now)
        self.gmail = GmailApi(self.now)
        self.quotas = Quotas()
        self.faults = FaultBook()
        self.calls: list[Call] = []
        self._routes = make_routes(self.docs, self.drive, self.gmail)
        self._http = LoopbackServer(self.handle, self.closing)
        self._thread = threading.Thread(
            target=self._http.serve_forever,
            kwargs={"poll_interval": 0.02},
            daemon=True,
        )

    # -- life -----------------------------------------------------------------

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The base address, without a slash at the end."""
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def now(self) -> float:
        """Return the server's time: the machine's, plus what tests advanced."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Let the server's clock jump."""
        self._offset += seconds

    # -- for tests ------------------------------------------------------------

    def fail(
        self, method_id: str, fault: Fault, *, nth: int = 1, times: int = 1
    ) -> None:
        """Plan *fault* for the *nth* call of a method from now on."""
        self.faults.add(method_id, fault, nth=nth, times=times)

    def before(self, method_id: str, hook: Callable[[], Any], *, nth: int = 1) -> None:
        """Run *hook* just before a call is handled (an edit by somebody else)."""
        fault = Fault("hook", applied=True, hook=hook)
        self.faults.add(method_id, fault, nth=nth)

    def document(self, document_id: str) -> Document:
        """Return the current state of a document (every edit makes a new one)."""
        found = self.store.files[document_id].document
        if found is None:
            raise KeyError(document_id)
        return found

    def edit(self, document_id: str, *requests: Json) -> list[dict[str, Any]]:
        """Apply Docs requests as somebody else in the editor, outside the log."""
        with self._lock:
            return self.docs.edit(self.document(document_id), requests)

    def count(self, method_id: str, *, applied_only: bool = False) -> int:
        """Return how often a method was called."""
        with self._lock:
            return sum(
                call.method_id == method_id and (call.applied or not applied_only)
                for call in self.calls
            )

    @property
    def counter(self) -> Counter[str]:
        """Calls by method id."""
        with self._lock:
            return Counter(call.method_id for call in self.calls)

    def clear_log(self) -> None:
        """Forget the calls so far."""
        with self._lock:
            self.calls.clear()

    # -- one request ----------------------------------------------------------

    def handle(self, incoming: Incoming) -> Answer:
        """Answer one HTTP request; faults are carried out by the HTTP layer."""
        call = Call(
            self.now(), "?", incoming.http_method, incoming.path, incoming.query, None
        )
        with self._lock:
            self.calls.append(call)
        answer = self._answer(incoming, call)
        is_silent = answer.fault and answer.fault.cut in {"close", "reset"}
        call.status = 0 if is_silent else answer.status
        return answer

    def _answer(self, incoming: Incoming, call: Call) -> Answer:
        if incoming.path in {"/token", "/o/oauth2/auth"}:
            return self._oauth(incoming, call)
        api = api_of_path(incoming.path)
        fault: Fault | None = None
        try:
            route = find_route(incoming.http_method, incoming.path)
            api, call.method_id = route.method.api, route.method.id
            fault = self._start(call)
            if fault and not fault.applied:
                return self._faulty(fault, api, None)
            answer = self._run(route, incoming, call)
        except ApiError as error:
            call.error = error.message
            answer = _error_answer(error, api)
        return self._faulty(fault, api, answer)

    def _start(self, call: Call) -> Fault | None:
        fault = self.faults.take(call.method_id)
        if fault is not None:
            call.fault = fault.name
            if fault.hook is not None:
                fault.hook()
            if fault.hang_s and not fault.cut:
                self.closing.wait(fault.hang_s)
        return fault

    @staticmethod
    def _faulty(fault: Fault | None, api: str, answer: Answer | None) -> Answer:
        if fault is None or (not fault.cut and fault.error is None):
            return answer or Answer(500, b"", "text/plain")
        if fault.error is not None:
            answer = _error_answer(fault.error, api)
            if fault.body is not None:
                answer.body, answer.mime_type = fault.body, fault.mime_type
                if fault.location:
                    answer.headers = {"Location": fault.location}
        answer = answer or Answer(200, b"{}", "application/json")
        answer.fault = fault
        return answer

    def _run(self, route: Route, incoming: Incoming, call: Call) -> Answer:
        method = route.method
        token = incoming.headers.get("authorization", "").removeprefix("Bearer ")
        caller = self.auth.caller(token)
        if caller is None:
            raise invalid_credentials(method.api)
        call.user = caller.email
        if method.scopes and not method.scopes & caller.scopes:
            raise insufficient_scopes(method.api)
        query = check_query(method, incoming.query)
        body, media = _read_body(route, incoming, query)
        call.body = body
        if media is not None:
            call.body = {**body, "media": media[0]}
        mask = _mask_of(method, query)
        handler = self._routes.get(method.id)
        if handler is None:
            raise NotModelledError(f"the method {method.id}")
        with self._lock:
            self.quotas.spend(method.id, caller.email, self.now)
            result = handler(Request(caller, route.params, query, body, media))
            call.applied = True
            if isinstance(result, tuple):
                return Answer(200, *result)
            if result is None:
                return Answer(204, b"", "")
            check_json(method.api, method.response_schema or "", result)
            shown = apply_mask(mask, result)
            text = json.dumps(shown, ensure_ascii=False, indent=2)
        return Answer(200, text.encode(), "application/json; charset=UTF-8")

    def _oauth(self, incoming: Incoming, call: Call) -> Answer:
        call.method_id = incoming.path.rpartition("/")[2]
        fault = self._start(call)
        if fault and fault.error and fault.body is None and not fault.applied:
            text = {
                "error": fault.error.reason,
                "error_description": fault.error.message,
            }
            return Answer(fault.error.code, json.dumps(text).encode())
        answer: Answer | None = None
        if not fault or fault.applied:
            with self._lock:
                answer = self._oauth_answer(incoming, call)
        return self._faulty(fault, "docs", answer)

    def _oauth_answer(self, incoming: Incoming, call: Call) -> Answer:
        try:
            if call.method_id == "auth":
                query = {key: values[0] for key, values in incoming.query.items()}
                where = self.auth.authorize(query)
                return Answer(302, b"", "text/plain", {"Location": where})
            call.body = incoming.form()
            result = self.auth.token(call.body)
            call.applied = True
            call.user = self.auth.grants[-1].user
        except TokenError as error:
            call.error = str(error)
            return Answer(error.code, json.dumps(error.body).encode())
        return Answer(200, json.dumps(result).encode())


def _mask_of(method: Method, query: Json) -> dict[str, Any]:
    schema = method.response_schema
    if schema is None:
        return {}
    default = _DEFAULT_FIELDS.get(
        method.id, _FILE_FIELDS if (method.api, schema) == ("drive", "File") else ""
    )
    text = query.get("fields", default)
    if not text:
        return {}
    mask = parse_mask(text)
    check_mask(method.api, schema, mask)
    return mask


def _read_body(
    route: Route, incoming: Incoming, query: Json
) -> tuple[dict[str, Any], tuple[bytes, str] | None]:
    schema = route.method.request_schema
    media: tuple[bytes, str] | None = None
    text: bytes = incoming.body
    if route.is_upload:
        text, media = parse_media(incoming, query.get("uploadType", ""))
    elif text and incoming.content_type != "application/json":
        raise ApiError(
            400, f"Invalid content type {incoming.content_type!r}: use JSON."
        )
    if not text:
        return {}, media
    if schema is None:
        raise ApiError(400, "This method takes no request body.")
    with contextlib.suppress(ValueError):
        body = json.loads(text.decode(), parse_constant=_no_constant)
        check_json(route.method.api, schema, body)
        return body, media
    raise ApiError(400, "Invalid JSON payload received. Parse error.")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _error_answer(error: ApiError, api: str) -> Answer:
    headers = {}
    if error.retry_after is not None:
        headers["Retry-After"] = f"{error.retry_after:g}"
    if error.code == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="https://accounts.google.com/"'
    body = json.dumps(error_json(error, api), indent=2).encode()
    return Answer(error.code, body, headers=headers)
