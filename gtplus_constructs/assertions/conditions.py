"""The Condition element: every operator, ``IfExists``, ``ForAllValues``, ``ForAnyValue``, ``Null``.

Rules: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multi-valued context
keys".
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from .context import as_text, holds_several
from .errors import NotModelled
from .logic import MAYBE, NO, YES, Match, either, every, negate
from .patterns import Keys, Pattern
from .unknown import is_unknown, readable

_OPERATOR = re.compile(r"(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?")
_NOT = re.compile(r"^(String|Arn|Numeric|Date)Not|^Not(?=IpAddress)")


# What IAM takes, where Python takes more: 1_000, inf, week dates, 10.0.0.0/255.0.0.0.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_NETWORK = re.compile(r"[0-9a-f:.]+(/\d{1,3})?", re.IGNORECASE | re.ASCII)


def _exact(form: re.Pattern[str], text: str) -> str:
    if not form.fullmatch(text):
        raise ValueError(text)
    return text


def _number(text: str) -> float:
    return float(_exact(_NUMBER, text))


def _moment(text: str) -> float:
    if re.fullmatch(r"-?\d+", text):
        return float(text)  # seconds, as in aws:EpochTime
    moment = datetime.fromisoformat(_exact(_MOMENT, text))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _network(text: str) -> Any:
    return ipaddress.ip_network(_exact(_NETWORK, text), strict=False)


def _address(text: str) -> Any:
    return ipaddress.ip_address(text)


def _binary(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _inside(address: Any, network: Any) -> bool:
    return bool(address.version == network.version and address in network)


# operator: how to read the request's value, how to read the policy's, how to compare them
_TYPED: dict[str, tuple[Callable[[str], Any], Callable[[str], Any], Callable[[Any, Any], bool]]] = {
    "NumericEquals": (_number, _number, lambda a, b: a == b),
    "NumericLessThan": (_number, _number, lambda a, b: a < b),
    "NumericLessThanEquals": (_number, _number, lambda a, b: a <= b),
    "NumericGreaterThan": (_number, _number, lambda a, b: a > b),
    "NumericGreaterThanEquals": (_number, _number, lambda a, b: a >= b),
    "DateEquals": (_moment, _moment, lambda a, b: a == b),
    "DateLessThan": (_moment, _moment, lambda a, b: a < b),
    "DateLessThanEquals": (_moment, _moment, lambda a, b: a <= b),
    "DateGreaterThan": (_moment, _moment, lambda a, b: a > b),
    "DateGreaterThanEquals": (_moment, _moment, lambda a, b: a >= b),
    "Bool": (_truth, _truth, lambda a, b: a == b),
    "BinaryEquals": (_binary, _binary, lambda a, b: a == b),
    "IpAddress": (_address, _network, _inside),
}
_TEXTUAL = {  # operator: kind of pattern, case ignored
    "StringEquals": ("equals", False),
    "StringEqualsIgnoreCase": ("equals", True),
    "StringLike": ("like", False),
    "ArnEquals": ("arn", False),
    "ArnLike": ("arn", False),
}


@dataclass(frozen=True, slots=True)
class _Typed:
    """A policy value of a type other than text."""

    operator: str
    text: str
    value: Any

    def match(self, text: str, _keys: Keys) -> Match:
        read, _, compare = _TYPED[self.operator]
        try:
            value = read(text)
        except (ValueError, binascii.Error):
            raise ValueError(f"context: {text!r} is no value for {self.operator}") from None
        return YES if compare(value, self.value) else NO

    def doubts(self, _keys: Keys) -> list[NotModelled]:
        return []

    def absent(self, _keys: Keys) -> str | None:
        return None

    def __str__(self) -> str:
        return self.text


class Condition:
    """One operator with one key of a Condition element.

    Args:
        operator: The operator as the policy has it, such as ``ForAnyValue:StringLikeIfExists``.
        key: The condition key.
        values: The policy's values for it, intrinsics resolved.
        variables: Whether ``${…}`` is a policy variable in this version of the language.

    Raises:
        NotModelled: If the operator or a value is not one that the engine knows.
    """

    __slots__ = ("_values", "if_exists", "key", "negated", "operator", "quantifier", "several")

    def __init__(self, operator: str, key: str, values: object, *, variables: bool = True) -> None:
        found = _OPERATOR.fullmatch(operator)
        quantifier, base, if_exists = found.groups() if found else (None, operator, None)
        self.operator = operator
        self.key = key
        self.quantifier = quantifier
        self.if_exists = if_exists is not None
        self.several = holds_several(key.lower())
        self.negated = _NOT.match(base) is not None
        positive = _NOT.sub(lambda match: match[1] or "", base) if self.negated else base
        if positive not in _TYPED and positive not in _TEXTUAL and positive != "Null":
            raise NotModelled(f"the condition operator {operator}")
        if positive == "Null" and (quantifier or if_exists):
            raise NotModelled(f"the condition operator {operator}: Null takes neither IfExists nor a set operator")
        if is_unknown(key):
            raise NotModelled(f"a condition key that the template does not tell: {readable(key)}")
        if ":" not in key or "$" in key:
            raise NotModelled(f"the condition key {key!r}")
        items = values if isinstance(values, list) else [values]
        if not items or any(isinstance(item, list | dict) or item is None for item in items):
            raise NotModelled(f"the values of {operator} {key}: {readable(str(values))}")
        self._values = [self._parse(positive, as_text(item), variables) for item in items]

    @property
    def wanted(self) -> list[str]:
        """The policy's values, for people."""
        return [readable(str(value)) for value in self._values]

    def match(self, keys: Keys) -> Match:
        """Whether the condition holds in a request."""
        key = self.key.lower()
        found = keys.values(key)
        if isinstance(found, NotModelled):
            return MAYBE
        if self.operator == "Null":
            return either(value.match("false" if found else "true", keys) for value in self._values)
        if not found:
            if self.quantifier == "ForAnyValue" and self.if_exists:
                return MAYBE  # IfExists says true, ForAnyValue says false, and AWS does not say which wins
            if self.quantifier == "ForAllValues" or self.if_exists:
                return YES
            return YES if self.negated and self.quantifier is None else NO
        if self.quantifier == "ForAllValues":
            return every(self._one(value, keys) for value in found)
        if self.quantifier == "ForAnyValue":
            return either(self._one(value, keys) for value in found)
        if len(found) > 1 or self.several:
            return MAYBE
        return self._one(found[0], keys)

    def doubts(self, keys: Keys) -> list[NotModelled]:
        """Why it cannot be told whether the condition holds, if so."""
        found = keys.values(self.key.lower())
        if isinstance(found, NotModelled):
            return [found]
        doubts = [doubt for value in self._values for doubt in value.doubts(keys)]
        if not found and self.quantifier == "ForAnyValue" and self.if_exists:
            doubts.append(NotModelled(f"{self.operator} on {self.key}, which the request lacks"))
        if found and self.quantifier is None and (len(found) > 1 or self.several):
            doubts.append(
                NotModelled(
                    f"{self.operator} on {self.key}, which holds several values, without ForAllValues or ForAnyValue"
                )
            )
        if self.negated:
            doubts += [
                NotModelled(f"{self.operator} on {self.key} with ${{{name}}}, which the request lacks")
                for value in self._values
                if (name := value.absent(keys))
            ]
        return doubts

    def explain(self, keys: Keys) -> str:
        """What the condition wants and what the request has."""
        found = keys.values(self.key.lower())
        if isinstance(found, NotModelled):
            has = "unknown"
        else:
            has = "absent" if found is None else ", ".join(repr(value) for value in found) or "empty"
        return f"{self.operator} {self.key} wants {' or '.join(repr(v) for v in self.wanted)}; the request has {has}"

    def _one(self, value: str, keys: Keys) -> Match:
        matched = either(wanted.match(value, keys) for wanted in self._values)
        if not self.negated:
            return matched
        if matched is NO and any(wanted.absent(keys) for wanted in self._values):
            return MAYBE  # AWS does not document a negated comparison with an absent variable
        return negate(matched)

    def _parse(self, base: str, text: str, variables: bool) -> Pattern | _Typed:
        if base in _TEXTUAL:
            kind, ignore_case = _TEXTUAL[base]
            return Pattern(text, kind, variables=variables, ignore_case=ignore_case)
        if is_unknown(text):
            raise NotModelled(
                f"{self.operator} {self.key} with a value that the template does not tell: {readable(text)}"
            )
        if "${" in text:
            raise NotModelled(f"a policy variable in {self.operator}, which takes none: {text}")
        operator = "Bool" if base == "Null" else base
        try:
            return _Typed(operator, text, _TYPED[operator][1](text))
        except (ValueError, binascii.Error):
            raise NotModelled(f"{self.operator} {self.key} with the value {text!r}") from None
