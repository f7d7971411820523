"""How good labels are: an augmented manifest against the true labels."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from gtplus_cli.simulation.answers import Answers


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
    labels: dict[int | str, int]
    confusions: dict[tuple[int | str, int | str], int]

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
    given: dict[str, Any] = {}
    for line in lines:
        if not line.strip():
            continue
        entry = json.loads(line)
        name = answers.file_name(entry["source-ref"])
        failed = "failure-reason" in entry.get(f"{label_attribute}-metadata", {})
        if name in given or (name not in truth and not failed):
            raise ValueError(f"{entry['source-ref']} {'is there twice' if name in given else 'has no true label'}")
        given[name] = entry.get(label_attribute)

    labeled = {name: label for name, label in given.items() if label is not None}
    wrong = Counter((_key(truth[n]), _key(label)) for n, label in labeled.items() if label != truth[n])
    counts = Counter(map(_key, labeled.values()))
    return Accuracy(
        objects=len(truth),
        correct=len(labeled) - wrong.total(),
        unlabeled=len(truth) - len(labeled),
        labels=dict(sorted(counts.items(), key=lambda pair: str(pair[0]))),
        confusions=dict(sorted(wrong.items(), key=lambda pair: (-pair[1], str(pair[0])))),
    )


def _key(label: Any) -> int | str:
    return label if isinstance(label, int | str) else json.dumps(label, sort_keys=True)
