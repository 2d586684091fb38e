"""All formats, in the order in which they are asked."""

from collections.abc import Iterable
from functools import cache
from importlib import import_module

from msgspec.structs import replace

from mlreport_batch.formats import Candidate, LogFormat, Match, Role
from mlreport_batch.formats.kit.moved import has_turns, turn_of
from mlreport_batch.formats.own_lines import OwnFormat, is_own, own_format, own_match

# Frameworks first, by decreasing sureness; "any CSV" and "any JSON" come last.
# module, name in it; that of one format, or of several in a tuple
_NAMED = (
    ("intent", "INTENT_FILE"),
    ("hydra", "HYDRA_FOLDER"),
    ("hydra", "HYDRA_OVERRIDES"),
    ("hydra", "HYDRA_SWEEP"),
    ("tensorboard", "EVENT_FILE"),
    ("mlflow", "MLFLOW_META"),
    ("mlflow", "MLFLOW_TAG"),
    ("mlflow", "MLFLOW_METRIC"),
    ("mlflow", "MLFLOW_PARAM"),
    ("mlflow_database", "MLFLOW_DATABASE"),
    ("wandb_binary", "WANDB_LOG"),
    ("wandb_binary", "WANDB_LARGE_LOG"),
    ("wandb", "WANDB_HISTORY"),
    ("wandb", "WANDB_SUMMARY"),
    ("wandb", "WANDB_CONFIG"),
    ("wandb", "WANDB_METADATA"),
    ("huggingface", "TRAINER_STATE"),
    ("huggingface", "TRAINER_LOG"),
    ("huggingface", "RESULTS_FILE"),
    ("huggingface", "MODEL_CONFIG"),
    ("dvclive", "DVCLIVE_TSV"),
    ("dvclive", "DVCLIVE_SUMMARY"),
    ("stable_baselines", "PROGRESS_JSON"),
    ("stable_baselines", "PROGRESS_CSV"),
    ("stable_baselines", "MONITOR_CSV"),
    ("ray_tune", "RAY_RESULT"),
    ("ray_tune", "RAY_PROGRESS"),
    ("ray_tune", "RAY_ERROR"),
    ("sacred", "SACRED_RUN"),
    ("sacred", "SACRED_METRICS"),
    ("sacred", "SACRED_INFO"),
    ("keras_tuner", "KERAS_TUNER"),
    ("mmengine", "MMENGINE_SCALARS"),
    ("allennlp", "ALLENNLP_EPOCH"),
    ("allennlp", "ALLENNLP_SUMMARY"),
    ("catboost", "CATBOOST_TSV"),
    ("optuna", "OPTUNA_TRIALS"),
    ("labelled", "NAMED_ROWS"),
    ("labelled", "TRAINING_ROWS"),
    ("labelled", "SPLIT_ROWS"),
    ("compared", "COMPARED_ROWS"),
    ("csv_log", "DECIMAL_CSV"),
    ("paired", "PAIRED_CSV"),
    ("timm", "TIMM_SUMMARY"),
    ("lightning", "LIGHTNING_CSV"),
    ("keras", "KERAS_CSV"),
    ("model_text", "MODEL_TEXT"),
    ("hparams", "HPARAMS_FILE"),
    ("counted", "COUNTED_CSV"),
    ("headless", "HEADLESS"),
    ("json_lines", "TRAINING_LINES"),
    ("counted", "COUNTED_LINES"),
    ("json_lines", "JSON_LINES"),
    ("csv_log", "CSV_LOG"),
    ("json_stream", "JSON_STREAM"),
    ("json_document", "JSON_HISTORY"),
    ("json_document", "JSON_DOCUMENT"),
    ("text_logs", "JSON_IN_TEXT"),
    ("text_logs", "PRINTED_TABLE"),
    ("printed", "PRINTED_METRICS"),
    ("sklearn", "SKLEARN_REPORT"),
)


@cache
def formats() -> tuple[LogFormat, ...]:
    """Return all formats."""
    found: list[LogFormat] = []
    for module, name in _NAMED:
        one = vars(import_module(f"mlreport_batch.formats.{module}"))[name]
        found += one if isinstance(one, tuple) else [one]
    return tuple(found)


@cache
def by_name() -> dict[str, LogFormat]:
    """Return the formats by their names."""
    return {each.name: each for each in formats()}


def format_of(name: str) -> LogFormat:
    """Return the format of a *name*, be it of a pattern of the user's."""
    return own_format(name) if is_own(name) else by_name()[name]


def recognise(
    candidate: Candidate, known: str = "", own: Iterable[OwnFormat] = ()
) -> tuple[LogFormat, Match] | None:
    """Return the format that claims *candidate*, and its claim; None if none does.

    Args:
        candidate: The file.
        known: The format that it had before and keeps while that claims it: half a
            rewrite, cut in the middle of its header, must not turn it into another.
        own: What the user says of some files, which goes before all else.
    """
    if (found := own_match(candidate, own)) is not None:
        return found
    name, turn = turn_of(candidate.name)
    if turn:
        candidate = replace(candidate, name=name)
    found = (known and _kept(candidate, known)) or _first(candidate)
    if not found or not (turn or has_turns(candidate)):
        return found
    return _in_turn(*found, name, turn)


def _in_turn(
    each: LogFormat, match: Match, name: str, turn: int
) -> tuple[LogFormat, Match] | None:
    """Return the claim on a log of which parts were moved away, or on such a part."""
    if each.whole_file or each.split or match.series or match.role is not Role.metrics:
        return None if turn else (each, match)
    return each, replace(match, series=f"turns of {name}")


def _kept(candidate: Candidate, known: str) -> tuple[LogFormat, Match] | None:
    for each in formats():
        if each.name == known:
            match = each.matches(candidate)
            return None if match is None else (each, match)
        # What a file is by its first rows may show only later. A format that knew it
        # by its header alone must not keep it then.
        if each.is_sole and each.matches(candidate) is not None:
            return None
    return None


def _first(candidate: Candidate) -> tuple[LogFormat, Match] | None:
    for each in formats():
        match = each.matches(candidate)
        if match is not None:
            return each, match
    return None
