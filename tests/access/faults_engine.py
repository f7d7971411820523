"""Faults in what moves a batch, and in what holds its state."""

from collections.abc import Callable
from typing import Any

from tests.access.fault import Fault
from tests.access.mutations import (
    Change,
    add,
    allow,
    drop,
    every,
    except_for,
    in_json,
    lift,
    open_to,
    put,
    ref,
    remove,
    replace,
    rewrite,
)
from tests.access.town import ACCOUNT, STRANGER
from tests.access.world import World

_MACHINE, _RULE, _STAGE = "AWS::StepFunctions::StateMachine", "AWS::Events::Rule", "AWS::ApiGatewayV2::Stage"
_INTEGRATION, _SCHEDULE = "AWS::ApiGatewayV2::Integration", "AWS::Scheduler::Schedule"
_SCHEDULED = "the schedule calls the reconciler alone"
_TOKEN_VALUE = "{% $states.context.Task.Token %}"
_PERMISSION, _BUS = "AWS::Lambda::Permission", "AWS::Events::EventBusPolicy"

_ALLOWED = "each role is allowed these actions and no other"
_STARRED = "only telemetry is allowed on every resource"
_RUNTIME = "Our functions reach data through the runtime role alone, which stays within the project"
_DUTY = "A duty is its paths in its project and nothing else"
_TLS = "Nobody gets in without TLS"
_STRANGERS = "No stranger gets in"
_ADMIN = "No administrator is locked out"
_DISPATCHER = "Nothing but the dispatcher moves a batch"
_RULE_ALONE = "One rule tells of manifests; the reconciler and who redrives ask again, and nobody else"
_THEIR_LETTERS = "What rules and subscriptions did not take comes from them alone"
_REDRIVE = "Who redrives reads the dead letters and sends them again, and reaches no data"
_ALARMS = "Alarms come from CloudWatch, and e-mail goes where who notifies says"
_WORKSPACE_KEY = "The workspace's key serves its services for this account, and roles through a service"
_TABLE = "The table is added to and never emptied"
_CALLS = "Functions are called by what is theirs to call"
_RIGHTS = "No role passes a role, nor changes rights"
_THROUGH = "a use of a key is always through a service"
_LET_IN = "resource policies let in only services that are tied to us"
_KINDS = "only kinds of resources that are thought about are there"
_THINGS = "each role is allowed its own things and no other"
_KEPT = "what holds data stays when the stack goes"
_PROPERTIES = "only properties that are thought about are set"
_CODE = "functions run our code as our roles"
_TOLD = "functions are told of our own things and of no secret"
_READ = "functions read their own queue and stream"
_LOST = "no message is lost without a trace"
_ROUTES = "every route asks iam"
_LOGGED = "calls are throttled and logged without a credential"
_BUS_REFUSES = "the bus refuses all events but the dispatchers"
_MACHINE_CALLS = "the machine calls handlers and the table alone"
_TOKEN = "a token goes to the table and nowhere else"
_PLACE = "a place says what its project is granted"
_STREAM = "the tables stream holds keys only"
_ENCRYPTED = "queues topic and logs are encrypted with the workspaces key"


def _through(service: str) -> dict[str, Any]:
    return {"StringEquals": {"kms:ViaService": f"{service}.us-east-1.amazonaws.com"}}


def state(ending: str, edit: Callable[[Any], object]) -> Change:
    """Change the first state of the machine whose call ends so."""

    def change(definition: Any) -> None:
        found = [each for each in definition["States"].values() if each.get("Resource", "").endswith(ending)]
        edit(found[0])

    return in_json(_MACHINE, "DefinitionString", change)


def another_state(**state: Any) -> Change:
    """Another state of the machine."""
    return in_json(_MACHINE, "DefinitionString", lambda definition: definition["States"].update(Another=state))


def in_place(edit: Callable[[Any], object]) -> Change:
    """Change what a project's parameter says."""
    return in_json("the project's parameter", "Value", edit)


def mapping(reads: str, **properties: Any) -> Change:
    """Change properties of the event source mapping that reads the stream or the queue; None drops one."""

    def change(world: World) -> None:
        (found,) = (
            each["Properties"]
            for each in world.of_type("AWS::Lambda::EventSourceMapping").values()
            if ("StartingPosition" in each["Properties"]) is (reads == "the stream")
        )
        for name, value in properties.items():
            if value is None:
                del found[name]
            else:
                found[name] = value(world) if callable(value) else value

    return change


_PARK, _CALL = ".waitForTaskToken", "lambda:invoke"
_THEIR_QUEUE = f"arn:aws:sqs:us-east-1:{STRANGER}:theirs"
_THEIR_LOG = f"arn:aws:logs:us-east-1:{STRANGER}:log-group:theirs:*"
_PUBLISH = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Arguments": {}, "End": True}

ENGINE = [
    # in the machine
    Fault("a park hands its context on", _TOKEN, state(_PARK, lambda s: s.update(Output="{% $states.context %}"))),
    Fault("a park hands its task on", _TOKEN, state(_PARK, lambda s: s.update(Output="{% $states.context.Task %}"))),
    Fault(
        "a park keeps its token",
        _TOKEN,
        state(_PARK, lambda s: s.update(Assign={"kept": "{% $states.context.Task.Token %}"})),
    ),
    Fault(
        "a park writes its token twice",
        _TOKEN,
        state(_PARK, lambda s: s["Arguments"]["ExpressionAttributeValues"].update({":copy": {"S": _TOKEN_VALUE}})),
    ),
    Fault(
        "a handler is told all that the execution knows",
        _TOKEN,
        state(_CALL, lambda s: s["Arguments"]["Payload"].update(context="{% $states.context %}")),
    ),
    Fault(
        "a state calls as a role of others",
        _MACHINE_CALLS,
        state(_CALL, lambda s: s.update(Credentials={"RoleArn": f"arn:aws:iam::{STRANGER}:role/theirs"})),
    ),
    Fault(
        "a state that holds others publishes",
        _MACHINE_CALLS,
        another_state(Type="Map", Items=[1], ItemProcessor={"StartAt": "P", "States": {"P": _PUBLISH}}, End=True),
    ),
    Fault(
        "a branch publishes",
        _MACHINE_CALLS,
        another_state(Type="Parallel", Branches=[{"StartAt": "P", "States": {"P": _PUBLISH}}], End=True),
    ),
    Fault(
        "the machine calls a web page",
        _MACHINE_CALLS,
        another_state(Type="Task", Resource="arn:aws:states:::http:invoke", Arguments={}, End=True),
    ),
    Fault(
        "the machine starts another",
        _MACHINE_CALLS,
        another_state(Type="Task", Resource="arn:aws:states:::states:startExecution", Arguments={}, End=True),
    ),
    Fault(
        "the machine waits for an activity",
        _MACHINE_CALLS,
        another_state(Type="Task", Resource=f"arn:aws:states:us-east-1:{ACCOUNT}:activity:a", End=True),
    ),
    Fault(
        "the input says which function is called",
        _MACHINE_CALLS,
        state(_CALL, lambda s: s["Arguments"].update(FunctionName="{% $states.input.function %}")),
    ),
    Fault(
        "the input says which table is written",
        _MACHINE_CALLS,
        state("updateItem", lambda s: s["Arguments"].update(TableName="{% $states.input.table %}")),
    ),
    Fault(
        "an older generation may park",
        _MACHINE_CALLS,
        state(_PARK, lambda s: s["Arguments"].pop("ConditionExpression")),
    ),
    Fault(
        "the machine's definition lies in a bucket",
        _PROPERTIES,
        put(_MACHINE, "DefinitionS3Location", {"Bucket": "theirs", "Key": "definition.json"}),
    ),
    Fault(
        "the machine's log is a stranger's",
        "execution data are not logged",
        put(_MACHINE, "LoggingConfiguration.Destinations.0.CloudWatchLogsLogGroup.LogGroupArn", _THEIR_LOG),
    ),
    # in rights
    Fault(
        "a handler reads another table",
        _THINGS,
        allow("the handlers", "dynamodb:GetItem", f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/payroll"),
    ),
    Fault(
        "a handler reads another parameter",
        _THINGS,
        allow("the handlers", "ssm:GetParameter", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/payroll/password"),
    ),
    Fault("a handler becomes the data role", _THINGS, allow("the handlers", "sts:AssumeRole", "the data role")),
    Fault(
        "a handler becomes what is called almost so",
        _THINGS,
        rewrite("the handlers", "sts:AssumeRole", Resource=f"arn:aws:iam::{ACCOUNT}:role/gtplus/labeling*"),
    ),
    Fault(
        "the dispatcher publishes to another topic",
        _THINGS,
        allow("the dispatcher", "sns:Publish", f"arn:aws:sns:us-east-1:{ACCOUNT}:other"),
    ),
    Fault(
        "the machine calls a function of others",
        _THINGS,
        allow("the machine's role", "lambda:InvokeFunction", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:billing"),
    ),
    Fault(
        "the schedule calls the API's function",
        _THINGS,
        allow("the schedule", "lambda:InvokeFunction", "the API's function"),
    ),
    Fault(
        "a function reads a queue of others",
        _THINGS,
        allow("the storage function", "sqs:ReceiveMessage", f"arn:aws:sqs:us-east-1:{ACCOUNT}:billing"),
    ),
    Fault(
        "the runtime role writes the neighbour's labels",
        _THINGS,
        allow("the runtime role", "s3:PutObject", "the bucket/labels-2/*"),
    ),
    Fault(
        "the runtime role uses another key",
        _THINGS,
        rewrite("the runtime role", '"Key0"', Resource=ref("the key", "the vendor's key")),
    ),
    Fault(
        "the vendor's key is nobody's to mend",
        "a key lets its accounts policies decide",
        rewrite("the vendor's key", "kms:*", Effect="Deny"),
    ),
    Fault(
        "letters of rules are deleted without TLS",
        "everything with a policy refuses what comes without tls",
        rewrite("the rules' dead letters", "SecureTransport", Action="sqs:ReceiveMessage"),
    ),
    Fault(
        "the runtime role uses the key for any bucket",
        _THROUGH,
        rewrite("the runtime role", '"Key0"', Condition=_through("s3")),
    ),
    Fault(
        "the neighbour uses the key for any bucket",
        _THROUGH,
        rewrite("the neighbour", '"Key0"', Condition=_through("s3")),
    ),
    Fault(
        "the API uses the key through what it never calls",
        _THROUGH,
        rewrite("the API", '"TableKey"', Condition=_through("sqs")),
    ),
    Fault(
        "functions do not know the runtime role's path",
        "a runtime role is under the path that functions know",
        put("the runtime role", "Path", "/"),
    ),
    # in the API
    Fault("the API calls another function", _ROUTES, put(_INTEGRATION, "IntegrationUri", ref("a handler"))),
    Fault(
        "the API calls with a role of its own",
        _ROUTES,
        put(_INTEGRATION, "CredentialsArn", f"arn:aws:iam::{ACCOUNT}:role/r"),
    ),
    Fault(
        "the API calls with whatever the caller may",
        _PROPERTIES,
        put(_INTEGRATION, "CredentialsArn", "arn:aws:iam::*:user/*"),
    ),
    Fault(
        "the API writes a header over",
        _ROUTES,
        put(_INTEGRATION, "RequestParameters", {"overwrite:header.x-actor": "admin"}),
    ),
    Fault("a route leads elsewhere", _ROUTES, put("a route", "Target", "integrations/another")),
    Fault(
        "another API calls the function",
        "a function is called by our api and by nobody else",
        add(
            "AnotherPermission",
            _PERMISSION,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
            FunctionName=ref("a handler"),
        ),
    ),
    Fault("calls are not logged", _LOGGED, drop(_STAGE, "AccessLogSettings")),
    Fault("calls are logged elsewhere", _LOGGED, put(_STAGE, "AccessLogSettings.DestinationArn", _THEIR_LOG)),
    Fault(
        "the log of calls holds paths",
        _LOGGED,
        put(_STAGE, "AccessLogSettings.Format", '{"path":"$context.path"}'),
    ),
    Fault(
        "a burst of calls is not throttled", _LOGGED, put(_STAGE, "DefaultRouteSettings.ThrottlingBurstLimit", 100_000)
    ),
    Fault("whole calls are traced", _LOGGED, put(_STAGE, "DefaultRouteSettings.DataTraceEnabled", True)),
    # in functions
    Fault("a function runs another handler", _CODE, put("a handler", "Handler", "gtplus_runtime.handlers.api.handler")),
    Fault("a function runs as the API", _CODE, put("a handler", "Role", ref("the API"))),
    Fault(
        "functions run code of a stranger's bucket", _CODE, every("AWS::Lambda::Function", "Code.S3Bucket", "theirs")
    ),
    Fault("a function runs in an old Python", _CODE, put("a handler", "Runtime", "python3.8")),
    Fault(
        "a function is told of another table", _TOLD, put("a handler", "Environment.Variables.GTPLUS_TABLE", "payroll")
    ),
    Fault(
        "a known variable holds a secret",
        _TOLD,
        put("a handler", "Environment.Variables.GTPLUS_WORKSPACE", "AKIAIOSFODNN7EXAMPLE"),
    ),
    Fault(
        "a variable runs other code",
        _TOLD,
        put("a handler", "Environment.Variables.AWS_LAMBDA_EXEC_WRAPPER", "/tmp/wrapper"),
    ),
    Fault(
        "a function logs too much",
        "functions log where logs are kept",
        put("a handler", "LoggingConfig.ApplicationLogLevel", "DEBUG"),
    ),
    Fault("a handler reads the queue", _READ, mapping("the queue", FunctionName=ref("a handler"))),
    Fault("the stream is not read", _PROPERTIES, mapping("the stream", Enabled=False)),
    Fault("a bad record holds up the stream", _LOST, mapping("the stream", MaximumRetryAttempts=-1)),
    Fault("an old record holds up the stream", _LOST, mapping("the stream", MaximumRecordAgeInSeconds=-1)),
    Fault("what was written before a deploy is lost", _LOST, mapping("the stream", StartingPosition="LATEST")),
    # in the bus, the rule and the schedule
    Fault("the bus' policy is of another bus", _BUS_REFUSES, put(_BUS, "EventBusName", "default")),
    Fault(
        "the bus' policy is about another bus",
        _BUS_REFUSES,
        put(_BUS, "Statement.Resource", f"arn:aws:events:us-east-1:{ACCOUNT}:event-bus/default"),
    ),
    Fault("the bus has a policy of the old kind", _PROPERTIES, put(_BUS, "Principal", "*")),
    Fault("the bus logs whole events", _PROPERTIES, put("the bus", "LogConfig", {"IncludeDetail": "FULL"})),
    Fault("the rule has a role", _PROPERTIES, put(_RULE, "RoleArn", f"arn:aws:iam::{ACCOUNT}:role/r")),
    Fault("the rule has a schedule", _PROPERTIES, put(_RULE, "ScheduleExpression", "rate(1 minute)")),
    Fault(
        "alarms tell a stranger",
        "alarms tell one topic",
        every("AWS::CloudWatch::Alarm", "AlarmActions", [f"arn:aws:sns:us-east-1:{STRANGER}:theirs"]),
    ),
    Fault("alarms call a function of others", _PROPERTIES, every("AWS::CloudWatch::Alarm", "OKActions", [])),
    Fault("the schedule is off", _PROPERTIES, put(_SCHEDULE, "State", "DISABLED")),
    Fault("the schedule is a yearly one", _SCHEDULED, put(_SCHEDULE, "ScheduleExpression", "rate(365 days)")),
    Fault("the schedule says what to do", _SCHEDULED, put(_SCHEDULE, "Target.Input", "{}")),
    # in places
    Fault("a place reads more than its role", _PLACE, in_place(lambda p: p["grants"][0]["read"].append("raw-2/"))),
    Fault("a place has another bucket", _PLACE, in_place(lambda p: p["grants"][0].update(bucket="theirs"))),
    Fault("a place has another's reviewers", _PLACE, in_place(lambda p: p["groups"].update(review="vendor-review"))),
    Fault("a place is another project's", _PLACE, in_place(lambda p: p.update(project="vendor"))),
    Fault(
        "a place has another runtime role",
        _PLACE,
        in_place(lambda p: p.update(runtimeRoleArn=f"arn:aws:iam::{ACCOUNT}:role/gtplus/labeling/other")),
    ),
    Fault("a place takes no sample", _PLACE, in_place(lambda p: p["settings"].update(sampleSize=0))),
    Fault("a place has no limits", _PLACE, in_place(lambda p: p["limits"].update(max_files=10**9))),
    Fault(
        "a place lies in another workspace",
        "parameters hold places and no secret",
        put("the project's parameter", "Name", "/gtplus/other/projects/signs"),
    ),
    Fault(
        "a place is a list",
        "parameters hold places and no secret",
        put("the project's parameter", "Type", "StringList"),
    ),
    Fault("a place expires", _PROPERTIES, put("the project's parameter", "Policies", '[{"Type":"Expiration"}]')),
    Fault(
        "tokens are sent to any machine", _STARRED, rewrite("the dispatcher", "states:SendTaskSuccess", Resource="*")
    ),
    Fault("a handler sends tokens", _DISPATCHER, allow("the handlers", "states:SendTaskSuccess", "the machine")),
    Fault("the API starts executions", _DISPATCHER, allow("the API", "states:StartExecution", "the machine")),
    Fault("the dispatcher fails tasks", _DISPATCHER, allow("the dispatcher", "states:SendTaskFailure", "the machine")),
    Fault("a handler publishes", _DISPATCHER, allow("the handlers", "sns:Publish", "the topic")),
    Fault("a handler reads data by itself", _RUNTIME, allow("the handlers", "s3:GetObject", "the bucket/raw/*")),
    Fault(
        "a handler uses the bucket's key",
        _RUNTIME,
        allow(
            "the handlers", "kms:Decrypt", "the key", {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}}
        ),
    ),
    Fault(
        "a handler becomes any role",
        _THINGS,
        rewrite("the handlers", "sts:AssumeRole", Resource=f"arn:aws:iam::{ACCOUNT}:role/*"),
    ),
    Fault("the runtime role deletes", _RUNTIME, allow("the runtime role", "s3:DeleteObject", "the bucket/labels/*")),
    Fault(
        "the runtime role reaches another project",
        _RUNTIME,
        allow("the runtime role", "s3:GetObject", "the vendor's bucket/raw/*"),
    ),
    Fault("the runtime role writes the input", _RUNTIME, allow("the runtime role", "s3:PutObject", "the bucket/raw/*")),
    Fault("a handler deletes items", _TABLE, allow("the handlers", "dynamodb:DeleteItem", "the table")),
    Fault("the API scans the table", _TABLE, allow("the API", "dynamodb:Scan", "the table")),
    Fault(
        "a handler changes a place",
        _DUTY,
        allow(
            "the handlers", "ssm:PutParameter", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/gtplus/labeling/projects/*"
        ),
    ),
    Fault(
        "a handler reads every parameter",
        _DUTY,
        rewrite("the handlers", "ssm:GetParameter", Resource=f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/*"),
    ),
    Fault("a function changes policies of roles", _RIGHTS, allow("the API", "iam:DeleteRolePolicy", "the data role")),
    Fault("a function changes policies of buckets", _RIGHTS, allow("the handlers", "s3:PutBucketPolicy", "the bucket")),
    Fault("a function changes code", _RIGHTS, allow("the handlers", "lambda:UpdateFunctionCode", "a handler")),
    Fault("a function reads every secret", _ALLOWED, allow("the reconciler", "secretsmanager:GetSecretValue", "*")),
    Fault(
        "execution data are logged",
        "execution data are not logged",
        put(_MACHINE, "LoggingConfiguration.IncludeExecutionData", True),
    ),
    Fault(
        "executions are not logged", "execution data are not logged", put(_MACHINE, "LoggingConfiguration.Level", "OFF")
    ),
    Fault(
        "the machine calls another service",
        "the machine calls handlers and the table alone",
        replace(_MACHINE, 'aws-sdk:dynamodb:updateItem",', 'aws-sdk:sns:publish",'),
    ),
    Fault(
        "the machine is an express one",
        "the machine calls handlers and the table alone",
        put(_MACHINE, "StateMachineType", "EXPRESS"),
    ),
    Fault(
        "the machine runs as a handler",
        "the machine calls handlers and the table alone",
        put(_MACHINE, "RoleArn", f"arn:aws:iam::{ACCOUNT}:role/another"),
    ),
    Fault(
        "a token goes to a handler",
        "a token goes to the table and nowhere else",
        replace(_MACHINE, "$states.context.Execution.Id", "$states.context.Task.Token"),
    ),
    Fault(
        "everybody puts events on the bus",
        "the bus refuses all events but the dispatchers",
        put(_BUS, "Statement.Effect", "Allow"),
    ),
    Fault(
        "an administrator puts events on the bus",
        _DISPATCHER,
        put(_BUS, "Statement.Condition", {"ArnNotLike": {"aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/*"}}),
    ),
    Fault(
        "a stranger puts events on the bus",
        "the bus refuses all events but the dispatchers",
        put(
            _BUS,
            "Statement",
            {
                "Sid": "OnlyTheDispatcher",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
                "Action": "events:PutEvents",
                "Resource": "*",
            },
        ),
    ),
    Fault("the bus has no policy", _KINDS, remove(_BUS)),
    Fault(
        "the rule hears every account",
        "one rule hears of manifests of this account",
        drop(_RULE, "EventPattern.account"),
    ),
    Fault(
        "the rule hears every source", "one rule hears of manifests of this account", drop(_RULE, "EventPattern.source")
    ),
    Fault(
        "the rule hears of every object",
        "one rule hears of manifests of this account",
        drop(_RULE, "EventPattern.detail"),
    ),
    Fault(
        "the rule believes a bus of ours",
        "one rule hears of manifests of this account",
        put(_RULE, "EventBusName", "TownWorkspaceBus"),
    ),
    Fault("the rule is off", "one rule hears of manifests of this account", put(_RULE, "State", "DISABLED")),
    Fault(
        "the schedule calls another function",
        "the schedule calls the reconciler alone",
        put("AWS::Scheduler::Schedule", "Target.Arn", f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"),
    ),
    Fault("a route is open", "every route asks iam", put("a route", "AuthorizationType", "NONE")),
    Fault("a route does not say who may", "every route asks iam", drop("a route", "AuthorizationType")),
    Fault("a route asks a token", "every route asks iam", put("a route", "AuthorizationType", "JWT")),
    Fault("a route takes everything", "every route asks iam", put("a route", "RouteKey", "$default")),
    Fault(
        "every web page calls the API",
        _PROPERTIES,
        put("AWS::ApiGatewayV2::Api", "CorsConfiguration", {"AllowOrigins": ["*"]}),
    ),
    Fault(
        "calls are not throttled",
        "calls are throttled and logged without a credential",
        put(_STAGE, "DefaultRouteSettings.ThrottlingRateLimit", 0),
    ),
    Fault(
        "the log of calls holds credentials",
        "calls are throttled and logged without a credential",
        put(
            _STAGE, "AccessLogSettings.Format", '{"id":"$context.requestId","authorizer":"$context.authorizer.claims"}'
        ),
    ),
    Fault("any API calls the function", _CALLS, drop(_PERMISSION, "SourceArn")),
    Fault(
        "anybody calls the function",
        "a function is called by our api and by nobody else",
        put(_PERMISSION, "Principal", "*"),
    ),
    Fault(
        "a stranger calls the function",
        "a function is called by our api and by nobody else",
        put(_PERMISSION, "Principal", STRANGER),
    ),
    Fault(
        "S3 calls a handler",
        "a function is called by our api and by nobody else",
        put(_PERMISSION, "FunctionName", "another"),
    ),
    Fault(
        "a function has an address",
        _KINDS,
        add("Url", "AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn=ref("a handler")),
    ),
    Fault(
        "a function runs as another role",
        _CODE,
        put("a handler", "Role", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    ),
    Fault(
        "a function runs code of others beside ours",
        _PROPERTIES,
        put("a handler", "Layers", [f"arn:aws:lambda:us-east-1:{STRANGER}:layer:l:1"]),
    ),
    Fault(
        "a function holds a secret",
        _TOLD,
        put("a handler", "Environment.Variables.GTPLUS_API_TOKEN", "x"),
    ),
    Fault(
        "a function logs elsewhere",
        "functions log where logs are kept",
        drop("a handler", "LoggingConfig"),
    ),
    Fault(
        "a function reads another queue",
        "functions read their own queue and stream",
        every("AWS::Lambda::EventSourceMapping", "EventSourceArn", f"arn:aws:sqs:us-east-1:{STRANGER}:theirs"),
    ),
    Fault(
        "a parameter holds the external id",
        "no secret stands in the template",
        replace("the project's parameter", '"version":1', '"id":"agreed-between-us"'),
    ),
    Fault(
        "a macro rewrites the template",
        "nothing in the template is left to chance",
        lambda world: world.body.update(Transform="AWS::Serverless-2016-10-31"),
    ),
]
"""In what moves a batch."""

STORAGE = [
    Fault("its rule may also receive", _LET_IN, rewrite("the queue", '"ThisRuleOnly"', Action="sqs:*")),
    Fault(
        "events may make grants of the workspace's key",
        _LET_IN,
        rewrite(
            "the workspace's key",
            "events.amazonaws.com",
            Action=["kms:Decrypt", "kms:GenerateDataKey", "kms:CreateGrant"],
        ),
    ),
    Fault(
        "everybody but a few sends to the queue",
        _LET_IN,
        except_for("the queue", {"AWS": f"arn:aws:iam::{STRANGER}:root"}, "sqs:SendMessage"),
    ),
    Fault(
        "what a function fails at goes to a stranger",
        _LOST,
        put("a handler", "DeadLetterConfig", {"TargetArn": f"arn:aws:sqs:us-east-1:{STRANGER}:theirs"}),
    ),
    Fault("a message is tried a thousand times", _LOST, put("the queue", "RedrivePolicy.maxReceiveCount", 1_000)),
    Fault("a message is handled twice at once", _LOST, put("the queue", "VisibilityTimeout", 30)),
    Fault("a message lives a minute", _LOST, put("the queue", "MessageRetentionPeriod", 60)),
    Fault("any queue may leave its dead letters here", _PROPERTIES, put("the dead letters", "RedriveAllowPolicy", {})),
    Fault(
        "the topic subscribes somebody itself",
        _PROPERTIES,
        put("the topic", "Subscription", [{"Protocol": "email", "Endpoint": "a@example.com"}]),
    ),
    Fault(
        "the log has a policy of its own",
        _PROPERTIES,
        put("the logs", "ResourcePolicyDocument", {"Version": "2012-10-17", "Statement": []}),
    ),
    Fault("the table has a local index", _PROPERTIES, put("the table", "LocalSecondaryIndexes", [])),
    Fault(
        "tokens are the key of an index",
        _STREAM,
        put("the table", "GlobalSecondaryIndexes.0.KeySchema.0.AttributeName", "token"),
    ),
    Fault(
        "an index has a policy of its own",
        _STREAM,
        put("the table", "GlobalSecondaryIndexes.0.ResourcePolicy", {"PolicyDocument": {}}),
    ),
    Fault(
        "the stream has a policy of its own",
        _STREAM,
        put("the table", "StreamSpecification.ResourcePolicy", {"PolicyDocument": {}}),
    ),
    Fault("the table has no stream", _STREAM, drop("the table", "StreamSpecification")),
    Fault(
        "the table is restorable for a day",
        "the table is kept restorable and encrypted",
        put("the table", "PointInTimeRecoverySpecification.RecoveryPeriodInDays", 1),
    ),
    Fault(
        "EventBridge of any account sends to the queue",
        _RULE_ALONE,
        rewrite("the queue", '"ThisRuleOnly"', Condition=None),
    ),
    Fault(
        "any rule of the account sends to the queue",
        _RULE_ALONE,
        rewrite("the queue", '"ThisRuleOnly"', Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}}),
    ),
    Fault(
        "any rule sends to the dead letters", _RULE_ALONE, rewrite("the dead letters", '"ThisRuleOnly"', Condition=None)
    ),
    Fault(
        "any rule sends to the rules' dead letters",
        _THEIR_LETTERS,
        rewrite(
            "the rules' dead letters",
            '"RulesOfThisBusOnly"',
            Condition={"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        ),
    ),
    Fault(
        "any topic sends to the topic's dead letters",
        _THEIR_LETTERS,
        rewrite("the topic's dead letters", '"OurTopicsOnly"', Condition=None),
    ),
    Fault(
        "CloudWatch of any account tells of alarms",
        _ALARMS,
        rewrite("the alarm topic", '"AlarmsOfThisAccountOnly"', Condition=None),
    ),
    Fault("the alarm topic is not encrypted", _ENCRYPTED, drop("the alarm topic", "KmsMasterKeyId")),
    Fault("who redrives reads the table", _REDRIVE, allow("the mender", "dynamodb:GetItem", "the table")),
    Fault("who redrives empties a queue", _REDRIVE, allow("the mender", "sqs:PurgeQueue", "the dead letters")),
    Fault("who notifies subscribes a queue", _ALARMS, allow("the mender", "sns:Subscribe", "the topic")),
    Fault(
        "the rules' dead letters are gone in four days",
        "no message is lost without a trace",
        drop("the rules' dead letters", "MessageRetentionPeriod"),
    ),
    Fault("everybody sends to the queue", _STRANGERS, open_to("the queue", "*", "sqs:SendMessage")),
    Fault(
        "a stranger receives from the queue",
        _LET_IN,
        open_to("the queue", {"AWS": f"arn:aws:iam::{STRANGER}:root"}, "sqs:ReceiveMessage"),
    ),
    Fault("a handler sends to the queue", _RULE_ALONE, allow("the handlers", "sqs:SendMessage", "the queue")),
    Fault("the queue takes plain HTTP", _TLS, lift("the queue", "aws:SecureTransport")),
    Fault(
        "the topic takes plain HTTP",
        _TLS,
        rewrite("the topic", "aws:SecureTransport", Condition={"Bool": {"aws:SecureTransport": "true"}}),
    ),
    Fault("everybody publishes", _STRANGERS, open_to("the topic", {"AWS": "*"}, "sns:Publish")),
    Fault(
        "a stranger subscribes",
        _STRANGERS,
        open_to("the topic", {"AWS": f"arn:aws:iam::{STRANGER}:root"}, "sns:Subscribe"),
    ),
    Fault(
        "a service publishes for anybody", _LET_IN, open_to("the topic", {"Service": "s3.amazonaws.com"}, "sns:Publish")
    ),
    Fault(
        "somebody is subscribed",
        _KINDS,
        add(
            "Subscribed",
            "AWS::SNS::Subscription",
            Protocol="email",
            Endpoint="a@example.com",
            TopicArn=ref("the topic"),
        ),
    ),
    Fault(
        "a service uses the workspace's key for anybody",
        _WORKSPACE_KEY,
        rewrite("the workspace's key", "events.amazonaws.com", Condition=None),
    ),
    Fault(
        "logs of any account use the workspace's key",
        _WORKSPACE_KEY,
        rewrite("the workspace's key", '"Sid": "Logs"', Condition=None),
    ),
    Fault(
        "everybody uses the workspace's key", _STRANGERS, open_to("the workspace's key", {"AWS": "*"}, "kms:Decrypt")
    ),
    Fault("the workspace's key is nobody's to administer", _ADMIN, lift("the workspace's key", "kms:*")),
    Fault(
        "a handler uses the workspace's key by itself",
        _WORKSPACE_KEY,
        allow("the handlers", "kms:Decrypt", "the workspace's key"),
    ),
    Fault("the workspace's key is not rotated", "a key is rotated", drop("the workspace's key", "EnableKeyRotation")),
    Fault("the table goes with the stack", _KEPT, put("the table", "DeletionPolicy", "Delete")),
    Fault(
        "the table may be deleted",
        "the table is kept restorable and encrypted",
        put("the table", "DeletionProtectionEnabled", False),
    ),
    Fault(
        "the table cannot be restored",
        "the table is kept restorable and encrypted",
        put("the table", "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", False),
    ),
    Fault(
        "the table is encrypted with a key of AWS",
        "the table is kept restorable and encrypted",
        drop("the table", "SSESpecification"),
    ),
    Fault(
        "the table lets a stranger read",
        _PROPERTIES,
        put(
            "the table",
            "ResourcePolicy",
            {
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"AWS": f"arn:aws:iam::{STRANGER}:root"},
                            "Action": "dynamodb:GetItem",
                            "Resource": "*",
                        }
                    ],
                }
            },
        ),
    ),
    Fault(
        "items expire",
        "the table is kept restorable and encrypted",
        put("the table", "TimeToLiveSpecification", {"AttributeName": "ttl", "Enabled": True}),
    ),
    Fault(
        "tokens travel in the stream",
        "the tables stream holds keys only",
        put("the table", "StreamSpecification.StreamViewType", "NEW_AND_OLD_IMAGES"),
    ),
    Fault(
        "tokens are in an index",
        "the tables stream holds keys only",
        put("the table", "GlobalSecondaryIndexes.0.Projection", {"ProjectionType": "ALL"}),
    ),
    Fault("the queue is not encrypted", _ENCRYPTED, drop("the queue", "KmsMasterKeyId")),
    Fault(
        "dead letters are encrypted with a key of AWS",
        _ENCRYPTED,
        put("the dead letters", "KmsMasterKeyId", "alias/aws/sqs"),
    ),
    Fault("the topic is not encrypted", _ENCRYPTED, drop("the topic", "KmsMasterKeyId")),
    Fault("the logs are not encrypted", _ENCRYPTED, drop("the logs", "KmsKeyId")),
    Fault("the logs are kept for ever", "logs are kept for a year", drop("the logs", "RetentionInDays")),
    Fault("the logs are kept for a day", "logs are kept for a year", put("the logs", "RetentionInDays", 1)),
    Fault("the logs go with the stack", _KEPT, put("the logs", "DeletionPolicy", "Delete")),
    Fault(
        "a poisoned message comes for ever",
        "no message is lost without a trace",
        put("the queue", "RedrivePolicy.deadLetterTargetArn", f"arn:aws:sqs:us-east-1:{STRANGER}:theirs"),
    ),
    Fault(
        "dead letters are gone in four days",
        "no message is lost without a trace",
        drop("the dead letters", "MessageRetentionPeriod"),
    ),
    Fault(
        "what a rule cannot deliver is lost",
        "no message is lost without a trace",
        put(_RULE, "Targets.0.DeadLetterConfig.Arn", f"arn:aws:sqs:us-east-1:{STRANGER}:theirs"),
    ),
    Fault(
        "a failed batch of messages comes again whole",
        "no message is lost without a trace",
        every("AWS::Lambda::EventSourceMapping", "FunctionResponseTypes", []),
    ),
    Fault(
        "a queue has two policies",
        "every queue and topic has one policy",
        add(
            "Again",
            "AWS::SQS::QueuePolicy",
            Queues=lambda world: [{"Ref": world.names.town["the queue"]}],
            PolicyDocument={"Version": "2012-10-17", "Statement": []},
        ),
    ),
]
"""In queues, topic, table, keys and logs."""
