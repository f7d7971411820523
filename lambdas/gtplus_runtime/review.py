"""The review of a round: which objects are looked at, what the verdicts say, and what follows from them. Pure.

The bound is the exact one-sided binomial bound of Clopper and Pearson ("The use of confidence or fiducial limits
illustrated in the case of the binomial", Biometrika 26, 1934), here by bisection on the binomial sum. The risks of the
proposal are those of acceptance sampling (its "operating characteristic"): exact hypergeometric sums, since the
sample is drawn without replacement from a batch of known size.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import ceil, exp, inf, lgamma, log
from typing import Any, NamedTuple

from gtplus_runtime.labels import Label

CONFIDENCE = 0.95
"""Confidence of the bound on the error rate."""


RANDOM = "simple random"

METHODS = {"random": RANDOM, "stratified": "stratified by class", "least-confident": "least confident"}
"""How a sample is drawn: the setting of the project, and as it is stated on the batch."""


class Drawn(NamedTuple):
    """An object of the sample.

    Attributes:
        label: its label.
        weight: the objects of the batch that it stands for; None where all of the sample are alike.
    """

    label: Label
    weight: float | None = None


def draw(labels: Sequence[Label], size: int, seed: str, method: str = "random") -> list[Drawn]:
    """Draw the objects to review; all of them where there are fewer than wanted.

    Args:
        labels: the labeled objects, in an order that does not depend on the manifest's.
        size: how many, 1 or more.
        seed: stated on the batch, so that anyone can draw the same again.
        method: one of `METHODS`. `random`: simple random sampling without replacement. `stratified`: by class, in
            proportion, and where there is room at least one of each class. `least-confident`: the lowest confidences
            first, that of an object being its least sure annotation's, then the objects without one; those alike in
            the seed's order.

    Returns:
        The sample, in the order of the labels.
    """
    if method == "stratified":
        return _draw_stratified(labels, size, seed)
    if method == "least-confident":
        shuffled = _sample(range(len(labels)), len(labels), seed)
        surest_last = sorted(shuffled, key=lambda index: _confidence(labels[index]))
        return [Drawn(labels[index]) for index in sorted(surest_last[:size])]
    return [Drawn(label) for label in draw_sample(labels, size, seed)]


def draw_sample(labels: Sequence[Label], size: int, seed: str) -> list[Label]:
    """Draw by simple random sampling without replacement; see `draw`."""
    if len(labels) <= size:
        return list(labels)
    return [labels[index] for index in sorted(_sample(range(len(labels)), size, seed))]


def _sample(indices: Sequence[int], size: int, seed: str) -> list[int]:
    # Not for secrets: the draw must be repeatable.
    return random.Random(seed).sample(indices, size)  # noqa: S311


def _confidence(label: Label) -> float:
    return inf if (least := label.least_confidence) is None else least


def _draw_stratified(labels: Sequence[Label], size: int, seed: str) -> list[Drawn]:
    strata = _strata(labels)
    shares = _shares({name: len(indices) for name, indices in strata.items()}, size)
    drawn = {
        index: len(strata[name]) / share
        for name, share in shares.items()
        for index in _sample(strata[name], share, f"{seed}/{name}")
    }
    return [Drawn(labels[index], drawn[index]) for index in sorted(drawn)]


def _strata(labels: Sequence[Label]) -> dict[str, list[int]]:
    """The objects by class; one of several classes belongs to the rarest of them, one of none to the empty name."""
    classes = [sorted({annotation.name for annotation in label.annotations}) or [""] for label in labels]
    common = Counter(name for names in classes for name in names)
    strata: defaultdict[str, list[int]] = defaultdict(list)
    for index, names in enumerate(classes):
        strata[min(names, key=lambda name: (common[name], name))].append(index)
    return dict(sorted(strata.items()))


def _shares(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """How many of each stratum: one each, of the largest first; then by highest averages (Webster, Sainte-Laguë)."""
    shares = dict.fromkeys(sorted(counts, key=lambda name: (-counts[name], name))[:size], 1)
    for _ in range(min(size, sum(counts.values())) - len(shares)):
        open_ = (name for name in shares if shares[name] < counts[name])
        shares[max(open_, key=lambda name: counts[name] / (2 * shares[name] + 1))] += 1
    return shares


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

    def summary(
        self,
        max_error_rate: float,
        *,
        method: str = RANDOM,
        population: int | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> dict[str, Any]:
        """What the sample shows, and the proposal: reject where more is wrong than was agreed.

        A bound on the error rate of the batch, and the risks of the proposal, follow from a random sample alone; in
        the bound an object without a verdict counts as wrong, and with one missing no risks are stated.

        Args:
            max_error_rate: the share of wrong objects that was agreed.
            method: how the sample was drawn, as stated on the batch.
            population: the objects that it was drawn from; None where that is not known.
            weights: what an object of the sample stands for, where they are not alike: the error rate is weighed.
        """
        judged, wrong = len(self.judged), len(self.wrong)
        each = {verdict.object: (weights or {}).get(verdict.object, 1.0) for verdict in self.judged}
        # Counts are divided as they are: a sum of weights could miss the agreed level by a rounding.
        rate = (
            sum(each[v.object] for v in self.wrong) / sum(each.values()) if weights and judged else _rate(wrong, judged)
        )
        shown: dict[str, Any] = {
            "method": method,
            "sampled": judged,
            "wrong": wrong,
            "missing": self.missing,
            "unknown": self.unknown,
            "errorRate": round(rate, 4),
            "proposal": "reject" if rate > max_error_rate else "accept",
        }
        if method == RANDOM:
            bound = upper_bound(wrong + self.missing, judged + self.missing)
            shown |= {"atMost": round(bound, 4), "confidence": CONFIDENCE}
            if judged and not self.missing:
                shown["risks"] = risks(max_error_rate, judged, population)._asdict()
        return shown


def _rate(wrong: int, judged: int) -> float:
    return wrong / judged if judged else 1.0


class Risks(NamedTuple):
    """How often a proposal by a sample of this size is a wrong one: chances, each rounded to 4 digits.

    Attributes:
        acceptOver: that a batch is accepted whose error rate is just over the agreed one: the most that it can be.
        acceptDouble: that a batch is accepted whose error rate is twice the agreed one.
        rejectWithin: that a batch is rejected whose error rate is just the agreed one: the most that it can be.
    """

    acceptOver: float
    acceptDouble: float
    rejectWithin: float


def risks(max_error_rate: float, sampled: int, population: int | None = None) -> Risks:
    """The risks of proposing by a simple random sample.

    Args:
        max_error_rate: the agreed share of wrong objects.
        sampled: objects of the sample.
        population: objects of the batch, at least as many; None for a batch of any size (binomial).
    """
    allowed = most_within(max_error_rate, sampled)
    if population is None:
        within = over = _at_most(allowed, sampled, max_error_rate)
        double = _at_most(allowed, sampled, min(2 * max_error_rate, 1.0))
    else:
        good = most_within(max_error_rate, population)
        twice = min(max(ceil(2 * max_error_rate * population), good + 1), population)
        within = chance_of_at_most(allowed, sampled, good, population)
        # Where any error rate was agreed there is no batch over it.
        over = chance_of_at_most(allowed, sampled, good + 1, population) if good < population else 0.0
        double = chance_of_at_most(allowed, sampled, twice, population) if good < population else 0.0
    return Risks(round(over, 4), round(double, 4), round(1 - within, 4))


def most_within(rate: float, total: int) -> int:
    """The most objects of so many that are no larger share than this; counted, since 0.29 * 100 is under 29."""
    count = int(rate * total)
    return count + 1 if count < total and (count + 1) / total <= rate else count


def chance_of_at_most(wrong: int, sampled: int, errors: int, population: int) -> float:
    """The chance that at most `wrong` of `sampled` objects are among the `errors` of a population (hypergeometric)."""
    whole = _log_choose(population, sampled)
    least, most = max(0, sampled - (population - errors)), min(wrong, errors, sampled)
    chance = sum(
        exp(_log_choose(errors, k) + _log_choose(population - errors, sampled - k) - whole)
        for k in range(least, most + 1)
    )
    return min(chance, 1.0)


def _log_choose(total: int, chosen: int) -> float:
    return lgamma(total + 1) - lgamma(chosen + 1) - lgamma(total - chosen + 1)


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
    return sum(exp(_log_choose(judged, k) + k * log(rate) + (judged - k) * log(1 - rate)) for k in range(wrong + 1))
