"""Access at run time: what a project's data role may do in the account, revoked and restored without a deploy.

Works with the caller's own rights on IAM, S3 and SSM. Each step can fail and be repeated; after the first step of a
revocation the door is shut.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

from gtplus_cli.access_drift import policy, revoked_in_app, rights_drift, trust_drift, trusted, unguarded
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

_NOT_YOURS = ("AccessDenied", "MethodNotAllowed")


@dataclass
class BucketAccess:
    """What holds for one bucket of a project.

    Attributes:
        grant: as the construct declares it.
        revoked: whether the role's reserved policy denies it.
        revoked_in_app: whether the app does.
        second_layer: whether the bucket's policy denies it at run time, too; None where it cannot be read.
        unguarded: what the bucket's policy leaves to the role beside its grant; None where it cannot be read.
    """

    grant: Grant
    revoked: bool
    revoked_in_app: bool
    second_layer: bool | None
    unguarded: list[str] | None


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
                    "revokedInApp": b.revoked_in_app,
                    "secondLayer": b.second_layer,
                    "guarded": None if b.unguarded is None else not b.unguarded,
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
        trust = policy(self._iam.get_role(RoleName=self._role)["Role"]["AssumeRolePolicyDocument"])
        document = self._reserved()
        revoked = revoked_buckets(document)
        in_app, role_drift = self._of_role()
        access = Access(
            project=self.place.project,
            role_arn=self.place.data_role_arn,
            trusted=_principals(trust),
            buckets=[self._bucket(grant, revoked, in_app) for grant in self.place.grants],
            sessions_before=revoked_sessions(document),
        )
        access.drift += trust_drift(trust, self._trust, self.place.data_role_arn.split(":")[4])
        access.drift += role_drift
        for bucket in access.buckets:
            name = bucket.grant.bucket
            if bucket.unguarded:
                what = ", ".join(bucket.unguarded)
                access.drift.append(
                    f"the policy of {name} does not guard against {what}: a wider policy would widen it"
                )
            if bucket.revoked and bucket.second_layer is False:
                access.drift.append(f"{name} is revoked at the role only: revoke it again")
            if not bucket.revoked and bucket.second_layer:
                access.drift.append(f"{name} is still denied by its own policy: restore it again")
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
        document = self._reserved()
        left = [bucket for bucket in revoked_buckets(document) if bucket not in chosen]
        # While a bucket stays revoked, so do the sessions that were cut off with it.
        self._write(role_policy(self._partition, left, revoked_sessions(document) if left else None))
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
        return policy(answer["PolicyDocument"])

    def _write(self, document: dict[str, Any]) -> None:
        self._iam.put_role_policy(RoleName=self._role, PolicyName=POLICY_NAME, PolicyDocument=json.dumps(document))

    def _bucket(self, grant: Grant, revoked: Sequence[str], in_app: Sequence[str]) -> BucketAccess:
        arn, document = self.place.data_role_arn, self._bucket_policy(grant.bucket)
        found = BucketAccess(grant, grant.bucket in revoked, grant.bucket in in_app, None, None)
        if document is not None:
            found.second_layer = statement_id(arn) in {statement.get("Sid") for statement in document["Statement"]}
            found.unguarded = unguarded(document, arn, self._partition, grant)
        return found

    def _bucket_policy(self, bucket: str) -> dict[str, Any] | None:
        try:
            return policy(self._s3.get_bucket_policy(Bucket=bucket)["Policy"])
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchBucketPolicy":
                return {"Version": "2012-10-17", "Statement": []}
            if code in _NOT_YOURS:
                return None
            raise

    def _second_layer(self, bucket: str, *, deny: bool) -> str:
        arn = f"arn:{self._partition}:s3:::{bucket}"
        statement = bucket_statement(self.place.data_role_arn, arn)
        document = self._bucket_policy(bucket)
        others = [] if document is None else [s for s in document["Statement"] if s.get("Sid") != statement["Sid"]]
        wanted = [*others, statement] if deny else others
        if document is None or not self._write_bucket_policy(bucket, document, wanted):
            verb = "add" if deny else "take out"
            return f"the policy of {bucket} is not yours to change; ask its owner to {verb}: {json.dumps(statement)}"
        return f"the policy of {bucket} {'denies the role too' if deny else 'no longer denies the role'}"

    def _write_bucket_policy(self, bucket: str, document: dict[str, Any], statements: list[dict[str, Any]]) -> bool:
        """Write it if it is not so already; False where the caller may not."""
        if statements == document["Statement"]:
            return True
        try:
            if statements:
                self._s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({**document, "Statement": statements}))
            else:
                self._s3.delete_bucket_policy(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _NOT_YOURS:
                raise
            return False
        return True

    def _of_role(self) -> tuple[list[str], list[str]]:
        """The buckets that the app revokes in the role's policies, and where these are not as the app declares."""
        names = self._iam.list_role_policies(RoleName=self._role)["PolicyNames"]
        attached = self._iam.list_attached_role_policies(RoleName=self._role)["AttachedPolicies"]
        inline = {name: self._inline(name) for name in names if name != POLICY_NAME}
        if f":role/{DATA_ROLES}" not in self.place.data_role_arn:
            # A role that was brought: whatever its policies are called, they must say what the app asks for.
            documents = [*inline.values(), *(self._managed(p["PolicyArn"]) for p in attached)]
            return [], rights_drift(documents, self._partition, self.place.grants)
        in_app, drift = [], []
        for name, document in inline.items():
            revoked = revoked_in_app(document)
            in_app += revoked
            if name != DATA_POLICY and not revoked:
                drift.append(f"the role has an inline policy that the app does not declare: {name}")
        drift += [f"the role has a managed policy that the app does not declare: {p['PolicyArn']}" for p in attached]
        if POLICY_NAME not in names:
            drift.append(f"the role lacks its reserved policy {POLICY_NAME}: restore it")
        if DATA_POLICY not in names:
            return in_app, [*drift, "the role lacks the policy of its grants: deploy the app"]
        return in_app, drift + rights_drift([inline[DATA_POLICY]], self._partition, self.place.grants)

    def _inline(self, name: str) -> dict[str, Any]:
        return policy(self._iam.get_role_policy(RoleName=self._role, PolicyName=name)["PolicyDocument"])

    def _managed(self, arn: str) -> dict[str, Any]:
        version = self._iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        return policy(self._iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])


def _next_second() -> str:
    # A session's start has no fractions of a second: with the present second, one that began in it would go on.
    return (datetime.now(UTC) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _principals(trust: dict[str, Any]) -> list[str]:
    return [
        f"{principal}{' if ' + json.dumps(statement['Condition']) if statement.get('Condition') else ''}"
        for statement in trust["Statement"]
        if statement["Effect"] == "Allow"
        for principal in trusted(statement)
    ]
