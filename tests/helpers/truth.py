"""What `inspect --json` says, against what a framework itself held in memory."""

import math
import struct

# Each environment's file is a log of its own; their names are told apart.
SEVERAL_LOGS = {"sb3_monitor_only"}


def number(value: object) -> object:
    names = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    return names.get(value, value) if isinstance(value, str) else value


def float32(value: float) -> float:
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def same(got: object, wanted: object) -> bool:
    got, wanted = number(got), number(wanted)
    if isinstance(wanted, str) and isinstance(got, float):
        wanted = float(wanted)  # "1e-4" is a number to everybody but YAML 1.1
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        if math.isnan(got) or math.isnan(wanted):
            return math.isnan(got) and math.isnan(wanted)
        # SB3's CSV shortens float32; TensorBoard holds float32.
        return got == wanted or float32(got) == float32(wanted)
    return got == wanted


def check_run(case: str, got: dict, wanted: dict, *, is_whole: bool) -> None:
    metrics = wanted.get("written") or wanted.get("if_skipped") or wanted["metrics"]
    tolerated = set(wanted.get("tolerated", ()))
    extra = set(wanted.get("optional", ())) | set(wanted.get("bookkeeping", ()))
    assert set(metrics) <= set(got["metrics"])
    if is_whole and case not in SEVERAL_LOGS:
        assert set(got["metrics"]) - set(metrics) <= extra
    for name in set(metrics) - tolerated:
        for key in ("count", "nans", "last", "last_step", "min", "max"):
            assert same(got["metrics"][name][key], metrics[name][key]), (name, key)
    for key, value in (wanted["hparams"] or {}).items():
        assert key in got["hparams"]
        assert same(got["hparams"][key], value), key
    maybe = set(wanted.get("optional_checkpoints", ())) | {"model-best", "model-last"}
    assert set(got["checkpoints"]) - maybe == set(wanted["checkpoints"]) - maybe
    assert all(set(each) == {"path", "line", "message"} for each in got["problems"])
