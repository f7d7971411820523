"""An object as it was found, and as an inventory keeps it."""

from typing import Any, NamedTuple

FROZEN = "gtplus-frozen"
"""The key of an inventory line that holds what was found; all other keys are the customer's own."""


class Found(NamedTuple):
    """An object as S3 knows it.

    Attributes:
        size: in bytes.
        etag: without its quotes.
        modified: when it was last written, ISO 8601.
        version: its version id, where S3 told it: a listing does not.
    """

    size: int
    etag: str
    modified: str
    version: str | None = None

    def frozen(self) -> dict[str, Any]:
        """What an inventory keeps of it."""
        return {name: value for name, value in self._asdict().items() if value is not None}
