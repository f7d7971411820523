"""BatchWorkflow: the state machine of the batches, its handlers, and all that drives it."""

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from gtplus_constructs._definition import batch_definition, definition_version
from gtplus_constructs._functions import HANDLERS, Functions, table_statements
from gtplus_constructs._validation import raise_all
from gtplus_constructs.dispatcher import add_dispatcher
from gtplus_constructs.reconciler import add_reconciler
from gtplus_constructs.storage_events import add_storage_events
from gtplus_constructs.table import INDEXES, BatchTable
from gtplus_runtime.lifecycle import BATCH
from gtplus_runtime.problems import Problem
from gtplus_runtime.protocol import HANDLER_TIMEOUT_SECONDS


class BatchWorkflow(Construct):
    """The state machine of the batches, generated from `gtplus_runtime.lifecycle`, with all that drives it.

    Input of an execution, written by the dispatcher alone: `{"project", "batch", "generation", "handled": whether the
    status was handled, "seq", "status"}`. Output: that of its last state, which nobody reads: the table is the truth.
    Errors: `UnknownStatus` for a status of a newer deployment; a handler's error after its retries, which the batch
    shows as `failure`. In each case the reconciler starts a new generation from the table.

    Upgraded in place with batches open: a running execution keeps its definition, and the reconciler moves those that
    wait to the newest one within minutes, by a new generation. Deleting or
    replacing the machine ends its executions, and loses nothing: the table has everything. It costs three state
    transitions and one handler call a status change.

    Args:
        scope: the parent.
        id: the construct's id.
        functions: makes the functions.
        key: encrypts the table and the queues.
        bus: takes the status changes.
        topic: tells the people whom a status waits for.
        escalation_topic: tells those above them when it waits too long.
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
        escalation_topic: sns.ITopic,
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
        self._key = key
        self.table = BatchTable(self, "Batches", key=key, removal_policy=removal_policy).table
        places = Stack.of(self).format_arn(service="ssm", resource="parameter", resource_name=f"{projects_path[1:]}/*")
        one_by_one = ("GetItem", "PutItem", "UpdateItem", "ConditionCheckItem", "Query")
        place = iam.PolicyStatement(sid="Places", actions=["ssm:GetParameter"], resources=[places])
        # A project's data are reached through its runtime role alone, which trusts these functions by name.
        data = iam.PolicyStatement(sid="ProjectData", actions=["sts:AssumeRole"], resources=[runtime_roles])
        alone = table_statements(self.table, *one_by_one, indexes=INDEXES)
        together = table_statements(self.table, *one_by_one, "BatchGetItem", indexes=INDEXES)
        self.data_statements = [*together, place, data]
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
        definition = definition_version(BATCH, {name: function.node.path for name, function in handlers.items()})
        self.state_machine = self._machine(handlers, definition)
        dispatcher = add_dispatcher(
            self,
            functions=functions,
            table=self.table,
            state_machine=self.state_machine,
            bus=bus,
            topic=topic,
            escalation_topic=escalation_topic,
        )
        storage_events = add_storage_events(
            self, functions=functions, table=self.table, statements=[*alone, place, data]
        )
        reconciler = add_reconciler(
            self,
            functions=functions,
            table=self.table,
            statements=[*together, place],
            state_machine=self.state_machine,
            definition=definition,
            storage_events=storage_events.queue,
        )
        self.dispatcher, self.dispatcher_role = dispatcher.function, dispatcher.role
        self.reconciler = reconciler.function
        self.storage_events_role, self.storage_events_queue = storage_events.role, storage_events.queue
        self.letters = {
            "stream": dispatcher.letters,
            "schedule": reconciler.letters,
            "storage": storage_events.letters,
        }
        """The dead letters, by the name of their hop."""

    @property
    def state_machine_arn(self) -> str:
        """The state machine of the batches."""
        return self.state_machine.attr_arn

    def _machine(self, handlers: dict[str, lambda_.Function], definition: str) -> sfn.CfnStateMachine:
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
                    version=definition,
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
