"""*Cancelled*: free the slot, and tell the provider. The end."""

from botocore.exceptions import ClientError

from gtplus_runtime.handling import Batch, NotDeployed, on_status
from gtplus_runtime.log import log

_GONE = frozenset({"AccessDenied", "NoSuchBucket"})
"""What S3 and STS say where the bucket was deleted, or the right to it was taken away."""


@on_status
def handler(batch: Batch) -> None:
    """Free the slot first: others may be waiting for it. What is gone by now, place or data, holds up no end."""
    try:
        batch.leave_transfer()
        batch.tell_provider()
    except (ClientError, NotDeployed) as error:
        if isinstance(error, ClientError) and error.response["Error"]["Code"] not in _GONE:
            raise
        # Where no construct is deployed, the reconciler clears the line.
        log("provider not told", project=batch.key.project, batch=batch.key.batch, error=type(error).__name__)
