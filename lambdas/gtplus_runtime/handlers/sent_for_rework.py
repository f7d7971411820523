"""*Sent for rework*: give the provider the order of the next round, with the list of what was wrong."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Write the order; its round is one more than that of the rejected labels."""
    batch.order_work(rework=batch.facts["rework"])
