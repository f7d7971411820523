"""The simulated provider does each step of a batch once, as its lifecycle allows, whatever happens to it."""

import contextlib
import io
import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from gtplus_cli.simulation import Label, SimulatedProvider, Workforce, digits
from gtplus_runtime.forms import check_form
from gtplus_runtime.lifecycle import BATCH, Duty

PROJECT, BATCH_NAME = "street-signs", "digits-001"
NOON = datetime(2026, 1, 2, 12, 0, 0, 500, tzinfo=UTC)


@cache
def inputs() -> dict[str, bytes]:
    return {f"s3://street-data/raw/{name}": image for name, image in list(digits.batch().items())[:20]}


@cache
def careful() -> dict[str, Label]:
    return Workforce().label(inputs(), with_care=True).labels


class Refused(Exception):
    """What the API's client raises."""


class Killed(Exception):
    """The provider is killed here; or the network fails, which looks the same to it."""


class World:
    """The API's batches and the objects in S3, as the provider meets them; the workspace's part is played here.

    Args:
        dies_at: the number of the call, of API or S3, that fails; the call's effect has or has not happened.
    """

    def __init__(self, dies_at: int = 0, *, after_effect: bool = False) -> None:
        self.objects: dict[str, bytes] = dict(inputs())
        self.batches: dict[str, dict[str, Any]] = {}
        self.reports: list[dict[str, Any]] = []
        self.written: list[str] = []
        self.denied: dict[str, str] = {}
        self.calls = 0
        self._dies_at, self._after_effect = dies_at, after_effect

    def batch(self, status: str = "Data transfer in progress", round_: int = 1, name: str = BATCH_NAME) -> None:
        self.batches[name] = {"batch": name, "status": status, "round": round_, "workOrder": self.order(name, round_)}

    def order(self, batch: str, round_: int) -> str:
        folder = f"s3://street-data/labels/{batch}"
        order = {
            "version": 1,
            "project": PROJECT,
            "batch": batch,
            "round": round_,
            "taskType": "image",
            "labelAttribute": "digit",
            "inventory": f"{folder}/inventory.jsonl",
            "rework": f"{folder}/rework.jsonl" if round_ > 1 else None,
            "manifest": f"{folder}/round-{round_}/output.manifest",
            "delivery": f"{folder}/output.manifest",
        }
        lines = [{"source-ref": uri, "gtplus-frozen": {"size": 9, "etag": "e", "modified": "m"}} for uri in inputs()]
        self.objects[f"{folder}/inventory.jsonl"] = "\n".join(map(json.dumps, lines)).encode()
        self.objects[f"{folder}/rework.jsonl"] = (
            b'{"source-ref":"s3://street-data/raw/digit-0000.png","reason":"a 0"}\n'
        )
        self.objects[f"{folder}/order-{round_}.json"] = json.dumps(order).encode()
        return f"{folder}/order-{round_}.json"

    def call(self, route: str, /, *, project: str, batch: str = "", **body: Any) -> dict[str, Any]:
        assert project == PROJECT
        if route == "batch.list":
            return self._unless_killed(
                lambda: {"batches": [dict(entry) for entry in self.batches.values()], "next": None}
            )
        if route == "batch.show":
            return self._unless_killed(lambda: dict(self.batches[batch]))
        assert route == "batch.report"
        assert check_form(route, body) == []
        return self._unless_killed(lambda: self._report(batch, body))

    def _report(self, batch: str, body: dict[str, Any]) -> dict[str, Any]:
        if not BATCH.allowed(self.batches[batch]["status"], body["status"], Duty.REPORT):
            raise Refused(f"{self.batches[batch]['status']} does not become {body['status']}")
        self.batches[batch]["status"] = body["status"]
        self.reports.append(body)
        return {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        uri = f"s3://{Bucket}/{Key}"
        if uri in self.denied or uri not in self.objects:
            code = self.denied.get(uri, "NoSuchKey")
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "GetObject")
        return self._unless_killed(lambda: {"Body": io.BytesIO(self.objects[uri])})

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> dict[str, Any]:
        return self._unless_killed(lambda: self._put(f"s3://{Bucket}/{Key}", Body))

    def _put(self, uri: str, content: bytes) -> dict[str, Any]:
        self.objects[uri] = content
        self.written.append(uri)
        return {}

    def _unless_killed(self, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        self.calls += 1
        dies = self.calls == self._dies_at
        if dies and not self._after_effect:
            raise Killed
        result = effect()
        if dies:
            raise Killed
        return result

    def provider(self, **options: Any) -> SimulatedProvider:
        return SimulatedProvider(self, self, PROJECT, Workforce(0.2, **options), now=lambda: NOON)


def manifest(world: World, round_: int) -> list[dict[str, Any]]:
    content = world.objects[f"s3://street-data/labels/{BATCH_NAME}/round-{round_}/output.manifest"]
    return [json.loads(line) for line in content.splitlines()]


def whole_way(world: World, look: Callable[[], object]) -> None:
    """Takes a batch through two rounds to its delivery, with more looks of the provider than it needs."""
    world.batch()
    for _ in range(5):
        look()
    world.batches[BATCH_NAME] |= {"status": "Sent for rework", "round": 2}
    look()  # The order of round 2 is not written yet.
    world.batches[BATCH_NAME]["workOrder"] = world.order(BATCH_NAME, 2)
    for _ in range(3):
        look()
    world.batches[BATCH_NAME]["status"] = "Ready for delivery"
    for _ in range(3):
        look()


def test_it_takes_a_batch_through_both_rounds_to_the_delivery() -> None:
    world = World()
    whole_way(world, world.provider().work_once)

    folder = f"s3://street-data/labels/{BATCH_NAME}"
    assert world.reports == [
        {"status": "Data received", "round": 1},
        {"status": "In progress", "round": 1},
        {
            "status": "Ready for review",
            "round": 1,
            "manifest": f"{folder}/round-1/output.manifest",
            "objects": {"completed": 20, "failed": 0},
        },
        {
            "status": "Ready for review",
            "round": 2,
            "manifest": f"{folder}/round-2/output.manifest",
            "objects": {"completed": 20, "failed": 0},
        },
    ]
    # Each is written once: S3 tells of every write.
    assert world.written == [
        f"{folder}/round-1/output.manifest",
        f"{folder}/round-2/output.manifest",
        f"{folder}/output.manifest",
    ]
    assert world.objects[f"{folder}/output.manifest"] == world.objects[f"{folder}/round-2/output.manifest"]


def test_the_first_round_has_the_added_mistakes_and_the_rework_has_none() -> None:
    world = World()
    whole_way(world, world.provider().work_once)

    wrong = [line for line in manifest(world, 1) if line["digit"] != careful()[line["source-ref"]].class_id]
    assert len(wrong) == 4
    assert {line["source-ref"]: line["digit"] for line in manifest(world, 2)} == {
        obj: label.class_id for obj, label in careful().items()
    }


def test_the_manifest_is_ground_truths_of_an_image_classification_and_says_that_it_is_simulated() -> None:
    world = World()
    world.batch("In progress")
    world.provider().work_once()

    lines = manifest(world, 1)
    assert [line["source-ref"] for line in lines] == list(inputs())
    line = lines[0]
    assert line == {
        "source-ref": "s3://street-data/raw/digit-0000.png",
        "digit": line["digit"],
        "digit-metadata": {
            "confidence": careful()["s3://street-data/raw/digit-0000.png"].confidence,
            "class-name": str(line["digit"]),
            "human-annotated": "yes",
            "creation-date": "2026-01-02T12:00:00.000500",
            "job-name": "simulated/street-signs/digits-001/round-1",
            "type": "groundtruth/image-classification",
        },
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.booleans())
def test_killed_at_any_call_and_started_again_it_ends_in_the_same_way(dies_at: int, after_effect: bool) -> None:
    undisturbed, world = World(), World(dies_at, after_effect=after_effect)
    whole_way(undisturbed, undisturbed.provider().work_once)

    def look() -> None:
        before = world.calls
        with contextlib.suppress(Killed):
            world.provider().work_once()
        if before < dies_at <= world.calls:
            world.provider().work_once()

    whole_way(world, look)

    assert world.reports == undisturbed.reports
    assert world.objects == undisturbed.objects


def test_without_this_rounds_work_order_it_waits() -> None:
    world = World()
    world.batch()
    del world.batches[BATCH_NAME]["workOrder"]
    world.batch("Sent for rework", round_=1, name="digits-002")
    world.batches["digits-002"]["round"] = 2

    assert world.provider().work_once() == []
    assert (world.reports, world.written) == ([], [])


@pytest.mark.parametrize(
    "status",
    # A delivery is written and not reported; that a batch is accepted is the workspace's to act on.
    [
        status.name
        for status in BATCH
        if status.name == "Accepted"
        or (status.name != "Ready for delivery" and not BATCH.next_for(status.name, Duty.REPORT))
    ],
)
def test_where_nothing_is_for_the_provider_to_do_it_does_nothing(status: str) -> None:
    world = World()
    world.batch(status)

    assert world.provider().work_once() == []
    assert (world.reports, world.written) == ([], [])


def test_what_cannot_be_read_fails_the_transfer_with_all_reasons() -> None:
    world = World()
    world.batch()
    first, second = list(inputs())[:2]
    world.denied[first] = "AccessDenied"
    del world.objects[second]

    world.provider().work_once()

    assert world.reports == [
        {
            "status": "Data transfer failed",
            "reason": f"2 of 20 objects: cannot read {first} (AccessDenied); cannot read {second} (NoSuchKey)",
        }
    ]


def test_of_many_reasons_the_first_five_are_named() -> None:
    world = World()
    world.batch()
    world.denied = dict.fromkeys(inputs(), "AccessDenied")

    world.provider().work_once()

    reason = world.reports[0]["reason"]
    assert reason.startswith("20 of 20 objects: ")
    assert reason.endswith("; and 15 more")
    assert reason.count("cannot read") == 5


def test_a_reason_fits_the_report() -> None:
    world = World()
    world.batch()
    lines = [json.dumps({"source-ref": f"s3://street-data/raw/{number}{'x' * 900}.png"}) for number in range(3)]
    world.objects[f"s3://street-data/labels/{BATCH_NAME}/inventory.jsonl"] = "\n".join(lines).encode()

    world.provider().work_once()

    assert len(check_form("batch.report", world.reports[0])) == 0


@pytest.mark.parametrize("code", ["SlowDown", "InternalError", "ExpiredToken"])
def test_a_passing_failure_of_s3_does_not_fail_the_transfer(code: str) -> None:
    world = World()
    world.batch()
    provider = world.provider()
    world.denied[next(iter(inputs()))] = code

    assert provider.work_once() == []
    assert world.reports == []
    world.denied.clear()
    assert provider.work_once() == ["digits-001: reported Data received"]


def test_an_object_that_vanishes_or_is_no_image_fails_alone() -> None:
    world = World()
    world.batch("In progress")
    gone, broken = list(inputs())[:2]
    del world.objects[gone]
    world.objects[broken] = b"no image"

    world.provider().work_once()

    assert world.reports[0]["objects"] == {"completed": 18, "failed": 2}
    lines = manifest(world, 1)
    assert len(lines) == 20
    assert all("digit" not in line for line in lines[:2])
    assert "NoSuchKey" in lines[0]["digit-metadata"]["failure-reason"]
    assert "not a readable image" in lines[1]["digit-metadata"]["failure-reason"]


def test_inline_text_is_not_labeled_and_the_customers_own_keys_are_carried_through() -> None:
    world = World()
    world.batch()
    known = json.dumps({"source-ref": next(iter(inputs())), "street": "Elm", "size": 1, "gtplus-frozen": {}})
    world.objects[f"s3://street-data/labels/{BATCH_NAME}/inventory.jsonl"] = f'{known}\n{{"source": "a 5"}}'.encode()
    provider = world.provider()
    for _ in range(3):
        provider.work_once()

    file, text = manifest(world, 1)
    assert list(file) == ["source-ref", "street", "size", "digit", "digit-metadata"]
    assert file["street"] == "Elm"
    assert list(text) == ["source", "digit-metadata"]
    assert "images only" in text["digit-metadata"]["failure-reason"]
    assert world.reports[-1]["objects"] == {"completed": 1, "failed": 1}


def test_one_bad_batch_does_not_stop_another() -> None:
    world = World()
    world.batch("Data received", name="digits-000")
    world.objects[world.batches["digits-000"]["workOrder"]] = b"not JSON"
    world.batch("Data received")
    foreign = json.loads(world.objects[world.order("digits-002", 1)]) | {"project": "faces"}
    world.batch("Data received", name="digits-002")
    world.objects[world.batches["digits-002"]["workOrder"]] = json.dumps(foreign).encode()

    assert world.provider().work_once() == ["digits-001: reported In progress"]


def test_a_delivery_that_is_there_already_is_not_written_again() -> None:
    world = World()
    world.batch("In progress")
    world.provider().work_once()
    folder = f"s3://street-data/labels/{BATCH_NAME}"
    world.objects[f"{folder}/output.manifest"] = world.objects[f"{folder}/round-1/output.manifest"]
    world.batches[BATCH_NAME]["status"] = "Ready for delivery"
    world.written.clear()

    assert world.provider().work_once() == []
    assert world.written == []


def test_a_role_that_is_refused_what_is_not_there_delivers_and_delivers_once() -> None:
    world = World()
    world.batch("In progress")
    provider = world.provider()
    provider.work_once()
    delivery = f"s3://street-data/labels/{BATCH_NAME}/output.manifest"
    world.denied[delivery] = "AccessDenied"
    world.batches[BATCH_NAME]["status"] = "Ready for delivery"

    assert provider.work_once() == [f"digits-001: round 1 delivered to {delivery}"]
    assert provider.work_once() == []
    assert world.written.count(delivery) == 1


def test_it_runs_until_it_is_stopped_and_says_a_lasting_trouble_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    stop = threading.Event()
    looks = 0

    def unreachable(route: str, /, **_: Any) -> dict[str, Any]:
        nonlocal looks
        looks += 1
        if looks == 5:
            stop.set()
        raise ConnectionError("no API")

    world.call = unreachable  # type: ignore[method-assign]
    with caplog.at_level(logging.INFO, "gtplus_cli.simulation"):
        world.provider().run(stop, interval=0)

    assert looks == 5
    assert [record.getMessage() for record in caplog.records] == [
        "simulated provider: works for street-signs with the simulated workforce (error rate 0.2, seed 7)",
        "simulated provider: list of batches: ConnectionError: no API; it tries again",
    ]
