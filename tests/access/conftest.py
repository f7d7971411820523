"""The worlds that the tests share: a synth costs seconds, so each is made once in a process."""

from collections.abc import Callable
from functools import cache
from typing import TypeAlias

import aws_cdk as cdk
import pytest

# So that a promise that is broken shows by which values.
pytest.register_assert_rewrite(
    *(f"tests.access.promises_{part}" for part in ("engine", "people", "roles", "storage", "template")),
    "tests.access.promise",
)

from tests.access.town import FLAGS, PLACES, build  # noqa: E402
from tests.access.world import World, names_of  # noqa: E402

WorldOf: TypeAlias = Callable[..., World]


@pytest.fixture(scope="session")
def world_of(tmp_path_factory: pytest.TempPathFactory) -> WorldOf:
    """Makes the world of a consumer with some feature flags, its projects revoked in the app or not."""

    @cache
    def make(flags: str, *, revoked: bool = False, places: tuple[str, ...] = PLACES) -> World:
        town = build(tmp_path_factory.mktemp("cdk.out"), FLAGS[flags](), revoked=revoked, places=places)
        stage = cdk.Stage.of(town.stack)
        assert stage is not None
        body = stage.synth().get_stack_artifact(town.stack.artifact_id).template
        return World(body, names_of(town), revoked)

    return make
