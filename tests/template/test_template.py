"""What the synthesized template says, by meaning: what is kept, encrypted, retried, logged, and how much fits."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_cognito as cognito

from gtplus_constructs import (
    DataAccessRole,
    DataGrant,
    GroundTruthPlus,
    LabelingBucket,
    LabelingProject,
    LabelingWorkspace,
    Limits,
    UserDirectory,
)
from tests.template.conftest import CONTEXT
from tests.template.support import Body, body, of_type

pytestmark = pytest.mark.xdist_group("template")

KEEPS_STATE = {
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::S3::Bucket",
    "AWS::Cognito::UserPool",
    "AWS::StepFunctions::StateMachine",
    "AWS::Logs::LogGroup",
    "AWS::Cognito::UserPoolClient",
    "AWS::ApiGatewayV2::Api",
    "AWS::SQS::Queue",
    "AWS::Lambda::EventSourceMapping",
}
FROZEN = {
    "AWS::ApiGatewayV2::Api": {"WorkspaceApi269CC1E9"},
    "AWS::Cognito::UserPool": {"WorkspaceDirectoryPoolC3119614"},
    "AWS::Cognito::UserPoolClient": {"WorkspaceDirectoryPoolClientF1C2A587"},
    "AWS::DynamoDB::Table": {"WorkspaceWorkflowBatchesTable3F2A93D6"},
    "AWS::KMS::Key": {"WorkspaceKey0E240FD6", "StreetsKey23D4C552", "PortraitsKey689B6032"},
    "AWS::Logs::LogGroup": {
        "WorkspaceFunctionsLogs8FAE10CF",
        "WorkspaceWorkflowHistory41BEF091",
        "WorkspaceApiAccessLogsF501A5CF",
    },
    # A mapping keeps its place in the stream; two of the same stream and function cannot be side by side.
    "AWS::Lambda::EventSourceMapping": {"WorkspaceWorkflowStream745EE1E9", "WorkspaceWorkflowMessagesEA64446E"},
    "AWS::S3::Bucket": {"Streets617D6036", "PortraitsCB35C24B"},
    "AWS::SQS::Queue": {
        "WorkspaceWorkflowDispatcherDeadLetters0755BD32",
        "WorkspaceWorkflowReconcilerDeadLetters624E4C22",
        "WorkspaceWorkflowStorageEventsDeadLetters964BA83C",
        "WorkspaceWorkflowStorageEvents9880AE1D",
        "WorkspaceRuleDeadLetters129CE61C",
        "WorkspaceTopicDeadLetters146B7397",
    },
    "AWS::StepFunctions::StateMachine": {"WorkspaceWorkflowStateMachine736AC094"},
}
"""The logical ids of what holds state. A deploy under another id begins with an empty one: never change this list to
make a build green; move the construct back."""


def arn_of(reference: Any) -> str:
    """The logical id that an ARN reference is of."""
    assert isinstance(reference, dict), reference
    (value,) = reference.values()
    return str(value if isinstance(value, str) else value[0])


def texts(value: Any) -> Iterator[str]:
    """Every text in a template."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts(each)
    elif isinstance(value, str):
        yield value


class TestWhatHoldsState:
    def test_keeps_its_logical_id(self, example_body: Body) -> None:
        found = {kind: set(of_type(example_body, kind)) for kind in KEEPS_STATE}
        assert found == FROZEN

    @pytest.mark.parametrize(
        "kind", ["AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::S3::Bucket", "AWS::Cognito::UserPool"]
    )
    def test_stays_when_the_stack_goes(self, example_body: Body, kind: str) -> None:
        for name, resource in of_type(example_body, kind).items():
            assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name

    @pytest.mark.parametrize(
        ("wanted", "flag", "kept"),
        [
            (cdk.RemovalPolicy.RETAIN, None, True),
            (cdk.RemovalPolicy.RETAIN, "true", True),
            (cdk.RemovalPolicy.DESTROY, None, True),
            (cdk.RemovalPolicy.DESTROY, "false", True),
            (cdk.RemovalPolicy.DESTROY, "true", False),
        ],
    )
    def test_goes_only_if_both_keys_are_turned(
        self, new_app: Callable[..., cdk.App], wanted: cdk.RemovalPolicy, flag: str | None, kept: bool
    ) -> None:
        stack = cdk.Stack(new_app({"gtplus:allowDestroy": flag} if flag else {}), "Keys")
        LabelingWorkspace(stack, "Workspace", removal_policy=wanted)
        LabelingBucket(stack, "Bucket", removal_policy=wanted)
        template = body(stack)
        for kind in ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::S3::Bucket", "AWS::Cognito::UserPool"):
            for name, resource in of_type(template, kind).items():
                assert resource["DeletionPolicy"] == ("Retain" if kept else "Delete"), name
        (table,) = of_type(template, "AWS::DynamoDB::Table").values()
        (pool,) = of_type(template, "AWS::Cognito::UserPool").values()
        assert table["Properties"]["DeletionProtectionEnabled"] is kept
        assert pool["Properties"]["DeletionProtection"] == ("ACTIVE" if kept else "INACTIVE")
        warned = assertions.Annotations.from_stack(stack).find_warning(
            "*", assertions.Match.string_like_regexp("gtplus:Retained")
        )
        # Whoever wanted it gone is told that it stays.
        assert bool(warned) is (wanted is cdk.RemovalPolicy.DESTROY and kept)


class TestTheBuckets:
    def test_are_private_versioned_and_encrypted_with_keys_of_their_own(self, example_body: Body) -> None:
        keys = set()
        for bucket in of_type(example_body, "AWS::S3::Bucket").values():
            properties = bucket["Properties"]
            assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
            assert len(properties["PublicAccessBlockConfiguration"]) == 4
            assert properties["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
            assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
            (rule,) = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            assert rule["BucketKeyEnabled"] is True
            assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
            keys.add(arn_of(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]))
            assert "AccessControl" not in properties
            assert "CorsConfiguration" not in properties
        assert len(keys) == 2

    def test_keep_every_object_and_only_replaced_versions_for_a_while(self, example_body: Body) -> None:
        for bucket in of_type(example_body, "AWS::S3::Bucket").values():
            (rule,) = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
            assert set(rule) == {"Id", "Status", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"}

    def test_tell_eventbridge_without_a_custom_resource(self, example_body: Body) -> None:
        for bucket in of_type(example_body, "AWS::S3::Bucket").values():
            told = bucket["Properties"]["NotificationConfiguration"]
            assert told == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}

    def test_show_objects_to_exact_origins_for_reading_only(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Cors")
        LabelingBucket(stack, "Bucket", cors_origins=["https://portal.example.com"])
        (bucket,) = of_type(body(stack), "AWS::S3::Bucket").values()
        (rule,) = bucket["Properties"]["CorsConfiguration"]["CorsRules"]
        assert rule["AllowedOrigins"] == ["https://portal.example.com"]
        assert set(rule["AllowedMethods"]) == {"GET", "HEAD"}

    def test_zero_days_are_not_the_default(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Days")
        LabelingBucket(stack, "Bucket", keep_noncurrent=cdk.Duration.days(1))
        (bucket,) = of_type(body(stack), "AWS::S3::Bucket").values()
        (rule,) = bucket["Properties"]["LifecycleConfiguration"]["Rules"]
        assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}

    def test_keys_are_rotated(self, example_body: Body) -> None:
        for name, key in of_type(example_body, "AWS::KMS::Key").items():
            assert key["Properties"]["EnableKeyRotation"] is True, name


class TestPlaces:
    def test_say_how_a_sample_is_drawn(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Samples", env=cdk.Environment(region="us-east-1"))
        workspace = LabelingWorkspace(stack, "Workspace")
        grant = DataGrant(LabelingBucket(stack, "Bucket"), read="raw/", write="labels/")
        LabelingProject(stack, "Plain", workspace=workspace, data=grant)
        LabelingProject(stack, "Rare", workspace=workspace, data=grant, sample_method="stratified")
        places = [json.dumps(place) for place in of_type(body(stack), "AWS::SSM::Parameter").values()]
        for project, method in (("plain", "random"), ("rare", "stratified")):
            (place,) = (text for text in places if f"projects/{project}" in text)
            assert json.dumps(f'"sampleMethod":"{method}"')[1:-1] in place


class TestTheTable:
    @pytest.fixture
    def table(self, example_body: Body) -> Body:
        (table,) = of_type(example_body, "AWS::DynamoDB::Table").values()
        properties: Body = table["Properties"]
        return properties

    def test_can_be_restored_and_not_be_deleted(self, table: Body) -> None:
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table["DeletionProtectionEnabled"] is True

    def test_is_encrypted_with_the_workspaces_key(self, table: Body) -> None:
        assert table["SSESpecification"]["SSEEnabled"] is True
        assert table["SSESpecification"]["SSEType"] == "KMS"
        assert arn_of(table["SSESpecification"]["KMSMasterKeyId"]) == "WorkspaceKey0E240FD6"

    def test_its_stream_carries_keys_and_nothing_else(self, table: Body) -> None:
        assert table["StreamSpecification"] == {"StreamViewType": "KEYS_ONLY"}

    def test_only_what_is_kept_for_a_while_goes_by_itself(self, table: Body) -> None:
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}

    def test_costs_what_is_used(self, table: Body) -> None:
        assert table["BillingMode"] == "PAY_PER_REQUEST"

    def test_no_token_lies_in_an_index(self, table: Body) -> None:
        for index in table["GlobalSecondaryIndexes"]:
            assert index["Projection"]["ProjectionType"] in ("KEYS_ONLY", "INCLUDE")
            assert "token" not in index["Projection"].get("NonKeyAttributes", [])


class TestQueuesTopicsAndLogs:
    def test_are_encrypted_with_the_workspaces_key(self, example_body: Body) -> None:
        for kind, option in (
            ("AWS::SQS::Queue", "KmsMasterKeyId"),
            ("AWS::SNS::Topic", "KmsMasterKeyId"),
            ("AWS::Logs::LogGroup", "KmsKeyId"),
        ):
            for name, resource in of_type(example_body, kind).items():
                assert arn_of(resource["Properties"][option]) == "WorkspaceKey0E240FD6", name

    def test_logs_are_kept_for_a_year(self, example_body: Body) -> None:
        for group in of_type(example_body, "AWS::Logs::LogGroup").values():
            assert group["Properties"]["RetentionInDays"] == 365

    def test_every_function_writes_to_an_encrypted_group(self, example_body: Body) -> None:
        groups = of_type(example_body, "AWS::Logs::LogGroup")
        for function in of_type(example_body, "AWS::Lambda::Function").values():
            assert arn_of(function["Properties"]["LoggingConfig"]["LogGroup"]) in groups

    def test_each_has_a_policy(self, example_body: Body) -> None:
        """TLS and sources in it are asked of the access engine."""
        policed = {
            arn_of(queue)
            for policy in of_type(example_body, "AWS::SQS::QueuePolicy").values()
            for queue in policy["Properties"]["Queues"]
        }
        assert policed == set(of_type(example_body, "AWS::SQS::Queue"))


class TestEveryHopThatNobodyWaitsFor:
    """Each has a queue for what fails, kept for 14 days, so nothing is lost without a trace."""

    def letters(self, template: Body) -> set[str]:
        return {
            name
            for name, queue in of_type(template, "AWS::SQS::Queue").items()
            if queue["Properties"].get("MessageRetentionPeriod") == 14 * 24 * 3600
        }

    def test_rules(self, example_body: Body) -> None:
        for rule in of_type(example_body, "AWS::Events::Rule").values():
            for target in rule["Properties"]["Targets"]:
                assert arn_of(target["DeadLetterConfig"]["Arn"]) in self.letters(example_body)

    def test_schedules_and_the_functions_that_they_call(self, example_body: Body) -> None:
        functions = of_type(example_body, "AWS::Lambda::Function")
        for schedule in of_type(example_body, "AWS::Scheduler::Schedule").values():
            target = schedule["Properties"]["Target"]
            assert arn_of(target["DeadLetterConfig"]["Arn"]) in self.letters(example_body)
            called = functions[arn_of(target["Arn"])]["Properties"]
            assert arn_of(called["DeadLetterConfig"]["TargetArn"]) in self.letters(example_body)

    def test_queues_that_a_function_reads(self, example_body: Body) -> None:
        queues = of_type(example_body, "AWS::SQS::Queue")
        read = {
            arn_of(mapping["Properties"]["EventSourceArn"])
            for mapping in of_type(example_body, "AWS::Lambda::EventSourceMapping").values()
        } & set(queues)
        assert read
        for name in read:
            redrive = queues[name]["Properties"]["RedrivePolicy"]
            assert arn_of(redrive["deadLetterTargetArn"]) in self.letters(example_body)
            assert redrive["maxReceiveCount"] >= 3

    def test_the_stream(self, example_body: Body) -> None:
        properties = self.stream(example_body)
        assert arn_of(properties["DestinationConfig"]["OnFailure"]["Destination"]) in self.letters(example_body)

    def stream(self, template: Body) -> Body:
        (mapping,) = (
            mapping["Properties"]
            for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values()
            if "StartingPosition" in mapping["Properties"]
        )
        assert isinstance(mapping, dict)
        return mapping

    def test_one_bad_record_holds_up_no_other_batch(self, example_body: Body) -> None:
        properties = self.stream(example_body)
        assert properties["StartingPosition"] == "TRIM_HORIZON"
        assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert properties["BisectBatchOnFunctionError"] is True
        assert 0 < properties["MaximumRetryAttempts"] <= 20
        assert 0 < properties["MaximumRecordAgeInSeconds"] <= 3_600

    def test_the_stream_passes_on_heads_and_new_events_only(self, example_body: Body) -> None:
        """A park writes the head; an event item is never written again; who asks to be told again may ask twice."""
        patterns = [json.loads(each["Pattern"]) for each in self.stream(example_body)["FilterCriteria"]["Filters"]]
        assert patterns == [
            {"dynamodb": {"Keys": {"sk": {"S": ["HEAD"]}}}},
            {"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "EVENT#"}]}}}},
            {"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "REMINDER#"}]}}}},
            {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "RETELL#"}]}}}},
        ]

    def test_a_message_is_not_read_twice_at_once(self, example_body: Body) -> None:
        queues, functions = (of_type(example_body, kind) for kind in ("AWS::SQS::Queue", "AWS::Lambda::Function"))
        seen = 0
        for mapping in of_type(example_body, "AWS::Lambda::EventSourceMapping").values():
            properties = mapping["Properties"]
            assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
            source = arn_of(properties["EventSourceArn"])
            if source in queues:
                seen += 1
                timeout = functions[arn_of(properties["FunctionName"])]["Properties"]["Timeout"]
                assert queues[source]["Properties"]["VisibilityTimeout"] >= 6 * timeout
        assert seen == 1

    def test_the_rule_listens_to_this_accounts_buckets_only(self, example_body: Body) -> None:
        (rule,) = of_type(example_body, "AWS::Events::Rule").values()
        pattern = rule["Properties"]["EventPattern"]
        assert pattern["source"] == ["aws.s3"]
        assert pattern["account"] == [{"Ref": "AWS::AccountId"}]
        assert pattern["detail"]["object"]["key"] == [{"suffix": "/output.manifest"}]
        assert "EventBusName" not in rule["Properties"]  # the default bus: nothing on ours is believed


class TestTheMachineAndTheApi:
    def test_execution_data_are_not_logged(self, example_body: Body) -> None:
        """They hold the tokens that decide."""
        (machine,) = of_type(example_body, "AWS::StepFunctions::StateMachine").values()
        logging = machine["Properties"]["LoggingConfiguration"]
        assert logging["IncludeExecutionData"] is False
        assert logging["Level"] == "ALL"
        assert machine["Properties"]["TracingConfiguration"] == {"Enabled": True}
        assert machine["Properties"].get("StateMachineType", "STANDARD") == "STANDARD"

    def test_every_route_asks_iam(self, example_body: Body) -> None:
        for route in of_type(example_body, "AWS::ApiGatewayV2::Route").values():
            assert route["Properties"]["AuthorizationType"] == "AWS_IAM", route["Properties"]["RouteKey"]
            assert not route["Properties"]["RouteKey"].startswith(("$default", "ANY"))

    def test_calls_are_logged_without_a_credential_and_throttled(self, example_body: Body) -> None:
        (stage,) = of_type(example_body, "AWS::ApiGatewayV2::Stage").values()
        fields = stage["Properties"]["AccessLogSettings"]["Format"]
        assert not re.search(r"body|query|authorization|token|header", fields, re.IGNORECASE)
        assert stage["Properties"]["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0

    def test_no_function_can_be_called_by_everybody(self, example_body: Body) -> None:
        for permission in of_type(example_body, "AWS::Lambda::Permission").values():
            assert permission["Properties"]["Principal"] != "*"
            assert "SourceArn" in permission["Properties"]
        assert not any(each["Type"] == "AWS::Lambda::Url" for each in example_body["Resources"].values())

    def test_functions_hold_no_secret_and_share_one_asset(self, example_body: Body) -> None:
        functions = of_type(example_body, "AWS::Lambda::Function").values()
        assert len({json.dumps(function["Properties"]["Code"]) for function in functions}) == 1
        names = {name for f in functions for name in f["Properties"].get("Environment", {}).get("Variables", {})}
        assert not [name for name in names if re.search(r"SECRET|PASSWORD|TOKEN|CREDENTIAL", name)]


class TestTheDirectory:
    @pytest.fixture
    def pool(self, example_body: Body) -> Body:
        (pool,) = of_type(example_body, "AWS::Cognito::UserPool").values()
        properties: Body = pool["Properties"]
        return properties

    def test_people_are_invited_and_sign_in_with_two_factors(self, pool: Body) -> None:
        assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
        assert pool["MfaConfiguration"] == "ON"
        assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
        assert pool["AccountRecoverySetting"] == {"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]}

    def test_passwords_are_long_and_first_ones_short_lived(self, pool: Body) -> None:
        assert pool["Policies"]["PasswordPolicy"] == {
            "MinimumLength": 14,
            "RequireLowercase": True,
            "RequireNumbers": True,
            "RequireSymbols": True,
            "RequireUppercase": True,
            "TemporaryPasswordValidityDays": 1,
        }

    def test_threats_are_stopped_and_not_only_counted(self, pool: Body) -> None:
        assert pool["UserPoolTier"] == "PLUS"
        assert pool["UserPoolAddOns"]["AdvancedSecurityMode"] == "ENFORCED"

    def test_an_address_is_one_person_and_the_pool_is_protected(self, pool: Body) -> None:
        assert pool["UsernameAttributes"] == ["email"]
        assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
        assert pool["DeletionProtection"] == "ACTIVE"

    def test_has_a_domain(self, example_body: Body) -> None:
        (domain,) = of_type(example_body, "AWS::Cognito::UserPoolDomain").values()
        assert domain["Properties"]["Domain"] == {"Fn::Join": ["", ["gtplus-labeling-", {"Ref": "AWS::AccountId"}]]}

    def test_its_client_is_strict(self, example_body: Body) -> None:
        (client,) = of_type(example_body, "AWS::Cognito::UserPoolClient").values()
        properties = client["Properties"]
        assert set(properties["ExplicitAuthFlows"]) == {"ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}
        assert properties["GenerateSecret"] is True
        assert properties["PreventUserExistenceErrors"] == "ENABLED"
        assert properties["EnableTokenRevocation"] is True
        assert properties["AllowedOAuthFlowsUserPoolClient"] is False
        assert set(properties["TokenValidityUnits"].values()) == {"minutes"}
        assert (properties["AccessTokenValidity"], properties["IdTokenValidity"]) == (15, 15)
        assert properties["RefreshTokenValidity"] == 8 * 60

    def test_with_addresses_it_uses_the_code_flow_alone(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Portal")
        addresses = ["https://portal.example.com/"]
        UserDirectory(stack, "Directory", workspace_name="labeling", callback_urls=addresses)
        (client,) = of_type(body(stack), "AWS::Cognito::UserPoolClient").values()
        assert client["Properties"]["AllowedOAuthFlows"] == ["code"]
        assert client["Properties"]["CallbackURLs"] == addresses

    def test_each_hardening_is_an_option_and_a_weaker_one_is_told(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Portal")
        UserDirectory(
            stack,
            "Directory",
            workspace_name="labeling",
            mfa=cognito.Mfa.OPTIONAL,
            threat_protection=False,
            min_password_length=10,
            access_token_validity=cdk.Duration.hours(1),
            refresh_token_validity=cdk.Duration.days(30),
        )
        (pool,) = (each["Properties"] for each in of_type(body(stack), "AWS::Cognito::UserPool").values())
        assert (pool["MfaConfiguration"], pool["UserPoolTier"]) == ("OPTIONAL", "ESSENTIALS")
        assert "UserPoolAddOns" not in pool
        assert pool["Policies"]["PasswordPolicy"]["MinimumLength"] == 10
        (client,) = (each["Properties"] for each in of_type(body(stack), "AWS::Cognito::UserPoolClient").values())
        validity = [client[f"{token}Validity"] for token in ("AccessToken", "IdToken", "RefreshToken")]
        assert validity == [60, 60, 30 * 24 * 60]
        found = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
        (warning,) = [str(m.entry.data) for m in found if "gtplus:WeakerDirectory" in str(m.entry.data)]
        for words in ("mfa is OPTIONAL", "threat_protection is off", "length is 10", "over 15 minutes", "over 8 hours"):
            assert words in warning

    def test_a_stricter_one_is_no_warning(self, new_app: Callable[..., cdk.App]) -> None:
        stack = cdk.Stack(new_app(), "Portal")
        token = cdk.Duration.minutes(5)
        UserDirectory(
            stack, "Directory", workspace_name="labeling", min_password_length=20, access_token_validity=token
        )
        found = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
        assert not [m for m in found if "gtplus:WeakerDirectory" in str(m.entry.data)]

    def test_each_project_has_its_groups_and_nobody_in_them(self, example_body: Body) -> None:
        names = {g["Properties"]["GroupName"] for g in of_type(example_body, "AWS::Cognito::UserPoolGroup").values()}
        projects = {f"{p}-{duty}" for p in ("street-signs", "faces") for duty in ("request", "review", "report")}
        assert names == {"labeling-operate"} | projects
        kinds = {resource["Type"] for resource in example_body["Resources"].values()}
        assert not kinds & {"AWS::Cognito::UserPoolUser", "AWS::Cognito::UserPoolUserToGroupAttachment"}


class TestTheWholeTemplate:
    def test_nothing_that_should_not_be_there(self, example_body: Body) -> None:
        kinds = {resource["Type"] for resource in example_body["Resources"].values()}
        assert not [kind for kind in kinds if kind.startswith("Custom::") or kind.endswith("::CustomResource")]
        assert not kinds & {"AWS::IAM::User", "AWS::IAM::AccessKey", "AWS::IAM::ManagedPolicy"}
        for role in of_type(example_body, "AWS::IAM::Role").values():
            assert "ManagedPolicyArns" not in role["Properties"]

    def test_strict_validation_is_on(self, new_app: Callable[..., cdk.App]) -> None:
        """Seen at work: what CloudFormation would refuse, synth refuses."""
        assert CONTEXT["@aws-cdk/core:strictCfnValidateErrors"] is True
        stack = cdk.Stack(new_app(), "Wrong")
        cdk.CfnResource(stack, "Queue", type="AWS::SQS::Queue", properties={"NoSuchProperty": 1})
        with pytest.raises(Exception, match=r"NoSuchProperty|[Vv]alidation"):
            body(stack)

    def test_names_nothing_physically_but_addresses(self, example_body: Body) -> None:
        """A name of one's own would be in the way of a second stack, and of a replacement."""
        forbidden = {
            "AWS::S3::Bucket": "BucketName",
            "AWS::DynamoDB::Table": "TableName",
            "AWS::IAM::Role": "RoleName",
            "AWS::SQS::Queue": "QueueName",
            "AWS::SNS::Topic": "TopicName",
            "AWS::Lambda::Function": "FunctionName",
            "AWS::StepFunctions::StateMachine": "StateMachineName",
            "AWS::Logs::LogGroup": "LogGroupName",
        }
        for kind, option in forbidden.items():
            for name, resource in of_type(example_body, kind).items():
                assert option not in resource.get("Properties", {}), name

    def test_policies_of_a_projects_roles_are_inline(self, example_body: Body) -> None:
        """All but the reserved one, which no deploy may change and so is a resource of its own."""
        ours = re.compile(r"(StreetSigns|Faces)(DataAccess|RuntimeRole)")
        standing_alone = [
            (name, policy["Properties"]["PolicyName"])
            for name, policy in of_type(example_body, "AWS::IAM::Policy").items()
            if ours.match(name)
        ]
        assert {policy for _, policy in standing_alone} == {"gtplus-revocation"}
        assert len(standing_alone) == 2
        for name, role in of_type(example_body, "AWS::IAM::Role").items():
            if ours.match(name):
                assert role["Properties"]["Policies"], name

    def test_no_partition_is_written_out(self, example_body: Body, anywhere: Body) -> None:
        for template in (example_body, anywhere):
            assert not [text for text in texts(template) if re.search(r"arn:aws[a-z-]*:", text)]

    def test_no_region_and_no_account_in_a_stack_of_none(self, anywhere: Body) -> None:
        found = [text for text in texts(anywhere) if re.search(r"\b(us|eu|ap|cn)-[a-z]+-\d\b|[:/]\d{12}[:/]", text)]
        assert not found

    @pytest.fixture(scope="class")
    def anywhere(self, new_app: Callable[..., cdk.App]) -> Body:
        """A stack without an account or a region."""
        stack = cdk.Stack(new_app(), "Anywhere")
        add_projects(stack, buckets=1, projects=1)
        return body(stack)

    @pytest.mark.parametrize(
        ("region", "partition", "suffix"),
        [("us-gov-west-1", "aws-us-gov", "amazonaws.com"), ("cn-north-1", "aws-cn", "amazonaws.com.cn")],
    )
    def test_other_partitions(self, new_app: Callable[..., cdk.App], region: str, partition: str, suffix: str) -> None:
        """The whole in GovCloud; in China, where Cognito has no user pools, bucket and role."""
        stack = cdk.Stack(new_app(), "Elsewhere", env=cdk.Environment(region=region, account="111122223333"))
        if partition == "aws-cn":
            grant = DataGrant(LabelingBucket(stack, "Bucket"), read="raw/", write="labels/")
            provider = GroundTruthPlus(limits=Limits(region=None))
            DataAccessRole(stack, "Role", grants=grant, provider=provider)
        else:
            add_projects(stack, buckets=1, projects=1)
        deployed = [flat(value, partition, suffix) for value in joined(body(stack))]
        assert not [text for text in deployed if "arn:aws:" in text or "us-east-1" in text]
        endpoints = {text for text in deployed if re.match(rf"(s3|sqs|sns|dynamodb)\.{region}\.", text)}
        assert endpoints
        assert all(text.endswith(f".{region}.{suffix}") for text in endpoints)

    def test_the_metadata_names_no_deviation(self, example_body: Body) -> None:
        """What is left out for the local cloud never is in a template for AWS."""
        assert "gtplus:localCloud" not in json.dumps(example_body)
        assert of_type(example_body, "AWS::Events::EventBusPolicy")


def add_projects(stack: cdk.Stack, *, buckets: int, projects: int) -> None:
    """A workspace with buckets that so many projects share each."""
    workspace = LabelingWorkspace(stack, "Workspace")
    provider = GroundTruthPlus(limits=Limits(region=None))
    for position in range(buckets):
        bucket = LabelingBucket(stack, f"Bucket{position}")
        for number in range(projects):
            grant = DataGrant(bucket, read=f"projects/{number:02}/raw/", write=f"projects/{number:02}/labels/")
            LabelingProject(stack, f"P{position}x{number}", workspace=workspace, data=grant, provider=provider)


class TestHowMuchFits:
    @pytest.fixture(scope="class")
    def large(self, new_app: Callable[..., cdk.App]) -> Body:
        stack = cdk.Stack(new_app(), "Large", env=cdk.Environment(region="us-east-1"))
        add_projects(stack, buckets=5, projects=10)
        return body(stack)

    def test_fifty_projects_fit_a_stack(self, large: Body) -> None:
        assert len(of_type(large, "AWS::SSM::Parameter")) == 51
        assert len(large["Resources"]) <= 500
        assert len(json.dumps(large, separators=(",", ":"))) < 1_000_000

    def test_ten_projects_fit_a_buckets_policy(self, large: Body) -> None:
        for policy in of_type(large, "AWS::S3::BucketPolicy").values():
            assert size(policy["Properties"]["PolicyDocument"]) < 20_480

    def test_a_roles_policies_fit(self, large: Body) -> None:
        for name, role in of_type(large, "AWS::IAM::Role").items():
            inline = sum(size(each["PolicyDocument"]) for each in role["Properties"].get("Policies", []))
            assert inline < 10_240, name

    def test_a_place_fits_its_parameter(self, large: Body) -> None:
        """4 KB in the standard tier."""
        for parameter in of_type(large, "AWS::SSM::Parameter").values():
            assert size(parameter["Properties"]["Value"]) < 4_096

    def test_a_machine_fits(self, large: Body) -> None:
        """1 MB for a definition; parameters of a function's environment 4 KB."""
        (machine,) = of_type(large, "AWS::StepFunctions::StateMachine").values()
        assert size(machine["Properties"]["DefinitionString"]) < 1_000_000
        for function in of_type(large, "AWS::Lambda::Function").values():
            assert size(function["Properties"].get("Environment", {})) < 4_096


def size(document: Any) -> int:
    """Bytes as they are deployed, a reference taken for the longest ARN that it can become."""
    deployed = flat(document)
    return len(deployed if isinstance(deployed, str) else json.dumps(deployed, separators=(",", ":")))


def flat(value: Any, partition: str = "aws-us-gov", suffix: str = "amazonaws.com.cn") -> Any:
    """A value as it is deployed; what only a deployment knows is taken at its longest."""
    if isinstance(value, list):
        return [flat(each, partition, suffix) for each in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Fn::Join": [_, parts]}:
            return "".join(str(flat(part, partition, suffix)) for part in parts)
        case {"Ref": "AWS::Partition"}:
            return partition
        case {"Ref": "AWS::URLSuffix"}:
            return suffix
        case {"Ref": "AWS::AccountId"}:
            return "1" * 12
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Sub": _}:
            return "x" * 80
    return {key: flat(each, partition, suffix) for key, each in value.items()}


def joined(value: Any) -> Iterator[Any]:
    """Every text in a template, and every one that a deployment joins."""
    if isinstance(value, dict):
        if set(value) == {"Fn::Join"}:
            yield value
        else:
            for each in value.values():
                yield from joined(each)
    elif isinstance(value, list):
        for each in value:
            yield from joined(each)
    elif isinstance(value, str):
        yield value
