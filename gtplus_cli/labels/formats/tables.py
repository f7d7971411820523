"""CSV (a row for each annotation) and JSON Lines (a line for each label): both hold every type."""

import csv
from pathlib import Path
from typing import Any

from gtplus_cli.labels.formats.writer import Source, Writer, to_json
from gtplus_runtime.labels import Annotation, Box, Color, Cuboid, Keypoint, Kind, Label, Polygon, Polyline, Span

COLUMNS = ["source", "attribute", "type", "class", "class_id", "confidence", "left", "top", "width", "height"]
COLUMNS += ["start", "end", "points", "frame", "details", "value", "job", "created", "human"]
"""Columns of the CSV file; what an annotation does not have is empty, what is no plain value is JSON."""

_CARRIED = frozenset({Kind.UNKNOWN, Kind.MASK, Kind.SEQUENCE})
"""Kinds whose value is told as it stands: it says more than the annotations."""

_TOLD = ("type", "objects", "entities", "class-map", "confidence-map")
"""Metadata that the annotations tell."""


def geometry_fields(annotation: Annotation) -> dict[str, Any]:
    """Where an annotation is, as fields."""
    geometry = annotation.geometry
    match geometry:
        case Box() | Span() | Keypoint() | Color() | Cuboid():
            return geometry._asdict()
        case Polygon():
            return {"polygon": geometry.points}
        case Polyline():
            return {"polyline": geometry.points}
        case None:
            return {}


class CsvWriter(Writer):
    """Writes a CSV file (RFC 4180)."""

    def __init__(self, output: Path, source: Source) -> None:
        super().__init__(output, source)
        self._file = output.open("w", encoding="utf-8", errors="replace", newline="")
        self._rows = csv.DictWriter(self._file, COLUMNS)
        self._rows.writeheader()

    def add(self, label: Label) -> None:
        self.written += 1
        metadata = label.metadata
        row: dict[str, Any] = {"source": label.source, "attribute": label.attribute, "type": label.type}
        row |= {"job": metadata.get("job-name"), "created": metadata.get("creation-date")}
        row["human"] = metadata.get("human-annotated")
        if label.kind in _CARRIED or not label.annotations:
            row["value"] = label.value if isinstance(label.value, str) else to_json(label.value)
        told = {annotation.frame for annotation in label.annotations}
        frames = [(frame, besides) for frame, besides in label.frames.items() if besides or frame not in told]
        for frame, besides in frames:
            self._rows.writerow(row | {"frame": frame, "details": to_json(dict(besides)) if besides else None})
        for annotation in label.annotations or (() if frames else (None,)):
            self._rows.writerow(row if annotation is None else row | _cells(annotation))

    def close(self) -> None:
        self._file.close()


def _cells(annotation: Annotation) -> dict[str, Any]:
    fields = geometry_fields(annotation)
    plain = ("left", "top", "width", "height", "start", "end")
    cells: dict[str, Any] = {name: fields.pop(name) for name in plain if name in fields}
    cells |= {"class": annotation.name, "class_id": annotation.class_id, "confidence": annotation.confidence}
    cells |= {"frame": annotation.frame, "points": to_json(fields) if fields else None}
    return cells | {"details": to_json(dict(annotation.details)) if annotation.details else None}


class JsonLinesWriter(Writer):
    """Writes a JSON Lines file; named entities in the common form of `text` and `entities` with character offsets."""

    def __init__(self, output: Path, source: Source) -> None:
        super().__init__(output, source)
        self._file = output.open("w", encoding="ascii")

    def add(self, label: Label) -> None:
        self.written += 1
        is_text = label.kind is Kind.SPANS and not label.source.startswith("s3://")
        line: dict[str, Any] = {"text" if is_text else "source": label.source}
        line["entities" if label.kind is Kind.SPANS else "annotations"] = [_entry(a) for a in label.annotations]
        if label.kind in _CARRIED:
            line["value"] = label.value
        if label.frames:
            line["frames"] = [{"frame": frame, **besides} for frame, besides in label.frames.items()]
        if label.size:
            line |= {"width": label.size[0], "height": label.size[1]}
        told = () if label.kind in _CARRIED else _TOLD
        metadata = {name: value for name, value in label.metadata.items() if name not in told}
        line |= {"attribute": label.attribute, "type": label.type, "metadata": metadata}
        self._file.write(to_json(line) + "\n")

    def close(self) -> None:
        self._file.close()


def _entry(annotation: Annotation) -> dict[str, Any]:
    entry = {**geometry_fields(annotation), "label": annotation.name, "class_id": annotation.class_id}
    entry |= {"confidence": annotation.confidence, "frame": annotation.frame, "details": dict(annotation.details)}
    return {name: value for name, value in entry.items() if value not in (None, {})}
