"""Labels in augmented manifests (Ground Truth's output): what they say, in one shape whatever the task was. Pure.

A line of an output manifest is the input line with `<label attribute>` and `<label attribute>-metadata` beside; a
chained job adds a pair of its own. Each pair is a `Label`: the object, the type of the task, and `annotations`, one
for each thing that the label says: its class in words, where it is (`geometry`), and how sure one may be.

    for number, line in read_lines(chunks):        # a line is a dict, or a BadLine that says why it is none
        for label in labels_of(line):              # all label attributes of the line; labels_of(line, "name") for one
            label.type, label.kind                 # "groundtruth/object-detection", Kind.BOXES
            for annotation in label.annotations:
                annotation.name, annotation.confidence, annotation.geometry     # "Cat", 0.9, Box(left, top, …)

| `kind` | types | `geometry` of an annotation |
| --- | --- | --- |
| `CLASSES` | classification (image, text, video clip; single and multi-label), label verification | None |
| `BOXES` | object detection | `Box` |
| `MASK` | semantic segmentation: `value` is the URI of a PNG; an annotation for each class of its color map | `Color` |
| `SPANS` | named entities (text span) | `Span` |
| `SHAPES` | polygons, polylines, key points, boxes of the crowd elements, as custom tasks hand them on | `Polygon`, … |
| `CUBOIDS` | 3D point cloud object detection | `Cuboid` |
| `SEQUENCE` | video frames, 3D tracking: `value` is the URI of a `SeqLabel.json`; `read_sequence` reads it | by frame |
| `UNKNOWN` | every other: `type` names it, `value` and `metadata` carry it as it stands | |

Tolerant of what real files have: no confidence, classes without an entry in the map, an empty list, objects that
failed (`failure`), types that nobody knows. What cannot be read is not dropped: it is in `defects`, and an annotation
that has no readable geometry is still an annotation.

`Coverage` holds a manifest against a batch's inventory; it keeps the lines, and its labels are read when they are asked
for, so go through them once. `Statistics` counts (constant memory), `checks` looks at boxes and spans, `card` writes
the dataset card.

Sources of the formats, in the Amazon SageMaker developer guide: "Labeling job output data" (all types), and the output
sections of crowd-polygon, crowd-polyline, crowd-keypoint and crowd-bounding-box.
"""

from gtplus_runtime.labels.coverage import CLASSES_SHOWN, Coverage
from gtplus_runtime.labels.model import (
    Annotation,
    Box,
    Color,
    Cuboid,
    Defect,
    Geometry,
    Keypoint,
    Kind,
    Label,
    Polygon,
    Polyline,
    Span,
)
from gtplus_runtime.labels.reading import BadLine, attributes_of, labels_of, read_label, read_line, read_lines
from gtplus_runtime.labels.sequences import read_sequence
from gtplus_runtime.labels.statistics import Statistics

__all__ = [
    "CLASSES_SHOWN",
    "Annotation",
    "BadLine",
    "Box",
    "Color",
    "Coverage",
    "Cuboid",
    "Defect",
    "Geometry",
    "Keypoint",
    "Kind",
    "Label",
    "Polygon",
    "Polyline",
    "Span",
    "Statistics",
    "attributes_of",
    "labels_of",
    "read_label",
    "read_line",
    "read_lines",
    "read_sequence",
]
