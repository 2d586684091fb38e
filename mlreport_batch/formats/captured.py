"""What a launcher caught of a training's output, and what its last words say.

``slurm-123.out``, ``train.err``, ``nohup.out``, ``stderr.txt``, Hydra's ``train.log``:
whatever else such a file holds, its end tells how the program ended.
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mlreport_batch.safety.clean import shorten, without_hidden
from mlreport_batch.safety.encoding import to_text
from mlreport_batch.safety.patterns import late

TAIL = 32 * 1024
"""So many bytes at the end of a file are looked at."""
LINES_MAX = 200
COLUMNS_MAX = 400
AFTER_MAX = 30
"""So many lines may stand below the last words: of a launcher, of W&B."""
SHOWN_LINES = 20
SAID_MAX = 160

_NAMED = late(
    r"(?i)(?:.*[._-])?(?:out|err|log|stdout|stderr)(?:[._-]?\d+)?(?:\.(?:txt|log|gz))?"
    r"|.*\.[oe]\d+(?:[._-]\d+)?"
    r"|(?:.*[._-])?(?:console|nohup|output|terminal)(?:[._-].*)?\.txt"
)


_STREAM = late(
    r"(?i)\.(?:out|err)\b|\.[oe]\d+|(?:^|[^a-z])(?:std(?:out|err)|nohup|slurm|output|console)"
)


class LastWords(Struct, frozen=True):
    """What the end of a file says of how its program ended.

    Attributes:
        status: ``finished``, ``failed``, ``killed`` or ``out_of_time``.
        kind: What ended it: ``early_stop end_mark exit_zero error gpu_memory crash
            exit_code memory killed interrupted cancelled preempted time_limit``.
        said: The line that says so.
        tail: Those of the last lines that tell of the end, secrets not masked yet.
    """

    status: str
    kind: str
    said: str
    tail: str


class _Sign(Struct, frozen=True):
    kind: str
    status: str
    pattern: re.Pattern[str]


def _sign(kind: str, status: str, *patterns: str) -> _Sign:
    return _Sign(kind, status, late("|".join(patterns), re.IGNORECASE))


# Gravest first: of all that was said, the first of these is the reason.
_SIGNS = (
    _sign(
        "time_limit", "out_of_time",
        r"\bDUE TO TIME ?LIMIT\b", r"\bTERM_RUNLIMIT\b", r"\bState\s*:\s*TIMEOUT\b",
        r"\bwalltime\b.*\bexceed", r"\bexceeded\b.*\b(?:wall ?time|time limit)\b",
    ),
    _sign(
        "preempted", "killed",
        r"\bDUE TO (?:PREEMPTION|NODE FAILURE)\b", r"\bState\s*:\s*PREEMPTED\b",
    ),
    _sign(
        "memory", "killed",
        r"\boom[-_ ]kill", r"\bOOM Killed\b", r"\bcgroup out-of-memory handler\b",
        r"\bExceeded (?:job|step) memory limit\b", r"\bTERM_MEMLIMIT\b",
        r"\bState\s*:\s*OUT_OF_ME", r"\bOut of memory: Kill",
    ),
    _sign(
        "gpu_memory", "failed",
        r"\b(?:CUDA|HIP|MPS backend|XPU)\b[\w ]{0,20}\bout of memory\b",
        r"\bCUDA error: out of memory\b", r"\bRESOURCE_EXHAUSTED\b.*\bout of memory\b",
    ),
    _sign(
        "cancelled", "killed",
        r"\*\*\* (?:JOB|STEP)\b.*\bCANCELLED\b", r"\bState\s*:\s*CANCELLED\b",
    ),
    _sign(
        "interrupted", "killed",
        r"^KeyboardInterrupt\b", r"\bDetected KeyboardInterrupt\b",
    ),
    _sign("error", "failed", r"(?!)"),  # where a traceback ends
    _sign(
        "crash", "failed",
        r"\bSegmentation fault\b", r"\bcore dumped\b", r"^Fatal Python error\b",
        r"\bBus error\b", r"^Aborted$", r"\bSIG(?:SEGV|ABRT|BUS|ILL|FPE)\b",
        r"^terminate called after throwing\b", r"\bState\s*:\s*(?:FAILED|NODE_FAIL)",
        r"\bCUDA error: ",
    ),
    _sign(
        "killed", "killed",
        r"^(?:.*: line \d+:\s+\d+ |\[\d+\]\s*[+-]?\s*(?:\d+ )?)?(?:Killed|Terminated)\b"
        r"(?!:)",
        r"^\S*sh: killed\b", r"\bSIG(?:KILL|TERM)\b", r"\bsignal:? (?:9|15)\b",
        r"\bexit(?:ed)?[ _-]?(?:with )?(?:exit )?(?:code|status)?[ :=]*\(?"
        r"(?:137|143|-9|-15)\b",
    ),
    _sign(
        "exit_code", "failed",
        r"\b(?:exit(?:ed)?|return(?:ed)?)[ _-]?(?:with )?(?:non-zero )?(?:exit )?"
        r"(?:code|status)[ :=]*\(?-?[1-9]\d*\b",
    ),
    _sign(
        "early_stop", "finished",
        r"\bearly[- ]?stopp(?:ing|ed)\b(?!\s*(?:counter|patience|callback|[=(\[{]))"
        r"(?!.*(?:patience|counter|\bwill\b|enabled|\b(?:true|false)\b))",
        r"\bstopped early\b", r"\bSignaling Trainer to stop\b",
        r"^Stopping\. Best iteration",
    ),
    _sign(
        "end_mark", "finished",
        r"`Trainer\.fit` stopped: `max_", r"\b\d+ epochs completed in\b",
        r"\b(?:training|fine-?tuning|fitting) (?:is |was |has )?"
        r"(?:completed?|complete|done|finished|ended)\b(?! (?:epoch|step|batch|iter))",
        r"\b(?:finished|completed|done) (?:with )?training\b(?! (?:epoch|step|batch))",
        r"\bDo not forget to share your model\b", r"\bState\s*:\s*COMPLETED\b",
        r"학습(?:이|을)? ?(?:완료|종료|끝)",
    ),
    _sign(
        "exit_zero", "finished",
        r"\bexit(?:ed)?[ _-]?(?:with )?(?:exit )?(?:code|status)[ :=]*\(?0\b",
    ),
)  # fmt: skip
KINDS = tuple(sign.kind for sign in _SIGNS)
"""What can end a program, the gravest first."""
_OF_KIND = {sign.kind: sign for sign in _SIGNS}
_TRACEBACK = "Traceback (most recent call last)"
_EXCEPTION = late(r"(?:\w+\.)*\w+(?=:|$)")
_PASSED_OVER = ("Exception ignored in", "Task exception was never retrieved")
_RANK = late(r"^\[?(?:rank|default)?\d+\]?: ?")  # torchrun's, srun --label's
_INSIDE = (" ", "\t", "│", "╭", "╰")  # the last three are drawn by rich
_GOES_ON = late(
    r"(?i)\b(?:epoch|step|iter(?:ation)?|update|batch|episode|round)s?\b"
    r"[\s:=#\[(/-]{0,4}\d"
)
# What a launcher says of a program that failed.
_WRAPPERS = late(r"(?:\w+\.)*(?:ChildFailedError|CalledProcessError|SystemExit)\b")


def is_captured(name: str) -> bool:
    """Return whether a file is named as captured output is."""
    return _NAMED.fullmatch(name) is not None


def is_of_training(name: str, data: bytes) -> bool:
    """Return whether a file surely holds what a training printed.

    It is named as the output of a program, and not as any log is, or its end tells of
    steps or epochs.
    """
    return _STREAM.search(name) is not None or any(
        map(_goes_on, reversed(_lines_of(data)))
    )


def last_words(data: bytes) -> LastWords | None:
    """Return what the end of a file says, None where it does not tell of an end.

    Only what stands below the last line that tells of training counts: an error that
    was caught, and a fold that was done, are followed by others.

    Args:
        data: Its last bytes, at most `TAIL`.
    """
    lines = _lines_of(data)
    end = lines[_after_training(lines) :]
    has_trace = any(_TRACEBACK in line for line in end)
    if not has_trace and not any(map(_any_sign, end[-AFTER_MAX - 1 :])):
        return None
    said = _signs_in(end)
    found = {at: sign for at, sign in said.items() if sign is not None}
    if not found or len(end) - 1 - max(found) > AFTER_MAX:
        return None
    sign = min(found.values(), key=_SIGNS.index)
    quoted = next(end[at].strip() for at in sorted(found) if found[at] is sign)
    if sign.kind == "gpu_memory" and (short := sign.pattern.search(quoted)):
        quoted = short[0]
    tail = "\n".join(end[max(min(said) - 1, len(end) - SHOWN_LINES, 0) :])
    return LastWords(sign.status, sign.kind, shorten(quoted, SAID_MAX), tail)


def _after_training(lines: Sequence[str]) -> int:
    """Return where the lines begin below the last one that tells of training."""
    for at in range(len(lines) - 1, -1, -1):
        line = lines[at]
        if line.startswith(_INSIDE) or not _goes_on(line):
            continue
        if _any_sign(line) is None and not _ends_traceback(lines, at):
            return at + 1
    return 0


def _ends_traceback(lines: Sequence[str], at: int) -> bool:
    """Return whether a line stands where the exception does that ends a traceback."""
    above = at - 1
    while above >= 0 and lines[above].startswith(_INSIDE):
        above -= 1
    return above >= 0 and _TRACEBACK in lines[above]


def _lines_of(data: bytes) -> list[str]:
    """Return the last lines of *data* that are not blank, as they are seen."""
    text = without_hidden(to_text(data).replace("\0", ""))
    # Of a line that was drawn over and over only what stood there last is seen.
    last = text.split("\n")[-2 * LINES_MAX :]
    lines = [line.rstrip().rpartition("\r")[2] for line in last]
    lines = [line[:COLUMNS_MAX] for line in lines if line.strip()][-LINES_MAX:]
    return [_RANK.sub("", line) for line in lines]


def _goes_on(line: str) -> bool:
    return _GOES_ON.search(line) is not None and not line.startswith("wandb:")


def _signs_in(lines: Sequence[str]) -> dict[int, _Sign | None]:
    """Return the sign in each line that has one; None for lines of a traceback."""
    found: dict[int, _Sign | None] = {}
    at = 0
    while at < len(lines):
        if _TRACEBACK in lines[at]:
            start, at = at, _end_of_traceback(lines, at)
            found.update(dict.fromkeys(range(start, at)))
            is_harmless = start and lines[start - 1].startswith(_PASSED_OVER)
            if at < len(lines):
                found[at] = None if is_harmless else _of_exception(lines[at])
        elif (sign := _any_sign(lines[at])) is not None:
            found[at] = sign
        at += 1
    return found


def _end_of_traceback(lines: Sequence[str], start: int) -> int:
    """Return where the exception stands that ends the traceback at *start*."""
    at = start + 1
    while at < len(lines) and lines[at].startswith(_INSIDE):
        at += 1
    return at


def _of_exception(line: str) -> _Sign | None:
    sign = _any_sign(line)
    if sign is not None:
        return sign
    if _WRAPPERS.match(line):
        return _OF_KIND["exit_code"]
    return _OF_KIND["error"] if _EXCEPTION.match(line) else None


def _any_sign(line: str) -> _Sign | None:
    return next((sign for sign in _SIGNS if sign.pattern.search(line)), None)


def named_after(name: str, folders: Iterable[str]) -> str | None:
    """Return the one of *folders* that a file of captured output is named after.

    ``run7.err`` and ``slurm-run7-812.out`` are those of ``run7``, not of ``run70``.
    """
    lowered = name.lower()
    found = [folder for folder in folders if _names(lowered, folder.lower())]
    return max(found, key=len, default=None)


def _names(name: str, folder: str) -> bool:
    if folder.isdecimal() or len(folder) < 2:  # noqa: PLR2004 - a job's number, too
        return name.startswith(f"{folder}.")
    at = name.find(folder)
    while at >= 0:
        before, after = name[at - 1 : at], name[at + len(folder) :][:1]
        if not (before.isalnum() or after.isalnum()):
            return True
        at = name.find(folder, at + 1)
    return False
