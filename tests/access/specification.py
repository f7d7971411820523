"""Reads the questions of `specification.md`, and asks them of a world."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.access.world import World

_FILE = Path(__file__).with_name("specification.md")
_WHERE = {"(LabelingBucket)": ("ours",)}
"""What a heading ends in that is about some kinds of bucket only, and how their names begin."""


class Question(NamedTuple):
    """One line of the table."""

    section: str
    who: str
    action: str
    on: str
    request: str
    answer: str
    once_revoked: str

    def __str__(self) -> str:
        return f"{self.who} {self.action} {self.on} {self.request}".strip()

    def expected(self, *, shut: bool) -> bool:
        """Whether it is to be allowed.

        Args:
            shut: whether the project is revoked.
        """
        answer = self.once_revoked if shut and self.once_revoked else self.answer
        assert answer in ("allowed", "denied"), answer
        return answer == "allowed"

    def applies(self, kind: str) -> bool:
        """Whether it is about this kind of bucket."""
        return all(kind.startswith(names) for end, names in _WHERE.items() if self.section.endswith(end))

    def problems(self, world: World) -> Iterator[str]:
        """The places where the answer is not as it should be."""
        for kind in filter(self.applies, world.names.places):
            decision = world.ask(self.who, self.action, self.on, self.request, kind)
            if decision is not None and decision.allowed is not self.expected(shut=world.shut):
                yield f"[{kind}] {decision}"


def read() -> list[Question]:
    """All questions, in the order of the file."""
    questions, section = [], ""
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith(("| who ", "| --")):
            questions.append(Question(section, *(cell.strip() for cell in line.strip("|").split("|"))))
    return questions


QUESTIONS = read()
SECTIONS = tuple(dict.fromkeys(question.section for question in QUESTIONS))


def ask(questions: Iterable[Question], world: World) -> None:
    """Assert that every question is answered as the table says."""
    problems = [problem for question in questions for problem in question.problems(world)]
    assert not problems, "\n".join(problems)
