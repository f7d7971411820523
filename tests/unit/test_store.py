"""The store's answers to what only a table of AWS does, transactions that conflict above all, and what it sends.

That its decisions are serial is tested against a real table, in the end-to-end tests.
"""

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime import store as store_module
from gtplus_runtime.commands import Actor, Command, decide_batch
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.problems import Refused
from gtplus_runtime.store import TRIES, Busy, Key, Seen, Store, _pack, _unpack, fingerprint, public

ANN = Actor("AIDA-ann", "ann", Duty.REQUEST)
AT = "2026-11-24T10:00:00.000000Z"
HEAD = {
    "pk": "BATCH#p#b",
    "sk": "HEAD",
    "project": "p",
    "batch": "b",
    "status": "In progress",
    "seq": 4,
    "round": 1,
    "since": AT,
    "actor": {"id": "AIDA-pro", "name": "pro", "duty": "report"},
    "requestedBy": {"id": "AIDA-ann", "name": "ann", "duty": "request"},
    "form": {"input": "s3://data/raw/"},
    "facts": {"inventory": "s3://data/i"},
    "objects": {"total": 3},
    "generation": 1,
}
COMMAND = Command("batch.pause", ANN, AT, "Paused", {"reason": "holidays"})


class Table:
    """A stubbed table: says what it is told to, in that order."""

    def __init__(self) -> None:
        self.client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self.stub = Stubber(self.client)
        self.store = Store("batches", self.client)

    def has(self, head: dict[str, Any] | None = None) -> None:
        answer = {} if head is None else {"Item": _pack(head)}
        self.stub.add_response("get_item", answer, {"TableName": "batches", "Key": ANY, "ConsistentRead": True})

    def writes(self) -> None:
        self.stub.add_response("transact_write_items", {}, {"TransactItems": ANY})

    def cancels(self, *codes: str) -> None:
        self.stub.add_client_error(
            "transact_write_items",
            "TransactionCanceledException",
            modeled_fields={"CancellationReasons": [{"Code": code} for code in codes]},
            expected_params={"TransactItems": ANY},
        )

    def decide(self, **options: Any) -> dict[str, Any]:
        return self.store.decide(Key("p", "b"), COMMAND, lambda head: decide_batch(head, COMMAND, {}), **options)


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(store_module.time, "sleep", waited.append)
    return waited


@pytest.fixture
def table(waits: list[float]) -> Iterator[Table]:
    made = Table()
    with made.stub:
        yield made
        made.stub.assert_no_pending_responses()


# What a table does that only AWS's does


@pytest.mark.parametrize(
    "codes",
    [
        ("TransactionConflict", "None"),
        ("None", "TransactionConflict"),
        ("ConditionalCheckFailed", "None"),
        ("None", "ConditionalCheckFailed"),
        ("ThrottlingError", "None"),
    ],
    ids=["conflict on the event", "conflict on the head", "the event is there", "the head has moved", "throttled"],
)
def test_a_transaction_that_was_cancelled_is_decided_anew(
    table: Table, codes: tuple[str, str], waits: list[float]
) -> None:
    table.has(HEAD)
    table.cancels(*codes)
    table.has({**HEAD, "seq": 5, "status": "Ready for review"})
    table.writes()
    after = table.decide()
    assert (after["seq"], after["pausedFrom"]) == (6, "Ready for review")
    assert len(waits) == 1


def test_a_conflict_on_the_answer_is_no_duplicate(table: Table) -> None:
    table.has(HEAD)
    table.cancels("None", "None", "TransactionConflict")
    table.has(HEAD)
    table.writes()
    assert table.decide(command_key="k", fingerprint="f")["status"] == "Paused"


def test_a_conflict_on_the_output_location_is_not_another_batchs(table: Table) -> None:
    table.has(HEAD)
    table.cancels("None", "None", "TransactionConflict")
    table.has(HEAD)
    table.writes()
    assert table.decide(claim_output="s3://data/labels/b/")["status"] == "Paused"


def test_after_many_conflicts_it_says_that_it_is_busy_and_has_waited_longer_each_time(
    table: Table, waits: list[float]
) -> None:
    for _ in range(TRIES):
        table.has(HEAD)
        table.cancels("None", "TransactionConflict")
    with pytest.raises(Busy):
        table.decide()
    assert waits == sorted(waits)
    assert 0.5 < sum(waits) < 5


def test_another_error_of_the_table_is_not_hidden(table: Table) -> None:
    table.has(HEAD)
    table.stub.add_client_error("transact_write_items", "AccessDeniedException")
    with pytest.raises(ClientError, match="AccessDenied"):
        table.decide()


def test_what_the_table_finds_invalid_is_not_tried_again(table: Table, waits: list[float]) -> None:
    """An item over 400 KB stays over it: trying again would only hide what is wrong."""
    table.has(HEAD)
    table.cancels("None", "ValidationError")
    with pytest.raises(ValueError, match="invalid"):
        table.decide()
    assert waits == []


def test_a_head_that_was_read_a_moment_ago_is_not_read_again(table: Table) -> None:
    table.writes()
    assert table.decide(seen=Seen(HEAD))["status"] == "Paused"


def test_a_head_that_has_moved_since_it_was_read_is_read_anew(table: Table) -> None:
    table.cancels("None", "ConditionalCheckFailed")
    table.has({**HEAD, "seq": 5, "status": "Ready for review"})
    table.writes()
    assert table.decide(seen=Seen(HEAD))["pausedFrom"] == "Ready for review"


def test_the_answer_to_a_duplicate_and_the_head_are_read_in_one_call(table: Table) -> None:
    answer = {"pk": HEAD["pk"], "sk": "COMMAND#k", "fingerprint": "f", "answer": '{"seq": 4}'}
    for items in ([HEAD], [answer, HEAD], []):
        told = {"Responses": {"batches": [_pack(item) for item in items]}, "UnprocessedKeys": {}}
        table.stub.add_response("batch_get_item", told)
    looked = [table.store.look(Key("p", "b"), "k", "f") for _ in range(3)]
    assert looked == [(None, Seen(HEAD)), ({"seq": 4}, Seen(HEAD)), (None, Seen(None))]


def test_of_two_duplicates_the_second_is_answered_as_the_first_was(table: Table) -> None:
    table.has(HEAD)
    table.cancels("ConditionalCheckFailed", "ConditionalCheckFailed", "ConditionalCheckFailed")
    table.has({"fingerprint": "f", "answer": '{"status": "Paused", "seq": 5}'})
    assert table.decide(command_key="k", fingerprint="f") == {"status": "Paused", "seq": 5}


def test_of_two_equal_creations_with_other_keys_the_second_is_not_told_that_the_location_is_anothers(
    table: Table,
) -> None:
    create = Command("batch.create", ANN, AT, "Request submitted", {"input": "s3://data/raw/"})
    table.has(None)
    table.cancels("ConditionalCheckFailed", "ConditionalCheckFailed", "None", "ConditionalCheckFailed")
    table.has({**HEAD, "status": "Request submitted", "seq": 1})
    table.writes()
    after = table.store.decide(
        Key("p", "b"),
        create,
        lambda head: decide_batch(head, create, {}),
        command_key="another",
        fingerprint="f",
        claim_output="s3://data/labels/b/",
    )
    assert after["seq"] == 1


def test_a_location_that_was_taken_in_the_same_moment_is_refused(table: Table) -> None:
    table.has(HEAD)
    table.cancels("None", "None", "ConditionalCheckFailed")
    with pytest.raises(Refused, match="another batch has this output location"):
        table.decide(claim_output="s3://data/labels/b/")


@pytest.mark.parametrize("what", ["note", "nudge", "raise_generation"])
def test_an_update_that_meets_a_transaction_is_tried_again(table: Table, waits: list[float], what: str) -> None:
    key = Key("p", "b")
    table.stub.add_client_error("update_item", "TransactionConflictException")
    table.stub.add_client_error("update_item", "TransactionConflictException")
    table.stub.add_response("update_item", {})
    match what:
        case "note":
            table.store.note(key, 1, {"inventory": "s3://data/i"})
        case "nudge":
            table.store.nudge(key, AT)
        case "raise_generation":
            assert table.store.raise_generation(key, 1, AT, failed=False)
    assert waits == sorted(waits)
    assert len(waits) == 2


def test_an_update_that_meets_one_every_time_says_that_it_is_busy(table: Table) -> None:
    for _ in range(TRIES):
        table.stub.add_client_error("update_item", "TransactionConflictException")
    with pytest.raises(Busy):
        table.store.note(Key("p", "b"), 1, {"inventory": "s3://data/i"})


@pytest.mark.parametrize("write", ["progress", "remind"])
def test_a_small_transaction_is_tried_again_after_a_conflict_and_not_after_a_condition(
    table: Table, waits: list[float], write: str
) -> None:
    def written() -> bool:
        if write == "progress":
            return table.store.progress(Key("p", "b"), HEAD, {"completed": 1}, AT, "k", "f") is not None
        return table.store.remind(Key("p", "b"), HEAD, 1, AT)

    table.cancels("TransactionConflict", "None")
    table.writes()
    assert written()
    table.cancels("ConditionalCheckFailed", "None")
    assert not written()
    assert len(waits) == 1


# What is sent


def transaction(table: Table, head: dict[str, Any] | None, work: Callable[[], Any]) -> list[dict[str, Any]]:
    """The items that are written where the head is so."""
    seen: list[dict[str, Any]] = []
    table.client.meta.events.register(
        "provide-client-params.dynamodb.TransactWriteItems", lambda params, **_: seen.append(params)
    )
    table.has(head)
    table.writes()
    work()
    return list(seen[0]["TransactItems"])


def sent(table: Table, **options: Any) -> list[dict[str, Any]]:
    return transaction(table, HEAD, lambda: table.decide(**options))


def test_one_transaction_holds_event_head_answer_project_and_location(table: Table) -> None:
    event, head, answer, check, claim = sent(
        table,
        command_key="k",
        fingerprint="f",
        require_project=("Request approved", "Pilot in progress"),
        claim_output="s3://data/labels/b/",
        generation=1,
    )
    assert event["Put"]["Item"]["sk"] == {"S": "EVENT#00000005"}
    assert head["Update"]["Key"]["sk"] == {"S": "HEAD"}
    assert answer["Put"]["Item"]["sk"] == {"S": "COMMAND#k"}
    assert check["ConditionCheck"]["Key"]["pk"] == {"S": "PROJECT#p"}
    assert check["ConditionCheck"]["ConditionExpression"] == "#status IN (:status0, :status1)"
    assert claim["Put"]["Item"]["pk"] == {"S": "OUTPUT#s3://data/labels/b/"}
    for put in (event, answer, claim):
        assert put["Put"]["ConditionExpression"] == "attribute_not_exists(pk)"


def test_the_head_is_updated_where_it_is_as_it_was_seen_and_keeps_what_others_write(table: Table) -> None:
    _, head = sent(table, generation=1)
    update = head["Update"]
    assert update["ConditionExpression"] == "seq = :seen AND generation = :generation"
    assert update["ExpressionAttributeValues"][":seen"] == {"N": "4"}
    written = set(update["ExpressionAttributeNames"].values())
    assert not written & {"token", "handled", "parkedAt", "parkedGeneration", "generation", "open", "rebuilds"}
    assert "#facts.#reason" in update["UpdateExpression"]
    assert "#facts = " not in update["UpdateExpression"]
    assert "#objects = " not in update["UpdateExpression"]


def test_a_new_head_is_written_where_there_is_none(table: Table) -> None:
    create = Command("batch.create", ANN, AT, "Request submitted", {"input": "s3://data/raw/"})
    items = transaction(
        table, None, lambda: table.store.decide(Key("p", "b"), create, lambda head: decide_batch(head, create, {}))
    )
    (head,) = (item["Update"] for item in items if "Update" in item)
    assert head["ConditionExpression"] == "attribute_not_exists(pk)"


def test_that_there_is_nothing_to_do_is_kept_where_the_head_is_as_it_was_seen(table: Table) -> None:
    """Else a duplicate that comes late, after the batch has gone on, would do it after all."""
    options = {"command_key": "k", "fingerprint": "f"}
    paused = {**HEAD, "status": "Paused", "pausedFrom": "In progress", "actor": ANN._asdict()}
    check, answer = transaction(table, paused, lambda: table.decide(**options))
    assert check["ConditionCheck"]["ConditionExpression"] == "seq = :seen"
    assert check["ConditionCheck"]["ExpressionAttributeValues"] == {":seen": {"N": "4"}}
    assert answer["Put"]["Item"]["sk"] == {"S": "COMMAND#k"}


# Keys, values, fingerprints


@pytest.mark.parametrize("key", [Key("p"), Key("p", "b"), Key("a-b", "c-d")])
def test_a_key_is_read_back_from_its_partition_key(key: Key) -> None:
    assert Key.parse(key.pk) == key


@pytest.mark.parametrize("pk", ["OUTPUT#s3://data/x/", "TRANSFERS#g", "BATCH#p", "PROJECT#p#b", "x", "", "BATCH#a#b#c"])
def test_what_is_no_batch_and_no_project_has_no_key(pk: str) -> None:
    assert Key.parse(pk) is None


VALUES = st.recursive(
    st.booleans() | st.text() | st.integers(-(10**30), 10**30) | st.floats(-1e100, 1e100).filter(lambda f: f == f),
    lambda inner: st.lists(st.none() | inner, max_size=4) | st.dictionaries(st.text(min_size=1), inner, max_size=4),
)


@given(st.dictionaries(st.text(min_size=1), VALUES, max_size=5))
def test_what_is_packed_is_unpacked_as_it_was(item: dict[str, Any]) -> None:
    assert _unpack(_pack(item)) == item


def test_what_is_none_is_left_out_and_what_no_item_holds_is_refused() -> None:
    assert _pack({"a": None, "b": {"c": None}, "d": [None]}) == {"b": {"M": {}}, "d": {"L": [{"NULL": True}]}}
    for value in (b"x", {1}, object()):
        with pytest.raises(TypeError, match="no item holds"):
            _pack({"a": value})


def test_a_fingerprint_tells_commands_apart_and_not_the_order_of_their_fields() -> None:
    mark = fingerprint("batch.pause", "ann", {"a": 1, "b": 2})
    assert fingerprint("batch.pause", "ann", {"b": 2, "a": 1}) == mark
    others = [
        fingerprint("batch.cancel", "ann", {"a": 1, "b": 2}),
        fingerprint("batch.pause", "eve", {"a": 1, "b": 2}),
        fingerprint("batch.pause", "ann", {"a": 1, "b": "2"}),
        fingerprint("batch.pause", "ann", {"a": 1}),
    ]
    assert len({mark, *others}) == 5


def test_public_is_what_people_may_see() -> None:
    hidden = {"token": "secret", "parkedGeneration": 1, "handled": 3, "uid": "u", "open": "open", "reportedBy": ["x"]}
    shown = public({**HEAD, **hidden})
    assert not shown.keys() & hidden.keys()
    assert shown["status"] == "In progress"
