"""Builders of reports for tests and pictures: plain, rich, Korean and hostile."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

from msgspec.structs import replace

from mlreport_batch.report.drawn import Chart, DrawnCurve
from mlreport_batch.report.grids import Grid, GridRow
from mlreport_batch.report.model import (
    AlertRow,
    CheckpointRow,
    Digest,
    Fact,
    HparamRow,
    MetricRow,
    Report,
    TextBlock,
    Trend,
    Verdict,
)

BLOCKS = "▁▂▃▄▅▆▇█"

HOSTILE = (
    "<script>alert(1)</script><img src=http://evil.example/x.png onerror=alert(1)>"
    "\"'}}{{run}}{% raw %}&amp;</pre></style></title>"
)
UNSAFE = "nul\x00 surrogate\ud800 escape\x1b bidi\u202e nonchar\uffff"

AT = datetime(2019, 12, 27, 6, 30, tzinfo=timezone(timedelta(hours=9), "KST"))


def spark(start: float, end: float, wobble: float = 0.0) -> str:
    """A course of 20 block characters."""
    out = []
    for i in range(20):
        value = start + (end - start) * (1 - math.exp(-i / 6))
        value += wobble * math.sin(i * 2.1)
        out.append(BLOCKS[max(0, min(7, round(value * 7)))])
    return "".join(out)


def course(start: float, end: float, n: int = 40) -> tuple[float, ...]:
    """A course that goes most of its way early."""
    return tuple(
        start + (end - start) * (1 - math.exp(-i / 9)) + 0.02 * math.sin(i * 2.1)
        for i in range(n)
    )


def metric(key: str, value: str = "0.3412", **changes: object) -> MetricRow:
    """A usual row of the History Table."""
    row = MetricRow(
        key=key,
        value=value,
        step="12,000",
        delta="-0.0123",
        trend=Trend.better,
        best="0.3021",
        best_step="11,500",
        low="0.3021",
        high="2.4107",
        spark=spark(1, 0.1, 0.05),
        is_best_now=False,
        points="240",
        curve=course(2.4, 0.34),
        goal="min",
    )
    return replace(row, **changes)


def series(
    key: str, *, n: int = 160, seed: float = 1.0, latest: str = ""
) -> DrawnCurve:
    """A falling curve with a band."""
    mean = [
        2.2 * math.exp(-i / (30 + 8 * seed)) + 0.2 * seed + 0.04 * math.sin(i * seed)
        for i in range(n)
    ]
    return DrawnCurve(
        key,
        tuple(i * 75.0 for i in range(n)),
        tuple(m * 0.94 for m in mean),
        tuple(m * 1.06 for m in mean),
        latest or f"{mean[-1]:.4g}",
    )


def chart(title: str = "loss", *names: str) -> Chart:
    names = names or ("train_loss", "val_loss")
    return Chart(title, tuple(series(k, seed=1 + i * 0.5) for i, k in enumerate(names)))


CLASS_FIGURES = ("precision", "recall", "f1-score", "support")


def grid(title: str, rows: Sequence[str], columns: Sequence[str]) -> Grid:
    """Results of each of some things, with one gap."""
    cells = [
        [f"0.{50 + 7 * i + 3 * j}" for j in range(len(columns))]
        for i in range(len(rows))
    ]
    cells[-1][-1] = ""
    return Grid(
        title,
        tuple(columns),
        tuple(GridRow(key, tuple(c)) for key, c in zip(rows, cells, strict=True)),
    )


MODEL = """\
  | Name    | Type       | Params | Mode
-----------------------------------------------
0 | encoder | Sequential | 1.2 M  | train
1 | head    | Linear     | 5.1 K  | train
-----------------------------------------------
1.2 M     Trainable params
┏━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)    ┃  Output Shape ┃
┡━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ dense (Dense)   │ (None, 128)   │
└─────────────────┴───────────────┘"""


def fine() -> Report:
    """A run that goes as intended; nothing calls for a person."""
    return Report(
        rid="20191227-063000-7f3a9c",
        language="en",
        run="vision/resnet50-cosine/seed_3",
        project="experiments",
        status="running",
        status_text="running, last row 2 min ago",
        at=AT,
        date="2019 December 27",
        time="06:30 KST",
        host="gpu-07",
        headline="val_loss 0.3412, better by 0.0123 since the last report; "
        "val_accuracy 0.9102 is the best so far.",
        purpose="Does cosine decay beat the step schedule on the full set?",
        steps="12,000 of 50,000",
        share=0.24,
        left="ends about 27 Dec 14:20 KST, in 7 h 50 min",
        facts=(
            Fact("Started", "2019-12-26 18:02 KST"),
            Fact("Framework", "Lightning CSVLogger"),
            Fact("Folder", "/data/experiments/vision/resnet50-cosine/seed_3"),
        ),
        hparams=(
            HparamRow("optimizer.lr", "0.001", "0.001", Verdict.right),
            HparamRow("optimizer.name", "adamw", "adamw", Verdict.right),
            HparamRow("data.batch_size", "256", "256", Verdict.right),
            HparamRow("model.depth", "50", "", None),
            HparamRow("trainer.precision", "bf16-mixed", "", None),
            HparamRow("data.root", "/mnt/fast/imagenet-1k/train-shards", "", None),
        ),
        intent_text="All 3 intended parameters are as you meant them.",
        intent_ok=True,
        alerts=(),
        metrics=(
            metric("val_loss", family="loss", part="val"),
            metric(
                "val_accuracy",
                "0.9102",
                family="accuracy",
                part="val",
                curve=course(0.1, 0.91),
                delta="+0.0041",
                best="0.9102",
                best_step="12,000",
                low="0.1043",
                high="0.9102",
                spark=spark(0, 0.95, 0.04),
                is_best_now=True,
            ),
            metric(
                "train_loss",
                "0.2718",
                family="loss",
                part="train",
                curve=course(2.5, 0.27),
                delta="+0.0006",
                trend=Trend.worse,
                best="0.2659",
                best_step="11,950",
            ),
            metric(
                "train_accuracy",
                "0.9317",
                delta="0",
                trend=Trend.same,
                family="accuracy",
                part="train",
                curve=course(0.1, 0.93),
            ),
            metric(
                "optimizer/learning_rate",
                "9.5106e-04",
                delta="-1.2e-06",
                trend=Trend.unknown,
                best="",
                best_step="",
                low="9.5106e-04",
                high="0.001",
                spark=spark(1, 0.6),
            ),
        ),
        charts=(
            chart("loss"),
            chart("accuracy", "train_accuracy", "val_accuracy"),
        ),
        results=(Fact("test_accuracy (eval.json)", "0.8977"), Fact("test_f1", "0.894")),
        counted="step",
        grids=(grid("per_class", ("cat", "big dog", "macro avg"), CLASS_FIGURES),),
        checkpoints=(
            CheckpointRow(
                "checkpoints/epoch=23-step=12000.ckpt",
                "102.4 MB",
                "2 min",
                "12,000",
                "best",
                True,
            ),
            CheckpointRow(
                "checkpoints/last.ckpt", "102.4 MB", "2 min", "12,000", "last", True
            ),
            CheckpointRow(
                "checkpoints/epoch=22-step=11500.ckpt",
                "102.4 MB",
                "31 min",
                "",
                "",
                False,
            ),
        ),
        texts=(TextBlock("Model structure", MODEL),),
        problems=(),
        cuts=(),
    )


def alarming() -> Report:
    """The same run with everything wrong that can be."""
    return replace(
        fine(),
        left="",
        is_led=True,
        status="stalled",
        status_text="stalled: no new rows for 6 h, usually every 2 min",
        headline="train_loss is NaN since step 11,200; optimizer.lr is 0.01, "
        "you meant 0.001.",
        alerts=(
            AlertRow("nan", "train_loss is NaN since step 11,200 (800 rows)."),
            AlertRow("stall", "No new rows for 6 h, usually every 2 min."),
            AlertRow(
                "changed",
                "optimizer.lr changed from 0.001 to 0.01 while running, at step 9,000.",
            ),
        ),
        hparams=(
            HparamRow("optimizer.lr", "0.01", "0.001", Verdict.wrong, "0.001"),
            HparamRow("optimizer.weight_decay", "", "0.05", Verdict.missing),
            HparamRow("optimizer.name", "adamw", "adamw", Verdict.right),
            *fine().hparams[3:],
        ),
        intent_text="2 of 3 intended parameters are not as you meant them.",
        intent_ok=False,
        metrics=(
            metric("train_loss", "NaN", delta="", trend=Trend.unknown, best="0.2659"),
            *(replace(m, trend=Trend.worse) for m in fine().metrics[:2]),
        ),
        texts=(
            *fine().texts,
            TextBlock(
                "Error tail (stderr.log)",
                'Traceback (most recent call last):\n  File "train.py", line 214, in '
                "<module>\n    main()\nRuntimeError: CUDA error: an illegal memory "
                "access was encountered " + "0x7f" * 60,
            ),
        ),
        problems=(
            "metrics.csv:1204: 3 fields where the header has 7; the row was skipped",
            "eval/results.json: not valid JSON; left out",
        ),
        cuts=("12 checkpoints older than the newest 3 are not listed",),
    )


def korean() -> Report:
    """A Korean report with Korean names and emoji."""
    return replace(
        fine(),
        language="ko",
        left="27일 14:20쯤 끝남, 7시간 50분 후",
        is_led=False,
        run="음성인식/기준모델🚀/시드_3",
        project="실험",
        status_text="실행 중, 마지막 기록 2분 전",
        date="2019년 12월 27일",
        time="06:30 KST",
        headline="검증_손실 0.3412, 지난 보고보다 0.0123 좋아졌습니다. "
        "검증_정확도 0.9102는 지금까지 최고입니다 🎉",
        purpose="코사인 감쇠가 계단식 학습률보다 나은지 확인",
        intent_text="의도한 매개변수 3개가 모두 맞습니다.",
        metrics=(
            metric("검증_손실", family="손실", part="val"),
            replace(fine().metrics[1], key="검증_정확도", family="정확도"),
            replace(fine().metrics[2], key="학습/손실", family="손실"),
            *fine().metrics[3:],
        ),
        charts=(chart("손실 📉", "학습/손실", "검증_손실"),),
        results=(Fact("시험_정확도", "0.8977"),),
    )


def many(count: int = 50) -> Report:
    """A run with *count* metrics, some with long names."""
    rows = tuple(
        metric(
            f"group_{i % 7}/very_long_metric_name_number_{i}/mean_over_all_workers"
            if i % 5 == 0
            else f"metric_{i}",
            f"{i + 0.12345:.5g}",
        )
        for i in range(count)
    )
    return replace(
        fine(),
        metrics=rows,
        charts=(chart("six", *(f"m{i}" for i in range(6))),),
        grids=(
            grid(
                "coco",
                [f"class {i}" for i in range(count)],
                [f"AP{50 + 5 * i}" for i in range(10)],
            ),
        ),
    )


def bare() -> Report:
    """A run that has written nothing yet."""
    return replace(
        fine(),
        status="empty",
        status_text="no data yet",
        headline="The run directory appeared 3 min ago; nothing was written yet.",
        purpose="",
        steps="",
        facts=(),
        hparams=(),
        intent_text="",
        intent_ok=None,
        metrics=(),
        charts=(),
        results=(),
        grids=(),
        checkpoints=(),
        texts=(),
    )


def hostile(text: str = HOSTILE) -> Report:
    """Every text of the report is *text*."""
    return Report(
        rid="r1",
        language="en",
        run=text,
        project=text,
        status=text,
        status_text=text,
        at=AT,
        date=text,
        time=text,
        host=text,
        headline=text,
        purpose=text,
        steps=text,
        facts=(Fact(text, text),),
        hparams=(
            HparamRow(text, text, text, Verdict.wrong, text),
            HparamRow(text, text, "", None),
        ),
        intent_text=text,
        intent_ok=False,
        alerts=(AlertRow(text, text),),
        metrics=(metric(text, text, spark=text, delta=text, best=text, step=text),),
        charts=(Chart(text, (replace(series("x"), key=text, latest=text),)),),
        results=(Fact(text, text),),
        grids=(Grid(text, (text,), (GridRow(text, (text,)),)),),
        checkpoints=(CheckpointRow(text, text, text, text, text, True),),
        texts=(TextBlock(text, text),),
        problems=(text,),
        cuts=(text,),
        link=f"javascript:{text}",
    )


def digest(language: str = "en", count: int = 4) -> Digest:
    """A digest of *count* runs, the worst not first."""
    base = korean() if language == "ko" else fine()
    reports = [replace(base, run=f"{base.run}_{i}") for i in range(max(0, count - 2))]
    reports.append(
        replace(alarming(), run="vision/resnet50-linear/seed_1", language=language)
    )
    reports.append(replace(bare(), run="vision/vit-b16/seed_0", language=language))
    return Digest(
        rid="20191227-063000-digest",
        language=language,
        at=base.at,
        date=base.date,
        time=base.time,
        host="gpu-07",
        headline="실행 4개에 새 소식: 1개 확인 필요"
        if language == "ko"
        else f"{count} runs have news; 1 needs you",
        reports=tuple(reports[:count]),
        cuts=(),
    )


def long_names() -> Report:
    """Names of any length, with and without places to break, and long numbers."""
    names = (
        "validation/mean_average_precision_at_50_to_95/over_all_classes",
        "aVeryLongCamelCaseMetricNameWithoutAnyJointsWhatsoeverInItAtAll",
        "가나다라마바사아자차카타파하" * 4,
        "env.rollout.episode.reward.mean.over.last.100.episodes",
    )
    rows = tuple(
        metric(
            name,
            "-1.2345e-308",
            delta="+1.2345e-308",
            best="-0.99999999999",
            step="123,456,789",
            best_step="123,456,789",
        )
        for name in names
    )
    base = alarming()
    return replace(
        base,
        run="/".join(names[:2]),
        project=names[1],
        purpose=names[1],
        headline=f"{names[0]} {names[1]} is -1.2345e-308",
        metrics=rows,
        charts=(chart(names[0], *names),),
        hparams=tuple(
            HparamRow(name, name, name, verdict)
            for name, verdict in zip(names, (*Verdict,), strict=False)
        ),
        checkpoints=tuple(
            replace(c, path=f"{names[0]}/{names[1]}.ckpt") for c in base.checkpoints
        ),
        results=tuple(Fact(name, "0.99999999999999") for name in names),
        grids=(
            grid(names[0], names, names),
            Grid(
                "", names[:2], tuple(GridRow(n, ("-1.2345e-308",) * 2) for n in names)
            ),
        ),
        facts=tuple(Fact(name, name) for name in names),
        problems=names,
    )
