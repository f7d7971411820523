"""One local cloud with the example app deployed, for all tests of a worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gtplus_cli.local import Deployment, LocalCloud, Toolchain, deploy
from tests.e2e.world import World

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def unvalidated() -> Iterator[None]:
    """`tests/template` validates the templates strictly; at each deploy here that would be half of a synth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        yield


@pytest.fixture(scope="session")
def tools() -> Toolchain:
    """The tools of the checkout, set up once."""
    return Toolchain(ROOT / ".local" / "tools")


@pytest.fixture(scope="session")
def deployed(tools: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LocalCloud, Deployment]]:
    """The example app in a local cloud, by the real CDK CLI."""
    with LocalCloud(tmp_path_factory.mktemp("cloud"), tools=tools, wait_scale=0.1) as cloud:
        yield cloud, deploy(cloud, cwd=ROOT, context={"gtplus:localCloud": "true"})


@pytest.fixture(scope="session")
def shared_world(deployed: tuple[LocalCloud, Deployment]) -> World:
    """The people of the example app."""
    return World(*deployed)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The same for each test; the batches that a test leaves in transfer are cancelled, since five fill the line."""
    yield shared_world
    shared_world.clear_transfers()
