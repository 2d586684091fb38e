"""One number in the dress that a print gives it: ``tensor(0.5)``, ``92.5%``."""

import re

from mlreport_batch.safety.patterns import late

_LENGTH_MAX = 300
_LAYERS_MAX = 5
_LAST = frozenset("0123456789.)]%>'\"*")
_OPEN = {"[": "]", "'": "'", '"': '"', "(": ")"}
# PyTorch, NumPy, JAX, TensorFlow, Paddle, and Python's own.
_CALL = late(
    r"(?:[a-z_]\w*\.)*(?:tensor|(?:device)?array|eagertensor|ndarray|variable|parameter"
    r"|b?float\d*|u?int\d*|double|longdouble|half|single|decimal|scalar)"
    r"\((?P<inside>.*)\)",
    re.IGNORECASE | re.DOTALL,
)
_KEYWORD = late(r",\s*[A-Za-z_]\w*\s*=")
_AT_END = late(r"(?:\A|,)\s*(\[[^\[\]]*\]|[-+.\w]+)\Z")  # Paddle's, after all else
_SPREAD = late(
    r"(?P<number>[^\s(±]+)\s*\(?\s*(?:±|\+/-|\+-)\s*[-+.,\deE]*\d[.,]?\s?%?\s*\)?"
)
_OF_MXNET = late(r"(\[[^\[\]]*\])\s*<NDArray [^<>]*>")


def bare(text: str) -> str:
    """Return the number that *text* dresses, or *text* if it is anything else.

    It may still be no number. A spread (``0.5 ± 0.1``) is dress. Two numbers are not
    one: ``[0.5, 0.4]`` stays as it is, and so does ``[0,5]``, which may be two.
    """
    if not text or text[-1] not in _LAST or len(text) > _LENGTH_MAX:
        return text
    inner, is_listed = text.strip(), False
    for _ in range(_LAYERS_MAX):
        found = _in_brackets(inner)
        if found is not None:
            is_listed = True
        elif inner.endswith(("%", "*")):  # a star marks the best
            found = inner[:-1].rstrip()
        elif (spread := _SPREAD.fullmatch(inner)) is not None:
            found = spread["number"]
        else:
            break
        inner = found
    return text if is_listed and "," in inner else inner


def _in_brackets(text: str) -> str | None:
    """Return what stands in the brackets, quotes or call that *text* is, or None."""
    called = _CALL.fullmatch(text)
    if called is not None:
        return _argument(called["inside"].strip())
    if text.startswith("<"):
        before, named, value = text.partition("numpy=")
        return value[:-1] if named and before.startswith("<tf.") else None
    if (array := _OF_MXNET.fullmatch(text)) is not None:
        return array[1]
    if len(text) < 2 or _OPEN.get(text[0]) != text[-1]:  # noqa: PLR2004
        return None
    inside = text[1:-1].strip()
    # `(0.5,)` is a list of one; `(0.5)` is how tables write what is below zero.
    return None if text[0] == "(" and inside[-1:] != "," else inside.rstrip(",")


def _argument(inside: str) -> str:
    """Return the first of a call's arguments, or the last if the others have names."""
    if _KEYWORD.match("," + inside) is not None:
        last = _AT_END.search(inside)
        return inside if last is None else last[1]
    named = _KEYWORD.search(inside)
    return inside[: named.start()] if named else inside.rstrip(",")
