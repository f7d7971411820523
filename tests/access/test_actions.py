"""All that each role can do, over every action that AWS has: and that such a set would show one more or one less.

The sets themselves are in `promises_roles.py`, and are asked of every kind of template in `test_promises.py`.
"""

import random

import pytest

from gtplus_constructs.assertions import catalog
from tests.access.conftest import WorldOf
from tests.access.mutations import allow
from tests.access.promises_roles import KEY, PLACE, SERVICE_ACTIONS, TOWN
from tests.access.town import OURS
from tests.access.world import World

pytestmark = pytest.mark.xdist_group("no flags")

DOORS: dict[str, tuple[tuple[str, str], ...]] = {
    "s3:GetObject": (("object raw/1.png", ""), ("object raw-2/1.png", ""), ("the vendor's object raw/1.png", "")),
    "s3:PutObject": (
        ("object labels/1.json", ""),
        ("object labels-2/1.json", ""),
        ("object raw/1.png", ""),
        ("the vendor's object labels/1.json", ""),
    ),
    "s3:ListBucket": (
        ("the bucket", "prefix raw/"),
        ("the bucket", "prefix raw-2/"),
        ("the vendor's bucket", "prefix raw/"),
    ),
    "s3:GetBucketLocation": (("the bucket", ""), ("the vendor's bucket", "")),
    "kms:Decrypt": (
        ("the key", "through S3; for the bucket"),
        ("the vendor's key", "through S3; for the vendor's bucket"),
        ("the workspace's key", "through DynamoDB"),
        ("the workspace's key", "through SQS"),
    ),
    "execute-api:Invoke": (
        ("call POST /request/projects/{project}/batches/b", ""),
        ("call POST /review/projects/{project}/batches/b/accept", ""),
        ("call POST /report/projects/{project}/batches/b/report", ""),
        ("call POST /report/projects/vendor/batches/b/report", ""),
        ("call POST /operate/projects/{project}/approve", ""),
    ),
    "ssm:GetParameter": (
        ("parameter gtplus/labeling/workspace", ""),
        ("parameter gtplus/labeling/projects/{project}", ""),
    ),
    "sts:AssumeRole": (("the runtime role", ""),),
    "dynamodb:DescribeStream": (("the stream", ""),),
    "states:StartExecution": (("the machine", ""),),
    "states:SendTaskSuccess": (("the machine", ""),),
    "states:DescribeExecution": (("an execution", ""),),
    "states:StopExecution": (("an execution", ""),),
    "states:ListExecutions": (("the machine", ""),),
    "events:PutEvents": (("the bus", ""),),
    "sns:Publish": (("the topic", ""), ("the escalations", "")),
    "sqs:SendMessage": (
        ("the dispatcher's dead letters", ""),
        ("the reconciler's dead letters", ""),
        ("the queue", ""),
    ),
    "lambda:InvokeFunction": (("a handler", ""), ("the reconciler's function", "")),
    "logs:CreateLogStream": (("a log stream", ""),),
    "sqs:ReceiveMessage": (("the queue", ""), ("the dead letters", "")),
    "sqs:ChangeMessageVisibility": (("the dead letters", ""),),
    "sns:Subscribe": (("the topic", "by e-mail"),),
    "sns:ListSubscriptionsByTopic": (("the topic", ""),),
}
"""On what an action is tried, and in which request; those of a service that are not listed like their neighbours."""
LIKE = {
    "kms:GenerateDataKey": "kms:Decrypt",
    "dynamodb:GetRecords": "dynamodb:DescribeStream",
    "dynamodb:GetShardIterator": "dynamodb:DescribeStream",
    "logs:PutLogEvents": "logs:CreateLogStream",
    "sqs:DeleteMessage": "sqs:ReceiveMessage",
    "sqs:GetQueueAttributes": "sqs:ReceiveMessage",
    "sns:GetSubscriptionAttributes": "sns:ListSubscriptionsByTopic",
    "sns:Unsubscribe": "sns:ListSubscriptionsByTopic",
}
DEFAULT = {
    "cognito-idp": (("the user pool", ""),),
    "dynamodb": (("the table", ""),),
    "sqs": (("the queue", ""),),
    "xray": (("everything", ""),),
    "logs": (("everything", ""),),
}


@pytest.mark.parametrize("role", [*TOWN, *PLACE])
def test_each_action_of_a_role_opens_a_door(world_of: WorldOf, role: str) -> None:
    """The positive control: no action is in the set that leads nowhere."""
    world = world_of("no flags")
    for action in sorted({**TOWN, **PLACE}[role]):
        doors = DOORS.get(LIKE.get(action, action)) or DEFAULT[action.partition(":")[0]]
        decisions = [world.ask(role, action, on, request, OURS) for on, request in doors]
        assert any(decisions), "\n".join(map(str, decisions))


SOME_ACTIONS = random.Random(10).sample(catalog.every_action(), 12)


@pytest.mark.parametrize("action", [*SOME_ACTIONS, "s3:DeleteObject", "s3:DeleteObjectVersion", "iam:PassRole"])
def test_one_action_more_is_seen(world_of: WorldOf, action: str) -> None:
    """The negative one: a set that is compared would show it, whatever the service."""
    faulty = world_of("no flags", places=(OURS,)).mutable()
    allow("the data role", action, "*")(faulty)
    assert _actions(faulty, "the data role") == SERVICE_ACTIONS | KEY | {action}


def _actions(world: World, who: str) -> set[str]:
    return world.who(who, OURS).actions()
