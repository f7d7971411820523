"""The dispatcher: what the table's stream calls, to start and wake executions and to tell the world outside."""

import json
from typing import Any, NamedTuple

from aws_cdk import Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from gtplus_constructs._functions import Functions, table_statements, use_key
from gtplus_constructs._local_cloud import deviates
from gtplus_constructs._queues import dead_letters
from gtplus_runtime.store import EVENT, HEAD, REMINDER, RETELL


class Dispatcher(NamedTuple):
    """What was made.

    Attributes:
        function: the dispatcher.
        role: what it runs as: the only one that publishes on the bus.
        letters: the positions in the stream of what it could not follow.
    """

    function: lambda_.Function
    role: iam.Role
    letters: sqs.Queue


def add_dispatcher(
    scope: Construct,
    *,
    functions: Functions,
    table: dynamodb.Table,
    state_machine: sfn.CfnStateMachine,
    bus: events.IEventBus,
    topic: sns.ITopic,
    escalation_topic: sns.ITopic,
) -> Dispatcher:
    """Let the table's stream start and wake the executions, and publish every status change.

    Args:
        scope: the workflow. All lies in its own scope: a stream has one mapping to a function, so a mapping under
            another id would be in the way of a deploy, and a queue under another id would leave its letters behind.
        functions: makes the function.
        table: whose stream it is.
        state_machine: of the batches.
        bus: takes the status changes.
        topic: tells the people whom a status waits for.
        escalation_topic: tells those above them when it waits too long.
    """
    stack = Stack.of(scope)
    letters = dead_letters(scope, "DispatcherDeadLetters", functions.key)
    tasks = [state_machine.attr_arn]
    if deviates(scope, "states:SendTask* is allowed on *, since the local cloud refuses it on the machine's ARN"):
        tasks = ["*"]
    # It covers PublishBatch ("Amazon SNS API permissions: Actions and resources reference").
    publish = ["sns:Publish"]
    if deviates(
        scope, "sns:PublishBatch is allowed by that name, which the local cloud asks for and AWS does not know"
    ):
        publish.append("sns:PublishBatch")
    stream = table.table_stream_arn or ""
    role = functions.role(
        scope,
        "DispatcherRole",
        [
            *table_statements(table, "GetItem", "BatchGetItem"),
            iam.PolicyStatement(
                sid="Stream",
                actions=["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
                resources=[stream],
            ),
            iam.PolicyStatement(sid="Start", actions=["states:StartExecution"], resources=[state_machine.attr_arn]),
            # On the machine: AWS checks the token's machine, though its reference lists no resource for it.
            iam.PolicyStatement(sid="Wake", actions=["states:SendTaskSuccess"], resources=tasks),
            iam.PolicyStatement(sid="Publish", actions=["events:PutEvents"], resources=[bus.event_bus_arn]),
            iam.PolicyStatement(
                sid="Tell",
                actions=publish,
                resources=[topic.topic_arn, escalation_topic.topic_arn],
            ),
            use_key(functions.key, "TopicKey", f"sns.{stack.region}.{stack.url_suffix}"),
            iam.PolicyStatement(sid="DeadLetters", actions=["sqs:SendMessage"], resources=[letters.queue_arn]),
            use_key(functions.key, "DeadLettersKey", f"sqs.{stack.region}.{stack.url_suffix}"),
        ],
    )
    function = functions.function(
        scope,
        "Dispatcher",
        handler="dispatcher",
        role=role,
        timeout=Duration.seconds(60),
        settings={
            "GTPLUS_TABLE": table.table_name,
            "GTPLUS_STATE_MACHINE": state_machine.attr_arn,
            "GTPLUS_BUS": bus.event_bus_name,
            "GTPLUS_TOPIC": topic.topic_arn,
            "GTPLUS_ESCALATIONS": escalation_topic.topic_arn,
        },
    )
    lambda_.CfnEventSourceMapping(
        scope,
        "Stream",
        function_name=function.function_arn,
        event_source_arn=stream,
        starting_position="TRIM_HORIZON",
        batch_size=100,
        # In order for each item; ten batches of records of a shard side by side.
        parallelization_factor=10,
        # The defaults would hold up a shard for 24 hours on one bad record.
        maximum_retry_attempts=8,
        maximum_record_age_in_seconds=3_600,
        bisect_batch_on_function_error=True,
        function_response_types=["ReportBatchItemFailures"],
        destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
            on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(destination=letters.queue_arn)
        ),
        filter_criteria=lambda_.CfnEventSourceMapping.FilterCriteriaProperty(
            filters=[
                lambda_.CfnEventSourceMapping.FilterProperty(pattern=json.dumps(pattern))
                for pattern in (
                    {"dynamodb": {"Keys": {"sk": {"S": [HEAD]}}}},
                    *(_written(kind, "INSERT") for kind in (EVENT, REMINDER)),
                    _written(RETELL, "INSERT", "MODIFY"),
                )
            ]
        ),
    )
    return Dispatcher(function, role, letters)


def _written(kind: str, *how: str) -> dict[str, Any]:
    """The filter for items whose sort key begins with their kind."""
    return {"eventName": how, "dynamodb": {"Keys": {"sk": {"S": [{"prefix": kind}]}}}}
