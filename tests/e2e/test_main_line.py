"""The way of a batch in the local cloud: real deploy, real handlers, everybody with a role of their own."""

import json

import pytest
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from gtplus_runtime.problems import Refused
from gtplus_runtime.store import Key
from tests.e2e.world import MAIN_LINE, PROJECT, REWORK, World, eventually

pytestmark = pytest.mark.xdist_group("batches")


def test_a_batch_goes_from_request_to_delivered_labels(world: World) -> None:
    batch = world.create(objects=3)
    world.play(batch, MAIN_LINE)
    world.handled(batch)

    assert world.statuses(batch) == MAIN_LINE
    head = world.head(batch)
    assert "open" not in head
    assert "token" not in head
    assert head["objects"] == {"total": 3, "completed": 3, "failed": 0, "toReview": 3, "withFeedback": 3}
    summary = json.loads(world.get(head["facts"]["summary"]))
    assert summary["rounds"] == 1
    assert summary["delivery"]["problems"] == []
    assert summary["accepted"]["sha256"] == summary["delivery"]["sha256"]
    assert [event["status"] for event in summary["events"]] == MAIN_LINE
    card = world.get(head["facts"]["card"])
    assert f"# {PROJECT}/{batch}" in card
    assert "Not reviewed" not in card
    assert summary["delivery"]["sha256"] in card


def test_every_status_runs_its_handler_once_and_in_order(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE)
    world.handled(batch)
    assert world.handler_runs(batch) == list(enumerate(MAIN_LINE, start=1))


def test_a_status_change_takes_three_transitions(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE)
    world.handled(batch)
    pages = world.machine.get_paginator("get_execution_history").paginate(executionArn=world.execution_arn(batch))
    entered = [
        e["stateEnteredEventDetails"]["name"] for p in pages for e in p["events"] if "stateEnteredEventDetails" in e
    ]
    # The start's choice stands in the place of a first wake.
    assert len(entered) == 3 * len(MAIN_LINE)


def test_a_rejected_batch_is_labeled_again_with_the_reasons_at_hand(world: World) -> None:
    batch = world.create(objects=3)
    world.play(batch, REWORK[:5])
    world.review(batch, wrong=2)
    world.reached(batch, 7, "Review complete")
    review = eventually(lambda: world.call("requester", "batch.show", batch).get("review"), "what the review shows")
    assert (review["sampled"], review["wrong"], review["proposal"]) == (3, 2, "reject")

    world.call("reviewer", "batch.reject", batch, reason="two are wrong")
    world.reached(batch, 9, "Sent for rework")
    order = eventually(lambda: world.work_order(batch), "the order of round 2")
    rework = [json.loads(line) for line in world.get(order["rework"], who="data").splitlines()]
    assert [entry["reason"] for entry in rework] == ["is wrong", "is wrong"]

    world.label(batch)
    world.review(batch)
    world.reached(batch, 12, "Review complete")
    world.call("reviewer", "batch.accept", batch)
    world.reached(batch, 14, "Ready for delivery")
    world.deliver(batch)
    world.reached(batch, 15, "Data delivered")
    assert world.statuses(batch) == REWORK
    assert world.head(batch)["round"] == 2


def test_feedback_is_kept_as_label_verification_that_existing_readers_know(world: World) -> None:
    batch = world.create(objects=2)
    world.play(batch, MAIN_LINE[:5])
    world.review(batch, wrong=1)
    world.reached(batch, 7, "Review complete")
    lines = [json.loads(line) for line in world.get(world.head(batch)["facts"]["verification"]).splitlines()]
    assert [line["label-verification"] for line in lines] == [1, 0]
    assert {line["label-verification-metadata"]["type"] for line in lines} == {"groundtruth/label-verification"}


def test_bad_input_ends_in_a_failed_transfer_with_the_whole_report(world: World) -> None:
    bucket = world.buckets[PROJECT]
    world.put(f"s3://{bucket}/raw/good.txt", "x")
    manifest = "\n".join(
        [
            json.dumps({"source-ref": f"s3://{bucket}/raw/good.txt"}),
            json.dumps({"source-ref": f"s3://{bucket}/raw/missing.txt"}),
            "nonsense",
            json.dumps({"nothing": 1}),
            json.dumps({"source-ref": "s3://somebody-elses/raw/9.png"}),
        ]
    )
    world.put(f"s3://{bucket}/raw/bad.manifest", manifest)
    world.call("requester", "batch.create", "bad-1", input=f"s3://{bucket}/raw/bad.manifest")
    world.reached("bad-1", 2, "Data transfer failed")
    world.handled("bad-1")

    head = world.head("bad-1")
    report = json.loads(world.get(head["facts"]["report"]))
    assert report["counts"] == {"not JSON": 1, "no source": 1, "another bucket": 1, "object not found": 1}
    assert [problem["place"] for problem in report["shown"]] == ["line 2", "line 3", "line 4", "line 5"]
    assert "open" not in head
    # It is an end; what is mended is a new batch.
    with pytest.raises(Refused, match="is an end"):
        world.report("bad-1", "Data received")
    successor = world.create(name="bad-2")
    world.reached(successor, 2, "Data transfer in progress")


def test_a_provider_can_report_that_the_transfer_failed(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    world.report(batch, "Data transfer failed", reason="the object store answers 403")
    world.handled(batch)
    assert world.head(batch)["facts"]["reason"] == "the object store answers 403"
    assert Key(PROJECT, batch) not in world.store.transfers("ground-truth-plus")


def test_an_incomplete_delivery_is_not_delivered_and_says_why(world: World) -> None:
    batch = world.create(objects=3)
    world.play(batch, MAIN_LINE[:9])
    world.handled(batch)
    delivery = world.head(batch)["form"]["output"] + "output.manifest"

    world.put(delivery, world.labels(batch, leave_out=1), who="data")
    problems = eventually(lambda: world.head(batch)["facts"]["delivery"].get("problems"), "the reasons")
    assert problems == ["objects without a line: 1", "labels that are not the accepted ones: 1"]

    world.put(delivery, world.labels(batch).replace('"label": 0', '"label": 1'), who="data")
    eventually(
        lambda: world.head(batch)["facts"]["delivery"]["problems"] == ["labels that are not the accepted ones: 3"],
        "why",
    )

    world.put(delivery, world.labels(batch), who="data")
    world.reached(batch, 10, "Data delivered")


def test_masks_are_delivered_where_they_are_there_and_as_they_were_accepted(world: World) -> None:
    batch = world.create(objects=25)  # more than are asked for one by one
    world.play(batch, MAIN_LINE[:4])
    output = world.head(batch)["form"]["output"]
    masks = {line["source-ref"]: f"{output}masks/{number}.png" for number, line in enumerate(inventory(world, batch))}
    metadata = {"type": "groundtruth/semantic-segmentation", "internal-color-map": {}}
    labels = "".join(
        json.dumps({"source-ref": name, "label": mask, "label-metadata": metadata}) + "\n"
        for name, mask in masks.items()
    )
    *rest, last = masks.values()
    for mask in rest:
        world.put(mask, "a mask", who="data")

    world.put(f"{output}1.manifest", labels, who="data")
    world.report(batch, "Ready for review", manifest=f"{output}1.manifest")
    world.handled(batch, 5)
    with pytest.raises(Refused) as refusal:
        world.call("reviewer", "batch.accept", batch)
    assert refusal.value.problems[0].value == "files of labels that are not there: 1"
    world.call("reviewer", "batch.reject", batch, reason="a mask is missing")
    world.reached(batch, 7, "Sent for rework")

    world.put(last, "a mask", who="data")
    world.handled(batch, 7)
    world.put(f"{output}2.manifest", labels, who="data")
    world.report(batch, "Ready for review", manifest=f"{output}2.manifest")
    world.handled(batch, 8)
    drawn = world.call("reviewer", "batch.sample", batch)["objects"]
    assert {entry["object"] for entry in drawn} == masks.keys()
    followed = URLLib3Session(verify=str(world.cloud.tools.authority)).send(
        AWSRequest(method="GET", url=drawn[0]["labelUrl"]).prepare()
    )
    assert (followed.status_code, followed.content) == (200, b"a mask")
    world.call("reviewer", "batch.accept", batch)
    world.reached(batch, 10, "Ready for delivery")
    world.put(last, "another", who="data")
    world.put(f"{output}output.manifest", labels, who="data")
    changed = "files of labels that were changed after the acceptance: restore their versions"
    eventually(lambda: world.head(batch)["facts"].get("delivery", {}).get("problems") == [changed], "why")
    world.put(last, "a mask", who="data")
    world.put(f"{output}output.manifest", labels, who="data")
    world.reached(batch, 11, "Data delivered")


def inventory(world: World, batch: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in world.get(world.head(batch)["facts"]["inventory"]).splitlines()]


def test_labels_that_are_not_complete_can_be_rejected_and_never_accepted(world: World) -> None:
    batch = world.create(objects=3)
    world.play(batch, MAIN_LINE[:4])
    world.label(batch, leave_out=1)
    world.handled(batch, 5)
    with pytest.raises(Refused, match="not complete cannot be accepted") as refusal:
        world.call("reviewer", "batch.accept", batch)
    assert refusal.value.problems[0].rule == "must be complete"
    assert refusal.value.problems[0].value == "objects without a line: 1"
    world.call("reviewer", "batch.reject", batch, reason="one is missing")
    world.reached(batch, 7, "Sent for rework")
    world.label(batch)
    world.handled(batch, 8)
    world.call("reviewer", "batch.accept", batch)
    world.reached(batch, 10, "Ready for delivery")


def delivery_problems(world: World, batch: str) -> list[str]:
    """Why a batch is not delivered, as far as it is known."""
    return list(world.head(batch)["facts"].get("delivery", {}).get("problems", []))


def test_a_delivery_that_says_the_same_in_other_words_is_not_the_accepted_one(world: World) -> None:
    batch = world.create(objects=1)
    world.play(batch, MAIN_LINE[:9])
    world.handled(batch)
    accepted = world.labels(batch)
    delivery = world.head(batch)["form"]["output"] + "output.manifest"
    for changed in (accepted.replace('"label": 0', '"label": false'), accepted.replace('"text"', '"other"', 1)):
        assert changed != accepted
        world.put(delivery, "", who="data")
        eventually(lambda: "objects without a line: 1" in delivery_problems(world, batch), "none")
        world.put(delivery, changed, who="data")
        expected = ["labels that are not the accepted ones: 1"]
        eventually(lambda expected=expected: delivery_problems(world, batch) == expected, "why")  # type: ignore[misc]
    world.put(delivery, accepted, who="data")
    world.reached(batch, 10, "Data delivered")


def test_a_batch_can_be_paused_and_resumed_where_it_was(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:4])
    notice = f"s3://{world.buckets[PROJECT]}/labels/{batch}/gtplus/notice.json"
    world.call("requester", "batch.pause", batch)
    world.handled(batch)
    assert json.loads(world.get(notice, who="data"))["status"] == "Paused"
    manifest = f"s3://{world.buckets[PROJECT]}/labels/{batch}/round-1/output.manifest"
    world.put(manifest, world.labels(batch), who="data")
    with pytest.raises(Refused, match="cannot follow 'Paused'"):
        world.report(batch, "Ready for review")
    world.call("requester", "batch.resume", batch)
    world.handled(batch)
    assert json.loads(world.get(notice, who="data"))["status"] == "In progress"
    world.label(batch)
    world.reached(batch, 7, "Ready for review")
    world.handled(batch)
    assert world.statuses(batch)[3:] == ["In progress", "Paused", "In progress", "Ready for review"]


def test_a_cancelled_batch_frees_its_slot(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    assert Key(PROJECT, batch) in world.store.transfers("ground-truth-plus")
    world.call("requester", "batch.cancel", batch)
    world.handled(batch)
    assert Key(PROJECT, batch) not in world.store.transfers("ground-truth-plus")
    assert world.statuses(batch)[-1] == "Cancelled"


def test_a_later_status_of_the_provider_implies_the_earlier_ones_visibly(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    world.label(batch)
    events = world.call("requester", "batch.history", batch)["events"]
    assert [(e["status"], bool(e["implied"])) for e in events[2:5]] == [
        ("Data received", True),
        ("In progress", True),
        ("Ready for review", False),
    ]
    world.handled(batch)
    assert world.first_runs(batch) == MAIN_LINE[:5]


def test_the_sixth_batch_waits_in_line_for_its_transfer_first_come_first_served(world: World) -> None:
    world.clear_transfers()
    batches = []
    for number in range(7):
        batches.append(world.create(objects=1, name=f"line-{number}"))
        eventually(lambda: Key(PROJECT, batches[-1]) in world.store.transfers("ground-truth-plus"), "its place in line")
    for batch in batches[:5]:
        world.reached(batch, 2, "Data transfer in progress")
    for batch in batches[5:]:
        world.handled(batch)
        assert world.statuses(batch) == ["Request submitted"]

    world.report(batches[3], "Data received")
    world.reached(batches[5], 2, "Data transfer in progress")
    assert world.statuses(batches[6]) == ["Request submitted"]
    # Who is paused in line holds no slot, and joins it again at the end.
    last = world.create(objects=1, name="line-last")
    world.call("requester", "batch.pause", batches[6])
    world.handled(batches[6])
    world.call("requester", "batch.cancel", batches[0])
    world.reached(last, 2, "Data transfer in progress")
    world.call("requester", "batch.resume", batches[6])
    world.handled(batches[6])
    assert world.statuses(batches[6]) == ["Request submitted", "Paused", "Request submitted"]
    world.call("requester", "batch.cancel", batches[1])
    world.reached(batches[6], 4, "Data transfer in progress")
