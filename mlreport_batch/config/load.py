"""What the user wants: the config file, read into checked settings.

The file is YAML. All that is wrong with it is said at once, each with its line,
its key and, where one is close, the key that was meant. Only ``~`` is expanded;
relative paths start at the folder of the config file; secrets stay elsewhere.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from mlreport_batch.config.builder import Place, Problems, Table
from mlreport_batch.config.channels import (
    SMTP_PORTS,
    OutboxSettings,
)
from mlreport_batch.config.locate import default_state, read_config
from mlreport_batch.config.places import place_of
from mlreport_batch.config.settings import (
    Config,
    ReportSettings,
    RunsRoot,
    table_of_keys,
)
from mlreport_batch.errors import (
    DISK_ERRORS,
    ConfigError,
    StateError,
    UsageError,
    reason_of,
)
from mlreport_batch.safety.address import is_loopback
from mlreport_batch.safety.files import is_below
from mlreport_batch.safety.remote.address import is_remote, real_path
from mlreport_batch.safety.yaml.values import MarkedList, MarkedMap, YamlError


def load(path: str | os.PathLike[str]) -> Config:
    """Read the config file at *path*.

    Raises:
        ConfigError: It is not there, or is wrong; lists all problems at once.
        StateError: The disk it lies on fails.
    """
    try:
        data = read_config(os.fspath(path))
    except OSError as error:
        if error.errno in DISK_ERRORS:
            raise StateError(
                f"{path}: {reason_of(error)}",
                kept="Nothing was read, sent or changed",
                advice="The config is read anew by the next tick",
            ) from error
        raise ConfigError(
            f"The config file {path} cannot be read: {error.strerror}",
            advice="`mlreport-batch init` writes one; `-c FILE` names another",
        ) from error
    if not data and not os.path.isfile(path):
        raise ConfigError(
            f"The config file {path} is no file, and nobody writes to it",
            advice="`-c <(COMMAND)` works where COMMAND writes the config",
        )
    return parse(data, path)


def parse(data: bytes, path: str | os.PathLike[str]) -> Config:
    """Return the settings in *data*, the content of the config file at *path*.

    Raises:
        ConfigError: It is wrong; lists all problems at once.
    """
    from mlreport_batch.safety.yaml.load import load as load_yaml

    file = os.fspath(path)
    problems = Problems(file)
    try:
        document = load_yaml(data, marked=True)
    except YamlError as error:
        problems.add(error.line or 1, "", error.message)
        raise _wrong(problems) from error
    if isinstance(document, MarkedMap):
        for line, message in document.problems:
            problems.add(line, "", message)
    config = Table(Config, table_of_keys).read(document, Place(problems, "", 1))
    tables = document if isinstance(document, MarkedMap) else MarkedMap()
    if isinstance(config, Config):
        config = _with_port(config, tables)
        if tables.get("state") is None:
            config = replace(config, state=Path(default_state(file)))
        _Check(config, tables, problems).all()
    if problems.found or not isinstance(config, Config):
        raise _wrong(problems)
    return replace(
        config,
        source=Path(file).absolute(),
        never_enter=(
            config.state,
            config.outbox.dir,
            *([config.pages.dir] if config.pages.dir else []),
        ),
    )


def _wrong(problems: Problems) -> ConfigError:
    count = len(problems.found)
    return ConfigError(
        f"{problems.file} has {count} problem{'s' if count > 1 else ''}",
        problems=problems.lines(),
        kept="Nothing was read, sent or changed",
        advice="docs/config.md explains every key",
    )


def _with_port(config: Config, tables: MarkedMap) -> Config:
    smtp = tables.get("smtp")
    if isinstance(smtp, Mapping) and smtp.get("port") is not None:
        return config
    port = SMTP_PORTS[config.smtp.security]
    return replace(config, smtp=replace(config.smtp, port=port))


class _Check:
    """What no single setting can tell: that they fit together."""

    def __init__(self, config: Config, tables: MarkedMap, problems: Problems) -> None:
        self.config = config
        self.tables = tables
        self.problems = problems

    def all(self) -> None:
        self._mail()
        self._smtp()
        self._google()
        self._elsewhere()
        self._folders()

    def _is_given(self, table: str, key: str) -> bool:
        content = self.tables.get(table)
        return isinstance(content, Mapping) and content.get(key) is not None

    def _add(self, key: str, message: str) -> None:
        """Note a problem unless *key* is known to be wrong already."""
        if self.problems.concerns(key):
            return
        table, _, name = key.partition(".")
        line = self.tables.lines.get(table, 1)
        content = self.tables.get(table)
        if isinstance(content, MarkedMap):
            line = content.lines.get(name, line)
        self.problems.add(line, key, message)

    def _mail(self) -> None:
        via = self.config.mail.via
        if via == "outbox":
            return
        if not self._is_given("mail", "from"):
            self._add("mail.from", f"is missing; via: {via} needs a sender")
        all_have = all(root.to for root in self.config.runs)
        if not self._is_given("mail", "to") and not all_have:
            self._add("mail.to", f"is missing; via: {via} needs recipients")

    def _smtp(self) -> None:
        smtp = self.config.smtp
        if self.config.mail.via == "smtp" and smtp.host is None:
            self._add("smtp.host", "is missing; via: smtp needs a server")
        keys = ("password_env", "password_file", "grant_file")
        secrets = [key for key in keys if getattr(smtp, key)]
        for key in secrets[1:]:
            self._add(f"smtp.{key}", f"excludes {secrets[0]}; keep one of them")
        if smtp.username and not secrets:
            message = "needs password_env, password_file or grant_file"
            if not self.problems.concerns("smtp.password_env"):
                self._add("smtp.username", message)
        if (
            secrets
            and not smtp.username
            and not self.problems.concerns("smtp.username")
        ):
            self._add(f"smtp.{secrets[0]}", "needs a username")
        if (
            smtp.security == "none"
            and smtp.username
            and not is_loopback(smtp.host or "localhost")
        ):
            self._add(
                "smtp.security",
                "none would send the password in clear text; use starttls or tls",
            )

    def _google(self) -> None:
        if self.config.render.engine == "google" and not self.config.google.template:
            self._add(
                "google.template",
                "is missing; engine: google needs a document"
                " (`mlreport-batch template create` makes one)",
            )

    def _elsewhere(self) -> None:
        for table, name in (("notify", "urls"), ("ping", "url"), ("webhook", "url")):
            given = [f"{name}_{kind}" for kind in ("env", "file")]
            if all(self._is_given(table, key) for key in given):
                self._add(f"{table}.{given[1]}", f"excludes {given[0]}; keep one")
            settings = getattr(self.config, table)
            if not settings.is_on and settings != type(settings)():
                self._add(table, f"tells nobody; it needs {given[0]} or {given[1]}")
        file = self.config.prometheus.file
        if file is not None and file.suffix != ".prom":
            self._add(
                "prometheus.file", f"{file} does not end in .prom, which is not read"
            )

    def _folders(self) -> None:
        if self.problems.concerns("runs"):
            return
        roots = [
            (f"runs[{number}].path", real_path(root.path))
            for number, root in enumerate(self.config.runs)
        ]
        given = self.tables.get("runs")
        lines = given.lines if isinstance(given, MarkedList) else []
        for number, (key, real) in enumerate(roots):
            line = lines[number] if lines else self.tables.lines["runs"]
            for other_key, other in roots[:number]:
                if relation := _relation(real, other):
                    self.problems.add(
                        line, key, f"{relation} {other_key}; one is enough"
                    )
        for key, folder in self._written():
            for other_key, other in roots:
                if _relation(real_path(str(folder)), other).startswith(("is", "lies")):
                    text = f"{folder} lies inside {other_key}; folders with runs are"
                    self._add(key, f"{text} never written to")

    def _written(self) -> list[tuple[str, Path]]:
        """Return the folders that are written to, by their keys."""
        ours = [("state", self.config.state)]
        if self.config.mail.via == "outbox":
            ours.append(("outbox.dir", self.config.outbox.dir))
        if self.config.pages.dir is not None:
            ours.append(("pages.dir", self.config.pages.dir))
        if self.config.prometheus.file is not None:
            ours.append(("prometheus.file", self.config.prometheus.file.parent))
        return ours


def _relation(path: str, other: str) -> str:
    """Return how two folders overlap, or nothing where they do not."""
    if path == other:
        return "is the same folder as"
    if is_below(path, other):
        return "lies inside"
    return "contains" if is_below(other, path) else ""


def from_paths(
    paths: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]
) -> Config:
    """Return the settings of a call that names *paths* and has no config file.

    The local engine and the outbox are used, and everything lies below *out*, the
    state included. A path given twice, or below another one, counts once.

    Raises:
        UsageError: A path is no folder.
    """
    reals: dict[str, str] = {}
    for path in (place_of(os.fspath(path)) for path in paths):
        if is_remote(path):
            reals[real_path(path)] = real_path(path)
            continue
        absolute = Path(path).expanduser().absolute()
        if not absolute.is_dir():
            is_there = absolute.exists()
            what = "a folder of runs, or one run directory"
            if is_there and absolute.suffix.lower() == ".zip":
                what = f"an archive of runs as zip://{absolute}"
            raise UsageError(
                f"{path} is {'not a folder' if is_there else 'not there'}",
                advice=f"Name {what}",
            )
        reals.setdefault(os.path.realpath(absolute), os.path.normpath(absolute))
    roots = tuple(
        RunsRoot(path=path)
        for real, path in reals.items()
        if not any(is_below(real, other) for other in reals)
    )
    below = Path(out).expanduser().absolute()
    return Config(
        runs=roots,
        state=below,
        outbox=OutboxSettings(dir=below / "outbox"),
        report=ReportSettings(first_seen_max_age=None),
        out=below,
        never_enter=(below,),
    )
