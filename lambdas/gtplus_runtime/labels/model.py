"""The one shape of labels: an object's label of one attribute, and its annotations."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Kind(StrEnum):
    """What a label's annotations are."""

    CLASSES = "classes"
    BOXES = "boxes"
    MASK = "mask"
    SPANS = "spans"
    SHAPES = "shapes"
    CUBOIDS = "cuboids"
    SEQUENCE = "sequence"
    UNKNOWN = "unknown"


class Box(NamedTuple):
    """A box in an image, in pixels from the upper left corner; numbers as they stand, whole or not."""

    left: float
    top: float
    width: float
    height: float


class Span(NamedTuple):
    """A piece of a text: characters from `start` up to, not including, `end`."""

    start: int
    end: int


class Polygon(NamedTuple):
    """A closed shape in an image: its corners (x, y) in pixels."""

    points: tuple[tuple[float, float], ...]


class Polyline(NamedTuple):
    """An open line in an image: its points (x, y) in pixels."""

    points: tuple[tuple[float, float], ...]


class Keypoint(NamedTuple):
    """A point in an image, in pixels."""

    x: float
    y: float


class Color(NamedTuple):
    """The color of a class in a segmentation mask: its key in the color map, and `#rrggbb`."""

    key: str
    hex: str


class Cuboid(NamedTuple):
    """A cuboid in a point cloud: center (x, y, z), size (length, width, height), rotation (roll, pitch, yaw)."""

    center: tuple[float, float, float]
    size: tuple[float, float, float]
    rotation: tuple[float, float, float]


Geometry = Box | Span | Polygon | Polyline | Keypoint | Color | Cuboid

_NONE: Mapping[str, Any] = {}


class Annotation(NamedTuple):
    """One thing that a label says.

    Attributes:
        name: the class in words; its id where the class map has no entry, empty where there is neither.
        confidence: between 0 and 1, or None. Ground Truth writes 0 where a single worker labeled.
        geometry: where it is; None for a class of the whole object, and where it could not be read.
        class_id: the key in the class map, as a text; None where the class is written out.
        frame: the file name of the video frame, its URI where that is known, its number where it has no
            name; None outside of sequences.
        details: all that the annotation holds besides, as it stands (`object-id`, `label-category-attributes`, …).
    """

    name: str
    confidence: float | None = None
    geometry: Geometry | None = None
    class_id: str | None = None
    frame: str | None = None
    details: Mapping[str, Any] = _NONE


class Defect(NamedTuple):
    """Something in a label that could not be read, or that is missing.

    Attributes:
        kind: the same words for the same thing, to count by.
        detail: which one.
    """

    kind: str
    detail: str


class Label(NamedTuple):
    """The label that one object has under one label attribute.

    Attributes:
        source: the object: its `source-ref`, or its `source` (the text itself).
        value: the label as it stands; None where the object failed.
        name: the whole label in a few words: the class, `2 × Cat, 1 × Dog`, or a short form of the value.
        confidence: of the whole label, between 0 and 1, or None; see `confidences`.
        failure: why there is no label; empty where nobody says why, None where there is one.
        attribute: the label attribute.
        type: the type of the task as the metadata names it, e.g. `groundtruth/object-detection`; may be empty.
        kind: which reader read it.
        annotations: what the label says, one by one, in the order of the manifest.
        size: width and height of the image in pixels, where the label tells.
        metadata: the metadata as it stands: `job-name`, `creation-date`, `human-annotated`, …
        frames: of a sequence that was read its frames by name, in order and also those with nothing in them, each with
            what it says besides (`frame-attributes`).
        defects: what could not be read.
    """

    source: str
    value: Any
    name: str
    confidence: float | None = None
    failure: str | None = None
    attribute: str = ""
    type: str = ""
    kind: Kind = Kind.UNKNOWN
    annotations: tuple[Annotation, ...] = ()
    size: tuple[float, float] | None = None
    metadata: Mapping[str, Any] = _NONE
    defects: tuple[Defect, ...] = ()
    frames: Mapping[str, Mapping[str, Any]] = _NONE

    @property
    def confidences(self) -> Iterator[float]:
        """Every confidence of the label: those of its annotations, or its own where they have none."""
        own = [a.confidence for a in self.annotations if a.confidence is not None]
        return iter(own or ([] if self.confidence is None else [self.confidence]))

    @property
    def least_confidence(self) -> float | None:
        """The confidence of what the label is least sure of; None where it tells none."""
        return min(self.confidences, default=None)
