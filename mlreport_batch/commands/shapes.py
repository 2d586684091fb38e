"""What ``--json`` prints, by command: shapes, their JSON Schemas, and a reference.

Version 1. Keys may be added within a version; none goes, and none changes its meaning.
``python -m mlreport_batch.commands.shapes docs/json.md`` writes schemas and tables.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

SCHEMAS = Path(__file__).parent / "schemas"

Moment = Annotated[str, Meta(description="a time, ISO 8601, in UTC")]
File = Annotated[str, Meta(description="an absolute path")]
Figure = Annotated[
    float | int | Literal["NaN", "Infinity", "-Infinity"],
    Meta(description="a number, or the name of one that is not finite"),
]


class Metric(Struct, forbid_unknown_fields=True):
    """A metric of a run, without the values that a resume overtook."""

    count: Annotated[int, Meta(description="values written, NaN and infinities too")]
    nans: Annotated[int, Meta(description="how many of them are NaN")]
    last: Annotated[Figure, Meta(description="the value at the highest step")]
    last_step: Annotated[Figure, Meta(description="its step")]
    min: Annotated[Figure | None, Meta(description="the lowest finite value")]
    max: Annotated[Figure | None, Meta(description="the highest finite value")]


class JudgedMetric(Metric, forbid_unknown_fields=True):
    """A metric of a run, with its best value."""

    goal: Annotated[
        Literal["min", "max"] | None,
        Meta(description="whether less or more is better; null where nobody knows"),
    ]
    best: Annotated[
        Figure | None, Meta(description="the best finite value by the goal")
    ]
    best_step: Annotated[Figure | None, Meta(description="where it was reached first")]


class Position(Struct, forbid_unknown_fields=True):
    """Where a run stands in its group."""

    group: Annotated[str, Meta(description="the group; empty for the root")]
    metric: Annotated[str, Meta(description="what its runs are ranked by")]
    goal: Annotated[Literal["min", "max"], Meta(description="which way is better")]
    rank: Annotated[int | None, Meta(description="from 1; null without a value")]
    of: Annotated[int, Meta(description="how many runs the group has")]
    best: Annotated[float | None, Meta(description="the run's best value")]
    leader: Annotated[str, Meta(description="the best run")]
    leader_best: Annotated[float | None, Meta(description="its best value")]


class ReportedRun(Struct, forbid_unknown_fields=True):
    """A run that has news, or that `--all` asks for."""

    name: Annotated[str, Meta(description="its path below the root")]
    status: Annotated[
        str,
        Meta(
            description="running, finished, failed, killed, out_of_time, quiet, stalled"
            " or empty"
        ),
    ]
    news: Annotated[list[str], Meta(description="what is news")]
    new_points: Annotated[int, Meta(description="values not reported before")]
    rid: Annotated[
        str | None, Meta(description="the report's id; null where none was made")
    ]
    problems: Annotated[list[str], Meta(description="what could not be read")]
    alerts: Annotated[list[str], Meta(description="what needs a person, in words")]
    path: Annotated[File, Meta(description="the run directory")]
    headline: Annotated[str, Meta(description="the report's first line")]
    metrics: Annotated[dict[str, JudgedMetric], Meta(description="by name")]
    page: Annotated[
        str | None, Meta(description="its page as HTML; only with `--out` or PATHs")
    ]
    pdf: Annotated[str | None, Meta(description="the same as PDF")]
    position: Annotated[
        Position | None, Meta(description="among the runs of its group; null if alone")
    ]


class Run(Struct, forbid_unknown_fields=True):
    """What ``run --json`` prints."""

    runs: Annotated[list[ReportedRun], Meta(description="the runs with news")]
    sent: Annotated[int, Meta(description="mails that were accepted")]
    owed: Annotated[int, Meta(description="mails that wait")]
    dead: Annotated[int, Meta(description="mails that a person must settle")]
    problems: Annotated[
        list[str], Meta(description="what could not be read or done, besides")
    ]
    seconds: Annotated[dict[str, float], Meta(description="time spent, by stage")]
    version: Annotated[Literal[1], Meta(description="of this shape")]
    alerted: Annotated[
        list[str],
        Meta(
            description="runs of which an alert holds; only where `--fail-on alert`, "
            "`--junit` or `prometheus` asks for them"
        ),
    ]
    outbox: Annotated[str | None, Meta(description="the folder of the mails, if any")]
    index: Annotated[str | None, Meta(description="the page over all runs, if any")]
    exit_code: Annotated[
        int, Meta(description="what the program ends with, but for `--fail-on`")
    ]


class LookedFile(Struct, forbid_unknown_fields=True):
    """A file of a run that was looked into."""

    path: Annotated[str, Meta(description="below the run")]
    format: Annotated[str | None, Meta(description="what it was taken for")]
    why: Annotated[str, Meta(description="why it was, or was not")]


class LookedProblem(Struct, forbid_unknown_fields=True):
    """Something that could not be read as meant."""

    path: Annotated[str, Meta(description="below the run")]
    line: Annotated[int | None, Meta(description="its line, from 1")]
    message: Annotated[str, Meta(description="what is wrong")]


class LookedRun(Struct, forbid_unknown_fields=True):
    """A run as it is now."""

    name: Annotated[str, Meta(description="its path below the root")]
    path: Annotated[File, Meta(description="the run directory")]
    formats: Annotated[list[str], Meta(description="the formats that were read")]
    status: Annotated[str, Meta(description="as in `run --json`")]
    metrics: Annotated[dict[str, Metric], Meta(description="by name")]
    hparams: Annotated[
        dict[str, Any], Meta(description="hyperparameters, flattened with `.`")
    ]
    checkpoints: Annotated[list[str], Meta(description="below the run")]
    files: Annotated[list[LookedFile], Meta(description="what was looked into")]
    problems: Annotated[list[LookedProblem], Meta(description="what could not be read")]
    results: Annotated[dict[str, Any], Meta(description="values without a history")]
    intended: Annotated[
        dict[str, Any], Meta(description="hyperparameters as its own intent has them")
    ]


class LeftAlone(Struct, forbid_unknown_fields=True):
    """A file that was looked into and belongs to no run."""

    root: Annotated[File, Meta(description="the PATH")]
    path: Annotated[str, Meta(description="below it")]
    why: Annotated[str, Meta(description="why it makes no run")]


class Inspect(Struct, forbid_unknown_fields=True):
    """What ``inspect --json`` prints."""

    runs: Annotated[list[LookedRun], Meta(description="all runs below the PATHs")]
    left_alone: Annotated[list[LeftAlone], Meta(description="files of no run")]
    version: Annotated[Literal[1], Meta(description="of this shape")]


class KnownRun(Struct, forbid_unknown_fields=True):
    """A run that the state knows."""

    name: Annotated[str, Meta(description="its path below the root")]
    path: Annotated[File, Meta(description="the run directory")]
    status: Annotated[str, Meta(description="as last reported; empty for never")]
    headline: Annotated[str, Meta(description="of its last report")]
    reports: Annotated[int, Meta(description="how many were made")]
    rid: Annotated[str | None, Meta(description="the last report's id")]
    reported_at: Annotated[Moment | None, Meta(description="when it was made")]
    page: Annotated[str | None, Meta(description="its page as HTML, if there is one")]


class WaitingMail(Struct, forbid_unknown_fields=True):
    """A mail that waits, or that a person must settle."""

    rid: Annotated[str, Meta(description="its id, for `retry` and `drop`")]
    subject: Annotated[str, Meta(description="the name of its run, or its subject")]
    recipients: Annotated[list[str], Meta(description="who is still owed a copy")]
    created_at: Annotated[Moment, Meta(description="when it was made")]
    age: Annotated[str, Meta(description="the same for people")]
    attempts: Annotated[int, Meta(description="sends that were not accepted")]
    next_at: Annotated[Moment | None, Meta(description="not tried before")]
    why: Annotated[str, Meta(description="the last answer")]


class SentMail(Struct, forbid_unknown_fields=True):
    """A mail that was accepted."""

    rid: Annotated[str, Meta(description="its id")]
    subject: Annotated[str, Meta(description="the name of its run, or its subject")]
    recipients: Annotated[list[str], Meta(description="who got it")]
    accepted_at: Annotated[Moment, Meta(description="when")]


class WayOut(Struct, forbid_unknown_fields=True):
    """How the way out stands."""

    why: Annotated[str, Meta(description="why it failed last; empty where it works")]
    next_at: Annotated[Moment | None, Meta(description="not tried before")]


class Status(Struct, forbid_unknown_fields=True):
    """What ``status --json`` prints."""

    state: Annotated[File, Meta(description="the state folder")]
    runs: Annotated[int, Meta(description="how many runs are known")]
    owed: Annotated[list[WaitingMail], Meta(description="mails that wait")]
    dead: Annotated[list[WaitingMail], Meta(description="refused for good, or held")]
    last_news_at: Annotated[Moment | None, Meta(description="the last tick with news")]
    version: Annotated[Literal[1], Meta(description="of this shape")]
    known: Annotated[list[KnownRun], Meta(description="all of them, by path")]
    sent: Annotated[list[SentMail], Meta(description="the last ten, newest first")]
    channel: Annotated[WayOut, Meta(description="how the way out stands")]


class ListedRun(Struct, forbid_unknown_fields=True):
    """A run that the state knows, as it was last seen."""

    name: Annotated[str, Meta(description="its path below the root")]
    group: Annotated[str, Meta(description="its group; empty for the root")]
    status: Annotated[str, Meta(description="as in `run --json`")]
    progress: Annotated[
        float | None, Meta(description="how much of its plan is done, 0 to 1")
    ]
    metric: Annotated[str | None, Meta(description="what it is ranked by")]
    goal: Annotated[
        Literal["min", "max"] | None, Meta(description="which way is better")
    ]
    best: Annotated[Figure | None, Meta(description="that metric's best finite value")]
    best_step: Annotated[Figure | None, Meta(description="its step")]
    last: Annotated[Figure | None, Meta(description="that metric's latest value")]
    last_step: Annotated[Figure | None, Meta(description="its step")]
    written_at: Annotated[Moment, Meta(description="when it wrote last")]
    hparams: Annotated[dict[str, Any], Meta(description="its hyperparameters")]
    metrics: Annotated[
        dict[str, Figure], Meta(description="latest values of its first metrics")
    ]


class Listing(Struct, forbid_unknown_fields=True):
    """What ``ls --json`` prints."""

    runs: Annotated[list[ListedRun], Meta(description="in the order of `--sort`")]
    version: Annotated[Literal[1], Meta(description="of this shape")]


class ComparedRun(Struct, forbid_unknown_fields=True):
    """A run that is compared."""

    name: Annotated[str, Meta(description="its path below the root")]
    status: Annotated[str, Meta(description="as in `run --json`")]


class Compare(Struct, forbid_unknown_fields=True):
    """What ``compare --json`` prints."""

    runs: Annotated[list[ComparedRun], Meta(description="in the order of the names")]
    hparams: Annotated[
        dict[str, dict[str, Any]],
        Meta(description="those that differ: by name, then by run; null if not stated"),
    ]
    metrics: Annotated[
        dict[str, dict[str, Metric]],
        Meta(description="by name, then by run; runs without one are left out"),
    ]
    version: Annotated[Literal[1], Meta(description="of this shape")]


SHAPES = {
    "run": Run,
    "inspect": Inspect,
    "status": Status,
    "ls": Listing,
    "compare": Compare,
}


def schema(command: str) -> dict[str, Any]:
    """Return the JSON Schema of what *command* prints with ``--json``."""
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"mlreport-batch {command} --json, version 1",
        **msgspec.json.schema(SHAPES[command]),
    }
    return dict(_opened(described))


def _opened(node: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a schema that takes further keys: they may come within a version."""
    if isinstance(node, dict):
        return {k: _opened(v) for k, v in node.items() if k != "additionalProperties"
                or v is not False}  # fmt: skip
    return [_opened(each) for each in node] if isinstance(node, list) else node


def schema_texts() -> dict[str, str]:
    """Return the content of each schema by its file's name."""
    return {
        f"{command}.schema.json": json.dumps(schema(command), indent=1) + "\n"
        for command in SHAPES
    }


def with_tables(page: str) -> str:
    """Return the Markdown *page* with its tables brought up to date."""
    for command in SHAPES:
        before, mark, after = page.partition(f"<!-- shape {command} -->\n")
        if mark:
            table = "\n".join(_tables(command))
            page = before + mark + table + "\n" + after[after.index("<!-- end -->") :]
    return page


def _tables(command: str) -> Iterator[str]:
    definitions = schema(command)["$defs"]
    names = [SHAPES[command].__name__, *sorted(definitions)]
    for name in dict.fromkeys(names):
        found = definitions[name]
        if name != names[0]:
            yield f"\n`{name}`: {found['description'].rstrip('.')}.\n"
        yield "| key | type | meaning |"
        yield "|---|---|---|"
        for key, value in found["properties"].items():
            yield f"| `{key}` | {_type(value)} | {value.get('description', '')} |"


def _type(node: dict[str, Any]) -> str:
    """Return the type of a value in a word or two."""
    if "$ref" in node:
        return f"`{node['$ref'].rpartition('/')[2]}`"
    if "anyOf" in node:
        return " or ".join(dict.fromkeys(_type(each) for each in node["anyOf"]))
    if "enum" in node:
        return ", ".join(json.dumps(each) for each in node["enum"])
    if node.get("type") == "array":
        return f"list of {_type(node['items'])}"
    if node.get("type") == "object":
        inner = node.get("additionalProperties")
        return f"table of {_type(inner)}" if isinstance(inner, dict) else "table"
    return str(node.get("type", "any"))


def main(pages: list[str]) -> None:
    """Write the schemas, and the tables of *pages*."""
    SCHEMAS.mkdir(exist_ok=True)
    for name, text in schema_texts().items():
        (SCHEMAS / name).write_text(text, encoding="utf-8")
    for page in map(Path, pages):
        page.write_text(with_tables(page.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
