"""What the simulation needs of the outside: the API's client, and two actions of S3."""

from typing import Any, Protocol

from gtplus_runtime import places


class Client(Protocol):
    """The API, with the rights of whoever signs its calls."""

    def call(self, route: str, /, *, project: str, batch: str = ..., **body: Any) -> dict[str, Any]:
        """Calls a route by its name; raises on a refusal."""
        ...


class Store(Protocol):
    """The part of a boto3 S3 client that is used: a data role may do little more than this."""

    def get_object(self, *, Bucket: str, Key: str) -> Any:
        """Reads an object."""
        ...

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> Any:
        """Writes an object."""
        ...


def split_uri(uri: str) -> tuple[str, str]:
    """Splits `s3://bucket/key` into bucket and key.

    Raises:
        ValueError: if it is not such a URI.
    """
    bucket, key = places.split_uri(uri)
    if not uri.startswith("s3://") or not bucket or not key:
        raise ValueError(f"not an S3 URI of an object: {uri!r}")
    return bucket, key
