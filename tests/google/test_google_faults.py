"""Every fault of Google that the engine must survive, injected one at a time."""

# ruff: noqa: ANN401

import dataclasses
import re
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import sample_reports as samples
from google_server import GoogleServer, faults
from google_server.faults import Fault
from google_setup import FAST, Lab, html_of, mail_of, numbered, pdf_of
from mlreport_batch.cli import main
from mlreport_batch.errors import (
    ConfigError,
    CredentialError,
    MlreportError,
)
from mlreport_batch.google import engine as google
from mlreport_batch.google import gmail
from mlreport_batch.google.api.account import (
    DRIVE_FILE,
    GMAIL_METADATA,
    GMAIL_SEND,
)
from mlreport_batch.google.api.client import GoogleClient
from mlreport_batch.google.api.pace import Limiter
from mlreport_batch.google.api.transport import GoogleError
from mlreport_batch.google.tidy import tidy_google
from mlreport_batch.render.draw import Drawn
from still_clock import StillClock

COPY = "drive.files.copy"
MERGE = "docs.documents.batchUpdate"
EXPORT = "drive.files.export"
GET = "drive.files.get"
READ = "docs.documents.get"
LIST = "drive.files.list"
DAY_S = 86_400


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def lab(server: GoogleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(google, "Pace", lambda: FAST)
    monkeypatch.setattr(gmail, "_PACE", FAST)
    made = Lab(server, tmp_path)
    made.as_user()
    made.with_small_template()
    return made


def one(lab: Lab, **changes: object) -> Drawn:
    (drawn,) = lab.draw(replace(samples.fine(), rid="rid1", **changes))
    return drawn


def is_right(lab: Lab, drawn: Drawn) -> None:
    """Check that there is one document, merged once, and a mail of it."""
    assert drawn.error is None, drawn.error
    (file,) = lab.documents()
    rows = lab.server.document(file.id).table()
    assert [row[0] for row in rows] == ["Key", *(m.key for m in samples.fine().metrics)]
    page = html_of(drawn.message)
    assert file.id in page
    assert ">val_loss<" in page
    assert "{{" not in page
    assert pdf_of(drawn.message).startswith(b"%PDF")


def error_of(drawn: Drawn) -> MlreportError:
    assert drawn.error is not None
    assert not drawn.message
    return drawn.error


# -- what passes by itself ------------------------------------------------------


PASSING = {
    "429": faults.rate_limited(),
    "429 with Retry-After": faults.rate_limited(0.3),
    "403 user rate": faults.user_rate_limited(),
    "401": faults.unauthorized(),
}
LOST = {
    "drop before": faults.drop(),
    "drop after": faults.drop(applied=True),
    "reset before": faults.drop(reset=True),
    "reset after": faults.drop(applied=True, reset=True),
    "truncate": faults.truncate(),
    "500": faults.refuse(500),
    "500 after": faults.refuse(500, applied=True),
    "503": faults.refuse(503),
    "502 in HTML": faults.html_error(),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("method", [COPY, MERGE, EXPORT, GET, READ])
@pytest.mark.parametrize("fault", [*PASSING, *LOST])
def test_fault_that_passes_leaves_one_document_and_one_mail(
    lab: Lab, method: str, fault: str
):
    lab.server.fail(method, {**PASSING, **LOST}[fault])
    is_right(lab, one(lab))


@pytest.mark.parametrize("method", [COPY, MERGE, EXPORT])
def test_fault_of_each_kind_three_times_in_a_row_passes_too(lab: Lab, method: str):
    for fault in ("429", "drop after", "503"):
        lab.server.fail(method, {**PASSING, **LOST}[fault])
    is_right(lab, one(lab))


@pytest.mark.parametrize("applied", [False, True])
@pytest.mark.parametrize("method", [COPY, MERGE, EXPORT])
def test_silence_is_waited_out_and_looked_into(lab: Lab, method: str, applied: bool):
    lab.server.fail(method, faults.hang(10_000, applied=applied))
    report = replace(samples.fine(), rid="rid1")
    (drawn,) = lab.draw(report, pace=replace(FAST, timeout_s=1.0))
    is_right(lab, drawn)


def test_retry_after_is_obeyed(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    pauses: list[float] = []
    pause = Limiter.pause

    def noting(self: Limiter, seconds: float) -> None:
        pauses.append(seconds)
        pause(self, seconds)

    monkeypatch.setattr(Limiter, "pause", noting)
    lab.server.fail(COPY, faults.rate_limited(7))
    is_right(lab, one(lab))
    assert pauses == [7.0]


def test_a_new_copy_is_looked_for_again_where_404_comes_too_soon(lab: Lab):
    lab.server.fail(MERGE, faults.not_found())
    lab.server.fail(EXPORT, faults.not_found())
    is_right(lab, one(lab))


def test_waiting_ends_with_the_budget_of_the_tick(lab: Lab, clock: StillClock):
    lab.server.fail(EXPORT, faults.refuse(503), times=-1)
    pace = replace(FAST, budget_s=0.3, first_wait_s=0.1)
    drawn = lab.draw(*numbered(samples.fine(), 12), pace=pace)
    assert 0.1 <= clock.slept_s <= 0.3
    for each in drawn:
        assert error_of(each).exit_code == 75
        assert "503" in str(each.error)
        assert "stay owed" in str(each.error)


def test_a_retry_after_beyond_the_budget_is_not_waited_for(lab: Lab, clock: StillClock):
    lab.server.fail(COPY, faults.rate_limited(3600), times=-1)
    assert error_of(one(lab)).exit_code == 75
    assert clock.slept_s == 0


@pytest.mark.parametrize(
    "fault",
    [faults.refuse(400), faults.refuse(403, "domainPolicy"), faults.storage_full()],
)
def test_what_cannot_help_is_not_repeated(lab: Lab, fault: Fault):
    lab.server.fail(COPY, fault, times=-1)
    error_of(one(lab))
    assert lab.server.count(COPY) == 1


# -- lost copies ------------------------------------------------------------------


def test_lost_copy_is_found_by_its_property_before_any_new_one(lab: Lab):
    lab.server.fail(COPY, faults.drop(applied=True))
    is_right(lab, one(lab))
    assert lab.server.count(COPY, applied_only=True) == 1
    assert lab.server.count(LIST) == 1


def test_lost_copy_is_found_although_the_index_lags(lab: Lab):
    lab.server.drive.list_lag_calls = 2
    lab.server.fail(COPY, faults.drop(applied=True))
    is_right(lab, one(lab))
    assert lab.server.count(COPY, applied_only=True) == 1


def test_copy_that_shows_up_late_is_swept_after_a_day(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    lab.server.drive.list_lag_s = 3600
    lab.server.fail(COPY, faults.drop(applied=True))
    drawn = one(lab)
    assert drawn.error is None
    assert len(lab.documents()) == 2  # one is the stray
    link = re.search(r"document/d/(\w+)/", html_of(drawn.message))
    assert link is not None
    spool = lab.state_folder / "spool" / "sent"
    spool.mkdir(parents=True)
    (spool / "rid1").touch()
    with closing(lab.state()) as state:
        tidy_google(lab.config(), state, now=time.time() + 60)
        assert len(lab.documents()) == 2
        assert [row.rid for row in state.documents()] == ["rid1"]
        lab.server.advance(2 * DAY_S)
        lab.server.auth.lifetime_s = 10**7
        tidy_google(lab.config(), state, now=time.time() + 2 * DAY_S)
        (kept,) = lab.documents()
        assert kept.id == link[1]
        assert not state.documents()
    assert not lab.server.count("drive.files.delete")


def test_two_copies_of_a_lost_answer_leave_the_oldest(lab: Lab):
    """Something below us repeats the POST, as httplib2 would."""

    def twin() -> None:
        template = str(lab.google.template)
        ((caller, _),) = lab.server.auth._access.values()
        body = {"appProperties": {"mlreport_rid": "rid1"}}
        lab.server.drive.copy(caller, template, {}, body)

    lab.server.fail(COPY, dataclasses.replace(faults.drop(applied=True), hook=twin))
    is_right(lab, one(lab))
    assert len(lab.documents(trashed=True)) == 1


@pytest.mark.parametrize("cut", ["outage", "twins"])
def test_copies_that_may_not_be_trashed_hold_nothing_up(lab: Lab, cut: str):
    """A contributor of a shared drive makes documents and cannot trash them."""
    lab.in_shared_drive("writer")
    lab.with_default_template()
    if cut == "outage":
        lab.server.fail(EXPORT, faults.refuse(503), times=-1)
        error_of(one(lab))
        lab.server.faults.clear()
    else:
        lab.server.fail(COPY, faults.drop(applied=True))
        lab.server.fail(LIST, faults.refuse(503), times=-1)
        error_of(one(lab))
        lab.server.faults.clear()
        lab.server.fail(COPY, faults.drop(applied=True))
    drawn = one(lab)
    assert drawn.error is None
    with closing(lab.state()) as state:
        (row,) = state.documents()
    assert row.has_doubt
    assert row.document in html_of(drawn.message)
    assert len(lab.documents()) == 2


@pytest.mark.parametrize("method", [MERGE, EXPORT])
@pytest.mark.parametrize("code", [400, 403, 404])
def test_copy_of_a_report_that_was_refused_goes_at_once(
    lab: Lab, method: str, code: int
):
    lab.server.fail(method, faults.refuse(code), times=-1)
    error_of(one(lab))
    assert not lab.documents()
    assert 1 <= len(lab.documents(trashed=True)) <= 3


def test_copy_left_by_an_outage_is_replaced(lab: Lab):
    lab.server.fail(EXPORT, faults.refuse(503), times=-1)
    error_of(one(lab))
    assert len(lab.documents()) == 1  # merged or not: nobody knows
    lab.server.faults.clear()
    is_right(lab, one(lab))
    assert len(lab.documents(trashed=True)) == 1


def test_finished_document_of_a_crash_before_the_commit_is_replaced(lab: Lab):
    is_right(lab, one(lab))
    is_right(lab, one(lab))  # the same id: the tick died before it owed the mail
    assert len(lab.documents(trashed=True)) == 1


def test_intent_is_in_the_state_before_the_copy(lab: Lab):
    seen = []

    def look() -> None:
        with closing(lab.state()) as state:
            seen.extend(state.documents())

    lab.server.before(COPY, look)
    is_right(lab, one(lab))
    (row,) = seen
    assert (row.rid, row.document, row.has_doubt) == ("rid1", "", True)


# -- merging ------------------------------------------------------------------------


def test_lost_merge_is_not_applied_twice(lab: Lab):
    lab.server.fail(MERGE, faults.drop(applied=True))
    is_right(lab, one(lab))
    # Nobody reads what became of it: it lies in the trash, and a fresh one is right.
    assert len(lab.documents(trashed=True)) == 1
    assert lab.server.count(READ) == 1


def test_doubtful_copy_is_never_merged_again(lab: Lab):
    """It cannot be trashed, and the answer to the next copy is lost."""
    # The text is so long that the places of the placeholders exist twice.
    lab.with_template("{{date}} of {{run}}", "and so on " * 30)
    lab.server.fail(MERGE, faults.drop(applied=True))
    lab.server.fail("drive.files.update", faults.refuse(403), times=-1)
    lab.server.fail(COPY, faults.drop(applied=True), nth=2)
    drawn = one(lab)
    assert drawn.error is None
    link = re.search(r"document/d/(\w+)/", html_of(drawn.message))
    assert link is not None
    report = samples.fine()
    assert lab.server.document(link[1]).text().splitlines() == [
        f"{report.date} of {report.run}",
        "and so on " * 30,
    ]
    with closing(lab.state()) as state:
        (row,) = state.documents()
        assert (row.document, row.has_doubt) == (link[1], True)


def merge_late(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the first request arrive after we read the copy as untouched."""
    batch: list[Any] = []
    send = GoogleClient.batch_update

    def noting(self: GoogleClient, where: str, requests: Any, **options: Any) -> None:
        batch[:] = batch or [where, requests]
        send(self, where, requests, **options)

    monkeypatch.setattr(GoogleClient, "batch_update", noting)
    lab.server.fail(MERGE, faults.drop())
    lab.server.before(MERGE, lambda: lab.server.edit(batch[0], *batch[1]), nth=2)


def test_late_merge_and_its_repetition_cannot_both_land(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    merge_late(lab, monkeypatch)
    is_right(lab, one(lab))
    assert len(lab.documents(trashed=True)) == 1


def test_late_merge_of_a_document_that_could_be_merged_twice(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    lab.with_template("{{date}} of {{run}}", "and so on " * 30)
    merge_late(lab, monkeypatch)
    assert one(lab).error is None
    (file,) = lab.documents()
    report = samples.fine()
    assert lab.server.document(file.id).text().splitlines() == [
        f"{report.date} of {report.run}",
        "and so on " * 30,
    ]


def change_template(lab: Lab, text: str) -> None:
    where = {"location": {"index": 1}, "text": text}
    lab.server.edit(str(lab.google.template), {"insertText": where})


@pytest.mark.parametrize("shift", [1, 2, 5, 9, 30])
def test_template_edited_between_read_and_copy_is_merged_anew(lab: Lab, shift: int):
    lab.with_template("{{date}} and {{time}} of {{run}}", "and so on {x} " * 9)
    text = "e" * shift
    lab.server.before(COPY, lambda: change_template(lab, text))
    drawn = one(lab)
    assert drawn.error is None
    (file,) = lab.documents()
    line = lab.server.document(file.id).text().splitlines()[0]
    report = samples.fine()
    assert line == f"{text}{report.date} and {report.time} of {report.run}"
    assert len(lab.documents(trashed=True)) == 1


def test_template_with_rows_edited_before_the_copy_is_read_anew(lab: Lab):
    lab.server.before(COPY, lambda: change_template(lab, "edited! "))
    drawn = one(lab)
    is_right(lab, drawn)
    assert "edited! " in html_of(drawn.message)
    assert len(lab.documents(trashed=True)) == 1


def test_template_shortened_between_read_and_copy_is_merged_anew(lab: Lab):
    change_template(lab, "a long line that goes away again " * 40)
    span = {"startIndex": 1, "endIndex": 1000}
    edit = {"deleteContentRange": {"range": span}}
    lab.server.before(COPY, lambda: lab.server.edit(str(lab.google.template), edit))
    is_right(lab, one(lab))
    assert len(lab.documents(trashed=True)) == 1


# -- something else answers -----------------------------------------------------------

PORTALS = {
    "page": faults.portal(),
    "nothing": faults.portal(body=b""),
    "list": faults.portal(body=b"[]"),
    "refusing page": faults.portal(403),
    "page asking who": faults.portal(401),
    "redirect": faults.portal(302),
    "lasting redirect": faults.portal(307),
}
EVERY_CALL = ["token", COPY, MERGE, EXPORT, GET, READ, "gmail.users.messages.send"]


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        *((method, kind) for method in EVERY_CALL for kind in ("page", "redirect")),
        *((COPY, kind) for kind in PORTALS),
    ],
)
def test_a_page_in_the_place_of_google_is_an_outage(
    lab: Lab, capsys: pytest.CaptureFixture[str], method: str, kind: str
):
    lab.server.fail(method, PORTALS[kind], times=-1)
    assert run(lab) == 75
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search("(answer|usable|cannot be|knows whether)", line)
    lab.server.faults.clear()
    assert main(["retry", "-c", str(lab.folder / "mlreport.yaml")]) == 0
    assert run(lab) == 0
    assert len(lab.documents()) == len(lab.server.gmail.sent) == 1


# -- what a person must do ------------------------------------------------------------


def test_template_that_is_gone_is_named(lab: Lab):
    gone = str(lab.google.template)
    del lab.server.store.files[gone]
    first, *others = lab.draw(*numbered(samples.fine(), 3))
    error = error_of(first)
    assert isinstance(error, ConfigError)
    assert gone in str(error)
    assert "template create" in str(error)
    assert [str(each.error) for each in others] == [str(error)] * 2
    assert lab.server.count(COPY) == 0


def test_template_deleted_between_two_reports_keeps_the_others(lab: Lab):
    template = str(lab.google.template)

    def delete() -> None:
        del lab.server.store.files[template]

    lab.server.before(COPY, delete, nth=2)
    drawn = lab.draw(*numbered(samples.fine(), 3), pace=replace(FAST, width=1))
    assert drawn[0].error is None
    assert isinstance(drawn[1].error, ConfigError)
    assert str(drawn[2].error) == str(drawn[1].error)
    assert len(lab.documents()) == 1


def test_trashed_template_is_named(lab: Lab):
    lab.server.store.files[str(lab.google.template)].trashed = True
    error = error_of(one(lab))
    assert isinstance(error, ConfigError)
    assert "trash" in str(error)


def test_missing_folder_is_named(lab: Lab):
    lab.change(folder="0Anowhere")
    error = error_of(one(lab))
    assert isinstance(error, ConfigError)
    assert "folder 0Anowhere" in str(error)


def test_full_storage_is_said_and_nothing_is_lost(lab: Lab):
    lab.server.store.full_accounts.add("me@lab.example")
    error = error_of(one(lab))
    assert isinstance(error, ConfigError)
    assert "storage" in str(error)
    lab.server.store.full_accounts.clear()
    is_right(lab, one(lab))


def test_service_account_without_storage_is_told_what_to_do(lab: Lab):
    account = lab.server.auth.add_service_account()
    path = lab.folder / "plain.json"
    lab.server.auth.write_service_account(path, account)
    lab.change(credentials=path, scope="drive")
    lab.server.store.files[str(lab.google.template)].roles[account.email] = "reader"
    error = error_of(one(lab))
    assert "shared drive" in str(error)
    assert "google.subject" in str(error)


def test_disabled_api_is_said(lab: Lab):
    fault = faults.refuse(
        403, "accessNotConfigured", "Google Docs API has not been used"
    )
    lab.server.fail(GET, fault)
    error = error_of(one(lab))
    assert isinstance(error, ConfigError)
    assert "Enable" in str(error)


def test_missing_scope_is_a_credential_matter(lab: Lab):
    lab.as_user(scopes=[GMAIL_SEND])
    error = error_of(one(lab))
    assert isinstance(error, CredentialError)
    assert "login" in str(error)


def test_second_401_is_a_credential_matter(lab: Lab):
    lab.server.fail(GET, faults.unauthorized(), times=2)
    assert isinstance(error_of(one(lab)), CredentialError)


def test_expired_tokens_are_renewed_once_for_all_threads(lab: Lab):
    lab.server.before(COPY, lab.server.auth.revoke_access, nth=3)
    drawn = lab.draw(*numbered(samples.fine(), 8))
    assert all(each.error is None for each in drawn)
    assert lab.server.count("token") == 2
    assert len(lab.documents()) == 8


def test_revoked_grant_in_the_middle_keeps_what_is_done(lab: Lab):
    def revoke() -> None:
        lab.server.auth.revoke_access()
        for grant in lab.server.auth.refresh_tokens.values():
            grant.is_revoked = True

    lab.server.before(COPY, revoke, nth=3)
    drawn = lab.draw(*numbered(samples.fine(), 6), pace=replace(FAST, width=1))
    assert [each.error is None for each in drawn] == [True] * 2 + [False] * 4
    assert {type(each.error) for each in drawn[2:]} == {CredentialError}
    assert len({str(each.error) for each in drawn[2:]}) == 1
    assert lab.server.count("token") == 2


def test_token_endpoint_out_of_order_is_no_credential_matter(lab: Lab):
    lab.server.fail("token", faults.refuse(503), times=-1)
    error = error_of(one(lab))
    assert error.exit_code == 75
    assert not isinstance(error, CredentialError)


def test_nobody_at_the_address_is_said(lab: Lab):
    lab.change(api_endpoint="http://127.0.0.1:9")
    (drawn,) = lab.draw(samples.fine(), pace=replace(FAST, budget_s=0.2))
    error = error_of(drawn)
    assert error.exit_code == 75
    assert "does not answer" in str(error)


# -- the fallback, exports and exit codes


@pytest.mark.parametrize("kind", ["revoked", "template gone"])
def test_fallback_draws_here_and_says_so(lab: Lab, kind: str):
    lab.change(fallback="local")
    if kind == "revoked":
        lab.server.fail("token", faults.invalid_grant(), times=-1)
    else:
        del lab.server.store.files[str(lab.google.template)]
    drawn = lab.draw(*numbered(samples.fine(), 3))
    for each in drawn:
        assert each.error is None
        assert "drawn here" in each.note
        assert "drawn here" in html_of(each.message)
        assert pdf_of(each.message).startswith(b"%PDF")
    assert not lab.documents()


@pytest.mark.parametrize("media_type", ["text/html", "application/pdf", "both"])
def test_export_over_the_limit_is_drawn_here_and_said(lab: Lab, media_type: str):
    number = {"text/html": [1], "application/pdf": [2], "both": [1, 2]}[media_type]
    for nth in number:
        lab.server.fail(EXPORT, faults.export_too_large(), nth=nth)
    drawn = one(lab)
    assert drawn.error is None
    page = html_of(drawn.message)
    assert "10 MB" in page
    assert "10 MB" in mail_of(drawn.message).get_body(("plain",)).get_content()
    assert pdf_of(drawn.message).startswith(b"%PDF")
    assert len(lab.documents()) == 1
    assert lab.documents()[0].id in page


def run(lab: Lab, via: str = "gmail") -> int:
    config = lab.folder / "mlreport.yaml"
    if not config.exists():
        config = lab.write_config(lab.runs(["keras_basic"]), via=via)
    return main(["run", "-c", str(config)])


def test_revoked_grant_is_told_once_and_the_reports_stay_owed(
    lab: Lab, capsys: pytest.CaptureFixture[str]
):
    grant = next(iter(lab.server.auth.refresh_tokens.values()))
    grant.is_revoked = True
    assert run(lab) == 77
    said = capsys.readouterr()
    assert "mlreport-batch login" in said.out + said.err
    for _ in range(2):
        lab.server.clear_log()
        assert run(lab) == 77
        assert lab.server.count("token") == 1
        said = capsys.readouterr()
        assert "mlreport-batch login" not in said.out + said.err
        assert "`mlreport-batch check` says what to do" in said.err
    # Logging in again brings everything.
    lab.server.gmail.sent.clear()
    lab.as_user()
    assert run(lab) == 0
    assert len(lab.server.gmail.sent) == len(lab.documents()) > 0


@pytest.mark.parametrize(
    ("cut", "code"),
    [("grant", 77), ("template", 78), ("503", 75), ("token", 75), ("nobody", 75)],
)
def test_what_holds_up_all_runs_is_one_line_that_counts_them(
    lab: Lab, capsys: pytest.CaptureFixture[str], cut: str, code: int
):
    names = ["keras_basic", "csv_no_step", "hf_running"]  # no group, one mail each
    if cut == "grant":
        next(iter(lab.server.auth.refresh_tokens.values())).is_revoked = True
    elif cut == "template":
        del lab.server.store.files[str(lab.google.template)]
    elif cut == "nobody":
        lab.change(api_endpoint="http://127.0.0.1:9")
    else:
        where = {"503": COPY, "token": "token"}[cut]
        lab.server.fail(where, faults.refuse(503), times=-1)
    config = lab.write_config(lab.runs(names), via="gmail")
    for _ in range(2):
        assert main(["run", "-c", str(config)]) == code
        (line,) = capsys.readouterr().err.splitlines()
        assert re.search(r"\d runs wait: ", line)
        assert " object at " not in line  # no addresses in memory


def test_one_refusal_is_told_once_by_the_engine_and_the_channel(
    lab: Lab, capsys: pytest.CaptureFixture[str]
):
    def revoke() -> None:
        lab.server.auth.revoke_access()
        next(iter(lab.server.auth.refresh_tokens.values())).is_revoked = True

    lab.server.before("gmail.users.messages.send", revoke)
    assert run(lab) == 77
    assert capsys.readouterr().err.count("mlreport-batch login") == 1
    with (lab.folder / "experiments/keras_basic/keras_run/training_log.csv").open(
        "a"
    ) as log:
        log.write("99,1,0.1,0.1,1,0.1\n")
    assert run(lab) == 77
    assert "mlreport-batch login" not in capsys.readouterr().err
    lab.as_user()
    assert run(lab) == 0


def test_exit_codes_of_the_command_line(lab: Lab):
    lab.server.fail(COPY, faults.storage_full(), times=-1)
    assert run(lab) == 78
    lab.server.faults.clear()
    lab.server.fail(COPY, faults.refuse(503), times=-1)
    assert run(lab) == 75
    assert not lab.server.gmail.sent
    lab.server.faults.clear()
    assert run(lab) == 0
    assert len(lab.server.gmail.sent) == len(lab.documents())


def test_lost_answer_to_a_send_follows_on_unknown(lab: Lab):
    lab.server.fail("gmail.users.messages.send", faults.drop(applied=True))
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail", extra="")
    text = config.read_text("utf-8").replace(
        "max_per_tick", "on_unknown: hold, max_per_tick"
    )
    config.write_text(text, "utf-8")
    assert main(["run", "-c", str(config)]) == 75
    main(["run", "-c", str(config)])
    assert len(lab.server.gmail.sent) == 1
    assert lab.server.count("gmail.users.messages.send") == 1


def test_mail_that_may_have_been_sent_is_found_by_the_next_tick(lab: Lab):
    lab.as_user([DRIVE_FILE, GMAIL_SEND, GMAIL_METADATA])
    lab.change(find_sent=True)
    looking = "gmail.users.messages.list"
    lab.server.fail("gmail.users.messages.send", faults.drop(applied=True))
    lab.server.fail(looking, faults.refuse(403, "forbidden"))
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail")
    assert main(["run", "-c", str(config)]) == 75
    assert main(["retry", "-c", str(config)]) == 0
    assert main(["run", "-c", str(config)]) == 0
    assert lab.server.count("gmail.users.messages.send") == 1


def test_google_errors_tell_what_is_known():
    assert GoogleError(0, "connection", "reset").is_lost
    assert not GoogleError(0, "connection", "refused", was_sent=False).is_lost
    assert GoogleError(200, "connection", "cut").is_accepted
    assert GoogleError(503, "backendError", "").is_lost
    assert not GoogleError(429, "rateLimitExceeded", "").is_lost
    assert not GoogleError(403, "dailyLimitExceeded", "").is_busy
    assert DRIVE_FILE.endswith("drive.file")
