"""Promises about the template as a whole: what it is made of, and what stands nowhere in it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.access.promise import Promises
from tests.access.town import EXTERNAL_ID
from tests.access.world import World

PROMISES = Promises()

KINDS: dict[str, str] = {
    "ApiGatewayV2::Api": "Name ProtocolType",
    "ApiGatewayV2::Integration": "ApiId IntegrationType IntegrationUri PayloadFormatVersion",
    "ApiGatewayV2::Route": "ApiId AuthorizationType RouteKey Target",
    "ApiGatewayV2::Stage": "AccessLogSettings ApiId AutoDeploy DefaultRouteSettings StageName",
    "CloudWatch::Alarm": "AlarmActions AlarmDescription ComparisonOperator Dimensions EvaluationPeriods MetricName"
    " Namespace Period Statistic Threshold TreatMissingData",
    "Cognito::UserPool": "AccountRecoverySetting AdminCreateUserConfig AutoVerifiedAttributes DeletionProtection"
    " EmailVerificationMessage EmailVerificationSubject EnabledMfas MfaConfiguration Policies SmsVerificationMessage"
    " UserPoolAddOns UserPoolTier UsernameAttributes UsernameConfiguration VerificationMessageTemplate",
    "Cognito::UserPoolClient": "AccessTokenValidity AllowedOAuthFlows AllowedOAuthFlowsUserPoolClient"
    " AllowedOAuthScopes CallbackURLs EnableTokenRevocation ExplicitAuthFlows GenerateSecret IdTokenValidity"
    " PreventUserExistenceErrors RefreshTokenValidity SupportedIdentityProviders TokenValidityUnits UserPoolId",
    "Cognito::UserPoolDomain": "Domain UserPoolId",
    "Cognito::UserPoolGroup": "Description GroupName UserPoolId",
    "DynamoDB::Table": "AttributeDefinitions BillingMode DeletionProtectionEnabled GlobalSecondaryIndexes KeySchema"
    " PointInTimeRecoverySpecification SSESpecification StreamSpecification TimeToLiveSpecification",
    "Events::EventBus": "Description Name",
    "Events::EventBusPolicy": "EventBusName Statement StatementId",
    "Events::Rule": "Description EventPattern Targets",
    "IAM::Policy": "PolicyDocument PolicyName Roles",
    "IAM::Role": "AssumeRolePolicyDocument Description MaxSessionDuration Path Policies Tags",
    "KMS::Key": "Description EnableKeyRotation KeyPolicy",
    "Lambda::EventSourceMapping": "BatchSize BisectBatchOnFunctionError DestinationConfig EventSourceArn"
    " FilterCriteria FunctionName FunctionResponseTypes MaximumRecordAgeInSeconds MaximumRetryAttempts"
    " ParallelizationFactor StartingPosition",
    "Lambda::Function": "Architectures Code DeadLetterConfig Environment Handler LoggingConfig MemorySize Role Runtime"
    " Timeout",
    "Lambda::Permission": "Action FunctionName Principal SourceArn",
    "Logs::LogGroup": "KmsKeyId RetentionInDays",
    "S3::Bucket": "BucketEncryption LifecycleConfiguration NotificationConfiguration OwnershipControls"
    " PublicAccessBlockConfiguration VersioningConfiguration",
    "S3::BucketPolicy": "Bucket PolicyDocument",
    "SNS::Topic": "KmsMasterKeyId",
    "SNS::TopicPolicy": "PolicyDocument Topics",
    "SQS::Queue": "KmsMasterKeyId MessageRetentionPeriod RedrivePolicy VisibilityTimeout",
    "SQS::QueuePolicy": "PolicyDocument Queues",
    "SSM::Parameter": "Description Name Type Value",
    "Scheduler::Schedule": "FlexibleTimeWindow ScheduleExpression Target",
    "StepFunctions::StateMachine": "DefinitionString LoggingConfiguration RoleArn TracingConfiguration",
}
"""Every kind of resource that is there, and every property of it that somebody thought about."""


@PROMISES
def only_kinds_of_resources_that_are_thought_about_are_there(world: World) -> None:
    """A function's URL, an access point, a subscription or an access key would be another door."""
    known = {f"AWS::{kind}" for kind in KINDS}
    found = {each["Type"] for each in world.body["Resources"].values()}
    assert found == known, f"new {sorted(found - known)}, gone {sorted(known - found)}"


@PROMISES
def only_properties_that_are_thought_about_are_set(world: World) -> None:
    """So is a property that nobody knows here: a log's own policy, a topic's inline subscription, a boundary."""
    for name, resource in world.body["Resources"].items():
        known = KINDS.get(resource["Type"].removeprefix("AWS::"), "").split()
        new = set(resource.get("Properties", {})) - set(known)
        assert not new, f"{name} ({resource['Type']}) has {sorted(new)}"


@PROMISES
def nothing_in_the_template_is_left_to_chance(world: World) -> None:
    """No transform rewrites it, no condition leaves a part of it out, and no deploy looks a part of it up."""
    assert not set(world.body) - {"Resources", "Parameters", "Rules", "Description", "Outputs", "Metadata"}
    assert set(world.body.get("Parameters", {})) <= {"BootstrapVersion"}
    assert not [name for name, each in world.body["Resources"].items() if "Condition" in each]
    found = re.findall(r"Fn::Transform|Fn::If|{{resolve:\w+", json.dumps(world.body))
    assert not found, found


@PROMISES
def every_policy_is_of_the_present_version(world: World) -> None:
    """An older one takes a policy variable for a text."""

    def documents(value: Any) -> Iterator[dict[str, Any]]:
        if isinstance(value, dict):
            if "Statement" in value and isinstance(value["Statement"], list):
                yield value
            value = list(value.values())
        for each in value if isinstance(value, list) else []:
            yield from documents(each)

    for name, resource in world.body["Resources"].items():
        for document in documents(resource.get("Properties", {})):
            assert document.get("Version") == "2012-10-17", f"{name}: {document.get('Version')}"


@PROMISES
def no_secret_stands_in_the_template(world: World) -> None:
    """The external id is asked for by the two roles that need it; the client's secret is nowhere."""
    for name, resource in {**world.body["Resources"], **world.body.get("Outputs", {})}.items():
        properties = resource.get("Properties", resource)
        text = json.dumps({key: value for key, value in properties.items() if key != "AssumeRolePolicyDocument"})
        assert EXTERNAL_ID not in text, name
        assert "ClientSecret" not in text, name


@PROMISES
def other_stacks_are_given_nothing(world: World) -> None:
    """An export could not be changed while another stack imports it."""
    assert not [name for name, each in world.body.get("Outputs", {}).items() if "Export" in each]
