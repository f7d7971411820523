"""Lines of an augmented manifest, and the labels in them."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from gtplus_runtime.json_lines import numbered_lines
from gtplus_runtime.labels.annotations import (
    Found,
    has_shapes,
    read_boxes,
    read_classes,
    read_cuboids,
    read_mask,
    read_multilabel,
    read_shapes,
    read_spans,
)
from gtplus_runtime.labels.model import Annotation, Kind, Label
from gtplus_runtime.labels.text import short, text_of
from gtplus_runtime.strict_json import read_json

METADATA = "-metadata"
"""A label attribute with this at its end names the label's metadata."""

Reader = Callable[[Any, dict[str, Any]], Found]

_TYPES: dict[str, tuple[Kind, Reader]] = {
    "groundtruth/image-classification": (Kind.CLASSES, read_classes),
    "groundtruth/text-classification": (Kind.CLASSES, read_classes),
    "groundtruth/video-classification": (Kind.CLASSES, read_classes),
    "groundtruth/label-verification": (Kind.CLASSES, read_classes),
    "groundtruth/image-classification-multilabel": (Kind.CLASSES, read_multilabel),
    "groundtruth/text-classification-multilabel": (Kind.CLASSES, read_multilabel),
    "groundtruth/object-detection": (Kind.BOXES, read_boxes),
    "groundtruth/semantic-segmentation": (Kind.MASK, read_mask),
    "groundtruth/text-span": (Kind.SPANS, read_spans),
}
# The developer guide writes of `lidar`, outputs of 2020 of `point_cloud`.
for _name in ("lidar", "point_cloud"):
    _TYPES[f"groundtruth/{_name}_single_frame_semantic_segmentation"] = (Kind.MASK, read_mask)
    _TYPES[f"groundtruth/{_name}_object_detection"] = (Kind.CUBOIDS, read_cuboids)

_SEQUENCES = ("groundtruth/video-object-", "groundtruth/lidar_", "groundtruth/point_cloud_")
"""Beginnings of the types whose label is a reference to a sequence file."""

_WRITTEN_BY_JOBS = frozenset({"failure-reason", "job-name", "type", "human-annotated", "creation-date"})
"""Metadata of a label, whatever became of it."""

_COUNTED = frozenset({Kind.BOXES, Kind.SPANS, Kind.SHAPES, Kind.CUBOIDS})
"""Kinds whose labels are named by what is in them, and how often."""


class BadLine(NamedTuple):
    """A line that is no line of an output manifest.

    Attributes:
        reason: what it is not; the same words for the same thing, to count by.
        text: its beginning, for a person to find it.
    """

    reason: str
    text: str


def read_line(line: bytes) -> dict[str, Any] | BadLine:
    """A line of an output manifest: a JSON object that names its object."""
    try:
        entry = read_json(line.decode())
    except UnicodeDecodeError:
        return _bad("not UTF-8", line)
    except ValueError:
        return _bad("not JSON", line)
    if not isinstance(entry, dict):
        return _bad("not an object", line)
    source = entry.get("source-ref", entry.get("source"))
    if not isinstance(source, str) or not source:
        return _bad("no source", line)
    if not source.isascii() and text_of(source) != source:
        return _bad("not UTF-8", line)
    return entry


def _bad(reason: str, line: bytes) -> BadLine:
    return BadLine(reason, line[:80].decode("utf-8", "replace"))


def read_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, dict[str, Any] | BadLine]]:
    """The lines of an output manifest with their numbers, from 1; empty ones are left out, but count."""
    for number, line in numbered_lines(chunks):
        yield number, read_line(line)


def attributes_of(entry: dict[str, Any]) -> list[str]:
    """The label attributes of a line: those with metadata beside them, in the order of the line."""
    found: dict[str, None] = {}
    for name, metadata in entry.items():
        if name.endswith(METADATA) and isinstance(metadata, dict):
            attribute = name.removesuffix(METADATA)
            # The metadata of a point cloud frame is the input's, and the attribute of a mask may end in -ref alone.
            if attribute in ("source-ref", "source", ""):
                continue
            if attribute not in entry and f"{attribute}-ref" in entry and f"{attribute}-ref{METADATA}" not in entry:
                attribute += "-ref"
            # Without a value it is one that failed, if a job wrote it; else a key of the customer's own.
            if attribute in entry or not _WRITTEN_BY_JOBS.isdisjoint(metadata):
                found[attribute] = None
    return list(found)


def labels_of(entry: dict[str, Any], attribute: str | None = None) -> list[Label]:
    """The labels of a line that `read_line` read.

    Args:
        entry: the line.
        attribute: the label attribute to read; all that have metadata where none is named.
    """
    names = attributes_of(entry) if attribute is None else [attribute]
    return [_label(entry, name) for name in names]


def read_label(line: bytes, attribute: str) -> Label | None:
    """The label of a line, or None where the line is no line of an output manifest."""
    entry = read_line(line)
    return None if isinstance(entry, BadLine) else _label(entry, attribute)


def _label(entry: dict[str, Any], attribute: str) -> Label:
    source = str(entry.get("source-ref", entry.get("source")))
    metadata = entry.get(attribute + METADATA)
    if metadata is None and attribute.endswith("-ref"):
        metadata = entry.get(attribute.removesuffix("-ref") + METADATA)
    metadata = metadata if isinstance(metadata, dict) else {}
    named = metadata.get("type")
    type_ = text_of(named) if isinstance(named, str) else ""
    value = entry.get(attribute)
    if value is None or "failure-reason" in metadata:
        reason = str(metadata.get("failure-reason", ""))
        return Label(source, None, "", failure=reason, attribute=attribute, type=type_, metadata=metadata)
    kind, reader = _reader(value, metadata, type_)
    found = reader(value, metadata) if reader else Found()
    return Label(
        source,
        value,
        short(_words(value, metadata, kind, found.annotations)),
        confidence=found.confidence,
        attribute=attribute,
        type=type_,
        kind=kind,
        annotations=tuple(found.annotations),
        size=found.size,
        metadata=metadata,
        defects=tuple(found.defects),
    )


def _reader(value: Any, metadata: dict[str, Any], type_: str) -> tuple[Kind, Reader | None]:
    """How to read a label: a sequence file by its name, since its type may be that of a single frame."""
    is_file = isinstance(value, str) and value.startswith("s3://") and value.endswith(".json")
    if is_file and (not type_ or type_.startswith(_SEQUENCES)):
        return Kind.SEQUENCE, None
    return _TYPES.get(type_) or _by_shape(value, metadata, type_)


def _by_shape(value: Any, metadata: dict[str, Any], type_: str) -> tuple[Kind, Reader | None]:
    """How to read a label whose type is none that AWS documents, or none at all."""
    if isinstance(value, str) and value.startswith("s3://"):
        has_colors = "internal-color-map" in metadata or "color-map" in metadata
        return (Kind.MASK, read_mask) if has_colors else (Kind.UNKNOWN, None)
    if has_shapes(value):
        return Kind.SHAPES, read_shapes
    if isinstance(value, dict) and isinstance(value.get("annotations"), list):
        return Kind.BOXES, read_boxes
    if type_:
        return Kind.UNKNOWN, None
    if isinstance(value, list) and all(isinstance(entry, int | str) for entry in value):
        return Kind.CLASSES, read_multilabel
    if isinstance(value, str | int | float):
        return Kind.CLASSES, read_classes
    return Kind.UNKNOWN, None


def _words(value: Any, metadata: dict[str, Any], kind: Kind, annotations: list[Annotation]) -> str:
    if isinstance(metadata.get("class-name"), str):
        return text_of(metadata["class-name"])
    if kind is Kind.CLASSES:
        return ", ".join(annotation.name for annotation in annotations)
    if kind in _COUNTED:
        counts = Counter(annotation.name for annotation in annotations)
        return ", ".join(f"{n} × {name}" for name, n in counts.items()) or "nothing"
    return text_of(value) if isinstance(value, str) else json.dumps(value)
