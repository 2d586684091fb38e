"""TensorFlow 2 event files: scalars as tensors, and Keras' own callback.

Needs: tensorflow-cpu==2.21.0 (its keras: 3.x). Run: ``python
tests/make_runs/tensorflow_runs.py``; about 20 s; seed 7. Truth: the values given to
tf.summary.scalar, rounded to float32; for Keras the History in memory.

Cases: tb_tf2 (float32, float64, half and int tensors, NaN; two snapshots), tb_tf2_keras
(keras.callbacks.TensorBoard: folders train/ and validation/ with the same tags).
"""

from __future__ import annotations

import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import keras
import numpy as np
import tensorflow as tf
from common import Case, Points, run

PACKAGES = ("tensorflow_cpu", "keras")


def tf2() -> None:
    case = Case("tb_tf2", "tensorflow", PACKAGES)
    points = Points()
    writer = tf.summary.create_file_writer(str(case.tree / "logs" / "exp"))
    with writer.as_default():
        for step in range(12):
            value = float("nan") if step == 7 else 2.0 / (step + 1)
            tf.summary.scalar("loss", value, step)
            points.add(step, {"loss": float(np.float32(value))})
            with tf.name_scope("val"):
                tf.summary.scalar("정확도", tf.constant(step / 12, tf.float64), step)
            points.add(step, {"val/정확도": float(np.float32(step / 12))})
            tf.summary.scalar("half", tf.constant(step / 3, tf.float16), step)
            half = float(np.float32(np.float16(step / 3)))
            points.add(step, {"half": half})
            tf.summary.scalar("count", tf.constant(step * 5, tf.int64), step)
            points.add(step, {"count": float(step * 5)})
            tf.summary.text("note", "text is no metric", step)
            tf.summary.histogram("weights", tf.range(step + 2), step)
            if step == 5:
                writer.flush()
                case.snapshot("after step 5", [run("tree/logs/exp", points)])
    writer.close()
    truth = run("tree/logs/exp", points)
    case.snapshot("after the end", [truth])
    case.save([truth], ["tf.summary.scalar casts everything to float32"])


def keras_callback() -> None:
    case = Case("tb_tf2_keras", "tensorflow", PACKAGES)
    keras.utils.set_random_seed(7)
    x = np.random.default_rng(1).normal(size=(64, 4)).astype("float32")
    y = (x.sum(1) > 0).astype("int64")
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    board = keras.callbacks.TensorBoard(
        str(case.tree / "logs"), write_graph=False, update_freq="epoch"
    )
    history = model.fit(
        x, y, epochs=4, verbose=0, validation_data=(x[:32], y[:32]), callbacks=[board]
    )
    train, val = Points(), Points()
    for epoch in history.epoch:
        row = {k: float(np.float32(v[epoch])) for k, v in history.history.items()}
        for name in ("loss", "accuracy"):
            train.add(epoch, {f"epoch_{name}": row[name]})
            val.add(epoch, {f"epoch_{name}": row[f"val_{name}"]})
            at = {f"evaluation_{name}_vs_iterations": row[f"val_{name}"]}
            val.add((epoch + 1) * 2, at)
    lr = float(np.float32(0.001))
    for epoch in history.epoch:
        train.add(epoch, {"epoch_learning_rate": lr})
    case.save(
        [
            run("tree/logs/train", train, part_of="tree/logs"),
            run("tree/logs/validation", val, part_of="tree/logs"),
        ],
        [
            "one training, two folders; a reader may join them into tree/logs, then as"
            " train/epoch_loss and validation/epoch_loss",
            "in the validation folder evaluation_*_vs_iterations have steps in batches",
        ],
    )


if __name__ == "__main__":
    tf2()
    keras_callback()
