"""All formats, in the order in which they are asked."""

from collections.abc import Iterator
from functools import cache
from importlib import import_module

from mlreport_batch.formats import Candidate, LogFormat, Match

# Frameworks first, by decreasing sureness; "any CSV" and "any JSON" come last.
# module, class
_MEMBERS = (
    ("intent", "IntentFile"),
    ("hydra", "HydraFolder"),
    ("hydra", "HydraOverrides"),
    ("tensorboard", "EventFile"),
    ("mlflow", "MlflowMeta"),
    ("mlflow", "MlflowMetric"),
    ("mlflow", "MlflowParam"),
    ("mlflow_database", "MlflowDatabase"),
    ("wandb_binary", "WandbLog"),
    ("wandb_binary", "WandbLargeLog"),
    ("wandb", "WandbHistory"),
    ("wandb", "WandbSummary"),
    ("wandb", "WandbConfig"),
    ("wandb", "WandbMetadata"),
    ("huggingface", "TrainerState"),
    ("huggingface", "TrainerLog"),
    ("huggingface", "ResultsFile"),
    ("huggingface", "ModelConfig"),
    ("dvclive", "DvcliveTsv"),
    ("dvclive", "DvcliveSummary"),
    ("stable_baselines", "ProgressJson"),
    ("stable_baselines", "ProgressCsv"),
    ("stable_baselines", "MonitorCsv"),
    ("ray_tune", "RayResult"),
    ("ray_tune", "RayProgress"),
    ("ray_tune", "RayError"),
    ("sacred", "SacredRun"),
    ("sacred", "SacredMetrics"),
    ("mmengine", "MmengineScalars"),
    ("allennlp", "AllennlpEpoch"),
    ("allennlp", "AllennlpSummary"),
    ("catboost", "CatboostTsv"),
    ("optuna", "OptunaTrials"),
    ("labelled", "NamedRows"),
    ("labelled", "TrainingRows"),
    ("labelled", "SplitRows"),
    ("timm", "TimmSummary"),
    ("lightning", "LightningCsv"),
    ("keras", "KerasCsv"),
    ("model_text", "ModelText"),
    ("hparams", "HparamsFile"),
    ("json_lines", "TrainingLines"),
    ("json_lines", "JsonLines"),
    ("csv_log", "CsvLog"),
    ("json_document", "JsonHistory"),
    ("json_document", "JsonDocument"),
    ("text_logs", "PrintedMetrics"),
    ("text_logs", "JsonInText"),
)


@cache
def formats() -> tuple[LogFormat, ...]:
    """Return one instance of every format."""
    return tuple(
        getattr(import_module(f"mlreport_batch.formats.{module}"), name)()
        for module, name in _MEMBERS
    )


@cache
def by_name() -> dict[str, LogFormat]:
    """Return the formats by their names."""
    return {member.name: member for member in formats()}


def recognise(candidate: Candidate) -> Iterator[tuple[LogFormat, Match]]:
    """Yield the formats that claim *candidate*, surest first."""
    for member in formats():
        match = member.matches(candidate)
        if match is not None:
            yield member, match
            # What a file is by its first rows may show only later. A format that knew
            # it by its header alone must not keep it then.
            if getattr(member, "is_sole", False):
                return
