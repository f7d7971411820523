"""JSON that others wrote, read so that it can be written again: no NaN, no number that becomes infinite, and no nesting
that breaks the writer. Pure.

`json` reads NaN and Infinity, which are no JSON (RFC 8259, section 6), reads `1e999` as infinite and then writes it so,
and reads a depth that it can no longer write.
"""

import json
from math import isinf
from typing import Any, NoReturn

from gtplus_runtime.problems import shown

MAX_DEPTH = 100
"""Levels of lists and objects; labels of point clouds have about ten."""


def read_json(text: str, *, unique: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        text: the text.
        unique: whether a name that an object has twice is refused. Default: the last one counts, as JSON's readers do.

    Raises:
        JSONDecodeError: where it is none.
        ValueError: where it is nested too deep, or has NaN, a number that is too large or a name twice; in words.
    """
    try:
        value = (_UNIQUE if unique else DECODER).decode(text)
    except json.JSONDecodeError:
        raise
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        # Python's own limit for the digits of a whole number says what its programmer can do, not its user.
        raise ValueError("a number is too large" if "integer string" in str(error) else str(error)) from None
    # Counting brackets is fast, and tells that nearly every text is flat enough.
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for outer in level
            if isinstance(outer, dict | list)
            for child in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return any(isinstance(inner, dict | list) for inner in level)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise ValueError("a number is too large")
    return value


DECODER: Any = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)
"""Reads strictly, but for the depth. Its `scan_once`, the scanner in C, reads a value at a place of a text."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{shown(name)} stands in it twice")
        found[name] = value
    return found


_UNIQUE = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)


def mend_json(error: ValueError) -> str:
    """What to do about a text that is no JSON: in our words, since Python's change from release to release."""
    return "mend it" if isinstance(error, json.JSONDecodeError) else f"mend it: {error}"
