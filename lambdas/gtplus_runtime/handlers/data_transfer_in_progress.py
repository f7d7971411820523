"""*Data transfer in progress*: give the provider its work order."""

from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Write the order of the first round: the inventory, the label attribute, where the labels are to lie."""
    batch.order_work(rework=None)
