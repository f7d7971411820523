"""The questions: who may do what on what."""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from .attachments import Attachments
from .caller import Caller, Engine
from .context import ContextValue, normalize
from .evaluate import Evaluator
from .explain import Explainer
from .patterns import split_arn
from .policy import Place, PolicyKind, parse
from .principals import Kind, Principal, from_arn
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
        self._attachments = Attachments(templates, managed_policies)
        self._evaluator = Evaluator(self._attachments)
        self._engine = Engine(
            home=templates[0],
            attachments=self._attachments,
            evaluator=self._evaluator,
            explainer=Explainer(self._evaluator, templates),
            context=self._context,
            given=normalize(self._context),
            locate=self.resource,
        )

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

    def of(self, who: Thing, *, session: str | None = None) -> Caller:
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
        return Caller(self._engine, Principal(Kind(kind), arn, account, session, label), resource)

    def principal(self, arn: str, *, session: str | None = None) -> Caller:
        """A role, user or root user outside the stacks, to whom its own account allows everything.

        This is the worst case: what the stacks' policies let it do if its own do not stop it. An ARN of the stacks
        is asked about with its own policies, as by :meth:`of`.
        """
        if arn in self._attachments.by_arn:
            return self.of(arn, session=session)
        return Caller(self._engine, from_arn(arn, session=session, label=f"principal {arn}"))

    def account(self, account_id: str | None = None) -> Caller:
        """An administrator of an account: a role there that no policy of the stacks names.

        Args:
            account_id: The account. Default: that of the first stack.
        """
        home = self._templates[0]
        account = account_id or home.account
        if not re.fullmatch(r"\d{12}", account):
            raise ValueError(f"account {account!r}: an account id has 12 digits")
        arn = f"arn:{home.partition}:iam::{account}:role/AnAdministratorThatNoPolicyNames"
        return Caller(self._engine, from_arn(arn, label=f"an administrator of account {account}"))

    def service(self, name: str) -> Caller:
        """A service by its principal, such as ``lambda.amazonaws.com``.

        ``aws:SourceAccount`` and ``aws:SourceArn`` are absent unless the question gives them: not every service
        sends them.
        """
        if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", name):
            raise ValueError(f"service {name!r}: give the principal, such as 'lambda.amazonaws.com'")
        return Caller(self._engine, Principal(Kind.SERVICE, name, label=f"service {name}"))

    def federated(self, provider: str) -> Caller:
        """Somebody whom an identity provider vouches for: its ARN or domain, as trust policies name it."""
        return Caller(self._engine, Principal(Kind.FEDERATED, provider, label=f"federated {provider}"))

    def anonymous(self) -> Caller:
        """Anybody, without credentials."""
        return Caller(self._engine, Principal(Kind.ANONYMOUS, "", label="anonymous"))

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
            for template in self._engine.explainer.templates
            if logical_id in template.resources and stack in ("", template.name)
        ]
        if len(found) != 1:
            known = ", ".join(repr(resource) for resource in found)
            raise ValueError(
                f"{name!r} is an ARN of no kind and the logical id of {'several: ' + known if found else 'nothing'}"
            )
        return _arn_of(found[0])


def _arn_of(resource: Resource) -> str:
    if resource.arn is None:
        raise ValueError(f"{resource!r} has no ARN that the engine knows; give the ARN")
    return resource.arn
