"""What Ref and Fn::GetAtt give per resource type: synthetic, but well-formed and unique.

Formats: CloudFormation's resource reference ("Return values" of each type) and the Service Authorization Reference
("Resource types defined by …"). A type or attribute that is not listed is unknown, never guessed.
"""

import hashlib
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from .unknown import unknown


class Declared(Protocol):
    """What a format needs to know of a resource."""

    @property
    def type(self) -> str: ...
    @property
    def logical_id(self) -> str: ...
    @property
    def stack(self) -> str: ...
    @property
    def account(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def partition(self) -> str: ...
    @property
    def suffix(self) -> str: ...
    def get(self, *path: str) -> object:
        """A property, intrinsics resolved; ``None`` if it is not there."""


@dataclass(frozen=True)
class _Format:
    name: str = ""  # the property with the physical name
    ref: str = "{name}"
    arn: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    generate: Callable[[Declared], str] | None = None
    fields: Callable[[Declared], dict[str, str]] | None = None


def _digest(resource: Declared) -> str:
    return hashlib.sha256(
        f"{resource.account}/{resource.region}/{resource.stack}/{resource.logical_id}".encode()
    ).hexdigest()


def _generated(resource: Declared) -> str:
    return f"{resource.stack}-{resource.logical_id}"[:50] + "-" + _digest(resource)[:12].upper()


def _bucket(resource: Declared) -> str:
    readable = re.sub(r"[^a-z0-9-]", "-", f"{resource.stack}-{resource.logical_id}".lower())
    return readable[:48].strip("-") + "-" + _digest(resource)[:12]


def _uuid(resource: Declared) -> str:
    return str(uuid.UUID(_digest(resource)[:32]))


def _short(resource: Declared) -> str:
    return _digest(resource)[:10]


def _pool(resource: Declared) -> str:
    return f"{resource.region}_{_digest(resource)[:9]}"


def _identity_pool(resource: Declared) -> str:
    return f"{resource.region}:{_uuid(resource)}"


def _fifo(resource: Declared) -> str:
    fifo = any(str(resource.get(flag)).lower() == "true" for flag in ("FifoQueue", "FifoTopic"))
    return _generated(resource) + (".fifo" if fifo else "")


def _log_group(resource: Declared) -> str:
    return f"/{_generated(resource)}"


def _path(resource: Declared) -> dict[str, str]:
    return {"path": str(resource.get("Path") or "/")}


def _unique_id(resource: Declared) -> dict[str, str]:
    return {**_path(resource), "id": _digest(resource)[:17].upper()}


def _bus_of_rule(resource: Declared) -> dict[str, str]:
    bus = str(resource.get("EventBusName") or "default").rsplit("event-bus/", 1)[-1]
    return {"rule": "" if bus == "default" else f"{bus}/", "bus": "" if bus == "default" else f"{bus}|"}


def _group_of_schedule(resource: Declared) -> dict[str, str]:
    return {"group": str(resource.get("GroupName") or "default")}


def _function(resource: Declared) -> dict[str, str]:
    name = str(resource.get("FunctionName"))
    prefix = f"arn:{resource.partition}:lambda:{resource.region}:{resource.account}:function:"
    return {"function": name if name.startswith("arn:") or "\x00" in name else prefix + name}


def _secret_suffix(resource: Declared) -> dict[str, str]:
    return {"id": _digest(resource)[:6]}


_REGIONAL = "arn:{partition}:%s:{region}:{account}:%s"


def _regional(service: str, resource: str) -> str:
    return _REGIONAL % (service, resource)


_FORMATS = {
    "AWS::ApiGateway::RestApi": _Format(
        generate=_short, attributes={"RestApiId": "{name}", "RootResourceId": "{name}"}
    ),
    "AWS::ApiGatewayV2::Api": _Format(
        generate=_short,
        attributes={"ApiId": "{name}", "ApiEndpoint": "https://{name}.execute-api.{region}.{suffix}"},
    ),
    "AWS::ApiGatewayV2::Authorizer": _Format(generate=_short),
    "AWS::ApiGatewayV2::Stage": _Format("StageName"),
    "AWS::ApiGateway::Stage": _Format("StageName", generate=_short),
    "AWS::CloudFront::Distribution": _Format(
        generate=lambda r: "E" + _digest(r)[:13].upper(),
        arn="arn:{partition}:cloudfront::{account}:distribution/{name}",
        attributes={"Id": "{name}", "DomainName": "{name}.cloudfront.net"},
    ),
    "AWS::CloudWatch::Alarm": _Format("AlarmName", arn=_regional("cloudwatch", "alarm:{name}")),
    "AWS::CloudWatch::CompositeAlarm": _Format("AlarmName", arn=_regional("cloudwatch", "alarm:{name}")),
    "AWS::CodeBuild::Project": _Format("Name", arn=_regional("codebuild", "project/{name}")),
    "AWS::Cognito::IdentityPool": _Format(
        generate=_identity_pool, arn=_regional("cognito-identity", "identitypool/{name}")
    ),
    "AWS::Cognito::UserPool": _Format(
        generate=_pool,
        arn=_regional("cognito-idp", "userpool/{name}"),
        attributes={
            "UserPoolId": "{name}",
            "ProviderName": "cognito-idp.{region}.{suffix}/{name}",
            "ProviderURL": "https://cognito-idp.{region}.{suffix}/{name}",
        },
    ),
    "AWS::Cognito::UserPoolClient": _Format(generate=lambda r: _digest(r)[:26], attributes={"ClientId": "{name}"}),
    "AWS::Cognito::UserPoolDomain": _Format("Domain"),
    "AWS::Cognito::UserPoolGroup": _Format("GroupName"),
    "AWS::DynamoDB::GlobalTable": _Format(
        "TableName",
        arn=_regional("dynamodb", "table/{name}"),
        attributes={"StreamArn": _regional("dynamodb", "table/{name}/stream/2026-01-01T00:00:00.000")},
    ),
    "AWS::DynamoDB::Table": _Format(
        "TableName",
        arn=_regional("dynamodb", "table/{name}"),
        attributes={"StreamArn": _regional("dynamodb", "table/{name}/stream/2026-01-01T00:00:00.000")},
    ),
    "AWS::EC2::VPC": _Format(generate=lambda r: f"vpc-{_digest(r)[:17]}", attributes={"VpcId": "{name}"}),
    "AWS::EC2::VPCEndpoint": _Format(generate=lambda r: f"vpce-{_digest(r)[:17]}", attributes={"Id": "{name}"}),
    "AWS::EC2::Subnet": _Format(generate=lambda r: f"subnet-{_digest(r)[:17]}", attributes={"SubnetId": "{name}"}),
    "AWS::EC2::SecurityGroup": _Format(generate=lambda r: f"sg-{_digest(r)[:17]}", attributes={"GroupId": "{name}"}),
    "AWS::ECR::Repository": _Format("RepositoryName", arn=_regional("ecr", "repository/{name}"), generate=_bucket),
    "AWS::ECS::Cluster": _Format("ClusterName", arn=_regional("ecs", "cluster/{name}")),
    "AWS::Events::Archive": _Format("ArchiveName", arn=_regional("events", "archive/{name}")),
    "AWS::Events::Connection": _Format("Name"),
    "AWS::Events::EventBus": _Format(
        "Name", arn=_regional("events", "event-bus/{name}"), attributes={"Name": "{name}"}
    ),
    "AWS::Events::Rule": _Format(
        "Name", ref="{bus}{name}", arn=_regional("events", "rule/{rule}{name}"), fields=_bus_of_rule
    ),
    "AWS::IAM::Group": _Format("GroupName", arn="arn:{partition}:iam::{account}:group{path}{name}", fields=_path),
    "AWS::IAM::InstanceProfile": _Format(
        "InstanceProfileName", arn="arn:{partition}:iam::{account}:instance-profile{path}{name}", fields=_path
    ),
    "AWS::IAM::ManagedPolicy": _Format(
        "ManagedPolicyName",
        ref="arn:{partition}:iam::{account}:policy{path}{name}",
        arn="arn:{partition}:iam::{account}:policy{path}{name}",
        attributes={"PolicyArn": "arn:{partition}:iam::{account}:policy{path}{name}"},
        fields=_path,
    ),
    "AWS::IAM::OIDCProvider": _Format(
        ref="arn:{partition}:iam::{account}:oidc-provider/{host}",
        arn="arn:{partition}:iam::{account}:oidc-provider/{host}",
        fields=lambda r: {"host": re.sub(r"^https?://", "", str(r.get("Url")))},
    ),
    "AWS::IAM::SAMLProvider": _Format(
        "Name",
        ref="arn:{partition}:iam::{account}:saml-provider/{name}",
        arn="arn:{partition}:iam::{account}:saml-provider/{name}",
    ),
    "AWS::IAM::Policy": _Format("PolicyName"),
    "AWS::IAM::Role": _Format(
        "RoleName",
        arn="arn:{partition}:iam::{account}:role{path}{name}",
        attributes={"RoleId": "AROA{id}"},
        fields=_unique_id,
    ),
    "AWS::IAM::User": _Format("UserName", arn="arn:{partition}:iam::{account}:user{path}{name}", fields=_path),
    "AWS::KMS::Alias": _Format("AliasName"),
    "AWS::KMS::Key": _Format(generate=_uuid, arn=_regional("kms", "key/{name}"), attributes={"KeyId": "{name}"}),
    "AWS::KMS::ReplicaKey": _Format(generate=_uuid, arn=_regional("kms", "key/{name}"), attributes={"KeyId": "{name}"}),
    "AWS::Kinesis::Stream": _Format("Name", arn=_regional("kinesis", "stream/{name}")),
    "AWS::KinesisFirehose::DeliveryStream": _Format(
        "DeliveryStreamName", arn=_regional("firehose", "deliverystream/{name}")
    ),
    "AWS::Lambda::Alias": _Format(
        ref="{function}:{alias}",
        arn="{function}:{alias}",
        attributes={"AliasArn": "{function}:{alias}"},
        fields=lambda r: {**_function(r), "alias": str(r.get("Name"))},
    ),
    "AWS::Lambda::EventSourceMapping": _Format(generate=_uuid, attributes={"Id": "{name}"}),
    "AWS::Lambda::Function": _Format("FunctionName", arn=_regional("lambda", "function:{name}")),
    "AWS::Lambda::LayerVersion": _Format(
        "LayerName",
        ref=_regional("lambda", "layer:{name}:1"),
        arn=_regional("lambda", "layer:{name}:1"),
        attributes={"LayerVersionArn": _regional("lambda", "layer:{name}:1")},
    ),
    "AWS::Lambda::Url": _Format(
        ref="{function}",
        attributes={"FunctionArn": "{function}"},
        fields=lambda r: {"function": str(r.get("TargetFunctionArn"))},
    ),
    "AWS::Lambda::Version": _Format(
        ref="{function}:1",
        arn="{function}:1",
        attributes={"FunctionArn": "{function}:1", "Version": "1"},
        fields=_function,
    ),
    "AWS::Logs::LogGroup": _Format("LogGroupName", arn=_regional("logs", "log-group:{name}:*"), generate=_log_group),
    "AWS::Pipes::Pipe": _Format("Name", arn=_regional("pipes", "pipe/{name}")),
    "AWS::S3::Bucket": _Format(
        "BucketName",
        arn="arn:{partition}:s3:::{name}",
        attributes={
            "DomainName": "{name}.s3.{suffix}",
            "RegionalDomainName": "{name}.s3.{region}.{suffix}",
            "WebsiteURL": "http://{name}.s3-website-{region}.{suffix}",
        },
        generate=_bucket,
    ),
    "AWS::Scheduler::Schedule": _Format(
        "Name", arn=_regional("scheduler", "schedule/{group}/{name}"), fields=_group_of_schedule
    ),
    "AWS::Scheduler::ScheduleGroup": _Format("Name", arn=_regional("scheduler", "schedule-group/{name}")),
    "AWS::SecretsManager::Secret": _Format(
        "Name",
        ref=_regional("secretsmanager", "secret:{name}-{id}"),
        arn=_regional("secretsmanager", "secret:{name}-{id}"),
        attributes={"Id": _regional("secretsmanager", "secret:{name}-{id}")},
        fields=_secret_suffix,
    ),
    "AWS::SNS::Subscription": _Format(
        ref="{topic}:{id}", fields=lambda r: {"topic": str(r.get("TopicArn")), "id": _uuid(r)}
    ),
    "AWS::SNS::Topic": _Format(
        "TopicName",
        ref=_regional("sns", "{name}"),
        arn=_regional("sns", "{name}"),
        attributes={"TopicArn": _regional("sns", "{name}"), "TopicName": "{name}"},
        generate=_fifo,
    ),
    "AWS::SQS::Queue": _Format(
        "QueueName",
        ref="https://sqs.{region}.{suffix}/{account}/{name}",
        arn=_regional("sqs", "{name}"),
        attributes={"QueueName": "{name}", "QueueUrl": "https://sqs.{region}.{suffix}/{account}/{name}"},
        generate=_fifo,
    ),
    "AWS::SSM::Parameter": _Format("Name"),
    "AWS::StepFunctions::Activity": _Format(
        "Name",
        ref=_regional("states", "activity:{name}"),
        arn=_regional("states", "activity:{name}"),
        attributes={"Name": "{name}"},
    ),
    "AWS::StepFunctions::StateMachine": _Format(
        "StateMachineName",
        ref=_regional("states", "stateMachine:{name}"),
        arn=_regional("states", "stateMachine:{name}"),
        attributes={"Name": "{name}"},
    ),
    "AWS::WAFv2::WebACL": _Format(
        generate=_uuid,
        arn=_regional("wafv2", "regional/webacl/{webacl}/{name}"),
        attributes={"Id": "{name}"},
        fields=lambda r: {"webacl": str(r.get("Name") or _generated(r))},
    ),
}


def ref(resource: Declared) -> str:
    """What Ref gives, or an unknown."""
    found = _FORMATS.get(resource.type)
    return _fill(resource, found, found.ref) if found else unknown(f"Ref of {resource.logical_id} ({resource.type})")


def attribute(resource: Declared, name: str) -> str:
    """What Fn::GetAtt gives, or an unknown."""
    found = _FORMATS.get(resource.type)
    form = found and (found.attributes.get(name) or (found.arn if name == "Arn" else ""))
    if not found or not form:
        return unknown(f"{name} of {resource.logical_id} ({resource.type})")
    return _fill(resource, found, form)


def arn(resource: Declared) -> str | None:
    """The resource's ARN as policies name it; ``None`` if its type is not listed or has none."""
    found = _FORMATS.get(resource.type)
    if resource.type == "AWS::SSM::Parameter" and found:
        return _fill(resource, found, _regional("ssm", "parameter/{name}")).replace("parameter//", "parameter/")
    return _fill(resource, found, found.arn) if found and found.arn else None


def _fill(resource: Declared, form: _Format, text: str) -> str:
    given = resource.get(form.name) if form.name else None
    name = str(given) if given is not None else (form.generate or _generated)(resource)
    fields = form.fields(resource) if form.fields else {}
    return text.format(
        name=name,
        account=resource.account,
        region=resource.region,
        partition=resource.partition,
        suffix=resource.suffix,
        **fields,
    )
