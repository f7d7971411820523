"""Faults in what moves a batch, and in what holds its state."""

from tests.access.fault import Fault
from tests.access.mutations import (
    add,
    allow,
    drop,
    every,
    lift,
    open_to,
    put,
    ref,
    remove,
    replace,
    rewrite,
)
from tests.access.town import ACCOUNT, STRANGER

_MACHINE, _RULE, _STAGE = "AWS::StepFunctions::StateMachine", "AWS::Events::Rule", "AWS::ApiGatewayV2::Stage"
_PERMISSION, _BUS = "AWS::Lambda::Permission", "AWS::Events::EventBusPolicy"

_ALLOWED = "each role is allowed these actions and no other"
_STARRED = "only telemetry is allowed on every resource"
_RUNTIME = "Our functions reach data through the runtime role alone, which stays within the project"
_DUTY = "A duty is its paths in its project and nothing else"
_TLS = "Nobody gets in without TLS (buckets of the app)"
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
_LET_IN = "resource policies let in only services that are tied to us"
_KINDS = "only kinds of resources that are thought about are there"
_REACH = "an allow reaches no further than what has no name yet"
_KEPT = "what holds data stays when the stack goes"
_ENCRYPTED = "queues topic and logs are encrypted with the workspaces key"

ENGINE = [
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
        _REACH,
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
        "calls are throttled and logged without a credential",
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
        "functions run our code as our roles and hold no secret",
        put("a handler", "Role", f"arn:aws:iam::{ACCOUNT}:role/admin"),
    ),
    Fault(
        "a function runs code of others",
        "functions run our code as our roles and hold no secret",
        put("a handler", "Layers", [f"arn:aws:lambda:us-east-1:{STRANGER}:layer:l:1"]),
    ),
    Fault(
        "a function holds a secret",
        "functions run our code as our roles and hold no secret",
        put("a handler", "Environment.Variables.GTPLUS_API_TOKEN", "x"),
    ),
    Fault(
        "a function logs elsewhere",
        "functions run our code as our roles and hold no secret",
        drop("a handler", "LoggingConfig"),
    ),
    Fault(
        "a function reads another queue",
        "functions read their own queue and stream",
        every("AWS::Lambda::EventSourceMapping", "EventSourceArn", f"arn:aws:sqs:us-east-1:{STRANGER}:theirs"),
    ),
    Fault(
        "a parameter holds the external id",
        "parameters hold places and no secret",
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
        rewrite("the topic's dead letters", '"ThisTopicOnly"', Condition=None),
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
        "the table is kept restorable and encrypted",
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
