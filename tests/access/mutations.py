"""Ways to put one fault into a template: each returns a change of a world."""

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.access.town import ACCOUNT, OURS, Body
from tests.access.world import World, statements

Change: TypeAlias = Callable[[World], None]


def resource(world: World, word: str) -> Body:
    """A resource as the template has it: by a word, or by a type of which there is one; and some special ones."""
    resources: dict[str, Body] = world.body["Resources"]
    name = world.name(word, OURS)
    if name is not None:
        return resources[name]
    kind, path, value = {
        "a route": ("AWS::ApiGatewayV2::Route", "AuthorizationType", "AWS_IAM"),
        "the project's parameter": ("AWS::SSM::Parameter", "Name", "/gtplus/labeling/projects/signs"),
        "the workspace's parameter": ("AWS::SSM::Parameter", "Name", "/gtplus/labeling/workspace"),
        "the reviewer's policy": ("AWS::IAM::Policy", "Roles", [{"Ref": world.name("the reviewer", OURS)}]),
    }.get(word, (word, "", None))
    of_kind = [each for each in resources.values() if each["Type"] == kind]
    found = [each for each in of_kind if not path or each["Properties"].get(path) == value]
    assert len(found) == 1 or (found and word == "a route"), f"{len(found)} of {word}"
    return found[0]


def arn(world: World, words: str) -> Any:
    """A reference to what the words mean; `the bucket/raw/*` is a path in it, and an ARN is itself."""
    if words == "*" or words.startswith("arn:"):
        return words
    word, slash, path = words.partition("/")
    attribute: Body = {"Fn::GetAtt": [world.name(word, OURS), "Arn"]}
    if resource(world, word)["Type"] in ("AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"):
        attribute = {"Ref": world.name(word, OURS)}
    return {"Fn::Join": ["", [attribute, slash + path]]} if slash else attribute


def put(word: str, path: str, value: Any) -> Change:
    """Set a property, by its path with dots; `DeletionPolicy` and its like stand beside the properties.

    A value that is a function is told the world.
    """

    def change(world: World) -> None:
        holder, last = _walk(resource(world, word), path)
        holder[last] = value(world) if callable(value) else value

    return change


def drop(word: str, path: str) -> Change:
    """Leave a property out."""

    def change(world: World) -> None:
        holder, last = _walk(resource(world, word), path)
        del holder[last]

    return change


def _walk(found: Body, path: str) -> tuple[Any, Any]:
    *steps, last = path.split(".")
    holder: Any = found if path in ("DeletionPolicy", "UpdateReplacePolicy") else found["Properties"]
    for step in steps:
        holder = holder[int(step)] if step.isdigit() else holder.setdefault(step, {})
    return holder, int(last) if last.isdigit() else last


def allow(who: str, action: str | list[str], on: str, condition: Body | None = None) -> Change:
    """Another Allow in a role's own policies."""

    def change(world: World) -> None:
        statement = {"Effect": "Allow", "Action": action, "Resource": arn(world, on)}
        if condition is not None:
            statement["Condition"] = condition
        policies = resource(world, who)["Properties"].setdefault("Policies", [])
        document = {"Version": "2012-10-17", "Statement": [statement]}
        policies.append({"PolicyName": "Another", "PolicyDocument": document})

    return change


def trust(who: str, principal: Any, condition: Body | None = None, action: str = "sts:AssumeRole") -> Change:
    """Another principal that becomes a role."""

    def change(world: World) -> None:
        statement = {"Effect": "Allow", "Action": action, "Principal": principal}
        if condition is not None:
            statement["Condition"] = condition
        resource(world, who)["Properties"]["AssumeRolePolicyDocument"]["Statement"].append(statement)

    return change


def trust_without_condition(who: str) -> Change:
    """The role's trust, whatever the request says."""

    def change(world: World) -> None:
        del statements(resource(world, who)["Properties"]["AssumeRolePolicyDocument"])[0]["Condition"]

    return change


def policy_of(world: World, word: str) -> list[Body]:
    """The statements of a resource's policy, to be changed."""
    holder = resource(world, word)
    if holder["Type"] == "AWS::KMS::Key":
        return statements(holder["Properties"]["KeyPolicy"])
    kind, attached = {
        "AWS::S3::Bucket": ("AWS::S3::BucketPolicy", "Bucket"),
        "AWS::SQS::Queue": ("AWS::SQS::QueuePolicy", "Queues"),
        "AWS::SNS::Topic": ("AWS::SNS::TopicPolicy", "Topics"),
    }[holder["Type"]]
    reference = {"Ref": world.name(word, OURS)}
    (document,) = (
        each["Properties"]["PolicyDocument"]
        for each in world.of_type(kind).values()
        if reference in (each["Properties"][attached], *each["Properties"][attached])
    )
    return statements(document)


def open_to(word: str, principal: Any, action: str, condition: Body | None = None) -> Change:
    """Another Allow in a resource's policy."""

    def change(world: World) -> None:
        on = "*" if resource(world, word)["Type"] == "AWS::KMS::Key" else arn(world, word)
        paths = [on, arn(world, f"{word}/*")] if resource(world, word)["Type"] == "AWS::S3::Bucket" else on
        statement = {"Effect": "Allow", "Principal": principal, "Action": action, "Resource": paths}
        if condition is not None:
            statement["Condition"] = condition
        policy_of(world, word).append(statement)

    return change


def except_for(word: str, principal: Any, action: str, effect: str = "Allow") -> Change:
    """Another statement in a resource's policy, about everybody but one."""

    def change(world: World) -> None:
        statement = {"Effect": effect, "NotPrincipal": principal, "Action": action, "Resource": arn(world, word)}
        policy_of(world, word).append(statement)

    return change


def deny(word: str, action: str, condition: Body | None = None) -> Change:
    """Another Deny for everybody in a resource's policy."""

    def change(world: World) -> None:
        on = [arn(world, word), arn(world, f"{word}/*")]
        statement = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": action, "Resource": on}
        policy_of(world, word).append(statement if condition is None else {**statement, "Condition": condition})

    return change


def lift(word: str, marks: str) -> Change:
    """Take statements out of a resource's policy: those whose JSON has these marks."""

    def change(world: World) -> None:
        policy = policy_of(world, word)
        kept = [statement for statement in policy if marks not in json.dumps(statement)]
        assert len(kept) < len(policy), f"no statement has {marks}"
        policy[:] = kept

    return change


def rewrite(word: str, marks: str, **elements: Any) -> Change:
    """Change elements of the statements of a resource's or role's own policy that have these marks; None drops one."""

    def change(world: World) -> None:
        found = [statement for statement in _statements(world, word) if marks in json.dumps(statement)]
        assert found, f"no statement has {marks}"
        for statement in found:
            for element, value in elements.items():
                if value is None:
                    statement.pop(element, None)
                else:
                    statement[element] = value(world) if callable(value) else value

    return change


def _statements(world: World, word: str) -> list[Body]:
    if resource(world, word)["Type"] != "AWS::IAM::Role":
        return policy_of(world, word)
    name = world.name(word, OURS)
    inline = [policy["PolicyDocument"] for policy in resource(world, word)["Properties"].get("Policies", [])]
    own = [
        each["Properties"]["PolicyDocument"]
        for each in world.of_type("AWS::IAM::Policy").values()
        if {"Ref": name} in each["Properties"]["Roles"]
    ]
    return [statement for document in [*inline, *own] for statement in statements(document)]


def add(name: str, kind: str, **properties: Any) -> Change:
    """Another resource; a property that is a function is told the world."""

    def change(world: World) -> None:
        made = {key: value(world) if callable(value) else value for key, value in properties.items()}
        world.body["Resources"][name] = {"Type": kind, "Properties": made}

    return change


def remove(word: str) -> Change:
    """Leave a resource out."""

    def change(world: World) -> None:
        gone = resource(world, word)
        resources = world.body["Resources"]
        (name,) = (name for name, each in resources.items() if each is gone)
        del resources[name]

    return change


def every(kind: str, path: str, value: Any) -> Change:
    """Set a property of every resource of a type."""

    def change(world: World) -> None:
        for name in world.of_type(kind):
            holder, last = _walk(world.body["Resources"][name], path)
            holder[last] = value

    return change


def replace(word: str, old: str, new: str) -> Change:
    """Write another text in a resource."""

    def change(world: World) -> None:
        found = resource(world, word)
        text, before, after = json.dumps(found["Properties"]), json.dumps(old)[1:-1], json.dumps(new)[1:-1]
        assert before in text, f"{word} has no {old}"
        found["Properties"] = json.loads(text.replace(before, after))

    return change


def in_json(word: str, path: str, edit: Callable[[Any], object]) -> Change:
    """Change what a property holds as JSON text; its references stay what they are."""

    def change(world: World) -> None:
        holder, last = _walk(resource(world, word), path)
        pieces = holder[last]["Fn::Join"][1]
        held = [piece for piece in pieces if not isinstance(piece, str)]
        marks = iter(range(len(held)))
        value = json.loads("".join(piece if isinstance(piece, str) else f"@@{next(marks)}@@" for piece in pieces))
        edit(value)
        split = re.split(r"@@(\d+)@@", json.dumps(value))
        holder[last]["Fn::Join"][1] = [held[int(piece)] if n % 2 else piece for n, piece in enumerate(split)]

    return change


def both(one: Change, other: Change) -> Change:
    """Two changes that only together make a difference to who may do what."""

    def change(world: World) -> None:
        one(world)
        other(world)

    return change


def ref(*names: str) -> Callable[[World], Any]:
    """References to things, for a property."""
    return lambda world: [arn(world, name) for name in names] if len(names) > 1 else arn(world, names[0])


ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
