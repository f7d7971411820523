"""Where the local cloud does not do as AWS does: what a local deploy leaves out or adds, and nothing else.

Only with the context flag `gtplus:localCloud`, which `gtplus local` and `gtplus demo` set. Each deviation is named in
the metadata of the construct it is about, under `gtplus:localCloud`.
"""

from constructs import Construct

LOCAL_CLOUD = "gtplus:localCloud"
"""The context flag."""


def is_local(scope: Construct) -> bool:
    """Whether this synth is for the local cloud."""
    return str(scope.node.try_get_context(LOCAL_CLOUD)).lower() == "true"


def deviates(scope: Construct, why: str) -> bool:
    """Whether to deviate here; if so, the reason is written into the template's metadata.

    Args:
        scope: the construct that is different.
        why: what is different, and why.
    """
    local = is_local(scope)
    if local:
        scope.node.add_metadata(LOCAL_CLOUD, why)
    return local
