"""What is to be said of a run, against what was said before."""

from typing import Any

import pytest

from mlreport_batch.formats import Outcome
from mlreport_batch.report.case import Case, case_of
from mlreport_batch.report.judge import judge, mark_of
from mlreport_batch.report.model import AlertRules, Wishes
from mlreport_batch.report.news import Snapshot
from views import view

DAY = 86400.0
WROTE = 1e9


def case(now: float, rules: AlertRules | None = None, **others: Any) -> Case:  # noqa: ANN401
    made = view({"loss": [1, 2]}, updated_ns=int(WROTE * 1e9), **others)
    asked = rules or AlertRules()
    return case_of(made, Wishes(), asked, now=WROTE + now, has_grown=True)


FAILED = {"outcome": Outcome("failed", "so")}


@pytest.mark.parametrize(
    ("now", "reported", "is_news"),
    [(60, -60, True), (60, 30, True), (9 * DAY, 60, False), (9 * DAY, -60, True)],
)
def test_an_end_that_was_long_ago_when_it_was_known_is_no_news(
    now: float, reported: float, *, is_news: bool
):
    first = judge(case(1), None)
    before = mark_of(first)
    base = Snapshot(metrics=before.metrics, at=WROTE + reported)
    judged = judge(case(now, **FAILED), base)
    assert bool(judged.due()) is is_news
    assert ("status" in judged.kinds()) is is_news
    assert not judge(case(now + 60, **FAILED), mark_of(judged)).kinds()


def test_what_holds_no_longer_is_over_only_by_the_runs_doing():
    told = Snapshot(alerts={"stall:": WROTE + 60, "intent:lr": WROTE + 60}, at=WROTE)
    now = 120
    assert not judge(case(now), told).recovered()
    lr = {"hparams": {"lr": 0.1}, "expect": {"lr": 0.1}}
    assert judge(case(now, **lr), told).recovered() == ["intent:lr"]
    early = Snapshot(alerts={"stall:": WROTE - 60}, at=WROTE - 60)
    assert judge(case(now), early).recovered() == ["stall:"]
    nan = Snapshot(alerts={"nan:": WROTE}, at=WROTE)
    assert judge(case(now), nan).recovered() == ["nan:"]
    assert not judge(case(now, AlertRules(nan=False)), nan).recovered()
