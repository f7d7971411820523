"""How AWS combines policies: IAM User Guide, "Policy evaluation logic"."""

from typing import Any

import pytest

from gtplus_constructs.assertions import ACCOUNT, Access, Caller, Outcome

ALLOWED, EXPLICIT, IMPLICIT = Outcome.ALLOWED, Outcome.EXPLICITLY_DENIED, Outcome.IMPLICITLY_DENIED
STRANGER = "999999999999"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/team/reader"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/nightly"
USER = f"arn:aws:iam::{ACCOUNT}:user/ann"
BUCKET = "arn:aws:s3:::streets"
OBJECT = f"{BUCKET}/raw/1.png"


def statement(effect: str, action: str | list[str] = "s3:GetObject", resource: object = "*", **more: Any) -> Any:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def allow(*args: Any, **more: Any) -> Any:
    return statement("Allow", *args, **more)


def deny(*args: Any, **more: Any) -> Any:
    return statement("Deny", *args, **more)


def policy(*statements: object) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def aws(*arns: str) -> dict[str, Any]:
    return {"Principal": {"AWS": list(arns)}}


EVERYBODY = {"Principal": "*"}


def stack(
    *,
    identity: list[Any] | None = None,
    boundary: list[Any] | None = None,
    bucket: list[Any] | None = None,
    key: list[Any] | None = None,
    trust: list[Any] | None = None,
    user: list[Any] | None = None,
    **resources: Any,
) -> Access:
    """A role, a user, a bucket, a key, and what is attached to them."""
    role: dict[str, Any] = {"RoleName": "reader", "Path": "/team/", "AssumeRolePolicyDocument": policy(*(trust or []))}
    person: dict[str, Any] = {"UserName": "ann"}
    made: dict[str, Any] = {
        "Reader": {"Type": "AWS::IAM::Role", "Properties": role},
        "Ann": {"Type": "AWS::IAM::User", "Properties": person},
        "Streets": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "BucketName": "streets",
                "PublicAccessBlockConfiguration": {"RestrictPublicBuckets": False, "BlockPublicPolicy": False},
            },
        },
        "Key": {"Type": "AWS::KMS::Key", "Properties": {} if key is None else {"KeyPolicy": policy(*key)}},
        **resources,
    }
    if identity is not None:
        role["Policies"] = [{"PolicyName": "Own", "PolicyDocument": policy(*identity)}]
    if user is not None:
        person["Policies"] = [{"PolicyName": "Own", "PolicyDocument": policy(*user)}]
    if boundary is not None:
        made["Boundary"] = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": policy(*boundary)}}
        role["PermissionsBoundary"] = person["PermissionsBoundary"] = {"Ref": "Boundary"}
    if bucket is not None:
        properties = {"Bucket": {"Ref": "Streets"}, "PolicyDocument": policy(*bucket)}
        made["StreetsPolicy"] = {"Type": "AWS::S3::BucketPolicy", "Properties": properties}
    return Access.from_template({"Resources": made})


def reads(who: Caller) -> Outcome:
    return who.decide("s3:GetObject", OBJECT).outcome


class TestWithinAnAccount:
    @pytest.mark.parametrize(
        ("identity", "bucket", "outcome"),
        [
            ([], [], IMPLICIT),
            ([allow()], [], ALLOWED),
            ([], [allow(**aws(ROLE))], ALLOWED),  # a union: one side is enough
            ([], [allow(**EVERYBODY)], ALLOWED),
            ([], [allow(**aws(ROOT))], IMPLICIT),  # the account delegates, and nobody delegated on
            ([], [allow(**aws(ACCOUNT))], IMPLICIT),
            ([allow()], [deny(**aws(ROLE))], EXPLICIT),
            ([allow()], [deny(**aws(ROOT))], EXPLICIT),
            ([allow()], [deny(**EVERYBODY)], EXPLICIT),
            ([deny()], [allow(**aws(ROLE))], EXPLICIT),
            ([allow(), deny()], [], EXPLICIT),
            ([], [deny(**aws(ROLE))], EXPLICIT),
            ([allow()], [deny(**aws(USER))], ALLOWED),
            ([], [allow(**aws(USER))], IMPLICIT),
            ([], [allow(**aws("arn:aws:iam::999999999999:role/team/reader"))], IMPLICIT),
            ([], [allow(**aws(f"arn:aws:iam::{ACCOUNT}:role/reader"))], IMPLICIT),  # the path is part of the name
        ],
    )
    def test_a_role(self, identity: list[Any], bucket: list[Any], outcome: Outcome) -> None:
        assert reads(stack(identity=identity, bucket=bucket).of("Reader")) is outcome

    def test_a_session_may_be_named(self) -> None:
        access = stack(bucket=[allow(**aws(SESSION))])
        assert reads(access.of("Reader", session="nightly")) is ALLOWED
        assert reads(access.of("Reader", session="daily")) is IMPLICIT

    def test_a_user(self) -> None:
        assert reads(stack(user=[allow()]).of("Ann")) is ALLOWED
        assert reads(stack(bucket=[allow(**aws(USER))]).of("Ann")) is ALLOWED
        assert reads(stack(identity=[allow()]).of("Ann")) is IMPLICIT

    def test_a_user_has_the_policies_of_its_groups(self) -> None:
        access = stack(
            Readers={
                "Type": "AWS::IAM::Group",
                "Properties": {"Policies": [{"PolicyName": "p", "PolicyDocument": policy(allow())}]},
            },
            Membership={
                "Type": "AWS::IAM::UserToGroupAddition",
                "Properties": {"GroupName": {"Ref": "Readers"}, "Users": [{"Ref": "Ann"}]},
            },
        )
        assert reads(access.of("Ann")) is ALLOWED

    @pytest.mark.parametrize(
        "attached",
        [
            {"Type": "AWS::IAM::Policy", "Properties": {"PolicyName": "p", "Roles": [{"Ref": "Reader"}]}},
            {"Type": "AWS::IAM::RolePolicy", "Properties": {"PolicyName": "p", "RoleName": "reader"}},
            {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"Roles": [{"Ref": "Reader"}]}},
        ],
        ids=lambda attached: attached["Type"],
    )
    def test_policies_of_their_own_are_attached(self, attached: dict[str, Any]) -> None:
        attached["Properties"]["PolicyDocument"] = policy(allow())
        access = stack(Extra=attached)
        assert reads(access.of("Reader")) is ALLOWED
        assert reads(access.of("Ann")) is IMPLICIT

    def test_the_root_user_needs_no_allow(self) -> None:
        assert reads(stack().principal(ROOT)) is ALLOWED
        assert reads(stack(bucket=[deny(**aws(ROOT))]).principal(ROOT)) is EXPLICIT


class TestBoundaries:
    """They limit what identity policies and an Allow to the role give, not an Allow to a session or to a user."""

    @pytest.mark.parametrize(
        ("boundary", "identity", "bucket", "outcome"),
        [
            ([allow()], [allow()], [], ALLOWED),
            ([], [allow()], [], IMPLICIT),
            ([allow()], [], [], IMPLICIT),
            ([allow("s3:PutObject")], [allow()], [], IMPLICIT),
            ([allow(), deny()], [allow()], [], EXPLICIT),
            ([], [], [allow(**aws(ROLE))], IMPLICIT),
            ([allow()], [], [allow(**aws(ROLE))], ALLOWED),
            ([allow()], [], [allow(**EVERYBODY)], ALLOWED),
            ([], [], [allow(**aws(SESSION))], ALLOWED),
            ([deny()], [], [allow(**aws(SESSION))], EXPLICIT),
        ],
    )
    def test_of_a_role(self, boundary: list[Any], identity: list[Any], bucket: list[Any], outcome: Outcome) -> None:
        access = stack(boundary=boundary, identity=identity, bucket=bucket)
        assert reads(access.of("Reader", session="nightly")) is outcome

    def test_of_a_user_whom_the_bucket_names(self) -> None:
        assert reads(stack(boundary=[], bucket=[allow(**aws(USER))]).of("Ann")) is ALLOWED
        assert reads(stack(boundary=[], user=[allow()]).of("Ann")) is IMPLICIT


class TestAcrossAccounts:
    """Both sides must allow."""

    FOREIGN = "arn:aws:s3:::theirs/x"

    @pytest.mark.parametrize(
        ("identity", "theirs", "outcome"),
        [
            ([allow()], [], IMPLICIT),
            ([], [allow(**aws(ROLE))], IMPLICIT),
            ([allow()], [allow(**aws(ROLE))], ALLOWED),
            ([allow()], [allow(**aws(ROOT))], ALLOWED),  # their account trusts ours, and ours delegates
            ([allow()], [allow(**EVERYBODY)], ALLOWED),
            ([allow()], [allow(**aws(USER))], IMPLICIT),
            ([allow()], [allow(**aws(ROLE)), deny(**aws(ROLE))], EXPLICIT),
            ([deny()], [allow(**aws(ROLE))], EXPLICIT),
        ],
    )
    def test_our_role_and_their_bucket(self, identity: list[Any], theirs: list[Any], outcome: Outcome) -> None:
        access = stack(identity=identity).with_resource_policy("arn:aws:s3:::theirs", policy(*theirs), account=STRANGER)
        assert access.of("Reader").decide("s3:GetObject", self.FOREIGN).outcome is outcome

    def test_their_principals_and_our_bucket(self) -> None:
        theirs = f"arn:aws:iam::{STRANGER}:role/theirs"
        assert reads(stack().principal(theirs)) is IMPLICIT
        assert reads(stack(bucket=[allow(**aws(theirs))]).principal(theirs)) is ALLOWED
        assert reads(stack(bucket=[allow(**aws(STRANGER))]).principal(theirs)) is ALLOWED
        assert reads(stack(bucket=[allow(**aws(theirs))]).account(STRANGER)) is IMPLICIT
        assert reads(stack(bucket=[allow(**aws(STRANGER))]).account(STRANGER)) is ALLOWED

    def test_a_boundary_limits_our_side(self) -> None:
        access = stack(identity=[allow()], boundary=[]).with_resource_policy(
            "arn:aws:s3:::theirs", policy(allow(**aws(ROLE, SESSION))), account=STRANGER
        )
        assert access.of("Reader", session="nightly").decide("s3:GetObject", self.FOREIGN).outcome is IMPLICIT


class TestKeys:
    """A key's policy must name the principal, or the account, which then delegates."""

    DECRYPT = "kms:Decrypt"

    @pytest.mark.parametrize(
        ("identity", "key", "outcome"),
        [
            ([allow("kms:*")], None, ALLOWED),  # the default policy names the account
            ([], None, IMPLICIT),
            ([allow("kms:*")], [], IMPLICIT),
            ([allow("kms:*")], [allow("kms:*", **aws(ROOT))], ALLOWED),
            ([], [allow("kms:*", **aws(ROOT))], IMPLICIT),
            ([], [allow("kms:Decrypt", **aws(ROLE))], ALLOWED),
            ([allow("kms:*")], [allow("kms:Decrypt", **aws(USER))], IMPLICIT),
            ([deny("kms:*")], [allow("kms:Decrypt", **aws(ROLE))], EXPLICIT),
        ],
    )
    def test_decrypt(self, identity: list[Any], key: list[Any] | None, outcome: Outcome) -> None:
        assert stack(identity=identity, key=key).of("Reader").decide("kms:Decrypt", "Key").outcome is outcome

    def test_by_way_of_a_service_with_an_encryption_context(self) -> None:
        condition = {
            "StringEquals": {
                "kms:ViaService": "s3.us-east-1.amazonaws.com",
                "kms:EncryptionContext:aws:s3:arn": BUCKET,
            }
        }
        reader = stack(identity=[allow("kms:Decrypt", Condition=condition)]).of("Reader")
        via = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}
        reader.can("kms:Decrypt", "Key", {**via, "kms:EncryptionContext:aws:s3:arn": BUCKET})
        reader.cannot("kms:Decrypt", "Key", {**via, "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::faces"})
        reader.cannot("kms:Decrypt", "Key", via)
        reader.cannot("kms:Decrypt", "Key")

    def test_what_has_no_key_needs_no_key_policy(self) -> None:
        stack(identity=[allow("kms:ListKeys")]).of("Reader").can("kms:ListKeys")


class TestTrust:
    """A role's trust policy must name who assumes it, or the account, which then delegates."""

    ASSUME = "sts:AssumeRole"

    def trusting(self, principal: Any, **more: Any) -> Access:
        trust = {"Effect": "Allow", "Action": self.ASSUME, "Principal": principal, **more}
        return stack(
            trust=[trust],
            Caller={"Type": "AWS::IAM::Role", "Properties": {"RoleName": "caller"}},
            Admin={
                "Type": "AWS::IAM::Role",
                "Properties": {"Policies": [{"PolicyName": "p", "PolicyDocument": policy(allow("*"))}]},
            },
        )

    def test_a_service(self) -> None:
        access = self.trusting({"Service": "lambda.amazonaws.com"})
        access.service("lambda.amazonaws.com").can(self.ASSUME, "Reader")
        access.service("ec2.amazonaws.com").cannot(self.ASSUME, "Reader")
        access.of("Admin").cannot(self.ASSUME, "Reader")
        access.account().cannot(self.ASSUME, "Reader")

    def test_a_role_by_name(self) -> None:
        access = self.trusting({"AWS": f"arn:aws:iam::{ACCOUNT}:role/caller"})
        access.of("Caller").can(self.ASSUME, "Reader")
        access.of("Admin").cannot(self.ASSUME, "Reader")

    def test_the_account_delegates(self) -> None:
        access = self.trusting({"AWS": ROOT})
        access.of("Caller").cannot(self.ASSUME, "Reader")
        access.of("Admin").can(self.ASSUME, "Reader")

    def test_a_vendor_with_an_external_id(self) -> None:
        access = self.trusting({"AWS": STRANGER}, Condition={"StringEquals": {"sts:ExternalId": "s3cret"}})
        vendor = access.account(STRANGER)
        vendor.can(self.ASSUME, "Reader", {"sts:ExternalId": "s3cret"})
        vendor.cannot(self.ASSUME, "Reader", {"sts:ExternalId": "guess"})
        vendor.cannot(self.ASSUME, "Reader")
        access.account("888888888888").cannot(self.ASSUME, "Reader", {"sts:ExternalId": "s3cret"})

    def test_an_identity_provider(self) -> None:
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": "cognito-identity.amazonaws.com"},
            "Condition": {"StringEquals": {"cognito-identity.amazonaws.com:aud": "us-east-1:pool"}},
        }
        provider = stack(trust=[trust]).federated("cognito-identity.amazonaws.com")
        action = "sts:AssumeRoleWithWebIdentity"
        provider.can(action, "Reader", {"cognito-identity.amazonaws.com:aud": "us-east-1:pool"})
        provider.cannot(action, "Reader", {"cognito-identity.amazonaws.com:aud": "us-east-1:other"})


class TestServicesAndTheAnonymous:
    @pytest.mark.parametrize(
        ("bucket", "service", "anonymous"),
        [
            ([], IMPLICIT, IMPLICIT),
            ([allow(Principal={"Service": "logs.amazonaws.com"})], ALLOWED, IMPLICIT),
            ([allow(Principal={"Service": "sns.amazonaws.com"})], IMPLICIT, IMPLICIT),
            ([allow(**EVERYBODY)], ALLOWED, ALLOWED),
            ([allow(**aws("*"))], ALLOWED, ALLOWED),
            ([allow(**aws(ROOT))], IMPLICIT, IMPLICIT),
            ([allow(**EVERYBODY), deny(**EVERYBODY)], EXPLICIT, EXPLICIT),
        ],
    )
    def test_only_the_resource_decides(self, bucket: list[Any], service: Outcome, anonymous: Outcome) -> None:
        access = stack(bucket=bucket, identity=[allow()])
        assert reads(access.service("logs.amazonaws.com")) is service
        assert reads(access.anonymous()) is anonymous

    def test_a_service_is_told_apart_by_the_context(self) -> None:
        condition = {"Bool": {"aws:PrincipalIsAWSService": "true"}}
        access = stack(bucket=[allow(**EVERYBODY, Condition=condition)])
        assert reads(access.service("logs.amazonaws.com")) is ALLOWED
        assert reads(access.account(STRANGER)) is IMPLICIT


class TestNotPrincipal:
    """Deny for all but a few; the few must be listed with account, role and session."""

    def denies_all_but(self, *listed: str) -> Access:
        return stack(identity=[allow()], bucket=[deny(NotPrincipal={"AWS": list(listed)})])

    def test_denies_who_is_not_listed(self) -> None:
        other = f"arn:aws:iam::{STRANGER}:role/other"
        assert reads(self.denies_all_but(other).of("Reader", session="nightly")) is EXPLICIT
        assert reads(self.denies_all_but(ROOT, ROLE, SESSION).service("sns.amazonaws.com")) is EXPLICIT
        assert reads(self.denies_all_but(ROOT, ROLE, SESSION).anonymous()) is EXPLICIT

    def test_spares_who_is_listed_in_full(self) -> None:
        assert reads(self.denies_all_but(ROOT, ROLE, SESSION).of("Reader", session="nightly")) is ALLOWED

    def test_spares_nobody_with_a_boundary(self) -> None:
        spared = deny(NotPrincipal={"AWS": [ROOT, ROLE, SESSION]})
        access = stack(identity=[allow()], boundary=[allow()], bucket=[spared])
        assert reads(access.of("Reader", session="nightly")) is EXPLICIT


class TestWhatAStatementSpeaksOf:
    @pytest.mark.parametrize(
        ("actions", "matches"),
        [
            ("s3:GetObject", True),
            ("S3:getobject", True),
            ("s3:Get*", True),
            ("s3:*", True),
            ("*", True),
            ("*:*", True),
            ("s3:GetObjec?", True),
            ("s3:GetObject?", False),
            ("s3:GetObject*", True),
            ("s3:GetObjectVersion", False),
            (["s3:PutObject", "s3:GetObject"], True),
        ],
    )
    def test_actions(self, actions: Any, matches: bool) -> None:
        outcome = reads(stack(identity=[{"Effect": "Allow", "Action": actions, "Resource": "*"}]).of("Reader"))
        assert outcome is (ALLOWED if matches else IMPLICIT)
        denied = [allow(), {"Effect": "Deny", "NotAction": actions, "Resource": "*"}]
        assert reads(stack(identity=denied).of("Reader")) is (ALLOWED if matches else EXPLICIT)

    @pytest.mark.parametrize(
        ("resources", "matches"),
        [
            ("*", True),
            (OBJECT, True),
            (f"{BUCKET}/raw/*", True),
            (f"{BUCKET}/*", True),
            (f"{BUCKET}*", True),
            ("arn:aws:s3:::*", True),
            ("arn:*:s3:::streets/raw/1.png", True),
            ("arn:aws:s3:*:*:streets/*", True),
            (f"{BUCKET}/raw/?.png", True),
            (BUCKET, False),
            (f"{BUCKET}/Raw/*", False),
            (f"{BUCKET}/raw", False),
            (f"{BUCKET}/raw-secret/*", False),
            ("arn:aws:s3:::street/*", False),
            (f"arn:aws:s3:::streets.{ACCOUNT}/*", False),
            ([BUCKET, f"{BUCKET}/raw/*"], True),
            (f"{BUCKET}/${{aws:PrincipalAccount}}/*", False),
            (f"{BUCKET}/raw/1.${{s3:prefix}}", False),  # absent, so it matches nothing
            (f"{BUCKET}/raw/${{*}}", False),
        ],
    )
    def test_resources(self, resources: Any, matches: bool) -> None:
        outcome = reads(stack(identity=[allow("s3:GetObject", resources)]).of("Reader"))
        assert outcome is (ALLOWED if matches else IMPLICIT)

    def test_not_resource(self) -> None:
        reader = stack(identity=[allow("s3:*"), {"Effect": "Deny", "Action": "*", "NotResource": f"{BUCKET}/raw/*"}])
        assert reads(reader.of("Reader")) is ALLOWED
        assert reader.of("Reader").decide("s3:GetObject", f"{BUCKET}/secret").outcome is EXPLICIT

    def test_variables(self) -> None:
        own = allow("s3:GetObject", f"{BUCKET}/${{aws:username}}/*")
        ann = stack(user=[own]).of("Ann")
        assert ann.decide("s3:GetObject", f"{BUCKET}/ann/1.png").allowed
        assert not ann.decide("s3:GetObject", f"{BUCKET}/bob/1.png").allowed

    def test_a_value_of_a_variable_has_no_wildcards(self) -> None:
        own = allow("s3:GetObject", f"{BUCKET}/${{aws:PrincipalTag/team}}/*")
        reader = stack(identity=[own]).of("Reader")
        assert reader.decide(
            "s3:GetObject", f"{BUCKET}/*/1.png".replace("*", "x"), {"aws:PrincipalTag/team": "x"}
        ).allowed
        assert not reader.decide("s3:GetObject", f"{BUCKET}/x/1.png", {"aws:PrincipalTag/team": "*"}).allowed

    def test_the_old_version_has_no_variables(self) -> None:
        document = {"Statement": [allow("s3:GetObject", f"{BUCKET}/${{aws:username}}/*")]}
        access = stack().with_identity_policy(USER, document)
        assert not access.of("Ann").decide("s3:GetObject", f"{BUCKET}/ann/1.png").allowed
        assert access.of("Ann").decide("s3:GetObject", f"{BUCKET}/${{aws:username}}/1.png").allowed


class TestOtherResources:
    @pytest.mark.parametrize(
        ("type_", "properties", "attached", "action"),
        [
            (
                "SQS::Queue",
                {},
                {"Type": "AWS::SQS::QueuePolicy", "on": ("Queues", [{"Ref": "Thing"}])},
                "sqs:SendMessage",
            ),
            ("SNS::Topic", {}, {"Type": "AWS::SNS::TopicPolicy", "on": ("Topics", [{"Ref": "Thing"}])}, "sns:Publish"),
            (
                "SecretsManager::Secret",
                {},
                {"Type": "AWS::SecretsManager::ResourcePolicy", "on": ("SecretId", {"Ref": "Thing"})},
                "secretsmanager:GetSecretValue",
            ),
        ],
    )
    def test_with_a_policy_of_their_own(self, type_: str, properties: Any, attached: Any, action: str) -> None:
        property_ = "ResourcePolicy" if "Secret" in type_ else "PolicyDocument"
        on, value = attached["on"]
        document = policy(allow(action, Principal={"Service": "events.amazonaws.com"}))
        access = stack(
            identity=[allow(action)],
            Thing={"Type": f"AWS::{type_}", "Properties": properties},
            Policy={"Type": attached["Type"], "Properties": {on: value, property_: document}},
        )
        access.service("events.amazonaws.com").can(action, "Thing")
        access.service("sns.amazonaws.com").cannot(action, "Thing")
        access.of("Reader").can(action, "Thing")
        access.account(STRANGER).cannot(action, "Thing")

    def test_a_bus(self) -> None:
        only = deny("events:PutEvents", **EVERYBODY, Condition={"ArnNotEquals": {"aws:PrincipalArn": ROLE}})
        access = stack(
            identity=[allow("events:PutEvents")],
            user=[allow("*")],
            Bus={"Type": "AWS::Events::EventBus", "Properties": {"Name": "status"}},
            Policy={
                "Type": "AWS::Events::EventBusPolicy",
                "Properties": {"EventBusName": {"Ref": "Bus"}, "StatementId": "OnlyOurs", "Statement": only},
            },
        )
        access.of("Reader").can("events:PutEvents", "Bus")
        access.of("Ann").cannot("events:PutEvents", "Bus")
        assert access.of("Ann").decide("events:PutEvents", "Bus").statements[0].policy == "OnlyOurs"

    def test_a_topic_without_a_policy_has_the_default_one(self) -> None:
        access = stack(Topic={"Type": "AWS::SNS::Topic"})
        access.of("Reader").cannot("sns:Publish", "Topic")
        access.service("cloudwatch.amazonaws.com").can("sns:Publish", "Topic", {"aws:SourceOwner": ACCOUNT})
        access.account(STRANGER).cannot("sns:Publish", "Topic")

    def test_a_function(self) -> None:
        access = stack(
            Function={"Type": "AWS::Lambda::Function", "Properties": {"FunctionName": "check"}},
            Permission={
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": {"Ref": "Function"},
                    "Principal": "s3.amazonaws.com",
                    "SourceAccount": ACCOUNT,
                },
            },
            Vendor={
                "Type": "AWS::Lambda::Permission",
                "Properties": {"Action": "lambda:InvokeFunction", "FunctionName": "check:live", "Principal": STRANGER},
            },
            Pipeline={
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "Action": "lambda:InvokeFunction",
                    "FunctionName": "check",
                    "Principal": f"arn:aws:iam::{STRANGER}:role/ci.deploy",
                },
            },
        )
        access.service("s3.amazonaws.com").can("lambda:InvokeFunction", "Function", {"aws:SourceAccount": ACCOUNT})
        access.service("s3.amazonaws.com").cannot("lambda:InvokeFunction", "Function")
        access.account(STRANGER).can("lambda:InvokeFunction", access.resource("Function", ":live"))
        access.account(STRANGER).cannot("lambda:InvokeFunction", "Function")
        access.principal(f"arn:aws:iam::{STRANGER}:role/ci.deploy").can("lambda:InvokeFunction", "Function")

    def test_the_policy_of_a_table_says_nothing_about_its_stream(self) -> None:
        everybody = policy({**allow("dynamodb:*"), "Principal": {"AWS": STRANGER}})
        properties = {"TableName": "heads", "ResourcePolicy": {"PolicyDocument": everybody}}
        access = stack(Table={"Type": "AWS::DynamoDB::Table", "Properties": properties})
        access.account(STRANGER).can("dynamodb:GetItem", "Table")
        access.account(STRANGER).cannot("dynamodb:GetRecords", access.resource("Table", "/stream/2026-11-25"))

    def test_a_vendor_calls_its_project_by_the_api(self) -> None:
        api = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": "door"}}
        access = stack(Api=api)
        arn = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{access._templates[0].ref('Api')}"
        path = f"{arn}/live/POST/projects/street-signs/status"
        access = access.with_identity_policy(
            ROLE, policy(allow("execute-api:Invoke", f"{arn}/live/*/projects/street-signs/*"))
        )
        access.of("Reader").can("execute-api:Invoke", path)
        access.of("Reader").cannot("execute-api:Invoke", path.replace("street-signs", "faces"))

    def test_a_resource_without_policies(self) -> None:
        machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"StateMachineName": "m"}}
        access = stack(identity=[allow("states:SendTaskSuccess", {"Ref": "Machine"})], Machine=machine)
        access.of("Reader").can("states:SendTaskSuccess", "Machine")
        access.of("Reader").cannot("states:SendTaskSuccess", access.resource("Machine") + "2")
        access.account(STRANGER).cannot("states:SendTaskSuccess", "Machine")


class TestImplicitContext:
    @pytest.mark.parametrize(
        ("operator", "key", "value"),
        [
            ("ArnEquals", "aws:PrincipalArn", ROLE),  # the role's, not the session's
            ("StringEquals", "aws:PrincipalAccount", ACCOUNT),
            ("StringEquals", "aws:PrincipalType", "AssumedRole"),
            ("Bool", "aws:SecureTransport", "true"),
            ("Bool", "aws:ViaAWSService", "false"),
            ("Bool", "aws:PrincipalIsAWSService", "false"),
            ("NumericEquals", "s3:TlsVersion", "1.3"),
            ("StringEquals", "s3:ResourceAccount", ACCOUNT),
            ("StringEquals", "aws:ResourceAccount", ACCOUNT),
            ("StringEquals", "aws:RequestedRegion", "us-east-1"),
            ("Null", "aws:SourceAccount", "true"),
            ("Null", "aws:username", "true"),
            ("Null", "aws:SourceVpce", "true"),
        ],
    )
    def test_of_a_role(self, operator: str, key: str, value: str) -> None:
        access = stack(identity=[allow(Condition={operator: {key: value}})])
        assert reads(access.of("Reader", session="nightly")) is ALLOWED

    def test_tags_of_the_role(self) -> None:
        access = stack(
            Tagged={
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "Tags": [{"Key": "Team", "Value": "streets"}],
                    "Policies": [
                        {
                            "PolicyName": "p",
                            "PolicyDocument": policy(allow("s3:GetObject", f"{BUCKET}/${{aws:PrincipalTag/team}}/*")),
                        }
                    ],
                },
            }
        )
        assert access.of("Tagged").decide("s3:GetObject", f"{BUCKET}/streets/x").allowed

    def test_the_question_wins_over_what_is_implied(self) -> None:
        access = stack(identity=[allow(Condition={"Bool": {"aws:SecureTransport": "false"}})])
        assert access.of("Reader").decide("s3:GetObject", OBJECT, {"AWS:securetransport": "false"}).allowed
        assert access.with_context({"aws:SecureTransport": False}).of("Reader").decide("s3:GetObject", OBJECT).allowed

    def test_none_says_that_the_request_lacks_a_key(self) -> None:
        access = stack(identity=[allow(Condition={"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}})])
        assert access.of("Reader").decide("s3:GetObject", OBJECT, {"aws:PrincipalOrgID": None}).allowed
