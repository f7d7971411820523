"""The table is the truth, an execution is disposable: what is stopped, lost or doubled changes nothing in the end."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from gtplus_runtime.problems import Refused
from gtplus_runtime.store import Key
from tests.e2e.world import MAIN_LINE, PROJECT, REWORK, World, eventually

pytestmark = pytest.mark.xdist_group("batches")


def test_every_execution_stopped_in_mid_batch_and_nothing_is_lost(world: World) -> None:
    undisturbed = world.create()
    world.play(undisturbed, REWORK)
    world.handled(undisturbed)
    batch = world.create()

    def stop(status: str) -> None:
        if status in ("Data transfer in progress", "In progress", "Review complete", "Sent for rework", "Accepted"):
            world.stop_execution(batch)
            world.reconcile()

    world.play(batch, REWORK, pause=stop)
    world.reconcile()
    world.handled(batch)

    assert world.statuses(batch) == world.statuses(undisturbed) == REWORK
    assert world.first_runs(batch) == world.first_runs(undisturbed) == REWORK
    generation = world.head(batch)["generation"]
    assert generation > 3
    arns = {world.execution_arn(batch, number) for number in range(1, generation + 1)}
    assert len(arns) == generation
    last = world.machine.describe_execution(executionArn=world.execution_arn(batch))
    assert last["status"] == "SUCCEEDED"


def test_every_execution_of_the_workspace_stopped_at_one_moment_and_every_batch_goes_on(world: World) -> None:
    """Batches at every stage of the way, some with work pending; then nothing runs any more."""
    batches = {world.create(): position for position in (2, 4, 5, 7, 9, 12)}
    for batch, position in batches.items():
        world.play(batch, REWORK[:position])
    pending = world.create()
    generations = {batch: world.head(batch)["generation"] for batch in batches}

    pages = world.machine.get_paginator("list_executions").paginate(
        stateMachineArn=world.facts["stateMachine"], statusFilter="RUNNING"
    )
    running = [execution["executionArn"] for page in pages for execution in page["executions"]]
    assert len(running) >= len(batches)
    for arn in running:
        world.machine.stop_execution(executionArn=arn, cause="the machine was lost")
    assert world.reconcile()["rebuilt"] >= len(batches)

    for batch, position in batches.items():
        for offset, status in enumerate(REWORK[position:]):
            world.play_next(batch, status)
            world.reached(batch, position + offset + 1, status)
        world.handled(batch)
        assert world.statuses(batch) == world.first_runs(batch) == REWORK
        assert world.head(batch)["generation"] > generations[batch]
    world.reconcile()
    world.reached(pending, 2, MAIN_LINE[1])


def test_an_event_that_comes_while_no_execution_runs_is_handled_by_the_next(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    world.handled(batch)
    world.stop_execution(batch)
    world.report(batch, "Data received")
    world.report(batch, "In progress")
    assert world.head(batch)["handled"] == 2
    world.reconcile()
    world.handled(batch)
    assert world.first_runs(batch) == MAIN_LINE[:4]


@pytest.mark.parametrize("lost", [1, 3, 5])
def test_lost_stream_records_are_made_good_by_the_reconciler(world: World, lost: int) -> None:
    batch = f"lost-{lost}"
    if lost == 1:
        with world.deaf_dispatcher():
            world.create(name=batch)
        assert world.head(batch)["handled"] == 0
        world.reconcile()
        world.reached(batch, 2, MAIN_LINE[1])
    else:
        world.create(name=batch)
        world.play(batch, MAIN_LINE[: lost - 1])
        world.handled(batch)
        with world.deaf_dispatcher():
            if lost == 5:
                world.label(batch)
            else:
                world.report(batch, MAIN_LINE[lost - 1])
        assert world.head(batch)["handled"] == lost - 1
        assert world.reconcile()["nudged"] >= 1
    world.handled(batch)
    assert world.first_runs(batch) == MAIN_LINE[: max(lost, 2)]
    # A lost record needs a nudge and no more: the execution is still the first.
    assert world.head(batch)["generation"] == 1


def test_a_raised_generation_ends_the_old_one_without_a_trace(world: World) -> None:
    batch = world.create()
    for status in MAIN_LINE[:4]:
        world.play_next(batch, status)
        world.handled(batch)
        head = world.head(batch)
        world.store.raise_generation(Key(PROJECT, batch), head["generation"], head["since"], failed=False)
        eventually(
            lambda: world.head(batch).get("parkedGeneration") == world.head(batch)["generation"], "the new one parked"
        )
    assert world.statuses(batch) == MAIN_LINE[:4]
    assert world.first_runs(batch) == MAIN_LINE[:4]


def test_an_execution_of_an_older_generation_parks_nothing_and_ends_quietly(world: World) -> None:
    """Stopping an execution does not stop its Lambda: what it started may come to its park after the next began."""
    batch = world.create()
    world.play(batch, MAIN_LINE[:3])
    world.handled(batch)
    before = world.head(batch)
    late = {"project": PROJECT, "batch": batch, "generation": 0, "handled": True, "seq": 2, "status": MAIN_LINE[1]}
    arn = world.machine.start_execution(stateMachineArn=world.facts["stateMachine"], input=json.dumps(late))[
        "executionArn"
    ]

    def ended() -> str:
        status = world.machine.describe_execution(executionArn=arn)["status"]
        return "" if status == "RUNNING" else status

    assert eventually(ended, "the late execution's end") == "SUCCEEDED"
    assert world.head(batch) == before
    world.report(batch, "In progress")
    world.handled(batch)
    assert world.first_runs(batch) == MAIN_LINE[:4]


def test_a_slot_that_was_left_behind_is_found_by_the_reconciler(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:4])
    world.handled(batch)
    key = Key(PROJECT, batch)
    assert key in world.store.join_transfers("ground-truth-plus", key, 1)
    world.reconcile()
    assert key not in world.store.transfers("ground-truth-plus")


def test_a_handler_of_an_older_generation_writes_nothing(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    world.handled(batch)
    before = world.head(batch)
    late = {"project": PROJECT, "batch": batch, "seq": 1, "status": MAIN_LINE[0], "generation": 0, "execution": "x"}
    assert world.invoke(world.function("RequestSubmitted"), late)["outcome"] == "superseded"
    assert world.head(batch) == before


def test_a_handler_that_runs_twice_changes_nothing_the_second_time(world: World) -> None:
    batch = world.create()
    world.play(batch, REWORK)
    world.handled(batch)
    for seq, status in (
        (1, "RequestSubmitted"),
        (6, "ReviewSubmissionInProgress"),
        (8, "Rejected"),
        (15, "DataDelivered"),
    ):
        again = {"project": PROJECT, "batch": batch, "seq": seq, "status": "x", "generation": 1, "execution": "x"}
        before = world.head(batch)
        assert world.invoke(world.function(status), again)["outcome"] == "superseded"
        assert world.head(batch) == before
        assert Key(PROJECT, batch) not in world.store.transfers("ground-truth-plus")


def test_stream_records_that_come_twice_or_for_nothing_change_nothing(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:4])
    world.handled(batch)
    pk = Key(PROJECT, batch).pk
    record = {
        "eventName": "MODIFY",
        "dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": "HEAD"}}, "SequenceNumber": "1"},
    }
    broken = {
        "eventName": "MODIFY",
        "dynamodb": {"Keys": {"pk": {"S": "BATCH#no#such"}, "sk": {"S": "HEAD"}}, "SequenceNumber": "2"},
    }
    for _ in range(3):
        answer = world.invoke(world.function("Dispatcher"), {"Records": [broken, record, record]})
        assert answer == {"batchItemFailures": []}
    assert world.statuses(batch) == MAIN_LINE[:4]
    assert world.handler_runs(batch) == list(enumerate(MAIN_LINE[:4], start=1))


def test_of_two_decisions_at_the_same_moment_one_holds(world: World) -> None:
    for _ in range(3):
        batch = world.create(objects=1)
        world.play(batch, MAIN_LINE[:5])
        gate = threading.Barrier(2)

        def decide(route: str, body: dict[str, str], batch: str = batch, gate: threading.Barrier = gate) -> str:
            gate.wait()
            try:
                world.call("reviewer", route, batch, **body)
            except Refused as refused:
                return str(refused.status)
            return route

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda a: decide(*a), [("batch.accept", {}), ("batch.reject", {"reason": "r"})]))
        assert sorted(answers)[0] == "409"
        assert ("Accepted" in world.statuses(batch)) != ("Rejected" in world.statuses(batch))


def test_a_command_sent_twice_is_answered_as_the_first_was(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:3])
    first = world.call("reporter", "batch.report", batch, status="In progress", key="once")
    world.label(batch)
    assert world.call("reporter", "batch.report", batch, status="In progress", key="once") == first
    with pytest.raises(Refused, match="idempotency key was used for another command"):
        world.call("reporter", "batch.report", batch, status="Data received", key="once")
    # Without a key, too, what has happened already by the same hand is no second event.
    world.report(batch, "Ready for review")
    assert world.statuses(batch) == MAIN_LINE[:5]


def test_the_same_request_gives_the_same_batch_and_another_one_is_refused(world: World) -> None:
    batch = world.create(name="same")
    world.create(name="same")
    assert world.statuses(batch).count("Request submitted") == 1
    with pytest.raises(Refused, match="description differ"):
        world.create(name="same", description="another")
    with pytest.raises(Refused, match="another batch has this output location"):
        world.create(name="other", output=f"s3://{world.buckets[PROJECT]}/labels/same/")


def test_a_handler_that_fails_is_shown_and_tried_again_more_and_more_seldom(world: World) -> None:
    """What it needs is gone; each generation parks at the last event handled, wakes, and fails anew."""
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    world.handled(batch)
    inventory = world.head(batch)["facts"]["inventory"]
    kept = world.get(inventory)
    bucket, _, key = inventory.removeprefix("s3://").partition("/")
    s3 = world.root.client("s3")
    s3.delete_object(Bucket=bucket, Key=key)
    world.report(batch, "Data received")

    def failed() -> bool:
        try:
            return bool(world.machine.describe_execution(executionArn=world.execution_arn(batch))["status"] == "FAILED")
        except ClientError:
            return False  # it has not begun

    eventually(failed, "the failure", seconds=60)
    assert "Data received" in world.call("requester", "batch.show", batch)["failure"]
    world.reconcile()
    assert world.head(batch)["generation"] == 2
    eventually(failed, "the second failure", seconds=60)
    world.reconcile()
    world.reconcile()
    # One failure after a rebuild: the next rebuild waits, and the batch still says why.
    assert world.head(batch)["generation"] == 2
    assert world.head(batch)["rebuilds"] == 1
    assert "Data received" in world.call("requester", "batch.show", batch)["failure"]
    (listed,) = [b for b in world.call("requester", "batch.list")["batches"] if b["batch"] == batch]
    assert "Data received" in listed["failure"]

    s3.put_object(Bucket=bucket, Key=key, Body=kept.encode())
    world.store.raise_generation(Key(PROJECT, batch), 2, world.head(batch)["since"], failed=False)
    world.handled(batch)
    assert "failure" not in world.call("requester", "batch.show", batch)
    assert world.first_runs(batch) == MAIN_LINE[:3]
