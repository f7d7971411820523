"""Access at run time in the local cloud, enforced: revoke, restore, drift, and the deletion of the stack."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session

from gtplus_cli.access import AccessControl
from gtplus_cli.client import WorkspaceClient
from gtplus_cli.local import LocalCloud, Toolchain, deploy, destroy
from gtplus_runtime.problems import Refused
from tests.e2e.world import eventually

pytestmark = pytest.mark.xdist_group("access")

APP = """
import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from gtplus_constructs import DataAccessRole, DataGrant, ExternalAccount, InHouse, LabelingBucket, LabelingProject
from gtplus_constructs import LabelingWorkspace

app = cdk.App()
stack = cdk.Stack(app, "Access", env=cdk.Environment(region="us-east-1"))
destroy = dict(removal_policy=cdk.RemovalPolicy.DESTROY)
workspace = LabelingWorkspace(stack, "Workspace", **destroy)
bucket, second = LabelingBucket(stack, "Data", **destroy), LabelingBucket(stack, "Second", **destroy)
grants = [DataGrant(bucket, read="raw/", write="labels/"), DataGrant(second, read="raw/", write="labels/")]
if app.node.try_get_context("wider"):
    grants[0] = DataGrant(bucket, read=["raw/", "more/"], write="labels/")
vendor = ExternalAccount(account_id="000000000000", external_id="agreed-with-the-vendor")
project = LabelingProject(stack, "Streets", workspace=workspace, data=grants, provider=vendor)
if app.node.try_get_context("revoke"):
    project.revoke(bucket)
house = LabelingProject(stack, "House", workspace=workspace, provider=InHouse(),
                        data=DataGrant(bucket, read="house/", write="house-labels/"))
# A role that was there before, a little too wide, and a project that is to go through it.
arn = f"arn:aws:iam::{stack.account}:role/before"
iam.CfnRole(stack, "Before", role_name="before", assume_role_policy_document={"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{stack.account}:root"}}]},
    policies=[{"policyName": "Mine", "policyDocument": {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:Get*", "s3:PutObject"], "Resource": bucket.arn_for_objects("old/*")},
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": bucket.arn_for_objects("old-labels/*")}]}}])
brought = DataAccessRole.from_role_arn(stack, "Brought", arn, provider=vendor,
                                       grants=DataGrant(bucket, read="old/", write="old-labels/"))
LabelingProject(stack, "Old", workspace=workspace, data_role=brought)
people = {
    "operator": workspace.grant_operate,
    "requester": house.grant_request,
    "reviewer": house.grant_review,
    "labeler": house.grant_report,
}
for name, grant in people.items():
    role = iam.Role(stack, name.capitalize(), assumed_by=iam.AccountRootPrincipal())
    grant(role)
    cdk.CfnOutput(stack, f"{name.capitalize()}Role", value=role.role_arn)
cdk.CfnOutput(stack, "Role", value=project.role.role_arn)
cdk.CfnOutput(stack, "Reporter", value=project.reporting_role.role_arn)
cdk.CfnOutput(stack, "Bucket", value=bucket.bucket_name)
cdk.CfnOutput(stack, "SecondBucket", value=second.bucket_name)
app.synth()
"""

PEOPLE = ("operator", "requester", "reviewer", "labeler")


class Account:
    """The app deployed, and the vendor's session in it."""

    def __init__(self, cloud: LocalCloud, folder: Path) -> None:
        self.cloud, self.folder = cloud, folder
        self.deploy()
        self.new_session()

    def deploy(self, **context: str) -> None:
        """Deploy with some context."""
        flags = {"gtplus:localCloud": "true", "gtplus:allowDestroy": "true", **context}
        self.outputs = deploy(self.cloud, cwd=self.folder, context=flags).outputs["Access"]
        self.bucket, self.second = self.outputs["Bucket"], self.outputs["SecondBucket"]
        for name in (self.bucket, self.second):
            self.cloud.session().client("s3").put_object(Bucket=name, Key="raw/1.txt", Body=b"1")

    def new_session(self) -> None:
        """The vendor assumes its role anew."""
        sts = self.cloud.session().client("sts")
        answer = sts.assume_role(
            RoleArn=self.outputs["Role"], RoleSessionName="vendor", ExternalId="agreed-with-the-vendor"
        )
        c = answer["Credentials"]
        self.s3 = self.cloud.session().client(
            "s3",
            aws_access_key_id=c["AccessKeyId"],
            aws_secret_access_key=c["SecretAccessKey"],
            aws_session_token=c["SessionToken"],
        )

    def client(self, who: str) -> WorkspaceClient:
        """The API, as one of the house's people."""
        self.cloud.profiles.write({name: self.outputs[f"{name.capitalize()}Role"] for name in PEOPLE})
        return WorkspaceClient(self.cloud.session(who))

    @property
    def control(self) -> AccessControl:
        """The access of the project, with an administrator's rights."""
        return AccessControl(self.cloud.session(), "labeling", "streets")

    def read(self, bucket: str | None = None) -> str:
        """What the vendor's session is answered."""
        return tried(lambda: self.s3.get_object(Bucket=bucket or self.bucket, Key="raw/1.txt"))


def tried(call: Callable[[], object]) -> str:
    """`done`, or the error's code."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "done"


@pytest.fixture(scope="module")
def shared(tools: Toolchain, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("access-app")
    (folder / "app.py").write_text(APP)
    with LocalCloud(tmp_path_factory.mktemp("access-cloud"), tools=tools) as cloud:
        yield Account(cloud, folder)


@pytest.fixture
def account(shared: Account) -> Iterator[Account]:
    yield shared
    shared.control.restore()
    shared.new_session()


def test_a_revoke_shuts_the_door_on_live_sessions_while_the_allow_still_stands(account: Account) -> None:
    assert account.read() == "done"
    account.control.revoke([account.bucket])
    assert account.read() == "AccessDenied"
    assert tried(lambda: account.s3.put_object(Bucket=account.bucket, Key="labels/x", Body=b"")) == "AccessDenied"
    assert account.read(account.second) == "done"
    shown = account.control.show()
    assert [(b.revoked, b.second_layer, b.unguarded) for b in shown.buckets] == [(True, True, []), (False, False, [])]
    assert shown.drift == []


def test_a_restore_undoes_it_and_both_can_be_repeated(account: Account) -> None:
    for _ in range(2):
        account.control.revoke()
        assert (account.read(), account.read(account.second)) == ("AccessDenied", "AccessDenied")
    for _ in range(2):
        account.control.restore()
        assert (account.read(), account.read(account.second)) == ("done", "done")
    assert account.control.show().drift == []


def test_after_the_first_step_the_door_is_shut_even_if_the_second_fails(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = account.control

    def fail(**_: object) -> None:
        raise RuntimeError("the network is gone")

    monkeypatch.setattr(control._s3, "put_bucket_policy", fail)
    with pytest.raises(RuntimeError):
        control.revoke([account.bucket])
    assert account.read() == "AccessDenied"
    assert any("at the role only" in line for line in account.control.show().drift)
    account.control.revoke([account.bucket])
    assert account.control.show().drift == []


def test_a_deploy_of_a_changed_grant_does_not_undo_a_revocation(account: Account) -> None:
    account.control.revoke([account.bucket])
    account.deploy(wider="true")
    account.new_session()
    assert account.read() == "AccessDenied"
    account.control.restore()
    account.control.revoke([account.bucket])
    account.deploy()
    assert account.read() == "AccessDenied"


def test_what_the_app_revokes_stays_revoked_until_the_app_says_otherwise(account: Account) -> None:
    account.deploy(revoke="true")
    assert account.read() == "AccessDenied"
    assert account.read(account.second) == "done"
    shown = account.control.show()
    assert [(bucket.revoked_in_app, bucket.revoked) for bucket in shown.buckets] == [(True, False), (False, False)]
    assert shown.drift == []
    account.control.restore()
    assert account.read() == "AccessDenied"
    account.deploy()
    assert account.read() == "done"


def test_sessions_are_cut_off_on_request_and_new_ones_are_not(account: Account) -> None:
    account.control.revoke([account.second], sessions=True)
    assert account.read() == "AccessDenied"
    assert account.control.show().sessions_before is not None

    def new_session_reads() -> bool:
        account.new_session()
        return account.read() == "done"

    eventually(new_session_reads, "a session that began later reads")
    assert account.read(account.second) == "AccessDenied"
    account.control.revoke([account.bucket])
    account.control.restore([account.bucket])
    assert account.control.show().sessions_before is not None  # as long as one of its buckets is revoked
    account.control.restore()
    assert account.control.show().sessions_before is None


def test_plain_http_is_refused(account: Account) -> None:
    """The port of this cloud speaks TLS alone; what a proxy in front of it received over plain HTTP it is told of."""

    def through_a_proxy(request: AWSPreparedRequest, **_: object) -> None:
        request.headers["X-Forwarded-Proto"] = "http"

    assert account.read() == "done"
    account.s3.meta.events.register("before-send.s3", through_a_proxy)
    assert account.read() == "AccessDenied"
    put = partial(account.s3.put_object, Bucket=account.bucket, Key="labels/x", Body=b"")
    assert tried(put) == "AccessDenied"


def test_a_role_that_was_brought_is_compared_with_what_it_must_be(account: Account) -> None:
    control = AccessControl(account.cloud.session(), "labeling", "old")
    assert [bucket.unguarded for bucket in control.show().buckets] == [[]]
    drift = "\n".join(control.show().drift)
    for words in (
        f"may s3:Get* on arn:aws:s3:::{account.bucket}/old/*, which the app does not grant",
        f"may s3:PutObject on arn:aws:s3:::{account.bucket}/old/*, which the app does not grant",
        f"may not s3:GetObject on arn:aws:s3:::{account.bucket}/old-labels/*, which the app grants",
        f"may not s3:ListBucket on arn:aws:s3:::{account.bucket} if",
        f"is not denied s3:PutObject on arn:aws:s3:::{account.bucket}/old-labels/*/gtplus/*, which the app denies",
        "trusts arn:aws:iam::000000000000:root, which the app does not declare",
        'does not trust arn:aws:iam::000000000000:root if {"StringEquals": ["sts:ExternalId"]}',
    ):
        assert words in drift, drift
    assert f"may not s3:GetObject on arn:aws:s3:::{account.bucket}/old/*" not in drift
    mend(account, "before")
    assert control.show().drift == []


def mend(account: Account, role: str) -> None:
    """Give the role what synth says that it must have."""
    iam = account.cloud.session().client("iam")
    bucket = f"arn:aws:s3:::{account.bucket}"
    allowed = (
        ("s3:GetObject", [f"{bucket}/old/*", f"{bucket}/old-labels/*"]),
        ("s3:PutObject", f"{bucket}/old-labels/*"),
        ("s3:GetBucketLocation", bucket),
    )
    said: list[dict[str, object]] = [{"Effect": "Allow", "Action": a, "Resource": on} for a, on in allowed]
    prefixes = {"StringLike": {"s3:prefix": ["old-labels/*", "old/*"]}}
    said.append({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket, "Condition": prefixes})
    said.append({"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"{bucket}/old-labels/*/gtplus/*"})
    document = {"Version": "2012-10-17", "Statement": said}
    iam.put_role_policy(RoleName=role, PolicyName="Mine", PolicyDocument=json.dumps(document))
    trusted = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        "Condition": {"StringEquals": {"sts:ExternalId": "agreed-with-the-vendor"}},
    }
    document = {"Version": "2012-10-17", "Statement": [trusted]}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(document))


def test_a_condition_or_a_trust_that_somebody_changed_is_told(account: Account) -> None:
    iam = account.cloud.session().client("iam")
    role = account.outputs["Role"].rpartition("/")[2]
    document = iam.get_role_policy(RoleName=role, PolicyName="Data")["PolicyDocument"]
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    wider = [{k: v for k, v in statement.items() if k != "Condition"} for statement in document["Statement"]]
    free = [{k: v for k, v in statement.items() if k != "Condition"} for statement in trust["Statement"]]
    try:
        iam.put_role_policy(
            RoleName=role, PolicyName="Data", PolicyDocument=json.dumps({**document, "Statement": wider})
        )
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps({**trust, "Statement": free}))
        drift = account.control.show().drift
        assert any("may s3:ListBucket on" in line for line in drift), drift
        assert any("trusts arn:aws:iam::000000000000:root, which" in line for line in drift), drift
    finally:
        iam.put_role_policy(RoleName=role, PolicyName="Data", PolicyDocument=json.dumps(document))
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))
    assert account.control.show().drift == []


def test_drift_between_app_and_account_is_told(account: Account) -> None:
    iam = account.cloud.session().client("iam")
    role = account.outputs["Role"].rpartition("/")[2]
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.put_role_policy(RoleName=role, PolicyName="ByHand", PolicyDocument=json.dumps(wide))
    try:
        assert any("ByHand" in line for line in account.control.show().drift)
        # What somebody attaches by hand is still under the revocation.
        account.control.revoke()
        assert account.read() == "AccessDenied"
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="ByHand")


def test_a_bucket_that_is_not_the_projects_is_refused_and_nothing_is_changed(account: Account) -> None:
    with pytest.raises(Refused, match="nothing was changed"):
        account.control.revoke(["somebody-elses"])
    assert account.read() == "done"


def test_a_project_without_a_data_role_says_so(account: Account) -> None:
    with pytest.raises(Refused, match="has no data role"):
        AccessControl(account.cloud.session(), "labeling", "house")
    with pytest.raises(Refused, match="no project 'none' is deployed"):
        AccessControl(account.cloud.session(), "labeling", "none")


def test_the_vendors_roles_need_the_external_id(account: Account) -> None:
    sts = account.cloud.session().client("sts")
    for role in ("Role", "Reporter"):
        for external_id in ({}, {"ExternalId": "guessed-by-a-stranger"}):
            arguments = {"RoleArn": account.outputs[role], "RoleSessionName": "vendor", **external_id}
            assert tried(partial(sts.assume_role, **arguments)) == "AccessDenied"


def fetch(account: Account, url: str) -> tuple[int, bytes]:
    """Follow a link, without any credentials."""
    response = URLLib3Session(verify=str(account.cloud.tools.authority)).send(
        AWSRequest(method="GET", url=url).prepare()
    )
    return int(response.status_code), bytes(response.content)


def test_an_in_house_team_labels_by_links_and_without_any_role(account: Account) -> None:
    operator, requester, reviewer, labeler = (account.client(who) for who in PEOPLE)
    at: dict[str, str] = {"project": "house", "batch": "by-hand"}
    form = {"firstName": "R", "lastName": "R", "businessEmail": "r@example.com", "description": "d"}
    requester.call("project.request", project="house", taskType="text", containsPii=False, **form)
    operator.call("project.approve", project="house")
    s3 = account.cloud.session().client("s3")
    for number in range(3):
        s3.put_object(Bucket=account.bucket, Key=f"house/{number}.txt", Body=f"object {number}".encode())
    requester.call("batch.create", **at, input=f"s3://{account.bucket}/house/")

    def work() -> dict[str, object] | None:
        status, answer = labeler.send("GET", "/report/projects/house/batches/by-hand/work")
        return answer if status == 200 else None

    page = eventually(work, "the work")
    labeled = []
    for number, entry in enumerate(page["objects"]):
        assert fetch(account, entry["url"]) == (200, f"object {number}".encode())
        metadata = {"class-name": "text", "type": "groundtruth/text-classification", "human-annotated": "yes"}
        labeled.append(json.dumps({"source-ref": entry["source-ref"], "label": number, "label-metadata": metadata}))
    manifest = "\n".join(labeled).encode()
    labeler.upload(page["upload"]["url"], manifest)
    labeler.call("batch.report", **at, status="Ready for review")

    def accepted() -> bool:
        try:
            reviewer.call("batch.accept", **at)
        except Refused:
            return False
        return True

    eventually(accepted, "accepted")
    eventually(lambda: labeler.call("batch.show", **at)["status"] == "Ready for delivery", "ready for delivery")
    labeler.upload(labeler.call("batch.work", **at)["upload"]["url"], manifest)
    eventually(lambda: requester.call("batch.show", **at)["status"] == "Data delivered", "delivered")


def test_a_link_is_for_its_object_and_its_action_only(account: Account) -> None:
    labeler = account.client("labeler")
    page = labeler.call("batch.work", project="house", batch="by-hand")
    url = page["objects"][0]["url"]
    assert fetch(account, url.replace("0.txt", "1.txt"))[0] == 403
    assert fetch(account, page["upload"]["url"])[0] == 403
    with pytest.raises(Refused):
        labeler.call("batch.work", project="streets", batch="by-hand")


def test_a_stack_with_a_revocation_can_be_deleted(account: Account) -> None:
    """Runs last: nothing is left of the role that would be in the way."""
    account.control.revoke()
    s3 = account.cloud.session().client("s3")
    for bucket in (account.bucket, account.second):
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=entry["Key"])
    destroy(account.cloud)
    role = account.outputs["Role"].rpartition("/")[2]
    assert tried(lambda: account.cloud.session().client("iam").get_role(RoleName=role)) == "NoSuchEntity"
    account.deploy()
    account.new_session()
    assert account.read() == "done"
