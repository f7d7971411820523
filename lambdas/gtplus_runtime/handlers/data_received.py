"""*Data received*: free the slot, and look whether the input is still what was frozen."""

from gtplus_runtime.frozen import input_changes
from gtplus_runtime.handling import Batch, on_status


@on_status
def handler(batch: Batch) -> None:
    """Say which objects were changed or removed while they were copied."""
    batch.leave_transfer()
    batch.note(inputChanges=input_changes(batch.objects, batch.facts["inventory"], batch.place.reads))
    batch.tell_provider()
