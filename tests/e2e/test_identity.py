"""Who may do what: rights are per project and duty, and identity comes from the signature alone."""

import json
import re
import time
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.problems import Refused
from gtplus_runtime.routes import ROUTES
from tests.e2e.world import FORM, MAIN_LINE, NEIGHBOUR, PROJECT, World, eventually

pytestmark = pytest.mark.xdist_group("batches")

DUTY_OF = {
    "requester": (Duty.REQUEST, PROJECT),
    "reviewer": (Duty.REVIEW, PROJECT),
    "reporter": (Duty.REPORT, PROJECT),
    "faces-requester": (Duty.REQUEST, NEIGHBOUR),
    "faces-reviewer": (Duty.REVIEW, NEIGHBOUR),
    "faces-reporter": (Duty.REPORT, NEIGHBOUR),
    "approver": (Duty.OPERATE, None),
}


@pytest.mark.parametrize("who", DUTY_OF)
def test_everybody_tries_every_route_of_every_project_and_duty(world: World, who: str) -> None:
    """What is not theirs is refused by IAM before a function of ours sees it."""
    duty, own = DUTY_OF[who]
    for project in (PROJECT, NEIGHBOUR):
        for route in ROUTES:
            for called in route.duties:
                path = f"/{called}{route.path.format(project=project, batch='nobodys', event='nothing')}"
                body = {"nonsense": True} if route.method == "POST" else None
                status, answer = world.send(who, route.method, path, body)
                allowed = called == duty and own in (None, project)
                refused_by_iam = status == 403 and "refused" not in answer
                assert refused_by_iam != allowed, (who, route.name, path, status, answer)


@pytest.mark.parametrize(
    "path",
    [
        f"/review/projects/{PROJECT}/../{NEIGHBOUR}/batches",
        f"/review/projects/{PROJECT}%2F..%2F{NEIGHBOUR}/batches",
        f"/review/projects/{PROJECT}/batches/..%2F..%2F{NEIGHBOUR}",
        f"//review/projects/{NEIGHBOUR}/batches",
        f"/REVIEW/projects/{NEIGHBOUR}/batches",
        f"/review/projects/{PROJECT}/batches/b/../../../{NEIGHBOUR}/batches/b",
        "/operate/projects",
    ],
)
def test_no_spelling_of_a_path_leads_to_another_project(world: World, path: str) -> None:
    status, answer = world.send("reviewer", "GET", path)
    assert status in (400, 403, 404), answer


@pytest.mark.parametrize("name", ["actor", "duty", "project", "requestedBy", "status"])
def test_an_identity_in_the_body_is_refused(world: World, name: str) -> None:
    batch = world.create()
    path = f"/request/projects/{PROJECT}/batches/{batch}/pause"
    status, answer = world.send("requester", "POST", path, {name: "approver"})
    assert status == 400
    assert [problem["place"] for problem in answer["problems"]] == [name]
    assert "Paused" not in world.statuses(batch)


@pytest.mark.parametrize("name", ["X-Actor", "x-duty", "X-PROJECT", "x-user"])
def test_an_identity_in_a_header_is_refused(world: World, name: str) -> None:
    batch = world.create()
    path = f"/request/projects/{PROJECT}/batches/{batch}/pause"
    status, answer = world.send("requester", "POST", path, {}, **{name: "approver"})
    assert status == 400
    assert "signature alone" in answer["problems"][0]["rule"]
    assert "Paused" not in world.statuses(batch)


def test_who_acted_is_who_signed(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:3])
    events = world.call("requester", "batch.history", batch)["events"]
    names = [event["actor"]["name"].rpartition("/")[2] for event in events]
    assert names == ["requester", "workspace", "reporter"]
    # The id is the role's: the session's name, which its caller chooses, is no part of it.
    assert events[0]["actor"]["id"].startswith("AROA")
    assert ":" not in events[0]["actor"]["id"]


def request(world: World, credentials: Credentials | None, path: str, body: str | None = None) -> int:
    """Send a request signed by hand; None for one that is not signed."""
    client = world.clients["requester"]
    call = AWSRequest(method="GET" if body is None else "POST", url=client._url + path, data=body)
    if credentials is not None:
        SigV4Auth(credentials, "execute-api", "us-east-1").add_auth(call)
    response = URLLib3Session(verify=str(world.cloud.tools.authority)).send(call.prepare())
    return int(response.status_code)


def test_no_signature_and_bad_ones_are_refused(world: World) -> None:
    path = f"/request/projects/{PROJECT}/batches"
    good = world.sessions["requester"].get_credentials()
    assert good is not None
    frozen = good.get_frozen_credentials()
    assert request(world, Credentials(*frozen), path) == 200
    assert request(world, None, path) == 403
    assert request(world, Credentials(frozen.access_key, "another secret", frozen.token), path) == 403
    assert request(world, Credentials("AKIAIOSFODNN7EXAMPLE", frozen.secret_key), path) == 403
    assert request(world, Credentials(frozen.access_key, frozen.secret_key, "another token"), path) == 403


def test_a_signature_of_one_call_is_of_no_use_for_another(world: World) -> None:
    client = world.clients["requester"]
    credentials = world.sessions["requester"].get_credentials()
    assert credentials is not None
    path = f"/request/projects/{PROJECT}/batches/any/pause"
    call = AWSRequest(method="POST", url=client._url + path, data="{}")
    SigV4Auth(credentials.get_frozen_credentials(), "execute-api", "us-east-1").add_auth(call)
    for change in ({"data": '{"reason": "x"}'}, {"url": client._url + path.replace("pause", "cancel")}):
        forged = AWSRequest(
            method="POST", url=change.get("url", call.url), data=change.get("data", "{}"), headers=dict(call.headers)
        )
        response = URLLib3Session(verify=str(world.cloud.tools.authority)).send(forged.prepare())
        assert response.status_code == 403


def test_who_requested_or_labeled_a_batch_cannot_accept_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One role with every duty: IAM lets it, the separation of duties does not."""
    iam = world.root.client("iam")
    role = world.sessions["requester"].client("sts").get_caller_identity()["Arn"].split("/")[1]
    stack = f"arn:aws:execute-api:us-east-1:000000000000:{world.facts['apiId']}/$default/*/review/projects/{PROJECT}/*"
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": stack}],
    }
    iam.put_role_policy(RoleName=role, PolicyName="Both", PolicyDocument=json.dumps(policy))
    try:
        batch = world.create()
        world.play(batch, MAIN_LINE[:5])
        world.handled(batch)
        with pytest.raises(Refused, match="who requested or labeled a batch cannot accept it"):
            world.call("requester", "batch.accept", batch)
        # Another session name does not make another person of it.
        other = boto3.Session()
        assert other is not world.sessions["requester"]
        assert "Accepted" not in world.statuses(batch)
        world.call("requester", "batch.reject", batch, reason="one may refuse one's own")
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="Both")


def test_the_providers_role_reaches_its_own_projects_data_and_nothing_else(world: World) -> None:
    bucket, neighbour = world.buckets[PROJECT], world.buckets[NEIGHBOUR]
    world.put(f"s3://{bucket}/raw/mine.txt", "mine")
    world.root.client("s3").put_object(Bucket=bucket, Key="raw-secret/other.txt", Body=b"not granted")
    world.put(f"s3://{neighbour}/raw/theirs.txt", "theirs", who="faces-requester")
    s3 = world.sessions["data"].client("s3")

    def tried(call: Any) -> str:
        try:
            call()
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return "done"

    assert tried(lambda: s3.get_object(Bucket=bucket, Key="raw/mine.txt")) == "done"
    assert tried(lambda: s3.put_object(Bucket=bucket, Key="labels/x.json", Body=b"{}")) == "done"
    assert tried(lambda: s3.list_objects_v2(Bucket=bucket, Prefix="raw/")) == "done"
    for refused in (
        lambda: s3.get_object(Bucket=neighbour, Key="raw/theirs.txt"),
        lambda: s3.put_object(Bucket=neighbour, Key="labels/x.json", Body=b"{}"),
        lambda: s3.list_objects_v2(Bucket=neighbour, Prefix="raw/"),
        lambda: s3.get_object(Bucket=bucket, Key="raw-secret/other.txt"),
        lambda: s3.put_object(Bucket=bucket, Key="raw/mine.txt", Body=b"replaced"),
        lambda: s3.delete_object(Bucket=bucket, Key="raw/mine.txt"),
        lambda: s3.list_objects_v2(Bucket=bucket),
    ):
        assert tried(refused) == "AccessDenied"


def test_the_provider_cannot_change_what_a_batch_is_decided_on(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:5])
    world.review(batch, wrong=1)
    world.reached(batch, 7, "Review complete")
    world.handled(batch)
    s3 = world.sessions["data"].client("s3")
    bucket = world.buckets[PROJECT]
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=f"labels/{batch}/")["Contents"]
    ours = [entry["Key"] for entry in listed if "/gtplus/" in entry["Key"]]
    names = {re.sub(r"-[0-9a-f]{16}\.", ".", key.rpartition("/")[2]) for key in ours}
    assert {"inventory.jsonl", "work-order.json", "sample.jsonl", "verification.manifest", "notice.json"} <= names
    for key in [*ours, f"labels/{batch}/gtplus/new", "labels/gtplus/gtplus/x"]:
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"forged")
    s3.get_object(Bucket=bucket, Key=ours[0])


def test_labels_that_were_changed_after_the_decision_are_not_delivered(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:9])
    world.handled(batch)
    order = world.work_order(batch)
    assert order is not None
    accepted = world.get(order["manifest"])
    changed = accepted.replace('"label": 0', '"label": 1')
    for uri in (order["manifest"], order["delivery"]):
        world.put(uri, changed, who="data")
    problems = eventually(lambda: world.head(batch)["facts"]["delivery"].get("problems"), "the reason")
    assert "was changed after its acceptance" in problems[0]
    for uri in (order["manifest"], order["delivery"]):
        world.put(uri, accepted, who="data")
    world.reached(batch, 10, "Data delivered")


def test_a_reported_manifest_lies_in_the_batchs_own_output_and_is_not_exchanged(world: World) -> None:
    batch, other = world.create(), world.create()
    world.play(batch, MAIN_LINE[:4])
    world.play(other, MAIN_LINE[:5])
    for manifest in (world.head(other)["facts"]["manifest"], world.head(batch)["facts"]["inventory"]):
        with pytest.raises(Refused, match="the report was refused"):
            world.report(batch, "Ready for review", manifest=manifest)
    world.label(batch)
    second = world.head(batch)["form"]["output"] + "second.manifest"
    world.put(second, world.labels(batch), who="data")
    with pytest.raises(Refused, match="with another manifest"):
        world.report(batch, "Ready for review", manifest=second)


def test_the_token_of_a_parked_execution_is_shown_to_nobody(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    world.handled(batch)
    token = world.head(batch)["token"]
    shown = [
        world.call(who, route, batch) for who in ("requester", "approver") for route in ("batch.show", "batch.history")
    ]
    shown.append(world.call("requester", "batch.list"))
    assert token not in json.dumps(shown)


def test_no_log_line_holds_a_token_a_body_or_a_name_of_a_person(world: World) -> None:
    begin = int(time.time() * 1_000)  # an answer of the local cloud's logs ends after some thousand lines
    batch = world.create(description="a-secret-description")
    world.play(batch, MAIN_LINE)
    world.handled(batch)
    logs = world.root.client("logs")
    text = ""
    for group in logs.describe_log_groups()["logGroups"]:
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group["logGroupName"], startTime=begin
        ):
            text += "".join(event["message"] for event in page["events"])
    assert f'"batch": "{batch}"' in text
    for secret in ("a-secret-description", FORM["businessEmail"], FORM["lastName"], "taskToken", "X-Amz-Signature"):
        assert str(secret) not in text


def test_a_batch_of_a_project_that_is_not_approved_is_refused(world: World) -> None:
    before = world.call("approver", "project.show", project=NEIGHBOUR)["status"]
    world.call("approver", "project.status", project=NEIGHBOUR, status="Paused")
    try:
        uri = f"s3://{world.buckets[NEIGHBOUR]}/raw/"
        with pytest.raises(Refused, match="takes no batches now") as refusal:
            world.call("faces-requester", "batch.create", "x", project=NEIGHBOUR, input=uri)
        assert refusal.value.problems[0].value == "'Paused'"
    finally:
        world.call("approver", "project.status", project=NEIGHBOUR, status=before)


def test_a_project_without_a_place_is_not_approved_and_the_lines_to_add_are_shown(world: World) -> None:
    world.call("approver", "project.request", project="nowhere", **FORM)
    with pytest.raises(Refused, match="its construct is not deployed") as refusal:
        world.call("approver", "project.approve", project="nowhere")
    assert 'LabelingProject(stack, …, project_id="nowhere"' in refusal.value.problems[0].mend


def test_an_illegal_status_is_refused_with_what_can_follow(world: World) -> None:
    batch = world.create()
    world.play(batch, MAIN_LINE[:2])
    with pytest.raises(Refused, match="'Data delivered' cannot follow 'Data transfer in progress'") as refusal:
        world.report(batch, "Data delivered")
    assert "Data received" in refusal.value.problems[0].mend
    with pytest.raises(Refused, match="round 2 is not the present one"):
        world.report(batch, "Data received", round=2)


def test_people_are_told_and_the_bus_publishes_each_status(world: World) -> None:
    sqs, sns, events = (world.root.client(name) for name in ("sqs", "sns", "events"))
    queue = sqs.create_queue(QueueName="listener")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=world.facts["topic"], Protocol="sqs", Endpoint=arn)
    pattern = json.dumps({"source": ["gtplus"], "detail-type": ["Batch status changed"]})
    events.put_rule(Name="listener", EventBusName=world.facts["bus"], EventPattern=pattern)
    events.put_targets(Rule="listener", EventBusName=world.facts["bus"], Targets=[{"Id": "1", "Arn": arn}])

    batch = world.create()
    world.play(batch, MAIN_LINE)
    told: list[str] = []
    published: list[tuple[int, str]] = []

    def everything() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            body = json.loads(message["Body"])
            if "detail" in body and body["detail"]["batch"] == batch:
                published.append((body["detail"]["seq"], body["detail"]["status"]))
            elif f"batch {batch} of" in body.get("Message", ""):
                told.append(body["Subject"].rpartition(": ")[2])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return len(published) >= len(MAIN_LINE) and len(told) >= 5

    eventually(everything, "every status on the bus")
    assert sorted(set(published)) == list(enumerate(MAIN_LINE, start=1))
    assert set(told) == {
        "Data transfer in progress",
        "Ready for review",
        "Review complete",
        "Ready for delivery",
        "Data delivered",
    }
