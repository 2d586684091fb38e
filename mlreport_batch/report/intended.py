"""Intended hyperparameters beside the actual ones."""

import math
from collections.abc import Mapping

from msgspec import Struct

from mlreport_batch.report.model import Verdict
from mlreport_batch.safety.clean import Scalar


class Compared(Struct, frozen=True):
    """One intended hyperparameter beside the actual one."""

    key: str
    intended: Scalar
    actual: Scalar
    verdict: Verdict


def same_value(intended: Scalar, actual: Scalar) -> bool:
    """Return whether two hyperparameters mean the same: 1e-3, 0.001 and "0.001" do."""
    if intended is None or actual is None:
        return _none_text(intended) == _none_text(actual)
    first, second = as_number(intended), as_number(actual)
    if first is not None and second is not None:
        return first == second or math.isclose(first, second, rel_tol=1e-9)
    return str(_bool_text(intended)).strip() == str(_bool_text(actual)).strip()


def canonical(value: Scalar) -> str:
    """Return one text for all that means the same, to nine digits; see `same_value`."""
    value = _none_text(value)
    if value is None:
        return "null"
    number = as_number(value)
    if number is not None:
        return "0" if number == 0 else f"{number:.9g}"
    return str(_bool_text(value)).strip()


def _none_text(value: Scalar) -> Scalar:
    return None if value in (None, "None", "null", "~", "none") else value


def _bool_text(value: Scalar) -> Scalar:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower()
    return str(value).lower() if isinstance(value, bool) else value


def as_number(value: Scalar) -> float | None:
    """Return what number a hyperparameter is, written as one or as text; else None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        if "_" in value:
            return None
        try:
            return float(value)
        except ValueError:
            return None
    try:
        return float(value)
    except OverflowError:
        return None


def compare_intent(
    own: Mapping[str, Scalar],
    for_all: Mapping[str, Scalar],
    hparams: Mapping[str, Scalar],
) -> list[Compared]:
    """Return intended against actual, wrong and missing ones first.

    A key that is not there as it stands is looked for as the unique end of a
    longer one, so ``lr`` finds ``optimizer.lr``.

    Args:
        own: What the run's owner says of this run; it goes first.
        for_all: What the config says of this run and of others: that one of them does
            not state a key is no fault of it.
        hparams: What the run states.
    """
    compared = []
    for key, intended in {**for_all, **own}.items():
        found = _find(key, hparams)
        if found is None:
            # `optimizer=adam` of Hydra chooses a group, whose members are named.
            if not any(name.startswith(f"{key}.") for name in hparams):
                verdict = Verdict.missing if key in own else Verdict.unstated
                compared.append(Compared(key, intended, None, verdict))
            continue
        actual = hparams[found]
        right = same_value(intended, actual)
        compared.append(
            Compared(found, intended, actual, Verdict.right if right else Verdict.wrong)
        )
    order = [Verdict.wrong, Verdict.missing, Verdict.right, Verdict.unstated]
    return sorted(compared, key=lambda item: order.index(item.verdict))


def _find(key: str, hparams: Mapping[str, Scalar]) -> str | None:
    if key in hparams:
        return key
    ends = [name for name in hparams if name.endswith(f".{key}")]
    return ends[0] if len(ends) == 1 else None
