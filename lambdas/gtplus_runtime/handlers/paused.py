"""*Paused*: tell the provider to stop; a resume goes back to where the batch was."""

from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.lifecycle import BatchStatus


@on_status
def handler(batch: Batch) -> None:
    """Leave the note. Who waits for a transfer leaves the line, and joins it anew; who is in one keeps the slot."""
    if batch.event["before"] == BatchStatus.REQUEST_SUBMITTED:
        batch.leave_transfer()
    batch.tell_provider()
