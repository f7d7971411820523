"""Two keys to destroy: what holds data goes only if the option and the context flag both say so."""

from aws_cdk import Annotations, RemovalPolicy
from constructs import Construct

ALLOW_DESTROY = "gtplus:allowDestroy"
"""The context flag: `cdk deploy -c gtplus:allowDestroy=true`."""


def effective_removal(scope: Construct, id: str, wanted: RemovalPolicy) -> RemovalPolicy:
    """The removal policy that holds: DESTROY only with the context flag, else RETAIN and a warning.

    Args:
        scope: where the context is read and the warning is shown.
        id: the construct it is about, for the warning.
        wanted: the option.
    """
    if wanted is not RemovalPolicy.DESTROY:
        return wanted
    if str(scope.node.try_get_context(ALLOW_DESTROY)).lower() == "true":
        return wanted
    Annotations.of(scope).add_warning_v2(
        f"gtplus:Retained:{id}",
        f'"{id}" has removal_policy=DESTROY and is retained: set the context flag {ALLOW_DESTROY}=true too.',
    )
    return RemovalPolicy.RETAIN
