"""How fast the engine is in the local cloud: from a command answered until its handler has run, and changes a second.

A handler has started before it has run; when it has, the emulator does not tell: its state is entered before a process
is free for it.

The whole example is deployed, and three things are measured in it:

- status changes alone: batches that are paused and resumed, decided on the table as the API decides them, as fast as
  they go, and then at a given rate, whatever is still under way: at its most a system's delay is that of its queue, and
  says nothing of the system;
- the main line, with all that the API, S3 and the people do in it (last: the emulator slows with all that it keeps);
  there from a command decided, before it was written;
- a bare hop from a table's stream to a function that writes one log line: the floor of what the emulator can do.

    python benchmarks/engine.py [--together 100] [--rate 62] [--batches 40]
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from gtplus_cli.local import LocalCloud, Toolchain, deploy
from gtplus_runtime import aws
from gtplus_runtime.commands import Actor, Command, decide_batch
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.store import Key, fingerprint
from tests.e2e.watcher import Watcher
from tests.e2e.world import MAIN_LINE, PROJECT, World, eventually

BARE = """
import time

def handler(event, context):
    for record in event["Records"]:
        print("told", record["dynamodb"]["Keys"]["pk"]["S"], time.time())
"""


def played(world: World, watcher: Watcher, line: list[str] = MAIN_LINE) -> tuple[str, int]:
    """One batch down the main line: everybody acts as soon as the handler of the status before has done its part."""
    batch = world.create(objects=1)
    for position, status in enumerate(line):
        world.play_next(batch, status)
        watcher.wait(batch, handled=position + 1)
    return batch, len(line)


Row = tuple[str, float | None, list[float]]


class Waiting:
    """Batches *In progress*, which are paused and resumed in turn.

    Args:
        world: where they are.
        watcher: tells how far they are.
        count: how many.
    """

    def __init__(self, world: World, watcher: Watcher, count: int) -> None:
        self._world, self._watcher = world, watcher
        self._settings = world.facts_of_place["settings"]
        self._operator = Actor("AROAOPERATOR", "operator", Duty.OPERATE)
        with ThreadPoolExecutor(5) as pool:
            self._seq = dict.fromkeys(pool.map(lambda _: played(world, watcher, MAIN_LINE[:4])[0], range(count)), 4)

    def change(self, times: int, rate: float | None = None) -> tuple[float, list[float]]:
        """Change each batch's status so many times, all of them side by side.

        Args:
            times: changes of each.
            rate: changes a second that are begun, of all together, whether or not those before are handled; None for as
                many as can be, each batch's next one when the one before is handled.

        Returns:
            Changes a second, until the last one is handled, and each delay in seconds, sorted.
        """
        answered: dict[tuple[str, int], float] = {}
        begin = time.monotonic()

        def play(place: int, batch: str) -> None:
            for number in range(times):
                if rate is not None:
                    due = begin + (place + number * len(self._seq)) / rate
                    time.sleep(max(due - time.monotonic(), 0))
                seq = self._decide(batch)
                answered[batch, seq] = time.time()
                if rate is None:
                    self._watcher.wait(batch, handled=seq)
            self._watcher.wait(batch, handled=self._seq[batch])

        with ThreadPoolExecutor(len(self._seq)) as pool:
            list(pool.map(play, range(len(self._seq)), self._seq))
        took = time.monotonic() - begin
        ran = {(batch, seq): at for batch in self._seq for seq, at in runs(self._world, batch).items()}
        return len(answered) / took, sorted(ran[change] - at for change, at in answered.items())

    def _decide(self, batch: str) -> int:
        self._seq[batch] += 1
        paused = self._seq[batch] % 2 == 0
        verb, target = ("batch.resume", "") if paused else ("batch.pause", "Paused")
        command = Command(verb, self._operator, aws.timestamp(), target, {}, correlation="benchmark")
        key, command_key = Key(PROJECT, batch), str(self._seq[batch])
        mark = fingerprint(verb, self._operator.id, {})
        _, seen = self._world.store.look(key, command_key, mark)
        self._world.store.decide(
            key,
            command,
            lambda head: decide_batch(head, command, self._settings),
            command_key=command_key,
            fingerprint=mark,
            seen=seen,
        )
        return self._seq[batch]


def runs(world: World, batch: str) -> dict[int, float]:
    """When the handler of each event of a batch had run, by the event's number."""
    found = {}
    pages = world.machine.get_paginator("get_execution_history").paginate(executionArn=world.execution_arn(batch))
    seq = 0
    for event in (event for page in pages for event in page["events"]):
        if _handles(begun := event.get("stateEnteredEventDetails")):
            seq = json.loads(begun["input"])["seq"]
        if _handles(event.get("stateExitedEventDetails")):
            found[seq] = event["timestamp"].timestamp()
    return found


def _handles(state: Any) -> bool:
    return bool(state) and state["name"].startswith("On ")


def delays(world: World, batch: str) -> list[float]:
    """Seconds from the decision on each event that somebody caused until its handler has run."""
    caused = [e for e in world.store.events(Key(PROJECT, batch)) if e["actor"]["duty"] != "workspace"]
    ran = runs(world, batch)
    return [ran[event["seq"]] - _seconds(event["at"]) for event in caused]


def bare_hop(world: World, writes: int) -> list[float]:
    """Seconds from a write to the function that a table's stream calls."""
    session = world.root
    dynamodb, lambda_, logs = session.client("dynamodb"), session.client("lambda"), session.client("logs")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        zipped.writestr("bare.py", BARE)
    dynamodb.create_table(
        TableName="bare",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
    )
    stream = dynamodb.describe_table(TableName="bare")["Table"]["LatestStreamArn"]
    role = lambda_.get_function_configuration(FunctionName=world.facts["reconciler"])["Role"]
    lambda_.create_function(
        FunctionName="bare",
        Runtime="python3.13",
        Handler="bare.handler",
        Role=role,
        Code={"ZipFile": archive.getvalue()},
    )
    lambda_.create_event_source_mapping(FunctionName="bare", EventSourceArn=stream, StartingPosition="TRIM_HORIZON")
    written: dict[str, float] = {}
    for number in range(writes):
        written[f"w{number}"] = time.time()
        dynamodb.put_item(TableName="bare", Item={"pk": {"S": f"w{number}"}})
        time.sleep(0.05)

    def told() -> list[list[str]]:
        events: list[Any] = []
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/bare"):
            events += page["events"]
        lines = [event["message"].split() for event in events if event["message"].startswith("told")]
        return lines if len(lines) >= writes else []

    return [float(at) - written[key] for _, key, at in eventually(told, "the bare hop", seconds=60)]


def _seconds(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()


def measured(world: World, watcher: Watcher, given: argparse.Namespace) -> list[Row]:
    """What was measured: its name, changes a second, and each delay in seconds, sorted."""
    rows: list[Row] = []
    played(world, watcher)  # every function has started once
    waiting = Waiting(world, watcher, given.together)
    # Far less than between two changes of a batch: nobody waits for it, and it takes less.
    usual, watcher.every = watcher.every, 0.25
    waiting.change(2)  # as many processes of each function have started as are needed
    name = f"status changes alone, {given.together} batches side by side"
    rows.append((f"{name}, as fast as they go", *waiting.change(12)))
    for rate in given.rate:
        rows.append((f"{name}, {rate:.0f} a second begun", *waiting.change(12, rate)))
    watcher.every = usual
    for together in (5, 20):
        begin = time.monotonic()
        with ThreadPoolExecutor(together) as pool:
            done = list(pool.map(lambda _: played(world, watcher), range(given.batches)))
        took = time.monotonic() - begin
        waited = sorted(delay for batch, _ in done for delay in delays(world, batch))
        rows.append((f"the main line, {together} side by side", sum(count for _, count in done) / took, waited))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--together", type=int, default=100, help="batches that are paused and resumed side by side")
    parser.add_argument("--rate", type=float, nargs="+", default=[30, 62], help="changes a second of all together")
    parser.add_argument("--batches", type=int, default=40, help="batches down the main line, 5 and 20 side by side")
    given = parser.parse_args()
    tools = Toolchain(ROOT / ".local" / "tools")
    with tempfile.TemporaryDirectory() as folder, LocalCloud(Path(folder), tools=tools) as cloud:
        world = World(cloud, deploy(cloud, cwd=ROOT, context={"gtplus:localCloud": "true"}))
        with Watcher(world) as watcher:
            rows = measured(world, watcher, given)
        rows.append(("a bare hop from a table's stream to a function", None, sorted(bare_hop(world, 100))))
    print("| what | changes a second | p50 | p95 |\n| --- | --- | --- | --- |")
    for what, speed, values in rows:
        p50, p95 = statistics.median(values), values[int(len(values) * 0.95)]
        print(f"| {what} | {'' if speed is None else f'{speed:.0f}'} | {p50 * 1_000:.0f} ms | {p95 * 1_000:.0f} ms |")


if __name__ == "__main__":
    main()
