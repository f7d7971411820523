"""*Ready for delivery*: if the labels lie in the output location and are complete, the batch is delivered."""

from gtplus_runtime.delivery import try_delivery
from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Tell the provider, and check what may lie there already; S3 tells of what comes later."""
    batch.tell_provider()
    try_delivery(batch)
