"""Which of Google's styles a mail needs, and how it spells them."""

import re
from collections.abc import Mapping
from typing import Final

INHERITED: Final[Mapping[str, str]] = {
    # property: what the mail around the document says
    "color": "#000000",
    "font-family": "arial",
    "font-size": "11pt",
    "font-style": "normal",
    "font-weight": "400",
    "text-align": "left",
}
SIZE: Final = re.compile(r"([0-9.]+)(pt|px)\Z")
PX: Final = 4 / 3
_VALUE = re.compile(r"[-#%.,\w\s()'\"]{1,80}\Z")
_SMALLEST_PX, _LARGEST_PX = 12.0, 27.0
_LINES = ("underline", "line-through")
_BARE: Final[Mapping[str, Mapping[str, str]]] = {
    "table": {"border-collapse": "collapse", "margin": "6px 0 14px"},
    "ul": {"margin": "0 0 8px", "padding-left": "22px"},
    "ol": {"margin": "0 0 8px", "padding-left": "22px"},
    "tbody": {},
    "thead": {},
    "tr": {},
}
_SPELLINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "color": {"black": "#000000", "white": "#ffffff"},
    "font-weight": {"normal": "400", "bold": "700"},
    "text-align": {"start": "left", "end": "right", "justify": "left"},
}


def is_bare(tag: str) -> bool:
    """Whether elements called *tag* pass no style of their own on."""
    return tag in _BARE


def own(tag: str, style: Mapping[str, str]) -> dict[str, str]:
    """Return what an element says of the properties that are inherited."""
    if tag in _BARE:
        return {}
    return {
        name: value
        for name in INHERITED
        if name in style and (value := plain(name, style[name]))
    }


def kept_style(
    tag: str,
    style: Mapping[str, str],
    given: Mapping[str, str],
    around: Mapping[str, str],
) -> dict[str, str]:
    """Return the declarations that an element really needs.

    Args:
        tag: Its name.
        style: All its declarations.
        given: What `own` found among them.
        around: What the elements around it say.
    """
    if tag in _BARE:
        return dict(_BARE[tag])
    wanted = {
        name: _spelt(name, value)
        for name, value in given.items()
        if value != around.get(name)
    }
    line = style.get("text-decoration", style.get("text-decoration-line", "none"))
    if tag != "a" and line.split(" ")[0] in _LINES:
        wanted["text-decoration"] = line.split(" ")[0]
    if style.get("vertical-align") in ("sub", "super", "middle", "bottom"):
        wanted["vertical-align"] = style["vertical-align"]
    ground = plain("color", style.get("background-color", ""))
    if ground not in ("", "#ffffff", "transparent"):
        wanted["background-color"] = ground
        # A ground needs its ink beside it, whatever the screen does with colours.
        wanted.setdefault("color", given.get("color", around["color"]))
    if tag in ("td", "th"):
        wanted |= _border(style)
    elif tag in ("p", "div"):
        wanted["margin"] = "0 0 6px"
    elif tag[0] == "h" and tag != "hr":
        wanted["margin"] = "18px 0 6px"
        # Programs make headings large and bold by themselves.
        for name in ("font-weight", "font-size"):
            wanted.setdefault(name, _spelt(name, given.get(name, around[name])))
    return wanted


def _border(style: Mapping[str, str]) -> dict[str, str]:
    """Return one border for a cell: that of its lower side."""
    text = style.get("border", "")
    width = SIZE.match(style.get("border-bottom-width", text.split(" ")[0]))
    if width is None or not float(width[1]):
        return {}
    color = style.get("border-bottom-color") or text.rpartition(" ")[2]
    return {"border": f"1px solid {plain('color', color) or '#000000'}"}


def plain(name: str, value: str) -> str:
    """Return *value* in one spelling, or nothing where it is not understood."""
    value = value.strip().lower()
    is_call = "(" in value and not value.startswith("rgb")
    if not _VALUE.match(value) or is_call or value in ("inherit", "initial"):
        return ""
    if name == "font-family":
        return value.split(",")[0].strip("'\" ")
    if name == "color":
        numbers = re.findall(r"[0-9.]+", value) if value.startswith("rgb") else []
        if len(numbers) >= 3:  # noqa: PLR2004
            return "#" + "".join(f"{min(255, int(float(n))):02x}" for n in numbers[:3])
        if re.fullmatch(r"#[0-9a-f]{3}", value):
            return "#" + "".join(2 * digit for digit in value[1:])
    return _SPELLINGS.get(name, {}).get(value, value)


def _spelt(name: str, value: str) -> str:
    """Return a value as the mail writes it."""
    if name == "font-size" and (match := SIZE.match(value)):
        pixels = float(match[1]) * (PX if match[2] == "pt" else 1)
        return f"{min(_LARGEST_PX, max(_SMALLEST_PX, pixels)):.0f}px"
    if name == "font-family":
        is_mono = any(part in value for part in ("mono", "courier", "consolas", "code"))
        return f"'{value}',{'monospace' if is_mono else 'sans-serif'}"
    return value
