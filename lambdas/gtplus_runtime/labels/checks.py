"""Are boxes and spans sane? What a label says is held against the image or the text that it is about."""

from collections import defaultdict
from collections.abc import Iterator

from gtplus_runtime.labels.model import Box, Defect, Kind, Label, Span

OUTSIDE = "box outside of the image"
NO_AREA = "box without an area"
TWICE = "box that is there twice"
OUTSIDE_TEXT = "span outside of the text"
NO_TEXT = "span without a character"
"""The kinds of defects."""

EDGE = 1.0
"""Pixels that a box may stand out: people draw to the very edge, and consolidation averages what they drew."""

OVERLAP = 0.9
"""From this intersection over union on, two boxes of one class are the same thing drawn twice."""


def check_label(label: Label, overlap: float = OVERLAP) -> Iterator[Defect]:
    """All that is wrong with a label: what could not be read, and boxes and spans that cannot be right.

    Args:
        label: the label.
        overlap: the intersection over union, 0 to 1, from which on two boxes of one class count as drawn twice.
    """
    yield from label.defects
    boxes: dict[tuple[str, str | None], list[tuple[int, Box]]] = defaultdict(list)
    for number, annotation in enumerate(label.annotations, start=1):
        if isinstance(annotation.geometry, Box):
            yield from _check_box(number, annotation.geometry, label.size)
            boxes[annotation.name, annotation.frame].append((number, annotation.geometry))
        elif isinstance(annotation.geometry, Span):
            yield from _check_span(number, annotation.geometry, label)
    for same in boxes.values():
        yield from _drawn_twice(same, overlap)


def iou(one: Box, other: Box) -> float:
    """The intersection over union of two boxes, 0 to 1; 0 where neither has an area."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    common = width * height if width > 0 and height > 0 else 0.0
    union = one.width * one.height + other.width * other.height - common
    return common / union if union > 0 else 0.0


def _check_box(number: int, box: Box, size: tuple[float, float] | None) -> Iterator[Defect]:
    shown = f"annotation {number}: left {box.left:g}, top {box.top:g}, {box.width:g} × {box.height:g}"
    if box.width <= 0 or box.height <= 0:
        yield Defect(NO_AREA, shown)
    right, bottom = box.left + box.width, box.top + box.height
    if min(box.left, box.top) < -EDGE or (size and (right > size[0] + EDGE or bottom > size[1] + EDGE)):
        yield Defect(OUTSIDE, f"{shown}, image {size[0]:g} × {size[1]:g}" if size else shown)


def _check_span(number: int, span: Span, label: Label) -> Iterator[Defect]:
    shown = f"annotation {number}: {span.start} to {span.end}"
    if span.end <= span.start:
        yield Defect(NO_TEXT, shown)
    # Where the text is a file, its length is not known here.
    is_file = label.source.startswith("s3://")
    if span.start < 0 or (label.kind is Kind.SPANS and not is_file and span.end > len(label.source)):
        yield Defect(OUTSIDE_TEXT, f"{shown}, the text has {len(label.source)} characters")


def _drawn_twice(boxes: list[tuple[int, Box]], overlap: float) -> Iterator[Defect]:
    boxes = sorted(((n, box) for n, box in boxes if box.width > 0 and box.height > 0), key=lambda pair: pair[1])
    for position, (number, box) in enumerate(boxes):
        # Further right none can overlap enough: they are sorted, and the common part is at most what is left of this.
        reach = box.left + (1 - overlap) * box.width
        for other_number, other in boxes[position + 1 :]:
            if other.left > reach:
                break
            if iou(box, other) >= overlap:
                pair = sorted((number, other_number))
                yield Defect(TWICE, f"annotations {pair[0]} and {pair[1]}")
                break
