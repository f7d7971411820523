"""The bridge to CDK: stacks to templates, constructs and tokens to their place in a template."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk
from aws_cdk import cx_api
from constructs import Construct

from .template import Exports, Template
from .unknown import readable

_TOKEN = re.compile(r"\$\{Token\[[^\]]*\]\}")
_ASSET_HASH = re.compile(r"\b[0-9a-f]{64}\b")
_ARNS = (
    "role_arn", "user_arn", "bucket_arn", "key_arn", "queue_arn", "topic_arn", "function_arn", "table_arn",
    "state_machine_arn", "event_bus_arn", "secret_arn", "log_group_arn", "user_pool_arn", "parameter_arn",
    "repository_arn", "stream_arn", "delivery_stream_arn", "rule_arn", "policy_arn", "managed_policy_arn",
)  # fmt: skip


class Loader:
    """Turns an app's synthesized stacks into templates and remembers which stack became which.

    Args:
        account: Account of stacks whose environment does not say.
        region: Region of stacks whose environment does not say.
        parameters: Values for the templates' parameters.
    """

    def __init__(self, *, account: str, region: str, parameters: Mapping[str, str]) -> None:
        self.templates: list[Template] = []
        self._account = account
        self._region = region
        self._parameters = parameters
        self._exports: Exports = {}
        self._by_artifact: dict[tuple[str, str], Template] = {}
        self._stage: aws_cdk.Stage | None = None

    def load(self, stage: aws_cdk.Stage) -> None:
        """Synthesize an app or stage, and load all its stacks, those of nested stages too."""
        self._stage = stage
        self._load(stage.synth())
        for template in self.templates:
            template.export()

    def template_of(self, stack: aws_cdk.Stack) -> Template:
        """The template that a stack became."""
        if stack.nested_stack_parent is not None and isinstance(stack.nested_stack_resource, aws_cdk.CfnElement):
            parent = self.template_of(stack.nested_stack_parent)
            logical_id = stack.nested_stack_parent.resolve(stack.nested_stack_resource.logical_id)
            return parent.nested[logical_id]
        stage = aws_cdk.Stage.of(stack)
        key = (stage.artifact_id if stage else "", stack.artifact_id)
        if key not in self._by_artifact:
            raise ValueError(f"{stack.node.path!r} is not among the loaded stacks; load its app: Access.from_app(app)")
        return self._by_artifact[key]

    def arn(self, thing: object) -> tuple[Template | None, str]:
        """Where a construct is declared: its template and logical id; or no template and its concrete ARN.

        Raises:
            ValueError: If it is nothing with an ARN.
        """
        if isinstance(thing, aws_cdk.CfnElement):
            stack = thing.stack
            return self.template_of(stack), stack.resolve(thing.logical_id)
        for name in _ARNS:
            value = getattr(thing, name, None)
            if isinstance(value, str):
                return None, self.concrete(value, thing)
        child = thing.node.default_child if isinstance(thing, Construct) else None
        if isinstance(child, aws_cdk.CfnResource):
            return self.arn(child)
        raise ValueError(f"{_describe(thing)} has no ARN; give one of its resources, a logical id or an ARN")

    def concrete(self, text: str, near: object = None) -> str:
        """A string with its tokens resolved, each in the stack that its construct belongs to."""
        stack = aws_cdk.Stack.of(near) if isinstance(near, Construct) else None
        return _TOKEN.sub(lambda found: self._token(found[0], stack), text)

    def _token(self, text: str, near: aws_cdk.Stack | None) -> str:
        for token in aws_cdk.Tokenization.reverse_string(text).tokens:
            stack = aws_cdk.Stack.of(token.target) if isinstance(token, aws_cdk.Reference) else near
            if stack is None:
                stack = self._some_stack()
            value = self.template_of(stack).resolve(stack.resolve(token))
            if isinstance(value, str):
                return value
        raise ValueError(f"the token {text} is no string")

    def _some_stack(self) -> aws_cdk.Stack:
        """A stack for tokens that belong to none, such as the partition."""
        for construct in self._stage.node.find_all() if self._stage else ():
            if isinstance(construct, aws_cdk.Stack):
                return construct
        raise ValueError("a token, but no loaded stack to resolve it in")

    def _load(self, assembly: cx_api.CloudAssembly) -> None:
        sources = _sources(Path(assembly.directory))
        for artifact in assembly.stacks:
            environment = artifact.environment
            account = environment.account if environment.account.isdigit() else self._account
            region = environment.region if environment.region != "unknown-region" else self._region
            template = self._template(
                artifact.stack_name, artifact.template, account, region, sources, artifact.template_file
            )
            self.templates.append(template)
            self._by_artifact[(_stage_of(assembly), artifact.id)] = template
        for nested in assembly.nested_assemblies:
            self._load(nested.nested_assembly)

    def _template(
        self, name: str, body: Mapping[str, Any], account: str, region: str, sources: Mapping[str, Path], file: str
    ) -> Template:
        nested = {}
        for logical_id, resource in body.get("Resources", {}).items():
            if resource.get("Type") != "AWS::CloudFormation::Stack":
                continue
            found = _ASSET_HASH.search(json.dumps(resource.get("Properties", {}).get("TemplateURL")))
            source = sources.get(found[0]) if found else None
            if source is not None:
                inner = json.loads(source.read_text(encoding="utf-8"))
                nested[logical_id] = self._template(
                    f"{name}/{logical_id}", inner, account, region, sources, source.name
                )
        return Template(
            name,
            body,
            account=account,
            region=region,
            parameters=self._parameters,
            exports=self._exports,
            nested=nested,
            file=file,
        )


def is_construct(thing: object) -> bool:
    """Whether something is a construct, or has an ARN as constructs have."""
    return isinstance(thing, Construct) or any(isinstance(getattr(thing, name, None), str) for name in _ARNS)


def identity_of(thing: object) -> object:
    """The role or user behind something that rights are granted to; else the thing itself."""
    role = getattr(thing, "role", None)
    if role is not None and not isinstance(getattr(thing, "role_arn", None), str) and hasattr(role, "role_arn"):
        return role
    principal = getattr(thing, "grant_principal", None)
    if principal is not None and any(isinstance(getattr(principal, n, None), str) for n in ("role_arn", "user_arn")):
        return principal
    return thing


def _describe(thing: object) -> str:
    return f"the construct {thing.node.path!r}" if isinstance(thing, Construct) else readable(repr(thing))


def _stage_of(assembly: cx_api.CloudAssembly) -> str:
    name = Path(assembly.directory).name
    return name if name.startswith("assembly-") else ""


def _sources(directory: Path) -> dict[str, Path]:
    """Template files of nested stacks by the hash in their URL."""
    sources = {}
    for manifest in directory.glob("*.assets.json"):
        files: Mapping[str, Any] = json.loads(manifest.read_text(encoding="utf-8")).get("files", {})
        for digest, asset in files.items():
            path = asset.get("source", {}).get("path", "")
            if path.endswith(".template.json"):
                sources[digest] = directory / path
    return sources
