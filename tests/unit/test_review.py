"""The sample, the verdicts and the bound: repeatable, fair, and in agreement with published figures."""

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import beta

from gtplus_runtime.labels import Coverage, Label
from gtplus_runtime.review import Review, Verdict, draw_sample, join, upper_bound

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
        "sampled": 50,
        "wrong": 2,
        "missing": 0,
        "unknown": 0,
        "errorRate": 0.04,
        "atMost": 0.1206,
        "confidence": 0.95,
        "proposal": "accept",
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
