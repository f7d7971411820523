"""Faults of one word: an element of a statement, an operator, a name or a number that is almost right.

Found by changing every word of the good template in turn, and looking at which changes no promise noticed.
"""

from typing import Any

from tests.access.fault import Fault
from tests.access.mutations import Change, allow, arn, drop, every, lift, open_to, policy_of, put, ref, replace, rewrite
from tests.access.town import ACCOUNT, OURS, STRANGER, Body
from tests.access.world import World

_SAYS = "a buckets policy says this and nothing else"
_TLS = "everything with a policy refuses what comes without tls"
_EACH = "who reaches data does each action on its own prefixes"
_THROUGH = "a use of a key is always through a service"
_CONDITIONS = "an allow is under no condition but of listings keys and subscriptions"
_LET_IN = "resource policies let in only services that are tied to us"
_TRUST = "each role is trusted to its own and to nobody else"
_VERSION = "every policy is of the present version"
_LOST = "no message is lost without a trace"
_TOLD = "functions are told of our own things and of no secret"
_SCHEDULE = "the schedule calls the reconciler alone"
_PARAMETER = "the workspaces parameter names its own things"
_TOKENS = "the clients tokens are short and can be revoked"
_CODE = "the client uses no flow but the code"
_POOL = "client domain and groups are of the pool"
_STREAM = "the tables stream holds keys only"
_TABLE = "the table is kept restorable and encrypted"
_THINGS = "each role is allowed its own things and no other"
_BUS = "the bus refuses all events but the dispatchers"
_DELEGATES = "a key lets its accounts policies decide"
_BUS_POLICY, _MAPPING = "AWS::Events::EventBusPolicy", "AWS::Lambda::EventSourceMapping"
_CLIENT, _SCHEDULED = "AWS::Cognito::UserPoolClient", "AWS::Scheduler::Schedule"
_FIRST = "AssumeRolePolicyDocument.Statement.0."


def of_role(world: World, role: str) -> str:
    """The pattern by which buckets know a data role."""
    return f"{world.arn(role, None if 'vendor' in role else OURS).rpartition('/')[0]}/*"


def guard(bucket: str, role: str, sid: str, condition: str, more: Body | None = None) -> Change:
    """A bucket's guard of a role under another condition; `{role}` in it is the role's pattern."""

    def change(world: World) -> None:
        pattern = of_role(world, role)
        (found,) = (
            each
            for each in policy_of(world, bucket)
            if str(each.get("Sid", "")).startswith(sid) and pattern.rpartition("/")[0].rpartition("/")[2] in str(each)
        )
        operator, key = condition.split()
        found["Condition"] = {operator: {key: pattern}, **(more or {})}

    return change


def old_version(word: str) -> Change:
    """A resource's policy as of 2008."""

    def change(world: World) -> None:
        statements = policy_of(world, word)
        for each in world.body["Resources"].values():
            document = each.get("Properties", {}).get("PolicyDocument", {})
            if document.get("Statement") is statements:
                document["Version"] = "2008-10-17"

    return change


def key_is_nobodys_to_change(world: World) -> None:
    statement = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "kms:PutKeyPolicy", "Resource": "*"}
    policy_of(world, "the vendor's key").append(statement)


def roles_of(*names: str) -> Any:
    return [f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/{name}" for name in names]


_VENDORS = "the vendor's bucket"

WORDS = [
    # ---- a bucket's policy
    Fault(
        "TLS is asked of the bucket and of no object",
        _TLS,
        rewrite(_VENDORS, "SecureTransport", Resource=ref(_VENDORS)),
    ),
    Fault(
        "TLS is asked of another bucket",
        _TLS,
        rewrite(_VENDORS, "SecureTransport", Resource=ref("the bucket", "the bucket/*")),
    ),
    Fault(
        "TLS is asked under a name that no request has",
        _TLS,
        rewrite(_VENDORS, "SecureTransport", Condition={"Bool": {"aws:SecureTransports": "false"}}),
    ),
    Fault(
        "new TLS is asked for reading alone",
        _SAYS,
        rewrite(_VENDORS, "s3:TlsVersion", Action="s3:Get*"),
    ),
    Fault(
        "new TLS is asked of objects alone", _SAYS, rewrite(_VENDORS, "s3:TlsVersion", Resource=ref(f"{_VENDORS}/*"))
    ),
    Fault(
        "TLS 1.1 will do",
        _SAYS,
        rewrite(_VENDORS, "s3:TlsVersion", Condition={"NumericLessThan": {"s3:TlsVersion": 1.1}}),
    ),
    Fault(
        "old TLS is refused where nobody says which",
        _SAYS,
        rewrite(_VENDORS, "s3:TlsVersion", Condition={"NumericLessThanIfExists": {"s3:TlsVersion": 1.2}}),
    ),
    Fault(
        "data roles may do what begins like the four actions",
        _SAYS,
        rewrite(
            _VENDORS,
            '"OnlyTheServicesActions"',
            NotAction=["s3:GetObject*", "s3:PutObject", "s3:GetBucketLocation", "s3:ListBucket"],
        ),
    ),
    Fault(
        "data roles may do anything to objects",
        _SAYS,
        rewrite(_VENDORS, '"OnlyTheServicesActions"', Resource=ref(_VENDORS)),
    ),
    Fault(
        "other data roles are not told from admitted ones",
        _SAYS,
        rewrite(
            _VENDORS,
            '"OnlyGrantedDataRoles"',
            Condition={
                "ArnLike": {"aws:PrincipalArn": roles_of("*")},
                "ArnNotLike": {"aws:PrincipalArn": roles_of("nobody/", "*")},
            },
        ),
    ),
    Fault(
        "other data roles are denied where no role is said, too",
        _SAYS,
        rewrite(_VENDORS, '"OnlyGrantedDataRoles"', Condition={"ArnLikeIfExists": {"aws:PrincipalArn": roles_of("*")}}),
    ),
    Fault(
        "a guard's key is misspelt",
        _SAYS,
        guard(_VENDORS, "the vendor's data role", "Read", "ArnLike aws:PrincipleArn"),
    ),
    Fault(
        "a guard takes a pattern for a text",
        _SAYS,
        guard(_VENDORS, "the vendor's data role", "Write", "StringEquals aws:PrincipalArn"),
    ),
    Fault(
        "a guard is about everybody else",
        _SAYS,
        guard(_VENDORS, "the vendor's data role", "Write", "ArnNotLike aws:PrincipalArn"),
    ),
    Fault(
        "a guard of listing is silent where no prefix is said",
        _SAYS,
        guard(
            _VENDORS,
            "the vendor's data role",
            "List",
            "ArnLike aws:PrincipalArn",
            {"ForAnyValue:StringNotLike": {"s3:prefix": ["raw/*", "labels/*"]}},
        ),
    ),
    Fault(
        "a guard of listing is silent where a prefix is said",
        _SAYS,
        guard(_VENDORS, "the vendor's data role", "List", "ArnLike aws:PrincipalArn", {"Null": {"s3:prefix": "true"}}),
    ),
    Fault(
        "a guard speaks to a stranger",
        _SAYS,
        rewrite(_VENDORS, '"Sid": "Read', Principal={"AWS": f"arn:aws:iam::{STRANGER}:root"}),
    ),
    Fault(
        "a guard lets everything be read", _SAYS, rewrite(_VENDORS, '"Sid": "Read', NotResource=ref(f"{_VENDORS}/*"))
    ),
    Fault(
        "a guard lets the input be written",
        _SAYS,
        rewrite(_VENDORS, '"Sid": "Write', NotResource=ref(f"{_VENDORS}/labels/*", f"{_VENDORS}/raw/*")),
    ),
    Fault(
        "a guard keeps a role from its own labels",
        _SAYS,
        rewrite(_VENDORS, '"Sid": "Read', NotResource=ref(f"{_VENDORS}/raw/*", f"{_VENDORS}/label/*")),
    ),
    Fault("a guard allows", _LET_IN, rewrite(_VENDORS, '"Sid": "List', Effect="Allow")),
    Fault("the neighbour's labels are not guarded", _SAYS, lift("the bucket", "/labels-2/*")),
    Fault("what is asked for TLS lets everybody in", _LET_IN, rewrite(_VENDORS, "SecureTransport", Effect="Allow")),
    Fault(
        "a revocation is about the bucket and no object",
        _SAYS,
        rewrite("the bucket", '"Sid": "Revoked', Resource=ref("the bucket")),
        revoked=True,
    ),
    Fault(
        "a revocation is over one day",
        _SAYS,
        lambda world: rewrite(
            "the bucket",
            '"Sid": "Revoked',
            Condition={
                "ArnLike": {"aws:PrincipalArn": of_role(world, "the data role")},
                "DateLessThan": {"aws:CurrentTime": "2027-01-01T00:00:00Z"},
            },
        )(world),
        revoked=True,
    ),
    Fault(
        "a revocation is of every bucket",
        "a role is denied our own files and what is revoked and nothing else",
        rewrite("the data role", '"Revoked0"', Resource=ref("the bucket", "*")),
        revoked=True,
    ),
    # ---- a role's own policies
    Fault(
        "the vendor cannot read its labels",
        _EACH,
        rewrite("the vendor's data role", '"Read0"', Resource=ref(f"{_VENDORS}/raw/*")),
    ),
    Fault(
        "the vendor writes its input",
        _EACH,
        rewrite("the vendor's data role", '"Write0"', Resource=ref(f"{_VENDORS}/raw/*", f"{_VENDORS}/labels/*")),
    ),
    Fault(
        "our functions write the vendor's input",
        _EACH,
        rewrite("the vendor's runtime role", '"Write0"', Resource=ref(f"{_VENDORS}/raw/*")),
    ),
    Fault(
        "the uploader writes labels for input",
        _EACH,
        rewrite("the uploader", '"s3:PutObject"', Resource=ref("the bucket/labels/*")),
    ),
    Fault("the neighbour writes its input", _EACH, allow("the neighbour", "s3:PutObject", "the bucket/raw-2/*")),
    Fault(
        "the API reads the table and cannot write it", _THROUGH, rewrite("the API", '"TableKey"', Action="kms:Decrypt")
    ),
    Fault(
        "the API uses the key under a name that no request has",
        _CONDITIONS,
        rewrite(
            "the API", '"TableKey"', Condition={"StringEquals": {"kms:ViaServices": "dynamodb.us-east-1.amazonaws.com"}}
        ),
    ),
    Fault(
        "the API uses the key in every region",
        _CONDITIONS,
        rewrite("the API", '"TableKey"', Condition={"StringLike": {"kms:ViaService": "dynamodb.*.amazonaws.com"}}),
    ),
    Fault(
        "the API reads places of every workspace",
        _THINGS,
        allow("the API", "ssm:GetParameter", f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/gtplus/*"),
    ),
    Fault(
        "the API becomes runtime roles of every workspace",
        _THINGS,
        allow("the API", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/gtplus/*"),
    ),
    Fault(
        "the reconciler stops executions of other machines",
        _THINGS,
        allow("the reconciler", "states:StopExecution", f"arn:aws:states:us-east-1:{ACCOUNT}:execution:*:*"),
    ),
    Fault(
        "a data role's policy is of an old version",
        _VERSION,
        put("the data role", "Policies.0.PolicyDocument.Version", "2008-10-17"),
    ),
    Fault("a trust has no version", _VERSION, drop("the vendor's data role", "AssumeRolePolicyDocument.Version")),
    Fault("a bucket's policy is of an old version", _VERSION, old_version("the bucket")),
    Fault("a queue's policy is of an old version", _VERSION, old_version("the queue")),
    Fault("a key's policy has no version", _VERSION, drop("the workspace's key", "KeyPolicy.Version")),
    Fault(
        "a statement of a role says nothing of its effect",
        "each role is allowed these actions and no other",
        rewrite("the data role", '"Read0"', Effect=None),
    ),
    Fault("a guard says nothing of its effect", _SAYS, rewrite(_VENDORS, '"Sid": "Read', Effect=None)),
    # ---- trust, and who is let in
    Fault(
        "a schedule of nobody becomes the schedule's role",
        _TRUST,
        put("the schedule", _FIRST + "Condition", {"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}}),
    ),
    Fault(
        "machines of an account that is misspelt become the machine's role",
        _TRUST,
        put("the machine's role", _FIRST + "Condition", {"StringEquals": {"aws:SourceAccounts": ACCOUNT}}),
    ),
    Fault(
        "an external id of any case is good",
        _TRUST,
        put("the vendor's reporting role", _FIRST + "Condition", {"StringEqualsIgnoreCase": {"sts:ExternalId": "x"}}),
    ),
    Fault(
        "events of a stranger's account use the workspace's key",
        _LET_IN,
        rewrite(
            "the workspace's key",
            "events.amazonaws.com",
            Condition={"StringEquals": {"aws:SourceAccount": STRANGER}},
        ),
    ),
    Fault(
        "events of no account use the workspace's key",
        _LET_IN,
        rewrite(
            "the workspace's key",
            "events.amazonaws.com",
            Condition={"ForAllValues:StringEquals": {"aws:SourceAccount": ACCOUNT}},
        ),
    ),
    Fault(
        "alarms of no account are told",
        _LET_IN,
        rewrite(
            "the alarm topic",
            '"AlarmsOfThisAccountOnly"',
            Condition={"StringEqualsIfExists": {"aws:SourceAccount": ACCOUNT}},
        ),
    ),
    Fault(
        "topics that are called like ours send dead letters",
        _LET_IN,
        rewrite(
            "the topic's dead letters",
            '"OurTopicsOnly"',
            Condition={"ArnLike": {"aws:SourceArn": f"arn:aws:sns:us-east-1:{ACCOUNT}:Town-*"}},
        ),
    ),
    Fault(
        "S3 uses a bucket's key for anybody",
        _LET_IN,
        open_to("the vendor's key", {"Service": "s3.amazonaws.com"}, "kms:Decrypt"),
    ),
    Fault("a key denies its owners to change it", _DELEGATES, key_is_nobodys_to_change),
    Fault(
        "a queue's TLS is another queue's",
        _TLS,
        rewrite("the reconciler's dead letters", "aws:SecureTransport", Resource=ref("the queue")),
    ),
    Fault(
        "a topic's TLS is another topic's",
        _TLS,
        rewrite("the escalations", "aws:SecureTransport", Resource=ref("the topic")),
    ),
    Fault(
        "the bus takes events that name nobody",
        _BUS,
        lambda world: put(
            _BUS_POLICY,
            "Statement.Condition",
            {"ArnNotEqualsIfExists": {"aws:PrincipalArn": arn(world, "the dispatcher")}},
        )(world),
    ),
    Fault("the bus refuses partners alone", _BUS, put(_BUS_POLICY, "Statement.Action", "events:PutPartnerEvents")),
    # ---- what moves a batch
    Fault("a bad record of the stream is not singled out", _LOST, every(_MAPPING, "BisectBatchOnFunctionError", False)),
    Fault("the stream passes everything on", _LOST, every(_MAPPING, "FilterCriteria", {"Filters": []})),
    Fault(
        "the stream passes on what is nobody's",
        _LOST,
        every(_MAPPING, "FilterCriteria", {"Filters": [{"Pattern": '{"dynamodb": {"Keys": {"pk": {"S": ["x"]}}}}'}]}),
    ),
    Fault("a function is not told of its table", _TOLD, drop("a handler", "Environment.Variables.GTPLUS_TABLE")),
    Fault(
        "a function is told of a bus that is not its affair",
        _TOLD,
        put("a handler", "Environment.Variables.GTPLUS_BUS", "b"),
    ),
    Fault(
        "a lost minute is tried for a day", _SCHEDULE, put(_SCHEDULED, "Target.RetryPolicy.MaximumRetryAttempts", 185)
    ),
    Fault(
        "the reconciler is called some time in an hour",
        _SCHEDULE,
        put(_SCHEDULED, "FlexibleTimeWindow", {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 60}),
    ),
    Fault("a table's items are sorted by another key", _TABLE, put("the table", "KeySchema.1.AttributeName", "open")),
    Fault(
        "an index is of another key",
        _STREAM,
        put("the table", "GlobalSecondaryIndexes.1.KeySchema.0.AttributeName", "sk"),
    ),
    Fault(
        "what is throttled and logged is another API",
        "calls are throttled and logged without a credential",
        put("AWS::ApiGatewayV2::Stage", "ApiId", "other"),
    ),
    Fault("a route is called almost so", "every route asks iam", put("a route", "RouteKey", "GET /operate/project")),
    Fault(
        "the reconciler is not told which definition is the newest",
        _TOLD,
        drop("the reconciler's function", "Environment.Variables.GTPLUS_DEFINITION"),
    ),
    Fault(
        "a runtime role bears another project's name",
        "a runtime role is under the path that functions know",
        put("the runtime role", "Tags.0.Value", "vendor"),
    ),
    # ---- what people and programs are told
    Fault(
        "an address is verified by a link",
        "people are invited and never sign up",
        put("AWS::Cognito::UserPool", "VerificationMessageTemplate.DefaultEmailOption", "CONFIRM_WITH_LINK"),
    ),
    Fault(
        "a mail leads elsewhere",
        "people are invited and never sign up",
        put("AWS::Cognito::UserPool", "EmailVerificationMessage", "{####} evil.example"),
    ),
    Fault(
        "people are sent to another API",
        _PARAMETER,
        replace("the workspace's parameter", '"apiUrl":"', '"apiUrl":"https://evil.example/?'),
    ),
    Fault(
        "people sign in to another client",
        _PARAMETER,
        replace("the workspace's parameter", '"userPoolClient":"', '"userPoolClient":"x'),
    ),
    Fault(
        "dead letters are looked for elsewhere",
        _PARAMETER,
        replace("the workspace's parameter", '"stream":"', '"stream":"https://sqs.example/'),
    ),
    Fault("a refresh token lives for days", _TOKENS, drop(_CLIENT, "TokenValidityUnits.RefreshToken")),
    Fault("a token lives as long as Cognito likes", _TOKENS, put(_CLIENT, "AccessTokenValidity", 0)),
    Fault("a hosted sign-in is on that returns nowhere", _CODE, put(_CLIENT, "AllowedOAuthFlowsUserPoolClient", True)),
    Fault(
        "people sign in under a name that others may have",
        _POOL,
        put("AWS::Cognito::UserPoolDomain", "Domain", "gtplus-labeling"),
    ),
]
"""In one word."""
