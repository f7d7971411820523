"""What S3 tells and leads to nothing; what the world outside is told; whoever starts something of their own on it."""

import json
import time
from datetime import datetime, timedelta

import aws_cdk as cdk
import pytest
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sqs as sqs
from jsonschema import Draft202012Validator

from gtplus_constructs import DataGrant, LabelingBucket, LabelingProject, LabelingWorkspace
from tests.e2e.outside import Inbox, Outside
from tests.e2e.test_cli import gtplus
from tests.e2e.world import MAIN_LINE, PROJECT, REWORK, World, eventually

pytestmark = pytest.mark.xdist_group("hops")


def quarantined(world: World, uri: str) -> list[dict[str, str]]:
    return [event for event in world.call("approver", "event.list")["events"] if event.get("uri") == uri]


class TestTheQuarantine:
    def test_a_manifest_of_no_batch_is_kept_with_its_reason_and_can_be_replayed(self, world: World) -> None:
        uri = f"s3://{world.buckets[PROJECT]}/labels/nobody/output.manifest"
        world.put(uri, "{}\n", who="data")
        (event,) = eventually(lambda: quarantined(world, uri), "the event in quarantine")
        assert event["reason"] == "no batch has this output location"
        listed = gtplus(world, "events", "list", profile="approver")
        assert uri in listed.stdout
        for _ in range(2):
            replayed = gtplus(world, "events", "replay", event["id"], profile="approver")
            assert replayed.returncode == 0, replayed.stderr
            assert "still" in replayed.stdout
        assert len(quarantined(world, uri)) == 1

    def test_a_manifest_that_comes_before_its_time_is_kept_and_settled_later(self, world: World) -> None:
        batch = world.create()
        world.play(batch, MAIN_LINE[:6])
        world.handled(batch)
        world.deliver(batch)
        uri = f"{world.head(batch)['form']['output']}output.manifest"
        (event,) = eventually(lambda: quarantined(world, uri), "the event in quarantine")
        assert event["reason"].startswith("the batch stands in 'Review")
        assert (event["project"], event["batch"]) == (PROJECT, batch)
        world.call("reviewer", "batch.accept", batch)
        world.reached(batch, 10, "Data delivered")
        done = gtplus(world, "events", "replay", event["id"], profile="approver")
        assert "it was delivered before" in done.stdout
        assert quarantined(world, uri) == []
        assert world.statuses(batch) == MAIN_LINE

    def test_a_replay_delivers_what_is_complete_by_now(self, world: World) -> None:
        batch = world.create(objects=2)
        world.play(batch, MAIN_LINE[:9])
        world.handled(batch)
        uri = f"{world.head(batch)['form']['output']}output.manifest"
        world.put(uri, world.labels(batch, leave_out=1), who="data")
        (event,) = eventually(lambda: quarantined(world, uri), "the event in quarantine")
        assert event["reason"].startswith("the delivery is not complete: objects without a line: 1")
        # Its own event tells of the whole one, too; whoever comes second finds it delivered.
        world.put(uri, world.labels(batch), who="data")
        gtplus(world, "events", "replay", "--all", profile="approver")
        world.reached(batch, 10, "Data delivered")
        world.handled(batch)
        assert world.statuses(batch) == MAIN_LINE

    def test_a_delivery_that_s3_told_of_in_vain_is_found_after_a_while(self, world: World) -> None:
        batch = world.create()
        world.play(batch, MAIN_LINE[:9])
        world.handled(batch)
        events, rule = world.root.client("events"), world.rule("ManifestWritten")
        events.disable_rule(Name=rule)
        world.deliver(batch)
        time.sleep(1)
        events.enable_rule(Name=rule)
        world.reconcile()
        time.sleep(2)
        # It is there, nobody said so, and it is too early to look.
        assert world.head(batch)["status"] == "Ready for delivery"
        since = datetime.fromisoformat(world.head(batch)["since"]) - timedelta(minutes=16)
        world.turn_back(batch, since=since.isoformat(timespec="microseconds").replace("+00:00", "Z"))
        world.reconcile()
        world.reached(batch, 10, "Data delivered")
        assert world.head(batch)["lookedAt"]

    def test_the_labels_of_a_round_are_no_case_for_it(self, world: World) -> None:
        batch = world.create()
        world.play(batch, MAIN_LINE[:5])
        world.handled(batch)
        time.sleep(2)
        output = world.head(batch)["form"]["output"]
        assert quarantined(world, f"{output}round-1/output.manifest") == []

    def test_is_for_operators_alone(self, world: World) -> None:
        for who in ("requester", "reviewer", "reporter"):
            assert world.send(who, "GET", "/operate/events")[0] == 403
        refused = gtplus(world, "events", "list")
        assert refused.returncode == 1
        assert "needs the duty operate" in refused.stderr

    def test_an_event_that_is_not_there_is_refused(self, world: World) -> None:
        refused = gtplus(world, "events", "replay", "20261125011141-nothing", profile="approver")
        assert refused.returncode == 1
        assert "there is no such event" in refused.stderr


class TestTheBus:
    def test_tells_every_status_change_as_the_schema_says(self, world: World) -> None:
        outside = Outside(world, "schema")
        batch = world.create()
        world.play(batch, REWORK)
        outside.hears(batch, *REWORK)
        schemas = {
            detail_type: Draft202012Validator(json.loads(gtplus(world, "events", "schema", kind).stdout))
            for detail_type, kind in (
                ("Batch status changed", "batch"),
                ("Project status changed", "project"),
                ("Batch status overdue", "overdue"),
            )
        }
        world.call("approver", "project.status", project=PROJECT, status="Pilot in progress")
        eventually(
            lambda: any(event["detail-type"].startswith("Project") for event in outside.program.got()), "the project's"
        )
        for event in outside.program.got():
            schemas[event["detail-type"]].validate(event["detail"])
        steps = sorted((detail["seq"], detail["status"], detail["round"]) for detail in outside.told(batch))
        assert [(seq, status) for seq, status, _ in steps] == list(enumerate(REWORK, start=1))
        assert [round_ for *_, round_ in steps][-1] == 2

    def test_a_span_of_time_is_told_again(self, world: World) -> None:
        outside = Outside(world, "span")
        batch = world.create()
        world.play(batch, MAIN_LINE[:2])
        outside.hears(batch, *MAIN_LINE[:2])
        since = world.head(batch)["createdAt"][:19] + "Z"
        done = gtplus(
            world, "events", "retell", "--since", since, "--project", PROJECT, "--to", "bus", profile="approver"
        )
        assert done.returncode == 0, done.stderr
        eventually(lambda: len(outside.told(batch)) == 4, "both once more")
        refused = gtplus(world, "events", "retell", "--since", since, "--to", "moon", profile="approver")
        assert refused.returncode == 1


class TestAHook:
    """A user's own pipeline, started by a rule as `project.on_delivered` makes it."""

    @pytest.fixture(scope="class")
    @staticmethod
    def pattern(tmp_path_factory: pytest.TempPathFactory) -> str:
        app = cdk.App(outdir=str(tmp_path_factory.mktemp("hook")))
        stack = cdk.Stack(app, "Hook", env=cdk.Environment(account="000000000000", region="us-east-1"))
        workspace = LabelingWorkspace(stack, "Workspace")
        data = DataGrant(LabelingBucket(stack, "Streets"), read="raw/", write="labels/")
        project = LabelingProject(stack, "StreetSigns", workspace=workspace, data=data)
        rule = project.on_delivered("Train", target=targets.SqsQueue(sqs.Queue(stack, "Inbox")))
        resources = app.synth().get_stack_by_name("Hook").template["Resources"]
        return json.dumps(resources[stack.get_logical_id(rule.node.default_child)]["Properties"]["EventPattern"])

    def test_a_delivered_batch_starts_a_machine_and_fills_a_queue(self, world: World, pattern: str) -> None:
        inbox = Inbox(world, "training")
        trust = {
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ]
        }
        role = world.root.client("iam").create_role(RoleName="train", AssumeRolePolicyDocument=json.dumps(trust))[
            "Role"
        ]["Arn"]
        definition = {"StartAt": "Train", "States": {"Train": {"Type": "Succeed"}}}
        machine = world.machine.create_state_machine(name="train", definition=json.dumps(definition), roleArn=role)[
            "stateMachineArn"
        ]
        events, bus = world.root.client("events"), world.facts["bus"]
        events.put_rule(Name="train", EventBusName=bus, EventPattern=pattern)
        hooked = [{"Id": "1", "Arn": inbox.arn}, {"Id": "2", "Arn": machine, "RoleArn": role}]
        events.put_targets(Rule="train", EventBusName=bus, Targets=hooked)

        other, batch = world.create(), world.create()
        world.play(other, MAIN_LINE[:5])
        world.play(batch, MAIN_LINE)
        (event,) = eventually(inbox.got, "the event of the delivery")
        assert (event["detail"]["batch"], event["detail"]["status"]) == (batch, "Data delivered")

        def started() -> list[str]:
            found = world.machine.list_executions(stateMachineArn=machine)["executions"]
            return [execution["executionArn"] for execution in found]

        (execution,) = eventually(started, "the machine's execution")
        given = json.loads(world.machine.describe_execution(executionArn=execution)["input"])
        assert given["detail"] == event["detail"]


class TestMail:
    def test_an_address_is_added_filtered_listed_and_removed(self, world: World) -> None:
        add = ("notify", "add", "ops@example.com", "--project", PROJECT, "--duty", "operate")
        for _ in range(2):
            added = gtplus(world, *add, profile="approver")
            assert added.returncode == 0, added.stderr
        alarms = gtplus(world, "notify", "add", "night@example.com", "--about", "alarms", profile="approver")
        assert alarms.returncode == 0, alarms.stderr
        listed = json.loads(gtplus(world, "notify", "list", "--json", profile="approver").stdout)["subscriptions"]
        assert {(each["email"], each["about"]) for each in listed} == {
            ("ops@example.com", "work"),
            ("night@example.com", "alarms"),
        }
        assert len(listed) == 2

        sns = world.root.client("sns")
        (arn,) = [
            each["SubscriptionArn"]
            for each in sns.list_subscriptions_by_topic(TopicArn=world.facts["topic"])["Subscriptions"]
            if each["Endpoint"] == "ops@example.com"
        ]
        if arn != "PendingConfirmation":
            attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
            assert json.loads(attributes["FilterPolicy"]) == {"project": [PROJECT], "waitsFor": ["operate"]}
            assert json.loads(attributes["RedrivePolicy"]) == {"deadLetterTargetArn": world.facts["topicLetters"]}
        for _ in range(2):
            assert gtplus(world, "notify", "remove", "ops@example.com", profile="approver").returncode == 0

    def test_all_that_is_wrong_is_said_at_once(self, world: World) -> None:
        wrong = ("notify", "add", "nobody", "--duty", "sleep", "--project", "-x", "--about", "alarms")
        refused = gtplus(world, *wrong, profile="approver")
        assert refused.returncode == 1
        for place in ("EMAIL", "--project", "--duty", "--about alarms"):
            assert place in refused.stderr

    def test_who_has_no_right_subscribes_nobody(self, world: World) -> None:
        refused = gtplus(world, "notify", "add", "me@example.com", profile="reviewer")
        assert refused.returncode == 3
        assert "not authorized" in refused.stderr or "AuthorizationError" in refused.stderr
