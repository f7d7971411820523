"""The routes of the API, in one table: the API's handler, its construct, the client and the docs read it.

A path begins with the duty it is called for: `/review/projects/street-signs/batches/digits-001/accept`. So an IAM
policy on `execute-api:Invoke` gives a principal one duty in one project and nothing else, and the duty and the
project of a call come from the path that IAM has authorized, never from a body.
"""

from typing import NamedTuple

from gtplus_runtime.lifecycle import PEOPLE, BatchStatus, Duty, ProjectStatus


class Route(NamedTuple):
    """One thing that can be asked of the API.

    Attributes:
        name: what the client calls it; `batch.accept`.
        method: the HTTP method. GET changes nothing.
        path: after the duty, with `{project}` and `{batch}`, or `{event}`.
        duties: those that may call it; each has a path of its own.
        summary: a sentence for the docs.
        target: for a command, the status that it leads to; None where the body says it.
    """

    name: str
    method: str
    path: str
    duties: tuple[Duty, ...]
    summary: str
    target: str | None = None

    @property
    def keys(self) -> list[str]:
        """The route keys of API Gateway, one for each duty."""
        return [f"{self.method} /{duty}{self.path}" for duty in self.duties]


_PROJECT, _BATCH = "/projects/{project}", "/projects/{project}/batches/{batch}"
_OWNERS, _REVIEWER, _OPERATOR = (Duty.REQUEST, Duty.OPERATE), (Duty.REVIEW,), (Duty.OPERATE,)

ROUTES = (
    Route("project.list", "GET", "/projects", _OPERATOR, "All projects of the workspace."),
    Route("project.show", "GET", _PROJECT, PEOPLE, "One project: its form, its status, its place."),
    Route("project.request", "POST", _PROJECT, _OWNERS, "Request a project.", ProjectStatus.REVIEW_IN_PROGRESS),
    Route(
        "project.approve",
        "POST",
        _PROJECT + "/approve",
        _OPERATOR,
        "Approve a requested project, whose construct must be deployed.",
        ProjectStatus.REQUEST_APPROVED,
    ),
    Route(
        "project.decline",
        "POST",
        _PROJECT + "/decline",
        _OPERATOR,
        "Decline a requested project.",
        ProjectStatus.DECLINED,
    ),
    Route("project.status", "POST", _PROJECT + "/status", _OPERATOR, "Move a project to the status in the body."),
    Route(
        "project.retell",
        "POST",
        _PROJECT + "/retell",
        _OPERATOR,
        "Tell the events of a span of time again, to the bus and to people, and look at every open batch.",
    ),
    Route("event.list", "GET", "/events", _OPERATOR, "What S3 told and led to nothing, newest first."),
    Route("event.replay", "POST", "/events/{event}/replay", _OPERATOR, "Act on an event of the quarantine again."),
    Route("batch.list", "GET", _PROJECT + "/batches", PEOPLE, "The batches of a project, newest first."),
    Route("batch.show", "GET", _BATCH, PEOPLE, "One batch: where it stands and whom it waits for."),
    Route("batch.history", "GET", _BATCH + "/history", PEOPLE, "Every event of a batch, oldest first."),
    Route("batch.create", "POST", _BATCH, (Duty.REQUEST,), "Create a batch.", BatchStatus.REQUEST_SUBMITTED),
    Route(
        "batch.report",
        "POST",
        _BATCH + "/report",
        (Duty.REPORT, Duty.OPERATE),
        "Report the status in the body, for the provider.",
    ),
    Route(
        "batch.work",
        "GET",
        _BATCH + "/work",
        (Duty.REPORT,),
        "What is to be labeled, for people without AWS credentials: links to read the objects and write the labels.",
    ),
    Route(
        "batch.sample",
        "GET",
        _BATCH + "/sample",
        _REVIEWER,
        "The sample of this round, with links to its objects, and to labels that are files.",
    ),
    Route(
        "batch.review",
        "POST",
        _BATCH + "/review",
        _REVIEWER,
        "Submit verdicts on the sample.",
        BatchStatus.REVIEW_SUBMISSION_IN_PROGRESS,
    ),
    Route("batch.accept", "POST", _BATCH + "/accept", _REVIEWER, "Accept, for good.", BatchStatus.ACCEPTED),
    Route(
        "batch.reject",
        "POST",
        _BATCH + "/reject",
        _REVIEWER,
        "Reject this round, for good.",
        BatchStatus.REJECTED,
    ),
    Route(
        "batch.rework",
        "POST",
        _BATCH + "/rework",
        _OPERATOR,
        "Allow one more round to a batch that was rejected in its last.",
        BatchStatus.SENT_FOR_REWORK,
    ),
    Route("batch.pause", "POST", _BATCH + "/pause", _OWNERS, "Pause a batch.", BatchStatus.PAUSED),
    Route("batch.retell", "POST", _BATCH + "/retell", _OPERATOR, "Tell the events of a batch in a span of time again."),
    Route("batch.resume", "POST", _BATCH + "/resume", _OWNERS, "Resume a paused batch where it was."),
    Route("batch.cancel", "POST", _BATCH + "/cancel", _OWNERS, "Give a batch up.", BatchStatus.CANCELLED),
)
"""Every route. A new one needs a line here and, where it reads, a reader in `handlers/api.py`."""

BY_NAME = {route.name: route for route in ROUTES}
"""The routes by name."""

BY_KEY = {f"{route.method} /{duty}{route.path}": (route, duty) for route in ROUTES for duty in route.duties}
"""Route and duty by the route key that API Gateway passes."""


def duty_paths(duty: Duty, project: str | None) -> list[str]:
    """The `METHOD/path` patterns of an `execute-api` ARN that make up a duty.

    Args:
        duty: whose paths.
        project: the one project it is for, or None for a duty of the whole workspace.
    """
    # Each method by its name: a `*` in IAM goes over slashes, and `*/operate/*` would open all of a project or batch
    # that is called "operate" to an operator.
    methods = sorted({route.method for route in ROUTES})
    paths = [f"{duty}/*"] if project is None else [f"{duty}/projects/{project}", f"{duty}/projects/{project}/*"]
    return [f"{method}/{path}" for method in methods for path in paths]
