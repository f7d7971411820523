"""The sample, the verdicts and the bound: repeatable, fair, and in agreement with published figures."""

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom, hypergeom

from gtplus_runtime.labels import Annotation, Coverage, Label, labels_of
from gtplus_runtime.review import (
    METHODS,
    Drawn,
    Review,
    Verdict,
    chance_of_at_most,
    draw,
    draw_sample,
    join,
    most_within,
    risks,
    upper_bound,
)

# The bound


@pytest.mark.parametrize(
    ("wrong", "judged", "bound"),
    [
        (0, 50, 0.0582),  # 1 - 0.05 ** (1 / 50)
        (0, 59, 0.0495),  # the smallest sample of attributes sampling that shows "under 5 %" with no error
        (0, 93, 0.0317),
        (0, 300, 0.0099),  # the rule of three: 3 / n
        (1, 100, 0.0466),
        (5, 100, 0.1023),
        (1, 1, 1.0),
        (50, 50, 1.0),
        (0, 1, 0.95),
        (0, 0, 1.0),
    ],
)
def test_the_bound_is_the_exact_one(wrong: int, judged: int, bound: float) -> None:
    assert upper_bound(wrong, judged) == pytest.approx(bound, abs=5e-5)


def test_the_bound_is_the_published_one() -> None:
    """The example of SciPy's page on `BinomTestResult.proportion_ci`: two-sided at 95 %, so one-sided at 97.5 %."""
    assert upper_bound(7, 50, 0.975) == pytest.approx(0.26739600249700846, abs=1e-9)


@settings(max_examples=40)
@given(st.integers(0, 2_000), st.integers(1, 2_000), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_the_bound_is_that_of_clopper_and_pearson(wrong: int, judged: int, confidence: float) -> None:
    assume(wrong < judged)
    expected = float(beta.ppf(confidence, wrong + 1, judged - wrong))
    assert upper_bound(wrong, judged, confidence) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("judged", [100, 300, 1_000, 2_000])
def test_without_an_error_the_bound_follows_the_rule_of_three(judged: int) -> None:
    assert upper_bound(0, judged) == pytest.approx(3 / judged, rel=0.02)


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_bound_is_never_under_the_rate_and_grows_with_the_errors(wrong: int, judged: int) -> None:
    assume(wrong < judged)
    assert wrong / judged < upper_bound(wrong, judged) <= upper_bound(wrong + 1, judged) <= 1


# The sample

OBJECTS = [Label(f"s3://data/raw/{number:03}.png", number, str(number)) for number in range(200)]


def test_the_same_seed_draws_the_same_sample_and_another_seed_another() -> None:
    assert draw_sample(OBJECTS, 50, "4f2a/1") == draw_sample(list(OBJECTS), 50, "4f2a/1")
    assert draw_sample(OBJECTS, 50, "4f2a/1") != draw_sample(OBJECTS, 50, "4f2a/2")


def test_a_draw_can_be_repeated_years_later() -> None:
    """The numbers of this draw are written down: another Python or another way to draw would show here."""
    drawn = [label.value for label in draw_sample(OBJECTS, 5, "0123abcd/1")]
    assert drawn == [2, 56, 91, 93, 170]


@given(st.integers(0, 200), st.integers(0, 250), st.text(max_size=20))
def test_a_sample_is_drawn_without_replacement_from_what_is_there(total: int, size: int, seed: str) -> None:
    sample = draw_sample(OBJECTS[:total], size, seed)
    assert len(sample) == min(size, total)
    assert len({label.source for label in sample}) == len(sample)
    assert {label.source for label in sample} <= {label.source for label in OBJECTS[:total]}
    assert [label.source for label in sample] == sorted(label.source for label in sample)


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_manifest_does_not_move_the_draw(random: Any) -> None:
    lines = [json.dumps({"source-ref": label.source, "label": label.value}) for label in OBJECTS]
    sources = [label.source for label in OBJECTS]
    expected = draw_sample(Coverage(["\n".join(lines).encode()], "label", sources).labeled, 20, "seed")
    random.shuffle(lines)
    random.shuffle(sources)
    assert draw_sample(Coverage(["\n".join(lines).encode()], "label", sources).labeled, 20, "seed") == expected


def test_every_object_is_as_likely_as_any_other() -> None:
    drawn = [0] * 20
    for seed in range(4_000):
        for label in draw_sample(OBJECTS[:20], 5, f"seed/{seed}"):
            drawn[label.value] += 1
    assert sum(drawn) == 20_000
    assert all(abs(count - 1_000) < 5 * 27.4 for count in drawn)  # five standard deviations


# Other ways to draw


def labeled(number: int, classes: Iterable[str], confidence: float | None = None) -> Label:
    names = list(classes)
    annotations = tuple(Annotation(name, confidence) for name in names)
    return Label(f"s3://data/raw/{number:04}.png", names, ", ".join(names), confidence, annotations=annotations)


labels = st.lists(
    st.tuples(st.lists(st.sampled_from("abcd"), max_size=3), st.none() | st.floats(0, 1)), max_size=60
).map(lambda drawn: [labeled(number, classes, sure) for number, (classes, sure) in enumerate(drawn)])


@given(labels, st.integers(1, 70), st.text(max_size=5), st.sampled_from(sorted(METHODS)))
def test_every_method_draws_without_replacement_in_order_and_again_the_same(
    objects: list[Label], size: int, seed: str, method: str
) -> None:
    sample = draw(objects, size, seed, method)
    assert len(sample) == min(size, len(objects))
    sources = [drawn.label.source for drawn in sample]
    assert sources == sorted(set(sources))
    assert {drawn.label.source for drawn in sample} <= {label.source for label in objects}
    assert draw(list(objects), size, seed, method) == sample


def test_the_random_method_is_the_simple_random_sample() -> None:
    assert draw(OBJECTS, 50, "4f2a/1") == [Drawn(label) for label in draw_sample(OBJECTS, 50, "4f2a/1")]


@given(st.lists(st.sampled_from("aaaaaaaaabbc"), min_size=1, max_size=80), st.integers(3, 80), st.text(max_size=3))
def test_of_each_class_at_least_one_is_drawn_and_the_others_in_proportion(
    classes: list[str], size: int, seed: str
) -> None:
    objects = [labeled(number, [name]) for number, name in enumerate(classes)]
    drawn = Counter(each.label.name for each in draw(objects, size, seed, "stratified"))
    total = Counter(classes)
    assert drawn.keys() == total.keys()
    for name, count in total.items():
        exact = min(size, len(classes)) * count / len(classes)
        assert exact - len(total) < drawn[name] <= max(1, exact + 1)


@pytest.mark.parametrize(
    ("counts", "size", "shares"),
    [
        ({"a": 60, "b": 30, "c": 10}, 10, {"a": 6, "b": 3, "c": 1}),
        ({"a": 979, "b": 16, "c": 5}, 100, {"a": 97, "b": 2, "c": 1}),
    ],
)
def test_shares_are_those_of_webster(counts: dict[str, int], size: int, shares: dict[str, int]) -> None:
    classes = [name for name, count in counts.items() for _ in range(count)]
    objects = [labeled(number, [name]) for number, name in enumerate(classes)]
    assert Counter(drawn.label.name for drawn in draw(objects, size, "seed", "stratified")) == shares


@given(labels.filter(bool), st.integers(5, 70), st.text(max_size=3))
def test_the_weights_of_a_stratified_sample_add_up_to_the_batch(objects: list[Label], size: int, seed: str) -> None:
    sample = draw(objects, size, seed, "stratified")
    assert sum(drawn.weight or 0 for drawn in sample) == pytest.approx(len(objects))


def test_an_object_of_several_classes_belongs_to_the_rarest() -> None:
    """A street with ninety cars and the one tram is drawn for its tram."""
    objects = [labeled(number, ["car"]) for number in range(99)] + [labeled(99, ["car", "tram"])]
    for seed in "abcdef":
        sample = draw(objects, 5, seed, "stratified")
        assert (sample[-1].label.source, sample[-1].weight) == (objects[99].source, 1)


def test_with_more_classes_than_room_the_largest_are_seen() -> None:
    objects = [labeled(number, [name]) for number, name in enumerate("aaabbbcd")]
    assert [drawn.label.name for drawn in draw(objects, 2, "seed", "stratified")] == ["a", "b"]


def test_the_draw_within_a_class_is_fair_and_its_seed_counts() -> None:
    objects = [labeled(number, [name]) for number, name in enumerate("a" * 15 + "b" * 5)]
    drawn = Counter(each.label.source for seed in range(4_000) for each in draw(objects, 4, str(seed), "stratified"))
    assert len(drawn) == 20
    assert all(abs(count - 800) < 5 * 25.3 for count in drawn.values())  # five standard deviations


@given(labels, st.integers(1, 70), st.text(max_size=3))
def test_nothing_less_confident_than_the_sample_is_left(objects: list[Label], size: int, seed: str) -> None:
    def sure(label: Label) -> float:
        return 2.0 if label.confidence is None else label.confidence

    sample = [drawn.label for drawn in draw(objects, size, seed, "least-confident")]
    left = [label for label in objects if label not in sample]
    assert all(sure(chosen) <= sure(other) for chosen in sample for other in left)


def test_of_those_alike_in_confidence_the_seed_draws() -> None:
    objects = [labeled(number, ["a"], 0.5) for number in range(20)]
    drawn = {each.label.source for seed in range(50) for each in draw(objects, 5, str(seed), "least-confident")}
    assert len(drawn) == 20


@pytest.mark.parametrize(
    ("type_", "value", "metadata"),
    [
        (
            "object-detection",
            {"annotations": [{"class_id": 0, "left": 0, "top": 0, "width": 1, "height": 1}] * 2},
            {"objects": [{"confidence": 0.9}, {"confidence": 0.1}]},
        ),
        ("image-classification-multilabel", [0, 1], {"confidence-map": {"0": 0.9, "1": 0.1}}),
        (
            "text-span",
            {"annotations": {"entities": [{"startOffset": 0, "endOffset": 1, "label": "a"}] * 2}},
            {"entities": [{"confidence": 0.9}, {"confidence": 0.1}]},
        ),
        (
            "semantic-segmentation",
            "s3://b/mask.png",
            {"internal-color-map": {str(at): {"class-name": "a", "confidence": at / 10} for at in (9, 1)}},
        ),
        ("image-classification", 0, {"confidence": 0.1}),
    ],
)
def test_an_object_is_as_sure_as_its_least_sure_annotation(type_: str, value: Any, metadata: dict[str, Any]) -> None:
    entry = {"source-ref": "s3://b/1", "label": value, "label-metadata": {"type": f"groundtruth/{type_}", **metadata}}
    [unsure] = labels_of(entry)
    surer = [labeled(number, ["a"], 0.5) for number in range(9)]
    assert [drawn.label for drawn in draw([*surer, unsure], 1, "seed", "least-confident")] == [unsure]


# The risks of the proposal


@pytest.mark.parametrize(
    ("sampled", "allowed", "rates"),
    [
        # The example outputs of R's package Planesmuestra 0.1, pages f_DR.CO and f_CO.plan (a plan of Dodge and Romig)
        (125, 2, {0.1: 0.000210835}),
        (65, 2, {0.012: 0.9564398}),
    ],
)
def test_the_chance_to_accept_is_that_of_the_published_operating_characteristic(
    sampled: int, allowed: int, rates: dict[float, float]
) -> None:
    """Published for an endless series: a population of a hundred million stands for it."""
    for rate, chance in rates.items():
        found = chance_of_at_most(allowed, sampled, round(rate * 100_000_000), 100_000_000)
        assert found == pytest.approx(chance, rel=1e-4)


@given(st.integers(1, 400), st.data())
def test_the_chance_is_hypergeometric(population: int, data: st.DataObject) -> None:
    errors = data.draw(st.integers(0, population))
    sampled = data.draw(st.integers(1, population))
    wrong = data.draw(st.integers(0, sampled))
    expected = float(hypergeom.cdf(wrong, population, errors, sampled))
    assert chance_of_at_most(wrong, sampled, errors, population) == pytest.approx(expected, abs=1e-9)


@given(st.integers(1, 500), st.floats(0, 1))
def test_without_the_size_of_the_batch_the_risks_are_binomial(sampled: int, rate: float) -> None:
    allowed = max(count for count in range(sampled + 1) if count / sampled <= rate)
    found = risks(rate, sampled)
    assert found.acceptOver == pytest.approx(float(binom.cdf(allowed, sampled, rate)), abs=1e-4)
    assert found.acceptDouble == pytest.approx(float(binom.cdf(allowed, sampled, min(2 * rate, 1))), abs=1e-4)
    assert found.rejectWithin == pytest.approx(float(binom.sf(allowed, sampled, rate)), abs=1e-4)


@given(st.integers(1, 60), st.integers(0, 200), st.sampled_from([0.0, 0.01, 0.02, 0.05, 0.29, 0.5, 1.0]))
def test_no_batch_is_a_greater_risk_than_what_is_said(sampled: int, more: int, rate: float) -> None:
    """Held against every number of errors that the batch could have, and the proposal that would follow."""
    population = sampled + more
    found = risks(rate, sampled, population)
    allowed = max(count for count in range(sampled + 1) if count / sampled <= rate)
    accepted = {errors: float(hypergeom.cdf(allowed, population, errors, sampled)) for errors in range(population + 1)}
    over = [chance for errors, chance in accepted.items() if errors / population > rate]
    within = [1 - chance for errors, chance in accepted.items() if errors / population <= rate]
    assert found.acceptOver == pytest.approx(max(over, default=0.0), abs=1e-4)
    assert found.rejectWithin == pytest.approx(max(within), abs=1e-4)
    assert found.acceptDouble <= found.acceptOver


def test_who_looks_at_everything_is_never_wrong() -> None:
    assert risks(0.05, 200, 200) == (0.0, 0.0, 0.0)


@given(st.floats(0, 1), st.integers(0, 2_000))
def test_a_share_is_counted_and_not_computed(rate: float, total: int) -> None:
    expected = max(count for count in range(total + 1) if count == 0 or count / total <= rate)
    assert most_within(rate, total) == expected


# The verdicts

SAMPLE = ["a", "b", "c"]


def verdict(name: str, *, correct: bool = True, reason: str | None = None) -> dict[str, Any]:
    return {"object": name, "correct": correct} | ({} if reason is None else {"reason": reason})


def test_verdicts_are_joined_with_the_sample_they_are_about() -> None:
    review = join(SAMPLE, [verdict("a"), verdict("c", correct=False, reason="blurred"), verdict("z", correct=False)])
    assert review == Review((Verdict("a", True), Verdict("c", False, "blurred")), missing=1, unknown=1)
    assert review.wrong == [Verdict("c", False, "blurred")]


def test_a_verdict_on_an_object_outside_the_sample_does_not_count() -> None:
    summary = join(SAMPLE, [verdict("a"), verdict("z", correct=False)]).summary(0.0)
    assert (summary["sampled"], summary["wrong"], summary["unknown"], summary["proposal"]) == (1, 0, 1, "accept")


def summary_of(wrong: int, judged: int, max_error_rate: float = 0.05) -> dict[str, Any]:
    names = [str(number) for number in range(judged)]
    return join(names, [verdict(name, correct=int(name) >= wrong) for name in names]).summary(max_error_rate)


def test_a_summary_says_what_the_sample_shows() -> None:
    assert summary_of(2, 50) == {
        "method": "simple random",
        "sampled": 50,
        "wrong": 2,
        "missing": 0,
        "unknown": 0,
        "errorRate": 0.04,
        "atMost": 0.1206,
        "confidence": 0.95,
        "proposal": "accept",
        "risks": {"acceptOver": 0.5405, "acceptDouble": 0.1117, "rejectWithin": 0.4595},
    }


@pytest.mark.parametrize(
    ("wrong", "judged", "agreed", "proposal"),
    [
        (0, 50, 0.0, "accept"),
        (1, 50, 0.0, "reject"),
        (5, 100, 0.05, "accept"),
        (6, 100, 0.05, "reject"),
        (100, 100, 1.0, "accept"),
        (0, 0, 0.05, "reject"),
    ],
    ids=[
        "no error, none agreed",
        "one error, none agreed",
        "as many as agreed",
        "one more than agreed",
        "any",
        "nobody looked",
    ],
)
def test_a_rejection_is_proposed_where_more_is_wrong_than_was_agreed(
    wrong: int, judged: int, agreed: float, proposal: str
) -> None:
    assert summary_of(wrong, judged, agreed)["proposal"] == proposal


@given(st.lists(st.sampled_from("abcdefz"), unique=True), st.lists(st.sampled_from("abcdefz"), unique=True))
def test_every_object_of_the_sample_is_judged_or_missing(sample: list[str], judged: list[str]) -> None:
    review = join(sample, [verdict(name) for name in judged])
    assert len(review.judged) + review.missing == len(sample)
    assert len(review.judged) + review.unknown == len(judged)


@pytest.mark.parametrize("method", ["stratified by class", "least confident"])
def test_no_bound_and_no_risks_are_stated_for_a_sample_that_is_not_random(method: str) -> None:
    summary = join(SAMPLE, [verdict(name) for name in SAMPLE]).summary(0.05, method=method, population=100)
    assert (summary["method"], summary["errorRate"], summary["proposal"]) == (method, 0.0, "accept")
    assert not {"atMost", "confidence", "risks"} & summary.keys()


def test_the_error_rate_of_a_stratified_sample_is_weighed() -> None:
    """One of two rare objects is wrong, of a batch of a hundred: a half of two hundredths, not a third."""
    weights = {"a": 98.0, "b": 1.0, "c": 1.0}
    review = join(SAMPLE, [verdict("a"), verdict("b"), verdict("c", correct=False)])
    summary = review.summary(0.05, method="stratified by class", weights=weights)
    assert (summary["errorRate"], summary["proposal"]) == (0.01, "accept")


def test_in_the_bound_an_object_without_a_verdict_counts_as_wrong() -> None:
    """Who leaves out the hard ones shows nothing by the others."""
    names = [str(number) for number in range(50)]
    summary = join(names, [verdict(name) for name in names[:48]]).summary(0.05)
    assert (summary["errorRate"], summary["atMost"]) == (0.0, 0.1206)
    assert "risks" not in summary
