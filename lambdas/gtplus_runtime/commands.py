"""What a command does: the events it causes, or a refusal with its reasons. Pure.

The API calls this inside one transaction, so decisions on a batch are serial; a handler decides through it as
well, with the duty `workspace`. Nothing here reads a clock, the network or the table.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gtplus_runtime.lifecycle import BATCH, PROJECT, TAKES_BATCHES, BatchStatus, Duty, Lifecycle, ProjectStatus
from gtplus_runtime.problems import Problem, Refused, shown

Head = Mapping[str, Any]
"""The head item of a batch or project: the attributes that `evolve` writes, and those of the protocol."""


class Actor(NamedTuple):
    """Who acts, as the authenticated call says.

    Attributes:
        id: who it is for every rule: an IAM principal's unique id. A session's name is no part of it, since its
            caller chooses it.
        name: how people are shown it.
        duty: the duty it acts under here.
    """

    id: str
    name: str
    duty: Duty


WORKSPACE = Actor("workspace", "workspace", Duty.WORKSPACE)
"""Our own handlers."""


class Command(NamedTuple):
    """Something that somebody wants to happen.

    Attributes:
        verb: the route's name, or `advance` for a handler.
        actor: who wants it.
        at: when, in ISO 8601 UTC.
        target: the status that it leads to.
        data: the fields, checked already.
        after: for a handler: the event it is the follow-up of. If another has come since, it is superseded.
        correlation: the id of the call that began it all; a handler passes on that of the event it handles.
    """

    verb: str
    actor: Actor
    at: str
    target: str
    data: Mapping[str, Any] = {}
    after: int | None = None
    correlation: str = ""


class Event(NamedTuple):
    """One status change, as it is kept for ever."""

    seq: int
    status: str
    before: str
    round: int
    at: str
    actor: Actor
    data: Mapping[str, Any] = {}
    implied: bool = False
    correlation: str = ""


class Superseded(Exception):
    """A handler's follow-up came too late: the batch has gone on without it. Nothing is to be done."""


def decide_project(head: Head | None, command: Command) -> list[Event]:
    """The events that a command on a project causes; none where it has happened already.

    Raises:
        Refused: with every reason.
    """
    if command.verb == "project.request":
        if head is not None:
            return _again_or_taken("project", head, command)
        return [_first(PROJECT, 0, command)]
    if head is None:
        raise Refused(404, "this project has not been requested", [_request_first()])
    resumed = head.get("pausedFrom")
    if resumed is not None and command.target not in (resumed, PROJECT.paused, ProjectStatus.CLOSED):
        # A pause is no way back, and none around the steps.
        raise _illegal(PROJECT, head, shown(command.target), command.actor.duty)
    return _step(PROJECT, head, command, command.actor.duty)


def decide_batch(head: Head | None, command: Command, settings: Mapping[str, Any]) -> list[Event]:
    """The events that a command on a batch causes; none where it has happened already.

    Args:
        head: the batch, or None before it exists.
        command: what is wanted.
        settings: of the project: `maxRounds` and `separationOfDuties`.

    Raises:
        Refused: with every reason.
        Superseded: for a handler that is late.
    """
    if command.verb == "batch.create":
        if head is not None:
            return _again_or_taken("batch", head, command)
        return [_first(BATCH, 1, command)]
    if head is None:
        raise Refused(
            404, "there is no such batch", [Problem("batch", "must exist", "", "create it, or mend its name")]
        )
    if command.after is not None and command.after != head["seq"]:
        raise Superseded(f"event {head['seq']} came after event {command.after}")
    _refuse_other_round(head, command)
    if command.verb == "batch.resume":
        if head["status"] != BATCH.paused:
            raise _illegal(BATCH, head, "a resume", Duty(command.actor.duty))
        command = command._replace(target=head["pausedFrom"])
    elif head["status"] == BATCH.paused and command.target not in (BATCH.paused, BatchStatus.CANCELLED):
        raise _illegal(BATCH, head, shown(command.target), Duty(command.actor.duty))
    reworked = command.target == BatchStatus.SENT_FOR_REWORK and command.actor.duty == Duty.WORKSPACE
    if reworked and head["round"] >= settings["maxRounds"]:
        raise Superseded(f"round {head['round']} was the last: a person decides")
    # Whoever reports speaks for the provider, and can cause what a provider can and nothing else.
    duty = Duty.REPORT if command.verb == "batch.report" else command.actor.duty
    events = _step(BATCH, head, command, duty)
    # A resume of an accepted batch decides nothing.
    if command.target == BatchStatus.ACCEPTED and command.verb != "batch.resume":
        _separate_duties(head, command, settings)
    return events


def evolve(head: Head | None, event: Event) -> dict[str, Any]:
    """What an event changes on the head: the attributes with their new values, None for one that goes.

    `facts` (where the inventory, the manifest, the sample lie) and `objects` (counts) hold only the entries that
    change, since handlers write entries of their own beside.
    """
    data = dict(event.data)
    objects = data.pop("objects", {})
    changes: dict[str, Any] = {
        "status": event.status,
        "seq": event.seq,
        "round": event.round,
        "since": event.at,
        "correlation": event.correlation,
        "actor": event.actor._asdict(),
        # A reason is that of the last event only, and a problem of its handler.
        "facts": {"reason": None, "problem": None, **data},
        "objects": objects,
    }
    if head is None:
        changes |= {"createdAt": event.at, "requestedBy": event.actor._asdict(), "reportedBy": []}
        return changes
    changes |= _clock(head, event)
    reporters = head.get("reportedBy", [])
    # An operator who reports speaks for the provider; one who pauses, or allows a rework, does not.
    for_provider = event.before in BATCH and BATCH.allowed(event.before, event.status, Duty.REPORT)
    if event.actor.duty in (Duty.REPORT, Duty.OPERATE) and for_provider and event.actor.id not in reporters:
        changes["reportedBy"] = [*reporters, event.actor.id][-100:]
    return changes


def refuse_batches(project: Head | None) -> None:
    """Refuse a batch of a project that takes none.

    Raises:
        Refused: where the project is not *Request approved* or later.
    """
    if project is None:
        raise Refused(409, "this project takes no batches yet", [_request_first()])
    if project["status"] not in TAKES_BATCHES:
        raise Refused(
            409,
            "this project takes no batches now",
            [
                Problem(
                    "project",
                    "must be Request approved or later, and not paused, declined or closed",
                    shown(project["status"]),
                    "ask an operator: gtplus project approve",
                )
            ],
        )


def _clock(head: Head, event: Event) -> dict[str, Any]:
    """The clock of the service level stands still while a batch is paused, and begins anew with each status."""
    if event.status == BatchStatus.PAUSED:
        ran = datetime.fromisoformat(event.at) - datetime.fromisoformat(head["since"])
        # Two clocks may differ: what ran backwards has not run.
        return {"pausedFrom": event.before, "spent": head.get("spent", 0) + max(round(ran.total_seconds()), 0)}
    if event.status == head.get("pausedFrom"):
        return {"pausedFrom": None}
    # Whether they are there or not: a reminder may be written while this is decided.
    return dict.fromkeys(("pausedFrom", "spent", "reminders"))


def _request_first() -> Problem:
    return Problem("project", "must be requested and approved", "", "request it: gtplus project request")


def _first(lifecycle: Lifecycle, round_: int, command: Command) -> Event:
    return Event(
        seq=1,
        status=lifecycle.first.name,
        before="",
        round=round_,
        at=command.at,
        actor=command.actor,
        data=command.data,
        correlation=command.correlation,
    )


def _again_or_taken(kind: str, head: Head, command: Command) -> list[Event]:
    form = {name: value for name, value in command.data.items() if value is not None}
    same = all(head["form"].get(name) == value for name, value in form.items()) and set(form) == set(head["form"])
    if same and head["requestedBy"]["id"] == command.actor.id:
        return []
    problem = Problem(kind, "a name is used once", shown(head[kind]), "choose another name")
    if not same:
        differing = sorted({*form, *head["form"]} - {n for n, v in form.items() if head["form"].get(n) == v})
        problem = problem._replace(rule=f"a name is used once, and this one's {', '.join(differing)} differ")
    raise Refused(409, f"the name of this {kind} is taken", [problem])


def _step(lifecycle: Lifecycle, head: Head, command: Command, duty: Duty) -> list[Event]:
    current, target = head["status"], command.target
    if current == target:
        told = command.data.get("manifest")
        if told is not None and told != head["facts"].get("manifest"):
            known = head["facts"].get("manifest")
            mend = "write the labels there, or let the round be rejected"
            problem = Problem("manifest", f"of this round is {known}", shown(told), mend)
            raise Refused(409, f"it is {target} already, with another manifest", [problem])
        if head["actor"]["id"] == command.actor.id or command.actor.duty == Duty.WORKSPACE:
            return []
        who = head["actor"]["name"]
        raise Refused(
            409,
            f"it is {target} already",
            [Problem("status", f"was set by {who} at {head['since']}", "", "nothing to do")],
        )
    way = [target] if lifecycle.allowed(current, target, duty) else None
    if way is None and command.verb == "batch.report":
        way = lifecycle.implied(current, target, duty)
    if way is None:
        raise _illegal(lifecycle, head, shown(target), duty)
    events: list[Event] = []
    for position, status in enumerate(way):
        last = position == len(way) - 1
        events.append(
            Event(
                seq=head["seq"] + position + 1,
                status=status,
                before=events[-1].status if events else current,
                round=head["round"] + (status == BatchStatus.SENT_FOR_REWORK and current == BatchStatus.REJECTED),
                at=command.at,
                actor=command.actor,
                data=command.data if last else {},
                implied=not last,
                correlation=command.correlation,
            )
        )
    return events


def _illegal(lifecycle: Lifecycle, head: Head, wanted: str, duty: Duty) -> Refused:
    current = lifecycle[head["status"]]
    if current.is_end:
        mend = f"{current.name} is an end, nothing can follow"
    elif lifecycle is PROJECT and current.name == PROJECT.paused:
        mend = "resume it first: gtplus project resume"
    elif following := lifecycle.next_for(current.name, duty):
        mend = f"what can follow for you is: {', '.join(following)}"
    else:
        waits = [
            f"{name} (by {' or '.join(sorted(duties))})"
            for name, duties in current.followers.items()
            if name not in (lifecycle.paused, BatchStatus.CANCELLED)
        ]
        mend = "resume it first: gtplus batch resume" if lifecycle is BATCH and current.name == BATCH.paused else ""
        mend = mend or f"wait for {', '.join(waits)}"
    return Refused(
        409,
        f"{wanted} cannot follow {shown(current.name)}",
        [Problem("status", "must be a legal step", wanted, mend)],
    )


def _refuse_other_round(head: Head, command: Command) -> None:
    told = command.data.get("round")
    if told is not None and told != head["round"]:
        raise Refused(
            409,
            f"round {told} is not the present one",
            [
                Problem(
                    "round",
                    f"must be {head['round']}",
                    shown(told),
                    "look at the batch again: gtplus batch show",
                )
            ],
        )


def _separate_duties(head: Head, command: Command, settings: Mapping[str, Any]) -> None:
    did: Sequence[str] = [
        *(["requested"] if head["requestedBy"]["id"] == command.actor.id else []),
        *(["labeled or reported"] if command.actor.id in head.get("reportedBy", []) else []),
    ]
    if did and settings["separationOfDuties"]:
        raise Refused(
            403,
            "who requested or labeled a batch cannot accept it",
            [
                Problem(
                    "actor",
                    f"must be somebody else: {command.actor.name} has {' and '.join(did)} this batch",
                    "",
                    "let another reviewer decide (or set separation_of_duties=False on the project)",
                )
            ],
        )
