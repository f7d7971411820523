"""ProjectTeam: the people of one project, in Cognito groups by duty."""

from aws_cdk import aws_cognito as cognito
from constructs import Construct

from gtplus_constructs.directory import UserDirectory
from gtplus_runtime.lifecycle import TEAM_DUTIES, Duty


class ProjectTeam(Construct):
    """A group for each duty in one project: a reviewer of one project has no right in another.

    Members are invited at run time and stand in no template. A group's name is fixed (the service's groups cannot be
    renamed either). Upgraded in place; a group that is deleted takes its memberships with it, and its people keep
    their accounts in the directory. It costs nothing by itself.

    Args:
        scope: the parent.
        id: the construct's id.
        directory: the workspace's users.
        project_id: the project, part of the groups' names.
    """

    def __init__(self, scope: Construct, id: str, *, directory: UserDirectory, project_id: str) -> None:
        super().__init__(scope, id)
        self.groups: dict[Duty, str] = {}
        for duty in TEAM_DUTIES:
            group = cognito.CfnUserPoolGroup(
                self,
                duty.capitalize(),
                user_pool_id=directory.user_pool.user_pool_id,
                group_name=f"{project_id}-{duty}",
                description=f"May {duty} in project {project_id}",
            )
            self.groups[duty] = group.ref
