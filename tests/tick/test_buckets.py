"""Runs in a bucket, on a server of somebody else's on this machine."""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bucket_server import CREDENTIALS, BucketServer, serving
from mlreport_batch.config.load import load
from mlreport_batch.safety.remote import objects
from mlreport_batch.safety.remote.bucket import TRIES, forget
from mlreport_batch.safety.remote.objects import WHOLE_BELOW
from ticking import Desk, Said

ROWS = "step,val_loss\n" + "".join(f"{step},{1 / (step + 1)}\n" for step in range(5))
RUNS = 2
_names = (f"lab-{number}" for number in itertools.count())


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BucketServer]:
    """Give a bucket with a few runs, and the environment of who may read it."""
    monkeypatch.setattr("werkzeug.serving.WSGIRequestHandler.log_request", _silent)
    for found in serving(next(_names)):
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        monkeypatch.setenv("HOME", str(tmp_path))  # no ~/.aws
        for number in range(RUNS):
            found.put(f"gan/{number}/metrics.csv", ROWS)
            found.put(f"gan/{number}/hparams.yaml", f"lr: 0.{number}\n")
            found.put(f"gan/{number}/checkpoints/last.ckpt", "weights")
        found.asked.clear()
        forget()
        yield found
        forget()


def _silent(*_: object) -> None:
    pass


def _tick(desk: Desk, bucket: BucketServer, *args: str) -> Said:
    bucket.asked.clear()
    return desk.run("run", bucket.root, "--out", desk.out, *args)


def test_a_bucket_is_told_as_the_same_tree_on_this_machine(
    desk: Desk, bucket: BucketServer
):
    there = _tick(desk, bucket, "--json").json["runs"]
    assert len(desk.mails()) == RUNS
    for number in range(RUNS):
        desk.put(f"gan/{number}/metrics.csv", ROWS)
        desk.put(f"gan/{number}/hparams.yaml", f"lr: 0.{number}\n")
        desk.put(f"gan/{number}/checkpoints/last.ckpt", "weights")
    here = desk.run("run", desk.runs, "--out", desk.folder / "here", "--json").json
    told = ("name", "status", "news", "headline", "position", "new_points", "problems")
    assert [[run[key] for key in told] for run in there] == [
        [run[key] for key in told] for run in here["runs"]
    ]


def test_a_tick_asks_for_the_listing_and_for_each_new_file_once(
    desk: Desk, bucket: BucketServer, monkeypatch: pytest.MonkeyPatch
):
    assert _tick(desk, bucket).code == 0
    keys = sorted(each.key for each in bucket.asked)
    assert keys == ["", *(f"runs/gan/{n}/{name}" for n in range(RUNS)
                          for name in ("hparams.yaml", "metrics.csv"))]  # fmt: skip
    desk.mails()

    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "4")
    assert _tick(desk, bucket).code == 0
    assert [each.key for each in bucket.asked] == [""] * 2  # pages of six objects

    monkeypatch.delenv("MOTO_S3_DEFAULT_MAX_KEYS")
    bucket.put("gan/1/metrics.csv", ROWS + "5,0.01\n")
    assert _tick(desk, bucket).code == 0
    assert [each.key for each in bucket.asked] == ["", "runs/gan/1/metrics.csv"]
    [text] = desk.texts()
    assert "0.01" in text


def test_two_thousand_runs_are_listed_by_the_thousand_and_read_once(
    desk: Desk, bucket: BucketServer
):
    names = [f"sweep/{number}" for number in range(2_000)]
    bucket.fill((f"{name}/metrics.csv", ROWS) for name in names)
    bucket.fill((f"{name}/hparams.yaml", "lr: 0.1\n") for name in names)
    objects = 2 * (2_000 + RUNS)
    listings = [""] * 5  # of 4,006 objects, a thousand each
    said = _tick(desk, bucket, "--json")
    assert "the 50 newest of 2,002 new runs are reported" in said.err
    assert [run["problems"] for run in said.json["runs"]] == [[]] * 50
    keys = [each.key for each in bucket.asked]
    assert [key for key in keys if not key] == listings
    assert len({key for key in keys if key}) == objects == len(keys) - len(listings)

    assert _tick(desk, bucket, "--json").json["runs"] == []
    assert [each.key for each in bucket.asked] == listings

    grown = [f"sweep/{number}" for number in (7, 700, 1_999)]
    bucket.fill((f"{name}/metrics.csv", ROWS + "5,0.01\n") for name in grown)
    runs = _tick(desk, bucket, "--json").json["runs"]
    assert {run["name"]: run["new_points"] for run in runs} == dict.fromkeys(grown, 1)
    keys = [each.key for each in bucket.asked]
    assert sorted(keys) == [
        *listings,
        *(f"runs/{name}/metrics.csv" for name in sorted(grown)),
    ]


def test_a_listing_that_lags_behind_tells_nothing_twice_and_loses_nothing(
    desk: Desk, bucket: BucketServer
):
    assert _tick(desk, bucket).code == 0
    bucket.stale = bucket.listed
    bucket.put("gan/0/metrics.csv", ROWS + "5,0.1\n")
    bucket.put("gan/2/metrics.csv", ROWS)
    assert _tick(desk, bucket, "--json").json["runs"] == []
    bucket.stale = b""
    runs = _tick(desk, bucket, "--json").json["runs"]
    assert {run["name"]: run["new_points"] for run in runs} == {"gan/0": 1, "gan/2": 5}

    bucket.put("gan/2/metrics.csv", ROWS + "5,0.1\n")
    assert len(_tick(desk, bucket, "--json").json["runs"]) == 1
    bucket.stale, seen = bucket.listed, bucket.listed
    bucket.put("gan/2/metrics.csv", ROWS + "5,0.1\n6,0.01\n")  # newer than its listing
    forget()
    assert _tick(desk, bucket, "--json").json["runs"] == []
    bucket.stale = seen.replace(b"gan/2/", b"gan/3/")  # one not there yet, one gone
    bucket.delete("gan/3/metrics.csv")
    assert _tick(desk, bucket).code == 0
    bucket.stale = b""
    (run,) = _tick(desk, bucket, "--json").json["runs"]
    assert (run["name"], run["new_points"]) == ("gan/2", 1)


def test_of_a_long_log_only_its_head_and_what_is_new_are_read(
    desk: Desk, bucket: BucketServer
):
    rows = "step,val_loss\n" + "".join(
        f"{n},{1 / (n + 1):.9f}\n" for n in range(30_000)
    )
    assert len(rows) > WHOLE_BELOW
    bucket.put("gan/1/metrics.csv", rows)
    assert _tick(desk, bucket).code == 0
    bucket.put("gan/1/metrics.csv", rows + "30000,0.5\n")
    said = _tick(desk, bucket, "--json")
    assert [run["new_points"] for run in said.json["runs"]] == [1]
    objects = [each for each in bucket.asked if each.key]
    assert len(objects) == 2  # its head and its end
    assert sum(each.size for each in objects) < 20_000

    bucket.put("gan/1/metrics.csv", rows.replace("step", "epoch"))
    assert _tick(desk, bucket).code == 0
    assert sum(each.size for each in bucket.asked if each.key) > len(rows)


OUTAGES = {
    "503 SlowDown": "fewer requests",
    "404 NoSuchBucket": "the bucket is not there",
    "403 AccessDenied": "do not allow it",
    "403 InvalidAccessKeyId": "credentials are refused",
    "400 ExpiredToken": "have expired",
    "403 RequestTimeTooSkewed": "clock is wrong",
    "500 InternalError": "an error of its own",
    "418 Teapot": "its library says ClientError",
    "reset": "cannot be reached",
}


def test_an_outage_is_told_and_loses_nothing(
    desk: Desk, bucket: BucketServer, monkeypatch: pytest.MonkeyPatch
):
    assert _tick(desk, bucket).code == 0
    assert len(desk.mails()) == RUNS
    for fault, said in OUTAGES.items():
        bucket.fault = fault
        failed = _tick(desk, bucket)
        assert failed.code == 78
        assert f"{bucket.root}: root cannot be read" in failed.err
        assert said in failed.err
        assert "Look at its credentials" in failed.err
        assert CREDENTIALS["AWS_ACCESS_KEY_ID"] not in failed.err
        # A connection that was hung up is tried once more below.
        assert len(bucket.asked) <= TRIES * (2 if fault == "reset" else 1)
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "4")
    bucket.fault, bucket.failing = "503 SlowDown", "continuation-token"
    assert "fewer requests" in _tick(desk, bucket).err  # after a page of the listing
    bucket.fault = ""
    assert _tick(desk, bucket).code == 0
    assert desk.mails() == []
    assert len(_known(desk)) == RUNS


def _known(desk: Desk) -> list[str]:
    runs = desk.run("ls", "--out", desk.out, "--json").json["runs"]
    return [run["name"] for run in runs]


def test_a_file_that_does_not_come_is_told_and_read_once_it_does(
    desk: Desk, bucket: BucketServer
):
    assert _tick(desk, bucket).code == 0
    desk.mails()
    bucket.put("gan/1/metrics.csv", ROWS + "5,0.01\n")
    bucket.fault, bucket.failing = "503 SlowDown", "metrics.csv"
    assert _tick(desk, bucket).code == 0
    bucket.fault = ""
    assert _tick(desk, bucket).code == 0
    assert any("0.01" in text for text in desk.texts())


def test_an_empty_prefix_is_no_run_that_was_deleted(desk: Desk, bucket: BucketServer):
    assert _tick(desk, bucket).code == 0
    desk.mails()
    for number in range(RUNS):
        for name in ("metrics.csv", "hparams.yaml", "checkpoints/last.ckpt"):
            bucket.delete(f"gan/{number}/{name}")
    said = _tick(desk, bucket)
    assert said.code == 78
    assert "nothing lies there" in said.err
    assert len(_known(desk)) == RUNS


def test_a_run_that_is_deleted_is_gone(desk: Desk, bucket: BucketServer):
    assert _tick(desk, bucket).code == 0
    for name in ("metrics.csv", "hparams.yaml", "checkpoints/last.ckpt"):
        bucket.delete(f"gan/1/{name}")
    assert _tick(desk, bucket).code == 0
    assert _known(desk) == ["gan/0"]


def test_without_credentials_or_server_it_says_so(
    desk: Desk, bucket: BucketServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert "cannot be reached" in _tick(desk, bucket).err
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    forget()
    assert "there are no credentials" in _tick(desk, bucket).err


def test_without_the_extra_it_says_what_to_install(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    forget()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    said = desk.run("run", "s3://lab/runs", "--out", desk.out)
    assert said.code == 78
    assert "s3:// needs s3fs" in said.err
    assert "pip install 'mlreport-batch[remote]'" in said.err


def test_other_processes_read_it_too(desk: Desk, bucket: BucketServer):
    said = _tick(desk, bucket, "--jobs", "2", "--json")
    assert said.code == 0
    assert [run["new_points"] for run in said.json["runs"]] == [5] * RUNS
    assert {each.method for each in bucket.asked} == {"GET"}  # the listing is enough


def test_what_was_fetched_and_dropped_is_fetched_again(
    desk: Desk, bucket: BucketServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(objects, "KEPT_MAX", 100)
    monkeypatch.setattr(objects, "TOGETHER_BYTES", 10)
    said = _tick(desk, bucket, "--json")
    assert [run["new_points"] for run in said.json["runs"]] == [5] * RUNS
    assert sum(bool(each.key) for each in bucket.asked) > 2 * RUNS


def test_init_takes_a_bucket(desk: Desk, bucket: BucketServer):
    file = desk.folder / "c.yaml"
    asked = ("--through", "outbox", "--no-input", "--schedule", "none")
    said = desk.run("init", file, "--runs", f"{bucket.root}/", "--no-test", *asked)
    assert said.code == 0, said.err
    assert [root.path for root in load(file).runs] == [bucket.root]


def test_inspect_preview_and_check_look_into_buckets(desk: Desk, bucket: BucketServer):
    assert "gan/1" in desk.run("inspect", bucket.root).out
    drawn = desk.run("preview", f"{bucket.root}/gan/1", "--out", desk.out)
    assert drawn.code == 0, drawn.err
    config = desk.folder / "mlreport.yaml"
    config.write_text(f"runs: [{{path: {bucket.root}}}]\nstate: {desk.out}\n")
    assert f"runs {bucket.root}: {RUNS} found" in desk.run("check", "-c", config).out
    bucket.fault = "403 AccessDenied"
    assert "do not allow it" in desk.run("check", "-c", config).out
