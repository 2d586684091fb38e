"""What the tests of Google's engine have in common."""

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="session")
def _no_handbook() -> Iterator[None]:
    """Write no help text for each method of Google's client, which nobody reads.

    It is written anew for every client that is made, and takes as long as a test.
    """
    from googleapiclient.schema import Schemas

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Schemas, "prettyPrintSchema", lambda *_: "")
        patch.setattr(Schemas, "prettyPrintByName", lambda *_: "")
        yield
