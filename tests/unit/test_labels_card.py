"""The dataset card: what it says, and that others' words cannot break it."""

import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gtplus_runtime.labels import Annotation, Kind, Label, Statistics, labels_of, read_line
from gtplus_runtime.labels.card import CLASSES_LISTED, dataset_card

VEHICLES = Path(__file__).parents[1] / "data" / "labels" / "classes.manifest"


def vehicles() -> dict[str, Any]:
    statistics = Statistics()
    for line in VEHICLES.read_bytes().splitlines():
        entry = read_line(line)
        assert isinstance(entry, dict)
        for label in labels_of(entry):
            statistics.add(label)
    return statistics.summary()


SUMMARY: dict[str, Any] = {
    "project": "traffic",
    "batch": "vehicles-001",
    "input": "s3://traffic/raw/",
    "manifest": "s3://traffic/labels/output.manifest",
    "labelAttribute": "vehicle-labeling-demo",
    "objects": {"total": 230, "completed": 229, "failed": 1},
    "rounds": 2,
    "review": {"sampled": 50, "wrong": 1, "atMost": 0.0914, "confidence": 0.95},
    "accepted": {"round": 2},
    "delivery": {"sha256": "cbf795"},
    "events": [{"at": "2026-11-25T01:02:03.456Z", "status": "Request submitted", "round": 1, "actor": "rosa"}],
}


def test_the_card_tells_counts_classes_quality_origin_and_history() -> None:
    card = dataset_card({**SUMMARY, "labels": vehicles()})
    assert card.startswith("# traffic/vehicles-001\n")
    assert "| objects | 230 |" in card
    assert "| Airplane | 3 | 30.0% |" in card
    assert "1 of 50 reviewed labels were wrong: with 95% confidence at most 9.1% of all are" in card
    assert "| labels | s3://traffic/labels/output.manifest |" in card
    assert "| SHA-256 of the labels | cbf795 |" in card
    assert "| rounds | 2 |" in card
    assert "| 2026-11-25 01:02:03 | Request submitted | 1 | rosa |" in card
    created = re.findall(rb'"creation-date":"([^"]+)"', VEHICLES.read_bytes())
    assert f"| labels created | {min(created).decode()} to {max(created).decode()} |" in card


def test_labels_that_nobody_reviewed_are_said_to_be_so() -> None:
    card = dataset_card({"labels": vehicles()})
    assert "Not reviewed: nothing is known of the share of wrong labels." in card
    assert card.startswith("# Labels\n")
    assert "| objects | 10 |" in card


def test_objects_are_those_with_a_label_those_that_failed_and_those_with_neither() -> None:
    statistics = Statistics()
    for failure in (None, "dark", "dark", "", "", ""):
        statistics.add(Label("a", 1, "1", failure=failure, kind=Kind.CLASSES))
    card = dataset_card({"labels": statistics.summary()})
    assert "| objects | 6 |\n| labeled | 1 |\n| failed, with a reason | 2 |" in card
    assert "| objects | 3 |" in dataset_card({"labels": {"labeled": 1, "failed": 2, "classes": {}}})


def test_what_was_not_counted_yet_is_not_missed() -> None:
    old = {"labeled": 2, "failed": 0, "missing": 0, "classes": {"cat": 2}, "problems": [], "sha256": "cbf795"}
    card = dataset_card({**SUMMARY, "labels": old})
    assert "| cat | 2 | 100.0% |" in card
    assert "annotations" not in card


def test_what_no_reader_knows_is_in_the_card() -> None:
    statistics = Statistics()
    statistics.add(Label("a", 7, "7", type="acme/stars", kind=Kind.UNKNOWN))
    card = dataset_card({"labels": statistics.summary()})
    assert "| labels of type `acme/stars`, carried as it stands | 1 |" in card
    assert "## Classes" not in card


def test_many_classes_are_summed_up() -> None:
    statistics = Statistics()
    for number in range(CLASSES_LISTED + 5):
        annotation = Annotation(f"class {number:03}")
        statistics.add(Label("a", 1, "1", kind=Kind.CLASSES, annotations=(annotation,)))
    card = dataset_card({"labels": statistics.summary()})
    assert card.count("| class ") == CLASSES_LISTED
    assert "| (others) | 5 | 4.8% |" in card


@given(st.text(max_size=20))
def test_a_name_breaks_neither_the_table_nor_the_page(name: str) -> None:
    statistics = Statistics()
    label = Label("a", 1, "1", kind=Kind.CLASSES, annotations=(Annotation(name),))
    statistics.add(label)
    card = dataset_card({**SUMMARY, "labels": statistics.summary(), "batch": name})
    assert "<" not in card
    plain = dataset_card({**SUMMARY, "labels": statistics.summary() | {"classes": {"x": 1}}, "batch": "x"})
    assert len(card.splitlines()) == len(plain.splitlines())
    [row] = [line for line in card.splitlines() if line.endswith("| 1 | 100.0% |")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 4


def test_a_card_states_no_bound_where_none_follows_from_the_sample() -> None:
    review = {"sampled": 50, "wrong": 1, "method": "least confident"}
    card = dataset_card({**SUMMARY, "labels": Statistics().summary(), "review": review})
    said = "1 of 50 reviewed labels were wrong; no bound for all labels follows from this sample (least confident)."
    assert said in card
