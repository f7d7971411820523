"""The command `gtplus`."""

import sys

try:
    import typer
    from rich.console import Console
except ModuleNotFoundError as missing:  # the constructs are installed without what only the command needs
    sys.exit(f"the command needs more than the constructs do ({missing.name}): pip install 'gtplus-constructs[cli]'")

from pathlib import Path
from typing import Annotated

from gtplus_cli import access_commands, batch_commands, labels_commands, local_commands, project_commands, team_commands
from gtplus_cli.errors import guarded

app = typer.Typer(
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    help="Labeling the SageMaker Ground Truth Plus way, in an AWS account of your own.",
)
app.add_typer(project_commands.app, name="project")
app.add_typer(batch_commands.app, name="batch")
app.add_typer(labels_commands.app, name="labels")
app.add_typer(team_commands.app, name="team")
app.add_typer(access_commands.app, name="access")
app.add_typer(local_commands.app, name="local")


@app.command()
def demo(
    *,
    error_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share that the simulated workforce labels wrong in round 1.")
    ] = 0.12,
    seed: Annotated[int, typer.Option(help="Seed of those errors.")] = 7,
    folder: Annotated[Path, typer.Option("--app", help="Folder of app.py.", exists=True, file_okay=False)] = Path(),
) -> None:
    """Run the main job in the local cloud: from a real deploy to delivered labels. The labelers are simulated."""
    from gtplus_cli.demo import Demo

    local_commands.find_app(folder)
    Demo(folder.absolute(), Console(), error_rate=error_rate, seed=seed).run()


def run() -> None:
    """Run the command, and exit."""
    sys.exit(guarded(app, Console(stderr=True)))


if __name__ == "__main__":
    run()
