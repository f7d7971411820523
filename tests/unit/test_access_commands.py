"""`gtplus access`: what people see, what programs get, the exit codes, and that every step can fail and be repeated."""

import io
import json
import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from rich.console import Console

from gtplus_cli import caller
from gtplus_cli.errors import guarded
from gtplus_cli.main import app
from gtplus_runtime.revocation import POLICY_NAME, role_policy

ROLE = "arn:aws:iam::111111111111:role/gtplus/data/abc/Role"
PLACE = {
    "project": "signs",
    "provider": "vendor",
    "limits": {},
    "grants": [{"bucket": name, "read": ["raw/"], "write": ["labels/"]} for name in ("one", "two")],
    "dataRoleArn": ROLE,
    "runtimeRoleArn": "",
    "settings": {},
    "trust": {"principals": ["arn:aws:iam::222222222222:root"], "conditions": {"StringEquals": ["sts:ExternalId"]}},
}


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Call")


class Account:
    """As much of IAM, S3 and SSM as the command asks: a role and two buckets, as the app deploys them."""

    def __init__(self) -> None:
        self.exceptions = SimpleNamespace(NoSuchEntityException=ClientError, ParameterNotFound=ClientError)
        data, guard = [], []
        for name in ("one", "two"):
            bucket = f"arn:aws:s3:::{name}"
            prefixes = ["raw/*", "labels/*"]
            objects = [f"{bucket}/{prefix}" for prefix in prefixes]
            data += [
                {"Effect": "Allow", "Action": "s3:GetObject", "Resource": objects},
                {"Effect": "Allow", "Action": "s3:PutObject", "Resource": objects[1]},
                {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": bucket},
                {
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": bucket,
                    "Condition": {"StringLike": {"s3:prefix": prefixes}},
                },
                {"Effect": "Deny", "Action": "s3:PutObject", "Resource": f"{objects[1]}/gtplus/*"},
            ]
            who = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111111111111:role/gtplus/data/abc/*"}}
            listing = {**who, "StringNotLike": {"s3:prefix": prefixes}}
            denied: list[dict[str, Any]] = [
                {"NotAction": ["s3:GetObject", "s3:PutObject"], "Resource": [bucket, f"{bucket}/*"], "Condition": who},
                {"Action": "s3:GetObject", "NotResource": objects, "Condition": who},
                {"Action": "s3:PutObject", "NotResource": objects[1], "Condition": who},
                {"Action": "s3:ListBucket", "Resource": bucket, "Condition": listing},
            ]
            guard.append([{"Effect": "Deny", "Principal": "*", **each} for each in denied])
        self.inline = {"Data": {"Statement": data}, POLICY_NAME: role_policy("aws")}
        self.buckets = {name: {"Statement": said} for name, said in zip(("one", "two"), guard, strict=True)}
        self.fails: set[str] = set()
        self.gone: set[str] = set()

    def client(self, _service: str) -> "Account":
        return self

    def get_parameter(self, **_: str) -> Any:
        return {"Parameter": {"Value": json.dumps(PLACE)}}

    def get_role(self, **_: str) -> Any:
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::222222222222:root"}}
        condition = {"Condition": {"StringEquals": {"sts:ExternalId": "agreed"}}}
        return {"Role": {"AssumeRolePolicyDocument": {"Statement": {**trust, **condition}}}}

    def list_role_policies(self, **_: str) -> Any:
        return {"PolicyNames": list(self.inline)}

    def list_attached_role_policies(self, **_: str) -> Any:
        return {"AttachedPolicies": []}

    def get_role_policy(self, *, PolicyName: str, **_: str) -> Any:
        if PolicyName not in self.inline:
            raise refused("NoSuchEntity")
        return {"PolicyDocument": self.inline[PolicyName]}

    def put_role_policy(self, *, PolicyName: str, PolicyDocument: str, **_: str) -> None:
        self._may("put_role_policy")
        self.inline[PolicyName] = json.loads(PolicyDocument)

    def get_bucket_policy(self, *, Bucket: str) -> Any:
        self._may(f"get {Bucket}")
        return {"Policy": json.dumps(self.buckets[Bucket])}

    def put_bucket_policy(self, *, Bucket: str, Policy: str) -> None:
        self._may(f"put {Bucket}")
        self.buckets[Bucket] = json.loads(Policy)

    def _may(self, call: str) -> None:
        if call in self.fails:
            raise refused("AccessDenied")
        if call in self.gone:
            raise EndpointConnectionError(endpoint_url="s3, for the network is gone")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    account = Account()
    session = SimpleNamespace(region_name="us-east-1", client=account.client)
    monkeypatch.setattr(caller.boto3, "Session", lambda **_: session)
    monkeypatch.setenv("COLUMNS", "200")
    return account


@pytest.fixture
def gtplus(capsys: pytest.CaptureFixture[str], account: Account) -> Any:
    def run(command: str) -> tuple[int, str, str]:
        errors = Console(file=io.StringIO(), width=200)
        try:
            code = guarded(lambda: app(["access", *shlex.split(command)]), errors)
        except SystemExit as done:  # as the command's own `sys.exit` has it
            code = int(str(done.code or 0))
        assert isinstance(errors.file, io.StringIO)
        return code, capsys.readouterr().out, errors.file.getvalue()

    return run


def test_an_account_that_is_as_the_app_declares(gtplus: Any) -> None:
    code, out, _ = gtplus("show signs")
    assert code == 0
    assert ROLE in out
    assert "the account is as the app declares" in out
    assert out.count("granted") == 2


def test_drift_is_told_with_another_exit_code(gtplus: Any, account: Account) -> None:
    account.inline["ByHand"] = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    del account.buckets["two"]["Statement"][1]
    code, out, _ = gtplus("show signs")
    assert code == 1
    assert "inline policy that the app does not declare: ByHand" in out
    assert "the policy of two does not guard against reading beside its prefixes" in out


def test_what_the_app_revokes_is_no_drift(gtplus: Any, account: Account) -> None:
    deny = {
        "Sid": "Revoked0",
        "Effect": "Deny",
        "Action": "s3:*",
        "Resource": ["arn:aws:s3:::one", "arn:aws:s3:::one/*"],
    }
    account.inline["RoleDefaultPolicy"] = {"Statement": [deny]}
    code, out, _ = gtplus("show signs")
    assert code == 0
    assert "revoked by the app" in out
    shown = json.loads(gtplus("show signs --json")[1])
    assert [bucket["revokedInApp"] for bucket in shown["buckets"]] == [True, False]


def test_a_role_without_its_reserved_policy_is_told(gtplus: Any, account: Account) -> None:
    del account.inline[POLICY_NAME]
    code, out, _ = gtplus("show signs")
    assert code == 1
    assert f"lacks its reserved policy {POLICY_NAME}" in out


def test_a_revoke_and_a_restore_say_what_they_did_and_what_is_next(gtplus: Any, account: Account) -> None:
    before = json.dumps([account.inline, account.buckets])
    code, out, _ = gtplus("revoke signs --bucket one --sessions")
    assert code == 0
    assert "the role is denied one: the door is shut" in out
    assert "are cut off" in out
    assert "gtplus access restore signs undoes it" in out
    assert "revoked" in gtplus("show signs")[1]
    assert json.loads(gtplus("show signs --json")[1])["sessionsBefore"]
    code, out, _ = gtplus("restore signs")
    assert code == 0
    assert "the role may reach one, two again" in out
    assert json.dumps([account.inline, account.buckets]) == before


def test_after_the_first_step_the_door_is_shut_and_the_rest_can_be_repeated(gtplus: Any, account: Account) -> None:
    account.gone = {"put one"}
    code, _, errors = gtplus("revoke signs")
    assert code == 3
    assert "the network is gone" in errors
    assert account.inline[POLICY_NAME] == role_policy("aws", ["one", "two"])
    code, out, _ = gtplus("show signs")
    assert code == 1
    assert "one is revoked at the role only: revoke it again" in out
    account.gone = set()
    assert gtplus("revoke signs")[0] == 0
    assert gtplus("show signs")[0] == 0


@pytest.mark.parametrize("call", ["get two", "put two"])
def test_a_bucket_whose_policy_is_its_owners_is_shown_with_what_to_add(
    gtplus: Any, account: Account, call: str
) -> None:
    account.fails = {call}
    code, out, _ = gtplus("revoke signs --bucket two")
    assert code == 0
    assert "the policy of two is not yours to change; ask its owner to add" in out
    assert account.inline[POLICY_NAME] == role_policy("aws", ["two"])


def test_what_does_not_fit_changes_nothing(gtplus: Any, account: Account) -> None:
    before = json.dumps([account.inline, account.buckets])
    code, _, errors = gtplus("revoke signs --bucket three")
    assert code == 1
    assert "nothing was changed" in errors
    assert "choose among one, two" in errors
    assert json.dumps([account.inline, account.buckets]) == before


def test_a_restore_of_one_bucket_keeps_sessions_cut_while_another_is_revoked(gtplus: Any, account: Account) -> None:
    gtplus("revoke signs --sessions")
    gtplus("restore signs --bucket one")
    shown = json.loads(gtplus("show signs --json")[1])
    assert [bucket["revoked"] for bucket in shown["buckets"]] == [False, True]
    assert shown["sessionsBefore"]
    gtplus("restore signs --bucket two")
    assert json.loads(gtplus("show signs --json")[1])["sessionsBefore"] is None
