"""LabelingWorkspace: what all projects of an account and region share."""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from gtplus_constructs._functions import Functions, key_for_services
from gtplus_constructs._local_cloud import deviates
from gtplus_constructs._removal import effective_removal
from gtplus_constructs._validation import check_id, raise_all
from gtplus_constructs.api import LabelingApi
from gtplus_constructs.directory import UserDirectory, check_domain_prefix
from gtplus_constructs.workflow import BatchWorkflow
from gtplus_runtime.lifecycle import Duty


class LabelingWorkspace(Construct):
    """The table and the engine of the batches, the API, the directory, the bus and the topic: one line for a user.

    Two workspaces of an account never meet. The CLI finds a workspace by the SSM parameter `/gtplus/<name>/workspace`.

    Upgraded in place with batches open. When the stack is deleted, the table, the key and the user pool stay, unless
    both keys to destruction are turned; a new workspace of the same name starts empty. See the constructs inside for
    what each costs; an idle workspace costs its key, its logs and a sweep a minute.

    Args:
        scope: the parent.
        id: the construct's id; part of what keeps the table.
        name: of the workspace; 1 to 48 lower-case letters, digits and hyphens. Default: `labeling`.
        encryption_key: encrypts the table, the queues, the topic and the logs. Default: a new one, rotated each year.
            A key that is brought must let the services use it: EventBridge and CloudWatch Logs of this account.
        directory: the people, from another workspace or made apart. Default: a new `UserDirectory`.
        removal_policy: what becomes of table, key and pool when they leave the stack. Default: RETAIN.

    Raises:
        ValueError: for a name that does not fit.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        name: str = "labeling",
        encryption_key: kms.IKey | None = None,
        directory: UserDirectory | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, id)
        problems = check_id("name", name)
        if directory is None and not problems:
            problems = check_domain_prefix(name, None)
        raise_all("LabelingWorkspace", problems)
        stack = Stack.of(self)
        self.name = name
        self.projects: dict[str, Construct] = {}
        self.projects_path = f"/gtplus/{name}/projects"
        self.runtime_path = f"/gtplus/{name}/"
        self.key = self._key(removal_policy) if encryption_key is None else encryption_key
        self.bus = events.EventBus(self, "Bus", description="Status changes of batches and projects; outbound only")
        self.topic = sns.Topic(self, "Topic", master_key=self.key, enforce_ssl=True)
        functions = Functions(
            self,
            "Functions",
            key=self.key,
            settings={"GTPLUS_WORKSPACE": name, "GTPLUS_PROJECTS": self.projects_path},
        )
        self.workflow = BatchWorkflow(
            self,
            "Workflow",
            functions=functions,
            key=self.key,
            bus=self.bus,
            topic=self.topic,
            projects_path=self.projects_path,
            runtime_roles=stack.format_arn(
                service="iam", region="", resource="role", resource_name=f"{self.runtime_path[1:]}*"
            ),
            removal_policy=removal_policy,
        )
        self._close_bus()
        self.api = LabelingApi(self, "Api", functions=functions, workflow=self.workflow)
        self.directory = (
            UserDirectory(self, "Directory", workspace_name=name, removal_policy=removal_policy)
            if directory is None
            else directory
        )
        self.parameter = ssm.CfnParameter(
            self,
            "Parameter",
            type="String",
            name=f"/gtplus/{name}/workspace",
            value=stack.to_json_string(
                {
                    "version": 1,
                    "workspace": name,
                    "apiId": self.api.api_id,
                    "apiUrl": self.api.url,
                    "table": self.workflow.table.table_name,
                    "stateMachine": self.workflow.state_machine_arn,
                    "reconciler": self.workflow.reconciler.function_name,
                    "bus": self.bus.event_bus_name,
                    "topic": self.topic.topic_arn,
                    "userPool": self.directory.user_pool.user_pool_id,
                },
            ),
            description=f"The labeling workspace {name}",
        )

    @property
    def data_readers(self) -> list[iam.IRole]:
        """The roles of our functions that reach the data of projects, through the projects' runtime roles."""
        return [self.workflow.handler_role, self.workflow.storage_events_role, self.api.role]

    def grant_operate(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal operate every project: approve, report, pause, allow another round."""
        return self.grant(grantee, Duty.OPERATE, None)

    def grant(self, grantee: iam.IGrantable, duty: Duty, project: str | None) -> iam.Grant:
        """Let a principal find the workspace and call the paths of a duty.

        Args:
            grantee: who.
            duty: which.
            project: of which project; None for all.
        """
        parameter = Stack.of(self).format_arn(
            service="ssm", resource="parameter", resource_name=f"gtplus/{self.name}/workspace"
        )
        find = iam.Grant.add_to_principal(grantee=grantee, actions=["ssm:GetParameter"], resource_arns=[parameter])
        return self.api.grant(grantee, duty, project).combine(find)

    def _key(self, removal_policy: RemovalPolicy) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            description=f"Table, queues, topic and logs of the labeling workspace {self.name}",
            enable_key_rotation=True,
            removal_policy=effective_removal(self, "Key", removal_policy),
        )
        key_for_services(key, Stack.of(self))
        return key

    def _close_bus(self) -> None:
        # What arrives on the bus comes from the dispatcher: even an administrator's events are refused.
        if deviates(self, "the bus has no policy, since the local cloud knows no AWS::Events::EventBusPolicy"):
            return
        statement = iam.PolicyStatement(
            sid="OnlyTheDispatcher",
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["events:PutEvents"],
            resources=[self.bus.event_bus_arn],
            conditions={"ArnNotEquals": {"aws:PrincipalArn": self.workflow.dispatcher_role.role_arn}},
        )
        events.CfnEventBusPolicy(
            self,
            "BusPolicy",
            statement_id="OnlyTheDispatcher",
            event_bus_name=self.bus.event_bus_name,
            statement=statement.to_statement_json(),
        )
