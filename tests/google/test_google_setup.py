"""What the command line does with Google."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from google_server import GoogleServer, faults
from google_server.build import Table
from google_setup import USER, Lab, id_in
from mlreport_batch.cli import main
from mlreport_batch.config.mails import MailSettings
from mlreport_batch.config.settings import RenderSettings
from mlreport_batch.errors import ConfigError, CredentialError, MlreportError
from mlreport_batch.google import live as google_live
from mlreport_batch.google.api.account import DRIVE_FILE, GMAIL_SEND
from mlreport_batch.google.document.default import blocks
from mlreport_batch.google.setup import check_google, check_live, create_template
from mlreport_batch.render import placeholders

Line = tuple[str, MlreportError | None]


@pytest.fixture
def server() -> Iterator[GoogleServer]:
    with GoogleServer() as running:
        yield running


@pytest.fixture
def lab(server: GoogleServer, tmp_path: Path) -> Lab:
    made = Lab(server, tmp_path)
    made.as_user()
    return made


def lines(lab: Lab, *, gmail: bool = False) -> list[Line]:
    config = lab.config()
    if gmail:
        config = replace(
            config, mail=MailSettings(via="gmail", sender=USER, to=(USER,))
        )
    return list(check_google(config))


def errors(found: list[Line]) -> list[str]:
    return [str(error) for _, error in found if error is not None]


# -- template create ------------------------------------------------------------


@pytest.mark.parametrize("language", ["en", "ko"])
def test_template_holds_every_kind_of_row_and_no_unknown_name(lab: Lab, language: str):
    template = id_in(create_template(lab.google, language)["template"])
    text = lab.server.document(template).text()
    names = placeholders.parse(text)
    assert not placeholders.unknown(names)
    assert set(placeholders.ROWS) <= set(names)
    assert {"date", "notification", "run", "status", "steps", "purpose"} <= set(names)
    assert ("의도" in text) == (language == "ko")
    assert len(blocks(language)) > 8


def test_template_lies_in_the_folder_and_costs_two_calls(lab: Lab):
    drive = lab.server.store.add_shared_drive("Reports", {USER: "fileOrganizer"})
    lab.change(folder=drive.id)
    template = id_in(create_template(lab.google)["template"])
    assert lab.server.store.files[template].parent == drive.id
    calls = {name: n for name, n in lab.server.counter.items() if name != "token"}
    assert calls == {"drive.files.create": 1, "docs.documents.batchUpdate": 1}


def test_template_command_prints_the_link(lab: Lab, capsys: pytest.CaptureFixture[str]):
    lab.change(template="none-yet")
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail")
    assert main(["template", "create", "-c", str(config)]) == 0
    link = capsys.readouterr().out.strip()
    assert link.startswith("https://docs.google.com/document/d/")
    assert lab.server.document(id_in(link)).text()


def test_template_command_makes_a_folder_too(
    lab: Lab, capsys: pytest.CaptureFixture[str]
):
    lab.change(template="none-yet")
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail")
    argv = ["template", "create", "-c", str(config), "--folder", "ML reports"]
    assert main(argv) == 0
    said = dict(line.split(": ") for line in capsys.readouterr().out.splitlines())
    folder, template = said["google.folder"], said["google.template"]
    files = lab.server.store.files
    assert files[id_in(folder)].name == "ML reports"
    assert files[id_in(template)].parent == id_in(folder)
    # Both links stand for the ids, and the narrow scope sees what it made.
    lab.change(template=template, folder=folder)
    config = lab.write_config(lab.folder / "experiments", via="gmail")
    assert main(["check", "-c", str(config)]) == 0
    assert main(["run", "-c", str(config)]) == 0
    assert {file.parent for file in lab.documents()} == {id_in(folder)}


@pytest.mark.parametrize("what", ["template", "folder"])
def test_file_of_the_users_own_is_named_with_both_cures(
    lab: Lab, capsys: pytest.CaptureFixture[str], what: str
):
    lab.with_default_template()
    mine = lab.server.store.add_file(
        "Mine", "application/vnd.google-apps.folder", owner=USER
    )
    lab.change(**{what: mine.id})
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail")
    assert main(["check", "-c", str(config)]) == 78
    first, *_ = [
        line for line in capsys.readouterr().out.splitlines() if "drive.file" in line
    ]
    assert f"google.{what}" in first
    assert main(["run", "-c", str(config)]) == 78
    said = capsys.readouterr().err
    for line in (first, said):
        assert "template create" in line
        assert "google.scope to drive" in line


def test_template_command_says_what_is_wrong(
    lab: Lab, capsys: pytest.CaptureFixture[str]
):
    lab.change(template="none-yet")
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail")
    lab.server.store.full_accounts.add(USER)
    assert main(["template", "create", "-c", str(config)]) == 78
    lab.server.fail("token", faults.invalid_grant(), times=-1)
    assert main(["template", "create", "-c", str(config)]) == 77
    assert "login" in capsys.readouterr().err


# -- check ------------------------------------------------------------------------


def test_check_is_content_with_the_default_template(lab: Lab):
    lab.with_default_template()
    found = lines(lab, gmail=True)
    assert not errors(found)
    said = " ".join(line for line, _ in found)
    assert "drive.file" in said
    assert "placeholders" in said
    assert "gmail.send" in said
    assert not lab.server.count("drive.files.copy")
    assert not lab.server.gmail.sent


def test_check_names_unknown_placeholders_and_rows_that_cannot_be_filled(lab: Lab):
    merged = Table([["a", "b"], ["{{key}}", ""]], spans={(0, 0): (1, 2)})
    nested = Table([[["", Table([["{{alert}}"]]), ""]]])
    lab.with_template("{{runn}} {{hparam:x}}", merged, "", nested, "{{Date}}")
    said = errors(lines(lab))
    assert len(said) == 4
    text = " ".join(said)
    for words in ("{{runn}}", "{{Date}}", "merged cells", "inside another table"):
        assert words in text
    assert "hparam:x" not in text


def test_check_looks_at_the_folder(lab: Lab):
    lab.with_default_template()
    drive = lab.server.store.add_shared_drive("Reports", {USER: "reader"})
    lab.change(folder=drive.id)
    assert "may not add documents" in errors(lines(lab))[0]
    lab.server.store.drives[drive.id].members[USER] = "writer"
    found = lines(lab)
    assert not errors(found)
    assert "in a shared drive" in found[-1][0]
    lab.change(folder="nowhere")
    assert "folder nowhere" in errors(lines(lab))[0]


def test_check_says_that_a_service_account_owns_no_storage(lab: Lab):
    account = lab.in_shared_drive()
    lab.with_default_template()
    assert not errors(lines(lab))
    template = lab.with_small_template()
    lab.server.store.files[template].roles[account.email] = "writer"
    assert not errors(lines(lab))
    lab.change(folder=None)
    assert "owns no storage" in errors(lines(lab))[0]


def test_check_names_what_is_missing(lab: Lab):
    lab.change(template="gone")
    (error,) = [error for _, error in lines(lab) if error]
    assert isinstance(error, ConfigError)
    assert "gone" in str(error)
    lab.as_user([DRIVE_FILE])
    found = [error for _, error in lines(lab, gmail=True) if error]
    assert isinstance(found[-1], CredentialError)
    assert "gmail.send" in str(found[-1])
    lab.as_user([GMAIL_SEND]).is_revoked = True
    assert {type(e) for _, e in lines(lab, gmail=True) if e} == {CredentialError}


@pytest.mark.parametrize("kind", ["user", "delegate", "user without Drive"])
@pytest.mark.parametrize("sender", [USER, f"ML <{USER.upper()}>", "ml@lab.example"])
def test_check_says_that_another_address_must_be_an_alias(
    lab: Lab, kind: str, sender: str
):
    if kind == "delegate":
        lab.as_delegate()
    else:
        lab.as_user([GMAIL_SEND] if "without" in kind else [DRIVE_FILE, GMAIL_SEND])
    config = replace(
        lab.config(),
        render=RenderSettings(engine="local"),
        mail=MailSettings(via="gmail", sender=sender, to=(USER,)),
    )
    found = list(check_google(config))
    assert not errors(found)
    is_told = any("alias" in line and USER in line for line, _ in found)
    assert is_told == (sender == "ml@lab.example" and kind != "user without Drive")


@pytest.mark.parametrize("kind", ["key", "default credentials"])
def test_check_says_that_a_service_account_has_no_mailbox(
    lab: Lab, kind: str, monkeypatch: pytest.MonkeyPatch
):
    lab.in_shared_drive()
    if kind != "key":
        path = str(lab.google.credentials)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
        lab.change(credentials=None)
    mail = MailSettings(via="gmail", sender=USER, to=(USER,))
    config = replace(lab.config(), render=RenderSettings(engine="local"), mail=mail)
    (said,) = errors(list(check_google(config)))
    assert "has no mailbox" in said
    assert "mail.via: smtp" in said


def test_check_command_shows_each_line(lab: Lab, capsys: pytest.CaptureFixture[str]):
    lab.with_default_template()
    config = lab.write_config(lab.runs(["csv_no_step"]), via="gmail")
    assert main(["check", "-c", str(config)]) == 0
    assert "google template" in capsys.readouterr().out
    del lab.server.store.files[str(lab.google.template)]
    assert main(["check", "-c", str(config)]) == 78
    assert "FAIL" in capsys.readouterr().out


# -- check --live --------------------------------------------------------------------


def test_live_check_proves_all_beliefs_and_cleans_up(lab: Lab):
    lab.with_default_template()
    found = list(check_live(lab.config()))
    assert not errors(found)
    assert len(found) == 7
    assert all(": yes" in line for line, _ in found[:-1])
    assert not lab.documents()
    assert len(lab.documents(trashed=True)) == 1
    assert not lab.server.gmail.sent


@pytest.mark.no_cover
def test_live_check_says_which_belief_does_not_hold(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
):
    lab.with_default_template()
    lab.server.fail("drive.files.list", faults.refuse(403, "forbidden"), times=-1)
    said = errors(list(check_live(lab.config())))
    assert len(said) == 1
    assert "copies are found" in said[0]
    lab.server.faults.clear()
    lab.server.drive.list_lag_s = 3600
    monkeypatch.setattr(google_live, "_LAG_MAX_S", 0.1)
    monkeypatch.setattr(google_live.time, "sleep", lambda _: None)
    said = errors(list(check_live(lab.config())))
    assert "not within" in said[0]


def test_live_check_needs_a_template(lab: Lab):
    (error,) = errors(list(check_live(lab.config())))
    assert "google.template" in error


def test_live_check_ends_with_the_credential(lab: Lab):
    lab.server.fail("token", faults.invalid_grant(), times=-1)
    (error,) = [error for _, error in check_live(lab.config()) if error]
    assert isinstance(error, CredentialError)
