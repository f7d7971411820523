"""The simulated workforce looks at images; its added mistakes are exact in number and the same in any order."""

import random
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gtplus_cli.simulation import digits
from gtplus_cli.simulation.workforce import CLASSES, Work, Workforce, slips

RATES = st.floats(0, 1)
SEEDS = st.integers(-(2**40), 2**40)


@cache
def images() -> dict[str, bytes]:
    return {f"s3://street-data/raw/{name}": image for name, image in digits.batch().items()}


@cache
def truth() -> dict[str, int]:
    return {f"s3://street-data/raw/{name}": label for name, label in digits.true_labels().items()}


@cache
def careful() -> Work:
    return Workforce().label(images(), with_care=True)


def test_without_added_mistakes_199_of_200_labels_are_true() -> None:
    wrong = {obj: label.class_id for obj, label in careful().labels.items() if label.class_id != truth()[obj]}

    assert len(careful().labels) == 200
    assert not careful().failed
    # With two wrong at most in all, no sample of any seed can have more.
    assert wrong == {"s3://street-data/raw/digit-1662.png": 5}


@pytest.mark.parametrize("count", [1, 10, 50, 100, 300])
def test_batches_of_other_sizes_are_labeled_as_well(count: int) -> None:
    work = Workforce(error_rate=0, count=count).label(digits.batch(count))
    labels = digits.true_labels(count)

    assert sum(label.class_id != labels[obj] for obj, label in work.labels.items()) <= 0.01 * count


def test_a_confidence_is_lower_where_the_workforce_errs() -> None:
    confidences = sorted(label.confidence for label in careful().labels.values())

    assert confidences[0] > 0.5
    assert confidences[-1] < 1
    assert careful().labels["s3://street-data/raw/digit-1662.png"].confidence < confidences[len(confidences) // 10]


@settings(max_examples=30, deadline=None)
@given(RATES, SEEDS)
def test_the_number_of_added_mistakes_is_exact(rate: float, seed: int) -> None:
    work = Workforce(rate, seed).label(images())
    changed = [obj for obj in images() if work.labels[obj].class_id != careful().labels[obj].class_id]

    assert len(changed) == round(rate * len(images()))
    assert all(0 <= label.class_id < CLASSES for label in work.labels.values())


@settings(max_examples=30, deadline=None)
@given(RATES, SEEDS)
def test_with_care_no_mistake_is_added(rate: float, seed: int) -> None:
    assert Workforce(rate, seed).label(images(), with_care=True) == careful()


@settings(max_examples=20, deadline=None)
@given(RATES, SEEDS, st.randoms(use_true_random=False))
def test_any_order_of_the_objects_gives_the_same_labels(rate: float, seed: int, chance: random.Random) -> None:
    shuffled = list(images())
    chance.shuffle(shuffled)
    workforce = Workforce(rate, seed)

    assert workforce.label({obj: images()[obj] for obj in shuffled}) == workforce.label(images())


@settings(deadline=None)
@given(st.sets(st.text(min_size=1)), RATES, SEEDS)
def test_a_mistake_is_another_class_whatever_the_objects_are_called(objects: set[str], rate: float, seed: int) -> None:
    chosen = slips(objects, rate, seed)

    assert len(chosen) == round(rate * len(objects))
    assert set(chosen) <= objects
    assert all(1 <= shift < CLASSES for shift in chosen.values())


def test_another_seed_chooses_other_objects() -> None:
    assert set(slips(images(), 0.12, seed=7)) != set(slips(images(), 0.12, seed=8))


def test_the_choice_does_not_depend_on_the_name_of_the_bucket() -> None:
    here = {obj.replace("street-data", "b-1f9c"): shift for obj, shift in slips(images(), 0.12, 7).items()}

    assert slips([obj.replace("street-data", "b-1f9c") for obj in images()], 0.12, 7) == here


def test_what_is_no_image_fails_with_its_reason_and_stops_nothing() -> None:
    work = Workforce(error_rate=0).label({"a.png": next(iter(images().values())), "b.png": b"no image"})

    assert set(work.labels) == {"a.png"}
    assert "not a readable image" in work.failed["b.png"]
    assert Workforce().label({}) == ({}, {})


@pytest.mark.parametrize("rate", [-0.01, 1.01, float("nan")])
def test_an_error_rate_outside_0_to_1_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Workforce(rate)


def test_its_name_says_that_it_is_simulated() -> None:
    assert Workforce().name == "simulated workforce (error rate 0.12, seed 7)"
