"""JSON that others wrote, read so that it can be written again: no NaN, and no nesting that breaks the writer. Pure.

`json` reads NaN and Infinity, which are no JSON (RFC 8259, section 6), and reads a depth that it can no longer write.
"""

import json
from typing import Any, NoReturn

MAX_DEPTH = 100
"""Levels of lists and objects; labels of point clouds have about ten."""


def read_json(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: where it is none, or nested too deep.
    """
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
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


_DECODER = json.JSONDecoder(parse_constant=_refuse)
