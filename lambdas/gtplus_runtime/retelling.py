"""Telling again: for what was decided and never told, since the dispatcher, a rule or a subscription failed.

The dead letters of a stream hold positions and no records. But a position has a time, and every event too: so all
that happened in a span of time is told again, in the same words, and every open batch is looked at. What somebody asked
to be told again in that span is too, whenever it happened. Doing it twice does no harm: who was told twice knows an
event by its batch and number.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from gtplus_runtime import aws
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.store import EVERYBODY, Key, Store, retelling_of

PAGE = 200
"""Batches looked at, events and nudges of one call: an HTTP API waits 30 s; each is up to three reads, or a write."""


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
    for looked, (one, head) in enumerate(_heads(table, key, after), 1):
        for sk, whom in _in_span(table, one, head, since, until, to, alone=one == key):
            table.retell(one, sk, whom, at, by)
            told += 1
        if to == EVERYBODY and one.batch is not None and _is_open(head):
            table.nudge(one, at)
            nudged += 1
        if one != key and looked + told + nudged >= PAGE:
            return {"told": told, "nudged": nudged, "after": one.batch}
    return {"told": told, "nudged": nudged, "after": None}


def _in_span(
    table: Store, key: Key, head: dict[str, Any], since: str, until: str, to: str, *, alone: bool
) -> list[tuple[str, str]]:
    """What is to be told again, and to whom."""
    items = []
    # Most batches of a project ended long before. A clock may have been behind, so of one alone no time is trusted.
    if alone or head["since"] >= since or _is_open(head):
        items = [(item, item["sk"], to) for item in table.events(key)]
        items += [(item, item["sk"], to) for item in (table.reminders(key) if key.batch is not None else [])]
    if to == EVERYBODY:
        for item in table.retold(key):
            whom, sk = retelling_of(item["sk"])
            items.append((item, sk, whom))
    return [(sk, whom) for item, sk, whom in items if since <= item["at"] <= until]


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
