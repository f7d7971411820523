"""`gtplus project`: request, approve, decline, move, pause, close, list and show projects."""

from typing import Annotated, Any

import typer

from gtplus_cli.caller import Caller, command, given
from gtplus_cli.render import project_table, show_project
from gtplus_runtime.forms import REGULATED, TASK_TYPES, check_form, check_name
from gtplus_runtime.lifecycle import PROJECT, ProjectStatus
from gtplus_runtime.problems import Problem, Refused, counted, shown

app = typer.Typer(no_args_is_help=True, help="Request, approve, move, pause, close, list and show projects.")

_Project = Annotated[str, typer.Argument(help="Id of the project.", metavar="PROJECT")]
_Reason = Annotated[str | None, typer.Option(help="Why.")]


@command(app)
def request(
    caller: Caller,
    project: _Project,
    *,
    first_name: Annotated[str, typer.Option(help="First name of the requester.")],
    last_name: Annotated[str, typer.Option(help="Last name of the requester.")],
    business_email: Annotated[str, typer.Option(help="Business e-mail of the requester.")],
    description: Annotated[str, typer.Option(help="What is to be labeled, and what for.")],
    task_type: Annotated[str, typer.Option(help=f"One of {', '.join(TASK_TYPES)}.")],
    contains_pii: Annotated[bool, typer.Option("--contains-pii/--no-pii", help="Whether the data identify persons.")],
    regulated_data: Annotated[
        list[str] | None,
        typer.Option(help=f"Declare regulated data, of {', '.join(REGULATED)}; such a project is refused."),
    ] = None,
) -> None:
    """Request a project, with the fields of the service's form."""
    body: dict[str, Any] = {
        "firstName": first_name,
        "lastName": last_name,
        "businessEmail": business_email,
        "description": description,
        "taskType": task_type,
        "containsPii": contains_pii,
        **({"regulatedData": regulated_data} if regulated_data else {}),
    }
    problems = check_name("project", project) + check_form("project.request", body)
    if problems:
        raise Refused(400, f"project {project!r} was not requested: {counted(problems)}", problems)
    answer = caller.client.call("project.request", project=project, **body)
    caller.show(answer, lambda out: out.print(f"project [bold]{project}[/bold]: {answer['status']}"))
    caller.next(f"an operator approves it: gtplus project approve {project}")


@command(app)
def approve(caller: Caller, project: _Project, *, reason: _Reason = None) -> None:
    """Approve a requested project, whose construct must be deployed."""
    answer = caller.client.call("project.approve", project=project, **given(reason=reason))
    caller.show(answer, lambda out: out.print(f"project [bold]{project}[/bold]: {answer['status']}"))
    caller.next(f"gtplus batch create {project}/NAME --input s3://…")


@command(app)
def decline(caller: Caller, project: _Project, *, reason: _Reason = None) -> None:
    """Decline a requested project."""
    answer = caller.client.call("project.decline", project=project, **given(reason=reason))
    caller.show(answer, lambda out: out.print(f"project [bold]{project}[/bold]: {answer['status']}"))


@command(app)
def status(
    caller: Caller,
    project: _Project,
    status: Annotated[str, typer.Argument(help=f"One of {', '.join(PROJECT.statuses)}.")],
    *,
    reason: _Reason = None,
) -> None:
    """Move a project to another status."""
    _move(caller, project, status, reason)


@command(app)
def pause(caller: Caller, project: _Project, *, reason: _Reason = None) -> None:
    """Pause a project: it takes no new batch. Its open batches go on."""
    _move(caller, project, ProjectStatus.PAUSED, reason)
    caller.next(f"gtplus project resume {project}")


@command(app)
def resume(caller: Caller, project: _Project, *, reason: _Reason = None) -> None:
    """Resume a paused project where it was."""
    before = caller.client.call("project.show", project=project).get("pausedFrom")
    if before is None:
        problem = Problem("project", "must be paused", shown(project), f"look at it: gtplus project show {project}")
        raise Refused(409, "there is nothing to resume", [problem])
    _move(caller, project, before, reason)


@command(app)
def close(caller: Caller, project: _Project, *, reason: _Reason = None) -> None:
    """Close a project, for good: it takes no new batch. Its open batches go on."""
    _move(caller, project, ProjectStatus.CLOSED, reason)


@command(app, "list")
def list_(caller: Caller) -> None:
    """List all projects of the workspace (operators only)."""
    answer = caller.client.call("project.list")
    caller.show(answer, lambda out: out.print(project_table(answer["projects"])))


@command(app)
def show(caller: Caller, project: _Project) -> None:
    """Show a project: its form, its status, where it is."""
    answer = caller.client.call("project.show", project=project)
    caller.show(answer, lambda out: show_project(answer, out))
    caller.next(f"gtplus batch list {project}")


def _move(caller: Caller, project: str, status: str, reason: str | None) -> None:
    answer = caller.client.call("project.status", project=project, status=status, **given(reason=reason))
    caller.show(answer, lambda out: out.print(f"project [bold]{project}[/bold]: {answer['status']}"))
