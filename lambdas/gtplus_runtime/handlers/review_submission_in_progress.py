"""*Review submission in progress*: join the verdicts with the sample, and keep them as label verification too."""

from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.lifecycle import BatchStatus
from gtplus_runtime.review import named


@on_status
def handler(batch: Batch) -> None:
    """Write the verdicts as a manifest of `groundtruth/label-verification`, which existing readers know."""
    sample = batch.sample()
    review = batch.review(sample)
    names = {entry["object"]: entry["name"] for entry in sample}
    attribute = f"{batch.attribute}-verification"
    lines = [
        {
            **named(verdict.object),
            attribute: 0 if verdict.correct else 1,
            f"{attribute}-metadata": {
                "class-name": "correct" if verdict.correct else "incorrect",
                "class-map": {"0": "correct", "1": "incorrect"},
                "type": "groundtruth/label-verification",
                "human-annotated": "yes",
                "creation-date": batch.event["at"],
                "job-name": f"{batch.key.batch}/round-{batch.round}",
                "comment": verdict.reason,
                "label-name": names[verdict.object],
            },
        }
        for verdict in review.judged
    ]
    verification = batch.objects.keep_lines(batch.round_file("verification.manifest"), lines)
    batch.tell_provider()
    batch.advance(
        BatchStatus.REVIEW_COMPLETE,
        verification=verification,
        objects={"withFeedback": len(review.judged)},
    )
