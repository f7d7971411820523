"""Where an account is not as the app declares: policies held against a project's grants. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import unquote

from gtplus_runtime.places import DATA_ROLES, OURS, Grant

_SERVICE_ACTIONS = {"s3:getobject", "s3:putobject", "s3:getbucketlocation", "s3:listbucket"}
_KEY_USE = {"kms:decrypt", "kms:generatedatakey"}
_EVERYBODY = ("*", {"AWS": "*"}, {"AWS": ["*"]})


class Right(NamedTuple):
    """An action on a resource, both perhaps patterns; the condition as text, "" for none."""

    action: str
    resource: str
    condition: str = ""

    def covers(self, other: "Right") -> bool:
        """Whether it is about all that the other one is about."""
        same = self.condition in ("", other.condition)
        return same and self._acts(other) and _glob(self.resource)(other.resource) is not None

    def touches(self, other: "Right") -> bool:
        """Whether it is about something of what the other one, whose action is no pattern, is about."""
        either = _glob(self.resource)(other.resource) or _glob(other.resource)(self.resource)
        return self._acts(other) and either is not None

    def _acts(self, other: "Right") -> bool:
        return _glob(self.action.lower())(other.action.lower()) is not None

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}{' if ' + self.condition if self.condition else ''}"


@cache
def _glob(pattern: str) -> Any:
    """`*` and `?` as IAM has them; all else is literal."""
    return re.compile("".join({"*": ".*", "?": "."}.get(c, re.escape(c)) for c in pattern), re.DOTALL).fullmatch


def policy(value: Any) -> dict[str, Any]:
    """A policy document; IAM gives it percent-encoded, boto3 mostly decoded. Of one statement it may be no list."""
    document = dict(value) if isinstance(value, dict) else dict(json.loads(unquote(value)))
    statements = document.get("Statement", [])
    return {**document, "Statement": [statements] if isinstance(statements, dict) else list(statements)}


def many(value: Any) -> list[str]:
    """What may be one or several, as several."""
    return [value] if isinstance(value, str) else list(value)


def rights_drift(documents: Sequence[Mapping[str, Any]], partition: str, grants: Sequence[Grant]) -> list[str]:
    """Where a role's policies and its grants differ.

    Args:
        documents: the role's policies, but for the reserved one.
        partition: of the ARNs.
        grants: as the app declares them.
    """
    allowed, denied = _expected(partition, grants)
    buckets = {right.resource for right in allowed if right.action == "s3:GetBucketLocation"}
    found, drift = set(), []
    for statement in _of_effect(documents, "Allow"):
        if "Action" not in statement or "Resource" not in statement:
            drift.append(f"the role is allowed all but a few things, which the app does not grant: {statement}")
        elif not _uses_key_of(statement, buckets):
            found |= set(_rights(statement))
    drift += [
        f"the role may {each}, which the app does not grant"
        for each in sorted(found)
        if not any(granted.covers(each) for granted in allowed)
    ]
    drift += [
        f"the role may not {each}, which the app grants"
        for each in sorted(allowed)
        if not any(right.covers(each) for right in found)
    ]
    hidden = set()
    for statement in _of_effect(documents, "Deny"):
        if "Action" not in statement or "Resource" not in statement:
            drift.append(f"the role is denied all but a few things, which the app does not declare: {statement}")
        else:
            hidden |= set(_rights(statement))
    drift += [
        f"the role is denied {each}, which the app does not declare"
        for each in sorted(hidden)
        if any(each.touches(right) for right in allowed) and not any(right.covers(each) for right in denied)
    ]
    return drift + [
        f"the role is not denied {each}, which the app denies"
        for each in sorted(denied)
        if not any(right.covers(each) for right in hidden)
    ]


def revoked_in_app(document: Mapping[str, Any]) -> list[str]:
    """The buckets that an inline policy of the role revokes, as `project.revoke` writes it; none where it says more."""
    buckets = set()
    for statement in document["Statement"]:
        arns = many(statement.get("Resource", []))
        revoked = statement["Effect"] == "Deny" and many(statement.get("Action", [])) == ["s3:*"]
        if not revoked or "Condition" in statement or not str(statement.get("Sid", "")).startswith("Revoked"):
            return []
        buckets |= {arn.rpartition(":")[2].removesuffix("/*") for arn in arns}
    return sorted(buckets)


def trust_drift(document: Mapping[str, Any], declared: Mapping[str, Any], account: str) -> list[str]:
    """Where a trust policy and what the app declares differ: by principals, the keys of conditions, and actions.

    Of the values of conditions the account alone is known; an external id is no one else's.

    Args:
        document: the trust policy.
        declared: the principals, and the keys of conditions.
        account: of the role, for which a service may act.
    """
    found = {
        (principal, _canonical({o: sorted(keys) for o, keys in statement.get("Condition", {}).items()}))
        for statement in _of_effect([document], "Allow")
        for principal in trusted(statement)
    }
    wanted = {(principal, _canonical(declared["conditions"])) for principal in declared["principals"]}

    def text(one: tuple[str, str]) -> str:
        return one[0] + (f" if {one[1]}" if one[1] else "")

    beside = []
    for statement in _of_effect([document], "Allow"):
        who = ", ".join(trusted(statement))
        for keys in statement.get("Condition", {}).values():
            accounts = many(keys.get("aws:SourceAccount", account))
            if accounts != [account]:
                beside.append(f"the role trusts {who} for {', '.join(accounts)}, not for {account} alone")
        actions = [each for each in many(statement.get("Action", "all but a few")) if each != "sts:AssumeRole"]
        beside += [f"the role lets {who} {action}, which the app does not declare" for action in actions]
    return [
        *beside,
        *(f"the role trusts {text(each)}, which the app does not declare" for each in sorted(found - wanted)),
        *(f"the role does not trust {text(each)}, which the app declares" for each in sorted(wanted - found)),
    ]


def trusted(statement: Mapping[str, Any]) -> list[str]:
    """The principals of a statement."""
    principal = statement.get("Principal", "everybody but a few")
    if isinstance(principal, str):
        return [principal]
    return [each for values in principal.values() for each in many(values)]


def unguarded(document: Mapping[str, Any], role_arn: str, partition: str, grant: Grant) -> list[str]:
    """What a bucket's policy would let a data role do if a wider policy were attached to it.

    Args:
        document: the bucket's policy.
        role_arn: the role.
        partition: of the ARNs.
        grant: of this bucket.
    """
    arn = f"arn:{partition}:s3:::{grant.bucket}"
    readable = [f"{prefix}*" for prefix in (*grant.read, *grant.write)]
    names, ours = {role_arn}, set()
    if f":role/{DATA_ROLES}" in role_arn:
        # The guard names a role of the app by its path, which no other role has.
        names.add(f"{role_arn.rpartition('/')[0]}/*")
        ours.add(f"{role_arn.partition(DATA_ROLES)[0]}{DATA_ROLES}*")  # a LabelingBucket's own, about all of them
    denies = [s for s in _of_effect([document], "Deny") if s.get("Principal") in _EVERYBODY]

    def about(statement: Mapping[str, Any], patterns: Iterable[str], **more: Mapping[str, Any]) -> bool:
        condition = {operator: dict(keys) for operator, keys in statement.get("Condition", {}).items()}
        said = [condition.pop(operator) for operator in ("ArnLike", "ArnEquals") if operator in condition]
        named = [many(keys["aws:PrincipalArn"]) for keys in said if keys.keys() == {"aws:PrincipalArn"}]
        return condition.keys() == more.keys() and len(named) == 1 and bool(set(named[0]) & set(patterns))

    def on(statement: Mapping[str, Any], *resources: str) -> bool:
        patterns = [Right("", pattern) for pattern in many(statement.get("Resource", []))]
        return all(any(pattern.covers(Right("", resource)) for pattern in patterns) for resource in resources)

    def says(statement: Mapping[str, Any], action: str) -> bool:
        return any(Right(pattern, "").covers(Right(action, "")) for pattern in many(statement.get("Action", [])))

    def beside(action: str, patterns: Sequence[str]) -> bool:
        left = {f"{arn}/{pattern}" for pattern in patterns}
        return any(
            says(s, action) and "NotResource" in s and set(many(s["NotResource"])) <= left and about(s, names)
            for s in denies
        )

    def listing(statement: Mapping[str, Any]) -> bool:
        prefixes = statement.get("Condition", {}).get("StringNotLike", {})
        within = prefixes.keys() == {"s3:prefix"} and set(many(prefixes["s3:prefix"])) <= set(readable)
        return within and about(statement, names, StringNotLike={}) and on(statement, arn)

    held = {
        "other actions": any(
            "NotAction" in s
            and {action.lower() for action in many(s["NotAction"])} <= _SERVICE_ACTIONS
            and about(s, names | ours)
            and on(s, arn, f"{arn}/*")
            for s in denies
        ),
        "reading beside its prefixes": beside("s3:GetObject", readable),
        "writing beside its prefixes": beside("s3:PutObject", [f"{prefix}*" for prefix in grant.write]),
        "listing beside its prefixes": any(says(s, "s3:ListBucket") and listing(s) for s in denies),
    }
    return [what for what, shut in held.items() if not shut]


def _expected(partition: str, grants: Sequence[Grant]) -> tuple[list[Right], list[Right]]:
    """What the app allows a data role, and what it denies it."""
    allowed, denied = [], []
    for grant in grants:
        bucket = f"arn:{partition}:s3:::{grant.bucket}"
        readable = [*grant.read, *grant.write]
        allowed += [Right("s3:GetObject", f"{bucket}/{prefix}*") for prefix in readable]
        allowed += [Right("s3:PutObject", f"{bucket}/{prefix}*") for prefix in grant.write]
        listable = {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in readable]}}
        allowed += [Right("s3:ListBucket", bucket, _canonical(listable))]
        allowed += [Right("s3:GetBucketLocation", bucket)]
        denied += [Right("s3:PutObject", f"{bucket}/{prefix}*/{OURS}*") for prefix in grant.write]
    return allowed, denied


def _uses_key_of(statement: Mapping[str, Any], buckets: Iterable[str]) -> bool:
    """Whether it is the use of a key for nothing but buckets of the project: a place names no key, so any will do."""
    condition = statement.get("Condition", {})
    via = many(condition.get("StringEquals", {}).get("kms:ViaService", []))
    contexts = many(condition.get("StringLike", {}).get("kms:EncryptionContext:aws:s3:arn", []))
    objects = {pattern for bucket in buckets for pattern in (bucket, f"{bucket}/*")}
    through_s3 = bool(via) and all(service.startswith("s3.") for service in via)
    actions = {action.lower() for action in many(statement["Action"])}
    return actions <= _KEY_USE and through_s3 and bool(contexts) and set(contexts) <= objects


def _of_effect(documents: Iterable[Mapping[str, Any]], effect: str) -> Iterator[Mapping[str, Any]]:
    return (s for document in documents for s in document["Statement"] if s["Effect"] == effect)


def _rights(statement: Mapping[str, Any]) -> Iterator[Right]:
    condition = _canonical(statement.get("Condition", {}))
    for action in many(statement["Action"]):
        for resource in many(statement["Resource"]):
            yield Right(action, resource, condition)


def _canonical(condition: Mapping[str, Any]) -> str:
    """A condition as text that does not depend on its order; "" for none."""
    if not condition:
        return ""
    ordered = {
        operator: {key: sorted(many(values)) for key, values in keys.items()} if isinstance(keys, dict) else keys
        for operator, keys in condition.items()
    }
    return json.dumps(ordered, sort_keys=True)
