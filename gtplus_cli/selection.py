"""A part of a manifest: the lines that meet conditions, or a random sample of them. Pure.

A condition is `ATTRIBUTE OPERATOR VALUE`, as in `camera=north`, `weather.rain>=0.5`, `label!=null`. A dot leads into
an attribute; the operators are `=`, `!=`, `<`, `<=`, `>`, `>=`; the value is JSON where it is some (`7`, `true`,
`"7"`), else text. An attribute that is not there is unlike every value, and neither smaller nor larger.
"""

import hashlib
import heapq
import json
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from gtplus_runtime.json_lines import read_lines
from gtplus_runtime.problems import Problem, shown

_CONDITION = re.compile(r"\s*([^=!<>]+?)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Condition(NamedTuple):
    """One condition on a line.

    Attributes:
        path: the attribute, and the names inside it.
        operator: one of `=`, `!=`, `<`, `<=`, `>`, `>=`.
        value: what it is held against.
    """

    path: tuple[str, ...]
    operator: str
    value: Any

    @classmethod
    def parse(cls, text: str) -> "Condition":
        """Read a condition.

        Raises:
            ValueError: where it is none; says how to write one.
        """
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise ValueError("write e.g. camera=north or weather.rain>=0.5")
        name, sign, value = match.groups()
        try:
            parsed = json.loads(value)
        except ValueError:
            parsed = value
        if sign in _ORDERS and not isinstance(parsed, int | float | str):
            raise ValueError(f"{sign} takes a number or a text")
        return cls(tuple(name.split(".")), sign, parsed)

    def holds(self, entry: Any) -> bool:
        """Whether a line's value meets it."""
        for name in self.path:
            if not isinstance(entry, dict) or name not in entry:
                return self.operator == "!="
            entry = entry[name]
        if self.operator in ("=", "!="):
            return _same(entry, self.value) == (self.operator == "=")
        numbers = _is_number(entry) and _is_number(self.value)
        texts = isinstance(entry, str) and isinstance(self.value, str)
        return (numbers or texts) and _ORDERS[self.operator](entry, self.value)


def parse_conditions(texts: Sequence[str]) -> tuple[list[Condition], list[Problem]]:
    """Read conditions: those that are some, and what is wrong with the others."""
    conditions, problems = [], []
    for text in texts:
        try:
            conditions.append(Condition.parse(text))
        except ValueError as error:
            problems.append(Problem("--where", "ATTRIBUTE OPERATOR VALUE", shown(text), str(error)))
    return conditions, problems


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(left: object, right: object) -> bool:
    # To Python, 1 and true are equal.
    return isinstance(left, bool) == isinstance(right, bool) and left == right


class Selection(NamedTuple):
    """Which lines of a manifest are taken.

    A sample is drawn without replacement: the lines are ordered by the SHA-256 of `SEED:` and their object, and the
    first are taken. So the same seed gives the same sample, whatever the order of the lines, and a larger sample holds
    the smaller one.

    Attributes:
        conditions: all must hold.
        sample: how many lines to draw; None for all.
        seed: of the draw.
    """

    conditions: Sequence[Condition] = ()
    sample: int | None = None
    seed: int = 0

    def lines(self, file: BinaryIO) -> Iterator[bytes]:
        """The manifest with a blank line in place of each that is not taken, so that the others keep their numbers.

        A line that cannot be read is left in: it is for the check to say what is wrong with it.

        Args:
            file: the manifest.
        """
        left_out = self._left_out(file)
        file.seek(0)
        for number, line in enumerate(file):
            yield b"\n" if number < len(left_out) and left_out[number] else line

    def _left_out(self, file: BinaryIO) -> bytearray:
        """A flag for each line, from the first."""
        left_out = bytearray()
        drawn: list[tuple[bytes, int]] = []
        for number, text, entry, fault in read_lines(pieces(file)):
            left_out.extend(bytes(number - len(left_out)))
            if fault is not None:
                continue
            taken = all(condition.holds(entry) for condition in self.conditions)
            left_out[number - 1] = not taken or self.sample is not None
            if taken and self.sample is not None:
                drawn.append((_draw(self.seed, text, entry), number))
                if len(drawn) > 2 * self.sample + 1_000:
                    drawn = heapq.nsmallest(self.sample, drawn)
        for _, number in heapq.nsmallest(self.sample or 0, drawn):
            left_out[number - 1] = False
        return left_out


def pieces(file: BinaryIO) -> Iterator[bytes]:
    """The bytes of a file, from its beginning."""
    file.seek(0)
    while piece := file.read(1 << 20):
        yield piece


def _draw(seed: int, text: str, entry: Any) -> bytes:
    source = entry.get("source-ref", entry.get("source")) if isinstance(entry, dict) else None
    return hashlib.sha256(f"{seed}:{source if isinstance(source, str) else text}".encode("utf-8", "replace")).digest()
