"""Those outside who listen to a workspace: queues that stand for users' programs and people's mail."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.e2e.world import World, eventually


class Inbox:
    """A queue, and what has come to it so far.

    Args:
        world: where it is made.
        name: of the queue.
    """

    def __init__(self, world: World, name: str) -> None:
        self._sqs = world.root.client("sqs")
        self.url = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        names: Any = ["QueueArn"]
        self.arn = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]["QueueArn"]
        policy = {
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": self.arn}]
        }
        self._sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})
        self._got: list[dict[str, Any]] = []

    def got(self) -> list[dict[str, Any]]:
        """Every message so far, oldest first."""
        while messages := self._sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self._got.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return self._got


class Outside:
    """One who listens to the bus, and one who reads what the topic sends."""

    def __init__(self, world: World, name: str) -> None:
        self.program, self.mail = Inbox(world, f"{name}-program"), Inbox(world, f"{name}-mail")
        events, sns = world.root.client("events"), world.root.client("sns")
        pattern = json.dumps({"source": ["gtplus"]})
        events.put_rule(Name=name, EventBusName=world.facts["bus"], EventPattern=pattern)
        events.put_targets(Rule=name, EventBusName=world.facts["bus"], Targets=[{"Id": "1", "Arn": self.program.arn}])
        sns.subscribe(TopicArn=world.facts["topic"], Protocol="sqs", Endpoint=self.mail.arn)

    def told(self, batch: str) -> list[dict[str, Any]]:
        """What the bus told of a batch, in the order in which it came."""
        return [event["detail"] for event in self.program.got() if event["detail"].get("batch") == batch]

    def mailed(self, batch: str) -> list[str]:
        """Of which statuses of a batch the topic told."""
        return [
            message["MessageAttributes"]["status"]["Value"]
            for message in self.mail.got()
            if message["MessageAttributes"].get("batch", {}).get("Value") == batch
        ]

    def hears(self, batch: str, *statuses: str) -> None:
        """Wait until the bus has told of every one of these statuses."""

        def heard() -> bool:
            return {detail["status"] for detail in self.told(batch)} >= set(statuses)

        eventually(heard, f"{statuses} of {batch} on the bus")


@contextmanager
def broken(world: World, function: str) -> Iterator[None]:
    """A function that fails at whatever it is called for: it does not know its table."""
    client = world.root.client("lambda")
    variables = client.get_function_configuration(FunctionName=function)["Environment"]["Variables"]
    without = {name: value for name, value in variables.items() if name != "GTPLUS_TABLE"}
    client.update_function_configuration(FunctionName=function, Environment={"Variables": without})
    try:
        yield
    finally:
        client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})


@contextmanager
def gives_up_early(world: World) -> Iterator[None]:
    """The table's stream gives up records that fail after a second, and not after an hour."""
    client = world.root.client("lambda")
    (mapping,) = [
        m for m in client.list_event_source_mappings()["EventSourceMappings"] if ":dynamodb:" in m["EventSourceArn"]
    ]
    client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=1)
    try:
        yield
    finally:
        age = mapping.get("MaximumRecordAgeInSeconds", 3_600)
        client.update_event_source_mapping(UUID=mapping["UUID"], MaximumRecordAgeInSeconds=age)


def letters(world: World, hop: str) -> int:
    """How many dead letters a hop has."""
    names: Any = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = world.facts["letters"][hop]
    found = world.root.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(value) for value in found.values())


def given_up(world: World, since: int) -> bool:
    """Whether the table's stream has given up a record that is no older than a second since the epoch."""
    url = world.facts["letters"]["stream"]
    found = world.root.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    infos = [json.loads(letter["Body"])["DDBStreamBatchInfo"] for letter in found.get("Messages", [])]
    return any(datetime.fromisoformat(info["approximateArrivalOfLastRecord"]).timestamp() >= since for info in infos)


def write_letter(world: World, hop: str, body: Any, **attributes: str) -> None:
    """A dead letter as AWS writes it, for a hop whose own the local cloud does not write."""
    world.root.client("sqs").send_message(
        QueueUrl=world.facts["letters"][hop],
        MessageBody=body if isinstance(body, str) else json.dumps(body),
        MessageAttributes={n: {"DataType": "String", "StringValue": value} for n, value in attributes.items()},
    )


def stream_letter(since: float) -> dict[str, Any]:
    """What Lambda writes when it gives up the records of a table stream since a `time.time()`."""
    first, last = (
        datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        for at in (since, time.time())
    )
    return {
        "requestContext": {
            "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
            "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:dispatcher",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 9,
        },
        "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
        "version": "1.0",
        "timestamp": last,
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000001573689847184-864758bb",
            "startSequenceNumber": "800000000003126276362",
            "endSequenceNumber": "800000000003126276362",
            "approximateArrivalOfFirstRecord": first,
            "approximateArrivalOfLastRecord": last,
            "batchSize": 1,
            "streamArn": "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-11-25T00:00:00.000",
        },
    }
