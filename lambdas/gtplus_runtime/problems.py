"""What is wrong with something that was handed in: all of it at once, each with its mend. Pure."""

from collections.abc import Iterable, Sized
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        place: the field, option or line it is about.
        rule: what must hold.
        value: what was received, shortened to what a person can read.
        mend: what to do about it.
    """

    place: str
    rule: str
    value: str
    mend: str

    def __str__(self) -> str:
        received = f" (received {self.value})" if self.value else ""
        return f"{self.place}: {self.rule}{received}; {self.mend}"


class Refused(Exception):
    """A command that is answered with no: nothing was changed.

    Args:
        status: the HTTP status of the answer: 400 for bad fields, 403 for a right that is missing, 404 for
            something unknown, 409 for what does not fit the present state.
        summary: the sentence that leads the answer.
        problems: all that is wrong.
    """

    def __init__(self, status: int, summary: str, problems: Iterable[Problem] = ()) -> None:
        self.status = status
        self.summary = summary
        self.problems = tuple(problems)
        super().__init__("\n  ".join([summary, *map(str, self.problems)]))

    def answer(self) -> dict[str, Any]:
        """The body of the HTTP answer."""
        return {"refused": self.summary, "problems": [problem._asdict() for problem in self.problems]}


def shown(value: object) -> str:
    """A value as an error may show it: quoted and never longer than a line."""
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def counted(problems: Sized | int) -> str:
    """`1 problem`, `3 problems`."""
    count = problems if isinstance(problems, int) else len(problems)
    return f"{count:,} problem{'' if count == 1 else 's'}"
