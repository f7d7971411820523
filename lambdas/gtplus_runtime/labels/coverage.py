"""An output manifest held against what was to be labeled."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from gtplus_runtime.json_lines import lines_of
from gtplus_runtime.labels.checks import check_label
from gtplus_runtime.labels.model import Kind, Label
from gtplus_runtime.labels.reading import read_label
from gtplus_runtime.labels.statistics import Statistics

CLASSES_SHOWN = 100
"""Classes that are counted by name on the batch; the head stays bounded."""


class Labels(Mapping[str, Label]):
    """Labels by object. Each is read when it is asked for: a manifest takes no more memory than its lines."""

    def __init__(self, attribute: str) -> None:
        self._attribute = attribute
        self._lines: dict[str, bytes] = {}

    def keep(self, label: Label, line: bytes) -> None:
        """Keep a label, in the place of the one that the object may have."""
        self._lines[label.source] = line

    def same_line(self, other: "Labels", source: str) -> bool:
        """Whether an object has the very same line in both."""
        return source in self._lines and self._lines[source] == other._lines.get(source)

    def __getitem__(self, source: str) -> Label:
        label = read_label(self._lines[source], self._attribute)
        assert label is not None  # it was one when it was kept
        return label

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)

    def __len__(self) -> int:
        return len(self._lines)


class LabelsInOrder(Sequence[Label]):
    """Some of the labels, in an order; each is read when it is asked for."""

    def __init__(self, labels: Labels, sources: Sequence[str]) -> None:
        self._labels, self._sources = labels, sources

    @overload
    def __getitem__(self, place: int) -> Label: ...
    @overload
    def __getitem__(self, place: slice) -> "LabelsInOrder": ...
    def __getitem__(self, place: int | slice) -> "Label | LabelsInOrder":
        if isinstance(place, slice):
            return LabelsInOrder(self._labels, self._sources[place])
        return self._labels[self._sources[place]]

    def __len__(self) -> int:
        return len(self._sources)


class Coverage:
    """An output manifest held against the inventory.

    Attributes:
        labels: by object, the last line of each.
        missing: objects of the inventory without a line.
        unknown: lines of objects that are not in the inventory.
        repeated: objects with more than one line.
        unreadable: lines that are no line of an output manifest.
        sha256: of the manifest's bytes.
    """

    def __init__(self, chunks: Iterable[bytes], attribute: str, sources: Iterable[str]) -> None:
        digest = hashlib.sha256()
        self.labels = Labels(attribute)
        self.repeated = self.unreadable = self.unknown = 0
        # Of the objects without a label, the reason.
        self._failures: dict[str, str] = {}
        wanted = set(sources)
        for line in lines_of(_hashed(chunks, digest)):
            label = read_label(line, attribute)
            if label is None:
                self.unreadable += 1
            elif label.source not in wanted:
                self.unknown += 1
            else:
                self.repeated += label.source in self.labels
                self.labels.keep(label, line)
                self._failures.pop(label.source, None)
                if label.failure is not None:
                    self._failures[label.source] = label.failure
        self.missing = [source for source in wanted if source not in self.labels]
        self.sha256 = digest.hexdigest()

    @property
    def labeled(self) -> Sequence[Label]:
        """The objects that have a label, in the order of their names."""
        return LabelsInOrder(self.labels, sorted(self.labels.keys() - self._failures.keys()))

    @property
    def failed(self) -> int:
        """Objects that the provider lists as failed."""
        return sum(bool(reason) for reason in self._failures.values())

    @property
    def unlabeled(self) -> int:
        """Objects with neither a label nor a reason why there is none."""
        return sum(not reason for reason in self._failures.values())

    @property
    def files(self) -> Iterator[str]:
        """The URIs of the files that labels refer to: masks, and sequence files."""
        for label in self.labels.values():
            if label.kind in (Kind.MASK, Kind.SEQUENCE) and isinstance(label.value, str):
                yield label.value

    def problems(self) -> list[str]:
        """Why it is not complete: every object must be labeled or listed as failed, and once."""
        found = [
            (len(self.missing), "objects without a line"),
            (self.unknown, "lines of objects that are not in the batch"),
            (self.repeated, "lines of objects that had one already"),
            (self.unlabeled, "lines with neither the label nor a failure-reason"),
            (self.unreadable, "lines that are no JSON objects with a source"),
        ]
        return [f"{what}: {count}" for count, what in found if count]

    def statistics(self) -> Statistics:
        """Counts over the objects' labels; among the defects are boxes and spans that cannot be right."""
        statistics = Statistics()
        for label in self.labels.values():
            statistics.add(label._replace(defects=tuple(check_label(label))))
        return statistics

    def summary(self) -> dict[str, Any]:
        """Counts for the batch: labeled, failed, annotations, and of each class; how sure the labels are."""
        return {
            **self.statistics().summary(CLASSES_SHOWN),
            "missing": len(self.missing),
            "problems": self.problems(),
            "sha256": self.sha256,
        }

    def differing(self, other: "Coverage") -> int:
        """Objects whose label differs between the two."""
        sources = self.labels.keys() | other.labels.keys()
        return sum(
            not self.labels.same_line(other.labels, source) and _value(self, source) != _value(other, source)
            for source in sources
        )


def _value(coverage: Coverage, source: str) -> Any:
    label = coverage.labels.get(source)
    # As JSON: to Python, 1 and true are equal. With the name: it is what the reviewer was shown.
    return (json.dumps(label.value, sort_keys=True), label.name) if label else None


def _hashed(chunks: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
