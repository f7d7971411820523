"""*Accepted*: fix the decision with the hash of what was accepted; the labels can be delivered."""

from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.label_files import label_files
from gtplus_runtime.labels import Coverage
from gtplus_runtime.lifecycle import BatchStatus


@on_status
def handler(batch: Batch) -> None:
    """Hold the labels against those that were reviewed: what was changed since is not delivered."""
    manifest = batch.facts["manifest"]
    coverage = Coverage(batch.objects.chunks(manifest), batch.attribute, batch.sources())
    reviewed = batch.facts["labels"]["sha256"]
    if coverage.sha256 != reviewed:
        batch.note(problem=f"{manifest} was changed after its review: restore the reviewed version, sha256 {reviewed}")
        raise ValueError("the manifest was changed after its review")
    files = label_files(batch.objects, coverage.files, batch.place.writes)["sha256"]
    # A batch whose labels were counted by an earlier release has none.
    if files != batch.facts["labels"].get("files", {"sha256": files})["sha256"]:
        batch.note(problem=f"files that {manifest} refers to were changed after its review: restore their versions")
        raise ValueError("files of labels were changed after the review")
    batch.tell_provider()
    accepted = {"manifest": manifest, "sha256": coverage.sha256, "files": files, "round": batch.round}
    # Noted and not said with the advance: the provider may have reported that status already.
    batch.note(accepted=accepted)
    batch.advance(BatchStatus.READY_FOR_DELIVERY)
