"""How many examples a property is tried with."""

import os

FULL = "EXAMPLES"
"""Set to anything, this takes all examples, and others each time; `test_properties`
does with -m slow.
"""


def examples(full: int) -> int:
    """Return a third of the examples of the long form, or all of them."""
    return full if os.environ.get(FULL) else -(-full // 3)
