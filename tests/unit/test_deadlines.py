"""The service level of a status: a clock that stands still while paused, and reminders that follow from it alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime.commands import Actor, Command, decide_batch, evolve
from gtplus_runtime.deadlines import DAY, due_at, lasted, reminders_due, service_level
from gtplus_runtime.lifecycle import BATCH, BatchStatus, Duty

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
PEOPLE = {duty: Actor(f"AIDA-{duty}", str(duty), duty) for duty in Duty}
SETTINGS: dict[str, Any] = {"maxRounds": 3, "separationOfDuties": True}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def batch(status: str, since: float = 0.0, **more: Any) -> dict[str, Any]:
    return {
        "status": status,
        "since": at(since).isoformat(),
        "seq": 4,
        "round": 1,
        "facts": {},
        "requestedBy": {"id": "AIDA-somebody"},
        **more,
    }


def goes_on(
    head: dict[str, Any], verb: str, when: float, duty: Duty = Duty.REQUEST, target: str = ""
) -> dict[str, Any]:
    command = Command(verb, PEOPLE[duty], at(when).isoformat(), target)
    for event in decide_batch(head, command, SETTINGS):
        head = {name: value for name, value in {**head, **evolve(head, event)}.items() if value is not None}
    return head


def test_every_status_that_waits_for_somebody_has_a_service_level_and_a_pause_and_an_end_have_none() -> None:
    clocked = {status.name for status in BATCH if service_level(status.name, {}) is not None}
    assert {status.name for status in BATCH if status.waits_for and not status.is_end} <= clocked
    assert not {status.name for status in BATCH if status.is_end or status.name == BATCH.paused} & clocked


@pytest.mark.parametrize(
    ("status", "who"),
    [
        ("In progress", Duty.REPORT),
        ("Data received", Duty.REPORT),
        ("Ready for review", Duty.REVIEW),
        ("Review complete", Duty.REVIEW),
        ("Rejected", Duty.OPERATE),
        ("Request submitted", Duty.OPERATE),
    ],
)
def test_those_are_reminded_whose_turn_it_is(status: str, who: Duty) -> None:
    assert BATCH[status].reminds is who


def test_a_project_says_how_long_and_how_often() -> None:
    settings = {"serviceLevels": {"In progress": 3_600, "Ready for review": 0}, "remindEvery": 7_200}
    head = batch("In progress")
    assert due_at(head, settings) == "2026-11-02T10:00:00Z"
    assert [reminders_due(head, settings, at(s)) for s in (3_599, 3_600, 10_799, 10_800, 18_000)] == [0, 1, 1, 2, 3]
    assert due_at(batch("Ready for review"), settings) is None
    assert reminders_due(batch("Ready for review"), settings, at(99 * DAY)) == 0
    assert service_level("Review complete", settings) == 2 * DAY


def test_a_pause_stops_the_clock_and_a_resume_goes_on_with_what_is_left() -> None:
    level = 14 * DAY
    head = batch("In progress")
    paused = goes_on(head, "batch.pause", 10 * DAY, target="Paused")
    assert due_at(paused, {}) is None
    assert reminders_due(paused, {}, at(100 * DAY)) == 0
    assert lasted(paused, at(100 * DAY)) == 10 * DAY
    resumed = goes_on(paused, "batch.resume", 50 * DAY)
    assert resumed["status"] == "In progress"
    assert due_at(resumed, {}) == at(50 * DAY + level - 10 * DAY).isoformat().replace("+00:00", "Z")
    again = goes_on(goes_on(resumed, "batch.pause", 52 * DAY, target="Paused"), "batch.resume", 60 * DAY)
    assert lasted(again, at(61 * DAY)) == 13 * DAY


def test_reminders_made_before_a_pause_are_not_made_again() -> None:
    head = batch("In progress", reminders=2)
    resumed = goes_on(goes_on(head, "batch.pause", 15 * DAY, target="Paused"), "batch.resume", 40 * DAY)
    assert resumed["reminders"] == 2
    assert reminders_due(resumed, {}, at(40 * DAY)) == 2


def test_the_next_status_begins_anew() -> None:
    head = batch("In progress", spent=13 * DAY, reminders=1)
    after = goes_on(head, "batch.report", 3 * DAY, Duty.REPORT, "Ready for review")
    assert not {"spent", "reminders"} & set(after)
    assert due_at(after, {}) == at(6 * DAY).isoformat().replace("+00:00", "Z")


def test_a_clock_that_runs_behind_takes_nothing_away() -> None:
    head = batch("In progress", since=60)
    assert lasted(head, at(0)) == 0
    assert goes_on(head, "batch.pause", 0, target="Paused")["spent"] == 0


@given(
    st.lists(st.tuples(st.integers(1, 10 * DAY), st.integers(1, 10 * DAY)), max_size=6),
    st.integers(0, 40 * DAY),
)
def test_what_is_spent_is_the_time_between_pauses_and_nothing_else(pauses: list[tuple[int, int]], after: int) -> None:
    head, now, worked = batch("In progress"), 0, 0
    for work, rest in pauses:
        head = goes_on(head, "batch.pause", now + work, target="Paused")
        head = goes_on(head, "batch.resume", now + work + rest)
        now, worked = now + work + rest, worked + work
    assert lasted(head, at(now + after)) == worked + after
    expected = 0 if worked + after < 14 * DAY else 1 + (worked + after - 14 * DAY) // DAY
    assert reminders_due(head, {}, at(now + after)) == expected


@given(st.sampled_from(list(BatchStatus)), st.integers(0, 400 * DAY), st.integers(0, DAY))
def test_reminders_only_grow_with_time(status: str, seconds: int, more: int) -> None:
    head = batch(status)
    assert reminders_due(head, {}, at(seconds)) <= reminders_due(head, {}, at(seconds + more))
