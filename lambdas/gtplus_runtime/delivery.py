"""The completeness check: what stands between *Ready for delivery* and *Data delivered*."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from gtplus_runtime.handling import Batch
from gtplus_runtime.label_files import label_files, missing_files
from gtplus_runtime.labels import Coverage
from gtplus_runtime.lifecycle import BatchStatus


def try_delivery(batch: Batch) -> bool:
    """Deliver if the output manifest is complete and says what was accepted; otherwise keep the reasons.

    An object proves nothing by being there: every object of the inventory must be labeled or listed as failed, and
    every label must be the one that was accepted, with the files that it refers to: those by the ETags that S3 keeps.

    Returns:
        Whether the batch was delivered.
    """
    uri = batch.delivery
    if batch.objects.find(uri) is None:
        batch.note_here(delivery={"manifest": uri, "waitsFor": "the provider to write it"})
        return False
    sources = batch.sources()
    delivered = Coverage(batch.objects.chunks(uri), batch.attribute, sources)
    fixed = batch.facts["accepted"]
    accepted = Coverage(batch.objects.chunks(fixed["manifest"]), batch.attribute, sources)
    files = label_files(batch.objects, delivered.files, batch.place.writes)
    problems = delivered.problems() + missing_files(files)
    if accepted.sha256 != fixed["sha256"]:
        # The provider can write there; a bucket that is versioned still has the accepted one.
        problems.append(f"{fixed['manifest']} was changed after its acceptance: restore sha256 {fixed['sha256']}")
    elif differing := delivered.differing(accepted):
        problems.append(f"labels that are not the accepted ones: {differing}")
    elif not files["missing"] and files["sha256"] != fixed.get("files", files["sha256"]):
        problems.append("files of labels that were changed after the acceptance: restore their versions")
    delivery = {"manifest": uri, "sha256": delivered.sha256, "files": files["files"], "problems": problems}
    if problems:
        batch.note_here(delivery=delivery)
        return False
    counts = {"completed": len(delivered.labeled), "failed": delivered.failed}
    batch.advance(BatchStatus.DATA_DELIVERED, delivery=delivery, objects=counts)
    return True


LOOK_AGAIN = timedelta(minutes=15), timedelta(hours=6)
"""How long until a delivery that nothing was heard of is looked at again: at least, and at the most."""


def should_look_again(head: Mapping[str, Any], now: datetime) -> bool:
    """Whether a batch stands in *Ready for delivery* for so long that what S3 told of it may be lost.

    Each pause is as long as all that was waited before, within LOOK_AGAIN: after 15 and 30 minutes, 1, 2 and 4 hours,
    and then every 6.

    Args:
        head: the head.
        now: the time.
    """
    if head["status"] != BatchStatus.READY_FOR_DELIVERY:
        return False
    since = datetime.fromisoformat(head["since"])
    looked = max(since, datetime.fromisoformat(head.get("lookedAt", head["since"])))
    least, most = LOOK_AGAIN
    return now - looked >= min(max(least, looked - since), most)
