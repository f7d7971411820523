"""How far two sets of labels of the same objects agree: a round and an earlier one, or labels and gold labels.

Sources: J. Cohen, "A coefficient of agreement for nominal scales" (Educational and Psychological Measurement 20, 1960)
for kappa; M. Everingham et al., "The Pascal Visual Object Classes (VOC) Challenge" (IJCV 88, 2010) for boxes that count
as the same from an intersection over union of 0.5 on, each matched once.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from gtplus_runtime.labels.checks import iou
from gtplus_runtime.labels.model import Box, Kind, Label

SAME_BOX = 0.5
"""From this intersection over union on, two boxes of one class are the same thing."""


class Agreement:
    """Counts over pairs of labels; the memory grows with the classes, not with the objects.

    Objects that failed on either side are not compared.
    """

    def __init__(self) -> None:
        self._objects = 0
        self._pairs: Counter[tuple[tuple[str, ...], tuple[str, ...]]] = Counter()
        self._boxes = [0, 0]
        self._matched = 0
        self._overlap = 0.0
        self._others = [0, 0]

    def add(self, label: Label, other: Label) -> None:
        """Compare the two labels of an object."""
        if label.failure is not None or other.failure is not None:
            return
        self._objects += 1
        kinds = {label.kind, other.kind}
        if kinds == {Kind.CLASSES}:
            self._pairs[_classes(label), _classes(other)] += 1
        elif kinds == {Kind.BOXES}:
            self._add_boxes(label, other)
        else:
            self._others[0] += 1
            self._others[1] += label.kind is other.kind and label.value == other.value

    def _add_boxes(self, label: Label, other: Label) -> None:
        ours, theirs = _boxes(label), _boxes(other)
        self._boxes[0] += sum(map(len, ours.values()))
        self._boxes[1] += sum(map(len, theirs.values()))
        for name in ours.keys() & theirs.keys():
            left = [(iou(a, b), i, j) for i, a in enumerate(ours[name]) for j, b in enumerate(theirs[name])]
            taken: tuple[set[int], set[int]] = (set(), set())
            for overlap, i, j in sorted(left, reverse=True):
                if overlap >= SAME_BOX and i not in taken[0] and j not in taken[1]:
                    taken[0].add(i)
                    taken[1].add(j)
                    self._matched += 1
                    self._overlap += overlap

    def summary(self) -> dict[str, Any]:
        """The measures, as JSON.

        Returns:
            `objects`, how many were compared; and as far as there are labels of the kind: `classes` with the share of
            `equal` ones and Cohen's `kappa` (None where both sides know one class only; the classes of a multi-label
            object count as one), `boxes` with how many are `matched`, their `meanIou`, and `f1`, 2 × matched over all
            boxes of both sides; and `others`, the share of further labels that are `equal` to the last character.
        """
        found: dict[str, Any] = {"objects": self._objects}
        if self._pairs:
            found["classes"] = _kappa(self._pairs)
        if any(self._boxes):
            matched = self._matched
            found["boxes"] = {
                "matched": matched,
                "of": list(self._boxes),
                "f1": round(2 * matched / sum(self._boxes), 4),
                "meanIou": round(self._overlap / matched, 4) if matched else None,
            }
        if self._others[0]:
            found["others"] = {"objects": self._others[0], "equal": round(self._others[1] / self._others[0], 4)}
        return found


def agreement(labels: Mapping[str, Label], others: Mapping[str, Label]) -> dict[str, Any]:
    """Compare the objects that both have, by name; see `Agreement.summary`."""
    found = Agreement()
    for source in labels:
        if source in others:
            found.add(labels[source], others[source])
    return found.summary()


def _classes(label: Label) -> tuple[str, ...]:
    return tuple(sorted(annotation.name for annotation in label.annotations))


def _boxes(label: Label) -> dict[tuple[str, str | None], list[Box]]:
    found = defaultdict(list)
    for annotation in label.annotations:
        if isinstance(annotation.geometry, Box):
            found[annotation.name, annotation.frame].append(annotation.geometry)
    return found


def _kappa(pairs: Counter[tuple[tuple[str, ...], tuple[str, ...]]]) -> dict[str, Any]:
    total = sum(pairs.values())
    ours: Counter[tuple[str, ...]] = Counter()
    theirs: Counter[tuple[str, ...]] = Counter()
    for (one, other), count in pairs.items():
        ours[one] += count
        theirs[other] += count
    # In whole numbers: a chance of one is exactly one.
    equal = sum(count for (one, other), count in pairs.items() if one == other)
    chance = sum(count * theirs[name] for name, count in ours.items())
    kappa = None if chance == total * total else (equal * total - chance) / (total * total - chance)
    return {
        "objects": total,
        "equal": round(equal / total, 4),
        "kappa": None if kappa is None else round(kappa, 4),
    }
