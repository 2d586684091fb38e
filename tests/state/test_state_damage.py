"""A damaged, old, lost or strange state: never a silent restart, loss or double."""

import contextlib
import json
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

import msgspec
import pytest

from crash_tools import Lab, check_told, mails_of
from mlreport_batch.cli import main
from mlreport_batch.errors import DamagedStateError, NewerStateError
from mlreport_batch.find.folder import Says
from mlreport_batch.state.folder import state_errors
from mlreport_batch.state.idle import ADOPT, LAST_NEWS_AT, SCHEMA, TOLD_AT
from mlreport_batch.state.mend import open_state
from mlreport_batch.state.record import read_record
from mlreport_batch.state.rows import decode, encode, summed
from mlreport_batch.state.spool import Spool
from mlreport_batch.state.store import State

RACY_S = 0.1
"""What was written so long ago is no more written in the same tick of the kernel."""


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


def _all_told(folder: Path) -> object:
    """Return all where a wrong bit would lose, double or misreport, as a tick does."""
    with state_errors(str(folder)), contextlib.closing(State(str(folder))) as state:
        paths = [str(folder.parent / "runs" / name) for name in ("a", "b")]
        assert set(paths) >= {row.path for row in state.runs()}
        return (
            [(state.run(path), state.reported(path)) for path in paths],
            state.owed(),
            [state.meta(key) for key in ("instance", ADOPT, LAST_NEWS_AT, TOLD_AT)],
        )


@pytest.mark.no_cover
def test_n14_no_flipped_byte_and_no_prefix_tells_anything_else(lab: OutboxLab):
    lab.owe_one()
    data = lab.database.read_bytes()
    whole = _all_told(lab.state)
    every = int(os.environ.get("N14_EVERY", "97"))
    noticed = 0
    for place in range(0, len(data), every):
        changed = bytearray(data)
        changed[place] ^= 1 << place % 8
        lab.database.write_bytes(changed)
        # Bytes 60 to 63 say which version wrote it: a later one is left alone.
        try:
            assert _all_told(lab.state) == whole, place
        except (DamagedStateError, NewerStateError):
            noticed += 1
    assert noticed
    for length in range(0, len(data), every):
        lab.database.write_bytes(data[:length])
        # Only what can be found out again may be missing at its end.
        with contextlib.suppress(DamagedStateError):
            assert _all_told(lab.state) == whole, length


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_n14_every_single_byte(lab: OutboxLab, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("N14_EVERY", "1")
    test_n14_no_flipped_byte_and_no_prefix_tells_anything_else(lab)


class _Clock:
    """A clock of minutes: each brings another part of the folders to be listed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time() + 100.0
        monkeypatch.setattr("mlreport_batch.commands.run.time.time", lambda: self.now)


def _ticks_after_damage(
    lab: OutboxLab, folder: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """Damage the state at random; whatever it hits, all is told once."""
    rng = random.Random(14)
    clock = _Clock(monkeypatch)
    lab.saved(folder / "start")
    shutil.copytree(lab.outbox, folder / "sent")
    steps = lab.steps.copy()
    for number in range(rounds):
        lab.restored(folder / "start")
        shutil.rmtree(lab.outbox)
        shutil.copytree(folder / "sent", lab.outbox)
        lab.steps = steps.copy()
        place, bit = rng.randrange(1 << 17), 1 << rng.randrange(8)
        kinds = [_flip(place, bit)] * 4
        rng.choice([*kinds, _cut(rng.random()), _zero])(lab.database)
        codes = [lab.tick()]
        if codes == [78]:  # it claims to be of a later version
            continue
        lab.grow("a", 1)
        # A tick that meets damage on its way mends it, and the next one goes on. A
        # folder that is not known any more is found by the listing of its turn.
        for _ in range(64):
            codes.append(lab.tick())
            with contextlib.suppress(AssertionError):
                assert max(lab.copies().values()) == 1
                break
            clock.now += 60
        assert max(lab.copies().values()) == 1, (number, place, bit)
        assert set(codes) <= {0, 74}, (number, codes)
        assert codes.count(74) < 2, (number, codes)


@pytest.mark.no_cover
def test_n14_ticks_after_random_damage(
    lab: OutboxLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _ticks_after_damage(lab, tmp_path, monkeypatch, 15)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_n14_many_ticks_after_random_damage(
    lab: OutboxLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _ticks_after_damage(lab, tmp_path, monkeypatch, 1000)


def test_f21_without_a_sound_copy_it_says_how_to_begin_anew(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    _zero(lab.database)
    _zero(lab.state / "state.db.bak")
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


def _damage_records(lab: OutboxLab, how: Callable[[Path], None]) -> None:
    for path in (lab.state / "spool/told").iterdir():
        how(path)


@pytest.mark.parametrize("how", [_flip(9), _cut(0.5), _zero, Path.unlink])
def test_f21_the_records_may_be_damaged_too(
    lab: OutboxLab, how: Callable[[Path], None]
):
    """What the copy does not know is told again, if there is more to tell by now."""
    ids = {mail.rid for mail in mails_of(lab.mails())}
    _zero(lab.database)
    _damage_records(lab, how)
    assert lab.tick() == 0
    mails = mails_of(lab.mails())
    assert len({mail.rid for mail in mails}) == len(mails) == len(ids) + 1
    assert [m.new_values for m in mails if m.run == "b" and m.rid not in ids] == [5]


def test_f21_a_mark_that_says_nothing_is_mended_by_the_tick_that_meets_it(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    """What is in a row, no check of SQLite sees; its sum does."""
    with sqlite3.connect(lab.database) as database:
        database.execute(
            "UPDATE marks SET reported = x'c1' WHERE CAST(path AS TEXT) LIKE '%/b'"
        )
    database.close()
    assert lab.tick() == 74
    said = capsys.readouterr().err
    assert "took its place" in said
    assert "The next tick goes on" in said
    assert lab.tick() == 0
    assert max(lab.copies().values()) == 1


def test_f21_what_was_read_and_is_damaged_is_read_again(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    with sqlite3.connect(lab.database) as database:
        database.execute("UPDATE marks SET seen = x'c1'")
    database.close()
    capsys.readouterr()
    assert lab.tick() == 0
    assert capsys.readouterr().err == ""
    assert max(lab.copies().values()) == 1


def _changed(lab: OutboxLab, sql: str, name: str = "state.db") -> None:
    """Change rows behind the state's back; SQLite finds nothing wrong with it."""
    with sqlite3.connect(lab.state / name) as database:
        assert database.execute(sql).rowcount
    database.close()


def _is_noticed_and_mended(lab: OutboxLab) -> None:
    assert lab.tick() == 74
    assert lab.tick() == 0
    assert max(lab.copies().values()) == 1


def test_f21_a_folder_that_is_known_by_half_is_noticed(lab: OutboxLab):
    sql = "DELETE FROM listings WHERE CAST(path AS TEXT) LIKE '%/b'"
    _changed(lab, sql)
    _is_noticed_and_mended(lab)


def test_f21_a_folder_of_no_run_above_it_is_noticed(lab: OutboxLab):
    sql = "UPDATE listings SET run=x'2f62' WHERE CAST(path AS TEXT) LIKE '%/b'"
    _changed(lab, sql)
    _is_noticed_and_mended(lab)


def test_f21_a_told_run_without_a_mark_is_noticed(lab: OutboxLab):
    _changed(lab, "DELETE FROM marks WHERE CAST(path AS TEXT) LIKE '%/b'")
    _is_noticed_and_mended(lab)


def test_f21_no_folder_known_by_half_gets_into_the_daily_copy(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    clock = _Clock(monkeypatch)
    assert lab.tick() == 0
    _changed(lab, "DELETE FROM folders WHERE CAST(path AS TEXT) LIKE '%/b'")
    lab.grow("b", 1)  # nobody looks there
    lab.grow("a", 1)
    clock.now += 86400.0
    _is_noticed_and_mended(lab)


def test_f21_a_copy_that_is_damaged_in_a_row_is_no_way_back(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    _changed(lab, "UPDATE runs SET seq=0", "state.db.bak")
    _zero(lab.database)
    mails = lab.mails()
    assert lab.tick() == 74
    assert "mlreport-batch baseline" in capsys.readouterr().err
    assert lab.mails() == mails


def test_f21_a_debt_that_seems_held_is_looked_at(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    """A tick that finds no news must not pass over it for ever."""
    clock = _Clock(monkeypatch)
    owed = lab.owe_one()
    lab.outbox.write_text("no folder")
    for _ in range(2):  # until all that is known is old
        clock.now += 4000
        lab.tick()
    lab.outbox.unlink()
    lab.outbox.with_name("away").rename(lab.outbox)
    _changed(lab, "UPDATE owed SET held=1")
    clock.now += 4000
    lab.tick()
    clock.now += 60
    assert lab.tick() == 0
    assert owed in {mail.rid for mail in mails_of(lab.mails())}


def test_f21_a_run_that_cannot_be_found_is_not_taken_for_new(lab: OutboxLab):
    sql = "UPDATE runs SET path=path || x'00' WHERE CAST(path AS TEXT) LIKE '%/b'"
    _changed(lab, sql)
    _is_noticed_and_mended(lab)


def test_f21_a_debt_that_is_lost_is_owed_again(lab: OutboxLab):
    """The spool is the log: what it says was told and not sent is sent."""
    owed = lab.owe_one()
    lab.outbox.with_name("away").rename(lab.outbox)
    with sqlite3.connect(lab.database) as database:
        database.execute("DELETE FROM owed")
    database.close()
    shutil.rmtree(lab.runs / "b")  # nothing else will tell this mail's news
    time.sleep(1.1)  # backoff_s
    lab.grow("a", 1)
    assert lab.tick() == 0
    assert owed in {mail.rid for mail in mails_of(lab.mails())}


def test_f21_a_mail_that_cannot_be_read_stops_no_tick(lab: OutboxLab):
    """A new state takes over what waits in the spool."""
    for name in ("state.db", "state.db.bak"):
        (lab.state / name).unlink()
    strange = lab.state / "spool" / "new" / f"{'0' * 26}.eml"
    strange.mkdir()  # even root cannot read that
    assert lab.tick() == 74
    mails = len(lab.mails())
    assert mails >= 2
    strange.rmdir()
    lab.grow("a", 1)
    assert lab.tick() == 0
    assert len(lab.mails()) == mails + 1


def test_f21_a_mail_that_cannot_be_read_is_not_forgotten_without_news(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    clock = _Clock(monkeypatch)
    for name in ("state.db", "state.db.bak"):
        (lab.state / name).unlink()
    (lab.state / "spool" / "new" / f"{'0' * 26}.eml").mkdir()
    for _ in range(3):
        assert lab.tick() == 74
        clock.now += 70


def test_f21_a_record_that_cannot_be_read_stops_no_tick(lab: OutboxLab):
    owed = lab.owe_one()
    record = lab.state / "spool/told" / owed
    record.unlink()
    record.mkdir()  # even root cannot read that
    lab.outbox.with_name("away").rename(lab.outbox)
    lab.grow("a", 1)
    lab.grow("b", 1)
    time.sleep(1.1)  # backoff_s
    assert lab.tick() == 74
    assert max(lab.copies().values()) == 1


def test_f21_a_mending_by_hand_is_said(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    _zero(lab.database)
    assert main(["retry", "-c", str(lab.config)]) == 0
    assert "is damaged" in capsys.readouterr().out


def _break(lab: OutboxLab, found: bytes, put: bytes) -> None:
    data = lab.database.read_bytes()
    assert found in data
    assert len(found) == len(put)
    lab.database.write_bytes(data.replace(found, put))


@pytest.mark.parametrize("found", [b"ml@lab.example", b"instance", b"created_at"])
def test_f21_what_is_no_text_any_more_is_said_without_a_traceback(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str], found: bytes
):
    owed = lab.owe_one()
    _break(lab, found, found[:-1] + b"\xa0")
    capsys.readouterr()
    assert main([*lab.argv, "--dry-run"]) == 74
    assert main(["status", "-c", str(lab.config)]) == 74
    assert "Traceback" not in capsys.readouterr().err
    assert main(["retry", owed, "-c", str(lab.config)]) == 0
    assert "took its place" in capsys.readouterr().out


def test_f21_a_headline_that_is_no_text_any_more_stops_a_retry_with_a_message(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    owed = lab.owe_one()
    _break(lab, b"best so far", b"best s\xa0 far")
    capsys.readouterr()
    assert main(["retry", owed, "-c", str(lab.config)]) == 74
    said = capsys.readouterr().err
    assert "damaged" in said
    assert "Traceback" not in said


def test_f21_a_lost_state_is_not_taken_for_none_by_who_only_looks(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    lab.owe_one()
    lab.database.unlink()
    for call in (["status", "-c", str(lab.config)], [*lab.argv, "--dry-run"]):
        assert main(call) == 74
        assert "it is gone" in capsys.readouterr().err


@pytest.mark.parametrize("stats", ["x''", "x'0102030405'", "CAST(stats AS TEXT)", "7"])
def test_f21_a_folder_of_which_nothing_can_be_read_is_damage(
    lab: OutboxLab, stats: str, capsys: pytest.CaptureFixture[str]
):
    with sqlite3.connect(lab.database) as database:
        database.execute(f"UPDATE folders SET stats = {stats}")
    database.close()
    assert lab.tick() == 74
    assert "Traceback" not in capsys.readouterr().err
    assert lab.tick() == 0
    assert max(lab.copies().values()) == 1


def _damage_an_index(lab: OutboxLab) -> None:
    """Damage what SQLite does not stumble over."""
    database = sqlite3.connect(lab.database, isolation_level=None)
    (page,) = database.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'listings_root'"
    ).fetchone()
    (size,) = database.execute("PRAGMA page_size").fetchone()
    database.close()
    data = bytearray(lab.database.read_bytes())
    data[page * size - 5] ^= 1  # the cells of a page stand at its end
    lab.database.write_bytes(data)


def test_f21_no_damage_gets_into_the_daily_copy(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    clock = _Clock(monkeypatch)
    assert lab.tick() == 0
    _damage_an_index(lab)
    clock.now += 86400.0
    lab.grow("b", 1)  # else a tick may find nothing to do
    capsys.readouterr()
    copy = (lab.state / "state.db.bak").read_bytes()
    assert lab.tick() == 74
    assert "index" in capsys.readouterr().err
    assert (lab.state / "state.db.bak").read_bytes() == copy
    assert lab.tick() == 0
    assert max(lab.copies().values()) == 1
    assert (lab.state / "state.db.bak").read_bytes() != copy


def test_f21_after_a_commit_that_was_killed_damage_is_looked_for(lab: OutboxLab):
    _damage_an_index(lab)
    State(str(lab.state)).close()
    (lab.state / "state.db-journal").write_bytes(b"half a header")
    with pytest.raises(DamagedStateError, match="index"):
        State(str(lab.state))
    assert lab.tick() == 0
    assert max(lab.copies().values()) == 1


def test_the_whole_folder_from_last_week_loses_nothing(lab: OutboxLab, tmp_path: Path):
    """A restored disk: state and spool fit together, but are old."""
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


def _made_earlier(lab: OutboxLab, version: int, name: str = "state.db") -> None:
    """Turn a state file into what an earlier version would have written."""
    with sqlite3.connect(lab.state / name) as database:
        _pack_alone(database)
        if version < 5:  # rows had no sums, and mails no records
            _without_sums(database, Spool(str(lab.state / "spool")))
        for later in range(SCHEMA, version, -1):
            database.executescript(EARLIER[later])
        if version == 1:
            for path, *marks in database.execute("SELECT * FROM marks").fetchall():
                values = [mark and unpacked(mark) for mark in marks] + [path]
                database.execute(
                    "UPDATE marks SET seen=?, reported=? WHERE path=?", values
                )
        database.execute(f"PRAGMA user_version={version}")
    database.close()
    for stray in ("state.db.seal", "state.db.bak.seal", "state.db.since"):
        (lab.state / stray).write_bytes(b"of an earlier version")


def _pack_alone(database: sqlite3.Connection) -> None:
    """Pack rows without what they have in common, which version 7 began with."""
    database.create_function("alone", 2, alone)
    for table, *columns in (
        ("marks", "seen", "reported"),
        ("listings", "listing"),
        ("briefs", "brief"),
    ):
        for column in columns:
            database.execute(
                f"UPDATE {table} SET {column} = alone({column}, path) "
                f"WHERE {column} IS NOT NULL"
            )


def alone(row: bytes, key: bytes) -> bytes:
    """Return a row as versions before 7 would have written it."""
    plain = msgspec.msgpack.encode(decode(row, object, key, "row"))
    packed = zlib.compress(plain, 1) if len(plain) >= 512 else plain
    made = summed(packed, key)
    assert made is not None
    return made


def _without_sums(database: sqlite3.Connection, spool: Spool) -> None:
    database.execute(
        "CREATE TABLE owed_runs (rid TEXT NOT NULL, path BLOB NOT NULL, base BLOB, "
        "PRIMARY KEY (rid, path)) WITHOUT ROWID"
    )
    for (rid,) in database.execute("SELECT rid FROM owed").fetchall():
        record = read_record(spool, rid)
        assert record is not None
        for told in record.told:
            key = told.values[0]
            base = told.base and alone(encode(told.base, key), key)[4:]
            database.execute(
                "INSERT INTO owed_runs VALUES (?, ?, ?)", (rid, told.values[0], base)
            )
    for table, *columns in (("marks", "seen", "reported"), ("listings", "listing")):
        for column in columns:  # each began with a sum of four bytes
            database.execute(
                f"UPDATE {table} SET {column} = CAST(substr({column}, 5) AS BLOB) "
                f"WHERE {column} IS NOT NULL"
            )


# What turns the tables of a version into those of the one before it.
EARLIER = {
    7: "",
    6: "DROP TABLE briefs;",
    5: """
CREATE INDEX owed_runs_path ON owed_runs (path);
CREATE TABLE frozen (rid TEXT PRIMARY KEY, digest TEXT NOT NULL, config BLOB NOT NULL)
    WITHOUT ROWID;
INSERT INTO frozen SELECT rid, digest, config FROM owed;
ALTER TABLE owed DROP COLUMN digest;
ALTER TABLE owed DROP COLUMN config;
ALTER TABLE owed DROP COLUMN runs;
ALTER TABLE owed DROP COLUMN sum;
ALTER TABLE meta DROP COLUMN sum;
ALTER TABLE runs DROP COLUMN sum;
""",
    4: "DROP TABLE frozen;",
    3: "UPDATE listings SET closed = closed & 1;",  # all that it knew of a claim
    2: """
CREATE TABLE old (path BLOB PRIMARY KEY, seen, reported) WITHOUT ROWID;
INSERT INTO old SELECT path, seen, reported FROM marks;
DROP TABLE marks;
ALTER TABLE old RENAME TO marks;
""",
}


def unpacked(mark: bytes) -> bytes:
    return zlib.decompress(mark) if mark.startswith(b"x") else mark


@pytest.mark.no_cover
@pytest.mark.parametrize("version", range(1, SCHEMA))
@pytest.mark.parametrize("is_damaged", [False, True])
def test_the_state_of_an_earlier_version_is_brought_up_to_date(
    lab: OutboxLab, is_damaged: bool, version: int, monkeypatch: pytest.MonkeyPatch
):
    lab.grow("a", 200)  # a mark of more than 512 bytes
    time.sleep(RACY_S)  # the tick is sure of what it sees: the next one looks no more
    assert lab.tick() == 0
    shutil.copyfile(lab.database, lab.state / "state.db.bak")
    for name in ("state.db", "state.db.bak"):
        _made_earlier(lab, version, name)
    if is_damaged:
        with lab.database.open("r+b") as file:
            file.seek(2000)
            file.write(b"damaged")
    before = {mail.rid for mail in mails_of(lab.mails())}

    _Clock(monkeypatch)  # what was just written is not worth a write for a minute
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
    for name in ("state.db", "state.db.bak"):
        with sqlite3.connect(lab.state / name) as database:
            [(found,)] = database.execute("PRAGMA user_version")
            marks = database.execute("SELECT seen FROM marks").fetchall()
        database.close()
        assert found == SCHEMA
        is_rewritten = name == "state.db"
        assert any(m.startswith(b"x", 4) for (m,) in marks) or not is_rewritten
    assert not list(lab.state.glob("*.seal")) + list(lab.state.glob("*.since"))


@pytest.mark.no_cover
@pytest.mark.parametrize("place", ["new", "cur", "dead", "sent"])
@pytest.mark.parametrize("version", range(1, SCHEMA))
def test_mails_owed_by_an_earlier_version_are_told_once(
    lab: OutboxLab, version: int, place: str, monkeypatch: pytest.MonkeyPatch
):
    owed = lab.owe_one()
    lab.outbox.with_name("away").rename(lab.outbox)
    _made_earlier(lab, version)
    shutil.rmtree(lab.state / "spool/told")
    spool = Spool(str(lab.state / "spool"))
    if place != "new":
        spool.move(owed, "new", place)
    before = {mail.rid for mail in mails_of(lab.mails())}
    clock = _Clock(monkeypatch)
    lab.grow("b", 4)
    assert lab.tick() == (75 if place == "dead" else 0)
    told = [mail for mail in mails_of(lab.mails()) if mail.rid not in before]
    # What waits goes out as it is; what was sent, nobody sends again.
    expected = {"new": [3, 4], "cur": [3, 4], "dead": [4], "sent": [4]}
    assert sorted(mail.new_values for mail in told) == expected[place]
    assert lab.places()["dead"] == [owed] * (place == "dead")
    clock.now += 60
    lab.grow("b", 1)
    lab.tick()
    assert max(Counter(m.rid for m in mails_of(lab.mails())).values()) == 1


def test_a_mail_that_an_earlier_version_lost_is_told_anew(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    """It has no record of what was told before: all of its run is told."""
    owed = lab.owe_one()
    lab.outbox.with_name("away").rename(lab.outbox)
    _made_earlier(lab, 4)
    shutil.rmtree(lab.state / "spool/told")
    (lab.state / f"spool/new/{owed}.eml").unlink()
    clock = _Clock(monkeypatch)
    for _ in range(2):
        lab.tick()
        clock.now += 4000
    assert mails_of(lab.mails())[-1].new_values == lab.steps["b"]


def test_f43_whom_an_earlier_version_noted_to_have_a_mail_does_not_get_it_again(
    lab: OutboxLab,
):
    """It died between its note and its commit."""
    you, me = "you@lab.example", "me@lab.example"
    text = lab.config.read_text()
    lab.config.write_text(text.replace(f"[{me}]", f"[{me}, {you}]"))
    owed = lab.owe_one()
    _made_earlier(lab, 4)
    shutil.rmtree(lab.state / "spool/told")
    spool = Spool(str(lab.state / "spool"))
    spool.move(owed, "new", "cur")
    note = lab.state / "spool/cur" / f"{owed}.left"
    note.write_text(json.dumps([you]))
    with contextlib.closing(open_state(str(lab.state), spool)[0]) as state:
        [mail] = state.owed()
    assert mail.recipients == (you,)
    assert mail.is_partial
    assert not note.exists()


def test_f23_a_deleted_state_is_made_anew_from_its_copy_and_says_so(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    ids = {mail.rid for mail in mails_of(lab.mails())}
    lab.database.unlink()
    assert lab.tick() == 0
    said = capsys.readouterr().err
    assert "it is gone" in said
    assert "took its place" in said
    mails = mails_of(lab.mails())
    assert [mail.new_values for mail in mails if mail.rid not in ids] == [3]
    assert lab.tick() == 0
    assert capsys.readouterr().err == ""


def test_f23_a_deleted_state_whose_copy_is_damaged_says_how_to_begin_anew(
    lab: OutboxLab, capsys: pytest.CaptureFixture[str]
):
    mails = lab.mails()
    lab.database.unlink()
    _zero(lab.state / "state.db.bak")
    assert lab.tick() == 74
    assert "mlreport-batch baseline" in capsys.readouterr().err
    assert lab.mails() == mails


def test_f23_a_state_without_a_copy_knows_what_the_spool_says(lab: OutboxLab):
    """State and copy are gone: the records of the last two weeks are left."""
    ids = {mail.rid for mail in mails_of(lab.mails())}
    for path in lab.state.glob("state.db*"):
        path.unlink()
    assert lab.tick() == 0
    mails = mails_of(lab.mails())
    assert [mail.new_values for mail in mails if mail.rid not in ids] == [3]


def test_f23_mails_owed_by_a_deleted_state_are_still_sent(lab: OutboxLab):
    owed = lab.owe_one()
    shutil.rmtree(lab.runs / "b")
    for path in lab.state.glob("state.db*"):
        path.unlink()
    shutil.rmtree(lab.state / "spool/told")  # an earlier version wrote it
    assert lab.tick() == 0
    assert owed in {mail.rid for mail in mails_of(lab.mails())}
    assert lab.places()["new"] == []


def test_f21_a_mended_state_sends_what_its_copy_did_not_know_of(lab: OutboxLab):
    owed = lab.owe_one()
    shutil.rmtree(lab.runs / "b")  # nothing else will tell this mail's news
    copy = lab.state / "state.db.bak"
    before = copy.read_bytes()
    _zero(lab.database)
    assert lab.tick() == 0
    assert owed in {mail.rid for mail in mails_of(lab.mails())}
    assert owed not in lab.places()["new"]
    assert copy.read_bytes() != before  # what was mended is kept once more


def test_f21_what_superseded_an_owed_mail_of_the_copy_supersedes_it_still(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    """The copy owes a mail that later ones took the place of, one after the other."""
    clock = _Clock(monkeypatch)
    lab.owe_one()
    shutil.copyfile(lab.database, lab.state / "state.db.bak")
    lab.outbox.write_text("no folder")
    for _ in range(2):
        clock.now += 4000
        lab.grow("b", 2)
        assert lab.tick() == 78
    [_] = lab.places()["new"]
    lab.outbox.unlink()
    lab.outbox.with_name("away").rename(lab.outbox)
    _zero(lab.database)
    before = {mail.rid for mail in mails_of(lab.mails())}
    clock.now += 4000
    lab.grow("b", 1)
    assert lab.tick() == 0
    assert [m.new_values for m in mails_of(lab.mails()) if m.rid not in before] == [8]


def test_f21_a_mail_that_was_lost_with_the_state_is_told_anew(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    clock = _Clock(monkeypatch)
    owed = lab.owe_one()
    shutil.copyfile(lab.database, lab.state / "state.db.bak")
    lab.outbox.with_name("away").rename(lab.outbox)
    (lab.state / "spool/new" / f"{owed}.eml").unlink()
    _zero(lab.database)
    before = {mail.rid for mail in mails_of(lab.mails())}
    clock.now += 4000
    assert lab.tick() == 0
    clock.now += 60
    assert lab.tick() == 0
    assert [m.new_values for m in mails_of(lab.mails()) if m.rid not in before] == [3]


def _is_sent(lab: OutboxLab, rid: str) -> bool:
    return any(b"<%s@" % rid.encode() in mail for mail in lab.mails())


def test_f21_a_mail_that_nothing_took_the_place_of_is_sent_after_mending(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    """Later reports of all its runs were made, told from what it tells on."""
    clock = _Clock(monkeypatch)
    lab.config.write_text(
        lab.config.read_text().replace("mail:\n", "mail:\n  digest: true\n")
    )
    lab.grow("a", 1)
    digest = lab.owe_one()
    for run in ("a", "b"):
        clock.now += 4000
        lab.grow(run, 1)
        lab.outbox.write_text("no folder")
        assert main([*lab.argv, "--only", run]) == 78
        lab.outbox.unlink()
    waiting = lab.places()["new"]
    assert digest in waiting
    assert len(waiting) == 3
    lab.outbox.with_name("away").rename(lab.outbox)
    _zero(lab.database)
    clock.now += 4000
    assert lab.tick() == 0
    assert [_is_sent(lab, rid) for rid in waiting] == [True] * 3


def test_f21_what_a_replaced_digest_told_of_others_is_told_after_mending(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    """A tick died once it had told one of the digest's two runs anew."""
    clock = _Clock(monkeypatch)
    text = lab.config.read_text()
    lab.config.write_text(text.replace("mail:\n", "mail:\n  digest: true\n"))
    lab.grow("a", 1)
    before = {mail.rid for mail in mails_of(lab.mails())}
    lab.owe_one()
    shutil.copyfile(lab.database, lab.state / "state.db.bak")
    lab.config.write_text(text)
    lab.grow("a", 1)
    lab.grow("b", 1)
    put, made = Spool.put, list[str]()

    def dies(spool: Spool, rid: str, data: bytes, place: str) -> None:
        put(spool, rid, data, place)
        if place == "new":
            made.append(rid)
            raise KeyboardInterrupt

    clock.now += 4000
    with monkeypatch.context() as patched:
        patched.setattr(Spool, "put", dies)
        assert lab.tick() == 75
    assert len(lab.places()["new"]) == 2
    lab.outbox.with_name("away").rename(lab.outbox)
    _zero(lab.database)
    for _ in range(2):
        clock.now += 4000
        assert lab.tick() == 0
    new = [mail for mail in mails_of(lab.mails()) if mail.rid not in before]
    assert sorted(mail.new_values for mail in new) == [2, 4]


@pytest.mark.parametrize("is_gone", [False, True])
def test_f21_what_was_given_up_is_not_told_again(lab: OutboxLab, is_gone: bool):
    owed = lab.owe_one()
    lab.outbox.with_name("away").rename(lab.outbox)
    if is_gone:
        (lab.state / f"spool/new/{owed}.eml").unlink()
    assert main(["drop", owed, "-c", str(lab.config)]) == 0
    assert lab.places()["new"] == []
    _zero(lab.database)
    before = lab.mails()
    assert lab.tick() == 0
    assert lab.mails() == before


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


def test_records_without_a_mail_go_with_one_sync(
    lab: OutboxLab, monkeypatch: pytest.MonkeyPatch
):
    told = lab.state / "spool/told"
    [record, *_] = told.iterdir()
    for number in range(9):
        shutil.copyfile(record, told / f"{number:026}")
    synced = list[tuple[str, ...]]()
    monkeypatch.setattr(Spool, "sync", lambda _, *places: synced.append(places))
    Spool(str(lab.state / "spool")).forget_sent(set(), now=time.time())
    assert len(list(told.iterdir())) == 4
    assert synced == [("told",)]


def test_a_mended_state_is_opened_once_only(lab: OutboxLab):
    _zero(lab.database)
    spool = Spool(str(lab.state / "spool"))
    state, told, errors = open_state(str(lab.state), spool)
    state.close()
    assert told
    assert not errors
    state, told, _ = open_state(str(lab.state), spool)
    state.close()
    assert not told


def test_a_commit_is_synced(lab: OutboxLab):
    state = State(str(lab.state))
    try:
        # 2 is FULL: the journal and the file are synced before a commit returns.
        assert state._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert state._db.execute("PRAGMA journal_mode").fetchone() == ("truncate",)
    finally:
        state.close()
