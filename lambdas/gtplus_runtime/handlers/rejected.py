"""*Rejected*: write the rework list with its reasons; the next round begins, or a person decides."""

from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.lifecycle import BatchStatus
from gtplus_runtime.review import named


@on_status
def handler(batch: Batch) -> None:
    """List the objects found wrong; without a review of this round, the whole batch for the reason given."""
    rework = str(batch.facts.get("rework", ""))
    # After a pause this runs once more, and the event that it handles then is the resume.
    if not rework.startswith(batch.round_file("")):
        rework = batch.objects.keep_lines(batch.round_file("rework.jsonl"), _wrong(batch))
    batch.tell_provider()
    # Noted and not said with the advance: an operator may have sent it for rework already.
    batch.note(rework=rework)
    if batch.round >= batch.place.settings["maxRounds"]:
        batch.note_here(problem=f"round {batch.round} was the last agreed: an operator allows one more")
        return
    batch.advance(BatchStatus.SENT_FOR_REWORK)


def _wrong(batch: Batch) -> list[dict[str, str]]:
    verdicts = batch.told("verdicts")
    if verdicts and batch.facts["sample"]["round"] == batch.round and verdicts.startswith(batch.round_file("")):
        return [{**named(v.object), "reason": v.reason} for v in batch.review(batch.sample()).wrong]
    reason = str(batch.event["data"].get("reason", ""))
    return [{**named(source), "reason": reason} for source in batch.sources()]
