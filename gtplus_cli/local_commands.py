"""`gtplus local`: an account of its own on this machine, with an app deployed into it."""

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from gtplus_runtime.problems import Problem, Refused

if TYPE_CHECKING:
    from gtplus_cli.local import LocalCloud

app = typer.Typer(no_args_is_help=True, help="An AWS account on this machine, with your app deployed into it.")

STATE = Path(".local") / "up"
TOOLS = Path(".local") / "tools"
_ROLE = re.compile(r"arn:[a-z-]+:iam::\d+:role/.+")
_App = Annotated[Path, typer.Option("--app", help="Folder of the app.", exists=True, file_okay=False)]


@app.command()
def up(
    folder: _App = Path(),
    *,
    keep: Annotated[bool, typer.Option(help="Keep tables, objects and functions over a stop.")] = False,
) -> None:
    """Start the local cloud, or deploy anew into the one that runs, and leave it running."""
    from gtplus_cli.local import deploy

    find_app(folder)
    out = Console(highlight=False)

    def announce(step: str, seconds: float | None) -> None:
        if seconds is not None:
            out.print(f"[green]✓[/green] {step:<24} [dim]{seconds:.1f} s[/dim]")

    cloud = _cloud(keep=keep)
    running = cloud.status() or cloud.start(announce)
    deployment = deploy(cloud, cwd=folder, context={"gtplus:localCloud": "true"}, announce=announce)
    roles = {
        profile_name(name): value
        for outputs in deployment.outputs.values()
        for name, value in outputs.items()
        if _ROLE.fullmatch(value)
    }
    cloud.profiles.write(roles)
    out.print(f"the local cloud is at {running.endpoint}: {deployment.resources} resources, IAM enforced")
    out.print(f"the roles are profiles: {', '.join(sorted(roles))}")
    out.print('act as one of them: [bold]eval "$(gtplus local env)"[/bold], then gtplus … --profile NAME')
    out.print("[dim]next:[/dim] gtplus project request …  ·  gtplus local down")


@app.command()
def down() -> None:
    """Stop the local cloud."""
    stopped = _cloud().stop()
    typer.echo("stopped" if stopped else "it was not running")


@app.command()
def status() -> None:
    """Say whether the local cloud runs, and who can act in it."""
    cloud = _cloud()
    running = cloud.status()
    if running is None:
        typer.echo("not running; start it: gtplus local up")
        raise typer.Exit(1)
    typer.echo(f"running at {running.endpoint} since {running.since} (process {running.pid})")
    typer.echo(f"profiles: {', '.join(cloud.profiles.read())}")
    typer.echo('to act as one of them: eval "$(gtplus local env)"')


@app.command()
def env() -> None:
    """Print what a shell needs so that `--profile` means the local cloud: `eval "$(gtplus local env)"`."""
    ours = _cloud().profiles.environment("unused")
    # What would win over a profile is taken out of the way.
    for variable in sorted({name for name in os.environ if name.startswith("AWS_")} - ours.keys() | {"AWS_PROFILE"}):
        typer.echo(f"unset {variable}")
    for variable, value in ours.items():
        if variable != "AWS_PROFILE":
            typer.echo(f"export {variable}={shlex.quote(value)}")


def _cloud(*, keep: bool = False) -> "LocalCloud":
    """The local cloud of this folder; imported here, since it needs more than the command against an account does."""
    from gtplus_cli.local import LocalCloud, Toolchain

    return LocalCloud(STATE, tools=Toolchain(TOOLS.absolute()), keep=keep)


def find_app(folder: Path) -> None:
    """Refuse a folder without an app before anything is started.

    Raises:
        Refused: there is no `app.py`.
    """
    if not (folder / "app.py").is_file():
        problem = Problem("--app", "a folder with an app.py", str(folder.absolute()), "go there, or name it with --app")
        raise Refused(400, "there is no app to deploy", [problem])


def profile_name(output: str) -> str:
    """The profile of a stack output that holds a role: `StreetSignsRequesterRole` is `street-signs-requester`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+", output.removesuffix("Role"))
    return "-".join(word.lower() for word in words)
