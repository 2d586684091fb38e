"""Secrets are masked, and what only looks like one is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlreport_batch.safety.clean import Scalar
from mlreport_batch.safety.masking.redact import (
    MASK,
    is_secret_metric,
    redact_all,
    redact_lines,
    redact_text,
    redact_value,
    shown,
    shown_block,
    shown_tail,
)

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


@pytest.mark.parametrize(
    "key",
    """
    PGPASSWORD DB_PASS SMTP_PASS SSHPASS LDAPPW dbpassword userpassword mypasswd
    OPENAI_KEY WANDB_KEY KAGGLE_KEY AZURE_STORAGE_KEY anthropic_key hf_key GH_PAT
    env.SMTP_PASS pass pw rootpw REDISCLI_AUTH hftoken X-Auth auth cookie cookies
    connection_string webhook_url ssh_key clientSecret appsecret openaiapikey
    api_keys.cohere api_keys.0.value hf_token.value openai_api_key.value api_key.name
    access_keys.list access_keys.id tokens.hub auth.user db_pass.value passwords.0
    my_token token.value new_access_token credentials.type_of_it
    """.split(),
)
def test_a_name_of_a_secret_masks_what_stands_under_it(key: str):
    assert redact_value(key, "Zq7pW3xK9mT2vB8n") == MASK
    assert redact_value("x." + key, "Zq7pW3xK9mT2vB8n") == MASK


@pytest.mark.parametrize(
    "key",
    """
    pass_through n_pass num_passes passes path pat_len bypass compass lowpass highpass
    bandpass forward_pass pass_rate pattern primary_key sort_key foreign_key image_key
    cache_key text_key label_key key keys key_dim keyboard monkey s3_key file_pat
    conv_pw.kind keypoints author authored tokenizer num_tokens max_tokens
    special_tokens.pad pad_token blank_token word_delimiter_token class_token
    fim_prefix_token token_pooling token_level auth_type cookie_size password_dataset
    credential_task connection_stringency dispatch update_patience
    """.split(),
)
def test_a_name_that_only_sounds_like_one_masks_nothing(key: str):
    assert redact_value(key, "mean-pool") == "mean-pool"
    assert redact_value(key, 73912846) == 73912846


@pytest.mark.parametrize("symbol", ["<pad>", "[PAD]", "|WD|", "<|eot-x|>", "</s>"])
def test_a_symbol_of_a_vocabulary_is_no_token_to_log_in_with(symbol: str):
    for key in ("lab_token", "hf_token", "token"):
        assert redact_value(key, symbol) == symbol
        assert redact_text(f"{key}: {symbol}") == f"{key}: {symbol}"


SECRET = "Zq7pW3xK9mT2vB8n"
HEX_KEY = "b6589fc6ab0dc82cf12099d1c2d40ab994e8410c"


@pytest.mark.parametrize(
    "text",
    [
        # command lines
        "train.py --wandb_key {} --lr 1",
        "train.py --openai-key={}",
        "train.py --db-pass {}",
        "train.py --pass {}",
        '["train.py", "--wandb-key", "{}"]',
        "hub: --password, {}",
        "curl -u ml:{} https://x",
        "curl --user ml:{} https://x",
        "PGPASSWORD={} python train.py",
        # assignments
        "dbPassword={}",
        "clientSecret: {}",
        "passwords=['{}']",
        "api_keys=['{}', 'b']",
        "api_keys=['b', '{}']",
        "secrets: {}",
        "passwd: b'{}'",
        "secret=Secret(value='{}')",
        "secret=SecretStr('{}')",
        "SecretStr({})",
        "password: str = '{}'",
        "password == {}",
        "password => {}",
        "password             = {}",
        "os.environ['PGPASSWORD'] = '{}'",
        'password: "correct\\" {}"',
        "password='{}",
        "password {}",
        "token: {}",
        "hf_token={}",
        # JSON in JSON, once and twice
        '{{\\"password\\": \\"{}\\"}}',
        '{{\\\\\\"password\\\\\\": \\\\\\"{}\\\\\\"}}',
        '[["password","{}"]]',
        'password = """{}"""',
        # headers and URLs
        "Authorization: token {}",
        "{{'Authorization': '{}'}}",
        "Cookie: session={}; other=1",
        "X-Auth: {}",
        "https://h/x?key={}",
        "https://h/x?a=1&auth={}",
        "https://h/?password%3D{}",
        "https://ml:p/{}@h/x",
        "https://{}@github.com/x/y",
        # below the name, in elements and tables
        "password: |\n  {}\n  {}\n",
        "db:\n  password: >-\n    {}\n",
        "password:\n  - {}\n  - {}",
        "password:\n- {}",
        "Password:\n{}\n",
        "<password>{}</password>",
        "| password | {} |",
        "!!python/object/apply:x.SecretStr ['{}']",
        # shapes
        "GOCSPX-{0}{0}",
        "123456789:AA{0}{0}{0}",
        "x sk-proj-{0}{0}",
        # invisible letters
        "\x1b[1mpassword\x1b[0m=\x1b[32m{}",
        "pass\u200bword={}",
        "pass\x00word={}",
        "x\x1b[1mhf_{0}{0}",
    ],
)
def test_a_secret_in_a_text_is_masked(text: str):
    planted = text.format(SECRET, SECRET) if "{0}" not in text else text.format(SECRET)
    planted = planted if SECRET in planted else text
    for masked in (redact_text(planted), redact_lines(planted), shown_block(planted)):
        assert MASK in masked
        assert SECRET not in masked
    assert redact_text(redact_text(planted)) == redact_text(planted)


@pytest.mark.parametrize(
    "text",
    [
        f"job id 7 WANDB={HEX_KEY}",
        f"run id 5, key {HEX_KEY}",
        f"commit 7: key={HEX_KEY}",
        f"wandb-{HEX_KEY}",
    ],
)
def test_a_word_far_before_a_key_does_not_make_a_hash_of_it(text: str):
    assert HEX_KEY not in redact_text(text)


UUID = "5bc8fbbc-bde5-4099-8164-d8399f767c45"


@pytest.mark.parametrize(
    "text",
    [
        f"job-{UUID}",
        f"run_{UUID}",
        f"main-{HEX_KEY}",
        f"git: {HEX_KEY}",
        f"git_ref={HEX_KEY}",
        f"hexsha: {HEX_KEY}",
        f"git+https://github.com/org/repo@{HEX_KEY}",
        f"parent_run: {HEX_KEY[:32]}",
        f"commit {HEX_KEY} stays",
        f"tree/mlruns/745421701255150053/{HEX_KEY[:32]}",
        f"file:///data/x/mlruns/745421701255150053/{HEX_KEY[:32]}/artifacts",
        f"hub/models--x--y/snapshots/{HEX_KEY}/config.json",
        "Qwen2-5-7B-Instruct-LoRA-r16-a32-lr1e-4-bs8",
        "hf-hub:timm/eva02_large_patch14_448_mim_m38m_ft_in22k_in1k",
        "TheBloke/Mixtral-8x7B-Instruct-v0-1-GGUF-Q4-K-M",
        "epoch3-step1200-vl0-35-bs64-lr3e4-seed42-fp16",
        "resnet50_bs256_lr0p1_wd1e4_ep90_seed42_amp_ema_v2B",
        "/data/Proj1/Exp2/Run3A/LR1e3/BS32x4/V1a2b3/S42/k9",
        "s3://bucket/Runs/A1/B2/C3/D4/E5/F6/G7/H8/I9/J0/K1/L2",
        "Predict the next token: answer",
        "per-token: cross-entropy",
        "sk-learn-random-forest-classifier",
        "sk-SVC-rbf-kernel-gamma-auto",
        "hf_wav2vec2basemodelXL",
        "https://org-name-very-long1@dev.azure.com/o",
        "https://host:8080/a/b@c",
        "PWD=/home/me",
        "env.PWD: /home/me",
        '["password", "length", "token", "label"]',
        "PASS: test_one",
        "if token.name == 'YAML':",
        "all_tokens = next(rows)",
        "auth = find_auth(url)",
        "credentials_to_save = None",
        "| F59 | secrets | many words in a cell |",
        "all checks pass: yes",
        "(conv_pw): Conv2d(3, 8, kernel_size=(1, 1))",
        "(cls_token): Embedding(50257, 768)",
        "tokens: 12.5M",
        "tokens=['the', 'cat']",
        "token=1.5k",
        "password=None",
        "pass_through: all",
        "path = /data/x",
        "sort_key: name",
        "sig: sigmoid",
        "KeyError: 'token'",
        "| token | count |",
        "echo token | sort",
        "secrets:\nhost: a",
        "family \U0001f469\u200d\U0001f469 emoji",
    ],
)
def test_an_innocent_text_is_kept(text: str):
    assert redact_text(text) == text
    assert redact_lines(text) == text


def test_a_folder_that_the_shell_is_in_is_no_password():
    assert redact_value("env.PWD", "/home/me/proj") == "/home/me/proj"
    assert redact_value("pwd", "hunter2/x") == MASK


def test_a_pair_is_a_name_and_its_value():
    text = "[('user', 'ml'), ('password', 'hunter2')]"
    assert redact_text(text) == f"[('user', 'ml'), ('password', {MASK})]"


def test_what_follows_a_masked_value_stays():
    assert redact_text("password=a, lr=1") == f"password={MASK}, lr=1"
    text = "db:\n  password: |\n    a\n    b\n  host: c"
    assert redact_text(text).endswith("\n  host: c")
    assert redact_text("x={'token': {'a': 1}, 'b': 2}").endswith("'b': 2}")


def test_a_line_is_masked_to_its_end_after_a_name_that_says_so():
    text = "passwords: horse, staple battery\nlr: 0.1"
    assert redact_lines(text) == f"passwords: {MASK}\nlr: 0.1"
    text = "note: a\ncode_word: horse staple\n{'code_word': 'x'}\ncode_word:\n  - z"
    masked = redact_lines(text, ["*code_word*"])
    assert masked == (
        f"note: a\ncode_word: {MASK}\n{{'code_word': {MASK}}}\ncode_word:\n  - {MASK}"
    )


def test_a_block_is_masked_as_far_as_it_is_shown_and_counted_whole():
    lines = [f"layer {n}" for n in range(5000)]
    lines[3] = f"password={SECRET}"
    told = shown_block("\n".join(lines) + "\n\n").split("\n")
    assert told == [
        *lines[:3],
        f"password={MASK}",
        *lines[4:40],
        "… (4960 more lines)",
    ]
    # A key of many lines leaves room for what follows it.
    key = PEM.replace("abc", "\n".join("abc" for _ in range(90)))
    block = shown_block("\n".join([key, f"a password={SECRET}", *lines[:60]]))
    assert block.startswith(f"{MASK}\na password={MASK}\nlayer 0\n")


def test_colours_hide_no_secret_from_what_is_shown():
    assert shown("x\x1b[32mAKIAQ7W3E5R9T1Y2U4I6\x1b[0m") == f"x{MASK}"
    coloured = f"\x1b[1mpassword\x1b[0m=\x1b[32m{SECRET}"
    for masked in (shown(coloured), shown_block(coloured), shown_tail(coloured)):
        assert masked == f"password={MASK}"


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("db_password", True),
        ("vault.password", True),
        ("api_key", True),
        ("train/api_key", True),
        ("smtp_pass", True),
        ("password_strength_mae", False),
        ("secret_loss", False),
        ("token_acc", False),
        ("val/pass", False),
        ("pass@1", False),
        ("auth_loss", False),
        ("val_loss", False),
    ],
)
def test_a_metric_is_left_out_where_its_name_is_a_secrets(name: str, *, secret: bool):
    assert is_secret_metric(name) == secret
    assert is_secret_metric(name, ["x*"]) == secret
    assert is_secret_metric(name, [name[:3] + "*"])


def test_a_users_own_globs_mask_too():
    values: dict[str, Scalar] = {"my_Codeword": "x", "codec": "y"}
    assert redact_all(values, ["*codeword*"]) == {"my_Codeword": MASK, "codec": "y"}
    values = {"A.MY_SECRET_X": "x", "a.b": "y"}
    assert redact_all(values, ["nothing"]) == {"A.MY_SECRET_X": MASK, "a.b": "y"}


def test_text_around_a_secret_stays():
    text = redact_text(f"cloning https://me:pw1234@git.example/x with {GITHUB} now")
    assert text == f"cloning https://{MASK}@git.example/x with {MASK} now"
    assert redact_text("short") == "short"
    assert redact_text("") == ""


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "unit",
    [
        *("a-", "a_", "-", "://", ":", "token ", "eyJ", "--a=", "pass", "password="),
        *('password="', "token=[", "tokens: {", "?key=", "password:\n", "password("),
        *("password:\n  ", "- password:\n", "curl -u ", "x\x1b[1m", "pass\0", "<pw>"),
        *("| password |", "sk-a-", "cookie:", "://a:/", "password   ", "secret\\"),
        "a:" + " " * 9000 + "-\n",
        *("mysql ", "mysql -u a ", "docker login -p ", "login ", "echo a|", "echo ab "),
        *("machine a ", "machine\n", "user/pw:", "a/", "htpasswd -b ", "secret set "),
        *('name="a" ', "name=password value", "<a ", "<name>x</name>", '"a":{', "[["),
        *("비밀번호 ", "비밀번호:", "인증키키", "a:b@", "a.b.", "- a: b\n"),
        *("api:\n ", " - - "),
        *("https://a/hook/", "https://hooks/", "/t/a", "a=b ", "[a]\n", "api(", "Api("),
        *("password is ", "config set ", "ENV ", "password(a) ", "key key "),
        *("s.a", "SK"),
        *('{"name": "password", "value": ',),
        *("auth:\n", "x" * 50 + ":", "'a'", "\\'a\\':"),
        *("Private-Lines: 1", "-----BEGIN PRIVATE KEY-----", "hvs."),
        *("sk-lf-", "a-us1"),
    ],
)  # fmt: skip
@pytest.mark.timeout(100)  # of a fraction of a second; only a hang takes it
def test_hostile_text_is_redacted_in_no_time(unit: str):
    text = unit * (100_000 // len(unit))
    once = redact_lines(text, ["*codeword*"])
    assert redact_lines(once, ["*codeword*"]) == once


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=3))
def test_masking_twice_changes_nothing_more(values: dict[str, str]):
    once = redact_all(values)
    assert redact_all(once) == once
