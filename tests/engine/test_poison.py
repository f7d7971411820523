"""Poison: bodies, fields and files that are made to break something. Each is refused, and nothing is stuck."""

import json

import pytest

from gtplus_runtime.forms import FORMS, MAX_BODY
from gtplus_runtime.store import Key
from tests.engine.cloud import BUCKET, PROJECT, Cloud
from tests.engine.test_engine import FORM, PATH

REPORT = f"{PATH}/batches/{{batch}}/report"
CREATE = f"{PATH}/batches/{{batch}}"
QUOTA = 400 * 1024
"""Bytes of an item ("Quotas in Amazon DynamoDB")."""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Cloud:
    cloud = Cloud(monkeypatch)
    assert cloud.call("ann", "request", PATH, FORM, "")[0] == 200
    assert cloud.call("ops", "operate", f"{PATH}/approve", {}, "")[0] == 200
    cloud.bucket.objects["raw/b/0.txt"] = (b"x", cloud.now)
    return cloud


def rest(cloud: Cloud) -> None:
    for _ in range(1_000):
        running = [e for e in cloud.machine.executions.values() if e.can_step]
        if running:
            cloud.step(running[0])
        elif cloud.table.records:
            cloud.dispatch(cloud.table.records.pop(0))
        else:
            return


@pytest.mark.parametrize(
    "body",
    [
        "\ufeff{}",
        "{\x00}",
        '{"status": "In progress",}',
        '{"status": "In progress", "status": "Data received"}',
        "[" * 100_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        '{"status": NaN}',
        '{"status": 1e999999}',
        '{"status": ' + "9" * 100_000 + "}",
        '{"status": "\\ud800"}',
        '{"evidence": "\\u0000"}',
        '"In progress"',
        "null",
        "x" * (MAX_BODY + 1),
        "\r\n\r\n",
        '{"status": {"$ne": ""}}',
        '{"status": ["In progress"]}',
        '{"status": "In progress", "manifest": "s3://somebody-elses/labels/b/output.manifest"}',
        '{"status": "Ready for review", "manifest": "s3://data/labels/b/../../raw/x"}',
        '{"status": "In progress", "round": true}',
        '{"status": "In progress", "objects": {"completed": -1}}',
        '{"status": "In progress", "objects": {"total": 1}}',
    ],
    ids=lambda body: body[:40].encode("unicode_escape").decode(),
)
def test_a_poisoned_body_is_refused_and_the_next_call_is_not(cloud: Cloud, body: str) -> None:
    assert cloud.call("ann", "request", CREATE, {"input": f"s3://{BUCKET}/raw/b/"}, "b")[0] == 200
    rest(cloud)
    before = cloud.events("b")
    code, answer = cloud.call("pro", "report", REPORT, body, "b")
    assert code == 400
    assert answer["problems"]
    assert cloud.events("b") == before
    assert cloud.call("pro", "report", REPORT, {"status": "In progress"}, "b")[0] == 200
    rest(cloud)
    assert [e["status"] for e in cloud.events("b")][-1] == "In progress"
    head = cloud.head("b")
    assert head is not None
    assert head["handled"] == head["seq"]


@pytest.mark.parametrize(
    "labels",
    [
        b"",
        b"\xff\xfe{",
        b"\xef\xbb\xbf{}\r\n",
        b"\x00\n",
        b"[" * 200_000 + b"\n",
        b'{"source-ref": "s3://somebody-elses/raw/b/0.txt", "label": 1}\n',
        b'{"source-ref": "s3://data/raw/b/../b/0.txt", "label": 1}\n',
        b'{"source-ref": "\\ud800", "label": 1}\n',
        b'{"label": 1}\n' * 10_000,
        b'{"source-ref": "s3://data/raw/b/0.txt", "label": "' + b"x" * 1_000_000 + b'"',
    ],
    ids=lambda labels: repr(labels[:40]),
)
def test_labels_that_are_poison_are_rejected_by_people_and_stop_nothing(cloud: Cloud, labels: bytes) -> None:
    assert cloud.call("ann", "request", CREATE, {"input": f"s3://{BUCKET}/raw/b/"}, "b")[0] == 200
    rest(cloud)
    cloud.bucket.objects["labels/b/round-1/output.manifest"] = (labels, cloud.now)
    assert cloud.call("pro", "report", REPORT, {"status": "Ready for review"}, "b")[0] == 200
    rest(cloud)
    head = cloud.head("b")
    assert head is not None
    assert head["handled"] == head["seq"], head.get("failure")
    assert head["facts"]["labels"]["problems"]
    assert cloud.call("rev", "review", f"{CREATE}/accept", {}, "b")[0] == 409
    assert cloud.call("rev", "review", f"{CREATE}/reject", {"reason": "unreadable"}, "b")[0] == 200
    rest(cloud)
    assert cloud.events("b")[-1]["status"] == "Sent for rework"


@pytest.mark.parametrize("lost", ["status", "seq", "form", "facts", "generation"])
def test_a_head_that_has_lost_something_holds_up_no_other_batch(cloud: Cloud, lost: str) -> None:
    """It stands first in the line of the transfers, which takes one; somebody has changed the table by hand."""
    cloud.bucket.objects["raw/broken/0.txt"] = (b"x", cloud.now)
    assert cloud.call("ann", "request", CREATE, {"input": f"s3://{BUCKET}/raw/broken/"}, "broken")[0] == 200
    cloud.store.join_transfers("vendor", Key(PROJECT, "broken"), 1)
    del cloud.table.items[Key(PROJECT, "broken").pk, "HEAD"][lost]
    assert cloud.call("ann", "request", CREATE, {"input": f"s3://{BUCKET}/raw/b/"}, "b")[0] == 200
    for _ in range(3):
        rest(cloud)
        cloud.sweep()
    head = cloud.head("b")
    assert head is not None
    assert head["handled"] == head["seq"], head.get("failure")
    assert head["status"] in ("Request submitted", "Data transfer in progress")


def test_a_head_stays_far_below_the_quota_of_an_item_whatever_its_people_write(cloud: Cloud) -> None:
    """Every text as long as it may be, every list as full, in every round."""
    long = {field.name: "ü" * field.limit for field in FORMS["batch.create"] if field.kind == "text"}
    key = "raw/" + "k" * 900 + "/"
    cloud.bucket.objects[f"{key}0.txt"] = (b"x", cloud.now)
    assert cloud.call("ann", "request", CREATE, {**long, "input": f"s3://{BUCKET}/{key}"}, "b")[0] == 200
    rest(cloud)
    reason = next(field.limit for field in FORMS["batch.reject"] if field.name == "reason")
    evidence = next(field.limit for field in FORMS["batch.report"] if field.name == "evidence")
    for round_ in (1, 2):
        cloud.bucket.objects[f"labels/b/round-{round_}/output.manifest"] = (b'{"label": 1}\n' * 5_000, cloud.now)
        report = {"status": "Ready for review", "evidence": "ü" * evidence}
        assert cloud.call("pro", "report", REPORT, report, "b")[0] == 200
        rest(cloud)
        assert cloud.call("rev", "review", f"{CREATE}/reject", {"reason": "ü" * reason}, "b")[0] == 200
        rest(cloud)
    for number in range(300):
        cloud.call(f"pro{number}", "report", REPORT, {"status": "Sent for rework", "objects": {"completed": 0}}, "b")
    item = cloud.table.items[Key(PROJECT, "b").pk, "HEAD"]
    assert len(json.dumps(item, ensure_ascii=False).encode()) < QUOTA / 2


@pytest.mark.parametrize("there", [b"[]", b"null", b"\xff", b"{}"])
def test_a_notice_that_is_none_is_written_over(cloud: Cloud, there: bytes) -> None:
    """The owner of the bucket can write there."""
    cloud.bucket.objects["labels/b/gtplus/notice.json"] = (there, cloud.now)
    assert cloud.call("ann", "request", CREATE, {"input": f"s3://{BUCKET}/raw/b/"}, "b")[0] == 200
    rest(cloud)
    notice = json.loads(cloud.bucket.objects["labels/b/gtplus/notice.json"][0])
    assert notice["status"] == "Data transfer in progress"
