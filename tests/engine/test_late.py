"""A handler that hangs, is given up and goes on later: each one, before each change that it makes, beside its own retry
and beside a newer generation. What it writes then takes nobody's place.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from gtplus_constructs._definition import on
from gtplus_runtime.store import Key
from tests.engine.cloud import BUCKET, PROJECT, Cloud, Execution, Hanging
from tests.engine.test_engine import Engine
from tests.engine.test_poison import rest

BATCH = "b0"
Step = Callable[[Engine], None]


def go_on(good: bool) -> Step:
    return lambda engine: engine.go_on(BATCH, good)


def decide(verb: str) -> Step:
    return lambda engine: engine.decide(BATCH, verb)


def fail(engine: Engine) -> None:
    engine.report(BATCH, "Data transfer failed", False, False)


def s3_tells(engine: Engine) -> None:
    engine.s3_tells(0)


CREATE, IN_PROGRESS, LABELED, REVIEWED, ACCEPTED = (go_on(True) for _ in range(5))
REJECTED, DELIVERED = go_on(False), go_on(True)
MAIN_LINE = [CREATE, IN_PROGRESS, LABELED, REVIEWED, REJECTED, LABELED, REVIEWED, ACCEPTED, DELIVERED, s3_tells]
WAYS: dict[str, list[Step]] = {
    "Request submitted": MAIN_LINE,
    "Data transfer in progress": MAIN_LINE,
    "Data received": MAIN_LINE,
    "In progress": MAIN_LINE,
    "Ready for review": MAIN_LINE,
    "Review submission in progress": MAIN_LINE,
    "Review complete": MAIN_LINE,
    "Rejected": MAIN_LINE,
    "Sent for rework": MAIN_LINE,
    "Accepted": MAIN_LINE,
    "Ready for delivery": MAIN_LINE,
    "Data delivered": MAIN_LINE,
    "Paused": [CREATE, IN_PROGRESS, decide("pause"), decide("resume"), LABELED],
    "Cancelled": [CREATE, decide("cancel")],
    "Data transfer failed": [CREATE, fail],
}
"""How a batch comes to each status, and goes on after it."""


@contextmanager
def new_engine() -> Iterator[Engine]:
    engine = Engine()
    try:
        yield engine
    finally:
        engine.cloud.end()
        engine.patch.undo()


def come_to(engine: Engine, status: str, way: Iterator[Step]) -> Execution:
    """Go as far as to the handler of a status, which is about to run."""
    cloud = engine.cloud
    for step in way:
        step(engine)
        while engine.steppable or cloud.table.records:
            for execution in engine.steppable:
                if execution.state == on(status):
                    return execution
            if engine.steppable:
                cloud.step(engine.steppable[0])
            else:
                cloud.dispatch(cloud.table.records.pop(0))
    raise AssertionError(f"it never comes to {status}")


def meanwhile(engine: Engine, status: str) -> None:
    """What a handler reads changes before it runs once more."""
    objects = engine.cloud.bucket.objects
    if status == "Request submitted":
        objects[f"raw/{BATCH}/0.txt"] = b"y", engine.cloud.now
    if status == "Ready for review":
        key = f"labels/{BATCH}/round-1/output.manifest"
        objects[key] = objects[key][0].replace(b'"label": 0', b'"label": 1'), engine.cloud.now


def everything(cloud: Cloud) -> tuple[dict[Any, Any], dict[str, bytes]]:
    """The table, but for how often a line was changed; and the objects."""
    items = {key: {n: v for n, v in item.items() if n != "version"} for key, item in cloud.table.items.items()}
    return items, {key: content for key, (content, _) in cloud.bucket.objects.items()}


@pytest.mark.parametrize("far", [False, True], ids=["at once", "at the end"])
@pytest.mark.parametrize("newer", [False, True], ids=["beside its retry", "beside a newer generation"])
@pytest.mark.parametrize("status", WAYS)
def test_a_handler_that_goes_on_late_changes_nothing(status: str, newer: bool, far: bool) -> None:
    hung = 0
    while True:
        with new_engine() as engine:
            cloud, way = engine.cloud, iter(WAYS[status])
            execution = come_to(engine, status, way)
            cloud.hang_before(hung)
            cloud.step(execution)
            if not cloud.late:
                break
            (handler,) = cloud.late
            assert isinstance(handler, Hanging)
            meanwhile(engine, status)
            if newer:
                cloud.store.raise_generation(Key(PROJECT, BATCH), 1, "2026", failed=False)
            rest(cloud)
            for step in way if far else ():
                step(engine)
                rest(cloud)
            items, objects = everything(cloud)
            handler.go_on()
            cloud.late.clear()
            now, there = everything(cloud)
            assert now == items
            assert {key: there[key] for key in objects} == objects
            new = [key for key in there if key not in objects]
            assert all("/gtplus/" in key for key in new), f"{new} in {BUCKET}"
        hung += 1
    assert hung > 0, "it changes something"
