"""No crash and no answer of a server loses a mail or gives it a second name."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlreport_batch.commands.owed import retry
from mlreport_batch.commands.status import status
from mlreport_batch.deliver import Envelope, Policy, Receipt, Refusal, dispatch
from mlreport_batch.deliver.dispatch import Dispatched, Dispatcher
from mlreport_batch.errors import (
    ChannelDownError,
    ConfigError,
    CredentialError,
    DeliveryError,
    MlreportError,
    RefusedError,
    StateError,
    TooLargeError,
    UnknownOutcomeError,
)
from mlreport_batch.state import spool
from mlreport_batch.state.mend import adopt, open_state
from mlreport_batch.state.owed import Owed, owed_values
from mlreport_batch.state.record import Record, Told, put_record
from mlreport_batch.state.spool import Spool, digest_of
from mlreport_batch.state.store import RunRow, State, run_values

DAY_S = 86400.0


class Killed(BaseException):
    """The process dies here."""


@dataclass
class RecordingChannel:
    """Takes mails, or answers what it is told to."""

    answers: dict[str, list[BaseException | Receipt]] = field(default_factory=dict)
    opening: BaseException | None = None
    taken: list[tuple[str, tuple[str, ...], bytes]] = field(default_factory=list)
    opened: int = 0
    dies_after_taking: bool = False
    secret: str = "old"

    def credential(self) -> str:
        return self.secret

    @contextmanager
    def open(self) -> Iterator["RecordingChannel"]:
        self.opened += 1
        if self.opening is not None:
            raise self.opening
        yield self

    def check(self) -> str:
        return "recording"

    def send(self, message: bytes, envelope: Envelope) -> Receipt:
        answers = self.answers.get(envelope.rid, [])
        answer = answers.pop(0) if answers else Receipt()
        if isinstance(answer, BaseException):
            raise answer
        refused = answer.refused
        taken = tuple(r for r in envelope.recipients if r not in refused)
        self.taken.append((envelope.rid, taken, message))
        if self.dies_after_taking:
            raise Killed
        return answer


def _lighten(message: bytes) -> bytes | None:
    """Take the first of the words off, while there are two."""
    return message.partition(b" ")[2] or None


class Desk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.channel = RecordingChannel()
        self.policy = Policy()
        self.now = 1e9

    def open(self) -> tuple[State, Spool]:
        self.folder.mkdir(exist_ok=True)
        return State(str(self.folder)), Spool(str(self.folder / "spool"))

    def owe(
        self,
        *rids: str,
        to: tuple[str, ...] = ("a@x", "b@x"),
        runs: tuple[str, ...] = (),
    ) -> None:
        state, mails = self.open()
        adopt(state, mails)
        for rid in rids:
            message = b"mail " + rid.encode()
            mails.put(rid, message, "new")
            digest = digest_of(message)
            owed = Owed(
                rid, self.now, "me@x", to, f"about {rid}", runs=runs, digest=digest
            )
            rows = [run_values(RunRow(path, "/runs", path)) for path in runs]
            told = tuple(Told(row, None, None) for row in rows)
            put_record(mails, Record(owed_values(owed), "instance", told))
            with state.transaction():
                state.owe(owed)
        state.close()

    def send(self, stop: Callable[[], bool] = lambda: False) -> Dispatched:
        state, mails = self.open()
        try:
            adopt(state, mails)
            return Dispatcher(
                state, mails, self.channel, self.policy, self.now, stop, _lighten
            ).send_all()
        finally:
            state.close()

    def owed(self) -> Mapping[str, Owed]:
        state, _ = self.open()
        try:
            return {owed.rid: owed for owed in state.owed()}
        finally:
            state.close()

    def place(self, rid: str) -> str | None:
        return Spool(str(self.folder / "spool")).place(rid)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "state")


def test_an_accepted_mail_leaves_a_tombstone_and_no_debt(desk: Desk):
    desk.owe("r1", "r2")
    assert desk.send().sent == ["r1", "r2"]
    assert desk.place("r1") == "sent"
    assert desk.owed() == {}
    assert Path(desk.folder, "spool/sent/r1").read_bytes() == b""
    assert desk.send().sent == []
    assert len(desk.channel.taken) == 2
    assert desk.channel.opened == 1


def test_a_refused_mail_is_kept_and_holds_nobody_up(desk: Desk):
    desk.owe("r1", "r2")
    desk.channel.answers["r1"] = [RefusedError("550 no such user")]
    result = desk.send()
    assert result.sent == ["r2"]
    assert isinstance(result.errors[0], RefusedError)
    assert desk.place("r1") == "dead"
    assert desk.owed()["r1"].held
    assert "550" in desk.owed()["r1"].why
    assert desk.send().errors == []
    assert desk.channel.opened == 1


def test_waits_double_up_to_an_hour(desk: Desk):
    desk.owe("r1")
    waits = []
    for _ in range(9):
        desk.channel.answers["r1"] = [DeliveryError("450 later")]
        assert desk.send().errors
        waits.append(desk.owed()["r1"].next_at - desk.now)
        desk.now += waits[-1] - 1
        assert desk.send().errors == []
        desk.now += 1
    assert waits == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert desk.place("r1") == "new"
    assert desk.send().sent == ["r1"]


def test_a_dead_server_stops_the_tick_and_is_left_alone_for_a_while(desk: Desk):
    desk.owe("r1", "r2")
    desk.channel.opening = ChannelDownError("nobody answers")
    assert len(desk.send().errors) == 1
    desk.now += 30
    assert desk.send().errors == []
    assert desk.channel.opened == 1
    desk.now += 40
    desk.send()
    assert desk.channel.opened == 2
    desk.channel.opening = None
    desk.now += 100
    assert desk.send().sent == []
    desk.now += 100
    assert desk.send().sent == ["r1", "r2"]
    desk.owe("r3")
    desk.channel.opening = ChannelDownError("nobody answers")
    desk.send()
    desk.now += 61
    desk.channel.opening = None
    assert desk.send().sent == ["r3"]


def test_a_server_that_dies_in_the_middle_keeps_the_rest(desk: Desk):
    desk.owe("r1", "r2", "r3")
    desk.channel.answers["r2"] = [ChannelDownError("421 shutting down")]
    result = desk.send()
    assert (result.sent, len(result.errors)) == (["r1"], 1)
    assert [desk.place(rid) for rid in ("r1", "r2", "r3")] == ["sent", "new", "new"]
    desk.now += 61
    assert desk.send().sent == ["r3", "r2"]


@pytest.mark.parametrize(
    "error", [ChannelDownError("421 not for them"), CredentialError("530 log in")]
)
def test_a_mail_that_takes_the_server_down_does_not_hold_up_the_others(
    desk: Desk, error: BaseException
):
    desk.owe("bad")
    desk.channel.answers["bad"] = [error] * 50
    desk.send()
    desk.owe("r1", "r2")
    sent = []
    for _ in range(3):
        desk.now += 3601
        sent += desk.send().sent
    assert sent == ["r1", "r2"]
    assert desk.place("bad") == "new"


def test_a_server_that_took_others_is_not_left_alone(desk: Desk):
    desk.owe("bad")
    desk.channel.answers["bad"] = [ChannelDownError("421 not for them")] * 50
    desk.send()
    desk.now += 3601
    desk.owe("r1")
    result = desk.send()
    assert (result.sent, len(result.errors)) == (["r1"], 1)
    desk.owe("r2")
    desk.now += 1
    assert desk.send().sent == ["r2"]


def test_a_mail_that_is_handed_over_and_never_marked_is_held_in_the_end(desk: Desk):
    """As when ticks are killed, or a full folder takes no more names."""
    desk.owe("r1")
    desk.channel.dies_after_taking = True
    for _ in range(8):
        try:
            desk.send()
        except Killed:
            desk.now += 3601
    assert desk.owed()["r1"].held
    assert len(desk.channel.taken) == 4


def test_a_mail_that_cannot_be_read_does_not_hold_up_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.owe("r1", "r2", "r3")
    path = Path(desk.folder, "spool/new/r2.eml")
    path.unlink()
    path.mkdir()  # even root cannot read that
    result = desk.send()
    assert result.sent == ["r1", "r3"]
    assert "r2.eml" in str(result.errors[0])
    assert desk.owed()["r2"].attempts == 1
    desk.now += 61
    path.rmdir()
    path.write_bytes(b"mail r2")
    assert desk.send().sent == ["r2"]


def test_a_mail_that_cannot_be_looked_for_is_not_taken_for_gone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.owe("r1")

    def failing(path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    with monkeypatch.context() as patch:
        patch.setattr(spool.os, "lstat", failing)
        with pytest.raises(StateError, match="Input/output"):
            desk.send()
    assert desk.send().sent == ["r1"]


def test_a_wrong_password_is_tried_once_an_hour(desk: Desk):
    desk.owe("r1")
    desk.channel.opening = CredentialError("535 no")
    assert isinstance(desk.send().errors[0], CredentialError)
    desk.now += 3500
    desk.send()
    assert desk.channel.opened == 1
    desk.now += 200
    assert len(desk.send().errors) == 1
    assert desk.channel.opened == 2
    desk.channel.opening = ConfigError("no TLS")
    desk.now += 3700
    assert isinstance(desk.send().errors[0], ConfigError)


@pytest.mark.parametrize("kind", [CredentialError, ConfigError])
def test_a_refusal_is_told_once_and_ends_every_tick_with_its_code(
    desk: Desk, kind: type[MlreportError]
):
    desk.owe("r1", "r2")
    desk.channel.opening = kind("535 no", advice="Renew it")
    said = []
    for _ in range(5):
        (error,) = desk.send().errors
        assert error.exit_code == kind.exit_code
        said.append(str(error))
        desk.now += 900
    assert ["Renew it" in each for each in said] == [True] + [False] * 4
    assert all("2 mails wait: 535 no" in each for each in said[1:])


@pytest.mark.parametrize("where", ["opening", "sending"])
@pytest.mark.parametrize("kind", [CredentialError, ConfigError])
def test_a_renewed_credential_is_tried_at_once(
    desk: Desk, kind: type[MlreportError], where: str
):
    desk.owe("r1", "r2")
    for _ in range(3):
        desk.channel.secret += "er"
        if where == "opening":
            desk.channel.opening = kind("535 no")
        else:
            desk.channel.answers["r1"] = [kind("535 no")]
            desk.channel.answers["r2"] = [kind("535 no")]
        assert not desk.send().sent
        desk.now += 1
    desk.channel.opening = None
    desk.channel.answers.clear()
    assert not desk.send().sent
    desk.channel.secret = "new"
    assert len(desk.send().sent) == 2
    desk.owe("r3")
    desk.channel.secret = "newer"
    desk.channel.opening = ChannelDownError("421 later")
    desk.send()
    desk.channel.secret, desk.channel.opening = "newest", None
    assert not desk.send().sent  # an outage has nothing to do with the credential


def test_only_the_refused_recipients_get_it_again(desk: Desk):
    desk.owe("r1", to=("a@x", "b@x", "c@x"))
    desk.channel.answers["r1"] = [
        Receipt(refused={"b@x": Refusal("b@x", permanent=False, answer="450 later")})
    ]
    result = desk.send()
    assert result.sent == ["r1"]
    assert isinstance(result.errors[0], DeliveryError)
    assert desk.owed()["r1"].recipients == ("b@x",)
    assert desk.place("r1") == "new"
    desk.now += 61
    desk.channel.answers["r1"] = [
        Receipt(refused={"b@x": Refusal("b@x", permanent=True, answer="550 no")})
    ]
    desk.send()
    assert desk.place("r1") == "dead"
    assert [taken for _, taken, _ in desk.channel.taken] == [("a@x", "c@x"), ()]


def test_what_nobody_knows_is_sent_again_the_same_and_held_in_the_end(desk: Desk):
    desk.owe("r1")
    for number in range(3):
        desk.channel.answers["r1"] = [UnknownOutcomeError("lost after the dot")]
        assert isinstance(desk.send().errors[0], UnknownOutcomeError)
        assert desk.place("r1") == "cur"
        owed = desk.owed()["r1"]
        assert owed.unknowns == number + 1
        assert owed.next_at - desk.now == 60 * 2**number
        desk.now += 3601
    result = desk.send()
    assert len(result.errors) == 1
    assert desk.owed()["r1"].held
    assert desk.channel.taken == []
    assert desk.send().errors == []


def test_what_nobody_knows_can_be_held_at_once(desk: Desk):
    desk.policy = Policy(on_unknown="hold")
    desk.owe("r1")
    desk.channel.answers["r1"] = [UnknownOutcomeError("lost")]
    desk.send()
    desk.now += 3601
    assert isinstance(desk.send().errors[0], UnknownOutcomeError)
    assert desk.owed()["r1"].held


def test_a_mail_of_unknown_outcome_stays_so_while_it_is_put_off(desk: Desk):
    desk.owe("r1")
    desk.channel.answers["r1"] = [
        UnknownOutcomeError("lost"),
        DeliveryError("450 later"),
    ]
    desk.send()
    desk.now += 3601
    desk.send()
    assert desk.place("r1") == "cur"
    desk.now += 3601
    assert desk.send().sent == ["r1"]


def test_the_refused_recipients_are_asked_less_and_less_often(desk: Desk):
    desk.owe("r1")
    later = Refusal("b@x", permanent=False, answer="450")
    waits = []
    for _ in range(3):
        desk.channel.answers["r1"] = [Receipt(refused={"b@x": later})]
        desk.send()
        waits.append(desk.owed()["r1"].next_at - desk.now)
        desk.now += waits[-1] + 1
    assert waits == [60.0, 120.0, 240.0]


def test_a_mail_that_may_have_arrived_is_never_superseded(desk: Desk):
    desk.owe("r1")
    desk.channel.answers["r1"] = [UnknownOutcomeError("lost"), RefusedError("550 no")]
    desk.send()
    desk.now += 3601
    desk.send()
    assert desk.place("r1") == "dead"
    assert desk.owed()["r1"].is_partial
    assert retry(str(desk.folder), ["r1"]) == ["r1  about r1: sent by the next run"]
    assert desk.place("r1") == "new"
    assert desk.owed()["r1"].is_partial


def test_a_retried_mail_that_some_have_is_never_superseded(desk: Desk):
    desk.owe("partly", "begun", "fresh")
    refused = Refusal("b@x", permanent=True, answer="550 no")
    desk.channel.answers["partly"] = [Receipt(refused={"b@x": refused})]
    desk.channel.answers["fresh"] = [RefusedError("550 no")]
    mails = Spool(str(desk.folder / "spool"))
    mails.move("begun", "new", "cur")  # a tick was killed while it sent
    desk.policy = Policy(on_unknown="hold")
    desk.send()
    assert len(retry(str(desk.folder), [])) == 3
    found = {rid: owed.is_partial for rid, owed in desk.owed().items()}
    assert found == {"partly": True, "begun": True, "fresh": False}


def test_a_mail_that_is_due_has_no_time_to_wait_for(desk: Desk):
    desk.owe("r1")
    desk.channel.answers["r1"] = [DeliveryError("450 later")]
    desk.send()
    times = []
    for later in (59, 61):
        [mail] = status(str(desk.folder), desk.now + later)["owed"]  # type: ignore[misc]
        times.append(mail["next_at"])
    assert times == ["2001-09-09T01:47:40+00:00", None]


def test_a_mail_with_a_tombstone_is_never_sent(desk: Desk):
    """A power loss can bring an old name back beside the new one."""
    desk.owe("r1", "r2")
    mails = Spool(str(desk.folder / "spool"))
    mails.move("r2", "new", "cur")
    for rid in ("r1", "r2"):
        Path(mails.path("sent", rid)).write_bytes(b"")
    assert desk.send().sent == []
    assert desk.channel.taken == []
    assert desk.owed() == {}
    assert mails.rids("new") == mails.rids("cur") == []


def test_a_mail_is_given_up_after_five_days_of_trying(desk: Desk):
    desk.owe("r1")
    start = desk.now
    while desk.now < start + 7 * DAY_S and not desk.owed()["r1"].held:
        desk.channel.answers["r1"] = [DeliveryError("450 later")]
        desk.send()
        desk.now += 3600
    assert start + 5 * DAY_S < desk.now < start + 5 * DAY_S + 3 * 3600
    assert desk.place("r1") == "dead"


def test_a_clock_that_jumped_makes_no_mail_old_and_no_wait_long(desk: Desk):
    desk.owe("r1")
    desk.now += 365 * DAY_S
    desk.channel.answers["r1"] = [DeliveryError("450 later")]
    desk.send()
    assert not desk.owed()["r1"].held
    desk.now -= 300 * DAY_S
    assert desk.send().sent == ["r1"]


def test_five_tries_are_enough_for_a_mail_that_is_old(desk: Desk):
    desk.owe("r1")
    desk.now += 6 * DAY_S
    held = []
    for _ in range(5):
        desk.channel.answers["r1"] = [DeliveryError("450 later")]
        desk.send()
        held.append(desk.owed()["r1"].held)
        desk.now += 3601
    assert held == [False, False, False, False, True]


def test_dead_mails_are_told_once_a_day(desk: Desk):
    desk.owe("r1")
    desk.channel.answers["r1"] = [RefusedError("550 no")]
    desk.send()
    desk.now += DAY_S - 10
    assert desk.send().errors == []
    desk.now += 20
    [error] = desk.send().errors
    assert "r1" in str(error)
    assert "retry" in str(error)
    assert desk.send().errors == []


def test_a_tick_that_was_asked_to_end_keeps_the_rest(desk: Desk):
    desk.owe("r1", "r2")
    answers = iter([False, True])
    assert desk.send(lambda: next(answers)).sent == ["r1"]
    assert desk.place("r2") == "new"


def test_bytes_that_vanished_are_told(desk: Desk):
    desk.owe("r1")
    Path(desk.folder, "spool/new/r1.eml").unlink()
    assert desk.send().vanished == {"r1": "is gone from the spool"}


def test_what_was_told_since_a_lost_mail_waits_to_be_told_with_it(desk: Desk):
    desk.owe("r1", runs=("/runs/a", "/runs/b"))
    desk.owe("r2", runs=("/runs/b", "/runs/c"))
    desk.owe("r3", runs=("/runs/c",))
    Path(desk.folder, "spool/new/r1.eml").unlink()
    result = desk.send()
    assert list(result.vanished) == ["r1"]
    assert result.sent == ["r3"]
    assert desk.place("r2") == "new"


@pytest.mark.parametrize("place", ["new", "cur"])
@pytest.mark.parametrize(
    "damaged",
    [b"", b"mail r", b"mail r1\0", b"mbil r1"],
    ids=["empty", "cut", "longer", "bit"],
)
def test_bytes_that_are_not_what_was_written_are_never_sent(
    desk: Desk, damaged: bytes, place: str
):
    desk.owe("r1", runs=("/runs/a",))
    desk.owe("r2")
    path = Path(desk.folder, "spool/new/r1.eml")
    path.write_bytes(damaged)
    if place == "cur":
        path.rename(Path(desk.folder, "spool/cur/r1.eml"))
    result = desk.send()
    assert result.vanished == {"r1": "was damaged on the disk"}
    assert result.sent == ["r2"]
    assert desk.place("r1") is None


@pytest.mark.parametrize("place", ["new", "cur"])
def test_damaged_bytes_that_nobody_can_make_anew_are_kept(desk: Desk, place: str):
    desk.owe("r1")
    path = Path(desk.folder, "spool/new/r1.eml")
    path.write_bytes(b"mail")
    if place == "cur":
        path.rename(Path(desk.folder, "spool/cur/r1.eml"))
    result = desk.send()
    assert result.vanished == {}
    assert "damaged on the disk" in str(result.errors[0])
    assert desk.place("r1") == "dead"
    assert desk.channel.taken == []


def _half_taken() -> Receipt:
    return Receipt(refused={"b@x": Refusal("b@x", permanent=False, answer="450")})


def test_f43_a_state_that_cannot_be_written_makes_no_second_copy(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.owe("r1")
    desk.channel.answers["r1"] = [_half_taken()]

    def busy(self: State, owed: Owed) -> None:
        raise StateError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(State, "owe", busy)
        with pytest.raises(StateError):
            desk.send()
    assert desk.send().sent == ["r1"]
    assert [recipients for _, recipients, _ in desk.channel.taken] == [
        ("a@x",),
        ("b@x",),
    ]
    assert desk.owed() == {}


def test_f43_an_old_note_of_who_waits_says_nothing_of_a_later_send(desk: Desk):
    desk.owe("r1")
    desk.channel.answers["r1"] = [_half_taken()]
    desk.send()
    desk.now += 61
    desk.channel.answers["r1"] = [UnknownOutcomeError("lost")]
    desk.send()
    assert desk.place("r1") == "cur"
    assert desk.owed()["r1"].unknowns == 1
    desk.now += 7200
    desk.send()
    assert [recipients for _, recipients, _ in desk.channel.taken[-2:]] == [
        ("a@x",),
        ("b@x",),
    ]


@pytest.mark.parametrize("note", [b"", b"[", b"{}", b"7", b"\xff"])
def test_f43_a_damaged_record_of_who_waits_is_passed_over(desk: Desk, note: bytes):
    desk.owe("r1")
    Path(desk.folder, "spool/new/r1.eml").rename(Path(desk.folder, "spool/cur/r1.eml"))
    Path(desk.folder, "spool/told/r1").write_bytes(note)
    assert desk.send().sent == ["r1"]
    assert [recipients for _, recipients, _ in desk.channel.taken] == [("a@x", "b@x")]


def test_what_no_commit_knows_of_is_swept(desk: Desk):
    desk.owe("r1")
    assert desk.send().sent == ["r1"]
    desk.owe("r2")
    state, mails = desk.open()
    mails.put("orphan", b"x", "new")
    mails.put("begun", b"x", "new")
    mails.move("begun", "new", "cur")
    for stray in ("new/r1.eml.tmp", "told/r1.tmp", "told/superseded"):
        Path(desk.folder, "spool", stray).write_bytes(b"half")
    Path(desk.folder, "spool/sent/old").write_bytes(b"")
    adopt(state, mails)
    mails.forget_sent({"r2"}, now=1e12)
    state.close()
    assert mails.rids("new") == mails.rids("told") == ["r2"]
    assert mails.rids("cur") == ["begun"]
    assert mails.rids("sent") == []
    assert not list(Path(desk.folder, "spool").glob("*/*.tmp"))


STEPS = [
    (spool.os, "rename"),
    (spool.os, "fsync"),
    (State, "owe"),
    (State, "settle"),
    (dispatch.Spool, "bury_tombstone"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
def test_a_kill_at_any_step_loses_nothing(
    desk: Desk,
    monkeypatch: pytest.MonkeyPatch,
    owner: object,
    name: str,
    number: int,
    after: bool,
):
    desk.owe("r1", "r2")
    desk.channel.answers["r1"] = [
        Receipt(refused={"b@x": Refusal("b@x", permanent=False, answer="450")})
    ]
    original = getattr(owner, name)
    calls = 0

    def dying(*args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number + 1 and not after:
            raise Killed
        result = original(*args, **options)
        if calls == number + 1:
            raise Killed
        return result

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, dying)
        try:
            desk.send()
        except Killed:
            pass
        else:
            assert calls <= number
    for _ in range(4):
        desk.now += 3601
        desk.send()
    assert desk.owed() == {}
    got: dict[tuple[str, str], int] = {}
    for rid, recipients, message in desk.channel.taken:
        assert message == b"mail " + rid.encode()
        for recipient in recipients:
            got[rid, recipient] = got.get((rid, recipient), 0) + 1
    assert set(got) == {(rid, r) for rid in ("r1", "r2") for r in ("a@x", "b@x")}
    spooled = Spool(str(desk.folder / "spool"))
    assert [spooled.rids(place) for place in ("new", "cur", "dead")] == [[], [], []]
    assert spooled.rids("sent") == ["r1", "r2"]
    # Only a death between the server's yes and the durable note makes a copy.
    assert sum(got.values()) <= len(got) + 2


def test_a_death_after_the_servers_yes_makes_one_copy_with_the_same_bytes(desk: Desk):
    desk.owe("r1")
    desk.channel.dies_after_taking = True
    with pytest.raises(Killed):
        desk.send()
    assert desk.place("r1") == "cur"
    desk.channel.dies_after_taking = False
    assert desk.send().sent == ["r1"]
    assert desk.channel.taken[0] == desk.channel.taken[1]
    assert len(desk.channel.taken) == 2


def test_a_death_between_the_move_to_dead_and_its_note_is_noticed(desk: Desk):
    desk.owe("r1")
    mails = Spool(str(desk.folder / "spool"))
    mails.move("r1", "new", "cur")
    mails.move("r1", "cur", "dead")
    assert len(desk.send().errors) == 1
    assert desk.owed()["r1"].held


def test_a_full_disk_stops_the_sending_and_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.owe("r1", "r2")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(spool.os, "rename", full)
        with pytest.raises(StateError, match="No space left"):
            desk.send()
    assert desk.channel.taken == []
    assert desk.send().sent == ["r1", "r2"]


def test_what_is_kept_is_synced_before_it_has_its_name(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    """A power loss must find the old names with the old bytes, or the new ones.

    Killing a process cannot show a missing sync, so the order of the calls is shown.
    """
    state, mails = desk.open()
    state.close()
    calls: list[str] = []
    fsync, rename = os.fsync, os.rename

    def note_fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        calls.append(f"fsync {path.relative_to(desk.folder / 'spool')}")
        fsync(descriptor)

    def note_rename(start: str, end: str) -> None:
        calls.append(f"rename {Path(start).name} {Path(end).name}")
        rename(start, end)

    monkeypatch.setattr(spool.os, "fsync", note_fsync)
    monkeypatch.setattr(spool.os, "rename", note_rename)
    mails.put("r1", b"mail", "new")
    mails.sync("new")
    assert calls == ["fsync new/r1.eml.tmp", "rename r1.eml.tmp r1.eml", "fsync new"]
    calls.clear()
    mails.move("r1", "new", "cur")
    mails.move("r1", "cur", "sent")
    # First where it is now: losing only the second sync leaves it at both places.
    assert calls == [
        "rename r1.eml r1.eml", "fsync cur", "fsync new",
        "rename r1.eml r1", "fsync sent", "fsync cur",
    ]  # fmt: skip


def test_a_debt_that_cannot_be_struck_off_stops_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    desk.owe("r1", "r2")

    def full(self: State, rids: object) -> None:
        raise StateError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(State, "settle", full)
        assert desk.send().sent == ["r1", "r2"]
    assert set(desk.owed()) == {"r1", "r2"}
    desk.send()  # strikes them off; the tombstones say that they were accepted
    assert desk.owed() == {}
    assert [rid for rid, _, _ in desk.channel.taken] == ["r1", "r2"]


def test_a_spool_that_cannot_be_used_is_an_error_of_the_state(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateError):
        Spool(str(tmp_path / "file"))
    mails = Spool(str(tmp_path / "spool"))
    with pytest.raises(StateError):
        mails.read("none", "new")
    with pytest.raises(StateError):
        mails.move("none", "new", "cur")
    mails.discard(["none"], "new")
    (tmp_path / "spool/new/folder.eml").mkdir()
    with pytest.raises(StateError):
        mails.discard(["folder"], "new")
    shutil.rmtree(tmp_path / "spool/new")
    with pytest.raises(StateError) as caught:
        mails.put("r", b"x", "new")
    assert isinstance(caught.value, MlreportError)


def test_a_mail_that_is_too_large_goes_out_lighter(desk: Desk):
    desk.owe("r1", "r2")
    desk.channel.answers["r1"] = [TooLargeError("552")]
    result = desk.send()
    assert result.sent == ["r1", "r2"]
    assert result.errors == []
    assert [message for _, _, message in desk.channel.taken] == [b"r1", b"mail r2"]
    assert desk.owed() == {}


def test_what_was_sent_lighter_is_what_is_kept(desk: Desk):
    # One Message-ID never has two contents: what may have arrived is sent again.
    desk.owe("r1")
    desk.channel.answers["r1"] = [TooLargeError("552"), UnknownOutcomeError("lost")]
    desk.send()
    desk.now += 7200
    assert desk.send().sent == ["r1"]
    assert desk.channel.taken[-1][2] == b"r1"


def test_a_death_while_it_is_sent_lighter_sends_the_same_again(desk: Desk):
    desk.owe("r1", runs=("/runs/a",))
    desk.channel.answers["r1"] = [TooLargeError("552"), Killed()]
    with pytest.raises(Killed):
        desk.send()
    result = desk.send()
    assert result.vanished == {}
    assert result.sent == ["r1"]
    assert desk.channel.taken[-1][2] == b"r1"


def test_what_somebody_may_have_is_never_made_lighter(desk: Desk):
    desk.owe("r1")
    desk.channel.answers["r1"] = [UnknownOutcomeError("lost"), TooLargeError("552")]
    desk.send()
    desk.now += 7200
    assert desk.send().sent == []
    desk.now += 7200
    assert desk.send().sent == ["r1"]
    assert desk.channel.taken[-1][2] == b"mail r1"


def test_size_alone_makes_no_mail_dead_at_once(desk: Desk):
    desk.owe("r1")
    desk.channel.answers["r1"] = [TooLargeError("552")] * 3
    errors = desk.send().errors
    assert [type(error) for error in errors] == [DeliveryError]
    assert desk.place("r1") == "new"
    assert not desk.owed()["r1"].held
    desk.now += 7200
    desk.send()
    desk.now += 7200
    assert desk.send().sent == ["r1"]  # the server takes more now, or the box is empty


def _mend(desk: Desk) -> None:
    """Let the copy of the state take its place."""
    (desk.folder / "state.db").write_bytes(bytes(9000))
    state, _, errors = open_state(str(desk.folder), Spool(str(desk.folder / "spool")))
    state.close()
    assert not errors


def test_f43_who_has_a_mail_does_not_get_it_again_after_mending(desk: Desk):
    desk.owe("r1", runs=("/runs/x",))
    shutil.copyfile(desk.folder / "state.db", desk.folder / "state.db.bak")
    later = {"b@x": Refusal("b@x", False, "450 later")}
    desk.channel.answers["r1"] = [Receipt(refused=later)]
    desk.send()
    _mend(desk)
    assert desk.owed()["r1"].is_partial
    desk.now += DAY_S
    assert desk.send().sent == ["r1"]
    assert [to for _, to, _ in desk.channel.taken] == [("a@x",), ("b@x",)]


def test_what_was_made_lighter_is_sent_after_mending(desk: Desk):
    desk.owe("r1", runs=("/runs/x",))
    shutil.copyfile(desk.folder / "state.db", desk.folder / "state.db.bak")
    desk.channel.answers["r1"] = [TooLargeError("552"), DeliveryError("450 later")]
    desk.send()
    _mend(desk)
    desk.now += DAY_S
    assert desk.send().vanished == {}
    assert [message for *_, message in desk.channel.taken] == [b"r1"]


def test_what_is_to_be_sent_again_is_sent_after_mending(desk: Desk):
    desk.owe("r1", runs=("/runs/x",))
    desk.channel.answers["r1"] = [RefusedError("550")]
    desk.send()
    shutil.copyfile(desk.folder / "state.db", desk.folder / "state.db.bak")
    retry(str(desk.folder), ["r1"])
    _mend(desk)
    assert desk.send().sent == ["r1"]


def test_a_record_that_cannot_be_read_does_not_hold_up_the_others(desk: Desk):
    desk.owe("r1", "r2")
    Spool(str(desk.folder / "spool")).move("r1", "new", "cur")
    (desk.folder / "spool/told/r1").unlink()
    (desk.folder / "spool/told/r1").mkdir()  # even root cannot read that
    result = desk.send()
    assert result.sent == ["r2"]
    assert [type(exc) for exc in result.errors] == [StateError]
    assert "r1" in desk.owed()


def test_f43_a_record_that_cannot_be_written_makes_no_second_copy(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
):
    def fails(*_: object) -> None:
        raise StateError("the disk is full")

    desk.owe("r1")
    later = {"b@x": Refusal("b@x", False, "450 later")}
    desk.channel.answers["r1"] = [Receipt(refused=later)]
    with monkeypatch.context() as patched:
        patched.setattr(dispatch, "amend", fails)
        with pytest.raises(StateError, match="full"):
            desk.send()
    desk.now += DAY_S
    desk.send()
    assert [to for _, to, _ in desk.channel.taken] == [("a@x",), ("b@x",)]
