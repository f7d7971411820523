"""Labels in an output manifest: what each line says, and whether it covers what was to be labeled. Pure.

Source of the format: "Output Data" of Ground Truth in the Amazon SageMaker developer guide (the augmented manifest):
the input line with `<label attribute>` and `<label attribute>-metadata` beside.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from gtplus_runtime.manifest import lines_of
from gtplus_runtime.strict_json import read_json

CLASSES_SHOWN = 100
"""Classes that are counted by name on the batch; the head stays bounded."""


class Label(NamedTuple):
    """One labeled line.

    Attributes:
        source: the object: its `source-ref`, or its `source`.
        value: the label as it stands; None where the object failed.
        name: the class in words, or a short form of the value.
        confidence: between 0 and 1, or None.
        failure: why there is no label; empty where nobody says why, None where there is one.
    """

    source: str
    value: Any
    name: str
    confidence: float | None = None
    failure: str | None = None


def read_label(line: bytes, attribute: str) -> Label | None:
    """The label of a line, or None where the line is no line of an output manifest."""
    try:
        entry = read_json(line.decode())
    except ValueError:
        return None
    if not isinstance(entry, dict):
        return None
    source = entry.get("source-ref", entry.get("source"))
    if not isinstance(source, str):
        return None
    metadata = entry.get(f"{attribute}-metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    value = entry.get(attribute)
    if value is None or "failure-reason" in metadata:
        return Label(source, None, "", failure=str(metadata.get("failure-reason", "")))
    confidence = metadata.get("confidence")
    return Label(source, value, _name(value, metadata), confidence if isinstance(confidence, int | float) else None)


def _name(value: Any, metadata: dict[str, Any]) -> str:
    # It becomes a key in the batch's item: short, never empty, and text that UTF-8 can write.
    name = _words(value, metadata).encode("utf-8", "replace").decode() or "(empty)"
    return name if len(name) <= 80 else name[:77] + "..."


def _words(value: Any, metadata: dict[str, Any]) -> str:
    if isinstance(metadata.get("class-name"), str):
        return str(metadata["class-name"])
    classes = metadata.get("class-map")
    if isinstance(classes, dict):
        if isinstance(value, list):
            return ", ".join(str(classes.get(str(entry), entry)) for entry in value)
        if isinstance(value, dict) and isinstance(value.get("annotations"), list):
            ids = Counter(str(a.get("class_id")) for a in value["annotations"] if isinstance(a, dict))
            return ", ".join(f"{n} × {classes.get(c, c)}" for c, n in ids.items()) or "nothing"
    return value if isinstance(value, str) else json.dumps(value)


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
        self.labels: dict[str, Label] = {}
        self.repeated = self.unreadable = self.unknown = 0
        wanted = set(sources)
        for line in lines_of(_hashed(chunks, digest)):
            label = read_label(line, attribute)
            if label is None:
                self.unreadable += 1
            elif label.source not in wanted:
                self.unknown += 1
            else:
                self.repeated += label.source in self.labels
                self.labels[label.source] = label
        self.missing = [source for source in wanted if source not in self.labels]
        self.sha256 = digest.hexdigest()

    @property
    def labeled(self) -> list[Label]:
        """The objects that have a label, in the order of their names."""
        return [label for _, label in sorted(self.labels.items()) if label.failure is None]

    @property
    def failed(self) -> int:
        """Objects that the provider lists as failed."""
        return sum(bool(label.failure) for label in self.labels.values())

    @property
    def unlabeled(self) -> int:
        """Objects with neither a label nor a reason why there is none."""
        return sum(label.failure == "" for label in self.labels.values())

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

    def summary(self) -> dict[str, Any]:
        """Counts for the batch: labeled, failed, and of each class."""
        classes = Counter(label.name for label in self.labeled)
        return {
            "labeled": len(self.labeled),
            "failed": self.failed,
            "missing": len(self.missing),
            "classes": dict(sorted(classes.most_common(CLASSES_SHOWN))),
            "problems": self.problems(),
            "sha256": self.sha256,
        }

    def differing(self, other: "Coverage") -> int:
        """Objects whose label differs between the two."""
        sources = self.labels.keys() | other.labels.keys()
        return sum(_value(self, source) != _value(other, source) for source in sources)


def _value(coverage: Coverage, source: str) -> Any:
    label = coverage.labels.get(source)
    # As JSON: to Python, 1 and true are equal. With the name: it is what the reviewer was shown.
    return (json.dumps(label.value, sort_keys=True), label.name) if label else None


def _hashed(chunks: Iterable[bytes], digest: Any) -> Iterator[bytes]:
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
