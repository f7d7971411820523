"""What S3 tells: an output manifest was written. It starts the completeness check, and proves nothing by itself.

Input: SQS messages that hold EventBridge's "Object Created" of a key that ends in `/output.manifest`, in any bucket of
this account. The batch is found by the output location that its creation claimed; everything else is let go.
Output: `{"batchItemFailures": […]}`: a message that fails comes again, and ends in the dead-letter queue.

Source: "Using EventBridge" in the Amazon S3 user guide: at least once, in any order, keys are not percent-encoded.
"""

import json
from typing import Any

from gtplus_runtime.commands import Superseded
from gtplus_runtime.delivery import try_delivery
from gtplus_runtime.handling import Batch, store
from gtplus_runtime.lifecycle import BatchStatus
from gtplus_runtime.log import log


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Check every message; report those that failed."""
    failed = []
    for record in event["Records"]:
        try:
            outcome = _check(json.loads(record["body"]))
        except Exception as error:
            log("message failed", error=type(error).__name__)
            failed.append({"itemIdentifier": record["messageId"]})
        else:
            log("message checked", outcome=outcome)
    return {"batchItemFailures": failed}


def _check(event: dict[str, Any]) -> str:
    detail = event["detail"]
    folder = f"s3://{detail['bucket']['name']}/{detail['object']['key'].removesuffix('output.manifest')}"
    table = store()
    key = table.output_owner(folder)
    head = table.head(key) if key else None
    if key is None or head is None:
        return "no batch has this output location"
    if head["status"] != BatchStatus.READY_FOR_DELIVERY:
        # The handler of that status looks for itself, so a manifest that came early is not lost.
        return "not ready for delivery"
    try:
        return "delivered" if try_delivery(Batch(key, head, table, head["generation"], head["seq"])) else "incomplete"
    except Superseded:
        return "superseded"
