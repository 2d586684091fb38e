"""Who gets a report: the config decides, whatever a run's own intent says."""

import pytest

from mlreport_batch.config.load import parse
from mlreport_batch.safety.address import is_for_all
from mlreport_batch.tick.addressing import Addressing
from ticking import Desk


def recipients(asked: list[str], *, to: str, allow_to: str = "[]") -> list[str]:
    text = (
        f"runs: [{{path: /runs}}]\nmail: {{from: ml@lab.example, to: [{to}],"
        f" allow_to: {allow_to}}}\n"
    )
    config = parse(text.encode(), "/etc/lab/mlreport.yaml")
    found = Addressing(config, {}, "", 0.0).recipients(None, asked)
    return list(found)


@pytest.mark.parametrize(
    ("asked", "to", "allow_to", "is_added"),
    [
        ("kim@lab.example", "me@lab.example", "[]", True),
        ("Kim <KIM@LAB.example>", "me@lab.example", "[]", True),
        ("kim@other.example", "me@other.example", "[]", True),
        ("kim@sub.lab.example", "me@lab.example", "[]", False),
        ("thief@gmail.com", "me@gmail.com", "[]", False),
        ("thief@naver.com", "me@naver.com", "[]", False),
        ("thief@yahoo.co.jp", "me@yahoo.co.jp", "[]", False),
        ("kim@gmail.com", "me@lab.example", "[kim@gmail.com]", True),
        ("kim@gmail.com", "me@lab.example", "[Kim <Kim@Gmail.com>]", True),
        ("kin@gmail.com", "me@lab.example", "[kim@gmail.com]", False),
        ("kim@uni.example", "me@lab.example", "[Uni.example]", True),
        ("kim@uni.example", "me@lab.example", "[uni.example.org]", False),
    ],
)
def test_an_intent_adds_whom_the_config_allows(
    asked: str, to: str, allow_to: str, *, is_added: bool
):
    found = recipients([asked], to=to, allow_to=allow_to)
    assert found == [to, *([asked] if is_added else [])]


def test_whom_the_config_does_not_allow_is_told(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n1,0.5\n")
    desk.put("a/intent.yaml", "to: [eve@evil.example]\n")
    line = "a: its intent asks for a mail to eve@evil.example, whom mail.allow_to"
    assert line in desk.run("run", "-c", desk.config(), "-v").out


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "NAVER.com", "yahoo.co.kr", "hotmail.fr", "mail.ru", "live.co.uk"],
)
def test_a_domain_of_everybody_is_known(domain: str):
    assert is_for_all(domain)


@pytest.mark.parametrize(
    "domain",
    [
        "lab.example",
        "mail.lab.example",
        "mail.mit.edu",
        "me.snu.ac.kr",
        "gmail.lab.example",
    ],
)
def test_a_domain_of_ones_own_is_known(domain: str):
    assert not is_for_all(domain)


def test_copies_and_answers_go_where_the_config_says(desk: Desk):
    desk.put("a/metrics.csv", "step,loss\n1,0.5\n")
    config = desk.config(
        "mail: {via: sendmail, from: ml@lab.example, to: [me@lab.example],\n"
        "  cc: [Lab <all@lab.example>, Me@lab.example], reply_to: kim@lab.example}\n"
    )
    assert desk.run("check", "-c", config, "--send-test").code == 0
    assert desk.run("run", "-c", config).code == 0
    for mail in desk.mails():
        assert mail["To"] == "me@lab.example"
        assert mail["Cc"] == "Lab <all@lab.example>"  # who is written to needs no copy
        assert mail["Reply-To"] == "kim@lab.example"
    [sent] = desk.run("status", "-c", config, "--json").json["sent"]
    assert sent["recipients"] == ["me@lab.example", "all@lab.example"]
