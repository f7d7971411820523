"""The reconciler: what it asks Step Functions for, what it counts, and that one bad head holds up no other."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gtplus_runtime import aws
from gtplus_runtime.handlers import reconciler
from gtplus_runtime.places import Limits, Place
from gtplus_runtime.protocol import STALL_SECONDS, execution_name
from gtplus_runtime.store import Busy, Key

KEYS = [Key("one", "b"), Key("two", "b"), Key("three", "b")]
NEWEST = "v2"


def head(key: Key, **more: Any) -> dict[str, Any]:
    """A batch that waits in the newest definition, and is not overdue."""
    return {
        "batch": key.batch,
        "uid": key.project,
        "status": "In progress",
        "seq": 4,
        "handled": 4,
        "generation": 1,
        "parkedGeneration": 1,
        "parkedDefinition": NEWEST,
        "open": "open",
        "since": aws.timestamp(),
        **more,
    }


class Table:
    """Open batches, each of a project with a provider of its own, and what is written."""

    def __init__(self) -> None:
        self.heads = {key: head(key) for key in KEYS}
        self.nudged: list[Key] = []
        self.raised: list[Key] = []
        self.counted: list[dict[str, Any]] = []
        self.reminded: list[tuple[Key, int]] = []
        self.looks: list[Key] = []
        self.unreadable: set[Key] = set()
        self.reads: list[list[tuple[str, str]]] = []
        self.failing_reads: set[int] = set()

    def open_batches(self) -> Iterator[Key]:
        yield from list(self.heads)

    def head(self, key: Key) -> dict[str, Any]:
        return {} if key in self.unreadable else self.heads[key]

    def read(self, places: Iterable[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
        self.reads.append(wanted := list(places))
        if len(self.reads) in self.failing_reads:
            raise Busy("left over every time")
        return {place: self.head(key) for place in wanted if (key := Key.parse(place[0]))}

    def transfers(self, provider: str) -> list[Key]:
        return [key for key in self.heads if key.project == provider]

    def nudge(self, key: Key, at: str) -> None:
        self.nudged.append(key)

    def raise_generation(self, key: Key, current: int, at: str, **counted: Any) -> bool:
        self.raised.append(key)
        self.counted.append(counted)
        return True

    def looked(self, key: Key, at: str) -> None:
        self.looks.append(key)

    def remind(self, key: Key, head: dict[str, Any], number: int, at: str) -> bool:
        self.reminded.append((key, number))
        return True


class Machine:
    """Executions that run, and how often each call was made."""

    class exceptions:
        class ExecutionDoesNotExist(Exception):
            pass

    def __init__(self, table: Table) -> None:
        self.running = {execution_name(head) for head in table.heads.values()}
        self.started = dict.fromkeys(self.running, datetime(2026, 1, 1, tzinfo=UTC))
        self.unlisted: set[str] = set()
        self.ended: dict[str, str] = {}
        self.calls: list[str] = []
        self.stopped: list[str] = []

    def get_paginator(self, _name: str) -> "Machine":
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        self.calls.append("list")
        listed = self.running - self.unlisted
        return [{"executions": [{"name": name, "startDate": self.started[name]} for name in listed]}]

    def describe_execution(self, executionArn: str) -> dict[str, Any]:
        self.calls.append("describe")
        name = executionArn.rpartition(":")[2]
        if name in self.ended:
            return {"status": self.ended[name], "startDate": self.started[name]}
        if name not in self.running:
            raise self.exceptions.ExecutionDoesNotExist
        return {"status": "RUNNING", "startDate": self.started[name]}

    def send_message(self, QueueUrl: str, MessageBody: str) -> None:
        self.calls.append(f"{QueueUrl} {MessageBody}")

    def stop_execution(self, executionArn: str, cause: str) -> None:
        self.stopped.append(executionArn.rpartition(":")[2])


class World:
    def __init__(self) -> None:
        self.table = Table()
        self.machine = Machine(self.table)
        self.promoted: list[str] = []
        self.broken_provider = ""

    def promote(self, table: Table, line: list[Key], place: Place) -> None:
        if place.provider == self.broken_provider:
            raise KeyError("status")
        self.promoted.append(place.provider)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setenv("GTPLUS_STATE_MACHINE", "arn:aws:states:us-east-1:111122223333:stateMachine:batches")
    monkeypatch.setenv("GTPLUS_DEFINITION", NEWEST)
    monkeypatch.setenv("GTPLUS_STORAGE_EVENTS", "queue")
    monkeypatch.setattr(aws, "client", lambda _: world.machine)
    monkeypatch.setattr(reconciler, "store", lambda: world.table)
    monkeypatch.setattr(reconciler, "find_place", lambda name: Place(name, name, Limits(), (), "", "", {}))
    monkeypatch.setattr(reconciler, "promote", world.promote)
    return world


def sweep() -> dict[str, int]:
    """What a sweep counts, without the zeros."""
    return {name: count for name, count in reconciler.handler({}, None).items() if count}


def test_batches_that_wait_cost_one_list_of_the_running_executions(world: World) -> None:
    assert sweep() == {}
    assert world.machine.calls == ["list"]


def test_no_open_batch_costs_no_call(world: World) -> None:
    world.table.heads.clear()
    assert sweep() == {}
    assert world.machine.calls == []


def test_heads_are_read_a_hundred_a_call_and_a_read_that_fails_holds_up_no_other(world: World) -> None:
    keys = [Key(f"project{number}", "b") for number in range(250)]
    world.table.heads = {key: head(key, handled=3) for key in keys}
    world.table.failing_reads = {2}
    assert sweep() == {"nudged": 150, "failed": 100}
    assert [len(read) for read in world.table.reads] == [100, 100, 50]
    assert world.table.nudged == keys[:100] + keys[200:]


def test_one_that_is_not_in_the_list_is_asked_for(world: World) -> None:
    """The list is some seconds old: one that has just begun may be missing."""
    world.machine.unlisted.add("b-one-1")
    assert sweep() == {}
    assert world.machine.calls == ["list", "describe"]


def test_where_the_list_fails_each_is_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: Any) -> None:
        world.machine.calls.append("list")
        raise RuntimeError("throttled")

    monkeypatch.setattr(world.machine, "paginate", refuse)
    assert sweep() == {"failed": 1}
    assert world.machine.calls == ["list", "describe", "describe", "describe"]


def test_one_that_has_not_begun_is_nudged(world: World) -> None:
    world.machine.running.remove("b-one-1")
    assert sweep() == {"nudged": 1}
    assert world.table.nudged == [KEYS[0]]


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "asked for"])
@pytest.mark.parametrize(
    ("running", "done"),
    [(STALL_SECONDS - 60, {}), (STALL_SECONDS + 60, {"rebuilt": 1})],
    ids=["let work", "rebuilt"],
)
def test_one_that_began_late_has_as_long_as_any_other(
    world: World, listed: bool, running: float, done: dict[str, int]
) -> None:
    """Nobody followed the batch for hours; else its first handler would be stopped a minute after each start."""
    if not listed:
        world.machine.unlisted.add("b-one-1")
    world.machine.started["b-one-1"] = aws.now() - timedelta(seconds=running)
    world.table.heads[KEYS[0]] |= {"seq": 1, "handled": 0, "parkedGeneration": None, "since": "2026-01-01T00:00:00Z"}
    counted = sweep()
    counted.pop("reminded")
    assert counted == done


@pytest.mark.parametrize(("ended", "failed"), [("FAILED", True), ("TIMED_OUT", True), ("ABORTED", False)])
def test_a_rebuild_after_a_failure_is_counted(world: World, ended: str, failed: bool) -> None:
    """So that the next one waits longer; what was stopped by hand did not fail."""
    world.machine.running.remove("b-one-1")
    world.machine.ended["b-one-1"] = ended
    world.table.heads[KEYS[0]] |= {"rebuilds": 3, "rebuiltFor": 4}
    assert sweep() == {"rebuilt": 1}
    assert world.table.counted == [{"failed": failed, "handled": 4, "failures": 3}]


def test_a_line_that_cannot_be_looked_at_holds_up_no_other_providers(world: World) -> None:
    world.broken_provider = "one"
    assert sweep() == {"failed": 1}
    assert world.promoted == ["two", "three"]


def test_a_head_that_cannot_be_read_holds_up_no_other(world: World) -> None:
    world.table.unreadable.add(KEYS[1])
    for key in (KEYS[0], KEYS[2]):
        world.table.heads[key]["seq"] += 1  # not woken
    assert sweep() == {"nudged": 2, "failed": 1}
    assert world.table.nudged == [KEYS[0], KEYS[2]]


def test_a_project_that_is_not_deployed_is_mended_and_not_reminded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "find_place", lambda name: None)
    world.table.heads = {KEYS[0]: head(KEYS[0], seq=5, since="2026-01-01T00:00:00Z", parkedAt=aws.timestamp())}
    assert sweep() == {"nudged": 1}
    assert world.promoted == []


class TestRollover:
    """After a deploy, what waits is moved to the newest definition of the state machine."""

    def test_an_execution_that_waits_in_an_older_definition_is_replaced(self, world: World) -> None:
        world.table.heads[KEYS[1]]["parkedDefinition"] = "v1"
        assert sweep() == {"rolledOver": 1}
        assert world.machine.stopped == ["b-two-1"]
        assert world.table.raised == [KEYS[1]]

    def test_one_that_parked_before_versions_were_written_too(self, world: World) -> None:
        del world.table.heads[KEYS[1]]["parkedDefinition"]
        assert sweep() == {"rolledOver": 1}

    @pytest.mark.parametrize("busy", [{"seq": 5}, {"parkedGeneration": None}], ids=["has work", "is in its handler"])
    def test_one_that_works_is_left_to_finish(self, world: World, busy: dict[str, Any]) -> None:
        world.table.heads[KEYS[1]] |= {"parkedDefinition": "v1", **busy}
        assert "rolledOver" not in sweep()
        assert world.machine.stopped == []

    def test_one_whose_generation_was_just_raised_is_given_time(self, world: World) -> None:
        """A machine that was updated runs its old definition for some seconds yet; nothing turns in circles."""
        ago = (aws.now() - timedelta(seconds=200)).isoformat()
        world.table.heads[KEYS[1]] |= {"parkedDefinition": "v1", "rebuiltAt": ago}
        assert sweep() == {}

    def test_one_that_cannot_be_stopped_keeps_its_generation(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else nobody would ever stop it: it would wait beside its successor."""

        def refuse(**_: Any) -> None:
            raise RuntimeError("throttled")

        monkeypatch.setattr(world.machine, "stop_execution", refuse)
        world.table.heads[KEYS[1]]["parkedDefinition"] = "v1"
        assert sweep() == {"failed": 1}
        assert world.table.raised == []

    def test_a_sweep_rolls_over_so_many_and_the_next_one_goes_on(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reconciler, "ROLL_OVERS", 2)
        for head in world.table.heads.values():
            head["parkedDefinition"] = "v1"
        assert sweep() == {"rolledOver": 2}


class TestReminders:
    LONG_AGO = "2026-01-01T00:00:00.000000Z"

    def test_a_status_that_lasts_too_long_is_reminded_of_once(self, world: World) -> None:
        world.table.heads[KEYS[0]] |= {"since": self.LONG_AGO, "parkedAt": aws.timestamp()}
        assert sweep() == {"reminded": 1}
        ((key, number),) = world.table.reminded
        assert key == KEYS[0]
        world.table.heads[KEYS[0]]["reminders"] = number
        assert sweep() == {}

    def test_one_that_moved_meanwhile_is_not_counted(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        refused: Callable[..., bool] = lambda *_: False  # noqa: E731
        monkeypatch.setattr(world.table, "remind", refused)
        world.table.heads[KEYS[0]] |= {"since": self.LONG_AGO, "parkedAt": aws.timestamp()}
        assert sweep() == {}


def test_a_delivery_that_nothing_was_heard_of_is_looked_at_by_those_who_may_read_it(world: World) -> None:
    late = (aws.now() - timedelta(minutes=16)).isoformat()
    world.table.heads[KEYS[1]] |= {"status": "Ready for delivery", "since": late}
    sweep()
    assert world.machine.calls[1:] == ['queue {"project": "two", "batch": "b"}']
    assert world.table.looks == [KEYS[1]]
