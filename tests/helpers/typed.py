"""What a page tells people to type, and a place to type it in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from places import ROOT


def fences(text: str) -> list[tuple[str, str]]:
    """Return the language and the text of each block of code of a page.

    What a list indents is taken back.
    """
    found: list[tuple[str, str]] = []
    for part in re.finditer(r"(?ms)^( *)```(\w*)\n(.*?)^ *```$", text):
        indent, language, block = part.groups()
        found.append((language, re.sub(rf"(?m)^{indent}", "", block)))
    return found


def blocks(text: str, language: str) -> list[str]:
    """Return the blocks of code in one language."""
    return [block for name, block in fences(text) if name == language]


def make_place(folder: Path) -> Path:
    """Make *folder* look like a clone in which all is installed."""
    shutil.copytree(ROOT / "sample_runs", folder / "sample_runs")
    put_program(folder, "mlreport-batch", f'"{sys.executable}" -m mlreport_batch "$@"')
    return folder


def put_program(place: Path, name: str, call: str) -> None:
    """Put a program on the path of *place* that calls another."""
    program = place / ".venv/bin" / name
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\nexec {call}\n")
    program.chmod(0o755)


def type_in(place: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Type *command* in a shell that stands in *place*, which is its home too."""
    own = {
        "HOME": str(place),
        "PATH": f"{place}/.venv/bin:{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(place / "summary.md"),
    }
    dropped = ("MLREPORT_CONFIG", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
    return subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=place,
        env={k: v for k, v in os.environ.items() if k not in dropped} | own,
        capture_output=True,
        text=True,
        check=False,
    )
