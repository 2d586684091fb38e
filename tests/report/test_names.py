"""What names of metrics say: words, splits, families, units, goals."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.report import goals, names
from mlreport_batch.report.goals import goal_of, headline_metric, kind_of, main_metrics
from mlreport_batch.report.names import family_of, split_of, unit_of, words_of
from views import view

GOAL_WORDS = sorted(goals._MIN_WORDS | goals._MAX_WORDS)
PARTS = st.text("abcXYZ019_/-. 가손", max_size=12)


@pytest.mark.parametrize(
    ("name", "goal"),
    [
        ("val_auroc", "max"), ("AP50", "max"), ("mAP50-95", "max"), ("ece", "min"),
        ("elo", "max"), ("chrf++", "max"), ("elbo", "max"), ("neg_elbo", "min"),
        ("val/nll", "min"), ("bpb", "min"), ("bits_per_byte", "min"), ("ppl", "min"),
        ("pass@1", "max"), ("pass_at_10", "max"), ("hits@10", "max"), ("P@5", "max"),
        ("eval/em", "max"), ("exact_match", "max"), ("wer", "min"), ("cer", "min"),
        ("mos", "max"), ("fid", "min"), ("IS", "max"), ("ssim", "max"), ("psnr", "max"),
        ("mIoU", "max"), ("dice", "max"), ("r2", "max"), ("rmse", "min"),
        ("return", "max"), ("success_rate", "max"), ("MulticlassAUROC", "max"),
        ("trainloss", "min"), ("valacc", "max"), ("losses/explained_variance", "max"),
        ("losses/value", "min"), ("acc,none", "max"),
        ("layer20", None), ("layer20/act", None), ("is_best", None), ("isolated", None),
        ("gradient_accumulation", None), ("accelerator", None), ("glossy", None),
        ("return_code", None), ("acc_stderr,none", None), ("step@100", None),
        ("emb_norm", None), ("tokens_per_second", None),
        ("훈련 손실", "min"), ("검증정확도", "max"), ("평균 절대 오차", "min"),
        ("재현율", "max"), ("학습률", None), ("에피소드 보상", "max"),
    ],
)  # fmt: skip
def test_goal_words_are_whole_words(name: str, goal: str | None):
    assert goal_of(name, {}) == goal


@given(st.sampled_from(GOAL_WORDS), st.text("qxz", min_size=1, max_size=3))
@settings(max_examples=30)
def test_a_goal_word_within_another_word_is_none(word: str, more: str):
    assert goal_of(f"block/{word}", {}) is not None
    for longer in (f"{more}{word}", f"{word}{more}"):
        if longer not in GOAL_WORDS:
            assert goal_of(f"block/{longer}", {}) is None


@given(PARTS, st.sampled_from(["train", "val", "test", "훈련", "검증", "평가"]))
@settings(max_examples=50)
def test_any_name_has_a_family_and_a_split_takes_no_part_in_it(name: str, split: str):
    assert family_of(name) or not name
    assert all(word == word.lower() for word in words_of(name))
    assert split_of(f"{split}_loss")
    assert family_of(f"{split}/{family_of('x_' + name)}").startswith("x")


@pytest.mark.parametrize(
    ("members", "family"),
    [
        (["train_loss", "val_loss", "loss", "train/loss_step", "validLoss"], "loss"),
        (["Train/Acc", "eval_acc", "accTest", "valacc"], "acc"),
        (["loss/train", "loss/val", "trainloss"], "loss"),
        (["훈련 손실", "검증_손실", "학습손실", "평가 손실", "손실(훈련)"], "손실"),
        (["학습률", "val/학습률"], "학습률"),
        (["value_loss"], "value_loss"),
        (["val_mAP50-95", "mAP50-95"], "map50-95"),
        (["val"], "val"),
    ],
)
def test_splits_of_one_metric_are_one_family(members: list[str], family: str):
    assert {family_of(name) for name in members} == {family}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train_loss", "train"), ("valLoss", "val"), ("dev/f1", "val"),
        ("test_acc", "test"), ("evaluator", ""), ("value", ""), ("restrain", ""),
        ("학습 손실", "train"), ("훈련손실", "train"), ("검증 손실", "val"),
        ("평가_정확도", "val"), ("시험 정확도", "test"), ("학습률", ""),
    ],
)  # fmt: skip
def test_a_split_is_a_word_of_its_own(name: str, split: str):
    assert split_of(name) == split
    assert names.is_held_out(name) is (split in ("val", "test"))


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("train_tokens_per_second", "tokens/s"), ("tok/s", "tokens/s"),
        ("it/s", "steps/s"), ("batches_per_sec", "batches/s"), ("time/step_ms", "ms"),
        ("epoch_time_s", "s"), ("wall_seconds", "s"), ("gpu_mem_GiB", "GiB"),
        ("size_mb", "MB"), ("acc(%)", "%"), ("gpu_util_percent", "%"),
        ("AP_s", ""), ("epoch_time", ""), ("foo_per_second", ""), ("loss", ""),
        ("bits_per_byte", ""), ("h", ""), ("---", ""),
    ],
)  # fmt: skip
def test_a_unit_is_known_where_the_name_says_it(name: str, unit: str):
    assert unit_of(name) == unit


def test_what_matters_comes_first():
    found = view({name: [1.0] for name in ("layer20", "lr", "val_ap", "Loss/train")})
    assert main_metrics(found) == ["Loss/train", "val_ap", "layer20", "lr"]
    assert headline_metric(["layer20", "학습_손실", "검증_손실"]) == "검증_손실"
    assert [kind_of(n) for n in ("losses/clipfrac", "train/approx_kl")] == [1, 2]
