"""The storage events: what S3 tells of output manifests, through a queue."""

from collections.abc import Sequence
from typing import NamedTuple

from aws_cdk import Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from gtplus_constructs._functions import Functions, use_key
from gtplus_constructs._queues import dead_letters, let_send


class StorageEvents(NamedTuple):
    """What was made.

    Attributes:
        function: checks what S3 told.
        role: what it runs as: one of those that reach the projects' data.
        queue: between the rule and the function.
        letters: the events that failed, or that the rule could not hand over.
    """

    function: lambda_.Function
    role: iam.Role
    queue: sqs.Queue
    letters: sqs.Queue


def add_storage_events(
    scope: Construct, *, functions: Functions, table: dynamodb.Table, statements: Sequence[iam.PolicyStatement]
) -> StorageEvents:
    """Let every output manifest that is written to a bucket of this account start its check.

    Args:
        scope: the workflow, in whose own scope all lies.
        functions: makes the function.
        table: of the batches.
        statements: read and write it, and reach the projects' data.
    """
    stack = Stack.of(scope)
    letters = dead_letters(scope, "StorageEventsDeadLetters", functions.key)
    timeout = Duration.minutes(5)
    queue = sqs.Queue(
        scope,
        "StorageEvents",
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=functions.key,
        enforce_ssl=True,
        # Six times the function's time-out, as "Using Lambda with Amazon SQS" asks.
        visibility_timeout=Duration.minutes(30),
        dead_letter_queue=sqs.DeadLetterQueue(queue=letters, max_receive_count=5),
    )
    rule = events.CfnRule(
        scope,
        "ManifestWritten",
        description="An output manifest was written to a bucket of this account",
        event_pattern={
            "source": ["aws.s3"],
            "account": [stack.account],
            "detail-type": ["Object Created"],
            "detail": {"object": {"key": [{"suffix": "/output.manifest"}]}},
        },
        targets=[
            events.CfnRule.TargetProperty(
                arn=queue.queue_arn,
                id="Queue",
                dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=letters.queue_arn),
            )
        ],
    )
    for target in (queue, letters):
        let_send(
            target,
            "ThisRuleOnly",
            "events.amazonaws.com",
            {"ArnEquals": {"aws:SourceArn": rule.attr_arn}, "StringEquals": {"aws:SourceAccount": stack.account}},
        )
    role = functions.role(
        scope,
        "StorageEventsRole",
        [
            *statements,
            iam.PolicyStatement(
                sid="Receive",
                actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                resources=[queue.queue_arn],
            ),
            use_key(functions.key, "QueueKey", f"sqs.{stack.region}.{stack.url_suffix}"),
        ],
    )
    function = functions.function(
        scope,
        "StorageEventsFunction",
        handler="storage_events",
        role=role,
        timeout=timeout,
        settings={"GTPLUS_TABLE": table.table_name},
    )
    lambda_.CfnEventSourceMapping(
        scope,
        "Messages",
        function_name=function.function_arn,
        event_source_arn=queue.queue_arn,
        batch_size=1,  # a check that takes all its time takes no other's
        function_response_types=["ReportBatchItemFailures"],
    )
    return StorageEvents(function, role, queue, letters)
