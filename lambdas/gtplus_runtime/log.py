"""One JSON line a call, with named fields only: nothing of a body, a manifest or a token gets into a log."""

import json
from collections.abc import Mapping

_FIELDS = frozenset(
    {
        "project",
        "batch",
        "seq",
        "status",
        "generation",
        "execution",
        "outcome",
        "error",
        "route",
        "duty",
        "code",
        "request",
        "correlation",
    }
)


def log(message: str, **fields: object) -> None:
    """Write the line.

    Args:
        message: what happened, a constant.
        fields: of the allowed names; others are left out.
    """
    kept = {name: value for name, value in fields.items() if name in _FIELDS and value is not None}
    write({"message": message, **kept})


def write(line: Mapping[str, object]) -> None:
    """Write a line in one piece, whatever other threads write."""
    print(json.dumps(line, default=str) + "\n", end="")
