"""*Cancelled*: free the slot, and tell the provider. The end."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Free the slot first: others may be waiting for it."""
    batch.leave_transfer()
    batch.tell_provider()
