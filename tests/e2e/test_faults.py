"""AWS fails: throttles, errors of the server, time-outs, conditions and conflicts, put in by botocore's hooks.

The real store, dispatcher, reconciler and handlers run in this process, with real clients of the local cloud; a hook
answers a call in AWS's place. One fault is got over by the client's or the store's retry; a call that keeps failing
ends where somebody tries again: a failed record of the stream, a failed batch of a sweep, a failed handler of the
machine, a message that comes again.

Nothing can be forgotten here: `METHODS` names each public method of the store, and `WORKS` each call outward that a
work makes; one that is added and not named turns a test red.
"""

import importlib
import itertools
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError

from gtplus_runtime import aws, places
from gtplus_runtime import store as store_module
from gtplus_runtime.commands import Command, Superseded, decide_batch, decide_project
from gtplus_runtime.handlers import api, dispatcher, reconciler, storage_events
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.routes import BY_KEY
from gtplus_runtime.store import EVERYBODY, HEAD, Busy, Key, Store, event_sk
from tests.e2e.test_store import ANN, AT, SETTINGS, create, make_table, move
from tests.e2e.world import MAIN_LINE, PROJECT, World, eventually

pytestmark = pytest.mark.xdist_group("hops")

FOR_EVER = 10_000
KINDS = ("throttle", "server error", "time-out")
THROTTLES = {
    "dynamodb": "ProvisionedThroughputExceededException",
    "sns": "Throttling",
    "s3": "SlowDown",
    "sts": "Throttling",
}


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> list[bytes]:
        return [self._body]


class Faults:
    """What goes wrong, how often it did, and every operation that was called."""

    def __init__(self) -> None:
        self.kind, self.left = "", Counter[str]()
        self.hits, self.seen = Counter[str](), set[str]()

    def plan(self, operations: Iterable[str], kind: str = "", times: int = 0) -> None:
        """Let the next calls of some operations go wrong; what was seen before is forgotten."""
        self.kind, self.left = kind, Counter(dict.fromkeys(operations, times))
        self.hits, self.seen = Counter[str](), set[str]()

    def before_send(self, request: Any, event_name: str, **_: Any) -> AWSResponse | None:
        operation = event_name.removeprefix("before-send.")
        self.seen.add(operation)
        if self.left[operation] <= 0:
            return None
        self.left[operation] -= 1
        self.hits[operation] += 1
        service, _, call = operation.partition(".")
        if self.kind == "time-out":
            raise ReadTimeoutError(endpoint_url=request.url)
        more: dict[str, Any] = {}
        if self.kind == "throttle":
            status, code = 503 if service == "s3" else 400, THROTTLES.get(service, "ThrottlingException")
        elif self.kind == "server error":
            status, code = 500, "InternalServerError"
        elif call == "TransactWriteItems":
            status, code = 400, "TransactionCanceledException"
            first = {"condition": "ConditionalCheckFailed", "conflict": "TransactionConflict"}[self.kind]
            others = len(json.loads(request.body)["TransactItems"]) - 1
            more = {"CancellationReasons": [{"Code": reason} for reason in [first, *["None"] * others]]}
        else:
            code = {"condition": "ConditionalCheckFailedException", "conflict": "TransactionConflictException"}
            status, code = 400, code[self.kind]
        if service in ("s3", "sns", "sts"):
            body = f"<Error><Code>{code}</Code><Message>m</Message></Error>"
            if service != "s3":
                body = f"<ErrorResponse>{body}</ErrorResponse>"
            return AWSResponse(request.url, status, {"content-type": "text/xml"}, _Raw(body.encode()))
        text = json.dumps({"__type": f"com.amazonaws#{code}", "message": "m", **more}).encode()
        return AWSResponse(request.url, status, {"content-type": "application/json"}, _Raw(text))


@pytest.fixture
def faults(shared_world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Whatever asks for a client in this process has one whose calls can go wrong."""
    faults = Faults()

    def make(name: str, credentials: dict[str, Any] | None = None, **config: Any) -> Any:
        made = shared_world.root.client(name, config=Config(**aws._CONFIG, **config), **(credentials or {}))
        made.meta.events.register("before-send", faults.before_send)
        return made

    begin_anew()
    monkeypatch.setattr(aws, "_make", make)
    monkeypatch.setattr(store_module.time, "sleep", lambda _: None)
    # The client's own back-off between its retries.
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    yield faults
    begin_anew()


@pytest.fixture
def deployed_here(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Our functions in this process, with the settings of the deployed ones."""
    for function in (world.function("Dispatcher"), world.facts["reconciler"], world.function("Paused")):
        configuration = world.root.client("lambda").get_function_configuration(FunctionName=function)
        for name, value in configuration["Environment"]["Variables"].items():
            monkeypatch.setenv(name, value)
    with trusted_by_the_account(world):
        yield world


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


def begin_anew() -> None:
    """As in a new process: no place is remembered, and no client that has used up its retries."""
    aws._client.cache_clear()
    aws._sessions.clear()
    places._cache.clear()


# Each method of the store


class Method(NamedTuple):
    """A public method of the store, under fault.

    Attributes:
        name: the method's.
        operations: all that it calls.
        call: calls it on a batch in *Request submitted*, in a line of transfers.
        condition: what it gives where its condition never holds, or the exception; nothing where it has none.
    """

    name: str
    operations: tuple[str, ...]
    call: Callable[[Store, Key], Any]
    condition: tuple[Any, ...] = ()


def pause(store: Store, key: Key) -> Any:
    command = Command("batch.pause", ANN, AT, "Paused")
    return store.decide(key, command, lambda head: decide_batch(head, command, SETTINGS), command_key="k")


def request(store: Store, key: Key) -> Any:
    command = Command("project.request", ANN, AT, "Review in progress", {"taskType": "image"})
    another = Key(f"{key.project}-another")
    return store.decide(another, command, lambda head: decide_project(head, command), admit=lambda waiting: None)


METHODS = [
    Method("head", ("GetItem",), lambda store, key: store.head(key)),
    Method("event", ("GetItem",), lambda store, key: store.event(key, 1)),
    Method("read", ("BatchGetItem",), lambda store, key: store.read([(key.pk, HEAD)])),
    Method("events", ("Query",), lambda store, key: store.events(key)),
    Method("projects", ("Query",), lambda store, key: store.projects()),
    Method("batches", ("Query",), lambda store, key: store.batches(key.project)),
    Method("open_batches", ("Query",), lambda store, key: list(store.open_batches())),
    Method("look", ("BatchGetItem",), lambda store, key: store.look(key, "k", "f")),
    Method("answered", ("GetItem",), lambda store, key: store.answered(key, "k", "f")),
    Method("decide", ("GetItem", "TransactWriteItems"), pause, (Busy,)),
    Method("decide", ("GetItem", "TransactWriteItems"), request, (Busy,)),
    Method("note", ("UpdateItem",), lambda store, key: store.note(key, 1, {"inventory": "s3://i"}), (Superseded,)),
    Method("output_owner", ("GetItem",), lambda store, key: store.output_owner("s3://data/labels/")),
    Method("retell", ("PutItem",), lambda store, key: store.retell(key, event_sk(1), EVERYBODY, AT, "ops")),
    Method("retold", ("Query",), lambda store, key: store.retold(key)),
    Method("quarantine", ("PutItem",), lambda store, key: store.quarantine("2026-id", {"reason": "r"})),
    Method("quarantined", ("Query",), lambda store, key: list(store.quarantined())),
    Method("quarantined_event", ("GetItem",), lambda store, key: store.quarantined_event("2026-id")),
    Method("nudge", ("UpdateItem",), lambda store, key: store.nudge(key, AT), (None,)),
    Method(
        "progress",
        ("TransactWriteItems",),
        lambda store, key: store.progress(key, {"seq": 1, "objects": {}}, {"completed": 1}, AT, "k", "f"),
        (None,),
    ),
    Method("progress_by_day", ("Query",), lambda store, key: store.progress_by_day(key)),
    Method("looked", ("UpdateItem",), lambda store, key: store.looked(key, AT), (None,)),
    Method("remind", ("TransactWriteItems",), lambda store, key: store.remind(key, {"seq": 1}, 1, AT), (False,)),
    Method("reminders", ("Query",), lambda store, key: store.reminders(key)),
    Method(
        "raise_generation",
        ("UpdateItem",),
        lambda store, key: store.raise_generation(key, 1, AT, failed=True),
        (False,),
    ),
    Method("transfers", ("GetItem",), lambda store, key: store.transfers("provider")),
    Method(
        "join_transfers",
        ("GetItem", "UpdateItem"),
        lambda store, key: store.join_transfers("provider", key._replace(batch="another"), 1),
        (Busy,),
    ),
    Method(
        "leave_transfers",
        ("GetItem", "UpdateItem"),
        lambda store, key: store.leave_transfers("provider", key, 1),
        (Busy,),
    ),
]


def test_every_public_method_of_the_store_is_among_them() -> None:
    public = {name for name, value in vars(Store).items() if callable(value) and not name.startswith("_")}
    assert {method.name for method in METHODS} == public


@pytest.fixture(scope="module")
def plain(shared_world: World) -> Iterator[tuple[Store, Any]]:
    """A table that nobody listens to, and its client, of which nothing fails."""
    client = shared_world.root.client("dynamodb")
    store = make_table(client, "faults")
    request(store, Key("first"))
    yield store, client
    client.delete_table(TableName="faults")


@pytest.mark.parametrize("method", METHODS, ids=[f"{m.name}-{n}" for n, m in enumerate(METHODS)])
def test_a_method_of_the_store_gets_over_a_fault_and_writes_nothing_by_halves(
    plain: tuple[Store, Any], faults: Faults, method: Method
) -> None:
    store, client = plain
    key = batch_of(store)
    operations = [f"dynamodb.{operation}" for operation in method.operations]

    def call() -> Any:
        return method.call(Store("faults", aws._make("dynamodb")), key)

    def everything() -> dict[str, Any]:
        pages = client.get_paginator("scan").paginate(TableName="faults")
        return {f"{item['pk']} {item['sk']}": item for page in pages for item in page["Items"]}

    before = everything()
    for operation in operations:
        for kind in KINDS:
            faults.plan([operation], kind, FOR_EVER)
            with pytest.raises(Exception):  # noqa: B017 (a client's error or a time-out)
                call()
            assert faults.hits[operation] > 1, f"{kind} of {operation} is tried again"
    write = operations[-1]
    if method.condition:
        (outcome,) = method.condition
        for kind, ends in (("conflict", Busy), ("condition", outcome)):
            faults.plan([write], kind, FOR_EVER)
            if isinstance(ends, type):
                with pytest.raises(ends):
                    call()
            else:
                assert call() == ends
        assert everything() == before
    assert everything() == before, "what failed wrote nothing"
    for kind in [*KINDS, *(["conflict"] if method.condition else [])]:
        key = batch_of(store)
        faults.plan([write] if kind == "conflict" else operations, kind, 1)
        call()
        assert set(faults.hits.values()) == {1}, "it was got over"
        assert faults.seen == set(operations), "these are all that it calls"
    if method.condition == (Busy,):
        key = batch_of(store)
        faults.plan([write], "condition", 1)
        call()
        assert faults.hits[write] == 1, "somebody came between: it is decided anew"


def batch_of(store: Store) -> Key:
    """A batch of a project of its own, in the line of a provider."""
    name = f"p{uuid.uuid4().hex[:8]}"
    move(store, name, "project.request", ANN, "Review in progress")
    key = create(store, name, require_project=())
    store.join_transfers("provider", key, 1)
    return key


# Each call outward of the dispatcher, the reconciler, one handler of each kind, the API and the storage events


class Silence(ExitStack):
    """Lets the deployed functions hear and see nothing any more: what is pending stays pending."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def begin(self) -> None:
        events, rule = self._world.root.client("events"), self._world.rule("ManifestWritten")
        events.disable_rule(Name=rule)
        self.callback(events.enable_rule, Name=rule)
        self.enter_context(self._world.deaf_dispatcher())
        self.enter_context(self._world.unswept())


class Tried(NamedTuple):
    """A work that can be done, and done again as long as it is not.

    Attributes:
        do: does it once; whether it says that all is well.
        is_done: whether it is.
    """

    do: Callable[[Faults], bool]
    is_done: Callable[[], bool] = lambda: True


Work = Callable[[World, Silence], Tried]


def parked(world: World, position: int = 4) -> str:
    batch = world.create(objects=1)
    world.play(batch, MAIN_LINE[:position])
    world.handled(batch)
    return batch


def record(number: int, batch: str, sk: str, what: str) -> dict[str, Any]:
    keys = {"pk": {"S": Key(PROJECT, batch).pk}, "sk": {"S": sk}}
    return {"eventName": what, "dynamodb": {"Keys": keys, "SequenceNumber": str(number)}}


def ago(**time: float) -> str:
    return aws.written(datetime.now(UTC) - timedelta(**time))


def is_parked(world: World, batch: str) -> bool:
    head = world.head(batch)
    return bool(head.get("parkedGeneration") == head["generation"])


def dispatch(world: World, silence: Silence) -> Tried:
    """A batch to be woken with the first of two events, one to be started, and one of which people are told."""
    woken, started, told = parked(world), parked(world, 3), parked(world, 5)
    silence.begin()
    awaited: list[Callable[[], object]] = []

    def all_follow() -> bool:
        while awaited:
            awaited.pop()()
        return True

    def do(faults: Faults) -> bool:
        all_follow()
        if is_parked(world, started):
            generation = world.head(started)["generation"]
            world.store.raise_generation(Key(PROJECT, started), generation, ago(), failed=False)
        while (head := world.head(woken))["seq"] < head["handled"] + 2:
            world.call("requester", "batch.resume" if head["status"] == "Paused" else "batch.pause", woken)
        records = [
            record(0, woken, HEAD, "MODIFY"),
            record(1, started, HEAD, "MODIFY"),
            record(2, told, event_sk(5), "INSERT"),
        ]
        failed = {
            each["itemIdentifier"] for each in dispatcher.handler({"Records": records}, None)["batchItemFailures"]
        }
        if "0" not in failed:
            awaited.append(lambda: world.handled(woken, head["handled"] + 1))
        if "1" not in failed:
            awaited.append(lambda: eventually(lambda: is_parked(world, started), f"the park of {started}"))
        return not failed

    return Tried(do, all_follow)


def sweep(world: World, silence: Silence) -> Tried:
    """A batch whose execution was stopped; one that was not woken; one in an older definition, overdue and unheard."""
    stopped, asleep, old = parked(world), parked(world, 3), parked(world, 5)
    world.call("reviewer", "batch.accept", old)
    world.reached(old, 7, "Ready for delivery")
    world.handled(old)
    silence.begin()
    world.stop_execution(stopped)
    world.report(asleep, "In progress")
    days = 30

    def do(faults: Faults) -> bool:
        nonlocal days
        days += 30
        world.turn_back(
            old, since=ago(days=days), lookedAt=ago(days=9), rebuiltAt=ago(days=9), parkedDefinition="older"
        )
        if faults.left["sfn.StopExecution"] and not is_parked(world, old):
            world.invoke(world.function("Dispatcher"), {"Records": [record(0, old, HEAD, "MODIFY")]})
            eventually(lambda: is_parked(world, old), f"the park of {old}")
            world.turn_back(old, parkedDefinition="older")
        return bool(reconciler.handler({}, None)["failed"] == 0)

    def is_done() -> bool:
        # The reminder is of the last time that was set.
        return world.head(stopped)["generation"] == 2 and world.head(old)["reminders"] > days - 30

    return Tried(do, is_done)


def run(batch: str, seq: int, status: str) -> bool:
    """Run the handler of an event in this process; whether it ended well."""
    handler = importlib.import_module(f"gtplus_runtime.handlers.{BATCH[status].slug}").handler
    call = {"project": PROJECT, "batch": batch, "seq": seq, "status": status, "generation": 1}
    return bool(handler({**call, "execution": "x", "correlation": "c"}, None)["outcome"] == "done")


TO_REVIEW = MAIN_LINE[:5]
TO_DELIVERY = [*TO_REVIEW, "Accepted", "Ready for delivery"]


def come_to(world: World, silence: Silence, way: list[str]) -> str:
    """A batch that nothing but this process moves; the last of its events is not handled."""
    silence.begin()
    batch = world.create(objects=1)
    for seq, status in enumerate(way, 1):
        match status:
            case "Paused":
                world.call("requester", "batch.pause", batch)
            case "Ready for delivery":
                world.deliver(batch)
            case "Data delivered":
                pass
            case _:
                world.play_next(batch, status)
        world.reached(batch, seq, status)
        if seq < len(way):
            assert run(batch, seq, status)
    return batch


def handling(way: list[str], then: str = "") -> Work:
    """The handler of the last status of a way; what follows of it, if anything does."""

    def work(world: World, silence: Silence) -> Tried:
        batch = come_to(world, silence, way)
        return Tried(
            lambda _: run(batch, len(way), way[-1]),
            lambda: world.statuses(batch)[-1] == (then or way[-1]),
        )

    return work


def answer(world: World, silence: Silence) -> Tried:
    """A report of the provider, sent until it is answered: it counts once."""
    batch = come_to(world, silence, MAIN_LINE[:4])
    order = world.work_order(batch)
    assert order is not None
    world.put(order["manifest"], world.labels(batch), who="data")
    iam = {"callerId": "AROAREPORTER:s", "userArn": "arn:aws:sts::1:assumed-role/reporter/s"}
    call = {
        "routeKey": next(k for k, (route, _) in BY_KEY.items() if route.name == "batch.report" and "/report/" in k),
        "pathParameters": {"project": PROJECT, "batch": batch},
        "headers": {"idempotency-key": "k"},
        "requestContext": {"requestId": "r", "authorizer": {"iam": iam}},
        "body": json.dumps({"status": "Ready for review"}),
    }

    return Tried(
        lambda _: bool(api.handler(call, None)["statusCode"] == 200),
        lambda: world.statuses(batch).count("Ready for review") == 1,
    )


def hear(bucket: str, key: str) -> bool:
    """S3 tells of an object; whether the message is done."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key}}
    body = {"id": key, "detail-type": "Object Created", "time": "2026-11-25T00:00:00Z", "detail": detail}
    message = {"messageId": "m", "body": json.dumps(body), "attributes": {"SentTimestamp": "1793600000000"}}
    return bool(storage_events.handler({"Records": [message]}, None) == {"batchItemFailures": []})


def quarantine(world: World, silence: Silence) -> Tried:
    """A message of S3 about nobody's batch: it is kept in quarantine, once."""
    key = f"{uuid.uuid4()}/output.manifest"

    return Tried(
        lambda _: hear("nobodys", key),
        lambda: sum(key in str(event) for event in world.store.quarantined()) == 1,
    )


def deliver(world: World, silence: Silence) -> Tried:
    """A message of S3 about a delivery that is complete: the batch is delivered."""
    batch = come_to(world, silence, TO_DELIVERY)

    return Tried(
        lambda _: hear(world.buckets[PROJECT], f"labels/{batch}/output.manifest"),
        lambda: world.statuses(batch)[-1] == "Data delivered",
    )


DATA = ("ssm.GetParameter", "sts.AssumeRole")
"""What it takes to reach a project's data."""
WORKS: dict[str, tuple[Work, tuple[str, ...]]] = {
    "dispatcher": (
        dispatch,
        (
            "dynamodb.BatchGetItem",
            "dynamodb.GetItem",
            "sfn.SendTaskSuccess",
            "sfn.StartExecution",
            "eventbridge.PutEvents",
            "sns.PublishBatch",
        ),
    ),
    "reconciler": (
        sweep,
        (
            "dynamodb.Query",
            "dynamodb.BatchGetItem",
            "dynamodb.GetItem",
            "sfn.StopExecution",
            "dynamodb.UpdateItem",
            "dynamodb.TransactWriteItems",
            "sfn.ListExecutions",
            "sfn.DescribeExecution",
            "ssm.GetParameter",
            "sqs.SendMessage",
        ),
    ),
    "transfer": (
        handling(MAIN_LINE[:1], "Data transfer in progress"),
        (
            "dynamodb.BatchGetItem",
            *DATA,
            "dynamodb.GetItem",
            "s3.HeadBucket",
            "s3.ListObjectsV2",
            "s3.GetObject",
            "s3.PutObject",
            "dynamodb.UpdateItem",
            "dynamodb.TransactWriteItems",
        ),
    ),
    "notice": (handling([*MAIN_LINE[:2], "Paused"]), ("dynamodb.BatchGetItem", *DATA, "s3.GetObject", "s3.PutObject")),
    "labels": (
        handling(TO_REVIEW),
        ("dynamodb.BatchGetItem", *DATA, "s3.GetObject", "s3.HeadObject", "dynamodb.UpdateItem", "s3.PutObject"),
    ),
    "decision": (
        handling([*TO_REVIEW, "Rejected"], "Sent for rework"),
        (
            "dynamodb.BatchGetItem",
            *DATA,
            "s3.GetObject",
            "s3.PutObject",
            "dynamodb.UpdateItem",
            "dynamodb.TransactWriteItems",
        ),
    ),
    "completeness": (
        handling(TO_DELIVERY, "Data delivered"),
        (
            "dynamodb.BatchGetItem",
            *DATA,
            "s3.PutObject",
            "s3.HeadObject",
            "s3.GetObject",
            "dynamodb.TransactWriteItems",
        ),
    ),
    "end": (
        handling([*TO_DELIVERY, "Data delivered"]),
        ("dynamodb.BatchGetItem", *DATA, "dynamodb.Query", "dynamodb.UpdateItem", "s3.GetObject", "s3.PutObject"),
    ),
    "API": (answer, ("dynamodb.BatchGetItem", *DATA, "s3.HeadObject", "dynamodb.TransactWriteItems")),
    "quarantine": (quarantine, ("dynamodb.GetItem", "dynamodb.PutItem")),
    "delivery": (
        deliver,
        ("dynamodb.GetItem", *DATA, "s3.HeadObject", "s3.GetObject", "dynamodb.TransactWriteItems"),
    ),
}
"""Each work, and every call outward that it makes; of the handlers one of each kind. First come those calls without
which it does nothing: what is done is not done again."""


@pytest.mark.parametrize("name", WORKS)
def test_a_fault_is_got_over_and_one_that_stays_is_reported(deployed_here: World, faults: Faults, name: str) -> None:
    work, operations = WORKS[name]
    with Silence(deployed_here) as silence:
        tried = work(deployed_here, silence)
        for operation, kind in itertools.product(operations, KINDS):
            begin_anew()
            faults.plan([operation], kind, FOR_EVER)
            try:
                well = tried.do(faults)
            except AssertionError:
                raise
            except Exception:
                well = False
            assert faults.hits[operation] > 1, f"{operation} is called, and tried again"
            assert not well, f"{kind} of {operation} for ever is reported"
        begin_anew()
        faults.plan(operations, "throttle", 1)
        assert tried.do(faults)
        assert tried.is_done(), "each was got over"
        assert faults.hits == Counter(operations)
        assert faults.seen == set(operations), "these are all calls outward"
