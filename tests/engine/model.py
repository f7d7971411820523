"""What a batch may do, written once more and by hand: an independent model of the lifecycle.

Nothing here is read from the runtime. Statuses are named by their words in the service's pages; who may cause what is
taken from the docs of the product.
"""

from collections import deque
from typing import NamedTuple

PROVIDER = {
    "Data transfer in progress": {"Data received", "Data transfer failed"},
    "Data received": {"In progress"},
    "In progress": {"Ready for review"},
    "Sent for rework": {"Ready for review"},
    "Accepted": {"Ready for delivery"},
}
"""What a provider may report, by where the batch stands."""

REVIEWER = {
    "Ready for review": {"Review submission in progress", "Accepted", "Rejected"},
    "Review complete": {"Accepted", "Rejected"},
}

OPERATOR = {"Rejected": {"Sent for rework"}}

WORKSPACE = {
    "Request submitted": {"Data transfer in progress", "Data transfer failed"},
    "Data transfer in progress": {"Data transfer failed"},
    "Review submission in progress": {"Review complete"},
    "Accepted": {"Ready for delivery"},
    "Rejected": {"Sent for rework"},
    "Ready for delivery": {"Data delivered"},
}
"""What follows by itself."""

ENDS = {"Data transfer failed", "Data delivered", "Cancelled"}

OPEN = {
    "Request submitted",
    "Data transfer in progress",
    "Data received",
    "In progress",
    "Ready for review",
    "Review submission in progress",
    "Review complete",
    "Accepted",
    "Rejected",
    "Sent for rework",
    "Ready for delivery",
}


class Seen(NamedTuple):
    """A batch, as anybody may see it."""

    status: str
    last_actor: str
    paused_from: str | None
    manifest: str | None
    """The one that was reported for the present round."""
    labels: str
    """What is known of the labels of the present round: `unread`, `complete` or `incomplete`."""


def provider_way(current: str, target: str) -> list[str] | None:
    """The statuses that a report of `target` says: a later status implies the earlier ones."""
    ways = deque([[current]])
    known = {current}
    while ways:
        way = ways.popleft()
        for following in sorted(PROVIDER.get(way[-1], ())):
            if following == target:
                return [*way[1:], target]
            if following not in known and following not in ENDS:
                known.add(following)
                ways.append([*way, following])
    return None


def expected(seen: Seen, verb: str, who: str, target: str, *, manifest_there: bool) -> list[str] | None:
    """The statuses that a command leads through; none where it has happened already; None where it is refused."""
    status = seen.status
    if verb == "report" and target == "Ready for review" and not manifest_there:
        return None
    if verb == "accept" and status in ("Ready for review", "Review complete") and seen.labels != "complete":
        return None
    if verb == "resume":
        return None if status != "Paused" else [str(seen.paused_from)]
    if status == "Paused" and target not in ("Paused", "Cancelled"):
        return None
    if status == target:
        return [] if seen.last_actor == who else None
    if verb == "report":
        return provider_way(status, target)
    if verb in ("pause", "cancel"):
        return [target] if status in OPEN or (status == "Paused" and verb == "cancel") else None
    by = OPERATOR if verb == "rework" else REVIEWER
    return [target] if target in by.get(status, ()) else None


def legal_step(before: str, status: str, duty: str, paused_from: str | None) -> bool:
    """Whether an event may stand in a history."""
    if status in ("Paused", "Cancelled"):
        return duty in ("request", "operate") and (before in OPEN or (before == "Paused" and status == "Cancelled"))
    if before == "Paused":
        return duty in ("request", "operate") and status == paused_from
    followers = {
        "report": PROVIDER,
        "review": REVIEWER,
        "workspace": WORKSPACE,
        "operate": {s: PROVIDER.get(s, set()) | OPERATOR.get(s, set()) for s in OPEN},
    }.get(duty, {})
    return status in followers.get(before, set())


def at_rest(status: str, *, in_line: bool, last_round: bool, delivered: bool) -> bool:
    """Whether nothing follows by itself, once everything that could happen has happened.

    Args:
        status: where the batch stands.
        in_line: whether enough others are in transfer before it.
        last_round: whether no round is left that was agreed.
        delivered: whether complete labels lie in the output location.
    """
    match status:
        case "Request submitted":
            return in_line
        case "Review submission in progress" | "Accepted":
            return False
        case "Rejected":
            return last_round
        case "Ready for delivery":
            return not delivered
    return True


def follows_by_itself(status: str, *, last_round: bool, delivered: bool) -> str | None:
    """What happens next without anybody, where nothing is wrong and nobody is before it in the line."""
    match status:
        case "Request submitted":
            return "Data transfer in progress"
        case "Review submission in progress":
            return "Review complete"
        case "Accepted":
            return "Ready for delivery"
        case "Rejected":
            return None if last_round else "Sent for rework"
        case "Ready for delivery":
            return "Data delivered" if delivered else None
    return None
