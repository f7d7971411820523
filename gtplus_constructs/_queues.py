"""Queues: the dead letters of every hop that is not answered, and who may send to a queue."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct


def dead_letters(scope: Construct, id: str, key: kms.IKey) -> sqs.Queue:
    """A queue that keeps what could not be delivered for 14 days, SQS's longest.

    Args:
        scope: the parent.
        id: the construct's id.
        key: encrypts it.
    """
    return sqs.Queue(
        scope,
        id,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        enforce_ssl=True,
        retention_period=Duration.days(14),
    )


def let_send(queue: sqs.Queue, sid: str, service: str, conditions: Mapping[str, Any]) -> None:
    """Let a service send to a queue. Written here: without a feature flag CDK's targets let any account's events in.

    Args:
        queue: the queue.
        sid: names the statement.
        service: e.g. `events.amazonaws.com`.
        conditions: for whom it sends: never none.
    """
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            sid=sid,
            principals=[iam.ServicePrincipal(service)],
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            conditions=conditions,
        )
    )
