"""Access at run time: what a project's data role may do in the account, revoked and restored without a deploy.

Works with the caller's own rights on IAM, S3 and SSM. Each step can fail and be repeated; after the first step of a
revocation the door is shut.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any, NamedTuple
from urllib.parse import unquote

import boto3
from botocore.exceptions import ClientError

from gtplus_cli.registry import read_place
from gtplus_runtime.places import DATA_ROLES, Grant, Place
from gtplus_runtime.problems import Problem, Refused
from gtplus_runtime.revocation import (
    POLICY_NAME,
    bucket_statement,
    revoked_buckets,
    revoked_sessions,
    role_policy,
    statement_id,
)

DATA_POLICY = "Data"
"""The inline policy that the construct writes the grants to."""


@dataclass
class BucketAccess:
    """What holds for one bucket of a project.

    Attributes:
        grant: as the construct declares it.
        revoked: whether the role's reserved policy denies it.
        second_layer: whether the bucket's policy denies it too; None where it cannot be read.
        guarded: whether the bucket's policy denies the role all else; None where it cannot be read.
    """

    grant: Grant
    revoked: bool
    second_layer: bool | None
    guarded: bool | None


@dataclass
class Access:
    """What a project's data role may do in the account, and where that is not what the app declares.

    Attributes:
        project: its id.
        role_arn: the data role.
        trusted: who may assume it, as its trust policy says.
        buckets: each bucket of the project.
        sessions_before: sessions older than this are cut off; None for none.
        drift: sentences on what the app does not declare, or the account lacks.
    """

    project: str
    role_arn: str
    trusted: list[str]
    buckets: list[BucketAccess]
    sessions_before: str | None = None
    drift: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "project": self.project,
            "role": self.role_arn,
            "trusted": self.trusted,
            "sessionsBefore": self.sessions_before,
            "buckets": [
                {
                    "bucket": b.grant.bucket,
                    "read": list(b.grant.read),
                    "write": list(b.grant.write),
                    "revoked": b.revoked,
                    "secondLayer": b.second_layer,
                    "guarded": b.guarded,
                }
                for b in self.buckets
            ],
            "drift": self.drift,
        }


class AccessControl:
    """Shows, revokes and restores the access of one project.

    Args:
        session: whose rights are used.
        workspace: the workspace's name.
        project: the project's id.

    Raises:
        Refused: no such project is deployed, or it has no data role.
    """

    def __init__(self, session: boto3.Session, workspace: str, project: str) -> None:
        self._iam, self._s3 = session.client("iam"), session.client("s3")
        registered = read_place(session, workspace, project)
        self.place, self._trust = Place.of(registered), registered["trust"]
        if not self.place.data_role_arn:
            problem = Problem("PROJECT", "has a data role", self.place.provider, "its people work with presigned links")
            raise Refused(409, f"project {project!r} has no data role", [problem])
        self._role = self.place.data_role_arn.rpartition("/")[2]
        self._partition = self.place.data_role_arn.split(":")[1]

    def show(self) -> Access:
        """What holds in the account, held against what the app declares."""
        role = self._iam.get_role(RoleName=self._role)["Role"]
        document = self._reserved()
        revoked = revoked_buckets(document)
        access = Access(
            project=self.place.project,
            role_arn=self.place.data_role_arn,
            trusted=_principals(_document(role["AssumeRolePolicyDocument"])),
            buckets=[self._bucket(grant, grant.bucket in revoked) for grant in self.place.grants],
            sessions_before=revoked_sessions(document),
        )
        access.drift += _trust_drift(_document(role["AssumeRolePolicyDocument"]), self._trust)
        access.drift += self._role_drift()
        for bucket in access.buckets:
            if bucket.guarded is False:
                access.drift.append(
                    f"the policy of {bucket.grant.bucket} does not guard: a wider policy would widen it"
                )
            if bucket.revoked and bucket.second_layer is False:
                access.drift.append(f"{bucket.grant.bucket} is revoked at the role only: revoke it again")
            if not bucket.revoked and bucket.second_layer:
                access.drift.append(f"{bucket.grant.bucket} is still denied by its own policy: restore it again")
        return access

    def revoke(self, buckets: Sequence[str] = (), *, sessions: bool = False) -> list[str]:
        """Shut the door: first in the role's reserved policy, then in each bucket's.

        Args:
            buckets: names; all of the project's where none is given.
            sessions: whether to cut off every session that has begun before now, too.

        Returns:
            What was done, a sentence a step; and what could not be, with the statement to add.
        """
        chosen = self._chosen(buckets)
        document = self._reserved()
        revoked = sorted({*revoked_buckets(document), *chosen})
        before = _next_second() if sessions else revoked_sessions(document)
        self._write(role_policy(self._partition, revoked, before))
        done = [f"the role is denied {', '.join(revoked)}: the door is shut, for live sessions too"]
        if sessions:
            done.append(f"sessions from before {before} are cut off")
        return done + [self._second_layer(bucket, deny=True) for bucket in chosen]

    def restore(self, buckets: Sequence[str] = ()) -> list[str]:
        """Open the door again: first in each bucket's policy, then in the role's reserved one.

        Args:
            buckets: names; all of the project's where none is given.

        Returns:
            What was done, a sentence a step.
        """
        chosen = self._chosen(buckets)
        done = [self._second_layer(bucket, deny=False) for bucket in chosen]
        left = [bucket for bucket in revoked_buckets(self._reserved()) if bucket not in chosen]
        self._write(role_policy(self._partition, left))
        return [*done, f"the role may reach {', '.join(chosen)} again, as the app grants it"]

    def _chosen(self, buckets: Sequence[str]) -> list[str]:
        own = [grant.bucket for grant in self.place.grants]
        problems = [
            Problem("BUCKET", "is one of the project's", bucket, f"choose among {', '.join(own)}")
            for bucket in buckets
            if bucket not in own
        ]
        if problems:
            raise Refused(400, "nothing was changed", problems)
        return list(buckets) or own

    def _reserved(self) -> dict[str, Any]:
        try:
            answer = self._iam.get_role_policy(RoleName=self._role, PolicyName=POLICY_NAME)
        except self._iam.exceptions.NoSuchEntityException:
            return {}
        return _document(answer["PolicyDocument"])

    def _write(self, document: dict[str, Any]) -> None:
        self._iam.put_role_policy(RoleName=self._role, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(document))

    def _bucket(self, grant: Grant, revoked: bool) -> BucketAccess:
        policy = self._bucket_policy(grant.bucket)
        if policy is None:
            return BucketAccess(grant, revoked, None, None)
        ids = {statement.get("Sid") for statement in policy["Statement"]}
        guards = [
            statement
            for statement in policy["Statement"]
            if statement["Effect"] == "Deny" and "NotResource" in statement and self._names_role(statement)
        ]
        return BucketAccess(grant, revoked, statement_id(self.place.data_role_arn) in ids, bool(guards))

    def _names_role(self, statement: dict[str, Any]) -> bool:
        # The guard names a role of the app by its path, which no other role has; one that was brought by its ARN.
        arn = self.place.data_role_arn
        names = {arn, f"{arn.rpartition('/')[0]}/*"} if f":role/{DATA_ROLES}" in arn else {arn}
        patterns = [v for operator in statement.get("Condition", {}).values() for v in operator.values()]
        return any(name in names for pattern in patterns for name in _many(pattern))

    def _bucket_policy(self, bucket: str) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self._s3.get_bucket_policy(Bucket=bucket)["Policy"]))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchBucketPolicy":
                return {"Version": "2012-10-17", "Statement": []}
            if code in ("AccessDenied", "MethodNotAllowed"):
                return None
            raise

    def _second_layer(self, bucket: str, *, deny: bool) -> str:
        arn = f"arn:{self._partition}:s3:::{bucket}"
        statement = bucket_statement(self.place.data_role_arn, arn)
        policy = self._bucket_policy(bucket)
        if policy is None:
            verb = "add" if deny else "take out"
            return f"the policy of {bucket} is not yours to change; ask its owner to {verb}: {json.dumps(statement)}"
        others = [s for s in policy["Statement"] if s.get("Sid") != statement["Sid"]]
        wanted = [*others, statement] if deny else others
        if wanted != policy["Statement"]:
            if wanted:
                self._s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**policy, "Statement": wanted}))
            else:
                self._s3.delete_bucket_policy(Bucket=bucket)
        return f"the policy of {bucket} {'denies the role too' if deny else 'no longer denies the role'}"

    def _role_drift(self) -> list[str]:
        names = self._iam.list_role_policies(RoleName=self._role)["PolicyNames"]
        attached = self._iam.list_attached_role_policies(RoleName=self._role)["AttachedPolicies"]
        if f":role/{DATA_ROLES}" not in self.place.data_role_arn:
            # A role that was brought: whatever its policies are called, they must say what the app asks for.
            inline = [self._inline(name) for name in names if name != POLICY_NAME]
            return _allow_drift([*inline, *(self._managed(p["PolicyArn"]) for p in attached)], self._expected())
        drift = [
            f"the role has an inline policy that the app does not declare: {name}"
            for name in names
            if name not in (DATA_POLICY, POLICY_NAME)
        ]
        drift += [f"the role has a managed policy that the app does not declare: {p['PolicyArn']}" for p in attached]
        if DATA_POLICY not in names:
            return [*drift, "the role lacks the policy of its grants: deploy the app"]
        return drift + _allow_drift([self._inline(DATA_POLICY)], self._expected())

    def _inline(self, name: str) -> dict[str, Any]:
        return _document(self._iam.get_role_policy(RoleName=self._role, PolicyName=name)["PolicyDocument"])

    def _managed(self, arn: str) -> dict[str, Any]:
        version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return _document(self._iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])

    def _expected(self) -> list["_Allowed"]:
        found = []
        for grant in self.place.grants:
            bucket = f"arn:{self._partition}:s3:::{grant.bucket}"
            readable = [*grant.read, *grant.write]
            found += [_Allowed("s3:GetObject", f"{bucket}/{prefix}*") for prefix in readable]
            found += [_Allowed("s3:PutObject", f"{bucket}/{prefix}*") for prefix in grant.write]
            listable = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in readable]}}
            found += [_Allowed("s3:ListBucket", bucket, _canonical(listable))]
            found += [_Allowed("s3:GetBucketLocation", bucket)]
        return found


class _Allowed(NamedTuple):
    """An action that a statement allows on a resource, both perhaps patterns; its condition as text, "" for none."""

    action: str
    resource: str
    condition: str = ""

    def covers(self, other: "_Allowed") -> bool:
        """Whether it allows all that the other one does."""
        same = self.condition in ("", other.condition)
        action = fnmatchcase(other.action.lower(), self.action.lower())
        return same and action and fnmatchcase(other.resource, self.resource)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}{' if ' + self.condition if self.condition else ''}"


def _allow_drift(documents: Sequence[dict[str, Any]], expected: Sequence[_Allowed]) -> list[str]:
    """Where policies and grants differ, on S3: the use of keys is not registered with a place."""
    found, drift = [], []
    for statement in (s for document in documents for s in document["Statement"] if s["Effect"] == "Allow"):
        if "Action" not in statement or "Resource" not in statement:
            drift.append(f"the role is allowed all but a few things, which the app does not grant: {statement}")
            continue
        condition = _canonical(statement.get("Condition", {}))
        found += [
            _Allowed(action, resource, condition)
            for action in _many(statement["Action"])
            for resource in _many(statement["Resource"])
            if action == "*" or action.startswith("s3:")
        ]
    drift += [
        f"the role may {each}, which the app does not grant"
        for each in sorted(set(found))
        if not any(granted.covers(each) for granted in expected)
    ]
    drift += [
        f"the role may not {each}, which the app grants"
        for each in sorted(expected)
        if not any(allowed.covers(each) for allowed in found)
    ]
    return drift


def _trust_drift(document: dict[str, Any], declared: dict[str, Any]) -> list[str]:
    """Where a trust policy and what the app declares differ: by principals, and by the keys of conditions."""
    found = {
        (principal, _canonical({o: sorted(keys) for o, keys in statement.get("Condition", {}).items()}))
        for statement in document["Statement"]
        if statement["Effect"] == "Allow"
        for principal in _trusted(statement)
    }
    wanted = {(principal, _canonical(declared["conditions"])) for principal in declared["principals"]}

    def text(trusted: tuple[str, str]) -> str:
        return trusted[0] + (f" if {trusted[1]}" if trusted[1] else "")

    return [
        *(f"the role trusts {text(each)}, which the app does not declare" for each in sorted(found - wanted)),
        *(f"the role does not trust {text(each)}, which the app declares" for each in sorted(wanted - found)),
    ]


def _canonical(condition: dict[str, Any]) -> str:
    """A condition as text that does not depend on its order; "" for none."""
    if not condition:
        return ""
    ordered = {
        operator: {key: sorted(_many(values)) for key, values in keys.items()} if isinstance(keys, dict) else keys
        for operator, keys in condition.items()
    }
    return json.dumps(ordered, sort_keys=True)


def _next_second() -> str:
    # A session's start has no fractions of a second: with the present second, one that began in it would go on.
    return (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _document(value: Any) -> dict[str, Any]:
    """A policy document; IAM gives it percent-encoded, boto3 mostly decoded."""
    return dict(value) if isinstance(value, dict) else dict(json.loads(unquote(value)))


def _many(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _principals(trust: dict[str, Any]) -> list[str]:
    return [
        f"{principal}{' if ' + json.dumps(statement['Condition']) if statement.get('Condition') else ''}"
        for statement in trust["Statement"]
        if statement["Effect"] == "Allow"
        for principal in _trusted(statement)
    ]


def _trusted(statement: dict[str, Any]) -> list[str]:
    principal = statement.get("Principal", "everybody but a few")
    if isinstance(principal, str):
        return [principal]
    return [each for values in principal.values() for each in _many(values)]
