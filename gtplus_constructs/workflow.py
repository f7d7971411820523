"""BatchWorkflow: the table, the state machine that follows it, its handlers, the dispatcher and the reconciler."""

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from gtplus_constructs._definition import batch_definition
from gtplus_constructs._functions import HANDLERS, Functions, table_statements, use_key
from gtplus_constructs._local_cloud import deviates
from gtplus_constructs._queues import dead_letters
from gtplus_constructs._removal import effective_removal
from gtplus_constructs._validation import raise_all
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.problems import Problem
from gtplus_runtime.protocol import HANDLER_TIMEOUT_SECONDS
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


class BatchWorkflow(Construct):
    """The state machine of the batches, generated from `gtplus_runtime.lifecycle`, with all that drives it.

    Input of an execution, written by the dispatcher alone: `{"project", "batch", "generation", "handled": whether the
    status was handled, "seq", "status"}`. Output: that of its last state, which nobody reads: the table is the truth.
    Errors: `UnknownStatus` for a status of a newer deployment; a handler's error after its retries, which the batch
    shows as `failure`. In each case the reconciler starts a new generation from the table.

    Upgraded in place with batches open: a running execution keeps its definition to its next generation. Deleting or
    replacing the machine ends its executions, and loses nothing: the table has everything. It costs three state
    transitions and one handler call a status change.

    Args:
        scope: the parent.
        id: the construct's id.
        functions: makes the functions.
        key: encrypts the table and the queues.
        bus: takes the status changes.
        topic: tells the people whom a status waits for.
        projects_path: the SSM path of the projects' places.
        runtime_roles: the ARN pattern of the projects' runtime roles.
        removal_policy: what becomes of the table when it leaves the stack.

    Raises:
        ValueError: naming every status that has no file in `handlers/`.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Functions,
        key: kms.IKey,
        bus: events.IEventBus,
        topic: sns.ITopic,
        projects_path: str,
        runtime_roles: str,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id)
        raise_all(
            "BatchWorkflow",
            [
                Problem(
                    f"handlers/{status.slug}.py",
                    f"every status has a handler, and {str(status.name)!r} has none",
                    "",
                    "write this file: a function `handler` under @on_status",
                )
                for status in BATCH
                if not (HANDLERS / f"{status.slug}.py").exists()
            ],
        )
        self._functions, self._key = functions, key
        self.table = BatchTable(self, "Batches", key=key, removal_policy=removal_policy).table
        places = Stack.of(self).format_arn(service="ssm", resource="parameter", resource_name=f"{projects_path[1:]}/*")
        self._table_statements = [
            *table_statements(
                self.table, "GetItem", "PutItem", "UpdateItem", "ConditionCheckItem", "Query", indexes=INDEXES
            ),
            iam.PolicyStatement(sid="Places", actions=["ssm:GetParameter"], resources=[places]),
        ]
        self.data_statements = [
            *self._table_statements,
            # A project's data are reached through its runtime role alone, which trusts these functions by name.
            iam.PolicyStatement(sid="ProjectData", actions=["sts:AssumeRole"], resources=[runtime_roles]),
        ]
        self.handler_role = functions.role(self, "HandlerRole", self.data_statements)
        self.table_setting = {"GTPLUS_TABLE": self.table.table_name}
        handlers = {
            status.name: functions.function(
                self,
                "".join(word.capitalize() for word in status.slug.split("_")),
                handler=status.slug,
                role=self.handler_role,
                timeout=Duration.seconds(HANDLER_TIMEOUT_SECONDS),
                settings=self.table_setting,
            )
            for status in BATCH
        }
        self.state_machine = self._machine(handlers)
        self._dispatcher(bus, topic)
        self._reconciler()
        self._storage_events()

    @property
    def state_machine_arn(self) -> str:
        """The state machine of the batches."""
        return self.state_machine.attr_arn

    def _machine(self, handlers: dict[str, lambda_.Function]) -> sfn.CfnStateMachine:
        stack = Stack.of(self)
        log_group = logs.LogGroup(self, "History", retention=logs.RetentionDays.ONE_YEAR, encryption_key=self._key)
        work = [
            *table_statements(self.table, "UpdateItem"),
            iam.PolicyStatement(
                sid="Handlers",
                actions=["lambda:InvokeFunction"],
                resources=[function.function_arn for function in handlers.values()],
            ),
        ]
        telemetry = [
            iam.PolicyStatement(
                sid="VendedLogs",
                actions=[
                    "logs:CreateLogDelivery",
                    "logs:GetLogDelivery",
                    "logs:UpdateLogDelivery",
                    "logs:DeleteLogDelivery",
                    "logs:ListLogDeliveries",
                    "logs:PutResourcePolicy",
                    "logs:DescribeResourcePolicies",
                    "logs:DescribeLogGroups",
                ],
                resources=["*"],  # CloudWatch Logs knows no resource for vended log delivery
            ),
            iam.PolicyStatement(
                sid="Traces",
                actions=[
                    "xray:PutTraceSegments",
                    "xray:PutTelemetryRecords",
                    "xray:GetSamplingRules",
                    "xray:GetSamplingTargets",
                ],
                resources=["*"],  # X-Ray knows no resource for these
            ),
        ]
        role = iam.Role(
            self,
            "MachineRole",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": stack.account}}
            ),
            inline_policies={
                "Work": iam.PolicyDocument(statements=work),
                "Telemetry": iam.PolicyDocument(statements=telemetry),
            },
        )
        return sfn.CfnStateMachine(
            self,
            "StateMachine",
            role_arn=role.role_arn,
            definition_string=stack.to_json_string(
                batch_definition(
                    BATCH,
                    handlers={name: function.function_arn for name, function in handlers.items()},
                    table=self.table.table_name,
                    partition=stack.partition,
                )
            ),
            # Not the execution data: they hold the parked tokens.
            logging_configuration=sfn.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    sfn.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=sfn.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=log_group.log_group_arn
                        )
                    )
                ],
            ),
            tracing_configuration=sfn.CfnStateMachine.TracingConfigurationProperty(enabled=True),
        )

    def _dispatcher(self, bus: events.IEventBus, topic: sns.ITopic) -> None:
        stack = Stack.of(self)
        letters = dead_letters(self, "DispatcherDeadLetters", self._key)
        tasks = [self.state_machine_arn]
        if deviates(self, "states:SendTask* is allowed on *, since the local cloud refuses it on the machine's ARN"):
            tasks = ["*"]
        stream = self.table.table_stream_arn or ""
        role = self._functions.role(
            self,
            "DispatcherRole",
            [
                *table_statements(self.table, "GetItem"),
                iam.PolicyStatement(
                    sid="Stream",
                    actions=["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"],
                    resources=[stream],
                ),
                iam.PolicyStatement(sid="Start", actions=["states:StartExecution"], resources=[self.state_machine_arn]),
                # On the machine: AWS checks the token's machine, though its reference lists no resource for it.
                iam.PolicyStatement(sid="Wake", actions=["states:SendTaskSuccess"], resources=tasks),
                iam.PolicyStatement(sid="Publish", actions=["events:PutEvents"], resources=[bus.event_bus_arn]),
                iam.PolicyStatement(sid="Tell", actions=["sns:Publish"], resources=[topic.topic_arn]),
                use_key(self._key, "TopicKey", f"sns.{stack.region}.{stack.url_suffix}"),
                iam.PolicyStatement(sid="DeadLetters", actions=["sqs:SendMessage"], resources=[letters.queue_arn]),
                use_key(self._key, "DeadLettersKey", f"sqs.{stack.region}.{stack.url_suffix}"),
            ],
        )
        self.dispatcher_role = role
        self.dispatcher = self._functions.function(
            self,
            "Dispatcher",
            handler="dispatcher",
            role=role,
            timeout=Duration.seconds(60),
            settings={
                **self.table_setting,
                "GTPLUS_STATE_MACHINE": self.state_machine_arn,
                "GTPLUS_BUS": bus.event_bus_name,
                "GTPLUS_TOPIC": topic.topic_arn,
            },
        )
        lambda_.CfnEventSourceMapping(
            self,
            "Stream",
            function_name=self.dispatcher.function_arn,
            event_source_arn=stream,
            starting_position="TRIM_HORIZON",
            batch_size=25,
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
                    lambda_.CfnEventSourceMapping.FilterProperty(pattern=pattern)
                    for pattern in (
                        '{"dynamodb":{"Keys":{"sk":{"S":["HEAD"]}}}}',
                        '{"eventName":["INSERT"],"dynamodb":{"Keys":{"sk":{"S":[{"prefix":"EVENT#"}]}}}}',
                    )
                ]
            ),
        )

    def _reconciler(self) -> None:
        stack = Stack.of(self)
        executions = stack.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.state_machine.attr_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        letters = dead_letters(self, "ReconcilerDeadLetters", self._key)
        deliver = [
            iam.PolicyStatement(sid="DeadLetters", actions=["sqs:SendMessage"], resources=[letters.queue_arn]),
            use_key(self._key, "DeadLettersKey", f"sqs.{stack.region}.{stack.url_suffix}"),
        ]
        role = self._functions.role(
            self,
            "ReconcilerRole",
            [
                *self._table_statements,
                iam.PolicyStatement(
                    sid="Executions",
                    actions=["states:DescribeExecution", "states:StopExecution"],
                    resources=[executions],
                ),
                *deliver,
            ],
        )
        self.reconciler = self._functions.function(
            self,
            "Reconciler",
            handler="reconciler",
            role=role,
            timeout=Duration.minutes(5),
            settings={**self.table_setting, "GTPLUS_STATE_MACHINE": self.state_machine_arn},
            # The schedule does not wait for the function: what it could not deliver and what failed are two hops.
            letters=letters,
        )
        caller = iam.Role(
            self,
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
                            resources=[self.reconciler.function_arn],
                        ),
                        *deliver,
                    ]
                )
            },
        )
        scheduler.CfnSchedule(
            self,
            "EveryMinute",
            schedule_expression="rate(1 minute)",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=self.reconciler.function_arn,
                role_arn=caller.role_arn,
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(arn=letters.queue_arn),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(maximum_retry_attempts=2),
            ),
        )

    def _storage_events(self) -> None:
        stack = Stack.of(self)
        letters = dead_letters(self, "StorageEventsDeadLetters", self._key)
        timeout = Duration.minutes(5)
        queue = sqs.Queue(
            self,
            "StorageEvents",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=self._key,
            enforce_ssl=True,
            # Six times the function's time-out, as "Using Lambda with Amazon SQS" asks.
            visibility_timeout=Duration.minutes(30),
            dead_letter_queue=sqs.DeadLetterQueue(queue=letters, max_receive_count=5),
        )
        rule = events.CfnRule(
            self,
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
            # Written here and not by CDK's target: without a feature flag that one lets any account's events in.
            target.add_to_resource_policy(
                iam.PolicyStatement(
                    sid="ThisRuleOnly",
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=["sqs:SendMessage"],
                    resources=[target.queue_arn],
                    conditions={
                        "ArnEquals": {"aws:SourceArn": rule.attr_arn},
                        "StringEquals": {"aws:SourceAccount": stack.account},
                    },
                )
            )
        self.storage_events_role = self._functions.role(
            self,
            "StorageEventsRole",
            [
                *self.data_statements,
                iam.PolicyStatement(
                    sid="Receive",
                    actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                    resources=[queue.queue_arn],
                ),
                use_key(self._key, "QueueKey", f"sqs.{stack.region}.{stack.url_suffix}"),
            ],
        )
        function = self._functions.function(
            self,
            "StorageEventsFunction",
            handler="storage_events",
            role=self.storage_events_role,
            timeout=timeout,
            settings=self.table_setting,
        )
        lambda_.CfnEventSourceMapping(
            self,
            "Messages",
            function_name=function.function_arn,
            event_source_arn=queue.queue_arn,
            batch_size=5,
            function_response_types=["ReportBatchItemFailures"],
        )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
