"""The mail services that many use: where their servers are, and what they ask for.

By their help pages, 2025. A service is found by the domain of an address; a domain of
one's own may be served by any of them, which only its owner knows.
"""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from mlreport_batch.safety.address import mail_domain


class Service(Struct, frozen=True):
    """A mail service, as ``init`` offers it.

    Attributes:
        label: What people call it.
        host: Its server for sending, empty where that is asked for.
        security: How the connection is protected; the port follows from it.
        domains: Domains of its addresses; one that ends in ``.`` stands for all that
            begin so.
        page: Where the password is made that a program may use.
    """

    label: str
    host: str = ""
    security: str = "starttls"
    domains: tuple[str, ...] = ()
    page: str = ""


SERVICES: Final[Mapping[str, Service]] = {
    "gmail": Service(
        "Gmail",
        "smtp.gmail.com",
        domains=("gmail.com", "googlemail.com"),
        page="https://myaccount.google.com/apppasswords",
    ),
    "outlook": Service(
        "Outlook.com, Hotmail, Live",
        "smtp-mail.outlook.com",
        domains=("outlook.", "hotmail.", "live.", "msn.com"),
        page="https://account.microsoft.com/security",
    ),
    "microsoft365": Service(
        "Microsoft 365",
        "smtp.office365.com",
        domains=("onmicrosoft.com",),
        page="https://mysignins.microsoft.com/security-info",
    ),
    "naver": Service(
        "Naver",
        "smtp.naver.com",
        domains=("naver.com",),
        page="https://nid.naver.com/user2/help/2StepVerif?m=viewManageSettings",
    ),
    "daum": Service(
        "Daum",
        "smtp.daum.net",
        "tls",
        domains=("daum.net", "hanmail.net"),
        page="https://accounts.kakao.com/weblogin/account/security",
    ),
    "kakao": Service(
        "Kakao",
        "smtp.kakao.com",
        "tls",
        domains=("kakao.com",),
        page="https://accounts.kakao.com/weblogin/account/security",
    ),
    "icloud": Service(
        "iCloud",
        "smtp.mail.me.com",
        domains=("icloud.com", "me.com", "mac.com"),
        page="https://account.apple.com/account/manage",
    ),
    "fastmail": Service(
        "Fastmail",
        "smtp.fastmail.com",
        "tls",
        domains=("fastmail.com", "fastmail.fm"),
        page="https://app.fastmail.com/settings/security/apps",
    ),
    "zoho": Service(
        "Zoho",
        "smtp.zoho.com",
        "tls",
        domains=("zoho.com", "zohomail.com"),
        page="https://accounts.zoho.com/home#security/app_password",
    ),
    "smtp": Service(""),
    "sendmail": Service(""),
    "outbox": Service(""),
}
"""By the names that ``init --through`` takes; the last three are told in words."""


def service_of(address: str) -> str:
    """Return the service that carries *address*, by its domain; else ``smtp``."""
    domain = mail_domain(address)
    for name, service in SERVICES.items():
        for each in service.domains:
            if domain == each or (each.endswith(".") and domain.startswith(each)):
                return name
            if domain.endswith(f".{each}"):
                return name
    return "smtp"
