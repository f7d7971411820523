"""Labels as pictures with annotations: what COCO, YOLO, Pascal VOC and the image layout of Hugging Face are made of."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gtplus_runtime.labels import Annotation, Box, Kind, Label, Polygon

Sizes = Callable[[str], tuple[float, float] | None]
"""The size of an image by its path below the folder that holds all of them; None where it is not known."""

_NAME_BYTES = 200
"""Bytes of a part of a file name: file systems end at 255, and an ending comes behind."""


class Picture(NamedTuple):
    """An image, and what is annotated in it.

    Attributes:
        name: the path of its file, relative to the folder that holds all images.
        source: the URI of the object.
        size: width and height in pixels, where the label tells.
        annotations: what is in it.
        besides: what is said of a video frame as a whole.
    """

    name: str
    source: str
    size: tuple[float, float] | None
    annotations: tuple[Annotation, ...]
    besides: Mapping[str, Any] = {}


def pictures_of(label: Label, root: str) -> Iterator[Picture]:
    """The image of a label, or the frames of a video that was read.

    Args:
        label: the label.
        root: the folder that holds all objects, with a `/` at its end.
    """
    name = relative(label.source, root)
    if label.kind is not Kind.SEQUENCE:
        yield Picture(name, label.source, label.size, label.annotations)
        return
    folder = name.rpartition(".")[0] or name
    drawn: dict[str, list[Annotation]] = {frame: [] for frame in label.frames}
    for annotation in label.annotations:
        drawn.setdefault(annotation.frame or "", []).append(annotation)
    for frame, annotations in drawn.items():
        # Frames whose place is known are objects of their own.
        known = frame.startswith("s3://")
        path = relative(frame, root) if known else f"{folder}/{relative(frame, '')}"
        besides = label.frames.get(frame, {})
        yield Picture(path, frame if known else label.source, label.size, tuple(annotations), besides)


def relative(uri: str, root: str) -> str:
    """The path of an object below a folder, such that it can never lead out of it."""
    path = uri.removeprefix(root).removeprefix("s3://")
    parts = [_part(part) for part in path.split("/") if part]
    return "/".join(parts) or "_"


def _part(part: str) -> str:
    part = "".join(c if c.isprintable() and c not in '\\:*?"<>|' else "_" for c in part)
    if part.strip(".") == "":
        return "_" * max(1, len(part))
    part = part[-_NAME_BYTES:]
    while len(part.encode()) > _NAME_BYTES:
        part = part[1:]
    return part


def clipped(box: Box, size: tuple[float, float]) -> Box | None:
    """The part of a box that is in the image; None where there is none."""
    left, top = max(0.0, box.left), max(0.0, box.top)
    right, bottom = min(size[0], box.left + box.width), min(size[1], box.top + box.height)
    return Box(left, top, right - left, bottom - top) if right > left and bottom > top else None


def clipped_outline(polygon: Polygon, size: tuple[float, float]) -> Polygon | None:
    """The part of a polygon that is in the image; None where there is none.

    Cut by one edge after the other (I. Sutherland, G. Hodgman, "Reentrant polygon clipping", CACM 17, 1974); what falls
    apart stays one outline, whose parts hang together along an edge of the image.
    """
    points = list(polygon.points)
    for axis, edge, sign in ((0, 0.0, 1), (0, size[0], -1), (1, 0.0, 1), (1, size[1], -1)):
        kept: list[tuple[float, float]] = []
        for before, point in zip(points[-1:] + points[:-1], points, strict=True):
            inside = (point[axis] - edge) * sign >= 0
            if inside != ((before[axis] - edge) * sign >= 0):
                share = (edge - before[axis]) / (point[axis] - before[axis])
                across = before[1 - axis] + share * (point[1 - axis] - before[1 - axis])
                kept.append((edge, across) if axis == 0 else (across, edge))
            if inside:
                kept.append(point)
        points = kept
    found = Polygon(tuple(points))
    return found if area_of(found) > 0 else None


def area_of(polygon: Polygon) -> float:
    """The area of a polygon, by the shoelace formula."""
    points = polygon.points
    turned = zip(points, (*points[1:], *points[:1]), strict=True)
    return abs(sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in turned)) / 2


def sizes_in(images: Path) -> Sizes:
    """The sizes of the images in a folder here; Pillow reads them.

    A file that is not there raises FileNotFoundError, and one that is no image another OSError.
    """

    def size(name: str) -> tuple[float, float]:
        from PIL import Image

        with Image.open(images / name) as image:
            return image.size

    return size
