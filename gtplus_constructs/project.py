"""LabelingProject: the place of one project in a workspace."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Annotations, Duration, Stack, Tags
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from gtplus_constructs._hooks import Statuses
from gtplus_constructs._sizes import MAX_PARAMETER_BYTES, rendered_size
from gtplus_constructs._validation import check_either, check_id, raise_all
from gtplus_constructs.access import (
    DataAccessRole,
    DataGrant,
    ask_owners,
    check_grants,
    check_size,
    data_policy,
    joined,
)
from gtplus_constructs.provider import GroundTruthPlus, LabelingProvider
from gtplus_constructs.team import ProjectTeam
from gtplus_constructs.workspace import LabelingWorkspace
from gtplus_runtime.deadlines import REMIND_EVERY_SECONDS
from gtplus_runtime.lifecycle import BATCH, BatchStatus, Duty
from gtplus_runtime.problems import Problem, shown
from gtplus_runtime.review import METHODS


class LabelingProject(Construct):
    """A project: what it may reach, who may reach it, who labels. It registers itself as one SSM parameter.

    The construct is the project's *place*; its form and status live in the workspace's table, where it is requested,
    approved and closed at run time.

    Upgraded in place with batches open: handlers read the place anew within a minute. Access is revoked at the role.
    Deleted with the stack: open batches wait, with the reason on them, until it is deployed again; the data stay in
    the bucket. It costs nothing by itself.

    Args:
        scope: the parent.
        id: the construct's id.
        workspace: the workspace that it belongs to.
        data: what it may reach.
        data_role: a role that exists already in this app, with grants of its own, instead of `data`.
        provider: who labels. Default: `GroundTruthPlus()`.
        project_id: how it is called in paths and commands; 1 to 48 lower-case letters, digits and hyphens.
            Default: the construct's id in that form, `StreetSigns` becoming `street-signs`.
        sample_size: objects of a review's sample, from 1 to 500. Default: 50.
        sample_method: how it is drawn: `random`, `stratified` (by class, so rare ones are seen) or `least-confident`. A
            bound on the error rate of the batch follows from a random sample alone. Default: `random`.
        max_error_rate: the share of wrong objects in the sample above which to reject is proposed. Default: 0.05.
        max_rounds: rounds of labeling before a person decides on another. Default: 3.
        separation_of_duties: whether who requested or labeled a batch is refused to accept it; synth warns where not.
            Default: True.
        service_levels: how long a batch may stay in a status before whoever it waits for is reminded, by status; None
            for as long as it likes. A pause stops the clock. Default, for each one left out: 1 day for *Data transfer
            in progress*, 2 for *Data received*, *Review complete*, *Rejected* and *Ready for delivery*, 3 for *Request
            submitted* (the line of the transfers) and *Ready for review*, 7 for *Sent for rework*, 14 for *In
            progress*.
        remind_every: how long after a reminder the next one comes, at least an hour; from the second on they go to
            `LabelingWorkspace.escalation_topic` too. Default: 1 day.
        groups: Cognito groups that exist already, by duty, for the team. Default: new ones.

    Raises:
        ValueError: naming every option that does not fit; or where the grants are too many for one project.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        workspace: LabelingWorkspace,
        data: DataGrant | Sequence[DataGrant] | None = None,
        data_role: DataAccessRole | None = None,
        provider: LabelingProvider | None = None,
        project_id: str | None = None,
        sample_size: int = 50,
        sample_method: str = "random",
        max_error_rate: float = 0.05,
        max_rounds: int = 3,
        separation_of_duties: bool = True,
        service_levels: Mapping[BatchStatus, Duration | None] | None = None,
        remind_every: Duration | None = None,
        groups: Mapping[Duty, str] | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.workspace = workspace
        self.project_id = _kebab(id) if project_id is None else project_id
        chosen: LabelingProvider = GroundTruthPlus() if provider is None else provider
        if data_role is not None and provider is None:
            chosen = data_role.provider
        self.provider = chosen
        grants = joined("data", (data,) if isinstance(data, DataGrant) else data or ())
        if data_role is not None:
            grants = data_role.grants
        self.grants = grants
        problems = [
            *check_id("project_id", self.project_id),
            *_check_free(self.project_id, workspace),
            *check_id("provider.name", chosen.name),
            *check_either(("data", data), ("data_role", data_role)),
            *check_either(("provider", provider), ("data_role", data_role)),
            *check_grants("data", grants, chosen),
            *_check_number("sample_size", sample_size, 1, 500, whole=True),
            *_check_method(sample_method),
            *_check_number("max_error_rate", max_error_rate, 0, 1),
            *_check_number("max_rounds", max_rounds, 1, 100, whole=True),
            *_check_service_levels(service_levels or {}, remind_every),
        ]
        raise_all(f"LabelingProject {id!r}", problems)
        workspace.projects[self.project_id] = self
        if data_role is None and chosen.trust(Stack.of(self).account) is not None:
            data_role = DataAccessRole(self, "DataAccess", grants=grants, provider=chosen)
        self.data_access = data_role
        self.reporting_role = self._reporting_role()
        self.runtime_role = self._runtime_role()
        ask_owners(self, grants, self.runtime_role)
        self.team = ProjectTeam(
            self, "Team", directory=workspace.directory, project_id=self.project_id, existing=groups
        )
        place = {
            "version": 1,
            "project": self.project_id,
            "provider": chosen.name,
            "limits": chosen.limits._asdict(),
            "grants": [
                {"bucket": grant.bucket.bucket_name, "read": list(grant.read), "write": list(grant.write)}
                for grant in grants
            ],
            "dataRoleArn": "" if data_role is None else data_role.role_arn,
            "trust": _trust(chosen.trust(Stack.of(self).account)),
            "groups": {str(duty): group for duty, group in self.team.groups.items()},
            "runtimeRoleArn": self.runtime_role.role_arn,
            "settings": {
                "sampleSize": sample_size,
                "sampleMethod": sample_method,
                "maxErrorRate": max_error_rate,
                "maxRounds": max_rounds,
                "separationOfDuties": separation_of_duties,
                "serviceLevels": {
                    str(status): 0 if level is None else level.to_seconds()
                    for status, level in (service_levels or {}).items()
                },
                "remindEvery": REMIND_EVERY_SECONDS if remind_every is None else remind_every.to_seconds(),
            },
        }
        raise_all(f"LabelingProject {id!r}", _check_size(Stack.of(self), place, grants))
        ssm.CfnParameter(
            self,
            "Place",
            type="String",
            name=f"{workspace.projects_path}/{self.project_id}",
            value=Stack.of(self).to_json_string(place),
            description=f"The place of the labeling project {self.project_id}",
        )
        if not separation_of_duties:
            Annotations.of(self).add_warning_v2(
                "gtplus:NoSeparationOfDuties",
                f"separation_of_duties is off: who requested or labeled a batch of {self.project_id} may accept it.",
            )
        if chosen.notice is not None:
            Annotations.of(self).add_warning_v2(*chosen.notice)

    @property
    def role(self) -> iam.IRole:
        """The role that the provider assumes.

        Raises:
            ValueError: the provider has none.
        """
        return self._data_access("role").role

    def revoke(self, bucket: s3.IBucket) -> None:
        """Deny the provider a bucket, whatever is granted; see `DataAccessRole.revoke`.

        Args:
            bucket: a bucket of the project.

        Raises:
            ValueError: the project has no such bucket, or its provider no role.
        """
        self._data_access("revoke").revoke(bucket)

    def grant_request(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal request this project and create, pause and cancel its batches."""
        return self._grant(grantee, Duty.REQUEST)

    def grant_review(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal review, accept and reject this project's batches."""
        return self._grant(grantee, Duty.REVIEW)

    def grant_report(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal report this project's statuses, for the provider."""
        return self._grant(grantee, Duty.REPORT)

    def grant_data(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a principal upload this project's input and fetch its labels: within the grants, and no deleting."""
        statements = [statement for grant in self.grants for statement in grant.owner_statements()]
        granted = [
            iam.Grant.add_to_principal(
                grantee=grantee,
                actions=statement.actions,
                resource_arns=statement.resources,
                conditions=statement.conditions,
            )
            for statement in statements
        ]
        first, *others = granted
        for grant in others:
            first = first.combine(grant)
        return first

    def on_status(
        self,
        id: str,
        *,
        status: Statuses = None,
        target: events.IRuleTarget | None = None,
        description: str | None = None,
        cross_stack_scope: Construct | None = None,
    ) -> events.Rule:
        """A rule that starts a target when this project, or a batch of it, comes to a status.

        Args:
            id: the rule's id.
            status: a status, or several of one lifecycle. Default: each that a batch comes to.
            target: what is started. Default: none yet.
            description: of the rule.
            cross_stack_scope: where the rule is made if its target is in another stack. Default: here.

        Raises:
            ValueError: for what is no status, and for statuses of batches and projects in one rule.
        """
        return self.workspace.on_status(
            id,
            status=status,
            project=self.project_id,
            target=target,
            description=description,
            cross_stack_scope=self if cross_stack_scope is None else cross_stack_scope,
        )

    def on_ready_for_review(self, id: str, *, target: events.IRuleTarget | None = None) -> events.Rule:
        """A rule that starts a target when a batch is labeled and can be reviewed; see `on_status`."""
        return self.on_status(id, status=BatchStatus.READY_FOR_REVIEW, target=target)

    def on_accepted(self, id: str, *, target: events.IRuleTarget | None = None) -> events.Rule:
        """A rule that starts a target when a batch is accepted; its labels are not delivered yet. See `on_status`."""
        return self.on_status(id, status=BatchStatus.ACCEPTED, target=target)

    def on_rejected(self, id: str, *, target: events.IRuleTarget | None = None) -> events.Rule:
        """A rule that starts a target when a round of a batch is rejected; see `on_status`."""
        return self.on_status(id, status=BatchStatus.REJECTED, target=target)

    def on_delivered(self, id: str, *, target: events.IRuleTarget | None = None) -> events.Rule:
        """A rule that starts a target when the labels of a batch lie in its output location; see `on_status`."""
        return self.on_status(id, status=BatchStatus.DATA_DELIVERED, target=target)

    def on_transfer_failed(self, id: str, *, target: events.IRuleTarget | None = None) -> events.Rule:
        """A rule that starts a target when a batch ends in a failed transfer; see `on_status`."""
        return self.on_status(id, status=BatchStatus.DATA_TRANSFER_FAILED, target=target)

    def _data_access(self, what: str) -> DataAccessRole:
        if self.data_access is None:
            rule = f"{self.provider.name} works without a data role"
            raise_all(f"LabelingProject.{what}", [Problem('"provider"', rule, "", "its people get links instead")])
        assert self.data_access is not None
        return self.data_access

    def _reporting_role(self) -> iam.Role | None:
        """The role by which a vendor reports: the report paths of this project, and nothing else."""
        reporter = self.provider.reporter()
        if reporter is None:
            return None
        role = iam.Role(
            self,
            "ReportingRole",
            assumed_by=reporter,
            description=f"Reports the statuses of project {self.project_id}; assumed by {self.provider.name}",
            max_session_duration=Duration.hours(1),
        )
        self.grant_report(role)
        return role

    def _grant(self, grantee: iam.IGrantable, duty: Duty) -> iam.Grant:
        return self.workspace.grant(grantee, duty, self.project_id)

    def _runtime_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "RuntimeRole",
            path=self.workspace.runtime_path,
            description=f"Our functions reach the data of {self.node.path} through it",
            # By the functions' roles and nobody else; each project trusts them on its own.
            assumed_by=iam.CompositePrincipal(
                *[iam.ArnPrincipal(role.role_arn) for role in self.workspace.data_readers]
            ),
            max_session_duration=Duration.hours(1),
            inline_policies={"Data": data_policy(self.grants, provider=False)},
        )
        Tags.of(role).add("gtplus:project", self.project_id)
        return role


def _kebab(id: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", id).lower()


def _check_free(project_id: str, workspace: LabelingWorkspace) -> list[Problem]:
    taken = workspace.projects.get(project_id)
    if taken is None:
        return []
    rule = f"one project of an id in a workspace, and {taken.node.path} has it"
    return [Problem('"project_id"', rule, shown(project_id), "choose another")]


def _trust(trusted: iam.IPrincipal | None) -> dict[str, Any]:
    """Who assumes the data role, and by which condition keys; not by which values: an external id is no one else's."""
    if trusted is None:
        return {}
    fragment = trusted.policy_fragment
    principals = [principal for each in fragment.principal_json.values() for principal in each]
    return {
        "principals": principals,
        "conditions": {operator: sorted(keys) for operator, keys in fragment.conditions.items()},
    }


def _check_size(stack: Stack, place: Mapping[str, Any], grants: Sequence[DataGrant]) -> list[Problem]:
    """What is wrong where the grants make more of a place, or of the runtime role's policy, than AWS takes."""
    # An ARN of a role in its path: 31 characters, 58 of the path, 64 of the name.
    size = rendered_size(stack, {**place, "dataRoleArn": "x" * 153, "runtimeRoleArn": "x" * 153})
    if size <= MAX_PARAMETER_BYTES:
        return check_size(stack, grants)
    rule = f"the place of a project is one SSM parameter of at most {MAX_PARAMETER_BYTES:,} bytes"
    mend = "name fewer, wider prefixes, or split the project in two"
    return [Problem('"data"', rule, f"about {size:,} bytes", mend)]


def _check_number(option: str, value: float, least: float, most: float, *, whole: bool = False) -> list[Problem]:
    kinds = int if whole else (int, float)
    if isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most:
        return []
    rule = f"{'a whole number ' if whole else ''}from {least} to {most}"
    return [Problem(f'"{option}"', rule, shown(value), "choose one in between")]


def _check_method(method: str) -> list[Problem]:
    if isinstance(method, str) and method in METHODS:
        return []
    return [Problem('"sample_method"', f"one of {', '.join(METHODS)}", shown(method), "choose one of them")]


def _check_service_levels(
    levels: Mapping[BatchStatus, Duration | None], remind_every: Duration | None
) -> list[Problem]:
    clocked = [str(status.name) for status in BATCH if status.name != BATCH.paused and not status.is_end]
    problems = []
    for status, level in levels.items():
        option = f'"service_levels[{status}]"'
        if status not in clocked:
            problems.append(Problem(option, f"for one of {', '.join(clocked)}", shown(status), "leave it out"))
        elif level is not None and level.to_seconds() < 60:
            problems.append(Problem(option, "at least a minute", f"{level.to_seconds():g} s", "or None for no limit"))
    if remind_every is not None and remind_every.to_seconds() < 3_600:
        value = f"{remind_every.to_seconds():g} s"
        problems.append(Problem('"remind_every"', "at least an hour", value, "remind less often"))
    return problems
