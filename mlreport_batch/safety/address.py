"""Mail addresses, as config, mails and run directories name them."""

import re

from mlreport_batch.safety.clean import clean

FALLBACK_DOMAIN = "mlreport.invalid"
ADDRESS_TEXT_MAX = 600  # characters of one address with its name
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
# RFC 6532: any other letter counts as one of these.
_UATEXT = rf"(?:{ATEXT}|[^\x00-\x7f\s])+"
_LOCAL = re.compile(rf"{_UATEXT}(?:\.{_UATEXT})*")
_LOCAL_PART_MAX = 64  # RFC 5321, 4.5.3.1.1
_BARE_MAX = 254

# Where anybody can have an address, by the first part of the domain.
_FOR_ALL = frozenset(
    "126 163 aol daum duck fastmail foxmail gmail gmx googlemail hanmail hey hotmail "
    "icloud kakao live mac mail mailbox me msn nate naver outlook pm posteo proton "
    "protonmail qq rediffmail rocketmail sina t-online tuta tutanota web yahoo yandex "
    "yeah ymail zoho".split()
)

_LOOPBACK = re.compile(
    r"(?:localhost\.?|127(?:\.[0-9]{1,3}){3}|\[?::1\]?)\Z", re.IGNORECASE
)


def parse_address(text: str) -> tuple[str, str]:
    """Return the name and the bare address of ``Name <address>`` or ``address``.

    A domain outside ASCII is turned into its ``xn--`` form. What stands before the @
    has none; where it is not ASCII, the server must know SMTPUTF8 (RFC 6531).

    Raises:
        ValueError: It is no address we can mail to; the message says why.
    """
    if len(text) > ADDRESS_TEXT_MAX:
        raise ValueError(f"an address of {len(text)} characters is too long")
    if clean(text, ADDRESS_TEXT_MAX) != text:
        raise ValueError(f"{clean(text)!r} holds characters that no address may hold")
    name, bracket, rest = text.strip().rpartition("<")
    if bracket and not rest.endswith(">"):
        raise ValueError(f"{text!r} has text after the address")
    address = rest[:-1].strip() if bracket else rest
    local, at, domain = address.rpartition("@")
    if not at or not local or not domain:
        raise ValueError(f"{text!r} is not an address such as me@lab.example")
    if not _LOCAL.fullmatch(local) or len(local.encode()) > _LOCAL_PART_MAX:
        raise ValueError(f"{text!r}: {local!r} cannot stand before the @")
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode("ascii")
        except UnicodeError:
            domain = ""
    address = f"{local}@{domain}"
    if not DOMAIN.fullmatch(domain) or len(address.encode()) > _BARE_MAX:
        raise ValueError(f"{text!r}: what follows the @ is not a domain")
    name = name.strip()
    if len(name) > 1 and name.startswith('"') and name.endswith('"'):
        name = re.sub(r"\\(.)", r"\1", name[1:-1])
    return name, address


def mail_domain(sender: str) -> str:
    """Return the domain for ids made on behalf of *sender*.

    Servers refuse ids without a dotted domain, so ``ml@localhost`` gets
    ``mlreport.invalid``.
    """
    try:
        _, address = parse_address(sender)
    except ValueError:
        return FALLBACK_DOMAIN
    domain = address.rpartition("@")[2].lower()
    return domain if "." in domain else FALLBACK_DOMAIN


def is_for_all(domain: str) -> bool:
    """Return whether anybody can have an address in *domain*, as far as is known."""
    labels = domain.lower().split(".")
    # As in mail.ru, yahoo.co.jp; but mail.lab.example is somebody's own.
    is_whole = labels[1:-1] in ([], ["co"], ["com"], ["ne"], ["net"])
    return labels[0] in _FOR_ALL and is_whole


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, by its name or number alone."""
    return _LOOPBACK.match(host) is not None
