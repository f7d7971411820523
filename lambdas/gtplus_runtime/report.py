"""What a check found: counts, the first of each kind in words, and all of them where somebody wants them. Pure."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

from gtplus_runtime.problems import Problem, counted

SHOWN_OF_A_KIND = 100
"""Problems of one kind that a report spells out; the others are counted."""


class Report:
    """The report of a check.

    Args:
        tell: is told of every problem, with its kind: for a file that has them all.

    Attributes:
        total: lines or objects read, good or bad.
        good: those of them that are good.
        files: files that they name, the frames of sequences too.
        size: bytes of these files, as far as they were looked up.
        problems: up to `SHOWN_OF_A_KIND` of each kind.
        counts: how many problems there are of each kind.
        flags: what is no problem and people should know, counted: text that looks like personal data.
    """

    def __init__(self, tell: Callable[[str, Problem], object] | None = None) -> None:
        self.total = self.good = self.files = self.size = 0
        self.problems: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.flags: Counter[str] = Counter()
        self._tell = tell

    def refuse(self, kind: str, problem: Problem) -> None:
        """Count a problem, tell it, and keep it if it is among the first of its kind."""
        self.counts[kind] += 1
        if self._tell is not None:
            self._tell(kind, problem)
        if self.counts[kind] <= SHOWN_OF_A_KIND:
            self.problems.append(problem)

    def answer(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "version": 1,
            "lines": self.total,
            "good": self.good,
            "files": self.files,
            "bytes": self.size,
            "problems": sum(self.counts.values()),
            "counts": dict(self.counts),
            "flags": dict(self.flags),
            "shown": [problem._asdict() for problem in self.problems],
        }

    def summary(self) -> str:
        """The counts in a sentence."""
        return f"{counted(sum(self.counts.values()))}: " + ", ".join(f"{n} × {kind}" for kind, n in self.counts.items())


def problem_line(kind: str, problem: Problem) -> bytes:
    """A line of the file that has all problems, as JSON Lines."""
    return json.dumps({"kind": kind, **problem._asdict()}).encode() + b"\n"
