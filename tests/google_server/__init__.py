"""An independent loopback Google: Docs, Drive and Gmail for tests.

It shares no code with the package under test. Requests are checked against the
discovery documents, documents are kept in a model where an index is a list position,
and anything the model does not know is a loud 501 instead of a friendly guess.
"""

from . import build, faults
from .auth import RefreshToken, ServiceAccount
from .docs_model import Document
from .drive_store import DriveFile
from .gmail import Mail
from .server import Call, GoogleServer

__all__ = [
    "Call",
    "Document",
    "DriveFile",
    "GoogleServer",
    "Mail",
    "RefreshToken",
    "ServiceAccount",
    "build",
    "faults",
]
