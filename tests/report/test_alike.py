"""Which hyperparameters tell runs apart, against what pandas finds."""

import pandas as pd  # noqa: TID253 - an oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.report.alike import role_of, seeds_of, settings_of, varying
from mlreport_batch.report.intended import canonical, same_value

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.1, 0.001, 1.0, 2.5]),
    st.sampled_from(["adam", "sgd", "0.1", "1", "True", "null", "None", "1e-3"]),
)


@pytest.mark.parametrize(
    ("key", "role"),
    [
        ("lr", ""),
        ("model_name", ""),
        ("data.dataset_path", ""),
        ("pretrained_path", ""),
        ("lora_rank", ""),
        ("rank", ""),
        ("time_embedding_dim", ""),
        ("total_timesteps", ""),
        ("seed", "seed"),
        ("trainer.seed_everything", "seed"),
        ("split/random_state", "seed"),
        ("output_dir", "incidental"),
        ("hydra.runtime.cwd", "incidental"),
        ("logDir", "incidental"),
        ("num_workers", "incidental"),
        ("n_jobs", "incidental"),
        ("device", "incidental"),
        ("cuda", "incidental"),
        ("local_rank", "incidental"),
        ("run_name", "incidental"),
        ("experiment_id", "incidental"),
        ("start_time", "incidental"),
        ("name", "incidental"),
        ("args.name", "incidental"),
        ("wandb/name", "incidental"),
        ("trainer.logger.init_args.version", "incidental"),
        ("run_config.id", "incidental"),
        ("optim.name", ""),
        ("model.init_args.name", ""),
        ("env.id", ""),
        ("data/version", ""),
        ("callbacks.0.name", ""),
        ("git_commit", "incidental"),
    ],
)
def test_a_hyperparameters_name_says_what_it_is_for(key: str, role: str):
    assert role_of(key) == role


@settings(max_examples=200)
@given(SCALARS, SCALARS)
def test_values_that_mean_the_same_have_one_text(first: object, second: object):
    assert (canonical(first) == canonical(second)) == same_value(first, second)


@settings(max_examples=60)
@given(
    st.dictionaries(
        st.sampled_from(["run-a", "run-b", "run-c", "run-d"]),
        st.dictionaries(
            st.sampled_from(["lr", "depth", "opt", "seed", "out_dir"]), SCALARS
        ),
        min_size=1,
    )
)
def test_what_varies_is_what_pandas_counts_more_than_once(runs: dict[str, dict]):
    told = {
        name: {k: canonical(v) for k, v in hparams.items() if not role_of(k)}
        for name, hparams in runs.items()
    }
    table = pd.DataFrame.from_dict(told, orient="index", dtype=object)
    expected = {key for key in table if len(table[key].unique()) > 1}
    assert set(varying(runs)) == expected


def test_text_that_repeats_the_runs_name_does_not_vary():
    runs = {f"sweep/run-{n}": {"tag_of": f"x-run-{n}", "lr": n} for n in (1, 2)}
    assert varying(runs) == ("lr",)


def test_settings_leave_out_seeds_places_and_devices():
    first = {"lr": 1e-3, "seed": 1, "output_dir": "/a", "device": "cuda:0"}
    second = {"lr": "0.001", "seed": 2, "output_dir": "/b", "device": "cpu"}
    assert settings_of(first) == settings_of(second)
    assert seeds_of(first) != seeds_of(second)
