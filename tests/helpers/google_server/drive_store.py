"""Files, folders and shared drives, and who may do what with them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .docs_model import Document, make_id
from .errors import ApiError
from .units import newline

DOCUMENT_MIME = "application/vnd.google-apps.document"
FOLDER_MIME = "application/vnd.google-apps.folder"
_DRIVE = "https://www.googleapis.com/auth/drive"
_DOCUMENTS = "https://www.googleapis.com/auth/documents"
# with none of these, a token sees only the files of its own app
_WIDE_SCOPES = {
    "drive": {
        _DRIVE,
        _DRIVE + ".readonly",
        _DRIVE + ".metadata",
        _DRIVE + ".metadata.readonly",
    },
    "docs": {_DRIVE, _DRIVE + ".readonly", _DOCUMENTS, _DOCUMENTS + ".readonly"},
}
RANKS = {"reader": 1, "commenter": 2, "writer": 3, "fileOrganizer": 4, "organizer": 5}
RANKS["owner"] = 6


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf, through which app and with which scopes a call is made."""

    email: str
    client_id: str
    scopes: frozenset[str]
    is_service_account: bool


@dataclass(slots=True)
class DriveFile:
    """One file or folder.

    Attributes:
        owner: Email, or None in a shared drive.
        apps: Client ids that made the file or opened it with a picker.
        app_properties: Private properties by client id.
        roles: Role by email, as shared on this very file.
        before: The document as it was before the last edit.
    """

    id: str
    name: str
    mime_type: str
    parent: str | None
    owner: str | None
    drive_id: str | None
    created: float
    modified: float
    version: int = 1
    trashed: bool = False
    explicitly_trashed: bool = False
    apps: set[str] = field(default_factory=set)
    app_properties: dict[str, dict[str, str]] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    creator: str = ""
    document: Document | None = None
    before: Document | None = None
    content: bytes = b""


@dataclass(slots=True)
class SharedDrive:
    """A shared drive with its members' roles by email."""

    id: str
    name: str
    members: dict[str, str]


class DriveStore:
    """All files of the pretended world.

    Attributes:
        full_accounts: Emails whose storage is full.
        copies_keep_properties: Whether files.copy carries properties over.
        copies_keep_named_ranges: Whether files.copy carries named ranges over.
        copies_keep_indices: Whether everything in a copy stands where it stood.
        copies_keep_tab_ids: Whether a copy's tabs have the ids that they had.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.files: dict[str, DriveFile] = {}
        self.drives: dict[str, SharedDrive] = {}
        self.full_accounts: set[str] = set()
        self.copies_keep_properties = True
        self.copies_keep_named_ranges = True
        self.copies_keep_indices = True
        self.copies_keep_tab_ids = True
        self._roots: dict[str, str] = {}

    # -- filling --------------------------------------------------------------

    def root(self, email: str) -> str:
        """Return the id of the My Drive folder of *email*."""
        if email not in self._roots:
            file_id = "0A" + make_id(length=17)
            self._roots[email] = file_id
            self.files[file_id] = DriveFile(
                file_id, "My Drive", FOLDER_MIME, None, email, None, 0.0, 0.0
            )
        return self._roots[email]

    def add_shared_drive(self, name: str, members: dict[str, str]) -> SharedDrive:
        """Make a shared drive; roles are organizer, fileOrganizer, writer, …"""
        drive = SharedDrive("0A" + make_id(length=17), name, members)
        self.drives[drive.id] = drive
        self.files[drive.id] = DriveFile(
            drive.id, name, FOLDER_MIME, None, None, drive.id, 0.0, 0.0
        )
        return drive

    def add(
        self,
        document: Document,
        *,
        owner: str | None = None,
        parent: str | None = None,
        app: str | None = None,
        roles: dict[str, str] | None = None,
    ) -> DriveFile:
        """Put a document into *parent* (default: the owner's My Drive)."""
        file = self.add_file(
            document.title,
            DOCUMENT_MIME,
            owner=owner,
            parent=parent,
            app=app,
            roles=roles,
            file_id=document.document_id,
        )
        file.document = document
        return file

    def add_file(
        self,
        name: str,
        mime_type: str,
        *,
        owner: str | None = None,
        parent: str | None = None,
        app: str | None = None,
        roles: dict[str, str] | None = None,
        file_id: str = "",
    ) -> DriveFile:
        """Make a file; in a shared drive nobody owns it."""
        if parent is None:
            if owner is None:
                raise ValueError("say whose My Drive, or which folder")
            parent = self.root(owner)
        drive_id = self.files[parent].drive_id
        now = self._now()
        file = DriveFile(
            file_id or "1" + make_id(length=32),
            name,
            mime_type,
            parent,
            None if drive_id else owner,
            drive_id,
            now,
            now,
            roles=dict(roles or {}),
            creator=owner or "",
        )
        if app:
            file.apps.add(app)
        self.files[file.id] = file
        return file

    def copied(self, document: Document) -> Document:
        """Return a copy with an id of its own, as Drive makes it."""
        made = document.copy(make_id("1", 43), "")
        for tab in made.tabs:
            if not self.copies_keep_indices:
                tab.segment(None).splice(1, 1, [newline()])
            if not self.copies_keep_tab_ids:
                tab.tab_id = make_id("t.")
            if not self.copies_keep_named_ranges:
                for segment in tab.segments.values():
                    segment.ranges = []
        return made

    def put_document(self, document: Document) -> None:
        """Store a new state of a document."""
        file = self.files[document.document_id]
        file.before, file.document = file.document, document
        self.touch(file)

    def touch(self, file: DriveFile) -> None:
        """Count a change of *file*."""
        file.version += 1
        file.modified = self._now()

    # -- rights ---------------------------------------------------------------

    def role(self, email: str, file: DriveFile) -> int:
        """Return the rank of *email* on *file*, 0 for no access."""
        best = 0
        seen: DriveFile | None = file
        while seen is not None:
            if seen.owner == email:
                best = max(best, RANKS["owner"])
            for who in (email, "anyone"):
                best = max(best, RANKS.get(seen.roles.get(who, ""), 0))
            seen = self.files.get(seen.parent) if seen.parent else None
        if file.drive_id:
            members = self.drives[file.drive_id].members
            best = max(best, RANKS.get(members.get(email, ""), 0))
        return best

    def can_see(self, caller: Caller, file: DriveFile, api: str = "drive") -> bool:
        """Tell whether *file* exists for *caller* (rights and drive.file)."""
        if not self.role(caller.email, file):
            return False
        if file.mime_type == FOLDER_MIME and file.parent is None:
            return True  # My Drive itself and shared drives
        return bool(caller.scopes & _WIDE_SCOPES[api]) or caller.client_id in file.apps

    def can_write(self, caller: Caller, file: DriveFile) -> bool:
        """Tell whether *caller* may edit *file*."""
        return self.role(caller.email, file) >= RANKS["writer"]

    def can_trash(self, caller: Caller, file: DriveFile, *, for_good: bool) -> bool:
        """Tell whether *caller* may trash (or delete for good) *file*."""
        role = self.role(caller.email, file)
        if file.drive_id:
            return role >= RANKS["organizer" if for_good else "fileOrganizer"]
        return role >= RANKS["owner"]

    def visible(
        self, caller: Caller, file_id: str, *, any_drive: bool, api: str = "drive"
    ) -> DriveFile:
        """Return a file or answer as if it did not exist.

        Args:
            caller: Who asks.
            file_id: The id; ``root`` is the caller's My Drive.
            any_drive: What ``supportsAllDrives`` says.
            api: Whose scopes count, ``drive`` or ``docs``.
        """
        if file_id == "root":
            file_id = self.root(caller.email)
        file = self.files.get(file_id)
        hidden = (
            file is None
            or not self.can_see(caller, file, api)
            or (file.drive_id is not None and not any_drive)
        )
        if hidden or file is None:
            raise ApiError(
                404,
                f"File not found: {file_id}.",
                reason="notFound",
                location=("parameter", "fileId"),
            )
        return file

    def require_room(self, caller: Caller, parent: DriveFile) -> None:
        """Refuse when the new file would need storage that the caller lacks."""
        if parent.drive_id:
            return
        if caller.is_service_account:
            raise ApiError(
                403,
                "Service Accounts do not have storage quota. Leverage shared drives "
                "(https://developers.google.com/workspace/drive/api/guides/"
                "about-shareddrives), or use OAuth delegation "
                "(http://support.google.com/a/answer/7281227) instead.",
                reason="storageQuotaExceeded",
            )
        if caller.email in self.full_accounts:
            raise ApiError(
                403,
                "The user's Drive storage quota has been exceeded.",
                reason="storageQuotaExceeded",
            )

    def children(self, file_id: str) -> Iterable[DriveFile]:
        """Return everything below a folder."""
        for file in list(self.files.values()):
            if file.parent == file_id:
                yield file
                yield from self.children(file.id)


def rfc3339(seconds: float) -> str:
    """Return a time as Drive writes it."""
    stamp = datetime.fromtimestamp(seconds, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"
