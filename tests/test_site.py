"""The site: all pages are in it, their links hold, and their Python is Python."""

import re
from pathlib import Path

import pytest
import yaml

from places import ROOT
from site_pages import PAGES, set_right
from ticking import Desk

SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
DOCS = sorted(path.name for path in ROOT.glob("docs/*.md"))


def test_every_page_is_in_the_navigation_once():
    listed = [
        page for part in SETTINGS["nav"] for pages in part.values()
        for each in pages for page in each.values()
    ]  # fmt: skip
    assert sorted(listed) == sorted([*DOCS, *PAGES.values()])


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("README.md", "[c](docs/config.md#pages)", "[c](config.md#pages)"),
        ("README.md", "![p](docs/img/mails.png)", "![p](img/mails.png)"),
        ("README.md", "[한](README.ko.md)", "[한](korean.md)"),
        ("README.md", "[a](action.yml) b", "a b"),
        ("docs/places.md", "[t](../templates/report.yml)", "t"),
        ("docs/upgrading.md", "[c](../CHANGELOG.md)", "[c](changelog.md)"),
        ("docs/status.md", "[f](formats.md) [g](#g)", "[f](formats.md) [g](#g)"),
        (
            "docs/google.md",
            "[w](https://x.example/a.md)",
            "[w](https://x.example/a.md)",
        ),
    ],
)
def test_links_hold_in_the_site(source: str, text: str, expected: str):
    assert set_right(text, source) == expected
    url = "https://git.example/it/blob/HEAD"
    if expected == "t":
        assert set_right(text, source, url) == f"[t]({url}/templates/report.yml)"


@pytest.mark.parametrize("source", [*PAGES, *(f"docs/{name}" for name in DOCS)])
def test_no_link_of_a_page_leads_out_of_the_site(source: str):
    text = set_right((ROOT / source).read_text(encoding="utf-8"), source)
    for target in re.findall(r"\]\(([^)\s#]+)", text):
        known = target in {*DOCS, *PAGES.values()} or (ROOT / "docs" / target).exists()
        assert "://" in target or known, target


def test_a_loop_of_ones_own_is_read_as_the_page_says(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    page = (ROOT / "docs/frameworks.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?ms)^```python\n(.*?)^```$", page)
    for block in blocks:
        compile(block, "frameworks.md", "exec")
    monkeypatch.chdir(desk.folder)
    exec(blocks[-1], {})
    intent = re.findall(r"(?ms)^```yaml\n(.*?)^```$", page)[-1]
    Path(desk.runs, "mine/intent.yaml").write_text(intent)
    said = desk.run("run", desk.runs, "--out", desk.out, "--json")
    assert '"name": "mine"' in said.out
    assert '"train_loss"' in said.out
    assert '"problems": []' in said.out
