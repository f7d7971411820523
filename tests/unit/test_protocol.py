"""How an execution follows the table: the two tables of rules, and a model of the whole that is searched exhaustively.

The model knows commands, stream records, the dispatcher, executions, their handlers and parks, the reconciler, and what
can go wrong with each. The rules in it are the real ones; the rest is written here.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime.protocol import (
    STALL_SECONDS,
    UNSEEN_SECONDS,
    Following,
    Repair,
    execution_name,
    failures_in_a_row,
    rebuild_wait,
    what_to_do,
    what_to_repair,
)

# The rules of the dispatcher


def head(
    *, seq: int = 3, handled: int = 2, generation: int = 1, parked: int | None = 1, is_open: bool = True, **more: Any
) -> dict[str, Any]:
    item: dict[str, Any] = {"batch": "b", "uid": "u", "seq": seq, "handled": handled, "generation": generation}
    item |= {"open": "open"} if is_open else {}
    return item | ({} if parked is None else {"parkedGeneration": parked}) | more


@pytest.mark.parametrize(
    ("state", "follows"),
    [
        (head(seq=1, handled=0, parked=None), Following.START),
        (head(seq=3, handled=3, generation=2, parked=1), Following.START),
        (head(seq=3, handled=2, generation=2, parked=1), Following.START),
        (head(seq=3, handled=2), Following.WAKE),
        (head(seq=9, handled=2), Following.WAKE),
        (head(seq=3, handled=3), Following.NOTHING),
        (head(seq=3, handled=3, is_open=False), Following.NOTHING),
        (head(seq=3, handled=3, generation=2, parked=1, is_open=False), Following.NOTHING),
    ],
    ids=[
        "a new batch is started",
        "a new generation is started though nothing is left to handle",
        "a new generation is started, not the old one woken",
        "a parked one is woken for the next event",
        "a parked one is woken however many events wait",
        "a parked one that has handled everything sleeps",
        "an end that was handled is left alone",
        "an end that was handled is left alone in any generation",
    ],
)
def test_what_the_dispatcher_does(state: dict[str, Any], follows: Following) -> None:
    assert what_to_do(state) is follows


# The rules of the reconciler

DONE, WAITING, UNPARKED = head(seq=3, handled=3), head(seq=3, handled=2), head(seq=3, handled=2, generation=2)


@pytest.mark.parametrize(
    ("state", "execution", "idle", "repair"),
    [
        (head(is_open=False, handled=3), None, 1e9, Repair.NOTHING),
        (DONE, None, UNSEEN_SECONDS, Repair.NUDGE),
        (DONE, None, UNSEEN_SECONDS + 1, Repair.REBUILD),
        (WAITING, None, UNSEEN_SECONDS + 1, Repair.REBUILD),
        (UNPARKED, None, STALL_SECONDS, Repair.NUDGE),
        (UNPARKED, None, STALL_SECONDS + 1, Repair.REBUILD),
        (DONE, "RUNNING", 1e9, Repair.NOTHING),
        (WAITING, "RUNNING", 0, Repair.NUDGE),
        (WAITING, "RUNNING", STALL_SECONDS, Repair.NUDGE),
        (WAITING, "RUNNING", STALL_SECONDS + 1, Repair.REBUILD),
        (UNPARKED, "RUNNING", STALL_SECONDS, Repair.NOTHING),
        (UNPARKED, "RUNNING", STALL_SECONDS + 1, Repair.REBUILD),
        (DONE, "FAILED", 0, Repair.REBUILD),
        (DONE, "TIMED_OUT", 0, Repair.REBUILD),
        (DONE, "ABORTED", 0, Repair.REBUILD),
        (WAITING, "SUCCEEDED", 0, Repair.REBUILD),
    ],
    ids=[
        "an end that was handled is left alone",
        "one that has just parked may not be seen yet",
        "one that was deleted is rebuilt",
        "one that was deleted with an event to handle is rebuilt",
        "one that never started is nudged",
        "one that does not start under its name gets another",
        "one that waits for people waits as long as they like",
        "one that was not woken is nudged",
        "one that was not woken is nudged until a handler with all its retries must have ended",
        "one that does not wake is rebuilt",
        "one in its handler is let work",
        "one that works for longer than a handler can is rebuilt",
        "a failed one is rebuilt, also where nothing is left to handle",
        "one that has timed out is rebuilt",
        "one that was stopped by hand is rebuilt",
        "one that ended before the batch did is rebuilt",
    ],
)
def test_what_the_reconciler_does(state: dict[str, Any], execution: str | None, idle: float, repair: Repair) -> None:
    assert what_to_repair(state, execution, idle_seconds=idle) is repair


def test_failures_are_counted_until_the_next_event_is_handled() -> None:
    failed_at_an_earlier_event = head(rebuilds=9, rebuiltFor=1)
    assert failures_in_a_row(failed_at_an_earlier_event) == 0
    assert what_to_repair(failed_at_an_earlier_event, "FAILED", idle_seconds=0, since_rebuilt=1) is Repair.REBUILD


@pytest.mark.parametrize("execution", ["FAILED", "TIMED_OUT"])
def test_after_a_failure_a_rebuild_waits_longer_each_time(execution: str) -> None:
    failed_twice = head(rebuilds=2, rebuiltFor=2)
    assert what_to_repair(failed_twice, execution, idle_seconds=0, since_rebuilt=239) is Repair.NOTHING
    assert what_to_repair(failed_twice, execution, idle_seconds=0, since_rebuilt=240) is Repair.REBUILD
    assert [rebuild_wait(n) for n in range(8)] == [0, 120, 240, 480, 960, 1920, 3600, 3600]


def test_what_was_stopped_and_did_not_fail_is_rebuilt_at_once() -> None:
    assert what_to_repair(head(rebuilds=9), "ABORTED", idle_seconds=0, since_rebuilt=0) is Repair.REBUILD


@given(st.integers(0, 10_000))
def test_no_wait_is_longer_than_an_hour(rebuilds: int) -> None:
    assert 0 <= rebuild_wait(rebuilds) <= 3_600


@given(
    st.integers(1, 9),
    st.integers(0, 9),
    st.integers(1, 4),
    st.none() | st.integers(1, 4),
    st.booleans(),
    st.sampled_from([None, "RUNNING", "FAILED", "ABORTED", "TIMED_OUT", "SUCCEEDED"]),
)
def test_whatever_is_not_at_rest_is_mended_sooner_or_later(
    seq: int, handled: int, generation: int, parked: int | None, is_open: bool, execution: str | None
) -> None:
    state = head(seq=seq, handled=handled, generation=generation, parked=parked, is_open=is_open)
    at_rest = parked == generation and seq <= handled and execution == "RUNNING"
    repair = what_to_repair(state, execution, idle_seconds=1e9)
    assert (repair is Repair.NOTHING) == (at_rest or not is_open)


def test_an_execution_is_named_after_its_batch_and_generation_alone() -> None:
    assert execution_name(head(generation=7)) == "b-u-7"
    assert execution_name(head(generation=7, seq=1)) == execution_name(head(generation=7, seq=9))


def test_a_name_has_at_most_80_characters() -> None:
    longest = {"batch": "b" * 63, "uid": "0" * 8, "generation": 9_999_999}
    assert len(execution_name(longest)) == 80


# The model

EVENTS = 3
"""Events of the batch; the last one is an end."""

RECORDS = 2
"""How many records may be on their way at once in the search: a bound, since they are all alike."""


class Run(NamedTuple):
    """An execution."""

    name: str
    generation: int
    status: str
    doing: str
    """`handler`: about to run it; `running`: in it; `park`: about to park; `waiting`: parked; or nothing."""
    seq: int


class Seen(NamedTuple):
    """A head as a dispatcher has read it, and what it is going to do."""

    follows: str
    name: str
    generation: int
    handled: int
    token: str


class State(NamedTuple):
    """All there is: the head, the executions, what is on its way, and what handlers have done."""

    seq: int = 1
    handled: int = 0
    generation: int = 1
    parked: int = 0
    token: str = ""
    """Of the execution that parked last: its name; a park of an execution makes the one before it worthless."""
    is_open: bool = True
    records: int = 1
    runs: tuple[Run, ...] = ()
    parks: frozenset[tuple[str, int]] = frozenset()
    """Parks that were sent to the table and have not arrived: stopping an execution does not stop them."""
    seen: frozenset["Seen"] = frozenset()
    """What dispatchers have read and not yet acted on."""
    done: tuple[int, ...] = ()
    """The first runs of handlers, in their order."""
    faults: int = 0

    def head(self) -> dict[str, Any]:
        return head(
            seq=self.seq,
            handled=self.handled,
            generation=self.generation,
            parked=self.parked or None,
            is_open=self.is_open,
        )

    def run(self, name: str) -> Run | None:
        return next((run for run in self.runs if run.name == name), None)

    def with_run(self, run: Run) -> "State":
        others = [other for other in self.runs if other.name != run.name]
        return self._replace(runs=tuple(sorted([*others, run])))

    def told(self) -> "State":
        """With one more record on its way."""
        return self._replace(records=min(self.records + 1, RECORDS))


class Design(NamedTuple):
    """The design, and where a near-by one differs."""

    send_consumes: bool = False
    park_checks_generation: bool = True
    commands_are_told: bool = True
    is_swept: bool = True
    generations: int = 3
    """How often the reconciler may begin anew in the search."""


def read(state: State) -> State:
    """A dispatcher takes a record and reads the head."""
    now = state.head()
    follows = what_to_do(now)
    taken = state._replace(records=state.records - 1)
    if follows is Following.NOTHING:
        return taken
    seen = Seen(follows.name, execution_name(now), state.generation, state.handled, state.token)
    return taken._replace(seen=taken.seen | {seen})


def act(state: State, seen: Seen, design: Design) -> State:
    """It starts or wakes what it has read, which may be old by now."""
    state = state._replace(seen=state.seen - {seen})
    if seen.follows == Following.START.name:
        if state.run(seen.name) is not None:
            return state  # the name is used
        doing = "park" if seen.handled else "handler"
        return state.with_run(Run(seen.name, seen.generation, "RUNNING", doing, seen.handled or 1))
    if design.send_consumes and seen.handled + 1 > state.handled:
        state = state._replace(handled=seen.handled + 1)
    run = state.run(seen.token)
    if run is None or (run.status, run.doing, run.seq) != ("RUNNING", "waiting", seen.handled):
        return state  # the token is dead
    return state.with_run(run._replace(doing="handler", seq=seen.handled + 1))


def land(state: State, park: tuple[str, int], design: Design) -> State:
    """A park reaches the table."""
    name, seq = park
    state = state._replace(parks=state.parks - {park})
    run = state.run(name)
    assert run is not None
    alive = run.status == "RUNNING" and (run.doing, run.seq) == ("parking", seq)
    if design.park_checks_generation and state.generation != run.generation:
        return state.with_run(run._replace(status="SUCCEEDED", doing="")) if alive else state
    ended = seq == EVENTS
    state = state._replace(handled=seq, parked=run.generation, token=name, is_open=not ended).told()
    if alive:
        state = state.with_run(run._replace(status="SUCCEEDED", doing="") if ended else run._replace(doing="waiting"))
    return state


def step(state: State, run: Run) -> State:
    """An execution goes on by one step of its own."""
    if run.doing == "handler":
        # A handler looks first whether a newer generation has begun.
        first = run.generation == state.generation and run.seq not in state.done
        started = state._replace(done=(*state.done, run.seq)) if first else state
        return started.with_run(run._replace(doing="running"))
    if run.doing == "running":
        return state.with_run(run._replace(doing="park"))
    return state.with_run(run._replace(doing="parking"))._replace(parks=state.parks | {(run.name, run.seq)})


def sweep(state: State, *, stalled: bool) -> Iterator[State]:
    """The reconciler looks at the batch; one result for each place where it may be killed."""
    run = state.run(execution_name(state.head()))
    repair = what_to_repair(state.head(), run.status if run else None, idle_seconds=1e9 if stalled else 0)
    if repair is Repair.NUDGE:
        yield state.told()
    if repair is Repair.REBUILD:
        if run and run.status == "RUNNING":
            state = state.with_run(run._replace(status="ABORTED", doing=""))
            yield state
        yield state._replace(generation=state.generation + 1).told()


def command(state: State, design: Design) -> State:
    state = state._replace(seq=state.seq + 1)
    return state.told() if design.commands_are_told else state


def next_states(state: State, design: Design, faults: int) -> Iterator[State]:
    """Whatever can happen next."""
    if state.seq < EVENTS:
        yield command(state, design)
    if state.records:
        yield read(state)
    for seen in state.seen:
        yield act(state, seen, design)
    for park in state.parks:
        yield land(state, park, design)
    for run in state.runs:
        if run.doing in ("handler", "running", "park"):
            yield step(state, run)
    if design.is_swept and state.generation < design.generations:
        yield from sweep(state, stalled=False)
    if state.faults >= faults:
        return
    broken = state._replace(faults=state.faults + 1)
    if state.records:
        yield broken._replace(records=state.records - 1)  # a record is lost
        yield broken.told()  # or comes twice
    for seen in state.seen:
        yield broken._replace(seen=state.seen - {seen})  # a dispatcher dies before it acts
        yield act(broken, seen, design)._replace(seen=state.seen)  # or after, and its record comes again
    for run in state.runs:
        if run.status == "RUNNING":
            yield broken.with_run(run._replace(status="ABORTED", doing=""))  # it is stopped by hand
        if run.doing == "running":
            yield broken.with_run(run._replace(status="FAILED", doing=""))  # its handler fails for good
    if design.is_swept and state.generation < design.generations:
        yield from sweep(broken, stalled=True)  # it is taken for lost, rightly or not
        yield broken._replace(generation=state.generation + 1).told()  # or its generation is raised by hand


def settle(state: State, design: Design) -> State:
    """Everything that can happen by itself happens."""
    while True:
        before = state
        if state.records:
            state = read(state)
        for seen in state.seen:
            state = act(state, seen, design)
        for park in state.parks:
            state = land(state, park, design)
        for run in state.runs:
            if run.doing in ("handler", "running", "park"):
                state = step(state, run)
        if state == before:
            return state


def calm(state: State, design: Design) -> State:
    """Nothing goes wrong any more: the other commands come, and the reconciler runs every now and then."""
    while state.seq < EVENTS:
        state = command(state, design)
    for _ in range(4 * EVENTS):
        before = state
        state = settle(state, design)
        if design.is_swept:
            state = [state, *sweep(state, stalled=True)][-1]
        if state == before:
            break
    return state


def wrong(before: State, after: State) -> str:
    """What no step may do."""
    if after.done != tuple(range(1, len(after.done) + 1)):
        return f"handlers first ran in the order {after.done}"
    if after.handled < before.handled:
        return "what was handled is forgotten"
    if after.handled > len(after.done):
        return "an event counts as handled and its handler has not run"
    return ""


def search(design: Design, faults: int) -> tuple[int, str]:
    """Search all that can happen with this many faults: the number of states, and the first thing that is wrong."""
    start = State()
    known = {start}
    ahead = deque([start])
    ends: dict[State, State] = {}
    while ahead:
        state = ahead.popleft()
        core = state._replace(faults=0)
        if core not in ends:
            ends[core] = end = calm(core, design)
            if end.done != tuple(range(1, EVENTS + 1)) or end.handled != EVENTS or end.is_open:
                return len(known), f"it stops for ever at {end}"
        for after in next_states(state, design, faults):
            if after in known:
                continue
            if problem := wrong(state, after):
                return len(known), f"{problem}: {state} to {after}"
            known.add(after)
            ahead.append(after)
    return len(known), ""


@pytest.mark.parametrize(("faults", "generations"), [(1, 3), (2, 2)], ids=["once", "twice"])
def test_no_event_is_lost_or_handled_out_of_order_whatever_goes_wrong(faults: int, generations: int) -> None:
    states, problem = search(Design(generations=generations), faults)
    assert not problem
    assert states > 10_000  # it did search


@pytest.mark.parametrize(
    ("design", "faults"),
    [
        (Design(send_consumes=True), 1),
        (Design(park_checks_generation=False), 2),
        (Design(commands_are_told=False, is_swept=False), 0),
        (Design(is_swept=False), 1),
    ],
    ids=[
        "a send consumes the event",
        "a park does not look at the generation",
        "a head is written without a record, and nobody sweeps",
        "records get lost, and nobody sweeps",
    ],
)
def test_a_near_by_design_loses_events(design: Design, faults: int) -> None:
    _, problem = search(design, faults)
    assert problem


@given(st.data())
def test_no_event_is_lost_or_handled_out_of_order_however_often_things_go_wrong(data: st.DataObject) -> None:
    design, state = Design(generations=99), State()
    for _ in range(data.draw(st.integers(0, 60))):
        options = sorted(set(next_states(state, design, faults=1_000)), key=repr)
        if not options:
            break
        after = data.draw(st.sampled_from(options))
        assert not wrong(state, after)
        state = after
    end = calm(state, design)
    assert end.done == tuple(range(1, EVENTS + 1))
    assert not end.is_open
