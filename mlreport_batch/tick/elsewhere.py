"""Tell others of a tick, beside the mails: see `deliver.elsewhere`.

The tick tells a watching service that it began once it has the lock, and everything
else when all is done and the lock is free again. What fails becomes one line each.
"""

import json
import os
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from mlreport_batch.config.channels import PingSettings, WebhookSettings
from mlreport_batch.config.settings import Config
from mlreport_batch.deliver.elsewhere import (
    address_of,
    addresses_of,
    place_of,
    within,
)
from mlreport_batch.deliver.elsewhere.calls import Call, Caller
from mlreport_batch.deliver.elsewhere.notify import Notices, check_extra, tell_all
from mlreport_batch.deliver.elsewhere.textfile import Gauge, text_of, written
from mlreport_batch.errors import (
    Checked,
    DeliveryError,
    MlreportError,
    StateError,
    checked,
)
from mlreport_batch.find.runs import told_path
from mlreport_batch.report.drawn import Chart
from mlreport_batch.report.notice import Notice, of_rest, of_test
from mlreport_batch.safety.clean import clean
from mlreport_batch.safety.masking.redact import redact_text
from mlreport_batch.tick.noticing import page_address
from mlreport_batch.tick.summary import TickSummary
from mlreport_batch.tick.telling import as_json, as_lines

_TAIL = 10_000
"""Characters of what a tick said that are sent with its ping."""
_LONG = ("notify", "webhook")
_NO_COLOURS = dict.fromkeys(("bad", "good", "soft", "end"), "")


class Elsewhere:
    """Tells others of one tick.

    Args:
        config: All settings.
        now: When the tick began, seconds since the epoch.
        must_stop: True once the process was asked to end: then it only pings.
    """

    def __init__(
        self, config: Config, now: float, must_stop: Callable[[], bool]
    ) -> None:
        self._config = config
        self._now = now
        self._must_stop = must_stop
        self._has_begun = False
        self._pinger = Caller(config.ping.timeout_s)
        self._lines: list[str] = []

    def begin(self) -> None:
        """Say that the tick has begun."""
        self._has_begun = True
        if self._config.ping.is_on:
            self._try("ping", lambda: self._ping("/start", ""))

    def end(self, summary: TickSummary) -> None:
        """Say what the tick did; add to its notices whom it did not reach."""
        config = self._config
        if config.notify.is_on and summary.told:
            told = self._chosen(summary.told)
            self._try("notify", lambda: notify(config, told))
        if config.webhook.is_on and (summary.runs or summary.errors):
            self._try("webhook", lambda: self._post(summary))
        if config.prometheus.is_on:
            self._write(_gauges(summary))
        if config.ping.is_on:
            self._end_ping(summary.exit_code, _said(summary))
        summary.notices += self._lines

    def failed(self, exc: Exception) -> None:
        """Say that the tick, once begun, ended by *exc*; note whom it did not reach."""
        if not self._has_begun:
            return
        code = exc.exit_code if isinstance(exc, MlreportError) else 70
        if self._config.prometheus.is_on:
            self._write([_exit_code(code)])
        if self._config.ping.is_on:
            self._end_ping(code, str(exc) or type(exc).__name__)
        for line in self._lines:
            exc.add_note(line)

    def _try(self, what: str, tell: Callable[[], str]) -> None:
        why = ""
        if self._must_stop() and what in _LONG:
            why = "not told, since the tick was asked to end"
        else:
            try:
                why = tell()
            except MlreportError as exc:
                self._lines.append(str(exc))
            except Exception as exc:  # noqa: BLE001 - the mails are out: no exit code
                why = f"could not be told ({type(exc).__name__})"
        if why:
            self._lines.append(
                f"{what}: {why}; it is not told again. Mails are not held up"
            )

    def _chosen(self, told: list[Notice]) -> list[Notice]:
        """Return the first notices, and one instead of all others."""
        most, language = self._config.notify.max_per_tick, self._config.report.language
        told = sorted(told, key=lambda notice: not notice.is_bad)
        rest = [notice.title for notice in told[most:]]
        if not rest:
            return told
        address = page_address(self._config)
        link = f"{address}/index.html" if address else ""
        return [*told[:most], of_rest(rest, language=language, link=link)]

    def _ping(self, way: str, text: str) -> str:
        ping = self._config.ping
        body = redact_text(text)[-_TAIL:].encode("utf-8", "replace")
        url = address_of(ping, "ping") + way
        call = Call(url, body, timeout_s=ping.timeout_s, is_repeatable=True)
        return self._pinger.post(call)

    def _end_ping(self, code: int, text: str) -> None:
        said = f"exit code {code}\n{text}"
        self._try("ping", lambda: self._ping("/fail" if code else "", said))
        self._pinger.close()

    def _post(self, summary: TickSummary) -> str:
        hook = self._config.webhook
        body = json.dumps(as_json(summary)).encode()
        url = address_of(hook, "webhook")
        caller = Caller(hook.timeout_s)
        try:
            return caller.post(Call(url, body, "application/json", hook.timeout_s))
        finally:
            caller.close()

    def _write(self, gauges: list[Gauge]) -> None:
        config = self._config
        file, shard = config.prometheus.file, config.shard
        if file is None:
            return
        whose = {"config": clean(told_path(os.fspath(config.source or "")))}
        if shard is not None:
            whose["shard"] = f"{shard[0]}/{shard[1]}"
        began = Gauge("last_tick_timestamp_seconds", "When it began.", {"": self._now})
        text = text_of([began, *gauges], whose)
        self._try("prometheus", lambda: written(file, text))


def notify(config: Config, notices: list[Notice]) -> str:
    """Tell notices; return who did not take them, or empty.

    Raises:
        MlreportError: No address is there, or the extra is missing.
    """
    check_extra()
    settings = config.notify
    urls, timeout_s = addresses_of(settings), settings.timeout_s
    return within(timeout_s, _tell, Notices(urls, tuple(notices), timeout_s))


def _tell(notices: Notices) -> str:
    drawn = (replace(each, picture=_drawn(each.chart)) for each in notices.notices)
    return tell_all(replace(notices, notices=tuple(drawn)))


def _drawn(chart: Chart | None) -> bytes:
    """Return a chart as PNG, or nothing: a notice is worth telling without it."""
    if chart is None:
        return b""
    from mlreport_batch.render import charts, pdf

    try:
        return pdf.write_png(
            charts.svg(chart), width=charts.WIDTH, height=charts.HEIGHT
        )
    except (*pdf.FAILURES, ArithmeticError, LookupError, TypeError):
        return b""


def _gauges(summary: TickSummary) -> list[Gauge]:
    return [
        _exit_code(summary.exit_code),
        Gauge(
            "last_tick_stage_seconds", "What it took.", dict(summary.seconds), "stage"
        ),
        Gauge("runs", "Runs, by the last report.", dict(summary.statuses), "status"),
        Gauge("alerted_runs", "With an alert that holds.", {"": len(summary.alerted)}),
        Gauge("reported_runs", "With news in it.", {"": len(summary.runs)}),
        Gauge("sent_mails", "Accepted in it.", {"": summary.sent}),
        Gauge("owed_mails", "That wait.", {"": summary.owed}),
        Gauge("dead_mails", "Refused for good or held.", {"": summary.dead}),
    ]


def _exit_code(code: int) -> Gauge:
    return Gauge("last_tick_exit_code", "Its exit code.", {"": code})


def _said(summary: TickSummary) -> str:
    lines = as_lines(summary, colours=_NO_COLOURS, verbose=True)
    errors = [str(error) for error in summary.errors]
    return "\n".join([*lines, *summary.notices, *errors])


def checks(config: Config, *, send_test: bool) -> Iterator[Checked]:
    """Yield a line for each place that is told of ticks, with the failure if it is."""
    for key, settings in (("ping", config.ping), ("webhook", config.webhook)):
        if settings.is_on:
            yield checked(lambda key=key, table=settings: _named(table, key))  # type: ignore[misc]
    if config.prometheus.is_on:
        yield checked(lambda: _folder_of(config))
    if config.notify.is_on:
        yield checked(lambda: _services(config, send_test=send_test))


def _named(settings: PingSettings | WebhookSettings, key: str) -> str:
    return f"{key} {place_of(address_of(settings, key))}: the address is there"


def _folder_of(config: Config) -> str:
    folder = os.path.dirname(os.fspath(config.prometheus.file or ""))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StateError(
            f"prometheus.file: {folder} cannot be written",
            advice="Make that folder, or mend its permissions",
        )
    return f"prometheus {config.prometheus.file}"


def _services(config: Config, *, send_test: bool) -> str:
    check_extra()
    names = ", ".join(
        place_of(url).partition(":")[0] for url in addresses_of(config.notify)
    )
    if not send_test:
        return f"notify {names}: the addresses are there"
    if why := notify(config, [of_test(language=config.report.language)]):
        raise DeliveryError(f"notify: {why}", advice="Look at the addresses")
    return f"notify {names}: took a test notice"
