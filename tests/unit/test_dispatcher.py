"""The dispatcher tells what happened: to the bus, to people, or to one of the two again; a refusal is no success."""

import json
import threading
from collections.abc import Iterable
from typing import Any
from unittest.mock import patch

import pytest

from gtplus_runtime import aws
from gtplus_runtime.handlers import dispatcher
from gtplus_runtime.store import BUS, EVERYBODY, RETELL, TOPIC, Key, Place

KEY = Key("p", "b")


ACTOR = {"id": "x", "name": "x", "duty": "report"}
SINCE, LATER = "2026-11-25T01:11:41.000000Z", "2026-11-29T01:11:41.000000Z"
REMINDED = "REMINDER#00000005#000002"
ITEMS = {
    (KEY.pk, "HEAD"): {"objects": {"total": 40}},
    (KEY.pk, "EVENT#00000005"): {
        "seq": 5,
        "status": "Ready for review",
        "before": "In progress",
        "round": 1,
        "at": SINCE,
        "actor": ACTOR,
    },
    (KEY.pk, REMINDED): {
        "seq": 5,
        "status": "Ready for review",
        "round": 1,
        "since": SINCE,
        "at": LATER,
        "number": 2,
    },
}


class Table:
    """One batch with one event, which waits for reviewers, and a reminder."""

    reads = 0

    def read(self, places: Iterable[Place]) -> dict[Place, dict[str, Any]]:
        Table.reads += 1
        return {place: ITEMS[place] for place in places if place in ITEMS}


class Outside:
    """The bus, the topic and the machine."""

    class exceptions:
        TaskTimedOut = TaskDoesNotExist = InvalidToken = OSError

    def __init__(self) -> None:
        self.told: list[str] = []
        self.woken: list[str] = []
        self.refuses = False

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        (entry,) = Entries
        if self.refuses:
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
        self.told.append(f"bus {entry['DetailType']} {json.loads(entry['Detail'])['status']}")
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}

    def send_task_success(self, taskToken: str, output: str) -> None:
        self.woken.append(json.loads(output)["status"])

    def publish(self, **message: Any) -> None:
        self.told.append(f"{message['TopicArn']} {message['Subject']}")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    made = Outside()
    for name in ("WORKSPACE", "BUS", "TOPIC", "ESCALATIONS"):
        monkeypatch.setenv(f"GTPLUS_{name}", name.lower())
    monkeypatch.setattr(dispatcher, "store", Table)
    monkeypatch.setattr(aws, "client", lambda name: made)
    return made


def follow(sk: str, what: str = "INSERT", pk: str = KEY.pk) -> list[str]:
    keys = {"pk": {"S": pk}, "sk": {"S": sk}}
    record = {"eventName": what, "dynamodb": {"Keys": keys, "SequenceNumber": "7"}}
    failed = dispatcher.handler({"Records": [record]}, None)["batchItemFailures"]
    return [entry["itemIdentifier"] for entry in failed]


ON_BUS, TO_PEOPLE = "bus Batch status changed Ready for review", "topic batch b of project p: Ready for review"
LATE = "bus Batch status overdue Ready for review"
REMINDER = "topic Escalation: batch b of project p: Ready for review"
ESCALATION = REMINDER.replace("topic", "escalations")


@pytest.mark.parametrize(
    ("sk", "told"),
    [
        ("EVENT#00000005", [ON_BUS, TO_PEOPLE]),
        (f"{RETELL}{EVERYBODY}#EVENT#00000005", [ON_BUS, TO_PEOPLE]),
        (f"{RETELL}{BUS}#EVENT#00000005", [ON_BUS]),
        (f"{RETELL}{TOPIC}#EVENT#00000005", [TO_PEOPLE]),
        (f"{RETELL}{TOPIC}#EVENT#00000006", []),
        ("EVENT#00000006", []),
        (REMINDED, [LATE, REMINDER, ESCALATION]),
        (f"{RETELL}{EVERYBODY}#{REMINDED}", [LATE, REMINDER, ESCALATION]),
        (f"{RETELL}{BUS}#{REMINDED}", [LATE]),
        (f"{RETELL}{TOPIC}#{REMINDED}", [REMINDER, ESCALATION]),
    ],
)
def test_whom_an_event_is_told(outside: Outside, sk: str, told: list[str]) -> None:
    assert follow(sk) == []
    assert outside.told == told


def test_an_event_is_told_again_only_where_somebody_asks(outside: Outside) -> None:
    follow("EVENT#00000005", "MODIFY")
    assert outside.told == []
    follow(f"{RETELL}{BUS}#EVENT#00000005", "MODIFY")
    assert outside.told == [ON_BUS]


def test_what_the_bus_refuses_fails_the_record(outside: Outside) -> None:
    """PutEvents answers 200 to it; the record comes again, and ends as a dead letter."""
    outside.refuses = True
    assert follow("EVENT#00000005") == ["7"]
    outside.refuses = False
    assert follow("EVENT#00000005") == []
    assert outside.told == [ON_BUS, TO_PEOPLE]


def test_an_item_of_neither_a_project_nor_a_batch_is_let_go(outside: Outside) -> None:
    assert follow("EVENT#00000005", pk="QUARANTINE") == []
    assert outside.told == []


def test_however_many_records_there_are_the_table_is_read_once_and_a_head_is_followed_once(outside: Outside) -> None:
    head = {"open": "open", "generation": 1, "parkedGeneration": 1, "seq": 5, "handled": 4, "token": "t"}
    told = [("HEAD", "MODIFY"), ("EVENT#00000005", "INSERT"), ("HEAD", "MODIFY"), ("EVENT#x", "INSERT")]
    records = [
        {"eventName": what, "dynamodb": {"Keys": {"pk": {"S": KEY.pk}, "sk": {"S": sk}}, "SequenceNumber": str(n)}}
        for n, (sk, what) in enumerate(told)
    ]
    Table.reads = 0
    with patch.dict(ITEMS, {(KEY.pk, "HEAD"): {**head, "status": "Ready for review", "objects": {}}}):
        failed = dispatcher.handler({"Records": records}, None)["batchItemFailures"]
    assert (Table.reads, outside.woken, outside.told) == (1, ["Ready for review"], [ON_BUS, TO_PEOPLE])
    assert failed == [{"itemIdentifier": "3"}], "a record that says nothing holds up no other"


def test_batches_are_followed_side_by_side_and_the_events_of_each_in_order(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = threading.Barrier(2)
    event = ITEMS[KEY.pk, "EVENT#00000005"]
    items = {
        (Key("p", name).pk, f"EVENT#{seq:08}"): {**event, "seq": seq, "status": "Accepted"}
        for name in ("a", "b")
        for seq in (5, 6)
    }
    told: list[tuple[str, int]] = []

    def put(detail_type: str, detail: dict[str, Any]) -> None:
        if detail["seq"] == 5:
            met.wait(10)  # breaks where one batch waits for the other
        told.append((detail["batch"], detail["seq"]))

    monkeypatch.setattr(dispatcher, "_put", put)
    records = [
        {"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}, "SequenceNumber": pk + sk}}
        for pk, sk in items
    ]
    with patch.dict(ITEMS, items):
        assert dispatcher.handler({"Records": records}, None) == {"batchItemFailures": []}
    assert {name: [seq for batch, seq in told if batch == name] for name in ("a", "b")} == {"a": [5, 6], "b": [5, 6]}
