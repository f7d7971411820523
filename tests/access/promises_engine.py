"""Promises about what moves a batch: the machine, the bus, the rule, functions and the API."""

import json
import re
from typing import Any

from gtplus_constructs.provider import NO_LIMITS, GroundTruthPlus
from gtplus_runtime.deadlines import REMIND_EVERY_SECONDS
from gtplus_runtime.lifecycle import BATCH, PEOPLE, TEAM_DUTIES
from gtplus_runtime.routes import BY_KEY
from tests.access.promise import Promises, each_has, none_has
from tests.access.town import ACCOUNT, REGION, VENDOR
from tests.access.world import SERVICE, World

PROMISES = Promises()


@PROMISES
def execution_data_are_not_logged(world: World) -> None:
    """They hold the tokens that decide."""
    logging = world.one("AWS::StepFunctions::StateMachine")["LoggingConfiguration"]
    assert logging["IncludeExecutionData"] is False
    assert logging["Level"] == "ALL"
    written = [destination["CloudWatchLogsLogGroup"]["LogGroupArn"] for destination in logging["Destinations"]]
    assert len(written) == 1
    assert set(written) <= our_logs(world)


def our_logs(world: World) -> set[str]:
    """The log groups of the template, as what writes to them names them."""
    return {world.access.resource(name) for name in world.of_type("AWS::Logs::LogGroup")}


@PROMISES
def the_machine_calls_handlers_and_the_table_alone(world: World) -> None:
    machine = world.one("AWS::StepFunctions::StateMachine")
    assert machine["RoleArn"] == world.arn("the machine's role")
    assert machine.get("StateMachineType", "STANDARD") == "STANDARD"
    states = json.loads(machine["DefinitionString"])["States"].values()
    # No state holds others, where a call could hide; none acts as another role.
    assert {state["Type"] for state in states} == {"Choice", "Task", "Fail", "Succeed"}
    assert not [state for state in states if "Credentials" in state]
    table = "arn:aws:states:::aws-sdk:dynamodb:updateItem"
    handlers = {
        world.access.resource(name)
        for name, function in world.properties("AWS::Lambda::Function").items()
        if function["Role"] == world.arn("the handlers")
    }
    for state in (state for state in states if state["Type"] == "Task"):
        if state["Resource"] == "arn:aws:states:::lambda:invoke":
            assert state["Arguments"]["FunctionName"] in handlers, state
        else:
            assert state["Resource"] in (table, f"{table}.waitForTaskToken"), state
            assert state["Arguments"]["TableName"] == world.arn("the table").rpartition("/")[2], state
            assert "generation = :generation" in state["Arguments"].get("ConditionExpression", ""), state


@PROMISES
def a_token_goes_to_the_table_and_nowhere_else(world: World) -> None:
    """Of what an execution knows of itself, a state takes its id; and a parked one its token, for one attribute."""
    states = json.loads(world.one("AWS::StepFunctions::StateMachine")["DefinitionString"])["States"]
    parked = 0
    for name, state in states.items():
        if state.get("Resource", "").endswith(".waitForTaskToken"):
            values = state["Arguments"]["ExpressionAttributeValues"]
            assert values.pop(":token") == {"S": "{% $states.context.Task.Token %}"}, name
            parked += 1
        known = re.findall(r"states\.context[.\w]*", json.dumps(state))
        assert set(known) <= {"states.context.Execution.Id"}, f"{name}: {known}"
        assert "Task.Token" not in json.dumps(state), name
    assert parked


@PROMISES
def the_bus_refuses_all_events_but_the_dispatchers(world: World) -> None:
    policy = world.one("AWS::Events::EventBusPolicy")
    assert f":event-bus/{policy['EventBusName']}" in world.arn("the bus")
    statement = policy["Statement"]
    assert statement["Resource"] == world.arn("the bus")
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
def alarms_tell_one_topic(world: World) -> None:
    each_has(world.properties("AWS::CloudWatch::Alarm"), AlarmActions=[world.arn("the alarm topic")])


@PROMISES
def the_schedule_calls_the_reconciler_alone(world: World) -> None:
    schedule = world.one("AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    target = schedule["Target"]
    assert set(target) == {"Arn", "RoleArn", "DeadLetterConfig", "RetryPolicy"}
    assert target["Arn"] == world.arn("the reconciler's function")
    assert target["RoleArn"] == world.arn("the schedule")
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 2}
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}


@PROMISES
def every_route_asks_iam(world: World) -> None:
    """Whatever the routes are, each begins with a duty, and every duty has one."""
    duties, keys = set(), set()
    api, function = world.one("AWS::ApiGatewayV2::Api"), world.one("AWS::ApiGatewayV2::Integration")
    assert api["ProtocolType"] == "HTTP"
    assert function.pop("ApiId") == world.api_id
    assert function == {
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": world.arn("the API's function"),
        "PayloadFormatVersion": "2.0",
    }
    (integration,) = world.of_type("AWS::ApiGatewayV2::Integration")
    for name, route in world.properties("AWS::ApiGatewayV2::Route").items():
        assert route.get("AuthorizationType") == "AWS_IAM", f"{name}: {route['RouteKey']}"
        assert route["ApiId"] == world.api_id, name
        assert route["Target"] == f"integrations/{world.resolved({'Ref': integration})}", name
        found = re.fullmatch(r"[A-Z]+ /(?P<duty>[a-z]+)/.+", route["RouteKey"])
        assert found, route["RouteKey"]
        duties.add(found["duty"])
        keys.add(route["RouteKey"])
    assert duties == set(PEOPLE)
    assert keys == set(BY_KEY)


LOGGED = ("requestId", "routeKey", "status", "responseLatency", "identity.userArn", "error.message")
"""What is logged of a call: no body, no path, no query, no credential."""


@PROMISES
def calls_are_throttled_and_logged_without_a_credential(world: World) -> None:
    stage = world.one("AWS::ApiGatewayV2::Stage")
    assert stage["StageName"] == "$default"
    assert stage.get("ApiId") == world.api_id
    assert set(stage["DefaultRouteSettings"]) == {"ThrottlingRateLimit", "ThrottlingBurstLimit"}
    assert 0 < stage["DefaultRouteSettings"]["ThrottlingRateLimit"] <= 1_000
    assert 0 < stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] <= 2_000
    log = stage.get("AccessLogSettings", {})
    assert log.get("DestinationArn") in our_logs(world)
    assert set(json.loads(log["Format"]).values()) <= {f"$context.{name}" for name in LOGGED}


@PROMISES
def a_function_is_called_by_our_api_and_by_nobody_else(world: World) -> None:
    permission = world.one("AWS::Lambda::Permission")
    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["Action"] == "lambda:InvokeFunction"
    assert permission["FunctionName"] == world.arn("the API's function")
    assert permission.get("SourceArn") == f"arn:aws:execute-api:us-east-1:{ACCOUNT}:{world.api_id}/*/*"


ROLES = {
    "api": "the API",
    "storage_events": "the storage function",
    "dispatcher": "the dispatcher",
    "reconciler": "the reconciler",
}
"""The role of each function by its handler; those of statuses share one."""


def handler(function: dict[str, Any]) -> str:
    """The file of `handlers/` that a function runs."""
    found = re.fullmatch(r"gtplus_runtime\.handlers\.(\w+)\.handler", function["Handler"])
    assert found, function["Handler"]
    return found[1]


@PROMISES
def functions_run_our_code_as_our_roles(world: World) -> None:
    functions = world.properties("AWS::Lambda::Function")
    found = {handler(function): function["Role"] for function in functions.values()}
    assert len(found) == len(functions)
    statuses = {status.slug: "the handlers" for status in BATCH}
    assert found == {name: world.arn(role) for name, role in {**ROLES, **statuses}.items()}
    (code,) = {json.dumps(function["Code"], sort_keys=True) for function in functions.values()}
    assert re.fullmatch(
        r'{"S3Bucket": "cdk-hnb659fds-assets-111111111111-us-east-1", "S3Key": "[0-9a-f]{64}.zip"}', code
    )
    assert {function["Runtime"] for function in functions.values()} <= {"python3.13", "python3.14"}


@PROMISES
def functions_log_where_logs_are_kept(world: World) -> None:
    logs = world.arn("the logs").split(":log-group:")[1].removesuffix(":*")
    for name, function in world.properties("AWS::Lambda::Function").items():
        assert function.get("LoggingConfig") == {"LogGroup": logs}, name


_TOLD = ("GTPLUS_WORKSPACE", "GTPLUS_PROJECTS", "GTPLUS_TABLE")
_TOLD_BESIDE = {
    "dispatcher": ("GTPLUS_STATE_MACHINE", "GTPLUS_BUS", "GTPLUS_TOPIC", "GTPLUS_ESCALATIONS"),
    "reconciler": ("GTPLUS_STATE_MACHINE", "GTPLUS_STORAGE_EVENTS"),
}


@PROMISES
def functions_are_told_of_our_own_things_and_of_no_secret(world: World) -> None:
    known = {
        "GTPLUS_WORKSPACE": "labeling",
        "GTPLUS_PROJECTS": "/gtplus/labeling/projects",
        "GTPLUS_TABLE": world.arn("the table").rpartition("/")[2],
        "GTPLUS_STATE_MACHINE": world.arn("the machine"),
        "GTPLUS_BUS": world.arn("the bus").rpartition("/")[2],
        "GTPLUS_TOPIC": world.arn("the topic"),
        "GTPLUS_ESCALATIONS": world.arn("the escalations"),
        "GTPLUS_STORAGE_EVENTS": str(world.resolved({"Ref": world.names.town["the queue"]})),
    }
    for name, function in world.properties("AWS::Lambda::Function").items():
        variables = function["Environment"]["Variables"]
        definition = variables.pop("GTPLUS_DEFINITION", "none")
        assert bool(re.fullmatch(r"[0-9a-f]{12}", definition)) is (handler(function) == "reconciler"), name
        own = {*_TOLD, *_TOLD_BESIDE.get(handler(function), ())}
        assert variables == {variable: known[variable] for variable in own}, f"{name}: {variables}"


@PROMISES
def functions_read_their_own_queue_and_stream(world: World) -> None:
    functions = {
        world.access.resource(name): handler(function)
        for name, function in world.properties("AWS::Lambda::Function").items()
    }
    found = [
        (mapping["EventSourceArn"], functions.get(mapping["FunctionName"]))
        for mapping in world.properties("AWS::Lambda::EventSourceMapping").values()
    ]
    stream = str(world.resolved({"Fn::GetAtt": [world.names.town["the table"], "StreamArn"]}))
    assert sorted(found) == sorted([(world.arn("the queue"), "storage_events"), (stream, "dispatcher")])


@PROMISES
def parameters_hold_places_and_no_secret(world: World) -> None:
    """Who may read a parameter reads all of it."""
    each_has(world.properties("AWS::SSM::Parameter"), Type="String")
    names = [parameter["Name"] for parameter in world.properties("AWS::SSM::Parameter").values()]
    projects = ("vendor", *world.names.projects.values())
    wanted = ["/gtplus/labeling/workspace", *(f"/gtplus/labeling/projects/{project}" for project in projects)]
    assert sorted(names) == sorted(wanted)


@PROMISES
def the_workspaces_parameter_names_its_own_things(world: World) -> None:
    """People and programs call, and give their credentials to, what it names."""
    (found,) = (
        json.loads(p["Value"])
        for p in world.properties("AWS::SSM::Parameter").values()
        if p["Name"] == "/gtplus/labeling/workspace"
    )

    def ref(word: str) -> str:
        return str(world.resolved({"Ref": world.names.town[word]}))

    (client,) = world.of_type("AWS::Cognito::UserPoolClient")
    assert found == {
        "version": 1,
        "workspace": "labeling",
        "apiId": world.api_id,
        "apiUrl": f"https://{world.api_id}.execute-api.{REGION}.amazonaws.com",
        "table": ref("the table"),
        "stateMachine": world.arn("the machine"),
        "reconciler": ref("the reconciler's function"),
        "bus": ref("the bus"),
        "topic": world.arn("the topic"),
        "escalations": world.arn("the escalations"),
        "alarms": world.arn("the alarm topic"),
        "storageEvents": ref("the queue"),
        "topicLetters": world.arn("the topic's dead letters"),
        "letters": {
            "stream": ref("the dispatcher's dead letters"),
            "schedule": ref("the reconciler's dead letters"),
            "storage": ref("the dead letters"),
            "rules": ref("the rules' dead letters"),
            "topic": ref("the topic's dead letters"),
        },
        "userPool": ref("the user pool"),
        "userPoolClient": world.resolved({"Ref": client}),
    }


@PROMISES
def a_place_says_what_its_project_is_granted(world: World) -> None:
    """Functions and people act on what it says."""
    found = {p["Name"].rpartition("/")[2]: p["Value"] for p in world.properties("AWS::SSM::Parameter").values()}
    places: dict[str, tuple[str, str, str, str | None]] = {}
    places["vendor"] = ("the vendor's bucket", "the vendor's data role", "the vendor's runtime role", None)
    places |= {
        id: ("the bucket", "the data role", "the runtime role", kind) for kind, id in world.names.projects.items()
    }
    for project, (bucket, data_role, runtime_role, at) in places.items():
        place = json.loads(found[project])
        grant = {"bucket": world.arn(bucket, at).rpartition(":")[2], "read": ["raw/"], "write": ["labels/"]}
        limits = GroundTruthPlus().limits if at else NO_LIMITS
        assert place == {
            "version": 1,
            "project": project,
            "provider": "ground-truth-plus" if at else f"vendor-{VENDOR}",
            "limits": {name: value for name, value in limits._asdict().items() if value is not None},
            "grants": [grant],
            "dataRoleArn": world.arn(data_role, at),
            "trust": {
                "principals": [SERVICE if at else f"arn:aws:iam::{VENDOR}:root"],
                "conditions": {"StringEqualsIfExists": ["aws:SourceAccount"]}
                if at
                else {"StringEquals": ["sts:ExternalId"]},
            },
            "groups": {duty: f"{project}-{duty}" for duty in TEAM_DUTIES},
            "runtimeRoleArn": world.arn(runtime_role, at),
            "settings": {"sampleSize": 50, "maxErrorRate": 0.05, "maxRounds": 3, "separationOfDuties": True}
            | {"serviceLevels": {}, "remindEvery": REMIND_EVERY_SECONDS, "sampleMethod": "random"},
        }, project
