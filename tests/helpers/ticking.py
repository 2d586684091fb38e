"""A desk with runs on it, and ticks of the real program over them."""

import json
import os
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlreport_batch.cli import main
from mlreport_batch.config.load import from_paths, load
from mlreport_batch.config.settings import Config
from mlreport_batch.tick.conduct import run_tick
from mlreport_batch.tick.summary import Options, TickSummary

if TYPE_CHECKING:
    from email.message import EmailMessage


# A sendmail that takes mails into a folder, unless a file says what to exit with.
SENDMAIL = """#!/bin/sh
code=$(cat "$(dirname "$0")/code" 2>/dev/null || echo 0)
[ "$code" = 0 ] || exit "$code"
folder="$(dirname "$0")/taken"
mkdir -p "$folder"
cat > "$folder/$(ls "$folder" | wc -l).eml"
"""


@dataclass
class Said:
    """What a call of the program left on its outputs."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict:
        return json.loads(self.out)


@dataclass
class Desk:
    """A folder of runs and a folder for what is made of them."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    _seen: set[str] = field(default_factory=set)

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def put(self, path: str, text: str | bytes, *, age_s: float = 600) -> Path:
        """Write a file of a run as if it had been written a while ago."""
        file = self.runs / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return self.age(file, age_s)

    def append(self, path: str, text: str, *, age_s: float = 500) -> Path:
        file = self.runs / path
        with file.open("a") as stream:
            stream.write(text)
        return self.age(file, age_s)

    def age(self, file: Path, age_s: float) -> Path:
        at = time.time_ns() - int(age_s * 1e9)
        os.utime(file, ns=(at, at))
        return file

    def copy(self, source: Path, name: str = "") -> Path:
        """Lay a folder of fixtures over the runs, as its framework wrote it."""
        target = self.runs / name
        shutil.copytree(source, target, dirs_exist_ok=True, symlinks=True)
        for path in target.rglob("*"):
            if path.is_file() and not path.is_symlink():
                self.age(path, 600)
        return target

    def run(self, *args: str | Path) -> Said:
        """Run the command line in this process."""
        self.capsys.readouterr()
        code = main([str(arg) for arg in args])
        out, err = self.capsys.readouterr()
        return Said(code, out, err)

    def report(self, *args: str | Path) -> Said:
        """Run ``run`` over the runs, without a config."""
        return self.run("run", self.runs, "--out", self.out, *args)

    def config(self, text: str = "", runs: str = "") -> Path:
        """Write a config whose mails go through a sendmail of ours."""
        program = self.folder / "mta" / "sendmail"
        program.parent.mkdir(exist_ok=True)
        program.write_text(SENDMAIL)
        program.chmod(0o755)
        file = self.folder / "mlreport.yaml"
        file.write_text(
            f"runs: [{{path: {self.runs}{runs}}}]\nstate: {self.out}\n"
            + (text if "mail:" in text else f"mail: {{{MAIL}}}\n{text}")
            + f"sendmail: {{command: [{program}, -t]}}\n"
        )
        return file

    def answer(self, code: int) -> None:
        """Let the sendmail exit with *code* from now on."""
        (self.folder / "mta" / "code").write_text(str(code))

    def tick(self, config: Path | None, now: float, **options: object) -> TickSummary:
        """Do one tick at a time of ours."""
        return run_tick(
            self.settings(config),
            Options(**options),  # type: ignore[arg-type]
            config_key="key",
            now=now,
        )

    def settings(self, config: Path | None) -> Config:
        if config is not None:
            return load(config)
        return from_paths([self.runs], self.out)

    def mails(self) -> "list[EmailMessage]":
        """Return the mails that arrived since the last call, by subject."""
        from email import message_from_bytes, policy

        found = []
        for place in (self.out / "outbox", self.folder / "mta" / "taken"):
            if place.exists():
                found += [p for p in place.glob("*.eml") if str(p) not in self._seen]
        self._seen.update(map(str, found))
        mails = [
            message_from_bytes(path.read_bytes(), policy=policy.default)
            for path in found
        ]
        return sorted(mails, key=lambda mail: str(mail["Subject"]))

    def texts(self) -> list[str]:
        """Return the plain text of the mails that arrived since the last call."""
        bodies = [mail.get_body(("plain",)) for mail in self.mails()]
        return [body.get_content() for body in bodies if body is not None]

    def everything(self) -> dict[str, tuple[int, int, int, bytes]]:
        """Return all there is below the out folder: inode, mtime, size, bytes."""
        found = {}
        for path in self.out.rglob("*"):
            status = path.lstat()
            data = path.read_bytes() if path.is_file() else b""
            found[str(path)] = (status.st_ino, status.st_mtime_ns, status.st_size, data)
        return found


MAIL = "via: sendmail, from: ML <ml@lab.example>, to: [me@lab.example]"
