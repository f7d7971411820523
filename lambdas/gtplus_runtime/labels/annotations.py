"""The readers: from a label's value and metadata to its annotations, one for each family of types."""

from collections.abc import Iterator, Mapping
from typing import Any

from gtplus_runtime.labels.model import (
    Annotation,
    Box,
    Color,
    Cuboid,
    Defect,
    Geometry,
    Keypoint,
    Polygon,
    Polyline,
    Span,
)
from gtplus_runtime.labels.text import text_of
from gtplus_runtime.strict_json import read_json

UNREADABLE = "annotation that cannot be read"
UNMAPPED = "class without an entry in the class map"
UNFIT = "value that does not fit its type"
"""The kinds of defects."""

_LARGEST = 1e9
"""A coordinate beyond is none: no image has so many pixels, and arithmetic with it would be in vain."""

_SHAPES = ("polygons", "polylines", "keypoints", "boundingBoxes")
"""Lists that the crowd elements write."""

Json = dict[str, Any]


class Found:
    """What a reader found.

    Attributes:
        annotations: in the order of the manifest.
        confidence: of the whole label.
        size: width and height of the image.
        defects: what could not be read.
        frames: of a sequence, with what each says besides.
    """

    __slots__ = ("annotations", "confidence", "defects", "frames", "size")

    def __init__(self, confidence: float | None = None) -> None:
        self.annotations: list[Annotation] = []
        self.confidence = confidence
        self.size: tuple[float, float] | None = None
        self.defects: list[Defect] = []
        self.frames: dict[str, Json] = {}


def number(value: Any) -> float | None:
    """A number as JSON has it, or None: a truth value is none, nor is what is not finite or out of all bounds."""
    # `type` and not `isinstance`: True is an int to Python. What is not finite is in no range.
    kind = type(value)
    return value if (kind is int or kind is float) and -_LARGEST <= value <= _LARGEST else None


def class_id_of(value: Any) -> str | None:
    """The key of a class in a class map: Ground Truth writes it as a number here and as a text there."""
    if isinstance(value, str):
        return text_of(value)
    if type(value) is int:
        return str(value)
    whole = number(value)
    return None if whole is None or whole != int(whole) else str(int(whole))


def read_classes(value: Any, metadata: Json) -> Found:
    """A class of the whole object: its id as value, its name and confidence in the metadata."""
    found = Found(confidence=number(metadata.get("confidence")))
    if isinstance(value, dict | list):
        found.defects.append(Defect(UNFIT, f"a class is a number or a text, not a {type(value).__name__}"))
        return found
    class_id = class_id_of(value)
    name = metadata.get("class-name")
    if isinstance(name, str):
        name = text_of(name)
    elif isinstance(value, bool) or class_id is None:
        name = str(value).lower()
    else:
        name = _names(metadata).get(class_id, class_id)
    found.annotations.append(Annotation(name, found.confidence, class_id=class_id))
    return found


def read_multilabel(value: Any, metadata: Json) -> Found:
    """Classes of the whole object: a list of ids, with names and confidences by id in the metadata."""
    found = Found()
    if not isinstance(value, list):
        found.defects.append(Defect(UNFIT, f"classes are a list, not a {type(value).__name__}"))
        return found
    confidences = metadata.get("confidence-map")
    confidences = confidences if isinstance(confidences, dict) else {}
    for position, entry in enumerate(value):
        class_id = class_id_of(entry)
        if class_id is None:
            found.defects.append(Defect(UNREADABLE, f"class {position + 1}"))
            continue
        confidence = number(confidences.get(class_id))
        found.annotations.append(Annotation(_name(class_id, metadata, found), confidence, class_id=class_id))
    return found


def read_boxes(value: Any, metadata: Json) -> Found:
    """Boxes in an image; other shapes that stand in the same list are read too."""
    found = Found()
    if not isinstance(value, dict) or not isinstance(value.get("annotations"), list):
        found.defects.append(Defect(UNFIT, 'boxes are an object with a list "annotations"'))
        return found
    sizes = value.get("image_size")
    found.size = _size(sizes[0] if isinstance(sizes, list) and sizes else sizes)
    _read_drawn(value["annotations"], metadata, found, confidences=_confidences(metadata.get("objects")))
    return found


def read_cuboids(value: Any, metadata: Json) -> Found:
    """Cuboids in a point cloud."""
    found = Found()
    if not isinstance(value, dict) or not isinstance(value.get("annotations"), list):
        found.defects.append(Defect(UNFIT, 'cuboids are an object with a list "annotations"'))
        return found
    _read_drawn(value["annotations"], metadata, found, confidences=_confidences(metadata.get("objects")))
    return found


def read_spans(value: Any, metadata: Json) -> Found:
    """Named entities: spans of characters, each with its label in words."""
    found = Found()
    inner = value.get("annotations") if isinstance(value, dict) else None
    entities = inner.get("entities") if isinstance(inner, dict) else None
    if not isinstance(entities, list):
        found.defects.append(Defect(UNFIT, 'entities are a list "entities" in "annotations"'))
        return found
    _read_drawn(entities, metadata, found, confidences=_confidences(metadata.get("entities")))
    return found


def read_mask(value: Any, metadata: Json) -> Found:
    """A segmentation mask: the classes of its color map. Which of them occur, only the picture tells."""
    found = Found()
    if not isinstance(value, str):
        found.defects.append(Defect(UNFIT, "a mask is the URI of a file"))
    colors = metadata.get("internal-color-map", metadata.get("color-map"))
    for index, entry in colors.items() if isinstance(colors, dict) else ():
        index = text_of(index)
        if not isinstance(entry, dict):
            found.defects.append(Defect(UNREADABLE, f"color {index}"))
            continue
        name = entry.get("class-name")
        color = entry.get("hex-color")
        found.annotations.append(
            Annotation(
                text_of(name) if isinstance(name, str) else index,
                number(entry.get("confidence")),
                Color(index, color) if isinstance(color, str) else None,
                class_id=index,
            )
        )
    return found


def has_shapes(value: Any) -> bool:
    """Whether the value holds lists of shapes as the crowd elements write them."""
    return any(True for _ in _shape_lists(value))


def read_shapes(value: Any, metadata: Json) -> Found:
    """Polygons, polylines, key points and boxes as the crowd elements write them, under whatever name a task gave."""
    found = Found()
    for holder, name in _shape_lists(value):
        found.size = found.size or _size(holder.get("inputImageProperties"))
        _read_drawn(holder[name], metadata, found, line=name == "polylines")
    return found


def read_frame(frame: Json, metadata: Json, found: Found) -> None:
    """The annotations of one video frame: boxes or cuboids in `annotations`, other shapes under their own names."""
    place = frame.get("frame", frame.get("frame-name"))
    if not isinstance(place, str):
        place = str(frame.get("frame-no", frame.get("frame-number", "")))
    place = text_of(place)
    besides = {key: value for key, value in frame.items() if key not in _READ_OF_FRAMES and value}
    found.frames[place] = {**found.frames.get(place, {}), **besides}
    for name in ("annotations", *_SHAPES):
        if isinstance(frame.get(name), list):
            _read_drawn(frame[name], metadata, found, line=name == "polylines", frame=place)


_READ_OF_FRAMES = frozenset({"frame", "frame-name", "frame-no", "frame-number", "annotations", *_SHAPES})


def _shape_lists(value: Any) -> Iterator[tuple[Json, str]]:
    outer = [entry for entry in (value if isinstance(value, list) else [value]) if isinstance(entry, dict)]
    # A function that consolidates may hand on what the workers' page sent as the text that it was.
    outer += [told for entry in outer for inner in entry.values() if (told := _told(inner)) is not None]
    outer += [told for entry in outer if (told := _only_answer(entry)) is not None]
    holders = outer + [inner for entry in outer for inner in entry.values() if isinstance(inner, dict)]
    for holder in holders:
        yield from ((holder, name) for name in _SHAPES if isinstance(holder.get(name), list))


def _only_answer(entry: Json) -> Json | None:
    """What the worker answered where all answers are handed on, and there is one: of several none is the label.

    The shape is that of the sample functions of AWS for custom tasks (aws-samples/aws-sagemaker-ground-truth-recipe).
    """
    answers = entry.get("annotationsFromAllWorkers")
    answer = answers[0] if isinstance(answers, list) and len(answers) == 1 else None
    data = answer.get("annotationData") if isinstance(answer, dict) else None
    content = data.get("content") if isinstance(data, dict) else None
    return content if isinstance(content, dict) else _told(content)


def _told(value: Any) -> Json | None:
    """The JSON object that a text is, or None."""
    if not isinstance(value, str) or not value.startswith("{"):
        return None
    try:
        told = read_json(value)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


def _read_drawn(
    entries: list[Any],
    metadata: Json,
    found: Found,
    *,
    confidences: Mapping[int, float] | None = None,
    line: bool = False,
    frame: str | None = None,
) -> None:
    names = _names(metadata)
    for position, entry in enumerate(entries):
        if not isinstance(entry, dict):
            found.defects.append(Defect(UNREADABLE, f"annotation {position + 1}"))
            continue
        class_id = class_id_of(entry.get("class_id", entry.get("class-id")))
        label = entry.get("label")
        if isinstance(label, str):
            name = text_of(label)
        elif class_id is None:
            name = ""
        elif class_id in names:
            name = names[class_id]
        else:
            name = class_id
            found.defects.append(Defect(UNMAPPED, f"class {class_id}"))
        geometry = _geometry(entry, line)
        if geometry is None or not name:
            found.defects.append(Defect(UNREADABLE, f"annotation {position + 1}"))
        details = _NOTHING if entry.keys() <= _READ else {key: entry[key] for key in entry if key not in _READ}
        confidence = confidences.get(position) if confidences else None
        found.annotations.append(Annotation(name, confidence, geometry, class_id, frame, details))


_NOTHING: Json = {}

_READ = frozenset({"class_id", "class-id", "label", "left", "top", "width", "height"})
_READ |= {"startOffset", "endOffset", "vertices", "x", "y"}
_READ |= {"center-x", "center-y", "center-z", "length", "roll", "pitch", "yaw"}


def _geometry(entry: Json, line: bool) -> Geometry | None:
    if "left" in entry:
        box = _numbers(entry, "left", "top", "width", "height")
        return Box(*box) if box else None
    if "startOffset" in entry:
        span = _numbers(entry, "startOffset", "endOffset")
        whole = bool(span) and all(edge == int(edge) for edge in span)
        return Span(int(span[0]), int(span[1])) if whole else None
    if "vertices" in entry:
        vertices = entry["vertices"] if isinstance(entry["vertices"], list) else []
        corners = [_numbers(vertex, "x", "y") if isinstance(vertex, dict) else [] for vertex in vertices]
        if not corners or not all(corners):
            return None
        points = tuple((corner[0], corner[1]) for corner in corners)
        return Polyline(points) if line else Polygon(points)
    if "center-x" in entry:
        center = _numbers(entry, "center-x", "center-y", "center-z")
        size = _numbers(entry, "length", "width", "height")
        turned = _numbers(entry, "roll", "pitch", "yaw")
        if not (center and size and turned):
            return None
        return Cuboid((center[0], center[1], center[2]), (size[0], size[1], size[2]), (turned[0], turned[1], turned[2]))
    point = _numbers(entry, "x", "y")
    return Keypoint(*point) if point else None


def _numbers(entry: Json, *names: str) -> list[float]:
    """The numbers under these names; none at all where one is missing."""
    numbers = []
    for name in names:
        found = number(entry.get(name))
        if found is None:
            return []
        numbers.append(found)
    return numbers


def _names(metadata: Json) -> Json:
    # Point clouds write `class_map`.
    names = metadata.get("class-map", metadata.get("class_map"))
    if not isinstance(names, dict):
        return {}
    return {text_of(key): text_of(name) for key, name in names.items() if isinstance(name, str)}


def _name(class_id: str, metadata: Json, found: Found) -> str:
    names = _names(metadata)
    if class_id not in names:
        found.defects.append(Defect(UNMAPPED, f"class {class_id}"))
    return str(names.get(class_id, class_id))


def _confidences(entries: Any) -> dict[int, float]:
    if not isinstance(entries, list):
        return {}
    found = {at: number(e.get("confidence")) for at, e in enumerate(entries) if isinstance(e, dict)}
    return {at: confidence for at, confidence in found.items() if confidence is not None}


def _size(entry: Any) -> tuple[float, float] | None:
    size = _numbers(entry, "width", "height") if isinstance(entry, dict) else []
    return (size[0], size[1]) if size and min(size) > 0 else None
