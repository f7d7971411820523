"""`gtplus access show`: the policies as the template has them are no drift, and each change of them by hand is told."""

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any
from urllib.parse import quote

import pytest

from gtplus_cli.access_drift import policy, revoked_in_app, rights_drift, trust_drift, unguarded
from gtplus_runtime.places import Grant
from tests.access.conftest import WorldOf
from tests.access.promises_roles import own_statements
from tests.access.town import ACCOUNT, OURS, Body
from tests.access.world import World, statements

pytestmark = pytest.mark.xdist_group("no flags")

APPS = "the app's, without a key"
PLACES = (OURS, APPS)


@pytest.fixture
def world(world_of: WorldOf) -> World:
    return world_of("no flags", places=PLACES)


def grant_of(world: World, kind: str) -> Grant:
    return Grant(world.arn("the bucket", kind).rpartition(":")[2], ("raw/",), ("labels/",))


def of_role(world: World) -> Body:
    """The policy of the data role that bears its grants."""
    role = world.properties("AWS::IAM::Role")[world.names.places[OURS]["the data role"]]
    return deepcopy(policy(role["Policies"][0]["PolicyDocument"]))


def of_bucket(world: World, kind: str) -> Body:
    name = grant_of(world, kind).bucket
    (found,) = (p for p in world.properties("AWS::S3::BucketPolicy").values() if p["Bucket"] == name)
    return deepcopy(policy(found["PolicyDocument"]))


def statement(document: Body, sid: str) -> Body:
    (found,) = (s for s in document["Statement"] if str(s.get("Sid", "")).startswith(sid))
    return dict(found)


def change(document: Body, sid: str, **elements: Any) -> Body:
    """The document with elements of a statement changed; None takes one out."""
    said = [
        {k: v for k, v in ({**s, **elements} if str(s.get("Sid", "")).startswith(sid) else s).items() if v is not None}
        for s in document["Statement"]
    ]
    assert said != document["Statement"], sid
    return {**document, "Statement": said}


def without(document: Body, sid: str) -> Body:
    return {**document, "Statement": [s for s in document["Statement"] if not str(s.get("Sid", "")).startswith(sid)]}


def beside(document: Body, **said: Any) -> Body:
    return {**document, "Statement": [*document["Statement"], {"Effect": "Allow", **said}]}


def test_what_the_template_has_is_no_drift(world: World) -> None:
    assert rights_drift([of_role(world)], "aws", [grant_of(world, OURS)]) == []
    for kind in PLACES:
        role = world.arn("the data role", kind)
        assert unguarded(of_bucket(world, kind), role, "aws", grant_of(world, kind)) == [], kind


def test_a_document_may_be_encoded_or_of_one_statement() -> None:
    one = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    for given in ({"Statement": one}, json.dumps({"Statement": one}), quote(json.dumps({"Statement": [one]}))):
        assert policy(given)["Statement"] == [one]


WIDER: dict[str, tuple[Callable[[Body], Body], str]] = {
    "another action": (lambda d: beside(d, Action="s3:DeleteObject", Resource="*"), "may s3:DeleteObject on *"),
    "in capitals": (lambda d: beside(d, Action="S3:*", Resource="*"), "may S3:* on *"),
    "of any service": (lambda d: beside(d, Action="*:*", Resource="*"), "may *:* on *"),
    "of another service": (lambda d: beside(d, Action="iam:PassRole", Resource="*"), "may iam:PassRole on *"),
    "a pattern of actions": (lambda d: change(d, "Read0", Action="s3:GetObject*"), "may s3:GetObject* on"),
    "the whole bucket": (
        lambda d: change(d, "Write0", Resource="arn:aws:s3:::*"),
        "may s3:PutObject on arn:aws:s3:::*",
    ),
    "no condition": (lambda d: change(d, "List0", Condition=None), "may s3:ListBucket on"),
    "all but a few things": (lambda d: change(d, "Read0", Action=None, NotAction="iam:*"), "is allowed all but"),
    "keys by themselves": (lambda d: change(d, "Key0", Condition=None), "may kms:Decrypt on"),
    "keys for any bucket": (
        lambda d: change(d, "Key0", Condition={"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}),
        "may kms:Decrypt on",
    ),
    "grants of a key": (
        lambda d: change(d, "Key0", Action=["kms:Decrypt", "kms:CreateGrant"]),
        "may kms:CreateGrant on",
    ),
    "no Deny for our own files": (lambda d: without(d, "Ours0"), "is not denied s3:PutObject on"),
    "a Deny for some sessions": (
        lambda d: change(d, "Ours0", Condition={"StringEquals": {"aws:PrincipalTag/x": "y"}}),
        "is not denied s3:PutObject on",
    ),
}
NARROWER: dict[str, tuple[Callable[[Body], Body], str]] = {
    "no listing": (lambda d: without(d, "List0"), "may not s3:ListBucket on"),
    "another prefix": (lambda d: change(d, "Read0", Resource="arn:aws:s3:::x/*"), "may not s3:GetObject on"),
    "brackets are no wildcard": (
        lambda d: json.loads(json.dumps(d).replace("/raw/*", "/[r]aw/*")),
        "/raw/*, which the app grants",
    ),
    "a Deny of a granted action": (
        lambda d: beside(d, Effect="Deny", Action="s3:Get*", Resource="*"),
        "is denied s3:Get* on *",
    ),
    "a Deny of all but": (
        lambda d: beside(d, Effect="Deny", NotAction="s3:PutObject", Resource="*"),
        "is denied all but",
    ),
}


@pytest.mark.parametrize("name", [*WIDER, *NARROWER])
def test_a_policy_of_a_role_that_somebody_changed_is_told(world: World, name: str) -> None:
    changed, words = (WIDER | NARROWER)[name]
    drift = rights_drift([changed(of_role(world))], "aws", [grant_of(world, OURS)])
    assert any(words in line for line in drift), drift


def test_a_deny_that_takes_nothing_from_the_grant_is_no_drift(world: World) -> None:
    """A role that was brought may be stricter than it must be."""
    strict = beside(of_role(world), Effect="Deny", Action="s3:DeleteObject", Resource="*")
    assert rights_drift([strict], "aws", [grant_of(world, OURS)]) == []


OTHERS, READING, WRITING, LISTING = (
    "other actions",
    "reading beside its prefixes",
    "writing beside its prefixes",
    "listing beside its prefixes",
)
FULL = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::1:role/x"}}
GUARDS: dict[str, tuple[Callable[[Body], Body], str]] = {
    "no guard of reading": (lambda d: without(d, "Read"), READING),
    "no guard of writing": (lambda d: without(d, "Write"), WRITING),
    "no guard of listing": (lambda d: without(d, "List"), LISTING),
    "a wider guard": (lambda d: change(d, "Read", NotResource=["arn:aws:s3:::*"]), READING),
    "a guard that allows": (lambda d: change(d, "Write", Effect="Allow"), WRITING),
    "a guard of another role": (lambda d: change(d, "Read", Condition=FULL), READING),
    "a guard of a stranger": (
        lambda d: change(d, "Read", Principal={"AWS": "arn:aws:iam::999999999999:root"}),
        READING,
    ),
    "a guard of another action": (lambda d: change(d, "Write", Action="s3:GetObject"), WRITING),
    "a guard that knows days": (
        lambda d: change(d, "Read", Condition={**statement(d, "Read")["Condition"], "DateLessThan": {"aws:x": "y"}}),
        READING,
    ),
    "a guard of listing that knows no prefix": (
        lambda d: change(
            d, "List", Condition={**statement(d, "List")["Condition"], "StringNotLike": {"s3:prefix": ["*"]}}
        ),
        LISTING,
    ),
    "a guard of listing about objects": (lambda d: change(d, "List", Resource="arn:aws:s3:::x/*"), LISTING),
    "more actions": (lambda d: change(d, "Only", NotAction="s3:*"), OTHERS),
    "objects alone": (lambda d: change(d, "Only", Resource="arn:aws:s3:::x/*"), OTHERS),
}


@pytest.mark.parametrize("name", GUARDS)
def test_a_guard_that_somebody_changed_is_told(world: World, name: str) -> None:
    changed, what = GUARDS[name]
    role = world.arn("the data role", APPS)
    document = of_bucket(world, APPS)
    neighbours = world.arn("the neighbour", APPS).split("/")[-2]
    document["Statement"] = [s for s in document["Statement"] if neighbours not in json.dumps(s)]
    assert unguarded(changed(document), role, "aws", grant_of(world, APPS)) == [what]


def test_a_role_that_was_brought_is_guarded_by_its_arn_alone(world: World) -> None:
    brought = f"arn:aws:iam::{ACCOUNT}:role/service-role/labeling"
    document, grant = of_bucket(world, OURS), grant_of(world, OURS)
    assert unguarded(document, brought, "aws", grant) == [OTHERS, READING, WRITING, LISTING]
    pattern = f"{world.arn('the data role', APPS).rpartition('/')[0]}/*"
    text = json.dumps(of_bucket(world, APPS)).replace(pattern, brought)
    text = text.replace(grant_of(world, APPS).bucket, grant.bucket)
    assert unguarded(json.loads(text), brought, "aws", grant) == []


def test_what_the_app_revokes_is_told_from_what_somebody_attached(world_of: WorldOf) -> None:
    world = world_of("no flags", revoked=True, places=PLACES)
    name = world.names.places[OURS]["the data role"]
    said = [s for s in own_statements(world, name) if s["Effect"] == "Deny" and s["Action"] == "s3:*"]
    assert revoked_in_app({"Statement": said}) == [grant_of(world, OURS).bucket]
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    for other in ([*said, allow], [{**said[0], "Condition": {}}], [{**said[0], "Effect": "Allow"}]):
        assert revoked_in_app({"Statement": other}) == []


def test_a_trust_is_compared_by_principals_and_keys(world: World) -> None:
    role = world.properties("AWS::IAM::Role")[world.names.places[OURS]["the data role"]]
    trust = policy(role["AssumeRolePolicyDocument"])
    (said,) = statements(trust)
    declared = {
        "principals": [said["Principal"]["Service"]],
        "conditions": {"StringEqualsIfExists": ["aws:SourceAccount"]},
    }
    assert trust_drift(trust, declared, ACCOUNT) == []
    for other, words in (
        ({**said, "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": "999999999999"}}}, "for 999999999999"),
        ({**said, "Condition": {"StringEqualsIfExists": {"aws:SourceAccount": [ACCOUNT, "9"]}}}, "for 111111111111, 9"),
        ({**said, "Action": ["sts:AssumeRole", "sts:TagSession"]}, "sts:TagSession"),
        ({**said, "Action": "sts:*"}, "sts:*"),
        ({**said, "Condition": {}}, "the role trusts"),
        ({**said, "Principal": "*"}, "the role trusts *"),
        ({**said, "Effect": "Deny"}, "the role does not trust"),
    ):
        assert any(words in line for line in trust_drift({"Statement": [other]}, declared, ACCOUNT)), other
