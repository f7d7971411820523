"""The table: the only module that speaks DynamoDB.

Items, all under one partition key a batch (`BATCH#<project>#<batch>`) or project (`PROJECT#<project>`):

| sort key | what |
| --- | --- |
| `HEAD` | where it stands; bounded, whatever the number of events |
| `EVENT#<seq>` | one status change, never written twice |
| `REMINDER#<seq>#<number>` | that a status lasts too long, and whom that was told |
| `PROGRESS#<date>` | the counts that were reported last on a day |
| `COMMAND#<key>` | the answer that a command was given, so that a duplicate is answered as the first was |
| `RETELL#<to>#<sort key>` | somebody asked that an event or a reminder be told again |

and, under keys of their own, `OUTPUT#<uri>` (which batch an output location belongs to), `TRANSFERS#<provider>` (the
line of the batches in data transfer), `REVIEWS` (the projects that were requested last) and `QUARANTINE` (what S3 told
and led to nothing, by its time and id). What has an `expiresAt` goes by itself.

Who owns which attribute of a head: the API and the handlers' decisions `status`, `seq` (by which writes are serial) and
what `evolve` names; the execution `token`, `parkedGeneration`, `handled`, `handledStatus`, `parkedAt`,
`parkedDefinition`, `noticeTag`, `failure`, `failedSeq`, `failedAt` and the end of `open`; the reconciler `generation`,
`rebuiltAt`, `rebuilds`, `rebuiltFor`, `nudgedAt`, `lookedAt` and `reminders`. So a park never collides with a command.

Quotas: an item has at most 400 KB, a transaction at most 100 items ("Quotas in Amazon DynamoDB"); a write that meets
a transaction on an item is refused with `TransactionConflict`, and is tried again here ("Amazon DynamoDB Transactions:
How it works").
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from gtplus_runtime.commands import Command, Event, Superseded, evolve
from gtplus_runtime.lifecycle import PROJECT
from gtplus_runtime.problems import Problem, Refused

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

HEAD = "HEAD"
EVENT = "EVENT#"
REMINDER = "REMINDER#"
_PROGRESS = "PROGRESS#"
OPEN = "open"
RETELL = "RETELL#"
EVERYBODY, BUS, TOPIC = "everybody", "bus", "topic"
"""Whom an event is told again."""
QUARANTINE = "QUARANTINE"
REVIEWS = "REVIEWS"
KEPT_SECONDS = 30 * 24 * 3600
"""How long what is in quarantine, and who asked for what to be told again, are kept."""
Place = tuple[str, str]
"""Where an item lies: its partition key and its sort key."""
TRIES = 8
"""How often a command is decided anew when another one came between; each try waits a little longer."""


class Busy(Exception):
    """Too many others wrote to the same place at the same time: nothing was changed, try again."""


class Key(NamedTuple):
    """What an item is of: a project, or one of its batches."""

    project: str
    batch: str | None = None

    @property
    def pk(self) -> str:
        """The partition key."""
        return f"PROJECT#{self.project}" if self.batch is None else f"BATCH#{self.project}#{self.batch}"

    @staticmethod
    def parse(pk: str) -> "Key | None":
        """The key back from a partition key, or None if it is of neither."""
        match pk.split("#"):
            case ["PROJECT", project]:
                return Key(project)
            case ["BATCH", project, batch]:
                return Key(project, batch)
        return None


class Seen(NamedTuple):
    """A head as it was read; None where there was none."""

    head: dict[str, Any] | None


Line = dict[Key, int]
"""The batches in line, first come first, and the event that each joined for."""
UNKNOWN = 0
"""The event that a batch joined for under an earlier release, which did not keep it."""


class Store:
    """Reads and writes the table.

    Args:
        table: its name.
        client: a DynamoDB client.
    """

    def __init__(self, table: str, client: "DynamoDBClient") -> None:
        self._table = table
        self._client = client

    def head(self, key: Key) -> dict[str, Any] | None:
        """The head, read consistently; None where there is none."""
        return self._get(key.pk, HEAD)

    def event(self, key: Key, seq: int) -> dict[str, Any] | None:
        """One event, read consistently."""
        return self._get(key.pk, event_sk(seq))

    def read(self, places: Iterable[Place]) -> dict[Place, dict[str, Any]]:
        """The items at some places, read consistently, as few calls as may be; what is not there is left out.

        A call takes 100 keys and answers 16 MB, and leaves over what is too much ("BatchGetItem" of the Amazon DynamoDB
        API Reference).

        Raises:
            Busy: where the table leaves something over every time.
        """
        left = [_key(*place) for place in dict.fromkeys(places)]
        found: dict[Place, dict[str, Any]] = {}
        idle = 0
        while left:
            now, left = left[:100], left[100:]
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": now, "ConsistentRead": True}})
            for packed in answer["Responses"].get(self._table, []):
                item = _unpack(packed)
                found[item["pk"], item["sk"]] = item
            unread = answer["UnprocessedKeys"].get(self._table)
            over = list(unread["Keys"]) if unread else []
            left = [*over, *left]
            if len(over) == len(now):
                idle += 1
                if idle == TRIES:
                    raise Busy(f"{len(left)} items were left over every time")
                _wait(idle)
        return found

    def events(self, key: Key) -> list[dict[str, Any]]:
        """Every event, oldest first."""
        return list(self._items(key, EVENT))

    def projects(self) -> list[dict[str, Any]]:
        """The heads of all projects, newest first; up to a second old."""
        return self._list("PROJECTS")

    def batches(self, project: str) -> list[dict[str, Any]]:
        """The heads of all batches of a project, newest first; up to a second old."""
        return self._list(f"BATCHES#{project}")

    def open_batches(self) -> Iterator[Key]:
        """The keys of all batches whose end has not been handled."""
        for item in self._query(
            IndexName="open",
            KeyConditionExpression="#open = :open",
            ExpressionAttributeNames={"#open": "open"},
            ExpressionAttributeValues={":open": {"S": OPEN}},
        ):
            key = Key.parse(item["pk"])
            if key is not None:
                yield key

    def look(self, key: Key, command_key: str, fingerprint: str) -> tuple[dict[str, Any] | None, Seen]:
        """The answer that a command with this key was given before, if any, and the head.

        Raises:
            Refused: where the key was used for another command.
        """
        answer = _command_sk(command_key)
        items = self.read([(key.pk, HEAD), (key.pk, answer)])
        return _answer_in(items.get((key.pk, answer)), command_key, fingerprint), Seen(items.get((key.pk, HEAD)))

    def answered(self, key: Key, command_key: str, fingerprint: str) -> dict[str, Any] | None:
        """The answer that a command with this key was given before.

        Raises:
            Refused: where the key was used for another command.
        """
        return _answer_in(self._get(key.pk, _command_sk(command_key)), command_key, fingerprint)

    def decide(
        self,
        key: Key,
        command: Command,
        decide: Callable[[dict[str, Any] | None], list[Event]],
        *,
        command_key: str | None = None,
        fingerprint: str = "",
        generation: int | None = None,
        seen: Seen | None = None,
        require_project: tuple[str, ...] = (),
        claim_output: str | None = None,
        admit: Callable[[list[str]], None] | None = None,
    ) -> dict[str, Any]:
        """Decide on a command and write its events, the head and its answer in one transaction.

        Args:
            key: what the command is about.
            command: the command, whose form becomes the head's when it is the first.
            decide: gives the events for a head, or raises; it is called anew when somebody else came between.
            command_key: the key by which a duplicate is known; None for a handler, whose events name their cause.
            fingerprint: a hash of the command, so that a key is not used for another one.
            generation: for a handler: the generation it runs in; in any other nothing is written.
            seen: the head as it was read a moment ago; where it has moved since, it is read anew.
            require_project: project statuses of which the project must have one at the moment of writing.
            claim_output: an output location that must belong to no other batch.
            admit: for the request of a project: is told the projects in review, and raises where they are too many;
                requests are serial, so no two take the same last place.

        Returns:
            The head as it is after the command.

        Raises:
            Refused: as `decide` does, and where the output location is another batch's.
            Superseded: for a handler of an older generation.
            Busy: where others came between every time.
        """
        for attempt in range(TRIES):
            head = seen.head if seen is not None and attempt == 0 else self.head(key)
            if generation is not None and head and head["generation"] != generation:
                raise Superseded(f"generation {head['generation']} follows {generation}")
            events = decide(head)
            if not events and head is not None:
                if command_key is None:
                    return head
                # Nothing to do is an answer, too: a duplicate that comes late must not do it after all.
                after, items = head, [{"ConditionCheck": self._seq_check(key, head["seq"])}]
            else:
                after, items = self._writes(key, command, head, events, generation)
            guards: list[tuple[str, dict[str, Any]]] = []
            if command_key is not None:
                answer = self._answer(key, command_key, fingerprint, after, command.at)
                guards.append(("command", {"Put": self._put_once(answer)}))
            if require_project and events:
                guards.append(("project", {"ConditionCheck": self._project_check(key.project, require_project)}))
            if claim_output is not None and events:
                claim = {"pk": f"OUTPUT#{claim_output}", "sk": HEAD, "project": key.project, "batch": key.batch}
                guards.append(("output", {"Put": self._put_once(claim)}))
            if admit is not None and events:
                guards.append(("reviews", {"Update": self._enter_review(key.project, admit)}))
            cancelled = self._transact([*items, *(item for _, item in guards)])
            if cancelled is None:
                return after
            failed = {
                name for (name, _), code in zip(guards, cancelled[len(items) :], strict=True) if code == CONDITION
            }
            if "command" in failed:
                # The first of two duplicates won: the answer is there now.
                return self.answered(key, command_key or "", fingerprint) or after
            # Where the head is there by now, it may be this batch's own claim.
            if "output" in failed and CONDITION not in cancelled[: len(items)]:
                raise Refused(
                    409,
                    "another batch has this output location",
                    [Problem("output", "one batch for one location", claim_output or "", "choose another prefix")],
                )
            # What moved meanwhile (the head, the project's status, the projects in review) is read on the next try.
            _wait(attempt)
        raise Busy(f"{key.pk} is written by too many at once")

    def note(
        self,
        key: Key,
        generation: int,
        facts: Mapping[str, Any],
        objects: Mapping[str, int] | None = None,
        *,
        handling: int | None = None,
        seq: int | None = None,
    ) -> None:
        """Keep what a handler found on the head, unless a newer generation has begun.

        Args:
            key: the batch.
            generation: the handler's.
            facts: what it found.
            objects: counts.
            handling: the event that is handled: once it counts as handled, a run of its handler comes too late.
            seq: for what holds in the present status alone: the event that led to it.

        Raises:
            Superseded: where one has, the event is handled, or another has come.
        """
        changed = {f"facts.{name}": value for name, value in facts.items()}
        changed |= {f"objects.{name}": value for name, value in (objects or {}).items()}
        update = _Update(self._table, key.pk, changed)
        update.condition("generation = :generation", generation=generation)
        if handling is not None:
            update.condition("handled < :handling", handling=handling)
        if seq is not None:
            update.condition("seq = :seen", seen=seq)
        if not self._update(update):
            raise Superseded(f"generation {generation} has gone on, or another event has come")

    def output_owner(self, uri: str) -> Key | None:
        """The batch that an output location belongs to."""
        item = self._get(f"OUTPUT#{uri}", HEAD)
        return Key(item["project"], item["batch"]) if item else None

    def retell(self, key: Key, sk: str, to: str, at: str, by: str) -> None:
        """Have the dispatcher tell an event or a reminder again; asked twice, it is told twice, in the same words.

        Args:
            key: the batch or project.
            sk: the sort key of the event or reminder.
            to: EVERYBODY, BUS or TOPIC.
            at: the time.
            by: who asked, for people.
        """
        item = {"pk": key.pk, "sk": f"{RETELL}{to}#{sk}", "at": at, "by": by, "expiresAt": _expiry()}
        self._client.put_item(TableName=self._table, Item=_pack(item))

    def retold(self, key: Key) -> list[dict[str, Any]]:
        """What somebody asked to be told again, for as long as that is kept: `sk`, and when (`at`)."""
        return list(self._items(key, RETELL))

    def quarantine(self, id: str, facts: Mapping[str, Any]) -> None:
        """Keep what S3 told and led to nothing, for a while; the same event again takes the place of the first.

        Args:
            id: the event's, which sorts by its time.
            facts: what it said, and why nothing came of it.
        """
        item = {"pk": QUARANTINE, "sk": id, "expiresAt": _expiry(), **facts}
        self._client.put_item(TableName=self._table, Item=_pack(item))

    def quarantined(self) -> Iterator[dict[str, Any]]:
        """What is in quarantine and still open, newest first."""
        for item in self._query(
            KeyConditionExpression="pk = :pk",
            FilterExpression="attribute_not_exists(settled)",
            ExpressionAttributeValues={":pk": {"S": QUARANTINE}},
            ScanIndexForward=False,
            ConsistentRead=True,
        ):
            yield _quarantined(item)

    def quarantined_event(self, id: str) -> dict[str, Any] | None:
        """One event of the quarantine."""
        item = self._get(QUARANTINE, id)
        return _quarantined(item) if item else None

    def nudge(self, key: Key, at: str) -> None:
        """Rewrite the head so that the stream tells of it once more; nothing where there is none."""
        update = _Update(self._table, key.pk, {"nudgedAt": at})
        update.condition("attribute_exists(pk)")
        self._update(update)

    def progress(
        self, key: Key, head: Mapping[str, Any], objects: Mapping[str, int], at: str, command_key: str, fingerprint: str
    ) -> dict[str, Any] | None:
        """Keep reported counts on the head, and as the last of their day.

        Args:
            key: the batch.
            head: as it was read; the counts are about its status.
            objects: the counts.
            at: when they were reported.
            command_key: the key by which a duplicate is known, for 30 days: there may be a report a minute for months.
            fingerprint: of the command.

        Returns:
            The head as it is after; None where another event or a duplicate has come, and nothing was written.
        """
        update = _Update(self._table, key.pk, {f"objects.{name}": count for name, count in objects.items()})
        update.condition("seq = :seen", seen=head["seq"])
        day = {"pk": key.pk, "sk": f"{_PROGRESS}{at[:10]}", "at": at, "objects": dict(objects)}
        after = {**head, "objects": {**head["objects"], **objects}}
        answer = {**self._answer(key, command_key, fingerprint, after, at), "expiresAt": _expiry()}
        written = self._write(
            [
                {"Update": update.arguments()},
                {"Put": {"TableName": self._table, "Item": _pack(day)}},
                {"Put": self._put_once(answer)},
            ]
        )
        return after if written else None

    def progress_by_day(self, key: Key) -> dict[str, dict[str, Any]]:
        """The counts that were reported last on each day, by date, oldest first."""
        return {item["sk"].removeprefix(_PROGRESS): item["objects"] for item in self._items(key, _PROGRESS)}

    def looked(self, key: Key, at: str) -> None:
        """Keep when the delivery of a batch was last looked at unasked."""
        update = _Update(self._table, key.pk, {"lookedAt": at})
        update.condition("attribute_exists(pk)")
        self._update(update)

    def remind(self, key: Key, head: Mapping[str, Any], number: int, at: str) -> bool:
        """Write that a status lasts too long, once; the dispatcher tells it.

        Args:
            key: the batch.
            head: as it was read; where it has moved since, nothing is written.
            number: which reminder of this status it is, from 1.
            at: the time.
        """
        update = _Update(self._table, key.pk, {"reminders": number})
        update.condition("seq = :seen", seen=head["seq"])
        update.condition("(attribute_not_exists(reminders) OR reminders < :number)", number=number)
        item = {
            "pk": key.pk,
            "sk": f"{REMINDER}{head['seq']:08d}#{number:06d}",
            "number": number,
            "at": at,
            **{name: head[name] for name in ("seq", "status", "round", "since", "correlation") if name in head},
        }
        return self._write([{"Update": update.arguments()}, {"Put": self._put_once(item)}])

    def reminders(self, key: Key) -> list[dict[str, Any]]:
        """Every reminder of a batch, oldest first."""
        return list(self._items(key, REMINDER))

    def raise_generation(
        self, key: Key, current: int, at: str, *, failed: bool, handled: int = 0, failures: int = 0
    ) -> bool:
        """Begin a new generation, which a new execution follows; False where somebody else has, or the batch has ended.

        Args:
            key: the batch.
            current: the generation seen; only that one is followed.
            at: the time.
            failed: whether the last one failed.
            handled: the last event handled: failures are counted as long as it stays.
            failures: how many failed in a row before this one.
        """
        begun = {
            "generation": current + 1,
            "rebuiltAt": at,
            "rebuilds": failures + int(failed),
            "rebuiltFor": handled,
        }
        update = _Update(self._table, key.pk, begun)
        update.condition("generation = :current", current=current)
        update.requires(OPEN)
        return self._update(update)

    def transfers(self, provider: str) -> Line:
        """The line of a provider's batches, first come first served: those within its limit are in transfer."""
        return _line(self._get(f"TRANSFERS#{provider}", HEAD))

    def join_transfers(self, provider: str, key: Key, seq: int) -> Line:
        """Join the end of the line, or keep the place there; returns the line.

        Args:
            provider: whose line.
            key: the batch.
            seq: the event that it joins for.
        """

        def join(line: Line) -> None:
            line[key] = max(line.get(key, 0), seq)

        return self._change_line(provider, join)

    def leave_transfers(self, provider: str, key: Key, seq: int) -> Line:
        """Leave the line, unless it has joined again since; returns the line. Leaving twice is leaving once.

        Args:
            provider: whose line.
            key: the batch.
            seq: the event that it leaves for.
        """

        def leave(line: Line) -> None:
            if line.get(key, 0) <= seq:
                line.pop(key, None)

        return self._change_line(provider, leave)

    def _enter_review(self, project: str, admit: Callable[[list[str]], None]) -> dict[str, Any]:
        """The update that puts a project among those in review. Nobody leaves: who has left is seen by its head."""
        item = self._get(REVIEWS, HEAD)
        # A table of before this item had none: then the index tells.
        asked = [head["project"] for head in self.projects()] if item is None else item["projects"]
        heads = [self.head(Key(name)) for name in asked if name != project]
        waiting = [head["project"] for head in heads if head and head["status"] == PROJECT.first.name]
        admit(waiting)
        version = 0 if item is None else item["version"]
        update = _Update(self._table, REVIEWS, {"projects": [*waiting, project], "version": version + 1})
        update.condition("(attribute_not_exists(pk) OR version = :version)", version=version)
        return update.arguments()

    def _change_line(self, provider: str, change: Callable[[Line], None]) -> Line:
        for attempt in range(TRIES):
            item = self._get(f"TRANSFERS#{provider}", HEAD) or {"version": 0}
            before = _line(item)
            after = dict(before)
            change(after)
            if after == before:
                return after
            entries = {f"{key.project}#{key.batch}": seq for key, seq in after.items()}
            changed = {"line": list(entries), "joined": entries, "version": item["version"] + 1}
            update = _Update(self._table, f"TRANSFERS#{provider}", changed)
            update.condition("(attribute_not_exists(pk) OR version = :version)", version=item["version"])
            if self._update(update):
                return after
            _wait(attempt)
        raise Busy(f"the line of {provider} is written by too many at once")

    def _update(self, update: "_Update") -> bool:
        """Whether it was written: False where its condition did not hold."""
        for attempt in range(TRIES):
            try:
                self._client.update_item(**update.arguments())
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
            except self._client.exceptions.TransactionConflictException:
                _wait(attempt)
                continue
            return True
        raise Busy("a transaction was in the way every time")

    def _write(self, items: list[Any]) -> bool:
        """Whether a transaction was written: False where a condition did not hold."""
        for attempt in range(TRIES):
            cancelled = self._transact(items)
            if cancelled is None:
                return True
            if CONDITION in cancelled:
                return False
            _wait(attempt)
        raise Busy("a transaction was in the way every time")

    def _writes(
        self, key: Key, command: Command, head: dict[str, Any] | None, events: list[Event], generation: int | None
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The head as it will be, and the items of the transaction: an event each, and one update of the head."""
        after: dict[str, Any] = {"facts": {}, "objects": {}} | (head or _new_head(key, command))
        changed: dict[str, Any] = {} if head else {k: v for k, v in after.items() if k not in ("pk", "sk")}
        items: list[dict[str, Any]] = []
        for event in events:
            # Since when the status before it lasted.
            since = after.get("since")
            changes = evolve(after if event.seq > 1 else None, event)
            entries = {name: changes.pop(name) for name in ("facts", "objects")}
            changed |= changes
            after |= changes
            for name, values in entries.items():
                after[name] = {k: v for k, v in {**after[name], **values}.items() if v is not None}
                # A map that is there already is changed entry by entry: a handler may be writing beside.
                changed |= {f"{name}.{k}": v for k, v in values.items()} if head else {name: after[name]}
            item = {"pk": key.pk, "sk": event_sk(event.seq), **event._asdict(), "actor": event.actor._asdict()}
            items.append({"Put": self._put_once(item | {"data": dict(event.data), "beforeSince": since})})
        after = {name: value for name, value in after.items() if value is not None}
        update = _Update(self._table, key.pk, changed)
        if head is None:
            update.condition("attribute_not_exists(pk)")
        else:
            update.condition("seq = :seen", seen=head["seq"])
        if generation is not None:
            update.condition("generation = :generation", generation=generation)
        return after, [*items, {"Update": update.arguments()}]

    def _transact(self, items: list[Any]) -> list[str] | None:
        """None when written, else the reason of each item."""
        try:
            self._client.transact_write_items(TransactItems=items)
        except self._client.exceptions.TransactionCanceledException as error:
            codes = [reason.get("Code", "None") for reason in error.response["CancellationReasons"]]
            if "ValidationError" in codes:
                # It will not be taken the next time, either.
                raise ValueError("the table takes this for invalid") from error
            return codes
        return None

    def _put_once(self, item: Mapping[str, Any]) -> dict[str, Any]:
        return {"TableName": self._table, "Item": _pack(item), "ConditionExpression": "attribute_not_exists(pk)"}

    def _answer(self, key: Key, command_key: str, fingerprint: str, head: Mapping[str, Any], at: str) -> dict[str, Any]:
        answer = json.dumps(public(head))
        return {
            "pk": key.pk,
            "sk": _command_sk(command_key),
            "fingerprint": fingerprint,
            "answer": answer,
            "at": at,
        }

    def _seq_check(self, key: Key, seq: int) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "Key": _key(key.pk, HEAD),
            "ConditionExpression": "seq = :seen",
            "ExpressionAttributeValues": _pack({":seen": seq}),
        }

    def _project_check(self, project: str, statuses: tuple[str, ...]) -> dict[str, Any]:
        values = {f":status{number}": {"S": status} for number, status in enumerate(statuses)}
        return {
            "TableName": self._table,
            "Key": _key(Key(project).pk, HEAD),
            "ConditionExpression": f"#status IN ({', '.join(values)})",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": values,
        }

    def _get(self, pk: str, sk: str) -> dict[str, Any] | None:
        answer = self._client.get_item(TableName=self._table, Key=_key(pk, sk), ConsistentRead=True)
        return _unpack(answer["Item"]) if "Item" in answer else None

    def _items(self, key: Key, prefix: str) -> Iterator[dict[str, Any]]:
        return self._query(
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": key.pk}, ":prefix": {"S": prefix}},
            ConsistentRead=True,
        )

    def _list(self, name: str) -> list[dict[str, Any]]:
        return list(
            self._query(
                IndexName="list",
                KeyConditionExpression="#list = :list",
                ExpressionAttributeNames={"#list": "list"},
                ExpressionAttributeValues={":list": {"S": name}},
                ScanIndexForward=False,
            )
        )

    def _query(self, **arguments: Any) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("query").paginate(TableName=self._table, **arguments):
            for item in page["Items"]:
                yield _unpack(item)


CONDITION = "ConditionalCheckFailed"


class _Update:
    """The arguments of an update of a head, from its changed attributes; `facts.sample` is an entry of a map."""

    def __init__(self, table: str, pk: str, changed: Mapping[str, Any]) -> None:
        self._table, self._pk = table, pk
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self._sets: list[str] = []
        self._removes: list[str] = []
        self._conditions: list[str] = []
        for number, (path, value) in enumerate(changed.items()):
            parts = [f"#{part}" for part in path.split(".")]
            self._names |= dict(zip(parts, path.split("."), strict=True))
            if value is None:
                self._removes.append(".".join(parts))
            else:
                self._sets.append(f"{'.'.join(parts)} = :v{number}")
                self._values[f":v{number}"] = value

    def condition(self, expression: str, **values: Any) -> None:
        self._conditions.append(expression)
        self._values |= {f":{name}": value for name, value in values.items()}

    def requires(self, attribute: str) -> None:
        self._conditions.append(f"attribute_exists(#{attribute})")
        self._names |= {f"#{attribute}": attribute}

    def arguments(self) -> dict[str, Any]:
        clauses = [("SET", self._sets), ("REMOVE", self._removes)]
        arguments: dict[str, Any] = {
            "TableName": self._table,
            "Key": _key(self._pk, HEAD),
            "UpdateExpression": " ".join(f"{verb} {', '.join(parts)}" for verb, parts in clauses if parts),
            "ConditionExpression": " AND ".join(self._conditions),
            "ExpressionAttributeNames": self._names,
        }
        return arguments | ({"ExpressionAttributeValues": _pack(self._values)} if self._values else {})


_PUBLIC = (
    "project",
    "batch",
    "status",
    "round",
    "seq",
    "since",
    "createdAt",
    "requestedBy",
    "actor",
    "form",
    "facts",
    "objects",
    "pausedFrom",
    "correlation",
    "failure",
    "generation",
)


LISTED = (
    "project",
    "batch",
    "status",
    "round",
    "seq",
    "since",
    "requestedBy",
    "actor",
    "form",
    "objects",
    "failure",
    "failedSeq",
    "handled",
)
"""What the index `list` holds of a head beside its keys: what `public` reads, but for the facts, which may be large."""


def public(head: Mapping[str, Any]) -> dict[str, Any]:
    """What a caller of the API may see of a head: never the parked token."""
    shown = {name: head[name] for name in _PUBLIC if head.get(name) is not None}
    # A failure is that of one event: once it is handled, it is over.
    if "failedSeq" in head and head["failedSeq"] <= head.get("handled", 0):
        shown.pop("failure", None)
    objects = head.get("objects", {})
    if "total" in objects:
        remaining = objects["total"] - objects.get("completed", 0) - objects.get("failed", 0)
        shown["objects"] = {**objects, "remaining": max(remaining, 0)}
    return shown


def fingerprint(verb: str, actor: str, data: Mapping[str, Any]) -> str:
    """A hash by which a duplicate is told from another command under the same key."""
    return hashlib.sha256(json.dumps([verb, actor, data], sort_keys=True).encode()).hexdigest()


def _new_head(key: Key, command: Command) -> dict[str, Any]:
    head: dict[str, Any] = {
        "pk": key.pk,
        "sk": HEAD,
        "project": key.project,
        "form": dict(command.data),
        "list": "PROJECTS" if key.batch is None else f"BATCHES#{key.project}",
    }
    if key.batch is not None:
        # The uid tells this batch from an earlier one of its name in a table since deleted: execution names are
        # held for 90 days.
        head |= {"batch": key.batch, "uid": uuid.uuid4().hex[:8], "open": OPEN, "generation": 1, "handled": 0}
    return head


def retelling_of(sk: str) -> tuple[str, str]:
    """To whom, and what by its sort key, an item of what is to be told again is."""
    to, item = sk.removeprefix(RETELL).split("#", 1)
    return to, item


def _expiry() -> int:
    return int(time.time()) + KEPT_SECONDS


def _quarantined(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": item["sk"], **{name: value for name, value in item.items() if name not in ("pk", "sk", "expiresAt")}}


def _command_sk(command_key: str) -> str:
    return f"COMMAND#{command_key}"


def _answer_in(item: Mapping[str, Any] | None, command_key: str, fingerprint: str) -> dict[str, Any] | None:
    if item is None:
        return None
    if item["fingerprint"] != fingerprint:
        raise Refused(
            409,
            "this idempotency key was used for another command",
            [Problem("Idempotency-Key", "one key for one command", command_key, "send a new key")],
        )
    return dict(json.loads(item["answer"]))


def event_sk(seq: int) -> str:
    """The sort key of an event."""
    return f"{EVENT}{seq:08d}"


def _wait(attempt: int) -> None:
    """Let the others go on; a little longer each time."""
    time.sleep(min(0.02 * 2**attempt, 0.5))


def _line(item: Mapping[str, Any] | None) -> Line:
    item = item or {}
    # A line of an earlier release does not say for which events its batches joined.
    joined = item.get("joined", {})
    return {Key(*entry.split("#")): int(joined.get(entry, UNKNOWN)) for entry in item.get("line", [])}


def _key(pk: str, sk: str) -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _pack(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _pack_value(value) for name, value in item.items() if value is not None}


def _pack_value(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}
        case int() | float():
            return {"N": str(value)}
        case Mapping():
            return {"M": _pack(value)}
        case list() | tuple():
            return {"L": [_pack_value(entry) for entry in value]}
        case None:
            return {"NULL": True}
    raise TypeError(f"no item holds {type(value).__name__}")


def _unpack(item: Mapping[str, Any]) -> dict[str, Any]:
    # Most values are texts, and every handler reads some.
    return {name: value["S"] if "S" in value else _unpack_value(value) for name, value in item.items()}


def _unpack_value(value: Mapping[str, Any]) -> Any:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return content
        case "N":
            return int(content) if content.lstrip("-").isdigit() else float(content)
        case "M":
            return _unpack(content)
        case "L":
            return [_unpack_value(entry) for entry in content]
        case "NULL":
            return None
    return content
