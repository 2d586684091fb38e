"""``status``: the runs that are known, the last mails, and what waits until when."""

import argparse
import contextlib
import os
import time
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlreport_batch.commands.call import state_folder
from mlreport_batch.find.runs import told_path
from mlreport_batch.language.dates import utc_text
from mlreport_batch.language.figures import duration_text
from mlreport_batch.printing import (
    colours,
    columns_of,
    fitted,
    painted,
    tell,
    tell_json,
)
from mlreport_batch.safety.clean import clean
from mlreport_batch.state.folder import state_errors
from mlreport_batch.state.idle import LAST_NEWS_AT
from mlreport_batch.state.owed import Owed
from mlreport_batch.state.record import read_record
from mlreport_batch.state.spool import Spool, spool_of
from mlreport_batch.state.store import RunRow, State

SENT_MAX = 10
_RUNS_SHOWN = 20
_MAILS_SHOWN = 5
_WIDE = 36
_BAD = ("failed", "killed", "out_of_time", "stalled")


def status(folder: str, now: float) -> dict[str, object]:
    """Return what ``status --json`` prints, without changing anything.

    Raises:
        StateError: The state is damaged.
    """
    with (
        state_errors(folder),
        contextlib.closing(State.copy_in_memory(folder)) as state,
    ):
        mails = state.owed()
        last = state.meta(LAST_NEWS_AT)
        next_at = float(state.meta("channel_next_at", "0"))
        return {
            "state": folder,
            "runs": state.run_count(),
            "owed": [_mail(mail, now) for mail in mails if not mail.held],
            "dead": [_mail(mail, now) for mail in mails if mail.held],
            "last_news_at": utc_text(float(last)) if last else None,
            "version": 1,
            "known": [_run(row, folder) for row in state.runs()],
            "sent": _sent(folder),
            "channel": {
                "why": state.meta("channel_why"),
                "next_at": utc_text(next_at) if next_at > now else None,
            },
        }


def _run(row: RunRow, folder: str) -> dict[str, object]:
    page = os.path.join(folder, "reports", row.slug, "report.html")
    return {
        "name": row.name,
        "path": told_path(row.path),
        "status": row.status,
        "headline": row.headline,
        "reports": row.seq,
        "rid": row.rid,
        "reported_at": None if row.reported_at is None else utc_text(row.reported_at),
        "page": page if row.slug and os.path.exists(page) else None,
    }


def _mail(mail: Owed, now: float) -> dict[str, object]:
    return {
        "rid": mail.rid,
        "subject": mail.subject,
        "recipients": list(mail.recipients),
        "created_at": utc_text(mail.created_at),
        "age": duration_text(now - mail.created_at),
        "attempts": mail.attempts,
        "next_at": utc_text(mail.next_at) if mail.next_at > now else None,
        "why": mail.why,
    }


def _sent(folder: str) -> list[dict[str, object]]:
    """Return the mails that were accepted last, the newest first.

    A tombstone has the time at which a mail was accepted; its record says what it was,
    until the daily copy of the state makes that needless.
    """
    place = spool_of(folder)
    accepted: list[tuple[float, str]] = []
    with contextlib.suppress(OSError), os.scandir(f"{place}/sent") as entries:
        accepted = sorted((each.stat().st_ctime, each.name) for each in entries)
    if not accepted:
        return []
    spool = Spool(place)
    found = []
    for at, rid in reversed(accepted[-SENT_MAX:]):
        record = read_record(spool, rid)
        if record is not None:
            mail = record.owed
            told: dict[str, object] = {
                "rid": rid,
                "subject": mail.subject,
                "recipients": list(mail.recipients),
                "accepted_at": utc_text(at),
            }
            found.append(told)
    return found


def status_lines(
    found: Mapping[str, Any], now: float, shades: Mapping[str, str]
) -> list[str]:
    """Return what ``status`` prints for people.

    Args:
        found: As `status` gives it.
        now: Seconds since the epoch.
        shades: Escape sequences, as `printing.colours` gives them.
    """
    known = found["known"]
    counts = Counter(row["status"] or "not reported" for row in known)
    words = ", ".join(f"{count:,} {word}" for word, count in counts.most_common())
    lines = [
        f"state      {found['state']}",
        f"runs       {found['runs']}" + (f"  ({words})" if words else ""),
        f"last news  {_local(found['last_news_at'], now) or 'never'}",
        *_told_mails("owed", found["owed"], now, shades),
        *_told_mails("dead", found["dead"], now, shades),
    ]
    channel = found["channel"]
    if channel["why"]:
        until = _local(channel["next_at"], now)
        again = f"; tried again after {until}" if until else "; tried by the next run"
        lines.append(f"no way out {channel['why']}{again}")
    if found["owed"] or found["dead"]:
        lines.append("           `retry` sends again, `drop RID` gives up")
    if found["sent"]:
        lines.append("last mails")
        lines += [
            f"  {_local(mail['accepted_at'], now)}  {mail['subject']}"
            f"  to {', '.join(mail['recipients'])}"
            for mail in found["sent"][:_MAILS_SHOWN]
        ]
    return [*lines, *_told_runs(known, now, shades)]


def _told_mails(
    kind: str, mails: list[Any], now: float, shades: Mapping[str, str]
) -> list[str]:
    lines = [painted(f"{kind:<10} {len(mails)}", shades, is_bad=bool(mails))]
    for mail in mails:
        until = _local(mail["next_at"], now)
        lines.append(
            f"  {mail['rid']}  {mail['subject']}  to {', '.join(mail['recipients'])}"
            f"  {mail['age']} old, {mail['attempts']} attempts"
            + (f", next after {until}" if until else "")
        )
        if mail["why"]:
            lines.append(f"    {mail['why']}")
    return lines


def _told_runs(known: list[Any], now: float, shades: Mapping[str, str]) -> list[str]:
    """Return a line a run: those that need somebody first, then the newest."""
    rows = sorted(known, key=lambda row: row["reported_at"] or "", reverse=True)
    rows.sort(key=lambda row: row["status"] not in _BAD)
    shown = rows[:_RUNS_SHOWN]
    if not shown:
        return []
    names = [clean(row["name"], 4096) for row in shown]
    wide = min(_WIDE, max(map(columns_of, names)))
    lines = ["known runs"]
    for name, row in zip(names, shown, strict=True):
        at = _local(row["reported_at"], now) or "-"
        is_bad = row["status"] in _BAD
        status = painted(f"{row['status'] or '-':<11}", shades, is_bad=is_bad)
        text = f"  {fitted(name, wide)}  {status}  {at:<16}  {row['headline']}"
        lines.append(text.rstrip())
    if len(rows) > len(shown):
        lines.append(f"  and {len(rows) - len(shown):,} more (--json lists all)")
    return lines


def _local(moment: str | None, now: float) -> str:
    """Return a time as this machine's clock shows it; of today, only the time."""
    if moment is None:
        return ""
    at = datetime.fromisoformat(moment).astimezone()
    is_today = at.date() == datetime.fromtimestamp(now, at.tzinfo).date()
    return f"{at:%H:%M}" if is_today else f"{at:%Y-%m-%d %H:%M}"


def main(args: argparse.Namespace) -> int:
    """Say what is known, owed and dead; return the exit code."""
    now = time.time()
    found = status(state_folder(args), now)
    if args.json:
        tell_json(found)
    else:
        tell("\n".join(status_lines(found, now, colours(args.color))))
    return 0
