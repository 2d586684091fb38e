"""A made-up run and its report: what shows that drawing and mailing work."""

import json
import math
import os
import tempfile
import time

from msgspec.structs import replace

from mlreport_batch.commands.preview import Drawing, drawn
from mlreport_batch.config.settings import Config, RunsRoot
from mlreport_batch.errors import ConfigError
from mlreport_batch.language.dialogue import asked
from mlreport_batch.tick.addressing import Addressing
from mlreport_batch.tick.from_config import make_channel

_EPOCHS = 24
_PACE_S = 90.0


def sample_drawn(config: Config, language: str | None = None) -> Drawing:
    """Draw the report of a made-up run as *config* wants reports to look.

    Args:
        config: All settings; only those of reports matter.
        language: Of the run's name and purpose; by default that of reports.
    """
    language = language or config.report.language
    with tempfile.TemporaryDirectory() as folder:
        run = os.path.join(folder, asked(language, "sample_run"))
        now = time.time()
        _write_run(run, language, now)
        # Its own folder stands for those of the config: no expectation of theirs.
        report = replace(config.report, expect={}, metrics=("*",), hparams=("*",))
        alone = replace(config, runs=(RunsRoot(path=folder),), report=report)
        return drawn(run, alone, now)


def send_sample(config: Config) -> tuple[str, ...]:
    """Send the sample as test mail; return the addresses that it was accepted for.

    Raises:
        MlreportError: It was not accepted; the message says what to do.
    """
    from mlreport_batch.deliver import Envelope
    from mlreport_batch.render.mail import compose

    now = time.time()
    rid = f"test-{int(now)}"
    addressing = Addressing(config, {}, "", now)
    recipients = tuple(dict.fromkeys(config.mail.to))
    if not recipients:
        raise ConfigError("mail.to names nobody", advice="Name a recipient")
    drawing = sample_drawn(config)
    header = replace(
        addressing.of_test(rid, recipients), report_name=drawing.header.report_name
    )
    message = compose(drawing.rendered, header=header)
    addresses = addressing.envelope(recipients)
    with make_channel(config).open() as session:
        session.send(message, Envelope(rid, addressing.sender, addresses))
    return addresses


def _write_run(run: str, language: str, now: float) -> None:
    """Write a short training that goes well, as if it were half done."""
    os.makedirs(run)
    rows = ["epoch,train_loss,val_loss,val_acc"]
    for epoch in range(1, _EPOCHS + 1):
        loss = 2.3 * math.exp(-epoch / 9) + 0.11
        rows.append(
            f"{epoch},{loss:.4f},{loss + 0.05 + 0.01 * math.sin(epoch):.4f},"
            f"{1 - loss / 2.6:.4f}"
        )
    hparams = {"lr": 0.001, "batch_size": 64, "model": "resnet18", "epochs": 40}
    purpose = json.dumps(asked(language, "sample_purpose"), ensure_ascii=False)
    files = {
        "hparams.json": json.dumps(hparams),
        "intent.yaml": f"purpose: {purpose}\nexpect: {{lr: 0.001}}\n",
        "metrics.csv": "\n".join(rows) + "\n",
    }
    for name, text in files.items():
        path = os.path.join(run, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.utime(path, (now - _PACE_S, now - _PACE_S))
