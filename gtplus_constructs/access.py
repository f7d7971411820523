"""Who may reach which data: a grant is said once, and every side of it is rendered from there."""

import json
import re
from collections.abc import Sequence
from typing import Any

import jsii
from aws_cdk import Annotations, Duration, Stack, Token, region_info
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from gtplus_constructs._sizes import MAX_ROLE_BYTES, check_bucket_policy, rendered_size
from gtplus_constructs._validation import check_disjoint, check_prefixes, raise_all
from gtplus_constructs.bucket import SERVICE_ACTIONS, LabelingBucket, hold_to_its_grants
from gtplus_constructs.provider import GroundTruthPlus, LabelingProvider
from gtplus_runtime import revocation
from gtplus_runtime.places import DATA_ROLES, OURS
from gtplus_runtime.problems import Problem, shown

_ROLE_ARN = re.compile(r"arn:[a-z-]+:iam::\d{12}:role/[\w+=,.@/-]+")


class DataGrant:
    """What a project may reach in one bucket: it reads its input, and writes and reads its labels.

    Args:
        bucket: the bucket; one of this account.
        read: prefixes of the input, each ending in `/`.
        write: prefixes of the labels, each ending in `/`; they must not overlap with those of the input.
        encryption_key: the key of the bucket's objects. Default: the bucket's own, where the bucket knows it.

    Raises:
        ValueError: naming every prefix that does not fit.
    """

    def __init__(
        self,
        bucket: s3.IBucket,
        *,
        read: str | Sequence[str],
        write: str | Sequence[str],
        encryption_key: kms.IKey | None = None,
    ) -> None:
        self.bucket = bucket
        self.read = (read,) if isinstance(read, str) else tuple(read)
        self.write = (write,) if isinstance(write, str) else tuple(write)
        self.encryption_key = bucket.encryption_key if encryption_key is None else encryption_key
        problems = [*check_prefixes("read", self.read), *check_prefixes("write", self.write)]
        problems += [
            Problem(f'"{option}"', "at least one prefix", "none", "name one such as 'raw/'")
            for option, prefixes in (("read", self.read), ("write", self.write))
            if not prefixes
        ]
        problems += check_disjoint(("read", self.read), ("write", self.write))
        raise_all("DataGrant", problems)

    @property
    def readable(self) -> list[str]:
        """ARN patterns of the objects that may be read."""
        return [self.bucket.arn_for_objects(f"{prefix}*") for prefix in (*self.read, *self.write)]

    @property
    def writable(self) -> list[str]:
        """ARN patterns of the objects that may be written."""
        return [self.bucket.arn_for_objects(f"{prefix}*") for prefix in self.write]

    @property
    def listable(self) -> list[str]:
        """Patterns of `s3:prefix` in a listing."""
        return [f"{prefix}*" for prefix in (*self.read, *self.write)]

    @property
    def ours(self) -> list[str]:
        """ARN patterns of our own files among the labels, which a provider may read and never write."""
        return [self.bucket.arn_for_objects(f"{prefix}*/{OURS}*") for prefix in self.write]

    def identity_statements(self, index: int, *, provider: bool = True) -> list[iam.PolicyStatement]:
        """The Allow side, for a role: a statement an action, each scoped.

        Args:
            index: the position of the grant, for the statements' ids.
            provider: whether the role is a provider's: it may ask for the bucket's location, as the service does, and
                never write our own files. The runtime role is not.
        """
        statements = self._statements(str(index), read=self.readable, write=self.writable)
        if provider:
            statements.append(_allow(f"Location{index}", "s3:GetBucketLocation", [self.bucket.bucket_arn]))
            # What a batch is decided on (inventory, sample, verdicts) must not be the provider's to change.
            statements.append(
                iam.PolicyStatement(
                    sid=f"Ours{index}", effect=iam.Effect.DENY, actions=["s3:PutObject"], resources=self.ours
                )
            )
        return statements

    def _statements(self, name: str, *, read: list[str], write: list[str]) -> list[iam.PolicyStatement]:
        bucket = self.bucket.bucket_arn
        statements = [
            _allow(f"Read{name}", "s3:GetObject", read),
            _allow(f"Write{name}", "s3:PutObject", write),
            _allow(f"List{name}", "s3:ListBucket", [bucket], {"StringLike": {"s3:prefix": self.listable}}),
        ]
        if self.encryption_key is not None:
            statements.append(self._use_key(name, self.encryption_key.key_arn))
        return statements

    def _use_key(self, name: str, key: str) -> iam.PolicyStatement:
        bucket = self.bucket.bucket_arn
        # Through S3 and for this bucket only: the key may serve others. With a bucket key the context is the
        # bucket, without one the object ("Reducing the cost of SSE-KMS with Amazon S3 Bucket Keys").
        via = f"s3.{self.bucket.env.region}.{Stack.of(self.bucket).url_suffix}"
        return iam.PolicyStatement(
            sid=f"Key{name}",
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[key],
            conditions={
                "StringEquals": {"kms:ViaService": via},
                "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]},
            },
        )

    def key_statement(self, role_arn: str, name: str) -> iam.PolicyStatement:
        """The Allow of a key of another account, whose owner must add it to the key's policy.

        Args:
            role_arn: the role.
            name: of the role, for the statement's id.
        """
        statement = self._use_key(name, "*")  # in a key policy: this key
        statement.add_arn_principal(role_arn)
        return statement

    def owner_statements(self) -> list[iam.PolicyStatement]:
        """The side of those whose data they are: they upload what the project reads, and fetch what it writes."""
        inputs = [self.bucket.arn_for_objects(f"{prefix}*") for prefix in self.read]
        return self._statements("", read=self.readable, write=inputs)

    def allow_statements(self, role_arn: str, name: str, *, provider: bool = True) -> list[iam.PolicyStatement]:
        """The Allow of a bucket of another account, whose owner must add it.

        Args:
            role_arn: the role.
            name: of the role, for the statements' ids.
            provider: whether the role is a provider's, as in `identity_statements`.
        """
        name = f"Granted{name}"  # beside the guard's statements: ids are unique in a policy
        statements = [
            s for s in self._statements(name, read=self.readable, write=self.writable) if s.sid != f"Key{name}"
        ]
        if provider:
            statements.append(_allow(f"Location{name}", "s3:GetBucketLocation", [self.bucket.bucket_arn]))
        for statement in statements:
            statement.add_arn_principal(role_arn)
        return statements

    def guard_statements(self, role_arn: str, name: str) -> list[iam.PolicyStatement]:
        """The bucket's side: that role is denied everything outside the grant, whatever is attached to it later.

        The bucket repeats no Allow: in one account a union of both would be a second thing to revoke.

        Args:
            role_arn: the role, or a pattern that matches it alone.
            name: of the role, for the statements' ids.
        """
        bucket = self.bucket.bucket_arn

        def deny(sid: str, **statement: Any) -> iam.PolicyStatement:
            return _deny(f"{sid}{name}", role_arn, **statement)

        return [
            deny("Only", not_actions=list(SERVICE_ACTIONS), resources=[bucket, f"{bucket}/*"]),
            deny("Read", actions=["s3:GetObject"], not_resources=self.readable),
            deny("Write", actions=["s3:PutObject"], not_resources=self.writable),
            deny(
                "List",
                actions=["s3:ListBucket"],
                resources=[bucket],
                conditions={"StringNotLike": {"s3:prefix": self.listable}},
            ),
        ]

    def transport_statement(self) -> iam.PolicyStatement:
        """The bucket's side for everybody: nothing without TLS.

        Word for word what `enforce_ssl=True` writes, without an id: CDK keeps one of equal statements, so a bucket
        has it once, however many projects it has.
        """
        return iam.PolicyStatement(
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["s3:*"],
            resources=[self.bucket.bucket_arn, self.bucket.arn_for_objects("*")],
            conditions={"Bool": {"aws:SecureTransport": "false"}},
        )


@jsii.implements(iam.IGrantable)
class DataAccessRole(Construct):
    """The role that the provider of one project assumes: four S3 actions on the granted prefixes, and nothing else.

    Usable alone, for a project that existed before: create it, and share its ARN (`role_arn`) with the provider.

    The bucket's policy guards the same grants, so a policy that is attached to the role later widens nothing. For a
    bucket that is not of this app no policy can be written: synth warns and shows the statements to add.

    Upgraded in place: batches in work see a changed grant at their next request. Revoked by `revoke` in the app, or at
    once and without a deploy by `gtplus access revoke`, whose Deny stands in the reserved policy `gtplus-revocation`,
    which no later deploy changes. Deleted with the stack, which ends every access through it; created again it has
    another ARN, to be shared anew. It costs nothing.

    Args:
        scope: the parent.
        id: the construct's id.
        grants: what it may reach; at least one.
        provider: who may assume it. Default: `GroundTruthPlus()`.

    Raises:
        ValueError: without a grant, with one in a region where the provider takes no data, for a provider that has no
            data role, or where the grants are too many for one role.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        grants: DataGrant | Sequence[DataGrant],
        provider: LabelingProvider | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.grants = joined("grants", (grants,) if isinstance(grants, DataGrant) else grants)
        self.provider: LabelingProvider = GroundTruthPlus() if provider is None else provider
        trusted = self.provider.trust(Stack.of(self).account)
        problems = check_grants("grants", self.grants, self.provider)
        if trusted is None:
            rule = f"{self.provider.name} works without a role"
            problems.append(Problem('"provider"', rule, "", "leave the DataAccessRole out, or choose another provider"))
        raise_all("DataAccessRole", problems or check_size(Stack.of(self), self.grants))
        assert trusted is not None
        self.role, self._pattern = self._make(trusted)
        for index, grant in enumerate(self.grants):
            self._guard(index, grant)
            _ask_key_owner(self, index, grant, self.role_arn, self._name(index))

    @classmethod
    def from_role_arn(
        cls,
        scope: Construct,
        id: str,
        role_arn: str,
        *,
        grants: DataGrant | Sequence[DataGrant],
        provider: LabelingProvider | None = None,
    ) -> "DataAccessRole":
        """A role that exists already, and that this app does not change.

        Synth warns with the policies that it must have, and writes the buckets' guards; every LabelingBucket of the app
        denies it what its grants do not name, whatever its own policies allow, so bring none that people or tools use
        too. `gtplus access show` compares the role with all that in the account.

        Args:
            scope: the parent.
            id: the construct's id.
            role_arn: the role.
            grants: what it is to reach.
            provider: who is to assume it. Default: `GroundTruthPlus()`.

        Raises:
            ValueError: as for a new one, and for an ARN that is no role's.
        """
        if not Token.is_unresolved(role_arn) and not _ROLE_ARN.fullmatch(role_arn):
            mend = "write e.g. arn:aws:iam::123456789012:role/Labeling"
            raise_all("DataAccessRole", [Problem('"role_arn"', "the ARN of a role", shown(role_arn), mend)])
        return _BroughtRole(scope, id, role_arn=role_arn, grants=grants, provider=provider)

    @property
    def role_arn(self) -> str:
        """The ARN to share with the provider."""
        return self.role.role_arn

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The role, for `grant_*` methods."""
        return self.role

    def revoke(self, bucket: s3.IBucket) -> None:
        """Deny the role a bucket, whatever is granted: in a policy of the role, and in the bucket's.

        Keep the grant in place: the Deny beats it, and taking the call out restores what was.

        Args:
            bucket: a bucket of one of its grants.

        Raises:
            ValueError: where no grant is of that bucket.
        """
        positions = [i for i, grant in enumerate(self.grants) if grant.bucket.node.path == bucket.node.path]
        if not positions:
            own = ", ".join(grant.bucket.node.path for grant in self.grants)
            problem = Problem('"bucket"', "is of one of the grants", bucket.node.path, f"choose among {own}")
            raise_all("DataAccessRole.revoke", [problem])
        deny = _revocation(positions[0], bucket)
        added = self.role.add_to_principal_policy(deny).statement_added
        second = _deny(f"Revoked{self._name(positions[0])}", self._pattern, actions=["s3:*"], resources=deny.resources)
        if not bucket.add_to_resource_policy(second).statement_added and not added:
            Annotations.of(self).add_warning_v2(
                "gtplus:NothingRevoked",
                f"Neither the role nor the bucket is of this app, so nothing is revoked here. Add to the role: "
                f"{_as_json(Stack.of(self), [deny])} or to the bucket: {_as_json(Stack.of(self), [second])}",
            )

    def _make(self, trusted: iam.IPrincipal) -> tuple[iam.IRole, str]:
        """The role, and a pattern of ARNs that matches it alone."""
        stack = Stack.of(self)
        # A path of its own, so that the bucket can name the role without a reference to it: a reference would be a
        # cycle where the bucket is of another stack, and a token in the statements for a bucket that is not ours.
        path = f"{DATA_ROLES}{self._short}"
        role = iam.Role(
            self,
            "Role",
            path=f"/{path}/",
            assumed_by=trusted,
            description=f"Reads the data and writes the labels of {self.node.path}; assumed by {self.provider.name}",
            max_session_duration=Duration.hours(1),
            # Inline: a policy resource a role would be one more against the 500 of a stack.
            inline_policies={"Data": data_policy(self.grants)},
        )
        # A resource of its own that no deploy ever changes: so none undoes what `gtplus access revoke` wrote to it.
        iam.CfnPolicy(
            self,
            "Revocation",
            policy_name=revocation.POLICY_NAME,
            policy_document=revocation.role_policy(stack.partition),
            roles=[role.role_name],
        )
        return role, stack.format_arn(service="iam", region="", resource="role", resource_name=f"{path}/*")

    @property
    def _short(self) -> str:
        # 12 characters of the construct's address tell two roles apart; all 42 would fill the buckets' policies.
        return str(self.node.addr[-12:])

    def _name(self, index: int) -> str:
        return f"{self._short}{index}"

    def _guard(self, index: int, grant: DataGrant) -> None:
        stack = Stack.of(self)
        statements = [*grant.guard_statements(self._pattern, self._name(index)), grant.transport_statement()]
        if _of_another_account(grant.bucket.env.account, stack):
            # Across accounts both sides must allow, and we can write only ours.
            allowed = grant.allow_statements(self.role_arn, self._name(index))
            _ask_bucket_owner(self, index, grant, [*allowed, *statements])
            return
        if isinstance(grant.bucket, LabelingBucket):
            grant.bucket.admit(self._pattern)
            statements.pop()  # it asks for TLS itself
            if f"/{DATA_ROLES}" in self._pattern:
                statements = statements[1:]  # it holds every data role of ours to the four actions
        added = [grant.bucket.add_to_resource_policy(statement).statement_added for statement in statements]
        check_bucket_policy(grant.bucket)
        if not all(added):
            Annotations.of(self).add_warning_v2(
                "gtplus:BucketPolicyNotOurs",
                f"The bucket of grant {index} is not of this app, so its policy cannot be written here: without these "
                f"statements a policy attached to the role later could widen it (a LabelingBucket of another app must "
                f"admit the role, too: bucket.admit(...)). Add them: "
                f"{_as_json(stack, statements)}",
            )


class _BroughtRole(DataAccessRole):
    """A role of somebody else's making."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        role_arn: str,
        grants: DataGrant | Sequence[DataGrant],
        provider: LabelingProvider | None,
    ) -> None:
        self._brought_arn = role_arn
        super().__init__(scope, id, grants=grants, provider=provider)

    def _make(self, trusted: iam.IPrincipal) -> tuple[iam.IRole, str]:
        stack = Stack.of(self)
        hold_to_its_grants(self, self._brought_arn)
        trust = iam.PolicyStatement(actions=[trusted.assume_role_action])
        trust.add_principals(trusted)
        Annotations.of(self).add_warning_v2(
            "gtplus:RoleNotOurs",
            f"{self._brought_arn} is not of this app and is not changed. It must allow "
            f"{_as_json(stack, [s for i, g in enumerate(self.grants) for s in g.identity_statements(i)])} and trust "
            f"{_as_json(stack, [trust])}; gtplus access show compares it with the account.",
        )
        return iam.Role.from_role_arn(self, "Role", self._brought_arn, mutable=False), self._brought_arn


def data_policy(grants: Sequence[DataGrant], *, provider: bool = True) -> iam.PolicyDocument:
    """The Allow side of several grants.

    Args:
        grants: the grants.
        provider: whether the role is a provider's.
    """
    return iam.PolicyDocument(
        statements=[s for i, grant in enumerate(grants) for s in grant.identity_statements(i, provider=provider)]
    )


def ask_owners(scope: Construct, grants: Sequence[DataGrant], role: iam.IRole) -> None:
    """Warn with what the owners of other accounts must add for our own functions' role.

    Args:
        scope: who warns.
        grants: the grants.
        role: the runtime role.
    """
    name = f"Ours{scope.node.addr[-12:]}"
    for index, grant in enumerate(grants):
        if _of_another_account(grant.bucket.env.account, Stack.of(scope)):
            statements = grant.allow_statements(role.role_arn, f"{name}{index}", provider=False)
            _ask_bucket_owner(scope, index, grant, statements)
        _ask_key_owner(scope, index, grant, role.role_arn, f"{name}{index}")


def _ask_bucket_owner(
    scope: Construct, index: int, grant: DataGrant, statements: Sequence[iam.PolicyStatement]
) -> None:
    Annotations.of(scope).add_warning_v2(
        "gtplus:BucketOfAnotherAccount",
        f"The bucket of grant {index} is of account {grant.bucket.env.account}: {scope.node.path} reaches it only once "
        f"its owner adds to its policy: {_as_json(Stack.of(scope), statements)}",
    )


def _ask_key_owner(scope: Construct, index: int, grant: DataGrant, role_arn: str, name: str) -> None:
    """Across accounts a key must let the role in, too; its policy is its owner's to write."""
    key, stack = grant.encryption_key, Stack.of(scope)
    if key is None or not _of_another_account(key.env.account, stack):
        return
    Annotations.of(scope).add_warning_v2(
        "gtplus:KeyOfAnotherAccount",
        f"The key of grant {index} is of account {key.env.account}: {scope.node.path} uses it only once its owner adds "
        f"to its policy: {_as_json(stack, [grant.key_statement(role_arn, name)])}",
    )


def joined(option: str, grants: Sequence[DataGrant]) -> tuple[DataGrant, ...]:
    """Grants with those of one bucket made one, since two guards in a bucket would each deny what the other leaves.

    Args:
        option: where they were given.
        grants: the grants.

    Raises:
        ValueError: where they do not fit together.
    """
    of_bucket: dict[str, DataGrant] = {}
    for grant in grants:
        name = grant.bucket.bucket_name
        first = of_bucket.setdefault(grant.bucket.node.path if Token.is_unresolved(name) else name, grant)
        if first is grant:
            continue
        keys = [None if key is None else key.key_arn for key in (first.encryption_key, grant.encryption_key)]
        if keys[0] != keys[1]:
            rule, mend = "grants of one bucket name one key", "name the same one"
            raise_all("DataGrant", [Problem(f'"{option}"', rule, first.bucket.node.path, mend)])
        read, write = ((*dict.fromkeys(side),) for side in (first.read + grant.read, first.write + grant.write))
        one = DataGrant(first.bucket, read=read, write=write, encryption_key=first.encryption_key)
        of_bucket = {key: one if each is first else each for key, each in of_bucket.items()}
    return tuple(of_bucket.values())


def check_grants(option: str, grants: Sequence[DataGrant], provider: LabelingProvider) -> list[Problem]:
    """What is wrong with the grants of a project under a provider.

    Args:
        option: where they were given.
        grants: the grants.
        provider: who is to work on them.
    """
    if not grants:
        mend = 'name one: DataGrant(bucket, read="raw/", write="labels/")'
        return [Problem(f'"{option}"', "at least one", "none", mend)]
    region = provider.limits.region
    problems = []
    for index, grant in enumerate(grants):
        # Of a bucket of another region, or of the stack that holds it; an agnostic stack is known at deploy only.
        own = grant.bucket.env.region
        if region is not None and not Token.is_unresolved(own) and own != region:
            rule = f"{provider.name} takes data of {region} only"
            mend = "move the bucket, or choose another provider"
            problems.append(Problem(f"region of grant {index}", rule, shown(own), mend))
    return problems


def check_size(stack: Stack, grants: Sequence[DataGrant]) -> list[Problem]:
    """What is wrong where the grants make more policy than a role holds."""
    # A revocation of all of them must fit too, at run time and in the app.
    denials = iam.PolicyDocument(statements=[_revocation(i, grant.bucket) for i, grant in enumerate(grants)])
    documents = [
        data_policy(grants).to_json(),
        denials.to_json(),
        revocation.role_policy(stack.partition, ["x" * 63] * len(grants), "x" * 20),
    ]
    size = sum(rendered_size(stack, document) for document in documents)
    if size <= MAX_ROLE_BYTES:
        return []
    rule = f"the inline policies of a role have at most {MAX_ROLE_BYTES:,} bytes ({len(grants)} grants)"
    mend = "name fewer, wider prefixes, or split the project in two"
    return [Problem('"grants"', rule, f"about {size:,} bytes", mend)]


def _revocation(index: int, bucket: s3.IBucket) -> iam.PolicyStatement:
    """The Deny of a bucket in the role's own policies."""
    return iam.PolicyStatement(
        sid=f"Revoked{index}",
        effect=iam.Effect.DENY,
        actions=["s3:*"],
        resources=[bucket.bucket_arn, bucket.arn_for_objects("*")],
    )


def _of_another_account(owner: str, stack: Stack) -> bool:
    known = not Token.is_unresolved(owner) and not Token.is_unresolved(stack.account)
    return known and owner != stack.account


def _as_json(stack: Stack, statements: Sequence[iam.PolicyStatement]) -> str:
    """Statements to paste; what only a deployment knows stands there as `${AWS::…}`."""
    region = stack.region
    info = None if Token.is_unresolved(region) else region_info.RegionInfo.get(region)
    known = {} if info is None else {"AWS::Partition": info.partition, "AWS::URLSuffix": info.domain_suffix}

    def text(value: Any) -> Any:
        match value:
            case {"Fn::Join": ["", parts]}:
                return "".join(map(text, parts))
            case {"Ref": name}:
                return known.get(name) or f"${{{name}}}"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"${{{name}.{attribute}}}"
            case dict():
                return {key: text(each) for key, each in value.items()}
            case list():
                return [text(each) for each in value]
        return value

    return json.dumps(text(stack.resolve([statement.to_statement_json() for statement in statements])))


def _deny(
    sid: str, role_pattern: str, *, conditions: dict[str, Any] | None = None, **statement: Any
) -> iam.PolicyStatement:
    """A bucket's Deny of a role: by condition and not as a principal, so it outlives the role and its re-creation."""
    return iam.PolicyStatement(
        sid=sid,
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        conditions={"ArnLike": {"aws:PrincipalArn": role_pattern}, **(conditions or {})},
        **statement,
    )


def _allow(
    sid: str, action: str, resources: list[str], conditions: dict[str, Any] | None = None
) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=[action], resources=resources, conditions=conditions)
