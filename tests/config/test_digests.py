"""Digests at set times come when the reader's clock says so."""

import zoneinfo
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlreport_batch.config.digests import DAYS, next_digest

SEOUL = zoneinfo.ZoneInfo("Asia/Seoul")
BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


@settings(max_examples=60)
@given(
    st.integers(0, 2 * 365 * 86400),
    st.sampled_from(["daily", *(f"weekly {day}" for day in DAYS)]),
    st.integers(0, 23),
    st.integers(0, 59),
)
def test_a_digest_is_due_at_the_next_such_time(
    later_s: int, kind: str, hour: int, minute: int
):
    after = datetime(2026, 1, 1, tzinfo=SEOUL) + timedelta(seconds=later_s)
    found = next_digest(f"{kind} {hour:02d}:{minute:02d}", after)
    step = timedelta(days=1 if kind == "daily" else 7)
    assert timedelta() < found - after <= step
    assert (found.hour, found.minute, found.second) == (hour, minute, 0)
    if kind != "daily":
        assert DAYS[found.weekday()] == kind.split()[1]


def test_the_clock_of_the_reader_counts_also_where_it_is_changed():
    before = datetime(2026, 3, 28, 20, 0, tzinfo=BERLIN)  # the night loses an hour
    found = next_digest("daily 07:00", before).astimezone(UTC)
    assert found == datetime(2026, 3, 29, 5, 0, tzinfo=UTC)
    lost = next_digest("daily 02:30", before)
    assert lost.timestamp() > before.timestamp()


def test_what_names_no_time_is_no_time():
    with pytest.raises(ValueError, match="names no times"):
        next_digest("hourly", datetime(2026, 1, 1, tzinfo=UTC))
