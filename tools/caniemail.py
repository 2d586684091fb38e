"""Keep what caniemail.com knows of the mail programs that reports are checked for.

    npm pack caniemail && tar xzf caniemail-*.tgz
    python tools/caniemail.py package/data/caniemail.json

Writes ``tests/render/caniemail.json``: for each feature of HTML and CSS the worst that
any program of a family does with it in its newest version: ``y`` shows it, ``a`` does
in part, ``n`` does not, ``u`` is not known. The data are under the MIT licence
(github.com/hteumeuleu/caniemail).
"""

import json
import sys
from pathlib import Path

KEPT = Path(__file__).parents[1] / "tests" / "render" / "caniemail.json"
FAMILIES = ("gmail", "outlook", "apple-mail", "yahoo", "samsung-email")
WORST_LAST = "yaun"


def main(path: Path) -> None:
    """Write what is kept of the data at *path*."""
    data = json.loads(path.read_text(encoding="utf-8"))
    features = {
        each["slug"]: "".join(worst(each["stats"].get(name, {})) for name in FAMILIES)
        for each in data["data"]
        if each["category"] in ("css", "html")
    }
    kept = {
        "source": "https://www.caniemail.com, npm caniemail",
        "updated": data["last_update_date"][:10],
        "families": FAMILIES,
        "features": features,
    }
    KEPT.write_text(f"{json.dumps(kept, indent=1)}\n", encoding="utf-8")


def worst(platforms: dict[str, dict[str, str]]) -> str:
    """Return the least that a family's programs do, each in its newest version."""
    newest = [list(versions.values())[-1][:1] for versions in platforms.values()]
    return max(newest, key=WORST_LAST.index, default="u")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
