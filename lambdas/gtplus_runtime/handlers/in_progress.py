"""*In progress*: the clock of the stage starts."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Note when labeling began; after a pause, tell the provider to go on."""
    if "labelingSince" not in batch.facts:
        batch.note(labelingSince=batch.event["at"])
    batch.tell_provider()
