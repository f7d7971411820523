"""The condition keys of a request: what the caller says, what AWS fills in, and what nobody has told.

Rules: IAM User Guide, "AWS global condition context keys"; Service Authorization Reference for the keys of services.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType

from .errors import NotModelled

ContextValue = str | bool | int | float | datetime | None | Iterable[str]

# Keys that a request may lack. Without a word about one of them, the question is about a request without it. Tags of
# what is asked about are not among them: the thing has them or not, whatever the request says.
_OPTIONAL = re.compile(
    r"""
    aws:(source(arn|account|owner|orgid|orgpaths|identity|vpc|vpce|vpcarn|vpceaccount|vpceorgid|vpceorgpaths)
        |calledvia(first|last|awsmcp)? |referer |vpcsourceip |federatedprovider |chatbotsourcearn
        |requesttag/.+ |tagkeys |ec2instancesourcevpc |ec2instancesourceprivateipv4 |viaawsmcpservice)
    | s3:(?!signatureage$|(existingobject|bucket|accesspoint)tag/).+
    | kms:(viaservice|encryptioncontext:.+|encryptioncontextkeys|grantconstrainttype|grantisforawsresource
        |granteeprincipal|grantoperations|retiringprincipal|bypasspolicylockoutsafetycheck|recipientattestation:.+
        |requestalias|reencryptonsamekey)
    | sts:(externalid|sourceidentity|transitivetagkeys|requestcontext/.+|requestcontextproviders)
    | lambda:(eventsourcetoken|functionurlauthtype|invokedviafunctionurl|sourcefunctionarn)
    """,
    re.VERBOSE,
)
# Keys that hold a set of values, so that an operator without ForAllValues or ForAnyValue is a mistake.
_SEVERAL = re.compile(
    r"aws:(tagkeys|calledvia|principalorgpaths|resourceorgpaths|sourceorgpaths|principalservicenameslist"
    r"|sourcevpceorgpaths)"
    r"|kms:(encryptioncontextkeys|grantoperations|resourcealiases)|s3:requestobjecttagkeys"
    r"|sts:(transitivetagkeys|requestcontextproviders)|dynamodb:(leadingkeys|attributes|firstpartitionkeyvalues.*)"
)


@cache
def _may_be_absent(key: str) -> bool:
    return _OPTIONAL.fullmatch(key) is not None


@cache
def holds_several(key: str) -> bool:
    """Whether a key (in lower case) holds a set of values."""
    return _SEVERAL.fullmatch(key) is not None


def as_text(value: object) -> str:
    """A value of a policy or a context as the policy language compares it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        moment = value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return str(value)


def normalize(context: Mapping[str, ContextValue]) -> dict[str, tuple[str, ...] | None]:
    """Condition keys in lower case, each with its values; ``None`` says that the request lacks the key.

    Raises:
        ValueError: If a key has no service prefix, or is given twice in different case.
    """
    keys: dict[str, tuple[str, ...] | None] = {}
    for name, value in context.items():
        key = name.lower()
        if ":" not in key:
            raise ValueError(
                f"context: {name!r} is no condition key; they look like 'aws:SourceAccount' or 's3:prefix'"
            )
        if key in keys:
            raise ValueError(f"context: {name!r} is given twice; condition keys ignore case")
        if value is None:
            keys[key] = None
        elif isinstance(value, Iterable) and not isinstance(value, str):
            keys[key] = tuple(as_text(item) for item in value)
        else:
            keys[key] = (as_text(value),)
    return keys


class Context:
    """The condition keys of one request.

    Args:
        given: What the caller says, normalized; it wins.
        implied: What AWS fills in for this principal, action and resource.
        any_request: Ask about every request that could be: then only what is implied is known.
    """

    __slots__ = ("_keys", "any_request")

    def __init__(
        self,
        given: Mapping[str, tuple[str, ...] | None],
        implied: Mapping[str, tuple[str, ...] | None],
        *,
        any_request: bool = False,
    ) -> None:
        self._keys = {**implied, **given}
        self.any_request = any_request

    @property
    def keys(self) -> Mapping[str, tuple[str, ...] | None]:
        """What is known, keys in lower case."""
        return MappingProxyType(self._keys)

    def values(self, key: str) -> tuple[str, ...] | NotModelled | None:
        """The values of a key (in lower case), ``None`` if the request lacks it, or why nobody can tell."""
        try:
            return self._keys[key]
        except KeyError:
            pass
        if not self.any_request and _may_be_absent(key):
            return None
        return NotModelled(
            f"the request's {key} is not known from the template; "
            f"say it: context={{{key!r}: …}}, or None for a request without it"
        )
