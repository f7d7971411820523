"""The true labels of the demo's digits, and who may read them."""

from collections.abc import Iterable, Mapping
from typing import Self

from gtplus_cli.simulation import digits


class OutsideSample(LookupError):
    """Somebody asked for the true label of an object that is not in their sample."""


class Answers:
    """The true labels, which have two readers: a sample's reviewer, and the final measurement of accuracy.

    Args:
        labels: the true class by file name; an object's file name is what follows its last slash.

    Attributes:
        asked: every object that a reviewer asked for, in order, the refused ones too.
        refused: those of them that were refused.
    """

    def __init__(self, labels: Mapping[str, int]) -> None:
        self._labels = dict(labels)
        self.asked: list[str] = []
        self.refused: list[str] = []

    @classmethod
    def of_digits(cls, count: int = digits.COUNT) -> Self:
        """Returns the answers of a batch of `count` digits."""
        return cls(digits.true_labels(count))

    def for_sample(self, objects: Iterable[str]) -> "SampleAnswers":
        """Returns the answers for these objects and no others."""
        return SampleAnswers(self, objects)

    def for_accuracy(self) -> Mapping[str, int]:
        """Returns all true labels by file name. For the final measurement only."""
        return dict(self._labels)

    def _label_of(self, obj: str) -> int:
        return self._labels[file_name(obj)]


class SampleAnswers:
    """The true labels of a sample's objects. Made by `Answers.for_sample`."""

    def __init__(self, answers: Answers, objects: Iterable[str]) -> None:
        self._answers = answers
        self._objects = frozenset(objects)

    def label_of(self, obj: str) -> int:
        """Returns what an object of the sample shows; it is recorded that somebody asked.

        Raises:
            OutsideSample: if the object is not in the sample.
            KeyError: if nobody knows what it shows.
        """
        self._answers.asked.append(obj)
        if obj not in self._objects:
            self._answers.refused.append(obj)
            raise OutsideSample(f"{obj} is not in the sample: its true label is not shown")
        return self._answers._label_of(obj)


def file_name(obj: str) -> str:
    """Returns the file name of an object's URI."""
    return obj.rpartition("/")[2]
