"""How large a policy or a place becomes: what is known is counted, what only a deployment knows at its longest."""

import json
from typing import Any
from weakref import WeakSet

import jsii
from aws_cdk import Stack
from aws_cdk import aws_s3 as s3
from constructs import IValidation

MAX_ROLE_BYTES = 10_240
"""Bytes of all inline policies of a role, white space not counted ("IAM and AWS STS quotas")."""

MAX_BUCKET_BYTES = 20_480
"""Bytes of a bucket's policy ("Amazon S3 bucket policies": 20 KB)."""

MAX_PARAMETER_BYTES = 4_096
"""Bytes of the value of a Standard parameter ("Managing parameter tiers" of Systems Manager)."""

_CHECKED: WeakSet[s3.IBucket] = WeakSet()
_UNKNOWN = 86
"""Characters of a value that is not known at synth: a bucket's ARN has at most 83, a key's 86."""


def rendered_size(stack: Stack, document: Any) -> int:
    """Bytes of a document as it will stand in the account, without white space; rather more than less.

    Args:
        stack: resolves the tokens.
        document: the policy or place.
    """
    return len(json.dumps(_filled(stack.resolve(document)), separators=(",", ":")))


def check_bucket_policy(bucket: s3.IBucket) -> None:
    """Fail synth where a bucket's policy is larger than S3 takes: it grows with the projects of the bucket.

    Args:
        bucket: ours or the app's own; asked once, however many grants are of it.
    """
    if bucket not in _CHECKED:
        _CHECKED.add(bucket)
        bucket.node.add_validation(_PolicySize(bucket))


@jsii.implements(IValidation)
class _PolicySize:
    def __init__(self, bucket: s3.IBucket) -> None:
        self._bucket = bucket

    def validate(self) -> list[str]:
        policy = self._bucket.policy
        if policy is None:
            return []
        size = rendered_size(Stack.of(self._bucket), policy.document.to_json())
        if size <= MAX_BUCKET_BYTES:
            return []
        mend = "give some of its projects a bucket of their own, or name fewer, wider prefixes"
        rule = f"the policy of a bucket has at most {MAX_BUCKET_BYTES:,} bytes, which holds about 16 projects"
        return [f"{self._bucket.node.path}: {rule} (this one has about {size:,}); {mend}"]


def _filled(value: Any) -> Any:
    match value:
        case {"Fn::Join": [str(glue), list(parts)]}:
            return glue.join(str(_filled(part)) for part in parts)
        case {"Ref": "AWS::Partition"}:
            return "aws-us-gov"
        case {"Ref": "AWS::AccountId"}:
            return "0" * 12
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Sub": _} | {"Fn::ImportValue": _} | {"Fn::GetStackOutput": _}:
            return "x" * _UNKNOWN
        case dict():
            return {key: _filled(each) for key, each in value.items()}
        case list():
            return [_filled(each) for each in value]
    return value
