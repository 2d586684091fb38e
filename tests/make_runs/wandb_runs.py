"""Weights & Biases local folders: offline, online, and of old versions.

Needs: wandb==0.31.0; for the others environments with wandb 0.12.21 (Python 3.8), 0.9.7
and 0.8.36 (Python 3.7), whose pythons WANDB_PYTHONS names, ``:`` between them. Run:
``python tests/make_runs/wandb_runs.py [case...]``; about 20 s; nothing leaves the machine:
online runs talk to a server in this script, which says yes to everything. Truth: the
values logged.

Cases: wandb_offline (two runs, real: one finished, one that crashed. 0.31 in offline mode
writes neither config.yaml nor wandb-summary.json before a sync: all is in the binary
file, which is cut here, so only output.log can be read).
wandb_synced (online runs of 0.31.0 and 0.12.21, with config.yaml of new and old style;
one more without its .wandb file, taken away by hand: only the summary is left) and
wandb_old (0.8.36 and 0.9.7, ``WANDB_MODE=dryrun``: files without ``files/``, with
wandb-history.jsonl and media in it; one crashed).
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from common import Case, Points, run

TRAIN = """\
import sys, wandb

kind = sys.argv[1]
run = wandb.init(
    mode="offline",
    project="toy",
    name=f"실험 {kind}",
    config={"lr": 0.01, "net": {"layers": [8, 4], "act": "relu"}, "이름": "실험"},
    settings=wandb.Settings(console="wrap", x_disable_machine_info=True,
                            save_code=False, x_save_requirements=False),
)
for step in range(8):
    row = {"train/loss": 1 / (step + 1), "val": {"acc": step / 8}}
    if kind == "crash" and step == 5:
        row["train/loss"] = float("nan")
        row["top"] = float("inf")
    run.log(row)
    print("step", step)
    if kind == "crash" and step == 5:
        raise RuntimeError("손실이 발산했습니다")
run.summary["best"] = 0.9
run.finish()
"""


def make() -> None:
    case = Case("wandb_offline", "wandb", ("wandb",))
    script = case.scratch / "train.py"
    script.write_text(textwrap.dedent(TRAIN), encoding="utf-8")
    home = case.scratch / "home"
    home.mkdir()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "USER": "researcher",
        "LOGNAME": "researcher",
        "WANDB_DIR": str(case.tree),
        "WANDB_SILENT": "true",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_HOST": "gpu1",
    }
    runs = []
    for kind, steps, last in (("ok", 8, 1 / 8), ("crash", 6, "NaN")):
        subprocess.run(
            [sys.executable, str(script), kind],
            cwd=case.tree,
            env=env,
            check=False,
            capture_output=True,
        )
        done = {r["path"] for r in runs}
        for folder in sorted((case.tree / "wandb").glob("offline-run-*")):
            path = str(folder.relative_to(case.scratch))
            if path in done:
                continue
            summary = {"train/loss": last, "val/acc": (steps - 1) / 8}
            summary |= {"best": 0.9} if kind == "ok" else {"top": "Infinity"}
            runs.append(
                run(
                    path,
                    {},
                    {},
                    [],
                    None,
                    [
                        "nothing but output.log is readable (logged holds what was logged): finding no"
                        " run here is as right as an empty one"
                    ],
                    logged=summary,
                )
            )
    for file in case.tree.rglob("*.wandb"):
        file.write_bytes(file.read_bytes()[:256])
    for name in ("debug.log", "debug-internal.log", "debug-core.log"):
        for file in case.tree.rglob(name):
            file.unlink()
    case.save(runs, [".wandb files are cut to 256 bytes, debug logs left out"])


HPARAMS = {"lr": 0.01, "net.layers": [8, 4], "net.act": "relu", "이름": "실험"}
OTHER = """\
import sys, wandb

kind = sys.argv[1]
more = {}
if wandb.__version__ == "0.31.0":
    more = {"settings": wandb.Settings(save_code=False, x_save_requirements=False,
                                       x_disable_machine_info=True)}
run = wandb.init(
    project="toy",
    name=f"실험 {kind}",
    notes="학습률을 낮추면?",
    config={"lr": 0.01, "net": {"layers": [8, 4], "act": "relu"}, "이름": "실험"},
    **more,
)
for step in range(8):
    row = {"train/loss": 1 / (step + 1), "val": {"acc": step / 8}}
    if step == 5:
        row["train/loss"] = float("nan")
        row["top"] = float("inf")
    if step == 6 and kind != "online":
        row["samples"] = wandb.Table(columns=["a", "b"], data=[["x", 1], ["y", 2]])
    wandb.log(row)
    print("step", step)
    if kind == "crash" and step == 6:
        raise RuntimeError("손실이 발산했습니다")
wandb.run.summary["best"] = 0.9
wandb.run.summary["note"] = "텍스트"
"""


class Cloud(BaseHTTPRequestHandler):
    """What a W&B client wants to hear."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def _read(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, value: dict) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        self._read()
        self._answer({})

    def do_GET(self):
        self._answer({})

    def do_POST(self):
        body = self._read()
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if "/graphql" not in self.path:
            self._answer({"exitcode": None, "limits": {}})
            return
        asked = json.loads(body)
        query, given = asked["query"], asked.get("variables") or {}
        upload = f"http://127.0.0.1:{self.server.server_port}/upload/"
        name = given.get("name") or given.get("run") or "x"
        files = [{"name": f, "uploadUrl": upload + f} for f in given.get("files") or ()]
        who = {"id": "1", "entity": "researcher", "username": "researcher"}
        data: dict = {}
        if "upsertBucket" in query:
            owner = {"id": "1", "name": "researcher"}
            bucket = {"id": "1", "name": name, "displayName": given.get("displayName")}
            bucket["project"] = {"id": "1", "name": "toy", "entity": owner}
            data = {"upsertBucket": {"bucket": bucket, "inserted": True}}
        elif "createRunFiles" in query:
            data["createRunFiles"] = {"runID": "1", "uploadHeaders": [], "files": files}
        elif "viewer" in query:
            data["viewer"] = who | {"flags": "{}", "teams": {"edges": []}}
        elif "model(" in query:
            edges = [{"node": file | {"url": file["uploadUrl"]}} for file in files]
            bucket = {"id": "1", "name": name, "files": {"edges": edges}}
            data["model"] = {"bucket": bucket}
        elif "serverInfo" in query:
            data["serverInfo"] = {"features": []}
        self._answer({"data": data})


def pythons() -> dict[str, str]:
    """Return the python of each version of wandb that is there."""
    found = {}
    asked = "import wandb; print(wandb.__version__)"
    for python in (*os.environ["WANDB_PYTHONS"].split(":"), sys.executable):
        told = subprocess.check_output([python, "-c", asked], text=True)
        found[told.split()[-1]] = python
    return found


def call(case: Case, python: str, kind: str, **more: str) -> Path:
    """Train with *python*; return the folder of the run that this made."""
    script = case.scratch / "train.py"
    script.write_text(OTHER, encoding="utf-8")
    env = {
        "PATH": f"{Path(python).parent}:{os.environ['PATH']}",
        "HOME": str(case.scratch),
        "USER": "researcher",
        "LANG": "C.UTF-8",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_DISABLE_GIT": "true",
        **more,
    }
    before = set(case.tree.glob("wandb/*run-*-*"))
    command = [python, str(script), kind]
    subprocess.run(command, cwd=case.tree, env=env, check=False, capture_output=True)
    [folder] = set(case.tree.glob("wandb/*run-*-*")) - before
    for meta in folder.rglob("wandb-metadata.json"):
        host = f'"host": "{socket.gethostname()}"'
        text = meta.read_text().replace(host, '"host": "gpu1"')
        meta.write_text(text.replace(platform.release(), "6.1.0"))
    return folder


def logged(steps: int) -> Points:
    """Return what OTHER logs in that many steps."""
    points = Points()
    for step in range(steps):
        loss = float("nan") if step == 5 else 1 / (step + 1)
        points.add(step, {"train/loss": loss, "val/acc": step / 8})
        if step == 5:
            points.add(step, {"top": float("inf")})
    return points


def tidy(case: Case) -> None:
    """Take away what tells of the machine and of nothing else."""
    for file in case.tree.rglob("*"):
        if file.name.startswith("debug") or file.name == "requirements.txt":
            file.unlink()
    for folder in case.tree.rglob("logs"):
        shutil.rmtree(folder)


def synced() -> None:
    case = Case("wandb_synced", "wandb")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    found = pythons()
    runs = []
    for version in ("0.31.0", "0.12.21"):
        folder = call(
            case, found[version], "online", WANDB_BASE_URL=url, WANDB_API_KEY="0" * 40
        )
        path = str(folder.relative_to(case.scratch))
        runs.append(run(path, logged(8), HPARAMS, [], "finished", [version]))
    server.shutdown()
    copy = case.tree / "copied" / "wandb" / folder.name
    shutil.copytree(folder / "files", copy / "files")
    last = Points()
    last.add(7, {"train/loss": 1 / 8, "val/acc": 7 / 8, "best": 0.9})
    notes = [f"{version}, only files/ was copied: the last values, at _step"]
    path = str(copy.relative_to(case.scratch))
    last.add(7, {"top": float("inf")})
    runs.append(run(path, last, HPARAMS, [], None, notes))
    tidy(case)
    case.versions = {"wandb": "0.31.0, 0.12.21"}
    case.save(
        runs,
        [
            "online against a made-up server; debug logs and requirements.txt left out;"
            " names of host and kernel in wandb-metadata.json replaced by hand",
            "path is the run-* folder; the other files lie in its files/",
        ],
    )


def old() -> None:
    case = Case("wandb_old", "wandb")
    found = pythons()
    runs = []
    for version, kind, steps in (("0.8.36", "ok", 8), ("0.9.7", "crash", 7)):
        folder = call(case, found[version], kind, WANDB_MODE="dryrun")
        status = "failed" if kind == "crash" else "finished"
        entry = run(
            str(folder.relative_to(case.scratch)),
            logged(steps),
            HPARAMS,
            [],
            status,
            [version, "samples is a table, in media/: no metric"],
        )
        if kind == "ok":
            best = Points()
            best.add(7, {"best": 0.9})
            entry["optional"] = best.summary()
        runs.append(entry)
    tidy(case)
    case.versions = {"wandb": "0.8.36, 0.9.7"}
    case.save(runs, ["names of host and kernel replaced by hand; debug.log left out"])


CASES = {"wandb_offline": make, "wandb_synced": synced, "wandb_old": old}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or CASES:
        CASES[chosen]()
