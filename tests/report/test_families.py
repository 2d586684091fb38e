"""Which metrics share a line of the table."""

import pytest

from mlreport_batch.report.families import families


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (
            {"loss": 9, "val_loss": 9, "val_acc": 9, "lr": 9},
            {
                "loss": ("loss", "train"),
                "val_loss": ("loss", "val"),
                "val_acc": ("acc", "val"),
                "lr": ("", ""),
            },
        ),
        # Hugging Face writes train_loss once, at the end.
        (
            {"loss": 60, "train_loss": 1, "eval_loss": 3},
            {
                "loss": ("loss", "train"),
                "train_loss": ("", ""),
                "eval_loss": ("loss", "val"),
            },
        ),
        (
            {"train_loss_step": 90, "train_loss_epoch": 9, "test_loss": 1},
            {
                "train_loss_step": ("", ""),
                "train_loss_epoch": ("loss", "train"),
                "test_loss": ("loss", "test"),
            },
        ),
        (
            {"학습/손실": 5, "검증/손실": 5},
            {"학습/손실": ("손실", "train"), "검증/손실": ("손실", "val")},
        ),
        (
            {"train-Logloss": 5, "test-Logloss": 5},
            {
                "train-Logloss": ("Logloss", "train"),
                "test-Logloss": ("Logloss", "test"),
            },
        ),
        # Nothing has two parts, so nothing is gained by columns.
        (
            {"train_loss": 5, "val_acc": 5},
            {"train_loss": ("", ""), "val_acc": ("", "")},
        ),
        ({}, {}),
    ],
)
def test_what_measures_the_same_has_one_family(counts: dict, expected: dict):
    found = families(counts)
    assert {name: (m.family, m.part) for name, m in found.items()} == expected
