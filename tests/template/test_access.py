"""Who reaches what in the synthesized stack, judged by the access engine: promises first, then every role's actions."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from gtplus_constructs import DataAccessRole, DataGrant, GroundTruthPlus, LabelingBucket, Limits
from gtplus_constructs.assertions import ACCOUNT, Access
from gtplus_constructs.provider import ConfusedDeputy
from gtplus_runtime.lifecycle import Duty
from gtplus_runtime.routes import BY_KEY
from tests.template.support import Scene, body, of_type, statements

STRANGER = "999999999999"
SERVICE = "sagemaker-ground-truth-plus.amazonaws.com"
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
SERVICE_ACTIONS = {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketLocation"}
RUNTIME_ACTIONS = SERVICE_ACTIONS - {"s3:GetBucketLocation"}
KEY_USE = {"kms:Decrypt", "kms:GenerateDataKey"}

pytestmark = pytest.mark.xdist_group("scene")


def through_s3(scene: Scene, bucket: s3.IBucket) -> dict[str, str]:
    """The context in which S3 uses a key for a bucket of the scene."""
    return {
        "kms:ViaService": "s3.us-east-1.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": scene.access.resource(bucket),
    }


class TestTheDataRole:
    def test_can_do_exactly_what_the_service_asks_for(self, scene: Scene) -> None:
        assert scene.access.of(scene.signs.role).actions() == SERVICE_ACTIONS | KEY_USE

    @pytest.mark.parametrize("key", ["raw/1.png", "raw/deep/er/1.png", "labels/output.manifest"])
    def test_reads_its_input_and_its_labels(self, scene: Scene, key: str) -> None:
        scene.access.of(scene.signs.role).can("s3:GetObject", scene.access.object(scene.streets, key))

    def test_writes_its_labels_and_never_its_input(self, scene: Scene) -> None:
        role = scene.access.of(scene.signs.role)
        role.can("s3:PutObject", scene.access.object(scene.streets, "labels/output.manifest"))
        role.cannot("s3:PutObject", scene.access.object(scene.streets, "raw/1.png"))

    @pytest.mark.parametrize(
        "key",
        [
            "raw-secret/1.png",
            "raw-2/1.png",  # the neighbour in the same bucket, whose prefix begins alike
            "raw",
            "Raw/1.png",
            "other/raw/1.png",
            "labels-2/output.manifest",
            "1.png",
        ],
    )
    @pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject"])
    def test_reaches_nothing_beside_its_prefixes(self, scene: Scene, action: str, key: str) -> None:
        scene.access.of(scene.signs.role).cannot(action, scene.access.object(scene.streets, key))

    @pytest.mark.parametrize("key", ["raw/1.png", "labels/1.json"])
    @pytest.mark.parametrize(
        "action",
        ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObjectVersion", "s3:PutObjectAcl", "s3:PutObjectTagging"],
    )
    def test_deletes_and_changes_nothing(self, scene: Scene, action: str, key: str) -> None:
        scene.access.of(scene.signs.role).cannot(action, scene.access.object(scene.streets, key))

    @pytest.mark.parametrize("prefix", ["raw/", "raw/deep/", "labels/"])
    def test_lists_its_prefixes(self, scene: Scene, prefix: str) -> None:
        scene.access.of(scene.signs.role).can("s3:ListBucket", scene.streets, {"s3:prefix": prefix})

    @pytest.mark.parametrize("prefix", [None, "", "raw", "raw-2/", "raw-secret/", "l"])
    def test_lists_nothing_else(self, scene: Scene, prefix: str | None) -> None:
        decision = scene.access.of(scene.signs.role).decide("s3:ListBucket", scene.streets, {"s3:prefix": prefix})
        assert decision.explicitly_denied

    def test_finds_its_bucket_and_not_the_neighbours(self, scene: Scene) -> None:
        scene.access.of(scene.signs.role).can("s3:GetBucketLocation", scene.streets)
        scene.access.of(scene.signs.role).cannot("s3:GetBucketLocation", scene.portraits)

    @pytest.mark.parametrize("key", ["raw/1.png", "labels/1.json"])
    def test_reaches_no_object_of_the_neighbours_bucket(self, scene: Scene, key: str) -> None:
        neighbours = scene.access.object(scene.portraits, key)
        scene.access.of(scene.faces.role).can("s3:GetObject", neighbours)
        for action in ("s3:GetObject", "s3:PutObject"):
            scene.access.of(scene.signs.role).cannot(action, neighbours)

    @pytest.mark.parametrize("action", sorted(KEY_USE))
    def test_uses_its_buckets_key_for_that_bucket_through_s3_only(self, scene: Scene, action: str) -> None:
        role, key = scene.access.of(scene.signs.role), scene.streets.encryption_key
        here = through_s3(scene, scene.streets)
        role.can(action, key, here)
        an_object = scene.access.object(scene.streets, "raw/1.png")  # without a bucket key the context is the object
        role.can(action, key, {**here, "kms:EncryptionContext:aws:s3:arn": an_object})
        role.cannot(action, key)
        role.cannot(action, key, {**here, "kms:ViaService": "sqs.us-east-1.amazonaws.com"})
        role.cannot(action, key, through_s3(scene, scene.portraits))

    @pytest.mark.parametrize("action", sorted(KEY_USE))
    def test_cannot_use_another_key(self, scene: Scene, action: str) -> None:
        role = scene.access.of(scene.signs.role)
        for key in (scene.portraits.encryption_key, scene.workspace.key):
            for bucket in (scene.streets, scene.portraits):
                role.cannot(action, key, through_s3(scene, bucket))


class TestTheBucketsGuard:
    """What holds whatever is attached to the role later."""

    @pytest.fixture(scope="class")
    def widened(self, scene: Scene) -> Access:
        return scene.access.with_identity_policy(scene.signs.role, ALLOW_ALL)

    def test_leaves_the_grant_as_it_is(self, scene: Scene, widened: Access) -> None:
        role = widened.of(scene.signs.role)
        role.can("s3:GetObject", widened.object(scene.streets, "raw/1.png"))
        role.can("s3:PutObject", widened.object(scene.streets, "labels/1.json"))
        role.can("s3:ListBucket", scene.streets, {"s3:prefix": "raw/"})

    def test_no_other_action_on_the_bucket_or_its_objects(self, scene: Scene, widened: Access) -> None:
        keys = ("raw/1.png", "labels/1.json", "x")
        things = [scene.streets, *(widened.object(scene.streets, key) for key in keys)]
        found = widened.of(scene.signs.role).actions(resources=things)
        assert {action for action in found if action.startswith("s3:")} == SERVICE_ACTIONS

    @pytest.mark.parametrize("key", ["raw-secret/1.png", "raw-2/1.png", "raw", "Raw/1.png", "x/raw/1.png"])
    def test_no_object_beside_the_prefixes(self, scene: Scene, widened: Access, key: str) -> None:
        for action in ("s3:GetObject", "s3:PutObject"):
            decision = widened.of(scene.signs.role).decide(action, widened.object(scene.streets, key))
            assert decision.explicitly_denied

    def test_no_writing_of_the_input(self, scene: Scene, widened: Access) -> None:
        decision = widened.of(scene.signs.role).decide("s3:PutObject", widened.object(scene.streets, "raw/1.png"))
        assert decision.explicitly_denied

    @pytest.mark.parametrize("prefix", [None, "", "raw", "raw-2/"])
    def test_no_listing_beside_the_prefixes(self, scene: Scene, widened: Access, prefix: str | None) -> None:
        decision = widened.of(scene.signs.role).decide("s3:ListBucket", scene.streets, {"s3:prefix": prefix})
        assert decision.explicitly_denied

    def test_is_about_this_role_only(self, scene: Scene) -> None:
        other = scene.access.with_identity_policy(scene.signs_2.role, ALLOW_ALL).of(scene.signs_2.role)
        other.can("s3:GetObject", scene.access.object(scene.streets, "raw-2/1.png"))
        other.cannot("s3:GetObject", scene.access.object(scene.streets, "raw/1.png"))


class TestWhoMayBeTheDataRole:
    def test_the_service_for_this_account_or_where_it_names_none(self, scene: Scene) -> None:
        service = scene.access.service(SERVICE)
        service.can("sts:AssumeRole", scene.signs.role, {"aws:SourceAccount": ACCOUNT})
        service.can("sts:AssumeRole", scene.signs.role)

    def test_not_the_service_for_another_account(self, scene: Scene) -> None:
        scene.access.service(SERVICE).cannot("sts:AssumeRole", scene.signs.role, {"aws:SourceAccount": STRANGER})

    def test_nobody_else(self, scene: Scene) -> None:
        access = scene.access
        others = [
            *(access.service(f"{name}.amazonaws.com") for name in ("lambda", "sagemaker", "ec2", "events")),
            access.account(),
            access.account(STRANGER),
            access.anonymous(),
            access.of(scene.workspace.workflow.handler_role),
            access.of(scene.signs.runtime_role),
        ]
        for other in others:
            other.cannot("sts:AssumeRole", scene.signs.role)

    @pytest.mark.parametrize(
        ("mode", "ours", "strangers", "unnamed"),
        [("if-exists", True, False, True), ("required", True, False, False), ("none", True, True, True)],
    )
    def test_the_modes_against_confused_deputies(
        self,
        new_app: Callable[..., cdk.App],
        mode: ConfusedDeputy,
        ours: bool,
        strangers: bool,
        unnamed: bool,
    ) -> None:
        stack = cdk.Stack(new_app(), "Modes", env=cdk.Environment(region="us-east-1"))
        grant = DataGrant(LabelingBucket(stack, "Streets"), read="raw/", write="labels/")
        role = DataAccessRole(stack, "Role", grants=grant, provider=GroundTruthPlus(confused_deputy=mode))
        service = Access.from_stack(stack).service(SERVICE)
        answers = [
            service.decide("sts:AssumeRole", role.role, {"aws:SourceAccount": account}).allowed
            for account in (ACCOUNT, STRANGER, None)
        ]
        assert answers == [ours, strangers, unnamed]


class TestTheBuckets:
    @pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
    @pytest.mark.parametrize("insecure", [{"aws:SecureTransport": False}, {"s3:TlsVersion": 1.1}])
    def test_tls_for_everybody(self, scene: Scene, action: str, insecure: dict[str, Any]) -> None:
        for bucket in (scene.streets, scene.portraits):
            for who in (scene.access.of(scene.signs.role), scene.access.account()):
                assert who.decide(action, scene.access.object(bucket, "raw/1.png"), insecure).explicitly_denied

    def test_neither_strangers_nor_the_anonymous_get_in(self, scene: Scene) -> None:
        for who in (scene.access.anonymous(), scene.access.account(STRANGER)):
            who.cannot("s3:ListBucket", scene.streets, {"s3:prefix": "raw/"})
            for action in ("s3:GetObject", "s3:PutObject"):
                who.cannot(action, scene.access.object(scene.streets, "raw/1.png"))
        scene.access.account(STRANGER).cannot("kms:Decrypt", scene.streets.encryption_key)

    def test_administrators_are_not_locked_out(self, scene: Scene) -> None:
        administrator = scene.access.account()
        for bucket in (scene.streets, scene.portraits):
            for action in ("s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:DeleteBucket", "s3:ListBucket"):
                administrator.can(action, bucket)
            for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObjectVersion"):
                administrator.can(action, scene.access.object(bucket, "raw/1.png"))
            administrator.can("kms:PutKeyPolicy", bucket.encryption_key)
        administrator.can("kms:PutKeyPolicy", scene.workspace.key)
        administrator.can("dynamodb:UpdateTable", scene.workspace.workflow.table)
        administrator.can("sqs:SetQueueAttributes", storage_queue(scene))


class TestTheRuntimeRoles:
    """Our functions reach data through a project's runtime role, and not otherwise."""

    def test_only_the_functions_that_need_data_may_assume_them(self, scene: Scene) -> None:
        allowed = {scene.access.resource(role) for role in scene.workspace.data_readers}
        assert len(allowed) == 3
        for name in of_type(scene.body, "AWS::IAM::Role"):
            arn = scene.access.resource(name)
            asked = scene.access.of(arn).decide("sts:AssumeRole", scene.signs.runtime_role)
            assert asked.allowed is (arn in allowed), name

    def test_no_other_principal_may(self, scene: Scene) -> None:
        access = scene.access
        for who in (access.account(), access.account(STRANGER), access.service("lambda.amazonaws.com")):
            who.cannot("sts:AssumeRole", scene.signs.runtime_role)

    def test_reach_their_own_project_only(self, scene: Scene) -> None:
        role = scene.access.of(scene.signs.runtime_role)
        assert role.actions() == RUNTIME_ACTIONS | KEY_USE
        role.can("s3:GetObject", scene.access.object(scene.streets, "raw/1.png"))
        role.can("s3:PutObject", scene.access.object(scene.streets, "labels/1.json"))
        for key in ("raw-2/1.png", "raw-secret/1.png"):
            role.cannot("s3:GetObject", scene.access.object(scene.streets, key))
        role.cannot("s3:PutObject", scene.access.object(scene.streets, "raw/1.png"))
        role.cannot("s3:GetObject", scene.access.object(scene.portraits, "raw/1.png"))
        role.can("s3:ListBucket", scene.streets, {"s3:prefix": "raw/"})
        for prefix in (None, "", "raw", "raw-2/"):
            role.cannot("s3:ListBucket", scene.streets, {"s3:prefix": prefix})
        role.can("kms:Decrypt", scene.streets.encryption_key, through_s3(scene, scene.streets))
        role.cannot("kms:Decrypt", scene.streets.encryption_key)
        role.cannot("kms:Decrypt", scene.portraits.encryption_key, through_s3(scene, scene.portraits))

    def test_no_function_reaches_data_with_its_own_role(self, scene: Scene) -> None:
        for role in function_roles(scene):
            for bucket in (scene.streets, scene.portraits):
                for action in ("s3:GetObject", "s3:PutObject"):
                    scene.access.of(role).cannot(action, scene.access.object(bucket, "raw/1.png"))
                scene.access.of(role).cannot("kms:Decrypt", bucket.encryption_key, through_s3(scene, bucket))


def invoke_arn(scene: Scene, route_key: str, project: str) -> str:
    """The ARN of a call as API Gateway asks IAM about it."""
    method, path = route_key.split(" /", 1)
    path = path.format(project=project, batch="digits-001", event="20261125-1")
    return f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{scene.api_id}/$default/{method}/{path}"


PROJECT_DUTIES = {"requester": Duty.REQUEST, "reviewer": Duty.REVIEW, "reporter": Duty.REPORT}


class TestThePathsOfADuty:
    @pytest.mark.parametrize("key", BY_KEY)
    @pytest.mark.parametrize("person", PROJECT_DUTIES)
    def test_a_duty_of_a_project_calls_that_and_nothing_else(self, scene: Scene, person: str, key: str) -> None:
        who, duty = scene.access.of(scene.people[person]), BY_KEY[key][1]
        named = "{project}" in key
        mine = who.decide("execute-api:Invoke", invoke_arn(scene, key, "signs"))
        assert mine.allowed is (duty is PROJECT_DUTIES[person] and named)
        for other in ("signs-2", "sign", "faces", "SIGNS", "signs%2F", "*"):
            asked = invoke_arn(scene, key, other) if "*" not in other else invoke_arn(scene, key, "x-signs")
            assert not who.decide("execute-api:Invoke", asked).allowed

    @pytest.mark.parametrize("key", BY_KEY)
    def test_operators_call_their_paths_of_every_project(self, scene: Scene, key: str) -> None:
        who = scene.access.of(scene.people["operator"])
        for project in ("signs", "signs-2", "faces"):
            asked = who.decide("execute-api:Invoke", invoke_arn(scene, key, project))
            assert asked.allowed is (BY_KEY[key][1] is Duty.OPERATE)

    @pytest.mark.parametrize("person", [*PROJECT_DUTIES, "operator"])
    def test_a_path_of_another_duty_that_holds_ones_own_is_another_duty(self, scene: Scene, person: str) -> None:
        """A `*` of IAM spans slashes, so a pattern must not begin with one."""
        duty = PROJECT_DUTIES.get(person, Duty.OPERATE)
        stage = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{scene.api_id}/$default"
        hidden = f"POST/other/projects/signs-2/batches/x/{duty}/projects/signs/batches/y/accept"
        scene.access.of(scene.people[person]).cannot("execute-api:Invoke", f"{stage}/{hidden}")
        scene.access.of(scene.people[person]).cannot("execute-api:Invoke", f"{stage}/DELETE/{duty}/projects/signs")

    @pytest.mark.parametrize("person", [*PROJECT_DUTIES, "operator"])
    def test_a_duty_is_its_paths_and_the_workspaces_address(self, scene: Scene, person: str) -> None:
        assert scene.access.of(scene.people[person]).actions() == {"execute-api:Invoke", "ssm:GetParameter"}
        path = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/gtplus/labeling"
        scene.access.of(scene.people[person]).can("ssm:GetParameter", f"{path}/workspace")
        scene.access.of(scene.people[person]).cannot("ssm:GetParameter", f"{path}/projects/signs")

    def test_strangers_and_the_anonymous_call_nothing(self, scene: Scene) -> None:
        for key in BY_KEY:
            for who in (scene.access.anonymous(), scene.access.account(STRANGER)):
                who.cannot("execute-api:Invoke", invoke_arn(scene, key, "signs"))


class TestWhoBringsTheData:
    """`grant_data`: the right to upload a project's input and to fetch its labels."""

    def test_exactly_that(self, scene: Scene) -> None:
        who, access = scene.access.of(scene.people["uploader"]), scene.access
        assert who.actions() == RUNTIME_ACTIONS | KEY_USE
        who.can("s3:PutObject", access.object(scene.streets, "raw/1.png"))
        who.can("s3:GetObject", access.object(scene.streets, "labels/output.manifest"))
        who.can("s3:ListBucket", scene.streets, {"s3:prefix": "raw/"})
        who.can("kms:GenerateDataKey", scene.streets.encryption_key, through_s3(scene, scene.streets))

    def test_and_nothing_more(self, scene: Scene) -> None:
        who, access = scene.access.of(scene.people["uploader"]), scene.access
        who.cannot("s3:PutObject", access.object(scene.streets, "labels/output.manifest"))
        who.cannot("s3:GetObject", access.object(scene.streets, "raw-2/1.png"))
        who.cannot("s3:GetObject", access.object(scene.portraits, "raw/1.png"))
        who.cannot("s3:ListBucket", scene.streets)
        who.cannot("kms:Decrypt", scene.streets.encryption_key)


class TestWhoMovesABatch:
    """Nothing but the dispatcher starts, wakes and publishes."""

    @pytest.fixture(scope="class")
    def others(self, scene: Scene) -> list[str]:
        dispatcher = scene.access.resource(scene.workspace.workflow.dispatcher_role)
        arns = [scene.access.resource(name) for name in of_type(scene.body, "AWS::IAM::Role")]
        assert dispatcher in arns
        return [arn for arn in arns if arn != dispatcher]

    @pytest.mark.parametrize("action", ["states:SendTaskSuccess", "states:StartExecution"])
    def test_the_machine(self, scene: Scene, others: list[str], action: str) -> None:
        machine = scene.access.resource(scene.workspace.workflow.state_machine)
        scene.access.of(scene.workspace.workflow.dispatcher_role).can(action, machine)
        for arn in others:
            scene.access.of(arn).cannot(action, machine)

    def test_no_other_machine(self, scene: Scene) -> None:
        another = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:Another"
        for action in ("states:SendTaskSuccess", "states:StartExecution"):
            scene.access.of(scene.workspace.workflow.dispatcher_role).cannot(action, another)

    def test_the_bus_takes_nothing_in_even_from_an_administrator(self, scene: Scene, others: list[str]) -> None:
        bus = scene.workspace.bus
        scene.access.of(scene.workspace.workflow.dispatcher_role).can("events:PutEvents", bus)
        for arn in others:
            assert scene.access.of(arn).decide("events:PutEvents", bus).explicitly_denied
        for who in (
            scene.access.account(),
            scene.access.account(STRANGER),
            scene.access.anonymous(),
            scene.access.service("events.amazonaws.com"),
        ):
            assert who.decide("events:PutEvents", bus).explicitly_denied


class TestTheQueueOfTheBuckets:
    """An output manifest is told of by one rule of this account, and by nobody else."""

    def test_its_rule_sends(self, scene: Scene) -> None:
        rule = {"aws:SourceArn": scene.rule_arn, "aws:SourceAccount": ACCOUNT}
        scene.access.service("events.amazonaws.com").can("sqs:SendMessage", storage_queue(scene), rule)

    @pytest.mark.parametrize(
        "source",
        [
            {},
            {"aws:SourceAccount": ACCOUNT},
            {"aws:SourceAccount": STRANGER, "aws:SourceArn": f"arn:aws:events:us-east-1:{STRANGER}:rule/Theirs"},
            {"aws:SourceAccount": ACCOUNT, "aws:SourceArn": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/Another"},
        ],
    )
    def test_no_other_rule_does(self, scene: Scene, source: Mapping[str, str]) -> None:
        scene.access.service("events.amazonaws.com").cannot("sqs:SendMessage", storage_queue(scene), source)

    def test_of_our_roles_only_the_reconciler_does_and_no_stranger(self, scene: Scene) -> None:
        """It has no right to data: it asks for another look at a delivery that nothing was heard of."""
        queue, reconciler = storage_queue(scene), scene.logical_id("Workspace/Workflow/ReconcilerRole")
        scene.access.of(reconciler).can("sqs:SendMessage", queue)
        for name in of_type(scene.body, "AWS::IAM::Role").keys() - {reconciler}:
            scene.access.of(name).cannot("sqs:SendMessage", queue)
        for who in (scene.access.anonymous(), scene.access.account(STRANGER), scene.access.service("s3.amazonaws.com")):
            who.cannot("sqs:SendMessage", queue)

    def test_queues_and_topic_take_tls_only(self, scene: Scene) -> None:
        for name in of_type(scene.body, "AWS::SQS::Queue"):
            for action in ("sqs:SendMessage", "sqs:ReceiveMessage"):
                asked = scene.access.account().decide(action, name, {"aws:SecureTransport": False})
                assert asked.explicitly_denied
        insecure = {"aws:SecureTransport": False}
        assert scene.access.account().decide("sns:Publish", scene.workspace.topic, insecure).explicitly_denied


class TestTheWorkspacesKey:
    def test_services_use_it_for_this_account_only(self, scene: Scene) -> None:
        events = scene.access.service("events.amazonaws.com")
        events.can("kms:GenerateDataKey", scene.workspace.key, {"aws:SourceAccount": ACCOUNT})
        for source in ({}, {"aws:SourceAccount": STRANGER}):
            events.cannot("kms:GenerateDataKey", scene.workspace.key, source)

    def test_logs_use_it_for_groups_of_this_account_only(self, scene: Scene) -> None:
        logs = scene.access.service("logs.us-east-1.amazonaws.com")
        for account, allowed in ((ACCOUNT, True), (STRANGER, False)):
            group = f"arn:aws:logs:us-east-1:{account}:log-group:x"
            context = {"kms:EncryptionContext:aws:logs:arn": group}
            assert logs.decide("kms:GenerateDataKey", scene.workspace.key, context).allowed is allowed

    def test_every_role_uses_it_through_a_service_only(self, scene: Scene) -> None:
        for name in of_type(scene.body, "AWS::IAM::Role"):
            for action in KEY_USE:
                scene.access.of(name).cannot(action, scene.workspace.key)


TABLE = {
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:Query",
}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
TRACES = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
}
VENDED_LOGS = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}
DATA = {"ssm:GetParameter", "sts:AssumeRole"}
RECEIVE = {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}
STREAM = {"dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
WORKSPACE_ROLES = {
    "Api/Role": TABLE | {"dynamodb:BatchGetItem"} | KEY_USE | LOG | DATA,
    "Workflow/HandlerRole": TABLE | {"dynamodb:BatchGetItem"} | KEY_USE | LOG | DATA,
    "Workflow/StorageEventsRole": TABLE | KEY_USE | LOG | DATA | RECEIVE,
    "Workflow/ReconcilerRole": TABLE
    | {"dynamodb:BatchGetItem"}
    | KEY_USE
    | LOG
    | {"ssm:GetParameter", "sqs:SendMessage"}
    | {"states:ListExecutions", "states:DescribeExecution", "states:StopExecution"},
    "Workflow/DispatcherRole": {
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "states:StartExecution",
        "states:SendTaskSuccess",
    }
    | {"events:PutEvents", "sns:Publish", "sqs:SendMessage"}
    | STREAM
    | KEY_USE
    | LOG,
    "Workflow/MachineRole": {"dynamodb:UpdateItem", "lambda:InvokeFunction"} | KEY_USE | TRACES | VENDED_LOGS,
    "Workflow/ScheduleRole": {"lambda:InvokeFunction", "sqs:SendMessage"} | KEY_USE,
}


FORBIDDEN = {
    "iam:PassRole",
    "iam:PutRolePolicy",
    "iam:AttachRolePolicy",
    "iam:UpdateAssumeRolePolicy",
    "lambda:UpdateFunctionCode",
    "lambda:UpdateFunctionConfiguration",
    "lambda:AddPermission",
    "kms:PutKeyPolicy",
    "kms:CreateGrant",
    "s3:PutBucketPolicy",
    "states:SendTaskFailure",
    "states:UpdateStateMachine",
    "events:PutRule",
}


class TestEveryRole:
    """Over every action that AWS has. A role that is added must be thought about here."""

    def test_is_in_this_list(self, scene: Scene) -> None:
        known = {f"{scene.workspace.node.path}/{path}" for path in WORKSPACE_ROLES}
        for project in (scene.signs, scene.signs_2, scene.faces):
            known |= {project.role.node.path, project.runtime_role.node.path}
        known |= {person.node.path for person in scene.people.values()}
        assert {node.node.path for node in scene.stack.node.find_all() if isinstance(node, iam.Role)} == known

    @pytest.mark.parametrize("path", WORKSPACE_ROLES)
    def test_of_the_workspace_can_do_exactly_this(self, scene: Scene, path: str) -> None:
        role = scene.workspace.node.find_child(path.split("/")[0])
        for step in path.split("/")[1:]:
            role = role.node.find_child(step)
        assert scene.access.of(role).actions() == WORKSPACE_ROLES[path]

    def test_of_a_neighbour_can_do_what_its_likes_can(self, scene: Scene) -> None:
        for project in (scene.signs_2, scene.faces):
            assert scene.access.of(project.role).actions() == SERVICE_ACTIONS | KEY_USE
            assert scene.access.of(project.runtime_role).actions() == RUNTIME_ACTIONS | KEY_USE

    def test_passes_no_role_and_changes_no_rights(self) -> None:
        """All that any role can do stands in this file."""
        exact = set().union(*WORKSPACE_ROLES.values(), SERVICE_ACTIONS, RUNTIME_ACTIONS, KEY_USE)
        assert not exact & FORBIDDEN

    def test_every_star_is_telemetry(self, scene: Scene) -> None:
        """`*` as a resource only where AWS knows no other, and nothing beside it in that policy."""
        policies = [
            (name, policy["PolicyName"], policy["PolicyDocument"])
            for name, role in of_type(scene.body, "AWS::IAM::Role").items()
            for policy in role["Properties"].get("Policies", [])
        ] + [
            (name, "", policy["Properties"]["PolicyDocument"])
            for name, policy in of_type(scene.body, "AWS::IAM::Policy").items()
        ]
        starred = {
            (name.rstrip("0123456789ABCDEF"), policy, frozenset(statement["Action"]))
            for name, policy, document in policies
            for statement in statements(document)
            if statement["Effect"] == "Allow" and "*" in statement["Resource"]
        }
        machine = "WorkspaceWorkflowMachineRole", "Telemetry"
        assert starred == {(*machine, frozenset(TRACES)), (*machine, frozenset(VENDED_LOGS))}


class TestOtherBuckets:
    """Buckets that are not of the project's stack."""

    def test_a_bucket_of_another_stack_is_guarded_too(self, new_app: Callable[..., cdk.App]) -> None:
        app = new_app()
        data = cdk.Stack(app, "Data", env=cdk.Environment(region="us-east-1"))
        bucket = LabelingBucket(data, "Streets")
        stack = cdk.Stack(app, "Labeling", env=cdk.Environment(region="us-east-1"))
        role = DataAccessRole(stack, "Role", grants=DataGrant(bucket, read="raw/", write="labels/"))
        access = Access.from_stack(stack)
        access.of(role).can("s3:GetObject", access.object(bucket, "raw/1.png"))
        widened = access.with_identity_policy(role, ALLOW_ALL).of(role)
        widened.can("s3:GetObject", access.object(bucket, "raw/1.png"))
        widened.cannot("s3:GetObject", access.object(bucket, "raw-secret/1.png"))
        widened.cannot("s3:DeleteObject", access.object(bucket, "raw/1.png"))

    def test_the_key_of_a_bucket_in_another_region_is_used_there(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Labeling", env=cdk.Environment(region="us-east-1"))
        key = kms.Key(stack, "Key")
        bucket = s3.Bucket.from_bucket_attributes(
            stack, "Far", bucket_name="far", region="eu-central-1", encryption_key=key
        )
        provider = GroundTruthPlus(limits=Limits(region=None))
        grant = DataGrant(bucket, read="raw/", write="labels/")
        role = DataAccessRole(stack, "Role", grants=grant, provider=provider)
        who = Access.from_stack(stack).of(role)
        context = {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::far"}
        who.can("kms:Decrypt", key, {**context, "kms:ViaService": "s3.eu-central-1.amazonaws.com"})
        who.cannot("kms:Decrypt", key, {**context, "kms:ViaService": "s3.us-east-1.amazonaws.com"})

    def test_an_imported_bucket_is_never_given_a_policy_and_synth_shows_it(
        self, new_app: Callable[..., cdk.App]
    ) -> None:
        stack = cdk.Stack(new_app(), "Labeling", env=cdk.Environment(region="us-east-1"))
        bucket = s3.Bucket.from_bucket_name(stack, "Old", "streets-of-2019")
        role = DataAccessRole(stack, "Role", grants=DataGrant(bucket, read="raw/", write="labels/"))
        access, objects = Access.from_stack(stack), "arn:aws:s3:::streets-of-2019"
        assert not any(resource["Type"] == "AWS::S3::BucketPolicy" for resource in body(stack)["Resources"].values())
        bare = access.with_resource_policy(objects, None)
        bare.of(role).can("s3:GetObject", f"{objects}/raw/1.png")
        # Without a guard the role's own policy is all that there is: it alone holds to the grant.
        assert bare.of(role).actions() == SERVICE_ACTIONS
        bare.of(role).can("s3:ListBucket", objects, {"s3:prefix": "raw/"})
        for prefix in (None, "", "raw", "raw-secret/"):
            bare.of(role).cannot("s3:ListBucket", objects, {"s3:prefix": prefix})
        for action, key in (("s3:GetObject", "raw-secret/1"), ("s3:PutObject", "raw/1"), ("s3:PutObject", "x")):
            bare.of(role).cannot(action, f"{objects}/{key}")
        warnings = cdk.assertions.Annotations.from_stack(stack).find_warning(
            "*", cdk.assertions.Match.string_like_regexp("gtplus:BucketPolicyNotOurs")
        )
        assert len(warnings) == 1
        # What synth shows does what it says, once it is pasted.
        pasted = str(warnings[0].entry.data).partition("Add them: ")[2].partition(" [ack:")[0]
        pasted = pasted.replace("${AWS::AccountId}", ACCOUNT)
        document = {"Version": "2012-10-17", "Statement": json.loads(pasted)}
        widened = access.with_resource_policy(objects, document).with_identity_policy(role, ALLOW_ALL).of(role)
        widened.can("s3:GetObject", f"{objects}/raw/1.png")
        for action, key in (("s3:GetObject", "raw-secret/1"), ("s3:PutObject", "raw/1"), ("s3:DeleteObject", "raw/1")):
            assert widened.decide(action, f"{objects}/{key}").explicitly_denied


def storage_queue(scene: Scene) -> str:
    """The logical id of the queue of the buckets' events."""
    return scene.logical_id("Workspace/Workflow/StorageEvents")


def function_roles(scene: Scene) -> set[str]:
    """The roles that our functions run as, by logical id."""
    found = {f["Properties"]["Role"]["Fn::GetAtt"][0] for f in of_type(scene.body, "AWS::Lambda::Function").values()}
    assert len(found) >= 5
    return found


def test_a_project_with_a_role_of_its_own_uses_that(new_app: Callable[..., cdk.App]) -> None:
    """Several grants of one role, in buckets with keys of their own."""
    stack = cdk.Stack(new_app(), "Several", env=cdk.Environment(region="us-east-1"))
    first, second = LabelingBucket(stack, "First"), LabelingBucket(stack, "Second")
    role = DataAccessRole(
        stack,
        "Role",
        grants=[DataGrant(first, read=["a/", "b/"], write="labels/"), DataGrant(second, read="c/", write="d/")],
    )
    access = Access.from_stack(stack)
    for bucket, key in ((first, "a/1"), (first, "b/1"), (first, "labels/1"), (second, "c/1"), (second, "d/1")):
        access.of(role).can("s3:GetObject", access.object(bucket, key))
    for bucket, key in ((first, "c/1"), (second, "a/1"), (second, "labels/1")):
        access.of(role).cannot("s3:GetObject", access.object(bucket, key))
