"""The service level of a status: how long it may last, who is reminded then, and when it is escalated. Pure.

Nothing is scheduled: the head says since when a status lasts (`since`), how long it had lasted before a pause
(`spent`, in seconds) and how many reminders were made (`reminders`); the rest follows from the clock. So a changed
service level holds for open batches too, a late sweep makes one reminder and not three, and a pause stops the clock.

The first reminder comes when the service level is used up, and every `remindEvery` seconds another; from the second on
they are escalations.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gtplus_runtime.lifecycle import BATCH

DAY = 86_400

REMIND_EVERY_SECONDS = DAY
"""How long after a reminder the next one comes, where a project says nothing else."""


def service_level(status: str, settings: Mapping[str, Any]) -> float | None:
    """How long a status may last, in seconds; None for as long as it likes.

    Args:
        status: of a batch.
        settings: of the project: `serviceLevels`, seconds by status; 0 takes a status out.
    """
    own = settings.get("serviceLevels", {}).get(status)
    if own is not None:
        return float(own) or None
    days = BATCH[status].within_days
    return None if days is None else days * DAY


def lasted(head: Mapping[str, Any], now: datetime) -> float:
    """How long a batch has been in its status, in seconds, without its pauses; never less than 0."""
    spent = float(head.get("spent", 0))
    if head["status"] == BATCH.paused:
        return spent
    return spent + max((now - datetime.fromisoformat(head["since"])).total_seconds(), 0.0)


def due_at(head: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """When the status should have ended, in ISO 8601 UTC; None where it may last, or the clock stands still."""
    level = service_level(head["status"], settings)
    if level is None or head["status"] == BATCH.paused:
        return None
    due = datetime.fromisoformat(head["since"]) + timedelta(seconds=level - float(head.get("spent", 0)))
    return due.isoformat(timespec="seconds").replace("+00:00", "Z")


def reminders_due(head: Mapping[str, Any], settings: Mapping[str, Any], now: datetime) -> int:
    """How many reminders this status should have had by now; those made already are among them."""
    level = service_level(head["status"], settings)
    if level is None:
        return 0
    over = lasted(head, now) - level
    return 0 if over < 0 else 1 + int(over // float(settings.get("remindEvery", REMIND_EVERY_SECONDS)))
