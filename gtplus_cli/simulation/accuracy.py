"""How good labels are: an augmented manifest against the true labels."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from gtplus_cli.simulation.answers import Answers, file_name


class Accuracy(NamedTuple):
    """What a comparison with the true labels shows.

    Attributes:
        objects: how many objects have a true label.
        correct: how many of them are labeled with it.
        unlabeled: how many of them have no label; they count as not correct.
        labels: how often each class was given, by class.
        confusions: how often a true class got a wrong label: (true, labeled), most frequent first.
    """

    objects: int
    correct: int
    unlabeled: int
    labels: dict[int, int]
    confusions: dict[tuple[int, int], int]

    @property
    def share(self) -> float:
        """The share of all objects that are labeled correctly, 0 to 1."""
        return self.correct / self.objects if self.objects else 0.0


def measure(lines: Iterable[str | bytes], label_attribute: str, answers: Answers) -> Accuracy:
    """Compares the lines of an augmented manifest with the true labels of all objects.

    Args:
        lines: the manifest's lines; empty ones are skipped.
        label_attribute: the attribute that holds the class.
        answers: the true labels.

    Raises:
        ValueError: if the manifest has an object twice, or one without a true label.
    """
    truth = answers.for_accuracy()
    given: dict[str, int | None] = {}
    for line in lines:
        if not line.strip():
            continue
        entry = json.loads(line)
        name = file_name(entry["source-ref"])
        if name in given or name not in truth:
            raise ValueError(f"{entry['source-ref']} {'is there twice' if name in given else 'has no true label'}")
        label = entry.get(label_attribute)
        given[name] = None if label is None else int(label)

    labeled = {name: label for name, label in given.items() if label is not None}
    wrong = Counter((truth[name], label) for name, label in labeled.items() if label != truth[name])
    return Accuracy(
        objects=len(truth),
        correct=len(labeled) - wrong.total(),
        unlabeled=len(truth) - len(labeled),
        labels=dict(sorted(Counter(labeled.values()).items())),
        confusions=dict(sorted(wrong.items(), key=lambda pair: (-pair[1], pair[0]))),
    )
