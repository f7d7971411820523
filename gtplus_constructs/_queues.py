"""Dead-letter queues: one for every hop that is not answered."""

from aws_cdk import Duration
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
