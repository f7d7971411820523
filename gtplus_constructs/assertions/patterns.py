"""Wildcards, ARNs and policy variables of the IAM policy language.

Rules: IAM User Guide, "IAM JSON policy elements: Resource", "… Action", "… Condition operators" and "IAM policy
elements: Variables and tags".
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Protocol

from .errors import NotModelled
from .logic import MAYBE, NO, YES, Match
from .unknown import UNKNOWN, is_unknown, readable

_PIECE = re.compile(r"\$\{([^}]*)\}|\x00[^\x01]*\x01")
_ESCAPES = {"*": "*", "?": "?", "$": "$"}
ARN_PARTS = 6


class Keys(Protocol):
    """What a pattern asks of a request: the values of a condition key (see ``context.Context``)."""

    def values(self, key: str) -> "tuple[str, ...] | NotModelled | None":
        """The values, ``None`` for an absent key, or why they cannot be told."""
        ...


@cache
def glob(pattern: str, *, ignore_case: bool = False) -> Callable[[str], re.Match[str] | None]:
    """A matcher for ``*`` (any characters) and ``?`` (one character); all else is literal."""
    body = "".join(_wild(c, "") for c in pattern)
    return re.compile(body, re.DOTALL | (re.IGNORECASE if ignore_case else 0)).fullmatch


def _wild(character: str, barrier: str) -> str:
    if character == "*":
        return f"[^{barrier}]*" if barrier else ".*"
    if character == "?":
        return f"[^{barrier}]" if barrier else "."
    return re.escape(character)


class Pattern:
    """One pattern of a policy, compiled once.

    Args:
        text: The pattern as the policy has it.
        kind: ``"arn"`` compares part by part, a wildcard staying within its part except in the last;
            ``"like"`` has wildcards; ``"equals"`` has none.
        variables: Whether ``${…}`` is a policy variable: it is from version 2012-10-17 on.
        ignore_case: Whether letters compare regardless of case.
    """

    __slots__ = ("_cache", "_match", "_pieces", "ignore_case", "kind", "text", "unsure")

    def __init__(self, text: str, kind: str, *, variables: bool = True, ignore_case: bool = False) -> None:
        self.text = text
        self.kind = kind
        self.ignore_case = ignore_case
        self.unsure = is_unknown(text)
        self._pieces = self._split(text, variables)
        self._cache: dict[tuple[str, ...], Callable[[str], re.Match[str] | None]] = {}
        self._match = None if self.variables else self._compile(())
        if kind == "arn" and not self.unsure:
            self._check_arn()

    @property
    def variables(self) -> tuple[str, ...]:
        """The condition keys that the pattern names."""
        return tuple(name for kind, name in self._pieces if kind == "variable")

    def match(self, value: str, keys: Keys) -> Match:
        """Whether a value matches in a request."""
        compiled = self._match
        if compiled is None:
            substituted = []
            for name in self.variables:
                found = keys.values(name)
                if found is None:
                    return NO  # IAM: an element with a variable that the request lacks matches nothing
                if isinstance(found, NotModelled) or len(found) != 1:
                    return MAYBE
                substituted.append(found[0])
            compiled = self._cached(tuple(substituted))
        if compiled(value) is None:
            return NO
        return MAYBE if self.unsure else YES

    def doubts(self, keys: Keys) -> list[NotModelled]:
        """Why a match cannot be told, if so."""
        doubts = [
            NotModelled(f"the template does not tell the value of {found}") for found in UNKNOWN.findall(self.text)
        ]
        for name in self.variables:
            value = keys.values(name)
            if isinstance(value, NotModelled):
                doubts.append(value)
            elif value is not None and len(value) != 1:
                doubts.append(NotModelled(f"the policy variable ${{{name}}} of a key with {len(value)} values"))
        return doubts

    def absent(self, keys: Keys) -> str | None:
        """The first variable that the request lacks."""
        return next((name for name in self.variables if keys.values(name) is None), None)

    def __str__(self) -> str:
        return readable(self.text)

    def _split(self, text: str, variables: bool) -> list[tuple[str, str]]:
        pieces: list[tuple[str, str]] = []
        end = 0
        for found in _PIECE.finditer(text):
            pieces.append(("text", text[end : found.start()]))
            end = found.end()
            name = found[1]
            if name is None:
                pieces.append(("unknown", found[0]))
            elif not variables:
                pieces.append(("text", found[0]))
            elif name in _ESCAPES:
                pieces.append(("literal", _ESCAPES[name]))
            elif "," in name:
                raise NotModelled(f"a default value in a policy variable: {readable(text)}")
            elif not re.fullmatch(r"[A-Za-z0-9-]+:[^{}$*?]+", name.strip()):
                raise NotModelled(f"the policy variable ${{{name}}} in {readable(text)}")
            else:
                pieces.append(("variable", name.strip().lower()))
        pieces.append(("text", text[end:]))
        return [piece for piece in pieces if piece[1]]

    def _check_arn(self) -> None:
        if self.text == "*":
            return
        parts = "".join(text if kind == "text" else "x" for kind, text in self._pieces).split(":", ARN_PARTS - 1)
        if len(parts) < ARN_PARTS or parts[0] != "arn":
            raise NotModelled(f"a pattern that is neither an ARN of six parts nor *: {self}")
        if "*" in parts[2] or "?" in parts[2]:
            raise NotModelled(f"a wildcard in the service of an ARN: {self}")

    def _cached(self, substituted: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
        compiled = self._cache.get(substituted)
        if compiled is None:
            compiled = self._cache[substituted] = self._compile(substituted)
        return compiled

    def _compile(self, substituted: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
        values = iter(substituted)
        # Where a part is unknown it may hold colons too, so the parts of the ARN cannot be told apart.
        by_part = self.kind == "arn" and not self.unsure and self.text != "*"
        wild = self.kind != "equals"
        colons = 0
        body = []
        for kind, text in self._pieces:
            if kind == "unknown":
                body.append(".*")
            elif kind == "variable":
                body.append(re.escape(next(values)))
            elif kind == "literal" or not wild:
                body.append(re.escape(text))
            else:
                for character in text:
                    colons += character == ":"
                    body.append(_wild(character, ":" if by_part and colons < ARN_PARTS - 1 else ""))
        return re.compile("".join(body), re.DOTALL | (re.IGNORECASE if self.ignore_case else 0)).fullmatch


def split_arn(arn: str) -> tuple[str, str, str, str, str]:
    """The partition, service, Region, account and resource of a concrete ARN.

    Raises:
        ValueError: If it is no ARN.
    """
    parts = arn.split(":", ARN_PARTS - 1)
    if len(parts) != ARN_PARTS or parts[0] != "arn":
        raise ValueError(f"not an ARN: {readable(arn)!r}")
    return parts[1], parts[2], parts[3], parts[4], parts[5]
