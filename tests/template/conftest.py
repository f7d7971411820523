"""Synthesized templates that the tests share: a synth costs seconds, so each is made once in a process."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import aws_cdk as cdk
import pytest

from gtplus_constructs import DataGrant, LabelingBucket, LabelingProject, LabelingWorkspace
from tests.template.support import Body, Scene, body

ROOT = Path(__file__).parents[2]
CONTEXT = json.loads((ROOT / "cdk.json").read_text())["context"]
"""The context that every deploy of the example has; strict validation of the template among it."""

NewApp: TypeAlias = Callable[..., cdk.App]


@pytest.fixture(scope="session")
def new_app(tmp_path_factory: pytest.TempPathFactory) -> NewApp:
    """Makes an app with the context of `cdk.json`, and more."""

    def make(context: dict[str, Any] | None = None) -> cdk.App:
        return cdk.App(context={**CONTEXT, **(context or {})}, outdir=str(tmp_path_factory.mktemp("cdk.out")))

    return make


@pytest.fixture(scope="session")
def example(new_app: NewApp) -> cdk.Stack:
    """The stack of `app.py`, run as `cdk deploy` runs it."""
    app = new_app()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cdk, "App", lambda: app)
        specification = importlib.util.spec_from_file_location("example_app", ROOT / "app.py")
        assert specification is not None
        assert specification.loader is not None
        specification.loader.exec_module(importlib.util.module_from_spec(specification))
    (stack,) = (child for child in app.node.children if isinstance(child, cdk.Stack))
    return stack


@pytest.fixture(scope="session")
def example_body(example: cdk.Stack) -> Body:
    """The template of `app.py`."""
    return body(example)


@pytest.fixture(scope="session")
def scene(new_app: NewApp) -> Scene:
    """A stack for questions of access."""
    stack = cdk.Stack(new_app(), "Scene", env=cdk.Environment(region="us-east-1"))
    workspace = LabelingWorkspace(stack, "Workspace")
    streets, portraits = LabelingBucket(stack, "Streets"), LabelingBucket(stack, "Portraits")

    def project(id: str, bucket: LabelingBucket, read: str, write: str) -> LabelingProject:
        return LabelingProject(stack, id, workspace=workspace, data=DataGrant(bucket, read=read, write=write))

    return Scene(
        stack,
        workspace,
        streets,
        portraits,
        signs=project("Signs", streets, "raw/", "labels/"),
        signs_2=project("Signs-2", streets, "raw-2/", "labels-2/"),
        faces=project("Faces", portraits, "raw/", "labels/"),
    )
