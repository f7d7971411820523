"""The options that every command shares, and the caller that they make."""

import inspect
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, wraps
from typing import Annotated, Any

import boto3
import typer
from botocore.exceptions import BotoCoreError
from rich.console import Console

from gtplus_cli.client import Unreachable, WorkspaceClient

_OPTIONS = "Caller"
_Profile = Annotated[str | None, typer.Option(help="AWS profile whose credentials sign.", rich_help_panel=_OPTIONS)]
_Region = Annotated[str | None, typer.Option(help="AWS region of the workspace.", rich_help_panel=_OPTIONS)]
_Workspace = Annotated[
    str, typer.Option(help="Name of the workspace.", envvar="GTPLUS_WORKSPACE", rich_help_panel=_OPTIONS)
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.", rich_help_panel=_OPTIONS)]

_SHARED: tuple[tuple[str, Any, Any], ...] = (
    ("profile", _Profile, None),
    ("region", _Region, None),
    ("workspace", _Workspace, "labeling"),
    ("as_json", _Json, False),
)


@dataclass
class Caller:
    """Who calls which workspace, and how answers are shown."""

    profile: str | None = None
    region: str | None = None
    workspace: str = "labeling"
    as_json: bool = False

    @cached_property
    def session(self) -> boto3.Session:
        """The AWS session."""
        try:
            # Of the two names that the environment has for a region boto3 reads AWS_DEFAULT_REGION alone.
            region = self.region or os.environ.get("AWS_REGION") or None
            session = boto3.Session(profile_name=self.profile, region_name=region)
        except BotoCoreError as error:
            raise Unreachable(f"{error}: name one with --profile") from None
        if session.region_name is None:
            raise Unreachable("no region is set: name one with --region, in the profile, or in AWS_REGION")
        return session

    @cached_property
    def client(self) -> WorkspaceClient:
        """The API of the workspace."""
        return WorkspaceClient(self.session, self.workspace)

    @cached_property
    def out(self) -> Console:
        """Where answers go."""
        return Console(highlight=False)

    def show(self, answer: Any, people: Callable[[Console], None]) -> None:
        """Show an answer: as JSON for a program, or as it is for people."""
        if self.as_json:
            json.dump(answer, sys.stdout, indent=2)
            sys.stdout.write("\n")
        else:
            people(self.out)

    def next(self, text: str) -> None:
        """Say what one would do next."""
        if not self.as_json:
            self.out.print(f"[dim]next:[/dim] {text}")


def given(**fields: Any) -> dict[str, Any]:
    """The fields that were given: an option that was left out is no field."""
    return {name: value for name, value in fields.items() if value is not None}


def command(app: typer.Typer, name: str | None = None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a command whose first parameter is the caller; it gets the shared options in its place."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(function, eval_str=True)
        own = list(signature.parameters.values())[1:]
        keyword = inspect.Parameter.KEYWORD_ONLY
        shared = [inspect.Parameter(n, keyword, annotation=kind, default=default) for n, kind, default in _SHARED]

        @wraps(function)
        def run(*args: Any, **options: Any) -> None:
            caller = Caller(**{n: options.pop(n) for n, _, _ in _SHARED})
            function(caller, *args, **options)

        parameters = [parameter.replace(kind=keyword) for parameter in own] + shared
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name)(run)
        return function

    return register
