"""The CRC-32C of many messages of one length at once, by NumPy.

A CRC is linear: that of a message is the exclusive or of what each of its bytes does
by itself, which depends on nothing but the byte and how many come after it.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

from mlreport_batch.formats.kit.events import crc_table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Checksums = npt.NDArray[np.uint32]

_START = 0xFF
_START_BYTES = 4
_ROUND = 64


def checksums(messages: "Bytes", rows: "npt.NDArray[np.bool_]") -> "Checksums":
    """Return what *rows* of *messages* add to the CRC-32C of each, not rotated yet.

    The exclusive or of what any of the rows and all others add is the whole CRC.

    Args:
        messages: One message a column, at least 4 bytes long.
        rows: Which bytes count.
    """
    import numpy as np

    length, count = messages.shape
    effects = _effects(-(-length // _ROUND) * _ROUND)
    found = np.zeros(count, np.uint32)
    if rows[0]:
        found ^= np.uint32(0xFFFFFFFF)  # once for the whole
    for row in np.flatnonzero(rows).tolist():
        letters = messages[row]
        if row < _START_BYTES:
            letters = letters ^ np.uint8(_START)
        found ^= effects[length - 1 - row][letters]
    return found


def masked(found: "Checksums") -> "Checksums":
    """Return whole CRCs rotated as the record format wants them."""
    import numpy as np

    turned = (found >> np.uint32(15)) | (found << np.uint32(17))
    return turned + np.uint32(0xA282EAD8)


@lru_cache(8)
def _effects(length: int) -> "npt.NDArray[np.uint32]":
    """Return what each byte does that has 0, 1, … *length* - 1 bytes after it."""
    import numpy as np

    table = np.array(crc_table(), np.uint32)
    effects = np.empty((length, table.size), np.uint32)
    effects[0] = table
    for after in range(1, length):
        before = effects[after - 1]
        effects[after] = (before >> np.uint32(8)) ^ table[before & np.uint32(0xFF)]
    return effects
