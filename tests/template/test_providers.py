"""Who labels, and which people: providers, roles and pools that are brought, and what synth says of them."""

import json
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3

from gtplus_constructs import (
    DataAccessRole,
    DataGrant,
    Duty,
    ExternalAccount,
    GroundTruthPlus,
    InHouse,
    LabelingBucket,
    LabelingProject,
    LabelingProvider,
    LabelingWorkspace,
    Limits,
    UserDirectory,
)
from gtplus_constructs._sizes import rendered_size
from gtplus_constructs.assertions import Access
from gtplus_runtime.revocation import POLICY_NAME, role_policy

VENDOR, ACCOUNT = "222222222222", "111111111111"
WIDE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


class Scene:
    """A stack with a workspace, a bucket and whatever a test adds."""

    def __init__(self) -> None:
        # Here a finding would be a warning; `new_app` validates strictly.
        self.app = cdk.App(builtin_cloud_formation_validation=False)
        self.stack = cdk.Stack(self.app, "Scene", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
        self.workspace = LabelingWorkspace(self.stack, "Workspace")
        self.bucket = LabelingBucket(self.stack, "Data")

    def project(self, provider: LabelingProvider | None = None, **options: object) -> LabelingProject:
        """A project under a provider: the one line that differs."""
        data = DataGrant(self.bucket, read="raw/", write="labels/")
        return LabelingProject(
            self.stack,
            "Streets",
            workspace=self.workspace,
            data=data,
            provider=provider,
            **options,  # type: ignore[arg-type]
        )

    def warnings(self) -> list[str]:
        """What synth warns of."""
        found = assertions.Annotations.from_stack(self.stack).find_warning("*", assertions.Match.any_value())
        return [str(message.entry.data) for message in found]


def place(scene: Scene) -> dict[str, object]:
    """What the project registers, as far as it is known at synth."""
    template = assertions.Template.from_stack(scene.stack).to_json()
    (parameter,) = [
        resource["Properties"]["Value"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SSM::Parameter" and resource["Properties"]["Name"].endswith("/projects/streets")
    ]
    parts = parameter["Fn::Join"][1]
    return dict(json.loads("".join(part if isinstance(part, str) else "x" for part in parts)))


def test_a_vendors_roles_trust_its_account_with_the_external_id_and_nobody_else() -> None:
    scene = Scene()
    project = scene.project(ExternalAccount(account_id=VENDOR, external_id="agreed-between-us"))
    access = Access.from_stack(scene.stack)
    assert project.reporting_role is not None
    vendor, stranger = access.account(VENDOR), access.account("333333333333")
    agreed, guessed = {"sts:ExternalId": "agreed-between-us"}, {"sts:ExternalId": "guessed"}
    for role in (project.role, project.reporting_role):
        vendor.can("sts:AssumeRole", role.role_arn, context=agreed)
        vendor.cannot("sts:AssumeRole", role.role_arn, context=guessed)
        vendor.cannot("sts:AssumeRole", role.role_arn)
        stranger.cannot("sts:AssumeRole", role.role_arn, context=agreed)
        access.service(GroundTruthPlus.principal).cannot("sts:AssumeRole", role.role_arn)


def test_a_vendor_reports_on_its_own_project_and_does_nothing_else() -> None:
    scene = Scene()
    project = scene.project(ExternalAccount(account_id=VENDOR, external_id="agreed-between-us"))
    access = Access.from_stack(scene.stack)
    assert project.reporting_role is not None
    reporter = access.of(project.reporting_role)
    api = cdk.Stack.of(project).format_arn(service="execute-api", resource=scene.workspace.api.api_id)
    reporter.can("execute-api:Invoke", f"{api}/$default/POST/report/projects/streets/batches/b/report")
    for path in (
        "POST/report/projects/others/batches/b/report",
        "POST/review/projects/streets/batches/b/accept",
        "POST/request/projects/streets/batches/b",
        "POST/operate/projects/streets/approve",
    ):
        reporter.cannot("execute-api:Invoke", f"{api}/$default/{path}")
    assert reporter.actions() == {"execute-api:Invoke", "ssm:GetParameter"}


def test_an_in_house_team_has_no_data_role_at_all() -> None:
    scene = Scene()
    project = scene.project(InHouse())
    assert place(scene)["dataRoleArn"] == ""
    assert place(scene)["provider"] == "in-house"
    roles = assertions.Template.from_stack(scene.stack).find_resources("AWS::IAM::Role")
    assert [name for name in roles if name.startswith("Streets")] == [
        next(name for name in roles if name.startswith("StreetsRuntimeRole"))
    ]
    for use in (lambda: project.role, lambda: project.revoke(scene.bucket)):
        with pytest.raises(ValueError, match="in-house works without a data role"):
            use()
    with pytest.raises(ValueError, match="in-house works without a role"):
        DataAccessRole(scene.stack, "Role", grants=DataGrant(scene.bucket, read="a/", write="b/"), provider=InHouse())


def test_a_provider_of_ones_own_needs_a_name_limits_and_a_trust() -> None:
    class Partner(LabelingProvider):
        name = "partner"
        limits = Limits(region=None, max_files=7)

        def trust(self, account: str) -> iam.IPrincipal:
            return iam.ArnPrincipal(f"arn:aws:iam::{account}:role/partner")

    scene = Scene()
    project = scene.project(Partner())
    assert place(scene)["limits"]["max_files"] == 7  # type: ignore[index]
    assert project.reporting_role is None
    assert not [line for line in scene.warnings() if "GroundTruthPlusEnded" in line]


def test_a_project_whose_requester_may_accept_says_so() -> None:
    apart, alone = Scene(), Scene()
    apart.project(InHouse())
    alone.project(InHouse(), separation_of_duties=False)
    assert not [line for line in apart.warnings() if "gtplus:NoSeparationOfDuties" in line]
    (warning,) = [line for line in alone.warnings() if "gtplus:NoSeparationOfDuties" in line]
    assert "who requested or labeled a batch of streets may accept it" in warning
    settings = [place(scene)["settings"]["separationOfDuties"] for scene in (apart, alone)]  # type: ignore[index]
    assert settings == [True, False]


def test_the_default_warns_with_a_stable_id_that_the_service_has_ended() -> None:
    scene = Scene()
    scene.project()
    (warning,) = [line for line in scene.warnings() if "gtplus:GroundTruthPlusEnded" in line]
    assert "end of support on 2026-06-30" in warning
    assert "another `provider`" in warning


@pytest.mark.parametrize(
    ("mode", "ours", "strangers", "nobodys"),
    [("if-exists", True, False, True), ("required", True, False, False), ("none", True, True, True)],
)
def test_the_confused_deputy(mode: str, ours: bool, strangers: bool, nobodys: bool) -> None:
    scene = Scene()
    project = scene.project(GroundTruthPlus(confused_deputy=mode))  # type: ignore[arg-type]
    service = Access.from_stack(scene.stack).service(GroundTruthPlus.principal)
    for allowed, context in (
        (ours, {"aws:SourceAccount": ACCOUNT}),
        (strangers, {"aws:SourceAccount": "999999999999"}),
        (nobodys, {}),
    ):
        assert bool(service.decide("sts:AssumeRole", project.role.role_arn, context=context)) == allowed


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ExternalAccount(account_id="12", external_id="long-enough"), '"account_id": 12 digits'),
        (lambda: ExternalAccount(account_id=VENDOR, external_id="short"), '"external_id": 8 to 1,224'),
        (lambda: ExternalAccount(account_id=VENDOR, external_id="with a space in it"), '"external_id"'),
        (lambda: ExternalAccount(account_id=VENDOR, external_id="long-enough", name="A B"), '"name"'),
        (lambda: InHouse(name="Our Team"), '"name"'),
        (lambda: GroundTruthPlus(confused_deputy="perhaps"), '"confused_deputy"'),  # type: ignore[arg-type]
    ],
)
def test_a_profile_that_does_not_fit_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match="problem") as refusal:
        make()
    assert words in str(refusal.value)
    assert "long-enough" not in str(refusal.value)


def test_a_role_that_is_brought_is_not_changed_and_synth_says_what_it_must_be() -> None:
    scene = Scene()
    role = DataAccessRole.from_role_arn(
        scene.stack,
        "Brought",
        f"arn:aws:iam::{ACCOUNT}:role/labeling",
        grants=DataGrant(scene.bucket, read="raw/", write="labels/"),
    )
    (warning,) = [line for line in scene.warnings() if "gtplus:RoleNotOurs" in line]
    for action in ("s3:GetObject", "s3:PutObject", "s3:GetBucketLocation", "s3:ListBucket", "sts:AssumeRole"):
        assert action in warning
    assert GroundTruthPlus.principal in warning
    template = assertions.Template.from_stack(scene.stack)
    assert not [n for n in template.find_resources("AWS::IAM::Role") if n.startswith("Brought")]
    policies = json.dumps(template.find_resources("AWS::S3::BucketPolicy"))
    assert f"arn:aws:iam::{ACCOUNT}:role/labeling" in policies
    assert role.role_arn == f"arn:aws:iam::{ACCOUNT}:role/labeling"
    with pytest.raises(ValueError, match='"role_arn": the ARN of a role'):
        DataAccessRole.from_role_arn(scene.stack, "Bad", "labeling", grants=role.grants)


def test_a_bucket_of_another_account_gets_no_policy_and_its_owner_the_statements() -> None:
    scene = Scene()
    bucket = s3.Bucket.from_bucket_attributes(
        scene.stack, "Theirs", bucket_arn="arn:aws:s3:::theirs", account="333333333333", region="us-east-1"
    )
    DataAccessRole(scene.stack, "Role", grants=DataGrant(bucket, read="in/", write="out/"))
    (warning,) = [line for line in scene.warnings() if "gtplus:BucketOfAnotherAccount" in line]
    assert '"Effect": "Allow"' in warning
    assert '"Effect": "Deny"' in warning
    assert "arn:aws:s3:::theirs/in/*" in warning
    assert '"aws:SecureTransport": "false"' in warning
    template = assertions.Template.from_stack(scene.stack)
    assert "theirs" not in json.dumps(template.find_resources("AWS::S3::BucketPolicy"))


def test_owners_of_another_account_are_told_what_lets_the_project_work() -> None:
    """With what they are to paste the data role and our own functions' role reach the data, and no more than that."""
    scene = Scene()
    key = kms.Key.from_key_arn(scene.stack, "Key", "arn:aws:kms:us-east-1:333333333333:key/1")
    bucket = s3.Bucket.from_bucket_attributes(
        scene.stack, "Theirs", bucket_arn="arn:aws:s3:::theirs", account="333333333333", region="us-east-1"
    )
    data = DataGrant(bucket, read="in/", write="out/", encryption_key=key)
    project = LabelingProject(scene.stack, "Theirs2", workspace=scene.workspace, data=data)
    access = Access.from_stack(scene.stack)
    arns = {
        f"${{{scene.stack.get_logical_id(role.node.default_child)}.Arn}}": access.resource(role)  # type: ignore[arg-type]
        for role in (project.role, project.runtime_role)
    }
    pasted: dict[str, list[dict[str, Any]]] = {}
    for line in scene.warnings():
        if "OfAnotherAccount" in line:
            for name, arn in arns.items():
                line = line.replace(name, arn)
            statements = json.JSONDecoder().raw_decode(line[line.index("[{") :])[0]
            pasted.setdefault(bucket.bucket_arn if "The bucket" in line else key.key_arn, []).extend(statements)
    for arn, statements in pasted.items():
        ids = [statement["Sid"] for statement in statements if "Sid" in statement]
        assert len(set(ids)) == len(ids)
        access = access.with_resource_policy(
            arn, {"Version": "2012-10-17", "Statement": statements}, account="333333333333"
        )
    through_s3 = {
        "kms:ViaService": "s3.us-east-1.amazonaws.com", "kms:EncryptionContext:aws:s3:arn": bucket.bucket_arn
    }  # fmt: skip
    for role in (project.role, project.runtime_role):
        caller = access.of(role)
        caller.can("s3:GetObject", access.object(bucket, "in/1.png"))
        caller.can("s3:PutObject", access.object(bucket, "out/1.json"))
        caller.can("s3:ListBucket", bucket, {"s3:prefix": "in/"})
        caller.can("kms:Decrypt", key, through_s3)
        caller.cannot("kms:Decrypt", key)
        caller.cannot("s3:GetObject", access.object(bucket, "secret/1.png"))
        caller.cannot("s3:PutObject", access.object(bucket, "in/1.png"))
        caller.cannot("s3:DeleteObject", access.object(bucket, "out/1.json"))


def test_the_owner_of_a_key_of_another_account_is_told_what_to_add() -> None:
    scene = Scene()
    foreign = kms.Key.from_key_arn(scene.stack, "Key", "arn:aws:kms:us-east-1:333333333333:key/1")
    ours = kms.Key.from_key_arn(scene.stack, "OurKey", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1")
    bucket = s3.Bucket.from_bucket_attributes(
        scene.stack, "Theirs", bucket_arn="arn:aws:s3:::theirs", account="333333333333", region="us-east-1"
    )
    role = DataAccessRole(scene.stack, "Role", grants=DataGrant(bucket, read="a/", write="b/", encryption_key=foreign))
    DataAccessRole(scene.stack, "Other", grants=DataGrant(bucket, read="a/", write="b/", encryption_key=ours))
    (warning,) = [line for line in scene.warnings() if "gtplus:KeyOfAnotherAccount" in line]
    (statement,) = json.JSONDecoder().raw_decode(warning[warning.index("[{") :])[0]
    logical = scene.stack.get_logical_id(role.role.node.default_child)  # type: ignore[arg-type]
    assert statement["Principal"] == {"AWS": f"${{{logical}.Arn}}"}
    access = Access.from_stack(scene.stack)
    statement["Principal"] = {"AWS": access.resource(role.role)}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    through_s3 = {"kms:ViaService": "s3.us-east-1.amazonaws.com"}
    for document, context, allowed in (
        (policy, {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::theirs", **through_s3}, True),
        (policy, {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::others", **through_s3}, False),
        (policy, {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::theirs"}, False),
        (None, {"kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::theirs", **through_s3}, False),
    ):
        view = access.with_resource_policy(foreign.key_arn, document)
        assert view.of(role.role).decide("kms:Decrypt", foreign.key_arn, context).allowed is allowed


def test_an_imported_bucket_gets_no_policy_and_synth_shows_the_guard() -> None:
    scene = Scene()
    key = kms.Key.from_key_arn(scene.stack, "Key", f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1")
    bucket = s3.Bucket.from_bucket_name(scene.stack, "Old", "old-bucket")
    role = DataAccessRole(scene.stack, "Role", grants=DataGrant(bucket, read="in/", write="out/", encryption_key=key))
    (warning,) = [line for line in scene.warnings() if "gtplus:BucketPolicyNotOurs" in line]
    assert '"Effect": "Deny"' in warning
    access = Access.from_stack(scene.stack).with_resource_policy("arn:aws:s3:::old-bucket", None)
    access.of(role.role).can("s3:GetObject", "arn:aws:s3:::old-bucket/in/1.png")
    access.of(role.role).cannot("s3:GetObject", "arn:aws:s3:::old-bucket/other/1.png")


@pytest.mark.parametrize("enforce_ssl", [False, True])
def test_a_bucket_of_the_app_denies_all_without_tls_and_says_so_once(enforce_ssl: bool) -> None:
    scene = Scene()
    bucket = s3.Bucket(scene.stack, "Own", enforce_ssl=enforce_ssl)
    roles = [
        DataAccessRole(scene.stack, name, grants=DataGrant(bucket, read=f"{name}/in/", write=f"{name}/out/"))
        for name in ("One", "Two", "Three")
    ]
    access = Access.from_stack(scene.stack)
    for caller in (*map(access.of, roles), access.account()):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            key = access.object(bucket, "One/in/1")
            assert caller.decide(action, key, {"aws:SecureTransport": False}).explicitly_denied
    access.of(roles[0]).can("s3:GetObject", access.object(bucket, "One/in/1"), {"aws:SecureTransport": True})
    policies = assertions.Template.from_stack(scene.stack).find_resources("AWS::S3::BucketPolicy").values()
    (document,) = [
        policy["Properties"]["PolicyDocument"]
        for policy in policies
        if policy["Properties"]["Bucket"] == scene.stack.resolve(bucket.bucket_name)
    ]
    assert json.dumps(document).count("aws:SecureTransport") == 1


def test_a_revoke_in_the_app_denies_whatever_is_granted_later() -> None:
    scene = Scene()
    project = scene.project()
    project.revoke(scene.bucket)
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    access = Access.from_stack(scene.stack)
    for view in (access, access.with_identity_policy(project.role, wide)):
        for action, key in (("s3:GetObject", "raw/1"), ("s3:PutObject", "labels/1"), ("s3:DeleteObject", "raw/1")):
            view.of(project.role).cannot(action, scene.bucket.object(key))
    other = LabelingBucket(scene.stack, "Other")
    with pytest.raises(ValueError, match='"bucket": is of one of the grants'):
        project.revoke(other)


def test_more_grants_than_a_role_holds_are_refused_with_what_to_do() -> None:
    scene = Scene()
    buckets = [LabelingBucket(scene.stack, f"B{n}") for n in range(14)]
    grants = [DataGrant(b, read=[f"raw-{n}/" for n in range(4)], write="labels/") for b in buckets]
    with pytest.raises(ValueError, match="at most 10,240 bytes") as refusal:
        DataAccessRole(scene.stack, "Role", grants=grants)
    assert "split the project in two" in str(refusal.value)


def test_a_role_that_holds_its_grants_holds_their_revocation_too() -> None:
    """In the app and at run time at once, with buckets of the longest names: a revocation must never be too large."""

    def with_grants(count: int) -> int:
        scene = Scene()
        names = [f"{n:02}{'b' * 61}" for n in range(count)]
        buckets = [s3.Bucket.from_bucket_name(scene.stack, f"B{name}", name) for name in names]
        grants = [DataGrant(bucket, read="raw/", write="labels/") for bucket in buckets]
        role = DataAccessRole(scene.stack, "Role", grants=grants)
        for bucket in buckets:
            role.revoke(bucket)
        template = assertions.Template.from_stack(scene.stack)
        (made,) = [n for n in template.find_resources("AWS::IAM::Role") if n.startswith("Role")]
        documents = [template.find_resources("AWS::IAM::Role")[made]["Properties"]["Policies"][0]["PolicyDocument"]]
        documents += [
            each["Properties"]["PolicyDocument"]
            for each in template.find_resources("AWS::IAM::Policy").values()
            if each["Properties"]["Roles"] == [{"Ref": made}] and each["Properties"]["PolicyName"] != POLICY_NAME
        ]
        documents.append(role_policy("aws", names, "2026-11-25T10:00:00Z"))
        assert len(documents) == 3
        return sum(rendered_size(scene.stack, document) for document in documents)

    assert 9_000 < with_grants(7) <= 10_240
    with pytest.raises(ValueError, match="at most 10,240 bytes"):
        with_grants(8)


@pytest.mark.parametrize("provider", [GroundTruthPlus(), InHouse()])
def test_a_project_whose_place_is_larger_than_a_parameter_is_refused_with_what_to_do(
    provider: LabelingProvider,
) -> None:
    """Long prefixes: the role would still hold them."""
    scene = Scene()
    read = [f"{'camera' * 9}-{n:02}/" for n in range(56)]
    with pytest.raises(ValueError, match="one SSM parameter of at most 4,096 bytes") as refusal:
        LabelingProject(
            scene.stack,
            "Many",
            workspace=scene.workspace,
            data=DataGrant(s3.Bucket.from_bucket_name(scene.stack, "B", "abc"), read=read, write="labels/"),
            provider=provider,
        )
    assert "name fewer, wider prefixes" in str(refusal.value)
    assert "split the project in two" in str(refusal.value)


def test_more_grants_than_a_runtime_role_holds_are_refused_where_there_is_no_data_role() -> None:
    scene = Scene()
    grants = [DataGrant(LabelingBucket(scene.stack, f"B{n}"), read="a/", write="b/") for n in range(14)]
    with pytest.raises(ValueError, match="at most 10,240 bytes"):
        LabelingProject(scene.stack, "Many", workspace=scene.workspace, data=grants, provider=InHouse())


def with_projects(count: int) -> Scene:
    """A bucket that many roles share."""
    scene = Scene()
    for number in range(count):
        grant = DataGrant(scene.bucket, read=f"raw-{number}/", write=f"labels-{number}/")
        DataAccessRole(scene.stack, f"Role{number}", grants=grant)
    return scene


def test_more_projects_than_a_buckets_policy_holds_fail_synth_with_what_to_do() -> None:
    with pytest.raises(RuntimeError, match="at most 20,480 bytes") as refusal:
        with_projects(25).app.synth()
    assert "a bucket of their own" in str(refusal.value)


def test_a_bucket_of_the_app_is_held_to_the_same_size_and_told_once() -> None:
    scene = Scene()
    own = s3.Bucket(scene.stack, "Own")
    for number in range(25):
        grant = DataGrant(own, read=f"raw-{number}/", write=f"labels-{number}/")
        DataAccessRole(scene.stack, f"Role{number}", grants=grant)
    with pytest.raises(RuntimeError, match="at most 20,480 bytes") as refusal:
        scene.app.synth()
    assert str(refusal.value).count("at most 20,480 bytes") == 1
    assert "a bucket of their own" in str(refusal.value)


def test_sixteen_projects_fit_a_bucket() -> None:
    with_projects(16).app.synth()


def test_a_permissions_boundary_reaches_every_role() -> None:
    scene = Scene()
    scene.project(ExternalAccount(account_id=VENDOR, external_id="agreed-between-us"))
    boundary = iam.ManagedPolicy.from_managed_policy_arn(scene.stack, "Boundary", f"arn:aws:iam::{ACCOUNT}:policy/b")
    iam.PermissionsBoundary.of(scene.app).apply(boundary)
    roles = assertions.Template.from_stack(scene.stack).find_resources("AWS::IAM::Role")
    assert len(roles) > 5
    assert all("PermissionsBoundary" in role["Properties"] for role in roles.values())


def test_a_data_role_that_somebody_widens_reaches_no_other_bucket_of_the_app() -> None:
    scene = Scene()
    project = scene.project()
    other = LabelingBucket(scene.stack, "Other")
    role = Access.from_stack(scene.stack).with_identity_policy(project.role, WIDE).of(project.role)
    role.can("s3:GetObject", scene.bucket.object("raw/1"))
    for bucket, key in ((other, "raw/1"), (scene.bucket, "elsewhere/1")):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:GetObjectAcl"):
            role.cannot(action, bucket.object(key))
    role.cannot("s3:DeleteObject", scene.bucket.object("raw/1"))
    role.cannot("s3:PutBucketPolicy", scene.bucket.bucket_arn)


@pytest.mark.parametrize("first", ["bucket", "role"])
def test_a_role_that_is_brought_with_wide_policies_reaches_no_other_bucket_of_the_app(first: str) -> None:
    """In whatever order an app makes them, and in whichever stack; people and tools with other roles go on."""
    scene = Scene()
    elsewhere = cdk.Stack(scene.app, "Elsewhere", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
    others: list[LabelingBucket] = []

    def make_others() -> None:
        others.append(LabelingBucket(scene.stack, "Other"))
        others.append(LabelingBucket(elsewhere, "Other"))

    def bring() -> DataAccessRole:
        grants = DataGrant(scene.bucket, read="raw/", write="labels/")
        arn = f"arn:aws:iam::{ACCOUNT}:role/labeling"
        return DataAccessRole.from_role_arn(scene.stack, "Brought", arn, grants=grants)

    if first == "bucket":
        make_others()
    brought = bring()
    if first == "role":
        make_others()
    access = Access.from_stack(scene.stack).with_identity_policy(brought.role_arn, WIDE)
    role = access.of(brought.role_arn)
    role.can("s3:GetObject", access.object(scene.bucket, "raw/1"))
    for bucket, key in ((others[0], "raw/1"), (others[1], "raw/1"), (scene.bucket, "elsewhere/1")):
        for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
            assert role.decide(action, access.object(bucket, key)).explicitly_denied, (bucket.node.path, action)
    role.cannot("s3:DeleteObject", access.object(scene.bucket, "raw/1"))
    for bucket in (*others, scene.bucket):
        access.account().can("s3:GetObject", access.object(bucket, "raw/1"))


def test_two_projects_may_bring_one_role() -> None:
    scene = Scene()
    other, third = LabelingBucket(scene.stack, "Other"), LabelingBucket(scene.stack, "Third")
    arn = f"arn:aws:iam::{ACCOUNT}:role/labeling"
    for name, bucket in (("One", scene.bucket), ("Two", other)):
        grants = DataGrant(bucket, read="raw/", write="labels/")
        DataAccessRole.from_role_arn(scene.stack, name, arn, grants=grants)
    access = Access.from_stack(scene.stack).with_identity_policy(arn, WIDE)
    for bucket, allowed in ((scene.bucket, True), (other, True), (third, False)):
        assert access.of(arn).decide("s3:GetObject", access.object(bucket, "raw/1")).allowed is allowed


def test_a_role_of_the_app_that_is_brought_is_named_where_no_stack_needs_another() -> None:
    """Its ARN is a reference: to name it in a bucket of another stack could make a circle of the stacks."""
    scene = Scene()
    elsewhere = cdk.Stack(scene.app, "Elsewhere", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
    near, far = LabelingBucket(scene.stack, "Near"), LabelingBucket(elsewhere, "Far")
    mine = iam.Role(scene.stack, "Mine", assumed_by=iam.ServicePrincipal(GroundTruthPlus.principal))
    far.grant_read(mine)  # so that one stack needs the other already
    mine.add_to_policy(iam.PolicyStatement(actions=["s3:*"], resources=["*"]))
    grants = DataGrant(scene.bucket, read="raw/", write="labels/")
    DataAccessRole.from_role_arn(scene.stack, "Brought", mine.role_arn, grants=grants)
    access = Access.from_stack(scene.stack)
    access.of(mine).can("s3:GetObject", access.object(scene.bucket, "raw/1"))
    access.of(mine).cannot("s3:GetObject", access.object(near, "raw/1"))


def test_grants_of_one_bucket_are_one_grant() -> None:
    """Two guards in a bucket would each deny what the other one leaves."""
    scene = Scene()
    same = s3.Bucket.from_bucket_name(scene.stack, "Same", "old"), s3.Bucket.from_bucket_name(scene.stack, "Too", "old")
    data = [
        DataGrant(scene.bucket, read="raw/", write="labels/"),
        DataGrant(same[0], read="raw/", write="labels/"),
        DataGrant(scene.bucket, read=["maps/", "raw/"], write="map-labels/"),
        DataGrant(same[1], read="maps/", write="map-labels/"),
    ]
    project = LabelingProject(scene.stack, "Streets", workspace=scene.workspace, data=data)
    granted = [(grant.read, grant.write) for grant in project.grants]
    assert granted == [(("raw/", "maps/"), ("labels/", "map-labels/"))] * 2
    access = Access.from_stack(scene.stack).with_identity_policy(project.role, WIDE)
    for role in (project.role, project.runtime_role):
        for prefix in ("raw", "maps", "labels", "map-labels"):
            access.of(role).can("s3:GetObject", scene.bucket.object(f"{prefix}/1"))
        for prefix in ("labels", "map-labels"):
            access.of(role).can("s3:PutObject", scene.bucket.object(f"{prefix}/1"))
    access.of(project.role).cannot("s3:GetObject", scene.bucket.object("elsewhere/1"))
    assert len([line for line in scene.warnings() if "gtplus:BucketPolicyNotOurs" in line]) == 1


def test_grants_of_one_bucket_must_fit_together() -> None:
    scene = Scene()
    key = kms.Key(scene.stack, "Another")
    first = DataGrant(scene.bucket, read="raw/", write="labels/")
    with pytest.raises(ValueError, match="must not overlap"):
        DataAccessRole(scene.stack, "A", grants=[first, DataGrant(scene.bucket, read="labels/", write="more/")])
    other = DataGrant(scene.bucket, read="more/", write="more-labels/", encryption_key=key)
    with pytest.raises(ValueError, match='"grants": grants of one bucket name one key'):
        DataAccessRole(scene.stack, "B", grants=[first, other])


def test_a_data_role_of_another_app_is_let_in_once_it_is_admitted() -> None:
    scene = Scene()
    elsewhere = cdk.Stack(cdk.App(), "Elsewhere", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
    imported = s3.Bucket.from_bucket_name(elsewhere, "Data", "the-data")
    DataAccessRole(elsewhere, "Role", grants=DataGrant(imported, read="raw/", write="labels/"))
    found = assertions.Annotations.from_stack(elsewhere).find_warning("*", assertions.Match.any_value())
    (warning,) = [str(m.entry.data) for m in found if "gtplus:BucketPolicyNotOurs" in str(m.entry.data)]
    assert "bucket.admit(" in warning
    arn = f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/theirs/Role"
    iam.Role(
        scene.stack, "Theirs", role_name="Role", path="/gtplus/data/theirs/", assumed_by=iam.AccountRootPrincipal()
    )
    denied = Access.from_stack(scene.stack).with_identity_policy(arn, WIDE)
    denied.of(arn).cannot("s3:GetObject", scene.bucket.object("raw/1"))

    scene = Scene()
    scene.bucket.admit(f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/theirs/*")
    iam.Role(
        scene.stack, "Theirs", role_name="Role", path="/gtplus/data/theirs/", assumed_by=iam.AccountRootPrincipal()
    )
    admitted = Access.from_stack(scene.stack).with_identity_policy(arn, WIDE)
    admitted.of(arn).can("s3:GetObject", scene.bucket.object("raw/1"))


class TestThePeople:
    def test_a_pool_a_client_and_groups_can_be_brought(self) -> None:
        app = cdk.App()
        stack = cdk.Stack(app, "Brought", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
        users = UserDirectory(
            stack,
            "Users",
            workspace_name="labeling",
            user_pool=cognito.UserPool.from_user_pool_id(stack, "Pool", "us-east-1_abc"),
            user_pool_domain=cognito.UserPoolDomain.from_domain_name(stack, "Domain", "labels"),
            client=cognito.UserPoolClient.from_user_pool_client_id(stack, "Client", "client-1"),
        )
        workspace = LabelingWorkspace(stack, "Workspace", directory=users)
        bucket = LabelingBucket(stack, "Data")
        project = LabelingProject(
            stack,
            "Streets",
            workspace=workspace,
            data=DataGrant(bucket, read="raw/", write="labels/"),
            groups={Duty.REVIEW: "the-reviewers"},
        )
        assert project.team.groups[Duty.REVIEW] == "the-reviewers"
        template = assertions.Template.from_stack(stack)
        for kind in ("UserPool", "UserPoolClient", "UserPoolDomain"):
            template.resource_count_is(f"AWS::Cognito::{kind}", 0)
        names = [g["Properties"]["GroupName"] for g in template.find_resources("AWS::Cognito::UserPoolGroup").values()]
        assert sorted(names) == ["labeling-operate", "streets-report", "streets-request"]

    def test_what_does_not_go_together_is_refused_all_at_once(self) -> None:
        stack = cdk.Stack(cdk.App(), "Refused")
        client = cognito.UserPoolClient.from_user_pool_client_id(stack, "Client", "client-1")
        with pytest.raises(ValueError, match="2 problems") as refusal:
            UserDirectory(stack, "Users", workspace_name="w", client=client, callback_urls=["https://a.example.com/"])
        assert '"client": is of a pool that is brought' in str(refusal.value)
        pool = cognito.UserPool.from_user_pool_id(stack, "Pool", "us-east-1_abc")
        with pytest.raises(ValueError, match="a pool that is brought has a domain"):
            UserDirectory(stack, "Others", workspace_name="w", user_pool=pool)

    def test_invitations_can_go_out_by_ses(self) -> None:
        stack = cdk.Stack(cdk.App(), "Mail", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
        email = cognito.UserPoolEmail.with_ses(from_email="labels@example.com", ses_verified_domain="example.com")
        UserDirectory(stack, "Users", workspace_name="w", email=email)
        (pool,) = assertions.Template.from_stack(stack).find_resources("AWS::Cognito::UserPool").values()
        assert pool["Properties"]["EmailConfiguration"]["EmailSendingAccount"] == "DEVELOPER"
