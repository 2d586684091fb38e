"""Checkpoints: files of model weights, known by their names and never opened."""

from msgspec import Struct

from mlreport_batch.safety.patterns import late

_SUFFIXES = (
    ".ckpt", ".pt", ".pth", ".pth.tar", ".th", ".safetensors", ".h5", ".hdf5",
    ".keras", ".onnx", ".tflite", ".msgpack", ".pdparams", ".cbm", ".params",
    ".weights", ".gguf", ".nemo", ".ubj", ".mar", ".pb", ".npy.weights", ".cbsnapshot",
)  # fmt: skip
# These hold anything: what is in them is said by their names.
_HOLDERS = (".zip", ".pkl", ".pickle", ".joblib")
# So do these, but mostly weights.
_TENSORS = (".pt", ".pth", ".h5", ".hdf5", ".msgpack")
_WEIGHTS = frozenset([
    "model", "models", "best", "last", "latest", "final", "ckpt", "checkpoint",
    "weights", "agent", "policy", "net", "network", "snapshot", "rl", "clf",
    "classifier", "regressor", "estimator",
])  # fmt: skip
_WEIGHTS_KOREAN = ("모델", "모형", "가중치", "체크포인트", "최종", "최고")
_DATA = frozenset([
    "data", "dataset", "datasets", "features", "feature", "embeddings", "inputs",
    "targets", "labels", "samples", "predictions", "preds", "outputs", "results",
    "cache", "cached", "images", "tokens", "corpus", "graph", "graphs", "statistics",
    "history", "데이터", "특징",
])  # fmt: skip
_COUNTED_STEPS = late(r"(?i)\d+[-_]?(?:steps?|iters?|epochs?)|(?:step|epoch)s?[-_=]?\d")
_WORD = late(r"[a-z]+|[^\W\d_a-z]+")
_NOT_WEIGHTS = late(
    r"(?i)^(?:optim|optimizer|scheduler|lr_scheduler|rng_state|random_states?|scaler|"
    r"training_args|trainer_state|dataloader|sampler|replay_buffer|vecnormalize|"
    r"policy\.optimizer|pytorch_variables|label_encoder|tokenizer|vocab)"
)
_BIN = late(
    r"(?i)^(?:pytorch_model|model|adapter_model|diffusion_pytorch_model)\b.*\.bin$"
)
_TF_INDEX = late(r"(?i)^(?:ckpt|model|cp|checkpoint)[^/]*\.index$")

_STEP_NAMED = late(
    r"(?i)(?:global_?step|step|steps|iter(?:ation)?|it|batch|ba)[-_=](\d+)"
    r"|checkpoint-(\d+)|model_(\d{5,})"
)
_STEP_COUNTED = late(r"(?i)(?<!\d)(\d+)[-_]?(?:steps?|iters?|timesteps)")
_EPOCH = late(r"(?i)(?<![a-z])(?:epoch|ep)[-_=]?(\d+)|weights\.(\d+)|checkpoint_(\d+)")
_BEST = late(r"(?i)(?:^|[^a-z])best(?:[^a-z]|$)")
_LAST = late(r"(?i)(?:^|[^a-z])(?:last|latest|final)(?:[^a-z]|$)")


class Checkpoint(Struct, frozen=True):
    """One checkpoint.

    Attributes:
        path: Relative to the run, with ``/`` between parts.
        size: In bytes.
        mtime_ns: When it was written last.
    """

    path: str
    size: int
    mtime_ns: int

    @property
    def mark(self) -> str:
        """``best`` or ``last`` where the name says so, else empty."""
        if _BEST.search(self.path):
            return "best"
        return "last" if _LAST.search(self.path.rpartition("/")[2]) else ""

    @property
    def place(self) -> tuple[str, int] | None:
        """(``step`` or ``epoch``, which one) where the path says so, else None."""
        parts = self.path.split("/")
        for part in reversed(parts[-2:]):
            if found := _STEP_NAMED.search(part) or _STEP_COUNTED.search(part):
                return "step", int(next(filter(None, found.groups())))
            if found := _EPOCH.search(part):
                return "epoch", int(next(filter(None, found.groups())))
        return None


def is_checkpoint(name: str, folder: str = "") -> bool:
    """Return whether the file *name* holds model weights.

    Optimizer, scheduler and random states are by-products of resuming and not
    weights. Archives and pickles count where they are called a model or a checkpoint,
    or after the *folder* in which they lie; ``.bin`` under the names that Hugging Face
    gives to models. Tensors that are called data are none.
    """
    lowered = name.lower()
    if _NOT_WEIGHTS.match(lowered):
        return False
    if lowered.endswith(_HOLDERS):
        return _says_weights(lowered) or lowered.rpartition(".")[0] == folder.lower()
    if lowered.endswith(_TENSORS):
        return _says_weights(lowered) or _DATA.isdisjoint(_words_in(lowered))
    if lowered.endswith(_SUFFIXES):
        return True
    if lowered.endswith(".bin"):
        return _BIN.match(lowered) is not None
    return _TF_INDEX.match(lowered) is not None


def _says_weights(name: str) -> bool:
    words = _words_in(name)
    if not _WEIGHTS.isdisjoint(words) or _COUNTED_STEPS.search(name):
        return _DATA.isdisjoint(words)
    return any(word in name for word in _WEIGHTS_KOREAN)


def _words_in(name: str) -> list[str]:
    """Return the words of a file's name, in small, its suffix left out."""
    return _WORD.findall(name.rpartition(".")[0])
