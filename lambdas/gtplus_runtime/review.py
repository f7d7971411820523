"""The review of a round: which objects are looked at, what the verdicts say, and what follows from them. Pure.

The bound is the exact one-sided binomial bound of Clopper and Pearson ("The use of confidence or fiducial limits
illustrated in the case of the binomial", Biometrika 26, 1934), here by bisection on the binomial sum.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from math import exp, lgamma, log
from typing import Any, NamedTuple

from gtplus_runtime.labels import Label

CONFIDENCE = 0.95
"""Confidence of the bound on the error rate."""


def draw_sample(labels: Sequence[Label], size: int, seed: str) -> list[Label]:
    """Draw the objects to review: simple random sampling without replacement.

    Args:
        labels: the labeled objects, in an order that does not depend on the manifest's.
        size: how many; all of them where there are fewer.
        seed: stated on the batch, so that anyone can draw the same again.
    """
    if len(labels) <= size:
        return list(labels)
    # Not for secrets: the draw must be repeatable.
    chosen = random.Random(seed).sample(range(len(labels)), size)  # noqa: S311
    return [labels[index] for index in sorted(chosen)]


class Verdict(NamedTuple):
    """What the reviewer says of an object of the sample."""

    object: str
    correct: bool
    reason: str = ""


class Review(NamedTuple):
    """The verdicts joined with the sample.

    Attributes:
        judged: verdicts on objects of the sample.
        missing: objects of the sample without a verdict.
        unknown: verdicts on objects that are not of the sample, which do not count.
    """

    judged: tuple[Verdict, ...]
    missing: int
    unknown: int

    @property
    def wrong(self) -> list[Verdict]:
        """The verdicts that find a label wrong."""
        return [verdict for verdict in self.judged if not verdict.correct]

    def summary(self, max_error_rate: float) -> dict[str, Any]:
        """What the sample shows, and the proposal: reject where more is wrong than was agreed."""
        judged, wrong = len(self.judged), len(self.wrong)
        rate = wrong / judged if judged else 1.0
        return {
            "sampled": judged,
            "wrong": wrong,
            "missing": self.missing,
            "unknown": self.unknown,
            "errorRate": round(rate, 4),
            "atMost": round(upper_bound(wrong, judged), 4),
            "confidence": CONFIDENCE,
            "proposal": "reject" if rate > max_error_rate else "accept",
        }


def named(object: str) -> dict[str, str]:
    """An object as a line of a manifest names it: by its place in S3, or as the text that it is."""
    return {"source-ref" if object.startswith("s3://") else "source": object}


def join(sample: Iterable[str], verdicts: Iterable[Mapping[str, Any]]) -> Review:
    """Join verdicts with the sample they are about."""
    wanted = set(sample)
    given = {v["object"]: Verdict(v["object"], v["correct"], v.get("reason") or "") for v in verdicts}
    judged = tuple(verdict for name, verdict in given.items() if name in wanted)
    return Review(judged, missing=len(wanted) - len(judged), unknown=len(given) - len(judged))


def upper_bound(wrong: int, judged: int, confidence: float = CONFIDENCE) -> float:
    """The error rate that is not exceeded, with this confidence, where `wrong` of `judged` objects were wrong."""
    if wrong >= judged:
        return 1.0
    low, high = wrong / judged, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(wrong, judged, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(wrong: int, judged: int, rate: float) -> float:
    if rate <= 0 or rate >= 1:
        return 1.0 if rate <= 0 or wrong >= judged else 0.0
    return sum(
        exp(lgamma(judged + 1) - lgamma(k + 1) - lgamma(judged - k + 1) + k * log(rate) + (judged - k) * log(1 - rate))
        for k in range(wrong + 1)
    )
