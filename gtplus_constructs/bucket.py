"""LabelingBucket: where the data and the labels of projects lie."""

import re
from collections.abc import Callable, Sequence
from typing import cast
from weakref import WeakKeyDictionary

import jsii
from aws_cdk import Duration, IStableListProducer, Lazy, Reference, RemovalPolicy, Stack, Token, Tokenization
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct, IConstruct

from gtplus_constructs._removal import effective_removal
from gtplus_constructs._sizes import check_bucket_policy
from gtplus_constructs._validation import raise_all
from gtplus_runtime.places import DATA_ROLES
from gtplus_runtime.problems import Problem, shown

_ORIGIN = re.compile(r"https://[^/\s*?#]+")

SERVICE_ACTIONS = ("s3:GetObject", "s3:PutObject", "s3:GetBucketLocation", "s3:ListBucket")
"""What the service's page "Create a project" asks of the role, and nothing else; no delete."""


_BROUGHT: WeakKeyDictionary[IConstruct, list[str]] = WeakKeyDictionary()
"""ARNs of data roles that were brought, by app: they are under no path by which a bucket would know them."""


def hold_to_its_grants(scope: Construct, role_arn: str) -> None:
    """Let every LabelingBucket of the app deny a role that was brought, unless it is admitted there.

    Args:
        scope: anything of the app.
        role_arn: the role.
    """
    _BROUGHT.setdefault(scope.node.root, []).append(role_arn)


class LabelingBucket(s3.Bucket):
    """A bucket for data and labels: encrypted with a key of its own, versioned, TLS only, private, and it tells
    EventBridge what is written.

    Upgraded in place, whatever batches are open. Access is revoked at the roles of the projects, not here. When the
    stack is deleted, bucket and key stay (RETAIN), unless both keys to destruction are turned:
    `removal_policy=DESTROY` and the context flag `gtplus:allowDestroy`; AWS then still refuses a bucket that is not
    empty. Adopted again with `cdk import`. It costs what S3 stores, replaced versions included, and one KMS key.

    Args:
        scope: the parent.
        id: the construct's id; part of what keeps the bucket, so do not change it.
        encryption_key: the key that encrypts the objects. Default: a new one, rotated each year.
        cors_origins: https origins whose pages may show the objects (GET and HEAD). Default: none.
        keep_noncurrent: how long replaced versions are kept. Default: 90 days.
        removal_policy: what becomes of it when it leaves the stack. Default: RETAIN.

    Raises:
        ValueError: for an origin that is not https, or is a wildcard.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        encryption_key: kms.IKey | None = None,
        cors_origins: Sequence[str] = (),
        keep_noncurrent: Duration | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
    ) -> None:
        example = "write e.g. https://portal.example.com"
        raise_all(
            "LabelingBucket",
            [
                Problem('"cors_origins"', "an exact https origin", shown(origin), example)
                for origin in cors_origins
                if not Token.is_unresolved(origin) and not _ORIGIN.fullmatch(origin)
            ],
        )
        policy = effective_removal(scope, id, removal_policy)
        cors = s3.CorsRule(
            allowed_methods=[s3.HttpMethods.GET, s3.HttpMethods.HEAD],
            allowed_origins=list(cors_origins),
            allowed_headers=["*"],
            max_age=3_000,
        )
        super().__init__(
            scope,
            id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=encryption_key,
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            cors=[cors] if cors_origins else None,
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="ReplacedVersions",
                    noncurrent_version_expiration=Duration.days(90) if keep_noncurrent is None else keep_noncurrent,
                    abort_incomplete_multipart_upload_after=Duration.days(7),
                )
            ],
            removal_policy=policy,
        )
        resource = self.node.default_child
        assert isinstance(resource, s3.CfnBucket)
        # CDK's own `event_bridge_enabled` brings a custom resource with a function of its own.
        resource.notification_configuration = s3.CfnBucket.NotificationConfigurationProperty(
            event_bridge_configuration=s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
        )
        check_bucket_policy(self)
        self._admitted: list[str] = []
        self._guard()
        if encryption_key is None and isinstance(self.encryption_key, kms.Key):
            key = self.encryption_key.node.default_child
            assert isinstance(key, kms.CfnKey)
            key.enable_key_rotation = True
            key.apply_removal_policy(policy)

    def admit(self, role_pattern: str) -> None:
        """Let a data role of this library in; every other one is denied this bucket, whatever it is allowed elsewhere.

        The grants of the app do it themselves: call it for a role of another app.

        Args:
            role_pattern: a pattern of ARNs that matches the role alone.
        """
        self._admitted.append(role_pattern)

    def _guard(self) -> None:
        stack = Stack.of(self)
        every = stack.format_arn(service="iam", region="", resource="role", resource_name=f"{DATA_ROLES}*")
        # A list of conditions cannot be empty; this one matches no role.
        nobody = stack.format_arn(service="iam", region="", resource="role", resource_name=f"{DATA_ROLES}nobody/")
        held = _late(lambda: [every, *self._brought()])
        admitted = _late(lambda: [nobody, *sorted(set(self._admitted))])
        everything = [self.bucket_arn, self.arn_for_objects("*")]
        for sid, statement in (
            (
                "OnlyTheServicesActions",
                {"not_actions": list(SERVICE_ACTIONS), "conditions": {"ArnLike": {"aws:PrincipalArn": every}}},
            ),
            (
                "OnlyGrantedDataRoles",
                {
                    "actions": ["s3:*"],
                    "conditions": {
                        "ArnLike": {"aws:PrincipalArn": held},
                        "ArnNotLike": {"aws:PrincipalArn": admitted},
                    },
                },
            ),
        ):
            self.add_to_resource_policy(
                iam.PolicyStatement(
                    sid=sid,
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    resources=everything,
                    **statement,  # type: ignore[arg-type]
                )
            )

    def _brought(self) -> list[str]:
        """The brought roles of the app; but for one that only another stack knows: stacks must not form a circle."""
        stack = Stack.of(self)
        arns = sorted(set(_BROUGHT.get(self.node.root, [])))
        return [arn for arn in arns if all(of is stack for of in _stacks_of(arn))]

    def object(self, key: str) -> str:
        """The ARN of an object, or of many with `*`.

        Args:
            key: its key.
        """
        return self.arn_for_objects(key)


def _stacks_of(arn: str) -> list[Stack]:
    """The stacks to whose resources an ARN refers."""
    tokens = Tokenization.reverse_string(arn).tokens
    return [Stack.of(token.target) for token in tokens if isinstance(token, Reference)]


def _late(values: Callable[[], list[str]]) -> list[str]:
    """A list as it is known at the end of the synth."""
    return Lazy.list(cast(IStableListProducer, _Late(values)))


@jsii.implements(IStableListProducer)
class _Late:
    def __init__(self, values: Callable[[], list[str]]) -> None:
        self._values = values

    def produce(self) -> list[str]:
        return self._values()
