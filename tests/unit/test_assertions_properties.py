"""What holds for every policy, tried on random ones."""

import re
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gtplus_constructs.assertions import ACCOUNT, Access, Caller, Outcome
from gtplus_constructs.assertions.logic import MAYBE, NO, YES, Match, either, every, negate
from gtplus_constructs.assertions.patterns import Pattern, glob

ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
STRANGER = "999999999999"
BUCKET = "arn:aws:s3:::streets"
KEYS = ["raw/1.png", "raw/", "raw", "labels/1.json", "raw-secret/1.png"]
ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:GetObjectVersion", "s3:ListBucket"]
CONDITIONS: list[dict[str, Any]] = [
    {},
    {"StringEquals": {"s3:prefix": "raw/"}},
    {"StringNotLikeIfExists": {"s3:prefix": ["raw/*", "labels/*"]}},
    {"Null": {"s3:prefix": "true"}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"NumericLessThan": {"s3:TlsVersion": "1.2"}},
    {"ArnEquals": {"aws:PrincipalArn": ROLE}},
    {"StringNotEquals": {"aws:PrincipalAccount": ACCOUNT}},
]
PRINCIPALS: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": ROLE},
    {"AWS": ACCOUNT},
    {"AWS": STRANGER},
    {"Service": "sns.amazonaws.com"},
]


class _Silent:
    def values(self, _key: str) -> None:
        return None


def statements(effects: list[str], *, on_bucket: bool) -> st.SearchStrategy[dict[str, Any]]:
    actions = st.lists(st.sampled_from([*ACTIONS, "s3:Get*", "s3:*", "*", "kms:Decrypt"]), min_size=1, max_size=2)
    parts: dict[str, Any] = {
        "Effect": st.sampled_from(effects),
        "Resource": st.lists(
            st.sampled_from(
                ["*", BUCKET, f"{BUCKET}/*", f"{BUCKET}/raw/*", f"{BUCKET}/raw/?.png", "arn:aws:s3:::faces/*"]
            ),
            min_size=1,
            max_size=2,
        ),
        "Condition": st.sampled_from(CONDITIONS),
    }
    if on_bucket:
        parts["Principal"] = st.sampled_from(PRINCIPALS)
    return st.one_of(
        st.fixed_dictionaries({**parts, "Action": actions}), st.fixed_dictionaries({**parts, "NotAction": actions})
    )


class World:
    """A role, perhaps with a boundary, a bucket, and one question."""

    def __init__(self, identity: list[Any], boundary: list[Any] | None, bucket: list[Any]) -> None:
        self.identity, self.boundary, self.bucket = identity, boundary, bucket

    def decide(self, question: tuple[str, str, dict[str, Any], str]) -> Outcome:
        action, key, context, who = question
        resource = BUCKET if action.lower() == "s3:listbucket" else f"{BUCKET}/{key}"
        return self.caller(who).decide(action, resource, context).outcome

    def caller(self, who: str) -> Caller:
        role: dict[str, Any] = {
            "RoleName": "reader",
            "AssumeRolePolicyDocument": document([]),
            "Policies": [{"PolicyName": "p", "PolicyDocument": document(self.identity)}],
        }
        made: dict[str, Any] = {
            "Reader": {"Type": "AWS::IAM::Role", "Properties": role},
            "Streets": {
                "Type": "AWS::S3::Bucket",
                "Properties": {
                    "BucketName": "streets",
                    "PublicAccessBlockConfiguration": {"RestrictPublicBuckets": False, "BlockPublicPolicy": False},
                },
            },
            "Policy": {
                "Type": "AWS::S3::BucketPolicy",
                "Properties": {"Bucket": "streets", "PolicyDocument": document(self.bucket)},
            },
        }
        if self.boundary is not None:
            role["PermissionsBoundary"] = {"Ref": "Boundary"}
            made["Boundary"] = {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": document(self.boundary)},
            }
        access = Access.from_template({"Resources": made})
        callers: dict[str, Callable[[], Caller]] = {
            "role": lambda: access.of("Reader"),
            "admin": lambda: access.account(),
            "stranger": lambda: access.account(STRANGER),
            "service": lambda: access.service("sns.amazonaws.com"),
            "anonymous": lambda: access.anonymous(),
        }
        return callers[who]()


def document(statements_: list[Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statements_}


def without_everybody(bucket: list[Any]) -> list[Any]:
    """An Allow to everybody outside a boundary is not modelled, so it is left out where there is one."""
    return [s for s in bucket if s["Effect"] == "Deny" or s["Principal"] not in ("*", {"AWS": "*"})]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    both = ["Allow", "Allow", "Deny"]
    identity = draw(st.lists(statements(both, on_bucket=False), max_size=3))
    boundary = draw(st.none() | st.lists(statements(both, on_bucket=False), max_size=2))
    bucket = draw(st.lists(statements(both, on_bucket=True), max_size=3))
    return World(identity, boundary, bucket if boundary is None else without_everybody(bucket))


QUESTIONS = st.tuples(
    st.sampled_from(ACTIONS),
    st.sampled_from(KEYS),
    st.sampled_from(
        [{}, {"s3:prefix": "raw/"}, {"s3:prefix": ""}, {"aws:SecureTransport": False}, {"s3:TlsVersion": 1.1}]
    ),
    st.sampled_from(["role", "role", "admin", "stranger", "service", "anonymous"]),
)
RANK = {Outcome.EXPLICITLY_DENIED: 0, Outcome.IMPLICITLY_DENIED: 1, Outcome.ALLOWED: 2}


@given(worlds(), QUESTIONS, statements(["Deny"], on_bucket=False), statements(["Deny"], on_bucket=True))
def test_one_more_deny_never_allows(world: World, question: Any, own: Any, on_bucket: Any) -> None:
    before = RANK[world.decide(question)]
    assert RANK[World([*world.identity, own], world.boundary, world.bucket).decide(question)] <= before
    assert RANK[World(world.identity, world.boundary, [on_bucket, *world.bucket]).decide(question)] <= before
    if world.boundary is not None:
        assert RANK[World(world.identity, [own, *world.boundary], world.bucket).decide(question)] <= before


@given(worlds(), QUESTIONS, statements(["Allow"], on_bucket=False), statements(["Allow"], on_bucket=True))
def test_one_more_allow_never_denies_nor_lifts_a_deny(world: World, question: Any, own: Any, on_bucket: Any) -> None:
    before = world.decide(question)
    more = [World([own, *world.identity], world.boundary, world.bucket)]
    extended = [*world.bucket, on_bucket]
    more.append(
        World(world.identity, world.boundary, extended if world.boundary is None else without_everybody(extended))
    )
    for wider in more:
        after = wider.decide(question)
        assert RANK[after] >= RANK[before]
        assert (before is Outcome.EXPLICITLY_DENIED) == (after is Outcome.EXPLICITLY_DENIED)


@given(worlds(), QUESTIONS, st.randoms())
def test_the_order_of_statements_is_nothing(world: World, question: Any, random: Any) -> None:
    shuffled = World(list(world.identity), world.boundary, list(world.bucket))
    random.shuffle(shuffled.identity)
    random.shuffle(shuffled.bucket)
    assert shuffled.decide(question) is world.decide(question)


@given(worlds(), QUESTIONS)
def test_a_boundary_never_gives(world: World, question: Any) -> None:
    bucket = without_everybody(world.bucket)
    bounded = World(world.identity, world.boundary or [], bucket).decide(question)
    assert RANK[bounded] <= RANK[World(world.identity, None, bucket).decide(question)]


@given(worlds(), QUESTIONS)
def test_without_any_allow_nothing_is_allowed(world: World, question: Any) -> None:
    denies = World(
        [s for s in world.identity if s["Effect"] == "Deny"],
        world.boundary,
        [s for s in world.bucket if s["Effect"] == "Deny"],
    )
    allowed = denies.decide(question) is Outcome.ALLOWED
    assert not allowed or question[3] == "admin"  # whose own account allows everything


@given(worlds(), QUESTIONS)
@settings(max_examples=30)  # each goes through as many of AWS's 20,000 actions as a NotAction leaves
def test_what_is_allowed_somewhere_is_in_the_set_of_actions(world: World, question: Any) -> None:
    if world.decide(question) is Outcome.ALLOWED:
        assert question[0] in world.caller(question[3]).actions()


def naive(pattern: str, text: str) -> bool:
    """Wildcards by the book: the shortest code that is surely right."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return naive(pattern[1:], text) or (bool(text) and naive(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and naive(pattern[1:], text[1:])


PATTERNS = st.text("ab*?./\n[$", max_size=7)
TEXTS = st.text("ab*?./\n[$", max_size=7)


@given(PATTERNS, TEXTS)
@settings(max_examples=500)
def test_wildcards_agree_with_the_naive_reference(pattern: str, text: str) -> None:
    assert bool(glob(pattern)(text)) is naive(pattern, text)
    assert Pattern(pattern, "like").match(text, _Silent()) is (YES if naive(pattern, text) else NO)


@given(
    st.lists(st.text("a*?", max_size=3), min_size=4, max_size=4),
    st.lists(st.text("a", max_size=3), min_size=4, max_size=4),
)
def test_arns_match_part_by_part(patterns: list[str], parts: list[str]) -> None:
    pattern = Pattern(":".join(["arn", patterns[0], "s3", *patterns[1:]]), "arn")
    expected = all(naive(p, part) for p, part in zip(patterns, parts, strict=True))
    assert pattern.match(":".join(["arn", parts[0], "s3", *parts[1:]]), _Silent()) is (YES if expected else NO)


@given(st.text("ab*?", max_size=5), st.text("ab*?", max_size=5))
def test_a_variables_value_is_literal(value: str, text: str) -> None:
    class Tagged:
        def values(self, _key: str) -> tuple[str, ...]:
            return (value,)

    matched = Pattern("x/${aws:PrincipalTag/team}/y", "like").match(f"x/{text}/y", Tagged())
    assert matched is (YES if text == value else NO)


MATCHES = st.lists(st.sampled_from([NO, MAYBE, YES]), max_size=5)


@given(MATCHES)
def test_maybe_is_what_could_be_either(matches: list[Match]) -> None:
    for combine, combined in ((any, either(matches)), (all, every(matches))):
        could_be = {combine(m is YES or (m is MAYBE and guess) for m in matches) for guess in (False, True)}
        assert combined is (MAYBE if len(could_be) == 2 else YES if True in could_be else NO)
    assert negate(either(matches)) is every(negate(m) for m in matches)


@given(worlds(), QUESTIONS)
def test_the_case_of_an_action_is_nothing(world: World, question: Any) -> None:
    action, *rest = question
    swapped = re.sub("[A-Za-z]+$", lambda found: found[0].swapcase(), action)
    assert world.decide(question) is world.decide((swapped, *rest))
