"""What is deployed or restarted while batches are open: each goes on, in the newest definition and handlers.

In a local cloud of its own, whose state is kept over a restart; the newer version is a copy of the runtime with one
status more and a handler that does more.
"""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gtplus_cli.local import LocalCloud, Toolchain, deploy
from tests.e2e.conftest import ROOT
from tests.e2e.world import MAIN_LINE, World, eventually
from tests.newer import NEW_STATUS, copy_with_a_status_more

pytestmark = pytest.mark.xdist_group("upgrade")

CONTEXT = {"gtplus:localCloud": "true"}


def newer_version(folder: Path) -> Path:
    """A copy of the runtime: a status between *Data received* and *In progress*, and another handler."""
    runtime = copy_with_a_status_more(folder)
    handlers = runtime / "handlers"
    shutil.copy(handlers / "in_progress.py", handlers / "triaged_by_hand.py")
    received = handlers / "data_received.py"
    text = received.read_text()
    assert text.count("    batch.leave_transfer()\n") == 1
    more = '    batch.note(madeBy="the newer version")\n    batch.leave_transfer()\n'
    received.write_text(text.replace("    batch.leave_transfer()\n", more))
    return folder


class Town:
    """A cloud of its own, with batches that were open when the newer version was deployed."""

    def __init__(self, cloud: LocalCloud, newer: Path) -> None:
        self.cloud = cloud
        self.world = World(cloud, deploy(cloud, cwd=ROOT, context=CONTEXT))
        self.waiting = self.parked_at(4)
        self.in_transfer = self.parked_at(2)
        self.overtaken = self.parked_at(3)
        self.definition = self.world.head(self.waiting)["parkedDefinition"]
        app = ["env", f"PYTHONPATH={newer}", sys.executable, "app.py"]
        self.deployment = deploy(cloud, cwd=ROOT, context=CONTEXT, app=app)

    def parked_at(self, position: int) -> str:
        batch = self.world.create()
        self.world.play(batch, MAIN_LINE[:position])
        self.world.handled(batch)
        return batch


@pytest.fixture(scope="module")
def town(tools: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    newer = newer_version(tmp_path_factory.mktemp("newer"))
    with LocalCloud(tmp_path_factory.mktemp("cloud"), tools=tools, keep=True) as cloud:
        yield Town(cloud, newer)


def execution_status(world: World, arn: str) -> str:
    return str(world.machine.describe_execution(executionArn=arn)["status"])


def test_after_a_deploy_what_waits_moves_to_the_newest_definition_and_goes_on_with_the_newest_handler(
    town: Town,
) -> None:
    world = town.world
    # A status that only the newer version knows is reported before any sweep, to an execution that does not know it.
    overtaken = world.execution_arn(town.overtaken)
    world.call("reporter", "batch.report", town.overtaken, status=NEW_STATUS)
    eventually(lambda: execution_status(world, overtaken) == "FAILED", "the older execution's end")

    older = {batch: world.execution_arn(batch) for batch in (town.waiting, town.in_transfer)}
    counts = world.reconcile()
    assert counts["rolledOver"] == 2
    assert counts["rebuilt"] == 1
    for batch, arn in older.items():
        head = eventually(
            lambda batch=batch: (h := world.head(batch)).get("parkedGeneration") == h["generation"] and h, "parked anew"
        )
        assert execution_status(world, arn) == "ABORTED"
        assert world.execution_arn(batch) != arn
        assert execution_status(world, world.execution_arn(batch)) == "RUNNING"
        assert head["parkedDefinition"] != town.definition
    # Nothing moved, and a second sweep finds nothing to do.
    assert world.statuses(town.waiting) == MAIN_LINE[:4]
    assert world.reconcile()["rolledOver"] == 0

    world.handled(town.overtaken)
    assert world.first_runs(town.overtaken) == [*MAIN_LINE[:3], NEW_STATUS]
    world.report(town.in_transfer, "Data received")
    world.handled(town.in_transfer)
    assert world.head(town.in_transfer)["facts"]["madeBy"] == "the newer version"
    world.report(town.in_transfer, NEW_STATUS)
    world.report(town.in_transfer, "In progress")
    world.handled(town.in_transfer)
    assert world.first_runs(town.in_transfer) == [*MAIN_LINE[:3], NEW_STATUS, "In progress"]


def test_after_a_restart_that_kept_the_table_every_batch_goes_on(town: Town) -> None:
    """The running executions come back failed, and their tokens are gone."""
    batches = [town.waiting, town.parked_at(5), town.parked_at(2)]
    reached = {batch: town.world.statuses(batch) for batch in batches}
    town.cloud.stop()
    town.cloud.start()
    world = town.world = World(town.cloud, town.deployment)
    assert all(execution_status(world, world.execution_arn(batch)) == "FAILED" for batch in batches)
    assert world.reconcile()["rebuilt"] >= len(batches)
    for batch in batches:
        assert world.statuses(batch) == reached[batch]
        done = len(reached[batch])
        for offset, status in enumerate(MAIN_LINE[done:]):
            world.play_next(batch, status)
            world.reached(batch, done + offset + 1, status)
        world.handled(batch)
        assert world.statuses(batch) == MAIN_LINE
