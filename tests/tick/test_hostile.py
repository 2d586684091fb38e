# ruff: noqa: TID253 - only the product loads it late
"""Hostile run directories meet the whole program, each in a process of its own.

Beside each lies a healthy run that must be reported. See hostile.py for the corpus
and docs/reliability.md (F13 to F16, F53 to F58) for what is promised.
"""

import contextlib
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import hostile
from crash_tools import Zygote
from hostile import CASES, EVIL, LONG_CASES, Case, good_csv, healthy

MEMORY_KB = 600_000
"""Most memory that any process of a tick may take (N5)."""


@dataclass(frozen=True)
class Ran:
    """A tick that ended: its code, its peak memory in KiB, what it said."""

    code: int | None
    memory_kb: int
    stdout: str
    stderr: str

    @property
    def data(self) -> dict[str, Any]:
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True)
class Base:
    """A folder with ``root`` in it, and ticks of the whole program over that."""

    folder: Path
    zygote: Zygote

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def tick(self, *argv: str, user: str = "") -> Ran:
        """Run the program in the folder, in a process of its own."""
        ended = self.zygote.run(argv, cwd=self.folder, user=user)
        return Ran(ended.code, ended.memory_kb, ended.output, ended.errors)

    def run(self, *, user: str = "") -> Ran:
        where = (str(self / "root"), "--out", str(self / "out"))
        return self.tick("run", *where, "--json", user=user)


def snapshot(root: Path) -> dict[bytes, tuple[object, ...]]:
    """Return all that can be told of a tree without following anything."""
    found: dict[bytes, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(os.fsencode(root)):
        for name in (b".", *folders, *files):
            path = folder + b"/" + name
            status = os.lstat(path)
            told: tuple[object, ...] = (
                *(status.st_mode, status.st_size, status.st_mtime_ns),
                *(status.st_ctime_ns, status.st_nlink),
            )
            if stat.S_ISREG(status.st_mode) and status.st_size < 1_000_000:
                with open(path, "rb") as file:
                    told += (hashlib.sha256(file.read()).digest(),)
            found[path] = told
    return found


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Base]:
    """Yield a folder that every user may enter, with a healthy run in ``root``."""
    folder = Path(tempfile.mkdtemp(prefix="mlreport-hostile-"))
    folder.chmod(0o755)
    healthy(folder / "root" / "healthy")
    before = Path.cwd()
    os.chdir(folder)
    with Zygote(tmp_path, keep_apart=True) as zygote:
        yield Base(folder, zygote)
    os.chdir(before)
    subprocess.run(["chmod", "-R", "u+rwX", str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)


# -- what every output must hold -----------------------------------------------------

_HEADERS = {
    *("date", "from", "to", "subject", "message-id", "in-reply-to", "references"),
    *("list-id", "auto-submitted", "x-auto-response-suppress", "x-mlreport-id"),
    *("content-language", "mime-version", "content-type", "list-unsubscribe"),
}
_TAGS = set(
    "html head meta title style body main div p span b i br wbr table thead tbody "
    "tr th td h1 h2 h3 pre ul li a img small footer header section svg g path line "
    "rect text circle polyline polygon tspan desc defs clippath figure figcaption "
    "strong em hr center".split()
)
_ADDRESSES = {
    *("href", "src", "xlink:href", "action", "formaction", "background", "poster"),
    *("data", "srcset", "ping", "cite", "longdesc", "manifest", "profile"),
}


class Auditor(HTMLParser):
    """Collects whatever a page of ours must not hold."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.text: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS:
            self.faults.append(f"<{tag}>")
        self._style = tag == "style"
        for name, value in attrs:
            told = (value or "").strip().lower()
            if name.startswith("on") or (tag == "meta" and told == "refresh"):
                self.faults.append(f"<{tag} {name}={value}>")
            if name in _ADDRESSES and not re.match(r"(cid:|#|reports/)", told):
                self.faults.append(f"<{tag} {name}={value}>")
            if EVIL in told and name not in ("alt", "title", "aria-label", "href"):
                self.faults.append(f"<{tag} {name}={value}>")
            if name == "style" and re.search(r"url\(|expression|@import|\\", told):
                self.faults.append(f"<{tag} style={value}>")

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style and re.search(rf"{EVIL}|@import|url\(|alert\(", data):
            self.faults.append(f"style: {data[:80]}")
        if not self._style:
            self.text.append(data)


def audit_html(page: str) -> str:
    """Return the text of a page that holds nothing but our own markup."""
    auditor = Auditor()
    auditor.feed(page)
    auditor.close()
    assert not auditor.faults
    # What no encoder takes, what reorders text and what moves a cursor is gone.
    bad = re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page)
    assert bad is None, repr(page[bad.start() - 40 : bad.end() + 40])
    return " ".join(" ".join(auditor.text).split())


def audit_mail(data: bytes) -> EmailMessage:
    """Return a mail that is sound in every part."""
    assert data.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)
    assert max(map(len, data.split(b"\r\n"))) <= 998
    mail = BytesParser(policy=policy.default).parsebytes(data)
    assert isinstance(mail, EmailMessage)
    assert {name.lower() for name in mail.keys()} <= _HEADERS  # noqa: SIM118
    for name in _HEADERS - {"references"}:
        assert len(mail.get_all(name, [])) <= 1, name
    for part in mail.walk():
        assert not part.defects, part.defects
    for name, value in mail.items():
        assert not getattr(value, "defects", ()), (name, value)
        if name.lower() != "subject":
            assert EVIL not in str(value)
    assert len(mail["to"].addresses) <= 22
    assert "\n" not in mail["subject"]
    assert "\r" not in mail["subject"]
    return mail


def part(mail: EmailMessage, kind: str) -> str:
    found = mail.get_body((kind,))
    assert found is not None
    return str(found.get_content()).replace("\r\n", "\n")


def audit_mails(out: Path) -> dict[str, str]:
    """Check all mails of an outbox; return the text of each by its id."""
    texts = {}
    for path in sorted((out / "outbox").iterdir()):
        mail = audit_mail(path.read_bytes())
        audit_html(part(mail, "html"))
        pdfs = [
            attached.get_content()
            for attached in mail.iter_attachments()
            if attached.get_content_type() == "application/pdf"
        ]
        assert len(pdfs) == 1, f"{path.name} has no PDF"
        audit_pdf(pdfs[0])
        for attached in mail.iter_attachments():
            assert re.fullmatch(r"[\w.-]{1,80}", attached.get_filename() or "")
        texts[mail["x-mlreport-id"]] = part(mail, "plain")
    return texts


_ACTIVE = re.compile(rb"/(?:JavaScript|JS|Launch|OpenAction|EmbeddedFiles?|URI)\b")


def audit_pdf(data: bytes) -> None:
    assert data.startswith(b"%PDF-")
    assert b"%%EOF" in data[-64:]
    objects = pdf_objects(data)
    assert b"/Page" in objects
    # Whole names: the tag of a font's subset may begin with the same letters.
    assert not _ACTIVE.search(objects)


def pdf_objects(data: bytes) -> bytes:
    """Return the objects of a PDF: without its pictures and fonts, whose bytes may be
    anything, but with those that are packed into streams.
    """
    stream = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)
    objects, end = b"", 0
    for found in stream.finditer(data):
        outside = data[end : found.start()]
        end = found.end()
        objects += outside
        if b"/ObjStm" in outside[outside.rfind(b" obj") :]:
            objects += zlib.decompressobj().decompress(found[1])
    return objects + data[end:]


_OWN_ASSETS = re.compile(
    r'<(?:script defer src|link rel="stylesheet" href)="(?:\.\./\.\./)?'
    r'(?:assets|data)/[a-z]+\.(?:js|css)\?[0-9a-f]+">(?:</script>)?\n'
)


def audit_data(script: bytes) -> None:
    """Check that a script of data hands over one text."""
    call = rb"mlreport\.take\('(index|runs|curves)','[0-9a-f]*',\n'[^'\n<>&]*'\);\n"
    assert re.fullmatch(call, script), script[:200]


def audit_out(base: Base) -> str:
    """Check what was written, and return the text of all pages."""
    names = {os.fsdecode(name) for name in os.listdir(os.fsencode(base.folder))}
    assert names <= {"root", "out", "outside"}
    texts = []
    for folder, folders, files in os.walk(base / "out"):
        for name in (*folders, *files):
            assert re.fullmatch(r"[A-Za-z0-9._-]{1,255}", name), name
            path = Path(folder, name)
            assert not path.is_symlink()
            if name.endswith(".html"):
                page = _OWN_ASSETS.sub("", path.read_text("utf-8"))
                texts.append(audit_html(page))
            elif name.endswith(".js") and not folder.endswith("/assets"):
                audit_data(path.read_bytes())
            elif name.endswith(".pdf"):
                audit_pdf(path.read_bytes())
    return "\n".join(texts)


def audit(base: Base, ran: Ran, case: Case) -> None:
    assert ran.code == 0, ran.stderr
    if case.runs == 0:  # no report can say it
        assert any(text in ran.stderr for text in case.says)
        assert ran.stderr.count("\n") == 1
    else:
        assert ran.stderr == ""
    assert "Traceback" not in ran.stdout
    assert ran.memory_kb <= MEMORY_KB
    assert "\x1b" not in ran.stdout
    runs = ran.data["runs"]
    [well] = [one for one in runs if one["name"] == "healthy"]
    assert well["rid"]
    assert well["problems"] == []
    if case.runs is not None:
        assert len(runs) == case.runs + 1
    assert all(one["rid"] for one in runs)
    mails = audit_mails(base / "out")
    told = audit_out(base) + " ".join(mails.values())
    assert "val_loss" in mails[well["rid"]]
    assert "stolen" not in told  # what lies outside the runs
    assert "root:" not in told
    if case.says and case.runs != 0:
        assert any(text in told for text in case.says), told[:3000]
    assert not (base / "root" / "pwned").exists()


@pytest.mark.no_cover
@pytest.mark.parametrize("name", CASES)
def test_a_hostile_run_is_survived_and_told_about(name: str, base: Base):
    survive(name, base)


def survive(name: str, base: Base) -> None:
    case = CASES[name]
    folder = base / "root" / "hostile"
    folder.mkdir()
    undo = case.build(folder)
    before = snapshot(base / "root")
    try:
        ran = base.run()
    finally:
        if callable(undo):
            undo()
    print(f"{name}: {ran.memory_kb / 1000:.0f} MB")  # noqa: T201
    audit(base, ran, case)
    assert snapshot(base / "root") == before
    again = base.run()  # nothing is new, so nothing is told
    assert again.code == 0, again.stderr
    # What was beyond two gigabytes comes next, and is told.
    assert again.data["sent"] == (1 if name == "sparse_with_islands" else 0)
    inspected = base.tick("inspect", str(base / "root"), "--json")
    assert inspected.code == 0, inspected.stderr
    assert len(inspected.data["runs"]) >= 1
    if not name.startswith(("names", "payloads", "json")):
        return
    printed = base.tick("inspect", str(base / "root"))
    assert printed.code == 0, printed.stderr
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", printed.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG_CASES)
def test_a_hostile_run_of_full_size_is_survived_and_told_about(
    name: str, base: Base, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hostile, "is_long_form", True)
    survive(name, base)


# -- things that happen while a tick runs --------------------------------------------


def other_user() -> str:
    """Return a user to whom modes mean something, who may be ourselves."""
    return "nobody" if os.geteuid() == 0 else ""


def test_what_cannot_be_read_is_told_once_and_holds_nothing_up(base: Base):
    user = other_user()
    root = base / "root"
    for name in ("file", "folder", "run", "later"):
        (root / name).mkdir()
        (root / name / "metrics.csv").write_text(good_csv())
    (root / "file" / "log.csv").write_text("step,f1\n1,0.5\n")
    (root / "file" / "hparams.yaml").write_text("lr: 0.1\n")
    (root / "folder" / "eval").mkdir()
    for path in ("file/hparams.yaml", "folder/eval", "run"):
        (root / path).chmod(0)
    if user:
        os.chown(base.folder, pwd.getpwnam(user).pw_uid, -1)
    ran = base.run(user=user)
    assert ran.code == 0, ran.stderr
    assert "root/run: cannot be listed: Permission denied" in ran.stderr
    assert ran.stderr.count("\n") == 1
    runs = {one["name"]: one for one in ran.data["runs"]}
    assert set(runs) == {"healthy", "file", "folder", "later"}
    assert "Permission denied" in " ".join(runs["file"]["problems"])
    assert "Permission denied" in " ".join(runs["folder"]["problems"])
    assert runs["later"]["problems"] == []
    ran = base.run(user=user)
    assert (ran.data["sent"], ran.stderr) == (0, "")
    # A log that was read and cannot be any more keeps what it said.
    (root / "later" / "metrics.csv").chmod(0)
    with (root / "healthy" / "metrics.csv").open("a") as file:
        file.write("12,120,0.05,0.9\n")
    ran = base.run(user=user)
    assert ran.code == 0, ran.stderr
    runs = {one["name"]: one for one in ran.data["runs"]}
    assert runs["healthy"]["rid"]
    assert base.run(user=user).data["sent"] == 0
    for path in ("file/hparams.yaml", "folder/eval", "run", "later/metrics.csv"):
        (root / path).chmod(0o755)
    ran = base.run(user=user)
    assert ran.code == 0, ran.stderr
    assert "run" in {one["name"] for one in ran.data["runs"]}


@pytest.mark.no_cover
def test_files_that_come_and_go_while_a_tick_looks_break_nothing(base: Base):
    root = base / "root"
    stop = threading.Event()

    def churn(number: int) -> None:
        folder = root / f"churn{number}"
        turn = 0
        while not stop.is_set():
            turn += 1
            with contextlib.suppress(OSError):
                shutil.rmtree(folder, ignore_errors=True)
                (folder / "eval").mkdir(parents=True)
                (folder / "metrics.csv").write_text(good_csv(turn % 9))
                (folder / "hparams.yaml").write_text(f"lr: {turn}\n")
                os.truncate(folder / "metrics.csv", turn % 200)
                (folder / "metrics.csv").rename(folder / "log.csv")
                os.mkfifo(folder / "metrics.csv")
                (folder / "hparams.yaml").unlink()
                (folder / "hparams.yaml").symlink_to("/dev/zero")

    threads = [threading.Thread(target=churn, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(5):
            with (root / "healthy" / "metrics.csv").open("a") as file:
                file.write(f"{turn + 12},{turn * 10 + 120},0.0{9 - turn},0.9\n")
            ran = base.run()
            assert ran.code == 0, ran.stderr
            assert ran.stderr == ""
            told = {one["name"]: one for one in ran.data["runs"]}
            assert told["healthy"]["rid"]
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    audit_mails(base / "out")


def test_an_intent_cannot_send_reports_to_strangers(base: Base):
    (base / "root" / "hostile").mkdir()
    (base / "root" / "hostile" / "metrics.csv").write_text(good_csv())
    (base / "root" / "hostile" / "intent.yaml").write_text(
        f"purpose: steal\nto: [thief@{EVIL}, mate@lab.example, x@sub.lab.example]\n"
    )
    (base / "mlreport.yaml").write_text(
        "runs: [{path: root}]\nstate: out\noutbox: {dir: out/outbox}\n"
        "mail: {from: a@lab.example, to: [b@lab.example]}\n"
    )
    ran = base.tick("run", "--json")
    assert ran.code == 0, ran.stderr
    sent_to = {}
    for path in (base / "out" / "outbox").iterdir():
        mail = audit_mail(path.read_bytes())
        sent_to[mail["subject"]] = mail["to"]
    assert sent_to == {
        "[mlreport] healthy": "b@lab.example",
        "[mlreport] hostile": "b@lab.example, mate@lab.example",
    }


def test_an_intent_cannot_send_a_report_to_everybody(base: Base):
    people = ", ".join(f"p{n}@lab.example" for n in range(60))
    (base / "root" / "healthy" / "intent.yaml").write_text(f"to: [{people}]\n")
    (base / "mlreport.yaml").write_text(
        "runs: [{path: root}]\nstate: out\noutbox: {dir: out/outbox}\n"
        "mail: {from: a@lab.example, to: [b@lab.example]}\n"
    )
    ran = base.tick("run", "--json")
    assert ran.code == 0, ran.stderr
    [path] = (base / "out" / "outbox").iterdir()
    assert len(audit_mail(path.read_bytes())["to"].addresses) == 6
    assert "only the first 5 of 60 addresses" in str(ran.data["runs"][0]["problems"])
