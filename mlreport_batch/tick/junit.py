"""What a tick did as JUnit XML, which CI services show beside the tests of a job.

A run is a test case, which fails where an alert holds; the tick itself is one, too,
with an error for what went wrong. So the file is never without any, which Jenkins
takes for a failure. No standard says what JUnit XML is; what is written here is what
https://github.com/testmoapp/junitxml found all to read.
"""

import re
from xml.etree import ElementTree as ET

from mlreport_batch.tick.summary import RunLine, TickSummary

SUITE = "mlreport-batch"
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What no XML 1.0 may hold, not even escaped: https://www.w3.org/TR/xml/#charsets."""


def as_junit(summary: TickSummary) -> str:
    """Return the runs with news, and those of which an alert holds, as test cases.

    The same runs give the same text, but for the mails: nothing in it tells the time.
    """
    known = {run.name for run in summary.runs}
    cases = [
        _tick_case(summary),
        *map(_run_case, sorted(summary.runs, key=lambda run: run.name)),
        *(_standing_case(name) for name in summary.alerted if name not in known),
    ]
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
    }
    root = ET.Element("testsuites", {"name": SUITE, **counts})
    suite = ET.SubElement(root, "testsuite", {"name": SUITE, **counts})
    suite.extend(cases)
    ET.indent(root)
    text = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _tick_case(summary: TickSummary) -> ET.Element:
    case = _case("tick")
    if errors := [str(error) for error in summary.errors]:
        _add(case, "error", errors, kind=type(summary.errors[0]).__name__)
    elif summary.exit_code:
        why = "ended early" if summary.is_cut else f"{summary.owed} mails owed"
        _add(case, "error", [why], kind=f"exit code {summary.exit_code}")
    _add(case, "system-err", summary.problems)
    return case


def _run_case(run: RunLine) -> ET.Element:
    case = _case(run.name)
    if run.alerts:
        _add(case, "failure", run.alerts, kind="alert")
    told = (f"{run.status}: {run.headline}" if run.headline else run.status, run.page)
    _add(case, "system-out", [line for line in told if line])
    _add(case, "system-err", run.problems)
    return case


def _standing_case(name: str) -> ET.Element:
    case = _case(name)
    _add(case, "failure", ["an alert that was told before holds"], kind="alert")
    return case


def _case(name: str) -> ET.Element:
    return ET.Element(
        "testcase", {"name": _legal(name), "classname": SUITE, "time": "0"}
    )


def _add(
    case: ET.Element,
    tag: str,
    lines: list[str] | tuple[str, ...],
    *,
    kind: str = "",
) -> None:
    """Add *lines*, if there are any, the first one as message where it has a *kind*."""
    if not lines:
        return
    named = {"message": _legal(lines[0]), "type": kind} if kind else {}
    ET.SubElement(case, tag, named).text = _legal("\n".join(lines))


def _legal(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)
