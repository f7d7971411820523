"""The store against a table with the semantics of DynamoDB: serial decisions, whoever else writes at the same time."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from gtplus_cli.local import LocalCloud, Toolchain
from gtplus_runtime.commands import WORKSPACE, Actor, Command, Event, Superseded, decide_batch, decide_project
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.problems import Refused
from gtplus_runtime.protocol import failures_in_a_row
from gtplus_runtime.store import Busy, Key, Store, fingerprint, public
from tests.engine.table import MemoryTable

pytestmark = pytest.mark.xdist_group("store")

AT = "2026-11-24T10:00:00.000000Z"
ANN = Actor("AIDA-ann", "ann", Duty.REQUEST)
REV = Actor("AIDA-rev", "rev", Duty.REVIEW)
PRO = Actor("AIDA-pro", "pro", Duty.REPORT)
OPS = Actor("AIDA-ops", "ops", Duty.OPERATE)
SETTINGS = {"maxRounds": 3, "separationOfDuties": True}
THREADS = 8


@pytest.fixture(scope="module", params=["local cloud", "memory"])
def client(request: pytest.FixtureRequest, tools: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A table as AWS has them, and the one in memory that the engine's tests run on: the same to the store."""
    if request.param == "memory":
        yield MemoryTable()
        return
    with LocalCloud(tmp_path_factory.mktemp("store"), tools=tools) as cloud:
        yield cloud.session().client("dynamodb")


@pytest.fixture(scope="module")
def store(client: Any) -> Store:
    """The store on a table as the workspace's is."""
    if isinstance(client, MemoryTable):
        return Store("batches", client)  # type: ignore[arg-type]
    return make_table(client, "batches")


def make_table(client: Any, name: str) -> Store:
    """The store on a new table with the keys and indexes of the workspace's."""
    text = {"pk", "sk", "open", "list", "createdAt"}
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in sorted(text)],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}],
                "Projection": {"ProjectionType": "ALL"},
            }
            for name, sort in (("open", "pk"), ("list", "createdAt"))
        ],
    )
    return Store(name, client)


@pytest.fixture
def project(store: Store) -> str:
    """A project of each test's own."""
    name = f"p{uuid.uuid4().hex[:8]}"
    for verb, actor, target in (
        ("project.request", ANN, "Review in progress"),
        ("project.approve", OPS, "Request approved"),
    ):
        move(store, name, verb, actor, target)
    return name


def move(store: Store, project: str, verb: str, actor: Actor, target: str) -> dict[str, Any]:
    command = Command(verb, actor, AT, target, {"taskType": "image"} if verb == "project.request" else {})
    return store.decide(Key(project), command, lambda head: decide_project(head, command))


def act(store: Store, key: Key, verb: str, actor: Actor, target: str, **options: Any) -> dict[str, Any]:
    """Decide on a batch; a busy table is asked again, as a caller of the API does."""
    data = options.pop("data", {})
    if verb == "batch.create":
        output = f"s3://data/labels/{key.project}/{key.batch}/"
        data = {"input": "s3://data/raw/", "output": output, **data}
        options.setdefault("claim_output", data["output"])
        options.setdefault("require_project", ("Request approved",))
    command = Command(verb, actor, AT, target, data, options.pop("after", None))
    while True:
        try:
            return store.decide(key, command, lambda head: decide_batch(head, command, SETTINGS), **options)
        except Busy:
            time.sleep(0.01)


def create(store: Store, project: str, name: str = "b", **options: Any) -> Key:
    key = Key(project, name)
    act(store, key, "batch.create", ANN, "Request submitted", **options)
    return key


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run all at the same moment; what each gave, or the exception it ended with."""
    gate = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        gate.wait()
        try:
            return work()
        except (Refused, Superseded, Busy, ClientError) as error:
            return error

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def seqs(store: Store, key: Key) -> list[int]:
    return [event["seq"] for event in store.events(key)]


# What is written is read


def test_a_batch_begins_with_its_first_event_and_an_open_head(store: Store, project: str) -> None:
    key = create(store, project)
    head = store.head(key)
    assert head is not None
    assert head | {"uid": ""} == {
        "pk": f"BATCH#{project}#b",
        "sk": "HEAD",
        "project": project,
        "batch": "b",
        "status": "Request submitted",
        "seq": 1,
        "round": 1,
        "since": AT,
        "correlation": "",
        "createdAt": AT,
        "actor": {"id": "AIDA-ann", "name": "ann", "duty": "request"},
        "requestedBy": {"id": "AIDA-ann", "name": "ann", "duty": "request"},
        "reportedBy": [],
        "form": {"input": "s3://data/raw/", "output": f"s3://data/labels/{project}/b/"},
        "facts": head["form"],
        "objects": {},
        "list": f"BATCHES#{project}",
        "open": "open",
        "generation": 1,
        "handled": 0,
        "uid": "",
    }
    (event,) = store.events(key)
    assert (event["seq"], event["status"], event["data"]) == (1, "Request submitted", head["form"])
    assert event == store.event(key, 1)
    assert store.event(key, 2) is None


def test_what_is_returned_is_what_is_kept(store: Store, project: str) -> None:
    key = create(store, project)
    act(store, key, "advance", WORKSPACE, "Data transfer in progress", data={"n": 1.5, "deep": {"x": [1, None, True]}})
    told = act(
        store,
        key,
        "batch.report",
        PRO,
        "Ready for review",
        data={"reason": "done", "objects": {"completed": 3}, "description": None, "text": "é👍"},
    )
    assert store.head(key) == told
    assert told["objects"] == {"completed": 3}
    assert told["facts"]["deep"] == {"x": [1, None, True]}
    assert "description" not in told["facts"]
    assert [event["status"] for event in store.events(key)][-3:] == ["Data received", "In progress", "Ready for review"]


def test_what_is_no_longer_true_is_taken_away(store: Store, project: str) -> None:
    key = create(store, project)
    act(store, key, "batch.pause", ANN, "Paused", data={"reason": "holidays"})
    resumed = act(store, key, "batch.resume", ANN, "")
    assert store.head(key) == resumed
    assert "pausedFrom" not in resumed
    assert "reason" not in resumed["facts"]


def test_a_command_that_has_happened_already_writes_nothing(store: Store, project: str) -> None:
    key = create(store, project)
    assert act(store, key, "batch.create", ANN, "Request submitted") == store.head(key)
    assert seqs(store, key) == [1]


def test_a_refusal_writes_nothing(store: Store, project: str) -> None:
    key = create(store, project)
    before = store.head(key)
    with pytest.raises(Refused):
        act(store, key, "batch.accept", REV, "Accepted", command_key="k", fingerprint="f")
    assert (store.head(key), seqs(store, key)) == (before, [1])
    assert store.answered(key, "k", "f") is None


def test_a_head_stays_small_however_many_events_there_are(store: Store, project: str) -> None:
    key = create(store, project)
    for number in range(60):
        actor = Actor(f"AIDA-{number}", f"ops {number}", Duty.OPERATE)
        act(store, key, "batch.pause", actor, "Paused", data={"reason": "x" * 1_000})
        act(store, key, "batch.resume", actor, "")
    assert seqs(store, key) == list(range(1, 122))
    assert len(repr(store.head(key))) < 3_000


def test_projects_and_batches_are_listed_newest_first(store: Store, project: str) -> None:
    keys = [Key(project, f"b{number}") for number in range(3)]
    for number, key in enumerate(keys):
        command = Command("batch.create", ANN, f"2026-11-24T10:00:0{number}Z", "Request submitted", {})
        store.decide(key, command, lambda head, command=command: decide_batch(head, command, SETTINGS))  # type: ignore[misc]
    assert [head["batch"] for head in store.batches(project)] == ["b2", "b1", "b0"]
    assert project in [head["project"] for head in store.projects()]
    assert all("batch" not in head for head in store.projects())
    assert set(keys) <= set(store.open_batches())
    assert not any(key.batch is None for key in store.open_batches())


def test_the_parked_token_is_never_public(store: Store, project: str, client: Any) -> None:
    key = create(store, project)
    park(client, key, generation=1, handled=1)
    head = store.head(key)
    assert head is not None
    assert head["token"] == "secret"
    assert "secret" not in repr(public(head))


# Serial decisions


def test_of_many_decisions_at_the_same_moment_none_is_lost_and_none_is_written_twice(
    store: Store, project: str
) -> None:
    key = create(store, project)

    def pause_and_resume(number: int) -> Callable[[], int]:
        actor = Actor(f"AIDA-{number}", str(number), Duty.OPERATE)

        def work() -> int:
            written = 0
            for _ in range(6):
                for verb, target in (("batch.pause", "Paused"), ("batch.resume", "")):
                    try:
                        act(store, key, verb, actor, target)
                        written += 1
                    except Refused:
                        pass
            return written

        return work

    written = together(*(pause_and_resume(number) for number in range(THREADS)))
    events = store.events(key)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    for before, event in zip(events, events[1:], strict=False):  # noqa: RUF007
        assert event["before"] == before["status"]
        assert event["status"] != before["status"]
    head = store.head(key)
    assert head is not None
    assert (head["seq"], head["status"]) == (events[-1]["seq"], events[-1]["status"])
    # Who is told "done" a second time wrote nothing; nobody is told "done" for nothing.
    assert sum(written) >= len(events) - 1


@pytest.mark.parametrize("number", range(10))
def test_of_accept_and_reject_at_the_same_moment_exactly_one_holds(store: Store, project: str, number: int) -> None:
    key = create(store, project)
    act(store, key, "advance", WORKSPACE, "Data transfer in progress")
    act(store, key, "batch.report", PRO, "Ready for review")

    def decide(person: int) -> Callable[[], Any]:
        actor = Actor(f"AIDA-r{person}", f"r{person}", Duty.REVIEW)
        verb, target = (("batch.accept", "Accepted"), ("batch.reject", "Rejected"))[(person + number) % 2]
        return lambda: act(store, key, verb, actor, target)

    answers = together(*(decide(person) for person in range(THREADS)))
    (won,) = [answer for answer in answers if isinstance(answer, dict)]
    assert [event["status"] for event in store.events(key)][5:] == [won["status"]]
    assert all(isinstance(answer, Refused) for answer in answers if answer is not won)


def test_of_many_creations_of_one_name_one_batch_comes(store: Store, project: str) -> None:
    key = Key(project, "b")
    people = [Actor(f"AIDA-{n}", str(n), Duty.REQUEST) for n in range(THREADS)]
    answers = together(
        *(lambda person=person: act(store, key, "batch.create", person, "Request submitted") for person in people)  # type: ignore[misc]
    )
    won = [answer for answer in answers if isinstance(answer, dict)]
    assert len(won) == 1
    assert all(isinstance(answer, Refused) for answer in answers if answer is not won[0])
    assert seqs(store, key) == [1]


def test_a_batch_of_a_project_that_is_closed_at_the_same_moment_is_not_created(store: Store, project: str) -> None:
    """The project is looked at once more in the transaction that creates the batch."""
    key = Key(project, "b")
    command = Command("batch.create", ANN, AT, "Request submitted", {})
    decided = 0

    def decide(head: dict[str, Any] | None) -> list[Event]:
        nonlocal decided
        decided += 1
        if decided == 1:
            move(store, project, "project.status", OPS, "Paused")
            return decide_batch(head, command, SETTINGS)
        raise Refused(409, "this project takes no batches now")

    with pytest.raises(Refused, match="takes no batches now"):
        store.decide(key, command, decide, require_project=("Request approved",))
    assert store.head(key) is None
    assert store.events(key) == []


# Duplicates


def test_a_duplicate_is_answered_as_the_first_was(store: Store, project: str) -> None:
    key = create(store, project)
    mark = fingerprint("batch.pause", ANN.id, {})
    first = act(store, key, "batch.pause", ANN, "Paused", command_key="k", fingerprint=mark)
    act(store, key, "batch.resume", ANN, "")
    assert store.answered(key, "k", mark) == public(first)
    assert act(store, key, "batch.pause", ANN, "Paused", command_key="k", fingerprint=mark) == public(first)
    assert seqs(store, key) == [1, 2, 3]


def test_duplicates_at_the_same_moment_are_one_command(store: Store, project: str) -> None:
    key = create(store, project)
    answers = together(
        *[lambda: act(store, key, "batch.pause", ANN, "Paused", command_key="k", fingerprint="f")] * THREADS
    )
    assert {(answer["status"], answer["seq"]) for answer in answers} == {("Paused", 2)}
    assert seqs(store, key) == [1, 2]


def test_another_command_under_the_same_key_is_refused(store: Store, project: str) -> None:
    key = create(store, project)
    act(store, key, "batch.pause", ANN, "Paused", command_key="k", fingerprint="pause")
    with pytest.raises(Refused, match="used for another command") as error:
        store.answered(key, "k", "cancel")
    assert error.value.status == 409
    with pytest.raises(Refused, match="used for another command"):
        act(store, key, "batch.cancel", ANN, "Cancelled", command_key="k", fingerprint="cancel")
    assert seqs(store, key) == [1, 2]
    assert store.answered(create(store, project, "c"), "k", "cancel") is None


# Output locations


def test_an_output_location_is_one_batchs(store: Store, project: str) -> None:
    uri = f"s3://data/labels/{project}/shared/"
    owner = create(store, project, "b", data={"output": uri})
    assert store.output_owner(uri) == owner
    assert store.output_owner(uri + "x/") is None
    with pytest.raises(Refused, match="another batch has this output location"):
        create(store, project, "c", data={"output": uri})
    assert store.head(Key(project, "c")) is None
    assert create(store, project, "b", data={"output": uri}) == owner


def test_of_many_batches_that_want_one_output_location_one_gets_it(store: Store, project: str) -> None:
    uri = f"s3://data/labels/{project}/shared/"
    answers = together(
        *(lambda n=n: create(store, project, f"b{n}", data={"output": uri}) for n in range(THREADS))  # type: ignore[misc]
    )
    (owner,) = [answer for answer in answers if isinstance(answer, Key)]
    assert store.output_owner(uri) == owner
    assert [head["batch"] for head in store.batches(project)] == [owner.batch]


# Generations


def park(client: Any, key: Key, *, generation: int, handled: int) -> None:
    """As the state machine parks."""
    client.update_item(
        TableName="batches",
        Key={"pk": {"S": key.pk}, "sk": {"S": "HEAD"}},
        UpdateExpression="SET #token = :token, parkedGeneration = :generation, handled = :handled",
        ConditionExpression="generation = :generation",
        ExpressionAttributeNames={"#token": "token"},
        ExpressionAttributeValues={
            ":token": {"S": "secret"},
            ":generation": {"N": str(generation)},
            ":handled": {"N": str(handled)},
        },
    )


def test_a_handler_of_an_older_generation_writes_nothing(store: Store, project: str) -> None:
    key = create(store, project)
    assert store.raise_generation(key, 1, AT, failed=False)
    before = store.head(key)
    with pytest.raises(Superseded):
        store.note(key, 1, {"inventory": "s3://data/x"}, {"total": 1})
    with pytest.raises(Superseded):
        act(store, key, "advance", WORKSPACE, "Data transfer in progress", after=1, generation=1)
    assert (store.head(key), seqs(store, key)) == (before, [1])
    act(store, key, "advance", WORKSPACE, "Data transfer in progress", after=1, generation=2)
    assert seqs(store, key) == [1, 2]


def test_an_event_that_is_handled_takes_no_more_notes(store: Store, project: str, client: Any) -> None:
    """A run that was given up, and ends after the next one."""
    key = create(store, project)
    store.note(key, 1, {"inventory": "s3://data/first"}, handling=1)
    park(client, key, generation=1, handled=1)
    with pytest.raises(Superseded):
        store.note(key, 1, {"inventory": "s3://data/late"}, handling=1)
    assert (store.head(key) or {})["facts"]["inventory"] == "s3://data/first"
    store.note(key, 1, {"inventory": "s3://data/next"}, handling=2)


def test_what_holds_in_one_status_alone_is_not_noted_in_the_next(store: Store, project: str) -> None:
    key = create(store, project)
    store.note(key, 1, {"delivery": {"problems": ["x"]}}, seq=1)
    act(store, key, "batch.cancel", ANN, "Cancelled")
    with pytest.raises(Superseded):
        store.note(key, 1, {"delivery": {"problems": ["late"]}}, seq=1)
    assert (store.head(key) or {})["facts"]["delivery"] == {"problems": ["x"]}


def test_a_generation_that_is_raised_while_a_handler_decides_ends_it(store: Store, project: str) -> None:
    key = create(store, project)
    command = Command("advance", WORKSPACE, AT, "Data transfer in progress", after=1)

    def decide(head: dict[str, Any] | None) -> list[Event]:
        store.raise_generation(key, 1, AT, failed=False)
        return decide_batch(head, command, SETTINGS)

    with pytest.raises(Superseded):
        store.decide(key, command, decide, generation=1)
    assert seqs(store, key) == [1]


def test_a_generation_is_raised_once_by_however_many(store: Store, project: str) -> None:
    key = create(store, project)
    raised = together(*[lambda: store.raise_generation(key, 1, AT, failed=True)] * THREADS)
    head = store.head(key)
    assert head is not None
    assert sorted(raised) == [False] * (THREADS - 1) + [True]
    assert (head["generation"], head["rebuilds"], head["rebuiltAt"]) == (2, 1, AT)


def test_what_has_ended_since_it_was_looked_at_gets_no_new_generation(store: Store, project: str, client: Any) -> None:
    key = create(store, project)
    client.update_item(
        TableName="batches",
        Key={"pk": {"S": key.pk}, "sk": {"S": "HEAD"}},
        UpdateExpression="SET handled = :handled REMOVE #open",
        ExpressionAttributeNames={"#open": "open"},
        ExpressionAttributeValues={":handled": {"N": "1"}},
    )
    assert not store.raise_generation(key, 1, AT, failed=False)
    head = store.head(key)
    assert head is not None
    assert head["generation"] == 1


def test_failures_are_counted_until_the_next_event_is_handled(store: Store, project: str, client: Any) -> None:
    key = create(store, project)

    def fail(generation: int) -> int:
        head = store.head(key)
        assert head is not None
        before = failures_in_a_row(head)
        store.raise_generation(key, generation, AT, failed=True, handled=head["handled"], failures=before)
        head = store.head(key)
        assert head is not None
        return failures_in_a_row(head)

    assert [fail(1), fail(2)] == [1, 2]
    # Each generation parks first at the last event handled; that alone is no progress.
    park(client, key, generation=3, handled=0)
    assert fail(3) == 3
    park(client, key, generation=4, handled=1)
    head = store.head(key)
    assert head is not None
    assert failures_in_a_row(head) == 0
    assert fail(4) == 1


def test_a_park_and_a_note_take_nothing_from_a_command_that_comes_between(
    store: Store, project: str, client: Any
) -> None:
    key = create(store, project)
    command = Command("batch.pause", ANN, AT, "Paused", {"reason": "holidays"})

    def decide(head: dict[str, Any] | None) -> list[Event]:
        park(client, key, generation=1, handled=1)
        store.note(key, 1, {"inventory": "s3://data/i"}, {"total": 9})
        return decide_batch(head, command, SETTINGS)

    store.decide(key, command, decide)
    head = store.head(key)
    assert head is not None
    assert (head["status"], head["handled"], head["token"]) == ("Paused", 1, "secret")
    assert (head["facts"]["inventory"], head["facts"]["reason"], head["objects"]) == (
        "s3://data/i",
        "holidays",
        {"total": 9},
    )


def test_a_note_changes_what_it_names_and_nothing_else(store: Store, project: str) -> None:
    key = create(store, project)
    store.note(key, 1, {"a": 1, "b": {"c": [1.5, "x"]}}, {"total": 3})
    store.note(key, 1, {"a": None}, {"failed": 1})
    head = store.head(key)
    assert head is not None
    assert "a" not in head["facts"]
    assert head["facts"]["b"] == {"c": [1.5, "x"]}
    assert head["objects"] == {"total": 3, "failed": 1}
    assert head["seq"] == 1


def test_a_nudge_changes_nothing_but_makes_a_record(store: Store, project: str, client: Any) -> None:
    key = create(store, project)
    before = store.head(key)
    store.nudge(key, AT)
    assert store.head(key) == {**(before or {}), "nudgedAt": AT}
    store.nudge(Key(project, "none"), AT)
    assert store.head(Key(project, "none")) is None


def test_a_look_at_a_delivery_is_kept_where_there_is_a_batch(store: Store, project: str) -> None:
    key = create(store, project)
    before = store.head(key)
    store.looked(key, AT)
    assert store.head(key) == {**(before or {}), "lookedAt": AT}
    store.looked(Key(project, "none"), AT)
    assert store.head(Key(project, "none")) is None


# What is told of a status that goes on


def count(store: Store, key: Key, at: str, **counts: int) -> dict[str, Any] | None:
    return store.progress(key, store.head(key) or {}, counts, at, f"key-{at}", "f")


def test_a_count_that_comes_twice_counts_once(store: Store, project: str) -> None:
    key = create(store, project)
    assert count(store, key, AT, completed=1)
    assert count(store, key, "2026-11-24T22:00:00.000000Z", completed=2)
    assert count(store, key, AT, completed=1) is None
    assert (store.head(key) or {})["objects"] == {"completed": 2}


def test_the_answers_to_counts_go_by_themselves_and_those_to_decisions_stay(store: Store, project: str) -> None:
    """A provider may report every minute for months; a create request gives the same batch for ever."""
    key = create(store, project)
    command = Command("batch.pause", ANN, AT, "Paused")
    assert count(store, key, AT, completed=1)
    store.decide(key, command, lambda head: decide_batch(head, command, SETTINGS), command_key="decided")
    places = [(key.pk, f"COMMAND#{name}") for name in (f"key-{AT}", "decided")]
    items = store.read(places)
    assert ["expiresAt" in items[place] for place in places] == [True, False]


def test_counts_are_kept_on_the_head_and_the_last_of_each_day(store: Store, project: str) -> None:
    key = create(store, project)
    for at, completed in ((AT, 1), ("2026-11-24T22:00:00.000000Z", 2), ("2026-11-26T08:00:00.000000Z", 5)):
        assert count(store, key, at, completed=completed)
    assert count(store, key, "2026-11-27T08:00:00.000000Z", failed=1)
    assert (store.head(key) or {})["objects"] == {"completed": 5, "failed": 1}
    assert store.progress_by_day(key) == {
        "2026-11-24": {"completed": 2},
        "2026-11-26": {"completed": 5},
        "2026-11-27": {"failed": 1},
    }


def test_counts_of_an_earlier_status_are_not_kept(store: Store, project: str) -> None:
    key = create(store, project)
    act(store, key, "batch.cancel", ANN, "Cancelled")
    before = store.head(key) or {}
    assert not store.progress(key, {**before, "seq": 1}, {"completed": 1}, AT, "k", "f")
    assert store.head(key) == before
    assert store.progress_by_day(key) == {}


def test_a_reminder_is_written_once_however_many_sweeps_find_it_due(store: Store, project: str) -> None:
    key = create(store, project)
    head = store.head(key) or {}
    assert [store.remind(key, head, number, AT) for number in (1, 1, 3, 2, 3)] == [True, False, True, False, False]
    assert (store.head(key) or {})["reminders"] == 3
    reminder = store.read([(key.pk, "REMINDER#00000001#000003")])[key.pk, "REMINDER#00000001#000003"]
    assert (reminder["status"], reminder["number"], reminder["since"]) == ("Request submitted", 3, AT)
    act(store, key, "batch.cancel", ANN, "Cancelled")
    assert not store.remind(key, head, 4, AT)
    assert "reminders" not in (store.head(key) or {})


def test_a_reminder_that_comes_while_the_next_status_is_decided_takes_none_from_it(store: Store, project: str) -> None:
    key = create(store, project)
    command = Command("batch.cancel", ANN, AT, "Cancelled")

    def decide(head: dict[str, Any] | None) -> list[Event]:
        assert store.remind(key, head or {}, 1, AT)
        return decide_batch(head, command, SETTINGS)

    store.decide(key, command, decide)
    assert "reminders" not in (store.head(key) or {})


# The projects in review


def request(store: Store, project: str, limit: int = 5) -> str:
    """Request a project: admitted, or the refusal."""
    command = Command("project.request", ANN, AT, "Review in progress", {"taskType": "image"})

    def admit(waiting: list[str]) -> None:
        if len(waiting) >= limit:
            raise Refused(409, f"{len(waiting)} are in review", [])

    while True:
        try:
            store.decide(Key(project), command, lambda head: decide_project(head, command), admit=admit)
        except Refused as refused:
            return refused.summary
        except Busy:
            continue
        return "admitted"


def test_of_many_requests_at_once_as_many_are_admitted_as_may_be_in_review(store: Store) -> None:
    names = [f"r{uuid.uuid4().hex[:8]}" for _ in range(THREADS)]
    answers = together(*(lambda name=name: request(store, name) for name in names))
    assert sorted(answers) == ["5 are in review"] * (THREADS - 5) + ["admitted"] * 5
    admitted = [name for name, answer in zip(names, answers, strict=True) if answer == "admitted"]
    late = names[answers.index("5 are in review")]
    assert request(store, admitted[0]) == "admitted", "the same again is no sixth"
    # One that was decided on has left.
    move(store, admitted[1], "project.approve", OPS, "Request approved")
    assert request(store, late) == "admitted"
    for name in (*admitted, late):
        if name != admitted[1]:
            move(store, name, "project.status", OPS, "Declined")


# The line of the data transfers


def test_a_line_is_first_come_first_served(store: Store, project: str) -> None:
    keys = [Key(project, f"b{number}") for number in range(7)]
    assert list(store.transfers(project)) == []
    for position, key in enumerate(keys):
        assert list(store.join_transfers(project, key, 1)) == keys[: position + 1]
    assert list(store.join_transfers(project, keys[2], 1)) == keys
    assert list(store.leave_transfers(project, keys[0], 1)) == keys[1:]
    assert list(store.leave_transfers(project, keys[0], 1)) == keys[1:]
    assert list(store.join_transfers(project, keys[0], 1)) == [*keys[1:], keys[0]]
    assert list(store.leave_transfers("another provider", keys[1], 1)) == []


def test_nobody_is_lost_from_a_line_that_many_join_and_leave_at_the_same_moment(store: Store, project: str) -> None:
    def again(work: Callable[[], Any]) -> Any:
        while True:
            try:
                return work()
            except Busy:
                time.sleep(0.01)

    def come_and_go(number: int) -> Callable[[], None]:
        def work() -> None:
            for turn in range(4):
                key = Key(project, f"b{number}-{turn}")
                line = again(lambda key=key: store.join_transfers(project, key, 1))  # type: ignore[misc]
                assert list(line)[-1] == key
                if turn % 2:
                    again(lambda key=key: store.leave_transfers(project, key, 1))  # type: ignore[misc]

        return work

    assert together(*(come_and_go(number) for number in range(THREADS))) == [None] * THREADS
    line = store.transfers(project)
    assert sorted(line) == sorted(Key(project, f"b{number}-{turn}") for number in range(THREADS) for turn in (0, 2))
    for number in range(THREADS):
        own = [key.batch for key in line if key.batch and key.batch.startswith(f"b{number}-")]
        assert own == [f"b{number}-0", f"b{number}-2"]
