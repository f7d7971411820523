"""The statuses of a batch and of a project: what each means, what follows it, and who may cause that.

Written once and read by all: the state machine, the API, the command line, the simulated provider, the
diagrams and the tests derive from this file. It is pure, and imports nothing but the standard library.

To add a status: a member of the enum and a line in its lifecycle here, a file of its name in `handlers/`
(synth says which one is missing), and a test.

Source of the statuses and their meanings: "Batches" and "Projects" of the SageMaker Ground Truth Plus pages
(`gtp-*`) in the Amazon SageMaker developer guide. Where no source states a transition it is our reading:
received → in progress, review → decision without a submission, rejected → sent for rework, pause and resume.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple


class Duty(StrEnum):
    """What somebody may do in a project; the first segment of every API path, and the suffix of its groups."""

    REQUEST = "request"
    REVIEW = "review"
    REPORT = "report"
    OPERATE = "operate"
    WORKSPACE = "workspace"
    """Our own functions; no caller of the API ever has this duty."""


PEOPLE = (Duty.REQUEST, Duty.REVIEW, Duty.REPORT, Duty.OPERATE)
"""The duties that a caller of the API can have."""


TEAM_DUTIES = (Duty.REQUEST, Duty.REVIEW, Duty.REPORT)
"""The duties that a project has a group for; operators are the workspace's."""


class BatchStatus(StrEnum):
    """Where a batch stands."""

    REQUEST_SUBMITTED = "Request submitted"
    DATA_TRANSFER_IN_PROGRESS = "Data transfer in progress"
    DATA_TRANSFER_FAILED = "Data transfer failed"
    DATA_RECEIVED = "Data received"
    IN_PROGRESS = "In progress"
    READY_FOR_REVIEW = "Ready for review"
    REVIEW_SUBMISSION_IN_PROGRESS = "Review submission in progress"
    REVIEW_COMPLETE = "Review complete"
    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    SENT_FOR_REWORK = "Sent for rework"
    READY_FOR_DELIVERY = "Ready for delivery"
    DATA_DELIVERED = "Data delivered"
    PAUSED = "Paused"
    CANCELLED = "Cancelled"


class ProjectStatus(StrEnum):
    """Where a project stands."""

    REVIEW_IN_PROGRESS = "Review in progress"
    REQUEST_APPROVED = "Request approved"
    WORKFLOW_DESIGN_AND_SETUP_IN_PROGRESS = "Workflow design and setup in progress"
    PILOT_IN_PROGRESS = "Pilot in progress"
    PILOT_COMPLETE = "Pilot complete"
    PRICING_COMPLETE = "Pricing complete"
    CONTRACT_EXECUTED = "Contract executed"
    PRODUCTION_IN_PROGRESS = "Production in progress"
    PRODUCTION_COMPLETE = "Production complete"
    PAUSED = "Paused"
    DECLINED = "Declined"
    CLOSED = "Closed"


class Status(NamedTuple):
    """One status of a lifecycle.

    Attributes:
        name: as people read it.
        meaning: a sentence for people, in the notification and in the CLI.
        followers: the statuses that may come next, each with the duties that may cause it. None makes it an end.
        waits_for: the duty whose people are told, since nothing goes on without them.
        within_days: the service level: how long it may last before somebody is reminded, in days, where a project says
            nothing else. None: as long as it likes. No source states one; these are ours.
        ours: True where it is this library's and not one of Ground Truth Plus.
    """

    name: str
    meaning: str
    followers: Mapping[str, frozenset[Duty]] = {}
    waits_for: Duty | None = None
    within_days: float | None = None
    ours: bool = False

    @property
    def is_end(self) -> bool:
        """Whether nothing can follow."""
        return not self.followers

    @property
    def reminds(self) -> Duty:
        """The duty whose people are reminded when it lasts too long."""
        followed_by = frozenset[Duty]().union(*self.followers.values())
        return self.waits_for or (Duty.REPORT if Duty.REPORT in followed_by else Duty.OPERATE)

    @property
    def slug(self) -> str:
        """The name as that of a Python module: *Ready for review* is `ready_for_review`."""
        return self.name.lower().replace(" ", "_")


class Lifecycle:
    """An ordered set of statuses; the first is where everything begins.

    Args:
        statuses: in the order in which they are met.
        paused: the status that any open one can go to and come back from, or None.

    Raises:
        ValueError: with every follower that is no status, two statuses of one name, one that nothing leads to from
            the first, and a `paused` that is no status.
    """

    def __init__(self, *statuses: Status, paused: str | None = None) -> None:
        if not statuses:
            raise ValueError("a lifecycle has at least one status")
        self.statuses: dict[str, Status] = {status.name: status for status in statuses}
        self.paused = paused
        self.first = statuses[0]
        known = set(self.statuses)
        reached, ahead = {self.first.name}, [self.first]
        while ahead:
            new = ahead.pop().followers.keys() - reached
            reached |= new
            ahead += [self.statuses[name] for name in new & known]
        named = {name for status in statuses for name in status.followers}
        problems = [
            *([f"two statuses have one name among {[s.name for s in statuses]}"] if len(known) < len(statuses) else []),
            *[
                f"{name!r} follows a status and is none itself: add it, or take it out"
                for name in sorted(named - known)
            ],
            *[f"nothing leads to {name!r}: name it among the followers of another" for name in sorted(known - reached)],
            *([f"{paused!r} pauses and is no status: add it"] if paused is not None and paused not in known else []),
        ]
        if problems:
            raise ValueError("; ".join(problems))

    def __iter__(self) -> Iterator[Status]:
        return iter(self.statuses.values())

    def __contains__(self, name: object) -> bool:
        return name in self.statuses

    def __getitem__(self, name: str) -> Status:
        return self.statuses[name]

    def allowed(self, current: str, target: str, duty: Duty) -> bool:
        """Whether that duty may take it from `current` to `target`."""
        return duty in self.statuses[current].followers.get(target, frozenset())

    def next_for(self, current: str, duty: Duty) -> list[str]:
        """The statuses that this duty may cause from `current`: what a person is shown as the next steps."""
        return [name for name, duties in self.statuses[current].followers.items() if duty in duties]

    def implied(self, current: str, target: str, duty: Duty) -> list[str] | None:
        """The shortest way from `current` to `target` on which this duty may cause every step, or None.

        A provider that reports a later status says that the earlier ones have happened; each becomes an event. Nobody
        implies a pause, so no way leads through one.
        """
        ways: list[list[str]] = [[current]]
        seen = {current}
        while ways:
            way = ways.pop(0)
            for name in self.next_for(way[-1], duty):
                if name == target:
                    return [*way[1:], name]
                if name not in seen and name != self.paused and not self.statuses[name].is_end:
                    seen.add(name)
                    ways.append([*way, name])
        return None


def _by(*duties: Duty) -> frozenset[Duty]:
    return frozenset(duties)


_WORKSPACE, _PROVIDER, _REVIEWER = _by(Duty.WORKSPACE), _by(Duty.REPORT), _by(Duty.REVIEW)
_OWNERS = _by(Duty.REQUEST, Duty.OPERATE)
_B, _P = BatchStatus, ProjectStatus
_STOPS: dict[str, frozenset[Duty]] = {_B.PAUSED: _OWNERS, _B.CANCELLED: _OWNERS}


def _batch_statuses() -> list[Status]:
    open_statuses = [
        Status(
            _B.REQUEST_SUBMITTED,
            "The batch was submitted; its input is being checked, or it waits in line for its transfer.",
            {_B.DATA_TRANSFER_IN_PROGRESS: _WORKSPACE, _B.DATA_TRANSFER_FAILED: _WORKSPACE, **_STOPS},
            within_days=3,
        ),
        Status(
            _B.DATA_TRANSFER_IN_PROGRESS,
            "The provider copies the input.",
            {_B.DATA_RECEIVED: _PROVIDER, _B.DATA_TRANSFER_FAILED: _PROVIDER | _WORKSPACE, **_STOPS},
            waits_for=Duty.REPORT,
            within_days=1,
        ),
        Status(
            _B.DATA_RECEIVED,
            "The unlabeled input has arrived at the provider.",
            {_B.IN_PROGRESS: _PROVIDER, **_STOPS},
            within_days=2,
        ),
        Status(
            _B.IN_PROGRESS,
            "The objects are being labeled.",
            {_B.READY_FOR_REVIEW: _PROVIDER, **_STOPS},
            within_days=14,
        ),
        Status(
            _B.READY_FOR_REVIEW,
            "Labeled; a sample is ready to review.",
            {
                _B.REVIEW_SUBMISSION_IN_PROGRESS: _REVIEWER,
                _B.ACCEPTED: _REVIEWER,
                _B.REJECTED: _REVIEWER,
                **_STOPS,
            },
            waits_for=Duty.REVIEW,
            within_days=3,
        ),
        Status(
            _B.REVIEW_SUBMISSION_IN_PROGRESS,
            "The reviewer's feedback is being processed.",
            {_B.REVIEW_COMPLETE: _WORKSPACE, **_STOPS},
        ),
        Status(
            _B.REVIEW_COMPLETE,
            "Reviewed; it must now be accepted or rejected, once, for good.",
            {_B.ACCEPTED: _REVIEWER, _B.REJECTED: _REVIEWER, **_STOPS},
            waits_for=Duty.REVIEW,
            within_days=2,
        ),
        Status(
            _B.ACCEPTED,
            "Accepted; the labels will arrive in the output location.",
            {_B.READY_FOR_DELIVERY: _WORKSPACE | _PROVIDER, **_STOPS},
        ),
        Status(
            _B.REJECTED,
            "Rejected; the labels need rework.",
            {_B.SENT_FOR_REWORK: _WORKSPACE | _by(Duty.OPERATE), **_STOPS},
            waits_for=Duty.OPERATE,
            within_days=2,
        ),
        Status(
            _B.SENT_FOR_REWORK,
            "The labels are being reworked; the batch becomes ready for review again.",
            {_B.READY_FOR_REVIEW: _PROVIDER, **_STOPS},
            waits_for=Duty.REPORT,
            within_days=7,
        ),
        Status(
            _B.READY_FOR_DELIVERY,
            "The labels are about to be transferred to the output location.",
            {_B.DATA_DELIVERED: _WORKSPACE, **_STOPS},
            waits_for=Duty.REPORT,
            within_days=2,
        ),
    ]
    resumes = {status.name: _OWNERS for status in open_statuses}
    ends = [
        Status(
            _B.DATA_TRANSFER_FAILED,
            "The transfer failed: look at the reason, mend it, and create a new batch.",
            waits_for=Duty.REQUEST,
        ),
        Status(_B.DATA_DELIVERED, "The labels lie in the output location.", waits_for=Duty.REQUEST),
        Status(_B.CANCELLED, "Given up at the customer's request.", ours=True),
    ]
    paused = Status(
        _B.PAUSED,
        "Paused at the customer's request; a resume goes back to where it was.",
        {**resumes, _B.CANCELLED: _OWNERS},
    )
    return [*open_statuses, paused, *ends]


BATCH = Lifecycle(*_batch_statuses(), paused=_B.PAUSED)
"""The lifecycle of a batch."""

_OPERATOR = _by(Duty.OPERATE)
_MAIN_LINE = [
    (_P.REQUEST_APPROVED, "Batches can now be created."),
    (_P.WORKFLOW_DESIGN_AND_SETUP_IN_PROGRESS, "Experts set the project up."),
    (_P.PILOT_IN_PROGRESS, "The pilot's objects are being labeled."),
    (_P.PILOT_COMPLETE, "The pilot's labels lie in S3."),
    (_P.PRICING_COMPLETE, "The price of production has been given."),
    (_P.CONTRACT_EXECUTED, "The contract is executed."),
    (_P.PRODUCTION_IN_PROGRESS, "The objects of production are being labeled."),
    (_P.PRODUCTION_COMPLETE, "The labels of production lie in S3."),
]


def _project_statuses() -> list[Status]:
    # Forward only, and steps may be left out: an in-house team has no pricing and no contract.
    line = [
        Status(
            name,
            meaning,
            {
                **{later: _OPERATOR for later, _ in _MAIN_LINE[position + 1 :]},
                _P.PAUSED: _OPERATOR,
                _P.CLOSED: _OPERATOR,
            },
        )
        for position, (name, meaning) in enumerate(_MAIN_LINE)
    ]
    return [
        Status(
            _P.REVIEW_IN_PROGRESS,
            "The request was submitted; an approver looks at it.",
            {_P.REQUEST_APPROVED: _OPERATOR | _WORKSPACE, _P.DECLINED: _OPERATOR},
            waits_for=Duty.OPERATE,
        ),
        *line,
        Status(
            _P.PAUSED,
            "Paused at the customer's request; a resume goes back to where it was.",
            {**{name: _OPERATOR for name, _ in _MAIN_LINE}, _P.CLOSED: _OPERATOR},
        ),
        Status(_P.DECLINED, "The request was declined.", waits_for=Duty.REQUEST, ours=True),
        Status(_P.CLOSED, "Closed: no more batches.", ours=True),
    ]


PROJECT = Lifecycle(*_project_statuses(), paused=_P.PAUSED)
"""The lifecycle of a project."""

TAKES_BATCHES = tuple(name for name, _ in _MAIN_LINE)
"""The project statuses in which a batch can be created: *Request approved* and all after it, but not *Paused*."""
