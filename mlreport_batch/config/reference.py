"""The settings in words: a commented config, a JSON Schema, a reference.

All three come from the declarations in `settings`, so none can fall behind.
``python -m mlreport_batch.config.reference docs/config.md`` writes schema and tables.
"""

import json
import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlreport_batch.config.builder import Setting, Table, settings_of
from mlreport_batch.config.kinds import ListOf, OneOf
from mlreport_batch.config.settings import Config

SCHEMA_FILE = Path(__file__).parents[1] / "config.schema.json"

_WIDTH = 79
_PLAIN = re.compile(r"[A-Za-z~/][A-Za-z0-9~/.@<>_-]*(?: [A-Za-z0-9~/.@<>_-]+)*\Z")
_NO_TEXT = frozenset("~ null true false yes no on off y n".split())
_HEAD = """\
# Settings of mlreport-batch: which runs to report, and to whom.
#
# A "#" right before a key marks a default; remove the "#" to change it. To begin,
# set the path under "runs" and try: mlreport-batch run --dry-run
# Only ~ is expanded in paths; relative paths start at the folder of this file.
# Passwords do not belong here: see smtp.password_env and smtp.password_file.
"""
_HEAD_GIVEN = """\
# Settings of mlreport-batch: which runs to report, and to whom.
#
# A "#" right before a key marks a default; remove the "#" to change it.
# After a change: mlreport-batch check
# Only ~ is expanded in paths; relative paths start at the folder of this file.
"""
# Set rather than shown as a default: what everybody has to look at.
_ACTIVE = {
    "runs.path": "~/experiments",
    "mail.via": "outbox",
    "mail.from": "ML reports <ml@lab.example>",
    "mail.to": ["me@lab.example"],
}


def init_text(
    schema: Path | None = SCHEMA_FILE,
    given: Mapping[str, object] | None = None,
    more_runs: Sequence[str] = (),
) -> str:
    """Return the config that ``init`` writes: every key, explained, with its default.

    It works as it stands, with the outbox, once the path under ``runs`` is right.

    Args:
        schema: The JSON Schema that editors should use, or None.
        given: Values to set, by ``table.key``; None stands for the default.
        more_runs: Further folders of runs.
    """
    values = {**_ACTIVE, **(given or {})}
    lines = [(_HEAD if given is None else _HEAD_GIVEN).rstrip()]
    if schema is not None:
        lines.append(f"# yaml-language-server: $schema={schema.as_uri()}")
    for each in settings_of(Config):
        lines += ["", *_comment(each, "")]
        table = _table_of(each)
        if table is None:
            lines.append(f"#{each.key}: {_yaml(each.default)}")
            continue
        is_list = isinstance(each.kind, ListOf)
        if is_list and not each.is_required:
            lines += _left_out(each.key, table)
            continue
        lines.append(f"{each.key}:")
        indent = "    " if is_list else "  "
        for number, inner in enumerate(settings_of(table)):
            start = "  - " if is_list and number == 0 else indent
            lines += _comment(inner, start.replace("-", " ") if number else "  ")
            active = values.get(f"{each.key}.{inner.key}")
            if active is None:
                lines.append(f"{indent}#{inner.key}: {_yaml(inner.default)}")
            else:
                lines.append(f"{start}{inner.key}: {_yaml(active)}")
        if is_list:
            lines += [f"  - path: {_yaml(path)}" for path in more_runs]
    return "\n".join(lines) + "\n"


def _left_out(key: str, table: type) -> list[str]:
    """Return a list that is empty by default, with an example of an entry."""
    lines = [f"#{key}:"]
    for number, inner in enumerate(settings_of(table)):
        lines += _comment(inner, "  ", is_set=True)
        start = "  #- " if number == 0 else "  #  "
        lines.append(f"{start}{inner.key}: {inner.example}")
    return lines


def _table_of(each: Setting) -> type | None:
    kind = each.kind.kind if isinstance(each.kind, ListOf) else each.kind
    return kind.cls if isinstance(kind, Table) else None


def _comment(each: Setting, indent: str, *, is_set: bool = False) -> list[str]:
    text = each.help.replace("`", "") + "."
    if isinstance(each.kind, OneOf):
        text += f" One of: {each.kind.words()}."
    start = f"{indent}# "
    lines = textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent=start,
        subsequent_indent=start,
        break_on_hyphens=False,
    )
    if each.example and not (each.is_required or is_set):
        lines.append(f"{start}Example: {each.example}")
    return lines


def _yaml(value: object) -> str:
    """Return *value* as YAML on one line, as a person would write it."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(_yaml(item) for item in value)}]"
    if isinstance(value, str) and _is_plain(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _is_plain(text: str) -> bool:
    """Whether *text* is the same text in YAML without quotes."""
    if text.lower() in _NO_TEXT:
        return False
    return bool(_PLAIN.match(text) or re.fullmatch("[0-9]+[smhdw]", text))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the config file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlreport-batch config",
        **Table(Config).schema(),
    }


def schema_text() -> str:
    """Return the content of ``config.schema.json``."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def reference_tables() -> Iterator[tuple[str, str]]:
    """Yield (table, Markdown) for each table of the config; ``""`` is the top."""
    top = [each for each in settings_of(Config) if _table_of(each) is None]
    yield "top", _markdown(top)
    for each in settings_of(Config):
        table = _table_of(each)
        if table is not None:
            yield each.key, _markdown(list(settings_of(table)))
            for inner in settings_of(table):
                below = _table_of(inner)
                if below is not None:
                    yield f"{each.key}.{inner.key}", _markdown(list(settings_of(below)))


def _markdown(settings: list[Setting]) -> str:
    rows = ["| key | meaning | accepts | default | example |", "|---|---|---|---|---|"]
    for each in settings:
        default = "required" if each.is_required else f"`{_yaml(each.default)}`"
        example = f"`{each.example}`" if each.example else ""
        cells = (f"`{each.key}`", each.help, each.kind.words(), default, example)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def with_tables(page: str) -> str:
    """Return the Markdown *page* with its tables brought up to date.

    A table stands between ``<!-- table NAME -->`` and ``<!-- end -->``.
    """
    for name, table in reference_tables():
        before, mark, after = page.partition(f"<!-- table {name} -->\n")
        if mark:
            page = before + mark + table + after[after.index("<!-- end -->") :]
    return page


def main(pages: list[str]) -> None:
    """Write the schema, and the tables of *pages*."""
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    for page in map(Path, pages):
        page.write_text(with_tables(page.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
