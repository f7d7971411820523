"""Tells the world outside: the bus, for rules, and the topics, for people. Many notices take few calls.

A call takes ten entries, and takes or refuses each by itself: a refused one is no error of the call. Ten of ours come
to some 20 KB, of the 256 KB that a call may have.

Sources: "PutEvents" of the Amazon EventBridge API Reference, "PublishBatch" of the Amazon SNS API Reference.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from gtplus_runtime import aws, outbound
from gtplus_runtime.store import BUS, EVENT, TOPIC, Key

TOGETHER = 10
"""Notices told together."""


_Entry = tuple[int, dict[str, Any]]


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


def tell(notices: Sequence[Notice]) -> dict[int, str]:
    """Tell some of them: no more than a call takes.

    Returns:
        Why, for the place of each that was not told to everybody: it has to be told again. People are told only what
        the bus has taken, so a refusal there makes no second mail.
    """
    refused = _send([(place, each.entry) for place, each in enumerate(notices) if each.entry is not None], _put)
    mails: dict[str, list[_Entry]] = {}
    for place, notice in enumerate(notices):
        if place not in refused:
            for topic, mail in notice.messages:
                mails.setdefault(topic, []).append((place, mail))
    for topic, some in mails.items():
        refused |= _send(some, partial(_publish, topic))
    return refused


def _send(entries: Sequence[_Entry], call: Callable[[list[dict[str, Any]]], dict[int, str]]) -> dict[int, str]:
    try:
        refused = call([entry for _, entry in entries]) if entries else {}
    except Exception as error:
        return {place: type(error).__name__ for place, _ in entries}
    return {entries[number][0]: why for number, why in refused.items()}


def _put(entries: list[dict[str, Any]]) -> dict[int, str]:
    answer = aws.client("events").put_events(Entries=entries)
    return {place: entry["ErrorCode"] for place, entry in enumerate(answer["Entries"]) if entry.get("ErrorCode")}


def _publish(topic: str, mails: list[dict[str, Any]]) -> dict[int, str]:
    answer = aws.client("sns").publish_batch(
        TopicArn=aws.setting(topic),
        PublishBatchRequestEntries=[{"Id": str(place), **mail} for place, mail in enumerate(mails)],
    )
    return {int(entry["Id"]): entry["Code"] for entry in answer.get("Failed", [])}
