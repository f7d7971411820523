"""The synthesized state machine in the local cloud does what the independent model says, on generated scenarios.

20 of them in a plain run, as many as `GTPLUS_SCENARIOS` says on demand. Each is known by its number, which is its seed.
"""

import os
import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gtplus_runtime.problems import Refused
from tests.e2e.world import World, eventually
from tests.engine import model

pytestmark = pytest.mark.xdist_group("batches")

SCENARIOS = int(os.environ.get("GTPLUS_SCENARIOS", "20"))
SIDE_BY_SIDE = 5
"""As many as the provider takes in data transfer, so that none waits in line."""
MAX_ROUNDS = 3
REPORTS = ("Data received", "In progress", "Ready for review", "Ready for delivery", "Data transfer failed")
COMMANDS = {
    "pause": ("requester", "Paused"),
    "resume": ("requester", ""),
    "cancel": ("requester", "Cancelled"),
    "accept": ("reviewer", "Accepted"),
    "reject": ("reviewer", "Rejected"),
    "review": ("reviewer", "Review submission in progress"),
    "rework": ("approver", "Sent for rework"),
}


class Scenario:
    """A batch, what was done with it, and what the model says of it."""

    def __init__(self, world: World, number: int) -> None:
        self.world, self.random = world, random.Random(number)
        self.batch = world.create(objects=2, name=f"scenario-{number}")
        self.said = ["Request submitted"]
        self.last = "requester"
        self.round = 1
        self.labels = "unread"
        self.delivered = False
        self.paused_from: str | None = None
        self.settle()

    @property
    def status(self) -> str:
        return self.said[-1]

    def settle(self) -> None:
        """What follows by itself, in the model and in the cloud."""
        while following := model.follows_by_itself(
            self.status, last_round=self.round >= MAX_ROUNDS, delivered=self.delivered
        ):
            self.enter(following, "workspace")

        def there() -> bool:
            head = self.world.head(self.batch)
            return bool(head["seq"] >= len(self.said) and head["handled"] == head["seq"])

        eventually(there, f"{self.batch} after {self.said}, and is {self.world.statuses(self.batch)}", seconds=60)
        assert self.world.statuses(self.batch) == self.said

    def enter(self, status: str, who: str) -> None:
        self.paused_from = self.status if status == "Paused" else None
        if self.status == "Rejected" and status == "Sent for rework":
            self.round, self.labels = self.round + 1, "unread"
        self.said.append(status)
        self.last = who

    def play(self) -> None:
        for _ in range(40):
            if self.status in model.ENDS:
                return
            self.disturb()
            if self.random.random() < 0.7:
                self.go_on()
            elif self.random.random() < 0.5:
                self.command("report", "reporter", self.random.choice(REPORTS))
            else:
                verb = self.random.choice(sorted(COMMANDS))
                self.command(verb, *COMMANDS[verb])
        if self.status not in model.ENDS:
            self.command("cancel", *COMMANDS["cancel"])

    def go_on(self) -> None:
        """What leads to the end, more often than not."""
        good = self.random.random() < 0.8
        match self.status:
            case "Paused":
                self.command("resume", *COMMANDS["resume"])
            case "Data transfer in progress" | "Data received":
                self.command("report", "reporter", "In progress")
            case "In progress" | "Sent for rework":
                self.write_labels(complete=good)
                self.command("report", "reporter", "Ready for review")
            case "Ready for review" | "Review complete":
                verb = "accept" if good else "reject"
                self.command(verb, *COMMANDS[verb])
            case "Rejected":
                self.command("rework", *COMMANDS["rework"])
            case "Ready for delivery":
                self.delivered = True
                self.world.deliver(self.batch)
                self.settle()

    def write_labels(self, *, complete: bool) -> None:
        order = eventually(lambda: self.world.work_order(self.batch), f"work order of {self.batch}")
        text = self.world.labels(self.batch, leave_out=0 if complete else 1)
        self.world.put(order["manifest"], text, who="data")
        self.written = (self.round, "complete" if complete else "incomplete")

    written: tuple[int, str] = (0, "")

    def command(self, verb: str, who: str, target: str) -> None:
        seen = model.Seen(self.status, self.last, self.paused_from, None, self.labels)
        there = self.written[0] == self.round
        way = model.expected(seen, verb, who, target, manifest_there=there)
        body: dict[str, Any] = {"report": {"status": target}, "reject": {"reason": "r"}}.get(verb, {})
        if verb == "review":
            body = {"verdicts": [{"object": "x", "correct": True}]}
        key = f"{self.batch}-{len(self.said)}-{self.random.random()}"
        if way is None:
            with pytest.raises(Refused):
                self.world.call(who, f"batch.{verb}", self.batch, key=key, **body)
            return
        answer = self.world.call(who, f"batch.{verb}", self.batch, key=key, **body)
        if self.random.random() < 0.3:
            assert self.world.call(who, f"batch.{verb}", self.batch, key=key, **body) == answer
        for status in way:
            self.enter(status, who)
        if "Ready for review" in way and verb == "report":
            self.labels = self.written[1]
        self.settle()

    def disturb(self) -> None:
        if self.random.random() < 0.15:
            self.world.stop_execution(self.batch)
            self.world.reconcile()


def test_the_machine_agrees_with_the_model(world: World) -> None:
    def play(number: int) -> Scenario:
        scenario = Scenario(world, number)
        scenario.play()
        return scenario

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        played = list(pool.map(play, range(SCENARIOS)))
    for scenario in played:
        assert world.statuses(scenario.batch) == world.first_runs(scenario.batch) == scenario.said
        assert world.head(scenario.batch)["round"] == scenario.round
    ends = {scenario.status for scenario in played}
    assert {"Data delivered", "Cancelled"} <= ends
    assert any(scenario.round > 1 for scenario in played)
