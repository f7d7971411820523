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
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from gtplus_runtime import aws
from gtplus_runtime.handling import store
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.log import log
from gtplus_runtime.metrics import count_change
from gtplus_runtime.protocol import Following, execution_name, what_to_do
from gtplus_runtime.store import EVENT, EVERYBODY, HEAD, REMINDER, RETELL, Key, Place, Store, retelling_of
from gtplus_runtime.telling import TOGETHER, Notice, notice_of, tell


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
            to, item = retelling_of(self.sk)
            return item, to
        return None

    @property
    def counted(self) -> bool:
        """Whether it is a status change of a batch that is told for the first time."""
        return self.told == (self.sk, EVERYBODY) and self.sk.startswith(EVENT) and self.key.batch is not None

    def reads(self) -> list[Place]:
        """The items that it takes to follow it."""
        needed = [HEAD] if self.woken or self.counted else []
        needed += [self.told[0]] if self.told else []
        return [(self.key.pk, sk) for sk in needed]


class _Failures:
    """The records that have to come again, by their numbers."""

    def __init__(self) -> None:
        self.numbers: set[str] = set()

    @contextmanager
    def of(self, *numbers: str, **fields: str) -> Iterator[None]:
        """Take an error for a failure of these records, and of no others."""
        try:
            yield
        except Exception as error:
            self.add(*numbers, error=type(error).__name__, **fields)

    def add(self, *numbers: str, error: str, **fields: str) -> None:
        """Let records come again."""
        self.numbers.update(numbers)
        log("record failed", **fields, error=error)


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Follow every record; report those that failed."""
    table, failures = store(), _Failures()
    records: list[_Record] = []
    needed: set[Place] = set()
    for told in event["Records"]:
        with failures.of(told["dynamodb"]["SequenceNumber"]):
            if record := _record(told):
                needed.update(record.reads())
                records.append(record)
    with failures.of(*(record.number for record in records)):
        # All in one call, which comes after each of them was written.
        items = table.read(needed)
        # Side by side, since most of the time is waiting for answers.
        with ThreadPoolExecutor(aws.SIDE_BY_SIDE) as pool:
            telling = pool.map(partial(_tell, items, failures), _together(_notices(records, items, failures)))
            waking = pool.map(partial(_follow, table, items, failures), _by_head(records))
            # An error that was not taken for a failure fails the call, and all of it comes again.
            list(telling)
            list(waking)
    log("records followed", outcome=f"{len(event['Records']) - len(failures.numbers)} of {len(event['Records'])}")
    return {"batchItemFailures": [{"itemIdentifier": number} for number in sorted(failures.numbers)]}


def _record(record: dict[str, Any]) -> _Record | None:
    told = record["dynamodb"]
    key = Key.parse(told["Keys"]["pk"]["S"])
    return _Record(key, told["Keys"]["sk"]["S"], record["eventName"], told["SequenceNumber"]) if key else None


def _by_head(records: Iterable[_Record]) -> list[list[_Record]]:
    """The records of each head that may have to be followed: once, since what was read of it asks for no more."""
    heads: dict[str, list[_Record]] = {}
    for record in records:
        if record.woken:
            heads.setdefault(record.key.pk, []).append(record)
    return list(heads.values())


def _follow(table: Store, items: Mapping[Place, dict[str, Any]], failures: _Failures, records: list[_Record]) -> None:
    key = records[0].key
    with failures.of(*(record.number for record in records), batch=key.pk):
        _wake(table, key, items.get((key.pk, HEAD)))


_Told = tuple[_Record, Notice]


def _notices(records: Iterable[_Record], items: Mapping[Place, dict[str, Any]], failures: _Failures) -> Iterator[_Told]:
    for record in records:
        with failures.of(record.number, batch=record.key.pk):
            if record.told is not None and (item := items.get((record.key.pk, record.told[0]))):
                yield record, notice_of(record.key, record.told[0], item, record.told[1])


def _together(told: Iterable[_Told]) -> Iterator[list[_Told]]:
    left = iter(told)
    while some := list(islice(left, TOGETHER)):
        yield some


def _tell(items: Mapping[Place, dict[str, Any]], failures: _Failures, told: list[_Told]) -> None:
    refused = tell([notice for _, notice in told])
    for place, (record, _) in enumerate(told):
        if place in refused:
            failures.add(record.number, error=refused[place], batch=record.key.pk)
        elif record.counted:
            _count(record, items)


def _count(record: _Record, items: Mapping[Place, dict[str, Any]]) -> None:
    pk = record.key.pk
    try:
        count_change(record.key, items[pk, record.sk], items[pk, HEAD]["objects"].get("total", 0))
    except Exception as error:
        # Not told again for that: the exact numbers follow from the table at any time.
        log("change not counted", batch=pk, error=type(error).__name__)


def _wake(table: Store, key: Key, head: dict[str, Any] | None) -> None:
    if head is None:
        return
    machine = aws.client("stepfunctions")
    match what_to_do(head):
        case Following.START:
            name = execution_name(head)
            handled, status = head["handled"], head.get("handledStatus")
            # Where nothing is handled yet, the first handler runs at once, and for the call that began the batch.
            began = head if handled or head["seq"] == 1 else table.event(key, 1) or head
            start = {
                "project": key.project,
                "batch": key.batch,
                "generation": head["generation"],
                "handled": handled > 0,
                "seq": handled or 1,
                "status": status or BATCH.first.name,
                "correlation": began.get("correlation", ""),
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
