"""Tell letters that a machine made up from those that people write."""

import re

_KIND_CHANGES = re.compile(r"(?<=[a-z])[^a-z]|(?<=[A-Z])[^A-Z]|(?<=[0-9])[^0-9]")
_LEAST_CHANGES = 0.33
_ISSUED = re.compile(r"[A-Za-z0-9]{10,}")
_LONG = 32


def alternates(value: str) -> bool:
    """Return whether letters, capitals and digits alternate as if by chance."""
    return len(_KIND_CHANGES.findall(value)) >= _LEAST_CHANGES * len(value)


def looks_issued(value: str) -> bool:
    """Return whether a part of *value* looks as if a machine had made it up."""
    # 32 digits of a key may alternate less than most.
    return any(
        alternates(part) or len(part) >= _LONG for part in _ISSUED.findall(value)
    )
