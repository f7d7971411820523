"""What S3 tells: an output manifest was written. It starts the completeness check, and proves nothing by itself.

Input: SQS messages that hold EventBridge's "Object Created" of a key that ends in `/output.manifest`, in any bucket of
this account. The batch is found by the output location that its creation claimed; what leads to nothing goes into
quarantine (see `storage.py`). Output: `{"batchItemFailures": […]}`: a message that fails comes again, and ends in the
dead-letter queue.
"""

from datetime import UTC, datetime
from typing import Any

from gtplus_runtime.handling import store
from gtplus_runtime.log import log
from gtplus_runtime.storage import receive


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Check every message; report those that failed."""
    failed = []
    for record in event["Records"]:
        try:
            outcome = receive(store(), record["body"], _sent(record))
        except Exception as error:
            log("message failed", error=type(error).__name__)
            failed.append({"itemIdentifier": record["messageId"]})
        else:
            log("message checked", outcome=outcome)
    return {"batchItemFailures": failed}


def _sent(record: dict[str, Any]) -> str:
    milliseconds = int(record["attributes"]["SentTimestamp"])
    return datetime.fromtimestamp(milliseconds / 1_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
