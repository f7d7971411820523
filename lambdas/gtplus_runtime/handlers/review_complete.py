"""*Review complete*: what the sample shows, and the proposal to whoever decides."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Bound the error rate, and propose to accept or reject by the project's agreed quality."""
    agreed = batch.place.settings["maxErrorRate"]
    summary = batch.review(batch.sample()).summary(agreed)
    batch.note(review={**summary, "round": batch.round, "maxErrorRate": agreed})
