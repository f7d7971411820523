"""What a protection is: a piece of source text that keeps a failure from doing harm, and the tests that miss it."""

from typing import NamedTuple


class Protection(NamedTuple):
    """One thing that protects the engine.

    Attributes:
        name: what it does.
        file: where it stands.
        text: its source text, which stands there once.
        without: the text without it.
        caught_by: tests, each of which is red without it.
    """

    name: str
    file: str
    text: str
    without: str
    caught_by: tuple[str, ...]


RUNTIME = "lambdas/gtplus_runtime"
CONSTRUCTS = "gtplus_constructs"
