"""What S3 tells of output manifests: to which batch it leads, and a quarantine for what leads to none.

Nobody waits for an answer to what S3 tells, so what comes to nothing is kept with its reason, for 30 days
(`gtplus events list`), and can be given to the same code again (`gtplus events replay`). It is bounded: one item an
event, with the object's name and no more.

Source: "Using EventBridge" in the Amazon S3 user guide: at least once, in any order, keys are not percent-encoded.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from gtplus_runtime.commands import Superseded
from gtplus_runtime.delivery import try_delivery
from gtplus_runtime.handling import Batch
from gtplus_runtime.lifecycle import BatchStatus
from gtplus_runtime.store import Key, Store
from gtplus_runtime.strict_json import read_json

MANIFEST = "output.manifest"
MAX_KEY = 1_024
"""Characters of a key, the longest that S3 has ("Naming Amazon S3 objects": 1,024 bytes)."""

SHOWN = 1_000
"""Characters that are kept of a message that could not be read."""

_ROUND = re.compile(r"round-\d+/")


class Told(NamedTuple):
    """An output manifest was written.

    Attributes:
        id: of the event, for the quarantine: its time and its own id, so that the same event has the same one.
        uri: of the object.
        at: when, as EventBridge says.
    """

    id: str
    uri: str
    at: str


class Outcome(NamedTuple):
    """What became of it.

    Attributes:
        what: in words.
        settled: whether nothing is left to be done; if not, it is kept in quarantine.
        key: the batch that it is about, if there is one.
    """

    what: str
    settled: bool
    key: Key | None = None


def read(body: str) -> Told | Key:
    """Read EventBridge's "Object Created" of an output manifest; or the batch that the reconciler asks to look at.

    Raises:
        ValueError: where it is neither.
    """
    event = read_json(body)
    if isinstance(event, dict) and event.keys() == {"project", "batch"}:
        return Key(str(event["project"]), str(event["batch"]))
    try:
        detail = event["detail"]
        bucket, name = detail["bucket"]["name"], detail["object"]["key"]
        at, id = event["time"], event["id"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"no {error} in it") from None
    if not all(isinstance(value, str) and 0 < len(value) <= MAX_KEY for value in (bucket, name, at, id)):
        raise ValueError(f"bucket, key, time and id are texts of at most {MAX_KEY} characters")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in bucket + name + at):
        raise ValueError("a lone surrogate in it")
    if not name.endswith(f"/{MANIFEST}"):
        raise ValueError(f"its key does not end in /{MANIFEST}")
    return Told(quarantine_id(at, id), f"s3://{bucket}/{name}", at)


def quarantine_id(at: str, id: str) -> str:
    """An id that sorts by time, and can stand in the path of a URL."""
    digits = re.sub(r"[^0-9]", "", at)[:14].ljust(14, "0")
    return f"{digits}-{hashlib.sha256(id.encode('utf-8', 'backslashreplace')).hexdigest()[:24]}"


def receive(table: Store, body: str, at: str) -> str:
    """Act on a message; what leads to nothing is kept in quarantine. Repeating it changes nothing.

    Args:
        table: the table.
        body: of the message.
        at: when it was sent, for one that does not say so itself.

    Returns:
        What became of it.
    """
    try:
        told = read(body)
    except ValueError as error:
        reason = f"this is no event of an output manifest: {error}"
        text = body[:SHOWN].encode("utf-8", "backslashreplace").decode()
        table.quarantine(quarantine_id(at, body), {"at": at, "reason": reason, "text": text})
        return "unreadable"
    if isinstance(told, Key):
        # Nobody wrote anything: what is not there yet is no case for the quarantine.
        head = table.head(told)
        return look(table, told, head).what if head is not None else "no such batch"
    outcome = check(table, told.uri)
    if not outcome.settled:
        table.quarantine(told.id, {"at": told.at, "uri": told.uri, **_because(outcome)})
    return outcome.what


def replay(table: Store, event: Mapping[str, Any], at: str, by: str) -> dict[str, Any]:
    """Act once more on what is in quarantine; it stays there with what became of it.

    Args:
        table: the table.
        event: as `Store.quarantined_event` gives it, with a `uri`.
        at: the time.
        by: who asked, for people.
    """
    outcome = check(table, event["uri"])
    facts = {**event, **_because(outcome), "replayedAt": at, "replayedBy": by}
    if outcome.settled:
        facts["settled"] = True
    table.quarantine(facts.pop("id"), facts)
    return {"id": event["id"], **facts}


def check(table: Store, uri: str) -> Outcome:
    """Check the delivery that an output manifest may be."""
    folder = uri.removesuffix(MANIFEST)
    key = table.output_owner(folder)
    head = table.head(key) if key else None
    if key is None or head is None:
        parent, _, name = folder.rstrip("/").rpartition("/")
        if _ROUND.fullmatch(f"{name}/") and table.output_owner(f"{parent}/"):
            # The labels of a round are read when they are reported.
            return Outcome("the labels of a round", settled=True)
        return Outcome("no batch has this output location", settled=False)
    return look(table, key, head)


def look(table: Store, key: Key, head: Mapping[str, Any]) -> Outcome:
    """Check the delivery of a batch.

    Args:
        table: the table.
        key: the batch.
        head: as it was read.
    """
    if head["status"] == BatchStatus.DATA_DELIVERED:
        return Outcome("it was delivered before", settled=True, key=key)
    if head["status"] != BatchStatus.READY_FOR_DELIVERY:
        # The handler of that status looks for itself, so a manifest that came early is not lost.
        return Outcome(f"the batch stands in {head['status']!r}", settled=False, key=key)
    if "accepted" not in head["facts"]:
        # Reported before the acceptance was handled; the handler of this status looks for itself.
        return Outcome("what was accepted is not fixed yet", settled=False, key=key)
    batch = Batch(key, dict(head), table, head["generation"], head["seq"])
    try:
        delivered = try_delivery(batch)
    except Superseded:
        now = table.head(key)
        if now is not None and now["seq"] == head["seq"] and now["generation"] > head["generation"]:
            # A newer generation has begun, and nothing else has happened.
            return look(table, key, now)
        return Outcome("the batch has gone on meanwhile", settled=True, key=key)
    if delivered:
        return Outcome("delivered", settled=True, key=key)
    delivery = batch.facts["delivery"]
    reasons = "; ".join(delivery.get("problems") or [f"it waits for {delivery.get('waitsFor')}"])
    return Outcome(f"the delivery is not complete: {reasons}"[:SHOWN], settled=False, key=key)


def _because(outcome: Outcome) -> dict[str, Any]:
    about = {} if outcome.key is None else {"project": outcome.key.project, "batch": outcome.key.batch}
    return {"reason": outcome.what, **about}
