"""Intrinsics become values: CloudFormation User Guide, "Intrinsic function reference"."""

from typing import Any

import pytest

from gtplus_constructs.assertions import ACCOUNT, Access, NotModelled
from gtplus_constructs.assertions.logic import MAYBE, NO, YES
from gtplus_constructs.assertions.template import Template, resources
from gtplus_constructs.assertions.unknown import is_unknown

BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "streets"}}
GENERATED: dict[str, dict[str, Any]] = {
    "Bucket": {"Type": "AWS::S3::Bucket"},
    "OtherBucket": {"Type": "AWS::S3::Bucket"},
    "Key": {"Type": "AWS::KMS::Key"},
    "Role": {"Type": "AWS::IAM::Role"},
    "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}},
    "Topic": {"Type": "AWS::SNS::Topic"},
    "Table": {"Type": "AWS::DynamoDB::Table"},
    "Function": {"Type": "AWS::Lambda::Function"},
    "Machine": {"Type": "AWS::StepFunctions::StateMachine"},
    "Bus": {"Type": "AWS::Events::EventBus"},
    "Pool": {"Type": "AWS::Cognito::UserPool"},
    "Logs": {"Type": "AWS::Logs::LogGroup"},
    "Parameter": {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/gtplus/x"}},
}


def stack(region: str = "us-east-1", parameters: dict[str, str] | None = None, **body: Any) -> Template:
    return Template(
        "Data", {"Resources": {"Streets": BUCKET}, **body}, account=ACCOUNT, region=region, parameters=parameters
    )


ARN = {"Fn::GetAtt": ["Streets", "Arn"]}


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ({"Ref": "Streets"}, "streets"),
        (ARN, "arn:aws:s3:::streets"),
        ({"Fn::GetAtt": "Streets.Arn"}, "arn:aws:s3:::streets"),
        ({"Fn::Join": ["", [ARN, "/raw/*"]]}, "arn:aws:s3:::streets/raw/*"),
        ({"Fn::Sub": "${Streets.Arn}/${!x}/${AWS::AccountId}"}, f"arn:aws:s3:::streets/${{x}}/{ACCOUNT}"),
        ({"Fn::Sub": ["${A}-${Streets}", {"A": {"Ref": "AWS::Region"}}]}, "us-east-1-streets"),
        ({"Fn::Select": [5, {"Fn::Split": [":", ARN]}]}, "streets"),
        ({"Fn::Select": ["1", ["a", "b"]]}, "b"),
        ({"Fn::If": ["Yes", "a", "b"]}, "a"),
        ({"Fn::If": ["No", "a", "b"]}, "b"),
        ([{"Fn::If": ["No", "a", {"Ref": "AWS::NoValue"}]}, "c"], ["c"]),
        ({"x": {"Ref": "AWS::NoValue"}, "y": 1}, {"y": 1}),
        ({"Fn::FindInMap": ["Map", {"Ref": "AWS::Region"}, "Name"]}, "virginia"),
        ({"Fn::ToJsonString": {"a": {"Ref": "Streets"}}}, '{"a":"streets"}'),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Ref": "AWS::Partition"}, "aws"),
        ({"Ref": "AWS::URLSuffix"}, "amazonaws.com"),
        ({"Ref": "AWS::StackName"}, "Data"),
        ({"Ref": "Stage"}, "test"),
        ({"Ref": "Ids"}, ["a", "b"]),
    ],
)
def test_resolves(value: object, resolved: object) -> None:
    template = stack(
        Conditions={
            "Yes": {"Fn::And": [{"Fn::Equals": [{"Ref": "Stage"}, "test"]}, {"Fn::Not": [{"Condition": "No"}]}]},
            "No": {"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Fn::Equals": [{"Ref": "AWS::Region"}, "eu-west-1"]}]},
        },
        Mappings={"Map": {"us-east-1": {"Name": "virginia"}}},
        Parameters={
            "Stage": {"Type": "String", "Default": "test"},
            "Ids": {"Type": "CommaDelimitedList", "Default": "a, b"},
        },
    )
    assert template.resolve(value) == resolved


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-west-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
def test_partitions(region: str, partition: str, suffix: str) -> None:
    template = stack(region)
    assert template.resolve(ARN) == f"arn:{partition}:s3:::streets"
    assert template.ref("AWS::URLSuffix") == suffix


def test_a_parameter_that_is_given_wins_over_its_default() -> None:
    declared = {"Stage": {"Type": "String", "Default": "test"}}
    assert stack(parameters={"Stage": "live"}, Parameters=declared).ref("Stage") == "live"


def test_names_and_arns_are_well_formed_and_unique() -> None:
    template = Template("Data", {"Resources": GENERATED}, account=ACCOUNT, region="us-east-1")
    arns = [str(resource.arn) for resource in template.resources.values()]
    assert len(set(arns)) == len(arns)
    for arn in arns:
        assert arn.startswith("arn:aws:")
        assert arn.count(":") >= 5
    name = str(template.ref("Bucket"))
    assert name == name.lower()
    assert len(name) <= 63
    assert str(template.attribute("Queue.Arn")).endswith(".fifo")
    assert template.ref("Topic") == template.resources["Topic"].arn
    assert template.resources["Parameter"].arn == f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/gtplus/x"
    assert not any(is_unknown(resource.ref) for resource in template.resources.values())


def test_two_stacks_with_the_same_logical_id_do_not_meet() -> None:
    one, two = (
        Template(name, {"Resources": GENERATED}, account=ACCOUNT, region="us-east-1") for name in ("One", "Two")
    )
    shared = {r.arn for r in resources([one])} & {r.arn for r in resources([two])}
    assert shared == {one.resources["Parameter"].arn}


def test_exports_reach_the_other_templates() -> None:
    first = {
        "Resources": {"Streets": BUCKET},
        "Outputs": {"Arn": {"Value": ARN, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}:Arn"}}}},
    }
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "Policies": [
                {
                    "PolicyName": "p",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": {
                            "Effect": "Allow",
                            "Action": "s3:ListBucket",
                            "Resource": {"Fn::ImportValue": "First:Arn"},
                        },
                    },
                }
            ]
        },
    }
    access = Access.from_template(first, {"Resources": {"Reader": role}}, name="First")
    access.of("Reader").can("s3:ListBucket", "Streets")


@pytest.mark.parametrize("stack", ["First", "Elsewhere"])
def test_an_output_of_another_stack_is_read_by_the_stacks_name(stack: str) -> None:
    """As CDK refers to another stack's resources under `@aws-cdk/core:defaultCrossStackReferences`."""
    first = {"Resources": {"Streets": BUCKET}, "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["Streets", "Arn"]}}}}
    arn = {"Fn::GetStackOutput": {"StackName": stack, "Region": "us-east-1", "OutputName": "Arn"}}
    statement = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    properties = {"RoleName": "reader", "Policies": [{"PolicyName": "Read", "PolicyDocument": document}]}
    second = {"Resources": {"Reader": {"Type": "AWS::IAM::Role", "Properties": properties}}}
    role = Access.from_template(first, second, name="First").of("Reader")
    if stack == "First":
        role.can("s3:ListBucket", "Streets")
    else:
        with pytest.raises(NotModelled, match=r"Fn::GetStackOutput Elsewhere\.Arn, which no loaded template has"):
            role.can("s3:ListBucket", "Streets")


@pytest.mark.parametrize(("stage", "exists"), [("live", YES), ("test", NO), (None, MAYBE)])
def test_a_resource_exists_if_its_condition_holds(stage: str | None, exists: int) -> None:
    template = Template(
        "Data",
        {
            "Resources": {"Streets": {**BUCKET, "Condition": "Live"}},
            "Conditions": {"Live": {"Fn::Equals": [{"Ref": "Stage"}, "live"]}},
            "Parameters": {"Stage": {"Type": "String"}},
        },
        account=ACCOUNT,
        region="us-east-1",
        parameters={} if stage is None else {"Stage": stage},
    )
    assert template.resources["Streets"].exists is exists


def test_what_only_a_deployment_knows_stays_unknown_in_its_place() -> None:
    template = stack(Resources={"Lookup": {"Type": "Custom::Lookup"}})
    value = template.resolve({"Fn::Sub": "arn:aws:s3:::${Lookup.Name}/raw/*"})
    assert is_unknown(value)
    assert str(value).startswith("arn:aws:s3:::")
    assert str(value).endswith("/raw/*")
