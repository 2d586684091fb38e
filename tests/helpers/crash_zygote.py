"""A process that has imported everything and forks a tick whenever it is asked to.

Each tick is a process of its own with files, locks and sockets of its own; only the
second that importing takes is saved. The first process forks one that serves for each
`crash_tools.Zygote`; that one is asked by one JSON object a line, and answers with
the tick's pid and, when it has ended, its wait status and the most memory that it or
a process of its own had.

Not a test: started by `crash_tools.Zygote`.
"""

# ruff: noqa: T201 - it answers on standard output

import atexit
import gc
import importlib
import json
import os
import pkgutil
import pwd
import shutil
import signal
import sys
import tempfile
import time
import traceback

import mlreport_batch
from mlreport_batch.cli import main

HEAVY = (
    "css_inline",
    "email.policy",
    "email.parser",
    "jinja2",
    "plutoprint",
    "_strptime",
)


def _import_all() -> None:
    """Import the program, and whatever a tick imports on its way."""
    for module in pkgutil.walk_packages(mlreport_batch.__path__, "mlreport_batch."):
        if "google" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in (*HEAVY, *_seen_in_a_tick()):
        if name != "__mp_main__":
            importlib.import_module(name)
    # Another user need not be able to read where the program lies.
    importlib.import_module("mlreport_batch.render.run_index").assets()


def _seen_in_a_tick() -> list[str]:
    """Return what a tick has imported in the end."""
    base = tempfile.mkdtemp(prefix="mlreport-scout-")
    try:
        pid = os.fork()
        if pid == 0:
            try:
                _scout(base)
            except BaseException:  # noqa: BLE001 - what it saw is missed below
                traceback.print_exc()
            os._exit(0)
        os.waitpid(pid, 0)
        with open(f"{base}/seen") as file:
            return json.load(file)
    finally:
        shutil.rmtree(base)


def _scout(base: str) -> None:
    os.mkdir(f"{base}/runs")
    for name, text in SCOUTED.items():
        with open(f"{base}/runs/{name}", "w") as file:
            file.write(text)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    assert main(["run", f"{base}/runs", "--out", f"{base}/out", "-v"]) == 0
    assert main(["inspect", f"{base}/runs"]) == 0
    with open(f"{base}/seen", "w") as file:
        json.dump(sorted(sys.modules), file)
    atexit._run_exitfuncs()  # ends the process that drew


SCOUTED = {
    "metrics.csv": "step,loss\n1,0.5\n2,0.25\n",
    "log.jsonl": '{"step": 1, "acc": 0.5}\n',
    "hparams.yaml": "lr: 0.1\n",
    "hparams.json": '{"lr": 0.1}',
}


def _opened(path: object) -> int:
    return os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)


def _child(order: dict[str, object]) -> int:
    null = os.open(os.devnull, os.O_RDONLY)
    output = _opened(order["output"])
    errors = _opened(order["errors"]) if order.get("errors") else output
    for target, source in ((0, null), (1, output), (2, errors)):
        os.dup2(source, target)
    os.closerange(3, 64)
    if order.get("cwd"):
        os.chdir(str(order["cwd"]))
    if order.get("user"):
        user = pwd.getpwnam(str(order["user"]))
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    shift_s = float(str(order.get("shift_s", 0)))
    if shift_s:
        real = time.time
        time.time = lambda: real() + shift_s
    if order.get("stop"):
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        argv = order["argv"]
        assert isinstance(argv, list)
        code = main(argv)
        sys.stdout.flush()
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 - what is seen here is a failed test
        traceback.print_exc()
        code = 99
    return code


def _serve(asked: str, answers: str, environment: dict[str, str]) -> None:
    """Fork a tick for each line of one pipe, until an empty line or its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(asked, os.O_RDONLY), 0)
    os.dup2(os.open(answers, os.O_WRONLY), 1)
    os.closerange(3, 64)
    for line in open(0, closefd=False):  # noqa: SIM115 - it ends with the process
        if not line.strip():
            break
        pid = os.fork()
        if pid == 0:
            os._exit(_child(json.loads(line)))
        print(pid, flush=True)
        _, status, usage = os.wait4(pid, 0)
        print(status, usage.ru_maxrss, flush=True)


def _main() -> None:
    _import_all()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who serve
    print("ready", flush=True)
    for line in sys.stdin:
        if os.fork() == 0:
            _serve(**json.loads(line))
            os._exit(0)


if __name__ == "__main__":
    _main()
