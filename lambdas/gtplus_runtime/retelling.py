"""Telling again: for what was decided and never told, since the dispatcher, a rule or a subscription failed.

The dead letters of a stream hold positions and no records. But a position has a time, and every event too: so all
that happened in a span of time is told again, in the same words, and every open batch is looked at. Doing it twice
does no harm: who was told twice knows an event by its batch and number.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gtplus_runtime import aws
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.store import EVERYBODY, Key, Store

PAGE = 200
"""Events and nudges of one call: an HTTP API waits 30 s, and each is one write."""


def moment(at: str) -> str:
    """A time as the table keeps it, so that text order is time order.

    Raises:
        ValueError: for a day that no month has.
    """
    return aws.written(datetime.fromisoformat(at).astimezone(UTC))


def retell(
    table: Store,
    key: Key,
    *,
    since: str,
    until: str,
    at: str,
    by: str,
    to: str = EVERYBODY,
    after: str | None = None,
) -> dict[str, Any]:
    """Have the events of a span of time told again.

    Args:
        table: the table.
        key: whose events: a batch's, or a project's own and those of its batches.
        since: the beginning, as `moment` gives it.
        until: the end, itself included.
        at: the time now.
        by: who asked, for people.
        to: whom they are told; everybody includes the executions: every open batch is looked at then.
        after: the batch that the last call ended with.

    Returns:
        How many events are `told` and batches `nudged`, and the batch to go on `after`, None at the end.
    """
    told = nudged = 0
    for one, head in _heads(table, key, after):
        for item in _told(table, one, head, since):
            if since <= item["at"] <= until:
                table.retell(one, item["sk"], to, at, by)
                told += 1
        if to == EVERYBODY and one.batch is not None and _is_open(head):
            table.nudge(one, at)
            nudged += 1
        if one != key and told + nudged >= PAGE:
            return {"told": told, "nudged": nudged, "after": one.batch}
    return {"told": told, "nudged": nudged, "after": None}


def _told(table: Store, key: Key, head: dict[str, Any], since: str) -> list[dict[str, Any]]:
    """The events and reminders among which those since a time are; a head names its last event."""
    events = table.events(key) if head["since"] >= since else []
    lasts = key.batch is not None and (bool(events) or _is_open(head))
    return events + (table.reminders(key) if lasts else [])


def _heads(table: Store, key: Key, after: str | None) -> Iterator[tuple[Key, dict[str, Any]]]:
    if after is None:
        head = table.head(key)
        if head is not None:
            yield key, head
    if key.batch is not None:
        return
    passed = after is None
    for head in table.batches(key.project):
        if passed:
            yield Key(key.project, head["batch"]), head
        passed = passed or head["batch"] == after


def _is_open(head: dict[str, Any]) -> bool:
    return not BATCH[head["status"]].is_end or head["handled"] < head["seq"]
