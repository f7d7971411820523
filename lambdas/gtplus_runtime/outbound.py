"""What the world outside is told of a status change: on the bus, for rules, and on the topic, for people. Pure.

The details have published schemas (`gtplus_constructs/schemas`), one for each detail type. Of version 1, fields and
statuses may be added and nothing else; whatever else changes is version 2, told beside it.

Telling an event again says the same, word for word: `workspace`, `project`, `batch` and `seq` name an event for ever,
so who has seen them has seen it.
"""

from collections.abc import Mapping
from typing import Any, Final

from gtplus_runtime.lifecycle import BATCH, PROJECT, Status
from gtplus_runtime.store import Key

SOURCE: Final = "gtplus"
"""The `source` of every event on the bus."""

BATCH_CHANGED: Final = "Batch status changed"
PROJECT_CHANGED: Final = "Project status changed"
BATCH_OVERDUE: Final = "Batch status overdue"
"""The `detail-type`s."""

VERSION: Final = 1
"""The version of the details."""


def detail_type(key: Key) -> str:
    """The `detail-type` of an event of a batch or project."""
    return PROJECT_CHANGED if key.batch is None else BATCH_CHANGED


def status_of(key: Key, event: Mapping[str, Any]) -> Status:
    """The status that an event led to."""
    return (PROJECT if key.batch is None else BATCH)[event["status"]]


def detail(workspace: str, key: Key, event: Mapping[str, Any]) -> dict[str, Any]:
    """The `detail` of an event: what happened, and neither who by name, nor a word that somebody wrote.

    Args:
        workspace: the name of the workspace.
        key: the batch or project.
        event: the item of the table.
    """
    of_batch = {} if key.batch is None else {"batch": key.batch, "round": event["round"]}
    return {
        "version": VERSION,
        "workspace": workspace,
        "project": key.project,
        **of_batch,
        "seq": event["seq"],
        "status": event["status"],
        "before": event["before"] or None,
        "at": event["at"],
        "duty": event["actor"]["duty"],
        "waitsFor": status_of(key, event).waits_for,
        "correlation": event.get("correlation", ""),
    }


def overdue(workspace: str, key: Key, reminder: Mapping[str, Any]) -> dict[str, Any]:
    """The `detail` of a reminder: a batch is in its status for longer than the project's service level.

    Args:
        workspace: the name of the workspace.
        key: the batch.
        reminder: the item of the table.
    """
    return {
        "version": VERSION,
        "workspace": workspace,
        "project": key.project,
        "batch": key.batch,
        **{name: reminder[name] for name in ("round", "seq", "status", "since", "at", "number")},
        "escalated": reminder["number"] > 1,
        "waitsFor": BATCH[reminder["status"]].reminds,
    }


def attributes(detail: Mapping[str, Any]) -> dict[str, Any]:
    """The message attributes by which a subscription of the topic filters.

    Args:
        detail: of the event.
    """
    names = ("project", "batch", "status", "waitsFor", "duty", "seq", "at")
    return {
        name: {"DataType": "Number" if name == "seq" else "String", "StringValue": str(detail[name])}
        for name in names
        if detail.get(name)
    }


def message(key: Key, event: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text for people. A subject of SNS has at most 100 characters."""
    status = status_of(key, event)
    what = f"batch {key.batch} of project {key.project}" if key.batch else f"project {key.project}"
    text = f"{what}: {status.name}.\n{status.meaning}\nIt waits for: {status.waits_for}."
    return f"{what}: {status.name}"[:99], text


def reminder(key: Key, item: Mapping[str, Any]) -> tuple[str, str]:
    """Subject and text of a reminder for people."""
    status = BATCH[item["status"]]
    what = f"batch {key.batch} of project {key.project}"
    kind = "Escalation" if item["number"] > 1 else "Reminder"
    text = (
        f"{what} has been {status.name} since {item['since']}, longer than agreed.\n{status.meaning}\n"
        f"It waits for: {status.reminds}. This is reminder {item['number']}."
    )
    return f"{kind}: {what}: {status.name}"[:99], text
