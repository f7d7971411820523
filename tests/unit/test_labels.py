"""Labels in an output manifest: what a line says, and whether all lines together cover the batch."""

import hashlib
import json
import re
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime.labels import CLASSES_SHOWN, Coverage, read_label

# Written by Ground Truth itself, in March 2019; read here by other means than the ones tested.
VEHICLES = (Path(__file__).parents[1] / "data" / "labels" / "classes.manifest").read_bytes()
VEHICLES_SOURCES = [match.decode() for match in re.findall(rb'"source-ref":"([^"]+)"', VEHICLES)]
VEHICLES_ATTRIBUTE = "vehicle-labeling-demo"

CATS = {"type": "groundtruth/object-detection", "class-map": {"0": "Cat", "1": "Dog"}}


def entry(number: int = 1, value: Any = 7, metadata: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    line: dict[str, Any] = {"source-ref": f"s3://data/raw/{number}.png", **more}
    line |= {} if value is None else {"label": value}
    return line if metadata is None else {**line, "label-metadata": metadata}


def coverage(*entries: dict[str, Any] | bytes, objects: int = 2) -> Coverage:
    lines = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in entries]
    return Coverage([b"\n".join(lines)], "label", [f"s3://data/raw/{n}.png" for n in range(1, objects + 1)])


# A real output


def test_a_real_output_of_ground_truth_is_read_to_the_last_label() -> None:
    read = Coverage([VEHICLES], VEHICLES_ATTRIBUTE, VEHICLES_SOURCES)
    counted = Counter(match.decode() for match in re.findall(rb'"class-name":"([^"]+)"', VEHICLES))
    assert counted == {"Helicopter": 2, "Ferry": 2, "Airplane": 3, "Car": 1, "Motorbike": 2}
    confidences = sorted(float(match) for match in re.findall(rb'"confidence":([0-9.]+)', VEHICLES))
    dates = sorted(match.decode() for match in re.findall(rb'"creation-date":"([^"]+)"', VEHICLES))
    assert read.summary() == {
        "labeled": 10,
        "failed": 0,
        "unlabeled": 0,
        "missing": 0,
        "annotations": 10,
        "withoutAnnotations": 0,
        "classes": dict(sorted(counted.items())),
        "types": {"groundtruth/image-classification": 10},
        "unknownTypes": {},
        "human": 10,
        "confidence": {
            "count": 10,
            "min": confidences[0],
            "p05": confidences[0],
            "p25": confidences[2],
            "median": confidences[4],
            "p75": confidences[7],
            "max": confidences[-1],
        },
        "created": [dates[0], dates[-1]],
        "defects": {},
        "problems": [],
        "sha256": "c82b5ce8bd026872c7738cb6ec1e44b95a6c0956ab9f3c2e0bd1566b43d690b1",
    }


def test_a_real_output_keeps_values_and_confidences() -> None:
    read = Coverage([VEHICLES], VEHICLES_ATTRIBUTE, VEHICLES_SOURCES)
    values = re.findall(rb'"vehicle-labeling-demo":(\d+)', VEHICLES)
    assert Counter(label.value for label in read.labeled) == Counter(int(value) for value in values)
    confidences = [label.confidence for label in read.labeled if label.confidence is not None]
    assert len(confidences) == 10
    assert round(sum(confidences), 2) == 8.53
    assert min(confidences) == 0.5
    label = read.labels["s3://sagemaker-us-east-1-517095012385/ground-truth-demo/images/image_0007.jpeg"]
    assert (label.value, label.name, label.confidence, label.failure) == (3, "Helicopter", 0.95, None)


def test_a_real_output_under_another_attribute_has_no_label() -> None:
    read = Coverage([VEHICLES], "label", VEHICLES_SOURCES)
    assert (len(read.labeled), read.failed) == (0, 0)
    assert read.problems() == ["lines with neither the label nor a failure-reason: 10"]


@given(st.lists(st.integers(0, len(VEHICLES)), max_size=10).map(sorted))
def test_a_real_output_is_read_alike_in_any_pieces(cuts: list[int]) -> None:
    edges = [0, *cuts, len(VEHICLES)]
    pieces = [VEHICLES[start:end] for start, end in zip(edges, edges[1:], strict=False)]  # noqa: RUF007
    whole = Coverage([VEHICLES], VEHICLES_ATTRIBUTE, VEHICLES_SOURCES)
    read = Coverage(pieces, VEHICLES_ATTRIBUTE, VEHICLES_SOURCES)
    assert (read.labels, read.summary()) == (whole.labels, whole.summary())


def test_a_real_output_cut_off_in_the_middle_is_not_complete() -> None:
    half = VEHICLES[: len(VEHICLES) // 2 + 50]
    whole_lines = half.count(b"\n")
    assert Coverage([half], VEHICLES_ATTRIBUTE, VEHICLES_SOURCES).problems() == [
        f"objects without a line: {10 - whole_lines}",
        "lines that are no JSON objects with a source: 1",
    ]


# A line


@pytest.mark.parametrize(
    ("value", "metadata", "name"),
    [
        (7, {"class-name": "seven"}, "seven"),
        (7, None, "7"),
        (0, {}, "0"),
        ("a bus", None, "a bus"),
        ([0, 1], {"class-map": {"0": "Cat", "1": "Dog"}}, "Cat, Dog"),
        ([0, 9], {"class-map": {"0": "Cat"}}, "Cat, 9"),
        ([], {"class-map": {"0": "Cat"}}, "(empty)"),
        ({"annotations": [{"class_id": 0}, {"class_id": 1}, {"class_id": 0}]}, CATS, "2 × Cat, 1 × Dog"),
        ({"annotations": []}, CATS, "nothing"),
        ({"annotations": ["?"]}, CATS, "nothing"),
        ("s3://data/labels/1/mask.png", None, "s3://data/labels/1/mask.png"),
        ("", None, "(empty)"),
        (7, {"class-name": ""}, "(empty)"),
        ("x" * 81, None, "x" * 77 + "..."),
        (7, {"class-name": "x" * 5_000}, "x" * 77 + "..."),
        ([0] * 500, {"class-map": {"0": "Cat"}}, ("Cat, " * 16)[:77] + "..."),
        (7, {"class-name": "a\ud800"}, "a?"),
        (False, None, "false"),
    ],
)
def test_a_label_is_named_in_words_that_fit_an_item_of_the_table(value: Any, metadata: Any, name: str) -> None:
    label = read_label(json.dumps(entry(value=value, metadata=metadata)).encode(), "label")
    assert label is not None
    assert (label.name, label.value, label.failure) == (name, value, None)


def test_an_object_is_named_by_its_inline_text_where_it_has_no_file() -> None:
    label = read_label(b'{"source": "some text", "label": 1}', "label")
    assert label is not None
    assert (label.source, label.value, label.name) == ("some text", 1, "1")


@pytest.mark.parametrize(
    ("metadata", "confidence"), [({"confidence": 0.4}, 0.4), ({"confidence": "0.4"}, None), ({}, None), (None, None)]
)
def test_a_confidence_is_a_number_or_unknown(metadata: dict[str, Any] | None, confidence: float | None) -> None:
    label = read_label(json.dumps(entry(metadata=metadata)).encode(), "label")
    assert label is not None
    assert label.confidence == confidence


def test_an_object_that_could_not_be_labeled_says_why() -> None:
    failed = read_label(json.dumps(entry(value=None, metadata={"failure-reason": "not readable"})).encode(), "label")
    assert failed is not None
    assert (failed.value, failed.name, failed.failure, failed.annotations) == (None, "", "not readable", ())
    in_spite = read_label(json.dumps(entry(value=7, metadata={"failure-reason": "not readable"})).encode(), "label")
    assert in_spite == failed


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'"s3://data/raw/1.png"',
        b"{}",
        b'{"label": 7}',
        b'{"source-ref": 7, "label": 7}',
        b'{"source-ref": "s3://data/raw/1.png", "label": NaN}',
        b'{"source-ref": "s3://data/raw/1.png", "label": "\xff"}',
        b'{"source-ref": "s3://data/raw/1.png", "label": ' + b"[" * 500 + b"]" * 500 + b"}",
        b"[" * 100_000,
    ],
    ids=[
        "empty",
        "half",
        "a list",
        "a number",
        "a text",
        "nothing in it",
        "no source",
        "a source that is no text",
        "not a number",
        "not UTF-8",
        "deep",
        "very deep",
    ],
)
def test_what_is_no_line_of_an_output_manifest_is_none(line: bytes) -> None:
    assert read_label(line, "label") is None


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["source", "source-ref", "label", "label-metadata", "class-name", "class-map", "annotations"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=15,
    )
)
def test_whatever_a_line_holds_it_is_read_or_not_and_can_be_written_again(value: Any) -> None:
    label = read_label(json.dumps(value).encode(), "label")
    if label is not None:
        json.dumps(label).encode()
        assert len(label.name) <= 80
        assert label.failure is not None or label.name
        label.name.encode()


# The coverage


def test_a_manifest_is_complete_where_every_object_is_labeled_or_has_failed() -> None:
    both = coverage(entry(1), entry(2, None, {"failure-reason": "dark"}))
    assert both.problems() == []
    assert (len(both.labeled), both.failed) == (1, 1)
    assert both.summary()["classes"] == {"7": 1}


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([entry(1)], "objects without a line: 1"),
        ([entry(1), entry(2), entry(3)], "lines of objects that are not in the batch: 1"),
        ([entry(1), entry(2), entry(2), entry(2)], "lines of objects that had one already: 2"),
        ([entry(1), entry(2), b"{"], "lines that are no JSON objects with a source: 1"),
        ([entry(1), entry(2, None)], "lines with neither the label nor a failure-reason: 1"),
        ([entry(1), entry(2, None, {"failure-reason": ""})], "lines with neither the label nor a failure-reason: 1"),
    ],
    ids=["missing", "unknown", "repeated", "unreadable", "unlabeled", "failed without a word"],
)
def test_what_is_missing_too_much_or_unreadable_is_a_problem(lines: list[Any], problem: str) -> None:
    assert coverage(*lines).problems() == [problem]


def test_all_problems_are_told_at_once() -> None:
    assert len(coverage(entry(1), entry(1, None), entry(9), b"{", objects=3).problems()) == 5


def test_of_an_object_with_two_lines_the_last_counts() -> None:
    assert coverage(entry(1, 7), entry(1, 8)).labels["s3://data/raw/1.png"].value == 8


def test_an_empty_manifest_misses_everything() -> None:
    assert Coverage([], "label", ["a", "b"]).problems() == ["objects without a line: 2"]


def test_labeled_objects_come_in_the_order_of_their_names() -> None:
    labeled = coverage(entry(3), entry(1), entry(2), objects=3).labeled
    assert [label.source[-5] for label in labeled] == list("123")
    assert [label.source[-5] for label in labeled[1:]] == list("23")
    assert labeled[-1].source[-5] == "3"


def test_an_object_that_failed_first_and_was_labeled_then_has_a_label() -> None:
    failed, labeled = entry(1, None, {"failure-reason": "dark"}), entry(1, 7)
    assert (coverage(failed, labeled).failed, len(coverage(failed, labeled).labeled)) == (0, 1)
    assert (coverage(labeled, failed).failed, len(coverage(labeled, failed).labeled)) == (1, 0)
    assert coverage(labeled, entry(1, None)).unlabeled == 1


def test_a_manifest_takes_hardly_more_memory_than_its_lines() -> None:
    boxes = {"annotations": [{"class_id": 0, "left": n, "top": 1, "width": 2, "height": 3} for n in range(20)]}
    lines = [json.dumps(entry(number, boxes)).encode() for number in range(1, 2_001)]
    sources = [f"s3://data/raw/{number}.png" for number in range(1, 2_001)]
    tracemalloc.start()
    read = Coverage((line + b"\n" for line in lines), "label", sources)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(read.labeled) == 2_000
    assert taken < 1.5 * sum(map(len, lines))


def test_the_hash_is_that_of_the_bytes_as_they_lie() -> None:
    data = b"\xef\xbb\xbf\r\n" + json.dumps(entry(1)).encode() + b"\n\n"
    assert Coverage([data[:2], data[2:]], "label", []).sha256 == hashlib.sha256(data).hexdigest()


def test_the_counts_on_a_batch_stay_small_however_many_classes_there_are() -> None:
    entries = [entry(number, f"class {number} " + "x" * 500) for number in range(1, 501)]
    entries.append(entry(501, "class 7 " + "x" * 500))
    classes = coverage(*entries, objects=501).summary()["classes"]
    assert len(classes) == CLASSES_SHOWN == 100
    assert max(classes.values()) == 2
    assert len(json.dumps(classes)) < 10_000


def test_two_manifests_differ_in_the_objects_whose_labels_differ() -> None:
    accepted = coverage(entry(1, 7), entry(2, 8))
    assert accepted.differing(coverage(entry(2, 8, {"confidence": 0.1}), entry(1, 7))) == 0
    assert accepted.differing(coverage(entry(1, 7), entry(2, 9))) == 1
    assert accepted.differing(coverage(entry(1, 7))) == 1
    assert coverage(entry(1, 7)).differing(accepted) == 1
    assert accepted.differing(coverage(entry(1, 7), entry(2, None, {"failure-reason": "dark"}))) == 1
