"""The dead letters of a workspace: what was not delivered, hop by hop, and the way to deliver it again.

A letter is deleted once what it stands for has been done again, never before; so a redrive that is broken off can be
repeated. Doing something twice does no harm: who was told twice knows an event by its batch and number, a check of a
delivery decides once, and the reconciler mends only what is broken.

Sources: the letters of a table stream hold positions and times ("Retain discarded batches for a DynamoDB event source
in Lambda"), those of a rule the event, with the rule and the error as attributes ("Using dead-letter queues to process
undelivered events in EventBridge"), those of a subscription the message ("Amazon SNS dead-letter queues"), those of a
schedule and of a function the input ("Configuring a dead-letter queue for EventBridge Scheduler").
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import HTTPClientError

from gtplus_cli.client import WorkspaceClient
from gtplus_runtime.problems import Refused
from gtplus_runtime.store import BUS, EVERYBODY, TOPIC

if TYPE_CHECKING:
    from mypy_boto3_sqs.type_defs import MessageTypeDef

HOPS = {
    "stream": "status changes that the dispatcher did not follow",
    "storage": "written manifests that were not checked",
    "schedule": "calls of the reconciler that failed",
    "rules": "events that the target of a rule did not take",
    "topic": "messages that a subscription did not take",
}
"""Every hop that has dead letters, and what they are."""

MARGIN = timedelta(seconds=60)
"""The clocks of a stream and of the function that decides may differ; what is told twice does no harm."""

HIDDEN_SECONDS = 300
"""How long a letter is out of others' sight while it is looked at."""


class Span(NamedTuple):
    """A span of time."""

    since: datetime
    until: datetime


class Letter(NamedTuple):
    """One dead letter.

    Attributes:
        at: when it was written.
        what: what was not done, for people.
        why: the error, as far as the hop tells it.
        message: as SQS gives it.
        body: read; None where it is no JSON object.
    """

    at: datetime
    what: str
    why: str
    message: "MessageTypeDef"
    body: dict[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"id": self.message["MessageId"], "at": self.at.isoformat(), "what": self.what, "why": self.why}


class Redriven(NamedTuple):
    """What a redrive did.

    Attributes:
        again: how many letters were done again, and are gone.
        left: those that stay, each with the reason.
    """

    again: int
    left: list[tuple[Letter, str]]


class DeadLetters:
    """The dead letters of one hop.

    Args:
        session: whose rights are used: those of `workspace.grant_redrive`, and of an operator.
        client: of the workspace.
        hop: one of HOPS.
    """

    def __init__(self, session: boto3.Session, client: WorkspaceClient, hop: str) -> None:
        self._session, self._client, self.hop = session, client, hop
        self._sqs = session.client("sqs")
        self._url = str(client.facts["letters"][hop])

    def count(self) -> int:
        """How many there are, about."""
        names: Any = ["ApproximateNumberOfMessages"]
        found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def look(self, limit: int) -> list[Letter]:
        """Some of the letters; they stay where they are.

        Args:
            limit: how many at the most.
        """
        with self._letters(limit) as letters:
            return list(letters.values())

    def redrive(self, limit: int) -> Redriven:
        """Do again what the letters stand for.

        Args:
            limit: how many letters at the most.
        """
        with self._letters(limit) as letters:
            left: list[tuple[Letter, str]] = []
            again = 0
            for group in self._groups(list(letters.values())):
                try:
                    self._again(group)
                except Refused as refused:
                    left += [(letter, refused.summary) for letter in group]
                except (KeyError, TypeError, ValueError):
                    left += [(letter, "it is not a letter of this hop: read it in its queue") for letter in group]
                else:
                    for letter in group:
                        self._delete(letters.pop(letter.message["MessageId"]))
                    again += len(group)
            return Redriven(again, left)

    def _groups(self, letters: list[Letter]) -> Iterator[list[Letter]]:
        """What is done again at one stroke: the reconciler looks at everything, whatever called it."""
        if self.hop == "schedule":
            yield from [letters] if letters else []
        elif self.hop == "stream":
            yield from _overlapping(letters)
        else:
            yield from ([letter] for letter in letters)

    def _again(self, letters: list[Letter]) -> None:
        first = letters[0]
        match self.hop:
            case "stream":
                spans = [_span(letter.body or {}) for letter in letters]
                since, until = min(s.since for s in spans) - MARGIN, max(s.until for s in spans) + MARGIN
                retell_all(self._client, since, until)
            case "storage":
                url = str(self._client.facts["storageEvents"])
                self._sqs.send_message(QueueUrl=url, MessageBody=first.message["Body"])
            case "schedule":
                function = str(self._client.facts["reconciler"])
                # It may take its five minutes; a call that was given up and made again would run beside the first.
                config = Config(read_timeout=330, retries={"total_max_attempts": 1})
                try:
                    answer = self._session.client("lambda", config=config).invoke(FunctionName=function, Payload=b"{}")
                except HTTPClientError as error:
                    raise Refused(500, f"the reconciler did not answer: {error}") from None
                if "FunctionError" in answer:
                    raise Refused(500, f"the reconciler still fails: {answer['Payload'].read().decode()[:300]}")
            case "rules":
                detail = (first.body or {})["detail"]
                self._tell(detail["project"], detail.get("batch"), detail["at"], BUS)
            case "topic":
                told = {name: value["Value"] for name, value in (first.body or {})["MessageAttributes"].items()}
                self._tell(told["project"], told.get("batch"), told["at"], TOPIC)

    def _tell(self, project: str, batch: str | None, at: str, to: str) -> None:
        span = {"since": at, "until": at, "to": to}
        if batch is None:
            done = self._client.call("project.retell", project=project, **span)
        else:
            done = self._client.call("batch.retell", project=project, batch=batch, **span)
        if not done["told"]:
            raise Refused(409, f"the table has no event of {at} to tell again")

    @contextmanager
    def _letters(self, limit: int) -> Iterator[dict[str, Letter]]:
        """Take letters out of others' sight; those that are not taken out here come back at the end."""
        found: dict[str, Letter] = {}
        try:
            while len(found) < limit:
                names: Any = ["All"]
                messages = self._sqs.receive_message(
                    QueueUrl=self._url,
                    MaxNumberOfMessages=min(10, limit - len(found)),
                    VisibilityTimeout=HIDDEN_SECONDS,
                    WaitTimeSeconds=1,
                    MessageAttributeNames=["All"],
                    MessageSystemAttributeNames=names,
                ).get("Messages", [])
                if not messages or all(message["MessageId"] in found for message in messages):
                    break
                found |= {message["MessageId"]: _letter(self.hop, message) for message in messages}
            yield found
        finally:
            for letter in found.values():
                self._show(letter)

    def _delete(self, letter: Letter) -> None:
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.message["ReceiptHandle"])

    def _show(self, letter: Letter) -> None:
        self._sqs.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=letter.message["ReceiptHandle"], VisibilityTimeout=0
        )


def retell_all(
    client: WorkspaceClient, since: datetime, until: datetime, project: str | None = None, to: str = EVERYBODY
) -> dict[str, int]:
    """Have the events of a span of time told again, and every open batch looked at, project by project.

    Args:
        client: of the workspace.
        since: the beginning.
        until: the end, itself included.
        project: the only project that is meant. Default: all.
        to: whom they are told.

    Returns:
        How many events are `told` again and batches `nudged`.
    """
    projects = [project] if project else [each["project"] for each in client.call("project.list")["projects"]]
    done = {"told": 0, "nudged": 0}
    for name in projects:
        more: dict[str, str] = {}
        while True:
            answer = client.call("project.retell", project=name, since=_text(since), until=_text(until), to=to, **more)
            done = {what: done[what] + answer[what] for what in done}
            if answer["after"] is None:
                break
            more = {"after": answer["after"]}
    return done


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _letter(hop: str, message: "MessageTypeDef") -> Letter:
    try:
        body = json.loads(message["Body"])
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else None
    given = {name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()}
    why = given.get("ERROR_MESSAGE") or given.get("ErrorMessage") or given.get("ERROR_CODE") or ""
    try:
        what, condition = _describe(hop, body or {})
    except (KeyError, TypeError, ValueError):
        what, condition = f"not readable: {message['Body'][:80]!r}", ""
    at = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1_000, UTC)
    return Letter(at, what, why or condition, message, body)


def _describe(hop: str, body: dict[str, Any]) -> tuple[str, str]:
    match hop:
        case "stream":
            span = _span(body)
            return f"records from {_text(span.since)} to {_text(span.until)}", body["requestContext"]["condition"]
        case "storage":
            if "detail" not in body:
                return f"a look at the delivery of batch {body['project']}/{body['batch']}", ""
            detail = body["detail"]
            return f"s3://{detail['bucket']['name']}/{detail['object']['key']}", ""
        case "schedule":
            return "a call of the reconciler", ""
        case "rules":
            detail = body["detail"]
            of = f"batch {detail['project']}/{detail['batch']}" if "batch" in detail else f"project {detail['project']}"
            return f"{of}: {detail['status']}", ""
    return str(body["Subject"]), ""


def _span(body: dict[str, Any]) -> Span:
    info = body["DDBStreamBatchInfo"]
    first, last = (datetime.fromisoformat(info[f"approximateArrivalOf{end}Record"]) for end in ("First", "Last"))
    return Span(first, last)


def _overlapping(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    """Letters of the stream, those together whose spans meet: what happened then is told once."""
    spans = []
    for letter in letters:
        try:
            spans.append((_span(letter.body or {}), letter))
        except (KeyError, TypeError, ValueError):
            yield [letter]
    group: list[Letter] = []
    end = datetime.min.replace(tzinfo=UTC)
    for span, letter in sorted(spans, key=lambda entry: entry[0]):
        if group and span.since > end + 2 * MARGIN:
            yield group
            group = []
        end = max(end, span.until)
        group.append(letter)
    if group:
        yield group
