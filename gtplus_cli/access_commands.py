"""`gtplus access`: show, revoke and restore what a project's data role may reach."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gtplus_cli.access import Access, AccessControl
from gtplus_cli.caller import Caller, command

app = typer.Typer(no_args_is_help=True, help="Show, revoke and restore a project's access to its data.")

_Project = Annotated[str, typer.Argument(help="Id of the project.", metavar="PROJECT")]
_Buckets = Annotated[list[str] | None, typer.Option("--bucket", help="A bucket of the project. Default: all of them.")]


@command(app)
def show(caller: Caller, project: _Project) -> None:
    """Show what the data role may reach, and where the account is not as the app declares."""
    access = AccessControl(caller.session, caller.workspace, project).show()
    caller.show(access.as_json(), lambda out: _show(access, out))
    if access.drift:
        raise typer.Exit(1)


@command(app)
def revoke(
    caller: Caller,
    project: _Project,
    *,
    bucket: _Buckets = None,
    sessions: Annotated[bool, typer.Option("--sessions", help="Cut off every session that has begun, too.")] = False,
) -> None:
    """Deny the data role its buckets, at once and without a deploy. Repeating it is safe."""
    done = AccessControl(caller.session, caller.workspace, project).revoke(bucket or (), sessions=sessions)
    caller.show({"done": done}, lambda out: _list(done, out))
    caller.next(f"gtplus access show {project}; gtplus access restore {project} undoes it")


@command(app)
def restore(caller: Caller, project: _Project, *, bucket: _Buckets = None) -> None:
    """Undo a revocation: the data role may do again what the app grants."""
    done = AccessControl(caller.session, caller.workspace, project).restore(bucket or ())
    caller.show({"done": done}, lambda out: _list(done, out))
    caller.next(f"gtplus access show {project}")


def _list(lines: list[str], out: Console) -> None:
    for line in lines:
        out.print(f"[green]✓[/green] {line}")


def _show(access: Access, out: Console) -> None:
    out.print(f"role      {access.role_arn}", soft_wrap=True)
    for principal in access.trusted:
        out.print(f"trusts    {principal}", soft_wrap=True)
    if access.sessions_before:
        out.print(f"[red]sessions from before {access.sessions_before} are cut off[/red]")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Bucket", "Reads", "Writes", "Access"):
        table.add_column(column, overflow="fold")
    for bucket in access.buckets:
        layer = {True: "", False: " (at the role only)", None: ""}[bucket.second_layer]
        state = f"[red]revoked{layer}[/red]" if bucket.revoked else "[green]granted[/green]"
        if bucket.revoked_in_app:
            state = "[red]revoked by the app[/red]"
        table.add_row(bucket.grant.bucket, ", ".join(bucket.grant.read), ", ".join(bucket.grant.write), state)
    out.print(table)
    for line in access.drift:
        out.print(f"[yellow]drift[/yellow]     {line}")
    if not access.drift:
        out.print("the account is as the app declares")
