"""*Request submitted*: check and freeze the input, then take a transfer slot or wait in line for one."""

from gtplus_runtime.handling import Batch, on_status, promote
from gtplus_runtime.lifecycle import BatchStatus


@on_status
def handler(batch: Batch) -> None:
    """End a bad batch in *Data transfer failed* with the whole report; freeze the inventory of a good one."""
    inventory = batch.objects.check_input(batch.head["form"]["input"], batch.place)
    if inventory.counts:
        report = batch.objects.write_json(batch.file("report.json"), inventory.report())
        batch.advance(BatchStatus.DATA_TRANSFER_FAILED, reason=inventory.summary(), report=report)
        return
    frozen = batch.objects.write_lines(batch.file("inventory.jsonl"), inventory.lines)
    project = batch.store.head(batch.key._replace(batch=None))
    batch.note(
        {"total": len(inventory.lines), "completed": 0, "failed": 0},
        inventory=frozen,
        bytes=inventory.size,
        taskType=project["form"]["taskType"] if project else None,
    )
    promote(batch.store, batch.store.join_transfers(batch.place.provider, batch.key), batch.place)
