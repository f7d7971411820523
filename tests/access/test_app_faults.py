"""A line too many in a consumer's app is caught, with whatever feature flags the app has set."""

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest

from tests.access.conftest import WorldOf
from tests.access.faults_app import APP_FAULTS, AppFault
from tests.access.promises import PROMISES
from tests.access.town import FLAGS, OURS, build
from tests.access.world import World


@pytest.mark.parametrize("flags", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in FLAGS])
@pytest.mark.parametrize("fault", APP_FAULTS, ids=lambda fault: fault.name)
def test_is_caught(tmp_path_factory: pytest.TempPathFactory, world_of: WorldOf, fault: AppFault, flags: str) -> None:
    town = build(tmp_path_factory.mktemp("cdk.out"), FLAGS[flags](), places=(OURS,))
    fault.change(town)
    # To ask the app for its names again takes as long as to synthesize it.
    names = world_of(flags, places=(OURS,)).names
    faulty = World(template(town.stack), names)
    assert names.resources <= set(faulty.body["Resources"])
    with pytest.raises(AssertionError):
        PROMISES[fault.promise](faulty)


def template(stack: cdk.Stack) -> dict[str, Any]:
    stage = cdk.Stage.of(stack)
    assert stage is not None
    body: dict[str, Any] = stage.synth().get_stack_artifact(stack.artifact_id).template
    return body


def test_there_are_ten_and_more() -> None:
    changes: set[Callable[..., object]] = {fault.change for fault in APP_FAULTS}
    assert len(changes) == len(APP_FAULTS) >= 10
