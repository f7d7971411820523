"""What the engine does not model it refuses: each of these raises, and says what and where.

And it refuses only where the answer depends on it: a neighbour's exotic statement costs nothing.
"""

from collections.abc import Callable
from typing import Any

import pytest

from gtplus_constructs.assertions import ACCOUNT, Access, NotModelled

ROLE = "arn:aws:iam::314159265358:role/reader"
BUCKET = "arn:aws:s3:::streets"
OBJECT = f"{BUCKET}/raw/1.png"
STRANGER = "999999999999"
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}
EVERYBODY = {**READ, "Principal": "*"}
DENY = {**EVERYBODY, "Effect": "Deny"}


def policy(*statements: object, **more: object) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements), **more}


def template(
    identity: object = None, bucket: object = None, role: dict[str, Any] | None = None, **resources: Any
) -> dict[str, Any]:
    """A role with one policy and a bucket with one policy."""
    trust = policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}})
    made: dict[str, Any] = {
        "Reader": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "reader",
                "AssumeRolePolicyDocument": trust,
                "Policies": [{"PolicyName": "Own", "PolicyDocument": policy() if identity is None else identity}],
                **(role or {}),
            },
        },
        "Streets": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "streets"}},
        **resources,
    }
    if bucket is not None:
        properties = {"Bucket": {"Ref": "Streets"}, "PolicyDocument": bucket}
        made["StreetsPolicy"] = {"Type": "AWS::S3::BucketPolicy", "Properties": properties}
    return {"Resources": made}


def role_gets(body: dict[str, Any], **options: Any) -> Callable[[], object]:
    return lambda: Access.from_template(body, **options).of("Reader").decide("s3:GetObject", OBJECT)


def allow_if(operator: str, key: str, value: object) -> dict[str, Any]:
    return template(policy({**READ, "Condition": {operator: {key: value}}}))


def ask(body: dict[str, Any], who: Callable[[Access], Any], *question: Any) -> Callable[[], object]:
    return lambda: who(Access.from_template(body)).decide(*question)


CORPUS: dict[str, tuple[Callable[[], object], str]] = {
    # the policy language
    "an unknown condition operator": (role_gets(allow_if("StringResembles", "s3:prefix", "x")), "StringResembles"),
    "Null with IfExists": (role_gets(allow_if("NullIfExists", "s3:prefix", "true")), "NullIfExists"),
    "a condition without values": (role_gets(allow_if("StringEquals", "s3:prefix", [])), "values of StringEquals"),
    "a number that is none": (role_gets(allow_if("NumericLessThan", "s3:TlsVersion", "old")), "'old'"),
    "a number that IAM does not take": (role_gets(allow_if("NumericLessThan", "s3:max-keys", "1_000")), "'1_000'"),
    "a number without end": (role_gets(allow_if("NumericLessThan", "s3:max-keys", "inf")), "'inf'"),
    "a week for a date": (role_gets(allow_if("DateLessThan", "aws:CurrentTime", "2026-W01")), "'2026-W01'"),
    "a network with a mask": (
        role_gets(allow_if("IpAddress", "aws:SourceIp", "10.0.0.0/255.0.0.0")),
        "10.0.0.0/255.0.0.0",
    ),
    "a tag of an object": (
        role_gets(
            template(
                policy(READ), bucket=policy({**DENY, "Condition": {"StringEquals": {"s3:ExistingObjectTag/x": "y"}}})
            )
        ),
        "s3:existingobjecttag/x",
    ),
    "a date that is none": (role_gets(allow_if("DateLessThan", "aws:CurrentTime", "soon")), "'soon'"),
    "a network that is none": (role_gets(allow_if("IpAddress", "aws:SourceIp", "home")), "'home'"),
    "a truth that is none": (role_gets(allow_if("Bool", "aws:SecureTransport", "perhaps")), "'perhaps'"),
    "an ARN condition on no ARN": (role_gets(allow_if("ArnLike", "aws:SourceArn", "*:x")), "neither an ARN"),
    "a variable where none is taken": (role_gets(allow_if("NumericEquals", "s3:max-keys", "${s3:prefix}")), "variable"),
    "a default value of a variable": (
        role_gets(template(policy({**READ, "Resource": f"{BUCKET}/${{aws:username, 'nobody'}}"}))),
        "default value",
    ),
    "a negated comparison with an absent variable": (
        ask(
            allow_if("StringNotEquals", "s3:prefix", "${aws:username}"),
            lambda access: access.of("Reader"),
            "s3:GetObject", OBJECT, {"s3:prefix": "x"},
        ),
        "which the request lacks",
    ),
    "a key with several values and no set operator": (
        ask(
            allow_if("StringEquals", "aws:TagKeys", "a"),
            lambda access: access.of("Reader"),
            "s3:GetObject", OBJECT, {"aws:TagKeys": ["a", "b"]},
        ),
        "without ForAllValues",
    ),
    "ForAnyValue with IfExists and an absent key": (
        role_gets(allow_if("ForAnyValue:StringEqualsIfExists", "aws:TagKeys", "a")),
        "which the request lacks",
    ),
    "NotResource with an absent variable": (
        role_gets(
            template(
                policy({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": f"{BUCKET}/${{aws:username}}/*"})
            )
        ),
        "NotResource",
    ),
    "an unknown element of a statement": (role_gets(template(policy({**READ, "Principals": "*"}))), "Principals"),
    "an unknown effect": (role_gets(template(policy({**READ, "Effect": "Maybe"}))), "effect Maybe"),
    "an unknown version": (role_gets(template(policy(READ, Version="2030-01-01"))), "2030-01-01"),
    "an unknown element of a policy": (role_gets(template(policy(READ, Statements=[]))), "Statements"),
    "both Action and NotAction": (role_gets(template(policy({**READ, "NotAction": "s3:PutObject"}))), "NotAction"),
    "no Resource": (role_gets(template(policy({"Effect": "Allow", "Action": "s3:GetObject"}))), "Resource"),
    "a wildcard in the service of an action": (role_gets(template(policy({**READ, "Action": "s*:GetObject"}))), r"s\*"),
    "a wildcard in the service of an ARN": (
        role_gets(template(policy({**READ, "Resource": "arn:aws:s*:::streets/*"}))),
        "service of an ARN",
    ),
    "a resource that is no ARN": (role_gets(template(policy({**READ, "Resource": "streets/*"}))), "neither an ARN"),
    "a Principal in an identity policy": (role_gets(template(policy(EVERYBODY))), "Principal in an identity"),
    "a Resource in a trust policy": (
        ask(
            template(role={"AssumeRolePolicyDocument": policy({**EVERYBODY, "Action": "sts:AssumeRole"})}),
            lambda access: access.service("ec2.amazonaws.com"),
            "sts:AssumeRole", "Reader",
        ),
        "Resource in a trust",
    ),
    # principals
    "a wildcard inside a principal": (
        role_gets(template(bucket=policy({**READ, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/*"}}))),
        "wildcard inside a principal",
    ),
    "Allow with NotPrincipal": (
        role_gets(template(bucket=policy({**READ, "NotPrincipal": {"AWS": STRANGER}}))),
        "Allow with NotPrincipal",
    ),
    "NotPrincipal that lists the role but neither account nor session": (
        role_gets(template(policy(READ), policy({**READ, "Effect": "Deny", "NotPrincipal": {"AWS": ROLE}}))),
        "NotPrincipal that lists only some",
    ),
    "a canonical user": (
        role_gets(template(bucket=policy({**READ, "Principal": {"CanonicalUser": "ab" * 32}}))),
        "canonical user",
    ),
    "a unique id as principal": (
        role_gets(template(bucket=policy({**READ, "Principal": {"AWS": "AROAEXAMPLEEXAMPLE123"}}))),
        "unique id",
    ),
    "an unknown kind of principal": (role_gets(template(bucket=policy({**READ, "Principal": {"User": "x"}}))), "User"),
    "a session that the question does not name": (
        role_gets(
            template(
                bucket=policy({**READ, "Principal": {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/nightly"}})
            )
        ),
        "session=",
    ),
    "an Allow to everybody outside a boundary": (
        role_gets(
            template(
                bucket=policy(EVERYBODY),
                role={"PermissionsBoundary": {"Ref": "Boundary"}},
                Boundary={"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy()}},
            )
        ),
        "boundary does not allow",
    ),
    "a root user who assumes a role": (
        ask(
            template(),
            lambda access: access.principal(f"arn:aws:iam::{STRANGER}:root"),
            "sts:AssumeRole", "Reader",
        ),
        "root user",
    ),
    "a root user whom a bucket policy denies its repair": (
        ask(
            template(bucket=policy({**DENY, "Action": "s3:*", "Resource": BUCKET})),
            lambda access: access.principal(f"arn:aws:iam::{ACCOUNT}:root"),
            "s3:PutBucketPolicy", "Streets",
        ),
        "root user",
    ),
    # what is not in the template
    "a managed policy of AWS": (
        role_gets(template(role={"ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]})),
        "managed_policies",
    ),
    "a boundary outside the template": (
        role_gets(template(policy(READ), role={"PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/Boundary"})),
        "managed_policies",
    ),
    "the policy of a bucket outside the template": (
        ask(
            template(policy({**READ, "Resource": "*"})),
            lambda access: access.of("Reader"),
            "s3:GetObject", "arn:aws:s3:::elsewhere/x",
        ),
        "with_resource_policy",
    ),
    "a key outside the template": (
        ask(
            template(policy({**READ, "Action": "kms:Decrypt", "Resource": "*"})),
            lambda access: access.of("Reader"),
            "kms:Decrypt", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/elsewhere",
        ),
        "with_resource_policy",
    ),
    "the default event bus": (
        ask(
            template(),
            lambda access: access.account(STRANGER),
            "events:PutEvents", f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default",
        ),
        "with_resource_policy",
    ),
    "a request's address": (role_gets(allow_if("IpAddress", "aws:SourceIp", "10.0.0.0/8")), "aws:sourceip"),
    "a request's time": (role_gets(allow_if("DateLessThan", "aws:CurrentTime", "2030-01-01")), "aws:currenttime"),
    "the account's organization": (
        role_gets(allow_if("StringEquals", "aws:PrincipalOrgID", "o-1")),
        "aws:principalorgid",
    ),
    # what a deployment decides
    "an attribute of a custom resource": (
        role_gets(
            template(
                policy({**READ, "Resource": {"Fn::GetAtt": ["Lookup", "Arn"]}}),
                Lookup={"Type": "Custom::Lookup", "Properties": {}},
            )
        ),
        "Lookup",
    ),
    "a parameter without a default": (
        role_gets(
            {
                **template(policy({**READ, "Resource": {"Fn::Sub": "arn:aws:s3:::${Name}/*"}})),
                "Parameters": {"Name": {"Type": "String"}},
            }
        ),
        "parameters=",
    ),
    "a parameter from SSM": (
        role_gets(
            {
                **template(policy({**READ, "Resource": {"Ref": "Arn"}})),
                "Parameters": {"Arn": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/the/arn"}},
            }
        ),
        "the parameter Arn",
    ),
    "a dynamic reference": (
        role_gets(template(policy({**READ, "Resource": "arn:aws:s3:::{{resolve:ssm:/name}}/*"}))),
        "dynamic reference",
    ),
    "an import that no loaded stack exports": (
        role_gets(template(policy({**READ, "Resource": {"Fn::ImportValue": "Shared:Arn"}}))),
        "no loaded template exports",
    ),
    "a Condition that the template does not decide": (
        role_gets(
            {
                **template(
                    policy(READ),
                    policy({**DENY, "Resource": {"Fn::If": ["Live", f"{BUCKET}/*", "arn:aws:s3:::none"]}}),
                ),
                "Parameters": {"Stage": {"Type": "String"}},
                "Conditions": {"Live": {"Fn::Equals": [{"Ref": "Stage"}, "live"]}},
            }
        ),
        "Fn::If Live",
    ),
    "a policy under such a Condition": (
        role_gets(
            {
                **template(
                    Extra={
                        "Type": "AWS::IAM::Policy",
                        "Condition": "Live",
                        "Properties": {"PolicyName": "x", "Roles": ["reader"], "PolicyDocument": policy(READ)},
                    }
                ),
                "Parameters": {"Stage": {"Type": "String"}},
                "Conditions": {"Live": {"Fn::Equals": [{"Ref": "Stage"}, "live"]}},
            }
        ),
        "under a Condition",
    ),
    "a policy attached to a role that the template does not tell": (
        role_gets(
            {
                **template(
                    Extra={
                        "Type": "AWS::IAM::Policy",
                        "Properties": {"PolicyName": "x", "Roles": [{"Ref": "Who"}], "PolicyDocument": policy(READ)},
                    }
                ),
                "Parameters": {"Who": {"Type": "String"}},
            }
        ),
        "attached to something",
    ),
    "a macro": (role_gets({**template(), "Transform": "AWS::Serverless-2016-10-31"}), "macro"),
    "two resources with one ARN": (
        role_gets(template(policy(READ), Again={"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "streets"}})),
        "one ARN for two resources",
    ),
    "a loop over resources": (
        role_gets({"Resources": {**template()["Resources"], "Fn::ForEach::Buckets": []}}),
        "Fn::ForEach",
    ),
    "a value that refers to itself": (
        role_gets(template(policy(READ), role={"RoleName": {"Ref": "Reader"}})),
        "reference to itself",
    ),
    "a nested stack whose template is not loaded": (
        role_gets(template(Nested={"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "https://x"}})),
        "nested stack",
    ),
    "a policy of an organization": (
        role_gets(template(policy(READ), Guard={"Type": "AWS::Organizations::Policy", "Properties": {}})),
        "organization",
    ),
    # what other than policies decides
    "two policies on one bucket": (
        role_gets(
            template(
                policy(READ),
                policy(DENY | {"Resource": f"{BUCKET}/none"}),
                Second={
                    "Type": "AWS::S3::BucketPolicy",
                    "Properties": {"Bucket": "streets", "PolicyDocument": policy()},
                },
            )
        ),
        "several policies",
    ),
    "a public policy under the public access block": (
        ask(template(bucket=policy(EVERYBODY)), lambda access: access.anonymous(), "s3:GetObject", OBJECT),
        "public access block",
    ),
    "the ACL of a bucket": (
        ask(
            template(
                Open={"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "open", "AccessControl": "PublicRead"}}
            ),
            lambda access: access.anonymous(),
            "s3:GetObject", "arn:aws:s3:::open/x",
        ),
        "ACL PublicRead",
    ),
    "an access point": (
        ask(
            template(policy({**READ, "Resource": "*"})),
            lambda access: access.of("Reader"),
            "s3:GetObject", f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/streets/object/x",
        ),
        "accesspoint",
    ),
    "the policy of a VPC endpoint": (
        ask(
            template(
                policy(READ),
                Endpoint={"Type": "AWS::EC2::VPCEndpoint", "Properties": {"PolicyDocument": policy(EVERYBODY)}},
            ),
            lambda access: access.of("Reader"),
            "s3:GetObject", OBJECT, {"aws:SourceVpce": "vpce-1"},
        ),
        "VPC endpoint",
    ),
    "the policy of a REST API": (
        ask(
            template(Api={"Type": "AWS::ApiGateway::RestApi", "Properties": {"Policy": policy(EVERYBODY)}}),
            lambda access: access.of("Reader"),
            "execute-api:Invoke",
            f"arn:aws:execute-api:us-east-1:{ACCOUNT}:"
            + str(Access.from_template(template(Api={"Type": "AWS::ApiGateway::RestApi"}))._templates[0].ref("Api"))
            + "/live/GET/x",
        ),
        "REST API",
    ),
    "the policy of a table's stream": (
        ask(
            template(
                Table={
                    "Type": "AWS::DynamoDB::Table",
                    "Properties": {
                        "TableName": "heads",
                        "StreamSpecification": {
                            "StreamViewType": "KEYS_ONLY",
                            "ResourcePolicy": {"PolicyDocument": policy({**EVERYBODY, "Action": "dynamodb:*"})},
                        },
                    },
                },
            ),
            lambda access: access.account(STRANGER),
            "dynamodb:GetRecords", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/heads/stream/2026-11-25T00:00:00.000",
        ),
        "table's stream",
    ),
    "a resource policy of a service that is not read": (
        ask(
            template(
                policy({**READ, "Action": "kinesis:PutRecord", "Resource": "*"}),
                Stream={"Type": "AWS::Kinesis::Stream", "Properties": {"Name": "frames"}},
                Policy={"Type": "AWS::Kinesis::ResourcePolicy", "Properties": {}},
            ),
            lambda access: access.of("Reader"),
            "kinesis:PutRecord", "Stream",
        ),
        "AWS::Kinesis::ResourcePolicy",
    ),
    "a file that is included in a resource": (
        role_gets(template(role={"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://x/y"}}})),
        "Fn::Transform in Reader",
    ),
    "a file that is included in the template": (
        role_gets({**template(), "Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://x/y"}}}),
        "Fn::Transform in the template",
    ),
    "an action that AWS answers to everybody": (
        ask(template(), lambda access: access.of("Reader"), "sts:GetCallerIdentity"),
        "without asking any policy",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CORPUS)
def test_raises_on(name: str) -> None:
    question, message = CORPUS[name]
    with pytest.raises(NotModelled, match=message):
        question()


def test_the_corpus_is_worth_its_name() -> None:
    assert len(CORPUS) >= 20


class TestOnlyWhereTheAnswerDependsOnIt:
    def test_a_deny_that_is_sure_needs_no_more(self) -> None:
        body = template(policy({**READ, "Effect": "Deny"}), policy({**READ, "Principal": {"AWS": "arn:aws:iam::*"}}))
        assert Access.from_template(body).of("Reader").decide("s3:GetObject", OBJECT).explicitly_denied

    def test_an_allow_that_is_sure_needs_no_other(self) -> None:
        odd = {**READ, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
        assert Access.from_template(template(policy(odd, READ))).of("Reader").decide("s3:GetObject", OBJECT).allowed

    def test_of_a_part_that_is_unknown_the_rest_still_tells(self) -> None:
        unknown = {"Fn::Sub": "arn:aws:s3:::${Lookup.Name}/*"}
        body = template(policy({**READ, "Resource": unknown}), Lookup={"Type": "Custom::X", "Properties": {}})
        reader = Access.from_template(body).of("Reader")
        assert reader.decide("s3:ListBucket", BUCKET).implicitly_denied
        with pytest.raises(NotModelled):
            reader.decide("s3:GetObject", OBJECT)

    def test_to_an_assertion_one_denial_is_as_good_as_the_other(self) -> None:
        maybe = {**DENY, "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
        reader = Access.from_template(template(bucket=policy(maybe))).of("Reader")
        reader.cannot("s3:GetObject", OBJECT)
        with pytest.raises(NotModelled):
            reader.decide("s3:GetObject", OBJECT)

    def test_the_error_names_the_statement_and_its_place(self) -> None:
        body = template(policy({**READ, "Sid": "Odd", "Condition": {"StringResembles": {"s3:prefix": "x"}}}))
        with pytest.raises(
            NotModelled, match=r"'Odd'.*Own of Reader in Template .*Policies/0/PolicyDocument/Statement/0"
        ):
            Access.from_template(body).of("Reader").decide("s3:GetObject", OBJECT)
