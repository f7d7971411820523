"""Labels as pictures with annotations: what COCO, YOLO, Pascal VOC and the image layout of Hugging Face are made of."""

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from gtplus_runtime.labels import Annotation, Box, Kind, Label

_NAME_BYTES = 200
"""Bytes of a part of a file name: file systems end at 255, and an ending comes behind."""


class Picture(NamedTuple):
    """An image, and what is annotated in it.

    Attributes:
        name: the path of its file, relative to the folder that holds all images.
        source: the URI of the object.
        size: width and height in pixels, where the label tells.
        annotations: what is in it.
    """

    name: str
    source: str
    size: tuple[float, float] | None
    annotations: tuple[Annotation, ...]


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
    for frame, annotations in groupby(label.annotations, key=lambda annotation: annotation.frame or ""):
        yield Picture(f"{folder}/{relative(frame, '')}", label.source, label.size, tuple(annotations))


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
