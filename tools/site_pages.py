"""What mkdocs asks of us: the pages that lie beside ``docs/``, and links that hold.

The README and its like are pages of the site as well, so that each text has one home.
A link to a file that is no page leads to the sources, where ``repo_url`` says where
they are, and is plain text otherwise.
"""

import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PAGES = {
    "README.md": "index.md",
    "README.ko.md": "korean.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files beside ``docs/``, and what they are called in the site."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s#]*)(#[^)\s]*)?\)")


def set_right(text: str, source: str, sources_url: str = "") -> str:
    """Return the Markdown *text* with links as they hold in the site.

    Args:
        text: Of a page.
        source: The file it is from, below the root of the sources.
        sources_url: Where the sources are shown, or empty.
    """

    def link(match: re.Match[str]) -> str:
        mark, said, target, anchor = match[1], match[2], match[3], match[4] or ""
        if not target or "://" in target or target.startswith("mailto:"):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if path in PAGES:
            return f"{mark}[{said}]({PAGES[path]}{anchor})"
        if path.startswith("docs/"):
            return f"{mark}[{said}]({path.removeprefix('docs/')}{anchor})"
        return f"[{said}]({sources_url}/{path})" if sources_url else said

    return _LINK.sub(link, text)


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages that lie beside ``docs/``."""
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(
    markdown: str, page: "Page", config: "MkDocsConfig", **_: object
) -> str:
    """Set the links of a page right."""
    names = {page: source for source, page in PAGES.items()}
    source = names.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    url = (config.repo_url or "").rstrip("/")
    return set_right(markdown, source, f"{url}/blob/HEAD" if url else "")
