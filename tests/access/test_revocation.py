"""What a revocation does besides answering questions with no: to sessions, to later deploys, and when it is undone."""

import pytest

from gtplus_constructs.assertions import Access
from gtplus_runtime import revocation
from tests.access.conftest import WorldOf
from tests.access.mutations import allow, put, rewrite
from tests.access.town import ACCOUNT, OURS
from tests.access.world import ALLOW_ALL, World

pytestmark = pytest.mark.xdist_group("no flags")

BEFORE, MOMENT, AFTER = "2026-11-25T09:00:00Z", "2026-11-25T10:00:00Z", "2026-11-25T11:00:00Z"


@pytest.fixture
def world(world_of: WorldOf) -> World:
    return world_of("no flags", places=(OURS,)).mutable()


def bucket_of(world: World) -> str:
    return world.arn("the bucket", OURS).rpartition(":")[2]


def revoked(world: World, *, sessions: bool = False, buckets: bool = True) -> Access:
    """After `gtplus access revoke`, as far as the role's reserved policy goes."""
    document = revocation.role_policy("aws", [bucket_of(world)] if buckets else [], MOMENT if sessions else None)
    return world.access.with_identity_policy(world.names.places[OURS]["the data role"], document)


def reads(access: Access, world: World, *, since: str | None = None) -> bool:
    """Whether the data role reads its input, in a session since a moment."""
    context = {} if since is None else {"aws:TokenIssueTime": since}
    role = access.of(world.names.places[OURS]["the data role"])
    return role.decide("s3:GetObject", world.thing("object raw/1.png", OURS), context).allowed


def test_a_live_session_is_denied_at_its_next_request(world: World) -> None:
    assert reads(world.access, world, since=BEFORE)
    assert not reads(revoked(world), world, since=BEFORE)


def test_sessions_that_began_before_are_cut_and_later_ones_are_not(world: World) -> None:
    cut = revoked(world, sessions=True, buckets=False)
    assert not reads(cut, world, since=BEFORE)
    assert reads(cut, world, since=AFTER)


def test_a_cut_session_is_denied_everything(world: World) -> None:
    cut = revoked(world, sessions=True, buckets=False)
    role = cut.of(world.names.places[OURS]["the data role"])
    key, request = world.thing("the key", OURS), world.context("through S3; for the bucket", OURS)
    assert role.decide("kms:Decrypt", key, {**request, "aws:TokenIssueTime": AFTER}).allowed
    assert role.decide("kms:Decrypt", key, {**request, "aws:TokenIssueTime": BEFORE}).explicitly_denied


def test_a_deploy_of_a_wider_grant_changes_nothing(world: World) -> None:
    rewrite("the data role", '"s3:GetObject"', Resource="*")(world)
    allow("the data role", "s3:*", "*")(world)
    assert reads(world.access, world)
    assert not reads(revoked(world), world)


def test_a_role_made_again_under_its_path_is_still_denied_by_the_bucket(world_of: WorldOf) -> None:
    world = world_of("no flags", revoked=True, places=(OURS,)).mutable()
    put("the data role", "RoleName", "MadeAgain")(world)
    assert world.arn("the data role", OURS).endswith("/MadeAgain")
    role = world.access.of(world.names.places[OURS]["the data role"])
    assert role.decide("s3:GetObject", world.thing("object raw/1.png", OURS)).explicitly_denied


def test_restored_it_is_as_it_was(world: World) -> None:
    """`gtplus access restore` writes back what the template declares."""
    declared = revocation.role_policy("aws")
    assert declared in [policy["PolicyDocument"] for policy in world.properties("AWS::IAM::Policy").values()]
    assert not revocation.revoked_buckets(declared)
    assert revocation.revoked_sessions(declared) is None
    assert reads(world.access.with_identity_policy(world.names.places[OURS]["the data role"], declared), world)


def test_what_the_template_declares_never_changes() -> None:
    """A version of the library with another document would undo every revocation where it is deployed."""
    assert revocation.role_policy("aws") == {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "NothingRevoked", "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::no"}
        ],
    }


def test_where_nothing_is_revoked_the_reserved_policy_hides_no_allow(world: World) -> None:
    role = world.access.with_identity_policy(world.names.places[OURS]["the data role"], ALLOW_ALL)
    role = role.with_resource_policy("arn:aws:s3:::another", None, account=ACCOUNT)
    for action, thing in (("s3:DeleteObject", "arn:aws:s3:::another/1"), ("s3:DeleteBucket", "arn:aws:s3:::another")):
        assert role.of(world.names.places[OURS]["the data role"]).decide(action, thing).allowed


def test_the_second_layer_at_run_time_says_what_the_app_says(world: World) -> None:
    """The bucket's statement: it names the role, and denies it alone."""
    statement = revocation.bucket_statement(world.arn("the data role", OURS), world.arn("the bucket", OURS))
    document = {"Version": "2012-10-17", "Statement": [statement]}
    access = world.access.with_resource_policy(world.arn("the bucket", OURS), document)
    assert not reads(access, world)
    neighbour = access.of(world.names.places[OURS]["the neighbour"])
    assert neighbour.decide("s3:GetObject", world.thing("object raw-2/1.png", OURS)).allowed
