"""Figures of a tick as node_exporter's textfile collector reads them.

https://prometheus.io/docs/instrumenting/exposition_formats/: a gauge has a line that
says what it is, one of its type, and one for each set of labels.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from mlreport_batch.errors import reason_of
from mlreport_batch.safety.files import write_durably

_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Gauge(Struct, frozen=True):
    """One figure.

    Attributes:
        name: Its name, without ``mlreport_``.
        help: What it is.
        values: By the value of its label; one under an empty text has no label.
        label: The name of that label.
    """

    name: str
    help: str
    values: Mapping[str, float]
    label: str = ""


def text_of(gauges: Iterable[Gauge], whose: Mapping[str, str]) -> str:
    """Return *gauges* in the text format; each line has the labels of *whose*."""
    lines = []
    for gauge in gauges:
        name = f"mlreport_{gauge.name}"
        lines += [f"# HELP {name} {gauge.help}", f"# TYPE {name} gauge"]
        for value, number in gauge.values.items():
            labels = {**whose, **({gauge.label: value} if gauge.label else {})}
            told = ",".join(
                f'{key}="{text.translate(_ESCAPED)}"' for key, text in labels.items()
            )
            lines.append(f"{name}{{{told}}} {number!r}")
    return "\n".join([*lines, ""])


def written(path: Path, text: str) -> str:
    """Write the file, old or new at any time; return why it cannot be, or empty.

    Others read it, whatever the umask is: node_exporter has an account of its own.
    """
    umask = os.umask(0o022)
    try:
        write_durably(os.fspath(path), text.encode("utf-8", "replace"), 0o644)
    except OSError as exc:
        return f"{path} cannot be written: {reason_of(exc)}"
    finally:
        os.umask(umask)
    return ""
