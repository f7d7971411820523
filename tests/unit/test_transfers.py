"""The line of the data transfers, and the projects in review: first come first served, whatever comes between."""

from collections.abc import Callable
from typing import Any

import pytest

from gtplus_runtime import store as store_module
from gtplus_runtime.commands import WORKSPACE, Actor, Command, decide_batch, decide_project
from gtplus_runtime.handling import Batch, promote
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.places import Limits, Place
from gtplus_runtime.problems import Refused
from gtplus_runtime.store import HEAD, Key, Store
from tests.engine.table import MemoryTable

AT = "2026-11-24T10:00:00.000000Z"
ANN = Actor("AIDA-ann", "ann", Duty.REQUEST)
SETTINGS = {"maxRounds": 3, "separationOfDuties": True}
PLACE = Place("p", "vendor", Limits(max_in_transfer=2), (), "", "", SETTINGS)
FIRST, SECOND, THIRD, FOURTH = (Key("p", f"b{number}") for number in range(4))


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> MemoryTable:
    monkeypatch.setattr(store_module.time, "sleep", lambda _: None)
    return MemoryTable()


@pytest.fixture
def store(table: MemoryTable) -> Store:
    """Four batches that were requested, in line."""
    store = Store("batches", table)  # type: ignore[arg-type]
    for key in (FIRST, SECOND, THIRD, FOURTH):
        act(store, key, "batch.create", ANN, "Request submitted")
        store.join_transfers("vendor", key, 1)
    return store


def act(store: Store, key: Key, verb: str, actor: Actor, target: str) -> None:
    command = Command(verb, actor, AT, target)
    store.decide(key, command, lambda head: decide_batch(head, command, SETTINGS))


def come_between(table: MemoryTable, work: Callable[[], Any]) -> None:
    """Let somebody else write between the next write and what was read for it."""

    def come() -> None:
        table.before_write = lambda: None
        work()

    table.before_write = come


def transferring(store: Store) -> list[Key]:
    keys = (FIRST, SECOND, THIRD, FOURTH)
    return [key for key in keys if (store.head(key) or {}).get("status") == "Data transfer in progress"]


def test_those_within_the_limit_begin_and_the_others_wait(store: Store) -> None:
    for _ in range(2):
        promote(store, store.transfers("vendor"), PLACE)
        assert transferring(store) == [FIRST, SECOND]


def test_a_slot_that_was_left_behind_is_the_next_ones(store: Store) -> None:
    """Its function was killed before it left the line."""
    act(store, FIRST, "batch.cancel", ANN, "Cancelled")
    promote(store, store.transfers("vendor"), PLACE)
    assert list(store.transfers("vendor")) == [SECOND, THIRD, FOURTH]
    assert transferring(store) == [SECOND, THIRD]


@pytest.mark.parametrize("lost", ["status", "seq"])
def test_a_head_that_cannot_be_read_gives_its_slot_to_the_next(store: Store, table: MemoryTable, lost: str) -> None:
    del table.items[FIRST.pk, HEAD][lost]
    promote(store, store.transfers("vendor"), PLACE)
    assert transferring(store)[-2:] == [SECOND, THIRD]


def test_one_that_is_cancelled_at_that_moment_does_not_begin_and_fails_nothing(
    store: Store, table: MemoryTable
) -> None:
    come_between(table, lambda: act(store, FIRST, "batch.cancel", ANN, "Cancelled"))
    promote(store, store.transfers("vendor"), PLACE)
    assert (store.head(FIRST) or {})["status"] == "Cancelled"
    assert SECOND in transferring(store)
    # What it left behind is found the next time.
    promote(store, store.transfers("vendor"), PLACE)
    assert transferring(store) == [SECOND, THIRD]


def test_who_leaves_lets_the_next_begin(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    promote(store, store.transfers("vendor"), PLACE)
    act(store, FIRST, "batch.report", Actor("AIDA-pro", "pro", Duty.REPORT), "Data received")
    monkeypatch.setattr(Batch, "place", PLACE)
    for _ in range(2):
        Batch(FIRST, store.head(FIRST) or {}, store, 1, 3).leave_transfer()
        assert transferring(store) == [SECOND, THIRD]


def test_who_is_paused_in_line_holds_no_slot_and_joins_again_at_the_end(store: Store) -> None:
    for key in (FIRST, SECOND):
        act(store, key, "batch.pause", ANN, "Paused")
    promote(store, store.transfers("vendor"), PLACE)
    assert transferring(store) == [THIRD, FOURTH]
    act(store, FIRST, "batch.resume", ANN, "")
    assert list(store.join_transfers("vendor", FIRST, 3)) == [THIRD, FOURTH, FIRST]


def test_who_was_resumed_in_line_begins_once_it_has_joined_again(store: Store) -> None:
    """Else it would begin with an unchecked input, and the late handler of the pause would free its slot."""
    act(store, FIRST, "batch.pause", ANN, "Paused")
    act(store, FIRST, "batch.resume", ANN, "")
    promote(store, store.transfers("vendor"), PLACE)
    assert transferring(store) == [SECOND, THIRD]
    assert list(store.join_transfers("vendor", FIRST, 3)) == [SECOND, THIRD, FOURTH, FIRST]


def test_who_is_paused_in_its_transfer_keeps_its_slot(store: Store) -> None:
    """The provider may have copied half of it."""
    promote(store, store.transfers("vendor"), PLACE)
    act(store, FIRST, "batch.pause", ANN, "Paused")
    promote(store, store.transfers("vendor"), PLACE)
    assert transferring(store) == [SECOND]
    assert list(store.transfers("vendor")) == [FIRST, SECOND, THIRD, FOURTH]


def test_who_comes_late_takes_nobody_out_who_has_joined_again(store: Store, table: MemoryTable) -> None:
    """Whoever saw the batch paused, or the handler of the pause, where the resume comes between."""
    act(store, FIRST, "batch.pause", ANN, "Paused")

    def resumed() -> None:
        act(store, FIRST, "batch.resume", ANN, "")
        store.join_transfers("vendor", FIRST, 3)

    come_between(table, resumed)
    promote(store, store.transfers("vendor"), PLACE)
    assert FIRST in store.transfers("vendor")
    assert next(iter(store.leave_transfers("vendor", FIRST, 2))) == FIRST
    assert next(iter(store.leave_transfers("vendor", FIRST, 4))) == SECOND


def test_a_line_of_an_earlier_release_is_understood(store: Store, table: MemoryTable) -> None:
    del table.items["TRANSFERS#vendor", HEAD]["joined"]
    promote(store, store.transfers("vendor"), PLACE)
    assert transferring(store) == [FIRST, SECOND]
    assert list(store.leave_transfers("vendor", FIRST, 1)) == [SECOND, THIRD, FOURTH]
    assert list(store.join_transfers("vendor", SECOND, 3)) == [SECOND, THIRD, FOURTH]
    assert list(store.leave_transfers("vendor", SECOND, 2)) == [SECOND, THIRD, FOURTH]


def test_nobody_is_lost_from_a_line_that_two_join_at_one_moment(store: Store, table: MemoryTable) -> None:
    come_between(table, lambda: store.join_transfers("other", FIRST, 1))
    assert list(store.join_transfers("other", SECOND, 1)) == [FIRST, SECOND]
    come_between(table, lambda: store.leave_transfers("other", FIRST, 1))
    assert list(store.join_transfers("other", THIRD, 1)) == [SECOND, THIRD]
    assert list(store.transfers("other")) == [SECOND, THIRD]


def test_of_two_requests_at_one_moment_one_takes_the_last_place(store: Store, table: MemoryTable) -> None:
    command = Command("project.request", ANN, AT, "Review in progress", {"taskType": "image"})

    def admit(waiting: list[str]) -> None:
        if waiting:
            raise Refused(409, f"{', '.join(waiting)} is in review", [])

    def request(project: str) -> None:
        store.decide(Key(project), command, lambda head: decide_project(head, command), admit=admit)

    for first, second in (("one", "two"), ("three", "four")):
        come_between(table, lambda first=first: request(first))  # type: ignore[misc]
        with pytest.raises(Refused, match=f"{first} is in review"):
            request(second)
        assert store.head(Key(second)) is None
        operator = WORKSPACE._replace(duty=Duty.OPERATE)
        done = Command("project.approve", operator, AT, "Request approved")
        store.decide(Key(first), done, lambda head, done=done: decide_project(head, done))  # type: ignore[misc]
