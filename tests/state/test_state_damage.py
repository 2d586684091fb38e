"""A damaged, old, lost or strange state: never a silent restart, loss or double."""

import errno
import os
import random
import re
import shutil
import sqlite3
import stat
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from crash_tools import Lab, check_told, mails_of
from mlreport_batch.cli import main
from mlreport_batch.errors import DamagedStateError, NewerStateError, StateError
from mlreport_batch.find.folder import Says
from mlreport_batch.state.database import SCHEMA
from mlreport_batch.state.mend import open_state
from mlreport_batch.state.seal import Since
from mlreport_batch.state.store import State


class OutboxLab(Lab):
    """A lab that mails into a folder, in this process."""

    def __post_init__(self) -> None:
        super().__post_init__()
        text = self.config.read_text()
        text = text.replace("via: smtp", "via: outbox")
        text = re.sub(
            r"smtp: \{.*?\}", f"outbox: {{dir: {self.outbox}}}", text, flags=re.DOTALL
        )
        self.config.write_text(text)

    @property
    def outbox(self) -> Path:
        return self.folder.parent / "outbox"

    @property
    def database(self) -> Path:
        return self.state / "state.db"

    def tick(self) -> int:
        return main(self.argv)

    def mails(self) -> list[bytes]:
        return [path.read_bytes() for path in sorted(self.outbox.glob("*.eml"))]

    def owe_one(self) -> str:
        """Tick while the outbox is no folder; return the id of the mail that waits."""
        self.outbox.rename(self.outbox.with_name("away"))
        self.outbox.write_text("no folder")
        assert self.tick() == 78
        [owed] = self.places()["new"]
        self.outbox.unlink()
        return owed

    def copies(self) -> Counter[str]:
        return check_told(self.mails(), self.steps)


@pytest.fixture
def lab(tmp_path: Path) -> OutboxLab:
    """Two runs with a report before the daily copy and one after it, all sent."""
    made = OutboxLab(tmp_path / "lab", port=1)
    for _ in range(2):
        for run in ("a", "b"):
            made.grow(run, 2)
        assert made.tick() == 0
    made.grow("b", 3)
    return made


def _flip(place: int, bit: int = 1) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[place % len(data)] ^= bit
        path.write_bytes(data)

    return damage


def _cut(share: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        os.truncate(path, int(path.stat().st_size * share))

    return damage


def _zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _other_file(path: Path) -> None:
    path.write_bytes(b"This is no database.\n" * 1000)


DAMAGES = {
    "flipped early": _flip(30),
    "flipped in the middle": _flip(20_000, 64),
    "flipped late": _flip(-5),
    "cut in half": _cut(0.5),
    "cut to one page": _cut(0.05),
    "empty": _cut(0),
    "zeros": _zero,
    "another file": _other_file,
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_f21_a_damaged_state_is_mended_without_loss_or_double(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str], kind: str
):
    DAMAGES[kind](lab.database)
    damaged = lab.database.read_bytes()
    capsys.readouterr()
    assert lab.tick() == 0
    said = capsys.readouterr().err
    assert "is damaged" in said
    assert "took its place" in said
    [aside] = lab.state.glob("state.db.damaged-*")
    assert aside.read_bytes() == damaged
    assert lab.database.stat().st_mode & 0o777 == 0o600
    assert max(lab.copies().values()) == 1
    lab.grow("a", 1)
    assert lab.tick() == 0
    assert capsys.readouterr().err == ""
    assert max(lab.copies().values()) == 1


def test_f21_a_damaged_state_is_mended_where_there_are_no_links(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    _zero(lab.database)
    damaged = lab.database.read_bytes()
    monkeypatch.setattr(os, "link", refused)
    assert lab.tick() == 0
    [aside] = lab.state.glob("state.db.damaged-*")
    assert aside.read_bytes() == damaged


def test_n14_every_flipped_byte_and_every_prefix_is_noticed(lab: OutboxLab):
    data = lab.database.read_bytes()
    every = int(os.environ.get("N14_EVERY", "97"))
    for place in range(0, len(data), every):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        lab.database.write_bytes(changed)
        # Bytes 60 to 63 say which version wrote it: a later one is left alone.
        with pytest.raises((DamagedStateError, NewerStateError)):
            State(str(lab.state))
    for length in range(0, len(data), every):
        lab.database.write_bytes(data[:length])
        with pytest.raises(DamagedStateError):
            State(str(lab.state))
    lab.database.write_bytes(data)
    State(str(lab.state)).close()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_n14_every_single_byte(lab: OutboxLab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("N14_EVERY", "1")
    test_n14_every_flipped_byte_and_every_prefix_is_noticed(lab)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_n14_ticks_after_random_damage(lab: OutboxLab, tmp_path: Path):
    rng = random.Random(14)
    lab.saved(tmp_path / "start")
    shutil.copytree(lab.outbox, tmp_path / "sent")
    steps = lab.steps.copy()
    for _ in range(300):
        lab.restored(tmp_path / "start")
        shutil.rmtree(lab.outbox)
        shutil.copytree(tmp_path / "sent", lab.outbox)
        lab.steps = steps.copy()
        kind = rng.choice([_flip(rng.randrange(1 << 16)), _cut(rng.random()), _zero])
        kind(lab.database)
        if lab.tick() == 78:  # it claims to be of a later version
            continue
        lab.grow("a", 1)
        assert lab.tick() == 0
        assert max(lab.copies().values()) == 1


def test_f21_without_a_sound_copy_it_says_how_to_begin_anew(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    _flip(20_000)(lab.database)
    _flip(20_000)(lab.state / "state.db.bak")
    before = lab.database.read_bytes()
    mails = lab.mails()
    assert lab.tick() == 74
    said = capsys.readouterr().err
    assert "mlreport-batch baseline" in said
    assert lab.database.read_bytes() == before
    assert lab.mails() == mails


def test_f21_mails_that_were_owed_are_still_sent_after_mending(lab: OutboxLab):
    owed = lab.owe_one()
    lab.outbox.with_name("away").rename(lab.outbox)
    _zero(lab.database)
    time.sleep(1.1)  # backoff_s
    assert lab.tick() == 0
    assert owed in lab.copies()


def test_f21_the_notes_since_the_copy_may_be_damaged_too(lab: OutboxLab):
    """What the copy does not know is told again, if there is more to tell by now."""
    ids = {mail.rid for mail in mails_of(lab.mails())}
    _zero(lab.database)
    (lab.state / "state.db.since").write_bytes(b"\n00000000 half a li")
    assert lab.tick() == 0
    mails = mails_of(lab.mails())
    assert len({mail.rid for mail in mails}) == len(mails) == len(ids) + 1
    assert [m.new_values for m in mails if m.run == "b" and m.rid not in ids] == [5]


def test_f21_a_damaged_note_since_the_copy_is_passed_over(tmp_path: Path):
    since = Since(str(tmp_path / "since"))
    notes = [[["UPDATE runs SET seq=? WHERE path=?", [n, b"run"]]] for n in range(3)]
    for note in notes:
        since.add(note)
    assert list(since.statements()) == notes
    whole = (tmp_path / "since").read_bytes()
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        (tmp_path / "since").write_bytes(damaged)
        found = list(since.statements())
        assert len(found) >= 1, place
        assert all(note in notes for note in found), place


def test_f21_a_mark_that_says_nothing_is_mended_by_the_next_tick(lab: OutboxLab):
    """What is in a row, no check of SQLite sees; without a seal nothing does."""
    with sqlite3.connect(lab.database) as database:
        database.execute(
            "UPDATE marks SET reported = x'c1' WHERE CAST(path AS TEXT) LIKE '%/b'"
        )
    database.close()
    (lab.state / "state.db.seal").unlink()
    assert lab.tick() == 74
    assert lab.tick() == 0
    assert max(lab.copies().values()) == 1


def test_f21_a_mail_that_cannot_be_read_stops_no_tick(lab: OutboxLab):
    """A new state takes over what waits in the spool."""
    for name in ("state.db", "state.db.seal", "state.db.bak", "state.db.since"):
        (lab.state / name).unlink(missing_ok=True)
    strange = lab.state / "spool" / "new" / f"{'0' * 26}.eml"
    strange.mkdir()  # even root cannot read that
    assert lab.tick() == 74
    mails = len(lab.mails())
    assert mails >= 2
    strange.rmdir()
    lab.grow("a", 1)
    assert lab.tick() == 0
    assert len(lab.mails()) == mails + 1


def test_f21_a_mending_by_hand_is_said(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    _zero(lab.database)
    assert main(["retry", "-c", str(lab.config)]) == 0
    assert "is damaged" in capsys.readouterr().out


def test_f21_without_a_seal_damage_is_looked_for(lab: OutboxLab):
    """Also such damage as SQLite would not stumble over, here in an index."""
    database = sqlite3.connect(lab.database, isolation_level=None)
    (page,) = database.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'listings_root'"
    ).fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    data = bytearray(lab.database.read_bytes())
    data[page * size - 5] ^= 1  # the cells of a page stand at its end
    lab.database.write_bytes(data)
    (lab.state / "state.db.seal").unlink()
    with pytest.raises(DamagedStateError, match="index"):
        State(str(lab.state))
    assert lab.tick() == 0
    assert max(lab.copies().values()) == 1


def test_f21_a_killed_tick_leaves_no_seal_and_is_checked_otherwise(lab: OutboxLab):
    (lab.state / "state.db.seal").unlink()
    assert lab.tick() == 0
    assert (lab.state / "state.db.seal").exists()
    (lab.state / "state.db.seal").unlink()
    _cut(0.5)(lab.database)
    lab.grow("a", 1)
    assert lab.tick() == 0
    assert max(lab.copies().values()) == 1


def test_the_whole_folder_from_last_week_loses_nothing(lab: OutboxLab, tmp_path: Path):
    """A restored disk: state, spool and seal fit together, but are old."""
    shutil.copytree(lab.state, tmp_path / "old")
    assert lab.tick() == 0
    lab.grow("b", 4)
    shutil.rmtree(lab.state)
    shutil.copytree(tmp_path / "old", lab.state)
    before = {mail.rid for mail in mails_of(lab.mails())}
    assert lab.tick() == 0
    mails = mails_of(lab.mails())
    assert len({mail.rid for mail in mails}) == len(mails)
    [new] = [mail for mail in mails if mail.rid not in before]
    assert new.new_values == 7


def test_f22_a_later_version_is_left_untouched(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    with sqlite3.connect(lab.database) as database:
        database.execute(f"PRAGMA user_version={SCHEMA + 1}")
    database.close()
    before = {p.name: p.read_bytes() for p in lab.state.glob("state.db*")}
    assert lab.tick() == 78
    assert "later version" in capsys.readouterr().err
    assert main([*lab.argv, "--dry-run"]) == 78
    assert "later version" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in lab.state.glob("state.db*")} == before


@pytest.mark.parametrize(
    ("place", "data"),
    [
        pytest.param(0, b"No longer SQLite", id="no database"),
        pytest.param(60, (5000).to_bytes(4, "big"), id="a version beyond all"),
        pytest.param(60, (-1 % 2**32).to_bytes(4, "big"), id="a version below zero"),
    ],
)
def test_f21_damage_is_not_taken_for_a_later_version(
    lab: OutboxLab, place: int, data: bytes, capsys: pytest.CaptureFixture[str]
):
    with lab.database.open("r+b") as file:
        file.seek(60)
        file.write((7).to_bytes(4, "big"))
        file.seek(place)
        file.write(data)
    assert lab.tick() == 0
    assert "damaged" in capsys.readouterr().err
    assert set(lab.copies().values()) == {1}


def _made_earlier(lab: OutboxLab, name: str) -> None:
    """Turn a state file into what version 1 would have written."""
    with sqlite3.connect(lab.state / name) as database:
        for statement in (
            "CREATE TABLE old (path BLOB PRIMARY KEY, seen, reported) WITHOUT ROWID",
            "INSERT INTO old SELECT path, seen, reported FROM marks",
            "DROP TABLE marks",
            "ALTER TABLE old RENAME TO marks",
            "UPDATE listings SET closed = closed & 1",  # all that it knew of a claim
            "PRAGMA user_version=1",
        ):
            database.execute(statement)
        for path, seen, reported in database.execute("SELECT * FROM marks").fetchall():
            values = [b and unpacked(b) for b in (seen, reported)] + [path]
            database.execute("UPDATE marks SET seen=?, reported=? WHERE path=?", values)
    database.close()
    (lab.state / f"{name}.seal").unlink()


def unpacked(mark: bytes) -> bytes:
    return zlib.decompress(mark) if mark.startswith(b"x") else mark


@pytest.mark.parametrize("is_damaged", [False, True])
def test_the_state_of_an_earlier_version_is_brought_up_to_date(
    lab: OutboxLab, is_damaged: bool, monkeypatch: pytest.MonkeyPatch
):
    lab.grow("a", 200)  # a mark of more than 512 bytes
    assert lab.tick() == 0
    for name in ("state.db", "state.db.bak"):
        _made_earlier(lab, name)
    if is_damaged:
        with lab.database.open("r+b") as file:
            file.seek(2000)
            file.write(b"damaged")
    before = {mail.rid for mail in mails_of(lab.mails())}

    now = time.time()  # what was just written is not worth a write for a minute
    monkeypatch.setattr("mlreport_batch.commands.run.time.time", lambda: now + 100)
    assert lab.tick() == 0
    assert {mail.rid for mail in mails_of(lab.mails())} == before
    with sqlite3.connect(lab.database) as database:
        claims = database.execute("SELECT closed FROM listings WHERE claims NOTNULL")
        assert [bits for (bits,) in claims] == [Says.metrics] * 2
        stats = database.execute("SELECT stats FROM folders").fetchall()
        assert all(len(blob) % 8 == 0 for (blob,) in stats)
    database.close()
    lab.grow("a", 3)
    lab.grow("b", 4)
    assert lab.tick() == 0

    new = [mail for mail in mails_of(lab.mails()) if mail.rid not in before]
    assert sorted(mail.new_values for mail in new) == [3, 4]
    with sqlite3.connect(lab.database) as database:
        [(version,)] = database.execute("PRAGMA user_version")
        marks = database.execute("SELECT seen FROM marks").fetchall()
    database.close()
    assert version == SCHEMA
    assert any(seen.startswith(b"x") for (seen,) in marks)


def test_what_is_noted_since_an_upgrade_is_taken_up_on_an_earlier_copy(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    # The daily copy is of the earlier version; what is noted beside it is of both.
    with sqlite3.connect(lab.database) as database:
        database.execute("DROP TABLE frozen")
        database.execute("PRAGMA user_version=3")
    database.close()
    shutil.copyfile(lab.database, lab.state / "state.db.bak")
    for name in ("state.db.seal", "state.db.bak.seal", "state.db.since"):
        (lab.state / name).unlink()
    owed = lab.owe_one()
    with sqlite3.connect(lab.state / "state.db.bak") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (3,)
    database.close()
    DAMAGES["flipped in the middle"](lab.database)
    capsys.readouterr()
    now = time.time()
    monkeypatch.setattr("mlreport_batch.commands.run.time.time", lambda: now + 100)
    assert lab.tick() == 0
    assert "took its place" in capsys.readouterr().err
    assert [mail.rid for mail in mails_of(lab.mails())] == [owed]
    with sqlite3.connect(lab.database) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (SCHEMA,)
        assert database.execute("SELECT COUNT(*) FROM frozen").fetchone() == (0,)
    database.close()


def test_f23_a_deleted_state_starts_anew_and_says_so(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    ids = {mail.rid for mail in mails_of(lab.mails())}
    lab.database.unlink()
    assert lab.tick() == 0
    assert "is gone" in capsys.readouterr().err
    mails = mails_of(lab.mails())
    assert len({mail.rid for mail in mails}) == len(mails) == len(ids) + 2


def test_f23_mails_owed_by_a_deleted_state_are_still_sent(lab: OutboxLab):
    owed = lab.owe_one()
    shutil.rmtree(lab.runs / "b")
    for path in lab.state.glob("state.db*"):
        path.unlink()
    assert lab.tick() == 0
    assert owed in {mail.rid for mail in mails_of(lab.mails())}
    assert lab.places()["new"] == []


def test_f21_a_mended_state_sends_what_its_copy_did_not_know_of(lab: OutboxLab):
    owed = lab.owe_one()
    shutil.rmtree(lab.runs / "b")  # nothing else will tell this mail's news
    (lab.state / "state.db.since").unlink()
    copy = lab.state / "state.db.bak"
    before = copy.read_bytes()
    _flip(3000)(lab.database)
    assert lab.tick() == 0
    assert owed in {mail.rid for mail in mails_of(lab.mails())}
    assert owed not in lab.places()["new"]
    assert copy.read_bytes() != before  # what was mended is kept once more


def test_f26_all_of_the_state_is_for_its_owner_alone(lab: OutboxLab):
    assert stat.S_IMODE(lab.state.stat().st_mode) == 0o700
    for path in lab.state.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_f26_an_open_folder_is_closed(lab: OutboxLab):
    lab.state.chmod(0o755)
    assert lab.tick() == 0
    assert stat.S_IMODE(lab.state.stat().st_mode) == 0o700


def test_f26_a_symlink_as_state_is_refused(lab: OutboxLab, tmp_path: Path):
    lab.state.rename(tmp_path / "elsewhere")
    lab.state.symlink_to(tmp_path / "elsewhere")
    mails = lab.mails()
    assert lab.tick() == 78
    assert lab.mails() == mails


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_f26_anothers_folder_is_refused(lab: OutboxLab):
    os.chown(lab.state, 12345, 12345)
    assert lab.tick() == 78
    os.chown(lab.state, 0, 0)
    assert lab.tick() == 0


def test_f27_strays_of_a_killed_tick_are_removed(lab: OutboxLab):
    spool = lab.state / "spool"
    strays = [
        spool / "new" / "0123.eml.tmp",
        spool / "new" / "0123456789abcdef0123456789.eml",
        lab.state / "state.db.bak.tmp",
        lab.state / "state.db.seal.tmp",
        lab.state / "state.db.mending",
    ]
    for path in strays:
        path.write_bytes(b"half")
    assert lab.tick() == 0
    assert not [path for path in strays if path.exists()]


def test_f28_tombstones_go_after_two_weeks(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    old = lab.places()["sent"]
    assert len(old) == 4
    now = time.time()
    monkeypatch.setattr(
        "mlreport_batch.commands.run.time.time", lambda: now + 15 * 86400.0
    )
    assert lab.tick() == 0
    assert not set(old) & set(lab.places()["sent"])


def test_a_mended_state_is_opened_once_only(lab: OutboxLab):
    _zero(lab.database)
    state, told = open_state(str(lab.state))
    state.close()
    assert told
    state, told = open_state(str(lab.state))
    state.close()
    assert told == ""


def test_a_commit_that_failed_leaves_the_state_without_a_seal(lab: OutboxLab):
    """SQLite may have to finish the way back; only then is the file what it was."""
    state, _ = open_state(str(lab.state))

    def fail() -> None:
        with state.transaction():
            state.set_meta("half", "1")
            state._db.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(StateError):
        fail()
    with state.transaction():
        state.set_meta("whole", "1")
    state.close()
    assert not (lab.state / "state.db.seal").exists()
    state, told = open_state(str(lab.state))
    assert (state.meta("half"), state.meta("whole"), told) == ("", "1", "")
    state.close()
    assert (lab.state / "state.db.seal").exists()


def test_a_commit_is_synced(lab: OutboxLab):
    state, _ = open_state(str(lab.state))
    try:
        # 2 is FULL: the journal and the file are synced before a commit returns.
        assert state._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert state._db.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    finally:
        state.close()
