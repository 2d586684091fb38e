"""Secrets are masked, and what only looks like one is kept."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlreport_batch.redact import MASK, is_secret_key, redact_all, redact_text
from mlreport_batch.text import Scalar

# Put together here, so that no scanner of this repository takes them for real ones.
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
GITHUB = "ghp_" + "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5"
HUGGING = "hf_" + "QwErTyUiOpAsDfGhJkLzXcVbNm"
SLACK = "xoxb-" + "123456789012-abcdefghij"
OPENAI = "sk-" + "abcdefghijklmnopqrstuvwx123456"
GOOGLE = "AIza" + "SyA-1234567890abcdefghijklmnopqrstu"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0.abcDEF-_123"
HEX = "0123456789abcdef" * 2 + "ffee1122"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nabc\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("password", "hunter2", "hunter2"),
        ("db.password", "hunter2", "hunter2"),
        ("DB_PASSWORD", "hunter2", "hunter2"),
        ("dbPassword", "hunter2", "hunter2"),
        ("passwords", '["hunter2"]', "hunter2"),
        ("password.value", "hunter2", "hunter2"),
        ("credentials.user", "hunter2", "hunter2"),
        ("smtp_pwd", "hunter2", "hunter2"),
        ("hf_token", "abcdefgh", "abcdefgh"),
        ("env.HF_TOKEN", "abcdefgh", "abcdefgh"),
        ("wandb_api_key", "abcdefgh", "abcdefgh"),
        ("WANDB_API_KEY", "abcdefgh", "abcdefgh"),
        ("api_keys", '["abcdefgh"]', "abcdefgh"),
        ("apiKey", "abcdefgh", "abcdefgh"),
        ("aws.secret-access-key", "abcdefgh", "abcdefgh"),
        ("authorization", "Basic abc", "abc"),
        ("auth", "u:p", "u:p"),
        ("slack_webhook", "https://example.org/x", "example.org"),
        ("sentry_dsn", "https://a@b/1", "a@b"),
        ("pin_password", 1234, "1234"),
        ("note", AWS, AWS),
        ("note", f"use {GITHUB} here", GITHUB),
        ("note", HUGGING, HUGGING),
        ("note", SLACK, SLACK),
        ("note", OPENAI, OPENAI),
        ("note", GOOGLE, GOOGLE),
        ("note", JWT, JWT),
        ("note", PEM, "MIIEow"),
        ("note", HEX, HEX),
        ("note", "wJalrXUtnFEMI" + "/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalr"),
        ("note", "Authorization: Bearer abcdef123456", "abcdef123456"),
        ("note", "curl -H 'Authorization: Basic dXNlcjpwYXNz'", "dXNlcjpwYXNz"),
        ("command", "train.py --token abcdef --lr 0.1", "abcdef"),
        ("command", "train.py --hf-token=abcdef", "abcdef"),
        ("command", 'x --api_key "ab cd"', "ab cd"),
        ("url", "postgres://ml:hunter2@db/x", "hunter2"),
        ("url", "postgres://ml:hunt@er2@db/x", "er2"),
        ("url", "https://x/?sig=abcdefgh&y=1", "abcdefgh"),
        ("url", "https://hooks.slack.com/services/T0/B0/xyz", "services"),
    ],
)
def test_a_secret_is_masked(key: str, value: Scalar, secret: str):
    masked = redact_all({key: value})[key]
    assert MASK in str(masked)
    assert secret not in str(masked)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tokenizer", "bert-base-uncased"),
        ("pad_token", "<pad>"),
        ("max_tokens", 4096),
        ("num_tokens", 1000),
        ("token_type_ids", "yes"),
        ("author", "Kim"),
        ("authoring_tool", "vim"),
        ("optimizer.lr", 0.001),
        ("task", "token classification of news"),
        ("note", "a basic configuration of the model"),
        ("note", "Basic classification"),
        ("note", "the bearer of news"),
        ("keyboard", "qwerty"),
        ("key_dim", 64),
        ("git_commit", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"),
        ("sha256", "9f86d081884c7d659a2feaa0c55ad015" * 2),
        ("model", "facebook/wav2vec2-large-960h-lv60-self"),
        ("layers", "0" * 64),
        ("url", "https://example.org:8080/a?b=c"),
        ("model", "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"),
        ("run", "2026-11-23_resnet50_bs256_lr0.1_wd1e-4_seed42_fold3_aug2"),
        ("run", "20261123-resnet50-bs256-lr01-wd1e4-seed42-fold3-aug2"),
        ("path", "/data/experiments/2026/resnet50/checkpoints/last"),
        ("has_password", True),
        ("password", None),
        ("password", ""),
        ("lr", 0.1),
    ],
)
def test_an_innocent_value_is_kept(key: str, value: Scalar):
    assert redact_all({key: value}) == {key: value}


def test_a_users_own_globs_mask_too():
    values: dict[str, Scalar] = {"my_Codeword": "x", "codec": "y"}
    assert redact_all(values, ["*codeword*"]) == {"my_Codeword": MASK, "codec": "y"}
    assert is_secret_key("A.MY_SECRET_X", ["nothing"])
    assert not is_secret_key("a.b", ["nothing"])


def test_text_around_a_secret_stays():
    text = redact_text(f"cloning https://me:pw1234@git.example/x with {GITHUB} now")
    assert text == f"cloning https://{MASK}@git.example/x with {MASK} now"
    assert redact_text("short") == "short"
    assert redact_text("") == ""


@pytest.mark.parametrize("unit", ["a-", "a_", "-", "://", ":", "token ", "eyJ", "--a="])
def test_hostile_text_is_redacted_in_no_time(unit: str):
    text = unit * (100_000 // len(unit))
    start = time.process_time()
    redact_text(text)
    assert time.process_time() - start < 1


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=3))
def test_masking_twice_changes_nothing_more(values: dict[str, str]):
    once = redact_all(values)
    assert redact_all(once) == once
