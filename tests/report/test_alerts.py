"""Insights say what was measured, and nothing that was not."""

import math

import pytest
from msgspec.structs import replace

from mlreport_batch.formats import Outcome
from mlreport_batch.report.alerts import Alert, find_alerts
from mlreport_batch.report.case import case_of
from mlreport_batch.report.goals import best_of, goal_of
from mlreport_batch.report.intended import compare_intent, same_value
from mlreport_batch.report.model import AlertRules, Verdict, Wishes
from mlreport_batch.report.news import compare, snapshot_of
from mlreport_batch.report.view import Place, RunView
from mlreport_batch.safety.clean import Scalar
from views import view

HOUR = 3600
OFF = AlertRules(stall_s=None, nan=False, divergence=False)


def alerts_of(
    of: RunView,
    rules: AlertRules = OFF,
    *,
    now: float = 1e6,
    has_grown: bool = True,
    expect: dict[str, Scalar] | None = None,
    before: RunView | None = None,
    language: str = "en",
) -> list[Alert]:
    known = snapshot_of(before, best={}, alerts={}, at=0) if before else None
    wishes = Wishes(expect=expect or {}, language=language)
    case = case_of(of, wishes, rules, now=now, has_grown=has_grown, timezone="UTC")
    return find_alerts(case, compare(of, known))


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("loss", "min"), ("train_loss", "min"), ("val/xent_loss", "min"),
        ("GAN_loss", "min"), ("perplexity", "min"), ("eval/rmse", "min"),
        ("val_accuracy", "max"), ("valAccuracy", "max"), ("eval_f1", "max"),
        ("rollout/ep_rew_mean", "max"), ("mAP50", "max"), ("top1", "max"),
        ("lr", None), ("grad_norm", None), ("epoch_time", None),
        ("neg_mean_squared_error", "max"), ("neg_log_loss", "max"),
        ("valid/neg_loss", "max"), ("neg_acc", "max"), ("loss_neg", "min"),
        ("loss_scale", None), ("kl_weight", None), ("error_count_total", None),
        ("api_cost", None), ("train/cost", "min"), ("num_errors", None),
        ("map_size", None), ("return_code", None), ("accumulated_steps", None),
        ("reward_coef", None), ("loss/scale", None), ("size_64/val_loss", "min"),
        ("total_loss", "min"), ("train_loss_step", "min"), ("weighted_f1", "max"),
        ("1-acc", "min"), ("val/1 - accuracy", "min"), ("one_minus_iou", "min"),
        ("inaccuracy", "min"), ("val_inaccuracy", "min"), ("1-loss", "min"),
        ("1-x", None), ("loss_1-2", "min"), ("multi_scale_loss", "min"),
        ("loss_total", "min"), ("loss_scale_max", None), ("code_bleu", "max"),
    ],
)  # fmt: skip
def test_goals_go_by_common_names(name: str, goal: str | None):
    assert goal_of(name, {}) == goal


@pytest.mark.parametrize("name", ["loss_scale", "api_cost", "error_count_total"])
def test_what_is_meant_to_grow_does_not_diverge(name: str):
    rules, growing = AlertRules(stall_s=None), [2.0**step for step in range(16)]
    assert not alerts_of(view({name: growing}), rules)
    assert alerts_of(view({"loss": growing}), rules)


def test_a_users_goals_go_first():
    goals = {"val_*": "max", "*loss": "min"}
    assert goal_of("val_loss", goals) == "max"
    assert goal_of("x_loss", goals) == "min"


def test_the_best_value_goes_by_the_goal():
    summary = view({"a": [3, 1, 2, math.nan]}).metrics["a"]
    assert best_of(summary, "min") == (1, 2)
    assert best_of(summary, "max") == (3, 1)
    assert best_of(summary, None) is None
    nothing = view({"a": [math.nan, math.inf]}).metrics["a"]
    assert best_of(nothing, "min") is best_of(nothing, "max") is None


@pytest.mark.parametrize(
    ("intended", "actual", "is_same"),
    [
        (1e-3, "0.001", True), ("1e-3", 0.001, True), (0.1, 0.1 + 1e-17, True),
        (1, 1.0, True), ("adam", "adam ", True), (True, "true", True),
        (True, "True", True), (None, "null", True), (None, "None", True),
        (False, "no", False), (0.1, 0.2, False), ("adam", "sgd", False),
        (None, 0, False), ("1_000", 1000, False), (10**400, 10**400, True),
        (10**400, 1.0, False),
    ],
)  # fmt: skip
def test_values_that_mean_the_same(intended: Scalar, actual: Scalar, is_same: bool):
    assert same_value(intended, actual) is is_same


def test_intent_is_compared_wrong_ones_first():
    found = compare_intent(
        {"lr": 0.1, "bs": 32, "gone": 1, "optimizer": "adam", "wd": 0, "x": 1},
        {"x": 2, "other": 3},
        {"model.lr": 0.1, "bs": 64, "optimizer.name": "adam", "a.wd": 0, "b.wd": 0,
         "x": 1},
    )  # fmt: skip
    assert [(item.key, item.verdict) for item in found] == [
        ("bs", Verdict.wrong),
        ("gone", Verdict.missing),
        ("wd", Verdict.missing),  # two candidates: nobody knows which
        ("x", Verdict.right),
        ("model.lr", Verdict.right),
        ("other", Verdict.unstated),
    ]


@pytest.mark.parametrize(
    ("name", "values", "is_told"),
    [
        ("bbox/APl", [math.nan, math.nan], False),
        ("episode_reward_mean", [math.nan], False),
        ("bbox/APl", [0.3, math.nan], False),
        ("bbox/APl", [0.3, math.nan, math.nan], True),
        ("episode_reward_mean", [1.0, math.nan, math.nan], True),
        ("train/loss", [math.nan], True),
        ("val_perplexity", [math.inf, math.inf], True),
        ("grad_norm", [math.nan], True),
        ("손실", [math.nan], True),
    ],
)
def test_what_never_was_a_number_has_not_become_nan(
    name: str, values: list[float], *, is_told: bool
):
    """detectron2#1482, ray#10416: nothing to measure is no failure of the training."""
    rules = AlertRules(stall_s=None, divergence=False)
    assert bool(alerts_of(view({name: values}), rules)) == is_told


def test_nan_is_told_while_it_lasts():
    rules = AlertRules(stall_s=None)
    [alert] = alerts_of(view({"loss": [1, math.nan]}), rules)
    assert alert.key == "nan:"
    assert alert.text == "loss NaN since step 2"
    assert alerts_of(view({"loss": [1, math.nan, 1]}), rules) == []
    assert alerts_of(view({"loss": [1, math.nan]})) == []
    [alert] = alerts_of(view({"loss": [-math.inf]}), rules, language="ko")
    assert "-inf" in alert.text


def test_divergence_needs_a_course_and_a_goal():
    rules = AlertRules(stall_s=None)
    falling = [10 / step for step in range(1, 20)]
    assert alerts_of(view({"loss": falling}), rules) == []
    [alert] = alerts_of(view({"loss": [*falling, 11, 12, 13, 14]}), rules)
    assert alert.kind == "divergence"
    assert "times its best" in alert.text
    assert alerts_of(view({"other": [*falling, 11, 12, 13, 14]}), rules) == []
    assert alerts_of(view({"loss": [*falling[:3], 40]}), rules) == []
    assert alerts_of(view({"loss": [-1, *falling, 11, 12]}), rules) == []
    assert alerts_of(view({"loss": [*falling, 11]}), rules) == []


def test_a_stall_is_told_only_of_a_run_that_was_seen_alive():
    run = view({"a": [1] * 10}, updated_ns=600 * 10**9)
    rules = AlertRules(nan=False, divergence=False)
    assert alerts_of(run, rules, now=600 + 1199) == []
    assert alerts_of(run, rules, now=600 + 1801, has_grown=False) == []
    [alert] = alerts_of(run, rules, now=600 + 1801)
    assert alert.text == (
        "silent for 30 min 1 s (since 00:10 UTC), usually every 1 min"
    )  # fmt: skip
    short = view({"a": [1]}, updated_ns=600 * 10**9)
    [alert] = alerts_of(short, rules, now=600 + 1801)
    assert alert.text == "silent for 30 min 1 s (since 00:10 UTC)"


def test_a_plateau_is_told_when_asked_for():
    rules = AlertRules(stall_s=None, plateau=5)
    run = view({"loss": [3, 1, 2, 2, 2, 2], "x": [1] * 9})
    assert alerts_of(run, rules) == []
    [alert] = alerts_of(view({"loss": [3, 1, 2, 2, 2, 2, 2], "x": [1] * 9}), rules)
    assert "no new best for 5 values (best 1, step 2)" in alert.text


def test_intent_change_and_failure_are_told():
    run = view(
        hparams={"lr": 0.2, "bs": 1},
        expect={"lr": 0.1, "wd": 0, "bs": 1},
        outcome=Outcome("failed", "run.json says FAILED"),
    )
    before = view(hparams={"lr": 0.1, "bs": 2})
    found = alerts_of(run, expect={"momentum": 0.9}, before=before)
    assert [alert.kind for alert in found] == ["failed", "intent", "intent", "changed"]
    assert found[0].text == "run.json says FAILED"
    assert found[3].text == "bs changed from 2 to 1"


def test_a_rate_that_a_schedule_lowers_is_as_intended():
    run = view(hparams={"optim.lr": 0.02}, expect={"lr": 0.1})
    assert [alert.kind for alert in alerts_of(run)] == ["intent"]
    assert not alerts_of(replace(run, metrics=view({"lr": [0.1, 0.02]}).metrics))
    assert alerts_of(replace(run, metrics=view({"lr": [0.5, 0.02]}).metrics))


def test_metrics_that_are_no_numbers_any_more_are_one_alert():
    rules = AlertRules(stall_s=None)
    nan = math.nan
    run = view(
        {"a_loss": [1, 2, nan, nan], "b_loss": [1, nan, nan, nan], "norm": [nan] * 4},
        hparams={"epochs": 80},
        places=(Place("epoch", 1, 4, 4),),
    )
    [alert] = alerts_of(run, rules)
    assert alert.text == "b_loss, a_loss NaN since epoch 2 of 80"
    assert not alert.is_brief
    assert not alerts_of(view({"grad_norm": [1, math.inf], "acc": [1, 2]}), rules)
    [alert] = alerts_of(view({"grad_norm": [1, nan], "acc": [1, 2]}), rules)
    assert (alert.key, alert.is_brief) == ("nan:norm", True)
    [alert] = alerts_of(view({"grad_norm": [1, nan, nan], "acc": [1, 2]}), rules)
    assert (alert.key, alert.is_brief) == ("nan:norm", False)
    many = view({f"loss{n}": [1, nan] for n in range(5)})
    [alert] = alerts_of(many, rules)
    assert alert.text == "loss0, loss1, loss2 and 2 more NaN since step 2"


def test_a_divergence_that_was_told_holds_until_it_is_near_its_best():
    rules = AlertRules(stall_s=None)
    falling = [10 / step for step in range(1, 20)]
    near = view({"loss": [*falling, 11, 12, 13, 14, 1.0]})
    assert not alerts_of(near, rules)
    known = {"divergence:": 0.0}
    case = case_of(near, Wishes(), rules, now=1e6, has_grown=True)
    changes = compare(near, None)
    assert [a.kind for a in find_alerts(case, changes, known)] == ["divergence"]
    over = view({"loss": [*falling, 11, 12, 13, 14, 0.6]})
    case = case_of(over, Wishes(), rules, now=1e6, has_grown=True)
    assert not find_alerts(case, changes, known)
