"""Boxes and spans that cannot be right."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime.labels import Annotation, BadLine, Box, Kind, Label, Span, labels_of, read_lines
from gtplus_runtime.labels.checks import check_label, iou

DATA = Path(__file__).parents[1] / "data" / "labels"


def boxed(*boxes: Box, size: tuple[float, float] | None = (100, 50), names: str = "") -> Label:
    names = names or "c" * len(boxes)
    annotations = tuple(Annotation(name, None, box) for name, box in zip(names, boxes, strict=True))
    return Label("s3://data/1.png", {}, "", kind=Kind.BOXES, annotations=annotations, size=size)


def kinds(label: Label, overlap: float = 0.9) -> list[str]:
    return [defect.kind for defect in check_label(label, overlap)]


@pytest.mark.parametrize("file", ["boxes.manifest", "documented.manifest", "entities.manifest"])
def test_real_labels_are_sane(file: str) -> None:
    for _, line in read_lines([(DATA / file).read_bytes()]):
        assert not isinstance(line, BadLine)
        assert [kinds(label) for label in labels_of(line) if kinds(label)] == []


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (Box(0, 0, 100, 50), []),
        (Box(99, 49, 1, 1), []),
        (Box(-1, -1, 102, 52), []),  # a pixel beyond the edge is how people draw
        (Box(-1.5, 0, 10, 10), ["box outside of the image"]),
        (Box(0, -2, 10, 10), ["box outside of the image"]),
        (Box(95, 0, 7, 10), ["box outside of the image"]),
        (Box(0, 45, 10, 7), ["box outside of the image"]),
        (Box(10, 10, 0, 5), ["box without an area"]),
        (Box(10, 10, 5, 0), ["box without an area"]),
        (Box(10, 10, 5, -1), ["box without an area"]),
        (Box(200, 10, 0, 5), ["box without an area", "box outside of the image"]),
    ],
)
def test_a_box_lies_in_its_image_and_has_an_area(box: Box, expected: list[str]) -> None:
    assert kinds(boxed(box)) == expected


def test_where_the_size_is_unknown_only_a_negative_edge_is_outside() -> None:
    assert kinds(boxed(Box(1e6, 0, 1, 1), size=None)) == []
    assert kinds(boxed(Box(-5, 0, 1, 1), size=None)) == ["box outside of the image"]


def test_two_boxes_of_a_class_that_cover_each_other_are_one_drawn_twice() -> None:
    one, near, other = Box(10, 10, 20, 20), Box(10.5, 10, 20, 20), Box(15, 10, 20, 20)
    [defect] = check_label(boxed(one, other, near))
    assert (defect.kind, defect.detail) == ("box that is there twice", "annotations 1 and 3")
    assert kinds(boxed(one, near, names="ab")) == []
    assert kinds(boxed(one, other), overlap=0.5) == ["box that is there twice"]
    assert kinds(boxed(one, one, one)) == ["box that is there twice"] * 2


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(0, 9), []),
        (Span(0, 10), ["span outside of the text"]),
        (Span(-1, 3), ["span outside of the text"]),
        (Span(3, 3), ["span without a character"]),
        (Span(5, 3), ["span without a character"]),
    ],
)
def test_a_span_lies_in_its_text(span: Span, expected: list[str]) -> None:
    label = Label("some text", {}, "", kind=Kind.SPANS, annotations=(Annotation("Name", None, span),))
    assert kinds(label) == expected
    of_file = [kind for kind in expected if span.start < 0 or kind == "span without a character"]
    assert kinds(label._replace(source="s3://data/1.txt")) == of_file


EDGES = st.integers(0, 40)
BOXES = st.lists(st.builds(Box, EDGES, EDGES, st.integers(1, 40), st.integers(1, 40)), max_size=8)


@given(BOXES, st.sampled_from([0.3, 0.5, 0.9]))
def test_every_box_that_covers_an_earlier_one_is_found(boxes: list[Box], overlap: float) -> None:
    """Against the plain way: every pair, and pixel by pixel."""

    def pixels(box: Box) -> set[tuple[int, int]]:
        return {
            (x, y)
            for x in range(int(box.left), int(box.left + box.width))
            for y in range(int(box.top), int(box.top + box.height))
        }

    covered = set()
    for second, other in enumerate(boxes):
        for first, one in enumerate(boxes[:second]):
            common = len(pixels(one) & pixels(other)) / len(pixels(one) | pixels(other))
            assert iou(one, other) == pytest.approx(common)
            if common >= overlap:
                covered |= {first, second}
    label = boxed(*boxes, size=(100, 100))
    told = {int(n) - 1 for d in check_label(label, overlap) for n in d.detail.split() if n.isdecimal()}
    assert told <= covered
    assert bool(told) == bool(covered)


def test_thousands_of_boxes_are_no_trouble() -> None:
    label = boxed(*(Box(left % 9_000, left // 9_000, 1, 1) for left in range(20_000)), size=(9_000, 9_000))
    assert Counter(kinds(label)) == {}
    assert len(json.dumps(label.annotations)) > 20_000
