"""What a set of labels holds, counted one by one; the memory does not grow with their number."""

from collections import Counter
from typing import Any

from gtplus_runtime.labels.model import Kind, Label
from gtplus_runtime.labels.text import short

MAX_CLASSES = 10_000
"""Classes that are told apart; labels written as free text may have any number."""

MAX_TYPES = 100
"""Types that are told apart, in a file that makes up its own."""

_QUANTILES = (("min", 0.0), ("p05", 0.05), ("p25", 0.25), ("median", 0.5), ("p75", 0.75), ("max", 1.0))
_LISTS = frozenset({Kind.CLASSES, Kind.BOXES, Kind.SPANS, Kind.SHAPES, Kind.CUBOIDS})


class Statistics:
    """Counts over labels.

    Attributes:
        labeled: objects with a label.
        failed: objects that failed, with a reason.
        unlabeled: objects with neither.
        annotations: all annotations.
        empty: labeled objects without any annotation, of the kinds that list them.
        classes: annotations of each class; a class is one by its name.
        objects: labeled objects that have each class.
        types: labels of each type, as the metadata names it; labels without one are `(none)`.
        unknown: of those, the ones that no reader knows.
        human: labels made by people; the others were made by a model, or do not say.
        defects: what could not be read, by kind.
        others: annotations of further classes, past the first `MAX_CLASSES`.
    """

    def __init__(self) -> None:
        self.labeled = self.failed = self.unlabeled = self.annotations = self.empty = self.human = self.others = 0
        self.classes: Counter[str] = Counter()
        self.objects: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.defects: Counter[str] = Counter()
        self._confidences: Counter[float] = Counter()
        self._first = self._last = ""

    def add(self, label: Label) -> None:
        """Count a label."""
        if label.failure is not None:
            self.failed += bool(label.failure)
            self.unlabeled += not label.failure
            return
        self.labeled += 1
        type_ = short(label.type or "(none)")
        if type_ not in self.types and len(self.types) >= MAX_TYPES:
            type_ = "(others)"
        self.types[type_] += 1
        if label.kind is Kind.UNKNOWN:
            self.unknown[type_] += 1
        self.human += label.metadata.get("human-annotated") == "yes"
        self.annotations += len(label.annotations)
        self.empty += not label.annotations and label.kind in _LISTS
        names = Counter(short(annotation.name) for annotation in label.annotations)
        for name, count in names.items():
            if name in self.classes or len(self.classes) < MAX_CLASSES:
                self.classes[name] += count
                self.objects[name] += 1
            else:
                self.others += count
        # To four places: Ground Truth writes two, and so there are no more than 10,001 different ones.
        self._confidences.update(round(c, 4) for c in label.confidences if 0 <= c <= 1)
        self.defects.update(defect.kind for defect in label.defects)
        created = label.metadata.get("creation-date")
        if isinstance(created, str) and len(created) <= 40:
            self._first = min(self._first or created, created)
            self._last = max(self._last, created)

    @property
    def created(self) -> tuple[str, str] | None:
        """The earliest and the latest `creation-date` of the labels."""
        return (self._first, self._last) if self._first else None

    def confidence(self) -> dict[str, float] | None:
        """How many confidences there are, and their quantiles, exact to four places; None where there is none.

        A quantile is the smallest value that at least that share of all does not exceed (the nearest rank).
        """
        count = sum(self._confidences.values())
        if not count:
            return None
        found: dict[str, float] = {"count": count}
        seen, values = 0, iter(sorted(self._confidences.items()))
        value = 0.0
        for name, share in _QUANTILES:
            while seen < max(1, share * count):
                value, times = next(values)
                seen += times
            found[name] = value
        return found

    def summary(self, classes: int = MAX_CLASSES) -> dict[str, Any]:
        """The counts, as JSON.

        Args:
            classes: so many of the most frequent classes are named.
        """
        return {
            "labeled": self.labeled,
            "failed": self.failed,
            "unlabeled": self.unlabeled,
            "annotations": self.annotations,
            "withoutAnnotations": self.empty,
            "classes": dict(sorted(self.classes.most_common(classes))),
            "types": dict(sorted(self.types.items())),
            "unknownTypes": dict(sorted(self.unknown.items())),
            "human": self.human,
            "confidence": self.confidence(),
            "created": list(self.created) if self.created else None,
            "defects": dict(sorted(self.defects.items())),
        }
