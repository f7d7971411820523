"""Promises about what holds data: buckets, keys, the table, queues, the topic, logs."""

import json
from typing import Any

from tests.access.promise import Promises, each_has, none_has
from tests.access.town import ACCOUNT, OURS, Body
from tests.access.world import World, listed, statements

PROMISES = Promises()

KEPT = ("AWS::S3::Bucket", "AWS::KMS::Key", "AWS::DynamoDB::Table", "AWS::Cognito::UserPool", "AWS::Logs::LogGroup")


def labeling_buckets(world: World) -> dict[str, Any]:
    """The buckets of this library's making; others are the app's own affair."""
    names = {world.names.town["the vendor's bucket"], *(names["the bucket"] for _, names in places(world, OURS))}
    return {name: each for name, each in world.properties("AWS::S3::Bucket").items() if name in names}


def places(world: World, whose: str) -> list[tuple[str, Any]]:
    """The places whose kind begins so, with what is in them."""
    return [(kind, names) for kind, names in world.names.places.items() if kind.startswith(whose)]


@PROMISES
def what_holds_data_stays_when_the_stack_goes(world: World) -> None:
    for kind in KEPT:
        for name, resource in world.of_type(kind).items():
            assert resource.get("DeletionPolicy") == "Retain", name
            assert resource.get("UpdateReplacePolicy") == "Retain", name


@PROMISES
def a_bucket_is_private_whatever_policies_say(world: World) -> None:
    blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    each_has(labeling_buckets(world), PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))


@PROMISES
def a_bucket_knows_no_acl(world: World) -> None:
    each_has(labeling_buckets(world), OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    none_has(labeling_buckets(world), "AccessControl")


@PROMISES
def a_bucket_is_open_to_no_web_page(world: World) -> None:
    none_has(labeling_buckets(world), "CorsConfiguration", "WebsiteConfiguration")


@PROMISES
def a_bucket_sends_its_objects_nowhere(world: World) -> None:
    none_has(labeling_buckets(world), "ReplicationConfiguration", "InventoryConfigurations", "AnalyticsConfigurations")
    events = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    each_has(labeling_buckets(world), NotificationConfiguration=events)


@PROMISES
def a_bucket_keeps_what_is_replaced(world: World) -> None:
    each_has(labeling_buckets(world), VersioningConfiguration={"Status": "Enabled"})
    for name, bucket in labeling_buckets(world).items():
        only = {
            "Id": "ReplacedVersions",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": 90},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
        }
        assert bucket.get("LifecycleConfiguration") == {"Rules": [only]}, name


@PROMISES
def a_bucket_is_encrypted_with_its_own_key(world: World) -> None:
    keys = {world.names.town["the vendor's bucket"]: world.arn("the vendor's key")}
    keys |= {names["the bucket"]: world.arn("the key", kind) for kind, names in places(world, OURS)}
    for name, bucket in labeling_buckets(world).items():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["BucketKeyEnabled"] is True, name
        default = rule["ServerSideEncryptionByDefault"]
        assert default == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": keys[name]}, f"{name}: {default}"


@PROMISES
def a_key_is_rotated(world: World) -> None:
    app_key = world.names.places.get("imported, the key ours", {}).get("the key")
    keys = {name: key for name, key in world.properties("AWS::KMS::Key").items() if name != app_key}
    each_has(keys, EnableKeyRotation=True)
    none_has(keys, "PendingWindowInDays", "BypassPolicyLockoutSafetyCheck")
    for name, key in keys.items():
        assert key.get("Enabled", True) is True, name


@PROMISES
def a_key_lets_its_accounts_policies_decide(world: World) -> None:
    """Without it nobody could mend a key's policy, and no role's use of the key would count; a Deny would hide it."""
    for name in world.of_type("AWS::KMS::Key"):
        said = [statement for _, holder, statement in world.resource_statements() if holder == name]
        root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        assert {"Action": "kms:*", "Effect": "Allow", "Principal": root, "Resource": "*"} in said, name
        assert {statement["Effect"] for statement in said} == {"Allow"}, name


@PROMISES
def a_bucket_has_one_policy_and_it_is_a_bucket_of_the_app(world: World) -> None:
    """A policy for an imported bucket would replace its owner's."""
    attached = [policy["Bucket"] for policy in world.properties("AWS::S3::BucketPolicy").values()]
    ours = [world.access.resource(name).rpartition(":")[2] for name in world.of_type("AWS::S3::Bucket")]
    assert sorted(attached) == sorted(ours)


@PROMISES
def every_queue_and_topic_has_one_policy(world: World) -> None:
    queues = [queue for policy in world.properties("AWS::SQS::QueuePolicy").values() for queue in policy["Queues"]]
    assert sorted(queues) == sorted(str(world.resolved({"Ref": name})) for name in world.of_type("AWS::SQS::Queue"))
    topics = [topic for policy in world.properties("AWS::SNS::TopicPolicy").values() for topic in policy["Topics"]]
    ours = ("the topic", "the escalations", "the alarm topic")
    assert sorted(topics) == sorted(world.arn(name) for name in ours)


@PROMISES
def everything_with_a_policy_refuses_what_comes_without_tls(world: World) -> None:
    """Of buckets and queues every action, of topics publishing, which is all that SNS lets a policy speak of here."""
    refused: dict[str, set[str]] = {}
    kinds = ("S3::Bucket", "SQS::Queue", "SNS::Topic")
    names = [name for kind in kinds for name in world.of_type(f"AWS::{kind}")]
    arns = {str(world.resolved({"Ref": name})): world.access.resource(name) for name in names}
    for _, holder, statement in world.resource_statements():
        if statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}:
            assert (statement["Effect"], statement["Principal"]) in (("Deny", "*"), ("Deny", {"AWS": "*"})), holder
            objects = [f"{arns[holder]}/*"] if arns[holder].startswith("arn:aws:s3:") else []
            assert listed(statement.get("Resource")) == [arns[holder], *objects], f"{holder}: {statement}"
            refused.setdefault(holder, set()).update(listed(statement["Action"]))
    holders = {
        str(world.resolved({"Ref": name})): actions
        for kind, actions in (("S3::Bucket", {"s3:*"}), ("SQS::Queue", {"sqs:*"}), ("SNS::Topic", {"sns:Publish"}))
        for name in world.of_type(f"AWS::{kind}")
    }
    assert {holder: actions for holder, actions in refused.items() if holder in holders} == holders


@PROMISES
def resource_policies_let_in_only_services_that_are_tied_to_us(world: World) -> None:
    """Each with its own actions, and for our account, rule or topic alone."""
    key = world.names.town["the workspace's key"]

    def queue(word: str) -> str:
        return str(world.resolved({"Ref": world.names.town[word]}))

    ours = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    bus = world.arn("the bus").replace(":event-bus/", ":rule/")
    rule = {"ArnEquals": {"aws:SourceArn": world.arn("the rule")}, **ours}
    rules = {"ArnLike": {"aws:SourceArn": f"{bus}/*"}, **ours}
    topic = {"ArnEquals": {"aws:SourceArn": [world.arn("the topic"), world.arn("the escalations")]}}
    logs = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:*"}}
    send, use = {"sqs:SendMessage"}, {"kms:Decrypt", "kms:GenerateDataKey"}
    let_in: dict[tuple[str, str], tuple[Body, set[str]]] = {
        ("events", queue("the queue")): (rule, send),
        ("events", queue("the dead letters")): (rule, send),
        ("events", queue("the rules' dead letters")): (rules, send),
        ("sns", queue("the topic's dead letters")): (topic, send),
        ("cloudwatch", queue("the alarm topic")): (ours, {"sns:Publish"}),
        ("events", key): (ours, use),
        ("sns", key): (ours, use),
        ("cloudwatch", key): (ours, use),
        ("logs.us-east-1", key): (
            logs,
            use | {"kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey"},
        ),
    }
    found = set()
    for name, holder, statement in world.resource_statements():
        if statement["Effect"] == "Deny":
            continue
        assert isinstance(statement.get("Principal"), dict), f"{name}: everybody"
        said = (statement.get("Condition", {}), set(listed(statement.get("Action"))))
        for kind, who in ((kind, who) for kind, names in statement["Principal"].items() for who in listed(names)):
            if (kind, who) == ("AWS", f"arn:aws:iam::{ACCOUNT}:root"):
                assert holder in world.of_type("AWS::KMS::Key"), f"{name}: {statement}"
                assert said == ({}, {"kms:*"}), f"{name}: {statement}"
            else:
                door = (who.removesuffix(".amazonaws.com"), holder)
                assert (kind, said) == ("Service", let_in.get(door)), f"{name} lets in {who}: {statement}"
                found.add(door)
    assert found == set(let_in)


@PROMISES
def a_deny_on_a_bucket_is_about_transport_or_data_roles(world: World) -> None:
    """Any other could lock administrators out."""
    policies = world.of_type("AWS::S3::BucketPolicy")
    for name, _, statement in world.resource_statements():
        if statement["Effect"] == "Allow" or name not in policies:
            continue
        condition = statement.get("Condition", {})
        assert "NotPrincipal" not in statement, f"{name}: {statement}"
        operators = set(condition) - {"ArnNotLike", "StringNotLike"}
        patterns = listed(condition.get("ArnLike", {}).get("aws:PrincipalArn", ""))
        ours = f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/"
        about_roles = operators == {"ArnLike"} and all(pattern.startswith(ours) for pattern in patterns)
        transport = ({"Bool": {"aws:SecureTransport": "false"}}, {"NumericLessThan": {"s3:TlsVersion": 1.2}})
        assert about_roles or condition in transport, f"{name}: {statement}"


@PROMISES
def a_buckets_policy_says_this_and_nothing_else(world: World) -> None:
    """Word for word, whoever's role it is about: transport, data roles in general, and each of them."""
    for name, policy in world.properties("AWS::S3::BucketPolicy").items():
        found = [{key: value for key, value in each.items() if key != "Sid"} for each in _statements(policy)]
        bucket = f"arn:aws:s3:::{policy['Bucket']}"
        wanted = _of_bucket(world, bucket)
        new, gone = ([each for each in one if each not in other] for one, other in ((found, wanted), (wanted, found)))
        assert not new, f"{name} has {new}"
        assert not gone, f"{name} lacks {gone}"


def _statements(policy: Body) -> list[Body]:
    return [{**each, "Principal": everybody(each.get("Principal"))} for each in statements(policy["PolicyDocument"])]


def everybody(principal: Any) -> Any:
    """A principal with the two ways to say everybody made one."""
    return {"AWS": "*"} if principal == "*" else principal


def _of_bucket(world: World, bucket: str) -> list[Body]:
    """What the policy of a bucket says."""
    both = [bucket, f"{bucket}/*"]
    data_roles = f"arn:aws:iam::{ACCOUNT}:role/gtplus/data/"
    four = ["s3:GetObject", "s3:PutObject", "s3:GetBucketLocation", "s3:ListBucket"]

    def deny(action: str, condition: Body, **on: Any) -> Body:
        said = {"Action": action} if action else {"NotAction": four}
        on = on or {"Resource": both}
        return {"Effect": "Deny", "Principal": {"AWS": "*"}, **said, **on, "Condition": condition}

    def role(pattern: str) -> Body:
        return {"ArnLike": {"aws:PrincipalArn": pattern}}

    def guard(pattern: str, suffix: str) -> list[Body]:
        read, write = f"raw{suffix}/*", f"labels{suffix}/*"
        return [
            deny("s3:GetObject", role(pattern), NotResource=[f"{bucket}/{read}", f"{bucket}/{write}"]),
            deny("s3:PutObject", role(pattern), NotResource=f"{bucket}/{write}"),
            deny("s3:ListBucket", role(pattern) | {"StringNotLike": {"s3:prefix": [read, write]}}, Resource=bucket),
        ]

    def path(arn: str) -> str:
        return f"{arn.rpartition('/')[0]}/*"

    said = [deny("s3:*", {"Bool": {"aws:SecureTransport": "false"}})]
    labeling = bucket in {world.access.resource(name) for name in labeling_buckets(world)}
    if bucket == world.arn("the vendor's bucket"):
        guarded = {path(world.arn("the vendor's data role")): ""}
    else:
        (names,) = (n for n in world.names.places.values() if world.access.resource(n["the bucket"]) == bucket)
        guarded = {path(world.access.resource(names["the data role"])): ""}
        said += [deny("s3:*", role(pattern)) for pattern in guarded if world.revoked]
        guarded[path(world.access.resource(names["the neighbour"]))] = "-2"
    for pattern, suffix in guarded.items():
        said += guard(pattern, suffix) if labeling else [*guard(pattern, suffix), deny("", role(pattern))]
    if labeling:
        admitted = {"ArnNotLike": {"aws:PrincipalArn": [f"{data_roles}nobody/", *sorted(guarded)]}}
        said.append(deny("s3:*", {"NumericLessThan": {"s3:TlsVersion": 1.2}}))
        said.append(deny("", role(f"{data_roles}*")))
        said.append(deny("s3:*", {"ArnLike": {"aws:PrincipalArn": [f"{data_roles}*"]}, **admitted}))
    return said


@PROMISES
def the_table_is_kept_restorable_and_encrypted(world: World) -> None:
    table = {"the table": world.one("AWS::DynamoDB::Table")}
    each_has(
        table,
        DeletionProtectionEnabled=True,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
        SSESpecification__SSEEnabled=True,
        SSESpecification__KMSMasterKeyId=world.arn("the workspace's key"),
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        # No event, head or answer has it.
        TimeToLiveSpecification={"AttributeName": "expiresAt", "Enabled": True},
    )


@PROMISES
def the_tables_stream_holds_keys_only(world: World) -> None:
    """No token and no word of a batch travels in it."""
    table = world.one("AWS::DynamoDB::Table")
    assert table.get("StreamSpecification") == {"StreamViewType": "KEYS_ONLY"}
    indexes = table["GlobalSecondaryIndexes"]
    for index in indexes:
        assert set(index) == {"IndexName", "KeySchema", "Projection"}
        assert index["Projection"]["ProjectionType"] in ("KEYS_ONLY", "INCLUDE")
        assert '"token"' not in json.dumps(index)
    keys = {index["IndexName"]: [key["AttributeName"] for key in index["KeySchema"]] for index in indexes}
    assert keys == {"open": ["open", "pk"], "list": ["list", "createdAt"]}


@PROMISES
def queues_topic_and_logs_are_encrypted_with_the_workspaces_key(world: World) -> None:
    key = world.arn("the workspace's key")
    each_has(world.properties("AWS::SQS::Queue"), KmsMasterKeyId=key)
    each_has(world.properties("AWS::SNS::Topic"), KmsMasterKeyId=key)
    each_has(world.properties("AWS::Logs::LogGroup"), KmsKeyId=key)


@PROMISES
def logs_are_kept_for_a_year(world: World) -> None:
    each_has(world.properties("AWS::Logs::LogGroup"), RetentionInDays=365)


@PROMISES
def no_message_is_lost_without_a_trace(world: World) -> None:
    """Each hop that nobody waits for has a dead-letter queue, which keeps what it gets as long as SQS can."""
    queues = world.properties("AWS::SQS::Queue")
    queue = queues.pop(world.names.town["the queue"])
    assert queue["RedrivePolicy"] == {"deadLetterTargetArn": world.arn("the dead letters"), "maxReceiveCount": 5}
    # Six times the time-out of what reads it, as "Using Lambda with Amazon SQS" asks.
    functions = world.properties("AWS::Lambda::Function")
    assert queue["VisibilityTimeout"] >= 6 * max(function["Timeout"] for function in functions.values())
    none_has({"the queue": queue}, "MessageRetentionPeriod")  # four days
    each_has(queues, MessageRetentionPeriod=1_209_600)
    letters = {world.access.resource(name) for name in queues}
    (target,) = world.one("AWS::Events::Rule")["Targets"]
    # Of the rules and subscriptions that users and `gtplus notify` make.
    found = {world.arn("the rules' dead letters"), world.arn("the topic's dead letters")}
    found.add(target["DeadLetterConfig"]["Arn"])
    found.add(world.one("AWS::Scheduler::Schedule")["Target"]["DeadLetterConfig"]["Arn"])
    called = {
        name: each["DeadLetterConfig"]["TargetArn"] for name, each in functions.items() if "DeadLetterConfig" in each
    }
    assert set(called) == {world.names.town["the reconciler's function"]}  # others are waited for
    found.update(called.values())
    for mapping in world.properties("AWS::Lambda::EventSourceMapping").values():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        if "stream" in mapping["EventSourceArn"]:
            assert mapping["StartingPosition"] == "TRIM_HORIZON"
            assert mapping.get("BisectBatchOnFunctionError") is True  # so that a bad record goes alone
            assert 0 < mapping["MaximumRetryAttempts"] <= 100
            assert 0 < mapping["MaximumRecordAgeInSeconds"] <= 86_400
            assert mapping["FilterCriteria"]["Filters"]
            for pattern in mapping["FilterCriteria"]["Filters"]:
                assert json.loads(pattern["Pattern"])["dynamodb"]["Keys"].keys() == {"sk"}
            found.add(mapping["DestinationConfig"]["OnFailure"]["Destination"])
    assert found == letters
