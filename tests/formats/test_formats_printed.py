"""Lines that trainings print, and lines that only contain numbers."""

# ruff: noqa: E501, ISC004 - lines as they were printed

import math
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formats_reading import claim, parse, points, read
from mlreport_batch.commands.inspect import Rest, left_alone, look_at
from mlreport_batch.formats import Point, Problem
from mlreport_batch.formats.kit.commas import Commas
from mlreport_batch.formats.kit.underlined import row_in
from mlreport_batch.formats.registry import by_name
from places import ROOT

# What one line says: text, and metric -> (step, value).

LINES: list[tuple[str, dict[str, tuple[float, float]]]] = [
    (
        "step 20: train loss 2.48, val loss 2.52",
        {"train loss": (20, 2.48), "val loss": (20, 2.52)},
    ),
    ("iter 10: loss 3.31, time 12.10ms, mfu 1.20%", {"loss": (10, 3.31), "mfu": (10, 1.2)}),
    (
        "{'loss': 3.7, 'grad_norm': 1.2, 'learning_rate': 4.9e-05, 'epoch': 0.04}",
        {"loss": (0.04, 3.7), "grad_norm": (0.04, 1.2), "learning_rate": (0.04, 4.9e-05)},
    ),
    (
        "{'eval_loss': '3.1', 'eval_runtime': '30.4', 'epoch': '2.0'}",
        {"eval_loss": (2, 3.1), "eval_runtime": (2, 30.4)},
    ),
    (
        " [2026-01-01 00:00:01] iteration      100/  250000 | learning rate: 2.9E-04 |"
        " lm loss: 5.900E+00 | grad norm: nan |",
        {"learning rate": (100, 2.9e-4), "lm loss": (100, 5.9), "grad norm": (100, math.nan)},
    ),
    (
        " validation loss at iteration 1000 on validation set | lm loss value: 3.2E+00 |",
        {"validation/lm loss value": (1000, 3.2)},
    ),
    (
        "2022-11-12 14:30:37,044 - mmdet - INFO - Epoch [2][50/962]\tlr: 1.978e-03, "
        "eta: 1 day, 2:03:32, time: 0.645, loss_cls: 0.3415, acc: 88.1094",
        {"lr": (50, 1.978e-3), "loss_cls": (50, 0.3415), "acc": (50, 88.1094)},
    ),
    (
        "2026/01/01 00:00:00 - mmengine - INFO - Epoch(val)   [3][625/625]    "
        "coco/bbox_mAP: 0.3000  coco/bbox_mAP_50: 0.5",
        {"val/coco/bbox_mAP": (3, 0.3), "val/coco/bbox_mAP_50": (3, 0.5)},
    ),
    (
        "Epoch: [0]  [ 20/1251]  eta: 0:20:15  lr: 0.000100  loss: 7.0123 (7.0234)  "
        "time: 0.5123  max mem: 12345",
        {"lr": (20, 1e-4), "loss": (20, 7.0123), "max mem": (20, 12345)},
    ),
    (
        "Epoch: [1][ 10/5005]\tTime  0.5 (  0.9)\tLoss 6.9e+00 (7.0e+00)\tAcc@1   0.39 (  0.10)",
        {"Loss": (10, 6.9), "Acc@1": (10, 0.39)},
    ),
    ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.300001", {"Loss": (640, 2.300001)}),
    (
        "Train: 0 [  10/1251 (  0%)]  Loss: 6.95 (6.95)  LR: 1.0e-06",
        {"Loss": (10, 6.95), "LR": (10, 1e-6)},
    ),
    (
        "(epoch: 1, iters: 100, time: 0.123) G_GAN: 1.2 G_L1: 3.4 D_real: 0.5",
        {"G_GAN": (100, 1.2), "G_L1": (100, 3.4), "D_real": (100, 0.5)},
    ),
    (
        "[2026/01/01 00:00:00] ppocr INFO: epoch: [1/500], global_step: 10, lr: 0.0001, "
        "loss: 25.3, avg_reader_cost: 0.5 s, ips: 70.1 samples/s, eta: 1:02:03",
        {"lr": (10, 1e-4), "loss": (10, 25.3), "ips": (10, 70.1)},
    ),
    (
        "[Train][Epoch 1/120][Iter: 10/5004]lr(Piecewise): 0.1, top1: 0.01, loss: 7.0",
        {"lr(Piecewise)": (10, 0.1), "top1": (10, 0.01), "loss": (10, 7.0)},
    ),
    ("INFO:tensorflow:loss = 2.3, step = 100 (3.5 sec)", {"loss": (100, 2.3)}),
    (
        "step:125/1750 val_loss:4.2 train_time:20000ms step_avg:160ms",
        {"val_loss": (125, 4.2)},
    ),
    (
        "| epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 10.1 | loss  7.6 |",
        {"lr": (200, 20), "ms/batch": (200, 10.1), "loss": (200, 7.6)},
    ),
    (
        "epoch 001:    100 / 1234 loss=12.3, ppl=4400.5, num_updates=100",
        {"loss": (100, 12.3), "ppl": (100, 4400.5)},
    ),
    (
        "2026-01-01 20:17:51.976 | INFO     | yolox.core.trainer:after_iter:246 - epoch: 1/300, "
        "iter: 10/47, mem: 1491Mb, iter_time: 0.487s, total_loss: 10.7, size: 640",
        {"mem": (10, 1491), "total_loss": (10, 10.7), "size": (10, 640)},
    ),
    (
        "Epoch: [0][10/400]\tTime 5.656 (6.701)\tLoss 23.873 (23.9)\tLoss dro 6.354 (6.3)\t",
        {"Loss": (10, 23.873), "Loss dro": (10, 6.354)},
    ),
    (
        "INFO  DistriOptimizer$:295 - [Epoch 64 736512/1281167][Iteration 45457] Train 1792 in "
        "4.38seconds. Throughput is 408.4 records/second. Loss is 1.26. Current momentum is 0.9.",
        {"Throughput": (45457, 408.4), "Loss": (45457, 1.26), "Current momentum": (45457, 0.9)},
    ),
    ("step 3 took 20minutes, Avg. Loss: 0.5", {"Avg. Loss": (3, 0.5)}),
    (
        "100:\tlearn: 0.35\ttest: 0.36\tbest: 0.36 (100)\ttotal: 5s\tremaining: 45s",
        {"learn": (100, 0.35), "test": (100, 0.36)},
    ),
    ("best_acc: 0.9, epoch: 3, loss: 0.5", {"loss": (3, 0.5)}),
    ("[3,  2000] loss: 2.184", {"loss": (2000, 2.184)}),
    (
        "[0/5][10/1583]\tLoss_D: 1.7\tLoss_G: 4.6\tD(x): 0.5",
        {"Loss_D": (10, 1.7), "Loss_G": (10, 4.6), "D(x)": (10, 0.5)},
    ),
    (
        "[Epoch 0/200] [Batch 10/938] [D loss: 0.5] [G loss: 0.6]",
        {"D loss": (10, 0.5), "G loss": (10, 0.6)},
    ),
    (
        "\x1b[32m[rank3]:\x1b[0m step=1,000 loss=tensor(0.5, device='cuda:0', "
        "grad_fn=<NllLossBackward0>) acc=92.5%",
        {"loss": (1000, 0.5), "acc": (1000, 92.5)},
    ),
    (
        "Epoch 1 | train: loss 0.5, acc 0.9 | val: loss 0.6, acc 0.8",
        {"loss": (1, 0.5), "acc": (1, 0.9), "val/loss": (1, 0.6), "val/acc": (1, 0.8)},
    ),
    (
        "I0101 00:00:00.000 140 logging_writer.py:48] [100] accuracy=0.5, loss=1.2",
        {"accuracy": (100, 0.5), "loss": (100, 1.2)},
    ),
    ("에폭 3/10, 손실: 0,512, 정확도: 92.5%", {"손실": (3, 0.512), "정확도": (3, 92.5)}),
    (
        "Steps:  10%|#         | 100/1000 [00:10<01:30, 1.00it/s, loss=0.5, lr=1e-5]",
        {"loss": (100, 0.5), "lr": (100, 1e-5)},
    ),
    (
        "[01/01 00:00:00 d2.utils.events]:  eta: 0:10:00  iter: 19  total_loss: 1.5  "
        "loss_cls: nan  time: 0.5  max_mem: 3000M",
        {"total_loss": (19, 1.5), "loss_cls": (19, math.nan), "max_mem": (19, 3e9)},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("line", "wanted"), LINES)
def test_a_line_says_its_step_and_its_metrics(
    line: str, wanted: dict[str, tuple[float, float]]
):
    found = {
        i.metric: (i.step, i.value)
        for i in read("printed", line + "\n")
        if type(i) is Point
    }
    assert str(found) == str({k: tuple(map(float, v)) for k, v in wanted.items()})


# Several lines, and metric -> [(step, value), …].
LOGS: list[tuple[str, dict[str, list[tuple[float, float]]]]] = [
    (
        "2026-01-01 00:00:00.1: \n2026-01-01 00:00:00.1: Epoch 0\n"
        "2026-01-01 00:00:00.1: Current learning rate: 0.01\n"
        "2026-01-01 00:02:00.1: train_loss -0.06\n2026-01-01 00:02:00.2: val_loss -0.07\n"
        "2026-01-01 00:02:00.3: Pseudo dice [np.float32(0.1), np.float32(0.2)]\n"
        "2026-01-01 00:02:00.4: Epoch time: 150.8 s\n2026-01-01 00:02:01.1: Epoch 1\n"
        "2026-01-01 00:04:00.1: train_loss -0.16\n",
        {"train_loss": [(0, -0.06), (1, -0.16)], "val_loss": [(0, -0.07)]},
    ),
    (
        "Epoch 1/3\n100/100 - 2s - loss: 0.5 - val_loss: 0.6\n"
        "Epoch 2/3\n100/100 - 2s - loss: 0.4 - val_loss: 0.5\n",
        {"loss": [(1, 0.5), (2, 0.4)], "val_loss": [(1, 0.6), (2, 0.5)]},
    ),
    (
        "Epoch 1/2\n\r 1/10 [==>...........] - ETA: 9s - loss: 0.9"
        "\r10/10 [==============] - 2s 20ms/step - loss: 0.5"
        "\r10/10 [==============] - 2s 21ms/step - loss: 0.5 - val_loss: 0.6\n"
        "Epoch 2/2\n\x1b[1m10/10\x1b[0m \x1b[32m━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m "
        "\x1b[1m0s\x1b[0m 3ms/step - loss: 0.4 - val_loss: 0.5\n",
        {"loss": [(1, 0.5), (2, 0.4)], "val_loss": [(1, 0.6), (2, 0.5)]},
    ),
    (
        "Epoch 1/2\n 1/24 ??? 1:21 4s/step - loss: 1.92\n24/24 ??? 2s 40ms/step - loss: 1.5\n",
        {"loss": [(1, 1.5)]},
    ),
    (
        "Epoch 0:  50%|#####     | 5/10 [00:01<00:01,  4.00it/s, loss=0.9]\r"
        "Epoch 0: 100%|##########| 10/10 [00:02<00:00,  4.00it/s, loss=0.8]\r"
        "Epoch 1:  10%|#         | 1/10 [00:00<00:02,  4.00it/s, loss=0.7]\r"
        "Epoch 1: 100%|##########| 10/10 [00:02<00:00,  4.00it/s, loss=0.6]\n",
        {"loss": [(0, 0.8), (1, 0.6)]},
    ),
    (
        "Epoch 0/1\n----------\ntrain Loss: 0.5 Acc: 0.7\nval Loss: 0.3 Acc: 0.9\n",
        {"train Loss": [(0, 0.5)], "Acc": [(0, 0.7)], "val Loss": [(0, 0.3)], "val/Acc": [(0, 0.9)]},
    ),
    (
        "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.3\nTrain Epoch: 1 [640/60000 (1%)]\tLoss: 2.1\n"
        "\nTest set: Average loss: 0.04, Accuracy: 9847/10000 (98%)\n\n"
        "Train Epoch: 2 [0/60000 (0%)]\tLoss: 0.1\nTrain Epoch: 2 [640/60000 (1%)]\tLoss: 0.2\n",
        {
            "Loss": [(0, 2.3), (640, 2.1), (1280, 0.1), (1920, 0.2)],
            "test/Average loss": [(640, 0.04)],
            "test/Accuracy": [(640, 98)],
        },
    ),
    (
        "step 10: loss 0.5\nValidation: loss 0.3\nstep 20: loss 0.4\n",
        {"loss": [(10, 0.5), (20, 0.4)], "validation/loss": [(10, 0.3)]},
    ),
    (
        "[rank1]: step 1 loss 0.5\n[rank0]: step 1 loss 0.6\n[rank1]: step 2 loss 0.4\n"
        "[rank0]: step 2 loss 0.5\n",
        {"loss": [(1, 0.5), (2, 0.4)]},
    ),
    (
        "10:00:01 INFO step 1 loss 0.5\n10:00:01 train.py:30 step 1 loss 0.5\n",
        {"loss": [(1, 0.5)]},
    ),
    (
        "\r  1%|          | 10/1000 [00:05<08:11,  2.01it/s]{'loss': 3.7, 'epoch': 0.01}\n"
        "\r  2%|          | 20/1000 [00:10<08:11,  2.01it/s]{'loss': 3.6, 'epoch': 0.02}\n",
        {"loss": [(0.01, 3.7), (0.02, 3.6)]},
    ),
    (
        "Fold 1/5\nEpoch 1: loss 0.5\nEpoch 2: loss 0.4\nFold 2/5\nEpoch 1: loss 0.6\n"
        "Fold 3 | Epoch 1 | loss 0.7\n",
        {"fold_1/loss": [(1, 0.5), (2, 0.4)], "fold_2/loss": [(1, 0.6)], "fold_3/loss": [(1, 0.7)]},
    ),
    (
        "EPOCH 1:\n  batch 1000 loss: 1.9\n  batch 2000 loss: 1.5\nLOSS train 1.5 valid 1.6\n"
        "EPOCH 2:\n  batch 1000 loss: 1.2\n",
        {
            "loss": [(1000, 1.9), (2000, 1.5), (3000, 1.2)],
            "LOSS train": [(2000, 1.5)],
            "valid": [(2000, 1.6)],
        },
    ),
    (
        " 10%|#  | 1/3 [00:01<00:01,  4.00it/s, loss=0.9]\r 66%|## | 2/3 [00:01<00:01,  4.00it/s, loss=0.8]\r"
        "100%|###| 3/3 [00:01<00:01,  4.00it/s, loss=0.7]\n",
        {"loss": [(1, 0.9), (2, 0.8), (3, 0.7)]},
    ),
    (
        "0: step 1 loss 0.5 (avg 0.6)\n1: step 1 loss 0.6\n0: step 2 loss 0.4\n",
        {"loss": [(1, 0.5), (2, 0.4)]},
    ),
    (
        "10:00:01 [Rank 1] step 1 loss 0.5\n10:00:01 [Rank 0] step 1 loss 0.6\n",
        {"loss": [(1, 0.5)]},
    ),
    (
        "Epoch 1\ntest accuracy: 0.5\nClass 0: accuracy 0.9\nClass 1: accuracy 0.1\nEpoch 2\n"
        "test accuracy: 0.6\n",
        {"test accuracy": [(1, 0.5), (2, 0.6)]},
    ),
    (
        "2026-01-01 10:00:01.661\tnode-03:0\tolmo.train:990\tINFO\t[step=130/10000,epoch=0]\n"
        "    train/CrossEntropyLoss=8.5\n    optim/total_grad_norm=0.5\n"
        "2026-01-01 10:00:02.661\tnode-03:0\tolmo.train:990\tINFO\t[step=140/10000,epoch=0]\n"
        "    train/CrossEntropyLoss=8.4\n",
        {"train/CrossEntropyLoss": [(130, 8.5), (140, 8.4)]},
    ),
    (
        "Epoch [0]/[9]\tLoss: 0.9\nREG: precision: 99%; f1: 0.98\nTES: precision: 10%\n"
        "val --- batch:200/400  loss:[ 0.5]\nEpoch [1]/[9]\tavg loss so far is 0.8\n",
        {
            "Loss": [(0, 0.9)],
            "precision": [(0, 99)],
            "f1": [(0, 0.98)],
            "val/loss": [(0, 0.5)],
            "avg loss": [(1, 0.8)],
        },
    ),
    (
        "  Learning iteration 0/1500\n  Surrogate loss: 0.5\n   Mean reward: -2.5\n"
        "   Total timesteps: 98304\n  Learning iteration 1/1500\n  Mean reward: -1.5\n"
        "Training complete! Best reward: -1.5 at iteration 0\n",
        {"Surrogate loss": [(0, 0.5)], "Mean reward": [(0, -2.5), (1, -1.5)]},
    ),
    (
        "---------\n| lr | 0.1 |\n| steps | 5 |\n---------\nUsing cpu device\n"
        "---------------------------\n| rollout/           |      |\n|    ep_rew_mean     | 22.5 |\n"
        "| time/              |      |\n|    total_timesteps | 2048 |\n| loss/x_loss | -1 |\n"
        "---------------------------\n---------------------------\n| rollout/  |      |\n"
        "|    ep_rew_mean | 1.25e+02 |\n| time/ | |\n|    fps | 12 |\n|    total_timesteps | 4096 |\n"
        "---------------------------\n",
        {
            "rollout/ep_rew_mean": [(2048, 22.5), (4096, 125)],
            "loss/x_loss": [(2048, -1)],
            "time/fps": [(4096, 12)],
        },
    ),
    (
        "----------\n| Epoch | 3 |\n| TotalEnvInteracts | 8000 |\n| LossPi | 0.5 |\n----------\n"
        "-----------\n| end of epoch 1 | loss 0.5 |\n-----------\n",
        {"LossPi": [(8000, 0.5)], "loss": [(1, 0.5)]},
    ),
    (
        "Epoch [1][10/20]\tloss: 0.9\nEpoch [1][20/20]\tloss: 0.8\n"
        "Epoch(val) [1][5]\tmAP: 0.3\nEpoch [2][10/20]\tloss: 0.7\n",
        {"loss": [(10, 0.9), (20, 0.8), (30, 0.7)], "val/mAP": [(20, 0.3)]},
    ),
    (
        "Training pipeline\nE    #       LOSS NER  ENTS_F  SCORE \n"
        "---  ------  --------  ------  ------\n  0       0     29.33    0.00    0.00\n"
        "\n  1     200   1573.47   38.61    0.39\nsaved to out\n  1     400   1.00    2.00    0.50\n"
        "Step    Size  Depth \n------  ----  ------\n  1     200   1573.47 \n",
        {
            "LOSS NER": [(0, 29.33), (200, 1573.47)],
            "ENTS_F": [(0, 0), (200, 38.61)],
            "SCORE": [(0, 0), (200, 0.39)],
        },
    ),
    (
        "I01 10:00:00.1 9 solver.cpp:228] Iteration 0, loss = 2.3\n"
        "I01 10:00:00.1 9 solver.cpp:244]     Train net output #0: loss = 2.4 (* 1 = 2.4 loss)\n"
        "I01 10:00:00.1 9 solver.cpp:337] Iteration 100, Testing net (#0)\n"
        "I01 10:00:00.1 9 solver.cpp:404]     Test net output #0: accuracy = 0.5\n"
        "I01 10:00:00.1 9 solver.cpp:404]     Test net output #1: loss = 2.1 (* 1 = 2.1 loss)\n",
        {"loss": [(0, 2.3)], "test/accuracy": [(100, 0.5)], "test/loss": [(100, 2.1)]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("data", "wanted"), LOGS)
def test_lines_that_belong_together_are_one_log(
    data: str, wanted: dict[str, list[tuple[float, float]]]
):
    assert points(read("printed", data)) == wanted
    whole = parse(by_name()["printed"], data.encode())
    for cut in range(0, len(data), 7):
        assert parse(by_name()["printed"], data.encode(), [cut]) == whole


INNOCENT = [
    "Epoch 0, global step 32: 'val_loss' reached 0.69315 (best 0.69315), saving model to x as top 3",
    "[0.0000, 0.0000, 0.0000]]], dtype=torch.float64), 'annot': tensor([]), 'scale': 0.355}",
    "Input shape: (279792, 77)\nMetrics of data with prices: {'mape': 1.5, 'r2': 0.8}",
    "Training: 2025-11-05 14:02:36,720-: margin_list              (1.0, 0.0, 0.4)\ngradient_acc  1",
    "Namespace(lr=0.1, epochs=10, loss='ce', loss_weight=1.0, step=3)",
    '  File "/opt/train.py", line 20, in step\n    loss = 0.5 / epoch 3\nValueError: loss 0.5',
    "Loading checkpoint (epoch 3, loss 0.5)\nResuming from step 20: loss 0.5",
    "Saved best model at epoch 5 with val_loss 0.3\nBest epoch: 5, best loss: 0.3",
    "Epoch 00003: val_loss improved from 0.5 to 0.4, saving model to x-0.4.pt",
    "EarlyStopping counter: 3 out of 10",
    "Step 3/10 : RUN pip install torch==2.1.0\n ---> 1a2b3c",
    "Collecting numpy==1.26.4\n  Downloading numpy-1.26.4.whl (18.2 MB)\nstep 2: done in 3.4s",
    "Train: 50000 samples, Val: 10000 samples, 10 classes\nmean: 0.485, std: 0.229",
    "tests/test_a.py::test_loss[1] PASSED [ 10%]\n3 passed, 1 failed in 0.52s",
    '10.0.0.1 - - [01/Jan/2026:00:00:01 +0000] "GET /loss?step=3 HTTP/1.1" 200 512',
    "Iteration   1: 12.345 ns/op\nIteration   2: 12.346 ns/op",
    "| model | params | top1 |\n| r50 | 25.6 | 76.1 |\n| r101 | 44.5 | 77.4 |",
    "name   precision  recall  f1\ncat  0.90 0.80 0.85\ndog  0.70 0.60 0.65",
    "We trained for 300 epochs and reached a loss of 0.3 at step 20, see Table 3.",
    "epochs: 100\nlr: 0.1\nbatch_size: 32\nloss_weight: 0.5\nval_split: 0.2",
    "[t-SNE] Iteration 50: error = 60.1, gradient norm = 0.01 (50 iterations in 1.2s)",
    "Epoch 1/200:   9%|\u2589         | 17/180 [00:45<02:45,  1.02s/it]",
    "loss function: 3 terms\naccuracy of the clock: 0.5 s",
]  # fmt: skip


@pytest.mark.parametrize("data", INNOCENT)
@pytest.mark.parametrize("name", ["train.log", "slurm-1.out", "notes.txt"])
def test_lines_that_merely_hold_numbers_say_nothing(data: str, name: str):
    assert claim(f"run/{name}", data + "\n") is None
    assert not points(read("printed", "step 1 loss 0.5\n" + data + "\n")).pop("loss")[
        1:
    ]


_OUTCOMES = st.sampled_from(
    [
        "loss",
        "train_loss",
        "val loss",
        "Acc",
        "eval/f1",
        "lm_loss",
        "mIoU",
        "reward",
        "top1 acc",
    ]
)
_OTHERS = st.sampled_from(["lr", "grad_norm", "mem", "mfu", "x/y", "alpha_3", "tok/s"])
_NUMBERS = st.one_of(
    st.floats(-1e6, 1e6).map(lambda value: f"{value:.4f}"),
    st.floats(1e-9, 1e9).map(lambda value: f"{value:.3e}"),
    st.sampled_from(["nan", "inf", "-inf", "0.5", "NaN"]),
)
_COUNTS = st.sampled_from(
    ["step {}", "Step: {}", "step={}", "iter {}/99999", "[Epoch {}/9999]", "epoch: {}",
     "global_step = {}", "Epoch [{}/9999]", "'step': {}", "iteration {:>8}"]
)  # fmt: skip
_MARKS = st.sampled_from([", ", " | ", "  ", "\t", " - ", "; ", " || ", ",  "])
_TIES = st.sampled_from(
    ["{}: {}", "{}={}", "{} = {}", "{} : {}", "'{}': {}", "{}:{}", "{} [{}]"]
)
_PREFIXES = st.sampled_from(
    ["", "2026-01-01 10:00:01,123 - train - INFO - ", "[INFO] ", "INFO:root:", "> ",
     "[2026-01-01 10:00:01] ", "I0101 10:00:01.000001 12 train.py:48] ", "\x1b[1m"]
)  # fmt: skip


@given(st.data())
def test_every_number_of_a_line_is_kept_at_its_step(data: st.DataObject):
    draw = data.draw
    step = draw(st.integers(0, 9999))
    names = draw(st.lists(_OUTCOMES, min_size=1, max_size=3, unique=True))
    names += draw(st.lists(_OTHERS, max_size=3, unique=True))
    numbers = [draw(_NUMBERS) for _ in names]
    tie, mark = draw(_TIES), draw(_MARKS)
    cells = [tie.format(*pair) for pair in zip(names, numbers, strict=True)]
    cells.insert(draw(st.integers(0, len(cells))), draw(_COUNTS).format(step))
    line = draw(_PREFIXES) + mark.join(cells)
    found = points(read("printed", line + "\n"))
    wanted = {n: [(float(step), float(v))] for n, v in zip(names, numbers, strict=True)}
    assert str(sorted(found.items())) == str(sorted(wanted.items())), line


_NAMED = st.lists(
    st.sampled_from(["LOSS", "ENTS F", "val loss", "SCORE", "a b c", "P"]),
    min_size=1, max_size=4, unique=True,
)  # fmt: skip


@given(names=_NAMED, data=st.data())
def test_every_cell_below_an_underlined_header_is_kept(
    names: list[str], data: st.DataObject
):
    """Names may have blanks in them; the rule below tells where they end."""
    names = ["loss", *names]
    columns = [data.draw(st.sampled_from(["#", "step", "Epoch"])), *names]
    values = st.floats(-99, 99).map(lambda value: round(value, 2)) | st.just("")
    one = st.tuples(st.just(0.5), *(values for _ in names[1:]))
    rows = data.draw(st.lists(one, min_size=2, max_size=5))
    widths = [max(len(name), 7) for name in columns]
    lines = [
        "  ".join(map(str.ljust, columns, widths)),
        "  ".join("-" * width for width in widths),
        *("  ".join(map(str.rjust, map(str, [at, *row]), widths)) for at, row in enumerate(rows)),
    ]  # fmt: skip
    found = points(read("printed", "starting\n" + "\n".join(lines) + "\n"))
    wanted = {
        name: [(at, row[index]) for at, row in enumerate(rows) if row[index] != ""]
        for index, name in enumerate(names)
    }
    assert found == {name: told for name, told in wanted.items() if told}


SKORCH = """\
  epoch    train_loss    valid_acc    cp     dur
-------  ------------  -----------  ----  ------
      1        \x1b[36m0.6808\x1b[0m       \x1b[32m0.5750\x1b[0m     +  0.1129
      2        \x1b[36m0.6551\x1b[0m       0.5375        0.0377
      3        0.7551       \x1b[32m0.6875\x1b[0m     +  0.0129
"""


@pytest.mark.parametrize("name", ["train.log", "train.txt", "run.out"])
def test_a_table_of_skorch_is_read_by_its_rules(name: str):
    claimed = claim(f"run/{name}", SKORCH)
    assert claimed is not None
    assert claimed[0] == "printed"
    items = read("printed", SKORCH)
    assert points(items) == {
        "train_loss": [(1, 0.6808), (2, 0.6551), (3, 0.7551)],
        "valid_acc": [(1, 0.575), (2, 0.5375), (3, 0.6875)],
        "dur": [(1, 0.1129), (2, 0.0377), (3, 0.0129)],
    }
    assert not any(isinstance(item, Problem) for item in items)


def test_two_cells_below_one_rule_are_no_row():
    table = "epoch  loss   acc\n-----  -----  ----\n1      0.5    0.25\n"
    found = points(read("printed", f"{table}2  0.4  0.3\n3      0.4 0.3 0.2\n"))
    assert found["loss"] == [(1, 0.5), (2, 0.4)]


def test_of_a_line_that_may_be_a_header_no_secret_is_kept():
    memory: dict[str, bool | int | float | str | None] = {}
    secret = "hf_" + "aB3dE5gH7jK9mN1pQ3sT5vX7zC9bD1fG3h"
    for line in ("E  loss  SCORE", f"E  token={secret}  SCORE"):
        row_in(line, memory, Commas({}))
        assert secret not in str(memory)
    row_in("E  loss  SCORE", memory, Commas({}))
    assert "SCORE" in str(memory)


def test_a_count_of_the_past_at_the_head_of_a_line_is_no_step():
    data = "step 300: loss 0.3\nIteration 100, best so far\nval_loss: 0.5\n"
    found = points(read("printed", data))
    assert found == {"loss": [(300, 0.3)], "val_loss": [(300, 0.5)]}


def test_the_whole_text_is_looked_into_where_its_head_says_nothing(tmp_path: Path):
    head = "model.layer.weight: 3\n" * 2000
    path = tmp_path / "train.log"
    path.write_text(head + "step 1 loss 0.5\nstep 2 loss 0.4\n" + head)
    [run] = look_at([str(tmp_path)])
    assert run.state.logs["train.log"].metrics["loss"].count == len("12")


def test_what_is_printed_gives_way_to_events_and_both_to_a_log(tmp_path: Path):
    shutil.copytree(ROOT / "tests/runs/tb_basic/tree", tmp_path / "tree")
    [event] = (tmp_path / "tree").rglob("*tfevents*")
    (event.parent / "train.log").write_text(
        "step 1: my loss 0.5\nstep 2: my loss 0.4\n"
    )
    [run] = look_at([str(tmp_path)])
    assert "my loss" not in run.view.metrics
    assert run.view.metrics
    (event.parent / "metrics.csv").write_text("step,acc\n1,0.5\n")
    [run] = look_at([str(tmp_path)])
    assert list(run.view.metrics) == ["acc"]


def test_inspect_says_why_a_printed_log_is_none(tmp_path: Path):
    (tmp_path / "server.log").write_text("10:00:01 GET /loss?step=3 200\n")
    rest: list[Rest] = []
    assert look_at([str(tmp_path)], rest=rest) == []
    [line] = left_alone(rest)
    assert line.endswith("`formats` in the config can say how its lines are written)")


def test_the_time_a_hostile_line_takes_grows_with_its_length():
    for unit in (
        "1",
        "1 ",
        "a ",
        "a=",
        "[1",
        "1,",
        "1:",
        "-",
        "tensor(",
        "e1",
        "[=",
        "\t1/",
        "'",
    ):
        read("printed", "step 1 loss " + unit * (16_000 // len(unit)) + "\n")
