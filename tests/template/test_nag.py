"""cdk-nag's AwsSolutions on the example: what it finds is exactly what is acknowledged here, each with its reason."""

from collections.abc import Callable, Iterable

import aws_cdk as cdk
import pytest
from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks

from tests.template.support import body

pytestmark = pytest.mark.xdist_group("template")

_ARN = "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>"
_PLACES = f"{_ARN}:ssm:us-east-1:<AWS::AccountId>:parameter/gtplus/labeling/projects/*]"
_RUNTIME_ROLES = f"{_ARN}:iam::<AWS::AccountId>:role/gtplus/labeling/*]"
_EXECUTIONS = f"{_ARN}:states:us-east-1:<AWS::AccountId>:execution:<WorkspaceWorkflowStateMachine736AC094.Name>:*]"


def _objects(bucket: str) -> list[str]:
    return [f"AwsSolutions-IAM5[Resource::<{bucket}.Arn>/{prefix}/*]" for prefix in ("raw", "labels")]


def _calls(paths: str) -> list[str]:
    api = f"{_ARN}:execute-api:us-east-1:<AWS::AccountId>:<WorkspaceApi269CC1E9>/$default"
    return [f"{api}/{method}/{paths}]" for method in ("GET", "POST")]


ACKNOWLEDGED: dict[str, dict[str, list[str]]] = {
    "A grant is a prefix: its objects have no names yet. The guard in the bucket's policy holds the role to it.": {
        "StreetSigns/DataAccess/Role": _objects("Streets617D6036"),
        "StreetSigns/RuntimeRole": _objects("Streets617D6036"),
        "StreetSignsRequester/DefaultPolicy": _objects("Streets617D6036"),
        "Faces/DataAccess/Role": _objects("PortraitsCB35C24B"),
        "Faces/RuntimeRole": _objects("PortraitsCB35C24B"),
        "FacesRequester/DefaultPolicy": _objects("PortraitsCB35C24B"),
    },
    "A duty is the paths that begin with it: batches have no names yet, and every route below is of that duty.": {
        "Approver/DefaultPolicy": _calls("operate/*"),
        "StreetSignsRequester/DefaultPolicy": _calls("request/projects/street-signs/*"),
        "StreetSignsReviewer/DefaultPolicy": _calls("review/projects/street-signs/*"),
        "StreetSignsReporter/DefaultPolicy": _calls("report/projects/street-signs/*"),
        "FacesRequester/DefaultPolicy": _calls("request/projects/faces/*"),
        "FacesReviewer/DefaultPolicy": _calls("review/projects/faces/*"),
        "FacesReporter/DefaultPolicy": _calls("report/projects/faces/*"),
    },
    "Projects come and go without the workspace: their places lie below one path, which holds nothing else.": {
        "Approver/DefaultPolicy": [_PLACES],
        "Workspace/Api/Role": [_PLACES],
        "Workspace/Workflow/HandlerRole": [_PLACES],
        "Workspace/Workflow/ReconcilerRole": [_PLACES],
        "Workspace/Workflow/StorageEventsRole": [_PLACES],
    },
    "So do their runtime roles: each trusts these three by name, and no other role lies below the path.": {
        "Workspace/Api/Role": [_RUNTIME_ROLES],
        "Workspace/Workflow/HandlerRole": [_RUNTIME_ROLES],
        "Workspace/Workflow/StorageEventsRole": [_RUNTIME_ROLES],
    },
    "The executions of one machine: their names come with the batches.": {
        "Workspace/Workflow/ReconcilerRole": [_EXECUTIONS],
    },
    "X-Ray and vended log delivery know no resource; both stand in a policy of their own (see test_access).": {
        "Workspace/Workflow/MachineRole": ["AwsSolutions-IAM5[Resource::*]"],
    },
    "It is a dead-letter queue itself: of a table stream, of users' rules, of subscriptions.": {
        "Workspace/Workflow/DispatcherDeadLetters": ["AwsSolutions-SQS3"],
        "Workspace/RuleDeadLetters": ["AwsSolutions-SQS3"],
        "Workspace/TopicDeadLetters": ["AwsSolutions-SQS3"],
    },
    "Server access logs are best effort, and unencrypted for others to read: who needs an audit of objects turns on "
    "CloudTrail's data events, for the account.": {
        "Streets": ["AwsSolutions-S1"],
        "Portraits": ["AwsSolutions-S1"],
    },
}
"""By reason: the path of a construct in the stack, and what is found on its resource."""


def acknowledged() -> set[tuple[str, str]]:
    return {
        (f"Labeling/{path}/Resource", finding)
        for places in ACKNOWLEDGED.values()
        for path, findings in places.items()
        for finding in findings
    }


def found(stack: cdk.Stack) -> set[tuple[str, str]]:
    return {
        (resource.construct_path, violation.rule_name)
        for violation in AwsSolutionsChecks().validate_scope(stack).violations
        for resource in violation.violating_resources
    }


def listed(findings: Iterable[tuple[str, str]]) -> str:
    return "".join(f"\n  {path}: {finding}" for path, finding in sorted(findings))


def test_nothing_is_found_that_is_not_acknowledged(example: cdk.Stack) -> None:
    new = found(example) - acknowledged()
    assert not new, f"mend it, or acknowledge it with its reason:{listed(new)}"


def test_nothing_is_acknowledged_that_is_not_found(example: cdk.Stack) -> None:
    stale = acknowledged() - found(example)
    assert not stale, f"take it out, it would hide the next of its kind:{listed(stale)}"


def test_the_pack_passes_in_an_app_that_acknowledges_them_and_sees_one_more(
    example: cdk.Stack, new_app: Callable[..., cdk.App]
) -> None:
    """As a user would run it, in a deploy."""
    app = new_app()
    Validations.of(app).add_plugins(AwsSolutionsChecks())
    stack = type(example)(app, "Labeling", env=cdk.Environment(region="us-east-1"))
    reasons = {
        (f"{path}/Resource", finding): reason
        for reason, places in ACKNOWLEDGED.items()
        for path, findings in places.items()
        for finding in findings
    }
    for (path, finding), reason in reasons.items():
        construct = stack.node.find_child(path.split("/")[0])
        for step in path.split("/")[1:]:
            construct = construct.node.find_child(step)
        Validations.of(construct).acknowledge(Acknowledgment(id=finding, reason=reason))
    assert body(stack)["Resources"]
    worse = sqs.Queue(cdk.Stack(new_app(), "Worse"), "Plain")
    assert {rule for _, rule in found(cdk.Stack.of(worse))} == {"AwsSolutions-SQS3", "AwsSolutions-SQS4"}
