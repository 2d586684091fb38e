"""Home-made logs: JSONL and CSV of every odd shape. No framework, all by hand.

Needs: nothing. Run: ``python tests/make_runs/generic_runs.py``; 1 s. Truth: the values
written, known here. Where a file cannot be read with certainty the notes say what is
acceptable and `optional` or `tolerated` hold the alternatives.

JSONL cases: jsonl_odd, jsonl_running (half last line), jsonl_resumed, jsonl_numbers,
openai_results. CSV cases: csv_no_step, csv_epoch_only, csv_semicolon, csv_tab, csv_header_only,
csv_empty, csv_ragged, csv_repeated_header, csv_bad_utf8, csv_nul_tail, csv_utf16,
csv_bom, csv_half_line, csv_quoted, csv_by_class, json_history.
"""

from __future__ import annotations

import json
from pathlib import Path

from common import Case, Points, run

NAN, INF = float("nan"), float("inf")


def start(name: str) -> tuple[Case, Path]:
    """Return a case and its run folder."""
    case = Case(name, "home-made (by hand)")
    folder = case.tree / "run1"
    folder.mkdir()
    return case, folder


def finish(case: Case, points, notes, hparams=None, **more) -> None:
    """Save a case of one run."""
    entry = run("tree/run1", points, hparams or {}, more.pop("found", []), None, [])
    case.save([entry | {"notes": notes} | more])


def curve(step: int) -> dict:
    """A row of a training."""
    return {"train/loss": 1 / (step + 1), "train/lr": 0.1 * 0.9**step}


def jsonl_odd() -> None:
    case, folder = start("jsonl_odd")
    points, lines = Points(), []
    for step in range(10):
        row = curve(step)
        if step in (3, 5, 6, 9):
            row["train/loss"] = {3: NAN, 5: INF, 6: -INF, 9: NAN}[step]
        points.add(step, row)
        extra = {"_time": 1790000000.5 + step, "epoch": step / 5, "note": "줄\u2028안"}
        lines.append(json.dumps({"step": step, **row, **extra}, ensure_ascii=False))
        if step % 5 == 4:
            nested = {"eval": {"acc": step / 10, "f1": {"macro": step / 20}}}
            points.add(step, {"eval/acc": step / 10, "eval/f1/macro": step / 20})
            more = {"step": step, **nested, "tags": ["a", 1], "ok": True, "gone": None}
            lines.append(json.dumps(more))
        if step == 4:
            lines += ["", "not json at all", "   ", '"a text"', "[1, 2]"]
    text = "\r\n".join(lines) + "\r\n"
    (folder / "metrics.jsonl").write_bytes(text.encode())
    hparams = {"lr": 0.1, "clip": INF, "이름": "실험"}
    (folder / "config.json").write_text(json.dumps(hparams, ensure_ascii=False))
    notes = [
        "CRLF, blank lines, lines that are no object, NaN and Infinity tokens, U+2028 in a"
        " text (no line end), nested dicts, a list, a bool and a null (no metrics)",
        "clip is Infinity in config.json",
    ]
    finish(case, points, notes, {"lr": 0.1, "clip": "Infinity", "이름": "실험"})


def jsonl_running() -> None:
    case, folder = start("jsonl_running")
    file = folder / "log.jsonl"
    points, data = Points(), b""
    file.write_bytes(b"")
    case.snapshot("0 bytes: buffered", [run("tree/run1", {})])
    for step in range(8):
        row = {"step": step, **curve(step), "메모": "손실이 줄었다"}
        line = json.dumps(row, ensure_ascii=False).encode() + b"\n"
        cut = line.index("실".encode()) + 1  # inside a UTF-8 character
        file.write_bytes(data + line[:cut])
        case.snapshot(f"step {step} half written", [run("tree/run1", points)])
        if step < 7:
            data += line
            points.add(step, curve(step))
            file.write_bytes(data)
            case.snapshot(f"step {step} written", [run("tree/run1", points)])
    file.write_bytes(data + line[:cut])
    finish(case, points, ["last line is cut inside a UTF-8 character: not yet there"])


def jsonl_resumed() -> None:
    case, folder = start("jsonl_resumed")
    points, lines = Points(), []
    for first, last, scale in ((0, 10, 1.0), (6, 14, 0.9), (12, 16, 0.8)):
        for step in range(first, last):
            row = {"loss": scale / (step + 1)}
            if step % 4 == 3:
                row["val/acc"] = step / 16
            points.add(step, row)
            lines.append(json.dumps({"global_step": step, **row}))
        (folder / "log.jsonl").write_text("\n".join(lines) + "\n")
        case.snapshot(f"until step {last - 1}", [run("tree/run1", points)])
    finish(case, points, ["two resumes: back to 6, back to 12"])


def jsonl_numbers() -> None:
    case, folder = start("jsonl_numbers")
    points = Points()
    lines = []
    for step in range(4):
        row = {"big": 10**18 + step, "small": 1e-310, "int": step, "neg": -0.0}
        lines.append(json.dumps({"iter": step, **row, "as_text": f"{step}.5"}))
        points.add(step, row)
    (folder / "train_log.jsonl").write_text("\n".join(lines) + "\n")
    side = Points()
    for step in range(4):
        side.add(step, {"as_text": step + 0.5})
    notes = ["as_text holds numbers as strings: shown or not, both right"]
    finish(case, points, notes, optional=side.summary())


def openai_results() -> None:
    case, folder = start("openai_results")
    points = Points()
    names = ("train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
    lines = [",".join(("step", *names))]
    for step in range(1, 13):
        row = {"train_loss": 2 / step, "train_accuracy": 1 - 1 / step}
        cells = [str(step), f"{2 / step:.5f}", f"{1 - 1 / step:.5f}", "", ""]
        if step % 4 == 0:
            cells[3:] = [f"{2.5 / step:.5f}", f"{1 - 2 / step:.5f}"]
            row["valid_loss"] = float(cells[3])
            row["valid_mean_token_accuracy"] = float(cells[4])
        row["train_loss"], row["train_accuracy"] = float(cells[1]), float(cells[2])
        points.add(step, row)
        lines.append(",".join(cells))
    (folder / "step_metrics.csv").write_text("\n".join(lines) + "\n")
    finish(case, points, ["after the columns of a fine-tuning job's result file"])


def table(name: str, text: str | bytes, points, notes, file="metrics.csv", **more):
    """Save one csv case."""
    case, folder = start(name)
    data = text.encode() if isinstance(text, str) else text
    (folder / file).write_bytes(data)
    finish(case, points, notes, **more)


def rows(first="step", *, sep=",", end="\n", steps=range(6), scale=1.0):
    """Return (text, points) of a plain table: train_loss and val_acc (sparse)."""
    points, lines = Points(), [sep.join((first, "train_loss", "val_acc"))]
    for step in steps:
        row = {"train_loss": scale / (step + 1)}
        if step % 2:
            row["val_acc"] = step / 8
        points.add(step, row)
        cells = [str(step), repr(row["train_loss"]), str(row.get("val_acc", ""))]
        lines.append(sep.join(cells))
    return end.join(lines) + end, points


def csvs() -> None:
    points = Points()
    text = "loss,accuracy\n"
    for number in range(6):
        row = {"loss": 1 / (number + 1), "accuracy": number / 6}
        text += f"{row['loss']!r},{row['accuracy']!r}\n"
        points.add(number, row)
    table("csv_no_step", text, points, ["no step column: row number from 0"])

    for name, first in (
        ("csv_epoch_only", "epoch"),
        ("csv_step_named_it", "iteration"),
    ):
        text, points = rows(first, steps=range(1, 7))
        table(name, text, points, [f"{first} is the step, from 1"])

    points, text = Points(), "epoch;손실;정확도\r\n"
    for epoch in range(5):
        row = {"손실": 1 / (epoch + 1), "정확도": epoch / 5}
        text += f"{epoch};{row['손실']!r};{row['정확도']!r}\r\n"
        points.add(epoch, row)
    table("csv_semicolon", text, points, ["';', CRLF, Korean"], "log.csv")

    text, points = rows(sep="\t")
    table("csv_tab", text, points, ["tab separated, named .tsv"], "metrics.tsv")
    text, points = rows(sep="\t")
    table("csv_tab_named_csv", text, points, ["tab separated, named .csv"])

    table("csv_header_only", "step,train_loss,val_acc\n", {}, ["no rows yet"])
    table("csv_empty", "", {}, ["0 bytes: a run that has just begun, or no run"])

    text, points = rows()
    text += "6,0.1\n7,0.125,0.5,9,9\n8,0.1,0.9\n"
    points.add(8, {"train_loss": 0.1, "val_acc": 0.9})
    note = "rows of 2 and 5 cells under 3 columns are flagged and not read"
    table("csv_ragged", text, points, [note])

    first, points = rows(steps=range(6))
    again, more = rows(steps=range(3, 9), scale=0.9)
    for step in range(3, 9):
        row = {"train_loss": 0.9 / (step + 1)}
        points.add(step, row | ({"val_acc": step / 8} if step % 2 else {}))
    note = "the header again in the middle: a restart at step 3"
    table("csv_repeated_header", first + again, points, [note])

    text, points = rows()
    data = text.encode() + b"6,0.5,\xff\xfe\n7,0.125,0.875\n"
    points.add(7, {"train_loss": 0.125, "val_acc": 0.875})
    loose = Points()
    loose.add(6, {"train_loss": 0.5})
    note = "row 6 has bytes that are no UTF-8; its train_loss may be read (tolerated)"
    table("csv_bad_utf8", data, points, [note], tolerated=loose.summary())

    text, points = rows()
    note = "NUL bytes at the end, as after a power cut: the rows before are good"
    table("csv_nul_tail", text.encode() + bytes(512), points, [note])

    text, points = rows()
    note = "UTF-16 with a byte order mark"
    table("csv_utf16", text.encode("utf-16"), points, [note])
    table("csv_bom", text.encode("utf-8-sig"), points, ["UTF-8 with a byte order mark"])

    text, points = rows()
    note = "last line has no newline: still being written, not counted"
    table("csv_half_line", text + "6,0.14285", points, [note])

    points = Points()
    text = 'step,"loss, mean","note"\n'
    for step in range(4):
        text += f'{step},{1 / (step + 1)!r},"a ""quoted"" text, {step}\nsecond line"\n'
        points.add(step, {"loss, mean": 1 / (step + 1)})
    note = "names with a comma, text cells with quotes, commas and line ends"
    table("csv_quoted", text, points, [note])


def csv_by_class() -> None:
    case, folder = start("csv_by_class")
    text, points = rows()
    (folder / "metrics.csv").write_text(text)
    evaluation = folder / "eval"
    evaluation.mkdir()
    (evaluation / "per_class_metrics.csv").write_text(
        "class,precision,recall,f1,support\n"
        'cat,0.91,0.88,0.8947,100\n"dog, big",0.88,0.91,,100\n새,NaN,0,0,0\n',
        encoding="utf-8",
    )
    (evaluation / "benchmarks.tsv").write_text(
        "task\tacc\tacc_norm\tnote\nmmlu\t0.4512\t\tzero-shot\narc\t0.51\t0.53\t\n"
    )
    note = "tables of results: one row a class or a task; they are no logs"
    finish(case, points, [note])


def json_history() -> None:
    case, folder = start("json_history")
    points = Points()
    history = {"loss": [], "val_loss": []}
    for step in range(5):
        row = {
            "loss": 1 / (step + 1),
            "val_loss": NAN if step == 3 else 1.1 / (step + 1),
        }
        for name, value in row.items():
            history[name].append(value)
        points.add(step, row)
    (folder / "history.json").write_text(json.dumps(history))
    finish(case, points, ["{metric: [values]} in one JSON: index from 0 is the step"])


if __name__ == "__main__":
    jsonl_odd()
    jsonl_running()
    jsonl_resumed()
    jsonl_numbers()
    openai_results()
    csvs()
    csv_by_class()
    json_history()
