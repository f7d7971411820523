"""The engine, whatever happens: any sequence of commands, duplicates, lost and doubled records, functions that are
killed before and after any change, or hang there and go on when everybody has given them up, executions that are
stopped, generations that are raised, handlers that come late.

The real API, dispatcher, reconciler and handlers run against `cloud.py`; what they answer and where it ends is held
against `model.py`, which shares nothing with them. `GTPLUS_ENGINE_STEPS` asks for more than CI's 100,000 steps.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gtplus_runtime.store import Key, event_sk
from tests.engine import model
from tests.engine.cloud import BUCKET, LIMITS, PROJECT, Cloud, Killed, NoAnswer

STEPS = int(os.environ.get("GTPLUS_ENGINE_STEPS", "100000"))
STEPS_A_RUN = 150
BATCHES = ("b0", "b1", "b2")
PATH = "/projects/{project}"
REPORTS = ("Data received", "In progress", "Ready for review", "Ready for delivery", "Data transfer failed", "Accepted")
AFTER_REVIEW = (
    "Review submission in progress",
    "Review complete",
    "Accepted",
    "Rejected",
    "Ready for delivery",
    "Data delivered",
    "Paused",
)
COMMANDS: dict[str, tuple[str, str, str]] = {
    "pause": ("ann", "request", "Paused"),
    "resume": ("ann", "request", ""),
    "cancel": ("ann", "request", "Cancelled"),
    "accept": ("rev", "review", "Accepted"),
    "reject": ("rev", "review", "Rejected"),
    "review": ("rev", "review", "Review submission in progress"),
    "rework": ("ops", "operate", "Sent for rework"),
}
"""Who may call what, and where it leads."""

which = st.integers(0, 1 << 16)
batches = st.sampled_from(BATCHES)


class Engine(RuleBasedStateMachine):
    """One workspace; `delivered` says how many of its batches were delivered, for each of them."""

    delivered: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.cloud = Cloud(self.patch)
        self.calling: tuple[Any, ...] | None = None
        self.overtaken = 0
        self.resent: dict[str, tuple[int, Any]] = {}
        self.looked_at: dict[str, Any] = {}
        self.histories: dict[str, list[dict[str, Any]]] = {}
        self.events_seen: dict[str, list[Any]] = {}
        self.kept: dict[str, bytes] = {}
        self.given: dict[str, str] = {}
        self.rounds: dict[str, list[int]] = {}
        self.answers: list[tuple[tuple[Any, ...], tuple[int, Any]]] = []
        self.cloud.call("ann", "request", PATH, FORM, "")
        assert self.cloud.call("ops", "operate", f"{PATH}/approve", {}, "")[0] == 200

    @initialize(ways=st.tuples(*[st.lists(st.booleans(), max_size=12) for _ in BATCHES]))
    def begin_anywhere(self, ways: tuple[list[bool], ...]) -> None:
        """Each batch has come some way already; its reviews are good or bad."""
        for batch, way in zip(BATCHES, ways, strict=True):
            for good in way:
                self.go_on(batch, good)
                self.breathe(1_000)

    # commands

    @rule(batch=batches, good=st.booleans())
    def go_on(self, batch: str, good: bool) -> None:
        """Somebody does what the batch waits for."""
        head = self.cloud.head(batch)
        match head["status"] if head else "":
            case "":
                self.create(batch)
            case "Paused":
                self.decide(batch, "resume")
            case "Data transfer in progress" | "Data received":
                self.report(batch, "In progress", True, False)
            case "In progress" | "Sent for rework":
                self.report(batch, "Ready for review", good, True)
            case "Ready for review":
                self.decide(batch, "review" if good else "reject")
            case "Review complete":
                self.decide(batch, "accept" if good else "reject")
            case "Rejected":
                self.decide(batch, "rework")
            case "Ready for delivery":
                self.deliver(batch)

    @rule(batch=batches)
    def create(self, batch: str) -> None:
        for number in range(2):
            self.cloud.bucket.objects.setdefault(f"raw/{batch}/{number}.txt", (b"x", self.cloud.now))
        new, overtaken = self.cloud.head(batch) is None, self.overtaken
        answer = self.command("ann", "request", "", {"input": f"s3://{BUCKET}/raw/{batch}/"}, batch)
        if answer is not None and self.overtaken == overtaken:
            # The same request gives the same batch, wherever that stands by now.
            assert answer[0] == 200
            assert (len(self.cloud.statuses(batch)) == 1) or not new

    @rule(batch=batches, verb=st.sampled_from(sorted(COMMANDS)))
    def decide(self, batch: str, verb: str) -> None:
        who, duty, target = COMMANDS[verb]
        body: dict[str, Any] = {"reason": "r"} if verb != "review" else {"verdicts": self.verdicts(batch)}
        self.expect(batch, verb, who, duty, target, body)

    @rule(batch=batches, status=st.sampled_from(REPORTS), complete=st.booleans(), write=st.booleans())
    def report(self, batch: str, status: str, complete: bool, write: bool) -> None:
        head = self.cloud.head(batch)
        # What was reviewed stays as it is; a batch whose labels are changed after their acceptance is not delivered.
        labeling = head is not None and head["status"] not in ("Ready for review", *AFTER_REVIEW)
        if head and write and labeling and status == "Ready for review" and head["facts"].get("inventory"):
            self.label(batch, f"labels/{batch}/round-{head['round']}/output.manifest", complete=complete)
        self.expect(batch, "report", "pro", "report", status, {"status": status})

    @rule(batch=batches)
    def deliver(self, batch: str) -> None:
        """The provider writes the labels that were accepted, and S3 tells of it; sometimes before anybody waits."""
        head = self.cloud.head(batch)
        if head and (accepted := head["facts"].get("accepted")):
            key = accepted["manifest"].removeprefix(f"s3://{BUCKET}/")
            self.cloud.bucket.objects[f"labels/{batch}/output.manifest"] = self.cloud.bucket.objects[key]
            self.cloud.messages.append(message(f"labels/{batch}/output.manifest"))

    @precondition(lambda self: self.answers)
    @rule(n=which)
    def send_again(self, n: int) -> None:
        """A client that had no answer, or that repeats itself, uses the same key."""
        call, answer = self.answers[n % len(self.answers)]
        before = {batch: self.cloud.statuses(batch) for batch in BATCHES}
        assert self.cloud.call(*call) == answer
        assert {batch: self.cloud.statuses(batch) for batch in BATCHES} == before

    # what goes by itself, in any order

    @precondition(lambda self: self.cloud.table.records)
    @rule(n=which, several=st.booleans())
    def dispatch(self, n: int, several: bool) -> None:
        records = self.cloud.table.records
        taken = [records.pop(n % len(records))]
        if several and records:
            taken.append(records.pop(n % len(records)))
        self.cloud.dispatch(*taken)

    @precondition(lambda self: self.steppable)
    @rule(n=which)
    def step(self, n: int) -> None:
        self.cloud.step(self.steppable[n % len(self.steppable)])

    @precondition(lambda self: self.cloud.messages)
    @rule(n=which)
    def s3_tells(self, n: int) -> None:
        self.cloud.receive(self.cloud.messages.pop(n % len(self.cloud.messages)))

    @rule(minutes=st.sampled_from([1, 1, 1, 30, 2_000]))
    def sweep(self, minutes: int) -> None:
        self.cloud.now += timedelta(minutes=minutes)
        self.cloud.sweep()

    @rule(steps=st.integers(1, 20))
    def breathe(self, steps: int) -> None:
        """For a while everything goes as it should."""
        cloud = self.cloud
        for _ in range(steps):
            if cloud.table.records:
                cloud.dispatch(cloud.table.records.pop(0))
            elif self.steppable:
                cloud.step(self.steppable[0])
            elif cloud.messages:
                cloud.receive(cloud.messages.pop(0))
            else:
                return

    # what goes wrong

    @rule(batch=batches)
    def lose_every_record_of(self, batch: str) -> None:
        """Those of its head: any later write makes them good. An event's end in the dead letters and are told again."""
        head = (Key(PROJECT, batch).pk, "HEAD")
        self.cloud.table.records[:] = [record for record in self.cloud.table.records if record[:2] != head]

    @precondition(lambda self: self.cloud.table.records)
    @rule(n=which)
    def double_a_record(self, n: int) -> None:
        records = self.cloud.table.records
        records.append(records[n % len(records)])

    @precondition(lambda self: self.cloud.messages)
    @rule(n=which)
    def lose_a_message_of_s3(self, n: int) -> None:
        self.cloud.messages.pop(n % len(self.cloud.messages))

    @precondition(lambda self: self.running)
    @rule(n=which)
    def stop_an_execution(self, n: int) -> None:
        self.cloud.stop(self.running[n % len(self.running)])

    @precondition(lambda self: self.running)
    @rule(n=which)
    def delete_an_execution(self, n: int) -> None:
        """Nobody knows of it any more, as where its machine was deleted and made again."""
        del self.cloud.machine.executions[self.running[n % len(self.running)].name]

    @precondition(lambda self: self.cloud.late)
    @rule(n=which)
    def come_late(self, n: int) -> None:
        self.cloud.come_late(self.cloud.late.pop(n % len(self.cloud.late)))

    @rule(batch=batches)
    def raise_the_generation(self, batch: str) -> None:
        if (head := self.cloud.head(batch)) is not None:
            self.harmed(
                lambda: self.cloud.store.raise_generation(
                    Key(PROJECT, batch), head["generation"], head["since"], failed=False
                )
            )

    @rule(changes=st.integers(0, 3), made=st.booleans(), error=st.sampled_from([Killed, NoAnswer]))
    def the_next_change_goes_wrong(self, changes: int, made: bool, error: type[BaseException]) -> None:
        self.cloud.fail_after(changes, made=made, error=error)

    @rule(changes=st.integers(0, 4))
    def the_next_function_hangs(self, changes: int) -> None:
        self.cloud.hang_before(changes)

    @rule(batch=batches, content=st.sampled_from([b"x", b"y"]))
    def the_input_changes(self, batch: str, content: bytes) -> None:
        self.cloud.bucket.objects[f"raw/{batch}/0.txt"] = content, self.cloud.now

    @rule(batch=batches, good=st.booleans(), resend=st.booleans())
    def the_next_change_is_overtaken(self, batch: str, good: bool, resend: bool) -> None:
        """Between what it read and what it writes, another command is carried out: the next one, or the same."""

        def come() -> None:
            self.overtaken += 1
            if resend and self.calling is not None:
                first = self.cloud.call(*self.calling)
                self.resent[self.calling[-1]] = first
            else:
                self.go_on(batch, good)

        self.cloud.overtake(come)

    # what must hold at any moment

    @invariant()
    def every_batch_is_sound(self) -> None:
        for batch in BATCHES:
            item = self.cloud.table.items.get((Key(PROJECT, batch).pk, "HEAD"))
            # A head is written with every event, and with every fact.
            if item is not None and item is not self.looked_at.get(batch):
                self.looked_at[batch] = item
                head = self.cloud.head(batch)
                assert head is not None
                self.its_history_only_grows_and_holds_legal_steps(batch, head)
                self.what_was_kept_stays_as_it_was(batch, head)

    def its_history_only_grows_and_holds_legal_steps(self, batch: str, head: dict[str, Any]) -> None:
        items, pk = self.cloud.table.items, Key(PROJECT, batch).pk
        kept = [items[pk, event_sk(seq)] for seq in range(1, head["seq"] + 1)]
        assert (pk, event_sk(head["seq"] + 1)) not in items
        known, events = self.events_seen.get(batch, []), self.histories.setdefault(batch, [])
        assert all(now is then for now, then in zip(kept, known, strict=False)), "an event was changed"
        assert len(kept) >= len(known)
        self.events_seen[batch] = kept
        if len(kept) > len(known):
            events = self.histories[batch] = self.cloud.events(batch)
            for event in events[len(known) :]:
                self.check_event(events, event)
        assert (head["seq"], head["status"]) == (len(events), events[-1]["status"])
        assert head["handled"] <= head["seq"]
        runs = [seq for name, seq in self.cloud.runs if name == batch]
        first = list(dict.fromkeys(runs))
        assert first == list(range(1, len(first) + 1)), f"handlers first ran in the order {first}"
        assert head["handled"] <= len(first), "an event counts as handled, and its handler has not run"

    def what_was_kept_stays_as_it_was(self, batch: str, head: dict[str, Any]) -> None:
        """Files that a head names, and what the provider was given, whoever comes late."""
        facts = head["facts"]
        for name, value in facts.items():
            if name in ("inventory", "sample", "verdicts", "verification", "rework", "report"):
                uri = value["uri"] if isinstance(value, dict) else value
                content = self.cloud.bucket.objects[uri.removeprefix(f"s3://{BUCKET}/")][0]
                assert self.kept.setdefault(uri, content) == content, f"{uri} was written over"
        if any(e["status"] == "Data transfer in progress" for e in self.histories[batch][: head["handled"]]):
            assert self.given.setdefault(batch, facts["inventory"]) == facts["inventory"], "another inventory"
        for round, uri in facts.get("manifests", {}).items():
            assert f"/round-{round}/" in uri, "the labels of another round"
        rounds = [facts[name]["round"] if name in facts else 0 for name in ("labels", "sample")]
        before = self.rounds.setdefault(batch, rounds)
        assert all(now >= then for now, then in zip(rounds, before, strict=True)), "labels of an earlier round"
        self.rounds[batch] = rounds

    @invariant()
    def no_more_are_in_transfer_than_the_provider_takes(self) -> None:
        statuses = [events[-1]["status"] for events in self.histories.values() if events]
        assert statuses.count("Data transfer in progress") <= LIMITS["max_in_transfer"]

    def check_event(self, events: list[dict[str, Any]], event: dict[str, Any]) -> None:
        seq = event["seq"]
        assert events[seq - 1] is event, "numbers without a gap"
        if seq == 1:
            assert (event["status"], event["before"]) == ("Request submitted", "")
            return
        before = events[seq - 2]
        assert event["before"] == before["status"]
        paused_from = before["before"] if before["status"] == "Paused" else None
        assert model.legal_step(before["status"], event["status"], event["actor"]["duty"], paused_from), event
        reworked = event["status"] == "Sent for rework" and before["status"] == "Rejected"
        assert event["round"] == before["round"] + reworked
        assert event["beforeSince"] == before["at"]

    # the end

    def teardown(self) -> None:
        try:
            self.settle()
            self.all_is_at_rest()
            self.everything_was_told()
            self.every_batch_can_be_brought_to_its_end()
        finally:
            self.cloud.end()
            self.patch.undo()

    def settle(self) -> None:
        """Nothing goes wrong any more, and whatever is on its way arrives."""
        cloud = self.cloud
        cloud.mend()
        # First for longer than between two looks at a delivery that S3 told of in vain.
        for hours in (7, *[2] * 60):
            before = dict(cloud.table.items)
            while cloud.table.records or cloud.messages or cloud.late or self.steppable:
                while cloud.late:
                    cloud.come_late(cloud.late.pop())
                while cloud.table.records:
                    cloud.dispatch(cloud.table.records.pop(0))
                for execution in self.steppable:
                    cloud.step(execution)
                while cloud.messages:
                    cloud.receive(cloud.messages.pop())
            cloud.now += timedelta(hours=hours)
            cloud.sweep()
            self.every_batch_is_sound()
            changed = {key: item for key, item in cloud.table.items.items() if item != before.get(key)}
            if not (cloud.table.records or self.steppable or cloud.messages or changed):
                return
        raise AssertionError(f"it never comes to rest: {changed}")

    def all_is_at_rest(self) -> None:
        self.looked_at.clear()
        self.every_batch_is_sound()
        heads = {batch: head for batch in BATCHES if (head := self.cloud.head(batch))}
        transferring = sum(head["status"] == "Data transfer in progress" for head in heads.values())
        # A batch that is paused in its transfer keeps its slot.
        paused = sum(head.get("pausedFrom") == "Data transfer in progress" for head in heads.values())
        for batch, head in heads.items():
            assert head["handled"] == head["seq"], f"{batch} is stuck in {head['status']}: {head.get('failure')}"
            assert ("open" in head) == (head["status"] not in model.ENDS)
            notice = json.loads(self.cloud.bucket.objects[f"labels/{batch}/gtplus/notice.json"][0])
            known = notice["status"], notice["round"], notice["workOrder"]
            assert known == (head["status"], head["round"], head["facts"].get("workOrder")), (
                "who sees the output location alone knows where the batch stands"
            )
            assert model.at_rest(
                head["status"],
                in_line=transferring + paused >= LIMITS["max_in_transfer"],
                last_round=head["round"] >= 2,
                delivered=f"labels/{batch}/output.manifest" in self.cloud.bucket.objects,
            ), f"{batch} stays in {head['status']}"

    def everything_was_told(self) -> None:
        told = {(event.get("batch"), event["seq"]) for event in self.cloud.told.events if "before" in event}
        for batch, events in self.histories.items():
            assert {(batch, event["seq"]) for event in events} <= told, "an event was never told"

    def every_batch_can_be_brought_to_its_end(self) -> None:
        """Everybody does what the batch waits for: after a while all have ended."""
        for _ in range(40):
            waiting = [(b, h) for b in BATCHES if (h := self.cloud.head(b)) and h["status"] not in model.ENDS]
            if not waiting:
                break
            for batch, head in waiting:
                labels = head["facts"].get("labels")
                complete = labels is not None and labels["round"] == head["round"] and not labels["problems"]
                self.go_on(batch, complete or head["status"] in ("In progress", "Sent for rework"))
            self.settle()
        for batch in BATCHES:
            head = self.cloud.head(batch)
            assert head is None or head["status"] in model.ENDS, f"{batch} cannot leave {head['status']}"
        ends = [events[-1]["status"] for events in self.histories.values() if events]
        Engine.delivered.append(ends.count("Data delivered"))

    # helpers

    @property
    def running(self) -> list[Any]:
        return [e for e in self.cloud.machine.executions.values() if e.status == "RUNNING"]

    @property
    def steppable(self) -> list[Any]:
        return [e for e in self.cloud.machine.executions.values() if e.can_step]

    def expect(self, batch: str, verb: str, who: str, duty: str, target: str, body: dict[str, Any]) -> None:
        """A command is answered as the model says, and causes what the model says."""
        head = self.cloud.head(batch)
        before = self.cloud.statuses(batch)
        overtaken = self.overtaken
        answer = self.command(who, duty, f"/{verb}", body, batch)
        if answer is None or self.overtaken != overtaken:
            return  # nobody knows what it met; the history is checked all the same
        code, _ = answer
        if head is None:
            assert code in (404, 409)
            return
        labels = head["facts"].get("labels")
        read = labels is not None and labels["round"] == head["round"]
        seen = model.Seen(
            head["status"],
            head["actor"]["id"].removeprefix("AROA"),
            head.get("pausedFrom"),
            head["facts"].get("manifest"),
            "unread" if not read or labels is None else "incomplete" if labels["problems"] else "complete",
        )
        there = f"labels/{batch}/round-{head['round']}/output.manifest" in self.cloud.bucket.objects
        way = model.expected(seen, verb, who, target, manifest_there=there)
        assert (code == 200) == (way is not None), f"{verb} {target} of {seen}: {answer}"
        assert self.cloud.statuses(batch) == before + (way or [])

    def command(self, who: str, duty: str, route: str, body: Any, batch: str) -> tuple[int, Any] | None:
        """A call with a key of its own; None where its answer never came."""
        key = f"key-{self.cloud.calls}"
        call = (who, duty, f"{PATH}/batches/{{batch}}{route}", body, batch, key)
        outer, self.calling = self.calling, call
        try:
            answer = self.cloud.call(*call)
        except (Killed, NoAnswer):
            return None
        finally:
            self.calling = outer
        if (first := self.resent.pop(key, None)) is not None and first[0] == 200:
            assert answer == first, "two duplicates at one moment are answered alike"
        if answer[0] == 200:
            self.answers.append((call, answer))
        return answer

    def harmed(self, work: Callable[[], Any]) -> None:
        with suppress(Killed, NoAnswer):
            work()

    def verdicts(self, batch: str) -> list[dict[str, Any]]:
        objects = [f"s3://{BUCKET}/raw/{batch}/{number}.txt" for number in range(2)]
        return [{"object": objects[0], "correct": True}, {"object": objects[1], "correct": False, "reason": "r"}]

    def label(self, batch: str, key: str, *, complete: bool) -> None:
        metadata = '{"class-name": "a", "type": "groundtruth/text-classification", "human-annotated": "yes"}'
        lines = [
            f'{{"source-ref": "s3://{BUCKET}/raw/{batch}/{n}.txt", "label": 0, "label-metadata": {metadata}}}\n'
            for n in range(2 if complete else 1)
        ]
        self.cloud.bucket.objects[key] = ("".join(lines).encode(), self.cloud.now)


FORM = {
    "firstName": "Ann",
    "lastName": "Ba",
    "businessEmail": "ann@example.com",
    "description": "signs",
    "taskType": "text",
    "containsPii": False,
}


def message(key: str) -> str:
    return (
        '{"id": "e", "time": "2026-11-02T00:00:00Z", "detail": '
        f'{{"bucket": {{"name": "{BUCKET}"}}, "object": {{"key": "{key}"}}}}}}'
    )


PARTS = 2
"""So that two processes share the work."""


@pytest.mark.parametrize("part", [pytest.param(n, marks=pytest.mark.xdist_group(f"engine {n}")) for n in range(PARTS)])
def test_no_batch_is_stuck_no_decision_changed_and_no_event_lost(part: int) -> None:
    Engine.delivered.clear()
    runs = STEPS // STEPS_A_RUN // PARTS
    run_state_machine_as_test(
        Engine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS_A_RUN,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            # To make a failure small takes minutes.
            phases=[Phase.generate] if os.environ.get("GTPLUS_ENGINE_QUICK") else list(Phase),
        ),
    )
    # It did come all the way: batches were delivered in the midst of all this.
    assert len(Engine.delivered) >= runs
    assert sum(Engine.delivered) > len(Engine.delivered) / 2
