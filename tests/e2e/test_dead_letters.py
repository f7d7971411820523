"""What could not be delivered, hop by hop: it stays undone until it is redriven, and then it is done, once.

The local cloud writes the dead letters of a queue, a function and a stream by itself. Those of a rule and of a
subscription it does not write: there the letter is the one that AWS documents.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.outside import Outside, broken, given_up, gives_up_early, letters, stream_letter, write_letter
from tests.e2e.test_cli import gtplus
from tests.e2e.world import MAIN_LINE, PROJECT, World, eventually

pytestmark = pytest.mark.xdist_group("hops")


@pytest.fixture(scope="module")
def outside(shared_world: World) -> Outside:
    return Outside(shared_world, "letters")


@pytest.fixture(autouse=True)
def no_letters(shared_world: World) -> Iterator[None]:
    yield
    for url in shared_world.facts["letters"].values():
        shared_world.root.client("sqs").purge_queue(QueueUrl=url)


def redrive(world: World, hop: str, code: int = 0) -> str:
    done = gtplus(world, "dlq", "redrive", hop, profile="approver")
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_storage_a_delivery_whose_check_failed_to_the_end(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:9])
    world.handled(batch)
    # Five times half an hour on AWS.
    sqs, queue = world.root.client("sqs"), world.facts["storageEvents"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"VisibilityTimeout": "1"})
    with broken(world, world.function("StorageEventsFunction")):
        world.deliver(batch)
        eventually(lambda: letters(world, "storage"), "the dead letter", seconds=60)
        listed = gtplus(world, "dlq", "list", "storage", profile="approver")
        assert world.head(batch)["form"]["output"] in listed.stdout
        assert letters(world, "storage") == 1
    # It is mended, and nothing comes of it by itself.
    world.reconcile()
    time.sleep(2)
    assert world.head(batch)["status"] == "Ready for delivery"

    assert "1 delivered again" in redrive(world, "storage")
    world.reached(batch, 10, "Data delivered")
    assert letters(world, "storage") == 0
    assert "0 delivered again" in redrive(world, "storage")


def test_schedule_a_reconciler_that_failed(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:4])
    world.handled(batch)
    world.stop_execution(batch)
    reconciler = world.facts["reconciler"]
    # As in the template; the local cloud's CloudFormation leaves it out.
    queue: Any = world.facts["letters"]["schedule"]
    names: Any = ["QueueArn"]
    arn = world.root.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]["QueueArn"]
    world.root.client("lambda").update_function_configuration(
        FunctionName=reconciler, DeadLetterConfig={"TargetArn": arn}
    )
    with broken(world, reconciler):
        world.root.client("lambda").invoke(FunctionName=reconciler, InvocationType="Event", Payload=b"{}")
        eventually(lambda: letters(world, "schedule"), "the dead letter", seconds=60)
        assert "the reconciler still fails" in redrive(world, "schedule", code=1)
        assert letters(world, "schedule") >= 1
    generation = world.head(batch)["generation"]
    redrive(world, "schedule")
    assert letters(world, "schedule") == 0
    eventually(lambda: world.head(batch)["generation"] > generation, "the next generation")
    world.handled(batch)


def test_stream_status_changes_that_nobody_followed(world: World, outside: Outside) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:3])
    outside.hears(batch, *MAIN_LINE[:3])
    world.handled(batch)
    began = time.time()
    with world.deaf_dispatcher():
        world.report(batch, "In progress")
        world.label(batch)
    # The reconciler gets the batch on its way, but what was not told nobody tells.
    world.reconcile()
    world.handled(batch)
    assert {detail["status"] for detail in outside.told(batch)} == set(MAIN_LINE[:3])
    assert "Ready for review" not in outside.mailed(batch)

    write_letter(world, "stream", stream_letter(began))
    assert "RetryAttemptsExhausted" in gtplus(world, "dlq", "list", "stream", profile="approver").stdout
    redrive(world, "stream")
    outside.hears(batch, *MAIN_LINE[:5])
    eventually(lambda: "Ready for review" in outside.mailed(batch), "the mail to the reviewers")
    assert letters(world, "stream") == 0

    # Once more, and the world hears the same, word for word.
    before = len(outside.told(batch))
    write_letter(world, "stream", stream_letter(began))
    redrive(world, "stream")
    eventually(lambda: len(outside.told(batch)) >= before + 2, "the events once more")
    words = {json.dumps(detail, sort_keys=True) for detail in outside.told(batch)}
    assert len(words) == 5
    assert world.statuses(batch) == world.first_runs(batch) == MAIN_LINE[:5]


def test_stream_a_dispatcher_that_fails_to_the_end(world: World, outside: Outside) -> None:
    with gives_up_early(world), broken(world, world.function("Dispatcher")):
        time.sleep(1)  # what others have left in the stream is given up, too: records tell their second
        since = int(time.time())
        batch = world.create()
        eventually(lambda: given_up(world, since), "the dead letter", seconds=60)
    time.sleep(2)
    assert world.head(batch)["handled"] == 0
    assert outside.told(batch) == []
    redrive(world, "stream")
    world.handled(batch, 1)
    outside.hears(batch, MAIN_LINE[0])


def test_rules_an_event_that_a_target_did_not_take(world: World, outside: Outside) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:3])
    outside.hears(batch, *MAIN_LINE[:3])
    world.handled(batch)
    before, mailed = outside.told(batch)[:], outside.mailed(batch)[:]
    event = next(event for event in outside.program.got() if event["detail"].get("batch") == batch)
    rule = "arn:aws:events:us-east-1:000000000000:rule/bus/Delivered"
    write_letter(world, "rules", event, RULE_ARN=rule, ERROR_CODE="NO_PERMISSIONS", ERROR_MESSAGE="may not invoke it")
    listed = gtplus(world, "dlq", "list", "rules", profile="approver").stdout
    assert f"batch {PROJECT}/{batch}: {event['detail']['status']}" in listed
    assert "may not invoke it" in listed

    redrive(world, "rules")
    eventually(lambda: len(outside.told(batch)) > len(before), "the event once more")
    assert outside.told(batch)[len(before) :] == [event["detail"]]
    assert outside.mailed(batch) == mailed


def test_topic_a_message_that_a_subscription_did_not_take(world: World, outside: Outside) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    eventually(lambda: outside.mailed(batch) == ["Data transfer in progress"], "the mail")
    told = len(outside.told(batch))
    message = next(m for m in outside.mail.got() if m["MessageAttributes"].get("batch", {}).get("Value") == batch)
    write_letter(world, "topic", message)
    redrive(world, "topic")
    eventually(lambda: outside.mailed(batch) == ["Data transfer in progress"] * 2, "the mail once more")
    assert len(outside.told(batch)) == told


def test_a_letter_that_is_none_stays_and_is_named(world: World) -> None:
    for hop in ("stream", "rules", "topic"):
        write_letter(world, hop, "{nonsense")
        assert "it is not a letter of this hop" in redrive(world, hop, code=1)
        assert "not readable" in gtplus(world, "dlq", "list", hop, profile="approver").stdout
        assert letters(world, hop) == 1


def test_all_are_counted_and_redriven_at_once(world: World) -> None:
    write_letter(world, "schedule", {})
    counted = gtplus(world, "dlq", "list", "--json", profile="approver")
    assert json.loads(counted.stdout)["letters"] == {"stream": 0, "storage": 0, "schedule": 1, "rules": 0, "topic": 0}
    done = gtplus(world, "dlq", "redrive", "--all", "--json", profile="approver")
    assert json.loads(done.stdout)["redriven"]["schedule"] == {"again": 1, "left": []}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("list", "nowhere"), "one of stream, storage, schedule, rules, topic"),
        (("redrive",), "name one of the two"),
        (("redrive", "stream", "--all"), "name one of the two"),
    ],
)
def test_a_wrong_use_is_refused_with_the_mend(world: World, arguments: tuple[str, ...], what: str) -> None:
    done = gtplus(world, "dlq", *arguments, profile="approver")
    assert done.returncode == 1
    assert what in done.stderr
    assert "Traceback" not in done.stderr


def test_who_has_no_right_to_the_letters_gets_none(world: World) -> None:
    done = gtplus(world, "dlq", "list", "storage", profile="reviewer")
    assert done.returncode != 0
    assert "AccessDenied" in done.stderr
    assert "Traceback" not in done.stderr
