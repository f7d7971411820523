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

    def event(self, key: Key, seq: int) -> dict[str, Any] | None:
        return ITEMS.get((key.pk, f"EVENT#{seq:08}"))

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
        self.calls: list[int] = []
        self.refuses: set[str] = set()

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        answers = [self._take(f"bus {entry['DetailType']} {_status(entry)}") for entry in self._few(Entries)]
        entries = [{"EventId": "1"} if taken else {"ErrorCode": "ThrottlingException"} for taken in answers]
        return {"FailedEntryCount": answers.count(False), "Entries": entries}

    def send_task_success(self, taskToken: str, output: str) -> None:
        self.woken.append(json.loads(output)["status"])

    def publish_batch(self, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> dict[str, Any]:
        mails = self._few(PublishBatchRequestEntries)
        assert len({mail["Id"] for mail in mails}) == len(mails), "told apart by them"
        refused = [mail["Id"] for mail in mails if not self._take(f"{TopicArn} {mail['Subject']}")]
        return {"Successful": [], "Failed": [{"Id": id, "Code": "InternalError"} for id in refused]}

    def _few(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.calls.append(len(entries))
        assert 0 < len(entries) <= 10, "as many as a call may have"
        return entries

    def _take(self, what: str) -> bool:
        if what in self.refuses:
            return False
        self.told.append(what)
        return True


def _status(entry: dict[str, Any]) -> str:
    return str(json.loads(entry["Detail"])["status"])


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


@pytest.mark.parametrize(("refused", "left"), [(ON_BUS, []), (TO_PEOPLE, [ON_BUS])])
def test_what_the_bus_or_the_topic_refuses_fails_the_record(outside: Outside, refused: str, left: list[str]) -> None:
    """A refusal of one entry is no error of the call; the record comes again, and ends as a dead letter."""
    outside.refuses = {refused}
    assert follow("EVENT#00000005") == ["7"]
    assert outside.told == left, "people are told only what the bus has taken"
    outside.refuses = set()
    assert follow("EVENT#00000005") == []
    assert outside.told == [*left, ON_BUS, TO_PEOPLE]


def test_a_call_that_fails_fails_the_records_in_it_and_no_others(
    outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = outside.put_events

    def fails(Entries: list[dict[str, Any]]) -> dict[str, Any]:
        if any(json.loads(entry["Detail"])["batch"] == "b10" for entry in Entries):
            raise TimeoutError
        return put(Entries)

    monkeypatch.setattr(outside, "put_events", fails)
    with patch.dict(ITEMS, many(25)):
        failed = dispatcher.handler({"Records": [written(n, "EVENT#00000005") for n in range(25)]}, None)
    assert failed == {"batchItemFailures": [{"itemIdentifier": f"{n:02}"} for n in range(10, 20)]}


def test_many_events_take_few_calls_and_only_what_is_refused_comes_again(outside: Outside) -> None:
    refused = "topic batch b17 of project p: Ready for review"
    outside.refuses = {refused}
    with patch.dict(ITEMS, many(25)):
        failed = dispatcher.handler({"Records": [written(n, "EVENT#00000005") for n in range(25)]}, None)
    assert failed == {"batchItemFailures": [{"itemIdentifier": "17"}]}
    everybody = [f"topic batch b{n:02} of project p: Ready for review" for n in range(25)]
    assert sorted(outside.told) == [ON_BUS] * 25 + [mail for mail in everybody if mail != refused]
    assert len(outside.calls) == 6


def many(batches: int) -> dict[Place, dict[str, Any]]:
    """An event of each of so many batches."""
    event = ITEMS[KEY.pk, "EVENT#00000005"]
    return {(Key("p", f"b{number:02}").pk, "EVENT#00000005"): event for number in range(batches)}


def written(number: int, sk: str) -> dict[str, Any]:
    """The record of an item of one of many batches."""
    keys = {"pk": {"S": Key("p", f"b{number:02}").pk}, "sk": {"S": sk}}
    return {"eventName": "INSERT", "dynamodb": {"Keys": keys, "SequenceNumber": f"{number:02}"}}


def test_an_item_of_neither_a_project_nor_a_batch_is_let_go(outside: Outside) -> None:
    assert follow("EVENT#00000005", pk="QUARANTINE") == []
    assert outside.told == []


def test_however_many_records_there_are_the_table_is_read_once_and_a_head_is_followed_once(outside: Outside) -> None:
    head = {"open": "open", "generation": 1, "parkedGeneration": 1, "seq": 5, "handled": 4, "token": "t"}
    told = [("HEAD", "MODIFY"), ("EVENT#00000005", "INSERT"), ("HEAD", "MODIFY")]
    records = [
        {"eventName": what, "dynamodb": {"Keys": {"pk": {"S": KEY.pk}, "sk": {"S": sk}}, "SequenceNumber": str(n)}}
        for n, (sk, what) in enumerate(told)
    ]
    records.append({"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"N": "1"}}, "SequenceNumber": "3"}})
    Table.reads = 0
    with patch.dict(ITEMS, {(KEY.pk, "HEAD"): {**head, "status": "Ready for review", "objects": {}}}):
        failed = dispatcher.handler({"Records": records}, None)["batchItemFailures"]
    assert (Table.reads, outside.woken, outside.told) == (1, ["Ready for review"], [ON_BUS, TO_PEOPLE])
    assert failed == [{"itemIdentifier": "3"}], "a record that says nothing holds up no other"


def test_executions_are_woken_side_by_side(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    met = threading.Barrier(2)
    head = {"open": "open", "generation": 1, "parkedGeneration": 1, "seq": 5, "handled": 4, "token": "t"}
    # Breaks where one batch waits for the other.
    monkeypatch.setattr(outside, "send_task_success", lambda taskToken, output: met.wait(10))
    with patch.dict(ITEMS, {(Key("p", f"b{n:02}").pk, "HEAD"): {**head, "status": "Accepted"} for n in range(2)}):
        answer = dispatcher.handler({"Records": [written(n, "HEAD") for n in range(2)]}, None)
    assert answer == {"batchItemFailures": []}


def test_an_execution_that_cannot_be_woken_comes_again_and_its_event_is_told(outside: Outside) -> None:
    head = {"open": "open", "generation": 1, "parkedGeneration": 1, "seq": 5, "handled": 4, "status": "Accepted"}
    with patch.dict(ITEMS, {(KEY.pk, "HEAD"): head}):  # it has no token
        records = [
            {"eventName": "INSERT", "dynamodb": {"Keys": {"pk": {"S": KEY.pk}, "sk": {"S": sk}}, "SequenceNumber": sk}}
            for sk in ("HEAD", "EVENT#00000005")
        ]
        failed = dispatcher.handler({"Records": records}, None)["batchItemFailures"]
    assert failed == [{"itemIdentifier": "HEAD"}]
    assert outside.told == [ON_BUS, TO_PEOPLE]


def test_an_event_that_nothing_can_be_told_of_holds_up_no_other(outside: Outside) -> None:
    """Somebody has changed the table by hand."""
    broken = {**many(3), (Key("p", "b01").pk, "EVENT#00000005"): {"seq": 5}}
    with patch.dict(ITEMS, broken):
        failed = dispatcher.handler({"Records": [written(n, "EVENT#00000005") for n in range(3)]}, None)
    assert failed == {"batchItemFailures": [{"itemIdentifier": "01"}]}
    assert outside.told.count(ON_BUS) == 2


HEAD = {"open": "open", "batch": "b", "uid": "u", "generation": 1, "seq": 5, "handled": 4, "status": "Accepted"}


def refused(outside: Outside, monkeypatch: pytest.MonkeyPatch, call: str, error: str) -> list[str]:
    """Step Functions refuses a call for a reason; the records that fail."""
    reason = type(error, (Exception,), {})
    asked: list[str] = []

    def refuse(**_: Any) -> None:
        asked.append(call)
        raise reason

    monkeypatch.setenv("GTPLUS_STATE_MACHINE", "machine")
    monkeypatch.setattr(Outside.exceptions, error, reason, raising=False)
    monkeypatch.setattr(outside, call, refuse, raising=False)
    head = HEAD if call == "start_execution" else {**HEAD, "parkedGeneration": 1, "token": "t"}
    with patch.dict(ITEMS, {(KEY.pk, "HEAD"): head}):
        failed = follow("HEAD", "MODIFY")
    assert asked == [call]
    return failed


def test_an_execution_that_has_begun_fails_no_record(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refused(outside, monkeypatch, "start_execution", "ExecutionAlreadyExists") == []


@pytest.mark.parametrize("seq", [1, 3])
def test_the_first_handler_is_told_the_call_that_began_the_batch(
    outside: Outside, monkeypatch: pytest.MonkeyPatch, seq: int
) -> None:
    """Also where others have called before the execution was started."""
    begun: list[str] = []
    monkeypatch.setenv("GTPLUS_STATE_MACHINE", "machine")
    monkeypatch.setattr(outside, "start_execution", lambda **start: begun.append(start["input"]), raising=False)
    head = {**HEAD, "seq": seq, "handled": 0, "correlation": f"call {seq}"}
    first = {"seq": 1, "status": "Request submitted", "correlation": "call 1"}
    with patch.dict(ITEMS, {(KEY.pk, "HEAD"): head, (KEY.pk, "EVENT#00000001"): first}):
        assert follow("HEAD", "MODIFY") == []
    assert [json.loads(start)["correlation"] for start in begun] == ["call 1"]


@pytest.mark.parametrize("error", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_token_that_is_dead_fails_no_record(outside: Outside, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    """The reconciler finds its execution."""
    assert refused(outside, monkeypatch, "send_task_success", error) == []
