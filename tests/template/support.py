"""What the tests of the templates share: reading a template by meaning, and a stack of neighbours."""

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import IConstruct

from gtplus_constructs import LabelingBucket, LabelingProject, LabelingWorkspace
from gtplus_constructs.assertions import Access

Body: TypeAlias = dict[str, Any]


def body(stack: cdk.Stack) -> Body:
    """The template of a stack, as it would be deployed."""
    stage = cdk.Stage.of(stack)
    assert stage is not None
    template: Body = stage.synth().get_stack_artifact(stack.artifact_id).template
    return template


def of_type(template: Body, kind: str) -> dict[str, Body]:
    """The resources of a type by logical id; there must be one, or a test over them would hold vacuously."""
    found = {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}
    assert found, f"no {kind} in the template"
    return found


def statements(document: Body) -> list[Body]:
    """The statements of a policy document."""
    listed = document["Statement"]
    return listed if isinstance(listed, list) else [listed]


@dataclass
class Scene:
    """Neighbours as they come: ids that begin alike, one bucket for two projects, another for a third."""

    stack: cdk.Stack
    workspace: LabelingWorkspace
    streets: LabelingBucket
    portraits: LabelingBucket
    signs: LabelingProject
    signs_2: LabelingProject
    faces: LabelingProject
    people: dict[str, iam.Role] = field(default_factory=dict)
    access: Access = field(init=False)
    body: Body = field(init=False)

    def __post_init__(self) -> None:
        grants = {
            "requester": self.signs.grant_request,
            "reviewer": self.signs.grant_review,
            "reporter": self.signs.grant_report,
            "uploader": self.signs.grant_data,
            "operator": self.workspace.grant_operate,
        }
        for name, grant in grants.items():
            self.people[name] = iam.Role(self.stack, name.capitalize(), assumed_by=iam.AccountRootPrincipal())
            grant(self.people[name])
        self.access = Access.from_stack(self.stack)
        self.body = body(self.stack)

    def logical_id(self, path: str) -> str:
        """The logical id of a resource, by its construct's path in the stack."""
        node: IConstruct = self.stack
        for step in path.split("/"):
            node = node.node.find_child(step)
        resource = node if isinstance(node, cdk.CfnElement) else node.node.default_child
        assert isinstance(resource, cdk.CfnElement)
        return str(self.stack.resolve(resource.logical_id))

    @property
    def api_id(self) -> str:
        """The API's id, as the access engine imagines it."""
        arn = self.stack.format_arn(service="execute-api", resource=self.workspace.api.api_id)
        return self.access.resource(arn).rsplit(":", 1)[-1]

    @property
    def rule_arn(self) -> str:
        """The rule that tells of output manifests."""
        return self.access.resource(self.logical_id("Workspace/Workflow/ManifestWritten"))
