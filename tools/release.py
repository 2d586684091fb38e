"""Look whether a release is ready, and print what changed in it.

    python tools/release.py v1.2.0

The version stands in ``pyproject.toml`` and in the package, so that an install from a
clone without tags knows it, too; here they are held against the tag.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def notes(tag: str, root: Path = ROOT) -> str:
    """Return what the changelog says of the version of *tag*.

    Raises:
        ValueError: Something does not agree with the tag; the message says what.
    """
    version = tag.removeprefix("v")
    settings = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    package = (root / "mlreport_batch/__init__.py").read_text("utf-8")
    found = re.search(r'(?m)^__version__ = "(.+)"$', package)
    named = {
        "pyproject.toml": settings["project"]["version"],
        "mlreport_batch/__init__.py": found[1] if found else "",
    }
    for place, said in named.items():
        if said != version:
            raise ValueError(f"{place} says {said or 'nothing'}, the tag {version}")
    log = (root / "CHANGELOG.md").read_text("utf-8")
    parts = re.split(r"(?m)^## \[(.+?)\].*$", log)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    if not (text := sections.get(version, "").strip()):
        raise ValueError(f"CHANGELOG.md has nothing under ## [{version}]")
    if sections.get("Unreleased", "").strip():
        raise ValueError("CHANGELOG.md still has something under ## [Unreleased]")
    return f"{text}\n"


if __name__ == "__main__":
    try:
        sys.stdout.write(notes(sys.argv[1]))
    except (IndexError, ValueError) as exc:
        sys.exit(f"release: {exc}")
