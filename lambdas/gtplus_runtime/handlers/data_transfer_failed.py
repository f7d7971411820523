"""*Data transfer failed*: free the slot. The report stays, the requester is told, a successor is a new batch."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Free the slot and let the provider know."""
    batch.leave_transfer()
    batch.tell_provider()
