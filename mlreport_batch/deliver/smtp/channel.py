"""Send mails through an SMTP server.

Encrypted or not at all: a server without STARTTLS, or with a certificate that does
not fit, is never spoken to in clear. The dialogue is in `session`, which is imported
on the first connection only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from msgspec import Struct

from mlreport_batch.config.channels import SmtpSettings
from mlreport_batch.deliver import fingerprint
from mlreport_batch.deliver.smtp.server import password_of
from mlreport_batch.errors import MlreportError

if TYPE_CHECKING:
    from mlreport_batch.deliver.smtp.session import SmtpSession


class SmtpChannel(Struct, frozen=True):
    """The way through the server of the config table ``smtp``."""

    server: SmtpSettings

    @contextmanager
    def open(self) -> Iterator["SmtpSession"]:
        """Connect, encrypt and log in; say goodbye at the end."""
        from mlreport_batch.deliver.smtp.session import SmtpSession

        session = SmtpSession(self.server)
        try:
            yield session
        finally:
            session.close()

    def credential(self) -> str:
        """Return what changes with the server, the user or the password."""
        try:
            if self.server.grant_file is not None:
                from mlreport_batch.deliver.smtp.grant import grant_of

                secret = grant_of(self.server).mark
            else:
                secret = password_of(self.server)
        except MlreportError:  # there is none, which is not the refused one
            secret = ""
        return fingerprint(self.server, secret)

    def check(self) -> str:
        """Return one line after connecting, encrypting and logging in."""
        with self.open() as session:
            return session.describe()
