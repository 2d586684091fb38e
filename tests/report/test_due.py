"""Each alert is told once, and again only as was asked for."""

from mlreport_batch.report.alerts import Alert
from mlreport_batch.report.due import due_alerts, gone, holds, told_after
from mlreport_batch.report.model import AlertRules

NAN, STALL = Alert("nan", "", "loss NaN"), Alert("stall", "", "silent")
DAY = 86400.0
RULES = AlertRules(remind_s=100)


def due(alerts: list[Alert], told: dict[str, float], now: float, **others: bool):
    rules = AlertRules(remind_s=None) if others.get("never") else RULES
    goes_on = others.get("goes_on", True)
    return due_alerts(alerts, told, rules, now, goes_on=goes_on)


def test_an_alert_is_due_once_and_again_after_a_while():
    assert due([NAN, STALL], {}, 0) == [NAN, STALL]
    told = {"nan:": 0.0, "stall:": 0.0}
    assert due([NAN, STALL], told, 99) == []
    assert due([NAN, STALL], told, 100) == [NAN]
    assert due([NAN, STALL], told, 100, goes_on=False) == []
    assert due([NAN, STALL], told, 1e9, never=True) == []


def test_an_end_is_one_alert_whatever_it_is_called():
    failed, killed = Alert("failed", "", "x"), Alert("killed", "", "y")
    assert failed.key == killed.key
    assert due([killed], {"failed:": 0.0}, 5) == []


def test_what_earlier_versions_told_of_a_metric_is_known():
    assert due([NAN], {"nan:val_loss": 0.0}, 5) == []
    assert due([NAN], {"nan:norm": 0.0}, 5) == [NAN]
    assert gone([NAN], {"nan:val_loss": 0.0}) == []


def test_what_is_over_is_known_and_comes_again_only_if_it_lasts():
    told = told_after([NAN], [NAN], {}, 10)
    assert told == {"nan:": 10}
    assert gone([], told) == ["nan:"]
    over = told_after([], [], told, 20)
    assert over == {"was nan:": 10}
    assert gone([], over) == []
    brief = Alert("nan", "", "loss NaN", is_brief=True)
    assert due([brief], over, 30) == []
    assert due([NAN], over, 30) == [NAN]
    assert due([brief], over, 10 + DAY) == [brief]
    assert told_after([brief], [], over, 30) == over
    assert told_after([], [], over, 10 + DAY) == {}


def test_what_changed_while_running_is_told_and_holds_no_longer():
    assert not holds({"changed:bs": 0.0, "was nan:": 0.0})
    assert holds({"intent:lr": 0.0})
    assert gone([], {"changed:bs": 0.0, "plateau:x": 0.0}) == []
