"""The dispatcher: reads the table's stream, starts and wakes the executions, and tells the world outside.

Input: records of a KEYS_ONLY stream; they say only that something was written, and what is to be done follows from the
items as they are when read, consistently and in one call, after all of them were written. So a record may come twice,
late or out of order, and a lost one is made good by any later write (the reconciler makes one). Output:
`{"batchItemFailures": […]}`; one bad record holds up no other batch.

An event is told when it is written, and again when somebody asks for it (`gtplus events retell`): the stream then tells
of a `RETELL#` item.

A send consumes nothing: only the next park, which names the last event handled, does. A token that is refused is
dead, and is left to the reconciler.

Sources: "Process Amazon DynamoDB records with Lambda" (at least once, in order for each item); "PutEvents" of the
Amazon EventBridge API Reference (entries fail one by one); "StartExecution" (a name is held for 90 days) and
"SendTaskSuccess" of the AWS Step Functions API Reference.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from gtplus_runtime import aws, outbound
from gtplus_runtime.handling import store
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.log import log
from gtplus_runtime.metrics import count_change
from gtplus_runtime.protocol import Following, execution_name, what_to_do
from gtplus_runtime.store import BUS, EVENT, EVERYBODY, HEAD, REMINDER, RETELL, TOPIC, Key, Place, Store, event_sk

SIDE_BY_SIDE = 8
"""Batches followed at once in a call; botocore keeps ten connections to a service."""


class _Record(NamedTuple):
    """What a record of the stream says: an item was written."""

    key: Key
    sk: str
    what: str
    number: str

    @property
    def woken(self) -> bool:
        """Whether an execution may have to follow."""
        return self.sk == HEAD and self.key.batch is not None

    @property
    def told(self) -> tuple[str, str] | None:
        """The sort key of what is to be told, and to whom."""
        if self.sk.startswith((EVENT, REMINDER)) and self.what == "INSERT":
            return self.sk, EVERYBODY
        if self.sk.startswith(RETELL):
            to, item = self.sk.removeprefix(RETELL).split("#", 1)
            return item, to
        return None

    @property
    def counted(self) -> bool:
        """Whether it is a status change of a batch that is told for the first time."""
        return self.told == (self.sk, EVERYBODY) and self.sk.startswith(EVENT) and self.key.batch is not None

    @property
    def sequence(self) -> int:
        """The number of the event that was written."""
        return int(self.sk.removeprefix(EVENT))

    def reads(self) -> list[Place]:
        """The items that it takes to follow it."""
        needed = [HEAD] if self.woken or self.counted else []
        needed += [self.told[0]] if self.told else []
        needed += [event_sk(self.sequence - 1)] if self.counted and self.sequence > 1 else []
        return [(self.key.pk, sk) for sk in needed]


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Follow every record; report those that failed."""
    table = store()
    failed, known, needed = [], [], set()
    for told in event["Records"]:
        try:
            if record := _record(told):
                needed.update(record.reads())
                known.append(record)
        except Exception as error:
            failed.append(_failed(told["dynamodb"]["SequenceNumber"], error))
    try:
        # All in one call, which comes after each of them was written.
        items = table.read(needed)
    except Exception as error:
        failed += [_failed(record.number, error) for record in known]
    else:
        groups: dict[str, list[_Record]] = {}
        for record in known:
            groups.setdefault(record.key.pk, []).append(record)
        # In order for each batch; the batches of a call side by side, since most of the time is waiting for answers.
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            for letters in pool.map(lambda group: _follow_all(table, group, items), groups.values()):
                failed += letters
    log("records followed", outcome=f"{len(event['Records']) - len(failed)} of {len(event['Records'])}")
    return {"batchItemFailures": failed}


def _failed(number: str, error: Exception, **fields: str) -> dict[str, str]:
    log("record failed", **fields, error=type(error).__name__)
    return {"itemIdentifier": number}


def _follow_all(table: Store, records: list[_Record], items: Mapping[Place, dict[str, Any]]) -> list[dict[str, str]]:
    """Follow the records of one batch or project, its head once: what was read of it asks for no more.

    Args:
        table: for what is read seldom.
        records: in order.
        items: what was read for all records.

    Returns:
        The records that failed.
    """
    failed = []
    followed = False
    for record in records:
        try:
            if record.woken and not followed:
                _wake(table, record.key, items.get((record.key.pk, HEAD)))
                followed = True
            if record.told is not None:
                _pass_on(record, *record.told, items)
        except Exception as error:
            failed.append(_failed(record.number, error, batch=record.key.pk))
    return failed


def _record(record: dict[str, Any]) -> _Record | None:
    told = record["dynamodb"]
    key = Key.parse(told["Keys"]["pk"]["S"])
    return _Record(key, told["Keys"]["sk"]["S"], record["eventName"], told["SequenceNumber"]) if key else None


def _pass_on(record: _Record, sk: str, to: str, items: Mapping[Place, dict[str, Any]]) -> None:
    key = record.key
    item, head = items.get((key.pk, sk)), items.get((key.pk, HEAD))
    if item is None:
        return
    if sk.startswith(EVENT):
        _tell(key, item, to)
    else:
        _remind(key, item, to)
    if record.counted and head is not None:
        before = items.get((key.pk, event_sk(record.sequence - 1)))
        count_change(key, item, before, head["objects"].get("total", 0))


def _wake(table: Store, key: Key, head: dict[str, Any] | None) -> None:
    if head is None:
        return
    machine = aws.client("stepfunctions")
    match what_to_do(head):
        case Following.START:
            name = execution_name(head)
            handled, status = head["handled"], head.get("handledStatus")
            start = {
                "project": key.project,
                "batch": key.batch,
                "generation": head["generation"],
                "handled": handled > 0,
                "seq": handled or 1,
                "status": status or BATCH.first.name,
                "correlation": head.get("correlation", ""),
            }
            try:
                machine.start_execution(
                    stateMachineArn=aws.setting("STATE_MACHINE"), name=name, input=json.dumps(start)
                )
            except machine.exceptions.ExecutionAlreadyExists:
                return
        case Following.WAKE:
            # The head tells of its last event what the execution has to know.
            last = head["seq"] == head["handled"] + 1
            event = head if last else table.event(key, head["handled"] + 1)
            if event is None:
                return
            output = json.dumps({name: event.get(name, "") for name in ("seq", "status", "correlation")})
            try:
                machine.send_task_success(taskToken=head["token"], output=output)
            except (
                machine.exceptions.TaskTimedOut,
                machine.exceptions.TaskDoesNotExist,
                machine.exceptions.InvalidToken,
            ):
                log("token is dead", batch=key.batch, project=key.project, seq=event["seq"])


def _tell(key: Key, event: Mapping[str, Any], to: str) -> None:
    detail = outbound.detail(aws.setting("WORKSPACE"), key, event)
    if to != TOPIC:
        _put(outbound.detail_type(key), detail)
    if to != BUS and detail["waitsFor"] is not None:
        _mail("TOPIC", outbound.message(key, event), detail)


def _remind(key: Key, reminder: Mapping[str, Any], to: str) -> None:
    """Tell that a status lasts too long: whom it waits for, and from the second time on those above them too."""
    detail = outbound.overdue(aws.setting("WORKSPACE"), key, reminder)
    if to != TOPIC:
        _put(outbound.BATCH_OVERDUE, detail)
    if to != BUS:
        for topic in ("TOPIC", "ESCALATIONS") if detail["escalated"] else ("TOPIC",):
            _mail(topic, outbound.reminder(key, reminder), detail)


def _put(detail_type: str, detail: Mapping[str, Any]) -> None:
    entry = {
        "EventBusName": aws.setting("BUS"),
        "Source": outbound.SOURCE,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
    }
    answer = aws.client("events").put_events(Entries=[entry])
    if answer["FailedEntryCount"]:
        # A refused entry is no error of the call.
        raise RuntimeError(f"the bus refused event {detail['seq']}: {answer['Entries'][0].get('ErrorCode')}")


def _mail(topic: str, message: tuple[str, str], detail: Mapping[str, Any]) -> None:
    subject, text = message
    aws.client("sns").publish(
        TopicArn=aws.setting(topic), Subject=subject, Message=text, MessageAttributes=outbound.attributes(detail)
    )
