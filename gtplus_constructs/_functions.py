"""What our functions share: one asset, one log group, one key, settings by environment, roles without wildcards."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Duration, IgnoreMode, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

import gtplus_runtime

HANDLERS = Path(gtplus_runtime.__file__).parent / "handlers"
"""Where the handlers lie: a file each."""


class Functions(Construct):
    """Makes the functions of a workspace, and the roles they run as.

    The functions have no state: they are upgraded in place with batches open, since what they read and write is
    additive. All write to one log group, kept for a year. They cost what they run.

    Args:
        scope: the parent.
        id: the construct's id.
        key: encrypts the logs.
        settings: environment of every function.
    """

    def __init__(self, scope: Construct, id: str, *, key: kms.IKey, settings: Mapping[str, str]) -> None:
        super().__init__(scope, id)
        self._settings = dict(settings)
        self.key = key
        self.logs = logs.LogGroup(self, "Logs", retention=logs.RetentionDays.ONE_YEAR, encryption_key=key)
        # All but the package is excluded: the folder may be a site-packages. The mode enters the asset's hash.
        self._code = lambda_.Code.from_asset(
            str(HANDLERS.parent.parent),
            ignore_mode=IgnoreMode.GIT,
            exclude=["/*", "!/gtplus_runtime", "__pycache__", "*.pyc"],
        )

    def role(self, scope: Construct, id: str, statements: Sequence[iam.PolicyStatement]) -> iam.Role:
        """A role for functions: what it may do, and writing its log.

        Args:
            scope: the parent.
            id: the construct's id.
            statements: what it may do besides.
        """
        write_log = iam.PolicyStatement(
            sid="Log", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[self.logs.log_group_arn]
        )
        return iam.Role(
            scope,
            id,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"Work": iam.PolicyDocument(statements=[*statements, write_log])},
        )

    def function(
        self,
        scope: Construct,
        id: str,
        *,
        handler: str,
        role: iam.IRole,
        timeout: Duration,
        memory: int = 512,
        settings: Mapping[str, str] | None = None,
        letters: sqs.IQueue | None = None,
    ) -> lambda_.Function:
        """A function that runs one file of `handlers/`.

        Args:
            scope: the parent.
            id: the construct's id.
            handler: the file's name, without `.py`.
            role: what it runs as.
            timeout: how long a call may take.
            memory: in MiB.
            settings: further environment.
            letters: keeps the calls nobody waits for, once their retries have failed; the role must let it be
                written to. Default: nobody calls it so.
        """
        function = lambda_.Function(
            scope,
            id,
            code=self._code,
            handler=f"gtplus_runtime.handlers.{handler}.handler",
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            role=role,
            timeout=timeout,
            memory_size=memory,
            log_group=self.logs,
            environment=self._settings | dict(settings or {}),
        )
        if letters is not None:
            resource = function.node.default_child
            assert isinstance(resource, lambda_.CfnFunction)
            # Written here: CDK's own option would add a policy resource to the role.
            resource.dead_letter_config = lambda_.CfnFunction.DeadLetterConfigProperty(target_arn=letters.queue_arn)
        return function


def table_statements(table: dynamodb.ITable, *actions: str, indexes: Sequence[str] = ()) -> list[iam.PolicyStatement]:
    """What reads or writes the table, and its key with it: CDK's `table.grant` leaves the key out.

    Args:
        table: the table.
        actions: of DynamoDB, without the prefix.
        indexes: the names of the indexes that are queried too.
    """
    stack = Stack.of(table)
    resources = [table.table_arn, *(f"{table.table_arn}/index/{name}" for name in indexes)]
    statements = [iam.PolicyStatement(sid="Table", actions=[f"dynamodb:{a}" for a in actions], resources=resources)]
    if table.encryption_key is not None:
        statements.append(use_key(table.encryption_key, "TableKey", f"dynamodb.{stack.region}.{stack.url_suffix}"))
    return statements


def use_key(key: kms.IKey, sid: str, via: str) -> iam.PolicyStatement:
    """The use of a key, through one service only.

    Args:
        key: the key.
        sid: the statement's id.
        via: the service's endpoint.
    """
    return iam.PolicyStatement(
        sid=sid,
        actions=["kms:Decrypt", "kms:GenerateDataKey"],
        resources=[key.key_arn],
        conditions={"StringEquals": {"kms:ViaService": via}},
    )


def key_for_services(key: kms.Key, stack: Stack) -> None:
    """Let the services that write to our encrypted queues, topics and logs use the key, for this account only.

    Args:
        key: the key, ours.
        stack: its stack.
    """
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="EventsTopicsAndAlarms",
            principals=[iam.ServicePrincipal(f"{name}.amazonaws.com") for name in ("events", "sns", "cloudwatch")],
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=["*"],  # in a key policy: this key
            conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
        )
    )
    group = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:*"
    key.add_to_resource_policy(
        iam.PolicyStatement(
            sid="Logs",
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=[
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
                "kms:GenerateDataKey",
                "kms:DescribeKey",
            ],
            resources=["*"],  # in a key policy: this key
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": group}},
        )
    )
