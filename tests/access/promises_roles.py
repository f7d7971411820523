"""Promises about roles: who becomes them, and all that they can do."""

from collections.abc import Iterator
from typing import Any

from gtplus_runtime import revocation
from gtplus_runtime.lifecycle import BATCH
from tests.access.promise import Promises
from tests.access.specification import QUESTIONS, ask
from tests.access.town import ACCOUNT, EXTERNAL_ID, REGION, VENDOR, Body
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
    "the handlers": TABLE | {"dynamodb:BatchGetItem"} | KEY | LOG | PROJECTS,
    "the API": TABLE | {"dynamodb:BatchGetItem"} | KEY | LOG | PROJECTS,
    "the storage function": TABLE
    | KEY
    | LOG
    | PROJECTS
    | {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"},
    "the dispatcher": KEY
    | LOG
    | {
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
    }
    | {"states:StartExecution", "states:SendTaskSuccess", "events:PutEvents", "sns:Publish", "sqs:SendMessage"},
    "the reconciler": TABLE
    | {"dynamodb:BatchGetItem"}
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
    "the inviter": {"ssm:GetParameter"}
    | {f"cognito-idp:Admin{name}" for name in ("CreateUser", "AddUserToGroup", "RemoveUserFromGroup")}
    | {f"cognito-idp:{name}" for name in ("DescribeUserPool", "DescribeUserPoolClient", "GetGroup")}
    | {"cognito-idp:ListUsers", "cognito-idp:ListUsersInGroup"},
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
    for word, name, _ in roles(world):
        said = [s for s in own_statements(world, name) if s["Effect"] == "Allow"]
        found = {action for statement in said for action in listed(statement.get("Action", "all but a few"))}
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
        "the inviter": [("AWS", f"arn:aws:iam::{ACCOUNT}:root", {})],
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
            assert isinstance(statement.get("Principal"), dict), f"{word}: everybody"
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
def a_runtime_role_is_under_the_path_that_functions_know(world: World) -> None:
    found = world.properties("AWS::IAM::Role")
    for word, name, _ in roles(world):
        runtime = word.startswith(("the runtime role", "the vendor's runtime role"))
        assert (found[name].get("Path") == "/gtplus/labeling/") is runtime, word
        kind = word.removesuffix("]").partition(" [")[2]
        project = world.names.projects[kind] if kind else "vendor"
        assert found[name].get("Tags") == ([{"Key": "gtplus:project", "Value": project}] if runtime else None), word


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
def each_role_is_allowed_its_own_things_and_no_other(world: World) -> None:
    """Whatever it may do with them: no wildcard, no neighbour and nothing of the rest of the account among them."""
    for word, name, _ in roles(world):
        allowed = (s for s in own_statements(world, name) if s["Effect"] == "Allow")
        found = {str(thing) for statement in allowed for thing in listed(statement.get("Resource", "all but a few"))}
        wanted = things(world, word)
        assert found == wanted, f"{word}: too much {sorted(found - wanted)}, too little {sorted(wanted - found)}"


def own_statements(world: World, name: str) -> list[Body]:
    """The statements of a role's own policies."""
    documents = [policy["PolicyDocument"] for policy in world.properties("AWS::IAM::Role")[name].get("Policies", [])]
    policies = world.properties("AWS::IAM::Policy").values()
    documents += [p["PolicyDocument"] for p in policies if world.resolved({"Ref": name}) in p["Roles"]]
    return [statement for document in documents for statement in statements(document)]


def things(world: World, role: str) -> set[str]:
    """The ARNs that a role of the town or of a place has to do with."""
    word, _, kind = role.removesuffix("]").partition(" [")
    return _of_place(world, word, kind) if kind else _of_town(world, word)


def _of_town(world: World, word: str) -> set[str]:
    ours = f"us-east-1:{ACCOUNT}"
    table, machine, key = world.arn("the table"), world.arn("the machine"), world.arn("the workspace's key")
    indexes = {index["IndexName"] for index in world.one("AWS::DynamoDB::Table")["GlobalSecondaryIndexes"]}
    tables = {table, *(f"{table}/index/{name}" for name in indexes)}
    places = f"arn:aws:ssm:{ours}:parameter/gtplus/labeling/projects/*"  # what has no name yet: later projects
    runtime_roles = f"arn:aws:iam::{ACCOUNT}:role/gtplus/labeling/*"  # which trust our functions by name
    functions = world.properties("AWS::Lambda::Function")
    handlers = {
        world.access.resource(name)
        for name, function in functions.items()
        if function["Handler"].split(".")[-2] in {status.slug for status in BATCH}
    }
    function = {key, *tables, places, world.arn("the logs")}
    data = {*function, runtime_roles}
    special = {
        "the handlers": data,
        "the API": data,
        "the storage function": data | {world.arn("the queue")},
        "the dispatcher": {key, table, world.arn("the logs"), machine}
        | {world.arn(f"the {thing}") for thing in ("bus", "topic", "escalations", "dispatcher's dead letters")}
        | {str(world.resolved({"Fn::GetAtt": [world.names.town["the table"], "StreamArn"]}))},
        "the reconciler": function
        | {machine, machine.replace(":stateMachine:", ":execution:") + ":*"}
        | {world.arn("the queue"), world.arn("the reconciler's dead letters")},
        "the schedule": {key, world.arn("the reconciler's function"), world.arn("the reconciler's dead letters")},
        "the machine's role": {key, table, *handlers, "*"},  # telemetry knows no resource
        "the mender": {_WORKSPACE, key, world.arn("the queue"), world.arn("the reconciler's function")}
        | {
            world.arn("the topic"),
            world.arn("the alarm topic"),
            world.arn("the escalations"),
            world.arn("the dead letters"),
        }
        | {world.arn(f"the {whose} dead letters") for whose in ("dispatcher's", "reconciler's", "rules'", "topic's")},
        "the inviter": {_WORKSPACE, _WORKSPACE.replace("/workspace", "/projects/*"), world.arn("the user pool")},
        "the operator": {_WORKSPACE, *_calls(world, "operate/*")},
        "the vendor's reporting role": {_WORKSPACE, *_calls(world, *_PROJECT.format("report", "vendor").split())},
    }
    if word in special:
        return special[word]
    return _data(world.arn("the vendor's bucket"), "", {world.arn("the vendor's key")})


_WORKSPACE = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/gtplus/labeling/workspace"
_PROJECT = "{0}/projects/{1} {0}/projects/{1}/*"


def _of_place(world: World, word: str, kind: str) -> set[str]:
    duty = {"the requester": "request", "the reviewer": "review", "the reporter": "report"}.get(word)
    if duty is not None:
        return {_WORKSPACE, *_calls(world, *_PROJECT.format(duty, world.names.projects[kind]).split())}
    key = {world.arn("the key", kind)} if "the key" in world.names.places[kind] else set()
    return _data(world.arn("the bucket", kind), "-2" if word == "the neighbour" else "", key)


_PROVIDERS = ("the data role", "the neighbour", "the vendor's data role")
_REACHING = (*_PROVIDERS, "the runtime role", "the vendor's runtime role", "the uploader")


@PROMISES
def who_reaches_data_does_each_action_on_its_own_prefixes(world: World) -> None:
    """Action by action: what may be read is not what may be written, though a role has to do with both."""
    for role, name, _ in roles(world):
        word, _, kind = role.removesuffix("]").partition(" [")
        whose = "the vendor's bucket" if word.startswith("the vendor") else "the bucket"
        if word not in _REACHING:
            continue
        bucket = world.arn(whose, kind or None)
        suffix = "-2" if word == "the neighbour" else ""
        read, write = f"{bucket}/raw{suffix}/*", f"{bucket}/labels{suffix}/*"
        wanted = {("s3:GetObject", read), ("s3:GetObject", write), ("s3:ListBucket", bucket)}
        wanted.add(("s3:PutObject", read if word == "the uploader" else write))
        if word in _PROVIDERS:
            wanted.add(("s3:GetBucketLocation", bucket))
        found = {
            (action, thing)
            for statement in own_statements(world, name)
            if statement["Effect"] == "Allow"
            for action in listed(statement.get("Action", "all but a few"))
            for thing in listed(statement.get("Resource", "all but a few"))
            if not action.startswith("kms:")
        }
        assert found == wanted, f"{role}: too much {sorted(found - wanted)}, too little {sorted(wanted - found)}"


def _data(bucket: str, suffix: str, key: set[str]) -> set[str]:
    return {bucket, f"{bucket}/raw{suffix}/*", f"{bucket}/labels{suffix}/*", *key}


def _calls(world: World, *paths: str) -> set[str]:
    api = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{world.api_id}/$default"
    return {f"{api}/{method}/{path}" for method in ("GET", "POST") for path in paths}


@PROMISES
def an_allow_is_under_no_condition_but_of_listings_keys_and_subscriptions(world: World) -> None:
    """Any other would lock a role out where its key is not sent, or hide what it is allowed."""
    special = {"s3:ListBucket": {"StringLike": ["s3:prefix"]}, "sns:Subscribe": {"StringEquals": ["sns:Protocol"]}}
    keys = (
        {"StringEquals": ["kms:ViaService"]},
        {"StringEquals": ["kms:ViaService"], "StringLike": ["kms:EncryptionContext:aws:s3:arn"]},
    )
    for name, statement in world.identity_statements():
        if statement["Effect"] == "Allow":
            found = {operator: list(about) for operator, about in statement.get("Condition", {}).items()}
            action = listed(statement.get("Action", "all but a few"))[0]
            wanted = keys if action.startswith("kms:") else (special.get(action, {}),)
            assert found in wanted, f"{name}: {statement}"


@PROMISES
def a_data_role_is_denied_our_own_files_wherever_it_writes(world: World) -> None:
    """What a batch is decided on must not be the provider's to change."""
    for word, name, _ in roles(world):
        if word.startswith(("the data role", "the neighbour", "the vendor's data role")):
            written, denied = set(), set()
            for statement in own_statements(world, name):
                if statement.get("Action") == "s3:PutObject":
                    (written if statement["Effect"] == "Allow" else denied).update(listed(statement["Resource"]))
            assert denied == {f"{pattern}/gtplus/*" for pattern in written}, f"{word}: writes {written}, not {denied}"


@PROMISES
def a_listing_is_of_the_prefixes_whose_objects_are_granted(world: World) -> None:
    for word, name, _ in roles(world):
        prefixes, objects = set(), set()
        for statement in own_statements(world, name):
            if statement.get("Action") == "s3:ListBucket":
                prefixes |= set(statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", ["all"]))
            elif statement.get("Action") in ("s3:GetObject", "s3:PutObject") and statement["Effect"] == "Allow":
                objects |= {thing.partition("/")[2] for thing in listed(statement["Resource"])}
        assert prefixes == objects, f"{word}: lists {prefixes}, reaches {objects}"


@PROMISES
def a_role_is_denied_our_own_files_and_what_is_revoked_and_nothing_else(world: World) -> None:
    """Another Deny would hide what a role is allowed, until somebody lifts it."""
    nothing = statements(revocation.role_policy("aws"))
    arns = [world.access.resource(names["the bucket"]) for names in world.names.places.values()]
    buckets = [{arn, f"{arn}/*"} for arn in arns]
    for name, statement in world.identity_statements():
        if statement["Effect"] == "Allow" or statement in nothing:
            continue
        files = listed(statement["Resource"])
        ours = statement.get("Action") == "s3:PutObject" and all(one.endswith("/*/gtplus/*") for one in files)
        revoked = world.revoked and statement["Sid"].startswith("Revoked") and statement["Action"] == "s3:*"
        revoked = revoked and set(files) in buckets
        assert "Condition" not in statement, f"{name}: {statement}"
        assert ours or revoked, f"{name}: {statement}"


@PROMISES
def a_use_of_a_key_is_always_through_a_service(world: World) -> None:
    """Through each that a role has to do with, and no other; in S3 for its own bucket alone."""
    for word, name, _ in roles(world):
        used, encrypted, buckets = set(), set(), set()
        for statement in own_statements(world, name):
            for action in listed(statement.get("Action", [])):
                service = action.partition(":")[0]
                if service in ("dynamodb", "sqs", "s3") or action == "sns:Publish":
                    encrypted.add(f"{service}.{REGION}.amazonaws.com")
                buckets |= set(listed(statement["Resource"])) if action == "s3:ListBucket" else set()
                if service == "kms":
                    assert set(listed(statement["Action"])) == KEY, f"{word}: {statement}"
                    used.add(statement.get("Condition", {}).get("StringEquals", {}).get("kms:ViaService"))
        assert used in (set(), encrypted), f"{word}: through {used}, not through {encrypted}"
        for statement in own_statements(world, name):
            condition = statement.get("Condition", {})
            if condition.get("StringEquals", {}).get("kms:ViaService", "").startswith("s3."):
                found = condition.get("StringLike", {}).get("kms:EncryptionContext:aws:s3:arn", [])
                assert set(found) == buckets | {f"{bucket}/*" for bucket in buckets}, f"{word}: for {found}"


@PROMISES
def the_template_makes_no_user_and_no_credential(world: World) -> None:
    kinds = {each["Type"] for each in world.body["Resources"].values()}
    assert not kinds & {"AWS::IAM::User", "AWS::IAM::AccessKey", "AWS::IAM::Group", "AWS::IAM::ManagedPolicy"}
