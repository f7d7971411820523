"""The simulated reviewer: compares a sample with the true labels of its objects, and decides as the review proposes."""

import logging
from typing import Any, NamedTuple

from gtplus_cli.simulation.answers import Answers, SampleAnswers
from gtplus_cli.simulation.ports import Client
from gtplus_runtime.lifecycle import BatchStatus

_LOG = logging.getLogger(__name__)


class Verdict(NamedTuple):
    """What the reviewer says of one object of the sample.

    Attributes:
        object: its URI.
        correct: whether its label is the true one.
        reason: what is wrong; empty if nothing is.
    """

    object: str
    correct: bool
    reason: str


class SimulatedReviewer:
    """Reviews the batches of one project, through the API only.

    Args:
        client: the API, with a reviewer's rights.
        answers: the true labels; only those of a sample's objects are asked for.
        project: whose batches.
    """

    def __init__(self, client: Client, answers: Answers, project: str) -> None:
        self._client = client
        self._answers = answers
        self._project = project

    def review(self, batch: str) -> list[Verdict]:
        """Reviews the sample of a batch that is ready for it, submits the verdicts, and returns them."""
        sample = self._call("batch.sample", batch)
        answers = self._answers.for_sample(entry["object"] for entry in sample["objects"])
        verdicts = [_verdict(entry, answers) for entry in sample["objects"]]
        bodies = [_body(verdict) for verdict in verdicts]
        self._call("batch.review", batch, round=sample["round"], verdicts=bodies)
        wrong = sum(not verdict.correct for verdict in verdicts)
        _LOG.info("simulated reviewer: %s: %d of %d are wrong", batch, wrong, len(verdicts))
        return verdicts

    def decide(self, batch: str) -> str | None:
        """Accepts or rejects a reviewed batch, as the review proposes.

        Returns:
            "accept" or "reject"; None if the review is not complete yet, and nothing was decided.

        Raises:
            ValueError: if the proposal is neither of the two.
        """
        shown = self._call("batch.show", batch)
        review = shown.get("review")
        # The status comes first; what the review shows is there a moment later.
        if shown["status"] != BatchStatus.REVIEW_COMPLETE or not review:
            return None
        proposal = str(review["proposal"])
        if proposal == "accept":
            self._call("batch.accept", batch, round=shown["round"])
        elif proposal == "reject":
            reason = f"{review['wrong']} of the {review['sampled']} objects of the sample are labeled wrong"
            self._call("batch.reject", batch, round=shown["round"], reason=reason)
        else:
            raise ValueError(f"the review of {batch} proposes {proposal!r}: neither accept nor reject")
        _LOG.info("simulated reviewer: %s: %s", batch, proposal)
        return proposal

    def _call(self, route: str, batch: str, **body: Any) -> dict[str, Any]:
        return self._client.call(route, project=self._project, batch=batch, **body)


def _verdict(entry: dict[str, Any], answers: SampleAnswers) -> Verdict:
    obj, label = entry["object"], entry.get("label")
    truth = answers.label_of(obj)
    if label is None:
        return Verdict(obj, False, f"shows a {answers.name_of(obj)}, not labeled")
    correct = bool(label == truth)
    said = entry.get("name", label)
    return Verdict(obj, correct, "" if correct else f"shows a {answers.name_of(obj)}, labeled {said}"[:_LONGEST])


_LONGEST = 1_000


def _body(verdict: Verdict) -> dict[str, Any]:
    body: dict[str, Any] = {"object": verdict.object, "correct": verdict.correct}
    return body if verdict.correct else {**body, "reason": verdict.reason}
