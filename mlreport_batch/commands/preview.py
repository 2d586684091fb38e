"""Draw one run's report without state and without sending it."""

import argparse
import os
import time

from msgspec import Struct
from msgspec.structs import replace

from mlreport_batch.commands.call import config_of
from mlreport_batch.commands.inspect import Looked, look_at
from mlreport_batch.config.load import from_paths
from mlreport_batch.config.locate import DEFAULT_OUT, find_config
from mlreport_batch.config.settings import Config
from mlreport_batch.errors import StateError, UsageError
from mlreport_batch.find.folder import root_of
from mlreport_batch.find.runs import run_name
from mlreport_batch.printing import tell
from mlreport_batch.render import Rendered
from mlreport_batch.render.mail import MailHeader
from mlreport_batch.render.pages import slug_of
from mlreport_batch.report.case import case_of
from mlreport_batch.report.judge import judge, report_of
from mlreport_batch.safety.files import write_durably
from mlreport_batch.safety.remote.address import real_path
from mlreport_batch.tick.addressing import Addressing
from mlreport_batch.tick.from_config import own_formats_of, rules_of, wishes_of
from mlreport_batch.tick.pictures import with_pictures


class Drawing(Struct, frozen=True):
    """One run's report, drawn.

    Attributes:
        slug: Names its folder.
        rendered: What the engine made.
        header: Of its mail.
    """

    slug: str
    rendered: Rendered
    header: MailHeader


def drawn(path: str, config: Config, now: float) -> Drawing:
    """Draw the report of the run at *path* as it is now.

    Raises:
        UsageError: There is not exactly one run at *path*.
    """
    from mlreport_batch.render.local import LocalRenderer

    item = _the_run(path, config)
    path = item.run.path
    roots = {real_path(each.path): each for each in config.runs}
    root = root_of(path, list(roots)) or item.run.root
    wishes = wishes_of(config)
    if root in roots:
        own = roots[root].expected_of(run_name(path, root))
        wishes = replace(wishes, expect={**wishes.expect, **own})
    case = case_of(
        item.view,
        wishes,
        rules_of(config),
        now=now,
        has_grown=False,
        timezone=config.report.timezone or "",
    )
    slug = slug_of(run_name(path, root), path)
    report = report_of(
        judge(case, None),
        rid=f"preview-{slug[-8:]}",
        run=run_name(path, root),
        project=os.path.basename(root),
    )
    report = with_pictures(report, path, item.view.started_ns)
    template = config.render.template
    renderer = LocalRenderer(None if template is None else os.fspath(template))
    addressing = Addressing(config, roots, "", now)
    recipients = addressing.recipients(root if root in roots else None, item.view.to)
    header = addressing.of_run(report, path, recipients)
    return Drawing(slug, renderer.render(report), header)


def _the_run(path: str, config: Config) -> Looked:
    looked = look_at([path], redact=config.redact, own=own_formats_of(config))
    exact = [item for item in looked if item.run.path == real_path(path)]
    if len(exact or looked) != 1:
        names = ", ".join(item.run.name for item in looked[:5])
        raise UsageError(
            f"{path} holds {len(looked)} runs" + (f": {names}" if names else ""),
            advice="Name one run directory"
            if names
            else "`inspect` says what was read",
        )
    return (exact or looked)[0]


def preview(path: str, out: str, config: Config | None, now: float) -> list[str]:
    """Write the report of the run at *path* as HTML, PDF and mail; return the files.

    Raises:
        UsageError: There is not exactly one run at *path*.
        StateError: The files cannot be written.
    """
    from mlreport_batch.render.mail import compose

    drawing = drawn(path, config or from_paths([path], out), now)
    rendered = drawing.rendered
    folder = os.path.join(os.path.expanduser(out), "preview", drawing.slug)
    files = {
        "report.html": rendered.page_html.encode("utf-8", "replace"),
        "report.pdf": rendered.pdf,
        "report.eml": compose(rendered, header=drawing.header),
    }
    written = []
    try:
        os.makedirs(folder, exist_ok=True)
        for name, data in files.items():
            if data is not None:
                write_durably(os.path.join(folder, name), data, 0o644)
                written.append(os.path.join(folder, name))
    except OSError as exc:
        raise StateError(
            f"{folder}: {exc.strerror}", advice="Name another --out"
        ) from exc
    return written


def main(args: argparse.Namespace) -> int:
    """Draw one run's report; return the exit code."""
    config = None
    file = find_config(args.config)
    if file is not None:
        config = config_of(args)
    for path in preview(args.path, args.out or DEFAULT_OUT, config, time.time()):
        tell(path)
    return 0
