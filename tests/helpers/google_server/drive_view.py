"""Files and accounts as Drive shows them."""

from collections.abc import Mapping
from typing import Any

from .drive_store import (
    DOCUMENT_MIME,
    FOLDER_MIME,
    Caller,
    DriveFile,
    DriveStore,
    rfc3339,
)
from .errors import ApiError
from .export import KNOWN_FORMATS

Json = Mapping[str, Any]


def file_json(store: DriveStore, caller: Caller, file: DriveFile) -> dict[str, Any]:
    """Return every modelled field of *file* as *caller* sees it."""
    out: dict[str, Any] = {
        "kind": "drive#file",
        "id": file.id,
        "name": file.name,
        "mimeType": file.mime_type,
        "trashed": file.trashed,
        "explicitlyTrashed": file.explicitly_trashed,
        "version": str(file.version),
        "createdTime": rfc3339(file.created),
        "modifiedTime": rfc3339(file.modified),
        "webViewLink": f"https://docs.google.com/document/d/{file.id}/edit",
        "properties": dict(file.properties),
        "appProperties": dict(file.app_properties.get(caller.client_id, {})),
        "capabilities": {
            "canEdit": store.can_write(caller, file),
            "canCopy": True,
            "canTrash": store.can_trash(caller, file, for_good=False),
            "canDelete": store.can_trash(caller, file, for_good=True),
            "canAddChildren": file.mime_type == FOLDER_MIME
            and store.can_write(caller, file),
        },
    }
    if file.mime_type == FOLDER_MIME:
        out["webViewLink"] = f"https://drive.google.com/drive/folders/{file.id}"
    if file.drive_id:
        out["driveId"] = out["teamDriveId"] = file.drive_id
    else:
        out["ownedByMe"] = file.owner == caller.email
        out["owners"] = [{"kind": "drive#user", "emailAddress": file.owner}]
    if file.parent and store.role(caller.email, store.files[file.parent]):
        out["parents"] = [file.parent]
    return out


def about_json(caller: Caller, query: Json) -> dict[str, Any]:
    """Answer about.get, which insists on ``fields``."""
    if "fields" not in query:
        raise ApiError(
            400,
            "The 'fields' parameter is required for this method.",
            reason="required",
            location=("parameter", "fields"),
        )
    limit = "0" if caller.is_service_account else str(15 * 1024**3)
    return {
        "kind": "drive#about",
        "user": {
            "kind": "drive#user",
            "displayName": caller.email.split("@")[0],
            "emailAddress": caller.email,
            "me": True,
        },
        "storageQuota": {"limit": limit, "usage": "0", "usageInDrive": "0"},
        "exportFormats": {DOCUMENT_MIME: sorted(KNOWN_FORMATS)},
    }
