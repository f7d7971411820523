"""Every hop that nobody waits for is found in the template, and has a queue for what fails and an alarm on it.

A new kind of resource that hands something on is either known here, or listed as one that does not: so a hop that is
added later cannot be forgotten.
"""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import aws_cdk as cdk
import pytest
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from gtplus_constructs import BatchStatus, DataGrant, LabelingBucket, LabelingProject, LabelingWorkspace, ProjectStatus
from tests.template.support import Body, body, of_type

pytestmark = pytest.mark.xdist_group("template")

FOURTEEN_DAYS = 14 * 24 * 3600

NO_HOP = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Integration",  # the caller waits
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::CDK::Metadata",
    "AWS::Cognito::UserPool",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Cognito::UserPoolGroup",
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::Events::EventBusPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",  # called through one of the hops, or by somebody who waits
    "AWS::Logs::LogGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::SSM::Parameter",
    "AWS::StepFunctions::StateMachine",  # waits for its handlers, and retries them
    # CloudWatch tells a topic, and tries again by itself; it has no queue for what fails. See docs/operating.md.
    "AWS::CloudWatch::Alarm",
}


class Hop(NamedTuple):
    """Something is handed on: by which resource, and the queue that keeps what fails, None where there is none."""

    resource: str
    letters: Any


def hops(template: Body) -> Iterator[Hop]:
    """All of a template."""
    resources = template["Resources"]
    asynchronous: set[str] = set()
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        match resource["Type"]:
            case "AWS::Lambda::EventSourceMapping" if "StartingPosition" in properties:
                yield Hop(name, properties.get("DestinationConfig", {}).get("OnFailure", {}).get("Destination"))
            case "AWS::Lambda::EventSourceMapping":
                queue = resources[referred(properties["EventSourceArn"])]["Properties"]
                yield Hop(name, queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
            case "AWS::Events::Rule":
                for target in properties["Targets"]:
                    yield Hop(name, target.get("DeadLetterConfig", {}).get("Arn"))
                    asynchronous.add(referred(target["Arn"]))
            case "AWS::Scheduler::Schedule":
                yield Hop(name, properties["Target"].get("DeadLetterConfig", {}).get("Arn"))
                asynchronous.add(referred(properties["Target"]["Arn"]))
            case "AWS::SNS::Subscription":
                yield Hop(name, properties.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
                asynchronous.add(referred(properties["Endpoint"]))
            case "AWS::S3::Bucket":
                # To EventBridge, which keeps what it has taken for its rules; to anything else there is no queue.
                told = properties.get("NotificationConfiguration", {})
                assert set(told) <= {"EventBridgeConfiguration"}, name
            case "AWS::Lambda::Permission":
                assert properties["Principal"] == "apigateway.amazonaws.com", f"{name}: does the caller wait?"
            case "AWS::SQS::Queue":
                pass
            case kind:
                assert kind in NO_HOP, f"{name}: does a {kind} hand something on that nobody waits for?"
    for name in asynchronous:
        if resources.get(name, {}).get("Type") == "AWS::Lambda::Function":
            # The service hands the call over, and what fails in it then is a second hop.
            yield Hop(name, resources[name]["Properties"].get("DeadLetterConfig", {}).get("TargetArn"))


def referred(value: Any) -> str:
    """The logical id that a reference is of; the text itself where it is none."""
    if not isinstance(value, dict):
        return str(value)
    (target,) = value.values()
    return str(target[0] if isinstance(target, list) else target)


def problems(template: Body) -> list[str]:
    """What is missing: a queue of a hop, its 14 days, its alarm, or somebody who is told by it."""
    queues = of_type(template, "AWS::SQS::Queue")
    watched = {
        referred(dimension["Value"])
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values()
        for dimension in alarm["Properties"].get("Dimensions", [])
        if alarm["Properties"]["MetricName"] == "ApproximateNumberOfMessagesVisible"
        and alarm["Properties"]["Threshold"] == 1
        and alarm["Properties"]["AlarmActions"]
    }
    found = []
    told = {referred(hop.letters) for hop in hops(template) if hop.letters is not None}
    # Those of rules and subscriptions that are made elsewhere, or at run time.
    for name in {name for name in queues if name.startswith("Workspace") and "DeadLetters" in name} - told:
        if queues[name]["Properties"].get("MessageRetentionPeriod") != FOURTEEN_DAYS:
            found.append(f"{name} does not keep its letters for 14 days")
        if name not in watched:
            found.append(f"{name} has no alarm")
    for hop in hops(template):
        if hop.letters is None:
            found.append(f"{hop.resource} has no dead letters")
            continue
        name = referred(hop.letters)
        if name not in queues:
            found.append(f"{hop.resource}: {name} is no queue of the template")
        elif queues[name]["Properties"].get("MessageRetentionPeriod") != FOURTEEN_DAYS:
            found.append(f"{name} does not keep its letters for 14 days")
        elif name not in watched:
            found.append(f"{name} has no alarm")
    return found


@pytest.fixture(scope="module")
def hooked(new_app: Callable[..., cdk.App]) -> Body:
    """A workspace whose user hooks a machine and queues to it."""
    stack = cdk.Stack(new_app(), "Hooked", env=cdk.Environment(region="us-east-1"))
    workspace = LabelingWorkspace(stack, "Workspace")
    data = DataGrant(LabelingBucket(stack, "Streets"), read="raw/", write="labels/")
    project = LabelingProject(stack, "Signs", workspace=workspace, data=data)
    machine = sfn.StateMachine(
        stack, "Train", definition_body=sfn.DefinitionBody.from_chainable(sfn.Succeed(stack, "Trained"))
    )
    queue = sqs.Queue(stack, "Inbox", retention_period=cdk.Duration.days(14))
    own = sqs.Queue(stack, "Own", retention_period=cdk.Duration.days(14))
    target = targets.SqsQueue(queue)
    project.on_delivered("Delivered", target=targets.SfnStateMachine(machine))
    project.on_rejected("Rejected", target=target)
    project.on_accepted("Accepted", target=target)
    project.on_ready_for_review("Review", target=targets.SqsQueue(queue, dead_letter_queue=own))
    project.on_transfer_failed("Failed", target=target)
    project.on_status("Either", status=[BatchStatus.PAUSED, BatchStatus.CANCELLED], target=target)
    workspace.on_status("Approved", status=ProjectStatus.REQUEST_APPROVED, project="signs", target=target)
    workspace.on_status("Everything", target=target)
    return body(stack)


def test_every_hop_of_the_example_has_a_queue_and_an_alarm(example_body: Body) -> None:
    assert problems(example_body) == []


def test_these_are_the_hops(example_body: Body) -> None:
    """The positive control: a walk that finds nothing would be green."""
    found = sorted(example_body["Resources"][hop.resource]["Type"] for hop in hops(example_body))
    assert found == [
        "AWS::Events::Rule",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Scheduler::Schedule",
    ]


def test_a_users_rules_have_them_too_unless_they_name_a_queue_of_their_own(hooked: Body) -> None:
    (own,) = (name for name in of_type(hooked, "AWS::SQS::Queue") if name.startswith("Own"))
    assert problems(hooked) == [f"{own} has no alarm"]


PARTS = [
    ("AWS::Lambda::EventSourceMapping", ("DestinationConfig",)),
    ("AWS::SQS::Queue", ("RedrivePolicy",)),
    ("AWS::Events::Rule", ("Targets", 0, "DeadLetterConfig")),
    ("AWS::Scheduler::Schedule", ("Target", "DeadLetterConfig")),
    ("AWS::Lambda::Function", ("DeadLetterConfig",)),
    ("AWS::SQS::Queue", ("MessageRetentionPeriod",)),
    ("AWS::CloudWatch::Alarm", ("AlarmActions", 0)),
    ("AWS::CloudWatch::Alarm", ("Dimensions", 0)),
]


@pytest.mark.parametrize(("kind", "path"), PARTS)
def test_each_part_that_is_taken_out_is_missed(example_body: Body, kind: str, path: tuple[Any, ...]) -> None:
    seen = 0
    for name in of_type(example_body, kind):
        template = copy.deepcopy(example_body)
        part = template["Resources"][name]["Properties"]
        try:
            for step in path[:-1]:
                part = part[step]
            del part[path[-1]]
        except (KeyError, IndexError):
            continue
        if kind == "AWS::CloudWatch::Alarm" and "DeadLetters" not in name:
            continue
        seen += 1
        assert problems(template), f"{name} without {path}"
    assert seen


def test_a_subscription_without_a_queue_is_missed(new_app: Callable[..., cdk.App]) -> None:
    stack = cdk.Stack(new_app(), "Subscribed")
    workspace = LabelingWorkspace(stack, "Workspace")
    inbox = sqs.Queue(stack, "Inbox")
    workspace.topic.add_subscription(
        subscriptions.SqsSubscription(inbox, filter_policy={"project": sns.SubscriptionFilter.string_filter()})
    )
    (problem,) = problems(body(stack))
    assert problem.startswith("Inbox")
    assert problem.endswith("has no dead letters")


class TestARuleOfAHook:
    def test_matches_the_statuses_and_the_project(self, hooked: Body) -> None:
        patterns = {
            name.removeprefix("Signs")[:-8]: rule["Properties"]["EventPattern"]
            for name, rule in of_type(hooked, "AWS::Events::Rule").items()
            if "EventBusName" in rule["Properties"]
        }
        assert {name: pattern["detail"]["status"] for name, pattern in patterns.items() if "detail" in pattern} == {
            "Delivered": ["Data delivered"],
            "Rejected": ["Rejected"],
            "Accepted": ["Accepted"],
            "Review": ["Ready for review"],
            "Failed": ["Data transfer failed"],
            "Either": ["Paused", "Cancelled"],
            "WorkspaceApproved": ["Request approved"],
        }
        for name, pattern in patterns.items():
            assert pattern["source"] == ["gtplus"]
            assert pattern["account"] == [{"Ref": "AWS::AccountId"}]
            kind = "Project" if name == "WorkspaceApproved" else "Batch"
            assert pattern["detail-type"] == [f"{kind} status changed"]
            assert pattern.get("detail", {}).get("project") == (None if name == "WorkspaceEverything" else ["signs"])

    def test_keeps_what_its_target_did_not_take_where_the_target_says(self, hooked: Body) -> None:
        letters = {
            name: referred(rule["Properties"]["Targets"][0]["DeadLetterConfig"]["Arn"])
            for name, rule in of_type(hooked, "AWS::Events::Rule").items()
        }
        for name, queue in letters.items():
            own = "WorkspaceWorkflow" if "ManifestWritten" in name else "Own" if "Review" in name else "WorkspaceRule"
            assert queue.startswith(own), name

    @pytest.mark.parametrize(
        ("status", "problem"),
        [
            ("Paused", "a BatchStatus or a ProjectStatus"),
            ([BatchStatus.PAUSED, 7], "received 7"),
            ([BatchStatus.PAUSED, ProjectStatus.CLOSED], "make a rule for each"),
        ],
    )
    def test_of_what_is_no_status_is_refused(self, new_app: Callable[..., cdk.App], status: Any, problem: str) -> None:
        workspace = LabelingWorkspace(cdk.Stack(new_app(), "Wrong"), "Workspace")
        with pytest.raises(ValueError, match=problem):
            workspace.on_status("Rule", status=status)

    def test_can_lie_with_its_target_in_another_stack(self, new_app: Callable[..., cdk.App]) -> None:
        app = new_app()
        env = cdk.Environment(region="us-east-1", account="111122223333")
        workspace = LabelingWorkspace(cdk.Stack(app, "Labeling", env=env), "Workspace")
        stack = cdk.Stack(app, "Training", env=env)
        queue = sqs.Queue(stack, "Inbox")
        rule = workspace.on_status("Told", target=targets.SqsQueue(queue), cross_stack_scope=stack)
        assert cdk.Stack.of(rule) is stack
        (found,) = of_type(body(stack), "AWS::Events::Rule").values()
        assert "DeadLetterConfig" in found["Properties"]["Targets"][0]


class TestTheAlarms:
    def test_are_these(self, example_body: Body) -> None:
        alarms = {
            (alarm["Properties"]["Namespace"].removeprefix("AWS/"), alarm["Properties"]["MetricName"])
            for alarm in of_type(example_body, "AWS::CloudWatch::Alarm").values()
        }
        assert alarms == {
            ("SQS", "ApproximateNumberOfMessagesVisible"),
            ("Lambda", "IteratorAge"),
            ("Lambda", "Errors"),
            ("Lambda", "Throttles"),
            ("Lambda", "Invocations"),
            ("States", "ExecutionsFailed"),
            ("States", "ExecutionsTimedOut"),
            ("States", "ExecutionsAborted"),
        }

    def test_tell_a_topic_that_takes_them_from_this_account_alone(self, example_body: Body) -> None:
        (topic,) = (name for name in of_type(example_body, "AWS::SNS::Topic") if "Alarm" in name)
        for alarm in of_type(example_body, "AWS::CloudWatch::Alarm").values():
            assert alarm["Properties"]["AlarmActions"] == [{"Ref": topic}]
            assert alarm["Properties"]["AlarmDescription"]
        (policy,) = (
            policy["Properties"]["PolicyDocument"]
            for policy in of_type(example_body, "AWS::SNS::TopicPolicy").values()
            if policy["Properties"]["Topics"] == [{"Ref": topic}]
        )
        allowed = [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]
        assert [statement["Principal"] for statement in allowed] == [{"Service": "cloudwatch.amazonaws.com"}]
        assert allowed[0]["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}

    def test_a_silent_reconciler_is_an_alarm_and_a_silent_queue_is_none(self, example_body: Body) -> None:
        for alarm in of_type(example_body, "AWS::CloudWatch::Alarm").values():
            properties = alarm["Properties"]
            silent = properties["MetricName"] == "Invocations"
            assert properties["TreatMissingData"] == ("breaching" if silent else "notBreaching")

    def test_are_plain(self, example_body: Body) -> None:
        """No metric math and no composite: each can be read, and tried, alone."""
        for alarm in of_type(example_body, "AWS::CloudWatch::Alarm").values():
            assert "Metrics" not in alarm["Properties"]
        assert "AWS::CloudWatch::CompositeAlarm" not in json.dumps(example_body)

    def test_tell_a_topic_that_is_brought(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Brought")
        topic = sns.Topic(stack, "Ops")
        workspace = LabelingWorkspace(stack, "Workspace", alarm_topic=topic)
        assert workspace.monitoring.topic is topic
        template = body(stack)
        # Ours for the people, ours for escalations, and the one that is brought.
        assert len(of_type(template, "AWS::SNS::Topic")) == 3
        (ops,) = (name for name in of_type(template, "AWS::SNS::Topic") if name.startswith("Ops"))
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values():
            assert alarm["Properties"]["AlarmActions"] == [{"Ref": ops}]
