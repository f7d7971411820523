"""The one exception of the local cloud."""

_TAIL_LINES = 25


class LocalCloudError(Exception):
    """Something about the local cloud did not work.

    Its text is meant for a person: what failed, the end of the tool's output, and what to do.

    Attributes:
        what: What failed, in one line.
        output: The end of the tool's output, if a tool was involved.
        hint: What to do about it.
    """

    def __init__(self, what: str, *, output: str = "", hint: str = "") -> None:
        self.what = what
        self.output = output
        self.hint = hint
        indented = "\n".join(f"  {line}" for line in output.splitlines())
        super().__init__("\n".join(part for part in (what, indented, hint) if part))


def tail(output: str, lines: int = _TAIL_LINES) -> str:
    """Returns the last lines of an output, without the blank ones."""
    return "\n".join([line.rstrip() for line in output.splitlines() if line.strip()][-lines:])
