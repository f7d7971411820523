"""A status that lasts too long, and how far a provider is: told, written down, and no status change."""

import time

import pytest

from gtplus_runtime.problems import Refused
from gtplus_runtime.store import Key
from tests.e2e.world import MAIN_LINE, PROJECT, World, eventually

pytestmark = pytest.mark.xdist_group("hops")

LONG_AGO = "2026-01-01T00:00:00.000000Z"


def test_an_overdue_review_is_reminded_of_and_then_escalated(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:5])
    world.handled(batch)
    assert world.call("reviewer", "batch.show", batch)["dueAt"] > world.head(batch)["since"]
    with world.bus() as published:
        world.turn_back(batch, since=LONG_AGO)
        assert world.reconcile()["reminded"] == 1
        # A sweep that comes again, or beside, reminds nobody twice.
        assert world.reconcile()["reminded"] == 0

        def overdue() -> list[dict[str, object]]:
            return [e["detail"] for e in published() if e["detail-type"] == "Batch status overdue"]

        (told,) = eventually(overdue, "the reminder on the bus")
    assert {name: told[name] for name in ("project", "batch", "seq", "status", "escalated", "waitsFor")} == {
        "project": PROJECT,
        "batch": batch,
        "seq": 5,
        "status": "Ready for review",
        # It is late by months: this is no first reminder.
        "escalated": True,
        "waitsFor": "review",
    }
    shown = world.call("reviewer", "batch.show", batch)
    assert shown["dueAt"] == "2026-01-04T00:00:00Z"
    assert shown["reminders"] == told["number"]
    # It is no status change: nothing was handled, and the review goes on as if nothing had been.
    assert world.statuses(batch) == MAIN_LINE[:5]
    world.review(batch)
    world.reached(batch, 7, "Review complete")
    assert "reminders" not in world.head(batch)


def test_a_paused_batch_is_not_reminded_of(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:4])
    world.call("requester", "batch.pause", batch)
    world.handled(batch)
    world.turn_back(batch, since=LONG_AGO)
    assert world.reconcile()["reminded"] == 0
    assert world.call("requester", "batch.show", batch)["dueAt"] is None
    world.call("requester", "batch.resume", batch)
    world.handled(batch)
    assert world.reconcile()["reminded"] == 0


def test_a_provider_says_how_far_it_is_and_no_handler_runs(world: World) -> None:
    batch = world.create(objects=4)
    world.play(batch, MAIN_LINE[:4])
    world.handled(batch)
    before = world.head(batch)
    answer = world.call("reporter", "batch.report", batch, status="In progress", objects={"completed": 1})
    assert answer["objects"]["remaining"] == 3
    # Another reporter may count, too: who set the status is no matter.
    world.call("approver", "batch.report", batch, status="In progress", objects={"completed": 2, "failed": 1})
    shown = world.call("requester", "batch.show", batch)
    assert shown["objects"] == {"total": 4, "completed": 2, "failed": 1, "remaining": 1}
    assert world.head(batch)["seq"] == before["seq"]
    assert len(world.handler_runs(batch)) == 4
    ((_, counts),) = world.store.progress_by_day(Key(PROJECT, batch)).items()
    assert counts == {"completed": 2, "failed": 1}
    (listed,) = [b for b in world.call("requester", "batch.list")["batches"] if b["batch"] == batch]
    assert listed["objects"]["remaining"] == 1


@pytest.mark.parametrize("objects", [{"completed": 5}, {"completed": 3, "failed": 2}])
def test_counts_of_more_than_there_are_are_refused(world: World, objects: dict[str, int]) -> None:
    batch = world.create(objects=4)
    world.play(batch, MAIN_LINE[:4])
    world.handled(batch)
    with pytest.raises(Refused, match="report was refused"):
        world.call("reporter", "batch.report", batch, status="In progress", objects=objects)
    with pytest.raises(Refused, match="report was refused"):
        world.call("reporter", "batch.report", batch, status="Ready for review", objects=objects)
    assert world.call("requester", "batch.show", batch)["objects"]["completed"] == 0


def test_one_correlation_id_goes_from_the_call_to_the_last_handler(world: World) -> None:
    begin = int(time.time() * 1_000)
    batch = world.create()
    world.play(batch, MAIN_LINE[:3])
    world.handled(batch)
    events = world.call("requester", "batch.history", batch)["events"]
    created, transfer, received = [event["correlation"] for event in events]
    assert created
    # The transfer follows from the creation, by a handler; the receipt is another call.
    assert transfer == created
    assert received not in ("", created)
    assert world.handler_correlations(batch) == [created, transfer, received]
    paginator = world.root.client("logs").get_paginator("filter_log_events")
    pages = paginator.paginate(logGroupName=world.log_group(), startTime=begin)
    lines = [event["message"] for page in pages for event in page["events"] if created in event["message"]]
    assert any("call answered" in line for line in lines)
    assert sum("handler ran" in line for line in lines) == 2
