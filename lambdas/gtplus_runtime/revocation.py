"""The revocation of a project's access: what stands in the role's reserved policy, and in the bucket's. Pure.

An explicit Deny beats every Allow anywhere, is evaluated at each request and so reaches live sessions ("Policy
evaluation logic" in the IAM user guide). It stands in an inline policy of its own, which the template declares and
never changes: so no later deploy undoes it, and the stack's deletion does not trip over a policy it does not know.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

POLICY_NAME = "gtplus-revocation"
"""The name of the reserved inline policy of a data role."""

_BUCKETS, _SESSIONS, _NOTHING = "RevokedBuckets", "RevokedSessions", "NothingRevoked"


def role_policy(partition: str, buckets: Sequence[str] = (), sessions_before: str | None = None) -> dict[str, Any]:
    """The document of the reserved policy.

    Args:
        partition: of the ARNs.
        buckets: names of the buckets that are revoked.
        sessions_before: sessions that began before this time (ISO 8601, UTC) are denied everything; None for none.
    """
    statements: list[dict[str, Any]] = []
    if buckets:
        arns = [f"arn:{partition}:s3:::{bucket}" for bucket in sorted(buckets)]
        resources = [arn for bucket in arns for arn in (bucket, f"{bucket}/*")]
        statements.append({"Sid": _BUCKETS, "Effect": "Deny", "Action": "s3:*", "Resource": resources})
    if sessions_before is not None:
        statements.append(
            {
                "Sid": _SESSIONS,
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",  # every resource: a session that began before is denied everything
                "Condition": {"DateLessThan": {"aws:TokenIssueTime": sessions_before}},
            }
        )
    if not statements:
        # A policy cannot be empty. No bucket has a name of two letters ("General purpose bucket naming rules"), and IAM
        # looks at no bucket: so this denies nothing, and hides no Allow.
        nothing = f"arn:{partition}:s3:::no"
        statements = [{"Sid": _NOTHING, "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": nothing}]
    return {"Version": "2012-10-17", "Statement": statements}


def revoked_buckets(document: Mapping[str, Any]) -> list[str]:
    """The names of the buckets that a reserved policy revokes."""
    found = {
        resource.rpartition(":")[2].removesuffix("/*")
        for statement in document.get("Statement", [])
        if statement.get("Sid") == _BUCKETS
        for resource in statement["Resource"]
    }
    return sorted(found)


def revoked_sessions(document: Mapping[str, Any]) -> str | None:
    """The time before which sessions are revoked, or None."""
    for statement in document.get("Statement", []):
        if statement.get("Sid") == _SESSIONS:
            return str(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"])
    return None


def bucket_statement(role_arn: str, bucket_arn: str) -> dict[str, Any]:
    """The second layer, in the bucket's policy: by condition, so that it outlives the role and its re-creation.

    Args:
        role_arn: the data role.
        bucket_arn: the bucket.
    """
    return {
        "Sid": statement_id(role_arn),
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"ArnEquals": {"aws:PrincipalArn": role_arn}},
    }


def statement_id(role_arn: str) -> str:
    """The id of a role's statement in a bucket's policy; one that only letters and digits may make up."""
    return f"GtplusRevoked{hashlib.sha256(role_arn.encode()).hexdigest()[:12]}"
