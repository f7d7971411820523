"""The command `gtplus`."""

import sys

try:
    import typer
    from rich.console import Console
except ModuleNotFoundError as missing:  # the constructs are installed without what only the command needs
    sys.exit(f"the command needs more than the constructs do ({missing.name}): pip install 'gtplus-constructs[cli]'")

from pathlib import Path
from typing import Annotated

from gtplus_cli import (
    access_commands,
    batch_commands,
    dlq_commands,
    event_commands,
    labels_commands,
    local_commands,
    notify_commands,
    project_commands,
    team_commands,
)
from gtplus_cli.caller import command
from gtplus_cli.errors import guarded
from gtplus_cli.metrics_commands import metrics
from gtplus_runtime.problems import Problem, Refused

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
app.add_typer(event_commands.app, name="events")
app.add_typer(dlq_commands.app, name="dlq")
app.add_typer(notify_commands.app, name="notify")
app.add_typer(local_commands.app, name="local")
command(app)(metrics)


@app.command()
def demo(
    *,
    images: Annotated[
        Path | None,
        typer.Option(help="Label this folder of images; without --manifest their folders are the classes."),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Replay the labels of this augmented manifest.", exists=True, dir_okay=False)
    ] = None,
    attribute: Annotated[str | None, typer.Option(help="Label attribute of --manifest. Default: its only one.")] = None,
    error_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share that the simulated workforce labels wrong in round 1.")
    ] = 0.12,
    seed: Annotated[int, typer.Option(help="Seed of those errors.")] = 7,
    folder: Annotated[Path, typer.Option("--app", help="Folder of app.py.", exists=True, file_okay=False)] = Path(),
) -> None:
    """Run the main job in the local cloud: from a real deploy to delivered labels. The labelers are simulated."""
    from gtplus_cli.demo import Demo
    from gtplus_cli.simulation import Digits, OwnImages

    local_commands.find_app(folder)
    if images is None:
        given = [name for name, value in (("--manifest", manifest), ("--attribute", attribute)) if value is not None]
        if given:
            problem = Problem(given[0], "goes with --images", "", "name the folder of the images")
            raise Refused(400, "the demo was not started: 1 problem", [problem])
        Demo(folder.absolute(), Console(), Digits(error_rate, seed)).run()
        return
    if not images.is_dir():
        problem = Problem("--images", "is a folder", str(images), "name a folder of images")
        raise Refused(400, "the demo was not started: 1 problem", [problem])
    own = OwnImages(images, manifest, attribute, error_rate=error_rate, seed=seed)
    Demo(folder.absolute(), Console(), own).run()


def run() -> None:
    """Run the command, and exit."""
    sys.exit(guarded(app, Console(stderr=True)))


if __name__ == "__main__":
    run()
