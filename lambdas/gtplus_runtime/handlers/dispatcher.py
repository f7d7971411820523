"""The dispatcher: reads the table's stream, starts and wakes the executions, and tells the world outside.

Input: records of a KEYS_ONLY stream; they say only that something was written, and what is to be done follows from the
head as it is when read, consistently. So a record may come twice, late or out of order, and a lost one is made good
by any later write (the reconciler makes one). Output: `{"batchItemFailures": […]}`; one bad record holds up no other
batch.

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
from typing import Any

from gtplus_runtime import aws, outbound
from gtplus_runtime.handling import store
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.log import log
from gtplus_runtime.metrics import count_change
from gtplus_runtime.protocol import Following, execution_name, what_to_do
from gtplus_runtime.store import BUS, EVENT, EVERYBODY, HEAD, REMINDER, RETELL, TOPIC, Key, Store


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Follow every record; report those that failed."""
    table = store()
    failed = []
    for record in event["Records"]:
        keys = record["dynamodb"]["Keys"]
        try:
            _follow(table, keys["pk"]["S"], keys["sk"]["S"], record["eventName"])
        except Exception as error:
            log("record failed", batch=keys["pk"]["S"], error=type(error).__name__)
            failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
    log("records followed", outcome=f"{len(event['Records']) - len(failed)} of {len(event['Records'])}")
    return {"batchItemFailures": failed}


def _follow(table: Store, pk: str, sk: str, what: str) -> None:
    key = Key.parse(pk)
    if key is None:
        return
    if sk == HEAD and key.batch is not None:
        _wake(table, key)
    elif sk.startswith((EVENT, REMINDER)) and what == "INSERT":
        _tell_item(table, key, sk, EVERYBODY)
        if sk.startswith(EVENT) and key.batch is not None:
            _count(table, key, int(sk.removeprefix(EVENT)))
    elif sk.startswith(RETELL):
        to, item = sk.removeprefix(RETELL).split("#", 1)
        _tell_item(table, key, item, to)


def _count(table: Store, key: Key, seq: int) -> None:
    event, head = table.event(key, seq), table.head(key)
    if event is not None and head is not None:
        count_change(key, event, table.event(key, seq - 1), head["objects"].get("total", 0))


def _tell_item(table: Store, key: Key, sk: str, to: str) -> None:
    if sk.startswith(EVENT):
        _tell(table, key, int(sk.removeprefix(EVENT)), to)
    else:
        _remind(table, key, sk, to)


def _wake(table: Store, key: Key) -> None:
    head = table.head(key)
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
            event = table.event(key, head["handled"] + 1)
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


def _tell(table: Store, key: Key, seq: int, to: str) -> None:
    event = table.event(key, seq)
    if event is None:
        return
    detail = outbound.detail(aws.setting("WORKSPACE"), key, event)
    if to != TOPIC:
        _put(outbound.detail_type(key), detail)
    if to != BUS and detail["waitsFor"] is not None:
        _mail("TOPIC", outbound.message(key, event), detail)


def _remind(table: Store, key: Key, sk: str, to: str) -> None:
    """Tell that a status lasts too long: whom it waits for, and from the second time on those above them too."""
    reminder = table.reminder(key, sk)
    if reminder is None:
        return
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
