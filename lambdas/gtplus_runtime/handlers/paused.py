"""*Paused*: tell the provider to stop; a resume goes back to where the batch was."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Leave the note; the batch keeps its place in the line of the data transfers."""
    batch.tell_provider()
