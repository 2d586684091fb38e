"""Check a config where it will be used: each thing one line, ok or what to do."""

import argparse
import os
from collections.abc import Iterator

from msgspec.structs import replace

from mlreport_batch.commands.call import config_of
from mlreport_batch.commands.inspect import Rest, look_at
from mlreport_batch.commands.sample import sample_drawn, send_sample
from mlreport_batch.config.settings import Config
from mlreport_batch.errors import (
    Checked,
    ConfigError,
    RenderError,
    StateError,
    UsageError,
    checked,
    until_failed,
)
from mlreport_batch.printing import colours, painted, tell
from mlreport_batch.state.folder import network_of
from mlreport_batch.tick.from_config import make_channel, own_formats_of
from mlreport_batch.tick.reading import advice_on_root


def check(config: Config, *, send_test: bool, live: bool) -> Iterator[Checked]:
    """Yield one line a thing checked, with the failure if it failed."""
    yield f"config {config.source or 'none (paths given)'}", None
    for root in config.runs:
        yield checked(lambda path=root.path: _runs(path, config))  # type: ignore[misc]
    if ":" in config.executor:
        yield checked(lambda: _executor(config.executor))
    yield checked(lambda: _folder(os.fspath(config.state)))
    if config.pages.dir is not None:
        pages = os.fspath(config.pages.dir)
        yield checked(lambda: _pages(pages))
    yield checked(lambda: _drawing(config))
    if config.render.engine == "local" and config.render.template is not None:
        template = os.fspath(config.render.template)
        yield from until_failed(_template(config, template))
    if config.render.engine == "google" or config.mail.via == "gmail":
        yield from _google(config, live=live)
    if config.mail.via != "gmail":
        yield checked(lambda: make_channel(config).check())
    if config.tells_elsewhere:
        from mlreport_batch.tick.elsewhere import checks

        yield from checks(config, send_test=send_test)
    if send_test:
        yield checked(lambda: _send_test(config))


def _runs(path: str, config: Config) -> str:
    rest: list[Rest] = []
    own = own_formats_of(config)
    try:
        looked = look_at([path], never_enter=config.never_enter, own=own, rest=rest)
    except UsageError as exc:  # said of a path that is named in the call
        raise ConfigError(exc.message, advice=advice_on_root(path)) from exc
    problems = sum(len(item.view.problems) for item in looked)
    problems += sum(len(each.problems) for each in rest)
    more = f", {problems} problems (`inspect` shows them)" if problems else ""
    return f"runs {path}: {len(looked)} found{more}"


def _executor(name: str) -> str:
    from mlreport_batch.tick.cluster import elsewhere

    elsewhere(name, ())().shutdown()
    return f"executor {name}"


def _check_writable(what: str, path: str) -> None:
    place = path
    while not os.path.exists(place) and place != os.path.dirname(place):
        place = os.path.dirname(place)
    if not os.access(place, os.W_OK | os.X_OK) or not os.path.isdir(place):
        raise StateError(
            f"{what} {path} cannot be written",
            advice=f"Mend the permissions of {place}",
        )


def _pages(path: str) -> str:
    _check_writable("pages", path)
    return f"pages {path}"


def _folder(path: str) -> str:
    _check_writable("state", path)
    network = network_of(path)
    if network:
        return (
            f"state {path}, on a network file system ({network}): its locks and syncs "
            "may not hold. A folder on this machine's own disk is safer"
        )
    return f"state {path}"


def _drawing(config: Config) -> str:
    """Draw a sample and look for its words in the PDF: without fonts they vanish."""
    built_in = replace(config, render=replace(config.render, template=None))
    pdf = sample_drawn(built_in, "ko").rendered.pdf
    if pdf is None:
        raise RenderError(
            "no PDF can be drawn", advice="Reinstall mlreport-batch with its fonts"
        )
    if b"NanumGothic" not in pdf:
        raise RenderError(
            "the PDF holds no Korean font",
            advice="Reinstall mlreport-batch with its fonts",
        )
    return f"drawing: HTML, charts and PDF ({len(pdf) // 1000} KB) with fonts"


def _template(config: Config, path: str) -> Iterator[Checked]:
    """Draw a sample in the user's template, and look for names that nothing fills."""
    from mlreport_batch.render import own, placeholders

    names = placeholders.parse(own.read_template(path))
    sample_drawn(config)
    yield from placeholders.check(f"template {path}", names)


def _google(config: Config, *, live: bool) -> Iterator[Checked]:
    from mlreport_batch.google.setup import check_google, check_live

    yield from check_google(config)
    if live:
        yield from check_live(config)


def _send_test(config: Config) -> str:
    addresses = send_sample(config)
    return f"test mail to {', '.join(addresses)} accepted: a sample report"


def main(args: argparse.Namespace) -> int:
    """Print one line a thing checked; return the first failure's exit code."""
    config = config_of(args)
    code = 0
    shades = colours(args.color)
    for line, error in check(config, send_test=args.send_test, live=args.live):
        word = "ok  " if error is None else painted("FAIL", shades, is_bad=True)
        tell(f"{word}  {line}")
        if error is not None:
            code = code or error.exit_code
    return code
