"""*In progress*: the clock of the stage starts."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Note when labeling began; the counters say how much there is to do."""
    batch.note(labelingSince=batch.head["since"])
