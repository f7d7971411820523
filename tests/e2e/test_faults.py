"""AWS fails: throttles, errors of the server, time-outs and conflicts at each call outward, put in by botocore's hooks.

The real dispatcher, reconciler and handlers run in this process, with real clients of the local cloud; a hook answers
a call in AWS's place. One fault is got over by the client's or the store's retry; a call that keeps failing ends where
somebody tries again: a failed record of the stream, a failed batch of a sweep, a failed handler of the machine.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from gtplus_runtime import aws, places
from gtplus_runtime import store as store_module
from gtplus_runtime.handlers import (
    api,
    dispatcher,
    paused,
    ready_for_review,
    reconciler,
    request_submitted,
    storage_events,
)
from gtplus_runtime.routes import BY_KEY
from gtplus_runtime.store import Key
from tests.e2e.world import MAIN_LINE, PROJECT, World

pytestmark = pytest.mark.xdist_group("batches")

FOR_EVER = 10_000
Deaf = Callable[[], Any]
"""Lets the deployed dispatcher hear nothing any more: what is pending stays pending."""
Work = Callable[[World, Deaf], Callable[[], bool]]
THROTTLES = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "stepfunctions": "ThrottlingException",
    "events": "ThrottlingException",
    "sns": "Throttling",
    "ssm": "ThrottlingException",
    "s3": "SlowDown",
    "sts": "Throttling",
}


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]


class Faults:
    """What goes wrong, and how often it did."""

    def __init__(self) -> None:
        self.operation, self.kind, self.left, self.hits = "", "", 0, 0
        self.seen: set[str] = set()

    def plan(self, operation: str, kind: str, times: int) -> None:
        self.operation, self.kind, self.left, self.hits = operation, kind, times, 0

    def before_send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        operation = event_name.removeprefix("before-send.")
        self.seen.add(operation)
        if operation != self.operation or self.left == 0:
            return None
        self.left -= 1
        self.hits += 1
        service, _, _ = operation.partition(".")
        if self.kind == "time-out":
            raise ReadTimeoutError(endpoint_url=request.url)
        status, code = {
            "throttle": (503 if service == "s3" else 400, THROTTLES.get(service, "ThrottlingException")),
            "conflict": (400, "TransactionConflictException"),
            "server error": (500, "InternalServerError"),
        }[self.kind]
        if service in ("s3", "sns", "sts"):
            body = f"<ErrorResponse><Error><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>"
            if service == "s3":
                body = f"<Error><Code>{code}</Code><Message>m</Message></Error>"
            return AWSResponse(request.url, status, {"content-type": "text/xml"}, _Raw(body.encode()))
        text = json.dumps({"__type": f"com.amazonaws#{code}", "message": "m"}).encode()
        return AWSResponse(request.url, status, {"content-type": "application/json"}, _Raw(text))


@pytest.fixture
def faults(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Our functions in this process, with the settings of the deployed ones."""
    faults = Faults()
    quick = {"retries": {"mode": "standard", "max_attempts": 5}}

    def make(name: str, credentials: dict[str, Any] | None = None, **config: Any) -> Any:
        made = world.root.client(name, config=Config(**quick, **config), **(credentials or {}))
        made.meta.events.register("before-send", faults.before_send)
        return made

    begin_anew()
    monkeypatch.setattr(aws, "_make", make)
    monkeypatch.setattr(store_module.time, "sleep", lambda _: None)
    # The client's own back-off between its retries.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    for function in (world.function("Dispatcher"), world.facts["reconciler"], world.function("Paused")):
        configuration = world.root.client("lambda").get_function_configuration(FunctionName=function)
        for name, value in configuration["Environment"]["Variables"].items():
            monkeypatch.setenv(name, value)
    with trusted_by_the_account(world):
        yield faults
    begin_anew()


def parked(world: World, position: int = 4) -> str:
    batch = world.create(objects=1)
    world.play(batch, MAIN_LINE[:position])
    world.handled(batch)
    return batch


def records(batch: str, seq: int) -> dict[str, Any]:
    pk = Key(PROJECT, batch).pk
    keys = [("HEAD", "MODIFY"), (f"EVENT#{seq:08d}", "INSERT")]
    return {
        "Records": [
            {
                "eventName": what,
                "dynamodb": {"Keys": {"pk": {"S": pk}, "sk": {"S": sk}}, "SequenceNumber": str(number)},
            }
            for number, (sk, what) in enumerate(keys)
        ]
    }


def dispatch(world: World, deaf: Deaf) -> Callable[[], bool]:
    """A batch with an event that nobody has told of; whether the dispatcher reports no failure."""
    batch = parked(world, 3)
    deaf()
    world.report(batch, "In progress")
    return lambda: dispatcher.handler(records(batch, 4), None) == {"batchItemFailures": []}


def notify(world: World, deaf: Deaf) -> Callable[[], bool]:
    """A batch with an event that people are told of, too."""
    batch = parked(world)
    deaf()
    world.label(batch)
    return lambda: dispatcher.handler(records(batch, 5), None) == {"batchItemFailures": []}


def start(world: World, deaf: Deaf) -> Callable[[], bool]:
    batch = f"fault-{next(world._names)}"
    deaf()
    world.create(objects=1, name=batch)
    return lambda: dispatcher.handler(records(batch, 1), None) == {"batchItemFailures": []}


def sweep(world: World, deaf: Deaf) -> Callable[[], bool]:
    """A batch whose execution was stopped, one that was not woken; whether the reconciler reports no failure."""
    stopped, asleep = parked(world), parked(world, 3)
    deaf()
    world.stop_execution(stopped)
    world.report(asleep, "In progress")
    return lambda: reconciler.handler({}, None)["failed"] == 0


@contextmanager
def trusted_by_the_account(world: World) -> Iterator[None]:
    """The runtime role trusts our functions alone; here they run as the account's root."""
    iam = world.root.client("iam")
    name = world.facts_of_place["runtimeRoleArn"].rpartition("/")[2]
    trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
    more = {**trust, "Statement": [*trust["Statement"], root]}
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(more))
    try:
        yield
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))


def handle(world: World, deaf: Deaf) -> Callable[[], bool]:
    """A batch whose pause is not handled yet; whether its handler ends well."""
    batch = parked(world)
    deaf()
    world.call("requester", "batch.pause", batch)
    call = {"project": PROJECT, "batch": batch, "seq": 5, "status": "Paused", "generation": 1, "execution": "x"}
    return lambda: paused.handler(call, None) == {"outcome": "done"}


def submit(world: World, deaf: Deaf) -> Callable[[], bool]:
    """A batch whose request is not handled yet; whether its input is checked, frozen, and takes its slot."""
    deaf()
    batch = world.create(objects=1)
    call = {"project": PROJECT, "batch": batch, "seq": 1, "status": "Request submitted"}
    call |= {"generation": 1, "execution": "x", "correlation": "c"}

    def done() -> bool:
        ended = request_submitted.handler(call, None) == {"outcome": "done"}
        return ended and world.statuses(batch)[-1] == "Data transfer in progress"

    return done


def read(world: World, deaf: Deaf) -> Callable[[], bool]:
    """A batch whose labels are not read yet; whether they are, and the sample is drawn."""
    batch = parked(world)
    deaf()
    world.label(batch)
    call = {"project": PROJECT, "batch": batch, "seq": 5, "status": "Ready for review"}
    call |= {"generation": 1, "execution": "x", "correlation": "c"}

    def done() -> bool:
        ended = ready_for_review.handler(call, None) == {"outcome": "done"}
        return ended and "sample" in world.head(batch)["facts"]

    return done


def answer(world: World, deaf: Deaf) -> Callable[[], bool]:
    """A report of the provider, sent until it is answered; whether it counts once."""
    batch = parked(world, 3)
    iam = {"callerId": "AROAREPORTER:s", "userArn": "arn:aws:sts::1:assumed-role/reporter/s"}
    call = {
        "routeKey": next(k for k, (route, _) in BY_KEY.items() if route.name == "batch.report" and "/report/" in k),
        "pathParameters": {"project": PROJECT, "batch": batch},
        "headers": {"idempotency-key": "k"},
        "requestContext": {"requestId": "r", "authorizer": {"iam": iam}},
        "body": json.dumps({"status": "In progress"}),
    }
    return lambda: api.handler(call, None)["statusCode"] == 200 and world.statuses(batch).count("In progress") == 1


def hear(world: World, deaf: Deaf) -> Callable[[], bool]:
    """A message of S3 about nobody's batch; whether it is kept in quarantine."""
    id = str(uuid.uuid4())
    detail = {"bucket": {"name": "nobodys"}, "object": {"key": f"{id}/output.manifest"}}
    body = {"id": id, "detail-type": "Object Created", "time": "2026-11-25T00:00:00Z", "detail": detail}
    message = {"messageId": "m", "body": json.dumps(body), "attributes": {"SentTimestamp": "1793600000000"}}

    def done() -> bool:
        heard = storage_events.handler({"Records": [message]}, None) == {"batchItemFailures": []}
        return heard and sum(id in event["id"] + str(event) for event in world.store.quarantined()) == 1

    return done


CALLS = [
    (dispatch, "dynamodb.BatchGetItem"),
    (dispatch, "sfn.SendTaskSuccess"),
    (dispatch, "eventbridge.PutEvents"),
    (notify, "sns.PublishBatch"),
    (start, "sfn.StartExecution"),
    (start, "dynamodb.BatchGetItem"),
    (sweep, "dynamodb.Query"),
    (sweep, "dynamodb.GetItem"),
    (sweep, "dynamodb.UpdateItem"),
    (sweep, "sfn.ListExecutions"),
    (sweep, "sfn.DescribeExecution"),
    (sweep, "ssm.GetParameter"),
    (handle, "dynamodb.BatchGetItem"),
    (handle, "ssm.GetParameter"),
    (handle, "sts.AssumeRole"),
    (handle, "s3.PutObject"),
    (submit, "dynamodb.BatchGetItem"),
    (submit, "dynamodb.GetItem"),
    (submit, "s3.ListObjectsV2"),
    (submit, "s3.PutObject"),
    (submit, "dynamodb.UpdateItem"),
    (submit, "dynamodb.TransactWriteItems"),
    (read, "s3.GetObject"),
    (read, "dynamodb.UpdateItem"),
    (answer, "dynamodb.BatchGetItem"),
    (answer, "ssm.GetParameter"),
    (answer, "dynamodb.TransactWriteItems"),
    (hear, "dynamodb.GetItem"),
    (hear, "dynamodb.PutItem"),
]
IDS = [f"{work.__name__}-{operation}" for work, operation in CALLS]


@pytest.mark.parametrize(("work", "operation"), CALLS, ids=IDS)
def test_a_fault_is_got_over_and_one_that_stays_is_reported(
    world: World, faults: Faults, work: Work, operation: str
) -> None:
    with ExitStack() as stack:
        done = work(world, lambda: stack.enter_context(world.deaf_dispatcher()))
        for kind in ("throttle", "server error", "time-out"):
            begin_anew()
            faults.plan(operation, kind, FOR_EVER)
            try:
                well = done()
            except Exception:
                well = False
            assert faults.hits > 1, f"{operation} was called, and tried again; it calls {sorted(faults.seen)}"
            assert not well, f"{kind} of {operation} for ever is reported"
        begin_anew()
        faults.plan(operation, "throttle", 1)
        assert done()
        assert faults.hits == 1


def test_a_conflict_with_a_transaction_is_tried_again(world: World, faults: Faults) -> None:
    """The local cloud never has one."""
    with ExitStack() as stack:
        done = sweep(world, lambda: stack.enter_context(world.deaf_dispatcher()))
        faults.plan("dynamodb.UpdateItem", "conflict", 3)
        assert done()
        assert faults.hits == 3


def begin_anew() -> None:
    """As in a new process: no place is remembered, and no client that has used up its retries."""
    aws._client.cache_clear()
    aws._sessions.clear()
    places._cache.clear()
