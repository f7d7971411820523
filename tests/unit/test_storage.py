"""What S3 tells: every outcome is defined, and what leads to nothing is kept, bounded, with its reason."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime import storage
from gtplus_runtime.commands import Superseded
from gtplus_runtime.forms import NAME
from gtplus_runtime.handlers import storage_events
from gtplus_runtime.store import Key

AT = "2026-11-25T01:11:41Z"
ID = "8b5b3c1e-0000-4000-8000-000000000001"
KEY = Key("p", "b")


def told(key: str = "labels/b/output.manifest", bucket: str = "data", **changed: Any) -> str:
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 7}}
    return json.dumps({"id": ID, "time": AT, "detail-type": "Object Created", "detail": detail} | changed)


class Table:
    """A batch whose output is s3://data/labels/b/, in some status; and a quarantine."""

    def __init__(self, status: str = "Ready for delivery") -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.now: dict[str, Any] = {"status": status, "seq": 9, "generation": 1, "facts": {"accepted": {}}}

    def output_owner(self, uri: str) -> Key | None:
        return KEY if uri == "s3://data/labels/b/" else None

    def head(self, key: Key) -> dict[str, Any] | None:
        return self.now

    def quarantine(self, id: str, facts: Mapping[str, Any]) -> None:
        json.dumps(facts).encode()
        str(facts).encode()
        self.kept[id] = {"id": id, **facts}


@pytest.fixture
def delivery(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the completeness check finds: True, or the facts that it keeps, or an exception."""
    finds: dict[str, Any] = {"it": True, "runs": 0}

    def try_delivery(batch: Any) -> bool:
        finds["runs"] += 1
        if isinstance(finds["it"], Exception):
            raise finds["it"]
        if finds["it"] is True:
            return True
        batch.head["facts"]["delivery"] = finds["it"]
        return False

    monkeypatch.setattr(storage, "try_delivery", try_delivery)
    return finds


def test_a_complete_delivery_is_delivered_and_nothing_is_kept(delivery: dict[str, Any]) -> None:
    table = Table()
    assert storage.receive(table, told(), AT) == "delivered"
    assert table.kept == {}


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            {"problems": ["objects without a line: 1", "x"]},
            "the delivery is not complete: objects without a line: 1; x",
        ),
        (
            {"waitsFor": "the provider to write it"},
            "the delivery is not complete: it waits for the provider to write it",
        ),
    ],
)
def test_an_incomplete_delivery_is_kept_with_all_its_reasons(
    delivery: dict[str, Any], found: dict[str, Any], reason: str
) -> None:
    table = Table()
    delivery["it"] = found
    storage.receive(table, told(), AT)
    (kept,) = table.kept.values()
    uri = "s3://data/labels/b/output.manifest"
    assert kept == {"id": kept["id"], "at": AT, "uri": uri, "reason": reason, "project": "p", "batch": "b"}


@pytest.mark.parametrize("status", ["Request submitted", "In progress", "Accepted", "Paused", "Cancelled"])
def test_a_manifest_that_is_not_waited_for_is_kept(delivery: dict[str, Any], status: str) -> None:
    table = Table(status)
    storage.receive(table, told(), AT)
    (kept,) = table.kept.values()
    assert kept["reason"] == f"the batch stands in {status!r}"
    assert delivery["runs"] == 0


def test_a_manifest_of_no_batch_is_kept(delivery: dict[str, Any]) -> None:
    table = Table()
    for key in ("labels/c/output.manifest", "labels/output.manifest", "labels/b/gtplus/output.manifest"):
        storage.receive(table, told(key, id=key), AT)
    assert [kept["reason"] for kept in table.kept.values()] == ["no batch has this output location"] * 3


@pytest.mark.parametrize("status", ["In progress", "Ready for delivery"])
def test_the_labels_of_a_round_and_what_comes_late_are_no_case_for_it(delivery: dict[str, Any], status: str) -> None:
    table = Table(status)
    assert storage.receive(table, told("labels/b/round-12/output.manifest"), AT) == "the labels of a round"
    table.now["status"] = "Data delivered"
    assert storage.receive(table, told(), AT) == "it was delivered before"
    table.now["status"] = "Ready for delivery"
    delivery["it"] = Superseded("gone on")
    assert storage.receive(table, told(), AT) == "the batch has gone on meanwhile"
    assert table.kept == {}


def test_a_delivery_is_looked_at_again_where_a_newer_generation_has_begun_meanwhile(
    delivery: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table()

    def raised(batch: Any) -> bool:
        table.now = {**table.now, "generation": 2}
        if batch.generation == 1:
            raise Superseded("a newer generation")
        return True

    monkeypatch.setattr(storage, "try_delivery", raised)
    assert storage.receive(table, told(), AT) == "delivered"


def test_a_manifest_that_comes_before_the_acceptance_is_handled_is_kept(delivery: dict[str, Any]) -> None:
    """The provider may report *Ready for delivery* at once; no message ends as a dead letter for it."""
    table = Table()
    table.now["facts"] = {}
    assert storage.receive(table, told(), AT) == "what was accepted is not fixed yet"
    assert (len(table.kept), delivery["runs"]) == (1, 0)


def test_the_same_event_is_kept_once(delivery: dict[str, Any]) -> None:
    table = Table("In progress")
    for _ in range(3):
        storage.receive(table, told(), AT)
    storage.receive(table, told(id="another"), AT)
    assert len(table.kept) == 2
    for body in ("{", "{"):
        storage.receive(table, body, AT)
    assert len(table.kept) == 3


def test_what_is_kept_can_be_replayed_until_it_is_settled(delivery: dict[str, Any]) -> None:
    table = Table("Accepted")
    storage.receive(table, told(), AT)
    (event,) = table.kept.values()
    again = storage.replay(table, event, "2026-11-26T00:00:00Z", "ops")
    assert (again["reason"], again["replayedBy"], "settled" in again) == (
        "the batch stands in 'Accepted'",
        "ops",
        False,
    )
    table.now["status"] = "Ready for delivery"
    for _ in range(2):
        assert storage.replay(table, event, "2026-11-26T00:00:01Z", "ops")["settled"] is True
        table.now["status"] = "Data delivered"
    (kept,) = table.kept.values()
    assert (kept["id"], kept["at"], kept["uri"]) == (event["id"], AT, event["uri"])


def test_what_the_reconciler_asks_for_is_looked_at_and_never_kept(delivery: dict[str, Any]) -> None:
    table = Table()
    asked = json.dumps({"project": "p", "batch": "b"})
    delivery["it"] = {"waitsFor": "the provider to write it"}
    assert "the provider to write it" in storage.receive(table, asked, AT)
    delivery["it"] = True
    assert storage.receive(table, asked, AT) == "delivered"
    table.now["status"] = "Paused"
    assert storage.receive(table, asked, AT) == "the batch stands in 'Paused'"
    assert table.kept == {}


POISON = [
    "",
    "null",
    "[]",
    "{}",
    '"text"',
    "\ufeff{}",
    "{\x00}",
    "[" * 100_000,
    '{"detail": ' * 150 + "1" + "}" * 150,
    "NaN",
    json.dumps({"detail": {"bucket": "data", "object": {"key": "x/output.manifest"}}, "time": AT, "id": ID}),
    told(key="labels/b/other.manifest"),
    told(key="output.manifest"),
    told(key="x" * 2_000 + "/output.manifest"),
    told(key="\ud800/output.manifest"),
    told(bucket="\udfff"),
    told(time=7),
    told(time=""),
    told(id=None),
    told(id="\ud800", key="other"),
    "\ud800",
    "x" * 1_000_000,
]


@pytest.mark.parametrize("body", POISON, ids=range(len(POISON)))
def test_poison_is_kept_and_holds_up_nothing(delivery: dict[str, Any], body: str) -> None:
    table = Table()
    assert storage.receive(table, body, AT) == "unreadable"
    (kept,) = table.kept.values()
    assert kept["reason"].startswith("this is no event of an output manifest: ")
    assert "uri" not in kept
    assert len(json.dumps(kept)) < 10_000


@given(st.text(max_size=200) | st.from_type(dict).map(str) | st.text(max_size=40).map(lambda key: told(key=key)))
def test_whatever_comes_is_kept_small_under_an_id_that_a_path_can_hold(body: str) -> None:
    table = Table("In progress")
    storage.receive(table, body, AT)
    for id, kept in table.kept.items():
        assert NAME.fullmatch(id)
        assert len(json.dumps(kept)) < 10_000


@given(st.lists(st.datetimes(), min_size=2, max_size=6))
def test_ids_sort_by_time(times: list[Any]) -> None:
    ids = [storage.quarantine_id(f"{time.isoformat(timespec='seconds')}Z", "x") for time in sorted(times)]
    assert ids == sorted(ids)


def test_a_message_that_fails_comes_again_and_the_others_are_done(
    delivery: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table("In progress")
    monkeypatch.setattr(storage_events, "store", lambda: table)
    calls = []

    def receive(store: Table, body: str, at: str) -> str:
        calls.append((body, at))
        if body == "bad":
            raise RuntimeError("throttled")
        return "done"

    monkeypatch.setattr(storage_events, "receive", receive)
    records = [
        {"messageId": body, "body": body, "attributes": {"SentTimestamp": "1795569101000"}}
        for body in ("one", "bad", "two")
    ]
    assert storage_events.handler({"Records": records}, None) == {"batchItemFailures": [{"itemIdentifier": "bad"}]}
    assert calls == [(body, "2026-11-25T01:11:41Z") for body in ("one", "bad", "two")]
