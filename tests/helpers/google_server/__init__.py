"""An independent loopback Google: Docs, Drive and Gmail for tests.

It shares no code with the package under test. Requests are checked against the
discovery documents, documents are kept in a model where an index is a list position,
and anything the model does not know is a loud 501 instead of a friendly guess.

    with GoogleServer() as server:
        template = build.document("{{date}}", build.Table([["Key"], ["{{key}}"]]), "")
        server.store.add(template, owner="me@lab.example")
        consent = server.auth.consent("me@lab.example", scopes)
        server.auth.write_authorized_user(path, consent)
        server.fail("drive.files.copy", faults.drop(applied=True), nth=2)
        ...  # run the program against server.url
        assert server.count("drive.files.copy", applied_only=True) == 1
        assert server.gmail.sent[0].raw.startswith(b"From: ")
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
