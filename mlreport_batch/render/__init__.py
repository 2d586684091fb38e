"""Lay a report out as HTML and PDF: one module per engine."""

from msgspec import Struct


class Image(Struct, frozen=True):
    """A picture shown inside the mail by ``cid:NAME``."""

    cid: str
    media_type: str
    data: bytes
    alt: str


class Rendered(Struct, frozen=True):
    """One report in all the forms it travels in.

    Attributes:
        mail_html: HTML for the mail's body: inlined CSS, images by cid.
        page_html: The same report as a page of its own, charts inline; empty where none
            is wanted.
        text: The plain-text twin with the same figures.
        pdf: The PDF document, or None where it could not be made.
        images: The pictures that ``mail_html`` refers to.
        note: What went another way than planned, or empty.
    """

    mail_html: str
    page_html: str
    text: str
    pdf: bytes | None
    images: tuple[Image, ...] = ()
    note: str = ""
