"""All promises, by name: those of the modules beside, those of a revocation, and every section of the specification."""

from tests.access import promises_engine, promises_people, promises_roles, promises_storage, promises_template
from tests.access.promise import Check, Promises, named
from tests.access.specification import QUESTIONS, SECTIONS, ask
from tests.access.world import World

REVOCATION = Promises()


@REVOCATION
def a_revocation_is_in_the_roles_own_policies(world: World) -> None:
    """The first layer: it alone shuts the door, whatever buckets say."""
    for kind, names in world.names.places.items():
        role, bucket = names["the data role"], names["the bucket"]
        without = world.access.with_resource_policy(bucket, None, account=role_account(world, kind))
        for action, thing in _doors(world, kind):
            assert without.of(role).decide(action, thing, _LISTING).explicitly_denied, f"[{kind}] {action}"


@REVOCATION
def a_revocation_is_in_the_policies_of_buckets_that_are_ours(world: World) -> None:
    """The second layer: it names the role by its path, and so outlives the role."""
    for kind, names in world.names.places.items():
        if kind.startswith("imported"):
            continue
        arn = world.access.resource(names["the data role"])
        again = world.access.principal(f"{arn.rpartition('/')[0]}/MadeAgain")
        for action, thing in _doors(world, kind):
            assert again.decide(action, thing, _LISTING).explicitly_denied, f"[{kind}] {action}"


@REVOCATION
def a_revocation_leaves_the_neighbour_alone(world: World) -> None:
    for kind, names in world.names.places.items():
        world.access.of(names["the neighbour"]).can("s3:GetObject", world.thing("object raw-2/1.png", kind))


_LISTING = {"s3:prefix": "raw/"}


def role_account(world: World, kind: str) -> str:
    """The account of the data role of a place."""
    return world.arn("the data role", kind).split(":")[4]


def _doors(world: World, kind: str) -> list[tuple[str, str | None]]:
    return [
        ("s3:GetObject", world.thing("object raw/1.png", kind)),
        ("s3:PutObject", world.thing("object labels/1.json", kind)),
        ("s3:ListBucket", world.thing("the bucket", kind)),
        ("s3:GetBucketLocation", world.thing("the bucket", kind)),
    ]


def _asked(section: str) -> Check:
    questions = [question for question in QUESTIONS if question.section == section]
    return lambda world: ask(questions, world)


PROMISES: dict[str, Check] = {
    **promises_roles.PROMISES,
    **promises_storage.PROMISES,
    **promises_engine.PROMISES,
    **promises_people.PROMISES,
    **promises_template.PROMISES,
    **{section: named(section, _asked(section)) for section in SECTIONS},
}
"""What holds whether projects are revoked or not."""
