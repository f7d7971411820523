"""Promises about roles: who becomes them, and all that they can do."""

import re
from collections.abc import Iterator
from typing import Any

from gtplus_runtime import revocation
from tests.access.promise import Promises
from tests.access.specification import QUESTIONS, ask
from tests.access.town import ACCOUNT, EXTERNAL_ID, VENDOR, Body
from tests.access.world import SERVICE, World, listed, statements

PROMISES = Promises()

SERVICE_ACTIONS = {"s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:GetBucketLocation"}
"""What the service's page "Create a project" asks of its role."""
DATA = {"s3:GetObject", "s3:PutObject", "s3:ListBucket"}
KEY = {"kms:Decrypt", "kms:GenerateDataKey"}
CALL = {"execute-api:Invoke", "ssm:GetParameter"}
LOG = {"logs:CreateLogStream", "logs:PutLogEvents"}
TABLE = {f"dynamodb:{name}" for name in ("GetItem", "PutItem", "UpdateItem", "ConditionCheckItem", "Query")}
PROJECTS = {"ssm:GetParameter", "sts:AssumeRole"}
TRACES = {
    f"xray:{name}" for name in ("PutTraceSegments", "PutTelemetryRecords", "GetSamplingRules", "GetSamplingTargets")
}
VENDED_LOGS = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}

TOWN: dict[str, set[str]] = {
    "the handlers": TABLE | KEY | LOG | PROJECTS,
    "the API": TABLE | KEY | LOG | PROJECTS,
    "the storage function": TABLE
    | KEY
    | LOG
    | PROJECTS
    | {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    "the dispatcher": KEY
    | LOG
    | {"dynamodb:GetItem", "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"}
    | {"states:StartExecution", "states:SendTaskSuccess", "events:PutEvents", "sns:Publish", "sqs:SendMessage"},
    "the reconciler": TABLE
    | KEY
    | LOG
    | {"ssm:GetParameter", "sqs:SendMessage"}
    | {"states:ListExecutions", "states:DescribeExecution", "states:StopExecution"},
    "the schedule": KEY | {"lambda:InvokeFunction", "sqs:SendMessage"},
    "the machine's role": KEY | TRACES | VENDED_LOGS | {"dynamodb:UpdateItem", "lambda:InvokeFunction"},
    "the operator": CALL,
    "the mender": KEY
    | {"ssm:GetParameter", "lambda:InvokeFunction"}
    | {f"sqs:{name}" for name in ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes")}
    | {"sqs:SendMessage", "sns:Subscribe", "sns:Unsubscribe"}
    | {"sns:ListSubscriptionsByTopic", "sns:GetSubscriptionAttributes"},
    "the vendor's data role": SERVICE_ACTIONS | KEY,
    "the vendor's reporting role": CALL,
    "the vendor's runtime role": DATA | KEY,
}
"""All that each role of the town can do, over every action that AWS has."""
PLACE: dict[str, set[str]] = {
    "the data role": SERVICE_ACTIONS | KEY,
    "the neighbour": SERVICE_ACTIONS | KEY,
    "the runtime role": DATA | KEY,
    "the uploader": DATA | KEY,
    "the requester": CALL,
    "the reviewer": CALL,
    "the reporter": CALL,
}
"""The same of the roles of a place; without a key there is no use of one."""


def roles(world: World) -> Iterator[tuple[str, str, set[str]]]:
    """Every role that is specified: the words for it, its logical id, and all that it can do."""
    for word, actions in TOWN.items():
        yield word, world.names.town[word], actions
    for kind, names in world.names.places.items():
        for word, actions in PLACE.items():
            can = actions if "the key" in names else actions - KEY
            yield f"{word} [{kind}]", names[word], can - DATA - SERVICE_ACTIONS if shut(world, word) else can


def shut(world: World, word: str) -> bool:
    """Whether a role of a place is shut out by a revocation."""
    return world.shut and word == "the data role"


@PROMISES
def every_role_is_one_of_those_that_are_specified(world: World) -> None:
    assert sorted(world.of_type("AWS::IAM::Role")) == sorted(name for _, name, _ in roles(world))


@PROMISES
def each_role_can_do_exactly_this(world: World) -> None:
    for word, name, actions in roles(world):
        found = world.access.of(name).actions()
        assert found == actions, f"{word}: too much {sorted(found - actions)}, too little {sorted(actions - found)}"


@PROMISES
def each_role_is_allowed_these_actions_and_no_other(world: World) -> None:
    """Also where a Deny hides another one, or a bucket's guard: an Allow too many is one to trip over later."""
    inline = {name: role.get("Policies", []) for name, role in world.properties("AWS::IAM::Role").items()}
    policies = world.properties("AWS::IAM::Policy").values()
    for word, name, _ in roles(world):
        documents = [policy["PolicyDocument"] for policy in inline[name]]
        documents += [p["PolicyDocument"] for p in policies if world.resolved({"Ref": name}) in p["Roles"]]
        said = [s for document in documents for s in statements(document) if s["Effect"] == "Allow"]
        found = {action for statement in said for action in listed(statement["Action"])}
        place, _, kind = word.removesuffix("]").partition(" [")
        wanted = {**TOWN, **PLACE}[place] - (set() if not kind or "the key" in world.names.places[kind] else KEY)
        assert found == wanted, f"{word}: too much {sorted(found - wanted)}, too little {sorted(wanted - found)}"


def _trust(world: World, word: str) -> list[tuple[str, str, Any]]:
    """Who becomes a role: kind, name and condition of each principal."""
    ours = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    agreed = {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}}
    of_service = [("Service", SERVICE, {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}})]
    functions: list[tuple[str, str, Any]] = [
        ("AWS", world.arn(who), {}) for who in ("the API", "the handlers", "the storage function")
    ]
    special = {
        "the schedule": [("Service", "scheduler.amazonaws.com", ours)],
        "the machine's role": [("Service", "states.amazonaws.com", ours)],
        "the vendor's data role": [("AWS", f"arn:aws:iam::{VENDOR}:root", agreed)],
        "the vendor's reporting role": [("AWS", f"arn:aws:iam::{VENDOR}:root", agreed)],
        "the vendor's runtime role": functions,
        "the runtime role": functions,
        "the data role": of_service,
        "the neighbour": of_service,
        "the operator": [("AWS", f"arn:aws:iam::{ACCOUNT}:root", {})],
        "the mender": [("AWS", f"arn:aws:iam::{ACCOUNT}:root", {})],
    }
    people = dict.fromkeys(("the uploader", "the requester", "the reviewer", "the reporter"), special["the operator"])
    return (special | people).get(word, [("Service", "lambda.amazonaws.com", {})])


_HELD = (
    "The data role reads its input and writes its labels",
    "The data role reaches nothing beside its prefixes",
    "The data role deletes and changes nothing",
    "A neighbour in the same bucket has its own prefixes and no others",
)


@PROMISES
def the_roles_own_policies_hold_it_to_its_grant_where_no_bucket_does(world: World) -> None:
    """Each side holds alone: a fault in one must not hide behind the other."""
    ask([question for question in QUESTIONS if question.section in _HELD], world.unguarded)


@PROMISES
def each_role_is_trusted_to_its_own_and_to_nobody_else(world: World) -> None:
    found_roles = world.properties("AWS::IAM::Role")
    for word, name, _ in roles(world):
        found: list[tuple[str, str, Any]] = []
        for statement in statements(found_roles[name]["AssumeRolePolicyDocument"]):
            assert statement["Effect"] == "Allow", f"{word}: {statement}"
            assert listed(statement["Action"]) == ["sts:AssumeRole"], f"{word}: {statement['Action']}"
            assert isinstance(statement["Principal"], dict), f"{word}: everybody"
            for kind, principals in statement["Principal"].items():
                found += [(kind, principal, statement.get("Condition", {})) for principal in listed(principals)]
        wanted = _trust(world, word.partition(" [")[0])
        assert sorted(found, key=str) == sorted(wanted, key=str), f"{word} is trusted to {found}, not to {wanted}"


@PROMISES
def sessions_at_the_data_last_an_hour(world: World) -> None:
    found = world.properties("AWS::IAM::Role")
    for word, name, _ in roles(world):
        if word.startswith(("the data role", "the neighbour", "the vendor", "the runtime role")):
            assert found[name].get("MaxSessionDuration") == 3_600, word


@PROMISES
def a_data_role_is_under_the_path_that_buckets_know(world: World) -> None:
    found = world.properties("AWS::IAM::Role")
    for word, name, _ in roles(world):
        guarded = word.startswith(("the data role", "the neighbour", "the vendor's data role"))
        assert found[name].get("Path", "/").startswith("/gtplus/data/") is guarded, word


@PROMISES
def no_role_has_a_policy_of_others_making(world: World) -> None:
    for name, role in world.properties("AWS::IAM::Role").items():
        assert not role.get("ManagedPolicyArns"), name
        assert "RoleName" not in role, name


@PROMISES
def each_data_role_has_its_reserved_policy_that_no_deploy_changes(world: World) -> None:
    """`gtplus access revoke` writes to it; a template that changed it would undo a revocation."""
    reserved = [
        policy
        for policy in world.properties("AWS::IAM::Policy").values()
        if policy["PolicyName"] == revocation.POLICY_NAME
    ]
    assert all(policy["PolicyDocument"] == revocation.role_policy("aws") for policy in reserved)
    guarded = ("the data role", "the neighbour", "the vendor's data role")
    wanted = [world.access.resource(name) for word, name, _ in roles(world) if word.startswith(guarded)]
    attached = [role for policy in reserved for role in policy["Roles"]]
    assert sorted(arn.rpartition("/")[2] for arn in wanted) == sorted(attached)


@PROMISES
def no_allow_has_a_wildcard_for_its_action(world: World) -> None:
    for name, statement in world.identity_statements():
        if statement["Effect"] == "Allow":
            assert "NotAction" not in statement, name
            assert "NotResource" not in statement, name
            assert not [action for action in listed(statement["Action"]) if "*" in action or "?" in action], name


@PROMISES
def only_telemetry_is_allowed_on_every_resource(world: World) -> None:
    """X-Ray and vended log delivery know no resource."""
    starred = [(name, s) for name, s in world.identity_statements() if _starred(s)]
    assert {name for name, _ in starred} == {world.names.town["the machine's role"]}
    assert {action for _, s in starred for action in listed(s["Action"])} == TRACES | VENDED_LOGS


def _starred(statement: Body) -> bool:
    return statement["Effect"] == "Allow" and "*" in listed(statement["Resource"])


@PROMISES
def an_allow_reaches_no_further_than_what_has_no_name_yet(world: World) -> None:
    """Every wildcard in the resource of an Allow is one of these."""
    ours = rf"arn:aws:[\w-]+:us-east-1:{ACCOUNT}"
    executions = world.arn("the machine").replace(":stateMachine:", ":execution:")
    meant = (
        r"arn:aws:s3:::[^/*]+/(raw|labels)(-2)?/\*",  # the objects of a grant
        rf"arn:aws:iam::{ACCOUNT}:role/gtplus/labeling/\*",  # the runtime roles, which trust our functions by name
        rf"{ours}:parameter/gtplus/labeling/projects/\*",  # the places of projects
        rf"{re.escape(world.arn('the logs').removesuffix('*'))}\*",  # the streams of a log
        rf"{re.escape(executions)}:\*",  # the executions of the machine
        rf"{ours}:{world.api_id}/\$default/(GET|POST)/\w+/projects/[^/*]+/\*",  # the paths of a duty in a project
        rf"{ours}:{world.api_id}/\$default/(GET|POST)/operate/\*",  # and of an operator, in all projects
        r"\*",  # telemetry: the promise before this one
    )
    for name, statement in world.identity_statements():
        for resource in listed(statement["Resource"]) if statement["Effect"] == "Allow" else ():
            wild = "*" in resource or "?" in resource
            assert not wild or any(re.fullmatch(pattern, resource) for pattern in meant), f"{name}: {resource}"


@PROMISES
def a_use_of_a_key_is_always_through_a_service(world: World) -> None:
    for name, statement in world.identity_statements():
        if any(action.startswith("kms:") for action in listed(statement.get("Action", []))):
            assert "kms:ViaService" in statement.get("Condition", {}).get("StringEquals", {}), f"{name}: {statement}"


@PROMISES
def the_template_makes_no_user_and_no_credential(world: World) -> None:
    kinds = {each["Type"] for each in world.body["Resources"].values()}
    assert not kinds & {"AWS::IAM::User", "AWS::IAM::AccessKey", "AWS::IAM::Group", "AWS::IAM::ManagedPolicy"}
