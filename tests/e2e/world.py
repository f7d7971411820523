"""A deployed workspace in the local cloud, and the people, programs and faults that tests play against it."""

import itertools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.exceptions import ClientError

from gtplus_cli.client import WorkspaceClient
from gtplus_cli.local import Deployment, LocalCloud
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.protocol import execution_name
from gtplus_runtime.store import Key, Store

PROJECT, NEIGHBOUR = "street-signs", "faces"
PEOPLE = {
    "approver": "ApproverRole",
    "requester": "StreetSignsRequesterRole",
    "reviewer": "StreetSignsReviewerRole",
    "reporter": "StreetSignsReporterRole",
    "data": "StreetSignsDataRole",
    "faces-requester": "FacesRequesterRole",
    "faces-reviewer": "FacesReviewerRole",
    "faces-reporter": "FacesReporterRole",
    "faces-data": "FacesDataRole",
}
FORM = {
    "firstName": "Rosa",
    "lastName": "Requester",
    "businessEmail": "rosa@example.com",
    "description": "tests",
    "taskType": "text",
    "containsPii": False,
}
MAIN_LINE = [
    "Request submitted",
    "Data transfer in progress",
    "Data received",
    "In progress",
    "Ready for review",
    "Review submission in progress",
    "Review complete",
    "Accepted",
    "Ready for delivery",
    "Data delivered",
]
REWORK = [
    *MAIN_LINE[:7],
    "Rejected",
    "Sent for rework",
    *MAIN_LINE[4:],
]


def eventually(what: Callable[[], Any], describe: str, seconds: float = 20) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {describe}")
        time.sleep(0.05)


class World:
    """The people's clients, and the root's view for looking behind the scenes and breaking things."""

    def __init__(self, cloud: LocalCloud, deployment: Deployment) -> None:
        self.cloud = cloud
        outputs = deployment.outputs["Labeling"]
        self.buckets = {PROJECT: outputs["StreetSignsBucket"], NEIGHBOUR: outputs["FacesBucket"]}
        cloud.profiles.write({name: outputs[output] for name, output in PEOPLE.items()})
        self.sessions = {name: cloud.session(name) for name in PEOPLE}
        self.clients = {name: WorkspaceClient(s) for name, s in self.sessions.items() if "data" not in name}
        self.facts = self.clients["approver"].facts
        self.root = cloud.session()
        self.machine = self.root.client("stepfunctions")
        self.store = Store(self.facts["table"], self.root.client("dynamodb"))
        self._names = itertools.count(1)
        for project, requester in ((PROJECT, "requester"), (NEIGHBOUR, "faces-requester")):
            self.clients[requester].call("project.request", project=project, **FORM)
            self.clients["approver"].call("project.approve", project=project)

    @property
    def facts_of_place(self) -> dict[str, Any]:
        """What the project's construct has registered."""
        name = f"/gtplus/{self.facts['workspace']}/projects/{PROJECT}"
        return dict(json.loads(self.root.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]))

    # people

    def call(self, who: str, route: str, batch: str = "", /, project: str = PROJECT, **body: Any) -> Any:
        """A call by one of the people."""
        return self.clients[who].call(route, project=project, batch=batch, **body)

    def send(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, Any]]:
        """A signed request as it is."""
        text = None if body is None else json.dumps(body)
        return self.clients[who].send(method, path, text, **headers)

    def create(self, objects: int = 3, name: str | None = None, **form: Any) -> str:
        """A batch of small text objects, each labeled by its own number later."""
        name = f"batch-{next(self._names)}" if name is None else name
        bucket = self.buckets[PROJECT]
        for number in range(objects):
            self.put(f"s3://{bucket}/raw/{name}/{number}.txt", str(number))
        self.call("requester", "batch.create", name, input=f"s3://{bucket}/raw/{name}/", **form)
        return name

    def report(self, batch: str, status: str, **body: Any) -> None:
        """The provider reports."""
        self.call("reporter", "batch.report", batch, status=status, **body)

    def label(self, batch: str, *, leave_out: int = 0, label: str = "text") -> None:
        """The provider writes the labels of the present round with its data role, and reports."""
        order = eventually(lambda: self.work_order(batch), f"work order of {batch}")
        self.put(order["manifest"], self.labels(batch, leave_out=leave_out, label=label), who="data")
        self.report(batch, "Ready for review")

    def labels(self, batch: str, *, leave_out: int = 0, label: str = "text") -> str:
        """An output manifest."""
        inventory = self.get(self.head(batch)["facts"]["inventory"]).splitlines()
        lines = [json.loads(line) for line in inventory[: len(inventory) - leave_out]]
        metadata = {"class-name": label, "type": "groundtruth/text-classification", "human-annotated": "yes"}
        return "".join(
            json.dumps({"source-ref": e["source-ref"], "label": 0, "label-metadata": metadata}) + "\n" for e in lines
        )

    def work_order(self, batch: str) -> dict[str, Any] | None:
        """The work order of the present round, once it is there."""
        head = self.call("reporter", "batch.show", batch)
        uri = head.get("workOrder")
        if not uri:
            return None
        order: dict[str, Any] = json.loads(self.get(uri, who="data"))
        return order if order["round"] == head["round"] else None

    def review(self, batch: str, wrong: int = 0) -> None:
        """The reviewer judges the sample."""

        def submit() -> bool:
            # Refused until the sample of this round is drawn.
            status, sample = self.send("reviewer", "GET", f"/review/projects/{PROJECT}/batches/{batch}/sample")
            if status != 200:
                return False
            verdicts = [
                {"object": o["object"], "correct": n >= wrong, **({"reason": "is wrong"} if n < wrong else {})}
                for n, o in enumerate(sample["objects"])
            ]
            self.call("reviewer", "batch.review", batch, verdicts=verdicts)
            return True

        eventually(submit, f"sample of {batch}")

    def deliver(self, batch: str) -> None:
        """The provider writes the labels to the output location; S3 tells."""
        order = self.work_order(batch)
        assert order is not None
        self.put(order["delivery"], self.get(order["manifest"], who="data"), who="data")

    def play(self, batch: str, statuses: list[str], pause: Callable[[str], None] | None = None) -> None:
        """Do what leads a batch through the statuses, each person in turn.

        Args:
            batch: which.
            statuses: MAIN_LINE or REWORK, or the beginning of one.
            pause: is called with each status once it is reached.
        """
        for position, status in enumerate(statuses):
            self.play_next(batch, status)
            self.reached(batch, position + 1, status)
            if pause is not None:
                pause(status)

    def play_next(self, batch: str, status: str) -> None:
        """Do what leads to a status, if a person has to do anything."""
        match status:
            case "Data received" | "In progress":
                self.report(batch, status)
            case "Ready for review":
                self.label(batch)
            case "Review submission in progress":
                self.review(batch)
            case "Accepted":
                self.call("reviewer", "batch.accept", batch)
            case "Rejected":
                self.call("reviewer", "batch.reject", batch, reason="labeled wrong")
            case "Data delivered":
                self.deliver(batch)

    def function(self, name: str) -> str:
        """The function of a construct of the workflow."""
        pages = self.root.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName="Labeling")
        (found,) = [
            resource["PhysicalResourceId"]
            for page in pages
            for resource in page["StackResourceSummaries"]
            if re.fullmatch(rf"WorkspaceWorkflow{name}[0-9A-F]{{8}}", resource["LogicalResourceId"])
            and resource["ResourceType"] == "AWS::Lambda::Function"
        ]
        return str(found)

    def rule(self, name: str) -> str:
        """The rule of a construct of the workflow."""
        rules = self.root.client("events").list_rules()["Rules"]
        (found,) = [rule["Name"] for rule in rules if f"WorkspaceWorkflow{name}" in rule["Name"]]
        return str(found)

    def reached(self, batch: str, seq: int, status: str) -> None:
        """Wait until an event is there, and see that it is this one."""
        event = eventually(lambda: self.store.event(Key(PROJECT, batch), seq), f"{status} of {batch}, event {seq}")
        assert event["status"] == status, self.statuses(batch)

    def handled(self, batch: str, seq: int | None = None, seconds: float = 20) -> None:
        """Wait until everything (or up to an event) is handled."""

        def done() -> bool:
            head = self.head(batch)
            return bool(head["handled"] >= (head["seq"] if seq is None else seq))

        eventually(done, f"{batch} handled", seconds)

    # behind the scenes

    def head(self, batch: str) -> dict[str, Any]:
        """The head item as it is in the table."""
        head = self.store.head(Key(PROJECT, batch))
        assert head is not None
        return head

    def statuses(self, batch: str) -> list[str]:
        """The statuses of all events, in order."""
        return [event["status"] for event in self.store.events(Key(PROJECT, batch))]

    def put(self, uri: str, text: str, who: str = "requester") -> None:
        """Write an object as somebody."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        self.sessions[who].client("s3").put_object(Bucket=bucket, Key=key, Body=text.encode())

    def get(self, uri: str, who: str = "requester") -> str:
        """Read an object as somebody."""
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        return str(self.sessions[who].client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode())

    def execution_arn(self, batch: str, generation: int | None = None) -> str:
        """The execution of a generation; by default the present one."""
        head = self.head(batch)
        if generation is not None:
            head["generation"] = generation
        machine = self.facts["stateMachine"].replace(":stateMachine:", ":execution:")
        return f"{machine}:{execution_name(head)}"

    def clear_transfers(self) -> None:
        """Cancel every batch that is in data transfer or waits for it."""

        def cleared() -> bool:
            line = self.store.transfers("ground-truth-plus")
            for key in line:
                if key.batch and not BATCH[self.head(key.batch)["status"]].is_end:
                    self.call("requester", "batch.cancel", key.batch)
            return not line

        eventually(cleared, "an empty line")

    def stop_execution(self, batch: str) -> None:
        """End the present execution the hard way; no harm if it has ended."""
        try:
            self.machine.stop_execution(executionArn=self.execution_arn(batch), cause="killed by a test")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise

    def turn_back(self, batch: str, **times: str) -> None:
        """Set times on the head, as if it had been so for long."""
        names = {f"#{name}": name for name in times}
        self.root.client("dynamodb").update_item(
            TableName=self.facts["table"],
            Key={"pk": {"S": Key(PROJECT, batch).pk}, "sk": {"S": "HEAD"}},
            UpdateExpression="SET " + ", ".join(f"#{name} = :{name}" for name in times),
            ExpressionAttributeNames=names,
            ExpressionAttributeValues={f":{name}": {"S": value} for name, value in times.items()},
        )

    @contextmanager
    def bus(self) -> Iterator[Callable[[], list[dict[str, Any]]]]:
        """What is published meanwhile: a rule on the bus to a queue; gives a function that returns all so far."""
        events, sqs = self.root.client("events"), self.root.client("sqs")
        name = f"tests-{next(self._names)}"
        queue = sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.put_rule(Name=name, EventBusName=self.facts["bus"], EventPattern=json.dumps({"source": ["gtplus"]}))
        events.put_targets(Rule=name, EventBusName=self.facts["bus"], Targets=[{"Id": "q", "Arn": arn}])
        got: list[dict[str, Any]] = []

        def received() -> list[dict[str, Any]]:
            for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
                got.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            return got

        try:
            yield received
        finally:
            events.remove_targets(Rule=name, EventBusName=self.facts["bus"], Ids=["q"])
            events.delete_rule(Name=name, EventBusName=self.facts["bus"])
            sqs.delete_queue(QueueUrl=queue)

    def reconcile(self) -> dict[str, Any]:
        """Run the reconciler once, as its schedule does."""
        return dict(self.invoke(self.facts["reconciler"], {}))

    def invoke(self, function: str, event: Mapping[str, Any]) -> Any:
        """Invoke a function directly."""
        answer = self.root.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event).encode())
        body = json.loads(answer["Payload"].read() or b"null")
        assert "FunctionError" not in answer, body
        return body

    def handler_runs(self, batch: str) -> list[tuple[int, str]]:
        """Every start of a status handler, over all generations, in time order: event and status."""
        runs = []
        for generation in range(1, self.head(batch)["generation"] + 1):
            try:
                pages = self.machine.get_paginator("get_execution_history").paginate(
                    executionArn=self.execution_arn(batch, generation)
                )
                events = [event for page in pages for event in page["events"]]
            except ClientError:
                continue
            for event in events:
                details = event.get("stateEnteredEventDetails")
                if details and details["name"].startswith("On "):
                    state = json.loads(details["input"])
                    runs.append((event["timestamp"], state["seq"], details["name"].removeprefix("On ")))
        return [(seq, status) for _, seq, status in sorted(runs)]

    def handler_correlations(self, batch: str) -> list[str]:
        """What every status handler of the present generation was told as its correlation id."""
        pages = self.machine.get_paginator("get_execution_history").paginate(executionArn=self.execution_arn(batch))
        entered = [e["stateEnteredEventDetails"] for p in pages for e in p["events"] if "stateEnteredEventDetails" in e]
        return [json.loads(d["input"])["correlation"] for d in entered if d["name"].startswith("On ")]

    def log_group(self) -> str:
        """The log group of the functions."""
        configuration = self.root.client("lambda").get_function_configuration(FunctionName=self.facts["reconciler"])
        return str(configuration["LoggingConfig"]["LogGroup"])

    def first_runs(self, batch: str) -> list[str]:
        """The statuses of the handlers' first runs, in the order in which they began."""
        seen: dict[int, str] = {}
        for seq, status in self.handler_runs(batch):
            seen.setdefault(seq, status)
        return list(seen.values())

    @contextmanager
    def unswept(self) -> Iterator[None]:
        """Let no schedule call the reconciler meanwhile: it would do what the test is about to do."""
        client = self.root.client("scheduler")
        (name,) = [each["Name"] for each in client.list_schedules()["Schedules"] if "EveryMinute" in each["Name"]]
        schedule = client.get_schedule(Name=name)
        kept = {part: schedule[part] for part in ("Name", "ScheduleExpression", "FlexibleTimeWindow", "Target")}
        client.update_schedule(**kept, State="DISABLED")
        try:
            yield
        finally:
            client.update_schedule(**kept, State="ENABLED")

    @contextmanager
    def deaf_dispatcher(self) -> Iterator[None]:
        """Drop every stream record meanwhile: the mapping is gone, and a new one begins with what comes after."""
        client = self.root.client("lambda")
        (mapping,) = [
            m for m in client.list_event_source_mappings()["EventSourceMappings"] if ":dynamodb:" in m["EventSourceArn"]
        ]
        client.delete_event_source_mapping(UUID=mapping["UUID"])
        try:
            time.sleep(0.3)
            yield
        finally:
            client.create_event_source_mapping(
                FunctionName=mapping["FunctionArn"],
                EventSourceArn=mapping["EventSourceArn"],
                StartingPosition="LATEST",
                BatchSize=mapping["BatchSize"],
                FilterCriteria=mapping["FilterCriteria"],
                DestinationConfig=mapping["DestinationConfig"],
                MaximumRecordAgeInSeconds=mapping["MaximumRecordAgeInSeconds"],
                FunctionResponseTypes=["ReportBatchItemFailures"],
            )
            time.sleep(0.3)


def signed_by(session: boto3.Session) -> str:
    """The principal behind a session."""
    return str(session.client("sts").get_caller_identity()["Arn"])
