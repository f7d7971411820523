"""`gtplus team`: invite, list and remove the people of a project."""

from typing import Annotated

import typer
from rich.table import Table

from gtplus_cli.caller import Caller, command
from gtplus_cli.registry import read_place
from gtplus_cli.team import MAX_INVITED, Team
from gtplus_runtime.lifecycle import TEAM_DUTIES, Duty
from gtplus_runtime.problems import Problem, Refused, shown

app = typer.Typer(no_args_is_help=True, help="Invite, list and remove the people of a project.")

_DUTIES = ", ".join(TEAM_DUTIES)
_Project = Annotated[str, typer.Argument(help="Id of the project.", metavar="PROJECT")]
_Emails = Annotated[list[str], typer.Argument(help=f"E-mail addresses, at most {MAX_INVITED}.", metavar="EMAIL…")]


@command(app)
def invite(
    caller: Caller,
    project: _Project,
    emails: _Emails,
    *,
    duty: Annotated[str, typer.Option(help=f"What they may do: {_DUTIES}.")],
) -> None:
    """Invite people by e-mail and give them a duty in the project."""
    done = _team(caller, project).invite(emails, _duty(duty))
    caller.show({"done": done}, lambda out: out.print("\n".join(done)))
    caller.next(f"gtplus team list {project}")


@command(app, "list")
def list_(caller: Caller, project: _Project) -> None:
    """List the people of the project, with their duties."""
    members = _team(caller, project).members()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("E-mail", "Duty", "State"):
        table.add_column(column)
    for member in members:
        table.add_row(member["email"], member["duty"], member["state"])
    caller.show({"members": members}, lambda out: out.print(table))


@command(app)
def check(caller: Caller, project: _Project) -> None:
    """Check that the user pool, its app client and the project's groups are there, and set as they must be."""
    _team(caller, project).check()
    caller.show({"ready": True}, lambda out: out.print(f"the team of {project} is ready"))


@command(app)
def remove(
    caller: Caller,
    project: _Project,
    emails: _Emails,
    *,
    duty: Annotated[str | None, typer.Option(help=f"Only this duty: {_DUTIES}. Default: all.")] = None,
) -> None:
    """Take duties in the project from people; their accounts stay."""
    done = _team(caller, project).remove(emails, _duty(duty) if duty else None)
    caller.show({"done": done}, lambda out: out.print("\n".join(done)))


def _team(caller: Caller, project: str) -> Team:
    facts = caller.client.facts  # first, so that a workspace that is missing is told as such
    place = read_place(caller.session, caller.workspace, project)
    return Team(caller.session, facts["userPool"], facts.get("userPoolClient"), project, place["groups"])


def _duty(text: str) -> Duty:
    if text not in TEAM_DUTIES:
        raise Refused(400, "there is no such duty", [Problem("--duty", f"one of {_DUTIES}", shown(text), "choose one")])
    return Duty(text)
