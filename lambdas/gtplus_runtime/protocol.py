"""The rules by which an execution follows the table. Pure.

The head says all: `seq` is the last event, `handled` the last one whose handler ended, `generation` the execution
that counts, `parkedGeneration` the one whose token lies there, `open` goes when the end has been handled.
An execution must exist unless everything is handled and the status is an end.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Any

HANDLER_TIMEOUT_SECONDS = 300
"""How long a status handler may run."""

HANDLER_ATTEMPTS = 4
"""How often the state machine runs a handler that fails, in one generation."""

STALL_SECONDS = 1.5 * HANDLER_TIMEOUT_SECONDS * HANDLER_ATTEMPTS
"""Without progress for longer than a handler takes with all its retries, an execution is taken for lost."""


UNSEEN_SECONDS = 60.0
"""How long an execution that has begun may not be seen yet: what Step Functions tells of executions is eventually
consistent ("DescribeExecution" of the AWS Step Functions API Reference)."""


class Following(Enum):
    """What the table's state asks for."""

    NOTHING = "nothing"
    START = "start the execution of this generation"
    WAKE = "wake the parked execution with the next event"


def what_to_do(head: Mapping[str, Any]) -> Following:
    """What the dispatcher does for a head; doing it twice does no harm."""
    if not head.get("open"):
        return Following.NOTHING
    if head.get("parkedGeneration") != head["generation"]:
        # Not parked in this generation: it has not started, or is in its handler; the name guards the second start.
        return Following.START
    return Following.WAKE if head["seq"] > head["handled"] else Following.NOTHING


def execution_name(head: Mapping[str, Any]) -> str:
    """The execution of a head's generation: at most 80 characters, unique for 90 days."""
    return f"{head['batch']}-{head['uid']}-{head['generation']}"


class Repair(Enum):
    """What the reconciler finds."""

    NOTHING = "nothing"
    NUDGE = "rewrite the head: a record may be lost"
    REBUILD = "raise the generation: the execution is lost"
    ROLL_OVER = "raise the generation: the execution follows an older definition"


RUNNING = "RUNNING"
FAILURES = frozenset({"FAILED", "TIMED_OUT"})

ROLL_OVER_SECONDS = 300.0
"""How long after a generation was raised it is rolled over at the earliest: a state machine that is updated may run its
old definition for some seconds ("UpdateStateMachine" of the AWS Step Functions API Reference)."""


def rebuild_wait(rebuilds: int) -> float:
    """Seconds to wait after a rebuild before the next one, by how many failed in a row: at the most an hour."""
    return 0.0 if rebuilds == 0 else min(60.0 * 2 ** min(rebuilds, 6), 3_600.0)


def failures_in_a_row(head: Mapping[str, Any]) -> int:
    """How many generations have failed since an event was last handled."""
    return int(head.get("rebuilds", 0)) if head.get("rebuiltFor") == head["handled"] else 0


def what_to_repair(
    head: Mapping[str, Any],
    execution: str | None,
    *,
    idle_seconds: float,
    since_rebuilt: float = float("inf"),
    definition: str | None = None,
) -> Repair:
    """What the reconciler does for an open head.

    Args:
        head: the head, read consistently.
        execution: the status of this generation's execution, None where there is none.
        idle_seconds: how long ago the head was last moved by an event or a park, or its execution was started: the
            first handler of a generation that begins late has as long as any other.
        since_rebuilt: how long ago the generation was last raised.
        definition: the version of the newest definition; None where nobody asks.
    """
    if not head.get("open"):
        return Repair.NOTHING
    parked = head.get("parkedGeneration") == head["generation"]
    pending = head["seq"] > head["handled"]
    if execution is None:
        # It has not begun; or it was deleted, with its machine: then no token wakes it, and its name may still be held.
        gone = min(idle_seconds, since_rebuilt) > (UNSEEN_SECONDS if parked else STALL_SECONDS)
        return Repair.REBUILD if gone else Repair.NUDGE
    if execution == RUNNING:
        if parked and not pending:
            outdated = definition is not None and head.get("parkedDefinition") != definition
            return Repair.ROLL_OVER if outdated and since_rebuilt > ROLL_OVER_SECONDS else Repair.NOTHING
        if idle_seconds > STALL_SECONDS:
            return Repair.REBUILD
        return Repair.NUDGE if parked else Repair.NOTHING
    wait = rebuild_wait(failures_in_a_row(head)) if execution in FAILURES else 0.0
    return Repair.REBUILD if since_rebuilt >= wait else Repair.NOTHING
