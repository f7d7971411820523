"""Who may see true labels: the reviewer those of the sample, the measurement of accuracy all, nobody else."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gtplus_cli.simulation
from gtplus_cli.simulation import Answers, OutsideSample, SimulatedReviewer, Verdict, measure
from gtplus_runtime.forms import check_form

OBJECTS = [f"s3://street-data/raw/digit-{number:04}.png" for number in range(10)]
TRUTH = {f"digit-{number:04}.png": number for number in range(10)}


class Api:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, **answers: dict[str, Any]) -> None:
        self.answers = answers
        self.commands: list[tuple[str, dict[str, Any]]] = []

    def call(self, route: str, /, *, project: str, batch: str = "", **body: Any) -> dict[str, Any]:
        assert (project, batch) == ("street-signs", "digits-001")
        name = route.removeprefix("batch.")
        if name in self.answers:
            return self.answers[name]
        assert check_form(route, body) == []
        self.commands.append((name, body))
        return {}


def sample_of(labels: dict[str, int | None]) -> dict[str, Any]:
    return {"round": 1, "objects": [{"object": obj, "label": label} for obj, label in labels.items()]}


def test_the_reviewer_judges_by_the_true_labels() -> None:
    api = Api(sample=sample_of({OBJECTS[5]: 3, OBJECTS[6]: 6, OBJECTS[7]: None}))

    verdicts = SimulatedReviewer(api, Answers(TRUTH), "street-signs").review("digits-001")

    assert verdicts == [
        Verdict(OBJECTS[5], False, "shows a 5, labeled 3"),
        Verdict(OBJECTS[6], True, ""),
        Verdict(OBJECTS[7], False, "shows a 7, not labeled"),
    ]
    assert api.commands == [
        (
            "review",
            {
                "round": 1,
                "verdicts": [
                    {"object": OBJECTS[5], "correct": False, "reason": "shows a 5, labeled 3"},
                    {"object": OBJECTS[6], "correct": True},
                    {"object": OBJECTS[7], "correct": False, "reason": "shows a 7, not labeled"},
                ],
            },
        )
    ]


@settings(deadline=None)
@given(st.sets(st.sampled_from(OBJECTS), min_size=1))
def test_the_reviewer_asks_for_the_objects_of_the_sample_and_no_others(sampled: set[str]) -> None:
    answers = Answers(TRUTH)
    api = Api(sample=sample_of(dict.fromkeys(sampled, 1)))

    SimulatedReviewer(api, answers, "street-signs").review("digits-001")

    assert sorted(answers.asked) == sorted(sampled)
    assert not answers.refused


@settings(deadline=None)
@given(st.sets(st.sampled_from(OBJECTS)), st.sampled_from(OBJECTS))
def test_an_object_outside_the_sample_is_refused_and_recorded(sampled: set[str], obj: str) -> None:
    answers = Answers(TRUTH)
    sample = answers.for_sample(sampled)

    if obj in sampled:
        assert sample.label_of(obj) == OBJECTS.index(obj)
        assert not answers.refused
    else:
        with pytest.raises(OutsideSample, match="not in the sample"):
            sample.label_of(obj)
        assert answers.refused == [obj]
    assert answers.asked == [obj]


@pytest.mark.parametrize(
    ("proposal", "command"),
    [
        ("accept", ("accept", {"round": 2})),
        ("reject", ("reject", {"round": 2, "reason": "7 of the 50 objects of the sample are labeled wrong"})),
    ],
)
def test_the_reviewer_decides_as_the_review_proposes(proposal: str, command: object) -> None:
    review = {"sampled": 50, "wrong": 7, "proposal": proposal}
    api = Api(show={"status": "Review complete", "round": 2, "review": review})

    assert SimulatedReviewer(api, Answers(TRUTH), "street-signs").decide("digits-001") == proposal
    assert api.commands == [command]


@pytest.mark.parametrize("status", ["Ready for review", "Review submission in progress", "Accepted"])
def test_nothing_is_decided_before_the_review_is_complete_or_after_the_decision(status: str) -> None:
    # An old review may still stand there from the round before.
    api = Api(show={"status": status, "review": {"sampled": 50, "wrong": 7, "proposal": "reject"}})

    assert SimulatedReviewer(api, Answers(TRUTH), "street-signs").decide("digits-001") is None
    assert not api.commands


def test_nothing_is_decided_before_the_review_shows_anything() -> None:
    api = Api(show={"status": "Review complete", "round": 1, "review": None})

    assert SimulatedReviewer(api, Answers(TRUTH), "street-signs").decide("digits-001") is None
    assert not api.commands


def test_a_proposal_that_it_does_not_know_is_not_followed() -> None:
    api = Api(show={"status": "Review complete", "review": {"sampled": 1, "wrong": 0, "proposal": "maybe"}})

    with pytest.raises(ValueError, match="proposes 'maybe'"):
        SimulatedReviewer(api, Answers(TRUTH), "street-signs").decide("digits-001")
    assert not api.commands


def manifest(labels: dict[str, int | None]) -> list[str]:
    entries = [
        {"source-ref": obj, "digit-metadata": {}} | ({} if label is None else {"digit": label})
        for obj, label in labels.items()
    ]
    return [json.dumps(entry) + "\n" for entry in entries]


def test_accuracy_counts_labels_and_confusions() -> None:
    labels: dict[str, int | None] = {obj: number for number, obj in enumerate(OBJECTS)}
    labels |= {OBJECTS[9]: 4, OBJECTS[8]: None}

    accuracy = measure(manifest(labels), "digit", Answers(TRUTH))

    assert (accuracy.objects, accuracy.correct, accuracy.unlabeled, accuracy.share) == (10, 8, 1, 0.8)
    assert accuracy.labels == {0: 1, 1: 1, 2: 1, 3: 1, 4: 2, 5: 1, 6: 1, 7: 1}
    assert accuracy.confusions == {(9, 4): 1}


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(OBJECTS), st.integers(0, 9)))
def test_an_object_that_is_missing_is_not_correct(labels: dict[str, int]) -> None:
    accuracy = measure(manifest({**labels}), "digit", Answers(TRUTH))

    assert accuracy.correct + sum(accuracy.confusions.values()) + accuracy.unlabeled == accuracy.objects == 10
    assert accuracy.unlabeled == 10 - len(labels)


def test_a_manifest_that_would_count_an_object_twice_or_a_foreign_one_is_refused() -> None:
    line = manifest({OBJECTS[1]: 1})

    with pytest.raises(ValueError, match="is there twice"):
        measure(line * 2, "digit", Answers(TRUTH))
    with pytest.raises(ValueError, match="has no true label"):
        measure(manifest({"s3://street-data/raw/cat.png": 1}), "digit", Answers(TRUTH))


@pytest.mark.parametrize(
    ("guarded", "readers"),
    [
        ("true_labels", {"digits", "answers"}),
        ("for_sample", {"answers", "reviewer"}),
        ("for_accuracy", {"answers", "accuracy"}),
        ("_data_set", {"digits"}),
    ],
)
def test_no_other_part_reads_true_labels(guarded: str, readers: set[str]) -> None:
    folder = Path(gtplus_cli.simulation.__file__).parent

    def names(source: str) -> set[str]:
        nodes = list(ast.walk(ast.parse(source)))
        return (
            {node.id for node in nodes if isinstance(node, ast.Name)}
            | {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            | {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.alias)}
        )

    assert {path.stem for path in folder.glob("*.py") if guarded in names(path.read_text())} == readers
