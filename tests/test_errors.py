"""Every failure says what happened, what is kept and what to do."""

import pickle

import pytest

from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    DeliveryError,
    MlreportError,
    NewerStateError,
    RefusedError,
    RenderError,
    StateError,
    UnknownOutcomeError,
    UsageError,
)
from mlreport_batch.formats import Problem


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (MlreportError, 70),
        (UsageError, 2),
        (ConfigError, 78),
        (StateError, 74),
        (NewerStateError, 78),
        (RenderError, 75),
        (CredentialError, 77),
        (DeliveryError, 75),
        (RefusedError, 75),
        (UnknownOutcomeError, 75),
        (ChannelDownError, 75),
    ],
)
def test_a_failure_knows_its_exit_code_and_survives_a_process_border(
    kind: type[MlreportError], code: int
):
    error = kind("it broke", kept="all is kept.", advice="mend it")
    assert error.exit_code == code
    assert str(error) == "it broke. all is kept. mend it."
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert str(again) == str(error)


def test_a_config_error_lists_every_problem_across_a_process_border():
    error = ConfigError("two problems", problems=["a: wrong", "b: missing"])
    assert str(error) == "two problems.\n  a: wrong\n  b: missing"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_problem_names_its_place():
    assert str(Problem("a.csv", None, "is gone")) == "a.csv: is gone"
    assert str(Problem("a.csv", 3, "is bad")) == "a.csv:3: is bad"
