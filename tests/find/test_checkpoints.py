"""Checkpoints are known by their names."""

import pytest

from mlreport_batch.find.checkpoints import Checkpoint, is_checkpoint


@pytest.mark.parametrize(
    "name",
    [
        "epoch=3-step=32.ckpt",
        "last.ckpt",
        "model.safetensors",
        "pytorch_model-00001-of-00002.bin",
        "adapter_model.bin",
        "model.keras",
        "weights.05.h5",
        "ppo_cartpole_8000_steps.zip",
        "best_model.zip",
        "ckpt-12.index",
        "net.PTH",
        "archive.pth.tar",
        "catboost.cbm",
        "model.zip",
        "best.pkl",
        "model.joblib",
        "last.cbsnapshot",
        "experiment.cbsnapshot",
        "sac_agent.zip",
        "rl_model_1000_steps.zip",
        "ckpt_final.pickle",
        "최종모델.pt",
        "모델_최고.pkl",
        "체크포인트_10.pt",
        "net_7.pt",
        "generator.pth",
        "model.h5",
    ],
)
def test_these_are_weights(name: str):
    assert is_checkpoint(name)


@pytest.mark.parametrize(
    "name",
    [
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "scaler.pt",
        "training_args.bin",
        "dataset.zip",
        "data.bin",
        "page.index",
        "metrics.csv",
        "replay_buffer.pkl",
        "notes.txt",
        "train_data.pt",
        "features.h5",
        "val_features.hdf5",
        "dataset.pkl",
        "model_predictions.pkl",
        "code.zip",
        "results.pkl",
        "vocab.pkl",
        "학습_데이터.pt",
    ],
)
def test_these_are_none(name: str):
    assert not is_checkpoint(name)


@pytest.mark.parametrize("name", ["exp7.zip", "exp7.pkl", "EXP7.joblib"])
def test_what_is_called_after_its_folder_is_what_came_of_it(name: str):
    assert is_checkpoint(name, "exp7")
    assert not is_checkpoint(name, "exp8")


@pytest.mark.parametrize(
    ("path", "place", "mark"),
    [
        ("checkpoints/epoch=3-step=32.ckpt", ("step", 32), ""),
        ("checkpoints/last.ckpt", None, "last"),
        ("best_model.pt", None, "best"),
        ("checkpoint-1200/model.safetensors", ("step", 1_200), ""),
        ("rl_model_8000_steps.zip", ("step", 8_000), ""),
        ("weights.05.h5", ("epoch", 5), ""),
        ("model_00012000.pt", ("step", 12_000), ""),
        ("checkpoint_7.pt", ("epoch", 7), ""),
        ("model_epoch4.pt", ("epoch", 4), ""),
        ("model-best/model.pt", None, "best"),
        ("bestiary.pt", None, ""),
        ("unit3.pt", None, ""),
        ("split2_model.pt", None, ""),
        ("rep3.pt", None, ""),
        ("alba4.ckpt", None, ""),
        ("a/b/c/step5/x/y.pt", None, ""),
    ],
)
def test_a_name_tells_how_far_the_training_was(
    path: str, place: tuple[str, int] | None, mark: str
):
    checkpoint = Checkpoint(path, 1, 1)
    assert checkpoint.place == place
    assert checkpoint.mark == mark
