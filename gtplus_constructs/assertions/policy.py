"""Policy documents, parsed once into statements that answer quickly.

Rules: IAM User Guide, "IAM JSON policy element reference" and "Grammar of the IAM JSON policy language".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from . import catalog
from .conditions import Condition
from .errors import NotModelled
from .logic import MAYBE, NO, YES, Match, either, negate
from .patterns import Keys, Pattern
from .principals import Named, Principal, PrincipalElement
from .unknown import is_unknown, readable

_ELEMENTS = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition",
}  # fmt: skip
_ACTION = re.compile(r"\*|\*:\*|[a-z0-9-]+:[A-Za-z0-9*?]+", re.IGNORECASE)


class PolicyKind(Enum):
    """What a policy is attached to; it decides which elements a statement must have."""

    IDENTITY = "identity policy"
    BOUNDARY = "permissions boundary"
    RESOURCE = "resource policy"
    TRUST = "trust policy"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a statement stands.

    Attributes:
        stack: Name of the stack or template.
        logical_id: The resource that holds the policy.
        policy: What people call the policy.
        path: The way to the statement from the template's root.
    """

    stack: str
    logical_id: str
    policy: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        path = "/".join(str(step) for step in self.path)
        return f"{self.policy} of {self.logical_id} in {self.stack}" + (f" ({path})" if path else "")


class Statement:
    """One statement of a policy.

    A statement that cannot be parsed is kept with its ``problem``: it may match anything, to either effect.
    """

    __slots__ = (
        "_action_cache", "_actions", "_conditions", "_not_action", "_not_resource", "_principal", "_resources",
        "allows", "denies", "kind", "place", "problem", "reservation", "sid", "text",
    )  # fmt: skip

    def __init__(self, raw: object, kind: PolicyKind, place: Place, *, version: str) -> None:
        self.kind = kind
        self.place = place
        self.text = raw
        self.sid = str(raw["Sid"]) if isinstance(raw, dict) and raw.get("Sid") else ""
        self.problem: NotModelled | None = None
        self.reservation: NotModelled | None = None  # why it may not be in force at all
        self._action_cache: dict[str, Match] = {}
        self._actions: list[Pattern] = []
        self._resources: list[Pattern] | None = None
        self._conditions: list[Condition] = []
        self._principal: PrincipalElement | None = None
        self._not_action = self._not_resource = False
        self.allows = self.denies = True
        try:
            self._parse(raw, variables=version == "2012-10-17")
        except NotModelled as problem:
            self.problem = problem.at(self.where)

    @property
    def where(self) -> str:
        """The statement's name and place, for people."""
        return f"statement {self.sid!r}, {self.place}" if self.sid else f"statement {self.place}"

    def acts(self, action: str) -> Match:
        """Whether it speaks of an action (in lower case)."""
        match = self._action_cache.get(action)
        if match is None:
            if self.problem:
                match = MAYBE
            else:
                match = either(pattern.match(action, _NO_KEYS) for pattern in self._actions)
                match = negate(match) if self._not_action else match
            self._action_cache[action] = match
        return match

    def spoken_of(self) -> frozenset[str]:
        """Every action of AWS that it speaks of, or may."""
        every = frozenset(catalog.every_action())
        if self.problem or any(pattern.unsure for pattern in self._actions):
            return every
        named = frozenset[str]().union(*(catalog.matching(pattern.text) for pattern in self._actions))
        return every - named if self._not_action else named

    def names(self, principal: Principal, *, bounded: bool = False) -> Named:
        """How it names a principal; an identity's own policies name it by being attached.

        Args:
            principal: The principal.
            bounded: Whether it has a permissions boundary: then AWS lets NotPrincipal spare nobody.
        """
        if self.problem:
            return Named.DOUBTFUL
        if bounded and self._principal is not None and self._principal.inverted:
            return Named.ANYONE
        return Named.IDENTITY if self._principal is None else self._principal.names(principal)

    def covers(self, resource: str | None, keys: Keys) -> Match:
        """Whether it speaks of a resource; ``None`` asks about any resource at all."""
        if self.problem:
            return MAYBE
        if self._resources is None:
            return YES
        if resource is None:
            return YES if not self._not_resource and any(p.text == "*" for p in self._resources) else MAYBE
        best = NO
        for pattern in self._resources:
            match = pattern.match(resource, keys)
            if match is YES:
                best = YES
                break
            if match is MAYBE:
                best = MAYBE
        if not self._not_resource:
            return best
        if best is NO and any(pattern.absent(keys) for pattern in self._resources):
            return MAYBE  # AWS does not document NotResource with an absent variable
        return negate(best)

    def applies(self, keys: Keys) -> Match:
        """Whether its conditions hold."""
        worst = MAYBE if self.reservation else YES
        for condition in self._conditions:
            match = condition.match(keys)
            if match is NO:
                return NO
            if match is MAYBE:
                worst = MAYBE
        return worst

    def doubts(self, principal: Principal, action: str, resource: str | None, keys: Keys) -> list[NotModelled]:
        """Why it cannot be told whether it matches, if so."""
        if self.problem:
            return [self.problem]
        doubts = [self.reservation] if self.reservation else []
        doubts += self._principal.doubts(principal) if self._principal else []
        for pattern in self._actions:
            if pattern.match(action, _NO_KEYS) is MAYBE:
                doubts += pattern.doubts(_NO_KEYS)
        for pattern in self._resources or []:
            if resource is not None and pattern.match(resource, keys) is MAYBE:
                doubts += pattern.doubts(keys)
            elif self._not_resource and (name := pattern.absent(keys)):
                doubts.append(NotModelled(f"NotResource with ${{{name}}}, which the request lacks"))
        for condition in self._conditions:
            if condition.match(keys) is MAYBE:
                doubts += condition.doubts(keys)
        return [doubt.at(self.where) for doubt in doubts]

    def explain(self, principal: Principal, action: str, resource: str | None, keys: Keys) -> list[str]:
        """What does not match, element by element; empty if all does."""
        if self.problem:
            return [str(self.problem)]
        wrong = []
        if self._principal and self.names(principal) is Named.NOBODY:
            element = "NotPrincipal" if self._principal.inverted else "Principal"
            wrong.append(f"{element} {self._principal.text} does not name {principal}")
        if self.acts(action) is not YES:
            element = "NotAction" if self._not_action else "Action"
            wrong.append(f"{element} {_listed(self._actions)} does not cover it")
        if self.covers(resource, keys) is not YES:
            element = "NotResource" if self._not_resource else "Resource"
            wrong.append(f"{element} {_listed(self._resources or [])} does not cover it")
        wrong += [condition.explain(keys) for condition in self._conditions if condition.match(keys) is not YES]
        return wrong

    def swallowed_by(self, denies: list["Statement"], keys: Keys) -> bool:
        """Whether Denies that speak of the same action cover every resource that it covers."""
        if self.problem or not self._resources or self._not_resource:
            return False
        return all(any(deny.takes(pattern.text, keys) for deny in denies) for pattern in self._resources)

    def takes(self, pattern: str, keys: Keys) -> bool:
        """Whether it covers all that a pattern of resources covers."""
        if self._not_resource or self._resources is None:
            return False
        # A pattern read as a text is covered only where this one has a wildcard for each of its own.
        return any(
            own.text == pattern or ("?" not in own.text and own.match(pattern, keys) is YES) for own in self._resources
        )

    def _parse(self, raw: object, *, variables: bool) -> None:
        if not isinstance(raw, dict):
            raise NotModelled(f"a statement that is no object: {readable(str(raw))}")
        if odd := set(raw) - _ELEMENTS:
            raise NotModelled(f"the statement's element {readable(sorted(odd)[0])}")
        effect = raw.get("Effect")
        if effect not in ("Allow", "Deny"):
            raise NotModelled(f"the effect {readable(str(effect))}")
        self._parse_principal(raw, str(effect))
        self._not_action, actions = _one_of(raw, "Action", "NotAction")
        self._actions = [_action(item) for item in actions]
        if self.kind is PolicyKind.TRUST:
            if "Resource" in raw or "NotResource" in raw:
                raise NotModelled("a Resource in a trust policy, which has none")
        else:
            self._not_resource, resources = _one_of(raw, "Resource", "NotResource")
            self._resources = [Pattern(_text(item), "arn", variables=variables) for item in resources]
        conditions = raw.get("Condition", {})
        if not isinstance(conditions, dict) or not all(isinstance(block, dict) for block in conditions.values()):
            raise NotModelled(f"the condition {readable(str(conditions))}")
        self._conditions = [
            Condition(operator, key, values, variables=variables)
            for operator, block in conditions.items()
            for key, values in block.items()
        ]
        self.allows, self.denies = effect == "Allow", effect == "Deny"

    def _parse_principal(self, raw: Mapping[str, object], effect: str) -> None:
        given = [name for name in ("Principal", "NotPrincipal") if name in raw]
        if self.kind in (PolicyKind.IDENTITY, PolicyKind.BOUNDARY):
            if given:
                raise NotModelled(f"{given[0]} in an {self.kind.value}, which has none")
            return
        if len(given) != 1:
            raise NotModelled("a statement of a resource policy without exactly one of Principal and NotPrincipal")
        inverted = given == ["NotPrincipal"]
        if inverted and effect == "Allow":
            raise NotModelled("Allow with NotPrincipal, which lets in everybody but a few")
        self._principal = PrincipalElement(raw[given[0]], inverted=inverted)


def parse(document: object, kind: PolicyKind, place: Place) -> list[Statement]:
    """The statements of a policy document whose intrinsics are resolved.

    Args:
        document: The document.
        kind: What the policy is attached to.
        place: Where the document stands; each statement gets its own path from it.
    """
    if not isinstance(document, dict) or is_unknown(list(document)):
        return [undecided(NotModelled(f"the policy document {readable(str(document))}"), kind, place)]
    version = document.get("Version", "2008-10-17")
    if version not in ("2012-10-17", "2008-10-17"):
        return [undecided(NotModelled(f"the policy version {readable(str(version))}"), kind, place)]
    if odd := set(document) - {"Version", "Id", "Statement"}:
        return [undecided(NotModelled(f"the policy's element {sorted(odd)[0]}"), kind, place)]
    statements = document.get("Statement", [])
    several = isinstance(statements, list)
    parsed = []
    for index, raw in enumerate(statements if several else [statements]):
        path = (*place.path, "Statement", index) if several else (*place.path, "Statement")
        here = Place(place.stack, place.logical_id, place.policy, path)
        parsed.append(Statement(raw, kind, here, version=str(version)))
    return parsed


def undecided(problem: NotModelled, kind: PolicyKind, place: Place) -> Statement:
    """A statement in the place of a policy that is not modelled or not known: it may say anything."""
    statement = Statement({}, kind, place, version="2012-10-17")
    statement.problem = problem.at(str(place))
    return statement


class _NoKeys:
    def values(self, _key: str) -> None:
        return None


_NO_KEYS = _NoKeys()


def _one_of(raw: Mapping[str, object], name: str, inverse: str) -> tuple[bool, list[object]]:
    given = [element for element in (name, inverse) if element in raw]
    if len(given) != 1:
        raise NotModelled(f"a statement without exactly one of {name} and {inverse}")
    value = raw[given[0]]
    items = value if isinstance(value, list) else [value]
    if not items:
        raise NotModelled(f"an empty {given[0]}")
    return given == [inverse], items


def _text(item: object) -> str:
    if not isinstance(item, str):
        raise NotModelled(f"{readable(str(item))} where a string is due")
    return item


def _action(item: object) -> Pattern:
    text = _text(item)
    if not is_unknown(text) and not _ACTION.fullmatch(text):
        raise NotModelled(f"the action {text!r}")
    return Pattern(text, "like", variables=False, ignore_case=True)


def _listed(patterns: list[Pattern]) -> str:
    shown = [str(pattern) for pattern in patterns[:6]]
    return ", ".join(shown) + (f" and {len(patterns) - 6} more" if len(patterns) > 6 else "")
