"""What every status handler shares: the batch it works on, and how its failures and late starts end.

A handler's input is `{"project", "batch", "seq", "status", "generation", "execution", "correlation"}`, its output
`{"outcome", "noticeTag"}`: whether it was superseded, and the ETag of the notice that lies there, which the park keeps
for the next handler. What else it has to say it writes on the batch. It may run twice, late, or beside the one of a
newer generation: all it writes on the batch is conditioned on its generation, and on that its event is not handled yet;
in the line of transfers a batch stands with the event that it joined for, and begins for no other; all it writes to
S3 follows from the event or bears its hash in its name, but for the notice, where the later one stays.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from gtplus_runtime import aws
from gtplus_runtime.commands import WORKSPACE, Command, Superseded, decide_batch
from gtplus_runtime.lifecycle import BatchStatus
from gtplus_runtime.log import log
from gtplus_runtime.places import OURS, Place, find_place
from gtplus_runtime.store import HEAD, UNKNOWN, Key, Line, Seen, Store, event_sk

if TYPE_CHECKING:
    from gtplus_runtime.objects import Objects
    from gtplus_runtime.review import Review


def store() -> Store:
    """The table of this workspace."""
    return Store(aws.setting("TABLE"), aws.client("dynamodb"))


class NotDeployed(Exception):
    """No construct of the project is deployed."""


class Batch:
    """A batch, as a handler works on it.

    Args:
        key: which one.
        head: its head as it was read.
        store: the table.
        generation: the generation that the handler runs in.
        seq: the number of the event that is handled.
        event: that event, where it was read; else it is read when it is asked for.
    """

    def __init__(
        self,
        key: Key,
        head: dict[str, Any],
        store: Store,
        generation: int,
        seq: int,
        event: dict[str, Any] | None = None,
    ) -> None:
        self.key, self.head, self.store, self.generation, self.seq = key, head, store, generation, seq
        self._event = event
        self.notice_tag = str(head.get("noticeTag", ""))

    @cached_property
    def place(self) -> Place:
        """The project's place; NotDeployed where there is none."""
        place = find_place(self.key.project)
        if place is None:
            raise NotDeployed(f"no construct of project {self.key.project!r} is deployed: deploy it, and it goes on")
        return place

    @cached_property
    def objects(self) -> "Objects":
        """The project's data, through its runtime role."""
        # Here and below: a handler that needs none of it starts sooner.
        from gtplus_runtime.objects import Objects

        return Objects(aws.s3_as(self.place.runtime_role_arn, f"gtplus-{self.key.batch}"))

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of the batch so far."""
        return dict(self.head["facts"])

    @cached_property
    def event(self) -> dict[str, Any]:
        """The event that is handled; the head may be further by now."""
        event = self._event or self.store.event(self.key, self.seq)
        if event is None:
            raise LookupError(f"there is no event {self.seq}")
        return event

    @property
    def round(self) -> int:
        """The round of the event that is handled, from 1."""
        return int(self.event["round"])

    @property
    def attribute(self) -> str:
        """The label attribute in the output."""
        return str(self.head["form"]["labelAttribute"])

    @property
    def output(self) -> str:
        """The URI of the batch's output location, where the provider writes."""
        return str(self.head["form"]["output"])

    def file(self, name: str) -> str:
        """The URI of a file of ours."""
        return f"{self.output}{OURS}{name}"

    def round_file(self, name: str) -> str:
        """The URI of a file of ours of this round."""
        return self.file(f"round-{self.round}/{name}")

    @property
    def delivery(self) -> str:
        """The URI where the provider delivers the labels."""
        return f"{self.output}output.manifest"

    def told(self, name: str) -> Any:
        """What a command told in this round: the head may be further, and hold what was told in a later one."""
        if self.head["round"] == self.round:
            return self.facts.get(name)
        events = [e for e in self.store.events(self.key) if e["round"] == self.round and e["seq"] <= self.seq]
        told = [event["data"][name] for event in events if name in event["data"]]
        return told[-1] if told else None

    def sources(self) -> list[str]:
        """The objects of the frozen inventory, by name."""
        return [str(e.get("source-ref", e.get("source"))) for e in self.objects.lines(self.facts["inventory"])]

    def sample(self) -> list[dict[str, Any]]:
        """The sample of the review, as it was drawn."""
        return list(self.objects.lines(self.facts["sample"]["uri"]))

    def review(self, sample: list[dict[str, Any]]) -> "Review":
        """The verdicts that were submitted, joined with the sample."""
        from gtplus_runtime.review import join

        verdicts = self.objects.json(self.told("verdicts"))["verdicts"]
        return join((entry["object"] for entry in sample), verdicts)

    def note(self, objects: Mapping[str, int] | None = None, **facts: Any) -> None:
        """Keep facts and counts on the head, until the event counts as handled."""
        self.store.note(self.key, self.generation, facts, objects, handling=self.seq)
        self.head["facts"].update(facts)

    def note_here(self, **facts: Any) -> None:
        """Keep facts that hold in this status alone: on the head, if nothing has happened since the event handled."""
        self.store.note(self.key, self.generation, facts, seq=self.seq)
        self.head["facts"].update(facts)

    def advance(self, status: BatchStatus, **data: Any) -> None:
        """Cause the next status, if nothing has happened since the event that is handled."""
        # Where the head has moved on, this is superseded; so its correlation is that of the event handled.
        said = self.head.get("correlation", "")
        command = Command("advance", WORKSPACE, aws.timestamp(), status, data, after=self.seq, correlation=said)
        settings = self.place.settings
        self.store.decide(
            self.key,
            command,
            lambda head: decide_batch(head, command, settings),
            generation=self.generation,
            seen=Seen(self.head),
        )

    def tell_provider(self) -> None:
        """Leave a note in the output location that says where the batch stands: a provider sees it with S3 alone."""
        # Ahead is who knows of more events, and of two who know the same the handler of the later one.
        order = [self.head["seq"], self.seq]
        notice = {
            "version": 1,
            "project": self.key.project,
            "batch": self.key.batch,
            "uid": self.head["uid"],
            "order": order,
            "status": self.head["status"],
            "round": self.head["round"],
            "since": self.head["since"],
            "workOrder": self.facts.get("workOrder"),
        }

        def ahead(there: Any) -> bool:
            # That of an earlier batch of this name, or of an earlier release, is not.
            return isinstance(there, dict) and there.get("uid") == notice["uid"] and there["order"] > order

        self.notice_tag = self.objects.replace_json(self.file("notice.json"), notice, ahead, self.notice_tag)

    def order_work(self, rework: str | None) -> None:
        """Give the provider the work order of this round."""
        order = {
            "version": 1,
            "project": self.key.project,
            "batch": self.key.batch,
            "round": self.round,
            "labelAttribute": self.attribute,
            "taskType": self.facts.get("taskType"),
            "personalData": self.facts.get("personalData"),
            "inventory": self.facts["inventory"],
            "rework": rework,
            "manifest": round_manifest(self.output, self.round),
            "delivery": self.delivery,
        }
        # The place of the order is told last: who sees it finds everything there.
        self.note(workOrder=self.objects.write_json(self.round_file("work-order.json"), order))
        self.tell_provider()

    def leave_transfer(self) -> None:
        """Free the slot of the data transfer, and let the next in line go on."""
        line = self.store.leave_transfers(self.place.provider, self.key, self.seq)
        promote(self.store, line, self.place)


def round_manifest(output: str, round_: int) -> str:
    """The URI where the provider writes the labels of a round, unless it reports another."""
    return f"{output}round-{round_}/output.manifest"


def promote(store: Store, line: Line, place: Place) -> None:
    """Let those who have come within the provider's limit begin their transfer. Repeating it changes nothing.

    Args:
        store: the table.
        line: the provider's batches, first come first, each with the event that it joined for.
        place: whose limit counts.
    """
    for key, joined in islice(line.items(), place.limits.max_in_transfer):
        holds = False
        try:
            if (head := store.head(key)) is not None:
                waits = head["status"] == BatchStatus.REQUEST_SUBMITTED
                # Resumed since: then it has lost its place, and the handler of the resume, which checks the input
                # anew, lets it join again.
                holds = joined in (UNKNOWN, head["seq"]) if waits else _in_transfer(head)
                if waits and holds:
                    _begin_transfer(store, key, head, place)
        except (KeyError, TypeError, ValueError) as error:
            # A head that nothing can be done with holds up nobody.
            holds = False
            log("batch cannot be read", project=key.project, batch=key.batch, error=type(error).__name__)
        if not holds:
            # Paused before its transfer began; or left over by a function that was killed or came late.
            promote(store, store.leave_transfers(place.provider, key, joined), place)
            return


def _in_transfer(head: Mapping[str, Any]) -> bool:
    """Of a batch that is paused in its transfer the provider may have copied half."""
    status = head["pausedFrom"] if head["status"] == BatchStatus.PAUSED else head["status"]
    return bool(status == BatchStatus.DATA_TRANSFER_IN_PROGRESS)


def _begin_transfer(store: Store, key: Key, head: dict[str, Any], place: Place) -> None:
    target = BatchStatus.DATA_TRANSFER_IN_PROGRESS
    said = head.get("correlation", "")
    command = Command("advance", WORKSPACE, aws.timestamp(), target, after=head["seq"], correlation=said)
    # Somebody may come between; then this batch has gone on without us.
    with suppress(Superseded):
        store.decide(key, command, lambda now: decide_batch(now, command, place.settings), seen=Seen(head))


def on_status(work: Callable[[Batch], None]) -> Callable[[dict[str, Any], Any], dict[str, Any]]:
    """Make a Lambda handler of what is to be done when a batch has reached a status.

    A late start ends quietly; an exception goes to the state machine, which retries it and then shows it on the batch.
    """

    def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
        key = Key(event["project"], event["batch"])
        outcome, tag = "done", ""
        try:
            table = store()
            event_place = (key.pk, event_sk(event["seq"]))
            items = table.read([(key.pk, HEAD), event_place])
            head = items.get((key.pk, HEAD))
            if head is None or head["generation"] != event["generation"]:
                raise Superseded("a newer generation has begun")
            if event["seq"] <= head["handled"]:
                raise Superseded("this event was handled before")
            if head["status"] == BatchStatus.CANCELLED != event["status"]:
                # Nothing of it is wanted any more, and what cannot be done any more must not hold up the end.
                raise Superseded("the batch was cancelled meanwhile")
            batch = Batch(key, head, table, event["generation"], event["seq"], items.get(event_place))
            work(batch)
            tag = batch.notice_tag
        except Superseded:
            outcome = "superseded"
        except Exception as error:
            log("handler failed", **event, error=type(error).__name__)
            raise
        log("handler ran", **event, outcome=outcome)
        return {"outcome": outcome, "noticeTag": tag}

    return handler
