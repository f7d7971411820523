"""LabelingWorkspace: what all projects of an account and region share."""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from gtplus_constructs._functions import Functions, key_for_services
from gtplus_constructs._hooks import Statuses, status_rule
from gtplus_constructs._local_cloud import deviates
from gtplus_constructs._queues import dead_letters, let_send
from gtplus_constructs._removal import effective_removal
from gtplus_constructs._validation import check_id, raise_all
from gtplus_constructs.api import LabelingApi
from gtplus_constructs.directory import UserDirectory, check_domain_prefix
from gtplus_constructs.monitoring import Monitoring
from gtplus_constructs.workflow import BatchWorkflow
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.places import DATA_ROLES
from gtplus_runtime.problems import Problem, shown


class LabelingWorkspace(Construct):
    """The table and the engine of the batches, the API, the directory, the bus and the topic: one line for a user.

    Two workspaces of an account never meet. The CLI finds a workspace by the SSM parameter `/gtplus/<name>/workspace`.

    Upgraded in place with batches open. When the stack is deleted, the table, the key and the user pool stay, unless
    both keys to destruction are turned; a new workspace of the same name starts empty. See the constructs inside for
    what each costs; an idle workspace costs its key, its logs and a sweep a minute.

    Args:
        scope: the parent.
        id: the construct's id; part of what keeps the table.
        name: of the workspace; 1 to 48 lower-case letters, digits and hyphens, and not `data`. Default: `labeling`.
        encryption_key: encrypts the table, the queues, the topic and the logs. Default: a new one, rotated each year.
            A key that is brought must let the services use it: EventBridge, SNS, CloudWatch and CloudWatch Logs of this
            account.
        directory: the people, from another workspace or made apart. Default: a new `UserDirectory`.
        alarm_topic: is told by the alarms; one that is brought must let `cloudwatch.amazonaws.com` publish. Default:
            a new one, to which `gtplus notify add --about alarms` subscribes an e-mail address.
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
        alarm_topic: sns.ITopic | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, id)
        problems = check_id("name", name)
        if f"gtplus/{name}/" == DATA_ROLES:
            rule = "any but data, under which the data roles of all workspaces are"
            problems.append(Problem('"name"', rule, shown(name), "choose another"))
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
        self.escalation_topic = sns.Topic(self, "Escalations", master_key=self.key, enforce_ssl=True)
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
            escalation_topic=self.escalation_topic,
            projects_path=self.projects_path,
            runtime_roles=stack.format_arn(
                service="iam", region="", resource="role", resource_name=f"{self.runtime_path[1:]}*"
            ),
            removal_policy=removal_policy,
        )
        self._close_bus()
        self.letters = {**self.workflow.letters, "rules": self._rule_letters(), "topic": self._topic_letters()}
        self.monitoring = Monitoring(
            self,
            "Monitoring",
            letters=self.letters,
            dispatcher=self.workflow.dispatcher,
            reconciler=self.workflow.reconciler,
            state_machine_arn=self.workflow.state_machine_arn,
            topic=self._alarm_topic() if alarm_topic is None else alarm_topic,
        )
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
                    "escalations": self.escalation_topic.topic_arn,
                    "alarms": self.monitoring.topic.topic_arn,
                    "storageEvents": self.workflow.storage_events_queue.queue_url,
                    "topicLetters": self.letters["topic"].queue_arn,
                    "letters": {hop: queue.queue_url for hop, queue in self.letters.items()},
                    "userPool": self.directory.user_pool.user_pool_id,
                    "userPoolClient": self.directory.client.user_pool_client_id,
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

    def grant_redrive(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal read the dead letters and send them again: `gtplus dlq`, beside `grant_operate`.

        A letter may hold an event of a bucket, so who can read it knows names of objects, and no content.
        """
        grants = [
            iam.Grant.add_to_principal(grantee=grantee, actions=actions, resource_arns=resources)
            for actions, resources in (
                (
                    [
                        "sqs:ReceiveMessage",
                        "sqs:DeleteMessage",
                        "sqs:ChangeMessageVisibility",
                        "sqs:GetQueueAttributes",
                    ],
                    [queue.queue_arn for queue in self.letters.values()],
                ),
                (["sqs:SendMessage"], [self.workflow.storage_events_queue.queue_arn]),
                (["lambda:InvokeFunction"], [self.workflow.reconciler.function_arn]),
            )
        ]
        stack = Stack.of(self)
        use = iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resource_arns=[self.key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": f"sqs.{stack.region}.{stack.url_suffix}"}},
        )
        return use.combine(grants[0]).combine(grants[1]).combine(grants[2])

    def grant_notify(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal choose who gets e-mail from the topics: `gtplus notify`."""
        topics = [each.topic_arn for each in (self.topic, self.escalation_topic, self.monitoring.topic)]
        # By e-mail alone: no queue or address of somebody else's is put beside.
        by_email, changed = {"StringEquals": {"sns:Protocol": "email"}}, topics
        if deviates(
            self, "who notifies may use any protocol, and any topic's subscriptions: the local cloud tells neither"
        ):
            by_email, changed = {}, ["*"]
        subscribe = iam.Grant.add_to_principal(
            grantee=grantee, actions=["sns:Subscribe"], resource_arns=topics, conditions=by_email
        )
        change = iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sns:ListSubscriptionsByTopic", "sns:GetSubscriptionAttributes", "sns:Unsubscribe"],
            resource_arns=changed,
        )
        return subscribe.combine(change).combine(self._find(grantee))

    def grant_team(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal invite, list, remove and check the people of every project: `gtplus team`.

        IAM knows pools and no groups, so who holds it can give anybody any duty of the pool, that of operators too.
        """
        people = iam.Grant.add_to_principal(
            grantee=grantee,
            actions=[
                "cognito-idp:AdminAddUserToGroup",
                "cognito-idp:AdminCreateUser",
                "cognito-idp:AdminRemoveUserFromGroup",
                "cognito-idp:DescribeUserPool",
                "cognito-idp:DescribeUserPoolClient",
                "cognito-idp:GetGroup",
                "cognito-idp:ListUsers",
                "cognito-idp:ListUsersInGroup",
            ],
            resource_arns=[self.directory.user_pool.user_pool_arn],
        )
        places = Stack.of(self).format_arn(
            service="ssm", resource="parameter", resource_name=f"{self.projects_path[1:]}/*"
        )
        place = iam.Grant.add_to_principal(grantee=grantee, actions=["ssm:GetParameter"], resource_arns=[places])
        return people.combine(place).combine(self._find(grantee))

    def on_status(
        self,
        id: str,
        *,
        status: Statuses = None,
        project: str | None = None,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """A rule that starts a target when a batch, or a project, comes to a status.

        What the target does not take is kept in the dead letters `rules`, unless it names a queue of its own; what is
        added by `rule.add_target` names its own. An event may come more than once: see docs/events.md.

        Args:
            id: the rule's id.
            status: a status, or several of one lifecycle. Default: each that a batch comes to.
            project: the id of the one project that is meant. Default: all of the workspace.
            target: what is started. Default: none yet.
            description: of the rule.
            cross_stack_scope: where the rule is made if its target is in another stack. Default: here.

        Raises:
            ValueError: for what is no status, and for statuses of batches and projects in one rule.
        """
        return status_rule(
            self if cross_stack_scope is None else cross_stack_scope,
            id,
            bus=self.bus,
            letters=self.letters["rules"],
            status=status,
            project=project,
            target=target,
            description=description,
        )

    def grant(self, grantee: iam.IGrantable, duty: Duty, project: str | None) -> iam.Grant:
        """Let a principal find the workspace and call the paths of a duty.

        Args:
            grantee: who.
            duty: which.
            project: of which project; None for all.
        """
        return self.api.grant(grantee, duty, project).combine(self._find(grantee))

    def _find(self, grantee: iam.IGrantable) -> iam.Grant:
        parameter = Stack.of(self).format_arn(
            service="ssm", resource="parameter", resource_name=f"gtplus/{self.name}/workspace"
        )
        return iam.Grant.add_to_principal(grantee=grantee, actions=["ssm:GetParameter"], resource_arns=[parameter])

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

    def _rule_letters(self) -> sqs.Queue:
        """What the targets of rules did not take."""
        stack = Stack.of(self)
        rules = stack.format_arn(service="events", resource="rule", resource_name=f"{self.bus.event_bus_name}/*")
        letters = dead_letters(self, "RuleDeadLetters", self.key)
        let_send(
            letters,
            "RulesOfThisBusOnly",
            "events.amazonaws.com",
            {"ArnLike": {"aws:SourceArn": rules}, "StringEquals": {"aws:SourceAccount": stack.account}},
        )
        return letters

    def _topic_letters(self) -> sqs.Queue:
        """What subscriptions did not take; SNS names the topic as the source."""
        letters = dead_letters(self, "TopicDeadLetters", self.key)
        topics = [self.topic.topic_arn, self.escalation_topic.topic_arn]
        let_send(letters, "OurTopicsOnly", "sns.amazonaws.com", {"ArnEquals": {"aws:SourceArn": topics}})
        return letters

    def _alarm_topic(self) -> sns.Topic:
        topic = sns.Topic(self, "AlarmTopic", master_key=self.key, enforce_ssl=True)
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccountOnly",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}},
            )
        )
        return topic

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
