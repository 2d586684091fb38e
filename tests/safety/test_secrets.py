# ruff: noqa: TID253 - only the product loads it late
"""Planted secrets are looked for in all that the program writes (F59, N13)."""

import base64
import json
import os
import re
import struct
import subprocess
import sys
import zlib
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

import secret_shapes as shapes
from hostile import field, good_csv, mlflow_database, record, scalar_event

PLACES = (
    "yaml hparams_json config_json intent text error jsonl column run folder weights "
    "tensorboard mlflow mlflow_db hydra cell problem"
).split()


def _random(place: str, length: int, letters: str) -> str:
    """Return random letters that only this place has."""
    found = ""
    block = place.encode()
    while len(found) < length:
        block = base64.b64encode(hash_of(block)) + block[:8]
        found += "".join(c for c in block.decode() if c in letters)
    return found[:length]


def hash_of(data: bytes) -> bytes:
    import hashlib

    return hashlib.sha512(data).digest()


_ANY = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def secrets(place: str) -> dict[str, tuple[str, str]]:
    """Return, per kind, (text to plant, what must not be found)."""

    def some(kind: str, length: int, letters: str = _ANY) -> str:
        return _random(f"{place} {kind}", length, letters)

    word = some("word", 14)
    aws = "AKIA" + some("aws", 16, _UPPER)
    github = "ghp_" + some("github", 36)
    hugging = "hf_" + some("hugging", 34)
    slack = "xoxb-" + some("slack", 24)
    jwt = f"eyJhbGciOiJI{some('a', 12)}.{some('b', 40)}.{some('c', 43)}"
    line = some("pem", 64)
    user = some("url", 16)
    option, hook = some("option", 18), some("hook", 24)
    google = "AIza" + some("google", 35)
    hexes = some("hex", 64, "0123456789abcdef")
    coded, bearer, openai = some("b64", 43), some("bearer", 30), some("openai", 40)
    listed, quoted = some("listed", 18), some("quoted", 18)
    return {
        "key word": (f"password={word}", word),
        "aws": (aws, aws),
        "github": (f"clone with {github} now", github),
        "hugging face": (hugging, hugging),
        "slack": (slack, slack),
        "jwt": (jwt, jwt.split(".")[1]),
        "pem": (
            f"-----BEGIN RSA PRIVATE KEY-----\n{line}\n-----END RSA PRIVATE KEY-----",
            line,
        ),
        "url": (f"postgres://ml:{user}@db.lab.example/x", user),
        "option": (f"python train.py --api-key {option} --lr 0.1", option),
        "hex": (hexes, hexes),
        "base64": (coded + "=", coded),
        "hook": (f"https://hooks.slack.com/services/T0/B0/{hook}", hook),
        "google": (google, google),
        "bearer": (f"Authorization: Bearer {bearer}7", bearer),
        "openai": (f"sk-{openai}", openai),
        "argument list": (f'["train.py", "--token", "{listed}"]', listed),
        "printed dictionary": (f"{{'db_password': '{quoted}', 'lr': 0.1}}", quoted),
    }


IN_NAMES = ("key word", "aws", "github", "hugging face", "slack", "jwt", "google")
"""Kinds that can stand in a name of a file, a column or a tag."""


def names(place: str) -> list[str]:
    return [secrets(place)[kind][0].replace(" ", "_") for kind in IN_NAMES]


INNOCENT = {
    "tokenizer": "bert-base-uncased",
    "pad_token": "[PAD-INNOCENT]",
    "max_tokens": 40961,
    "keyboard": "qwerty-layout",
    "monkey": "capuchin-one",
    "author": "Kim-Secretary",
    "secretary": "pool-of-four",
    "git_commit": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
    "dataset_md5": "d41d8cd98f00b204e9800998ecf8427e",
    "key_dim": 6401,
    "model": "facebook/wav2vec2-large-960h-lv60-self",
}


def numbered(place: str) -> dict[str, str]:
    """Return the texts to plant under names that say nothing."""
    return {f"n{n}": text for n, (text, _) in enumerate(secrets(place).values())}


def plant(root: Path) -> None:
    """Write run directories with every kind of secret at every place."""
    run = root / "planted"
    run.mkdir(parents=True)
    values = {f"note_{n}": text for n, (text, _) in enumerate(secrets("yaml").values())}
    (run / "hparams.yaml").write_text(
        "".join(f"{key}: {json.dumps(text)}\n" for key, text in values.items())
        + "".join(f"{key}: {json.dumps(value)}\n" for key, value in INNOCENT.items())
    )
    for place, name in (
        ("hparams_json", "hparams.json"),
        ("config_json", "config.json"),
    ):
        found = secrets(place)
        (run / name).write_text(
            json.dumps(
                {
                    "model_type": "x",
                    "password": found["key word"][1],
                    "nested": {"api_key": found["option"][1], "env": [found["hex"][0]]},
                    "args": dict.fromkeys(names(place), 1),
                    **{f"{place}_{n}": t for n, (t, _) in enumerate(found.values())},
                }
            )
        )
    (run / "intent.json").write_text(
        json.dumps(
            {
                "purpose": " ".join(text for text, _ in secrets("intent").values()),
                "expect": numbered("intent"),
            }
        )
    )
    texts = root / "texts"
    texts.mkdir()
    (texts / "metrics.csv").write_text(good_csv(3))
    (texts / "model_summary.txt").write_text(
        "Layer (type) param\n"
        + "\n".join(" " * 120 + text for text, _ in secrets("text").values())
        + f"\ncommit {INNOCENT['git_commit']} stays\n"
    )
    with (run / "metrics.jsonl").open("w") as file:
        for step in range(3):
            row: dict[str, object] = {"step": step, "loss": 0.5, "pad_token_acc": 0.5}
            row |= {f"m_{name}": 0.5 for name in names("jsonl")}
            row["config"] = numbered("jsonl")
            file.write(json.dumps(row) + "\n")
    columns = ",".join(f'"loss_{name}"' for name in names("column"))
    (run / "log.csv").write_text(f"step,{columns}\n1{',0.5' * len(IN_NAMES)}\n")
    cells = "".join(
        f'{n},"{text.replace(chr(34), "").replace(chr(10), " ")}",x\n'
        for n, (text, _) in enumerate(secrets("cell").values(), 2)
    )
    (run / "train_log.csv").write_text(f"step,f1,acc\n1,0.5,0.5\n{cells}")
    for name in names("weights"):
        (run / f"model_{name}.ckpt").write_bytes(b"")
    for name in names("run"):
        (root / f"exp_{name}").mkdir()
        (root / f"exp_{name}" / "metrics.csv").write_text(good_csv(3))
    _plant_frameworks(root)


def _plant_frameworks(root: Path) -> None:
    trial = root / "ray"
    trial.mkdir()
    (trial / "params.json").write_text("{}")
    (trial / "result.json").write_text('{"training_iteration": 1, "loss": 0.5}\n')
    (trial / "progress.csv").write_text("training_iteration,loss\n1,0.5\n")
    text = "\n".join(text for text, _ in secrets("error").values())
    pem = secrets("problem")["pem"]
    # The tail that is shown begins in the middle of this key.
    short = f"{pem[1][:32]}\n{pem[1][32:]}"  # too short to be masked by itself
    key = pem[0].replace(pem[1], "\n".join([short] * 60))
    (trial / "error.txt").write_text(f"Traceback\n{key}\n{text}\n")
    board = root / "board"
    board.mkdir()
    data = b"".join(
        scalar_event(1, name.encode(), 0.5) for name in names("tensorboard")
    )
    session = b""
    for number, (text, _) in enumerate(secrets("tensorboard").values()):
        entry = field(1, f"t{number}".encode()) + field(2, field(3, text.encode()))
        session += field(1, entry)
    plugin = field(1, field(1, b"hparams") + field(2, field(3, session)))
    value = field(1, b"_hparams_/session_start_info") + field(9, plugin)
    data += record(field(5, field(1, value)))
    data += record(struct.pack("<Bd", 9, 1.7e9) + field(3, b"brain.Event:2"))
    (board / "events.out.tfevents.1700000000.host.1.0").write_bytes(data)
    store = root / "mlruns" / "0" / ("b" * 32)
    (store / "metrics").mkdir(parents=True)
    (store / "params").mkdir()
    (store / "meta.yaml").write_text(
        f"run_id: {'b' * 32}\nstatus: 1\n"
        f"run_name: {json.dumps(secrets('mlflow')['aws'][0])}\n"
    )
    (store / "metrics" / "loss").write_text("1700000000000 0.5 1\n")
    for number, (text, _) in enumerate(secrets("mlflow").values()):
        (store / "params" / f"p{number}").write_text(text)
    (root / "database").mkdir()
    texts = (*names("mlflow_db"), *numbered("mlflow_db").values())
    mlflow_database(root / "database" / "mlflow.db", names=texts)
    hydra = root / "hydra"
    (hydra / ".hydra").mkdir(parents=True)
    (hydra / "metrics.csv").write_text(good_csv(3))
    (hydra / ".hydra" / "config.yaml").write_text("lr: 0.1\n")
    asked = [f"+h{n}={text}" for n, (text, _) in enumerate(secrets("hydra").values())]
    asked += [f"db.password={secrets('hydra')['key word'][1]}"]
    (hydra / ".hydra" / "overrides.yaml").write_text(json.dumps(asked))


def needles() -> dict[str, str]:
    """Return what must not be found, with where it was planted."""
    found = {}
    for place in PLACES:
        for kind, (_, needle) in secrets(place).items():
            found[needle] = f"{kind} in {place}"
    return found


def program(*arguments: str, cwd: Path, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mlreport_batch", *arguments],
        capture_output=True,
        cwd=cwd,
        check=False,
        env={**os.environ, **environ},
    )
    return done.returncode, (done.stdout + done.stderr).decode()


def leaks(text: str) -> list[str]:
    # Pages break long names, mails and tables fold them.
    bare = re.sub(r"<wbr>|\s+", "", text)
    # Half a secret, left over by a cut, is found as well.
    return [place for needle, place in NEEDLES.items() if needle[:12] in bare]


def standing(parts: set[str], text: str) -> set[str]:
    """Return which *parts*, each of eight letters or more, stand in *text*.

    One way over the text does for all of them.
    """
    starts = {part[:8] for part in parts}
    places = range(len(text))
    seen = {start for at in places if (start := text[at : at + 8]) in starts}
    return {part for part in parts if part[:8] in seen and part in text}


NEEDLES = needles()
ON_DISK = (" in run", " in weights")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return all that a tick wrote about the planted runs, as text, by its place."""
    base = tmp_path_factory.mktemp("secrets")
    plant(base / "root")
    where = (str(base / "root"), "--out", str(base / "out"))
    code, said = program("run", *where, "-v", "--summary", "summary.md", cwd=base)
    assert code == 0, said
    found = {"printed": said, "summary": (base / "summary.md").read_text()}
    found["tick as JSON"] = program("run", *where, "--all", "--json", cwd=base)[1]
    for mail_path in sorted((base / "out" / "outbox").iterdir()):
        mail = BytesParser(policy=policy.default).parsebytes(mail_path.read_bytes())
        for number, part in enumerate(mail.walk()):
            if part.get_content_type() == "application/pdf":
                found[f"{mail_path.name} pdf"] = pdf_text(part.get_content(), base)
            elif part.get_content_maintype() == "text":
                found[f"{mail_path.name} {number}"] = part.get_content()
        found[f"{mail_path.name} headers"] = "\n".join(map(str, mail.values()))
    for path in (base / "out").rglob("*"):
        if path.suffix == ".html":
            found[str(path.relative_to(base))] = path.read_text("utf-8")
        elif path.suffix == ".pdf":
            found[str(path.relative_to(base))] = pdf_text(path.read_bytes(), base)
    for path in (base / "out").rglob("*"):
        if (
            path.is_file()
            and "outbox" not in path.parts
            and "reports" not in path.parts
        ):
            found[f"raw {path.relative_to(base)}"] = path.read_bytes().decode("latin-1")
    found["inspect as JSON"] = program("inspect", where[0], "--json", cwd=base)[1]
    found["inspect"] = program("inspect", where[0], cwd=base)[1]
    found["status"] = program("status", "--out", where[2], "--json", cwd=base)[1]
    return found


def pdf_text(data: bytes, base: Path) -> str:
    """Return the text of a PDF, and all that is in its streams."""
    raw = data.decode("latin-1")
    for match in re.finditer(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        try:
            raw += zlib.decompress(match[1]).decode("latin-1")
        except zlib.error:
            continue
    path = base / "x.pdf"
    path.write_bytes(data)
    try:
        done = subprocess.run(
            ["pdftotext", "-raw", str(path), "-"], capture_output=True, check=True
        )
    except FileNotFoundError:  # pragma: no cover - the streams were searched
        return raw
    return raw + done.stdout.decode()


def mailed(outbox: Path) -> list[str]:
    """Return headers, texts and the texts of PDFs of all mails in *outbox*."""
    texts = []
    for path in outbox.iterdir():
        mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        texts.append("\n".join(map(str, mail.values())))
        texts += [
            pdf_text(part.get_content(), outbox.parent)
            if part.get_content_type() == "application/pdf"
            else part.get_content()
            for part in mail.walk()
            if part.get_content_maintype() in ("text", "application")
        ]
    return texts


def test_no_planted_secret_is_found_anywhere(made: dict[str, str]):
    found = {where: leaks(text) for where, text in made.items()}
    for where in list(found):
        if where.startswith("raw ") or "inspect as" in where or where == "inspect":
            # What a run is called on disk is how the state finds it again.
            found[where] = [p for p in found[where] if not p.endswith(ON_DISK)]
    assert {where: places for where, places in found.items() if places} == {}
    assert len(NEEDLES) == len(PLACES) * len(secrets("x"))


def plant_shapes(root: Path) -> dict[str, str]:
    """Write every shape into a run of its kind; return where each needle stands."""
    found: dict[str, str] = {}

    def put(shape: str, seed: str) -> str:
        filled = shapes.filled(shape, seed)
        found.update((needle, f"{shape} in {seed}") for needle in filled.needles)
        return filled.text

    names = [*shapes.NAMES, *shapes.KOREAN_NAMES]
    mappings = [f"{{{name}: $w}}" for name in names] + shapes.lines(shapes.MAPPINGS)
    texts = shapes.lines(shapes.COMMANDS) + shapes.lines(shapes.TEXTS) + shapes.TOKENS
    for name in ("yaml", "json", "texts", "summaries"):
        (root / name).mkdir(parents=True)
        (root / name / "metrics.csv").write_text(good_csv(3))
    rows = (f"m{n}: {put(m, f'yaml {n}')}\n" for n, m in enumerate(mappings))
    (root / "yaml" / "hparams.yaml").write_text("".join(rows))
    values = {f"t{n}": put(text, f"json {n}") for n, text in enumerate(texts)}
    (root / "json" / "hparams.json").write_text(json.dumps({"x": values}))
    listed = [put(text, f"list {n}") for n, text in enumerate(texts)]
    config = {"model_type": "x", "args": listed, "env": [put(m, "e") for m in mappings]}
    (root / "texts" / "config.json").write_text(json.dumps(config))
    for number in range(0, len(texts), 12):
        folder = root / "summaries" / f"part{number}"
        folder.mkdir()
        (folder / "metrics.csv").write_text(good_csv(3))
        lines = [put(text, "summary") for text in texts[number : number + 12]]
        summary = "Layer (type) param\n" + "\n".join(lines) + "\n"
        (folder / "model_summary.txt").write_text(summary)
    return found


def test_no_shape_of_a_secret_reaches_an_output(tmp_path: Path):
    planted = plant_shapes(tmp_path / "root")
    assert len(planted) >= 2500
    where = (str(tmp_path / "root"), "--out", str(tmp_path / "out"))
    code, said = program("run", *where, "-v", cwd=tmp_path)
    assert code == 0, said
    texts = [said, program("inspect", where[0], "--json", cwd=tmp_path)[1]]
    texts += mailed(tmp_path / "out" / "outbox")
    texts += [page.read_text("utf-8") for page in (tmp_path / "out").rglob("*.html")]
    state = [p for p in (tmp_path / "out").rglob("*") if p.is_file()]
    texts += [p.read_bytes().decode("latin-1") for p in state]
    bare = re.sub(r"<wbr>|\s+", "", "\n".join(texts))
    cut = {needle: needle[: max(8, len(needle) * 2 // 3)] for needle in planted}
    found = standing(set(cut.values()), bare)
    assert [planted[needle] for needle, part in cut.items() if part in found] == []


def test_innocent_values_are_kept(made: dict[str, str]):
    inspected = json.loads(made["inspect as JSON"])
    [run] = [run for run in inspected["runs"] if run["name"].endswith("planted")]
    for key, value in INNOCENT.items():
        assert run["hparams"][key] == value
    pages = {
        where.split("/")[2].partition("-")[0]: text.replace("<wbr>", "")
        for where, text in made.items()
        if where.startswith("out/reports/") and where.endswith("report.html")
    }
    for value in INNOCENT.values():
        assert str(value) in pages["planted"]
    assert f"commit {INNOCENT['git_commit']} stays" in pages["texts"]
    assert "***" in pages["planted"]
    assert "***" in pages["texts"]


def test_secrets_in_names_leave_the_names_apart(made: dict[str, str]):
    runs = json.loads(made["inspect as JSON"])["runs"]
    names = [run["name"] for run in runs]
    assert len(set(names)) == len(names)
    assert sum("***" in name for name in names) == len(IN_NAMES)


def test_the_users_own_globs_mask_wherever_the_value_is_shown(tmp_path: Path):
    run = tmp_path / "root" / "run"
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text(good_csv(3))
    (run / "hparams.yaml").write_text(
        "codeword_of_lab: swordfish-one\nlr: 0.25\nx: {codeword: [swordfish-two]}\n"
    )
    (run / "intent.yaml").write_text(
        "purpose: try codeword_of_lab=swordfish-four\n"
        "expect: {codeword_of_lab: swordfish-three}\n"
    )
    _describe(run, "codeword_of_lab", "swordfish-five")
    _describe(run, "cookie", "swordfish-six")
    (tmp_path / "mlreport.yaml").write_text(
        f"runs: [{{path: {tmp_path / 'root'}}}]\nstate: {tmp_path / 'state'}\n"
        f"outbox: {{dir: {tmp_path / 'outbox'}}}\nredact: ['*codeword*']\n"
        "mail: {from: a@lab.example, to: [b@lab.example]}\n"
    )
    code, said = program("run", "-v", cwd=tmp_path)
    assert code == 0, said
    texts = mailed(tmp_path / "outbox")
    state = b"".join(
        path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()
    )
    for text in (*texts, state.decode("latin-1"), said):
        assert "swordfish" not in re.sub(r"<wbr>|\s", "", text)
    assert any("0.25" in text for text in texts)


def _describe(run: Path, key: str, secret: str) -> None:
    """Put *key* into every kind of text that is shown of a run."""
    for kind in ("config.json", "wandb", "model_summary.txt", "error.txt"):
        folder = run.parent / f"{kind.partition('.')[0]}_{key}"
        folder.mkdir()
        (folder / "metrics.csv").write_text(good_csv(3))
        values = {
            "model_type": "bert",
            key: f"{secret}, {secret}",
            "env": {key: secret},
        }
        lines = f"lr: 1\n{key}: {secret} and {secret}\n{key}:\n  - {secret}\n"
        if kind == "config.json":
            (folder / kind).write_text(json.dumps(values))
        elif kind == "wandb":
            files = folder / "wandb" / "run-20240101_000000-abc12345" / "files"
            files.mkdir(parents=True)
            (files / "wandb-metadata.json").write_text(json.dumps(values))
            (files / "wandb-summary.json").write_text('{"_step": 3, "loss": 0.5}')
        elif kind == "model_summary.txt":
            (folder / kind).write_text(f"Layer (type) param\n{lines}")
        else:
            (folder / kind).write_text(f"Traceback\n{{'{key}': '{secret}'}}\n{lines}")
            (folder / "params.json").write_text("{}")
            (folder / "result.json").write_text('{"training_iteration": 1, "loss": 1}')


def test_secrets_in_numbers_cells_and_names_of_folders_are_not_shown(tmp_path: Path):
    root = tmp_path / "runs_password=swordfish-one"
    for name in ("rows", "result", "cells", "exp_dbPassword=swordfish-two"):
        (root / name).mkdir(parents=True)
        (root / name / "metrics.csv").write_text(good_csv(3))
    row = {"loss": 0.5, "db_password": "73912846", "pin_password": 73912846}
    rows = (json.dumps({"step": step, **row}) + "\n" for step in range(3))
    (root / "rows" / "metrics.jsonl").write_text("".join(rows))
    (root / "result" / "eval_results.json").write_text(
        '{"acc": 0.5, "api_key": "73912846"}'
    )
    (root / "cells" / "log.csv").write_text(
        "step,f1,vault_password\n1,0.5,1\n2,0.5,swordfish-three\n"
    )
    out = tmp_path / "out"
    where = (str(root), "--out", str(out), "--summary", str(tmp_path / "summary"))
    code, said = program("run", *where, "-v", cwd=tmp_path)
    assert code == 0, said
    texts = [said.replace(str(root), ""), (tmp_path / "summary").read_text()]
    texts += [page.read_text() for page in out.rglob("*.html")]
    texts += mailed(out / "outbox")
    for text in texts:
        bare = re.sub(r"<wbr>|\s", "", text)
        assert not re.search(r"swordfish|739128|7\.3913?e", bare)
    assert any("is no number" in text for text in texts)
    assert any("look like those of secrets (db_password" in text for text in texts)


def test_a_crash_does_not_tell_what_it_crashed_on(tmp_path: Path):
    secret, token = (_random(f"crash {n}", 30, _ANY) for n in range(2))
    run = tmp_path / "root" / "run"
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text(good_csv(3))
    # A real fault: a library that breaks when it is imported, and says why.
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "msgspec.py").write_text(
        f"url = 'https://ml:{secret}@host/x'\n"
        f"raise RuntimeError(f'cannot fetch {{url}} with ghp_{token}')\n"
    )
    code, said = program(
        *("run", str(tmp_path / "root"), "--out", str(tmp_path / "out"), "-v"),
        cwd=tmp_path,
        PYTHONPATH=f"{tmp_path / 'broken'}:{os.environ.get('PYTHONPATH', '')}",
    )
    assert code == 70, said
    assert "Traceback" in said
    assert "***" in said
    assert secret not in said
    assert token not in said
    assert "please report" in said


def test_the_smtp_password_is_nowhere(tmp_path: Path):
    secret = "Tr0ub4dor-" + _random("smtp", 12, _ANY)
    run = tmp_path / "root" / "run"
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text(good_csv(3))
    (tmp_path / "mlreport.yaml").write_text(
        f"runs: [{{path: {tmp_path / 'root'}}}]\nstate: {tmp_path / 'state'}\n"
        "mail: {via: smtp, from: a@lab.example, to: [b@lab.example]}\n"
        "smtp: {host: 127.0.0.1, port: 9, security: none, username: ml,\n"
        "       password_env: MY_PASSWORD, timeout_s: 2}\n"
    )
    texts = []
    for command in ("run", "check", "status"):
        options = ["-v"] if command == "run" else []
        texts.append(program(command, *options, cwd=tmp_path, MY_PASSWORD=secret)[1])
    files = (path for path in (tmp_path / "state").rglob("*") if path.is_file())
    texts += [path.read_bytes().decode("latin-1") for path in files]
    for coded in (secret, base64.b64encode(f"\0ml\0{secret}".encode()).decode()):
        assert not [text for text in texts if coded in text]
