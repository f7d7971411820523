"""Promises about what moves a batch: the machine, the bus, the rule, functions and the API."""

import json
import re
from typing import Any

from gtplus_runtime.lifecycle import PEOPLE
from tests.access.promise import Promises, each_has, none_has
from tests.access.town import ACCOUNT
from tests.access.world import World, listed

PROMISES = Promises()

KINDS = {
    "CloudWatch": ("Alarm",),
    "ApiGatewayV2": ("Api", "Integration", "Route", "Stage"),
    "Cognito": ("UserPool", "UserPoolClient", "UserPoolDomain", "UserPoolGroup"),
    "DynamoDB": ("Table",),
    "Events": ("EventBus", "EventBusPolicy", "Rule"),
    "IAM": ("Policy", "Role"),
    "KMS": ("Key",),
    "Lambda": ("EventSourceMapping", "Function", "Permission"),
    "Logs": ("LogGroup",),
    "S3": ("Bucket", "BucketPolicy"),
    "SNS": ("Topic", "TopicPolicy"),
    "SQS": ("Queue", "QueuePolicy"),
    "SSM": ("Parameter",),
    "Scheduler": ("Schedule",),
    "StepFunctions": ("StateMachine",),
}


@PROMISES
def only_kinds_of_resources_that_are_thought_about_are_there(world: World) -> None:
    """A function's URL, an access point, a subscription or an access key would be another door."""
    known = {f"AWS::{service}::{name}" for service, names in KINDS.items() for name in names}
    found = {each["Type"] for each in world.body["Resources"].values()}
    assert found == known, f"new {sorted(found - known)}, gone {sorted(known - found)}"


@PROMISES
def nothing_in_the_template_is_left_to_chance(world: World) -> None:
    """No transform rewrites it, no condition leaves a part of it out."""
    assert not set(world.body) - {"Resources", "Parameters", "Rules", "Description", "Outputs", "Metadata"}
    assert not [name for name, each in world.body["Resources"].items() if "Condition" in each]


@PROMISES
def execution_data_are_not_logged(world: World) -> None:
    """They hold the tokens that decide."""
    logging = world.one("AWS::StepFunctions::StateMachine")["LoggingConfiguration"]
    assert logging["IncludeExecutionData"] is False
    assert logging["Level"] == "ALL"
    assert logging["Destinations"]


@PROMISES
def the_machine_calls_handlers_and_the_table_alone(world: World) -> None:
    machine = world.one("AWS::StepFunctions::StateMachine")
    assert machine["RoleArn"] == world.arn("the machine's role")
    assert machine.get("StateMachineType", "STANDARD") == "STANDARD"
    states = json.loads(machine["DefinitionString"])["States"].values()
    calls = {state["Resource"] for state in states if state["Type"] == "Task"}
    table = "arn:aws:states:::aws-sdk:dynamodb:updateItem"
    assert calls == {"arn:aws:states:::lambda:invoke", table, f"{table}.waitForTaskToken"}
    functions = {world.access.resource(name) for name in world.of_type("AWS::Lambda::Function")}
    called = {state["Arguments"]["FunctionName"] for state in states if state.get("Resource", "").endswith(":invoke")}
    assert called <= functions


@PROMISES
def a_token_goes_to_the_table_and_nowhere_else(world: World) -> None:
    states = json.loads(world.one("AWS::StepFunctions::StateMachine")["DefinitionString"])["States"]
    for name, state in states.items():
        parks = state.get("Resource", "").endswith(".waitForTaskToken")
        assert ("Task.Token" in json.dumps(state)) is parks, name
        if parks:
            values = state["Arguments"]["ExpressionAttributeValues"]
            holders = [key for key, value in values.items() if "Task.Token" in json.dumps(value)]
            assert holders == [":token"], name
            assert state["Arguments"]["TableName"] == world.arn("the table").rpartition("/")[2], name


@PROMISES
def the_bus_refuses_all_events_but_the_dispatchers(world: World) -> None:
    statement = world.one("AWS::Events::EventBusPolicy")["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Principal"] in ("*", {"AWS": "*"})
    assert statement["Action"] == "events:PutEvents"
    assert statement["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": world.arn("the dispatcher")}}
    none_has({"the bus": world.one("AWS::Events::EventBus")}, "Policy", "EventSourceName")


@PROMISES
def one_rule_hears_of_manifests_of_this_account(world: World) -> None:
    """On the default bus, which only AWS writes `aws.s3` to; nothing on ours is believed."""
    rule = world.one("AWS::Events::Rule")
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "account": [ACCOUNT],
        "detail-type": ["Object Created"],
        "detail": {"object": {"key": [{"suffix": "/output.manifest"}]}},
    }
    assert rule.get("EventBusName", "default") == "default"
    assert rule.get("State", "ENABLED") == "ENABLED"
    assert [target["Arn"] for target in rule["Targets"]] == [world.arn("the queue")]
    none_has({"target": rule["Targets"][0]}, "InputTransformer", "Input", "InputPath", "RoleArn")


@PROMISES
def the_schedule_calls_the_reconciler_alone(world: World) -> None:
    target = world.one("AWS::Scheduler::Schedule")["Target"]
    assert target["Arn"] == world.arn("the reconciler's function")
    assert target["RoleArn"] == world.arn("the schedule")


@PROMISES
def every_route_asks_iam(world: World) -> None:
    """Whatever the routes are, each begins with a duty, and every duty has one."""
    duties = set()
    for name, route in world.properties("AWS::ApiGatewayV2::Route").items():
        assert route.get("AuthorizationType") == "AWS_IAM", f"{name}: {route['RouteKey']}"
        assert "AuthorizerId" not in route, name
        found = re.fullmatch(r"[A-Z]+ /(?P<duty>[a-z]+)/.+", route["RouteKey"])
        assert found, route["RouteKey"]
        duties.add(found["duty"])
    assert duties == set(PEOPLE)


@PROMISES
def a_grant_of_a_duty_is_literal_up_to_the_project(world: World) -> None:
    """In IAM a `*` goes over slashes: before the project it would open every path that holds the duty's name."""
    for name, statement in world.identity_statements():
        if "execute-api:Invoke" in listed(statement.get("Action", [])):
            for resource in listed(statement["Resource"]):
                stage, method, *path = resource.split(":", 5)[5].split("/")[1:]
                assert (stage, method) in {("$default", "GET"), ("$default", "POST")}, f"{name}: {resource}"
                assert not [step for step in path[:-1] if "*" in step], f"{name}: {resource}"
                assert path[-1] == "*" or "*" not in path[-1], f"{name}: {resource}"


@PROMISES
def calls_are_throttled_and_logged_without_a_credential(world: World) -> None:
    stage = world.one("AWS::ApiGatewayV2::Stage")
    assert 0 < stage["DefaultRouteSettings"]["ThrottlingRateLimit"] <= 1_000
    assert not re.search(r"body|query|authoriz|token|header", stage["AccessLogSettings"]["Format"], re.IGNORECASE)
    none_has({"the API": world.one("AWS::ApiGatewayV2::Api")}, "CorsConfiguration", "Body", "Target")


@PROMISES
def a_function_is_called_by_our_api_and_by_nobody_else(world: World) -> None:
    permission = world.one("AWS::Lambda::Permission")
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["Action"] == "lambda:InvokeFunction"
    assert permission["FunctionName"] == world.arn("the API's function")
    assert permission.get("SourceArn") == f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{world.api_id}/*/*"


@PROMISES
def functions_run_our_code_as_our_roles_and_hold_no_secret(world: World) -> None:
    functions = world.properties("AWS::Lambda::Function")
    roles = {world.arn(who) for who in ("the handlers", "the API", "the storage function", "the dispatcher")}
    roles.add(world.arn("the reconciler"))
    assert {function["Role"] for function in functions.values()} == roles
    assert len({json.dumps(function["Code"]) for function in functions.values()}) == 1
    logs = world.arn("the logs").split(":log-group:")[1].removesuffix(":*")
    each_has(functions, LoggingConfig__LogGroup=logs)
    none_has(functions, "Layers", "FileSystemConfigs", "ImageConfig")
    for name, function in functions.items():
        assert function["Handler"].startswith("gtplus_runtime.handlers."), name
        variables: dict[str, Any] = function.get("Environment", {}).get("Variables", {})
        assert all(variable.startswith("GTPLUS_") for variable in variables), f"{name}: {sorted(variables)}"
        secret = re.compile(r"secret|password|token|credential", re.IGNORECASE)
        assert not [variable for variable in variables if secret.search(variable)], name


@PROMISES
def functions_read_their_own_queue_and_stream(world: World) -> None:
    sources = {mapping["EventSourceArn"] for mapping in world.properties("AWS::Lambda::EventSourceMapping").values()}
    assert sources == {world.arn("the queue"), str(world.resolved({"Fn::GetAtt": [_table(world), "StreamArn"]}))}


def _table(world: World) -> str:
    return world.names.town["the table"]


@PROMISES
def parameters_hold_places_and_no_secret(world: World) -> None:
    """Who may read a parameter reads all of it."""
    for name, parameter in world.properties("AWS::SSM::Parameter").items():
        assert parameter["Name"].startswith("/gtplus/labeling/"), name
        value = json.loads(parameter["Value"])
        assert "agreed-between-us" not in parameter["Value"], name
        if "settings" in value:
            assert value["settings"]["separationOfDuties"] is True, name
            assert value["settings"]["maxRounds"] >= 1, name
