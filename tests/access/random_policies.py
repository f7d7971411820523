"""Random policies and questions that two engines can be asked: buckets, keys, queues and trusts, with all operators."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from gtplus_constructs.assertions import ACCOUNT, REGION, Access, Decision
from tests.access.town import Body

STRANGER = "999999999999"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
KEYS = ("raw/1.png", "raw/deep/1.png", "raw", "labels/1.json", "raw-secret/1.png", "team-a/1.png")
_ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

_STRING = ("StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase")
_LIKE = (*_STRING, "StringLike", "StringNotLike")
_ARN = ("ArnEquals", "ArnNotEquals", "ArnLike", "ArnNotLike")
_DATE = tuple(f"Date{name}" for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan"))
_NUMERIC = tuple(
    f"Numeric{name}"
    for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
)
_TIMES = ("2026-01-01T00:00:00Z", "2026-06-30T12:00:00Z", "2026-11-25T00:00:00Z")


@dataclass(frozen=True)
class Key:
    """A condition key: the operators it takes, values in policies, and values in requests."""

    operators: tuple[str, ...]
    wanted: tuple[str, ...]
    given: tuple[Any, ...]


GLOBAL = {
    "aws:SecureTransport": Key(("Bool",), ("true", "false"), (True, True, False)),
    "aws:SourceIp": Key(("IpAddress", "NotIpAddress"), ("10.0.0.0/8", "192.0.2.7"), ("10.1.2.3", "192.0.2.7")),
    "aws:CurrentTime": Key(_DATE, _TIMES, _TIMES),
    "aws:PrincipalTag/team": Key(_LIKE, ("team-a", "Team-A", "team-*", "?eam-b"), ("team-a", "team-b", None)),
    "aws:TagKeys": Key(
        tuple(f"{every}:{operator}" for every in ("ForAllValues", "ForAnyValue") for operator in _LIKE),
        ("cost", "team", "t*"),
        (None, ["cost"], ["team", "cost"], ["owner", "team"]),
    ),
}
ROLES_ONLY = {
    "aws:PrincipalArn": Key(
        (*_ARN, *_LIKE), (ROLE, f"arn:aws:iam::{ACCOUNT}:role/*", f"arn:aws:iam::{STRANGER}:role/x"), ()
    ),
    "aws:PrincipalAccount": Key(_STRING, (ACCOUNT, STRANGER), ()),
    "aws:TokenIssueTime": Key(_DATE, _TIMES, _TIMES),
}
SERVICES_ONLY = {
    "aws:SourceAccount": Key(_STRING, (ACCOUNT, STRANGER), (ACCOUNT, STRANGER, None)),
    "aws:SourceArn": Key(
        _ARN,
        (f"arn:aws:sns:{REGION}:{ACCOUNT}:*", f"arn:aws:sns:*:{STRANGER}:t"),
        (f"arn:aws:sns:{REGION}:{ACCOUNT}:t", f"arn:aws:sns:{REGION}:{STRANGER}:t", None),
    ),
}
OF_ACTION = {
    "s3:ListBucket": {
        "s3:prefix": Key(_LIKE, ("raw/", "raw/*", "Raw/", "*"), ("raw/", "raw/deep/", "", "labels/", None)),
        "s3:max-keys": Key(_NUMERIC, ("10", "1000"), (10, 5_000, None)),
    },
    "kms:Decrypt": {
        "kms:ViaService": Key(_LIKE, (f"s3.{REGION}.amazonaws.com", "s3.*"), (f"s3.{REGION}.amazonaws.com", None)),
        "kms:EncryptionAlgorithm": Key(_STRING, ("SYMMETRIC_DEFAULT",), ("SYMMETRIC_DEFAULT",)),
    },
    "sts:AssumeRole": {"sts:ExternalId": Key(_LIKE, ("agreed", "agr*", "AGREED"), ("agreed", "guessed", None))},
}
PRINCIPALS: tuple[Any, ...] = (
    "*",
    {"AWS": "*"},
    {"AWS": ROLE},
    {"AWS": ROLE},
    {"AWS": ACCOUNT},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    {"AWS": [STRANGER, ROLE]},
    {"AWS": f"arn:aws:iam::{STRANGER}:root"},
    {"Service": "sns.amazonaws.com"},
    {"Service": ["lambda.amazonaws.com", "sns.amazonaws.com"]},
)


@dataclass(frozen=True)
class Case:
    """Policies and one question.

    Attributes:
        template: for our engine.
        who: who asks: `role`, `stranger`, `service` or `anonymous`.
        action: for what.
        resource: on what: an ARN, or the logical id of a thing in the template.
        context: the keys that the request has, and None for those that it lacks.
        identity: the role's own policy.
        boundary: its boundary, or None.
        policy: the resource's, or None.
    """

    template: Body
    who: str
    action: str
    resource: str
    context: Mapping[str, Any]
    identity: Body
    boundary: Body | None
    policy: Body | None

    def decide(self) -> Decision:
        """What our engine says."""
        access = Access.from_template(self.template)
        caller = {
            "role": lambda: access.of("Reader"),
            "stranger": lambda: access.account(STRANGER),
            "service": lambda: access.service("sns.amazonaws.com"),
            "anonymous": access.anonymous,
        }[self.who]()
        return caller.decide(self.action, self.resource, self.context)

    def simulation(self, decision: Decision) -> Body:
        """The same question as the other engine takes it: with the keys that ours judged by and policies name."""
        everything = repr((self.identity, self.boundary, self.policy)).lower()
        named = {key: values for key, values in decision.keys.items() if values is not None and key in everything}
        own = {"role": self.identity, "stranger": _ALLOW_ALL}.get(self.who)
        principal: Any = {
            "role": ROLE,
            "stranger": f"arn:aws:iam::{STRANGER}:role/AnAdministratorThatNoPolicyNames",
            "service": "sns.amazonaws.com",
            "anonymous": {"type": "Anonymous"},
        }[self.who]
        asked: Body = {
            "request": {
                "principal": principal,
                "action": self.action,
                "resource": {"resource": decision.resource, "accountId": ACCOUNT},
                "contextVariables": {
                    key: list(values) if key == "aws:tagkeys" else values[0] for key, values in named.items()
                },
            },
            "identityPolicies": [] if own is None else [{"name": "own", "policy": own}],
            "serviceControlPolicies": [],
            "resourceControlPolicies": [],
        }
        if self.policy is not None:
            asked["resourcePolicy"] = self.policy
        if self.boundary is not None and self.who == "role":
            asked["permissionBoundaryPolicies"] = [{"name": "boundary", "policy": self.boundary}]
        return asked


def case(random: Random) -> Case:
    """One more."""
    kind = random.choices((_bucket, _key, _queue, _trust), weights=(12, 3, 3, 3))[0]
    return kind(random)


def _bucket(random: Random) -> Case:
    arn = "arn:aws:s3:::streets"
    action = random.choice(("s3:GetObject", "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"))
    things = (
        "*",
        arn,
        f"{arn}/*",
        f"{arn}/raw/*",
        f"{arn}/raw/?.png",
        f"{arn}/${{aws:PrincipalTag/team}}/*",
        f"{arn}*",
    )
    bucket = {"PublicAccessBlockConfiguration": {"RestrictPublicBuckets": False, "BlockPublicPolicy": False}}
    return _case(
        random,
        action,
        arn if action == "s3:ListBucket" else f"{arn}/{random.choice(KEYS)}",
        things=things,
        actions=(action, "s3:*", "s3:Get*", "s3:?etObject", "*", "kms:Decrypt", "S3:LISTBUCKET"),
        made={"Thing": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "streets", **bucket}}},
        attach=lambda document: {
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": "streets", "PolicyDocument": document},
            }
        },
    )


def _queue(random: Random) -> Case:
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:jobs"
    return _case(
        random,
        "sqs:SendMessage",
        arn,
        things=("*", arn, f"arn:aws:sqs:*:{ACCOUNT}:jobs", f"arn:aws:sqs:{REGION}:{ACCOUNT}:other"),
        actions=("sqs:SendMessage", "sqs:*", "sqs:Send*", "sqs:ReceiveMessage"),
        made={"Thing": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "jobs"}}},
        attach=lambda document: {
            "Policy": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {"Queues": [{"Ref": "Thing"}], "PolicyDocument": document},
            }
        },
    )


def _key(random: Random) -> Case:
    def made(document: Body) -> Body:
        return {"Thing": {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": document}}}

    probe = Access.from_template({"Resources": made({"Version": "2012-10-17", "Statement": []})})
    arn = probe.resource("Thing")
    return _case(
        random,
        "kms:Decrypt",
        arn,
        things=("*", arn, f"arn:aws:kms:{REGION}:{ACCOUNT}:key/*", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/other"),
        actions=("kms:Decrypt", "kms:*", "kms:Encrypt", "*"),
        made={},
        attach=made,
        always=True,
    )


def _trust(random: Random) -> Case:
    arn = f"arn:aws:iam::{ACCOUNT}:role/target"
    return _case(
        random,
        "sts:AssumeRole",
        arn,
        things=("*", arn, f"arn:aws:iam::{ACCOUNT}:role/*", f"arn:aws:iam::{ACCOUNT}:role/other"),
        actions=("sts:AssumeRole", "sts:*", "sts:TagSession"),
        made={},
        attach=lambda document: {
            "Thing": {
                "Type": "AWS::IAM::Role",
                "Properties": {"RoleName": "target", "AssumeRolePolicyDocument": document},
            }
        },
        always=True,
        trust=True,
    )


def _case(
    random: Random,
    action: str,
    resource: str,
    *,
    things: tuple[str, ...],
    actions: tuple[str, ...],
    made: Body,
    attach: Callable[[Body], Body],
    always: bool = False,
    trust: bool = False,
) -> Case:
    whos = ["role", "role", "role", "stranger", "service"] + (["anonymous"] if action.startswith("s3:") else [])
    who = random.choice(whos)
    keys = {**GLOBAL, **ROLES_ONLY, **SERVICES_ONLY, **OF_ACTION.get(action, {})}

    def document(count: int, *, principals: bool) -> Body:
        said = [
            _statement(random, keys, things, actions, principals=principals, trust=trust and principals)
            for _ in range(count)
        ]
        return {"Version": "2012-10-17", "Statement": said}

    identity = document(random.randint(1, 3), principals=False)
    boundary = document(random.randint(1, 2), principals=False) if random.random() < 0.25 else None
    policy = document(random.randint(1, 3), principals=True) if always or random.random() < 0.8 else None
    role: Body = {"RoleName": "reader", "Policies": [{"PolicyName": "p", "PolicyDocument": identity}]}
    resources = {"Reader": {"Type": "AWS::IAM::Role", "Properties": role}, **made}
    if policy is not None:
        resources |= attach(policy)
    if boundary is not None:
        role["PermissionsBoundary"] = {"Ref": "Boundary"}
        resources["Boundary"] = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": boundary}}
    return Case(
        {"Resources": resources}, who, action, resource, _request(random, who, keys), identity, boundary, policy
    )


def _request(random: Random, who: str, keys: Mapping[str, Key]) -> Body:
    context: Body = {}
    for name, key in keys.items():
        sent = key.given and not (name in SERVICES_ONLY and who != "service")
        if name in ROLES_ONLY or name.startswith("aws:PrincipalTag"):
            sent = sent and who in ("role", "stranger")
        if sent:
            context[name] = random.choice(key.given)
        elif key.given:
            context[name] = None
    return context


def _statement(
    random: Random,
    keys: Mapping[str, Key],
    things: tuple[str, ...],
    actions: tuple[str, ...],
    *,
    principals: bool,
    trust: bool,
) -> Body:
    statement: Body = {"Effect": "Allow" if random.random() < 0.7 else "Deny"}
    element = "NotAction" if random.random() < 0.1 else "Action"
    statement[element] = random.sample(actions, random.randint(1, 2))
    if not trust:
        element = "NotResource" if random.random() < 0.1 else "Resource"
        statement[element] = random.sample(things, random.randint(1, 2))
    if principals:
        statement["Principal"] = random.choice(PRINCIPALS)
    conditions: dict[str, Body] = {}
    for name in random.sample(sorted(keys), random.choices((0, 1, 2), weights=(5, 4, 1))[0]):
        key = keys[name]
        if random.random() < 0.1 and not name.startswith("aws:TagKeys"):
            conditions.setdefault("Null", {})[name] = random.choice(("true", "false"))
            continue
        operator = random.choice(key.operators)
        if random.random() < 0.25 and ":" not in operator:
            operator += "IfExists"
        conditions.setdefault(operator, {})[name] = random.sample(
            key.wanted, random.randint(1, min(2, len(key.wanted)))
        )
    if conditions:
        statement["Condition"] = conditions
    return statement
