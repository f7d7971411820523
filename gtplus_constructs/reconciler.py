"""The reconciler: what a schedule calls each minute, to hold every open batch against its execution."""

from collections.abc import Sequence
from typing import NamedTuple

from aws_cdk import ArnFormat, Duration, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from gtplus_constructs._functions import Functions, use_key
from gtplus_constructs._queues import dead_letters


class Reconciler(NamedTuple):
    """What was made.

    Attributes:
        function: the reconciler.
        letters: the calls of the schedule that failed, or could not be made.
    """

    function: lambda_.Function
    letters: sqs.Queue


def add_reconciler(
    scope: Construct,
    *,
    functions: Functions,
    table: dynamodb.Table,
    statements: Sequence[iam.PolicyStatement],
    state_machine: sfn.CfnStateMachine,
    storage_events: sqs.IQueue,
    definition: str,
) -> Reconciler:
    """Let a schedule call the reconciler once a minute.

    Args:
        scope: the workflow, in whose own scope all lies.
        functions: makes the function.
        table: of the batches.
        statements: read and write it, and read the projects' places.
        state_machine: of the batches.
        storage_events: asks there for another look at a delivery that nothing was heard of: it has no right to data.
        definition: the version of its definition.
    """
    stack = Stack.of(scope)
    executions = stack.format_arn(
        service="states",
        resource="execution",
        resource_name=f"{state_machine.attr_name}:*",
        arn_format=ArnFormat.COLON_RESOURCE_NAME,
    )
    letters = dead_letters(scope, "ReconcilerDeadLetters", functions.key)
    deliver = [
        iam.PolicyStatement(sid="DeadLetters", actions=["sqs:SendMessage"], resources=[letters.queue_arn]),
        use_key(functions.key, "DeadLettersKey", f"sqs.{stack.region}.{stack.url_suffix}"),
    ]
    role = functions.role(
        scope,
        "ReconcilerRole",
        [
            *statements,
            iam.PolicyStatement(
                sid="Executions",
                actions=["states:DescribeExecution", "states:StopExecution"],
                resources=[executions],
            ),
            iam.PolicyStatement(sid="LookAgain", actions=["sqs:SendMessage"], resources=[storage_events.queue_arn]),
            iam.PolicyStatement(sid="List", actions=["states:ListExecutions"], resources=[state_machine.attr_arn]),
            *deliver,
        ],
    )
    function = functions.function(
        scope,
        "Reconciler",
        handler="reconciler",
        role=role,
        timeout=Duration.minutes(5),
        settings={
            "GTPLUS_TABLE": table.table_name,
            # With its ARN: a deploy changes the machine before the function that knows its version.
            "GTPLUS_STATE_MACHINE": state_machine.attr_arn,
            "GTPLUS_DEFINITION": definition,
            "GTPLUS_STORAGE_EVENTS": storage_events.queue_url,
        },
        # The schedule does not wait for the function: what it could not deliver and what failed are two hops.
        letters=letters,
    )
    caller = iam.Role(
        scope,
        "ScheduleRole",
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
        ),
        inline_policies={
            "Call": iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        sid="Reconciler",
                        actions=["lambda:InvokeFunction"],
                        resources=[function.function_arn],
                    ),
                    *deliver,
                ]
            )
        },
    )
    scheduler.CfnSchedule(
        scope,
        "EveryMinute",
        schedule_expression="rate(1 minute)",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=function.function_arn,
            role_arn=caller.role_arn,
            dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=letters.queue_arn),
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_retry_attempts=2),
        ),
    )
    return Reconciler(function, letters)
