"""*Data received*: free the slot, and look whether the input is still what was frozen."""

from gtplus_runtime.handling import Batch, on_status
from gtplus_runtime.manifest import FROZEN
from gtplus_runtime.places import split_uri


@on_status
def handler(batch: Batch) -> None:
    """Count the objects that were changed or removed while they were copied."""
    batch.leave_transfer()
    frozen: dict[str, dict[str, str]] = {}
    for entry in batch.objects.lines(batch.facts["inventory"]):
        if "source-ref" in entry:
            bucket, key = split_uri(entry["source-ref"])
            frozen.setdefault(bucket, {})[key] = entry[FROZEN]["etag"]
    changed = 0
    for bucket, etags in frozen.items():
        now = batch.objects.look_up(bucket, list(etags))
        changed += sum(key not in now or now[key].etag != etag for key, etag in etags.items())
    batch.note(inputChanged=changed)
