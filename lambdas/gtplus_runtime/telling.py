"""Tells the world outside: the bus, for rules, and the topics, for people. Many notices take few calls.

A call takes ten entries, and takes or refuses each by itself: a refused one is no error of the call. Ten of ours come
to some 20 KB, of the 256 KB that a call may have.

Sources: "PutEvents" of the Amazon EventBridge API Reference, "PublishBatch" of the Amazon SNS API Reference.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

from gtplus_runtime import aws, outbound
from gtplus_runtime.store import BUS, EVENT, TOPIC, Key

TOGETHER = 10
"""Entries in a call."""


class Notice(NamedTuple):
    """What is told of one item of the table.

    Attributes:
        entry: for the bus; None where it is not told.
        messages: for people, each with the setting that names its topic.
    """

    entry: dict[str, Any] | None
    messages: tuple[tuple[str, dict[str, Any]], ...]


def notice_of(key: Key, sk: str, item: Mapping[str, Any], to: str) -> Notice:
    """What is told of an event or a reminder.

    Args:
        key: the batch or project.
        sk: the sort key of the event or the reminder.
        item: the event or the reminder.
        to: EVERYBODY, BUS or TOPIC.
    """
    workspace = aws.setting("WORKSPACE")
    if sk.startswith(EVENT):
        kind, detail = outbound.detail_type(key), outbound.detail(workspace, key, item)
        subject, text = outbound.message(key, item)
        topics = [] if detail["waitsFor"] is None else ["TOPIC"]
    else:
        kind, detail = outbound.BATCH_OVERDUE, outbound.overdue(workspace, key, item)
        subject, text = outbound.reminder(key, item)
        # Whom the status waits for, and from the second time on those above them too.
        topics = ["TOPIC", "ESCALATIONS"] if detail["escalated"] else ["TOPIC"]
    entry = {
        "EventBusName": aws.setting("BUS"),
        "Source": outbound.SOURCE,
        "DetailType": kind,
        "Detail": json.dumps(detail),
    }
    mail = {"Subject": subject, "Message": text, "MessageAttributes": outbound.attributes(detail)}
    return Notice(None if to == TOPIC else entry, () if to == BUS else tuple((topic, mail) for topic in topics))


def tell(notices: Sequence[Notice], pool: Executor) -> dict[int, str]:
    """Tell them all.

    Args:
        notices: what is told.
        pool: makes the calls side by side.

    Returns:
        Why, for the position of each that was not told to everybody: it has to be told again. People are told only
        what the bus has taken, so a refusal there makes no second mail.
    """
    refused: dict[int, str] = {}

    def send(calls: Iterable[_Call]) -> None:
        for failed in pool.map(_Call.send, calls):
            refused.update(failed)

    send(_calls(((place, each.entry) for place, each in enumerate(notices) if each.entry), _put))
    mails: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for place, notice in enumerate(notices):
        if place not in refused:
            for topic, mail in notice.messages:
                mails.setdefault(topic, []).append((place, mail))
    send(call for topic, some in mails.items() for call in _calls(some, partial(_publish, topic)))
    return refused


class _Call(NamedTuple):
    """Entries that go out together, each of the notice at its place."""

    entries: tuple[tuple[int, dict[str, Any]], ...]
    make: Callable[[list[dict[str, Any]]], dict[int, str]]

    def send(self) -> dict[int, str]:
        """Why, for the place of each that was refused."""
        try:
            refused = self.make([entry for _, entry in self.entries])
        except Exception as error:
            return {place: type(error).__name__ for place, _ in self.entries}
        return {self.entries[number][0]: why for number, why in refused.items()}


def _calls(
    entries: Iterable[tuple[int, dict[str, Any]]], make: Callable[[list[dict[str, Any]]], dict[int, str]]
) -> Iterator[_Call]:
    left = iter(entries)
    while some := tuple(islice(left, TOGETHER)):
        yield _Call(some, make)


def _put(entries: list[dict[str, Any]]) -> dict[int, str]:
    answer = aws.client("events").put_events(Entries=entries)
    return {place: entry["ErrorCode"] for place, entry in enumerate(answer["Entries"]) if entry.get("ErrorCode")}


def _publish(topic: str, mails: list[dict[str, Any]]) -> dict[int, str]:
    answer = aws.client("sns").publish_batch(
        TopicArn=aws.setting(topic),
        PublishBatchRequestEntries=[{"Id": str(place), **mail} for place, mail in enumerate(mails)],
    )
    return {int(entry["Id"]): entry["Code"] for entry in answer.get("Failed", [])}
