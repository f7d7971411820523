"""BatchTable: every status change of every batch and project, for ever."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from gtplus_constructs._removal import effective_removal
from gtplus_runtime.store import LISTED

INDEXES = OPEN, LIST = "open", "list"
"""The indexes of the table, by name."""


class BatchTable(Construct):
    """The table: every status change of every batch and project, for ever.

    Upgraded in place: items are additive. When the stack is deleted it stays (RETAIN and deletion protection), unless
    both keys to destruction are turned; adopted again with `cdk import`. It costs what is read and written on demand,
    what it stores, and its backups (point in time, 35 days).

    Args:
        scope: the parent.
        id: the construct's id; part of what keeps the table.
        key: encrypts it.
        removal_policy: what becomes of it when it leaves the stack.
    """

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey, removal_policy: RemovalPolicy) -> None:
        super().__init__(scope, id)
        policy = effective_removal(self, "Table", removal_policy)
        self.table = dynamodb.Table(
            self,
            "Table",
            partition_key=_text("pk"),
            sort_key=_text("sk"),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            # Keys only: no token and no word of a batch travels in the stream.
            stream=dynamodb.StreamViewType.KEYS_ONLY,
            deletion_protection=policy is not RemovalPolicy.DESTROY,
            # Of what is kept for a while only: the quarantine, and who asked for what to be told again.
            time_to_live_attribute="expiresAt",
            removal_policy=policy,
        )
        # Sparse: only heads that are open, so a sweep costs what is open.
        self.table.add_global_secondary_index(
            index_name=OPEN,
            partition_key=_text("open"),
            sort_key=_text("pk"),
            projection_type=dynamodb.ProjectionType.KEYS_ONLY,
        )
        self.table.add_global_secondary_index(
            index_name=LIST,
            partition_key=_text("list"),
            sort_key=_text("createdAt"),
            projection_type=dynamodb.ProjectionType.INCLUDE,
            non_key_attributes=list(LISTED),
        )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
