"""A workspace in memory: the real API, dispatcher, reconciler and status handlers, on a table, a bucket and a machine
that keep everything in dictionaries.

The machine runs the definition that the construct generates: its parks write with the definition's own expressions, its
choices choose by the definition's own conditions. Whatever is on its way (stream records, parks and handlers of
executions, messages of S3) waits in a list until somebody takes it, in any order, twice or never.
"""

import hashlib
import importlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread, current_thread
from typing import Any, Self

import pytest
from botocore.exceptions import ClientError

from gtplus_constructs._definition import batch_definition, on
from gtplus_runtime import aws, places
from gtplus_runtime import store as store_module
from gtplus_runtime.handlers import api, dispatcher, reconciler, storage_events
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.protocol import HANDLER_ATTEMPTS
from gtplus_runtime.store import Key, Store, event_sk
from tests.engine.table import ConditionalCheckFailedException, MemoryTable

PROJECT = "signs"
BUCKET = "data"
LIMITS = {"max_in_transfer": 1}
MACHINE = "arn:aws:states:us-east-1:111122223333:stateMachine:batches"
VERSION = "v1"
DEFINITION = batch_definition(BATCH, handlers={s.name: s.slug for s in BATCH}, table="batches", version=VERSION)
STATES: dict[str, Any] = DEFINITION["States"]
PLACE = {
    "version": 1,
    "project": PROJECT,
    "provider": "vendor",
    "limits": LIMITS,
    "grants": [{"bucket": BUCKET, "read": ["raw/"], "write": ["labels/"]}],
    "dataRoleArn": "arn:aws:iam::111122223333:role/data",
    "runtimeRoleArn": "arn:aws:iam::111122223333:role/runtime",
    "settings": {"sampleSize": 2, "maxErrorRate": 0.05, "maxRounds": 2, "separationOfDuties": True},
}


class Killed(BaseException):
    """The process of a function ends at once: nothing of it runs any more, no `except` and no `finally` of ours."""


class NoAnswer(Exception):
    """A call of AWS was carried out or not, and its answer never came."""


class Hanging(Thread):
    """A function that stands still before it changes something: its caller gives it up, and later it goes on.

    Args:
        work: the function.
        changes: how many it makes before.
    """

    def __init__(self, work: Callable[[], Any], changes: int) -> None:
        super().__init__(daemon=True)
        self.answer: Any = None
        self.error: BaseException | None = None
        self._work, self._left = work, changes
        self._stands, self._goes = Event(), Event()
        self._killed = False

    def run(self) -> None:
        try:
            self.answer = self._work()
        except BaseException as error:
            self.error = error
        self._stands.set()

    def begin(self) -> bool:
        """Whether it hangs, and has not come to its end."""
        self.start()
        self._stands.wait()
        return self._left < 0

    def change(self) -> None:
        """It is about to change something."""
        self._left -= 1
        if self._left == -1:
            self._stands.set()
            self._goes.wait()
            if self._killed:
                raise Killed

    def go_on(self, *, killed: bool = False) -> None:
        """To its end, whatever has happened meanwhile."""
        self._killed = killed
        self._goes.set()
        self.join()


class Bucket:
    """The calls of an S3 client, on one bucket."""

    class exceptions:
        ClientError = ClientError

    def __init__(self, now: Callable[[], datetime], before: Callable[[], None], after: Callable[[], None]) -> None:
        self.objects: dict[str, tuple[bytes, datetime]] = {}
        self._now, self._before, self._after = now, before, after

    def put_object(
        self, Bucket: str, Key: str, Body: Any, IfMatch: str | None = None, IfNoneMatch: str | None = None, **_: Any
    ) -> dict[str, str]:
        self._before()
        there = self.objects.get(Key)
        if (IfNoneMatch is not None and there) or (IfMatch is not None and (not there or _etag(there[0]) != IfMatch)):
            raise ClientError({"Error": {"Code": "PreconditionFailed", "Message": "m"}}, "PutObject")
        body = Body if isinstance(Body, bytes) else Body.read()
        self.objects[Key] = (body, self._now())
        self._after()
        return {"ETag": _etag(body)}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        body, _ = self._find(Key, "GetObject", "NoSuchKey")
        return {"Body": _Body(body), "ETag": _etag(body)}

    def head_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        body, at = self._find(Key, "HeadObject", "404")
        return {"ContentLength": len(body), "ETag": _etag(body), "LastModified": at}

    def head_bucket(self, Bucket: str) -> dict[str, Any]:
        return {"BucketRegion": "us-east-1"}

    def list_objects_v2(self, Bucket: str, Prefix: str, StartAfter: str = "", **_: Any) -> dict[str, Any]:
        found = sorted((k, v) for k, v in self.objects.items() if k.startswith(Prefix) and k > StartAfter)
        contents = [{"Key": k, "Size": len(b), "ETag": _etag(b), "LastModified": at} for k, (b, at) in found]
        return {"Contents": contents}

    def get_paginator(self, name: str) -> "Bucket":
        assert name == "list_objects_v2"
        return self

    def paginate(self, **query: Any) -> Iterator[dict[str, Any]]:
        yield self.list_objects_v2(**query)

    def _find(self, key: str, operation: str, code: str) -> tuple[bytes, datetime]:
        if key not in self.objects:
            raise ClientError({"Error": {"Code": code, "Message": code}}, operation)
        return self.objects[key]


class _Body(io.BytesIO):
    def iter_chunks(self, size: int) -> Iterator[bytes]:
        while chunk := self.read(size):
            yield chunk


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


@dataclass
class Execution:
    """One execution, and the state that it is in."""

    name: str
    state: str
    input: dict[str, Any]
    started: datetime
    status: str = "RUNNING"
    waiting: bool = False
    attempts: int = 0
    token: str = ""

    @property
    def can_step(self) -> bool:
        return self.status == "RUNNING" and not self.waiting


class Machine:
    """The calls of a Step Functions client, on one state machine."""

    class exceptions:
        class ExecutionAlreadyExists(Exception):
            pass

        class ExecutionDoesNotExist(Exception):
            pass

        class TaskTimedOut(Exception):
            pass

        class TaskDoesNotExist(Exception):
            pass

        class InvalidToken(Exception):
            pass

    def __init__(self, before: Callable[[], None]) -> None:
        self.executions: dict[str, Execution] = {}
        self._before = before

    def start_execution(self, stateMachineArn: str, name: str, input: str) -> None:
        self._before()
        if name in self.executions:
            raise self.exceptions.ExecutionAlreadyExists
        given = json.loads(input)
        execution = Execution(name, "Start", given, aws.now())
        self.executions[name] = execution
        execution.state = _chosen(STATES["Start"], given)

    def send_task_success(self, taskToken: str, output: str) -> None:
        self._before()
        for execution in self.executions.values():
            if execution.token == taskToken and execution.status == "RUNNING" and execution.waiting:
                execution.input |= json.loads(output)
                execution.waiting, execution.token = False, ""
                execution.state = _chosen(STATES[STATES[execution.state]["Next"]], execution.input)
                return
        raise self.exceptions.TaskDoesNotExist

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        try:
            return _described(self.executions[executionArn.rpartition(":")[2]])
        except KeyError:
            raise self.exceptions.ExecutionDoesNotExist from None

    def stop_execution(self, executionArn: str, cause: str) -> None:
        self._before()
        execution = self.executions[executionArn.rpartition(":")[2]]
        if execution.status == "RUNNING":
            execution.status = "ABORTED"

    def get_paginator(self, name: str) -> "Machine":
        assert name == "list_executions"
        return self

    def paginate(self, stateMachineArn: str, statusFilter: str) -> Iterator[dict[str, Any]]:
        yield {"executions": [_described(e) for e in self.executions.values() if e.status == statusFilter]}


def _described(execution: Execution) -> dict[str, Any]:
    return {"name": execution.name, "status": execution.status, "startDate": execution.started}


_CONDITION = re.compile(r'\{% (?:\$states\.input\.handled = (\w+) and )?\$states\.input\.status = "(.*)" %\}')


def _chosen(choice: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    for branch in choice["Choices"]:
        match = _CONDITION.fullmatch(branch["Condition"])
        assert match, branch["Condition"]
        handled = match[1] is None or given["handled"] == (match[1] == "true")
        if handled and given["status"] == match[2]:
            return str(branch["Next"])
    return str(choice["Default"])


@dataclass
class Told:
    """What was published on the bus and mailed."""

    before: Callable[[], None]
    events: list[dict[str, Any]] = field(default_factory=list)
    mails: list[dict[str, Any]] = field(default_factory=list)

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        self.before()
        self.events += [json.loads(entry["Detail"]) for entry in Entries]
        return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}

    def publish_batch(self, TopicArn: str, PublishBatchRequestEntries: list[dict[str, Any]]) -> dict[str, Any]:
        self.before()
        self.mails += [{"TopicArn": TopicArn, **mail} for mail in PublishBatchRequestEntries]
        return {}


class Parameters:
    """The one parameter of the project's place."""

    class exceptions:
        class ParameterNotFound(Exception):
            pass

    def get_parameter(self, Name: str) -> dict[str, Any]:
        return {"Parameter": {"Value": json.dumps(PLACE)}}


class OneAfterTheOther:
    """A pool of threads that has none."""

    def __init__(self, _threads: int) -> None:
        self.map = map

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class Cloud:
    """The workspace.

    Attributes:
        table, bucket, machine, told: what holds its state.
        late: handlers and parks of executions that were stopped: they may yet come, as stopping an execution does not
            stop what it has begun. And functions that hang: whoever called them has given them up.
        messages: what S3 has told and nobody has read.
        runs: every start of a status handler in the generation that counts: batch, event and generation.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = datetime(2026, 11, 2, tzinfo=UTC)
        self.table, self.machine, self.told = MemoryTable(), Machine(self._before), Told(self._before)
        self.bucket = Bucket(lambda: self.now, self._before, self._after)
        self.table.before_write, self.table.after_write = self._before, self._after
        self._planned_before: Callable[[], None] | None = None
        self._planned_after: Callable[[], None] | None = None
        self._hang_before: int | None = None
        self._calm = False
        self.store = Store("batches", self.table)  # type: ignore[arg-type]
        self.late: list[Execution | Hanging] = []
        self.messages: list[str] = []
        self.runs: list[tuple[str, int]] = []
        self.calls = 0
        self._tokens = 0
        clients = {
            "dynamodb": self.table,
            "stepfunctions": self.machine,
            "ssm": Parameters(),
            "events": self.told,
            "sns": self.told,
            "sqs": self,
        }
        settings = {
            "TABLE": "batches",
            "STATE_MACHINE": MACHINE,
            "PROJECTS": "/gtplus/labeling/projects",
            "WORKSPACE": "labeling",
            "DEFINITION": VERSION,
            "BUS": "bus",
            "TOPIC": "topic",
            "ESCALATIONS": "escalations",
            "STORAGE_EVENTS": "queue",
        }
        places._cache.clear()
        patch.setattr(aws, "client", lambda name: clients[name])
        patch.setattr(aws, "s3_as", lambda *_: self.bucket)
        patch.setattr(aws, "now", self._clock)
        patch.setattr(store_module.time, "sleep", lambda _: None)
        patch.setattr("builtins.print", lambda *_, **__: None)
        # A sequence of steps must give the same each time it is played.
        patch.setattr(dispatcher, "ThreadPoolExecutor", OneAfterTheOther)
        for name, value in settings.items():
            patch.setenv(f"GTPLUS_{name}", value)

    def _clock(self) -> datetime:
        self.now += timedelta(microseconds=1)  # no two events at the same time
        return self.now

    # people

    def call(self, who: str, duty: str, route: str, body: Any, batch: str, key: str | None = None) -> tuple[int, Any]:
        """A call of the API; a body that is a text is sent as it is."""
        self.calls += 1
        iam = {"callerId": f"AROA{who}:s", "userArn": f"arn:aws:sts::1:assumed-role/{who}/s"}
        request = {
            "routeKey": f"POST /{duty}{route}",
            "pathParameters": {"project": PROJECT, **({"batch": batch} if batch else {})},
            "headers": {"idempotency-key": key} if key else {},
            "requestContext": {"requestId": f"r{self.calls}", "authorizer": {"iam": iam}},
            "body": body if isinstance(body, str) else json.dumps(body),
        }
        answer = self._invoke(lambda: api.handler(request, None))
        return answer["statusCode"], json.loads(answer["body"])

    def head(self, batch: str) -> dict[str, Any] | None:
        return self.store.head(Key(PROJECT, batch))

    def events(self, batch: str) -> list[dict[str, Any]]:
        return self.store.events(Key(PROJECT, batch))

    def statuses(self, batch: str) -> list[str]:
        """Those of its events."""
        pk, found = Key(PROJECT, batch).pk, []
        while (event := self.table.items.get((pk, event_sk(len(found) + 1)))) is not None:
            found.append(event["status"]["S"])
        return found

    # what goes by itself

    def dispatch(self, *records: tuple[str, str, str]) -> bool:
        """The dispatcher reads records; those that fail come again."""
        event = {
            "Records": [
                {
                    "eventName": what,
                    "dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}, "SequenceNumber": str(number)},
                }
                for number, (pk, sk, what) in enumerate(records)
            ]
        }
        try:
            failed = self._invoke(lambda: dispatcher.handler(event, None))["batchItemFailures"]
        except Killed:
            self.table.records += records
            return False
        self.table.records += [records[int(each["itemIdentifier"])] for each in failed]
        return True

    def sweep(self) -> dict[str, int]:
        """The reconciler runs; if it is killed, its schedule calls it again a minute later."""
        try:
            return dict(self._invoke(lambda: reconciler.handler({}, None)))
        except Killed:
            return {}

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:
        self.messages.append(MessageBody)

    def receive(self, message: str) -> None:
        """The function of S3's messages reads one; one that fails comes again."""
        record = {"messageId": "m", "body": message, "attributes": {"SentTimestamp": "1793600000000"}}
        try:
            if self._invoke(lambda: storage_events.handler({"Records": [record]}, None))["batchItemFailures"]:
                self.messages.append(message)
        except Killed:
            self.messages.append(message)

    def step(self, execution: Execution) -> None:
        """An execution goes on by one state."""
        state = STATES[execution.state]
        if state["Type"] == "Succeed":
            execution.status = "SUCCEEDED"
        elif state["Type"] == "Fail":
            execution.status = "FAILED"
        elif state["Resource"].endswith("lambda:invoke"):
            if self.run_handler(execution):
                execution.state, execution.attempts = state["Next"], 0
            else:
                execution.attempts += 1
                if execution.attempts >= HANDLER_ATTEMPTS:
                    execution.input["error"] = {"Error": "E", "Cause": "C"}
                    execution.state, execution.attempts = state["Catch"][0]["Next"], 0
        elif not self.write(execution):
            execution.state = "Superseded"
        elif "End" in state:
            execution.status = "SUCCEEDED"
        elif "Next" in state and execution.state == "Record failure":
            execution.state = state["Next"]
        else:
            execution.waiting = True

    def run_handler(self, execution: Execution) -> bool:
        """Invoke a status handler; whether it ended well."""
        given = execution.input
        payload = {name: given[name] for name in ("project", "batch", "seq", "status", "generation")}
        payload |= {"execution": execution.name, "correlation": given.get("correlation", "")}
        head = self.head(given["batch"])
        if head and head["generation"] == given["generation"] and given["seq"] > head["handled"]:
            self.runs.append((given["batch"], given["seq"]))
        slug = STATES[execution.state]["Arguments"]["FunctionName"]
        assert execution.state == on(given["status"])
        module = importlib.import_module(f"gtplus_runtime.handlers.{slug}")
        try:
            execution.input |= {"noticeTag": self._invoke(lambda: module.handler(payload, None))["noticeTag"]}
        except (Killed, Exception):
            return False
        return True

    def write(self, execution: Execution) -> bool:
        """Write to the head what the state says; whether its condition held."""
        arguments = STATES[execution.state]["Arguments"]
        self._tokens += 1
        token = f"{execution.name}/{self._tokens}"
        if ":token" in arguments["ExpressionAttributeValues"]:
            execution.token = token
        given = self._filled(arguments, execution.input, token)
        # Step Functions writes, not a function: nobody kills it, and it retries what DynamoDB could not do.
        calm, self._calm = self._calm, True
        try:
            self.table.update_item(**given)
        except ConditionalCheckFailedException:
            return False
        finally:
            self._calm = calm
        return True

    def _filled(self, value: Any, given: Mapping[str, Any], token: str) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(each, given, token) for name, each in value.items()}
        if not (isinstance(value, str) and value.startswith("{%")):
            return value
        text = value.removeprefix("{% ").removesuffix(" %}")
        if match := re.fullmatch(r"(?:\$string\()?\$states\.input\.(\w+)\)?", text):
            return str(given[match[1]])
        known: dict[str, Callable[[], str]] = {
            "$now()": lambda: aws.timestamp(),
            "$states.context.Task.Token": lambda: token,
            "$exists($states.input.noticeTag) ? $states.input.noticeTag : ''": lambda: given.get("noticeTag", ""),
            "'BATCH#' & $states.input.project & '#' & $states.input.batch": lambda: (
                f"BATCH#{given['project']}#{given['batch']}"
            ),
        }
        return known[text]() if text in known else "a failure"

    # what goes wrong

    def stop(self, execution: Execution) -> None:
        """Stop an execution by hand; what it has begun may yet come."""
        if execution.can_step and STATES[execution.state]["Type"] == "Task":
            self.late.append(replace(execution, input=dict(execution.input), waiting=False, attempts=0))
        execution.status = "ABORTED"

    def come_late(self, what: Execution | Hanging) -> None:
        """A handler or a park of an execution that was stopped, or a function that hangs."""
        if isinstance(what, Hanging):
            what.go_on()
        elif STATES[what.state]["Resource"].endswith("lambda:invoke"):
            self.run_handler(what)
        else:
            self.write(what)

    def fail_after(self, changes: int, *, made: bool, error: type[BaseException]) -> None:
        """Let the n-th change from now on go wrong, before or after it is made."""
        left = [changes]

        def hit() -> None:
            left[0] -= 1
            if left[0] < 0:
                self.mend()
                raise error

        self.mend()
        if made:
            self._planned_after = hit
        else:
            self._planned_before = hit

    def overtake(self, work: Callable[[], None]) -> None:
        """Let somebody come between the next change and what was read for it."""

        def come() -> None:
            self.mend()
            work()

        self.mend()
        self._planned_before = come

    def hang_before(self, changes: int) -> None:
        """Let the next function hang before its n-th change."""
        self._hang_before = changes

    def mend(self) -> None:
        """Nothing goes wrong any more."""
        self._planned_before = self._planned_after = self._hang_before = None

    def end(self) -> None:
        """No thread is left over."""
        for function in self.late:
            if isinstance(function, Hanging):
                function.go_on(killed=True)

    def _invoke(self, work: Callable[[], Any]) -> Any:
        """Run a function; where it hangs, whoever called it sees as much of it as of one that was killed."""
        if self._hang_before is None:
            return work()
        function, self._hang_before = Hanging(work, self._hang_before), None
        if function.begin():
            self.late.append(function)
            raise Killed
        if function.error is not None:
            raise function.error
        return function.answer

    def _before(self) -> None:
        if not self._calm:
            if isinstance(function := current_thread(), Hanging):
                function.change()
            if self._planned_before is not None:
                self._planned_before()

    def _after(self) -> None:
        if not self._calm and self._planned_after is not None:
            self._planned_after()
