"""The objects of a project in S3, through an S3 client: the runtime role's in a function, the caller's in the CLI."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from gtplus_runtime.manifest import Found, Inventory, check_listing, check_manifest
from gtplus_runtime.places import Place, split_uri
from gtplus_runtime.problems import Problem

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK = 1 << 20
_GONE = frozenset({"NoSuchKey", "404", "NotFound"})
_REFUSED = frozenset({"AccessDenied", "403", "Forbidden"})


class Objects:
    """Reads and writes objects by their S3 URI.

    Args:
        s3: an S3 client.
    """

    def __init__(self, s3: "S3Client") -> None:
        self._s3 = s3

    def chunks(self, uri: str) -> Iterator[bytes]:
        """The bytes of an object, in pieces; FileNotFoundError where there is none."""
        bucket, key = split_uri(uri)
        try:
            body = self._s3.get_object(Bucket=bucket, Key=key)["Body"]
        except self._s3.exceptions.ClientError as error:
            raise _missing(error, uri) from None
        yield from body.iter_chunks(_CHUNK)

    def lines(self, uri: str) -> Iterator[dict[str, Any]]:
        """The JSON objects of a JSON Lines file that we wrote."""
        rest = b""
        for chunk in self.chunks(uri):
            *whole, rest = (rest + chunk).split(b"\n")
            yield from (json.loads(line) for line in whole if line)
        if rest:
            yield json.loads(rest)

    def json(self, uri: str) -> Any:
        """The content of a JSON file."""
        return json.loads(b"".join(self.chunks(uri)))

    def write_json(self, uri: str, value: Any) -> str:
        """Write a JSON file; returns its URI. Writing the same again changes nothing."""
        return self._put(uri, json.dumps(value, indent=2).encode(), "application/json")

    def write_lines(self, uri: str, entries: Iterable[Any]) -> str:
        """Write a JSON Lines file; returns its URI."""
        return self._put(uri, "".join(json.dumps(e) + "\n" for e in entries).encode(), "application/x-ndjson")

    def find(self, uri: str) -> Found | None:
        """What is there, or None."""
        bucket, key = split_uri(uri)
        try:
            answer = self._s3.head_object(Bucket=bucket, Key=key)
        except self._s3.exceptions.ClientError as error:
            # Without s3:ListBucket on the key S3 answers 403 for what is not there.
            if error.response["Error"]["Code"] in _GONE | _REFUSED:
                return None
            raise
        return Found(answer["ContentLength"], answer["ETag"].strip('"'), answer["LastModified"].isoformat())

    def under(self, bucket: str, prefix: str) -> Iterator[tuple[str, Found]]:
        """Everything under a prefix: one call for each thousand."""
        for page in self._pages(bucket, prefix):
            yield from page

    def look_up(self, bucket: str, keys: list[str]) -> dict[str, Found]:
        """Find objects: by listing the folders where they lie dense, one by one where they lie thin."""
        folders: dict[str, set[str]] = defaultdict(set)
        for key in keys:
            folders[key.rpartition("/")[0]].add(key)
        found: dict[str, Found] = {}
        single: set[str] = set()
        for folder, wanted in folders.items():
            # A listing costs a call for each thousand, so it is given up when the folder turns out to be thin.
            budget = 1 + len(wanted) // 20
            left = set(wanted)
            if len(wanted) > 1:
                for calls, page in enumerate(self._pages(bucket, folder + "/" if folder else "")):
                    for key, there in page:
                        if key in left:
                            found[key] = there
                            left.discard(key)
                    if not left or calls + 1 >= budget:
                        break
                else:
                    left = set()
            single |= left
        with ThreadPoolExecutor(16) as pool:
            for key, there_or_none in zip(
                single, pool.map(lambda k: self.find(f"s3://{bucket}/{k}"), single), strict=True
            ):
                if there_or_none is not None:
                    found[key] = there_or_none
        return found

    def check_input(self, uri: str, place: Place) -> Inventory:
        """Check the input of a batch: a prefix that ends in `/`, or a manifest."""
        bucket, key = split_uri(uri)
        outside = place.check_uri("input", uri, "read")
        inventory = Inventory()
        if outside:
            inventory.refuse("outside the prefixes", outside[0])
            return inventory
        try:
            if uri.endswith("/"):
                return check_listing(bucket, self.under(bucket, key), place)
            return check_manifest(self.chunks(uri), place, self.look_up)
        except FileNotFoundError as error:
            problem = Problem("input", "must be there and readable", uri, f"upload it, or mend the location ({error})")
        except self._s3.exceptions.ClientError as error:
            reason = error.response["Error"]["Code"]
            if reason not in _REFUSED | {"NoSuchBucket"}:
                raise
            problem = Problem("input", "must be readable", f"{uri}: {reason}", "look at the grant of the project")
        inventory.refuse("unreadable", problem)
        return inventory

    def presign(self, uri: str, *, write: bool = False, seconds: int = 900) -> str:
        """A link that reads or writes the object for a while; it ends with the session that signed it, too."""
        bucket, key = split_uri(uri)
        action = "put_object" if write else "get_object"
        return self._s3.generate_presigned_url(action, Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds)

    def _put(self, uri: str, body: bytes, kind: str) -> str:
        bucket, key = split_uri(uri)
        self._s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType=kind)
        return uri

    def _pages(self, bucket: str, prefix: str) -> Iterator[list[tuple[str, Found]]]:
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield [
                (o["Key"], Found(o["Size"], o["ETag"].strip('"'), o["LastModified"].isoformat()))
                for o in page.get("Contents", [])
            ]


def _missing(error: Any, uri: str) -> Exception:
    code = error.response["Error"]["Code"]
    return FileNotFoundError(f"{uri}: {code}") if code in _GONE | _REFUSED else error
