"""*Accepted*: fix the decision with the hash of what was accepted; the labels can be delivered."""

from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.labels import Coverage
from gtplus_runtime.lifecycle import BatchStatus


@on_status
def handler(batch: Batch) -> None:
    """Hold the manifest against the one that was reviewed: one that was changed since is not delivered."""
    manifest = batch.facts["manifest"]
    coverage = Coverage(batch.objects.chunks(manifest), batch.attribute, batch.sources())
    reviewed = batch.facts["labels"]["sha256"]
    if coverage.sha256 != reviewed:
        batch.note(problem=f"{manifest} was changed after its review: restore the reviewed version, sha256 {reviewed}")
        raise ValueError("the manifest was changed after its review")
    batch.tell_provider()
    accepted = {"manifest": manifest, "sha256": coverage.sha256, "round": batch.round}
    # Noted and not said with the advance: the provider may have reported that status already.
    batch.note(accepted=accepted)
    batch.advance(BatchStatus.READY_FOR_DELIVERY)
