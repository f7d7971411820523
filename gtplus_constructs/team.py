"""ProjectTeam: the people of one project, in Cognito groups by duty."""

from collections.abc import Mapping

from aws_cdk import aws_cognito as cognito
from constructs import Construct

from gtplus_constructs._validation import raise_all
from gtplus_constructs.directory import UserDirectory
from gtplus_runtime.lifecycle import TEAM_DUTIES, Duty
from gtplus_runtime.problems import Problem, shown


class ProjectTeam(Construct):
    """A group for each duty in one project: a reviewer of one project has no right in another.

    Members are invited at run time and stand in no template. A group's name is fixed (the service's groups cannot be
    renamed either). Upgraded in place; a group that is deleted takes its memberships with it, and its people keep
    their accounts in the directory. It costs nothing by itself.

    Args:
        scope: the parent.
        id: the construct's id.
        directory: the workspace's users.
        project_id: the project, part of the new groups' names.
        existing: names of groups of the pool that are there already, by duty. Default: new ones for every duty.

    Raises:
        ValueError: for an existing group of a duty that a project has none for.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        directory: UserDirectory,
        project_id: str,
        existing: Mapping[Duty, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.groups: dict[Duty, str] = dict(existing or {})
        known = ", ".join(TEAM_DUTIES)
        raise_all(
            "ProjectTeam",
            [
                Problem('"existing"', f"groups of {known}", shown(duty), "leave it out")
                for duty in self.groups
                if duty not in TEAM_DUTIES
            ],
        )
        for duty in TEAM_DUTIES:
            if duty in self.groups:
                continue
            group = cognito.CfnUserPoolGroup(
                self,
                duty.capitalize(),
                user_pool_id=directory.user_pool.user_pool_id,
                group_name=f"{project_id}-{duty}",
                description=f"May {duty} in project {project_id}",
            )
            self.groups[duty] = group.ref
