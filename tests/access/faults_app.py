"""Faults that a consumer's app makes with CDK's own methods: grants, additions and removals, each with its promise."""

from collections.abc import Callable
from typing import NamedTuple

import aws_cdk as cdk
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from tests.access.town import OURS, STRANGER, Place, Town


class AppFault(NamedTuple):
    """One line too many in an app.

    Attributes:
        name: what it does.
        promise: the name of the promise that it breaks.
        change: does it, before the app is synthesized.
    """

    name: str
    promise: str
    change: Callable[[Town], object]


_ALLOWED = "each role is allowed these actions and no other"
_TRUST = "each role is trusted to its own and to nobody else"
_LET_IN = "resource policies let in only services that are tied to us"
_KINDS = "only kinds of resources that are thought about are there"
_KEPT = "what holds data stays when the stack goes"


def here(town: Town) -> Place:
    return town.places[OURS]


def bucket(town: Town) -> s3.Bucket:
    found = here(town).bucket
    assert isinstance(found, s3.Bucket)
    return found


def key(town: Town) -> kms.IKey:
    found = bucket(town).encryption_key
    assert found is not None
    return found


def queue(town: Town) -> sqs.Queue:
    found: Construct = town.workspace.workflow.node.find_child("StorageEvents")  # type: ignore[assignment]
    assert isinstance(found, sqs.Queue)
    return found


def route_without_authorization(town: Town) -> None:
    api = town.workspace.api
    apigateway.CfnRoute(town.stack, "Health", api_id=api.api_id, route_key="GET /operate/health")


def rule_to_the_queue(town: Town) -> None:
    pattern = events.EventPattern(source=["aws.s3"])
    events.Rule(town.stack, "Another", event_pattern=pattern, targets=[targets.SqsQueue(queue(town))])


def weak_client(town: Town) -> None:
    town.workspace.directory.user_pool.add_client("Weak", auth_flows=cognito.AuthFlow(user_password=True))


def destroy_all(town: Town) -> None:
    cdk.RemovalPolicies.of(town.stack).destroy()


def may_send_tokens(town: Town) -> None:
    machine = sfn.StateMachine.from_state_machine_arn(town.stack, "Machine", town.workspace.workflow.state_machine_arn)
    machine.grant_task_response(town.workspace.api.role)


def trusts_lambda(town: Town) -> None:
    role = here(town).project.role
    assert isinstance(role, iam.Role)
    assert role.assume_role_policy is not None
    role.assume_role_policy.add_statements(
        iam.PolicyStatement(actions=["sts:AssumeRole"], principals=[iam.ServicePrincipal("lambda.amazonaws.com")])
    )


def lets_a_stranger_read(town: Town) -> None:
    bucket(town).grant_read(iam.AccountPrincipal(STRANGER))


def user_with_a_key(town: Town) -> None:
    iam.CfnAccessKey(town.stack, "AccessKey", user_name=iam.User(town.stack, "Somebody").user_name)


def managed_policy(town: Town) -> None:
    here(town).people["reviewer"].add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name("ReadOnlyAccess"))


APP_FAULTS = [
    AppFault(
        "the data role reads as L2 has it", _ALLOWED, lambda town: bucket(town).grant_read(here(town).project.role)
    ),
    AppFault(
        "the data role writes as L2 has it", _ALLOWED, lambda town: bucket(town).grant_put(here(town).project.role)
    ),
    AppFault("the data role deletes", _ALLOWED, lambda town: bucket(town).grant_delete(here(town).project.role)),
    AppFault(
        "the data role uses the key",
        "a use of a key is always through a service",
        lambda town: key(town).grant_decrypt(here(town).project.role),
    ),
    AppFault("the data role trusts Lambda", _TRUST, trusts_lambda),
    AppFault("a stranger reads the bucket", _LET_IN, lets_a_stranger_read),
    AppFault("a stranger uses the key", _LET_IN, lambda town: key(town).grant_decrypt(iam.AccountPrincipal(STRANGER))),
    AppFault(
        "a web page reads the bucket",
        "a bucket is open to no web page",
        lambda town: bucket(town).add_cors_rule(allowed_methods=[s3.HttpMethods.GET], allowed_origins=["*"]),
    ),
    AppFault(
        "objects expire",
        "a bucket keeps what is replaced",
        lambda town: bucket(town).add_lifecycle_rule(expiration=cdk.Duration.days(30)),
    ),
    AppFault(
        "the bucket goes with the stack",
        _KEPT,
        lambda town: bucket(town).apply_removal_policy(cdk.RemovalPolicy.DESTROY),
    ),
    AppFault("everything goes with the stack", _KEPT, destroy_all),
    AppFault("another rule sends to the queue", _LET_IN, rule_to_the_queue),
    AppFault(
        "everybody sends to the queue", _LET_IN, lambda town: queue(town).grant_send_messages(iam.StarPrincipal())
    ),
    AppFault(
        "a reviewer publishes", _ALLOWED, lambda town: town.workspace.topic.grant_publish(here(town).people["reviewer"])
    ),
    AppFault(
        "somebody is subscribed",
        _KINDS,
        lambda town: town.workspace.topic.add_subscription(subscriptions.EmailSubscription("a@example.com")),
    ),
    AppFault(
        "a handler puts events on the bus",
        _ALLOWED,
        lambda town: town.workspace.bus.grant_put_events_to(town.workspace.workflow.handler_role),
    ),
    AppFault("the API sends tokens", _ALLOWED, may_send_tokens),
    AppFault(
        "the API does all to the table",
        _ALLOWED,
        lambda town: town.workspace.workflow.table.grant_full_access(town.workspace.api.role),
    ),
    AppFault(
        "a reviewer becomes the runtime role",
        _ALLOWED,
        lambda town: here(town).project.runtime_role.grant_assume_role(here(town).people["reviewer"]),
    ),
    AppFault(
        "a reviewer passes the data role",
        _ALLOWED,
        lambda town: here(town).project.role.grant_pass_role(here(town).people["reviewer"]),
    ),
    AppFault("a reviewer reads the account", "no role has a policy of others making", managed_policy),
    AppFault("a user has an access key", "the template makes no user and no credential", user_with_a_key),
    AppFault("a route asks nobody", "every route asks iam", route_without_authorization),
    AppFault(
        "the API's function has an address",
        _KINDS,
        lambda town: town.workspace.api.function.add_function_url(auth_type=lambda_.FunctionUrlAuthType.NONE),
    ),
    AppFault(
        "everybody calls the API's function",
        "a function is called by our api and by nobody else",
        lambda town: town.workspace.api.function.add_permission("All", principal=iam.AnyPrincipal()),
    ),
    AppFault("another client takes passwords", "the client lets nobody send a password", weak_client),
    AppFault(
        "the neighbour reads the project's input",
        _ALLOWED,
        lambda town: bucket(town).grant_read(here(town).neighbour, "raw/*"),
    ),
]
"""Each tried in an app without feature flags, and in one with all."""
