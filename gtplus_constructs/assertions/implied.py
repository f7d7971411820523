"""What AWS puts into a request's context by itself.

Rules: IAM User Guide, "AWS global condition context keys" (each key's "Availability"); Service Authorization
Reference, "Condition keys for Amazon S3" and "… for AWS KMS".
"""

from .attachments import Target
from .context import as_text
from .patterns import ARN_PARTS
from .principals import Kind, Principal
from .template import Resource

Implied = dict[str, tuple[str, ...] | None]

_TYPES = {Kind.ROLE: "AssumedRole", Kind.USER: "User", Kind.ROOT: "Account", Kind.ANONYMOUS: "Anonymous"}
# What only a service sends that calls in its own name.
_SERVICE_ONLY = (
    "aws:sourcearn", "aws:sourceaccount", "aws:sourceowner", "aws:sourceorgid", "aws:sourceorgpaths",
    "aws:principalservicename", "aws:principalservicenameslist",
)  # fmt: skip
# What no request of a principal without an identity carries.
_IDENTITY_ONLY = (
    "aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths", "aws:username",
    "aws:tokenissuetime", "aws:multifactorauthpresent", "aws:multifactorauthage",
)  # fmt: skip


def of_principal(principal: Principal, resource: Resource | None) -> Implied:
    """The keys that follow from who asks, whatever is asked.

    Args:
        principal: Who asks.
        resource: The role or user in the template, for its tags.
    """
    keys: Implied = {"aws:principalisawsservice": (as_text(principal.kind is Kind.SERVICE),)}
    if principal.kind is not Kind.SERVICE:
        keys |= dict.fromkeys(_SERVICE_ONLY)
    if principal.kind in _TYPES:
        keys["aws:principaltype"] = (_TYPES[principal.kind],)
    if principal.account is None:
        keys |= dict.fromkeys(_IDENTITY_ONLY)
        if principal.kind is Kind.SERVICE:
            keys["aws:principalservicename"] = keys["aws:principalservicenameslist"] = (principal.name,)
        if principal.kind is Kind.ANONYMOUS:
            keys["aws:principalaccount"] = keys["aws:userid"] = ("anonymous",)
        return keys
    # For a session of a role this is the role's ARN, not the session's.
    keys["aws:principalarn"] = (principal.name,)
    keys["aws:principalaccount"] = (principal.account,)
    keys["aws:username"] = (principal.name.rsplit("/", 1)[-1],) if principal.kind is Kind.USER else None
    tags = resource.get("Tags") if resource else None
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, dict):
            keys[f"aws:principaltag/{str(tag.get('Key')).lower()}"] = (str(tag.get("Value")),)
    return keys


def of_request(principal: Principal, service: str, target: Target, given: Implied) -> Implied:
    """The keys that follow from an ordinary request: HTTPS, called directly, signed in the usual way."""
    keys: Implied = {"aws:securetransport": ("true",), "aws:viaawsservice": ("false",)}
    parts = target.arn.split(":", ARN_PARTS - 1)
    region = parts[3] if len(parts) == ARN_PARTS else ""
    if not region and target.resource is not None and service == "s3":
        region = target.resource.region
    if region:
        keys["aws:requestedregion"] = (region,)
    if target.account is not None:
        keys["aws:resourceaccount"] = (target.account,)
    if service == "s3":
        plain = given.get("aws:securetransport") == ("false",)
        anonymous = principal.kind is Kind.ANONYMOUS
        keys["s3:tlsversion"] = None if plain else ("1.3",)
        keys["s3:signatureversion"] = None if anonymous else ("AWS4-HMAC-SHA256",)
        keys["s3:authtype"] = None if anonymous else ("REST-HEADER",)
        if target.account is not None:
            keys["s3:resourceaccount"] = (target.account,)
    if service == "kms" and principal.account is not None:
        keys["kms:calleraccount"] = (principal.account,)
    return keys
