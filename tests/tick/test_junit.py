"""JUnit XML: what CI services read out of it, and that they can."""

from xml.etree import ElementTree as ET

from mlreport_batch.errors import DeliveryError
from mlreport_batch.tick.junit import as_junit
from mlreport_batch.tick.summary import RunLine, TickSummary
from ticking import Desk

BAD = "step,loss\n1,0.5\n2,nan\n3,nan\n"


def cases(text: str) -> dict[str, ET.Element]:
    root = ET.fromstring(text.encode())
    (suite,) = root
    for tag, count in (
        ("testcase", "tests"),
        ("failure", "failures"),
        ("error", "errors"),
    ):
        assert int(suite.get(count)) == len(suite.findall(f".//{tag}"))
        assert root.get(count) == suite.get(count)
    return {case.get("name"): case for case in suite}


def test_a_run_is_a_case_that_fails_while_an_alert_holds(desk: Desk):
    desk.put("bad/metrics.csv", BAD)
    desk.put("good/metrics.csv", "step,loss\n1,0.5\n")
    file = desk.folder / "junit.xml"
    said = desk.report("--junit", file)
    assert said.code == 0  # without --fail-on
    first = file.read_text("utf-8")
    assert list(cases(first)) == ["tick", "bad", "good"]
    failure = cases(first)["bad"].find("failure")
    assert failure.get("message").startswith("loss NaN")
    assert cases(first)["good"].find("failure") is None
    assert "report.html" in cases(first)["good"].findtext("system-out")
    assert desk.report("--junit", file, "--fail-on", "alert").code == 4
    again = cases(file.read_text("utf-8"))
    assert list(again) == ["tick", "bad"]  # holds, though it is no news
    assert "told before" in again["bad"].find("failure").get("message")
    elsewhere = ("run", desk.runs, "--out", desk.folder / "o2", "--junit", file)
    assert desk.run(*elsewhere).code == 0
    assert file.read_text("utf-8").replace("/o2/", "/out/") == first


def test_what_no_xml_may_hold_is_replaced():
    bad = 'a\x00\x1b\ud800\ufffe<&"b'
    run = RunLine(bad, "failed", (), 0, None, (bad,), (bad, "]]>"), headline=bad)
    found = cases(as_junit(TickSummary(runs=[run])))
    (name,) = set(found) - {"tick"}
    assert name == 'a\ufffd\ufffd\ufffd\ufffd<&"b'
    assert found[name].findtext("failure") == f"{name}\n]]>"
    assert found[name].findtext("system-out") == f"failed: {name}"
    assert found[name].findtext("system-err") == name


def test_the_tick_is_a_case_with_what_went_wrong_besides():
    wrong = TickSummary(errors=[DeliveryError("no server")], problems=["no root"])
    tick = cases(as_junit(wrong))["tick"]
    assert tick.find("error").get("type") == "DeliveryError"
    assert (tick.findtext("error"), tick.findtext("system-err")) == (
        "no server.",
        "no root",
    )
    owed = cases(as_junit(TickSummary(owed=2)))["tick"].find("error")
    assert (owed.text, owed.get("type")) == ("2 mails owed", "exit code 75")
    cut = cases(as_junit(TickSummary(is_cut=True)))["tick"].find("error")
    assert cut.text == "ended early"
    assert cases(as_junit(TickSummary()))["tick"].find("error") is None
