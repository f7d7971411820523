"""*Review complete*: what the sample shows, and the proposal to whoever decides."""

from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.review import join


@on_status
def handler(batch: Batch) -> None:
    """Bound the error rate, and propose to accept or reject by the project's agreed quality."""
    verdicts = batch.objects.json(batch.facts["verdicts"])["verdicts"]
    sample = batch.objects.lines(batch.facts["sample"]["uri"])
    review = join((entry["object"] for entry in sample), verdicts)
    summary = review.summary(batch.place.settings["maxErrorRate"])
    batch.note(review={**summary, "round": batch.round, "maxErrorRate": batch.place.settings["maxErrorRate"]})
