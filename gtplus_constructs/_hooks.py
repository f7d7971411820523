"""Rules on the workspace's bus: what `on_status` and its likes make."""

from collections.abc import Sequence
from typing import TypeAlias

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from gtplus_constructs._validation import raise_all
from gtplus_runtime.lifecycle import BatchStatus, ProjectStatus
from gtplus_runtime.outbound import BATCH_CHANGED, PROJECT_CHANGED, SOURCE
from gtplus_runtime.problems import Problem, shown

Statuses: TypeAlias = BatchStatus | ProjectStatus | Sequence[BatchStatus] | Sequence[ProjectStatus] | None
"""One status, several of one lifecycle, or None for each that a batch comes to."""


def status_rule(
    scope: Construct,
    id: str,
    *,
    bus: events.IEventBus,
    letters: sqs.IQueue,
    status: Statuses,
    project: str | None,
    target: events.IRuleTarget | None,
    description: str | None,
) -> events.Rule:
    """A rule on status changes; what its target does not take is kept in the workspace's dead letters.

    Args:
        scope: the parent.
        id: the construct's id.
        bus: of the workspace.
        letters: take what the target did not, unless it names a queue of its own.
        status: which statuses.
        project: of which project; None for all.
        target: what is started; None where it is added later.
        description: of the rule.

    Raises:
        ValueError: for what is no status, and for statuses of batches and projects in one rule.
    """
    listed: list[object] = [status] if isinstance(status, str) else list(status or [])
    kinds = {type(each) for each in listed} or {BatchStatus}
    unknown = [each for each in listed if not isinstance(each, BatchStatus | ProjectStatus)]
    problems = [
        Problem('"status"', "a BatchStatus or a ProjectStatus", shown(each), "take one of these two")
        for each in unknown
    ]
    if not unknown and len(kinds) > 1:
        both = ", ".join(map(repr, listed))
        problems.append(Problem('"status"', "of batches or of projects", both, "make a rule for each"))
    raise_all(f"on_status {id!r}", problems)
    detail: dict[str, list[str]] = {}
    if listed:
        detail["status"] = [str(each) for each in listed]
    if project is not None:
        detail["project"] = [project]
    rule = events.Rule(
        scope,
        id,
        event_bus=bus,
        description=description,
        event_pattern=events.EventPattern(
            source=[SOURCE],
            account=[Stack.of(scope).account],
            detail_type=[PROJECT_CHANGED if kinds == {ProjectStatus} else BATCH_CHANGED],
            detail=detail or None,
        ),
    )
    if target is not None:
        rule.add_target(target)
        resource = rule.node.default_child
        assert isinstance(resource, events.CfnRule)
        (bound,) = Stack.of(rule).resolve(resource.targets)
        if "deadLetterConfig" not in bound:
            # A target is bound by its own class: whoever made it may have named another queue.
            resource.add_property_override("Targets.0.DeadLetterConfig.Arn", letters.queue_arn)
    return rule
