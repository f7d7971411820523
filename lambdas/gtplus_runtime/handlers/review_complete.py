"""*Review complete*: what the sample shows, and the proposal to whoever decides."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Bound the error rate, and propose to accept or reject by the project's agreed quality."""
    agreed = batch.place.settings["maxErrorRate"]
    sample = batch.sample()
    drawn = batch.facts["sample"]
    weights = {entry["object"]: entry["weight"] for entry in sample if "weight" in entry}
    summary = batch.review(sample).summary(
        agreed, method=drawn["method"], population=drawn.get("of"), weights=weights or None
    )
    batch.note(review={**summary, "round": batch.round, "maxErrorRate": agreed})
    batch.tell_provider()
