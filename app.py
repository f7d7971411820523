"""An example: two projects with buckets of their own in one workspace, and the people's roles beside them."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from gtplus_constructs import DataGrant, LabelingBucket, LabelingProject, LabelingWorkspace


class LabelingStack(cdk.Stack):
    """A labeling workspace with the projects `street-signs` and `faces`."""

    def __init__(self, scope: Construct, id: str, *, env: cdk.Environment | None = None) -> None:
        super().__init__(scope, id, env=env)
        workspace = LabelingWorkspace(self, "Workspace")
        streets = LabelingBucket(self, "Streets")
        signs = LabelingProject(
            self,
            "StreetSigns",
            workspace=workspace,
            data=DataGrant(streets, read="raw/", write="labels/"),
            sample_size=100,
            max_error_rate=0.02,
        )
        portraits = LabelingBucket(self, "Portraits")
        faces = LabelingProject(
            self, "Faces", workspace=workspace, data=DataGrant(portraits, read="raw/", write="labels/")
        )

        # Who does what: roles of this account that your people and programs assume.
        approver = self.role("Approver")
        workspace.grant_operate(approver)
        workspace.grant_redrive(approver)
        workspace.grant_notify(approver)
        workspace.grant_team(approver)
        for project, name in ((signs, "StreetSigns"), (faces, "Faces")):
            requester = self.role(f"{name}Requester")
            project.grant_request(requester)
            project.grant_data(requester)
            project.grant_review(self.role(f"{name}Reviewer"))
            project.grant_report(self.role(f"{name}Reporter"))
            cdk.CfnOutput(self, f"{name}Bucket", value=project.grants[0].bucket.bucket_name)
            cdk.CfnOutput(self, f"{name}DataRole", value=project.role.role_arn)

    def role(self, name: str) -> iam.Role:
        """A role that principals of this account can be allowed to assume; its ARN is an output."""
        role = iam.Role(self, name, assumed_by=iam.AccountRootPrincipal())
        cdk.CfnOutput(self, f"{name}Role", value=role.role_arn)
        return role


app = cdk.App()
LabelingStack(app, "Labeling", env=cdk.Environment(region="us-east-1"))
app.synth()
