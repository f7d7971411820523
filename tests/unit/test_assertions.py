"""Asking who may do what in a consumer's stack: the public surface, on templates that CDK synthesized."""


import aws_cdk as cdk
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

from gtplus_constructs.assertions import ACCOUNT, Access

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
        self.app = cdk.App()
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
        assert reader.decide("s3:GetObject", thing, **{"s3:TlsVersion": 1.1}).explicitly_denied


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
