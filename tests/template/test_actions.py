"""Every action that the template writes exists, none is a wildcard, and every `*` resource has its reason."""

from collections.abc import Iterator
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from gtplus_constructs import DataGrant, ExternalAccount, LabelingBucket, LabelingProject, LabelingWorkspace
from gtplus_constructs.assertions.catalog import every_action

# Where a statement is not of a resource policy, whose `*` is the resource itself.
REASONS = {
    "VendedLogs": "CloudWatch Logs knows no resource for vended log delivery",
    "Traces": "X-Ray knows no resource for these",
}
KEY_POLICIES = "AWS::KMS::Key"


@pytest.fixture(scope="module")
def statements() -> list[tuple[str, dict[str, Any]]]:
    """Every statement of a stack with a workspace, a vendor and somebody of each duty: resource type, statement."""
    stack = cdk.Stack(cdk.App(), "Whole", env=cdk.Environment(account="111111111111", region="us-east-1"))
    workspace = LabelingWorkspace(stack, "Workspace")
    bucket = LabelingBucket(stack, "Data")
    project = LabelingProject(
        stack,
        "Streets",
        workspace=workspace,
        data=DataGrant(bucket, read="raw/", write="labels/"),
        provider=ExternalAccount(account_id="222222222222", external_id="agreed-between-us"),
    )
    person = cdk.aws_iam.Role(stack, "Person", assumed_by=cdk.aws_iam.AccountRootPrincipal())
    for grant in (workspace.grant_operate, project.grant_request, project.grant_review, project.grant_data):
        grant(person)
    project.revoke(bucket)
    template = assertions.Template.from_stack(stack).to_json()
    return [
        (resource["Type"], statement)
        for resource in template["Resources"].values()
        for statement in documents(resource["Properties"])
    ]


def documents(value: Any) -> Iterator[dict[str, Any]]:
    """Every statement in a resource's properties, however deep."""
    if isinstance(value, dict):
        if "Effect" in value:
            yield value
        for each in value.values():
            yield from documents(each)
    elif isinstance(value, list):
        for each in value:
            yield from documents(each)


def many(value: Any) -> list[Any]:
    """One or several."""
    return value if isinstance(value, list) else [value]


def test_every_action_exists_and_no_allow_is_a_wildcard(statements: list[tuple[str, dict[str, Any]]]) -> None:
    known = {action.lower() for action in every_action()}
    written = [
        (statement["Effect"], action)
        for _, statement in statements
        for name in ("Action", "NotAction")
        for action in many(statement.get(name, []))
    ]
    assert len(written) > 100
    assert {action for _, action in written if "*" not in action and action.lower() not in known} == set()
    # CDK's own default policy of a key gives it to the account: without it nobody could ever change the key.
    assert {action for effect, action in written if effect == "Allow" and "*" in action} == {"kms:*"}
    assert {action for effect, action in written if effect == "Deny" and "*" in action} == {"s3:*", "sqs:*"}


def test_every_resource_that_is_a_wildcard_has_its_reason(statements: list[tuple[str, dict[str, Any]]]) -> None:
    bare = {
        statement.get("Sid", "")
        for kind, statement in statements
        if kind != KEY_POLICIES and "*" in many(statement.get("Resource", []))
    }
    assert bare == set(REASONS)
