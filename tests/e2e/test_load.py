"""Many batches at once, commands that come twice and in any order; then the same while functions fail.

50 batches in a plain run, as many as `GTPLUS_LOAD` says on demand.
"""

import io
import os
import random
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

import gtplus_runtime
from gtplus_runtime.lifecycle import BATCH
from tests.e2e.watcher import Watcher
from tests.e2e.world import MAIN_LINE, REWORK, World

pytestmark = pytest.mark.xdist_group("batches")

BATCHES = int(os.environ.get("GTPLUS_LOAD", "50"))
TOGETHER = 6
FAILING = 3
RUNTIME = Path(gtplus_runtime.__file__).parent
CHAOS = """
import importlib, os, random

inner = importlib.import_module(os.environ["CHAOS_HANDLER"].removesuffix(".handler")).handler


def handler(event, context):
    dice = random.random()
    if dice < 0.1:
        raise RuntimeError("before it began")
    answer = inner(event, context)
    if dice > 0.9:
        raise RuntimeError("after it ended")
    return answer
"""


def play(world: World, watcher: Watcher, way: list[str], number: int) -> str:
    """A batch from its request to its end; every command is sent twice now and then, or before its time."""
    chance = random.Random(number)
    batch = world.create(objects=1)
    for position, status in enumerate(way, 1):
        world.play_next(batch, status)
        if chance.random() < 0.3 and status in ("Data received", "In progress"):
            world.report(batch, status)
        # Now and then somebody goes on while the handler is still at it.
        watcher.wait(batch, **{"seq" if chance.random() < 0.3 else "handled": position})
    watcher.wait(batch, handled=len(way))
    return batch


def test_many_batches_side_by_side_all_end_where_they_should(world: World) -> None:
    ways = [REWORK if number % 5 == 0 else MAIN_LINE for number in range(BATCHES)]
    order = list(enumerate(ways))
    random.Random(7).shuffle(order)
    with Watcher(world) as watcher, ThreadPoolExecutor(TOGETHER) as pool:
        batches = list(pool.map(lambda numbered: (play(world, watcher, numbered[1], numbered[0]), numbered[1]), order))
    for batch, way in batches:
        assert world.statuses(batch) == world.first_runs(batch) == way


@contextmanager
def failing_functions(world: World) -> Iterator[None]:
    """Every status handler and the dispatcher fail at random, before they begin or after they ended."""
    client = world.root.client("lambda")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("chaos.py", CHAOS)
        for file in RUNTIME.rglob("*.py"):
            zipped.write(file, f"gtplus_runtime/{file.relative_to(RUNTIME)}")
    names = [world.function("".join(word.capitalize() for word in status.slug.split("_"))) for status in BATCH]
    changed = {}
    for name in [*names, world.function("Dispatcher")]:
        before = client.get_function_configuration(FunctionName=name)
        changed[name] = (before["Handler"], before["Environment"])
        variables = before["Environment"]["Variables"] | {"CHAOS_HANDLER": before["Handler"]}
        client.update_function_code(FunctionName=name, ZipFile=archive.getvalue())
        client.update_function_configuration(
            FunctionName=name, Handler="chaos.handler", Environment={"Variables": variables}
        )
    try:
        yield
    finally:
        for name, (handler, environment) in changed.items():
            client.update_function_configuration(FunctionName=name, Handler=handler, Environment=environment)


def test_the_same_while_handlers_and_the_dispatcher_fail_at_random(world: World) -> None:
    ended = threading.Event()

    def sweep() -> None:
        # As the schedule does, only more often.
        while not ended.wait(2):
            world.reconcile()

    with (
        failing_functions(world),
        Watcher(world) as watcher,
        ThreadPoolExecutor(5) as pool,
        ThreadPoolExecutor(1) as sweeper,
    ):
        sweeping = sweeper.submit(sweep)
        try:
            batches = list(pool.map(lambda number: play(world, watcher, MAIN_LINE, number), range(FAILING)))
        finally:
            ended.set()
        sweeping.result()
    for batch in batches:
        assert world.statuses(batch) == world.first_runs(batch) == MAIN_LINE
    # They did fail.
    assert sum(failed_attempts(world, batch) for batch in batches) > 0


def failed_attempts(world: World, batch: str) -> int:
    """How often a task of the present execution failed and was tried again."""
    pages = world.machine.get_paginator("get_execution_history").paginate(executionArn=world.execution_arn(batch))
    return sum("Failed" in event["type"] for page in pages for event in page["events"])
