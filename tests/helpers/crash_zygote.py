"""A process that has imported everything and forks a tick whenever it is asked to.

Each tick is a process of its own with files, locks and sockets of its own; only the
second that importing takes is saved. Asked by one JSON object a line on standard
input; answers with the child's pid and, when it has ended, its wait status.

Not a test: started by `crash_tools.Zygote`.
"""

# ruff: noqa: T201 - it answers on standard output

import atexit
import gc
import importlib
import json
import os
import pkgutil
import signal
import sys
import time
import traceback

import mlreport_batch

HEAVY = (
    "css_inline",
    "email.policy",
    "email.parser",
    "jinja2",
    "plutoprint",
    "_strptime",
)


def _import_all() -> None:
    for module in pkgutil.walk_packages(mlreport_batch.__path__, "mlreport_batch."):
        if "google" not in module.name and not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in HEAVY:
        importlib.import_module(name)


def _child(order: dict[str, object]) -> int:
    from mlreport_batch.cli import main

    null = os.open(os.devnull, os.O_RDONLY)
    output = os.open(str(order["output"]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for target, source in ((0, null), (1, output), (2, output)):
        os.dup2(source, target)
    os.closerange(3, 64)
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


def serve() -> None:
    _import_all()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(_child(order))
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)


if __name__ == "__main__":
    serve()
