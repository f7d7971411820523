"""The completeness check: what stands between *Ready for delivery* and *Data delivered*."""

from gtplus_runtime.handling import Batch
from gtplus_runtime.labels import Coverage
from gtplus_runtime.lifecycle import BatchStatus


def try_delivery(batch: Batch) -> bool:
    """Deliver if the output manifest is complete and says what was accepted; otherwise keep the reasons.

    An object proves nothing by being there: every object of the inventory must be labeled or listed as failed, and
    every label must be the one that was accepted.

    Returns:
        Whether the batch was delivered.
    """
    uri = batch.delivery
    if batch.objects.find(uri) is None:
        batch.note(delivery={"manifest": uri, "waitsFor": "the provider to write it"})
        return False
    sources = batch.sources()
    delivered = Coverage(batch.objects.chunks(uri), batch.attribute, sources)
    fixed = batch.facts["accepted"]
    accepted = Coverage(batch.objects.chunks(fixed["manifest"]), batch.attribute, sources)
    problems = delivered.problems()
    if accepted.sha256 != fixed["sha256"]:
        # The provider can write there; a bucket that is versioned still has the accepted one.
        problems.append(f"{fixed['manifest']} was changed after its acceptance: restore sha256 {fixed['sha256']}")
    elif differing := delivered.differing(accepted):
        problems.append(f"labels that are not the accepted ones: {differing}")
    delivery = {"manifest": uri, "sha256": delivered.sha256, "problems": problems}
    if problems:
        batch.note(delivery=delivery)
        return False
    counts = {"completed": len(delivered.labeled), "failed": delivered.failed}
    batch.advance(BatchStatus.DATA_DELIVERED, delivery=delivery, objects=counts)
    return True
