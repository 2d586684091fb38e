"""What machines read is as `commands.shapes` describes it, key by key."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from mlreport_batch.cli import manual
from mlreport_batch.commands import shapes
from mlreport_batch.commands.shapes import SCHEMAS, SHAPES, schema_texts, with_tables
from mlreport_batch.tick.summary import RunLine, TickSummary
from mlreport_batch.tick.telling import as_markdown
from places import ROOT
from ticking import Desk

CSV = "step,val_loss\n1,0.5\n2,nan\n3,0.25\n"


def told(desk: Desk, command: str, *args: object) -> dict:
    said = desk.run(command, "--json", *map(str, args))
    # Strict: a key that is not described, or is missing, fails.
    msgspec.json.decode(said.out.encode(), type=SHAPES[command])
    return said.json


def test_run_inspect_and_status_print_what_is_described(desk: Desk):
    desk.put("a/metrics.csv", CSV)
    desk.put("a/notes.csv", "hello,you\nx,y\n")
    desk.put("b/metrics.csv", "step,loss\n1,x\n2,nan\n")
    out = ("--out", desk.out)
    first = told(desk, "run", desk.runs, *out)
    runs = {run["name"]: run for run in first["runs"]}
    assert runs["a"]["metrics"]["val_loss"] == {
        "count": 3, "nans": 1, "last": 0.25, "last_step": 3, "min": 0.25, "max": 0.5,
        "goal": "min", "best": 0.25, "best_step": 3,
    }  # fmt: skip
    assert runs["a"]["path"] == str(desk.runs / "a")
    assert "0.25" in runs["a"]["headline"]
    for key in ("page", "pdf"):
        assert str(desk.out) in runs["a"][key]
        assert Path(runs["a"][key]).read_bytes()
    assert first["index"] == str(desk.out / "index.html")
    told(desk, "inspect", desk.runs)
    status = told(desk, "status", *out)
    assert {run["name"]: run["page"] for run in status["known"]} == {
        name: run["page"] for name, run in runs.items()
    }
    assert {mail["rid"] for mail in status["sent"]} == {r["rid"] for r in runs.values()}


def test_ls_and_compare_print_what_is_described(desk: Desk):
    for name, lr in (("a", 0.1), ("b", 0.2)):
        desk.put(f"{name}/metrics.csv", CSV, age_s=600)
        desk.put(f"{name}/hparams.json", json.dumps({"lr": lr, "betas": [0.9, lr]}))
    desk.put("c/metrics.csv", "step,strange\n1,nan\n")
    desk.report()
    out = ("--out", desk.out)
    first, _, last = told(desk, "ls", *out)["runs"]
    assert first["hparams"] == {"lr": 0.1, "betas": [0.9, 0.1]}
    assert (first["best"], first["best_step"], last["last"]) == (0.25, 3, "NaN")
    assert first["written_at"].endswith("+00:00")
    found = told(desk, "compare", "a", "b", "c", *out)
    assert found["hparams"]["lr"] == {"a": 0.1, "b": 0.2, "c": None}
    assert found["metrics"]["val_loss"]["b"]["nans"] == 1


def test_a_dry_run_over_all_lists_every_run_with_its_values(desk: Desk):
    for name in ("a", "b"):
        desk.put(f"{name}/metrics.csv", CSV)
    desk.report()
    assert told(desk, "run", desk.runs, "--out", desk.out, "--dry-run")["runs"] == []
    found = told(desk, "run", desk.runs, "--out", desk.out, "--dry-run", "--all")
    assert [(run["name"], run["rid"], run["page"]) for run in found["runs"]] == [
        ("a", None, None), ("b", None, None),
    ]  # fmt: skip
    assert found["runs"][0]["metrics"]["val_loss"]["last"] == 0.25
    assert found["runs"][0]["headline"]


def test_status_tells_what_waits_and_until_when(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n1,0.5\n")
    config = desk.config()
    desk.answer(75)
    assert desk.run("run", "-c", config).code == 75
    status = told(desk, "status", "-c", config)
    [mail] = status["owed"]
    assert (mail["subject"], mail["next_at"] is not None) == ("a", True)
    text = desk.run("status", "-c", config).out
    assert "owed       1" in text
    assert "next after" in text
    assert "`retry` sends again" in text
    desk.answer(0)
    desk.run("retry", "-c", config)
    assert desk.run("run", "-c", config).code == 0
    text = desk.run("status", "-c", config).out
    assert "owed       0" in text
    assert re.search(r"last mails\n  \d\d:\d\d  a  to me@lab.example\n", text)
    assert re.search(r"known runs\n  a  \w+ +\d\d:\d\d +loss 0.5", text)


def test_schemas_and_reference_are_up_to_date():
    """`python -m mlreport_batch.commands.shapes docs/json.md` writes them."""
    for name, text in schema_texts().items():
        assert (SCHEMAS / name).read_text("utf-8") == text
        assert 'additionalProperties": false' not in text  # keys may be added
    page = (ROOT / "docs/json.md").read_text("utf-8")
    assert with_tables(page) == page


@pytest.mark.parametrize("name", SHAPES)
def test_every_key_is_told_what_it_means(name: str):
    for found in json.loads(schema_texts()[f"{name}.schema.json"])["$defs"].values():
        assert found["description"]
        for key, value in found["properties"].items():
            assert value.get("description"), (found["title"], key)


def test_the_summary_is_the_same_text_for_the_same_runs(desk: Desk):
    desk.put("z/metrics.csv", "step,loss\n1,0.5\n2,nan\n3,nan\n")
    desk.put("a|b/metrics.csv", CSV)
    first = desk.report("--summary", "-").out
    assert first.startswith("## Training report\n")
    assert first.endswith("\n<!-- mlreport-batch -->\n\n")
    assert "> [!CAUTION]\n> 1 run in need of a person:\n> - **z**: loss NaN" in first
    assert "| a\\|b | running |" in first
    assert "<details><summary>Metrics of a\\|b</summary>" in first
    assert "| val\\_loss | █·▁ | 0.25 | 3 | 0.25 | 3 |" in first
    again = desk.run("run", desk.runs, "--out", desk.folder / "o2", "--summary", "-")
    assert again.out == first


def test_a_summary_of_many_runs_is_cut_and_says_so():
    value = {"last": "NaN", "last_step": 3, "best": None, "best_step": None}
    runs = [
        RunLine(
            f"r{number:03}", "failed", (), 0, None, (), ("NaN",) if number < 30 else (),
            values={f"m{m:02}": value for m in range(15)},
        )
        for number in range(250)
    ]  # fmt: skip
    text = as_markdown(TickSummary(runs=runs, problems=["a root cannot be read"]))
    assert "> [!CAUTION]\n> 30 runs in need of a person:" in text
    assert "> - and 10 more" in text
    assert "200 of 250 runs are shown." in text
    assert text.count("<details>") == 20
    assert "| m11 |  | NaN | 3 |  |  |\n\nand 3 more\n\n</details>" in text
    assert "> [!WARNING]\n> - a root cannot be read" in text


def test_what_is_made_from_the_code_is_written_where_it_belongs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(shapes, "SCHEMAS", tmp_path / "schemas")
    page = tmp_path / "json.md"
    page.write_text("<!-- shape run -->\nold\n<!-- end -->\nkept\n")
    shapes.main([str(page)])
    assert {path.name for path in (tmp_path / "schemas").iterdir()} == set(
        schema_texts()
    )
    assert "| `runs` | list of `ReportedRun` |" in page.read_text()
    assert page.read_text().endswith("<!-- end -->\nkept\n")
    manual.main(str(tmp_path))
    assert (tmp_path / "commands.md").read_text("utf-8") == manual.reference()
    assert (tmp_path / "mlreport-batch.1").exists()
