"""The readers of labels, each on an example that Ground Truth wrote or AWS documents (`tests/data/README.md`)."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime.labels import (
    Annotation,
    BadLine,
    Box,
    Color,
    Cuboid,
    Defect,
    Keypoint,
    Kind,
    Label,
    Polygon,
    Polyline,
    Span,
    Statistics,
    attributes_of,
    labels_of,
    read_label,
    read_line,
    read_lines,
    read_sequence,
)
from gtplus_runtime.labels.statistics import MAX_CLASSES, MAX_TYPES

DATA = Path(__file__).parents[1] / "data" / "labels"


def labels_in(file: str) -> list[Label]:
    found = []
    for _, line in read_lines([(DATA / file).read_bytes()]):
        assert not isinstance(line, BadLine)
        found += labels_of(line)
    return found


def documented(attribute: str) -> Label:
    [label] = [label for label in labels_in("documented.manifest") if label.attribute == attribute]
    return label


def read(value: Any, metadata: dict[str, Any] | None = None) -> Label:
    entry: dict[str, Any] = {"source-ref": "s3://data/1.png", "label": value}
    label = read_label(
        json.dumps(entry if metadata is None else {**entry, "label-metadata": metadata}).encode(), "label"
    )
    assert label is not None
    return label


# Real outputs


def test_boxes() -> None:
    labels = labels_in("boxes.manifest")
    assert {(label.type, label.kind, label.attribute) for label in labels} == {
        ("groundtruth/object-detection", Kind.BOXES, "category")
    }
    assert [len(label.annotations) for label in labels] == [1, 3, 3, 2, 3, 2]
    assert labels[0].size == (680, 1024)
    assert labels[0].annotations == (Annotation("Bird", 0.93, Box(138.8, 164.60000000000002, 443.8, 859), "0"),)
    assert list(labels[1].confidences) == [0.88, 0.75, 0.84]
    assert labels[1].annotations[1].geometry == Box(951.75, 302.25, 72.25, 226.75)
    assert [label.name for label in labels[:2]] == ["1 × Bird", "3 × Bird"]
    assert not any(label.defects for label in labels)


def test_segmentation() -> None:
    [label] = labels_in("segmentation.manifest")
    assert (label.attribute, label.kind) == ("S10-label3-ref", Kind.MASK)
    assert str(label.value).endswith("/0_2022-09-09T17:25:31.918770.png")
    assert label.annotations == (
        Annotation("BACKGROUND", 0, Color("0", "#ffffff"), "0"),
        Annotation("IC", 0, Color("1", "#2ca02c"), "1"),
        Annotation("resistor1", 0, Color("2", "#1f77b4"), "2"),
        Annotation("resistor2", 0, Color("3", "#ff7f0e"), "3"),
    )


def test_named_entities() -> None:
    first, second = labels_in("entities.manifest")
    assert first.kind is Kind.SPANS
    assert first.annotations == (
        Annotation("Date", 0.08, Span(16, 22)),
        Annotation("Person", 0.08, Span(0, 3)),
        Annotation("Location", 0.09, Span(56, 67)),
    )
    texts = [first.source[a.geometry.start : a.geometry.end] for a in first.annotations if isinstance(a.geometry, Span)]
    assert texts == ["Jan 1 ", "Bob", "inneapolis."]  # as the workers drew them, slips and all
    assert second.name == "1 × Date, 1 × Location"


def test_text_classification() -> None:
    [label] = labels_in("text-classification.manifest")
    assert (label.type, label.kind) == ("groundtruth/text-classification", Kind.CLASSES)
    assert label.annotations == (Annotation("joy", 0, class_id="0"),)
    assert (label.name, label.confidence) == ("joy", 0)


def test_several_classes_of_a_text() -> None:
    labels = labels_in("text-multilabel.manifest")
    assert labels[0].source.startswith("“Worry is a down payment")
    assert [[(a.name, a.confidence) for a in label.annotations] for label in labels] == [
        [("optimism", 0.94)],
        [("optimism", 0.86)],
        [("anger", 0.33), ("optimism", 0.81)],
    ]
    assert labels[2].name == "anger, optimism"


# What the developer guide documents


def test_a_class_whose_id_is_a_text() -> None:
    label = documented("species")
    assert label.annotations == (Annotation("dog", 0.0, class_id="0"),)
    assert documented("mood").annotations == (Annotation("positive", 0.8, class_id="1"),)


def test_several_classes_of_an_image() -> None:
    assert [(a.class_id, a.name, a.confidence) for a in documented("image-label-attribute-name").annotations] == [
        ("1", "bicycle", 0.95),
        ("0", "person", 0.77),
        ("8", "clothing", 0.2),
    ]


def test_chained_jobs_have_a_label_each() -> None:
    label, adjusted = documented("bounding-box"), documented("adjusted-bounding-box")
    assert [a.name for a in label.annotations] == ["dog", "bone", "bone"]
    assert label.annotations[0].geometry == Box(111, 134, 61, 128)
    assert adjusted.annotations[0].geometry == Box(110, 135, 61, 128)
    assert adjusted.metadata["adjustment-status"] == "adjusted"


def test_a_verification_beside_a_mask() -> None:
    assert documented("city-streets-ref").kind is Kind.MASK
    verdict = documented("verify-city-streets")
    assert (verdict.type, verdict.name, verdict.confidence) == ("groundtruth/label-verification", "bad", 0.93)
    assert len(verdict.metadata["worker-feedback"]) == 2


def test_a_mask_whose_metadata_lack_the_ref() -> None:
    assert [a.name for a in documented("adjusted-city-streets-ref").annotations] == ["BACKGROUND", "buildings", "road"]


def test_video_frames() -> None:
    label = documented("CarObjectDetection-ref")
    assert (label.kind, label.annotations) == (Kind.SEQUENCE, ())
    read = read_sequence(label, (DATA / "video-detection-SeqLabel.json").read_bytes())
    assert [(a.frame, a.name, a.geometry) for a in read.annotations] == [
        ("frame_0000.jpeg", "bus", Box(339, 152, 53, 41)),
        ("frame_0000.jpeg", "car", Box(183, 148, 37, 24)),
        ("frame_0001.jpeg", "car", Box(341, 152, 53, 41)),
        ("frame_0001.jpeg", "car", Box(177, 141, 37, 24)),
    ]
    assert read.annotations[0].details == {"label-category-attributes": {"occluded": "no", "size": "medium"}}


def test_a_frame_with_nothing_in_it_and_what_is_said_of_a_frame_are_kept() -> None:
    """The developer guide, "Labeling job output data": "if applicable, `frame-attributes`"."""
    sequence = json.loads((DATA / "video-detection-SeqLabel.json").read_text())
    first, _ = sequence["detection-annotations"]
    first["frame-attributes"] = {"weather": "rain"}
    empty = {"annotations": [], "frame-no": "2", "frame": "frame_0002.jpeg", "frame-attributes": {}}
    sequence["detection-annotations"].append(empty)
    label = read_sequence(documented("CarObjectDetection-ref"), json.dumps(sequence).encode())
    assert label.frames == {
        "frame_0000.jpeg": {"frame-attributes": {"weather": "rain"}},
        "frame_0001.jpeg": {},
        "frame_0002.jpeg": {},
    }
    assert len(label.annotations) == 4
    assert documented("CarObjectDetection-ref").frames == {}


def test_objects_that_are_tracked_over_video_frames() -> None:
    label = read_sequence(documented("CarObjectTracking-ref"), (DATA / "video-tracking-SeqLabel.json").read_bytes())
    tracks = [(a.frame, a.name, a.details["object-name"]) for a in label.annotations]
    assert tracks == [
        ("frame_0001.jpeg", "car", "car:1"),
        ("frame_0002.jpeg", "bus", "bus:1"),
        ("frame_0002.jpeg", "car", "car:1"),
    ]
    assert label.annotations[0].details["object-id"] == label.annotations[2].details["object-id"]


def test_cuboids() -> None:
    label = documented("3d-bounding-box")
    assert label.kind is Kind.CUBOIDS
    assert [a.name for a in label.annotations] == ["Car", "Car"]
    assert label.annotations[1].geometry == Cuboid(
        (-5.188984560617168, 99.7954483288783, 0.2226435567445657), (4, 2, 2), (0, 0, 1.6243170732068055)
    )
    assert label.annotations[1].details["object-name"] == "Car:2"


def test_cuboids_over_time() -> None:
    label = read_sequence(documented("lidar-label-attribute-ref"), (DATA / "lidar-tracking-SeqLabel.json").read_bytes())
    assert [(a.frame, a.name) for a in label.annotations] == [("0.txt.pcd", "Car"), ("1.txt.pcd", "Car")]
    assert isinstance(label.annotations[0].geometry, Cuboid)


def test_point_clouds_under_the_names_that_their_first_outputs_have() -> None:
    cuboids, tracked, points = labels_in("point-clouds.manifest")
    assert (cuboids.kind, cuboids.name, cuboids.defects) == (Kind.CUBOIDS, "5 × Car", ())
    assert cuboids.annotations[1].geometry == Cuboid(
        (-2.3126846086451103, 104.39114880556781, 1.590525771183712), (4, 2, 2), (0, 0, -2.501006988431281)
    )
    assert (points.kind, [a.name for a in points.annotations]) == (Kind.MASK, ["Car", "Bus", "Pedestrian"])
    # A sequence, though its type is that of a single frame.
    assert (tracked.type, tracked.kind) == ("groundtruth/point_cloud_object_detection", Kind.SEQUENCE)
    read = read_sequence(tracked, (DATA / "lidar-tracking-SeqLabel.json").read_bytes())
    assert [(a.frame, a.name) for a in read.annotations] == [("0.txt.pcd", "Car"), ("1.txt.pcd", "Car")]


def crowd(file: str) -> Label:
    return read(json.loads((DATA / file).read_text()), {"type": "groundtruth/custom"})


def test_polygons() -> None:
    label = crowd("crowd-polygon.json")
    assert (label.type, label.kind, label.size) == ("groundtruth/custom", Kind.SHAPES, (1280, 853))
    assert [a.name for a in label.annotations] == ["dog", "cat"]
    assert label.annotations[0].geometry == Polygon(((570, 239), (603, 513), (823, 645), (901, 417), (759, 281)))
    assert label.name == "1 × dog, 1 × cat"


def test_polylines() -> None:
    label = crowd("crowd-polyline.json")
    assert [a.name for a in label.annotations] == ["sideline", "yardline"]
    assert label.annotations[0].geometry == Polyline(((651, 498), (862, 869), (1449, 611)))


def test_key_points() -> None:
    label = crowd("crowd-keypoint.json")
    assert label.annotations[0] == Annotation("dog", geometry=Keypoint(155, 275))
    assert label.name == "2 × dog, 4 × cat"


def test_shapes_that_a_custom_task_hands_on_as_a_text() -> None:
    """The developer guide, `doc_source/sms-custom-templates-step2-demo1.md`, "The output of your labeling job"."""
    told = (
        '{"boundingBox":{"boundingBoxes":[{"height":878, "label":"bird", "left":208, "top":6, "width":809}], '
        '"inputImageProperties":{"height":924, "width":1280}}}'
    )
    metadata = {"type": "groundTruth/custom", "job_name": "birds", "human-annotated": "yes"}
    label = read({"workerId": "<URL>", "imageSource": "<image URL>", "boxesInfo": told}, metadata)
    assert label.annotations == (Annotation("bird", geometry=Box(208, 6, 809, 878)),)
    assert (label.kind, label.size, label.name) == (Kind.SHAPES, (1280, 924), "1 × bird")


def handed_on(*answers: Any) -> dict[str, Any]:
    """What the sample function of AWS for custom tasks hands on: the answers of all workers as they are
    (aws-samples/aws-sagemaker-ground-truth-recipe)."""
    workers = [{"workerId": f"private.{n}", "annotationData": {"content": a}} for n, a in enumerate(answers)]
    return {"annotationsFromAllWorkers": workers}


def test_the_answer_of_a_single_worker_is_the_label() -> None:
    [told] = json.loads((DATA / "crowd-polygon.json").read_text())
    label = read(handed_on(json.dumps(told)), {"type": "groundtruth/custom"})
    assert (label.kind, label.size, label.name) == (Kind.SHAPES, (1280, 853), "1 × dog, 1 × cat")
    assert label.annotations == crowd("crowd-polygon.json").annotations
    assert read(handed_on(told), {"type": "groundtruth/custom"}).annotations == label.annotations


def test_answers_of_several_workers_are_carried_since_nobody_made_one_of_them() -> None:
    [told] = json.loads((DATA / "crowd-polygon.json").read_text())
    label = read(handed_on(told, told), {"type": "groundtruth/custom"})
    assert (label.kind, label.annotations, label.value) == (Kind.UNKNOWN, (), handed_on(told, told))


@pytest.mark.parametrize("answers", [[], [1], [{}], [{"annotationData": 1}], [{"annotationData": {}}], 7, [None]])
def test_answers_that_tell_no_shapes_are_carried(answers: Any) -> None:
    assert read({"annotationsFromAllWorkers": answers}, {"type": "groundtruth/custom"}).kind is Kind.UNKNOWN


@pytest.mark.parametrize(
    "told", ["{", "{}", '{"boundingBox":', "[" * 200, '{"a":' * 200, "{no JSON}", '{"boundingBoxes":1}']
)
def test_a_text_that_tells_no_shapes_is_carried(told: str) -> None:
    label = read({"boxesInfo": told}, {"type": "groundtruth/custom"})
    assert (label.kind, label.value, label.annotations) == (Kind.UNKNOWN, {"boxesInfo": told}, ())


# What real files lack


def test_no_confidence_is_unknown() -> None:
    box = {"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4}
    label = read({"annotations": [box, box]}, {"objects": [{"confidence": 0.5}], "class-map": {"0": "Cat"}})
    assert [a.confidence for a in label.annotations] == [0.5, None]
    assert read({"annotations": [box]}).annotations[0].confidence is None


def test_a_class_without_a_name_is_named_by_the_map() -> None:
    assert read(1, {"class-map": {"1": "Dog"}}).name == "Dog"
    assert read(2, {"class-map": {"1": "Dog"}}).name == "2"


def test_what_is_no_class_in_a_list_and_no_color_in_a_map_is_told() -> None:
    label = read([0, None, 1.5], {"type": "groundtruth/image-classification-multilabel", "class-map": {"0": "Cat"}})
    assert [a.name for a in label.annotations] == ["Cat"]
    assert [d.detail for d in label.defects] == ["class 2", "class 3"]
    colors = {"0": 7, "1": {"class-name": "road", "hex-color": 7}, "2": {"hex-color": "#ffffff"}}
    label = read("s3://data/1.png", {"type": "groundtruth/semantic-segmentation", "internal-color-map": colors})
    assert label.annotations == (
        Annotation("road", class_id="1"),
        Annotation("2", None, Color("2", "#ffffff"), class_id="2"),
    )
    assert [d.detail for d in label.defects] == ["color 0"]


def test_a_class_that_the_map_lacks_keeps_its_id_and_is_told() -> None:
    box = {"class_id": 9, "left": 1, "top": 2, "width": 3, "height": 4}
    label = read({"annotations": [box]}, {"class-map": {"0": "Cat"}})
    assert label.annotations[0].name == "9"
    assert label.defects == (Defect("class without an entry in the class map", "class 9"),)
    assert [d.kind for d in read([0, 9], {"class-map": {"0": "Cat"}}).defects] == [label.defects[0].kind]


@pytest.mark.parametrize(
    ("class_id", "key"), [(0, "0"), ("0", "0"), (0.0, "0"), (12, "12"), (-1, "-1"), (0.5, None), (True, None)]
)
def test_a_class_id_is_a_whole_number_or_a_text(class_id: Any, key: str | None) -> None:
    box = {"class_id": class_id, "left": 1, "top": 2, "width": 3, "height": 4}
    [annotation] = read({"annotations": [box]}, {"class-map": {"0": "Cat", "12": "Dog", "-1": "Cow"}}).annotations
    assert annotation.class_id == key


@pytest.mark.parametrize(
    ("sizes", "size"),
    [
        ([{"width": 9, "height": 8, "depth": 3}], (9, 8)),
        ({"width": 9, "height": 8}, (9, 8)),
        ([], None),
        ([{"width": 0, "height": 8}], None),
        ([{"width": 9}], None),
        (None, None),
    ],
)
def test_the_size_of_an_image_is_told_or_unknown(sizes: Any, size: tuple[int, int] | None) -> None:
    assert read({"annotations": [], "image_size": sizes}).size == size


def test_the_counts_stay_small_whatever_a_file_makes_up() -> None:
    statistics = Statistics()
    for number in range(MAX_CLASSES + 5):
        annotations = (Annotation(f"class {number}"),) * 2
        statistics.add(Label("a", 1, "1", type=f"acme/{number}", kind=Kind.CLASSES, annotations=annotations))
    assert (len(statistics.classes), statistics.others) == (MAX_CLASSES, 10)
    assert len(statistics.types) == MAX_TYPES + 1
    assert sum(statistics.types.values()) == MAX_CLASSES + 5
    assert statistics.types["(others)"] == MAX_CLASSES + 5 - MAX_TYPES


def test_a_creation_date_that_is_none_is_left_alone() -> None:
    statistics = Statistics()
    for created in ("2026-11-25T10:00:00.000000", "2026-11-24T10:00:00.000000", 7, "x" * 41):
        statistics.add(Label("a", 1, "1", kind=Kind.CLASSES, metadata={"creation-date": created}))
    assert statistics.created == ("2026-11-24T10:00:00.000000", "2026-11-25T10:00:00.000000")


def test_an_empty_list_is_a_label_that_says_nothing_is_there() -> None:
    label = read({"annotations": []}, {"type": "groundtruth/object-detection", "class-map": {}, "objects": []})
    assert (label.failure, label.annotations, label.name) == (None, (), "nothing")


@pytest.mark.parametrize(
    "annotation",
    [
        "?",
        None,
        {},
        {"class_id": 0},
        {"class_id": 0, "left": 1, "top": 2, "width": 3},
        {"class_id": 0, "left": "1", "top": 2, "width": 3, "height": 4},
        {"class_id": 0, "left": True, "top": 2, "width": 3, "height": 4},
        {"class_id": 0, "left": 1e300, "top": 2, "width": 3, "height": 4},
        {"left": 1, "top": 2, "width": 3, "height": 4},
        {"class_id": 0, "vertices": [{"x": 1}]},
        {"class_id": 0, "vertices": 7},
        {"class_id": 0, "center-x": 1, "center-y": 1, "center-z": 1, "length": 1, "width": 1, "height": 1},
        {"class_id": 0, "startOffset": 0.5, "endOffset": 2},
    ],
)
def test_an_annotation_that_cannot_be_read_is_told_with_its_number(annotation: Any) -> None:
    good = {"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4}
    label = read({"annotations": [good, annotation]}, {"class-map": {"0": "Cat"}})
    assert label.annotations[0] == Annotation("Cat", None, Box(1, 2, 3, 4), "0")
    assert label.defects == (Defect("annotation that cannot be read", "annotation 2"),)


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("groundtruth/object-detection", 7),
        ("groundtruth/object-detection", {"annotations": {}}),
        ("groundtruth/text-span", {"annotations": []}),
        ("groundtruth/image-classification", {"a": 1}),
        ("groundtruth/text-classification-multilabel", "cat"),
        ("groundtruth/semantic-segmentation", 7),
        ("groundtruth/lidar_object_detection", []),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_told(type_: str, value: Any) -> None:
    label = read(value, {"type": type_})
    assert [defect.kind for defect in label.defects] == ["value that does not fit its type"]
    assert label.value == value


@pytest.mark.parametrize("value", [7, "s3://data/labels/1.xml", {"rating": 5}, [{"a": 1}], [[1]], True])
def test_a_type_that_nobody_knows_is_carried_counted_and_named(value: Any) -> None:
    label = read(value, {"type": "acme/star-rating", "stars": 5})
    assert (label.kind, label.type, label.value) == (Kind.UNKNOWN, "acme/star-rating", value)
    assert (label.failure, label.metadata["stars"]) == (None, 5)
    statistics = Statistics()
    statistics.add(label)
    assert statistics.summary()["unknownTypes"] == {"acme/star-rating": 1}
    assert statistics.summary()["labeled"] == 1


@pytest.mark.parametrize(
    ("value", "metadata", "kind"),
    [
        (7, None, Kind.CLASSES),
        ([1, 2], None, Kind.CLASSES),
        ({"annotations": []}, None, Kind.BOXES),
        ("s3://data/labels/1.png", {"internal-color-map": {}}, Kind.MASK),
        ("s3://data/labels/1/SeqLabel.json", None, Kind.SEQUENCE),
        ("s3://data/labels/1.xml", None, Kind.UNKNOWN),
        ({"polygons": []}, None, Kind.SHAPES),
        ({"a": 1}, None, Kind.UNKNOWN),
    ],
)
def test_where_no_type_is_named_the_shape_tells(value: Any, metadata: dict[str, Any] | None, kind: Kind) -> None:
    assert read(value, metadata).kind is kind


def test_a_failed_object_has_no_label_under_its_attribute() -> None:
    line = {"source-ref": "s3://data/1.png", "label-metadata": {"failure-reason": "dark"}}
    assert [(label.attribute, label.failure) for label in labels_of(line)] == [("label", "dark")]


def test_the_input_s_own_keys_are_no_labels() -> None:
    line = {"source-ref": "s3://data/1.pcd", "source-ref-metadata": {"format": "text"}, "page": 1, "metadata": {}}
    assert attributes_of(line) == []
    assert attributes_of({**line, "annotator-metadata": {"Info": "Annotate Required Entities"}}) == []
    assert attributes_of({**line, "page-metadata": {}}) == ["page"]


# Lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b"[" * 9_000, "not JSON"),
        (b"\xff", "not UTF-8"),
        (b"7", "not an object"),
        (b"{}", "no source"),
        (b'{"source": ""}', "no source"),
        (b'{"source": 7}', "no source"),
        (b'{"source": "\\ud800"}', "not UTF-8"),
    ],
)
def test_a_line_that_is_none_says_why(line: bytes, reason: str) -> None:
    bad = read_line(line)
    assert isinstance(bad, BadLine)
    assert bad.reason == reason
    assert len(bad.text) <= 80


def test_lines_are_numbered_as_an_editor_does() -> None:
    lines = [number for number, _ in read_lines([b'\xef\xbb\xbf{"source": "a"}\n\n', b'{"source"', b': "b"}'])]
    assert lines == [1, 3]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"annotations": []}', b"\xff", b"[" * 200])
def test_what_is_no_sequence_file_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError):
        read_sequence(documented("CarObjectTracking-ref"), content)


# Whatever comes


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "annotations",
                    "entities",
                    "polygons",
                    "keypoints",
                    "vertices",
                    "x",
                    "y",
                    "left",
                    "top",
                    "width",
                    "height",
                    "class_id",
                    "class-id",
                    "label",
                    "startOffset",
                    "endOffset",
                    "center-x",
                    "image_size",
                    "0",
                    "frame",
                    "inputImageProperties",
                    "confidence",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
TYPES = st.sampled_from(
    [
        "image-classification",
        "image-classification-multilabel",
        "object-detection",
        "semantic-segmentation",
        "text-span",
        "custom",
        "lidar_object_detection",
        "video-object-tracking",
    ]
).map("groundtruth/".__add__)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPES | JSON,
        "class-map": st.dictionaries(st.sampled_from(["0", "1"]), st.text(max_size=3)) | JSON,
        "internal-color-map": JSON,
        "class-name": JSON,
        "confidence": JSON,
        "confidence-map": JSON,
        "objects": JSON,
        "entities": JSON,
        "creation-date": JSON,
    },
)


@given(JSON, METADATA)
def test_whatever_a_label_holds_it_is_read_counted_and_can_be_written(value: Any, metadata: dict[str, Any]) -> None:
    line = read_line(json.dumps({"source": "a", "label": value, "label-metadata": metadata}).encode())
    if isinstance(line, BadLine):
        assert "Infinity" in json.dumps([value, metadata])
        return
    statistics = Statistics()
    for label in labels_of(line):
        statistics.add(label)
        assert label.failure is not None or label.value == value
        for annotation in label.annotations:
            annotation.name.encode()
    json.dumps(statistics.summary()).encode()
    assert statistics.labeled + statistics.failed + statistics.unlabeled == 1


@given(st.binary())
def test_whatever_bytes_come_a_line_is_read_or_says_why(line: bytes) -> None:
    read_line(line)


@given(JSON.map(lambda frames: {"tracking-annotations": frames}) | JSON)
def test_whatever_a_sequence_file_holds_it_is_read_or_refused(content: Any) -> None:
    label = documented("CarObjectTracking-ref")
    try:
        read_sequence(label, json.dumps(content).encode())
    except ValueError:
        assert (
            not isinstance(content, dict)
            or not isinstance(content.get("tracking-annotations"), list)
            or ("Infinity" in json.dumps(content))
        )
