"""The API's handler: who calls, what is refused before anything is read or written, and what is answered.

The table is a few dictionaries here; that the real one decides in one transaction is tested beside the store.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from gtplus_cli.client import every
from gtplus_runtime import retelling
from gtplus_runtime.commands import Command, Event, evolve
from gtplus_runtime.found import Found
from gtplus_runtime.handlers import api
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.places import Grant, Limits, Place
from gtplus_runtime.problems import Problem, Refused
from gtplus_runtime.routes import BY_KEY
from gtplus_runtime.store import Busy, Key, Seen, public

PLACE = Place(
    project="streets",
    provider="GroundTruthPlus",
    limits=Limits(),
    grants=(Grant("pictures", ("raw/",), ()), Grant("data", ("raw/",), ("labels/",))),
    data_role_arn="arn:aws:iam::1:role/data",
    runtime_role_arn="arn:aws:iam::1:role/runtime",
    settings={"maxRounds": 3, "separationOfDuties": True, "sampleSize": 50, "maxErrorRate": 0.05},
)
REQUEST = {
    "firstName": "Ann",
    "lastName": "Ba",
    "businessEmail": "ann@example.com",
    "description": "street signs",
    "taskType": "image",
    "containsPii": False,
}


class Table:
    """Keeps heads, events and answers; decides as the store does, without anybody beside."""

    def __init__(self) -> None:
        self.heads: dict[Key, dict[str, Any]] = {}
        self.log: dict[Key, list[Event]] = {}
        self.answers: dict[tuple[Key, str], tuple[str, dict[str, Any]]] = {}
        self.claims: list[str | None] = []
        self.busy = False
        self.kept: dict[str, dict[str, Any]] = {}
        self.told: list[tuple[Key, str, str]] = []
        self.late: dict[Key, list[dict[str, Any]]] = {}
        self.asked: dict[Key, list[dict[str, Any]]] = {}
        self.nudged: list[Key] = []
        self.days: dict[Key, dict[str, dict[str, Any]]] = {}

    def head(self, key: Key) -> dict[str, Any] | None:
        return self.heads.get(key)

    def events(self, key: Key) -> list[dict[str, Any]]:
        return [
            {**event._asdict(), "actor": event.actor._asdict(), "sk": f"EVENT#{event.seq}"} for event in self.log[key]
        ]

    def progress_by_day(self, key: Key) -> dict[str, dict[str, Any]]:
        return self.days.get(key, {})

    def projects(self) -> list[dict[str, Any]]:
        return [head for key, head in self.heads.items() if key.batch is None]

    def batches(self, project: str) -> list[dict[str, Any]]:
        return [head for key, head in self.heads.items() if key.batch and key.project == project]

    def quarantined(self) -> Iterator[dict[str, Any]]:
        yield from (event for event in self.kept.values() if "settled" not in event)

    def quarantined_event(self, id: str) -> dict[str, Any] | None:
        return self.kept.get(id)

    def quarantine(self, id: str, facts: Mapping[str, Any]) -> None:
        self.kept[id] = {"id": id, **facts}

    def output_owner(self, uri: str) -> Key | None:
        return None

    def retell(self, key: Key, sk: str, to: str, at: str, by: str) -> None:
        self.told.append((key, sk, to))

    def retold(self, key: Key) -> list[dict[str, Any]]:
        return self.asked.get(key, [])

    def reminders(self, key: Key) -> list[dict[str, Any]]:
        return self.late.get(key, [])

    def nudge(self, key: Key, at: str) -> None:
        self.nudged.append(key)

    def answered(self, key: Key, command_key: str, fingerprint: str) -> dict[str, Any] | None:
        mark, answer = self.answers.get((key, command_key), (fingerprint, None))
        if mark != fingerprint:
            raise Refused(409, "this idempotency key was used for another command")
        return answer

    def look(self, key: Key, command_key: str, fingerprint: str) -> tuple[dict[str, Any] | None, Seen]:
        return self.answered(key, command_key, fingerprint), Seen(self.head(key))

    def decide(
        self,
        key: Key,
        command: Command,
        decide: Callable[[dict[str, Any] | None], list[Event]],
        *,
        command_key: str,
        fingerprint: str,
        seen: Seen,
        require_project: tuple[str, ...],
        claim_output: str | None,
        admit: Callable[[list[str]], None] | None,
    ) -> dict[str, Any]:
        if self.busy:
            raise Busy
        head = self.heads.get(key)
        events = decide(head)
        if admit and events:
            admit([p["project"] for p in self.projects() if p["status"] == "Review in progress"])
        for event in events:
            self.log.setdefault(key, []).append(event)
            form = {name: value for name, value in command.data.items() if value is not None}
            new = {"project": key.project, "batch": key.batch, "form": form, "token": "secret"}
            changes = evolve(head, event)
            head = dict(head or new)
            for name in ("facts", "objects"):
                merged = {**head.get(name, {}), **changes.pop(name)}
                head[name] = {k: v for k, v in merged.items() if v is not None}
            head = {k: v for k, v in {**head, **changes}.items() if v is not None}
        assert head is not None
        self.heads[key] = head
        self.answers[key, command_key] = (fingerprint, public(head))
        self.claims.append(claim_output)
        return head


class S3:
    """The project's data."""

    def __init__(self) -> None:
        self.files: dict[str, Any] = {}

    def find(self, uri: str) -> Found | None:
        return Found(1, "e", "") if uri in self.files else None

    def write_json(self, uri: str, value: Any) -> str:
        self.files[uri] = value
        return uri

    def lines(self, uri: str) -> Iterator[Any]:
        yield from self.files[uri]

    def json(self, uri: str) -> Any:
        return self.files[uri]

    def presign(self, uri: str, *, write: bool = False) -> str:
        return f"https://signed/{'write/' if write else ''}{uri}"


class World:
    """The API with a table, a place and data."""

    def __init__(self) -> None:
        self.table, self.s3 = Table(), S3()
        self.places: dict[str, Place] = {"streets": PLACE}
        self.calls = 0

    def call(
        self,
        key: str,
        body: Any = None,
        *,
        who: str = "ann",
        project: str = "streets",
        batch: str = "digits",
        event: str = "20261125011141-abc",
        headers: Mapping[str, str] | None = None,
        raw: str | None = None,
        **more: Any,
    ) -> tuple[int, Any]:
        self.calls += 1
        given = (("project", project), ("batch", batch), ("event", event))
        names = {name: value for name, value in given if f"{{{name}}}" in key}
        iam = {"callerId": f"AROA{who}:any-session", "userArn": f"arn:aws:sts::1:assumed-role/{who}/any-session"}
        text = raw if raw is not None else None if body is None else json.dumps(body)
        request = {
            "routeKey": key,
            "pathParameters": names or None,
            "headers": dict(headers or {}),
            "requestContext": {"requestId": f"r{self.calls}", "authorizer": {"iam": iam}},
            "body": text,
        }
        answer = api.handler({**request, **more}, None)
        assert answer["headers"] == {"content-type": "application/json"}
        return answer["statusCode"], json.loads(answer["body"])

    def approved(self) -> None:
        assert self.call(POST_PROJECT, REQUEST)[0] == 200
        assert self.call(f"{OPERATE}/approve", who="ops")[0] == 200

    def created(self) -> None:
        self.approved()
        assert self.call(CREATE, {"input": "s3://data/raw/"})[0] == 200

    def put(self, status: str, **facts: Any) -> dict[str, Any]:
        head = self.table.heads[Key("streets", "digits")]
        head["status"] = status
        head["facts"] |= facts
        return head


POST_PROJECT = "POST /request/projects/{project}"
OPERATE = "POST /operate/projects/{project}"
BATCH = "projects/{project}/batches/{batch}"
CREATE = f"POST /request/{BATCH}"


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(api, "store", lambda: made.table)
    monkeypatch.setattr(api, "find_place", lambda project: made.places.get(project))
    monkeypatch.setattr(api.Call, "objects", lambda call, place: made.s3)
    return made


# Who calls


@pytest.mark.parametrize("header", ["x-actor", "X-Duty", "X-PROJECT", "x-user"])
def test_a_header_that_claims_to_be_somebody_is_refused(world: World, header: str) -> None:
    code, answer = world.call(POST_PROJECT, REQUEST, headers={header: "root"})
    assert code == 400
    assert answer["problems"][0]["rule"] == "who calls comes from the signature alone"
    assert world.table.heads == {}


@pytest.mark.parametrize("name", ["actor", "duty", "project", "requestedBy"])
def test_a_body_that_claims_to_be_somebody_is_refused(world: World, name: str) -> None:
    code, answer = world.call(POST_PROJECT, {**REQUEST, name: "root"})
    assert (code, answer["problems"][0]["place"]) == (400, name)
    assert world.table.heads == {}


def test_who_acts_is_the_principal_that_signed_whatever_its_session_is_called(world: World) -> None:
    world.call(POST_PROJECT, REQUEST)
    actor = world.table.log[Key("streets")][0].actor
    assert (actor.id, actor.name, actor.duty) == ("AROAann", "ann/any-session", Duty.REQUEST)


def test_a_users_id_is_taken_as_it_is(world: World) -> None:
    iam = {"callerId": "AIDABEN", "userArn": "arn:aws:iam::1:user/ben"}
    world.call(POST_PROJECT, REQUEST, requestContext={"requestId": "r", "authorizer": {"iam": iam}})
    assert world.table.log[Key("streets")][0].actor == ("AIDABEN", "ben", Duty.REQUEST)


def test_the_duty_is_that_of_the_path(world: World) -> None:
    world.created()
    world.call(f"POST /operate/{BATCH}/pause", {})
    assert world.table.log[Key("streets", "digits")][-1].actor.duty == Duty.OPERATE


# What is refused before anything is read


def test_everything_that_is_wrong_with_a_call_is_said_at_once(world: World) -> None:
    code, answer = world.call(CREATE, {"output": 3}, project="-a", batch="b_", headers={"X-Actor": "root"})
    assert code == 400
    assert [problem["place"] for problem in answer["problems"]] == ["project", "batch", "x-actor", "input", "output"]
    assert answer["refused"] == "batch.create was refused: 5 problems"


@pytest.mark.parametrize("raw", ["{", "[]", "null", '"a"', "[" * 100_000, '{"reason": NaN}'])
def test_a_body_that_is_no_object_is_refused(world: World, raw: str) -> None:
    code, answer = world.call(f"POST /request/{BATCH}/pause", raw=raw)
    assert (code, answer["problems"][0]["place"]) == (400, "body")


def test_a_body_in_base64_is_read(world: World) -> None:
    raw = base64.b64encode(json.dumps(REQUEST).encode()).decode()
    assert world.call(POST_PROJECT, raw=raw, isBase64Encoded=True)[0] == 200


@pytest.mark.parametrize("route_key", sorted(BY_KEY))
def test_whatever_is_asked_of_an_empty_table_is_answered(world: World, route_key: str) -> None:
    code, answer = world.call(route_key, {} if route_key.startswith("POST") else None)
    assert code in (200, 400, 404, 409)
    assert code == 200 or answer["refused"]


# Commands


def test_too_many_at_once_are_asked_to_come_again(world: World) -> None:
    world.table.busy = True
    code, answer = world.call(POST_PROJECT, REQUEST)
    assert code == 503
    assert "same Idempotency-Key" in answer["refused"]


def test_a_command_under_the_same_key_is_answered_as_the_first_was(world: World) -> None:
    world.created()
    first = world.call(f"POST /request/{BATCH}/pause", {}, headers={"Idempotency-Key": "k"})
    world.call(f"POST /request/{BATCH}/resume", {})
    assert world.call(f"POST /request/{BATCH}/pause", {}, headers={"idempotency-key": "k"}) == first
    assert len(world.table.log[Key("streets", "digits")]) == 3


def test_of_two_at_the_same_moment_the_later_is_answered_as_the_first_though_it_could_not_be_done_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.created()
    key = {"Idempotency-Key": "k"}
    first = world.call(f"POST /request/{BATCH}/pause", {}, headers=key)
    look = world.table.look
    # It looked before the first was written.
    monkeypatch.setattr(world.table, "look", lambda key, *mark: (None, look(key, *mark)[1]))
    world.call(f"POST /request/{BATCH}/cancel", {})
    assert world.call(f"POST /request/{BATCH}/pause", {}, headers=key) == first


def overtaken(world: World, monkeypatch: pytest.MonkeyPatch, by: Callable[[], Any]) -> None:
    """Let somebody come once between what is read and what is decided."""
    decide = world.table.decide

    def later(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(world.table, "decide", decide)
        by()
        return decide(*arguments, **options)

    monkeypatch.setattr(world.table, "decide", later)


def test_counts_are_kept_also_where_the_same_report_comes_at_the_same_moment_with_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GTPLUS_WORKSPACE", "labeling")
    world.created()
    world.put("Data received")["objects"] = {"total": 9}
    report = f"POST /report/{BATCH}/report"
    kept: list[Any] = []
    monkeypatch.setattr(
        world.table, "progress", lambda key, head, counts, *_: kept.append(counts) or head, raising=False
    )
    first = {"status": "In progress", "objects": {"completed": 1}}
    overtaken(world, monkeypatch, lambda: world.call(report, first, who="pro"))
    assert world.call(report, {"status": "In progress", "objects": {"completed": 2}}, who="pro")[0] == 200
    assert kept == [{"completed": 2}]


def test_a_create_that_is_repeated_is_answered_also_where_the_project_takes_no_batches_any_more(world: World) -> None:
    world.created()
    world.table.heads[Key("streets")]["status"] = "Paused"
    assert world.call(CREATE, {"input": "s3://data/raw/"})[0] == 200
    assert world.call(CREATE, {"input": "s3://data/raw/"}, batch="other")[0] == 409


def test_a_failure_is_in_the_answer_to_a_duplicate_as_in_the_first(world: World) -> None:
    world.created()
    world.put("In progress").update(failure="why", failedSeq=9, handled=1)
    key = {"Idempotency-Key": "k"}
    first = world.call(f"POST /request/{BATCH}/pause", {}, headers=key)
    assert first[1]["failure"] == "why"
    assert public(first[1]) == first[1]


def test_a_key_is_for_one_command_of_one_caller(world: World) -> None:
    world.created()
    key = {"Idempotency-Key": "k"}
    assert world.call(f"POST /request/{BATCH}/pause", {}, headers=key)[0] == 200
    assert world.call(f"POST /request/{BATCH}/pause", {"reason": "other"}, headers=key)[0] == 409
    assert world.call(f"POST /request/{BATCH}/pause", {}, headers=key, who="eve")[0] == 409
    assert world.call(f"POST /request/{BATCH}/cancel", {}, headers=key)[0] == 409


def test_the_parked_token_is_told_to_nobody(world: World) -> None:
    world.created()
    answers = [
        world.call(f"GET /request/{BATCH}"),
        world.call(f"GET /request/{BATCH}/history"),
        world.call("GET /request/projects/{project}/batches"),
        world.call(f"POST /request/{BATCH}/pause", {}),
    ]
    assert all(code == 200 and "secret" not in json.dumps(answer) for code, answer in answers)


# Projects


def test_a_project_is_approved_where_its_construct_is_deployed(world: World) -> None:
    world.approved()
    assert world.table.heads[Key("streets")]["status"] == "Request approved"


@pytest.mark.parametrize(
    ("path", "body"), [("/approve", {}), ("/status", {"status": "Request approved"})], ids=["approve", "status"]
)
def test_a_project_without_a_construct_is_approved_by_no_way_and_the_lines_to_add_are_shown(
    world: World, path: str, body: dict[str, Any]
) -> None:
    world.call(POST_PROJECT, REQUEST, project="parks")
    code, answer = world.call(f"{OPERATE}{path}", body, project="parks")
    assert code == 409
    assert 'project_id="parks"' in answer["problems"][0]["mend"]
    assert world.table.heads[Key("parks")]["status"] == "Review in progress"


def test_five_projects_can_be_in_review_and_a_sixth_is_refused(world: World) -> None:
    for number in range(5):
        assert world.call(POST_PROJECT, REQUEST, project=f"p{number}")[0] == 200
    code, answer = world.call(POST_PROJECT, REQUEST, project="p5")
    assert (code, answer["problems"][0]["rule"]) == (409, "at most 5 in review at once")
    assert world.call(POST_PROJECT, REQUEST, project="p4")[0] == 200  # the same again is no sixth
    world.places["p0"] = PLACE
    world.call(f"{OPERATE}/approve", {}, project="p0")
    assert world.call(POST_PROJECT, REQUEST, project="p5")[0] == 200


def test_a_project_shows_its_place_or_that_it_has_none(world: World) -> None:
    world.call(POST_PROJECT, REQUEST)
    world.call(POST_PROJECT, REQUEST, project="parks")
    _, streets = world.call("GET /request/projects/{project}")
    _, parks = world.call("GET /request/projects/{project}", project="parks")
    assert (streets["place"]["deployed"], streets["place"]["provider"]) == (True, "GroundTruthPlus")
    assert parks["place"] == {"deployed": False}


# Batches


def test_a_batch_gets_an_output_of_its_own_and_a_label_attribute(world: World) -> None:
    """In the first bucket that takes labels, which need not be the first of the project."""
    world.created()
    form = world.table.heads[Key("streets", "digits")]["form"]
    assert form == {"input": "s3://data/raw/", "output": "s3://data/labels/digits/", "labelAttribute": "label"}
    assert world.table.claims[-1] == "s3://data/labels/digits/"


def test_a_field_that_is_null_is_one_that_is_left_out(world: World) -> None:
    world.approved()
    nulls = dict.fromkeys(("output", "labelAttribute", "description"))
    assert world.call(CREATE, {"input": "s3://data/raw/", **nulls})[0] == 200
    assert world.table.heads[Key("streets", "digits")]["form"]["labelAttribute"] == "label"
    world.put("Data transfer in progress")
    assert world.call(f"POST /report/{BATCH}/report", {"status": "Data received", "objects": None}, who="pro")[0] == 200


@pytest.mark.parametrize(
    ("form", "problems"),
    [
        ({"input": "s3://data/labels/"}, [("input", "must lie in a prefix that this project reads")]),
        ({"input": "s3://other/raw/"}, [("input", "must lie in a prefix that this project reads")]),
        (
            {"input": "s3://data/raw/", "output": "s3://pictures/raw/"},
            [("output", "must lie in a prefix that this project writes")],
        ),
        *(
            (
                {"input": "s3://data/raw/", "output": f"s3://data/labels/{folder}"},
                [("output", "one folder right under a prefix of the project, ending in /, of at most 900 bytes")],
            )
            for folder in ("1", "", "one/inside-another/", "gtplus/", "one/gtplus/")
        ),
        (
            {"input": "s3://other/", "output": "s3://data/x"},
            [
                ("input", "must lie in a prefix that this project reads"),
                ("output", "must lie in a prefix that this project writes"),
            ],
        ),
    ],
)
def test_a_batch_reads_and_writes_where_its_project_may(
    world: World, form: dict[str, str], problems: list[tuple[str, str]]
) -> None:
    world.approved()
    code, answer = world.call(CREATE, form)
    assert (code, [(problem["place"], problem["rule"]) for problem in answer["problems"]]) == (400, problems)
    assert Key("streets", "digits") not in world.table.heads


def test_a_batch_of_a_project_that_is_not_approved_is_refused(world: World) -> None:
    form = {"input": "s3://data/raw/"}
    assert world.call(CREATE, form)[1]["refused"] == "this project takes no batches yet"
    world.call(POST_PROJECT, REQUEST)
    assert world.call(CREATE, form)[1]["refused"] == "this project takes no batches now"


def test_a_round_is_reported_ready_when_its_manifest_lies_there(world: World) -> None:
    world.created()
    world.put("In progress")
    report = f"POST /report/{BATCH}/report"
    code, answer = world.call(report, {"status": "Ready for review"}, who="pro")
    assert (code, answer["problems"][0]["rule"]) == (400, "must lie there when it is reported")
    world.s3.files["s3://data/labels/digits/round-1/output.manifest"] = b""
    code, answer = world.call(report, {"status": "Ready for review"}, who="pro")
    assert (code, answer["facts"]["manifest"]) == (200, "s3://data/labels/digits/round-1/output.manifest")


@pytest.mark.parametrize("status", ["Ready for review", "Data received"])
def test_a_report_names_a_manifest_of_the_project_or_none(world: World, status: str) -> None:
    """Whatever status it reports: what it names would be read in the project's name."""
    world.created()
    world.put("Data transfer in progress")
    world.s3.files["s3://other/output.manifest"] = b""
    body = {"status": status, "manifest": "s3://other/output.manifest"}
    code, answer = world.call(f"POST /report/{BATCH}/report", body, who="pro")
    assert (code, answer["problems"][0]["place"]) == (400, "manifest")
    assert "manifest" not in world.table.heads[Key("streets", "digits")]["facts"]


def test_a_manifest_that_was_reviewed_is_not_exchanged_by_a_later_report(world: World) -> None:
    world.created()
    world.put("Accepted", manifest="s3://data/labels/digits/round-1/output.manifest")
    world.s3.files["s3://data/labels/digits/other"] = b""
    body = {"status": "Ready for delivery", "manifest": "s3://data/labels/digits/other"}
    assert world.call(f"POST /report/{BATCH}/report", body, who="pro")[0] == 400
    assert world.call(f"POST /report/{BATCH}/report", {"status": "Ready for delivery"}, who="pro")[0] == 200


def test_verdicts_are_kept_as_a_file_and_named_on_the_batch(world: World) -> None:
    world.created()
    world.put("Ready for review")
    verdicts = [{"object": "s3://data/raw/1", "correct": True}]
    code, answer = world.call(f"POST /review/{BATCH}/review", {"verdicts": verdicts}, who="rev")
    uri = answer["facts"]["verdicts"]
    assert code == 200
    assert uri.startswith("s3://data/labels/digits/gtplus/round-1/reviews/")
    assert world.s3.files[uri] == {"version": 1, "round": 1, "verdicts": verdicts}


def test_a_batch_is_shown_with_whom_it_waits_for_and_what_the_caller_can_do(world: World) -> None:
    world.created()
    world.put("Ready for review", review={"round": 7})
    _, shown = world.call(f"GET /review/{BATCH}")
    assert (shown["waitsFor"], shown["next"]) == ("review", ["Review submission in progress", "Accepted", "Rejected"])
    assert shown["review"] is None  # that of another round
    assert world.call(f"GET /request/{BATCH}")[1]["next"] == ["Paused", "Cancelled"]


def test_a_sample_is_shown_with_links_while_it_can_be_reviewed(world: World) -> None:
    world.created()
    uri = "s3://data/labels/digits/gtplus/round-1/sample.jsonl"
    world.s3.files[uri] = [{"object": "s3://data/raw/1", "label": 1}, {"object": "inline", "label": 2}]
    sample = {"uri": uri, "round": 1, "seed": "s", "method": "simple random"}
    labels, manifest = {"labeled": 2, "problems": [], "round": 1}, "s3://data/labels/digits/output.manifest"
    world.put("Ready for review", sample=sample, labels=labels, manifest=manifest)
    code, answer = world.call(f"GET /review/{BATCH}/sample")
    assert code == 200
    assert (answer["labels"], answer["manifest"]) == (labels, manifest)
    assert [entry["url"] for entry in answer["objects"]] == ["https://signed/s3://data/raw/1", None]
    for status, kept in (("Accepted", sample), ("Ready for review", {**sample, "round": 2})):
        world.put(status, sample=kept)
        assert world.call(f"GET /review/{BATCH}/sample")[1]["refused"] == "there is nothing to review now"


def test_a_label_that_is_a_file_of_the_batch_s_output_has_a_link_and_no_other_file_has(world: World) -> None:
    """The provider wrote the label: it cannot have a reviewer read what is not the batch's."""
    world.created()
    uri, output = "s3://data/labels/digits/gtplus/round-1/sample.jsonl", "s3://data/labels/digits/"
    values = [f"{output}masks/1.png", f"{output}gtplus/inventory.jsonl", "s3://data/labels/other/1.png", "s3://x/1", 7]
    world.s3.files[uri] = [{"object": f"s3://data/raw/{n}", "label": value} for n, value in enumerate(values)]
    sample = {"uri": uri, "round": 1, "seed": "s", "method": "simple random"}
    world.put("Ready for review", sample=sample, labels={"problems": []}, manifest="m")
    objects = world.call(f"GET /review/{BATCH}/sample")[1]["objects"]
    assert [entry["labelUrl"] for entry in objects] == [f"https://signed/{values[0]}", None, None, None, None]


def test_a_history_is_every_event_with_who_did_it(world: World) -> None:
    world.created()
    world.call(f"POST /request/{BATCH}/pause", {"reason": "holidays"})
    _, answer = world.call(f"GET /request/{BATCH}/history")
    assert [(event["seq"], event["status"], event["before"]) for event in answer["events"]] == [
        (1, "Request submitted", ""),
        (2, "Paused", "Request submitted"),
    ]
    assert answer["events"][1]["actor"]["name"] == "ann/any-session"
    assert answer["events"][1]["data"] == {"reason": "holidays"}


def test_a_history_tells_the_counts_that_were_reported_last_on_each_day(world: World) -> None:
    world.created()
    days = {"2026-11-24": {"completed": 40}, "2026-11-25": {"completed": 90, "failed": 1}}
    world.table.days[Key("streets", "digits")] = days
    assert world.call(f"GET /request/{BATCH}/history")[1]["progress"] == days


def test_what_does_not_exist_is_not_found(world: World) -> None:
    world.approved()
    code, answer = world.call(f"GET /request/{BATCH}", batch="none")
    assert (code, answer["refused"]) == (404, "there is no such batch")
    assert answer["problems"][0]["value"] == "'none'", "as the caller knows it, not as the table does"
    assert world.call(f"POST /review/{BATCH}/accept", {}, batch="none")[0] == 404


def test_a_log_line_tells_what_was_answered_and_nothing_of_what_was_said(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.call(POST_PROJECT, REQUEST)
    line = json.loads(capsys.readouterr().out)
    assert line == {
        "message": "call answered",
        "route": "project.request",
        "duty": "request",
        "correlation": "r1",
        "project": "streets",
        "code": 200,
    }


def test_a_problem_is_answered_with_its_four_parts(world: World) -> None:
    code, answer = world.call(POST_PROJECT, {**REQUEST, "taskType": "smell"})
    assert code == 400
    assert answer["problems"] == [
        Problem(
            "taskType",
            "one of text, image, video, audio, 3d-point-cloud, custom",
            "'smell'",
            "choose one of them",
        )._asdict()
    ]


# What came to nothing, and what was not told


SPAN = {"since": "2026-11-24T00:00:00Z", "until": "2100-01-01T00:00:00Z"}


def test_the_quarantine_is_shown_by_pages_until_an_event_is_settled(world: World) -> None:
    for number in range(api.EVENTS_PAGE + 1):
        world.table.quarantine(f"e{number}", {"at": "2026-11-25T01:11:41Z", "uri": "s3://b/x/output.manifest"})
    world.table.quarantine("e0", {"settled": True})
    code, answer = world.call("GET /operate/events")
    assert (code, len(answer["events"]), answer["next"]) == (200, api.EVENTS_PAGE, None)
    world.table.quarantine("another", {"at": "x"})
    assert world.call("GET /operate/events")[1]["next"] == api.EVENTS_PAGE


def test_many_batches_are_listed_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "BATCHES_PAGE", 2)
    world.created()
    for number in range(4):
        head = {**world.table.heads[Key("streets", "digits")], "batch": f"b{number}"}
        world.table.heads[Key("streets", f"b{number}")] = head

    def answer(route: str, start: int) -> Any:
        query = {"queryStringParameters": {"start": str(start)}}
        return world.call("GET /request/projects/{project}/batches", **query)[1]

    assert len(answer("batch.list", 0)["batches"]) == 2
    names = [batch["batch"] for batch in every(answer, "batch.list", "batches")]
    assert names == ["digits", "b0", "b1", "b2", "b3"]


@pytest.mark.parametrize("reason", ["blurred", "размыто" * 3_000, '"' * 30_000], ids=["short", "long", "all quotes"])
def test_the_work_of_a_rework_comes_in_pages_that_an_answer_can_hold(world: World, reason: str) -> None:
    """Where a whole batch is rejected, every object has the reason."""
    world.created()
    world.places["streets"] = PLACE._replace(data_role_arn="")
    named = [{"source-ref": f"s3://data/raw/{number}"} for number in range(450)]
    wrong = [{**entry, "reason": reason} for entry in named[:440]]
    order = {"inventory": "inventory", "rework": "rework", "manifest": "s3://data/labels/digits/round-2/m"}
    world.s3.files |= {"order": order, "inventory": named, "rework": wrong}
    world.put("Sent for rework", workOrder="order")
    objects, rework, start = [], [], 0
    while start is not None:
        code, page = world.call(f"GET /report/{BATCH}/work", who="pro", queryStringParameters={"start": str(start)})
        assert code == 200
        assert len(json.dumps(json.dumps(page))) < 6_000_000
        objects += [{"source-ref": entry["source-ref"]} for entry in page["objects"]]
        rework += page["rework"]
        start = page["next"]
    assert (objects, rework) == (named, wrong)


def test_a_replay_keeps_what_became_of_it_and_who_asked(world: World) -> None:
    world.table.quarantine("e", {"at": "2026-11-25T01:11:41Z", "uri": "s3://b/x/output.manifest", "reason": "?"})
    for _ in range(2):
        code, answer = world.call("POST /operate/events/{event}/replay", {}, event="e", who="ops")
        assert (code, answer["reason"]) == (200, "no batch has this output location")
    assert world.table.kept["e"]["replayedBy"] == "ops/any-session"
    assert list(world.table.kept) == ["e"]


def test_what_is_not_in_quarantine_or_names_no_object_is_not_replayed(world: World) -> None:
    assert world.call("POST /operate/events/{event}/replay", {}, event="no")[0] == 404
    world.table.quarantine("e", {"at": "x", "reason": "this is no event of an output manifest", "text": "{"})
    code, answer = world.call("POST /operate/events/{event}/replay", {}, event="e")
    assert (code, answer["refused"]) == (409, "this event cannot be replayed")


def test_the_events_of_a_span_of_time_are_told_again_and_open_batches_are_looked_at(world: World) -> None:
    world.created()
    world.table.heads[Key("streets", "digits")] |= {"handled": 1}
    code, answer = world.call(f"{OPERATE}/retell", SPAN)
    assert (code, answer) == (200, {"told": 3, "nudged": 1, "after": None})
    assert world.table.told == [
        (Key("streets"), "EVENT#1", "everybody"),
        (Key("streets"), "EVENT#2", "everybody"),
        (Key("streets", "digits"), "EVENT#1", "everybody"),
    ]
    assert world.table.nudged == [Key("streets", "digits")]


def test_a_batch_alone_is_told_to_the_bus_alone_and_nothing_is_nudged(world: World) -> None:
    world.created()
    world.table.heads[Key("streets", "digits")] |= {"handled": 1}
    assert world.call(f"POST /operate/{BATCH}/retell", {**SPAN, "to": "bus"})[1] == {
        "told": 1,
        "nudged": 0,
        "after": None,
    }
    assert world.table.told == [(Key("streets", "digits"), "EVENT#1", "bus")]


def test_a_reminder_is_told_again_though_the_status_is_older(world: World) -> None:
    world.created()
    key = Key("streets", "digits")
    world.table.heads[key] |= {"handled": 1}
    world.table.late[key] = [{"sk": f"REMINDER#{day}", "at": f"2100-01-0{day}T00:00:00.000000Z"} for day in (1, 2, 3)]
    span = {"since": "2100-01-02T00:00:00Z", "until": "2100-01-02T23:59:59Z"}
    assert world.call(f"{OPERATE}/retell", span)[1]["told"] == 1
    assert world.table.told == [(key, "REMINDER#2", "everybody")]


def test_what_was_asked_to_be_told_again_in_the_span_is_told_to_whom_it_was_for(world: World) -> None:
    """A dead letter of the stream may stand for it, whenever it happened."""
    world.created()
    key = Key("streets", "digits")
    world.table.heads[key] |= {"handled": 1, "status": "Data delivered"}
    world.table.asked[key] = [
        {"sk": f"RETELL#bus#EVENT#{day}", "at": f"2100-01-0{day}T00:00:00.000000Z"} for day in (1, 2, 3)
    ]
    span = {"since": "2100-01-02T00:00:00Z", "until": "2100-01-02T23:59:59Z"}
    assert world.call(f"{OPERATE}/retell", span)[1]["told"] == 1
    assert world.call(f"{OPERATE}/retell", {**span, "to": "bus"})[1]["told"] == 0
    assert world.table.told == [(key, "EVENT#2", "bus")]


def test_of_a_batch_alone_an_event_is_told_though_the_clock_of_the_next_one_was_behind(world: World) -> None:
    world.created()
    key = Key("streets", "digits")
    at = world.table.log[key][0].at
    world.table.heads[key] |= {"handled": 1, "status": "Data delivered", "since": "2026-01-01T00:00:00.000000Z"}
    assert world.call(f"POST /operate/{BATCH}/retell", {"since": at, "until": at})[1]["told"] == 1


def test_what_lies_outside_the_span_is_not_told_again(world: World) -> None:
    world.created()
    world.table.heads[Key("streets", "digits")] |= {"handled": 1}
    at = world.table.log[Key("streets", "digits")][0].at
    late = {"since": "2100-01-01T00:00:00Z", "until": "2100-01-02T00:00:00Z"}
    assert world.call(f"{OPERATE}/retell", {"since": at, "until": at})[1]["told"] == 1
    assert world.call(f"{OPERATE}/retell", late)[1]["told"] == 0


def test_many_batches_are_told_page_by_page_and_each_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retelling, "PAGE", 2)
    world.created()
    for name in ("b2", "b3", "b4"):
        key = Key("streets", name)
        world.table.heads[key] = {**world.table.heads[Key("streets", "digits")], "batch": name, "handled": 1}
        world.table.log[key] = world.table.log[Key("streets", "digits")]
    world.table.heads[Key("streets", "digits")]["handled"] = 1
    after: dict[str, str] = {}
    pages = []
    for _ in range(9):
        pages.append(world.call(f"{OPERATE}/retell", {**SPAN, **after})[1])
        if pages[-1]["after"] is None:
            break
        after = {"after": pages[-1]["after"]}
    assert 1 < len(pages) < 9
    assert len(world.table.told) == len(set(world.table.told)) == 2 + 4
    assert len(world.table.nudged) == len(set(world.table.nudged)) == 4
    # To look at a batch takes its time, too, where nothing is found.
    never = {"since": "2100-01-01T00:00:00Z", "until": "2100-01-02T00:00:00Z", "to": "bus"}
    assert world.call(f"{OPERATE}/retell", never)[1]["after"] is not None


@pytest.mark.parametrize(
    ("since", "until", "place"),
    [
        ("2026-02-30T00:00:00Z", "2026-11-25T00:00:00Z", "since"),
        ("2026-11-25T00:00:01Z", "2026-11-25T00:00:00Z", "until"),
        ("yesterday", "2026-11-25T00:00:00Z", "since"),
        ("2026-11-25T00:00:00+01:00", "2026-11-25T00:00:00Z", "since"),
    ],
)
def test_a_span_that_is_none_is_refused(world: World, since: str, until: str, place: str) -> None:
    world.approved()
    code, answer = world.call(f"{OPERATE}/retell", {"since": since, "until": until})
    assert (code, answer["problems"][0]["place"]) == (400, place)
