"""The true labels of the demo's digits, and who may read them."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from gtplus_cli.simulation import digits


class OutsideSample(LookupError):
    """Somebody asked for the true label of an object that is not in their sample."""


class Answers:
    """The true labels, which have two readers: a sample's reviewer, and the final measurement of accuracy.

    Args:
        labels: the true label by file name.
        start: what the URI of every object has before that name. Default: all up to its last slash.
        names: of the labels in words, by file name. Default: the labels themselves.

    Attributes:
        asked: every object that a reviewer asked for, in order, the refused ones too.
        refused: those of them that were refused.
    """

    def __init__(self, labels: Mapping[str, Any], start: str = "", names: Mapping[str, str] | None = None) -> None:
        self._labels = dict(labels)
        self._start = start
        self._names = {} if names is None else dict(names)
        self.asked: list[str] = []
        self.refused: list[str] = []

    @classmethod
    def of_digits(cls, count: int = digits.COUNT) -> Self:
        """Returns the answers of a batch of `count` digits."""
        return cls(digits.true_labels(count))

    def for_sample(self, objects: Iterable[str]) -> "SampleAnswers":
        """Returns the answers for these objects and no others."""
        return SampleAnswers(self, objects)

    def for_accuracy(self) -> Mapping[str, Any]:
        """Returns all true labels by file name. For the final measurement only."""
        return dict(self._labels)

    def file_name(self, obj: str) -> str:
        """Returns the file name of an object's URI."""
        return obj.partition(self._start)[2] if self._start else obj.rpartition("/")[2]

    def _label_of(self, obj: str) -> Any:
        return self._labels[self.file_name(obj)]

    def _name_of(self, obj: str) -> str:
        name = self.file_name(obj)
        return self._names.get(name, str(self._labels[name]))


class SampleAnswers:
    """The true labels of a sample's objects. Made by `Answers.for_sample`."""

    def __init__(self, answers: Answers, objects: Iterable[str]) -> None:
        self._answers = answers
        self._objects = frozenset(objects)

    def label_of(self, obj: str) -> Any:
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

    def name_of(self, obj: str) -> str:
        """Returns the label of `label_of` in words."""
        return self._answers._name_of(obj)
