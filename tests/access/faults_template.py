"""Faults in the template as a whole: what is looked up, rewritten, or told to whoever reads it."""

from tests.access.fault import Fault
from tests.access.mutations import Change, put, trust
from tests.access.town import EXTERNAL_ID
from tests.access.world import World

_CHANCE = "nothing in the template is left to chance"
_SECRET = "no secret stands in the template"
_GIVEN = "other stacks are given nothing"
_CLIENT = "AWS::Cognito::UserPoolClient"


def output(value: object, **more: object) -> Change:
    """An output of the stack; a function is told the world."""

    def change(world: World) -> None:
        told = value(world) if callable(value) else value
        world.body.setdefault("Outputs", {})["Told"] = {"Value": told, **more}

    return change


def client_secret(world: World) -> object:
    return {"Fn::GetAtt": [next(iter(world.of_type(_CLIENT))), "ClientSecret"]}


def parameter(world: World) -> None:
    """Who deploys says who becomes the data role."""
    world.body.setdefault("Parameters", {})["Who"] = {"Type": "String"}
    trust("the data role", {"AWS": {"Ref": "Who"}})(world)


TEMPLATE = [
    Fault("the external id is an output", _SECRET, output(EXTERNAL_ID)),
    Fault("the client's secret is an output", _SECRET, output(client_secret)),
    Fault(
        "the client's secret is in a function",
        _SECRET,
        put("a handler", "Environment.Variables.GTPLUS_CLIENT", client_secret),
    ),
    Fault(
        "the external id is in a role's description", _SECRET, put("the vendor's data role", "Description", EXTERNAL_ID)
    ),
    Fault("another stack imports a role", _GIVEN, output("x", Export={"Name": "role"})),
    Fault("a parameter says who becomes the data role", _CHANCE, parameter),
    Fault(
        "a deploy looks up who becomes the data role", _CHANCE, trust("the data role", {"AWS": "{{resolve:ssm:/who}}"})
    ),
    Fault(
        "a deploy looks up a secret",
        _CHANCE,
        put("a handler", "Environment.Variables.GTPLUS_KEY", "{{resolve:secretsmanager:key}}"),
    ),
    Fault(
        "a file in a bucket rewrites a resource",
        _CHANCE,
        put(
            "the bucket",
            "Tags",
            {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://theirs/x"}}},
        ),
    ),
    Fault(
        "a condition leaves a part out",
        _CHANCE,
        lambda world: world.body.update(Conditions={"Never": {"Fn::Equals": ["1", "2"]}}),
    ),
]
"""In the template as a whole."""
