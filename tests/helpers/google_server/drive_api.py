"""The Drive methods: copy, create, get, list, update, delete, export, sharing."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from .discovery import api_document
from .docs_model import blank_document, make_id
from .drive_query import parse_query
from .drive_store import (
    DOCUMENT_MIME,
    FOLDER_MIME,
    RANKS,
    Caller,
    DriveFile,
    DriveStore,
)
from .drive_view import file_json
from .errors import ApiError, NotModelledError
from .export import EXPORTERS, KNOWN_FORMATS, Look

Json = Mapping[str, Any]
_WRITABLE = {"name", "parents", "appProperties", "properties", "description", "starred"}
_LONGEST_PROPERTY = 124
_MOST_PROPERTIES = 30


class DriveApi:
    """Drive v3 over a `DriveStore`.

    Attributes:
        export_limit: Largest export in bytes.
        list_lag_s: Seconds until files.list finds a new file.
        list_lag_calls: Number of files.list calls that do not find a new file.
        stale_exports: Number of exports of a file that lack its last edit.
        look: What exports show.
        notifications: Addresses that were mailed about a share.
    """

    def __init__(self, store: DriveStore, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self.export_limit = 10 * 1024 * 1024
        self.list_lag_s = 0.0
        self.list_lag_calls = 0
        self.stale_exports = 0
        self.look = Look()
        self._exports: Counter[str] = Counter()
        self.notifications: list[str] = []
        self._missed: dict[str, int] = {}
        self._generated: set[str] = set()

    # -- reading --------------------------------------------------------------

    def get(
        self, caller: Caller, file_id: str, query: Json
    ) -> dict[str, Any] | tuple[bytes, str]:
        """Answer files.get, with ``alt=media`` the content of an upload."""
        file = self._file(caller, file_id, query)
        if query.get("alt") != "media":
            return file_json(self._store, caller, file)
        if file.mime_type in {DOCUMENT_MIME, FOLDER_MIME}:
            raise ApiError(
                403,
                "Only files with binary content can be downloaded. Use Export with "
                "Docs Editors files.",
                reason="fileNotDownloadable",
                location=("parameter", "alt"),
            )
        return file.content, file.mime_type

    def list_files(self, caller: Caller, query: Json) -> dict[str, Any]:
        """Answer files.list, late for new files when told to lag."""
        with_drives = bool(query.get("includeItemsFromAllDrives"))
        corpora, drive_id = query.get("corpora", "user"), query.get("driveId")
        if with_drives and not query.get("supportsAllDrives"):
            raise ApiError(
                403,
                "The includeItemsFromAllDrives parameter requires supportsAllDrives.",
                reason="teamDrivesNotSupported",
            )
        if (corpora == "drive") != bool(drive_id) or (drive_id and not with_drives):
            raise ApiError(
                400,
                "The driveId parameter must be specified if and only if corpora is "
                "set to drive.",
                reason="invalid",
            )
        test = parse_query(query["q"], caller.client_id) if "q" in query else None
        found = []
        for file in self._store.files.values():
            in_scope = (
                file.parent is not None
                and self._store.can_see(caller, file)
                and (file.drive_id is None or with_drives)
                and (not drive_id or file.drive_id == drive_id)
            )
            if in_scope and (test is None or test(file)) and not self._lags(file):
                found.append(file)
        return self._page(caller, self._ordered(found, query), query)

    def _lags(self, file: DriveFile) -> bool:
        if self._now() < file.created + self.list_lag_s:
            return True
        missed = self._missed.get(file.id, 0)
        self._missed[file.id] = missed + 1
        return missed < self.list_lag_calls

    def _ordered(self, files: list[DriveFile], query: Json) -> list[DriveFile]:
        files.sort(key=lambda file: file.modified, reverse=True)
        for key in reversed(query.get("orderBy", "").split(",")):
            name, _, direction = key.strip().partition(" ")
            read = {
                "": None,
                "createdTime": lambda file: file.created,
                "modifiedTime": lambda file: file.modified,
                "name": lambda file: file.name,
            }.get(name, NotModelledError(f"orderBy {name}"))
            if isinstance(read, ApiError):
                raise read
            if read is not None:
                files.sort(key=read, reverse=direction == "desc")
        return files

    def _page(
        self, caller: Caller, files: list[DriveFile], query: Json
    ) -> dict[str, Any]:
        start = int(query.get("pageToken", "0") or 0)
        size = query.get("pageSize", 100)
        out: dict[str, Any] = {
            "kind": "drive#fileList",
            "incompleteSearch": False,
            "files": [
                file_json(self._store, caller, f) for f in files[start : start + size]
            ],
        }
        if start + size < len(files):
            out["nextPageToken"] = str(start + size)
        return out

    def export(self, caller: Caller, file_id: str, query: Json) -> tuple[bytes, str]:
        """Answer files.export with bytes and their type."""
        file = self._file(caller, file_id, {"supportsAllDrives": True})
        if file.document is None:
            raise ApiError(
                403,
                "Export only supports Docs Editors files.",
                reason="fileNotExportable",
                location=("parameter", "alt"),
            )
        mime_type = query["mimeType"]
        if mime_type not in KNOWN_FORMATS:
            raise ApiError(
                400,
                "The requested conversion is not supported.",
                reason="badRequest",
                location=("parameter", "convertTo"),
            )
        if mime_type not in EXPORTERS:
            raise NotModelledError(f"the export to {mime_type}")
        self._exports[file_id] += 1
        is_stale = self._exports[file_id] <= self.stale_exports
        shown = file.before if is_stale and file.before else file.document
        data = EXPORTERS[mime_type](shown, self.look)
        if len(data) > self.export_limit:
            raise ApiError(
                403,
                "This file is too large to be exported.",
                reason="exportSizeLimitExceeded",
            )
        return data, mime_type

    # -- writing --------------------------------------------------------------

    def copy(
        self, caller: Caller, file_id: str, query: Json, body: Json
    ) -> dict[str, Any]:
        """Answer files.copy; the copy keeps content and indices."""
        source = self._file(caller, file_id, query)
        if source.document is None:
            raise NotModelledError("copying anything but a document")
        self._check_body(body)
        if "id" in body:
            raise _no_ids()
        parent = self._parent(caller, body, query, source)
        self._store.require_room(caller, parent)
        made = self._store.copied(source.document)
        made.title = body.get("name") or f"Copy of {source.name}"
        file = self._store.add(
            made, owner=caller.email, parent=parent.id, app=caller.client_id
        )
        if self._store.copies_keep_properties:
            file.app_properties = {k: dict(v) for k, v in source.app_properties.items()}
            file.properties = dict(source.properties)
        self._set_properties(caller, file, body)
        return file_json(self._store, caller, file)

    def create(
        self, caller: Caller, query: Json, body: Json, media: tuple[bytes, str] | None
    ) -> dict[str, Any]:
        """Answer files.create: a folder, a blank document or an uploaded file."""
        self._check_body(body)
        mime_type = body.get("mimeType") or (media[1] if media else "")
        if "id" in body and mime_type == DOCUMENT_MIME:
            raise _no_ids()
        if "id" in body and body["id"] not in self._generated:
            raise ApiError(
                400,
                "The provided file ID is not usable.",
                reason="fileIdInvalid",
                location=("body", "file.id"),
            )
        if body.get("id") in self._store.files:
            raise ApiError(
                409, "A file already exists with the provided ID.", reason="fileIdInUse"
            )
        parent = self._parent(caller, body, query, None)
        if mime_type != FOLDER_MIME:
            self._store.require_room(caller, parent)
        name = body.get("name") or "Untitled"
        if mime_type == DOCUMENT_MIME:
            if media:
                raise NotModelledError("converting an upload to a document")
            made = blank_document(name)
            file = self._store.add(
                made, owner=caller.email, parent=parent.id, app=caller.client_id
            )
        else:
            file = self._store.add_file(
                name,
                mime_type or "application/octet-stream",
                owner=caller.email,
                parent=parent.id,
                app=caller.client_id,
                file_id=body.get("id", ""),
            )
            file.content = media[0] if media else b""
        self._set_properties(caller, file, body)
        return file_json(self._store, caller, file)

    def update(
        self, caller: Caller, file_id: str, query: Json, body: Json
    ) -> dict[str, Any]:
        """Answer files.update: rename, move, trash, set properties."""
        file = self._file(caller, file_id, query)
        self._check_body(body)
        if "parents" in body:
            raise ApiError(
                403,
                "The parents field is not directly writable in update requests. Use "
                "the addParents and removeParents parameters instead.",
                reason="fieldNotWritable",
            )
        if not self._store.can_write(caller, file):
            raise _no_permission()
        if "trashed" in body and body["trashed"] != file.trashed:
            self._trash(caller, file, is_trashed=body["trashed"])
        if body.get("name"):
            file.name = body["name"]
            if file.document is not None:
                file.document.title = body["name"]
        self._set_properties(caller, file, body)
        if "addParents" in query:
            parent = self._parent(
                caller, {"parents": [query["addParents"]]}, query, None
            )
            file.parent, file.drive_id = parent.id, parent.drive_id
            file.owner = None if parent.drive_id else file.owner or caller.email
        self._store.touch(file)
        return file_json(self._store, caller, file)

    def _trash(self, caller: Caller, file: DriveFile, *, is_trashed: bool) -> None:
        if not self._store.can_trash(caller, file, for_good=False):
            raise _no_permission()
        file.trashed = file.explicitly_trashed = is_trashed
        for child in self._store.children(file.id):
            child.trashed = is_trashed or child.explicitly_trashed

    def delete(self, caller: Caller, file_id: str, query: Json) -> None:
        """Answer files.delete: gone at once, folders with all they hold."""
        file = self._file(caller, file_id, query)
        if not self._store.can_trash(caller, file, for_good=True):
            raise _no_permission()
        for child in self._store.children(file.id):
            self._store.files.pop(child.id, None)
        del self._store.files[file.id]

    def generate_ids(self, query: Json) -> dict[str, Any]:
        """Answer files.generateIds."""
        ids = [make_id("1", 32) for _ in range(query.get("count", 10))]
        self._generated.update(ids)
        return {"kind": "drive#generatedIds", "space": "drive", "ids": ids}

    def share(
        self, caller: Caller, file_id: str, query: Json, body: Json
    ) -> dict[str, Any]:
        """Answer permissions.create; people are mailed unless told not to."""
        file = self._file(caller, file_id, query)
        if not self._store.can_write(caller, file):
            raise _no_permission()
        kind, role = body.get("type"), body.get("role")
        if kind not in {"user", "group", "domain", "anyone"} or role not in RANKS:
            raise ApiError(400, "The permission type or role field is required.")
        who = body.get("emailAddress", "anyone" if kind == "anyone" else "")
        if kind in {"user", "group"} and not who:
            raise ApiError(400, "The emailAddress field is required.")
        file.roles[who] = role
        if kind in {"user", "group"} and query.get("sendNotificationEmail", True):
            self.notifications.append(who)
        self._store.touch(file)
        out = {"kind": "drive#permission", "id": make_id(), "type": kind, "role": role}
        return out | ({"emailAddress": who} if "@" in who else {})

    # -- shared ---------------------------------------------------------------

    def _file(self, caller: Caller, file_id: str, query: Json) -> DriveFile:
        any_drive = query.get("supportsAllDrives") or query.get("supportsTeamDrives")
        return self._store.visible(caller, file_id, any_drive=bool(any_drive))

    def _check_body(self, body: Json) -> None:
        properties = api_document("drive")["schemas"]["File"]["properties"]
        for name in body:
            spec = properties[name]
            if spec.get("readOnly") or spec.get("description", "").startswith(
                "Output only"
            ):
                raise ApiError(
                    403,
                    "The resource body includes fields which are not directly "
                    "writable.",
                    reason="fieldNotWritable",
                )
            if name not in _WRITABLE | {"id", "mimeType", "trashed"}:
                raise NotModelledError(f"writing the file field {name}")

    def _parent(
        self, caller: Caller, body: Json, query: Json, source: DriveFile | None
    ) -> DriveFile:
        parents = body.get("parents") or []
        if len(parents) > 1:
            raise ApiError(
                403,
                "A file cannot have more than one parent.",
                reason="cannotAddParent",
            )
        if parents:
            parent = self._file(caller, parents[0], query)
            if parent.mime_type != FOLDER_MIME:
                raise ApiError(
                    403,
                    "The specified parent is not a folder.",
                    reason="parentNotAFolder",
                )
            if not self._store.can_write(caller, parent):
                raise _no_permission()
            return parent
        if source is not None and source.parent:
            parent = self._store.files[source.parent]
            if self._store.can_write(caller, parent):
                return parent
        return self._store.files[self._store.root(caller.email)]

    def _set_properties(self, caller: Caller, file: DriveFile, body: Json) -> None:
        mine = file.app_properties.setdefault(caller.client_id, {})
        for target, changes in (
            (mine, body.get("appProperties") or {}),
            (file.properties, body.get("properties") or {}),
        ):
            for key, value in changes.items():
                if value is None:
                    target.pop(key, None)
                    continue
                if len((key + value).encode()) > _LONGEST_PROPERTY:
                    raise ApiError(
                        400,
                        "Property key and value are limited to 124 bytes.",
                        reason="invalid",
                    )
                target[key] = value
            if len(target) > _MOST_PROPERTIES:
                raise ApiError(
                    403, "Too many properties.", reason="propertyLimitExceeded"
                )


def _no_permission() -> ApiError:
    return ApiError(
        403,
        "The user does not have sufficient permissions for this file.",
        reason="insufficientFilePermissions",
    )


def _no_ids() -> ApiError:
    return ApiError(
        400,
        "Generated IDs are not supported for Docs Editors formats.",
        reason="invalid",
        location=("body", "file.id"),
    )
