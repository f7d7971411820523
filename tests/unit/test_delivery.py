"""When a delivery that nothing was heard of is looked at again: more and more seldom, and never not at all."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime.delivery import LOOK_AGAIN, should_look_again

SINCE = datetime(2026, 11, 25, 1, 11, 41, tzinfo=UTC)
LEAST, MOST = LOOK_AGAIN


def head(status: str = "Ready for delivery", looked: datetime | None = None) -> dict[str, str]:
    seen = {} if looked is None else {"lookedAt": looked.isoformat()}
    return {"status": status, "since": SINCE.isoformat(), **seen}


def looks(days: int) -> list[timedelta]:
    """When a reconciler that runs each minute looks, since the status was reached."""
    looked: datetime | None = None
    found = []
    for minute in range(days * 24 * 60):
        now = SINCE + timedelta(minutes=minute)
        if should_look_again(head(looked=looked), now):
            looked = now
            found.append(now - SINCE)
    return found


def test_the_pauses_double_up_to_six_hours() -> None:
    minutes = [look.total_seconds() / 60 for look in looks(days=2)]
    assert minutes[:6] == [15, 30, 60, 120, 240, 480]
    assert {later - sooner for sooner, later in pairwise(minutes[5:])} == {360}


def test_a_month_costs_little() -> None:
    assert len(looks(days=30)) < 130


@given(st.timedeltas(timedelta(0), timedelta(days=400)), st.timedeltas(timedelta(0), timedelta(days=400)))
def test_it_is_never_soon_and_never_late(before: timedelta, after: timedelta) -> None:
    looked = SINCE + before
    asked = should_look_again(head(looked=looked), looked + after)
    assert asked or after < MOST
    assert not asked or after >= LEAST


def test_only_a_batch_that_waits_for_its_delivery_is_looked_at() -> None:
    later = SINCE + timedelta(days=9)
    assert should_look_again(head(), later)
    for status in ("In progress", "Accepted", "Paused", "Data delivered"):
        assert not should_look_again(head(status), later)


def test_a_look_of_an_earlier_stay_does_not_count() -> None:
    """A pause in between: the head keeps when it was looked at before."""
    early = SINCE - timedelta(days=3)
    assert not should_look_again(head(looked=early), SINCE + LEAST / 2)
    assert should_look_again(head(looked=early), SINCE + LEAST)
