"""Which policies a template attaches to whom and to what.

Rules: CloudFormation's reference of each type; IAM User Guide, "AWS services that work with IAM", "Policies and
permissions"; Amazon SNS Developer Guide, "Default topic policy"; AWS KMS Developer Guide, "Default key policy".
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .errors import NotModelled
from .logic import MAYBE, NO, YES, Match, either
from .patterns import glob, split_arn
from .policy import Place, PolicyKind, Statement, parse, undecided
from .principals import Named, Principal
from .template import Resource, Template
from .template import resources as all_resources
from .unknown import UNKNOWN, is_unknown, readable

# Services whose resources can carry a policy of their own that this module reads.
READ_SERVICES = frozenset(
    {"s3", "sqs", "sns", "kms", "sts", "events", "lambda", "secretsmanager", "dynamodb", "ecr", "logs", "execute-api"}
)
# Services whose resources can carry a policy that it does not read.
_OTHER_SERVICES = frozenset({
    "acm-pca", "airflow-serverless", "aoss", "apigateway", "aps", "backup", "bedrock", "bedrock-agentcore", "cassandra",
    "cloudtrail", "cloudhsm", "codeartifact", "codebuild", "datazone", "elasticfilesystem", "elasticmapreduce", "es",
    "firehose", "glacier", "glue", "imagebuilder", "iot", "kinesis", "kinesisanalytics", "lex", "license-manager",
    "mediastore", "mobiletargeting", "network-firewall", "organizations", "redshift", "redshift-serverless",
    "rekognition", "route53resolver", "s3-object-lambda", "s3-outposts", "s3express", "s3tables", "s3vectors",
    "schemas", "serverlessrepo", "servicecatalog", "ses", "signer", "ssm", "ssm-contacts", "ssm-incidents",
    "sso", "verifiedpermissions", "vpc-lattice", "xray",
})  # fmt: skip
_POLICY_PROPERTIES = (
    "AccessPolicies", "AccessPolicy", "FileSystemPolicy", "PermissionsPolicyDocument", "Policy", "PolicyDocument",
    "RegistryPolicy", "RepositoryPolicyText", "ResourcePolicy", "ResourcePolicyDocument", "ResourcePolicies",
)  # fmt: skip
_SNS_DEFAULT_ACTIONS = [
    "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission", "SNS:DeleteTopic",
    "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish",
]  # fmt: skip


@dataclass
class Identity:
    """A role or user of the template with its policies."""

    resource: Resource
    policies: list[Statement] = field(default_factory=list)
    boundary: list[Statement] | None = None


@dataclass
class Target:
    """A resource that a question is about, with its policy.

    Attributes:
        arn: The ARN as policies name it, without object key, qualifier or index.
        account: Its account; ``None`` if nobody can tell.
        statements: Its policy; a policy that is not known is a statement that may say anything.
        resource: The template's resource, if it is one.
    """

    arn: str
    account: str | None
    statements: list[Statement] = field(default_factory=list)
    resource: Resource | None = None
    named: dict[tuple[Principal, str], list[tuple[Statement, Match, Named]]] = field(default_factory=dict, repr=False)


class Attachments:
    """All policies of the loaded templates, found by what they are attached to.

    Args:
        templates: The templates.
        managed_policies: Documents of managed policies that the templates do not hold, by ARN or name.
    """

    def __init__(self, templates: list[Template], managed_policies: Mapping[str, object] | None = None) -> None:
        self.templates = templates
        self.by_arn: dict[str, Resource] = {}
        self._given: dict[str, tuple[list[Statement], str | None]] = {}
        self._managed_documents = dict(managed_policies or {})
        self._identities: dict[str, Identity] = {}
        self._targets: dict[tuple[str, str], Target] = {}
        self._all = list(all_resources(templates))
        self._by_type: dict[str, list[Resource]] = {}
        self._twice: dict[str, NotModelled] = {}
        self._of_service: dict[str, list[str]] = {}
        for resource in self._all:
            self._by_type.setdefault(resource.type, []).append(resource)
            if resource.arn is not None and not is_unknown(resource.arn):
                first = self.by_arn.setdefault(_base(resource.arn), resource)
                if first is not resource and first.type == resource.type:
                    self._twice[_base(resource.arn)] = NotModelled(
                        f"one ARN for two resources: {first!r}, {resource!r}"
                    )

    def of_type(self, *types: str) -> Iterator[Resource]:
        """The resources of some types."""
        for type_ in types:
            yield from self._by_type.get(type_, [])

    def give(self, arn: str, document: object, account: str | None, name: str) -> None:
        """Take a resource policy from the caller; ``None`` says that the resource has none."""
        kind = PolicyKind.TRUST if ":role/" in arn else PolicyKind.RESOURCE
        place = Place("given by the test", arn, name)
        self._given[_base(arn)] = ([] if document is None else parse(document, kind, place), account)
        self._targets.clear()
        self._of_service.clear()

    def identity(self, resource: Resource) -> Identity:
        """The policies of a role or user of the template."""
        key = str(resource.arn)
        if key not in self._identities:
            self._identities[key] = self._identity(resource)
        return self._identities[key]

    def target(self, service: str, arn: str) -> Target:
        """The resource that an action of a service acts on, with its resource policy."""
        key = (service, _base(arn))
        target = self._targets.get(key)
        if target is None:
            target = self._targets[key] = self._target(*key)
        return target

    def with_policies(self, service: str) -> list[str]:
        """The ARNs of a service's resources in the templates, and of those whose policies the caller gave."""
        service = "iam" if service == "sts" else service
        if not self._of_service:
            for arn in {**self.by_arn, **self._given}:
                self._of_service.setdefault(arn.split(":", 3)[2], []).append(arn)
            tables = self.of_type("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")
            streams = [f"{table.arn}/stream/any" for table in tables if _stream_policy(table)]
            self._of_service.setdefault("dynamodb", []).extend(streams)
        return self._of_service.get(service, [])

    def unread(self) -> list[NotModelled]:
        """What of the templates could hold policies for anybody and is not read."""
        nested = [r for r in self.of_type("AWS::CloudFormation::Stack") if r.logical_id not in r.template.nested]
        return [
            *(NotModelled("a nested stack whose template is not loaded", repr(resource)) for resource in nested),
            *(NotModelled("a policy of an organization", repr(r)) for r in self.of_type("AWS::Organizations::Policy")),
            *(NotModelled(f"the macro {name}", one.name) for one in self.templates for name in one.macros),
        ]

    def _ambiguous(self, arn: str) -> list[NotModelled]:
        return [self._twice[arn]] if arn in self._twice else []

    def refuse_endpoint_policies(self) -> None:
        """For requests through a VPC endpoint.

        Raises:
            NotModelled: If an endpoint of the templates has a policy.
        """
        for endpoint in self.of_type("AWS::EC2::VPCEndpoint"):
            if endpoint.raw("PolicyDocument") is not None:
                raise NotModelled("the policy of a VPC endpoint", repr(endpoint))

    # ---- identities

    def _identity(self, resource: Resource) -> Identity:
        identity = Identity(resource)
        names = {resource.ref, str(resource.arn)}
        identity.policies += self._inline(resource)
        identity.policies += self._managed_of(resource, names)
        listed = "Roles" if resource.type == "AWS::IAM::Role" else "Users"
        identity.policies += self._policies_listing(resource.account, listed, names)
        if resource.type == "AWS::IAM::Role":
            single = ("AWS::IAM::RolePolicy", "RoleName")
        else:
            single = ("AWS::IAM::UserPolicy", "UserName")
            for group in self._groups(resource, names):
                identity.policies += self._inline(group)
                identity.policies += self._managed_of(group, {group.ref, str(group.arn)})
                identity.policies += self._policies_listing(group.account, "Groups", {group.ref})
        for policy in self.of_type(single[0]):
            attached = _named(policy.get(single[1]), names)
            if policy.account == resource.account and attached is not NO:
                identity.policies += self._document(policy, "PolicyName", attached)
        boundary = resource.get("PermissionsBoundary")
        if boundary is not None:
            identity.boundary = self._managed(str(boundary), resource, PolicyKind.BOUNDARY)
        for problem in [*self.unread(), *self._ambiguous(str(resource.arn))]:
            identity.policies.append(undecided(problem, PolicyKind.IDENTITY, _place(resource, "")))
        return identity

    def _groups(self, user: Resource, names: set[str]) -> Iterator[Resource]:
        wanted = [str(group) for _, group in user.items("Groups")]
        for addition in self.of_type("AWS::IAM::UserToGroupAddition"):
            if any(name in names for _, name in addition.items("Users")):
                wanted.append(str(addition.get("GroupName")))
        groups = {group.ref: group for group in self.of_type("AWS::IAM::Group") if group.account == user.account}
        for name in wanted:
            if name not in groups:
                raise NotModelled(f"the group {readable(name)} of a user, outside the template", repr(user))
            yield groups[name]

    def _inline(self, resource: Resource) -> list[Statement]:
        statements: list[Statement] = []
        inline = resource.get("Policies")
        if inline is None:
            return []
        if not isinstance(inline, list):
            return [undecided(NotModelled(readable(str(inline))), PolicyKind.IDENTITY, _place(resource, "Policies"))]
        raw = resource.raw("Policies")
        exact = isinstance(raw, list) and len(raw) == len(inline)
        for index, policy in enumerate(inline):
            name = str(policy.get("PolicyName")) if isinstance(policy, dict) else ""
            path: tuple[str | int, ...] = ("Policies", index, "PolicyDocument") if exact else ("Policies",)
            document = policy.get("PolicyDocument") if isinstance(policy, dict) else policy
            statements += _parsed(document, PolicyKind.IDENTITY, resource, path, name)
        return statements

    def _managed_of(self, resource: Resource, names: set[str]) -> list[Statement]:
        statements: list[Statement] = []
        attached = resource.get("ManagedPolicyArns")
        for arn in attached if isinstance(attached, list) else [] if attached is None else [attached]:
            statements += self._managed(str(arn), resource, PolicyKind.IDENTITY)
        listed = {"AWS::IAM::Role": "Roles", "AWS::IAM::User": "Users", "AWS::IAM::Group": "Groups"}[resource.type]
        for policy in self.of_type("AWS::IAM::ManagedPolicy"):
            attached = either(_named(name, names) for _, name in policy.items(listed))
            if policy.account == resource.account and attached is not NO:
                statements += self._document(policy, "ManagedPolicyName", attached)
        return statements

    def _policies_listing(self, account: str, property_: str, names: set[str]) -> list[Statement]:
        statements: list[Statement] = []
        for policy in self.of_type("AWS::IAM::Policy"):
            attached = either(_named(name, names) for _, name in policy.items(property_))
            if policy.account == account and attached is not NO:
                statements += self._document(policy, "PolicyName", attached)
        for policy in self.of_type("AWS::IAM::GroupPolicy") if property_ == "Groups" else ():
            attached = _named(policy.get("GroupName"), names)
            if policy.account == account and attached is not NO:
                statements += self._document(policy, "PolicyName", attached)
        return statements

    def _managed(self, arn: str, holder: Resource, kind: PolicyKind) -> list[Statement]:
        found = self.by_arn.get(arn)
        if found is not None and found.type == "AWS::IAM::ManagedPolicy":
            return self._document(found, "ManagedPolicyName", YES, kind)
        name = arn.rsplit("/", 1)[-1]
        for key in (arn, arn.split(":policy/", 1)[-1], name):
            if key in self._managed_documents:
                place = Place("managed_policies", arn, name)
                return parse(self._managed_documents[key], kind, place)
        what = "the permissions boundary" if kind is PolicyKind.BOUNDARY else "the managed policy"
        problem = NotModelled(
            f"{what} {readable(arn)} is not in the template; give its document: managed_policies={{{name!r}: …}}"
        )
        return [undecided(problem, kind, _place(holder, name))]

    def _document(
        self, policy: Resource, name: str, attached: Match, kind: PolicyKind = PolicyKind.IDENTITY
    ) -> list[Statement]:
        path = ("PolicyDocument",)
        return _parsed(policy.get(*path), kind, policy, path, _name(policy, name), attached)

    # ---- resources

    def _target(self, service: str, arn: str) -> Target:
        if arn == "*":
            return Target(arn, None)
        _, arn_service, _, account, name = split_arn(arn)
        base = arn
        resource = self.by_arn.get(base)
        target = Target(base, account or (resource.account if resource else None), resource=resource)
        if base in self._given:
            target.statements, given_account = self._given[base]
            target.account = given_account or target.account
            return target
        reader = self._reader(service, arn_service, name)
        known = self._unread_policy(service, target) if reader is None else reader(target)
        for problem in [*self.unread(), *self._ambiguous(base)]:
            target.statements.append(undecided(problem, PolicyKind.RESOURCE, Place("", base, "")))
        if not known:
            problem = NotModelled(
                f"the policy of {readable(base)} is not in the template; "
                "give it: access.with_resource_policy(arn, {…} or None, account=…)"
            )
            target.statements.append(undecided(problem, PolicyKind.RESOURCE, Place("outside", base, "its policy")))
        return target

    def _reader(self, service: str, arn_service: str, name: str) -> Callable[[Target], bool] | None:
        if service == "sts" and arn_service == "iam" and name.startswith("role/"):
            return self._trust
        if service != arn_service:
            return None
        if service == "s3":
            return self._bucket if ":" not in name and not name.startswith("accesspoint/") else None
        if service == "kms":
            return self._key if name.startswith("key/") else None
        if service == "events" and not name.startswith("event-bus/"):
            return _no_policy  # rules, archives and replays have none
        if service == "execute-api":
            return self._api
        if service == "lambda" and not name.startswith(("function:", "layer:")):
            return _no_policy
        return {
            "sqs": self._queue, "sns": self._topic, "events": self._bus, "lambda": self._function,
            "secretsmanager": self._secret, "dynamodb": self._table, "ecr": self._repository, "logs": self._log_group,
        }.get(service)  # fmt: skip

    def _bucket(self, target: Target) -> bool:
        name = target.arn.rsplit(":", 1)[-1]
        policies = self._on({name}, ("AWS::S3::BucketPolicy", "Bucket"))
        if target.account is None:
            # A bucket takes its policy from its owner only.
            target.account = next((policy.account for policy, attached in policies if attached is YES), None)
        return self._single(target, policies, "bucket policy")

    def _queue(self, target: Target) -> bool:
        _, _, region, account, name = split_arn(target.arn)
        urls = {target.resource.ref} if target.resource else set()
        urls |= {
            f"https://sqs.{region}.amazonaws.com/{account}/{name}",
            f"https://sqs.{region}.amazonaws.com.cn/{account}/{name}",
        }
        policies = self._on(urls, ("AWS::SQS::QueuePolicy", "Queues"), ("AWS::SQS::QueueInlinePolicy", "Queue"))
        return self._single(target, policies, "queue policy")

    def _topic(self, target: Target) -> bool:
        policies = self._on(
            {target.arn}, ("AWS::SNS::TopicPolicy", "Topics"), ("AWS::SNS::TopicInlinePolicy", "TopicArn")
        )
        known = self._single(target, policies, "topic policy")
        if known and not policies:
            document = {
                "Version": "2008-10-17",
                "Statement": {
                    "Sid": "__default_statement_ID",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": _SNS_DEFAULT_ACTIONS,
                    "Resource": target.arn,
                    "Condition": {"StringEquals": {"AWS:SourceOwner": str(target.account)}},
                },
            }
            target.statements += parse(document, PolicyKind.RESOURCE, Place("AWS", target.arn, "default topic policy"))
        return known

    def _key(self, target: Target) -> bool:
        key = target.resource
        if key is None:
            return False
        document = key.get("KeyPolicy")
        if document is None:
            root = f"arn:{key.partition}:iam::{key.account}:root"
            document = {
                "Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "kms:*", "Resource": "*"},
            }
            target.statements += parse(
                document, PolicyKind.RESOURCE, Place(key.stack, key.logical_id, "default key policy")
            )
        else:
            target.statements += _parsed(document, PolicyKind.RESOURCE, key, ("KeyPolicy",), "key policy")
        return True

    def _trust(self, target: Target) -> bool:
        role = target.resource
        if role is None:
            return False
        path = ("AssumeRolePolicyDocument",)
        target.statements += _parsed(role.get(*path), PolicyKind.TRUST, role, path, "trust policy")
        return True

    def _bus(self, target: Target) -> bool:
        _, _, region, _, name = split_arn(target.arn)
        name = name.removeprefix("event-bus/")
        bus = target.resource
        if bus is not None and bus.get("Policy") is not None:
            target.statements += _parsed(bus.get("Policy"), PolicyKind.RESOURCE, bus, ("Policy",), "event bus policy")
        for policy in self.of_type("AWS::Events::EventBusPolicy"):
            attached = _named(policy.get("EventBusName") or "default", {name, target.arn})
            if attached is NO or policy.account != target.account or policy.region != region:
                continue
            statement = policy.get("Statement")
            if statement is None:
                statement = {
                    "Effect": "Allow",
                    "Principal": "*" if policy.get("Principal") == "*" else {"AWS": policy.get("Principal")},
                    "Action": policy.get("Action") or "events:PutEvents",
                    "Resource": target.arn,
                }
                if policy.get("Condition") is not None:
                    condition = policy.get("Condition")
                    fields = condition if isinstance(condition, dict) else {}
                    statement["Condition"] = {str(fields.get("Type")): {str(fields.get("Key")): fields.get("Value")}}
            document = {"Version": "2012-10-17", "Statement": statement}
            place = _place(policy, str(policy.get("StatementId") or "event bus policy"))
            target.statements += _reserved(parse(document, PolicyKind.RESOURCE, place), policy, attached)
        return bus is not None

    def _function(self, target: Target) -> bool:
        resource = target.resource
        layer = ":layer:" in target.arn
        short = {target.arn}
        if resource is not None:
            short |= {resource.ref, f"{resource.account}:function:{resource.ref}"}
        types = ("AWS::Lambda::LayerVersionPermission",) if layer else ("AWS::Lambda::Permission",)
        for permission in self.of_type(*types):
            function = permission.get("LayerVersionArn" if layer else "FunctionName")
            if layer or is_unknown(function):
                problem = NotModelled(f"the permission on {readable(str(function))}")
                if _named(function, {target.arn}) is not NO:
                    target.statements.append(undecided(problem, PolicyKind.RESOURCE, _place(permission, "permission")))
                continue
            base, qualifier = _qualified(str(function))
            if base in short and permission.account == target.account:
                target.statements += self._permission(permission, target.arn, qualifier)
        return resource is not None

    def _permission(self, permission: Resource, arn: str, qualifier: str) -> list[Statement]:
        principal = str(permission.get("Principal"))
        # A service by its name, which has dots; so may a role's have, but that is an ARN.
        service = "." in principal and not principal.startswith("arn:")
        named: object = {"Service" if service else "AWS": principal}
        conditions: dict[str, dict[str, object]] = {}
        for property_, operator, key in (
            ("SourceArn", "ArnLike", "AWS:SourceArn"),
            ("SourceAccount", "StringEquals", "AWS:SourceAccount"),
            ("PrincipalOrgID", "StringEquals", "aws:PrincipalOrgID"),
            ("EventSourceToken", "StringEquals", "lambda:EventSourceToken"),
            ("FunctionUrlAuthType", "StringEquals", "lambda:FunctionUrlAuthType"),
            ("InvokedViaFunctionUrl", "Bool", "lambda:InvokedViaFunctionUrl"),
        ):
            value = permission.get(property_)
            if value is not None:
                conditions.setdefault(operator, {})[key] = value
        document = {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow",
                "Principal": "*" if principal == "*" else named,
                "Action": permission.get("Action"),
                "Resource": f"{arn}:{qualifier}" if qualifier else arn,
                "Condition": conditions,
            },
        }
        statements = parse(document, PolicyKind.RESOURCE, _place(permission, "function permission"))
        for statement in statements:
            statement.place = _place(permission, "function permission")
        return _reserved(statements, permission, YES)

    def _secret(self, target: Target) -> bool:
        policies = self._on({target.arn}, ("AWS::SecretsManager::ResourcePolicy", "SecretId"))
        return self._single(target, policies, "secret policy", "ResourcePolicy")

    def _table(self, target: Target) -> bool:
        of_table, stream, _ = target.arn.partition("/stream/")
        table = self.by_arn.get(of_table)
        if table is None:
            return False
        if stream:
            # A stream has a policy of its own; the table's says nothing about it.
            target.account = table.account
            if _stream_policy(table):
                problem = NotModelled("the resource policy of a table's stream")
                target.statements.append(undecided(problem, PolicyKind.RESOURCE, _place(table, "StreamSpecification")))
        elif table.type == "AWS::DynamoDB::Table":
            if table.get("ResourcePolicy") is not None:
                path = ("ResourcePolicy", "PolicyDocument")
                target.statements += _parsed(table.get(*path), PolicyKind.RESOURCE, table, path, "table policy")
        elif any(isinstance(r, dict) and "ResourcePolicy" in r for _, r in table.items("Replicas")):
            problem = NotModelled("the resource policy of a global table's replica")
            target.statements.append(undecided(problem, PolicyKind.RESOURCE, _place(table, "Replicas")))
        return True

    def _repository(self, target: Target) -> bool:
        repository = target.resource
        if repository is None:
            return False
        path = ("RepositoryPolicyText",)
        if repository.get(*path) is not None:
            target.statements += _parsed(
                repository.get(*path), PolicyKind.RESOURCE, repository, path, "repository policy"
            )
        return True

    def _log_group(self, target: Target) -> bool:
        for policy in self.of_type("AWS::Logs::ResourcePolicy"):
            if policy.account == target.account and policy.region == split_arn(target.arn)[2]:
                target.statements += _parsed(
                    policy.get("PolicyDocument"),
                    PolicyKind.RESOURCE,
                    policy,
                    ("PolicyDocument",),
                    "log resource policy",
                )
        return target.resource is not None

    def _api(self, target: Target) -> bool:
        api_id = split_arn(target.arn)[4].split("/", 1)[0]
        for api in self.of_type("AWS::ApiGatewayV2::Api"):
            if api.ref == api_id:
                target.resource, target.account = api, api.account
                return True  # HTTP and WebSocket APIs have no resource policy
        for api in self.of_type("AWS::ApiGateway::RestApi"):
            if api.ref == api_id:
                target.resource, target.account = api, api.account
                if api.get("Policy") is not None:
                    problem = NotModelled("the resource policy of a REST API, judged by the method's authorizer too")
                    target.statements.append(undecided(problem, PolicyKind.RESOURCE, _place(api, "Policy")))
                return True
        return False

    def _on(self, names: set[str], *types: tuple[str, str]) -> list[tuple[Resource, Match]]:
        """The policies whose property names one of these, or may."""
        return [
            (policy, attached)
            for type_, property_ in types
            for policy in self.of_type(type_)
            if (attached := either(_named(name, names) for _, name in policy.items(property_))) is not NO
        ]

    def _single(
        self, target: Target, policies: list[tuple[Resource, Match]], name: str, property_: str = "PolicyDocument"
    ) -> bool:
        """The policy of a resource that has one at most; whether that much is known."""
        for policy, attached in policies:
            document = policy.get(property_)
            target.statements += _parsed(document, PolicyKind.RESOURCE, policy, (property_,), name, attached)
        sure = [policy for policy, attached in policies if attached is YES]
        if len(sure) > 1:
            names = ", ".join(policy.logical_id for policy in sure)
            problem = NotModelled(f"several policies on one resource, of which the last to deploy wins: {names}")
            target.statements.append(undecided(problem, PolicyKind.RESOURCE, _place(sure[0], name)))
        return target.resource is not None or bool(sure)

    def _unread_policy(self, service: str, target: Target) -> bool:
        """For services whose resource policies are not read: whether this resource surely has none."""
        resource = target.resource
        if resource is not None:
            held = next((p for p in _POLICY_PROPERTIES if resource.raw(p) is not None), None)
            if held and service in _OTHER_SERVICES:
                problem = NotModelled(f"the {held} of {resource.type}")
                target.statements.append(undecided(problem, PolicyKind.RESOURCE, _place(resource, held)))
                return True
        for policy in self._all if service in _OTHER_SERVICES else ():
            service_of_type = policy.type.split("::")[1].lower() if policy.type.startswith("AWS::") else ""
            if service_of_type == service.replace("-", "") and policy.type.endswith(("Policy", "Permission")):
                problem = NotModelled(f"a policy of type {policy.type}")
                target.statements.append(undecided(problem, PolicyKind.RESOURCE, _place(policy, policy.type)))
        return resource is not None or service not in READ_SERVICES | _OTHER_SERVICES


def _stream_policy(table: Resource) -> bool:
    """Whether the stream of a table, or of one of its replicas, has a policy."""
    specifications = [table.get("StreamSpecification")]
    specifications += [r.get("ReplicaStreamSpecification") for _, r in table.items("Replicas") if isinstance(r, dict)]
    return any(isinstance(each, dict) and "ResourcePolicy" in each for each in specifications)


def _no_policy(_target: Target) -> bool:
    return True


def _base(arn: str) -> str:
    """The ARN of what holds the policy: the bucket of an object, the function of a version, the table of an index."""
    parts = arn.split(":", 5)
    if len(parts) != 6:
        return arn
    service, name = parts[2], parts[5]
    if service == "s3" and not parts[3]:
        name = name.split("/", 1)[0]
    elif service == "lambda" and name.startswith("function:"):
        name = ":".join(name.split(":")[:2])
    elif service == "dynamodb" and name.startswith("table/") and "/stream/" not in name:
        name = "/".join(name.split("/")[:2])
    elif service == "logs" and name.startswith("log-group:"):
        name = ":".join(name.split(":")[:2]) + ":*"
    elif service == "execute-api":
        name = name.split("/", 1)[0]
    return ":".join([*parts[:5], name])


def _qualified(function: str) -> tuple[str, str]:
    """A function's name or ARN, and its version or alias."""
    parts = function.split(":")
    if function.startswith("arn:"):
        return ":".join(parts[:7]), ":".join(parts[7:])
    if len(parts) >= 3 and parts[1] == "function":
        return ":".join(parts[:3]), ":".join(parts[3:])
    return parts[0], ":".join(parts[1:])


def _named(value: object, names: set[str]) -> Match:
    """Whether a property names one of them; a value with a part that the template does not tell may."""
    if not isinstance(value, str):
        return MAYBE if is_unknown(value) else NO
    if not is_unknown(value):
        return YES if value in names else NO
    loose = glob(UNKNOWN.sub("*", value))
    return MAYBE if any(loose(name) for name in names) else NO


def _name(resource: Resource, property_: str) -> str:
    value = resource.get(property_)
    return readable(str(value)) if value is not None else resource.logical_id


def _place(resource: Resource, name: str, path: tuple[str | int, ...] = ()) -> Place:
    return Place(resource.stack, resource.logical_id, name, ("Resources", resource.logical_id, "Properties", *path))


def _reserved(statements: list[Statement], resource: Resource, attached: Match) -> list[Statement]:
    """The statements of a policy, which may not be in force if its attachment or existence is open."""
    if resource.exists is MAYBE:
        reservation = NotModelled("a resource under a Condition that the template does not decide", repr(resource))
    elif attached is MAYBE:
        reservation = NotModelled("a policy attached to something that the template does not tell", repr(resource))
    else:
        return statements
    for statement in statements:
        statement.reservation = reservation
    return statements


def _parsed(
    document: object,
    kind: PolicyKind,
    resource: Resource,
    path: tuple[str | int, ...],
    name: str,
    attached: Match = YES,
) -> list[Statement]:
    if isinstance(document, str) and document.lstrip().startswith("{"):
        try:
            document = json.loads(document)
        except json.JSONDecodeError:
            return [undecided(NotModelled("a policy that is no JSON"), kind, _place(resource, name, path))]
    return _reserved(parse(document, kind, _place(resource, name, path)), resource, attached)
