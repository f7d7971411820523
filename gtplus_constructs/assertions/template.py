"""A synthesized template with its intrinsics resolved.

Rules: CloudFormation User Guide, "Intrinsic function reference", "Pseudo parameters reference", "Condition functions".
What only a deployment knows stays in the value as an unknown part (see ``unknown``).
"""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property

from . import physical
from .errors import NotModelled
from .logic import MAYBE, NO, YES, Match
from .patterns import split_arn
from .unknown import is_unknown, readable, unknown

_NO_VALUE = object()
_SUB = re.compile(r"\$\{([^}]*)\}")
_DYNAMIC = re.compile(r"\{\{resolve:([^}]*)\}\}")
_PARTITIONS = {  # by how the Region starts: partition, URL suffix
    "cn-": ("aws-cn", "amazonaws.com.cn"),
    "us-gov-": ("aws-us-gov", "amazonaws.com"),
    "us-iso-": ("aws-iso", "c2s.ic.gov"),
    "us-isob-": ("aws-iso-b", "sc2s.sgov.gov"),
    "eu-isoe-": ("aws-iso-e", "cloud.adc-e.uk"),
    "us-isof-": ("aws-iso-f", "csp.hci.ic.gov"),
    "eusc-": ("aws-eusc", "amazonaws.eu"),
}
Exports = dict[tuple[str, str, str], object]


class Resource:
    """One resource of a template."""

    def __init__(self, template: "Template", logical_id: str, body: Mapping[str, object]) -> None:
        self.template = template
        self.logical_id = logical_id
        self.type = str(body.get("Type"))
        self._body = body
        self._cache: dict[tuple[str, ...], object] = {}

    @property
    def stack(self) -> str:
        return self.template.name

    @property
    def account(self) -> str:
        return self.template.account

    @property
    def region(self) -> str:
        return self.template.region

    @property
    def partition(self) -> str:
        return self.template.partition

    @property
    def suffix(self) -> str:
        return self.template.suffix

    @cached_property
    def exists(self) -> Match:
        """Whether the resource's Condition lets it exist."""
        name = self._body.get("Condition")
        return YES if name is None else self.template.condition(str(name))

    @cached_property
    def arn(self) -> str | None:
        """The ARN that policies name it by, if the type is known."""
        return physical.arn(self)

    @cached_property
    def ref(self) -> str:
        """What Ref gives."""
        return physical.ref(self)

    def raw(self, *path: str) -> object:
        """A property as the template has it."""
        value: object = self._body.get("Properties", {})
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        return value

    def get(self, *path: str) -> object:
        """A property, intrinsics resolved; ``None`` if it is not there."""
        if path not in self._cache:
            value = self.template.resolve(self._body.get("Properties", {}), path)
            self._cache[path] = None if value is _NO_VALUE else value
        return self._cache[path]

    def items(self, *path: str) -> list[tuple[int, object]]:
        """A list property, resolved, each item with its index; a single value counts as a list of one."""
        value = self.get(*path)
        if value is None:
            return []
        return list(enumerate(value)) if isinstance(value, list) else [(0, value)]

    def __repr__(self) -> str:
        return f"{self.stack}/{self.logical_id} ({self.type})"


class Template:
    """One template: its resources, and the values of its intrinsics.

    Args:
        name: The stack's name.
        body: The template.
        account: The account it is deployed to.
        region: The Region it is deployed to.
        parameters: Values for its parameters.
        exports: The exports of all templates loaded together, filled as templates are added.
        nested: Templates of its nested stacks by logical id.
        file: Where CDK wrote it, for messages.
    """

    def __init__(
        self,
        name: str,
        body: Mapping[str, object],
        *,
        account: str,
        region: str,
        parameters: Mapping[str, str] | None = None,
        exports: Exports | None = None,
        nested: Mapping[str, "Template"] | None = None,
        file: str = "",
    ) -> None:
        self.name = name
        self.body = body
        self.account = account
        self.region = region
        self.partition, self.suffix = next(
            (value for prefix, value in _PARTITIONS.items() if region.startswith(prefix)), ("aws", "amazonaws.com")
        )
        self.file = file
        self.nested = dict(nested or {})
        self.parent: tuple[Template, Resource] | None = None
        self._parameters = dict(parameters or {})
        self._exports: Exports = {} if exports is None else exports
        self._refs: dict[str, object] = {}
        self._resolving: list[str] = []
        resources = self._section("Resources")
        if odd := next((key for key in resources if key.startswith("Fn::")), None):
            raise NotModelled(f"{odd} in Resources", name)
        self.resources = {
            logical_id: Resource(self, logical_id, resource)
            for logical_id, resource in resources.items()
            if isinstance(resource, Mapping)
        }
        for logical_id, child in self.nested.items():
            child.parent = (self, self.resources[logical_id])

    @cached_property
    def macros(self) -> list[str]:
        """What changes the template, or a nested one, on its way; but for what only adds intrinsic functions."""
        named = [str(macro) for macro in _list(self.body.get("Transform", [])) if macro != "AWS::LanguageExtensions"]
        where = {"the template": self.body, **self._section("Resources")}
        included = [
            f"Fn::Transform in {name}"
            for name, part in where.items()
            if isinstance(part, Mapping)
            and any("Fn::Transform" in keys for keys in (part, part.get("Properties") or ()))
        ]
        return [*named, *included, *(macro for child in self.nested.values() for macro in child.macros)]

    @cached_property
    def existing(self) -> list[Resource]:
        """The resources that exist, or may."""
        return [resource for resource in self.resources.values() if resource.exists is not NO]

    def export(self) -> None:
        """Make the outputs known to the other templates; call it once all of them are made."""
        for name, output in self._section("Outputs").items():
            if not isinstance(output, Mapping):
                continue
            value = self._lazily(output.get("Value"))
            # By its stack, for Fn::GetStackOutput: the name of an export has no dot in it.
            self._exports[self.account, self.region, f"{self.name}.{name}"] = value
            if isinstance(output.get("Export"), Mapping):
                self._exports[self.account, self.region, str(self.resolve(output["Export"].get("Name")))] = value

    def output(self, name: str) -> object:
        """The value of an output."""
        output = self._section("Outputs").get(name)
        if not isinstance(output, Mapping):
            return unknown(f"output {name} of {self.name}")
        return self.resolve(output.get("Value"))

    def resolve(self, value: object, path: tuple[str, ...] = ()) -> object:
        """A value with its intrinsics resolved, or the part of it at a path; parts may be unknown.

        Only what is on the path is resolved.
        """
        for step in path:
            value = self._part(value)
            if isinstance(value, str) and is_unknown(value):
                return value
            if not isinstance(value, Mapping) or step not in value:
                return None
            value = value[step]
        return self._resolve(value)

    def condition(self, name: str) -> Match:
        """Whether one of the template's Conditions holds."""
        conditions = self._section("Conditions")
        if name not in conditions:
            return MAYBE
        with _Guard(self._resolving, f"Condition {name}"):
            return self._condition(conditions[name])

    def _section(self, name: str) -> Mapping[str, object]:
        section = self.body.get(name, {})
        return section if isinstance(section, Mapping) else {}

    def _lazily(self, value: object) -> object:
        return lambda: self.resolve(value)

    def _part(self, value: object) -> object:
        return self._resolve(value) if _function(value) else value

    def _resolve(self, value: object) -> object:
        if isinstance(value, str):
            return _DYNAMIC.sub(lambda found: unknown(f"the dynamic reference {found[1]}"), value)
        if isinstance(value, list):
            return [item for raw in value if (item := self._resolve(raw)) is not _NO_VALUE]
        if not isinstance(value, Mapping):
            return value
        if name := _function(value):
            return self._call(name, value[name])
        resolved = {str(key): self._resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def _call(self, name: str, argument: object) -> object:
        if name == "Ref":
            return self.ref(str(argument))
        if name == "Fn::GetAtt":
            return self.attribute(argument)
        if name == "Fn::Sub":
            return self._sub(argument)
        if name == "Fn::If":
            return self._if(argument)
        if name == "Fn::ImportValue":
            return self._import(self._resolve(argument))
        if name == "Fn::GetStackOutput":
            return self._stack_output(self._resolve(argument))
        arguments = self._resolve(argument)
        if name == "Fn::Base64":
            text = str(arguments)
            return unknown("Fn::Base64") if is_unknown(text) else base64.b64encode(text.encode()).decode()
        if name == "Fn::ToJsonString":
            return json.dumps(arguments, separators=(",", ":"))
        if isinstance(arguments, list):
            if name == "Fn::Join" and len(arguments) == 2:
                return self._join(arguments[0], arguments[1])
            if name == "Fn::Split" and len(arguments) == 2 and not is_unknown(arguments):
                return str(arguments[1]).split(str(arguments[0]))
            if name == "Fn::Select" and len(arguments) == 2 and isinstance(arguments[1], list):
                items, index = arguments[1], str(arguments[0])
                if index.isdigit() and int(index) < len(items):
                    return items[int(index)]
            if name == "Fn::FindInMap" and len(arguments) >= 3 and not is_unknown(arguments):
                return self._find_in_map([str(step) for step in arguments[:3]])
        return unknown(f"{name} {readable(str(arguments))[:80]}")

    def ref(self, name: str) -> object:
        """What ``Ref`` gives."""
        if name not in self._refs:
            with _Guard(self._resolving, f"Ref {name}"):
                self._refs[name] = self._ref(name)
        return self._refs[name]

    def _ref(self, name: str) -> object:
        pseudo = {
            "AWS::AccountId": self.account,
            "AWS::Region": self.region,
            "AWS::Partition": self.partition,
            "AWS::URLSuffix": self.suffix,
            "AWS::StackName": self.name,
            "AWS::StackId": f"arn:{self.partition}:cloudformation:{self.region}:{self.account}:stack/{self.name}/id",
            "AWS::NotificationARNs": [],
            "AWS::NoValue": _NO_VALUE,
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.resources:
            return self.resources[name].ref
        declared = self._section("Parameters").get(name)
        if not isinstance(declared, Mapping):
            return unknown(f"Ref {name}, which {self.name} does not declare")
        kind = str(declared.get("Type"))
        if name in self._parameters:
            return _parameter(self._parameters[name], kind)
        if self.parent is not None:
            stack, resource = self.parent
            given = stack.resolve(resource.raw("Parameters", name))
            if given is not None:
                return _parameter(given, kind)
        if "Default" in declared and not kind.startswith("AWS::SSM::"):
            return _parameter(declared["Default"], kind)
        return unknown(f"the parameter {name} of {self.name}: give it, parameters={{{name!r}: …}}")

    def attribute(self, argument: object) -> object:
        """What ``Fn::GetAtt`` gives."""
        parts = (
            argument.split(".", 1) if isinstance(argument, str) else [str(self._resolve(a)) for a in _list(argument)]
        )
        if len(parts) != 2 or parts[0] not in self.resources:
            return unknown(f"Fn::GetAtt {argument}")
        logical_id, name = parts
        resource = self.resources[logical_id]
        if resource.type == "AWS::CloudFormation::Stack" and name.startswith("Outputs.") and logical_id in self.nested:
            return self.nested[logical_id].output(name.removeprefix("Outputs."))
        key = f"{logical_id}.{name}"
        if key not in self._refs:
            with _Guard(self._resolving, f"Fn::GetAtt {key}"):
                self._refs[key] = physical.attribute(resource, name)
        return self._refs[key]

    def _sub(self, argument: object) -> object:
        text: object = argument
        names: Mapping[str, object] = {}
        if isinstance(argument, list) and len(argument) == 2 and isinstance(argument[1], Mapping):
            text, names = argument[0], argument[1]
        if not isinstance(text, str):
            return unknown("Fn::Sub")

        def value(found: re.Match[str]) -> str:
            name = found[1].strip()
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in names:
                return _string(self._resolve(names[name]))
            return _string(self.attribute(name) if "." in name else self.ref(name))

        return _SUB.sub(value, text)

    def _if(self, argument: object) -> object:
        arguments = _list(argument)
        if len(arguments) != 3:
            return unknown("Fn::If")
        holds = self.condition(str(arguments[0]))
        if holds is MAYBE:
            return unknown(f"Fn::If {arguments[0]}, a condition that the template does not decide")
        return self._resolve(arguments[1 if holds is YES else 2])

    def _import(self, name: object) -> object:
        key = (self.account, self.region, str(name))
        return self._exported(key, f"Fn::ImportValue {name}, which no loaded template exports")

    def _stack_output(self, reference: object) -> object:
        if not isinstance(reference, Mapping):
            return unknown(f"Fn::GetStackOutput {reference}")
        # Of another account it is read as a role of that account.
        account = split_arn(str(reference["RoleArn"]))[3] if "RoleArn" in reference else self.account
        key = (
            account,
            str(reference.get("Region", self.region)),
            f"{reference['StackName']}.{reference['OutputName']}",
        )
        return self._exported(key, f"Fn::GetStackOutput {key[2]}, which no loaded template has")

    def _exported(self, key: tuple[str, str, str], otherwise: str) -> object:
        if key not in self._exports:
            return unknown(otherwise)
        value = self._exports[key]
        if callable(value):
            with _Guard(self._resolving, f"the output {key[2]}"):
                value = self._exports[key] = value()
        return value

    def _join(self, separator: object, items: object) -> str:
        if not isinstance(items, list):
            return str(items) if isinstance(items, str) else unknown("Fn::Join")
        return str(separator).join(_string(item) for item in items)

    def _find_in_map(self, steps: list[str]) -> object:
        value: object = self._section("Mappings")
        for step in steps:
            if not isinstance(value, Mapping) or step not in value:
                return unknown(f"Fn::FindInMap {steps}")
            value = value[step]
        return value

    def _condition(self, raw: object) -> Match:
        if not isinstance(raw, Mapping) or len(raw) != 1:
            return MAYBE
        name, argument = next(iter(raw.items()))
        if name == "Condition":
            return self.condition(str(argument))
        if name == "Fn::Equals" and len(_list(argument)) == 2:
            left, right = (self._resolve(side) for side in _list(argument))
            if is_unknown(left) or is_unknown(right):
                return MAYBE
            return YES if _string(left) == _string(right) else NO
        holds = [self._condition(part) for part in _list(argument)]
        if name == "Fn::Not" and len(holds) == 1:
            return (YES, MAYBE, NO)[holds[0]]
        if name == "Fn::And":
            return min(holds)
        if name == "Fn::Or":
            return max(holds)
        return MAYBE

    def line(self, path: tuple[str | int, ...]) -> int | None:
        """The line of a part of the template in the file that CDK wrote; ``None`` if it is not from a file."""
        if not self.file:
            return None
        mark = "\x02mark\x02"
        text = json.dumps(_marked(self.body, path, mark), indent=1, ensure_ascii=False)
        return text[: text.index(json.dumps(mark))].count("\n") + 1 if json.dumps(mark) in text else None


class _Guard:
    """Refuses a value that refers to itself, where Python would recurse until it fails."""

    def __init__(self, stack: list[str], name: str) -> None:
        self._stack, self._name = stack, name

    def __enter__(self) -> None:
        if self._name in self._stack:
            raise NotModelled(f"a reference to itself: {' → '.join([*self._stack, self._name])}")
        self._stack.append(self._name)

    def __exit__(self, *_error: object) -> None:
        self._stack.pop()


def _function(value: object) -> str | None:
    if isinstance(value, Mapping) and len(value) == 1:
        name = next(iter(value))
        if name == "Ref" or (isinstance(name, str) and name.startswith("Fn::")):
            return str(name)
    return None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]


def _string(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    return unknown(f"{type(value).__name__} in a string")


def _parameter(value: object, kind: str) -> object:
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    return [item.strip() for item in str(value).split(",")] if is_list and not isinstance(value, list) else value


def _marked(value: object, path: tuple[str | int, ...], mark: str) -> object:
    if not path:
        return mark
    step, rest = path[0], path[1:]
    if isinstance(value, Mapping) and isinstance(step, str) and step in value:
        return {key: _marked(item, rest, mark) if key == step else item for key, item in value.items()}
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return [_marked(item, rest, mark) if index == step else item for index, item in enumerate(value)]
    return value


def resources(templates: list[Template]) -> Iterator[Resource]:
    """All resources that exist, or may, of all templates and their nested ones."""
    for template in templates:
        yield from template.existing
        yield from resources(list(template.nested.values()))
