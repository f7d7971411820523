"""Options that do not fit are told all at once, before any resource exists."""

import re
from collections.abc import Iterable, Sequence

from aws_cdk import Token

from gtplus_runtime.forms import NAME
from gtplus_runtime.problems import Problem, counted, shown

_PREFIX = re.compile(r"(?:[A-Za-z0-9!_.()'=@:+,-]+(?: [A-Za-z0-9!_.()'=@:+,-]+)*/)+")


def raise_all(construct: str, problems: Iterable[Problem]) -> None:
    """Raise one error that lists every problem.

    Args:
        construct: the construct whose options they are.
        problems: what is wrong.

    Raises:
        ValueError: if there is any.
    """
    found = list(problems)
    if found:
        lines = "".join(f"\n  {problem}" for problem in found)
        raise ValueError(f"{construct}: {counted(found)} with its options{lines}")


def check_prefixes(option: str, prefixes: Sequence[str]) -> list[Problem]:
    """What is wrong with key prefixes: each must end in `/`, be no wildcard, and climb nowhere."""
    problems = []
    for prefix in prefixes:
        if Token.is_unresolved(prefix):
            continue
        if not prefix.endswith("/"):
            # `raw` would match `raw-secret/` too.
            problems.append(Problem(f'"{option}"', "a prefix ends in /", shown(prefix), f"write {prefix + '/'!r}"))
        elif not _PREFIX.fullmatch(prefix) or {".", ".."} & set(prefix.split("/")):
            mend = "use folder names without * ? { } .. or a leading /"
            problems.append(Problem(f'"{option}"', "a prefix is literal folders", shown(prefix), mend))
    return problems


def check_disjoint(first: tuple[str, Sequence[str]], second: tuple[str, Sequence[str]]) -> list[Problem]:
    """What overlaps between two options of prefixes: labels must never replace the data they are about."""
    return [
        Problem(
            f'"{first[0]}" and "{second[0]}"',
            "must not overlap, or a label could replace the data",
            f"{one!r} and {other!r}",
            "choose folders that do not hold each other",
        )
        for one in first[1]
        for other in second[1]
        # One without a slash is told of already, and '' would overlap with all.
        if one.endswith("/") and other.endswith("/")
        if one.startswith(other) or other.startswith(one)
    ]


def check_id(option: str, value: str) -> list[Problem]:
    """What is wrong with an id that stands in paths, names and policies: lower case, digits, hyphens, at most 48."""
    if Token.is_unresolved(value):
        return [Problem(f'"{option}"', "must be known at synth", "a token", "write it out")]
    if NAME.fullmatch(value) and value == value.lower() and len(value) <= 48:
        return []
    rule = "1 to 48 lower-case letters, digits and inner hyphens"
    return [Problem(f'"{option}"', rule, shown(value), "choose such an id")]


def check_either(create: tuple[str, object], bring: tuple[str, object]) -> list[Problem]:
    """What is wrong where something is both brought and to be created."""
    if create[1] is None or bring[1] is None:
        return []
    rule = f'either brings "{bring[0]}" or creates by "{create[0]}"'
    return [Problem(f'"{bring[0]}"', rule, "both", "leave one of them out")]
